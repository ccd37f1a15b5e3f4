// A careful shutdown to the end, and the return from it, by what only a machine of its own can show: Debian's kernel in a virtual
// machine with the real agent, on an outlet of a virtual PDU, and a real watcher. What hangs on the mains falls silent while what
// hangs on the UPS answers: the host announces, stops its service, powers itself off through ACPI, and stays off, although its
// outlet is on, until the watcher cycles that: it starts as a machine does whose BIOS says "power on after AC loss".

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { LogRecord } from "../lab/apc-pdu.ts";
import { must, whichProgram } from "../lab/child.ts";
import type { AgentGuest } from "../lab/guest-agent.ts";
import { guestRefusal, settingsOf, startAgentGuest } from "../lab/guest-agent.ts";
import type { Network } from "../lab/netns.ts";
import { networkRefusal, startNetwork } from "../lab/netns.ts";
import type { RemotePdu } from "../lab/pdu-node.ts";
import { startPduIn } from "../lab/pdu-node.ts";
import type { EventLine, HostStatus, Status } from "./watching.ts";
import { ask, assertPolite, edgesOf, recordsOf, until, Watching } from "./watching.ts";

type Seen = HostStatus & { readonly careful: { readonly event: string; readonly state: string; readonly says: string } | null };

const PASSWORD = "sesame-of-the-lab";
const HALT_BOUND_MS = 10_000;
const RETURN_AFTER_MS = 3_000;
/** For so long after the outlet's on nothing would be cut again, and the host is not guarded; three times what a boot takes on a busy machine. */
const BOOT_MS = 45_000;
/** Emulated, on a machine that others use. */
const PATIENT_MS = 300_000;
const ROOT = join(import.meta.dirname, "..");

