// Columns of small numbers as bits. Latencies and lateness are noise around something: a Rice code (Rice and Plaunt 1971;
// its best parameter is looked for in each column) comes within a few hundredths of what noise can be written in, where
// deflate, which looks for what repeats, needs half as much again. What hardly changes, outcomes, is written as runs.

const MEASURES = 20;
/** More than this many ones is nobody's noise: the number stands plainly after them. */
const ONES_MAX = 24;
const PLAIN_BITS = 32;

export class BitWriter {
  #bytes = new Uint8Array(256);
  #length = 0;
  #held = 0;
  #count = 0;

  /** The lowest `count` bits of a number below 2^32; up to 32. */
  bits(value: number, count: number): void {
    if (count > 16) {
      this.bits(Math.floor(value / 0x1_0000), count - 16);
      this.bits(value % 0x1_0000, 16);
      return;
    }
    this.#held = (this.#held << count) | value;
    this.#count += count;
    while (this.#count >= 8) {
      this.#count -= 8;
      if (this.#length === this.#bytes.length) this.#grow();
      this.#bytes[this.#length] = this.#held >>> this.#count;
      this.#length += 1;
      this.#held &= (1 << this.#count) - 1;
    }
  }

  rice(value: number, parameter: number): void {
    const ones = value >>> parameter;
    if (ones >= ONES_MAX) {
      this.bits(0xffff, 16);
      this.bits(0xff, 8);
      return this.bits(value, PLAIN_BITS);
    }
    if (ones > 12) this.bits(0xfff, 12);
    const rest = ones > 12 ? ones - 12 : ones;
    this.bits((1 << (rest + 1)) - 2, rest + 1);
    if (parameter > 0) this.bits(value & ((1 << parameter) - 1), parameter);
  }

  /** A number from 1, in 2·log2 + 1 bits (Elias's gamma code). */
  gamma(value: number): void {
    const size = 31 - Math.clz32(value);
    if (size > 0) this.bits(0, size);
    this.bits(value, size + 1);
  }

  /** Numbers from 0, with the parameter that writes them shortest before them. */
  column(values: ArrayLike<number>, from = 0, to = values.length): void {
    const parameter = bestParameter(values, from, to);
    this.bits(parameter, 5);
    for (let at = from; at < to; at += 1) this.rice(values[at] as number, parameter);
  }

  /** Numbers of at most `size` bits that seldom change. */
  runs(values: ArrayLike<number>, size: number): void {
    for (let at = 0; at < values.length;) {
      let end = at + 1;
      while (end < values.length && values[end] === values[at]) end += 1;
      this.bits(values[at] as number, size);
      this.gamma(end - at);
      at = end;
    }
  }

  take(): Uint8Array {
    if (this.#count > 0) this.bits(0, 8 - this.#count);
    return this.#bytes.subarray(0, this.#length);
  }

  #grow(): void {
    const larger = new Uint8Array(this.#bytes.length * 2);
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

export class BitReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  bits(count: number): number {
    let value = 0;
    for (let left = count; left > 0;) {
      const byte = this.#bytes[this.#at >>> 3];
      if (byte === undefined) throw new RangeError("the bits end too early");
      const inside = 8 - (this.#at & 7);
      const taken = Math.min(inside, left);
      value = value * (1 << taken) + ((byte >>> (inside - taken)) & ((1 << taken) - 1));
      this.#at += taken;
      left -= taken;
    }
    return value;
  }

  rice(parameter: number): number {
    let ones = 0;
    for (;;) {
      const byte = this.#bytes[this.#at >>> 3];
      if (byte === undefined) throw new RangeError("the bits end too early");
      const inside = 8 - (this.#at & 7);
      // Ones at the head of what is left of this byte.
      const found = Math.min(Math.clz32(~(byte << (24 + (this.#at & 7)))), inside, ONES_MAX - ones);
      ones += found;
      this.#at += found;
      if (ones === ONES_MAX) return this.bits(PLAIN_BITS);
      if (found < inside) break;
    }
    this.#at += 1;
    return parameter === 0 ? ones : ones * (1 << parameter) + this.bits(parameter);
  }

  gamma(): number {
    let size = 0;
    while (this.bits(1) === 0) {
      size += 1;
      if (size > 31) throw new RangeError("a run is too long");
    }
    return size === 0 ? 1 : 2 ** size + this.bits(size);
  }

  column(into: { [at: number]: number }, count: number): void {
    const parameter = this.bits(5);
    for (let at = 0; at < count; at += 1) into[at] = this.rice(parameter);
  }

  runs(into: { [at: number]: number }, count: number, size: number): void {
    for (let at = 0; at < count;) {
      const value = this.bits(size);
      const end = at + this.gamma();
      if (end > count) throw new RangeError("a run goes beyond its column");
      for (; at < end; at += 1) into[at] = value;
    }
  }
}

/** 0, −1, 1, −2 … as 0, 1, 2, 3 … */
export function folded(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

export function unfolded(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}

/** How many bits a column takes. */
export function costOf(values: ArrayLike<number>, parameter = bestParameter(values, 0, values.length)): number {
  return costWith(values, 0, values.length, parameter);
}

function bestParameter(values: ArrayLike<number>, from: number, to: number): number {
  // Outliers must not choose for all: what counts is the mean of what is not far above it.
  let sum = 0;
  for (let at = from; at < to; at += 1) sum += Math.min(values[at] as number, 1 << MEASURES);
  const mean = to > from ? sum / (to - from) : 0;
  let best = Math.max(0, Math.min(MEASURES, Math.round(Math.log2(mean * 0.69 + 1e-9))));
  let least = costWith(values, from, to, best);
  for (let next = best - 1; next >= 0; next -= 1) {
    const cost = costWith(values, from, to, next);
    if (cost >= least) break;
    [best, least] = [next, cost];
  }
  return best;
}

function costWith(values: ArrayLike<number>, from: number, to: number, parameter: number): number {
  let bits = (to - from) * (parameter + 1);
  for (let at = from; at < to; at += 1) {
    const ones = (values[at] as number) >>> parameter;
    bits += ones >= ONES_MAX ? ONES_MAX + PLAIN_BITS - parameter - 1 : ones;
  }
  return bits;
}
