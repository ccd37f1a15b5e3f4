import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { networkRefusal, startNetwork } from "../../lab/netns.ts";
import { standstill } from "../../lab/standstill.ts";
import { lacking, programPath, thirdParty } from "../../lab/third-party.ts";
import { NASTY, conformance, noIcmp, until } from "./conformance.ts";
import type { Setting } from "./conformance.ts";
import { dhcp, dhcpOver } from "./dhcp.ts";
import type { DhcpOptions } from "./dhcp.ts";
import { lookArgv, seenIn } from "./look.fixture.ts";
import type { Look, Seen } from "./look.fixture.ts";
import type { OpenPacketSocket } from "./packet-socket.ts";

const SERVER = "10.77.0.2";
const TARGET = { host: "patient", address: SERVER, family: 4 } as const;

/** A server's answer to a discover: the discover turned round, put together by hand. */
function offer(discover: Buffer, { server = SERVER, type = 2, transaction = discover.readUInt32BE(32) } = {}): Buffer {
  const options = Buffer.from([53, 1, type, 54, 4, ...server.split(".").map(Number), 255]);
  const bytes = Buffer.concat([discover.subarray(0, 28 + 240), options]);
  bytes.writeUInt16BE(bytes.length, 2);
  bytes.writeUInt16BE(67, 20);
  bytes.writeUInt16BE(68, 22);
  bytes.writeUInt16BE(bytes.length - 20, 24);
  bytes.writeUInt8(2, 28);
  bytes.writeUInt32BE(transaction, 32);
  bytes.set([10, 77, 0, 50], 28 + 16);
  return bytes;
}

/** A wire on which `serve` answers. Each socket holds a descriptor, so that one which is not closed is seen. */
function wire(serve: (discover: Buffer, say: (packet: Buffer) => void) => void, error: string | null = null): { open: OpenPacketSocket; seen: () => number } {
  let seen = 0;
  const open: OpenPacketSocket = (name, _transaction, onPacket) => {
    if (name === "missing0") return { refusal: `this machine has no interface ${name}` };
    const descriptor = openSync("/dev/null", "r");
    let closed = false;
    const socket = {
      mac: Uint8Array.of(2, 0x77, 0, 0, 1, 5),
      send(packet: Buffer): string | null {
        seen += 1;
        setImmediate(() => {
          if (!closed) serve(packet, (answer) => void (closed || onPacket(answer)));
        });
        return error;
      },
      close(): void {
        closed = true;
        closeSync(descriptor);
      },
    };
    return { socket };
  };
  return { open, seen: () => seen };
}

// One probe for all settings: which wire it meets is told by the interface's name.
const wires: Readonly<Record<string, ReturnType<typeof wire>>> = {
  right: wire((discover, say) => say(offer(discover))),
  silent: wire(() => undefined),
  others: wire((discover, say) => {
    for (let turn = 0; turn < 50; turn += 1) say(offer(discover, { server: "10.77.0.3" }));
    say(offer(discover, { transaction: 1 }));
    say(NASTY);
    say(offer(discover));
  }),
  stranger: wire((discover, say) => say(offer(discover, { server: "10.77.0.3" }))),
  nak: wire((discover, say) => say(offer(discover, { type: 6 }))),
  echo: wire((discover, say) => say(discover)),
  half: wire((discover, say) => say(offer(discover).subarray(0, 200))),
  noise: wire((_discover, say) => {
    for (let turn = 0; turn < 1_000; turn += 1) say(NASTY);
  }),
  down: wire(() => undefined, "ENETDOWN"),
};
const overWires = dhcpOver((name, transaction, onPacket) => (wires[name] ?? wires["silent"])?.open(name, transaction, onPacket) ?? { refusal: "no wire" });
const setting = (name: string, more: Partial<Setting<DhcpOptions>> = {}) => (): Promise<Setting<DhcpOptions>> =>
  Promise.resolve({ target: TARGET, options: { interface: name }, tools: { icmp: noIcmp }, peerDescriptors: 0, noticed: () => until(() => (wires[name]?.seen() ?? 0) > 0, "no discover came"), close: () => Promise.resolve(), ...more });

conformance(overWires, {
  right: setting("right"),
  silent: setting("silent"),
  odd: {
    "its offer after those of others, and after noise": setting("others"),
    "an offer of any server, where any is wanted": setting("stranger", { options: { interface: "stranger", server: "any" } }),
    "an offer of the server that is named": setting("stranger", { options: { interface: "stranger", server: "10.77.0.3" } }),
  },
  wrong: Object.fromEntries(["stranger", "nak", "echo", "half", "noise"].map((name) => [name, setting(name)])),
  ours: {
    "an interface that is not there": setting("missing0"),
    "a wire that takes nothing": setting("down"),
    "an address that is not IPv4": setting("right", { target: { host: "patient", address: "fd77::2", family: 6 } }),
  },
});

test("what this machine cannot do is known before the first look", () => {
  assert.equal(overWires.refusal?.({ interface: "missing0" }, { icmp: noIcmp }), "this machine has no interface missing0");
  assert.equal(overWires.refusal?.({ interface: "right" }, { icmp: noIcmp }), null);
  assert.match(dhcp.refusal?.({ interface: "upkeep-none" }, { icmp: noIcmp }) ?? "", /no interface upkeep-none|not permitted/);
});

const skip = networkRefusal(["dhcpd", "dnsmasq"]) ?? lacking("dhcpd", "dnsmasq");

