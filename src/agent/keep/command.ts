// A plain program that nobody else looks after. It lives in a session of its own, under systemd in a unit of its own, and outlives this
// agent; the next one finds it by what it wrote down before it became the program: its number, its start, and this boot of the machine.
//
// It is never there twice, whoever is killed when: a lock (flock(2)) is taken before that is written, and stays with the open
// file that the program and all its children inherit. Whoever holds the lock is of it; while anybody does, no other is started.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, readlinkSync, realpathSync, renameSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { evidenceOf } from "../../child/child.ts";
import { findProgram, searchPath } from "../../child/find-program.ts";
import { signalExactly } from "../../process/pidfd.ts";
import { lives, processes, statOf, textOf } from "../../process/proc.ts";
import type { Identity } from "../../process/proc.ts";
import { lockFile } from "../../process/file-lock.ts";
import type { Done, Kept, KeptWorld } from "./kept.ts";
import { asUnit, ask, underSystemd } from "./run.ts";
import { SCRIPT_FAILED, startScript } from "./start-script.ts";

export type CommandOptions = {
  readonly argv: readonly string[];
  readonly user: string | undefined;
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  /** A file that its output is appended to; undefined: thrown away. */
  readonly output: string | undefined;
};

const SIGTERM = 15;
const SIGKILL = 9;
const LOOK_EVERY_MS = 50;
const UNIT_EVERY_MS = 500;
/** After systemd was to kill it. */
const UNIT_GONE_MS = 10_000;
const LOCKED = 75;
const PID_SUFFIX = ".pid";

type Started = { /** Undefined: it may be on its way. */ ended(): string | undefined | Promise<string | undefined> };

export function command(name: string, options: CommandOptions, world: KeptWorld, { startMs, stopMs }: { readonly startMs: number; readonly stopMs: number }): Kept {
  const pidFile = join(world.folder, `${name}${PID_SUFFIX}`);
  const lock = join(world.folder, `${name}.lock`);
  const script = join(world.folder, `${name}.start`);
  const unit = unitOf(world.folder, name);
  const digest = createHash("sha256").update(JSON.stringify(options)).digest("hex").slice(0, 16);

  function running(): Written | null {
    const written = identityIn(pidFile, world.now().bootId);
    return written !== null && lives(written) ? written : null;
  }

  async function gone(all: () => readonly Identity[], byMs: number, signal: AbortSignal): Promise<boolean> {
    while (all().length > 0) {
      if (world.now().bootMs >= byMs || signal.aborted) return false;
      await pause(LOOK_EVERY_MS);
    }
    return true;
  }

  async function stop(signal: AbortSignal): Promise<Done> {
    const all = (): readonly Identity[] => {
      const main = running();
      return [...(main === null ? [] : [main]), ...holders(lock).filter(({ pid }) => pid !== main?.pid)];
    };
    const found = all();
    // Also what has let go of the lock: all that is in its control group. That there is no such unit is as good.
    if (underSystemd()) await ask(world, ["systemctl", "stop", "--", unit], signal, stopMs + UNIT_GONE_MS);
    if (found.length === 0) return { ok: true, evidence: "nothing of it runs" };
    for (const [with_, withinMs] of [[SIGTERM, stopMs], [SIGKILL, 5_000]] as const) {
      for (const identity of all()) {
        const sent = signalExactly(identity, with_);
        if (typeof sent !== "string") return { ok: false, evidence: `process ${identity.pid}: ${sent.why}` };
      }
      if (await gone(all, world.now().bootMs + withinMs, signal)) return { ok: true, evidence: `stopped: process ${found.map(({ pid }) => pid).join(", ")}` };
    }
    return { ok: false, evidence: `process ${all().map(({ pid }) => pid).join(", ")} does not end` };
  }

  async function asUser(setpriv: string, user: string, signal: AbortSignal): Promise<readonly string[] | null> {
    const group = await ask(world, ["id", "-g", "--", user], signal);
    return "code" in group.end && group.end.code === 0 ? [setpriv, `--reuid=${user}`, `--regid=${group.stdout.trim()}`, "--init-groups", "--"] : null;
  }

  /** Its own session, and nothing of ours: it is not a child that has to be waited for. */
  function byItself([first = "", ...rest]: readonly string[]): Started {
    let ended: string | undefined;
    const child = spawn(first, rest, { detached: true, cwd: "/", env: {}, stdio: "ignore" });
    child.once("error", (error) => (ended = error.message));
    child.once("exit", (code, by) => (ended = code === null ? `ended by ${by}` : endOf(code)));
    child.unref();
    return { ended: () => ended };
  }

  async function bySystemd(argv: readonly string[], signal: AbortSignal): Promise<Started | string> {
    // One that has failed, and whatever of it is not quite gone, keeps the name.
    await ask(world, ["systemctl", "stop", "--", unit], signal, stopMs + UNIT_GONE_MS);
    await ask(world, ["systemctl", "reset-failed", "--", unit], signal);
    const ran = await ask(world, asUnit(unit, { Description: `${name}, kept running by upkeep agent`, StandardOutput: "null", StandardError: "null", TimeoutStopSec: `${stopMs}ms` }, argv), signal);
    if (!("code" in ran.end) || ran.end.code !== 0) return evidenceOf(ran);
    return {
      ended: async () => {
        await pause(UNIT_EVERY_MS);
        const shown = await ask(world, ["systemctl", "show", "-p", "ActiveState", "-p", "ExecMainCode", "-p", "ExecMainStatus", "--", unit], signal);
        const property = (key: string): string | undefined => new RegExp(`^${key}=(.*)$`, "m").exec(shown.stdout)?.[1];
        if (!["inactive", "failed"].includes(property("ActiveState") ?? "")) return undefined;
        // 1: CLD_EXITED (sigaction(2)).
        return property("ExecMainCode") === "1" ? endOf(Number(property("ExecMainStatus"))) : `ended: journalctl -u ${unit}`;
      },
    };
  }

  return {
    look: () => {
      const main = running();
      if (main === null) return Promise.resolve({ state: "down", evidence: `${options.argv[0]} does not run` });
      return Promise.resolve({ state: "up", evidence: `${options.argv[0]} runs as process ${main.pid}${main.digest === digest ? "" : ", as it was configured before: a change takes hold at its next start"}` });
    },
    stop,
    async start(signal) {
      const main = running();
      if (main !== null) return { ok: true, evidence: `it runs as process ${main.pid}` };
      // What the last one left behind.
      if (!isFree(lock)) {
        const ended = await stop(signal);
        if (!ended.ok) return ended;
      }
      const [flock, setpriv, program] = [findProgram("flock"), findProgram("setpriv"), findProgram(options.argv[0] ?? "")];
      if (flock === null || (options.user !== undefined && setpriv === null)) return { ok: false, evidence: "flock or setpriv is not installed (util-linux)" };
      const other = [flock, ...(options.user === undefined ? [] : [setpriv ?? ""])].find((path) => basename(realpathSync(path)) === "busybox");
      if (other !== undefined) return { ok: false, evidence: `${other} is busybox's, which cannot do what is needed here: install util-linux` };
      if (program === null) return { ok: false, evidence: `${options.argv[0]} cannot be run` };
      const as = options.user === undefined ? [] : await asUser(setpriv ?? "", options.user, signal);
      if (as === null) return { ok: false, evidence: `there is no user ${options.user}` };
      const env = { PATH: searchPath(), LANG: process.env["LANG"] ?? "C", ...options.env };
      writeFileSync(`${script}.new`, startScript(options, env, [...as, program, ...options.argv.slice(1)], pidFile, digest), { mode: 0o600 });
      renameSync(`${script}.new`, script);
      const argv = [flock, "--nonblock", "--no-fork", `--conflict-exit-code=${LOCKED}`, lock, "/bin/sh", script];
      const started = underSystemd() ? await bySystemd(argv, signal) : byItself(argv);
      if (typeof started === "string") return { ok: false, evidence: started };
      const byMs = world.now().bootMs + startMs;
      for (;;) {
        const before = running();
        if (before !== null && hasBecome(before.pid, script)) return { ok: true, evidence: `process ${before.pid}` };
        const ended = await started.ended();
        if (ended !== undefined) return { ok: false, evidence: `${options.argv[0]}: ${ended}` };
        if (signal.aborted || world.now().bootMs >= byMs) {
          if (before !== null) return { ok: true, evidence: `process ${before.pid}` };
          // It would come up at any time, unasked.
          if (!signal.aborted) await stop(signal);
          return { ok: false, evidence: "it has not come up" };
        }
        await pause(LOOK_EVERY_MS);
      }
    },
  };
}

