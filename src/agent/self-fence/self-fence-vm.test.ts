// A host of its own (QEMU, Debian's kernel, a real i6300esb watchdog) with the real agent in it, enrolled with a real watcher's core
// that stands here. What is judged is what the machine did: which process ran in it, and how often it booted.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { after, test } from "node:test";
import type { AgentGuest } from "../../../lab/guest-agent.ts";
import { guestRefusal, settingsOf, startAgentGuest } from "../../../lab/guest-agent.ts";
import { leaseReports } from "../../core/leases.ts";
import { makeHost, makeSite, until } from "../../watcher/agents/link-for-tests.ts";

const [STOP_S, DOG_S] = [8, 30];
/** Of a machine that is emulated while others want the processor, too. */
const SLOW_MS = 180_000;
const since = (fromMs: number) => `${((performance.now() - fromMs) / 1_000).toFixed(1)} s`;
const why = guestRefusal();
const closing: (() => unknown)[] = [];
after(async () => {
  for (const close of closing.reverse()) await close();
});

const PID = "$(cat /run/db.pid 2>/dev/null)";
const SERVICE = {
  // It has left the command's group before that ends: what is in it then is killed.
  start: ["/bin/sh", "-c", `rm -f /run/db.pid; setsid sh -c 'echo $$ > /run/db.pid; exec sleep 1000000' </dev/null >/dev/null 2>&1 & until [ -s /run/db.pid ]; do sleep 0.1; done`],
  stop: ["/bin/sh", "-c", `[ -e /run/stuck ] && { echo it hangs; exit 1; }; kill -9 ${PID} 2>/dev/null; rm -f /run/db.pid; exit 0`],
  status: ["/bin/sh", "-c", `[ -n "${PID}" ] && kill -0 ${PID} 2>/dev/null || exit 3`],
};

/** A machine with the agent in it, whose watcher stands out here, switched on and with its service running under a lease. */
async function leasedGuest(context: TestContext, ttlS: number) {
  const site = await makeSite();
  closing.push(site.close);
  const port = site.agents.port ?? 0;
  assert.equal((await site.world.watcher.command("anna", { kind: "lease-grant", service: "db", host: "logos", reason: "" })).exit, 0);

  // Enrolled out here: the key goes into the machine with its settings.
  const host = makeHost("logos", () => [port]);
  closing.push(host.close);
  assert.equal((await host.enroll((await site.agents.code("anna", "logos", 3_600_000)).code)).outcome, "enrolled");
  const key = join(host.folder, "link");
  const folder = mkdtempSync(join(tmpdir(), "upkeep-fence-"));
  closing.push(() => rmSync(folder, { recursive: true, force: true }));
  const guest: AgentGuest = await startAgentGuest({
    name: "logos", folder: join(folder, "guest"), modules: ["i6300esb"], programs: ["setpriv", "timeout"],
    settings: {
      "upkeep.yaml": JSON.stringify({ agent: { name: "logos", watchers: [`10.0.2.2:${port}`], data: "/data/agent", selfFence: { watchdog: "/dev/watchdog", timeout: `${DOG_S}s`, ttl: `${ttlS}s`, stopWithin: `${STOP_S}s`, services: { db: SERVICE } } } }),
      // With the folder of those that it knows: a key alone is not enrolled anywhere.
      ...settingsOf(key, "link"),
    },
    boot: "ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.2.2; [ -e /data/agent ] || { mkdir -p /data/agent && cp -r /etc/upkeep/link /data/agent/link; }\n",
    qemu: ["-device", "i6300esb", "-action", "watchdog=reset", "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net"],
  });
  closing.push(() => guest.stop());
  // By the clock of the world in which the leases are kept: it is not this machine's.
  const lease = () => leaseReports(site.world.watcher.state, site.world.sources.now())[0];
  const boots = () => [...guest.console.matchAll(/^guest: boot/gm)].length;
  const pid = async () => (await guest.sh(`[ -e /run/db.pid ] && kill -0 ${PID} 2>/dev/null && echo ${PID}`)).trim();
  /** As its agent has said in a renewal after that moment. */
  const running = (what: string, fromMs: number) => until(() => lease()?.is === "running" && (lease()?.renewedMs ?? Infinity) < performance.now() - fromMs, what, SLOW_MS);
  const on = performance.now();
  guest.powerOn();
  await running("the agent has the lease, and the service runs", on);
  context.diagnostic(`from power to a leased service ${since(on)}`);
  assert.match(guest.console, /\(i6300ESB timer\) is open/i);
  assert.equal(boots(), 1);
  return { site, port, guest, lease, boots, pid, running, away: () => site.agents.close() };
}

