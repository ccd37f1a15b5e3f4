import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import fc from "fast-check";
import { networkRefusal, startNetwork } from "../../lab/netns.ts";
import { lacking, programPath, thirdParty } from "../../lab/third-party.ts";
import { assertEvidence, conformance, tcpPeer, tcpSettings } from "./conformance.ts";
import { udpPeer, udpSettings } from "./conformance-udp.ts";
import { lookArgv, seenIn } from "./look.fixture.ts";
import type { Look, Seen } from "./look.fixture.ts";
import { nfs } from "./nfs.ts";
import type { Finding } from "./probe.ts";
import { rpc } from "./rpc.ts";
import type { RpcOptions } from "./rpc.ts";

const LIMIT_MS = 10_000;

const words = (...all: readonly number[]): Buffer => Buffer.concat(all.map((word) => Buffer.from(word.toString(16).padStart(8, "0"), "hex")));
/** What a server with this program answers to a call: its id, accepted, no verifier, success. */
const answer = (call: Buffer, ...status: readonly number[]): Buffer => Buffer.concat([call.subarray(0, 4), words(1, 0, 0, 0, ...(status.length === 0 ? [0] : status))]);
const record = (message: Buffer): Buffer => Buffer.concat([words(0x8000_0000 + message.length), message]);
const options = (port: number, more: Partial<RpcOptions> = {}): RpcOptions => ({ program: 100_005, version: 3, port, transport: "udp", ...more });

conformance(
  { ...rpc, name: "rpc over UDP" },
  udpSettings((port) => options(port), {
    right: (call) => answer(call),
    another: (call) => answer(words(call.readUInt32BE(0) ^ 1)),
  }),
);

const overTcp = (read: Buffer): Buffer | null => (read.length < 44 ? null : record(answer(read.subarray(4))));
const shared = tcpSettings((port) => options(port, { transport: "tcp" }), overTcp);
conformance({ ...rpc, name: "rpc over TCP" }, shared);
conformance({ ...nfs, name: "nfs" }, tcpSettings((port) => ({ port, transport: "tcp" }), overTcp));

async function overUdp(serve: (call: Buffer) => Buffer, more: Partial<RpcOptions> = {}, probe: Pick<typeof rpc, "run"> = rpc): Promise<Finding> {
  const peer = await udpPeer((call, say) => say(serve(call)));
  try {
    return await probe.run({ host: "patient", address: "127.0.0.1", family: 4 }, options(peer.port, more), { icmp: undefined as never }, AbortSignal.timeout(LIMIT_MS));
  } finally {
    await peer.close();
  }
}

test("a program that lives and turns us away, or speaks other versions, cannot be judged", async () => {
  const cases: readonly (readonly [readonly number[], string, string])[] = [
    [[0], "good", "NULL answered by mountd version 3 at udp port"],
    [[1], "bad", "has no mountd"],
    [[2, 1, 2], "unknown", "it lives and speaks versions 1 to 2 only"],
    [[3], "unknown", "it lives and has no NULL procedure"],
    [[4], "bad", "does not understand"],
    [[5], "bad", "system error"],
  ];
  for (const [status, outcome, evidence] of cases) {
    const found = await overUdp((call) => answer(call, ...status));
    assert.equal(found.outcome, outcome, found.evidence);
    assert.ok(found.evidence.includes(evidence), found.evidence);
  }
  const denied = await overUdp((call) => Buffer.concat([call.subarray(0, 4), words(1, 1, 1, 5)]));
  assert.deepEqual([denied.outcome, denied.sign], ["unknown", "answer"]);
  assert.match(denied.evidence, /turned us away: credentials too weak$/);
});

test("of nfs without a version, any is good", async () => {
  const speaksOnly3 = (call: Buffer): Buffer => (call.readUInt32BE(16) === 3 ? answer(call) : answer(call, 2, 3, 3));
  const any = await overUdp(speaksOnly3, { version: undefined as never }, nfs as never);
  assert.deepEqual([any.outcome, any.evidence.replace(/port \d+/, "port N")], ["good", "answered by nfs at udp port N, versions 3 to 3"]);
  assert.equal((await overUdp(speaksOnly3, { version: 3 }, nfs as never)).outcome, "good");
  assert.equal((await overUdp(speaksOnly3, { version: 4 }, nfs as never)).outcome, "unknown");
});

test("over TCP a reply in fragments of one byte is read, and another's id is not waited past", async () => {
  const look = async (serve: (call: Buffer) => Buffer): Promise<Finding> => {
    const peer = await tcpPeer((socket) => socket.once("data", (bytes) => socket.write(serve(bytes.subarray(4)))));
    try {
      return await rpc.run({ host: "patient", address: "127.0.0.1", family: 4 }, options(peer.port, { transport: "tcp" }), { icmp: undefined as never }, AbortSignal.timeout(LIMIT_MS));
    } finally {
      await peer.close();
    }
  };
  const crumbs = (message: Buffer): Buffer => Buffer.concat([...message].map((byte, index) => Buffer.concat([words((index === message.length - 1 ? 0x8000_0000 : 0) + 1), Buffer.of(byte)])));
  assert.equal((await look((call) => crumbs(answer(call)))).outcome, "good");
  assert.deepEqual(await look((call) => record(answer(words(call.readUInt32BE(0) ^ 1)))), { outcome: "bad", sign: "answer", evidence: "not an answer: another transaction id" });
  assert.deepEqual(await look(() => words(0x7fff_ffff)), { outcome: "bad", sign: "answer", evidence: "not a record of RPC" });
});

