// One run of one program, with all that it starts, for whatever asks a program to look or to switch. A list of arguments
// and never a shell; a limit in time and in bytes; nothing of our environment, where secrets and PCMK_service may be.
//
// A child outlives its parent, so a hanging `off` could strike minutes after this watcher died (safety.md §4.3). Therefore
// each run is a process group of its own with a guard in it: the guard holds the other end of a pipe of ours, and when that
// breaks, because the run is over or because we died, it kills the group, grandchildren included. Beside it stand
// `timeout -s KILL` and PR_SET_PDEATHSIG (prctl(2)); alone they would not do, since the signal reaches timeout(1) and not the
// program under it.

import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { findProgram, searchPath } from "./find-program.ts";

export type ChildOptions = {
  /** It is killed then, and one that we can no longer kill half a second later. */
  readonly limitMs: number;
  /** Written to its standard input, which then ends; left out: empty. For what must not stand among its arguments. */
  readonly input?: string;
  /** Beside PATH and LANG, the whole of its environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** So much of standard output is kept, from its beginning; the rest is read and thrown away. */
  readonly keepBytes?: number;
};

/** How it ended; `why`: killed, or never started. */
export type ChildEnd = { readonly code: number } | { readonly why: string };

export type Ran = {
  readonly end: ChildEnd;
  /** The beginning of standard output, and whether that is all of it. */
  readonly stdout: string;
  readonly whole: boolean;
  /** The last of what it printed, both streams as they came. */
  readonly said: string;
};

/** The default of `keepBytes`, and the limit of `said`. */
const KEEP_BYTES = 65_536;
/** Our own timer kills first, so that the time-out can be told from a kill by somebody else. */
const BACKSTOP_MS = 500;
/** How long pipes may stay open after the end: who has left the process group may hold them for ever. */
const DRAIN_MS = 250;

export class Child {
  readonly ended: Promise<Ran>;
  readonly #pid: number | undefined;
  readonly #keepBytes: number;
  #why: string | null = null;
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  #tail = Buffer.alloc(0);

