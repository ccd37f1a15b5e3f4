// Many seeds, one after the other or shared out over threads: what they saw is added up, what failed is kept, and it ends
// early once the simulated time that was asked for is reached.

import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { Counts } from "./counts.ts";
import type { FleetDraw } from "./fleet/spec.ts";
import { runFleetSeed } from "./fleet/run.ts";
import type { RunResult } from "./run.ts";
import { runSeed } from "./run.ts";
import type { Violation } from "./world.ts";

export type CampaignOptions = {
  readonly from: number;
  readonly seeds: number;
  /** End after so many simulated watcher-hours. */
  readonly hours?: number;
  readonly jobs?: number;
  /** Worlds of several watchers. */
  readonly fleet?: FleetDraw;
  /** Give up after so many failing seeds. */
  readonly failuresMax?: number;
  readonly onProgress?: (sofar: Summary) => void;
};

export type Failure = { readonly seed: number; readonly violation: Violation };
export type Summary = { readonly seeds: number; readonly failures: readonly Failure[]; readonly simulatedMs: number; readonly tookMs: number; readonly counts: Counts };

/** What a worker is told, and what it says after each handful of seeds. */
export type Order = { readonly from: number; readonly step: number; readonly until: number; readonly fleet?: FleetDraw };
export type Report = { readonly seeds: number; readonly failures: readonly Failure[]; readonly simulatedMs: number; readonly counts: readonly (readonly [string, number])[] };

const HANDFUL = 20;

/** The costly judgements are made for some seeds only; which ones the number says, so that a replay makes them again. */
export function alsoFor(seed: number): { replay: boolean; clocks: boolean } {
  return { replay: seed % 4 === 0, clocks: seed % 16 === 3 };
}

/** The same for several watchers. */
export function alsoForFleet(seed: number): { replay: boolean } {
  return { replay: seed % 8 === 0 };
}

/** One seed, of one watcher or of several, with the judgements that its number is due. */
export function runOne(seed: number, fleet: FleetDraw | undefined, transcript = false): Promise<RunResult> {
  return fleet === undefined ? runSeed(seed, { ...alsoFor(seed), transcript }) : runFleetSeed(seed, { ...fleet, ...alsoForFleet(seed), transcript });
}

export async function campaign(options: CampaignOptions): Promise<Summary> {
  const began = performance.now();
  const counts = new Counts();
  const failures: Failure[] = [];
  let seeds = 0;
  let simulatedMs = 0;
  const enough = (): boolean => simulatedMs >= (options.hours ?? Infinity) * 3_600_000 || failures.length >= (options.failuresMax ?? Infinity);
  const summary = (): Summary => ({ seeds, failures: [...failures].sort((a, b) => a.seed - b.seed), simulatedMs, tookMs: performance.now() - began, counts });
  const add = (report: Report): boolean => {
    seeds += report.seeds;
    simulatedMs += report.simulatedMs;
    failures.push(...report.failures);
    counts.merge(report.counts);
    options.onProgress?.(summary());
    return !enough();
  };
  const jobs = Math.max(1, Math.min(options.jobs ?? 1, options.seeds, availableParallelism()));
  if (jobs === 1) await runOrder({ from: options.from, step: 1, until: options.from + options.seeds, ...ofFleet(options) }, (report) => Promise.resolve(add(report)));
  else await shareOut(options, jobs, add);
  return summary();
}

function ofFleet({ fleet }: CampaignOptions): Pick<Order, "fleet"> {
  return fleet === undefined ? {} : { fleet };
}

/** Runs the seeds of an order, reporting after each handful, until the report's answer is false. */
export async function runOrder(order: Order, report: (report: Report) => Promise<boolean>): Promise<void> {
  let handful = new Counts();
  let seeds = 0;
  let simulatedMs = 0;
  let failures: Failure[] = [];
  for (let seed = order.from; seed < order.until; seed += order.step) {
    const result = await runOne(seed, order.fleet);
    seeds += 1;
    simulatedMs += result.simulatedMs;
    handful.merge(result.counts);
    if (result.violation !== undefined) failures.push({ seed, violation: result.violation });
    if (seeds < HANDFUL && failures.length === 0 && seed + order.step < order.until) continue;
    if (!(await report({ seeds, failures, simulatedMs, counts: [...handful.all] }))) return;
    handful = new Counts();
    seeds = 0;
    simulatedMs = 0;
    failures = [];
  }
}

async function shareOut(options: CampaignOptions, jobs: number, add: (report: Report) => boolean): Promise<void> {
  const workers = Array.from({ length: jobs }, (_, at): { worker: Worker; order: Order } => {
    const order: Order = { from: options.from + at, step: jobs, until: options.from + options.seeds, ...ofFleet(options) };
    return { order, worker: new Worker(new URL("./worker.ts", import.meta.url), { workerData: order, execArgv: ["--disable-warning=ExperimentalWarning"] }) };
  });
  await Promise.all(
    workers.map(({ worker }) =>
      new Promise<void>((resolve, reject) => {
        worker.on("message", (report: Report) => {
          if (add(report)) return;
          for (const each of workers) void each.worker.terminate();
        });
        worker.on("error", reject);
        worker.on("exit", () => resolve());
      }),
    ),
  );
}
