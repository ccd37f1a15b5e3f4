// Roll-ups: what came of a probe's results in a minute or an hour, and how long those took that were answered. A roll-up is
// computed from the results themselves, percentiles included, and never from smaller roll-ups; what is computed again from
// the same results is the same.
//
// A result of a round in which this watcher had lost its references counts as unknown, as it did when it was judged.

import { BitReader, BitWriter, costOf, folded, unfolded } from "./bits.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { OUTCOMES, REFERENCES } from "./frames.ts";
import { codeOf, latencyOf } from "./latency.ts";
import type { Names, Quarter, Series } from "./quarter.ts";
import { ABSENT } from "./quarter.ts";

/** Counts by outcome. Latencies as codes (latency.ts) of what was answered, good or slow; all 0 where nothing was. */
export type Rollup = {
  readonly good: number;
  readonly slow: number;
  readonly bad: number;
  readonly unknown: number;
  readonly least: number;
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly most: number;
};

/** By probe, one for each slot of the time that they cover; a slot without results is a hole. */
export type Rollups = ReadonlyMap<string, readonly (Rollup | undefined)[]>;

const VERSION = 1;
const LOST = REFERENCES.indexOf("lost");
const GOOD = OUTCOMES.indexOf("good");
const SLOW = OUTCOMES.indexOf("slow");
const UNKNOWN = OUTCOMES.indexOf("unknown");
/** The order in which counts are written, and latencies: each of these is at least the one that it is written against. */
const COUNTS = ["good", "slow", "bad", "unknown"] as const;
const LATENCIES = [["least", null], ["p50", "least"], ["p95", "p50"], ["most", "p95"], ["mean", "least"]] as const;

/** One of the results that lie in [fromMs, toMs) of the quarters, each given with the moment at which it began. */
export function rollupOf(parts: readonly { readonly series: Series; readonly quarter: Quarter; readonly startMs: number }[], fromMs: number, toMs: number): Rollup | undefined {
  const counts = [0, 0, 0, 0];
  const codes: number[] = [];
  for (const { series, quarter, startMs } of parts) {
    const { times, references, count } = quarter;
    for (let at = 0; at < count; at += 1) {
      const whenMs = startMs + (times[at] as number);
      const found = series.outcomes[at] as number;
      if (whenMs < fromMs || whenMs >= toMs || found === ABSENT) continue;
      const outcome = references[at] === LOST ? UNKNOWN : found;
      counts[outcome] = (counts[outcome] as number) + 1;
      if (outcome === GOOD || outcome === SLOW) codes.push(series.codes[at] as number);
    }
  }
  const [good = 0, slow = 0, bad = 0, unknown = 0] = counts;
  if (good + slow + bad + unknown === 0) return undefined;
  return { good, slow, bad, unknown, ...latenciesOf(codes) };
}

function latenciesOf(codes: number[]): Pick<Rollup, "least" | "mean" | "p50" | "p95" | "most"> {
  if (codes.length === 0) return { least: 0, mean: 0, p50: 0, p95: 0, most: 0 };
  const sorted = Uint16Array.from(codes).sort();
  const rank = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] as number;
  let sum = 0;
  for (const code of sorted) sum += latencyOf(code);
  return { least: sorted[0] as number, mean: codeOf(sum / sorted.length), p50: rank(0.5), p95: rank(0.95), most: sorted.at(-1) as number };
}

export function packRollups(rollups: Rollups, names: Names): Uint8Array {
  const head = new ByteWriter();
  const bits = new BitWriter();
  head.byte(VERSION);
  const slots = Math.max(0, ...[...rollups.values()].map((each) => each.length));
  head.whole(slots);
  head.whole(rollups.size);
  for (const [probe, each] of rollups) {
    head.whole(names.idOf(probe));
    bits.runs(Array.from({ length: slots }, (_, slot) => (each[slot] === undefined ? 0 : 1)), 1);
    const present = each.filter((rollup) => rollup !== undefined);
    for (const count of COUNTS) packColumn(bits, present.map((rollup) => rollup[count]), null);
    const answered = present.filter((rollup) => rollup.good + rollup.slow > 0);
    for (const [latency, base] of LATENCIES) packColumn(bits, answered.map((rollup) => rollup[latency]), base === null ? null : answered.map((rollup) => rollup[base]));
  }
  head.bytes(bits.take());
  return head.take();
}

/** Throws RangeError at what `packRollups` has not made. */
export function unpackRollups(body: Uint8Array, names: Names): Rollups {
  const head = new ByteReader(body);
  if (head.byte() !== VERSION) throw new RangeError("roll-ups of another version");
  const slots = head.whole();
  if (slots > 1_000) throw new RangeError("too many slots");
  const probes = Array.from({ length: Math.min(head.whole(), 10_000) }, () => names.nameOf(head.whole()));
  const bits = new BitReader(head.rest());
  const rollups = new Map<string, (Rollup | undefined)[]>();
  for (const probe of probes) {
    const there = new Uint8Array(slots);
    bits.runs(there, slots, 1);
    const many = there.reduce((sum, each) => sum + each, 0);
    const counts = COUNTS.map(() => unpackColumn(bits, many, null));
    const answered = Array.from({ length: many }, (_, at) => (counts[0]?.[at] ?? 0) + (counts[1]?.[at] ?? 0) > 0);
    const columns = new Map<string, readonly number[]>();
    for (const [latency, base] of LATENCIES) columns.set(latency, unpackColumn(bits, answered.filter(Boolean).length, base === null ? null : (columns.get(base) ?? [])));
    let next = 0;
    let nextAnswered = 0;
    rollups.set(probe, Array.from(there, (is): Rollup | undefined => {
      if (is === 0) return undefined;
      const at = next++;
      const from = answered[at] === true ? nextAnswered++ : -1;
      const [good = 0, slow = 0, bad = 0, unknown = 0] = counts.map((column) => column[at] ?? 0);
      const latency = (name: string): number => columns.get(name)?.[from] ?? 0;
      return { good, slow, bad, unknown, least: latency("least"), mean: latency("mean"), p50: latency("p50"), p95: latency("p95"), most: latency("most") };
    }));
  }
  return rollups;
}

/** By what it is above its base, or by its own steps: whichever is shorter. */
function packColumn(bits: BitWriter, values: readonly number[], base: readonly number[] | null): void {
  const steps = values.map((value, at) => folded(value - (values[at - 1] ?? 0)));
  const above = base === null ? null : values.map((value, at) => folded(value - (base[at] ?? 0)));
  // What does not change at all is one bit.
  const still = steps.slice(1).every((step) => step === 0);
  bits.bits(still ? 1 : 0, 1);
  if (still) {
    if (values.length > 0) bits.column(steps.slice(0, 1));
    return;
  }
  const against = above !== null && costOf(above) < costOf(steps);
  bits.bits(against ? 1 : 0, 1);
  bits.column(against ? above : steps);
}

function unpackColumn(bits: BitReader, count: number, base: readonly number[] | null): number[] {
  const values = Array.from({ length: count }, () => 0);
  if (bits.bits(1) === 1) {
    if (count === 0) return values;
    const first: number[] = [];
    bits.column(first, 1);
    return values.fill(unfolded(first[0] ?? 0));
  }
  const against = bits.bits(1) === 1;
  bits.column(values, count);
  for (let at = 0; at < count; at += 1) values[at] = unfolded(values[at] as number) + (against ? (base?.[at] ?? 0) : (values[at - 1] ?? 0));
  return values;
}

