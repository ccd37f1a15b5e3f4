import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { userInfo } from "node:os";
import { test } from "node:test";
import { internetChecksum } from "../protocol/icmp.ts";
import { type Setting, conformance, descriptors } from "./conformance.ts";
import type { EchoSocket, OnDatagram, Opened } from "./icmp-socket.ts";
import { type PingOptions, openIcmp, ping } from "./ping.ts";
import type { Target } from "./probe.ts";

const LOOPBACK: Target = { host: "patient", address: "127.0.0.1", family: 4 };
const LOOPBACK6: Target = { host: "patient", address: "::1", family: 6 };

/** A socket of which the test is the network: told of each request, it may deliver datagrams. */
type Network = { readonly requests: Buffer[]; held: boolean; open(family: 4 | 6, onDatagram: OnDatagram): Opened };

function network(raw: boolean, answer: (request: Buffer, to: Buffer, deliver: OnDatagram) => void, errno = 0): Network {
  const made: Network = {
    requests: [],
    held: false,
    open(_family, onDatagram) {
      const socket: EchoSocket = {
        raw,
        send(request, to, sender) {
          if (errno !== 0) return queueMicrotask(() => sender.failed(errno));
          made.requests.push(request);
          setImmediate(answer, request, Buffer.from(to), onDatagram);
        },
        hold: (awaited) => (made.held = awaited),
        close: () => undefined,
      };
      return { socket };
    },
  };
  return made;
}

/** The reply that RFC 792 and 4443 ask for. */
function replyTo(request: Buffer, change: (reply: Buffer) => void = () => undefined): Buffer {
  const reply = Buffer.from(request);
  const four = reply[0] === 8;
  reply.writeUInt8(four ? 0 : 129, 0);
  change(reply);
  if (four) {
    reply.writeUInt16BE(0, 2);
    reply.writeUInt16BE(internetChecksum(reply), 2);
  }
  return reply;
}

function inIpv4(message: Buffer): Buffer {
  const header = Buffer.alloc(20);
  header[0] = 0x45;
  header[9] = 1;
  return Buffer.concat([header, message]);
}

const setting = (raw: boolean, answer: Parameters<typeof network>[1], target: Target = LOOPBACK, errno = 0) => async (): Promise<Setting<PingOptions>> => ({
  target,
  options: { count: 1 },
  tools: { icmp: openIcmp(network(raw, answer, errno).open) },
  peerDescriptors: 0,
  close: () => Promise.resolve(),
});

conformance(ping, {
  right: setting(false, (request, to, deliver) => deliver(replyTo(request), to)),
  silent: setting(false, () => undefined),
  odd: {
    "a reply on a raw socket, with its IP header": setting(true, (request, to, deliver) => deliver(inIpv4(replyTo(request)), to)),
    "a reply over IPv6": setting(true, (request, to, deliver) => deliver(replyTo(request), to), LOOPBACK6),
    "a reply to which the kernel gave another id": setting(false, (request, to, deliver) => deliver(replyTo(request, (reply) => reply.writeUInt16BE(4711, 4)), to)),
    "a reply after a stranger's": setting(true, (request, to, deliver) => {
      deliver(inIpv4(replyTo(request, (reply) => reply.writeUInt32BE(0, 8))), to);
      deliver(inIpv4(replyTo(request)), to);
    }),
  },
  wrong: {
    "another nonce": setting(false, (request, to, deliver) => deliver(replyTo(request, (reply) => reply.writeUInt8(reply.readUInt8(9) ^ 1, 9)), to)),
    "another sequence number": setting(false, (request, to, deliver) => deliver(replyTo(request, (reply) => reply.writeUInt16BE(reply.readUInt16BE(6) ^ 1, 6)), to)),
    "another sender": setting(false, (request, to, deliver) => {
      to.writeUInt8(99, 7);
      deliver(replyTo(request), to);
    }),
    "the request itself, as loopback's raw sockets show it": setting(true, (request, to, deliver) => deliver(inIpv4(request), to)),
    "a wrong checksum": setting(false, (request, to, deliver) => {
      const reply = replyTo(request);
      reply.writeUInt8(reply.readUInt8(2) ^ 1, 2);
      deliver(reply, to);
    }),
    "a reply with more behind it": setting(false, (request, to, deliver) => deliver(Buffer.concat([replyTo(request), Buffer.alloc(2)]), to)),
    "an IP header that lies about its length": setting(true, (request, to, deliver) => {
      const packet = inIpv4(replyTo(request));
      packet[0] = 0x4f;
      deliver(packet, to);
    }),
    "nothing at all": setting(true, (_request, to, deliver) => deliver(Buffer.alloc(0), to)),
    "a host that cannot be reached": setting(false, () => undefined, LOOPBACK, 113),
  },
  ours: {
    "no buffer space": setting(false, () => undefined, LOOPBACK, 105),
    "no route": setting(false, () => undefined, LOOPBACK, 101),
    "a firewall of this machine": setting(false, () => undefined, LOOPBACK, 1),
    "an address that is none": setting(false, () => undefined, { ...LOOPBACK, address: "name.example" }),
    "an IPv6 address said to be IPv4": setting(false, () => undefined, { ...LOOPBACK, address: "::1" }),
    "a machine that may not ping": async () => ({ ...(await setting(false, () => undefined)()), tools: { icmp: openIcmp(() => ({ refusal: "not permitted" })) } }),
  },
});

