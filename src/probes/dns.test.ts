import assert from "node:assert/strict";
import { standstill } from "../../lab/standstill.ts";
import { type ChildProcess, spawn } from "node:child_process";
import dgram from "node:dgram";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { type Answer, decode, encode } from "dns-packet";
import fc from "fast-check";
import { assertEvidence, closedPort, conformance, noIcmp, tcpPeer, tcpSettings } from "./conformance.ts";
import { type Serve, udpPeer, udpSetting, udpSettings } from "./conformance-udp.ts";
import { type DnsOptions, dns } from "./dns.ts";
import type { Finding } from "./probe.ts";

const LOOPBACK = { host: "patient", address: "127.0.0.1", family: 4 } as const;
const LIMIT = 10_000;
const TRUNCATED = 0x0200;

function options(port: number, more: Partial<DnsOptions> = {}): DnsOptions {
  return { port, type: "A", rcode: "NOERROR", tcp: false, ...more };
}

/** A right reply to a query, or to whatever its first bytes say. */
function reply(query: Buffer, answers: Answer[] = [], flags = 0): Buffer {
  const { id = 0, questions = [] } = decode(query);
  return encode({ type: "response", id, flags: 0x0180 | flags, questions, answers });
}

const over = (serve: Serve) => udpSetting((port) => options(port), serve);
const another = (query: Buffer): Buffer => {
  const forged = reply(query);
  forged.writeUInt16BE(forged.readUInt16BE(0) ^ 1, 0);
  return forged;
};
const shared = udpSettings((port) => options(port), { right: (query) => reply(query), another });

conformance(dns, {
  ...shared,
  wrong: {
    ...shared.wrong,
    "the longest datagram that there is": over((query, say) => say(Buffer.concat([reply(query), Buffer.alloc(65_507 - reply(query).length)]))),
  },
  ours: {
    ...shared.ours,
    "a name that cannot be asked for": async () => ({ ...(await over(() => undefined)()), options: options(53, { name: "a..b" }) }),
    "a type that is not known": async () => ({ ...(await over(() => undefined)()), options: options(53, { name: "a.b", type: "BANANA" }) }),
  },
});

conformance(
  { ...dns, name: "dns over TCP" },
  tcpSettings(
    (port) => options(port, { tcp: true }),
    (read) => {
      if (read.length < 2 || read.length < 2 + read.readUInt16BE(0)) return null;
      const answer = reply(read.subarray(2));
      const length = Buffer.alloc(2);
      length.writeUInt16BE(answer.length);
      return Buffer.concat([length, answer]);
    },
  ),
);

async function ask(serve: Serve, more: Partial<DnsOptions>): Promise<Finding> {
  const peer = await udpPeer(serve);
  try {
    return await dns.run(LOOPBACK, options(peer.port, more), { icmp: noIcmp }, AbortSignal.timeout(LIMIT));
  } finally {
    await peer.close();
  }
}

const rcode = (code: number) => (query: Buffer, say: (bytes: Buffer) => void) => {
  const message = reply(query);
  message.writeUInt8((message.readUInt8(3) & 0xf0) | code, 3);
  say(message);
};

test("without a name any well-formed answer is good: an outage upstream must not cut a resolver", async () => {
  for (const code of [0, 2, 3, 5]) assert.equal((await ask(rcode(code), {})).outcome, "good");
});

test("with a name the rcode counts", async () => {
  const servfail = await ask(rcode(2), { name: "host.example.org" });
  assert.deepEqual(servfail, { outcome: "bad", sign: "answer", evidence: "SERVFAIL (expected NOERROR)" });
  assert.equal((await ask(rcode(3), { name: "host.example.org", rcode: "nxdomain" })).outcome, "good");
  assert.equal((await ask(rcode(0), { name: "host.example.org", rcode: "NXDOMAIN" })).outcome, "bad");
});

test("with an answer, one of the records must be it", async () => {
  const serve = (query: Buffer, say: (bytes: Buffer) => void): void =>
    say(reply(query, ["10.0.0.1", "10.0.0.2"].map((data) => ({ type: "A", name: "host.example.org", data }))));
  const right = await ask(serve, { name: "host.example.org", answer: "10.0.0.2" });
  assert.deepEqual(right, { outcome: "good", sign: "answer", evidence: "NOERROR: 10.0.0.1, 10.0.0.2" });
  const wrong = await ask(serve, { name: "host.example.org", answer: "10.0.0.3" });
  assert.deepEqual(wrong, { outcome: "bad", sign: "answer", evidence: "NOERROR: 10.0.0.1, 10.0.0.2 (expected 10.0.0.3)" });
});

