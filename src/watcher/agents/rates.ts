// How often somebody may try to enrol: nobody guesses 96 bits, and each try costs the core a step and perhaps the store a write.

const PER_MINUTE_FROM_ONE = 6;
const PER_MINUTE = 60;
const ADDRESSES_MAX = 1_000;

type Bucket = { tokens: number; atMs: number };

export class Rates {
  readonly #all: Bucket = { tokens: PER_MINUTE, atMs: 0 };
  readonly #from = new Map<string, Bucket>();

  /** Whether one more may be tried from there now. */
  take(from: string, nowMs: number): boolean {
    let one = this.#from.get(from);
    if (one === undefined) {
      if (this.#from.size >= ADDRESSES_MAX) this.#from.delete(this.#from.keys().next().value ?? "");
      one = { tokens: PER_MINUTE_FROM_ONE, atMs: nowMs };
      this.#from.set(from, one);
    }
    return spend(one, PER_MINUTE_FROM_ONE, nowMs) && spend(this.#all, PER_MINUTE, nowMs);
  }
}

function spend(bucket: Bucket, perMinute: number, nowMs: number): boolean {
  bucket.tokens = Math.min(perMinute, bucket.tokens + ((nowMs - bucket.atMs) * perMinute) / 60_000);
  bucket.atMs = nowMs;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}
