// `upkeep sim`: the production core and the production executor against virtual worlds, judged by the invariants of
// safety.md §5. One seed prints its transcript; many print what they have seen, how fast it went, the transcript of the first
// that failed, and last of all which failed. A run of hours says where it is, and that a seed has failed as soon as it has;
// interrupted, it ends with what it has seen and says where to go on.
// Exit 0: nothing broken, 1: a violation, a fault class that never struck in a run that was long enough to expect it, or
// interrupted before the end.

import type { Failure, Summary } from "../../../sim/campaign.ts";
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

type Out = { print(line: string): void; /** Where it is; `lasting` stays on the screen. */ progress(line: string, lasting?: boolean): void };

const DEFAULT_SEEDS = 1_000;
/** One in a hundred, and no campaign is needed to find the next. */
const FAILURES_SHARE = 0.01;
const FAILURES_LEAST = 10;
const PROGRESS_EVERY_MS = 30_000;

function terminal(): Out {
  let saidMs = performance.now();
  return {
    print: (line) => void process.stdout.write(`${line}\n`),
    progress: (line, lasting = false) => {
      if (process.stderr.isTTY) return void process.stderr.write(`\r\x1b[K${line}${lasting ? "\n" : ""}`);
      // In a file or a journal a line now and then.
      if (line === "" || (!lasting && performance.now() - saidMs < PROGRESS_EVERY_MS)) return;
      saidMs = performance.now();
      process.stderr.write(`${line}\n`);
    },
  };
}

/** Runs `upkeep sim`; resolves with the exit status. */
export async function runSim(options: SimOptions, out: Out = terminal()): Promise<number> {
  if (options.seed !== undefined && options.seeds === undefined && options.hours === undefined) return await one(options.seed, options, out);
  const { campaign } = await import("../../../sim/campaign.ts");
  const missing = several(options) ? (await import("../../../sim/fleet/counts.ts")).missingInFleet : (await import("../../../sim/counts.ts")).missing;
  const seeds = options.seeds ?? (options.hours === undefined ? DEFAULT_SEEDS : Number.MAX_SAFE_INTEGER / 2);
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, interrupt);
  const told = new Set<number>();
  const summary = await campaign({
    from: options.from ?? options.seed ?? 1,
    seeds,
    ...(options.hours === undefined ? {} : { hours: options.hours }),
    ...(several(options) ? { fleet: drawOf(options) } : {}),
    jobs: options.jobs ?? 1,
    failuresMax: Math.max(FAILURES_LEAST, FAILURES_SHARE * seeds),
    signal: interrupted.signal,
    onProgress: (sofar) => {
      for (const failure of sofar.failures.filter(({ seed }) => !told.has(seed))) {
        told.add(failure.seed);
        out.progress(failed(failure, options), true);
      }
      out.progress(`${sofar.seeds} seeds, ${sofar.failures.length} failed, ${speed(sofar)}`);
    },
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, interrupt);
  out.progress("");
  const never = missing(summary.counts, summary.seeds);
  const ok = summary.failures.length === 0 && never.length === 0 && !interrupted.signal.aborted;
  if (options.json === true) {
    out.print(JSON.stringify({
      ok, seeds: summary.seeds, interrupted: interrupted.signal.aborted, next: summary.next, failures: summary.failures.map(({ seed, violation }) => ({ seed, ...violation, replay: again(seed, options) })), never,
      simulatedMs: summary.simulatedMs, tookMs: Math.round(summary.tookMs), watcherHoursPerSecond: rate(summary), counts: Object.fromEntries([...summary.counts.all].sort()),
    }));
    return ok ? 0 : 1;
  }
  for (const [what, count] of [...summary.counts.all].sort(([a], [b]) => (a < b ? -1 : 1))) out.print(`${String(count).padStart(9)} ${what}`);
  for (const what of never) out.print(`          never: ${what}`);
  const first = summary.failures.find(({ violation }) => violation.atMs > 0);
  if (first !== undefined && !interrupted.signal.aborted) await one(first.seed, options, out);
  for (const failure of summary.failures) out.print(failed(failure, options));
  out.print(`${summary.seeds} seeds, ${summary.failures.length} failed, ${never.length} counts at zero; ${speed(summary)}`);
  if (interrupted.signal.aborted) out.print(`interrupted; go on with: --from ${summary.next}`);
  return ok ? 0 : 1;
}

function failed({ seed, violation }: Failure, options: SimOptions): string {
  return `seed ${seed}: ${violation.invariant}: ${violation.what.replaceAll("\n", " ")}; replay it with: ${again(seed, options)}`;
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