test("a truncated answer that may hold the record is asked for again over TCP", async () => {
  const answers: Answer[] = [{ type: "A", name: "host.example.org", data: "10.0.0.9" }];
  const tcp = await tcpPeer((socket) => {
    socket.on("data", (read: Buffer) => {
      const message = reply(read.subarray(2), answers);
      socket.end(Buffer.concat([Buffer.of(message.length >> 8, message.length & 0xff), message]));
    });
  });
  const udp = dgram.createSocket("udp4");
  udp.on("message", (query, from) => udp.send(reply(query, [], TRUNCATED), from.port, from.address));
  udp.bind(tcp.port, "127.0.0.1");
  await once(udp, "listening");
  const found = await dns.run(LOOPBACK, options(tcp.port, { name: "host.example.org", answer: "10.0.0.9" }), { icmp: noIcmp }, AbortSignal.timeout(LIMIT));
  assert.deepEqual(found, { outcome: "good", sign: "answer", evidence: "NOERROR: 10.0.0.9" });
  assert.equal(tcp.accepted(), 1);
  udp.close();
  await tcp.close();
});

test("each look has an id and a port of its own", async () => {
  const ids = new Set<number>();
  const ports = new Set<number>();
  const server = dgram.createSocket("udp4");
  server.on("message", (query, from) => {
    ids.add(query.readUInt16BE(0));
    ports.add(from.port);
    server.send(reply(query), from.port, from.address);
  });
  server.bind(0, "127.0.0.1");
  await once(server, "listening");
  for (let turn = 0; turn < 20; turn += 1) await dns.run(LOOPBACK, options(server.address().port), { icmp: noIcmp }, AbortSignal.timeout(LIMIT));
  assert.ok(ids.size > 15 && ports.size > 10, `${ids.size} ids, ${ports.size} ports`);
  server.close();
});

test("whatever datagrams come, nothing throws and the evidence stays printable", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
      const found = await ask((query, say) => {
        for (let turn = 0; turn < 16; turn += 1) say(Buffer.concat([query.subarray(0, bytes.length % query.length), Buffer.from(bytes)]));
      }, { name: "host.example.org" });
      assertEvidence(found);
      assert.notEqual(found.outcome, "good");
    }),
    { numRuns: 60 },
  );
});

const DNSMASQ = ["/usr/sbin/dnsmasq", "/usr/local/sbin/dnsmasq"].find((path) => existsSync(path));
const noDnsmasq = DNSMASQ === undefined ? "dnsmasq (Debian: dnsmasq-base) is not installed" : false;

test("a real dnsmasq: names it serves over UDP and TCP, REFUSED, stopped, gone", { skip: noDnsmasq }, async () => {
  const folder = mkdtempSync(join(tmpdir(), `upkeep-dnsmasq-${process.pid}-`));
  const port = await closedPort();
  const records = ["address=/host.example.org/10.9.8.7", "host-record=six.example.org,fd00::7", "txt-record=t.example.org,hello", "local=/example.org/"];
  writeFileSync(join(folder, "conf"), [`port=${port}`, "listen-address=127.0.0.1", "bind-interfaces", "no-resolv", "no-hosts", "no-daemon", "user=root", `pid-file=${folder}/pid`, ...records, ""].join("\n"));
  const daemon = spawn(DNSMASQ ?? "", ["-C", join(folder, "conf")], { stdio: "ignore" });
  const ended = once(daemon, "exit");
  const look = (more: Partial<DnsOptions>): Promise<Finding> => dns.run(LOOPBACK, options(port, more), { icmp: noIcmp }, AbortSignal.timeout(LIMIT));
  try {
    await untilAnswering(daemon, () => look({}));
    const cases: [Partial<DnsOptions>, string, string][] = [
      [{}, "good", "REFUSED"], // it has no upstream, and lives
      [{ name: "host.example.org", answer: "10.9.8.7" }, "good", "NOERROR: 10.9.8.7"],
      [{ name: "host.example.org", answer: "10.9.8.7", tcp: true }, "good", "NOERROR: 10.9.8.7"],
      [{ name: "six.example.org", type: "aaaa", answer: "FD00:0::0007" }, "good", "NOERROR: fd00::7"],
      [{ name: "t.example.org", type: "TXT", answer: "hello" }, "good", "NOERROR: hello"],
      [{ name: "none.example.org" }, "bad", "NXDOMAIN (expected NOERROR)"],
      [{ name: "host.example.org", answer: "10.9.8.8" }, "bad", "NOERROR: 10.9.8.7 (expected 10.9.8.8)"],
    ];
    for (const [more, outcome, evidence] of cases) {
      const found = await look(more);
      assert.deepEqual([found.outcome, found.evidence], [outcome, evidence], JSON.stringify(more));
    }
    await standstill(daemon);
    const controller = new AbortController();
    const running = dns.run(LOOPBACK, options(port), { icmp: noIcmp }, controller.signal);
    await pause(200);
    controller.abort(new Error("enough"));
    await assert.rejects(running, /enough/);
    daemon.kill("SIGCONT");
    assert.equal((await look({})).outcome, "good");
  } finally {
    daemon.kill("SIGCONT");
    daemon.kill("SIGTERM");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
  const gone = await look({});
  assert.deepEqual([gone.outcome, gone.sign], ["bad", "refused"]);
});

async function untilAnswering(daemon: ChildProcess, look: () => Promise<Finding>): Promise<void> {
  const endsAtMs = performance.now() + LIMIT;
  while ((await look()).outcome !== "good") {
    assert.ok(daemon.exitCode === null && performance.now() < endsAtMs, "dnsmasq did not start");
    await pause(20);
  }
}
