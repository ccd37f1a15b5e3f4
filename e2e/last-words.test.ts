// A real kernel's last words: Debian's kernel in a virtual machine, a real agent in it that sets netconsole up, and a real watcher
// in another namespace that hears it. It panics by SysRq and stays dead: its power is cut, and `upkeep why` names the panic. A
// task hangs in it, it panics by its own policy and says that it boots anew: it is left alone, and is back by itself.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { must } from "../lab/child.ts";
import type { AgentGuest } from "../lab/guest-agent.ts";
import { guestRefusal, startAgentGuest } from "../lab/guest-agent.ts";
import type { Network } from "../lab/netns.ts";
import { networkRefusal, startNetwork } from "../lab/netns.ts";
import type { RemotePdu } from "../lab/pdu-node.ts";
import { startPduIn } from "../lab/pdu-node.ts";
import type { EventLine, HostStatus, Incident, Status } from "./watching.ts";
import { ask, edgesOf, until, Watching } from "./watching.ts";
import type { LogRecord } from "../lab/apc-pdu.ts";

type Line = { readonly id: number; readonly at: string; readonly text: string; readonly level: number | null; readonly uptimeMs: number | null; readonly sign: string | null };
type LastWords = { readonly said: string | null; readonly sign: string | null; readonly lines: readonly Line[]; readonly more: number };
type Why = { readonly kind: string; readonly incident: Incident; readonly kernel: LastWords | null; readonly events: readonly EventLine[] };

const refusal = networkRefusal() ?? guestRefusal();
const PASSWORD = "sesame-of-the-lab";
const BOOT_WITHIN_MS = 300_000;
const SAYS_WITHIN_MS = 120_000;
const ROOT = join(import.meta.dirname, "..");

