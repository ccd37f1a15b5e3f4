import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { UpkeepError } from "../core/errors.ts";
import { command } from "./command.ts";
import type { CommandOptions } from "./command.ts";
import { powerConformance } from "./conformance.ts";
import type { PowerRig } from "./conformance.ts";

const SECRET = "hunter2-sesame";
process.env["UPKEEP_TEST_SECRET"] = SECRET;
process.env["PCMK_service"] = "hunter2-pcmk";

/** A switch made of files: state of an outlet, a log of commands, and what should go wrong next. */
const SWITCH = `#!/bin/sh
folder=$1 action=$2 outlet=$3
state=$folder/state-$outlet
if [ "$action" = status ]; then
  [ -e $folder/hang ] && exec sleep 600
  [ "$(cat $state 2>/dev/null || echo on)" = on ] && exit 0
  exit 2
fi
if [ -e $folder/hang ] || [ -e $folder/lose-command ]; then rm -f $folder/lose-command; exec sleep 600; fi
echo "$action $outlet" >>$folder/log
echo $action >$state
env >&2
if [ -e $folder/lose-answer ]; then rm $folder/lose-answer; kill -KILL $$; fi
echo switched
`;

function folder(): string {
  return mkdtempSync(join(tmpdir(), "upkeep-command-"));
}

function rig(stepMs: number): Promise<PowerRig> {
  const place = folder();
  const program = join(place, "switch");
  writeFileSync(program, SWITCH);
  chmodSync(program, 0o755);
  const flag = (name: string) => (): void => writeFileSync(join(place, name), "");
  const argv = (action: string): string[] => [program, place, action, "{outlet}"];
  return Promise.resolve({
    device: command.create({ on: argv("on"), off: argv("off"), status: argv("status"), stepMs, maxActMs: 30_000 }),
    outlet: "db-1",
    other: "2",
    unknown: "-rf",
    secrets: [SECRET, "hunter2-pcmk"],
    commands: () => (existsSync(join(place, "log")) ? readFileSync(join(place, "log"), "utf8").trim().split("\n") : []),
    truth: (outlet) => Promise.resolve(existsSync(join(place, `state-${outlet}`)) && readFileSync(join(place, `state-${outlet}`), "utf8") === "off\n" ? "off" : "on"),
    loseAnswer: flag("lose-answer"),
    loseCommand: flag("lose-command"),
    hang: flag("hang"),
    close: () => Promise.resolve(rmSync(place, { recursive: true, force: true })),
  });
}

powerConformance("command", () => rig(20_000), () => rig(700));

const signal = (): AbortSignal => AbortSignal.timeout(30_000);
const yes = (_: unknown, write: () => void): Promise<boolean> => {
  write();
  return Promise.resolve(true);
};

function shell(parts: Partial<Record<"on" | "off" | "status", string>>, stepMs = 10_000): CommandOptions {
  const argv = (script = "exit 0"): string[] => ["/bin/sh", "-c", script, "{outlet}"];
  return { on: argv(parts.on), off: argv(parts.off), status: argv(parts.status), stepMs, maxActMs: 30_000 };
}

async function read(options: CommandOptions, outlet = "1"): Promise<string | undefined> {
  const session = await command.create(options).open(signal());
  return (await session.read([outlet], signal()))[0]?.state;
}

test("status: 0 is on, 2 is off, whatever else is unknown", async () => {
  const ends: readonly (readonly [string, string])[] = [["exit 0", "on"], ["exit 2", "off"], ["exit 1", "unknown"], ["exit 3", "unknown"], ["exit 127", "unknown"], ["kill -9 $$", "unknown"], ["sleep 60", "unknown"]];
  for (const [status, state] of ends) assert.equal(await read(shell({ status }, status.startsWith("sleep") ? 300 : 10_000)), state, status);
});

test("without a status command nothing is ever known, and it can still be switched", async () => {
  const options = { ...shell({}), status: [] };
  assert.equal(await read(options), "unknown");
  const session = await command.create(options).open(signal());
  assert.equal((await session.set("1", "off", yes, signal())).kind, "accepted");
});

test("an exit other than 0 is unknown and not refused: the program may have acted", async () => {
  const session = await command.create(shell({ off: "echo cannot switch >&2; exit 1" })).open(signal());
  assert.deepEqual(await session.set("1", "off", yes, signal()), { kind: "unknown", evidence: "exit 1: cannot switch" });
});

test("arguments are passed as they are: {outlet} is replaced in each, and no shell reads them", async (t: TestContext) => {
  const place = folder();
  t.after(() => rmSync(place, { recursive: true }));
  const script = join(place, "args");
  writeFileSync(script, `#!/bin/sh\nfor arg; do echo "[$arg]"; done >${place}/args.txt\n`);
  chmodSync(script, 0o755);
  const argv = [script, "{outlet}", "a-{outlet}-{outlet}", "$(touch /tmp/no) ; `id`", "two words", ""];
  const session = await command.create({ ...shell({}), on: argv }).open(signal());
  assert.equal((await session.set("x.1", "on", yes, signal())).kind, "accepted");
  assert.equal(readFileSync(join(place, "args.txt"), "utf8"), "[x.1]\n[a-x.1-x.1]\n[$(touch /tmp/no) ; `id`]\n[two words]\n[]\n");
});