test("a real ISC dhcpd and a real dnsmasq on one wire, each known by its own offer; beside a client; stopped, gone", { skip }, async (t) => {
  thirdParty("ISC dhcpd", [programPath("dhcpd") ?? "", "--version"]);
  thirdParty("dnsmasq", [programPath("dnsmasq") ?? "", "--version"]);
  const folder = mkdtempSync(join(tmpdir(), `upkeep-dhcp-${process.pid}-`));
  const network = await startNetwork();
  t.after(() => {
    network.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const [isc, masq, watcher] = [await network.node("isc"), await network.node("masq"), await network.node("watcher")];
  const leases = join(folder, "leases");
  writeFileSync(leases, "");
  writeFileSync(join(folder, "dhcpd.conf"), "default-lease-time 3600; authoritative; subnet 10.77.0.0 netmask 255.255.0.0 { range 10.77.200.1 10.77.200.9; }\n");
  const dhcpd = isc.spawn([programPath("dhcpd") ?? "", "-4", "-f", "-d", "-cf", join(folder, "dhcpd.conf"), "-lf", leases, "-pf", join(folder, "dhcpd.pid"), "eth0"], { stdio: "ignore" });
  const dnsmasq = masq.spawn([programPath("dnsmasq") ?? "", "--no-daemon", "--port=0", "--conf-file=/dev/null", "--user=root", "--no-ping", "--interface=eth0", "--dhcp-range=10.77.201.1,10.77.201.9,1h", `--dhcp-leasefile=${folder}/masq`, `--pid-file=${folder}/masq.pid`], { stdio: "ignore" });

  const at = (address: string, options: Partial<DhcpOptions> = {}, limitMs = 10_000): Look => ({ probe: "dhcp", target: { host: "patient", address, family: 4 }, options: { interface: "eth0", ...options }, limitMs });
  const look = async (looks: readonly Look[], prefix: readonly string[] = []): Promise<readonly Seen[]> => {
    const { stdout, stderr } = await watcher.exec([...prefix, ...lookArgv(looks)], { timeoutMs: 60_000 });
    assert.notEqual(stdout, "", stderr);
    return seenIn(stdout);
  };
  for (const [address, daemon] of [[isc.address, dhcpd], [masq.address, dnsmasq]] as const) {
    for (const endsAtMs = performance.now() + 30_000; (await look([at(address, {}, 1_500)]))[0]?.outcome !== "good"; ) {
      assert.ok(daemon.exitCode === null && performance.now() < endsAtMs, `no offer of ${address}`);
    }
  }

  // Both answer; each look hears its own server, also while a client holds port 68.
  const client = watcher.spawn([process.execPath, "-e", 'const s = require("dgram").createSocket("udp4"); s.bind(68, () => console.log("bound"))'], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((bound) => client.stdout?.once("data", bound));
  const found = await look([at(isc.address), at(masq.address), at("10.77.9.9", {}, 1_000), at("10.77.9.9", { server: "any" }), at("10.77.9.9", { server: masq.address })]);
  assert.deepEqual(found.map(({ outcome }) => outcome), ["good", "good", "pending", "good", "good"]);
  assert.match(found[0]?.evidence ?? "", new RegExp(`^${isc.address} offers 10\\.77\\.200\\.[1-9] for 3600 s$`));
  assert.match(found[1]?.evidence ?? "", new RegExp(`^${masq.address} offers 10\\.77\\.201\\.[1-9] for 3600 s$`));
  assert.match(found[2]?.evidence ?? "", /^an offer of another server, 10\.77\./);
  client.kill("SIGKILL");

  // What another look hears does not even reach this one: the kernel lets through its own transaction only.
  const [[apart], beside] = await Promise.all([look([at("10.77.9.9", {}, 4_000)]), look(Array.from({ length: 8 }, () => at(masq.address)))]);
  assert.ok(beside.every(({ outcome }) => outcome === "good"));
  assert.match(apart?.evidence ?? "", /^an offer of another server/);

  // Nothing was ever taken.
  assert.doesNotMatch(readFileSync(leases, "utf8"), /binding state active/);

  // What is this machine's own fault is never bad.
  const [loopback] = await look([at(isc.address, { interface: "lo" })]);
  assert.deepEqual([loopback?.outcome, loopback?.evidence], ["unknown", "lo is not an Ethernet interface"]);
  const [missing] = await look([at(isc.address, { interface: "eth7" })]);
  assert.deepEqual([missing?.outcome, missing?.evidence], ["unknown", "this machine has no interface eth7"]);
  const [unprivileged] = await look([at(isc.address)], ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-all", "--"]);
  assert.deepEqual([unprivileged?.outcome, unprivileged?.evidence], ["unknown", "not permitted to open a packet socket: give the watcher CAP_NET_RAW"]);
  const [raw] = await look([at(isc.address)], ["setpriv", "--bounding-set=-all,+net_raw", "--inh-caps=-all", "--"]);
  assert.equal(raw?.outcome, "good", "CAP_NET_RAW alone is enough");
  await watcher.exec(["ip", "link", "set", "eth0", "down"]);
  const [down] = await look([at(isc.address)]);
  assert.deepEqual([down?.outcome, down?.evidence], ["unknown", "eth0 is down, or its cable is out"]);
  await watcher.exec(["ip", "link", "set", "eth0", "up"]);

  const silent = async (what: string): Promise<void> => assert.equal((await look([at(isc.address, {}, 1_500)]))[0]?.outcome, "pending", what);
  await standstill(dhcpd);
  await silent("stopped");
  dhcpd.kill("SIGCONT");
  for (const endsAtMs = performance.now() + 30_000; (await look([at(isc.address, {}, 2_000)]))[0]?.outcome !== "good"; await pause(50)) assert.ok(performance.now() < endsAtMs, "it did not come back");
  dhcpd.kill("SIGKILL");
  await silent("gone");
});