test("a host that has lost its watchers stops what it leased, and is reset only when that fails", { skip: why ?? false, timeout: 600_000 }, async (context) => {
  const TTL_S = 9;
  const { site, port, guest, lease, boots, pid, running, away } = await leasedGuest(context, TTL_S);
  try {
    const first = await pid();
    assert.notEqual(first, "");

    // Nobody is there any more.
    let from = guest.console.length;
    let lost = performance.now();
    away();
    await guest.says(/db is stopped: lease \d+ ended/, from, SLOW_MS);
    const began = since(lost);
    for (; (await guest.sh(`kill -0 ${first} 2>/dev/null && echo there`)).trim() !== "";);
    context.diagnostic(`watchers lost: stopping began after ${began}, the service was gone after ${since(lost)}; bound ${TTL_S} + ${STOP_S} s`);
    assert.ok(performance.now() - lost < (TTL_S + STOP_S) * 1_000 + 10_000);
    // It was told not to bite.
    for (; (await guest.sh("cat /sys/class/watchdog/watchdog0/state")).trim() !== "inactive";) assert.ok(performance.now() - lost < 2 * DOG_S * 1_000, "it is told not to bite");
    assert.equal(boots(), 1);

    // They are back: it runs again, under the same lease.
    const back = performance.now();
    await site.reopen(port);
    await running("it is started again", back);
    const second = await pid();
    assert.notEqual(second, first);
    assert.equal(lease()?.epoch, 1);

    // It cannot be stopped: the watchdog takes the host down.
    await guest.sh("touch /run/stuck");
    from = guest.console.length;
    lost = performance.now();
    away();
    await guest.says(/db: stop has failed: exit 1: it hangs/, from, SLOW_MS);
    await guest.says(/the watchdog is not petted any more/, from, SLOW_MS);
    const let_go = since(lost);
    await guest.says(/^guest: boot/m, from, SLOW_MS);
    context.diagnostic(`watchers lost and stop fails: let go after ${let_go}, booting again after ${since(lost)}; bound ${TTL_S} + ${STOP_S} + ${2 * DOG_S} s, and the boot`);
    assert.equal(boots(), 2);
    assert.equal(guest.console.slice(from).match(/db: stop has failed/g)?.length, 1, "said once, though tried every second");
    await guest.says(/^guest: ready/m, from, SLOW_MS);
    assert.equal(await pid(), "", "no lease: nothing is started by itself");
  } catch (error) {
    context.diagnostic(guest.console.slice(-4_000));
    throw error;
  } finally {
    await guest.stop();
  }
});

test("a host whose agent dies and is back in time goes on; one whose agent stands still is reset", { skip: why ?? false, timeout: 600_000 }, async (context) => {
  // An emulated agent is back 3 to 13 s after its death, 24 s on a machine that is busy, and asks for its lease up to a third of it later: it outlives both.
  const { guest, boots, pid, running } = await leasedGuest(context, 45);
  try {
    const first = await pid();
    assert.notEqual(first, "");
    // Killed, and back: nothing has happened to the service, and the watchdog has not bitten.
    await running("it has just been renewed", performance.now());
    const killed = performance.now();
    const ends = guest.console.length;
    await guest.sh("kill -9 $(pidof node)");
    await guest.says(/the agent before this one has died with it open/, ends, SLOW_MS);
    context.diagnostic(`agent killed: petted again after ${since(killed)}, the watchdog waits ${DOG_S} s`);
    await running("it is renewed again", killed);
    assert.deepEqual([boots(), await pid()], [1, first]);

    // It stands still, and the petting with it.
    const from = guest.console.length;
    const stopped = performance.now();
    await guest.sh("kill -STOP $(pidof node)");
    await guest.says(/^guest: boot/m, from, SLOW_MS);
    context.diagnostic(`agent stopped (SIGSTOP): booting again after ${since(stopped)}; the watchdog waits ${DOG_S} s`);
    assert.equal(boots(), 2);
  } catch (error) {
    context.diagnostic(guest.console.slice(-4_000));
    throw error;
  } finally {
    await guest.stop();
  }
});
