// A clock for tests of what is given its time: it stands still until it is moved.

import type { Clock } from "./boot-clock.ts";

/** Time that is moved by hand; every moment's promises are settled before the next moment. */
export class VirtualClock implements Clock {
  ms = 1_000_000.25;
  #timers: { atMs: number; fn: () => void }[] = [];
  nowMs(): number {
    return this.ms;
  }
  at(atMs: number, fn: () => void): () => void {
    const timer = { atMs, fn };
    this.#timers.push(timer);
    return () => (this.#timers = this.#timers.filter((other) => other !== timer));
  }
  get pending(): number {
    return this.#timers.length;
  }
  async advance(byMs: number): Promise<void> {
    const endMs = this.ms + byMs;
    await settled();
    for (;;) {
      const next = this.#timers.toSorted((one, other) => one.atMs - other.atMs)[0];
      if (next === undefined || next.atMs > endMs) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.ms = Math.max(this.ms, next.atMs);
      next.fn();
      await settled();
    }
    this.ms = endMs;
    await settled();
  }
  /** The process stands still: time passes and nothing runs. */
  stall(forMs: number): void {
    this.ms += forMs;
  }
}

/** All promises that can go on have gone on. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
