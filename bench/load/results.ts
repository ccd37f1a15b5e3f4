// Where the samples of loads are kept, each part in its file under bench/results/, with the machine that they were taken on;
// and how all of them go into the document.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, release } from "node:os";
import { join } from "node:path";
import type { Checks } from "../checks.ts";
import type { Schedules } from "../scheduled.ts";
import { writeLoads } from "./document.ts";

export type Who = "Upkeep" | "fping" | "blackbox exporter" | "Monit" | "monitoring plugins" | "Prometheus and blackbox exporter";
export type Loads = { readonly checks?: Checks; readonly scheduled?: Schedules };

const RESULTS = join(import.meta.dirname, "../results");
const machine = `${availableParallelism()} cores (${cpus()[0]?.model ?? "unknown"}), Linux ${release()}, Node ${process.version}`;

export function keep(loads: Loads): void {
  mkdirSync(RESULTS, { recursive: true });
  for (const [part, found] of Object.entries(loads)) writeFileSync(join(RESULTS, `${part}.json`), `${JSON.stringify({ at: new Date().toISOString(), machine, ...found }, null, 1)}\n`);
}

/** Writes what is kept of both parts into docs/performance.md. */
export function documentLoads(): void {
  const known = (part: string): object => {
    try {
      return { [part]: JSON.parse(readFileSync(join(RESULTS, `${part}.json`), "utf8")) as unknown };
    } catch {
      return {};
    }
  };
  writeLoads({ ...known("checks"), ...known("scheduled") } as Loads, machine);
}

if (import.meta.main) documentLoads();
