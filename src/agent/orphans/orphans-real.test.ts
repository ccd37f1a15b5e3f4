// Real orphans, made by killing who supervised them, among real look-alikes that must live: judged by which processes are there.
// The clock is the test's, the processes are the machine's.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { must, whichProgram } from "../../../lab/child.ts";
import { lacking, thirdParty } from "../../../lab/third-party.ts";
import { childGuard } from "../../child/child.ts";
import type { HostFinding } from "../../core/finding.ts";
import { lives, statOf } from "../../process/proc.ts";
import type { Identity } from "../../process/proc.ts";
import type { Found } from "./find.ts";
import { watchOrphans } from "./orphans.ts";
import { readTable } from "./table.ts";

const folder = mkdtempSync(join(tmpdir(), "upkeep-orphans-"));
const children: ChildProcess[] = [];
const inits: Identity[] = [];
after(() => {
  for (const child of children) child.kill("SIGKILL");
  for (const init of inits) if (lives(init)) process.kill(init.pid, "SIGKILL");
  rmSync(folder, { recursive: true });
});
async function until<T>(what: string, find: () => T | undefined): Promise<T> {
  for (const endMs = performance.now() + 60_000; ; await sleep(20)) {
    const found = find();
    if (found !== undefined) return found;
    assert.ok(performance.now() < endMs, `never: ${what}`);
  }
}

/** Starts a supervisor with a first process of a namespace under it. */
async function contained(script: string, ...flags: readonly string[]): Promise<{ readonly supervisor: ChildProcess; readonly init: Identity }> {
  const supervisor = spawn("unshare", ["--pid", "--fork", ...flags, "sh", "-c", script], { stdio: "ignore", detached: true });
  children.push(supervisor);
  const init = await until("the namespace's first process", () => [...readTable().values()].find(({ ppid, nsPids }) => ppid === supervisor.pid && nsPids.at(-1) === 1 && nsPids.length === 2));
  inits.push(init);
  return { supervisor, init };
}
const died = (child: ChildProcess): Promise<unknown> => (child.exitCode !== null || child.signalCode !== null ? Promise.resolve() : new Promise((resolve) => child.once("exit", resolve)));
const gone = (init: Identity): true | undefined => (lives(init) ? undefined : true);

let nowMs = 1_000_000;
let folders = 0;
function agent(options: { readonly reap: boolean; readonly atOnce?: number; readonly dryRun?: boolean }, where = join(folder, String((folders += 1)))) {
  const told: HostFinding[] = [];
  const said: string[] = [];
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  const world = { options: { every: 60_000, grace: 900_000, termFor: 10_000, atOnce: 3, ...options }, host: "logos", folder: where, dryRun: options.dryRun === true, guard: childGuard(), now: () => ({ bootMs: nowMs, wallMs: nowMs, bootId: boot, synced: true }), at: () => () => {}, say: (_level: string, text: string) => said.push(text), report: (finding: HostFinding) => told.push(finding), forget: () => {}, announce: () => Promise.resolve([]), onOrder: () => {}, leases: { ask: () => {}, onAnswer: () => {} }, contacts: () => [] } as const;
  const watch = watchOrphans(world);
  return {
    where, said,
    look: async (): Promise<HostFinding | undefined> => {
      await watch.look();
      return told.at(-1);
    },
    found: (): readonly Found[] => (JSON.parse(readFileSync(join(where, "orphans.json"), "utf8")) as { found: readonly Found[] }).found,
  };
}

const refused = process.getuid?.() !== 0 ? "PID namespaces need root" : whichProgram("unshare") === null ? "not installed: unshare" : false;

