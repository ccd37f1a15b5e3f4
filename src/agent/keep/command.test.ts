// A plain program that is kept: it outlives whoever started it, is found again, and is never there twice, whoever is killed when.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { childGuard } from "../../child/child.ts";
import { signalExactly } from "../../process/pidfd.ts";
import { parseStat, processes, statOf } from "../../process/proc.ts";
import { systemClock } from "../../process/system-clock.ts";
import { command, leftBehind } from "./command.ts";
import type { CommandOptions } from "./command.ts";
import type { Kept } from "./kept.ts";

const top = realpathSync(mkdtempSync(join(tmpdir(), "upkeep-kept-")));
const clock = systemClock();
let folders = 0;
/** Of every program of these tests; found again at the end, whatever failed. */
const MARK = `upkeep-kept-${process.pid}`;
after(() => {
  for (const pid of marked()) process.kill(pid, "SIGKILL");
  rmSync(top, { recursive: true });
});

/** Processes whose arguments hold the mark. */
function marked(more = ""): readonly number[] {
  return processes().filter((pid) => {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, "latin1");
      return pid !== process.pid && line.includes(`${MARK}${more}`) && !line.includes("command-starter") && !line.includes("flock");
    } catch {
      return false;
    }
  });
}
const folder = (): string => mkdtempSync(join(top, `${(folders += 1)}-`));
const kept = (where: string, argv: readonly string[], more: Partial<CommandOptions> = {}, stopMs = 5_000): Kept => command("job", { argv, user: undefined, directory: "/", env: {}, output: undefined, ...more }, { guard: childGuard(), folder: where, now: clock.now }, { startMs: 20_000, stopMs });
const sleeper = (mark: string): readonly string[] => ["/bin/sh", "-c", `while :; do sleep 600; done # ${MARK}${mark}`];
const limit = (): AbortSignal => AbortSignal.timeout(60_000);
async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const endMs = performance.now() + 30_000; !(await holds()); await sleep(20)) assert.ok(performance.now() < endMs, `never: ${what}`);
}

test("it is started once, found again by the next agent, and ended with all that it started", async () => {
  const where = folder();
  const argv = ["/bin/sh", "-c", `sleep 601 & sleep 602 & wait # ${MARK}-a`];
  const one = kept(where, argv);
  assert.equal((await one.look(limit())).state, "down");
  const started = await one.start(limit());
  assert.ok(started.ok, started.evidence);
  assert.equal((await one.look(limit())).state, "up");
  const pids = marked("-a");
  assert.equal(pids.length, 1);
  // A session of its own: no hang-up of ours reaches it.
  assert.equal(statOf(pids[0] ?? 0)?.session, pids[0]);
  const next = kept(where, argv);
  assert.equal((await next.look(limit())).state, "up");
  assert.deepEqual(await next.start(limit()), { ok: true, evidence: `it runs as process ${pids[0]}` });
  assert.deepEqual(marked("-a"), pids);
  const ended = await next.stop(limit());
  assert.ok(ended.ok, ended.evidence);
  assert.deepEqual(marked("-a"), []);
  assert.equal((await one.look(limit())).state, "down");
});

test("what it left behind is ended before it is started anew, and what clings to life is killed", async () => {
  const where = folder();
  const argv = ["/bin/sh", "-c", `(trap '' TERM; while :; do sleep 600; done) & wait # ${MARK}-b`];
  const one = kept(where, argv, {}, 300);
  assert.ok((await one.start(limit())).ok);
  const pidOf = () => Number(readFileSync(join(where, "job.pid"), "latin1").split(" ")[0]);
  const first = pidOf();
  await until("its child is there", () => marked("-b").length === 2);
  process.kill(first, "SIGKILL");
  await until("it is down", async () => (await one.look(limit())).state === "down");
  assert.equal(marked("-b").length, 1, "its child lives");
  const again = await one.start(limit());
  assert.ok(again.ok, again.evidence);
  assert.notEqual(pidOf(), first);
  await until("only the new ones are there", () => marked("-b").length === 2);
  assert.ok((await one.stop(limit())).ok);
  assert.deepEqual(marked("-b"), []);
});

test("a number that is somebody else's now, of another boot, or nonsense, is not taken for it and gets no signal", async () => {
  const where = folder();
  const stranger = spawn("sleep", ["603"], { stdio: "ignore" });
  const { pid = 0 } = stranger;
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  const startTicks = statOf(pid)?.startTicks ?? 0;
  const one = kept(where, sleeper("-c"));
  const digest = "0123456789abcdef";
  for (const text of [`${pid} ${startTicks - 1} ${boot} ${digest}\n`, `${pid} ${startTicks} ${boot.replace(/^./, boot.startsWith("0") ? "1" : "0")} ${digest}\n`, `${pid} ${startTicks} ${boot} ${digest}`, `${pid} ${startTicks} ${boot}\n`, "-1 0 x\n", "\u0000", "1 1 1\n"]) {
    writeFileSync(join(where, "job.pid"), text);
    assert.equal((await one.look(limit())).state, "down", text);
    assert.deepEqual(await one.stop(limit()), { ok: true, evidence: "nothing of it runs" });
  }
  assert.equal(signalExactly({ pid, startTicks: startTicks + 1 }, 9), "gone");
  assert.equal(stranger.exitCode ?? stranger.signalCode, null);
  assert.equal(signalExactly({ pid, startTicks }, 15), "sent");
  await until("the stranger has ended", () => stranger.signalCode === "SIGTERM");
  assert.equal(signalExactly({ pid: 2 ** 22 - 1, startTicks: 1 }, 9), "gone");
  assert.equal(parseStat("7 (a) b) (c) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 0 0")?.comm, "a) b) (c");
  assert.equal(parseStat("7 (a) S 1"), null);
});

