// How much of something there may be: at once, and in the long run (a bucket that fills by the second).

export class Measure {
  readonly #most: number;
  readonly #perMs: number;
  #left: number;
  #atMs: number;

  constructor({ most, perSecond }: { readonly most: number; readonly perSecond: number }, nowMs: number) {
    this.#most = most;
    this.#perMs = perSecond / 1_000;
    this.#left = most;
    this.#atMs = nowMs;
  }

  /** Whether there may be one more now. */
  take(nowMs: number): boolean {
    this.#left = Math.min(this.#most, this.#left + Math.max(0, nowMs - this.#atMs) * this.#perMs);
    this.#atMs = nowMs;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