describe("orphans of unshare", { skip: refused }, () => {
  test("one that has lost its supervisor is shown, then asked, then killed with all its namespace; its look-alikes live", async () => {
    const [lost, live, daemon] = [await contained("sleep 900 & sleep 901 & wait"), await contained("exec sleep 902"), spawn("setsid", ["sleep", "903"], { stdio: "ignore" })];
    children.push(daemon);
    const shows = agent({ reap: false });
    await shows.look();
    nowMs += 31_000;
    await shows.look();
    const of = (found: readonly Found[]): readonly string[] => found.filter(({ init }) => inits.some(({ pid }) => pid === init.pid)).map(({ kind, init }) => `${kind} ${init.pid}`);
    assert.deepEqual(of(shows.found()), []);
    lost.supervisor.kill("SIGKILL");
    await died(lost.supervisor);
    assert.ok(lives(lost.init), "unshare takes its child along: this makes no orphan");
    nowMs += 60_000;
    assert.match((await shows.look())?.because ?? "", /^within the grace/);
    assert.deepEqual(of(shows.found()), [`orphan ${lost.init.pid}`]);
    nowMs += 900_000;
    const shown = await shows.look();
    assert.equal(shown?.verdict, "warn");
    assert.match(shown?.because ?? "", /only shown, since reap is not set/);
    assert.deepEqual(shows.said, []);

    // The next agent, on the folder of the one before: it has not forgotten, and the grace is over.
    const pretends = agent({ reap: true, dryRun: true }, shows.where);
    await pretends.look();
    assert.match(pretends.said[0] ?? "", /^would end orphan .* its supervisor unshare/);
    assert.ok(lives(lost.init));
    const ends = agent({ reap: true }, shows.where);
    const inside = [...readTable().values()].filter(({ ppid }) => ppid === lost.init.pid);
    assert.equal(inside.length, 2);
    await ends.look();
    assert.match(ends.said[0] ?? "", /^asked to end: orphan/);
    // A first process that has no handler for it takes no notice of SIGTERM (pid_namespaces(7)).
    nowMs += 5_000;
    await ends.look();
    assert.equal(ends.said.length, 1);
    assert.ok(lives(lost.init));
    nowMs += 6_000;
    await ends.look();
    assert.match(ends.said[1] ?? "", /^killed: orphan/);
    await until("it is gone", () => gone(lost.init));
    for (const each of inside) await until("its child is gone", () => gone(each));
    nowMs += 60_000;
    assert.equal((await ends.look())?.because.includes(String(lost.init.pid)), false);
    assert.ok(lives(live.init), "a live container was ended");
    assert.ok(statOf(daemon.pid ?? 0) !== null, "a daemon was ended");
  });

  test("more at once than can be believed: none is ended", async () => {
    const lost = [await contained("sleep 900"), await contained("sleep 901"), await contained("sleep 902")];
    const ends = agent({ reap: true, atOnce: 2 });
    await ends.look();
    nowMs += 31_000;
    await ends.look();
    for (const { supervisor } of lost) {
      supervisor.kill("SIGKILL");
      await died(supervisor);
    }
    for (let turn = 0; turn < 3; turn += 1) {
      nowMs += 900_000;
      const told = await ends.look();
      if (turn > 0) assert.match(told?.because ?? "", /3 containers have lost their supervisor, more than 2: none is ended/);
    }
    for (const { init } of lost) assert.ok(lives(init));
    assert.deepEqual(ends.said, []);
  });

  test("one that nobody was seen to supervise is never ended", async () => {
    const { supervisor, init } = await contained("sleep 904");
    supervisor.kill("SIGKILL");
    await died(supervisor);
    const ends = agent({ reap: true, atOnce: 100 });
    for (let turn = 0; turn < 5; turn += 1) {
      await ends.look();
      nowMs += 900_000;
    }
    assert.ok(lives(init));
    assert.equal(ends.found().find((each) => each.init.pid === init.pid)?.kind, "suspect");
  });
});

describe("orphans of LXC", { skip: refused || lacking("lxc-start", "lxc-stop", "busybox") }, () => {
  const name = `upkeep-orphan-${process.pid}`;
  const home = join("/var/lib/lxc", name);
  after(() => rmSync(home, { recursive: true, force: true }));

  test("a container whose monitor was killed, before this agent ever saw it, is known by its control group and ended", async () => {
    thirdParty("LXC", ["lxc-start", "--version"]);
    const root = join(home, "rootfs");
    for (const each of ["dev", "proc", "sys", "bin"]) mkdirSync(join(root, each), { recursive: true });
    copyFileSync(whichProgram("busybox") ?? "", join(root, "bin/busybox"));
    // By default LXC itself takes the container along: that much it knows of this trouble.
    writeFileSync(join(home, "config"), `lxc.uts.name = box\nlxc.rootfs.path = dir:${root}\nlxc.init.cmd = /bin/busybox sleep 906\nlxc.net.0.type = empty\nlxc.monitor.signal.pdeath = 0\nlxc.apparmor.profile = unconfined\n`);
    await must(["lxc-start", "-d", "-n", name], { timeoutMs: 60_000 });
    const init = await until("the container's first process", () => [...readTable().values()].find(({ args, nsPids }) => nsPids.length === 2 && args === "/bin/busybox sleep 906"));
    inits.push(init);
    const ends = agent({ reap: true, atOnce: 100 });
    await ends.look();
    assert.equal(ends.found().find((each) => each.init.pid === init.pid), undefined, "its monitor lives");
    process.kill(init.ppid, "SIGKILL");
    await until("the monitor is gone", () => (statOf(init.ppid)?.comm === "lxc-start" && statOf(init.ppid)?.state !== "Z" ? undefined : true));
    assert.ok(lives(init));
    const late = agent({ reap: true, atOnce: 100 });
    await late.look();
    assert.deepEqual(late.found().filter((each) => each.init.pid === init.pid).map(({ kind, because }) => [kind, because.replace(/'s .*?,/, ",")]), [["orphan", "it is LXC, and nothing of LXC supervises it"]]);
    for (let turn = 0; turn < 3 && lives(init); turn += 1) {
      nowMs += 900_000;
      await late.look();
    }
    await until("it is gone", () => gone(init));
  });
});