test("a reply to the second request is enough, and no third is sent", async () => {
  const net = network(false, (request, to, deliver) => {
    if (net.requests.length === 2) deliver(replyTo(request), to);
  });
  const icmp = openIcmp(net.open);
  const found = await ping.run(LOOPBACK, { count: 3 }, { icmp }, AbortSignal.timeout(10_000));
  assert.equal(found.outcome, "good");
  assert.equal(net.requests.length, 2);
  assert.equal(net.held, false, "the process is not kept alive any longer");
});

test("after an abort nothing is awaited: a late reply changes nothing, no further request is sent", async () => {
  let late: (() => void) | undefined;
  const net = network(false, (request, to, deliver) => (late = () => deliver(replyTo(request), to)));
  const icmp = openIcmp(net.open);
  const controller = new AbortController();
  const running = icmp.echo(LOOPBACK, 2, controller.signal);
  assert.equal(net.held, true);
  await new Promise((resolve) => setImmediate(resolve));
  controller.abort(new Error("enough"));
  assert.equal(net.held, false);
  await assert.rejects(running, /enough/);
  late?.();
  await new Promise((resolve) => setTimeout(resolve, 250)); // longer than the gap between two requests
  assert.equal(net.requests.length, 1);
});

test("no two requests share a nonce, and sequence numbers go round without meeting one in flight", async () => {
  const net = network(false, () => undefined);
  const icmp = openIcmp(net.open);
  const controllers = Array.from({ length: 700 }, () => new AbortController());
  const running = controllers.map((controller) => icmp.echo(LOOPBACK, 1, controller.signal));
  const nonces = new Set(net.requests.map((request) => request.toString("hex", 8)));
  const sequences = new Set(net.requests.map((request) => request.readUInt16BE(6)));
  assert.deepEqual([nonces.size, sequences.size], [700, 700]);
  for (const controller of controllers) controller.abort(new Error("enough"));
  assert.ok((await Promise.allSettled(running)).every((end) => end.status === "rejected"));
});

test("permission is asked for again with every look, and a closed watcher looks no more", async () => {
  let allowed = false;
  const net = network(false, (request, to, deliver) => deliver(replyTo(request), to));
  const icmp = openIcmp((family, onDatagram) => (allowed ? net.open(family, onDatagram) : { refusal: "not permitted: sysctl" }));
  const look = () => ping.run(LOOPBACK, { count: 1 }, { icmp }, AbortSignal.timeout(10_000));
  assert.deepEqual(await look(), { outcome: "unknown", sign: "not-run", evidence: "not permitted: sysctl" });
  allowed = true;
  assert.equal((await look()).outcome, "good");
  icmp.close();
  assert.equal((await look()).outcome, "unknown");
});

const here = openIcmp();
const refused = here.refusal(4) ?? here.refusal(6) ?? false;
here.close();

test("loopback answers over both families, many at once, and closing leaves no descriptor", { skip: refused }, async () => {
  const before = descriptors();
  const icmp = openIcmp();
  const other = openIcmp(); // on raw sockets each hears the other's replies
  const { signal } = new AbortController();
  const targets = Array.from({ length: 300 }, (_, at): Target => (at % 3 === 0 ? LOOPBACK6 : { ...LOOPBACK, address: `127.0.${at % 7}.${at % 250 + 1}` }));
  const trips = await Promise.all(targets.flatMap((target) => [icmp.echo(target, 3, signal), other.echo(target, 3, signal)]));
  assert.ok(trips.every((ms) => ms >= 0 && ms < 10_000));
  assert.equal(descriptors(), before + 4);
  icmp.close();
  other.close();
  assert.equal(descriptors(), before);
});

