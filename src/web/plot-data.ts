// Probe results as a plot needs them: columns of numbers with a hole wherever nothing was asked, so that a gap is seen as one
// and no line is drawn over what nobody knows. Pure.

import type { ResultLine, RollupLine, Step } from "../api/contract.ts";
import { inWords } from "../api/contract.ts";

export type Range = { readonly word: string; readonly ms: number; readonly step: Step };

export const RANGES: readonly Range[] = [
  { word: "15 min", ms: 900_000, step: "raw" }, { word: "1 h", ms: 3_600_000, step: "raw" }, { word: "6 h", ms: 21_600_000, step: "minute" },
  { word: "1 d", ms: 86_400_000, step: "minute" }, { word: "7 d", ms: 604_800_000, step: "hour" }, { word: "30 d", ms: 2_592_000_000, step: "hour" }, { word: "1 y", ms: 31_536_000_000, step: "hour" },
];

/** Columns of equal length; `at` in seconds, as the plot wants it; null where nothing is known. */
export type Columns = {
  readonly at: readonly number[];
  /** The latency of a round, or the median of an hour's. */
  readonly usualMs: readonly (number | null)[];
  readonly highMs: readonly (number | null)[];
  /** Shares of the rounds there, 0 to 1. */
  readonly bad: readonly number[];
  readonly unknown: readonly number[];
};

type Point = { at: number; usualMs: number | null; highMs: number | null; bad: number; unknown: number };

/** A silence of so many usual distances is a gap. */
const GAP = 3.5;

/** By probe, in the order in which they come. */
export function columnsOf(lines: readonly (ResultLine | RollupLine)[]): ReadonlyMap<string, Columns> {
  const points = new Map<string, Point[]>();
  for (const line of lines) {
    const list = points.get(line.probe) ?? [];
    if (list.length === 0) points.set(line.probe, list);
    list.push(pointOf(line));
  }
  return new Map([...points].map(([probe, list]) => [probe, withGaps(list)]));
}

function pointOf(line: ResultLine | RollupLine): Point {
  const at = Date.parse(line.at) / 1_000;
  if ("stepMs" in line) return { at, usualMs: line.p50Ms, highMs: line.p95Ms, bad: share(line.bad, line.count), unknown: share(line.unknown, line.count) };
  const outcome = line.references === "lost" ? "unknown" : line.outcome;
  const answered = outcome === "good" || outcome === "slow";
  return { at, usualMs: answered ? line.latencyMs : null, highMs: null, bad: outcome === "bad" ? 1 : 0, unknown: outcome === "unknown" ? 1 : 0 };
}

const share = (part: number, count: number) => (count === 0 ? 0 : part / count);

function withGaps(points: readonly Point[]): Columns {
  const distances = points.slice(1).map((point, index) => point.at - (points[index] as Point).at).sort((one, other) => one - other);
  const usual = distances[Math.floor(distances.length / 2)] ?? 0;
  const all: Point[] = [];
  for (const point of points) {
    const last = all.at(-1);
    if (last !== undefined && usual > 0 && point.at - last.at > GAP * usual) all.push({ at: last.at + usual, usualMs: null, highMs: null, bad: 0, unknown: 0 });
    all.push(point);
  }
  return { at: all.map((each) => each.at), usualMs: all.map((each) => each.usualMs), highMs: all.map((each) => each.highMs), bad: all.map((each) => each.bad), unknown: all.map((each) => each.unknown) };
}

/** What the plot shows, for who reads it or has it read: `717 of 720 rounds good, 3 bad; usually 2.1 ms, most within 4 ms`. */
export function summaryOf(lines: readonly (ResultLine | RollupLine)[], probe: string): string {
  const of = { good: 0, slow: 0, bad: 0, unknown: 0 };
  const latencies: number[] = [];
  const highs: number[] = [];
  for (const line of lines) {
    if (line.probe !== probe) continue;
    if ("stepMs" in line) {
      for (const outcome of ["good", "slow", "bad", "unknown"] as const) of[outcome] += line[outcome];
      if (line.p50Ms !== null) latencies.push(line.p50Ms);
      if (line.p95Ms !== null) highs.push(line.p95Ms);
      continue;
    }
    of[line.references === "lost" ? "unknown" : line.outcome] += 1;
    if (line.references !== "lost" && (line.outcome === "good" || line.outcome === "slow")) {
      latencies.push(line.latencyMs);
      highs.push(line.latencyMs);
    }
  }
  const count = of.good + of.slow + of.bad + of.unknown;
  if (count === 0) return "no round in this time";
  const rest = (["slow", "bad", "unknown"] as const).filter((outcome) => of[outcome] > 0).map((outcome) => `${of[outcome].toLocaleString("en")} ${outcome}`);
  const speed = latencies.length === 0 ? "" : `; usually ${latencyInWords(rank(latencies, 0.5))}, 95 of 100 within ${latencyInWords(rank(highs, 0.95))}`;
  return `${of.good.toLocaleString("en")} of ${count.toLocaleString("en")} good${rest.length === 0 ? "" : `, ${rest.join(", ")}`}${speed}`;
}

function rank(values: number[], share_: number): number {
  values.sort((one, other) => one - other);
  return values[Math.min(values.length - 1, Math.floor(values.length * share_))] ?? 0;
}

/** Below ten milliseconds with a tenth. */
export function latencyInWords(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : inWords(ms);
}