let network: Network | null = null;
let guest: AgentGuest | null = null;
let pdu: RemotePdu | null = null;
let watching: Watching | null = null;
const folder = mkdtempSync(join(tmpdir(), "upkeep-acpi-"));
after(async () => {
  await watching?.kill();
  await guest?.stop();
  await pdu?.close().catch(() => undefined);
  network?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test("a host shuts down through ACPI for want of power, and its outlet brings it back", { skip: networkRefusal() ?? guestRefusal() ?? false }, async (t) => {
  network = await startNetwork();
  const [own, place, host] = [await network.node("watcher", { pingSockets: true }), await network.node("sucker"), await network.node("logos")];
  const [mains, ups] = [await network.node("router"), await network.node("switch")];
  const records: LogRecord[] = [];
  const starts: number[] = [];
  const power: { chain: Promise<void> } = { chain: Promise.resolve() };
  pdu = await startPduIn(place, { dialect: "menu3", outlets: 8, names: { 2: "logos" }, user: "apc", password: PASSWORD, address: place.address, port: 23 }, async (outlet, state) => {
    if (outlet !== 2) return;
    power.chain = power.chain.then(() => {
      if (state === "off") return guest?.powerOff();
      starts.push(Date.now());
      return guest?.powerOn();
    });
    await power.chain;
  });
  await pdu.follow((record) => void records.push(record));

  const signal = `signal: { powerNodes: { nodes: [${mains.address}], references: [${ups.address}] } }`;
  const [data, config] = [join(folder, "data"), join(folder, "upkeep.yaml")];
  writeFileSync(join(folder, "sucker.password"), `${PASSWORD}\n`, { mode: 0o600 });
  writeFileSync(config, `site: acpi
data: ${data}
api: { listen: null }
agents: { listen: "${own.address}:7443" }
watcher: { name: rikis-hopuuj, references: [${ups.address}] }
brakes: { startup: 0s, maxUnhealthy: 100%, coolDown: 0s, perHour: 100000 }
defaults: { every: 2s, timeout: 1900ms, threshold: 3, debounce: 5s, boot: ${BOOT_MS}ms, offFor: 1s, healthyFor: 1s, settle: 2s }
careful: { haltBound: ${HALT_BOUND_MS}ms, returnAfter: ${RETURN_AFTER_MS}ms, stagger: 1s, ${signal} }
hosts:
  logos: { address: ${host.address}, power: sucker/2, probes: [ping, { http: { url: "http://${host.address}/", status: 200 } }] }
power:
  sucker: { driver: apc, address: ${place.address}, username: apc, password: { file: sucker.password }, check: 2s, timeout: 3s, deadline: 8s }
`);
  watching = new Watching(own.spawn([join(ROOT, "bin/upkeep"), "watch", "-c", config, "--log", "text"], { stdio: ["ignore", "pipe", "pipe"], env: process.env }));
  await watching.ready();
  const socket = join(data, "upkeep.sock");
  const upkeep = (...args: readonly string[]): Promise<string> => must([join(ROOT, "bin/upkeep"), ...args, "-c", config], { timeoutMs: 60_000 });
  const seen = async (): Promise<Seen | undefined> => (await ask<Status>({ socket }, "/v1/status"))?.hosts[0] as Seen | undefined;

  // Enrolled out here: its key goes into the machine with its settings.
  const desk = join(folder, "desk");
  mkdirSync(desk);
  writeFileSync(join(desk, "upkeep.yaml"), `agent: { name: logos, watchers: ["${own.address}:7443"], data: ${desk} }\n`);
  const { code } = JSON.parse(await upkeep("agent", "code", "logos", "--json")) as { readonly code: string };
  const enrolled = await own.exec([join(ROOT, "bin/upkeep"), "agent", "enroll", code, "-c", join(desk, "upkeep.yaml")], { timeoutMs: 60_000 });
  assert.equal(enrolled.code, 0, enrolled.stderr);

  const machine = await startAgentGuest({
    name: "logos", folder: join(folder, "guest"), node: host, programs: ["setpriv", "timeout"],
    settings: {
      ...settingsOf(join(desk, "link"), "link"),
      "upkeep.yaml": `agent:
  name: logos
  watchers: ["${own.address}:7443"]
  data: /data/agent
  careful:
    ${signal}
    every: 2s
    wait: 4s
    jitter: 0%
    stages: [{ run: [/bin/sh, -c, "kill $(pidof httpd) && echo stopped >> /data/did"] }]
`,
    },
    boot: `[ -e /data/agent ] || { mkdir -p /data/agent && cp -r /etc/upkeep/link /data/agent/link; }
mkdir /run/www && echo logos > /run/www/index.html && httpd -h /run/www
echo started >> /data/did
`,
  });
  guest = machine;
  /** Not in the guest: the disk as it lies here, of a machine that is off. */
  const did = async (): Promise<readonly string[]> => (await must(["debugfs", "-R", "cat /did", machine.disk])).trim().split("\n");
  const serves = (now: Seen | undefined): boolean => now?.verdict === "up" && now.careful === null && now.wanted === "on" && now.operation === null;
  const servesGuarded = async (): Promise<boolean> => {
    const now = await seen();
    return serves(now) && now?.guarded === true;
  };
  try {
    const switchedOnMs = Date.now();
    machine.powerOn();
    await until("it serves, guarded, and its agent has looked", async () => /careful: power good/.test(machine.console) && await servesGuarded(), PATIENT_MS, 100);
    const agents = async (): Promise<string | undefined> => (JSON.parse(await upkeep("agents", "--json")) as readonly { readonly state: string }[])[0]?.state;
    await until("its agent is connected", async () => (await agents()) === "connected", PATIENT_MS, 200);
    t.diagnostic(`from power on to a guarded host whose agent is connected ${Date.now() - switchedOnMs} ms`);

    // The mains is gone: what hangs on it is silent, what hangs on the UPS is not.
    const lostMs = Date.now();
    const mend = await network.faults.pullCable("router");
    const announced = await until("the watcher has heard that it goes", async () => (await seen())?.careful ?? null, PATIENT_MS, 20);
    const announcedMs = Date.now();
    assert.equal((await seen())?.wanted, "off");
    await machine.says(/guest: QEMU ended by itself \(0\)/, 0, PATIENT_MS);
    const endedMs = Date.now();
    t.diagnostic(`from the power node's death to the announcement ${announcedMs - lostMs} ms (every 2 s, wait 4 s), from there to S5 ${endedMs - announcedMs} ms`);

    // Off by itself and clean: in QEMU's words, in the kernel's, and on its disk.
    assert.equal(machine.powered, false);
    assert.deepEqual(machine.shutdowns, ["guest-shutdown"]);
    assert.match(machine.console, /guest: going down[^]*guest: the disk is unmounted[^]*reboot: Power down/);
    const superblock = await must([whichProgram("dumpe2fs") ?? "dumpe2fs", "-h", machine.disk]);
    assert.match(superblock, /Filesystem state: +clean/);
    assert.match(superblock, /Filesystem features: .*has_journal/);
    assert.doesNotMatch(superblock, /needs_recovery/);
    assert.deepEqual(await did(), ["started", "stopped"]);

    const off = await until("it is seen silent", async () => {
      const now = (await seen())?.careful;
      return now?.says.startsWith("off: ") === true ? now : null;
    }, PATIENT_MS, 50);
    assert.equal(off.event, announced.event);
    assert.match(off.says, /^off: careful shutdown of \d\d:\d\d UTC \(.*\), returns when power has been good for 3 s/);
    assert.match(await upkeep("careful", "status"), /logos/);
    assert.match(await upkeep("why", "logos"), /off: careful shutdown of/);
    assert.deepEqual(edgesOf(records), [], "nothing is switched while power is lost");

    await mend();
    const goodMs = Date.now();
    await until("its outlet is off and on again", () => edgesOf(records).length >= 2, PATIENT_MS, 20);
    const [offMs = 0, onMs = 0] = recordsOf(records, "edge").map(({ wallMs }) => wallMs);
    await until("it serves again", async () => serves(await seen()), PATIENT_MS, 50);
    const servesMs = Date.now();
    await until("it is guarded again", servesGuarded, PATIENT_MS, 100);
    t.diagnostic(`from power that is good to the outlet's cycle ${offMs - goodMs} ms (returnAfter ${RETURN_AFTER_MS} ms); from S5 to it ${offMs - endedMs} ms (haltBound ${HALT_BOUND_MS} ms); from the outlet's on to a host that serves ${servesMs - onMs} ms`);
    assert.ok(offMs - endedMs >= HALT_BOUND_MS - 100, `${offMs - endedMs} ms after it was off, and ${HALT_BOUND_MS} ms after its last sign of life are the least`);
    assert.ok(offMs - goodMs >= RETURN_AFTER_MS, `${offMs - goodMs} ms after the power came back`);
    assert.deepEqual(edgesOf(records), ["2 off", "2 on"]);
    assert.equal(starts.length, 1, "nothing else has started it");
    assert.equal([...machine.console.matchAll(/^guest: boot/gm)].length, 2);

    // Told: as it was, from the announcement to the return, and no word of an outage.
    const events = (await upkeep("events", "--json", "--limit", "10000")).split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as EventLine);
    assert.deepEqual(events.filter(({ incident }) => incident !== null), [], "a planned shutdown is no incident");
    const why = await upkeep("why", "logos");
    t.diagnostic(`upkeep why logos:\n${why}`);
    assert.match(why, /the agent of logos shuts it down \(event [^]*it is wanted off, and not fenced for being silent/);
    assert.match(why, /return +started by a power cycle: it was shut down with care \([^]*return +back in service/);
    assertPolite(records);
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n--- watcher\n${watching.tail(40)}\n--- guest\n${machine.console.slice(-4_000)}\n--- edges\n${edgesOf(records).join(", ")}`, { cause: error });
  }
});
