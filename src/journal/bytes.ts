// Numbers and words as bytes, for what crosses to the history's thread and what lies in its file: whole numbers in as few
// bytes as they need (seven bits a byte, the lowest first), words with their length before them. A reader checks every
// length against what is there, because a file may have been damaged; it throws RangeError and nothing else.

const GROW_FROM_BYTES = 4_096;
/** Of so many units of UTF-16 the length in bytes is one byte, whatever they are. */
const SHORT = 42;

export class ByteWriter {
  #buffer = Buffer.allocUnsafeSlow(GROW_FROM_BYTES);
  length = 0;

  byte(value: number): void {
    this.#room(1);
    this.#buffer[this.length] = value;
    this.length += 1;
  }

  /** A whole number from 0 to 2^53 − 1. */
  whole(value: number): void {
    this.#room(8);
    let rest = value;
    while (rest > 0x7f) {
      this.#buffer[this.length] = (rest % 0x80) | 0x80;
      this.length += 1;
      rest = rest > 0x7fff_ffff ? Math.floor(rest / 0x80) : rest >>> 7;
    }
    this.#buffer[this.length] = rest;
    this.length += 1;
  }

  /** A whole number of either sign, up to 2^52 − 1 away from 0. */
  signed(value: number): void {
    this.whole(value < 0 ? -2 * value - 1 : 2 * value);
  }

  /** Any number, exactly. */
  number(value: number): void {
    if (isShort(value)) {
      this.byte(0);
      return this.signed(value);
    }
    this.byte(1);
    this.#room(8);
    this.#buffer.writeDoubleLE(value, this.length);
    this.length += 8;
  }

  text(text: string): void {
    // Three bytes at most for each unit of UTF-16.
    this.#room(text.length * 3 + 8);
    if (text.length <= SHORT) {
      const bytes = this.#buffer.write(text, this.length + 1, "utf8");
      this.#buffer[this.length] = bytes;
      this.length += bytes + 1;
      return;
    }
    this.whole(Buffer.byteLength(text));
    this.length += this.#buffer.write(text, this.length, "utf8");
  }

  bytes(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** What was written so far, as a copy that has its memory to itself; the writer is empty again. */
  take(): Uint8Array<ArrayBuffer> {
    const copy = new Uint8Array(this.length);
    copy.set(this.#buffer.subarray(0, this.length));
    this.length = 0;
    return copy;
  }

  #room(bytes: number): void {
    if (this.length + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.length + bytes));
    larger.set(this.#buffer.subarray(0, this.length));
    this.#buffer = larger;
  }
}

/** Whether `signed` can write it and `signed` of a reader gives the same. */
export function isShort(value: number): boolean {
  return Number.isSafeInteger(value) && Math.abs(value) < 2 ** 51 && !Object.is(value, -0);
}

export class ByteReader {
  readonly #buffer: Buffer;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
  }

  get ended(): boolean {
    return this.at >= this.#buffer.length;
  }

  byte(): number {
    const value = this.#buffer[this.at];
    if (value === undefined) throw new RangeError("the bytes end too early");
    this.at += 1;
    return value;
  }

  whole(): number {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 49; scale *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new RangeError("a number is too long");
  }

  signed(): number {
    const value = this.whole();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  number(): number {
    if (this.byte() === 0) return this.signed();
    const at = this.#step(8);
    return this.#buffer.readDoubleLE(at);
  }

  text(): string {
    const length = this.whole();
    const at = this.#step(length);
    return this.#buffer.toString("utf8", at, at + length);
  }

  skipText(): void {
    this.#step(this.whole());
  }

  /** What is left, without a copy. */
  rest(): Uint8Array {
    return this.#buffer.subarray(this.at);
  }

  #step(bytes: number): number {
    const { at } = this;
    if (at + bytes > this.#buffer.length) throw new RangeError("the bytes end too early");
    this.at = at + bytes;
    return at;
  }
}
