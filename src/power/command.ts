// The driver for whatever a program can switch: a hypervisor, a relay board, a script that somebody already has. Three
// commands, each a list of arguments and never a shell, with `{outlet}` replaced inside each argument.
//
// A child outlives its parent, so a hanging `off` could strike minutes after this watcher died (safety.md §4.3). Therefore
// each run is a process group of its own with a guard in it: the guard holds the other end of a pipe of ours, and when that
// breaks, because the run is over or because we died, it kills the group, grandchildren included. Beside it stand
// `timeout -s KILL` and PR_SET_PDEATHSIG (prctl(2)); alone they would not do, since the signal reaches timeout(1) and not the
// program under it. What a program that failed has done nobody knows: any end but exit 0 is unknown.

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { constants, accessSync, statSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { assert, UpkeepError } from "../core/errors.ts";
import { passGate } from "./gate.ts";
import type { Fire, OutletState, PowerDevice, PowerDriver, PowerSession, Reading, SetOutcome } from "./power.ts";

export type CommandOptions = {
  readonly on: readonly string[];
  readonly off: readonly string[];
  /** Exits 0 when the outlet is on, 2 when it is off; every other end is unknown. Empty: it is never known, and no off can be confirmed. */
  readonly status: readonly string[];
  /** The limit of one run of one command. */
  readonly stepMs: number;
  /** No child lives longer than this, with or without us. */
  readonly maxActMs: number;
};

const OUTPUT_BYTES_MAX = 65_536;
const EVIDENCE_CHARACTERS_MAX = 600;
/** Our own timer kills first, so that the time-out can be told from a kill by somebody else. */
const BACKSTOP_MS = 500;

/** Also keeps an outlet from being read as an option. */
const OUTLET = /^[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}$/;

const capabilities = { exclusiveSession: false } as const;

/** Any program that switches power. */
export const command: PowerDriver<CommandOptions> = {
  name: "command",
  capabilities,
  testedOn: ["scripts of the conformance suite"],
  create: (options) => new CommandDevice(options),
};

class CommandDevice implements PowerDevice {
  readonly capabilities = capabilities;
  readonly #options: CommandOptions;

  constructor(options: CommandOptions) {
    this.#options = options;
  }

  open(signal: AbortSignal): Promise<PowerSession> {
    return new Promise((resolve) => {
      if (signal.aborted) throw stopped(signal);
      const { on, off, status } = this.#options;
      for (const [what, argv] of [["status", status], ["off", off], ["on", on]] as const) {
        const [program] = argv;
        if (what === "status" && program === undefined) continue;
        if (program === undefined || (!program.includes("{outlet}") && findProgram(program) === null)) throw new UpkeepError("POWER_UNREACHABLE", `cannot run "${program ?? ""}": no such program`);
      }
      resolve(new CommandSession(this.#options));
    });
  }
}

type Run = { readonly end: { readonly code: number } | { readonly why: string }; readonly evidence: string };

class CommandSession implements PowerSession {
  readonly #options: CommandOptions;
  // Looked for once, so that the write itself has nothing to look for.
  readonly #wrapper = wrapper();
  #busy = false;
  #running: Child | null = null;

  constructor(options: CommandOptions) {
    this.#options = options;
  }

  read(outlets: readonly string[], signal: AbortSignal): Promise<readonly Reading[]> {
    return this.#alone(async () => {
      for (const outlet of outlets) checkName(outlet);
      const states = new Map<string, OutletState>();
      for (const outlet of outlets) if (!states.has(outlet)) states.set(outlet, await this.#status(outlet, signal));
      return outlets.map((outlet) => ({ outlet, state: states.get(outlet) ?? "unknown", label: null }));
    });
  }

  set(outlet: string, action: "on" | "off", fire: Fire, signal: AbortSignal): Promise<SetOutcome> {
    return this.#alone(async () => {
      checkName(outlet);
      const state = await this.#status(outlet, signal);
      let run: Promise<Run> | null = null;
      const passage = await passGate(fire, { outlet, state, label: null }, () => (run = this.#run(this.#options[action], outlet, signal)), signal);
      if (passage.kind === "shut") return passage.outcome;
      assert(run !== null, "the write has run");
      const { end, evidence } = await (run as Promise<Run>);
      if ("code" in end && end.code === 0) return { kind: "accepted", evidence };
      return { kind: "unknown", evidence };
    });
  }

  async close(): Promise<void> {
    await this.#running?.kill("the session was closed");
  }

  async #status(outlet: string, signal: AbortSignal): Promise<OutletState> {
    if (signal.aborted) throw stopped(signal);
    if (this.#options.status.length === 0) return "unknown";
    const { end } = await this.#run(this.#options.status, outlet, signal);
    if (signal.aborted) throw stopped(signal);
    if (!("code" in end)) return "unknown";
    return end.code === 0 ? "on" : end.code === 2 ? "off" : "unknown";
  }

  /** Starts the child before it returns. */
  async #run(argv: readonly string[], outlet: string, signal: AbortSignal): Promise<Run> {
    const { stepMs, maxActMs } = this.#options;
    const limitMs = Math.min(stepMs, maxActMs);
    // A function: in a string, `$&` and its like would be read by replaceAll.
    const child = new Child([...this.#wrapper(limitMs + BACKSTOP_MS), ...argv.map((argument) => argument.replaceAll("{outlet}", () => outlet))], limitMs);
    this.#running = child;
    const abort = (): void => void child.kill("aborted");
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    try {
      return await child.ended;
    } finally {
      signal.removeEventListener("abort", abort);
      this.#running = null;
    }
  }

  async #alone<Result>(call: () => Promise<Result>): Promise<Result> {
    assert(!this.#busy, "calls on a power session never overlap");
    this.#busy = true;
    try {
      return await call();
    } finally {
      this.#busy = false;
    }
  }
}

/** One run of one program, with all that it starts. */
class Child {
  readonly ended: Promise<Run>;
  readonly #pid: number | undefined;
  #why: string | null = null;
  #output = Buffer.alloc(0);

  /** Started when the constructor returns; one that cannot be started has ended. */
  constructor(argv: readonly string[], limitMs: number) {
    let child: ChildProcess;
    try {
      const [program = "", ...rest] = argv;
      child = spawn(program, rest, {
        // A group of its own, to be killed as a whole; nothing of our environment, where secrets and PCMK_service may be.
        detached: true,
        env: { PATH: searchPath(), LANG: process.env["LANG"] ?? "C" },
        cwd: "/",
        stdio: ["ignore", "pipe", "pipe", "pipe"],
      });
    } catch (error) {
      this.ended = Promise.resolve(this.#run(notStarted(error)));
      return;
    }
    this.#pid = child.pid;
    // Never written to: it only has to break.
    const lifeline = child.stdio[3];
    const pipes = [child.stdout, child.stderr, lifeline];
    for (const pipe of pipes) pipe?.on("error", () => {});
    for (const pipe of [child.stdout, child.stderr]) pipe?.on("data", (bytes: Buffer) => (this.#output = Buffer.concat([this.#output, bytes]).subarray(-OUTPUT_BYTES_MAX)));
    const timer = setTimeout(() => void this.kill(`no end within ${limitMs} ms`), limitMs);
    this.ended = new Promise((resolve) => {
      const settle = (end: Run["end"]): void => {
        clearTimeout(timer);
        this.#killGroup();
        // What is left of the group may hold the pipes open for ever.
        for (const pipe of pipes) pipe?.destroy();
        resolve(this.#run(end));
      };
      child.once("error", (error) => settle(notStarted(error)));
      child.once("exit", (code, signal) => {
        // What was written last may still be in the pipe: one turn of the loop for it, and no more.
        setImmediate(() => settle(this.#why !== null ? { why: this.#why } : code !== null ? { code } : { why: `killed by ${signal}` }));
      });
    });
  }

  async kill(why: string): Promise<void> {
    this.#why ??= why;
    this.#killGroup();
    await this.ended;
  }

  #killGroup(): void {
    if (this.#pid === undefined) return;
    try {
      process.kill(-this.#pid, "SIGKILL");
    } catch {
      // Nobody is left in the group.
    }
  }

  #run(end: Run["end"]): Run {
    const said = this.#output.toString("utf8").replace(/[^\x20-\x7e\n\u00a1-\uffef]/g, "").trim().replace(/\s*\n\s*/g, " | ");
    const how = "code" in end ? `exit ${end.code}` : end.why;
    return { end, evidence: said === "" ? how : `${how}: ${said.length <= EVIDENCE_CHARACTERS_MAX ? said : `…${said.slice(-EVIDENCE_CHARACTERS_MAX)}`}` };
  }
}

function notStarted(error: unknown): Run["end"] {
  return { why: `did not start: ${(error as NodeJS.ErrnoException).code ?? String(error)}` };
}

// Only shell built-ins, and the command itself is never read by the shell: it is executed as the arguments that it is.
const GUARD = '( read -r _ <&3; kill -KILL 0 ) >/dev/null 2>&1 & exec "$@" 3<&-';
const GUARDED = ["/bin/sh", "-c", GUARD, "upkeep"] as const;

/** What goes before a command so that it cannot outlive its limit or us. */
function wrapper(): (limitMs: number) => readonly string[] {
  const setpriv = findProgram("setpriv");
  const timeout = findProgram("timeout");
  if (setpriv === null || timeout === null) return () => GUARDED;
  const dieWithParent = [setpriv, "--pdeathsig", "KILL", "--"];
  return (limitMs) => [...GUARDED, ...dieWithParent, timeout, "-s", "KILL", (limitMs / 1000).toFixed(3), ...dieWithParent];
}

function searchPath(): string {
  return process.env["PATH"] ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

function findProgram(name: string): string | null {
  const places = isAbsolute(name) ? [name] : name.includes("/") ? [join("/", name)] : searchPath().split(delimiter).map((folder) => join(folder, name));
  return places.find((place) => canRun(place)) ?? null;
}

function canRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function checkName(outlet: string): void {
  if (!OUTLET.test(outlet)) throw new UpkeepError("POWER_OUTLET", `outlet "${outlet.slice(0, 64).replace(/[^\x20-\x7e]/g, "?")}": letters, digits and . _ : @ - only, a letter or a digit first`);
}

function stopped(signal: AbortSignal): UpkeepError {
  return new UpkeepError("POWER_TIMEOUT", "aborted", { cause: signal.reason });
}
