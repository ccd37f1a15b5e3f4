// A plain program that nobody else looks after. It lives in a session of its own and outlives this agent; the next one finds it by
// what it wrote down before it became the program: its number, its start, and this boot of the machine.
//
// It is never there twice, whoever is killed when: a lock (flock(2)) is taken before that is written, and stays with the open
// file that the program and all its children inherit. Whoever holds the lock is of it; while anybody does, no other is started.

import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, readdirSync, readlinkSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { findProgram, searchPath } from "../../child/find-program.ts";
import { signalExactly } from "../../process/pidfd.ts";
import { lives, processes, statOf, textOf } from "../../process/proc.ts";
import type { Identity } from "../../process/proc.ts";
import { lockFile } from "../../process/file-lock.ts";
import type { Done, Kept, KeptWorld } from "./kept.ts";
import { apart, ask } from "./run.ts";

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
const LOCKED = 75;
/** Reads its own number, start and boot, writes them down beside and renames, and becomes the program. Its name holds no blank, so the fields can be counted (proc(5)). */
const BECOME = 'IFS=" " read -r pid a b c d e f g h i j k l m n o p q r s t start rest < /proc/$$/stat && read -r boot < /proc/sys/kernel/random/boot_id && printf "%s %s %s\\n" "$pid" "$start" "$boot" > "$0.new" && mv -f -- "$0.new" "$0" && exec "$@"';

export function command(name: string, options: CommandOptions, world: KeptWorld, { startMs, stopMs }: { readonly startMs: number; readonly stopMs: number }): Kept {
  const pidFile = join(world.folder, `${name}.pid`);
  const lock = join(world.folder, `${name}.lock`);

  function running(): Identity | null {
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

  return {
    look: () => {
      const main = running();
      return Promise.resolve(main === null ? { state: "down", evidence: `${options.argv[0]} does not run` } : { state: "up", evidence: `${options.argv[0]} runs as process ${main.pid}` });
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
      if (program === null) return { ok: false, evidence: `${options.argv[0]} cannot be run` };
      rmSync(pidFile, { force: true });
      const as = options.user === undefined ? [] : await asUser(setpriv ?? "", options.user, signal);
      if (as === null) return { ok: false, evidence: `there is no user ${options.user}` };
      const [first = "", ...rest] = [...apart(`upkeep-keep-${name}-${world.now().bootMs}`), flock, "--nonblock", "--no-fork", `--conflict-exit-code=${LOCKED}`, lock, "/bin/sh", "-c", BECOME, pidFile, ...as, program, ...options.argv.slice(1)];
      let ended: string | null = null;
      const output = options.output === undefined ? "ignore" : openSync(options.output, "a", 0o640);
      try {
        const child = spawn(first, rest, { detached: true, cwd: options.directory, env: { PATH: searchPath(), LANG: process.env["LANG"] ?? "C", ...options.env }, stdio: ["ignore", output, output] });
        child.once("error", (error) => (ended = error.message));
        child.once("exit", (code, by) => (ended = code === LOCKED ? "something that it started still holds its lock" : `ended with ${code ?? by}`));
        child.unref();
      } finally {
        if (typeof output === "number") closeSync(output);
      }
      const byMs = world.now().bootMs + startMs;
      for (;;) {
        const started = running();
        if (started !== null && hasBecome(started.pid)) return { ok: true, evidence: `process ${started.pid}` };
        if (ended !== null) return { ok: false, evidence: `${options.argv[0]}: ${String(ended)}` };
        if (signal.aborted || world.now().bootMs >= byMs) return started === null ? { ok: false, evidence: "it has not come up" } : { ok: true, evidence: `process ${started.pid}` };
        await pause(LOOK_EVERY_MS);
      }
    },
  };
}

/** What the file says, of this boot of the machine; nonsense is nobody. */
function identityIn(path: string, bootId: string): Identity | null {
  let text: string;
  try {
    text = readFileSync(path, "latin1");
  } catch {
    return null;
  }
  const [, pid, startTicks, boot] = /^([0-9]{1,10}) ([0-9]{1,16}) ([0-9a-f-]{36})\n$/.exec(text) ?? [];
  return boot === bootId && Number(pid) > 1 ? { pid: Number(pid), startTicks: Number(startTicks) } : null;
}

/** Whether it is the program, and no longer the shell or setpriv that become it. */
function hasBecome(pid: number): boolean {
  const [first = "", ...rest] = (textOf(`/proc/${pid}/cmdline`) ?? "").split("\0");
  return first !== "" && !rest.includes(BECOME) && !(first.endsWith("/setpriv") && rest.includes("--init-groups"));
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