let network: Network | null = null;
let guest: AgentGuest | null = null;
let pdu: RemotePdu | null = null;
let watching: Watching | null = null;
const folder = mkdtempSync(join(tmpdir(), "upkeep-words-"));
after(async () => {
  await watching?.kill();
  await guest?.stop();
  await pdu?.close().catch(() => undefined);
  network?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** What a document of lines holds. */
async function lines(socket: string, path: string): Promise<readonly Line[]> {
  const text = await must(["curl", "-sS", "--unix-socket", socket, `http://upkeep${path}`]);
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Line);
}

test("panic by SysRq, and by a hung task", { skip: refusal ?? false }, async (t) => {
  network = await startNetwork();
  const [own, place, host] = [await network.node("watcher", { pingSockets: true }), await network.node("sucker"), await network.node("logos")];
  const records: LogRecord[] = [];
  const power: { chain: Promise<void> } = { chain: Promise.resolve() };
  pdu = await startPduIn(place, { dialect: "menu3", outlets: 8, names: { 2: "logos" }, user: "apc", password: PASSWORD, inactivityMs: 5_000, address: place.address, port: 23 }, async (outlet, state) => {
    if (outlet !== 2) return;
    power.chain = power.chain.then(() => (state === "on" ? guest?.powerOn() : guest?.powerOff()));
    await power.chain;
  });
  await pdu.follow((record) => void records.push(record));
  const data = join(folder, "data");
  const config = join(folder, "upkeep.yaml");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "sucker.password"), `${PASSWORD}\n`, { mode: 0o600 });
  writeFileSync(config, `site: last-words
data: ${data}
api: { listen: null }
netconsole: { listen: "[::]:6666" }
watcher: { name: rikis-hopuuj }
brakes: { startup: 0s, maxUnhealthy: 100%, coolDown: 0s, perHour: 100000 }
defaults: { every: 2s, timeout: 1500ms, threshold: 3, debounce: 5s, boot: 60s, offFor: 1s, healthyFor: 2s, settle: 2s, probes: [ping] }
hosts:
  logos: { address: ${host.address}, power: sucker/2 }
power:
  sucker: { driver: apc, address: ${place.address}, username: apc, password: { file: sucker.password } }
`);
  guest = await startAgentGuest({
    name: "logos", folder: join(folder, "guest"), node: host, disks: [16 << 20], programs: ["setpriv", "timeout"],
    settings: { "upkeep.yaml": `agent:\n  watchers: [${own.address}]\n  data: /data/agent\n  netconsole: true\n` },
  });
  const { socket } = { socket: join(data, "upkeep.sock") };
  watching = new Watching(own.spawn([join(ROOT, "bin/upkeep"), "watch", "-c", config, "--log", "text"], { stdio: ["ignore", "pipe", "pipe"], env: process.env }));
  await watching.ready();
  guest.powerOn();
  const told = async (): Promise<readonly Line[]> => lines(socket, "/v1/kernel/logos?limit=5000");
  const status = async (): Promise<HostStatus | undefined> => (await ask<Status>({ socket }, "/v1/status"))?.hosts[0];
  const upkeep = async (...args: readonly string[]): Promise<string> => must([join(ROOT, "bin/upkeep"), ...args, "-c", config], { timeoutMs: 60_000 });
  const machine = guest;
  const ready = async (from: number): Promise<void> => {
    await machine.says(/netconsole: good/, from, BOOT_WITHIN_MS);
    await until("it is guarded", async () => (await status())?.guarded === true, SAYS_WITHIN_MS, 200);
  };
  try {
    await ready(0);
    // The agent has set it up by itself, and what the kernel says of that is heard.
    const target = await machine.sh("cd /sys/kernel/config/netconsole/*/ && for f in enabled extended dev_name local_ip remote_ip remote_mac; do echo $f=$(cat $f); done; cat /proc/sys/kernel/printk");
    assert.match(target, new RegExp(`enabled=1\\s+extended=1\\s+dev_name=eth0\\s+local_ip=${host.address}\\s+remote_ip=${own.address}\\s+remote_mac=02:77:`));
    await until("it is heard", async () => (await told()).some(({ text }) => text.includes(`upkeep: this kernel tells ${own.address} port 6666 by eth0`)), SAYS_WITHIN_MS, 100);

    // A panic after which it stays dead.
    let from = machine.console.length;
    await machine.sh("(sleep 1; echo c > /proc/sysrq-trigger) >/dev/null 2>&1 &");
    await machine.says(/Kernel panic - not syncing: sysrq triggered crash/, from, SAYS_WITHIN_MS);
    const panickedMs = Date.now();
    const panic = await until("the panic is heard", async () => (await told()).find(({ sign }) => sign === "panic"), SAYS_WITHIN_MS, 20);
    t.diagnostic(`a panic's line was heard ${Date.parse(panic.at) - panickedMs} ms after the console showed it; all lines so far: ${(await told()).length}`);
    assert.equal(panic.text, "Kernel panic - not syncing: sysrq triggered crash");
    assert.equal(panic.level, 0);
    const name = await until("an incident is open", async () => (await status())?.incident, SAYS_WITHIN_MS, 20);
    const openedMs = Date.now();
    const around = await until("its lines are in the incident", async () => (await lines(socket, `/v1/kernel/${name}?limit=5000`)).some(({ sign }) => sign === "panic"), SAYS_WITHIN_MS, 10);
    assert.ok(around);
    t.diagnostic(`from the panic to its line in the open incident ${Date.now() - panickedMs} ms, of which ${openedMs - panickedMs} ms until there was an incident (every 2s, threshold 3)`);
    await until("its power was cut and restored", () => edgesOf(records).join(" ") === "2 off 2 on", SAYS_WITHIN_MS, 100);
    from = machine.console.lastIndexOf("guest: boot") < 0 ? 0 : machine.console.length;
    const closed = await until("the incident is over", async () => (await ask<Incident>({ socket }, `/v1/incidents/${name}`))?.ended ?? null, BOOT_WITHIN_MS, 500);
    assert.ok(closed !== null);
    const why = await ask<Why>({ socket }, `/v1/why/${name}`);
    assert.match(why?.kernel?.said ?? "", /^its kernel panicked: sysrq triggered crash/);
    assert.ok(why?.events.some(({ kind, because }) => kind === "kernel" && because.includes("sysrq triggered crash")), "told in the journal, too");
    const printed = await upkeep("why", name);
    assert.match(printed, /Its kernel's last words, at .*: its kernel panicked: sysrq triggered crash/);
    assert.match(printed, /sysrq_handle_crash/, "with what led to it");
    t.diagnostic(`upkeep why ${name}:\n${printed}`);

    // A task hangs: the kernel panics by its own policy, and says that it boots anew.
    await ready(from);
    from = machine.console.length;
    await machine.sh("mkdir -p /run/stuck && mount -t ext4 /dev/vdc /run/stuck && echo 5 > /proc/sys/kernel/hung_task_timeout_secs && echo 1 > /proc/sys/kernel/hung_task_panic && echo 5 > /proc/sys/kernel/panic && fsfreeze --freeze /run/stuck; dd if=/dev/zero of=/run/stuck/file bs=4096 count=64 >/dev/null 2>&1 & sleep 1; echo begun");
    await machine.says(/Rebooting in 5 seconds/, from, SAYS_WITHIN_MS);
    await until("that it boots anew is heard", async () => (await told()).some(({ sign, id }) => sign === "rebooting" && id > panic.id), SAYS_WITHIN_MS, 50);
    const second = await until("it is down, and in the kernel's own words not cut", async () => {
      const now = await status();
      return now !== undefined && now.incident !== null && now.brakes.some(({ because }) => because.includes("boots anew in 5 s (netconsole)")) ? now.incident : null;
    }, SAYS_WITHIN_MS, 50);
    await until("it is back by itself", async () => (await ask<Incident>({ socket }, `/v1/incidents/${second}`))?.ended ?? null, BOOT_WITHIN_MS, 500);
    assert.equal((await ask<Incident>({ socket }, `/v1/incidents/${second}`))?.outcome, "recovered by itself");
    assert.equal(edgesOf(records).join(" "), "2 off 2 on", "nothing was cut for it");
    assert.match((await ask<Why>({ socket }, `/v1/why/${second}`))?.kernel?.said ?? "", /^its kernel panicked: hung_task: blocked tasks; its kernel boots anew in 5 s/);
    assert.ok((await lines(socket, `/v1/kernel/${second}?limit=5000`)).some(({ sign }) => sign === "hung-task"));
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n--- watcher\n${watching.tail(40)}\n--- guest\n${machine.console.slice(-3_000)}\n--- heard\n${(await told().catch(() => [])).slice(-30).map(({ at, text }) => `${at} ${text}`).join("\n")}`, { cause: error });
  }
});
