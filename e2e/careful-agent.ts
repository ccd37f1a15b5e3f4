// A host with the real agent in a namespace of its own, for careful shutdown: its stages and its power-off are programs that
// write down that they ran, so that what is judged is what was done and not what the agent says.

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { diesWithUs, labEnv } from "../lab/child.ts";
import type { LabNode } from "../lab/netns.ts";

const ROOT = join(import.meta.dirname, "..");
/** Of any wait: a busy machine is slow, and nothing here is judged by how fast it is. */
export const LIMIT_MS = 90_000;

export type CarefulHost = {
  readonly folder: string;
  /** What was done, in order: `web stops`, `web stopped`, `off` … */
  did(): readonly string[];
  /** When each was done, by the wall clock. */
  when(what: string): number;
  log(): string;
  state(): string;
  start(env?: NodeJS.ProcessEnv): void;
  pid(): number;
  /** kill -9, and gone when it returns. */
  kill(): Promise<void>;
  /** As the service manager ends it. Resolves with its exit code. */
  terminate(): Promise<number | null>;
  remove(): Promise<void>;
};

/** `settings`: of the section `careful`, as YAML in one line each; stages `web`, then `db` (`dbSeconds` long). `node` null: in this machine's own network. */
export function carefulHost(node: LabNode | null, name: string, settings: readonly string[], { dbSeconds = 1, data = "data", argv = [] as readonly string[] } = {}): CarefulHost {
  const folder = mkdtempSync(join(tmpdir(), `upkeep-careful-${process.pid}-`));
  const did = join(folder, "did");
  const program = (text: string): string => JSON.stringify(["/bin/sh", "-c", text]);
  const note = (what: string): string => `echo "$(date +%s%3N) ${what}" >> ${did}`;
  const stage = (what: string, seconds: number): string => `{ run: ${program(`${note(`${what} stops`)}; sleep ${seconds}; ${note(`${what} stopped`)}`)}, undo: ${program(`${note(`${what} starts`)}; sleep 0.3; ${note(`${what} started`)}`)} }`;
  const config = join(folder, "upkeep.yaml");
  writeFileSync(config, [
    "agent:", `  name: ${name}`, `  data: ${data}`, "  careful:", ...settings.map((line) => `    ${line}`),
    `    stages: [${stage("web", 0.2)}, ${stage("db", dbSeconds)}]`, `    powerOff: ${program(note("off"))}`, "",
  ].join("\n"));
  if (!data.startsWith("/")) mkdirSync(join(folder, data), { recursive: true });
  let child: ChildProcess | undefined;
  let log = "";
  const lines = (): readonly string[] => (existsSync(did) ? readFileSync(did, "utf8").trim().split("\n").filter((line) => line !== "") : []);
  const state = join(data.startsWith("/") ? data : join(folder, data), "careful", "state.json");
  const gone = async (signal: NodeJS.Signals): Promise<number | null> => {
    const dying = child;
    if (dying === undefined || dying.exitCode !== null || dying.signalCode !== null) return dying?.exitCode ?? null;
    const ended = once(dying, "exit");
    dying.kill(signal);
    const [code] = (await ended) as [number | null];
    return code;
  };
  return {
    folder,
    did: () => lines().map((line) => line.replace(/^\d+ /, "")),
    when: (what) => Number(lines().find((line) => line.endsWith(` ${what}`))?.split(" ")[0] ?? NaN),
    log: () => log,
    state: () => (existsSync(state) ? readFileSync(state, "utf8") : ""),
    start(env = {}) {
      const command = [join(ROOT, "bin/upkeep"), "agent", "-c", config, ...argv];
      const options = { stdio: ["ignore", "pipe", "pipe"] as ("ignore" | "pipe")[], env: { ...labEnv(), UPKEEP_CONFIG: undefined, STATE_DIRECTORY: undefined, ...env } };
      const [file = "", ...rest] = [...diesWithUs(), ...command];
      child = node === null ? spawn(file, rest, options) : node.spawn(command, options);
      for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", (text: string) => (log = (log + text).slice(-200_000)));
    },
    pid: () => child?.pid ?? 0,
    kill: async () => void (await gone("SIGKILL")),
    terminate: () => gone("SIGTERM"),
    async remove() {
      await gone("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Waits until it is so; says what it has waited for, and what the agent said, when it never is. */
export async function until(wanted: () => boolean, what: string, host?: CarefulHost, everyMs = 20): Promise<void> {
  const endsAtMs = performance.now() + LIMIT_MS;
  while (!wanted()) {
    assert.ok(performance.now() < endsAtMs, `${what}: not within ${LIMIT_MS} ms${host === undefined ? "" : `\n${host.did().join(", ")}\n${host.state()}\n${host.log()}`}`);
    await pause(everyMs);
  }
}