// Below, network namespaces of our own: there the sysctl may be set, and there are hosts that do not answer.
const UNSHARE = userInfo().uid === 0 ? ["-n"] : ["-rn"];
const noNamespace = spawnSync("unshare", [...UNSHARE, "true"]).status === 0 ? false : "no network namespace can be made here";

/** Runs a module in a new network namespace after `setup`, optionally without CAP_NET_RAW; what it logs as JSON. */
function inNamespace(setup: string, body: string, withoutRaw = false): unknown {
  const module = `
    import { openIcmp, ping } from ${JSON.stringify(new URL("./ping.ts", import.meta.url).href)};
    const icmp = openIcmp();
    const look = (address, family = 4, count = 1, ms = 10_000) =>
      ping.run({ host: "patient", address, family }, { count }, { icmp }, AbortSignal.timeout(ms)).catch((error) => error.name);
    const out = await (async () => { ${body} })();
    icmp.close();
    console.log(JSON.stringify(out));`;
  const drop = withoutRaw ? "setpriv --bounding-set -net_raw --inh-caps -net_raw" : "";
  const script = `ip link set lo up; ${setup}\nexec ${drop} "$0" --disable-warning=ExperimentalWarning --input-type=module -e "$1"`;
  const out = execFileSync("unshare", [...UNSHARE, "sh", "-ec", script, process.execPath, module], { encoding: "utf8", timeout: 60_000 });
  return JSON.parse(out);
}

const PERMIT = "echo '0 0' > /proc/sys/net/ipv4/ping_group_range";

test("permitted by ping_group_range, it uses ping sockets and needs no privilege", { skip: noNamespace }, () => {
  const body = `const four = await look("127.0.0.1"); const six = await look("::1", 6);
    const { signal } = new AbortController();
    const many = await Promise.all(Array.from({ length: 1000 }, (_, at) => icmp.echo({ host: "h", address: "127.1.1." + (at % 250 + 1), family: 4 }, 2, signal)));
    return [four.outcome, six.outcome, icmp.kind(4), icmp.kind(6), many.length];`;
  assert.deepEqual(inNamespace(PERMIT, body, true), ["good", "good", "ping", "ping", 1000]);
});

test("not permitted and without CAP_NET_RAW it says what to do, and proves nothing", { skip: noNamespace }, () => {
  const found = inNamespace("", `return [await look("127.0.0.1"), await look("::1", 6)];`, true) as { outcome: string; sign: string; evidence: string }[];
  for (const { outcome, sign, evidence } of found) {
    assert.deepEqual([outcome, sign], ["unknown", "not-run"]);
    assert.match(evidence, /sysctl -w net\.ipv4\.ping_group_range=/);
  }
});

test("not permitted but with CAP_NET_RAW it uses raw sockets", { skip: noNamespace }, () => {
  assert.deepEqual(inNamespace("", `return [(await look("127.0.0.1")).outcome, (await look("::1", 6)).outcome, icmp.kind(4), icmp.kind(6)];`), ["good", "good", "raw", "raw"]);
});

test("a host that does not answer is silent; a network that has no route is our own matter", { skip: noNamespace }, () => {
  // A cable with nobody at its other end.
  const setup = `${PERMIT}; ip link add v0 type veth peer name v1; ip addr add 10.99.0.1/24 dev v0; ip addr add fd99::1/64 dev v0 nodad; ip link set v0 up; ip link set v1 up; ip route add unreachable 198.51.100.0/24; ip route add prohibit 203.0.113.0/24`;
  const body = `return [await look("10.99.0.2", 4, 2, 400), await look("fd99::2", 6, 2, 400), (await look("10.99.0.1")).outcome, await look("192.0.2.1"), (await look("198.51.100.1")).outcome, (await look("203.0.113.1")).outcome, (await look("fe80::1%nosuch", 6)).outcome];`;
  const noRoute = { outcome: "unknown", sign: "unreachable", evidence: "this machine has no route to the host" };
  assert.deepEqual(inNamespace(setup, body), ["TimeoutError", "TimeoutError", "good", noRoute, "bad", "unknown", "unknown"]);
});
