// Results and roll-ups sorted into the columns of a chart as they arrive, so that a year is drawn in the memory of a screen.
// A column knows how often each outcome came, what was usual and what was most; the median of medians is no median, and is
// as near to one as a column of characters can show.

import type { IncidentReport, ResultLine, RollupLine } from "../api/contract.ts";

export type Bin = { good: number; slow: number; bad: number; unknown: number; answered: number; /** Of what was answered, milliseconds: the median, within which 95 of 100 were, and the longest. */ usualMs: number; highMs: number; mostMs: number };

export type ProbeBins = {
  readonly probe: string;
  /** Two a column: braille has two dots beside each other. */
  readonly bins: readonly (Bin | undefined)[];
  /** Of all of it. */
  readonly total: Bin;
  /** Within which 95 of 100 were answered; of roll-ups the weighted mean of theirs. */
  readonly p95Ms: number;
};

export type Drawn = {
  readonly host: string;
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly probes: readonly ProbeBins[];
  readonly incidents: readonly IncidentReport[];
};

type Gathering = { readonly bins: (Bin | undefined)[]; readonly total: Bin; weightedP95: number; readonly latencies: Map<number, number> };

export class HistoryBins {
  readonly #sinceMs: number;
  readonly #binMs: number;
  readonly #count: number;
  readonly #probes = new Map<string, Gathering>();

  constructor(sinceMs: number, untilMs: number, count: number) {
    this.#sinceMs = sinceMs;
    this.#count = count;
    this.#binMs = (untilMs - sinceMs) / count;
  }

  add(line: ResultLine | RollupLine): void {
    const atMs = Date.parse(line.at);
    const gathering = this.#probe(line.probe);
    if (!("stepMs" in line)) {
      const outcome = line.references === "lost" ? "unknown" : line.outcome;
      const answered = outcome === "good" || outcome === "slow";
      if (answered) {
        // Two digits are enough for a percentile, and bound what is kept.
        const rounded = Number(line.latencyMs.toPrecision(2));
        gathering.latencies.set(rounded, (gathering.latencies.get(rounded) ?? 0) + 1);
      }
      return this.#put(gathering, atMs, atMs, { good: 0, slow: 0, bad: 0, unknown: 0, [outcome]: 1, answered: answered ? 1 : 0, usualMs: line.latencyMs, highMs: line.latencyMs, mostMs: line.latencyMs });
    }
    const answered = line.good + line.slow;
    gathering.weightedP95 += (line.p95Ms ?? 0) * answered;
    // A roll-up that is wider than a column fills all that it covers.
    this.#put(gathering, atMs, atMs + line.stepMs - 1, { good: line.good, slow: line.slow, bad: line.bad, unknown: line.unknown, answered, usualMs: line.p50Ms ?? 0, highMs: line.p95Ms ?? 0, mostMs: line.maxMs ?? 0 });
  }

  probes(): readonly ProbeBins[] {
    return [...this.#probes].map(([probe, { bins, total, weightedP95, latencies }]) => ({ probe, bins, total, p95Ms: latencies.size > 0 ? rankOf(latencies, 0.95) : total.answered > 0 ? weightedP95 / total.answered : 0 }));
  }

  #probe(probe: string): Gathering {
    let gathering = this.#probes.get(probe);
    if (gathering === undefined) {
      gathering = { bins: Array.from({ length: this.#count }, () => undefined), total: empty(), weightedP95: 0, latencies: new Map() };
      this.#probes.set(probe, gathering);
    }
    return gathering;
  }

  #put({ bins, total }: Gathering, fromMs: number, toMs: number, more: Bin): void {
    merge(total, more);
    const [from, to] = [fromMs, toMs].map((ms) => Math.floor((ms - this.#sinceMs) / this.#binMs)) as [number, number];
    for (let at = Math.max(0, from); at <= Math.min(this.#count - 1, to); at += 1) merge((bins[at] ??= empty()), more);
  }
}

export function empty(): Bin {
  return { good: 0, slow: 0, bad: 0, unknown: 0, answered: 0, usualMs: 0, highMs: 0, mostMs: 0 };
}

export function merge(into: Bin, more: Bin): void {
  const answered = into.answered + more.answered;
  if (more.answered > 0) {
    into.usualMs = (into.usualMs * into.answered + more.usualMs * more.answered) / answered;
    into.highMs = more.answered === 1 ? Math.max(into.highMs, more.highMs) : (into.highMs * into.answered + more.highMs * more.answered) / answered;
    into.mostMs = Math.max(into.mostMs, more.mostMs);
  }
  into.answered = answered;
  for (const outcome of ["good", "slow", "bad", "unknown"] as const) into[outcome] += more[outcome];
}

function rankOf(latencies: ReadonlyMap<number, number>, share: number): number {
  const sorted = [...latencies].sort(([one], [other]) => one - other);
  let left = share * sorted.reduce((sum, [, count]) => sum + count, 0);
  for (const [latencyMs, count] of sorted) {
    left -= count;
    if (left <= 0) return latencyMs;
  }
  return sorted.at(-1)?.[0] ?? 0;
}
