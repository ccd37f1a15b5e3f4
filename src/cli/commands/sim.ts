// `upkeep sim`: the production core and the production executor against virtual worlds, judged by the invariants of
// safety.md §5. One seed prints its transcript; many print what went wrong, what they have seen, and how fast it went.
// Exit 0: nothing broken, 1: a violation, or a fault class that never struck in a run that was long enough to expect it.

import type { Summary } from "../../../sim/campaign.ts";
import type { RunResult } from "../../../sim/run.ts";

export type SimOptions = {
  readonly seed?: number;
  readonly seeds?: number;
  readonly from?: number;
  /** End after so many simulated watcher-hours. */
  readonly hours?: number;
  readonly jobs?: number;
  readonly json?: boolean;
  /** Worlds of several watchers. */
  readonly fleet?: boolean;
  readonly watchers?: number;
};

type Out = { print(line: string): void; progress(line: string): void };

const DEFAULT_SEEDS = 1_000;
const TERMINAL: Out = {
  print: (line) => void process.stdout.write(`${line}\n`),
  progress: (line) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
  },
};

/** Runs `upkeep sim`; resolves with the exit status. */
export async function runSim(options: SimOptions, out: Out = TERMINAL): Promise<number> {
  if (options.seed !== undefined && options.seeds === undefined && options.hours === undefined) return await one(options.seed, options, out);
  const { campaign } = await import("../../../sim/campaign.ts");
  const missing = several(options) ? (await import("../../../sim/fleet/counts.ts")).missingInFleet : (await import("../../../sim/counts.ts")).missing;
  const summary = await campaign({
    from: options.from ?? options.seed ?? 1,
    seeds: options.seeds ?? (options.hours === undefined ? DEFAULT_SEEDS : Number.MAX_SAFE_INTEGER / 2),
    ...(options.hours === undefined ? {} : { hours: options.hours }),
    ...(several(options) ? { fleet: drawOf(options) } : {}),
    jobs: options.jobs ?? 1,
    failuresMax: 10,
    onProgress: (sofar) => out.progress(`${sofar.seeds} seeds, ${sofar.failures.length} failed, ${speed(sofar)}`),
  });
  out.progress("");
  const never = missing(summary.counts, summary.seeds);
  const ok = summary.failures.length === 0 && never.length === 0;
  if (options.json === true) {
    out.print(JSON.stringify({
      ok, seeds: summary.seeds, failures: summary.failures.map(({ seed, violation }) => ({ seed, ...violation })), never,
      simulatedMs: summary.simulatedMs, tookMs: Math.round(summary.tookMs), watcherHoursPerSecond: rate(summary), counts: Object.fromEntries([...summary.counts.all].sort()),
    }));
    return ok ? 0 : 1;
  }
  for (const [what, count] of [...summary.counts.all].sort(([a], [b]) => (a < b ? -1 : 1))) out.print(`${String(count).padStart(9)} ${what}`);
  for (const what of never) out.print(`          never: ${what}`);
  out.print(`${summary.seeds} seeds, ${summary.failures.length} failed, ${never.length} counts at zero; ${speed(summary)}`);
  for (const { seed, violation } of summary.failures) out.print(`seed ${seed}: ${violation.invariant}: ${violation.what}; replay it with: ${again(seed, options)}`);
  if (summary.failures[0] !== undefined) await one(summary.failures[0].seed, { ...options, json: false }, out);
  return ok ? 0 : 1;
}

async function one(seed: number, options: SimOptions, out: Out): Promise<number> {
  const result = await run(seed, options);
  if (options.json === true) {
    out.print(JSON.stringify({ seed, ok: result.ok, violation: result.violation ?? null, simulatedMs: result.simulatedMs, counts: Object.fromEntries(result.counts), transcript: result.transcript }));
  } else {
    for (const line of result.transcript) out.print(line);
    const { violation } = result;
    if (violation === undefined) out.print(`seed ${seed}: nothing was broken in ${Math.round(result.simulatedMs / 60_000)} simulated minutes`);
    else out.print(`seed ${seed}: ${violation.invariant} is broken: ${violation.what}\nreplay it with: ${again(seed, options)}`);
  }
  return result.ok ? 0 : 1;
}

async function run(seed: number, options: SimOptions): Promise<RunResult> {
  const { alsoFor, alsoForFleet } = await import("../../../sim/campaign.ts");
  if (!several(options)) return (await import("../../../sim/run.ts")).runSeed(seed, { ...alsoFor(seed), transcript: true });
  return (await import("../../../sim/fleet/run.ts")).runFleetSeed(seed, { ...drawOf(options), ...alsoForFleet(seed), transcript: true });
}

function several({ fleet, watchers }: SimOptions): boolean {
  return fleet === true || watchers !== undefined;
}

function drawOf({ watchers }: SimOptions): { readonly watchers?: number } {
  return watchers === undefined ? {} : { watchers };
}

function again(seed: number, options: SimOptions): string {
  return `upkeep sim${options.watchers !== undefined ? ` --watchers ${options.watchers}` : several(options) ? " --fleet" : ""} --seed ${seed}`;
}

function rate({ simulatedMs, tookMs }: Summary): number {
  return Math.round((simulatedMs / 3_600_000 / (tookMs / 1_000)) * 100) / 100;
}

function speed(summary: Summary): string {
  return `${Math.round(summary.simulatedMs / 3_600_000)} watcher-hours in ${Math.round(summary.tookMs / 1_000)} s, ${rate(summary)} watcher-hours/s`;
}