test("what cannot be started says so", async () => {
  assert.deepEqual(await kept(folder(), ["/nonexistent"]).start(limit()), { ok: false, evidence: "/nonexistent cannot be run" });
  assert.match((await kept(folder(), sleeper("-d"), { directory: "/nonexistent" }).start(limit())).evidence, /ended with 72: its folder cannot be entered/);
  assert.match((await kept(folder(), sleeper("-d"), { output: "/nonexistent/output" }).start(limit())).evidence, /ended with 73: its output cannot be written/);
  assert.match((await kept(folder(), ["/bin/sh", "-c", `exit 0 # ${MARK}-d`]).start(limit())).evidence, /^process|ended with 0$/);
  if (process.getuid?.() === 0) {
    const where = folder();
    const output = join(where, "output");
    const one = kept(where, ["/bin/sh", "-c", `echo "$USERLIKE $(id -un)"; exec sleep 604 # ${MARK}-d`], { user: "nobody", env: { USERLIKE: "hello" }, output });
    const started = await one.start(limit());
    assert.ok(started.ok, started.evidence);
    await until("it has spoken", () => readFileSync(output, "utf8") !== "");
    assert.equal(readFileSync(output, "utf8"), "hello nobody\n");
    await one.stop(limit());
    assert.deepEqual(await kept(folder(), sleeper("-d"), { user: "nobody-at-all" }).start(limit()), { ok: false, evidence: "there is no user nobody-at-all" });
  }
});

test("what hangs while it is started is ended, and does not come up by itself later", async () => {
  const where = folder();
  const fifo = join(where, "fifo");
  assert.equal(spawnSync("mkfifo", [fifo]).status, 0);
  // Opened for writing, it waits for a reader.
  const one = command("job", { argv: sleeper("-g"), user: undefined, directory: "/", env: {}, output: fifo }, { guard: childGuard(), folder: where, now: clock.now }, { startMs: 500, stopMs: 500 });
  assert.deepEqual(await one.start(limit()), { ok: false, evidence: "it has not come up" });
  const reader = spawn("cat", [fifo], { stdio: "ignore" });
  await until("a reader is there", () => statOf(reader.pid ?? 0)?.comm === "cat");
  const next = kept(where, sleeper("-g"));
  assert.equal((await next.look(limit())).state, "down");
  assert.ok((await next.start(limit())).ok);
  assert.equal(marked("-g").length, 1);
  assert.ok((await next.stop(limit())).ok);
  reader.kill("SIGKILL");
});

test("its environment and its arguments arrive as they are, and stand nowhere that others may read", async () => {
  const where = folder();
  const output = join(where, "output");
  const odd = `a'b"c $HOME \`id\` %n \\ \n end`;
  // Without a PATH of its own that leads anywhere.
  const one = kept(where, [process.execPath, "-e", `console.log(JSON.stringify([process.env.SECRET, process.argv[1]])); setInterval(() => {}, 1e9); // ${MARK}-h`, odd], { env: { SECRET: odd, PATH: "/nonexistent" }, output });
  const started = await one.start(limit());
  assert.ok(started.ok, started.evidence);
  await until("it has spoken", () => readFileSync(output, "utf8").endsWith("\n"));
  assert.deepEqual(JSON.parse(readFileSync(output, "utf8")), [odd, odd]);
  assert.equal(statSync(join(where, "job.start")).mode & 0o077, 0);
  // Another configuration: it is not started again for that, and it is said.
  const changed = kept(where, sleeper("-h"));
  assert.match((await changed.look(limit())).evidence, /as it was configured before/);
  const { bootId } = clock.now();
  assert.deepEqual(leftBehind(where, new Set(["job"]), bootId), []);
  assert.deepEqual(leftBehind(where, new Set(["other"]), bootId).map(({ name, pid }) => [name, pid]), [["job", marked("-h")[0]]]);
  assert.ok((await changed.stop(limit())).ok);
  assert.deepEqual(leftBehind(where, new Set(), bootId), []);
  assert.deepEqual(leftBehind(join(where, "nonexistent"), new Set(), bootId), []);
});

test("two that start it at once make one of it", async () => {
  const where = folder();
  const both = await Promise.all([kept(where, sleeper("-e")).start(limit()), kept(where, sleeper("-e")).start(limit())]);
  assert.ok(both.some(({ ok }) => ok), JSON.stringify(both));
  assert.ok(marked("-e").length <= 1, `${marked("-e").length} of it run`);
});

test("whoever starts it is killed at some moment, and the next one makes one of it and no more", async () => {
  let untouched = 0;
  for (let round = 0; round < 12; round += 1) {
    const where = folder();
    const mark = `-f${round}-`;
    const starter = spawn(process.execPath, [join(import.meta.dirname, "command-starter.fixture.ts"), where, ...sleeper(mark)], { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise((resolve) => starter.stdout?.once("data", resolve));
    // From at once to after its end.
    await sleep(round * 8);
    starter.kill("SIGKILL");
    if (starter.exitCode === null && starter.signalCode === null) await new Promise((resolve) => starter.once("exit", resolve));
    if (marked(mark).length === 0) untouched += 1;
    const next = kept(where, sleeper(mark));
    const started = await next.start(limit());
    await until("one of it runs", () => marked(mark).length > 0);
    // One that was on its way comes to nothing or is it.
    await sleep(100);
    assert.equal(marked(mark).length, 1, `round ${round}: ${JSON.stringify(started)}`);
    assert.ok((await next.stop(limit())).ok);
    assert.deepEqual(marked(mark), []);
  }
  assert.ok(untouched < 12, "the starter was always killed before it had started anything: nothing was shown");
});
