// Children of the lab. Everything that the lab starts must end with it, also when it is killed with `kill -9` and no line
// of ours runs any more: so each child asks the kernel to be killed when its parent dies (prctl PR_SET_PDEATHSIG, through
// setpriv). What outlives that (names of namespaces, cgroups) is removed when the process ends in any other way, here, or
// by the next lab's sweep. Every run has a limit in time and in bytes.

import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";

export type Ran = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

export type RunOptions = { readonly timeoutMs?: number; readonly input?: string; readonly env?: NodeJS.ProcessEnv };

const OUTPUT_LIMIT = 4 * 1024 * 1024;

/** The environment of the lab's programs: what we have, and the folders where Debian keeps daemons. */
export function labEnv(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env["PATH"] ?? "/usr/bin:/bin"}:/usr/sbin:/sbin` };
}

/** The path of a program, or null when this machine has none of that name. */
export function whichProgram(name: string): string | null {
  for (const folder of (labEnv()["PATH"] ?? "").split(":")) {
    try {
      accessSync(`${folder}/${name}`, constants.X_OK);
      return `${folder}/${name}`;
    } catch {
      // not in this folder
    }
  }
  return null;
}

/** What to put before a command so that it dies with this process; empty where setpriv is missing. */
export function diesWithUs(): readonly string[] {
  return whichProgram("setpriv") === null ? [] : ["setpriv", "--pdeathsig", "KILL", "--"];
}

/** Runs a command to its end. Resolves with any exit code; rejects when it cannot start or passes its time limit. */
export function run(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const [file, ...args] = [...diesWithUs(), ...argv];
  if (file === undefined) throw new Error("run: empty command");
  const timeout = options.timeoutMs ?? 10_000;
  return new Promise((resolve, reject) => {
    const settings = { timeout, killSignal: "SIGKILL", maxBuffer: OUTPUT_LIMIT, env: options.env ?? labEnv() } as const;
    const child = execFile(file, args, settings, (error, stdout, stderr) => {
      if (error === null) resolve({ code: 0, stdout, stderr });
      else if (error.killed) reject(new Error(`${argv.join(" ")}: still running after ${timeout} ms`, { cause: error }));
      else if (typeof error.code === "number" || error.signal) resolve({ code: child.exitCode, stdout, stderr });
      else reject(error);
    });
    // A command that ends before it has read its input is judged by its exit code, not by our broken pipe.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(options.input ?? "");
  });
}

/** Runs a command that has to succeed; its standard output. */
export async function must(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const ran = await run(argv, options);
  if (ran.code !== 0) throw new Error(`${argv.join(" ")}: exit code ${ran.code}: ${ran.stderr.trim().slice(-500)}`);
  return ran.stdout;
}

const endings = new Set<() => void>();
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

function endAll(): void {
  for (const end of [...endings]) end();
}

function endBySignal(signal: NodeJS.Signals): void {
  // Another listener decides what a signal means to this process; ours only keeps the default (death) tidy.
  if (process.listenerCount(signal) > 1) return;
  endAll();
  process.removeListener(signal, endBySignal);
  process.kill(process.pid, signal);
}

/** Calls `end` (synchronous) when this process exits or is ended by a signal; returns how to take that back. */
export function whenWeEnd(end: () => void): () => void {
  if (endings.size === 0) {
    process.on("exit", endAll);
    for (const signal of SIGNALS) process.on(signal, endBySignal);
  }
  endings.add(end);
  return () => {
    if (!endings.delete(end) || endings.size > 0) return;
    process.removeListener("exit", endAll);
    for (const signal of SIGNALS) process.removeListener(signal, endBySignal);
  };
}