test("whatever datagrams come, nothing throws and the evidence stays printable", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 80 }), async (bytes) => {
      const found = await overUdp((call) => Buffer.concat([call.subarray(0, 4), words(1, 0), bytes]), { program: 4_711 }, { run: (target, asked, tools, signal) => rpc.run(target, asked, tools, AbortSignal.any([signal, AbortSignal.timeout(60)])).catch(() => ({ outcome: "bad", sign: "silent", evidence: "pending" })) });
      assertEvidence(found);
    }),
    { numRuns: 30 },
  );
});

const skip = networkRefusal(["rpcbind", "rpcinfo", "ganesha.nfsd"]) ?? lacking("rpcbind", "ganesha.nfsd");

test("a real rpcbind and a real NFS server: by port and by the port mapper, IPv4 and IPv6, stopped, gone", { skip }, async (t) => {
  thirdParty("rpcbind", ["dpkg-query", "-W", "-f=rpcbind ${Version}\\n", "rpcbind"]);
  thirdParty("NFS-Ganesha", [programPath("ganesha.nfsd") ?? "", "-v"]);
  const folder = mkdtempSync(join(tmpdir(), `upkeep-nfs-${process.pid}-`));
  const network = await startNetwork();
  t.after(() => {
    network.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  mkdirSync(join(folder, "recovery"));
  writeFileSync(join(folder, "ganesha.conf"), `
NFS_CORE_PARAM { NFS_Protocols = 3, 4; NFS_Port = 2049; MNT_Port = 20048; Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = true; Clustered = false; }
NFSV4 { Graceless = true; RecoveryRoot = "${folder}/recovery"; }
EXPORT { Export_Id = 1; Path = "/mem"; Pseudo = "/mem"; Access_Type = RW; SecType = sys; FSAL { Name = MEM; } }
`);
  const [server, watcher] = [await network.node("server"), await network.node("watcher")];
  // The socket and the lock of rpcbind are under /run: theirs is their own.
  const script = 'mount -t tmpfs tmpfs /run && mkdir -p /run/rpcbind && { rpcbind -f & until rpcinfo -p 127.0.0.1 >/dev/null 2>&1; do sleep 0.05; done; exec "$0" -F -L "$1/log" -f "$1/ganesha.conf" -p "$1/pid"; }';
  const daemon = server.spawn(["unshare", "-m", "sh", "-c", script, programPath("ganesha.nfsd") ?? "", folder], { stdio: "ignore" });

  const four = { host: "files", address: server.address, family: 4 } as const;
  const six = { host: "files", address: server.address6, family: 6 } as const;
  const look = async (...looks: readonly Look[]): Promise<readonly Seen[]> => {
    const { stdout, stderr } = await watcher.exec([...lookArgv(looks)], { timeoutMs: 60_000 });
    assert.notEqual(stdout, "", stderr);
    return seenIn(stdout);
  };
  const nfsLook = (more: object = {}, target: Look["target"] = four): Look => ({ probe: "nfs", target, options: { port: 2_049, transport: "tcp", ...more } });
  const rpcLook = (more: object, target: Look["target"] = four): Look => ({ probe: "rpc", target, options: { program: 100_003, version: 3, transport: "tcp", ...more } });

  const endsAtMs = performance.now() + 60_000;
  while ((await look(nfsLook()))[0]?.outcome !== "good") {
    assert.ok(daemon.exitCode === null && performance.now() < endsAtMs, "the NFS server did not start");
    await pause(200);
  }
  const cases: readonly (readonly [Look, string, RegExp])[] = [
    [nfsLook({ version: 3 }), "good", /^NULL answered by nfs version 3 at tcp port 2049$/],
    [nfsLook({ version: 4, transport: "udp" }), "good", /^NULL answered by nfs version 4 at udp port 2049$/],
    [nfsLook({}, six), "good", /^NULL answered by nfs version 4/],
    [nfsLook({ version: 2 }), "unknown", /it lives and speaks versions 3 to 4 only$/],
    [nfsLook({ port: 20_048 }), "bad", /^the server at tcp port 20048 has no nfs$/],
    [rpcLook({}), "good", /^NULL answered by nfs version 3 at tcp port 2049$/],
    [rpcLook({ program: 100_005, transport: "udp" }), "good", /^NULL answered by mountd version 3 at udp port 20048$/],
    [rpcLook({ program: 100_000, version: 4 }, six), "good", /^NULL answered by portmapper version 4 at tcp port 111$/],
    [rpcLook({ program: 100_000, version: 3, transport: "udp" }, six), "good", /at udp port 111$/],
    [rpcLook({ program: 100_021, version: 4 }), "bad", /^nlockmgr version 4 over tcp is not registered/],
    [rpcLook({ program: 100_021, version: 4 }, six), "bad", /^nlockmgr version 4 over tcp is not registered/],
    [rpcLook({ port: 4_711 }), "bad", /^connection refused$/],
  ];
  const found = await look(...cases.map(([each]) => each));
  for (const [index, [each, outcome, evidence]] of cases.entries()) {
    assert.equal(found[index]?.outcome, outcome, `${JSON.stringify(each)}: ${found[index]?.evidence}`);
    assert.match(found[index]?.evidence ?? "", evidence);
  }

  // Frozen, the kernel accepts, and nobody answers.
  const pids = (await server.exec(["ip", "netns", "pids", server.namespace])).stdout.trim().split("\n");
  await server.exec(["kill", "-STOP", ...pids]);
  const [frozen] = await look({ ...nfsLook(), limitMs: 500 });
  assert.deepEqual(frozen, { outcome: "pending", evidence: "connected" });
  await server.exec(["kill", "-CONT", ...pids]);
  await server.exec(["kill", "-KILL", ...pids]);
  const gone = await look(nfsLook(), rpcLook({}));
  assert.deepEqual(gone.map(({ sign, evidence }) => [sign, evidence]), [["refused", "connection refused"], ["refused", "port mapper: connection refused"]]);
});
