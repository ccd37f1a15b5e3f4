// The probe results of one host in a quarter of an hour, column by column: when its rounds began, and for each probe what
// came of it, how long it took, and the numbers that it gave. A quarter is open in memory while its rounds come in, and is
// packed into one row when it is over: a result then takes a byte or so. Everything else that the history says of results,
// roll-ups as well, is computed from quarters, so that computing it again changes nothing.
//
// Packed: times as lateness against the host's own pace, latencies by a Rice code, outcomes and references as runs. Names
// stand as numbers that a dictionary knows (result-tables.ts).

import type { Measured, Outcome, References } from "../core/round.ts";
import { BitReader, BitWriter, costOf, folded, unfolded } from "./bits.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { OUTCOMES, REFERENCES } from "./frames.ts";
import { codeOf, latencyOf } from "./latency.ts";
import { packValues, unpackValues } from "./values.ts";

export const QUARTER_MS = 900_000;
/** More rounds of one host than a quarter has room for: a clock that stands still, or one turned back again and again. */
export const ROUNDS_MAX = 20_000;
/** The probe was not part of that round. */
export const ABSENT = 4;
/** Numbers that one probe gives, at most; further labels of it are not kept. */
const LABELS_MAX = 16;
const VERSION = 1;

export type Names = { idOf(name: string): number; nameOf(id: number): string };

export type Values = { readonly unit: string | null; column: Float64Array };
export type Series = { readonly probe: string; outcomes: Uint8Array; codes: Uint16Array; readonly values: Map<string, Values> };

export class Quarter {
  /** Milliseconds of the wall clock since the quarter began. */
  times = new Uint32Array(32);
  references = new Uint8Array(32);
  readonly series = new Map<string, Series>();
  count = 0;

  /** False where there is no room. */
  add(offsetMs: number, references: References, results: readonly { readonly probe: string; readonly outcome: Outcome; readonly latencyMs: number; readonly perfdata?: readonly Measured[] | null | undefined }[]): boolean {
    const at = this.count;
    if (at >= ROUNDS_MAX) return false;
    if (at === this.times.length) this.#grow(at * 2);
    this.times[at] = offsetMs;
    this.references[at] = REFERENCES.indexOf(references);
    this.count += 1;
    for (const { probe, outcome, latencyMs, perfdata } of results) {
      const series = this.seriesOf(probe);
      series.outcomes[at] = OUTCOMES.indexOf(outcome);
      series.codes[at] = codeOf(latencyMs);
      for (const { label, value, unit } of perfdata ?? []) {
        let values = series.values.get(label);
        if (values === undefined) {
          if (series.values.size >= LABELS_MAX) continue;
          values = { unit: unit ?? null, column: new Float64Array(this.times.length).fill(Number.NaN) };
          series.values.set(label, values);
        }
        values.column[at] = value;
      }
    }
    return true;
  }

  /** A time-out that was rightly answered after all. */
  correct(offsetMs: number, results: readonly { readonly probe: string; readonly outcome: Outcome; readonly latencyMs: number }[]): void {
    for (let at = this.count - 1; at >= Math.max(0, this.count - 10); at -= 1) {
      if (Math.abs((this.times[at] as number) - offsetMs) > 5) continue;
      for (const { probe, outcome, latencyMs } of results) {
        const series = this.series.get(probe);
        if (series === undefined) continue;
        series.outcomes[at] = OUTCOMES.indexOf(outcome);
        series.codes[at] = codeOf(latencyMs);
      }
      return;
    }
  }

  /** Itself, or the same in the order of its times: a clock was turned back, or what is older came later. */
  inOrder(): Quarter {
    for (let at = 1; at < this.count; at += 1) if ((this.times[at] as number) < (this.times[at - 1] as number)) return Quarter.merged(this, new Quarter());
    return this;
  }

  /** Both, in the order of their times. */
  static merged(one: Quarter, other: Quarter): Quarter {
    const all = new Quarter();
    const order = [one, other].flatMap((from) => Array.from({ length: from.count }, (_, at) => ({ from, at, offsetMs: from.times[at] as number })));
    order.sort((left, right) => left.offsetMs - right.offsetMs);
    for (const { from, at, offsetMs } of order) all.add(offsetMs, REFERENCES[from.references[at] as number] ?? "none", resultsAt(from, at));
    return all;
  }

  seriesOf(probe: string): Series {
    let series = this.series.get(probe);
    if (series === undefined) {
      series = { probe, outcomes: new Uint8Array(this.times.length).fill(ABSENT), codes: new Uint16Array(this.times.length), values: new Map() };
      this.series.set(probe, series);
    }
    return series;
  }