test("an outlet that could be read as anything but a name is no outlet", async () => {
  const session = await command.create(shell({})).open(signal());
  for (const outlet of ["", "-a", "a b", "a;b", "../x", "a\nb", "$x", "x".repeat(65), "ä"]) {
    await assert.rejects(session.read([outlet], signal()), (error) => error instanceof UpkeepError && error.code === "POWER_OUTLET" && !/[\n]/.test(error.message), outlet);
  }
});

test("a program that does not exist is found before anything is switched", async () => {
  await assert.rejects(command.create({ ...shell({}), on: ["/nonexistent/program"] }).open(signal()), (error) => error instanceof UpkeepError && error.code === "POWER_UNREACHABLE");
  await assert.rejects(command.create({ ...shell({}), off: [] }).open(signal()), UpkeepError);
});

test("megabytes of output do no harm: the end of it is kept", async () => {
  const session = await command.create(shell({ off: "head -c 20000000 /dev/zero | tr '\\0' x; echo; echo the end" })).open(signal());
  const outcome = await session.set("1", "off", yes, signal());
  assert.equal(outcome.kind, "accepted");
  assert.match(outcome.evidence, /x \| the end$/);
  assert.ok(outcome.evidence.length < 1000);
});

test("what a program leaves behind neither holds the call nor lives on", async () => {
  const started = performance.now();
  const session = await command.create(shell({ off: "sleep 61.5 & echo $!; exit 0" })).open(signal());
  const outcome = await session.set("1", "off", yes, signal());
  assert.equal(outcome.kind, "accepted");
  assert.ok(performance.now() - started < 8_000);
  const pid = /exit 0: (\d+)/.exec(outcome.evidence)?.[1] as string;
  await until("the sleep is gone", () => !alive(pid));
});

test("a program that hangs is killed with all its children when its time is over", async (t: TestContext) => {
  const place = folder();
  t.after(() => rmSync(place, { recursive: true }));
  const session = await command.create(shell({ off: `trap '' TERM; sleep 61.5 & echo $! $$ >${place}/pids; wait` }, 500)).open(signal());
  const outcome = await session.set("1", "off", yes, signal());
  assert.deepEqual(outcome, { kind: "unknown", evidence: "no end within 500 ms" });
  for (const pid of readFileSync(join(place, "pids"), "utf8").trim().split(" ")) await until(`${pid} is gone`, () => !alive(pid));
});

test("without setpriv and timeout the kill timer is our own", async (t: TestContext) => {
  const path = process.env["PATH"];
  t.after(() => (process.env["PATH"] = path));
  process.env["PATH"] = "/nonexistent";
  const session = await command.create(shell({ off: "/bin/sleep 61.5" }, 300)).open(signal());
  process.env["PATH"] = path;
  assert.equal((await session.set("1", "off", yes, signal())).kind, "unknown");
});

test("a program and all its children die with the watcher that started it, when that is killed with -9", async (t: TestContext) => {
  const place = folder();
  t.after(() => rmSync(place, { recursive: true }));
  const script = `( echo late >${place}/grandchild; sleep 2; echo off >${place}/switched; sleep 61.5 ) & echo $! $$ >${place}/pids; wait`;
  const watcher = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", `
    import { command } from ${JSON.stringify(new URL("./command.ts", import.meta.url).href)};
    const options = ${JSON.stringify({ ...shell({ off: script }), stepMs: 60_000, maxActMs: 60_000 })};
    const session = await command.create(options).open(new AbortController().signal);
    await session.set("1", "off", async (_, write) => { write(); return true; }, new AbortController().signal);
  `], { stdio: ["ignore", "ignore", "inherit"] });
  t.after(() => watcher.kill("SIGKILL"));
  const complete = (name: string): boolean => existsSync(join(place, name)) && readFileSync(join(place, name), "utf8").endsWith("\n");
  await until("the program runs", () => complete("pids") && complete("grandchild"));
  watcher.kill("SIGKILL");
  await once(watcher, "exit");
  const pids = readFileSync(join(place, "pids"), "utf8").trim().split(" ");
  await until("all of it is gone", () => !pids.some(alive));
  assert.ok(!existsSync(join(place, "switched")), "it acted after the watcher's death");
});

function alive(pid: string): boolean {
  try {
    // A zombie has ended; whoever should reap it is not our concern.
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 10_000; !holds(); await new Promise((done) => setTimeout(done, 10))) assert.ok(Date.now() < end, `never happened: ${what}`);
}
