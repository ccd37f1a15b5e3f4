// Many seeds, shared out over threads: what they saw is added up, what failed is kept, and it ends early once the simulated
// time that was asked for is reached, or somebody wants it to. A run of hours has to survive what it looks for: a seed that
// kills its thread, or never ends, is one more that fails.

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
  /** End now, with what has been seen. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (sofar: Summary) => void;
  /** What a thread runs, and how long one seed may take it: for who tries the campaign itself. */
  readonly thread?: URL;
  readonly seedMs?: number;
};

export type Failure = { readonly seed: number; readonly violation: Violation };
export type Summary = {
  readonly seeds: number;
  readonly failures: readonly Failure[];
  readonly simulatedMs: number;
  readonly tookMs: number;
  readonly counts: Counts;
  /** Every seed before this one has been run. */
  readonly next: number;
};

/** What a worker is told, and what it says after each handful of seeds. */
export type Order = { readonly from: number; readonly step: number; readonly until: number; readonly fleet?: FleetDraw; /** The seed that is being run. */ readonly at: Float64Array };
export type Report = { readonly seeds: number; readonly failures: readonly Failure[]; readonly simulatedMs: number; readonly counts: readonly (readonly [string, number])[]; readonly next: number };

const HANDFUL = 20;
/** A world takes a fraction of a second, on a machine that has other things to do some seconds. */
const SEED_MS = 180_000;
const THREAD = new URL("./worker.ts", import.meta.url);

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
  const jobs = Math.max(1, Math.min(options.jobs ?? 1, options.seeds, availableParallelism()));
  const until = options.from + options.seeds;
  const over = new AbortController();
  const ended = options.signal === undefined ? over.signal : AbortSignal.any([over.signal, options.signal]);
  const next = Array.from({ length: jobs }, (_, lane) => options.from + lane);
  const enough = (): boolean => simulatedMs >= (options.hours ?? Infinity) * 3_600_000 || failures.length >= (options.failuresMax ?? Infinity);
  const summary = (): Summary => ({ seeds, failures: [...failures].sort((a, b) => a.seed - b.seed), simulatedMs, tookMs: performance.now() - began, counts, next: Math.min(until, ...next) });
  const add = (lane: number) => (report: Report): void => {
    if (ended.aborted) return;
    seeds += report.seeds;
    simulatedMs += report.simulatedMs;
    failures.push(...report.failures);
    counts.merge(report.counts);
    next[lane] = report.next;
    if (enough()) over.abort();
    options.onProgress?.(summary());
  };
  await Promise.all(next.map((from, lane) => runLane({ from, step: jobs, until, ...(options.fleet === undefined ? {} : { fleet: options.fleet }) }, options, ended, add(lane))));
  return summary();
}

/** Runs the seeds of an order, reporting after each handful. */
export async function runOrder(order: Order, report: (report: Report) => void): Promise<void> {
  let handful = new Counts();
  let seeds = 0;
  let simulatedMs = 0;
  let failures: Failure[] = [];
  for (let seed = order.from; seed < order.until; seed += order.step) {
    order.at[0] = seed;
    const result = await runOne(seed, order.fleet);
    seeds += 1;
    simulatedMs += result.simulatedMs;
    handful.merge(result.counts);
    if (result.violation !== undefined) failures.push({ seed, violation: result.violation });
    if (seeds < HANDFUL && failures.length === 0 && seed + order.step < order.until) continue;
    report({ seeds, failures, simulatedMs, counts: [...handful.all], next: seed + order.step });
    handful = new Counts();
    seeds = 0;
    simulatedMs = 0;
    failures = [];
  }
}

/**
 * Every so-manieth seed, in a thread. One whose seed kills it, or does not end, costs the run that seed and nothing else: what it
 * had run and not yet told of is run again by the next thread, up to that seed and on from behind it.
 */
async function runLane(lane: Omit<Order, "at">, options: CampaignOptions, ended: AbortSignal, add: (report: Report) => void): Promise<void> {
  const waiting = [lane];
  for (let order = waiting.shift(); order !== undefined && !ended.aborted; order = waiting.shift()) {
    let told = order.from;
    const died = await runThread(order, options, ended, (report) => {
      told = report.next;
      add(report);
    });
    if (died === null) continue;
    const { seed, what } = died;
    if (seed > told) waiting.unshift({ ...order, from: told, until: seed }, { ...order, from: seed });
    else {
      add({ seeds: 1, failures: [{ seed, violation: { invariant: "Assertion", what, atMs: 0 } }], simulatedMs: 0, counts: [], next: seed + order.step });
      waiting.unshift({ ...order, from: seed + order.step });
    }
  }
}

/** Null when all of the order was run, or the campaign is over; else what its thread died of, and at which seed. */
async function runThread(order: Omit<Order, "at">, options: CampaignOptions, ended: AbortSignal, add: (report: Report) => void): Promise<{ readonly seed: number; readonly what: string } | null> {
  if (order.from >= order.until) return null;
  const { thread = THREAD, seedMs = SEED_MS } = options;
  const at = new Float64Array(new SharedArrayBuffer(8)).fill(order.from);
  const worker = new Worker(thread, { workerData: { ...order, at } satisfies Order, execArgv: ["--disable-warning=ExperimentalWarning"] });
  const end = (): void => void worker.terminate();
  ended.addEventListener("abort", end);
  let died: string | null = null;
  let seed = order.from;
  let sinceMs = performance.now();
  const watch = setInterval(() => {
    if (at[0] !== seed) [seed, sinceMs] = [at[0] as number, performance.now()];
    if (performance.now() - sinceMs < seedMs) return;
    died = `it has not ended within ${seedMs} ms`;
    end();
  }, Math.min(1_000, seedMs));
  try {
    const exit = await new Promise<number>((resolve) => {
      worker.on("message", add);
      worker.on("error", (error: unknown) => (died ??= `its thread died: ${error instanceof Error ? error.message : String(error)}`));
      worker.on("exit", resolve);
    });
    if (ended.aborted || (died === null && exit === 0)) return null;
    return { seed: at[0] as number, what: died ?? `its thread ended with ${exit}` };
  } finally {
    clearInterval(watch);
    ended.removeEventListener("abort", end);
  }
}