/** Programs that still run, of services that are not among these any more. */
export function leftBehind(folder: string, names: ReadonlySet<string>, bootId: string): readonly { readonly name: string; readonly pid: number; readonly unit: string }[] {
  let files: readonly string[];
  try {
    files = readdirSync(folder);
  } catch {
    return [];
  }
  return files.filter((file) => file.endsWith(PID_SUFFIX)).map((file) => file.slice(0, -PID_SUFFIX.length)).filter((name) => !names.has(name)).flatMap((name) => {
    const written = identityIn(join(folder, `${name}${PID_SUFFIX}`), bootId);
    return written !== null && lives(written) ? [{ name, pid: written.pid, unit: unitOf(folder, name) }] : [];
  });
}

/** Two agents with a folder each may keep a service of the same name. */
function unitOf(folder: string, name: string): string {
  return `upkeep-${basename(folder)}-${name}.service`;
}

function endOf(code: number): string {
  return code === LOCKED ? "something that it started still holds its lock" : `ended with ${code}${SCRIPT_FAILED[code] === undefined ? "" : `: ${SCRIPT_FAILED[code]}`}`;
}

type Written = Identity & { /** Of the options that it was started with. */ readonly digest: string };

/** What the file says, of this boot of the machine; nonsense is nobody. */
function identityIn(path: string, bootId: string): Written | null {
  let text: string;
  try {
    text = readFileSync(path, "latin1");
  } catch {
    return null;
  }
  const [, pid, startTicks, boot, digest = ""] = /^([0-9]{1,10}) ([0-9]{1,16}) ([0-9a-f-]{36}) ([0-9a-f]{16})\n$/.exec(text) ?? [];
  return boot === bootId && Number(pid) > 1 ? { pid: Number(pid), startTicks: Number(startTicks), digest } : null;
}

/** Whether it is the program, and no longer the shell or setpriv that become it. */
function hasBecome(pid: number, script: string): boolean {
  const [first = "", ...rest] = (textOf(`/proc/${pid}/cmdline`) ?? "").split("\0");
  return first !== "" && !rest.includes(script) && !(first.endsWith("/setpriv") && rest.includes("--init-groups"));
}

function isFree(path: string): boolean {
  const release = lockFile(path);
  release?.();
  return release !== null;
}

/** Every process that has this file open, ourselves excepted. */
function holders(path: string): readonly Identity[] {
  let real: string;
  try {
    real = realpathSync(path);
  } catch {
    return [];
  }
  return processes().filter((pid) => pid !== process.pid && hasOpen(pid, real)).flatMap((pid) => {
    const stat = statOf(pid);
    return stat === null || stat.state === "Z" ? [] : [stat];
  });
}

function hasOpen(pid: number, path: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((descriptor) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${descriptor}`) === path;
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