  /** `size` rounds fit. */
  #grow(size: number): void {
    const larger = <Column extends Uint8Array | Uint16Array | Uint32Array | Float64Array>(column: Column, empty: number): Column => {
      const made = new (column.constructor as new (size: number) => Column)(size).fill(empty) as Column;
      made.set(column);
      return made;
    };
    this.times = larger(this.times, 0);
    this.references = larger(this.references, 0);
    for (const series of this.series.values()) {
      series.outcomes = larger(series.outcomes, ABSENT);
      series.codes = larger(series.codes, 0);
      for (const values of series.values.values()) values.column = larger(values.column, Number.NaN);
    }
  }

  pack(names: Names): Uint8Array {
    const { count } = this;
    const head = new ByteWriter();
    const bits = new BitWriter();
    head.byte(VERSION);
    head.whole(count);
    const paceMs = paceOf(this.times, count);
    head.whole(paceMs);
    head.whole(this.series.size);
    bits.column(latenesses(this.times, count, paceMs));
    bits.runs(this.references.subarray(0, count), 2);
    const gathered = new Uint32Array(count);
    for (const series of this.series.values()) {
      head.whole(names.idOf(series.probe));
      head.whole(series.values.size);
      const outcomes = series.outcomes.subarray(0, count);
      bits.runs(outcomes, 3);
      let present = 0;
      for (let at = 0; at < count; at += 1) if (outcomes[at] !== ABSENT) gathered[present++] = series.codes[at] as number;
      packCodes(bits, gathered.subarray(0, present));
      for (const [label, values] of series.values) {
        head.whole(names.idOf(label));
        head.whole(values.unit === null ? 0 : names.idOf(values.unit) + 1);
        packValues(bits, values.column.subarray(0, count));
      }
    }
    head.bytes(bits.take());
    return head.take();
  }

  /** Throws RangeError at what `pack` has not made. */
  static unpack(body: Uint8Array, names: Names): Quarter {
    const head = new ByteReader(body);
    if (head.byte() !== VERSION) throw new RangeError("results of another version");
    const quarter = new Quarter();
    const count = head.whole();
    if (count > ROUNDS_MAX) throw new RangeError("too many rounds");
    quarter.count = count;
    const size = Math.max(1, count);
    quarter.times = new Uint32Array(size);
    quarter.references = new Uint8Array(size);
    const paceMs = head.whole();
    const probes: { readonly series: Series; readonly labels: readonly string[] }[] = [];
    for (let left = head.whole(); left > 0; left -= 1) {
      const series = quarter.seriesOf(names.nameOf(head.whole()));
      const labels: string[] = [];
      for (let each = head.whole(); each > 0; each -= 1) {
        const label = names.nameOf(head.whole());
        const unit = head.whole();
        series.values.set(label, { unit: unit === 0 ? null : names.nameOf(unit - 1), column: new Float64Array(size) });
        labels.push(label);
      }
      probes.push({ series, labels });
    }
    const bits = new BitReader(head.rest());
    bits.column(quarter.times, count);
    toTimes(quarter.times, count, paceMs);
    bits.runs(quarter.references, count, 2);
    const gathered = new Uint32Array(size);
    for (const { series, labels } of probes) {
      bits.runs(series.outcomes, count, 3);
      let present = 0;
      for (let at = 0; at < count; at += 1) if (series.outcomes[at] !== ABSENT) present += 1;
      unpackCodes(bits, gathered, present);
      for (let at = 0, next = 0; at < count; at += 1) if (series.outcomes[at] !== ABSENT) series.codes[at] = gathered[next++] as number;
      for (const label of labels) unpackValues(bits, (series.values.get(label) as Values).column, count);
    }
    return quarter;
  }
}

function resultsAt({ series }: Quarter, at: number): { probe: string; outcome: Outcome; latencyMs: number; perfdata: Measured[] }[] {
  return [...series.values()].filter(({ outcomes }) => outcomes[at] !== ABSENT).map((each) => ({
    probe: each.probe, outcome: OUTCOMES[each.outcomes[at] as number] ?? "unknown", latencyMs: latencyOf(each.codes[at] as number), perfdata: perfdataAt(each, at),
  }));
}

/** The numbers that a probe gave in this round. */
export function perfdataAt({ values }: Series, at: number): Measured[] {
  const found: Measured[] = [];
  for (const [label, { unit, column }] of values) {
    const value = column[at] as number;
    if (!Number.isNaN(value)) found.push({ label, value, ...(unit === null ? {} : { unit }) });
  }
  return found;
}

/** The usual distance of two rounds. */
function paceOf(times: Uint32Array, count: number): number {
  if (count < 2) return 0;
  const steps = new Uint32Array(count - 1);
  for (let at = 1; at < count; at += 1) steps[at - 1] = Math.max(0, (times[at] as number) - (times[at - 1] as number));
  return steps.sort()[steps.length >> 1] as number;
}

/** How much later than its pace each round began; one that is far off begins a new row of them. */
function latenesses(times: Uint32Array, count: number, paceMs: number): Uint32Array {
  const late = new Uint32Array(count);
  let dueMs = 0;
  for (let at = 0; at < count; at += 1) {
    const offMs = (times[at] as number) - dueMs;
    late[at] = folded(offMs);
    dueMs = paceMs + (at === 0 || Math.abs(offMs) > paceMs / 4 ? (times[at] as number) : dueMs);
  }
  return late;
}

function toTimes(times: Uint32Array, count: number, paceMs: number): void {
  let dueMs = 0;
  for (let at = 0; at < count; at += 1) {
    const offMs = unfolded(times[at] as number);
    times[at] = dueMs + offMs;
    dueMs = paceMs + (at === 0 || Math.abs(offMs) > paceMs / 4 ? (times[at] as number) : dueMs);
  }
}

/** Against the least of them, or each against the one before: whichever is shorter. */
export function packCodes(bits: BitWriter, codes: Uint32Array): void {
  let least = codes.length === 0 ? 0 : 0xffff_ffff;
  for (const code of codes) least = Math.min(least, code);
  const above = codes.map((code) => code - least);
  const steps = codes.map((code, at) => folded(code - (codes[at - 1] ?? least)));
  const stepping = costOf(steps) < costOf(above);
  bits.bits(stepping ? 1 : 0, 1);
  bits.bits(least, 32);
  bits.column(stepping ? steps : above);
}

export function unpackCodes(bits: BitReader, into: Uint32Array, count: number): void {
  const stepping = bits.bits(1) === 1;
  let base = bits.bits(32);
  bits.column(into, count);
  for (let at = 0; at < count; at += 1) {
    into[at] = stepping ? base + unfolded(into[at] as number) : base + (into[at] as number);
    if (stepping) base = into[at] as number;
  }
}
