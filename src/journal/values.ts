// Columns of any numbers, as probes give them beside their word: a status that never changes, a counter, a temperature with
// one decimal. What is constant is written once; decimals as whole numbers by their steps; everything else as it is.

import type { BitReader, BitWriter } from "./bits.ts";
import { folded, unfolded } from "./bits.ts";

const CONSTANT = 0;
const DECIMAL = 1;
const PLAIN = 2;
const DECIMALS_MAX = 6;
const STEP_MAX = 2 ** 30;
const START_MAX = 2 ** 51;

const double = new DataView(new ArrayBuffer(8));

/** NaN: there was none. */
export function packValues(bits: BitWriter, column: Float64Array): void {
  bits.runs(Uint8Array.from(column, (value) => (Number.isNaN(value) ? 0 : 1)), 1);
  const values = column.filter((value) => !Number.isNaN(value));
  const first = values[0];
  if (first === undefined) return;
  if (values.every((value) => Object.is(value, first))) {
    bits.bits(CONSTANT, 2);
    return packDouble(bits, first);
  }
  const decimals = decimalsOf(values);
  if (decimals === null) {
    bits.bits(PLAIN, 2);
    for (const value of values) packDouble(bits, value);
    return;
  }
  const scaled = values.map((value) => Math.round(value * 10 ** decimals));
  bits.bits(DECIMAL, 2);
  bits.bits(decimals, 3);
  packDouble(bits, scaled[0] as number);
  bits.column(Uint32Array.from(scaled.subarray(1), (value, at) => folded(value - (scaled[at] as number))));
}

export function unpackValues(bits: BitReader, into: Float64Array, count: number): void {
  const present = new Uint8Array(count);
  bits.runs(present, count, 1);
  const many = present.reduce((sum, each) => sum + each, 0);
  const values = new Float64Array(many);
  if (many > 0) {
    const how = bits.bits(2);
    if (how === CONSTANT) values.fill(unpackDouble(bits));
    else if (how === PLAIN) for (let at = 0; at < many; at += 1) values[at] = unpackDouble(bits);
    else {
      const scale = 10 ** bits.bits(3);
      let scaled = unpackDouble(bits);
      values[0] = scaled / scale;
      const steps = new Uint32Array(many - 1);
      bits.column(steps, many - 1);
      for (let at = 1; at < many; at += 1) {
        scaled += unfolded(steps[at - 1] as number);
        values[at] = scaled / scale;
      }
    }
  }
  for (let at = 0, next = 0; at < count; at += 1) into[at] = present[at] === 1 ? (values[next++] as number) : Number.NaN;
}

/** With how many decimals all of them can be written exactly, by steps that a code takes; or null. */
function decimalsOf(values: Float64Array): number | null {
  for (let decimals = 0; decimals <= DECIMALS_MAX; decimals += 1) {
    const scale = 10 ** decimals;
    let before = Math.round((values[0] as number) * scale);
    const fits = values.every((value) => {
      const scaled = Math.round(value * scale);
      const step = scaled - before;
      before = scaled;
      return Math.abs(scaled) < START_MAX && Math.abs(step) < STEP_MAX && scaled / scale === value && !Object.is(value, -0);
    });
    if (fits) return decimals;
  }
  return null;
}

function packDouble(bits: BitWriter, value: number): void {
  double.setFloat64(0, value);
  bits.bits(double.getUint32(0), 32);
  bits.bits(double.getUint32(4), 32);
}

function unpackDouble(bits: BitReader): number {
  double.setUint32(0, bits.bits(32));
  double.setUint32(4, bits.bits(32));
  return double.getFloat64(0);
}
