// 100,000 hosts on 20 watchers: makes the store's records, and runs one watcher of the 20 as a process of its own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { FleetShape } from "./fleet-policy.ts";
import { fleetPolicy, watcherNames } from "./fleet-policy.ts";
import type { StoreSize } from "./large-records.ts";
import { writeRecords } from "./large-records.ts";

/** As src/cli/commands/watch.ts starts a watcher. */
const FLAGS = ["--v8-pool-size=1", "--optimize-for-size", "--max-opt=1"];

export type Phase = { readonly phase: string; readonly seconds: number; readonly cpuMs: number; readonly cpuMsPerSecond: number; readonly longestStepMs: number; readonly transactions: number; readonly keys: number; readonly kilobytes: number; readonly wallMs: number; readonly rssMiB: number; readonly mostMiB: number; readonly heapMiB: number };

export type Large = { readonly hosts: number; readonly watchers: number; readonly flags: readonly string[]; readonly store: StoreSize; readonly phases: readonly Phase[]; readonly facts: Readonly<Record<string, number>> };

export async function large(hosts: number, watchers: number, flags: readonly string[] = FLAGS, say: (text: string) => void = () => undefined): Promise<Large> {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-large-"));
  const shape: FleetShape = { hosts, everyMs: 10_000, threshold: 3, bmcs: true, ttlMs: 10_000 };
  const names = watcherNames(watchers);
  const me = names[0] as string;
  try {
    const file = join(folder, "records");
    const store = writeRecords(file, fleetPolicy(shape, me), names, me);
    const phases: Phase[] = [];
    const facts: Record<string, number> = {};
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", ...flags, join(import.meta.dirname, "large-watcher.ts"), file, me, JSON.stringify(names), JSON.stringify(shape)], { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(child, "exit");
    for await (const line of createInterface({ input: child.stdout })) {
      say(line);
      const told = JSON.parse(line) as Phase & Record<string, number>;
      if (typeof told.phase === "string") phases.push(told);
      else Object.assign(facts, told);
    }
    const [code] = (await ended) as [number | null];
    if (code !== 0) throw new Error(`the watcher ended with ${code}`);
    return { hosts, watchers, flags, store, phases, facts };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