  /** Started when the constructor returns; one that cannot be started has ended. `guard` is what `childGuard` made. */
  constructor(guard: Guard, argv: readonly string[], options: ChildOptions) {
    const { limitMs, input } = options;
    this.#keepBytes = options.keepBytes ?? KEEP_BYTES;
    let child: ChildProcess;
    try {
      const [program = "", ...rest] = [...guard(limitMs + BACKSTOP_MS), ...argv];
      child = spawn(program, rest, {
        // A group of its own, to be killed as a whole.
        detached: true,
        env: { PATH: searchPath(), LANG: process.env["LANG"] ?? "C", ...options.env },
        cwd: "/",
        stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe", "pipe"],
      });
    } catch (error) {
      this.ended = Promise.resolve(this.#ran(notStarted(error)));
      return;
    }
    this.#pid = child.pid;
    // Never written to: it only has to break.
    const lifeline = child.stdio[3];
    const pipes = [child.stdin, child.stdout, child.stderr, lifeline];
    // A program that ends before it has read its input is judged by its exit code, not by our broken pipe.
    for (const pipe of pipes) pipe?.on("error", () => {});
    child.stdout?.on("data", (bytes: Buffer) => this.#heard(bytes));
    for (const pipe of [child.stdout, child.stderr]) pipe?.on("data", (bytes: Buffer) => (this.#tail = Buffer.concat([this.#tail, bytes]).subarray(-KEEP_BYTES)));
    child.stdin?.end(input);
    const timer = setTimeout(() => void this.kill(`no end within ${limitMs} ms`), limitMs);
    this.ended = new Promise((resolve) => {
      const settle = (end: ChildEnd): void => {
        clearTimeout(timer);
        for (const pipe of pipes) pipe?.destroy();
        resolve(this.#ran(end));
      };
      child.once("error", (error) => settle(notStarted(error)));
      child.once("exit", (code, signal) => {
        const end = this.#why !== null ? { why: this.#why } : code !== null ? { code } : { why: `killed by ${signal}` };
        // What is left of the group would hold the pipes open, in which the last of the output may still be.
        this.#killGroup();
        const drained = setTimeout(() => settle(end), DRAIN_MS);
        child.once("close", () => {
          clearTimeout(drained);
          settle(end);
        });
      });
    });
  }

  /** Ends it with all that it has started; resolves when it has ended. */
  async kill(why: string): Promise<void> {
    this.#why ??= why;
    this.#killGroup();
    await this.ended;
  }

  #heard(bytes: Buffer): void {
    const room = Math.max(0, this.#keepBytes - this.#headBytes);
    if (room > 0) this.#head.push(bytes.subarray(0, room));
    this.#headBytes += bytes.length;
  }

  #killGroup(): void {
    if (this.#pid === undefined) return;
    try {
      process.kill(-this.#pid, "SIGKILL");
    } catch {
      // Nobody is left in the group.
    }
  }

  #ran(end: ChildEnd): Ran {
    return { end, stdout: Buffer.concat(this.#head).toString("utf8"), whole: this.#headBytes <= this.#keepBytes, said: this.#tail.toString("utf8") };
  }
}

/** Runs a program to its end, or to the abort of `signal`. Starts it before it returns. */
export async function runChild(guard: Guard, argv: readonly string[], options: ChildOptions, signal: AbortSignal): Promise<Ran> {
  const child = new Child(guard, argv, options);
  const abort = (): void => void child.kill("aborted");
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await child.ended;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** What goes before a command so that it cannot outlive its limit or us. */
export type Guard = (limitMs: number) => readonly string[];

// Only shell built-ins, and the command itself is never read by the shell: it is executed as the arguments that it is.
const GUARD = '( read -r _ <&3; kill -KILL 0 ) >/dev/null 2>&1 & exec "$@" 3<&-';
const GUARDED = ["/bin/sh", "-c", GUARD, "upkeep"] as const;

/** Looks for setpriv and timeout; made once, so that starting a child has nothing to look for. */
export function childGuard(): Guard {
  return guardOf(findProgram("setpriv"), findProgram("timeout")).guard;
}

/** What a child has less of to end it, in words, or null. */
export function weakGuard(): string | null {
  return guardOf(findProgram("setpriv"), findProgram("timeout")).weak;
}

type Made = { readonly guard: Guard; readonly weak: string | null };
const made = new Map<string, Made>();
const TRY_LIMIT_MS = 5_000;

/** Tried once each: there are others of these names (busybox has no --pdeathsig), and with one that refuses its options no program at all would run. */
function guardOf(setpriv: string | null, timeout: string | null): Made {
  const key = `${setpriv} ${timeout}`;
  const before = made.get(key);
  if (before !== undefined) return before;
  const works = (argv: readonly string[]): boolean => spawnSync(argv[0] ?? "", [...argv.slice(1), "/bin/sh", "-c", ":"], { cwd: "/", stdio: "ignore", timeout: TRY_LIMIT_MS, killSignal: "SIGKILL" }).status === 0;
  const dieWithParent = setpriv === null ? [] : [setpriv, "--pdeathsig", "KILL", "--"];
  const limited = (limitMs: number): readonly string[] => (timeout === null ? [] : [timeout, "-s", "KILL", (limitMs / 1000).toFixed(3)]);
  const [dies, ends] = [setpriv !== null && works(dieWithParent), timeout !== null && works(limited(1_500))];
  const lacks = [...(dies ? [] : [setpriv === null ? "setpriv is not installed" : `${setpriv} does not know --pdeathsig`]), ...(ends ? [] : [timeout === null ? "timeout is not installed" : `${timeout} does not know -s KILL with parts of a second`])];
  const guard: Guard = dies && ends ? (limitMs) => [...GUARDED, ...dieWithParent, ...limited(limitMs), ...dieWithParent] : ends ? (limitMs) => [...GUARDED, ...limited(limitMs)] : () => GUARDED;
  const found: Made = { guard, weak: lacks.length === 0 ? null : `${lacks.join(", and ")}: what is started is ended by its guard in the shell alone (install util-linux and coreutils)` };
  made.set(key, found);
  return found;
}

const EVIDENCE_CHARACTERS_MAX = 600;

/** How it ended and the end of what it said, printable, in one line, `secrets` hidden. */
export function evidenceOf({ end, said }: Pick<Ran, "end" | "said">, secrets: readonly string[] = []): string {
  const hidden = secrets.filter((secret) => secret !== "").toSorted((a, b) => b.length - a.length).reduce((text, secret) => text.replaceAll(secret, "[hidden]"), said);
  const line = hidden.replace(/[^\x20-\x7e\n\u00a1-\uffef]/g, "").trim().replace(/\s*\n\s*/g, " | ");
  const how = "code" in end ? `exit ${end.code}` : end.why;
  return line === "" ? how : `${how}: ${line.length <= EVIDENCE_CHARACTERS_MAX ? line : `…${line.slice(-EVIDENCE_CHARACTERS_MAX)}`}`;
}

function notStarted(error: unknown): ChildEnd {
  return { why: `did not start: ${(error as NodeJS.ErrnoException).code ?? String(error)}` };
}
