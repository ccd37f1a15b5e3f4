// A host of its own (QEMU, Debian's kernel, a real i6300esb watchdog) with the real agent in it, enrolled with a real watcher's core
// that stands here. What is judged is what the machine did: which process ran in it, and how often it booted.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { AgentGuest } from "../../../lab/guest-agent.ts";
import { guestRefusal, startAgentGuest } from "../../../lab/guest-agent.ts";
import { leaseReports } from "../../core/leases.ts";
import { makeHost, makeSite, until } from "../../watcher/agents/link-for-tests.ts";

const [TTL_S, STOP_S, DOG_S] = [12, 15, 30];
/** Of a machine that is emulated while others want the processor, too. */
const SLOW_MS = 600_000;
const why = guestRefusal();
const closing: (() => unknown)[] = [];
after(async () => {
  for (const close of closing.reverse()) await close();
});

const PID = "$(cat /run/db.pid 2>/dev/null)";
const SERVICE = {
  start: ["/bin/sh", "-c", `[ -n "${PID}" ] && kill -0 ${PID} 2>/dev/null || { setsid sleep 1000000 </dev/null >/dev/null 2>&1 & echo $! > /run/db.pid; }`],
  stop: ["/bin/sh", "-c", `[ -e /run/stuck ] && { echo it hangs; exit 1; }; kill -9 ${PID} 2>/dev/null; rm -f /run/db.pid; exit 0`],
  status: ["/bin/sh", "-c", `[ -n "${PID}" ] && kill -0 ${PID} 2>/dev/null || exit 3`],
};

test("a host that has lost its watchers stops what it leased, and is reset only when that fails or its agent stands still", { skip: why ?? false, timeout: 3_000_000 }, async (context) => {
  const site = await makeSite();
  closing.push(site.close);
  const port = site.agents.port ?? 0;
  const { command } = { command: site.world.watcher.command.bind(site.world.watcher) };
  assert.equal((await command("anna", { kind: "lease-grant", service: "db", host: "logos", reason: "" })).exit, 0);

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
      "upkeep.yaml": JSON.stringify({ agent: { name: "logos", watchers: [`10.0.2.2:${port}`], data: "/data/agent", selfFence: { watchdog: "/dev/watchdog", timeout: `${DOG_S}s`, ttl: `${TTL_S}s`, stopWithin: `${STOP_S}s`, services: { db: SERVICE } } } }),
      ...Object.fromEntries(readdirSync(key, { withFileTypes: true }).filter((entry) => entry.isFile()).map(({ name }) => [`link-${name}`, readFileSync(join(key, name), "utf8")])),
    },
    boot: "ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.2.2; mkdir -p /data/agent/link; for file in /etc/upkeep/link-*; do cp $file /data/agent/link/${file#/etc/upkeep/link-}; done\n",
    qemu: ["-device", "i6300esb", "-action", "watchdog=reset", "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net"],
  });
  closing.push(() => guest.stop());
  const lease = () => leaseReports(site.world.watcher.state, site.clock.now())[0];
  const boots = () => [...guest.console.matchAll(/^guest: boot/gm)].length;
  const pid = async () => (await guest.sh(`kill -0 ${PID} && echo ${PID}`)).trim();
  const running = (what: string) => until(() => lease()?.is === "running" && (lease()?.renewedMs ?? Infinity) < TTL_S * 1_000, what, SLOW_MS);
  const since = (fromMs: number) => `${((performance.now() - fromMs) / 1_000).toFixed(1)} s`;
  const away = () => site.agents.close();
  try {
    guest.powerOn();
    await running("the agent has the lease, and the service runs");
    assert.match(guest.console, /\(i6300ESB timer\) is open/i);
    assert.equal(boots(), 1);
    const first = await pid();
    assert.notEqual(first, "");

    // Killed, and back: nothing has happened to the service, and the watchdog has not bitten.
    const killed = performance.now();
    const ends = guest.console.length;
    await guest.sh("kill -9 $(pidof node)");
    await guest.says(/the agent before this one has died with it open/, ends, SLOW_MS);
    context.diagnostic(`agent killed: petted again after ${since(killed)}, the watchdog waits ${DOG_S} s`);
    await running("it is renewed again");
    assert.deepEqual([boots(), await pid()], [1, first]);

    // Nobody is there any more.
    let from = guest.console.length;
    let lost = performance.now();
    away();
    await guest.says(/db is stopped: lease \d+ ended/, from, SLOW_MS);
    const began = since(lost);
    for (; (await guest.sh(`kill -0 ${first} 2>/dev/null && echo there`)).trim() !== "";);
    context.diagnostic(`watchers lost: stopping began after ${began}, the service was gone after ${since(lost)}; bound ${TTL_S} + ${STOP_S} s`);
    assert.ok(performance.now() - lost < (TTL_S + STOP_S) * 1_000 + 10_000);
    // Longer than the watchdog waits: it was told not to bite.
    await new Promise((resolve) => setTimeout(resolve, (DOG_S + 5) * 1_000));
    assert.equal(boots(), 1);

    // They are back: it runs again, under the same lease.
    await site.reopen(port);
    await running("it is started again");
    const second = await pid();
    assert.notEqual(second, first);
    assert.equal(lease()?.epoch, 1);

    // It cannot be stopped: the watchdog takes the host down.
    await guest.sh("touch /run/stuck");
    from = guest.console.length;
    lost = performance.now();
    away();
    await guest.says(/the watchdog is not petted any more/, from, SLOW_MS);
    const let_go = since(lost);
    await guest.says(/^guest: boot/m, from, SLOW_MS);
    context.diagnostic(`watchers lost and stop fails: let go after ${let_go}, booting again after ${since(lost)}; bound ${TTL_S} + ${STOP_S} + ${2 * DOG_S} s, and the boot`);
    assert.equal(boots(), 2);
    await site.reopen(port);
    await running("it is back after the reset, and runs the service");

    // The agent stands still: so does the petting.
    from = guest.console.length;
    const stopped = performance.now();
    await guest.sh("kill -STOP $(pidof node)");
    await guest.says(/^guest: boot/m, from, SLOW_MS);
    context.diagnostic(`agent stopped (SIGSTOP): booting again after ${since(stopped)}; the watchdog waits ${DOG_S} s`);
    await running("it runs once more");

    // Moved: given back by its word, long before the bound.
    const moved = performance.now();
    assert.equal((await command("anna", { kind: "lease-move", service: "db", host: "ethos", reason: "" })).exit, 0);
    await until(() => lease()?.host === "ethos", "it is given back", SLOW_MS);
    context.diagnostic(`moved: given back after ${since(moved)}`);
    assert.equal(await pid(), "");
    // In order: nothing is left counting.
    from = guest.console.length;
    await guest.sh("touch /data/no-agent; kill $(pidof node)");
    await guest.says(/the agent ended with 0/, from, SLOW_MS);
    assert.equal((await guest.sh("cat /sys/class/watchdog/watchdog0/state")).trim(), "inactive");
  } catch (error) {
    context.diagnostic(guest.console.slice(-4_000));
    throw error;
  }
});
