// Turns at what this machine can do only so often at once: children, sessions of a library. Who finds all of them taken waits in
// the order of coming, and the round is told how long: a look that we ourselves kept waiting must not speak against a host.

export type HeldProgress = ((text: string, heldMs?: number) => void) | undefined;

export class Turns {
  readonly #waiting = new Set<() => void>();
  #free: number;

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  /** Resolves with what gives the turn back, which must be called once; rejects when aborted. */
  take(signal: AbortSignal, progress?: HeldProgress): Promise<() => void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      if (this.#free > 0) {
        this.#free -= 1;
        return resolve(this.#release());
      }
      const sinceMs = performance.now();
      progress?.("waiting for its turn", Infinity);
      const turn = (): void => {
        signal.removeEventListener("abort", abort);
        progress?.("its turn came late", performance.now() - sinceMs);
        resolve(this.#release());
      };
      const abort = (): void => {
        this.#waiting.delete(turn);
        reject(signal.reason);
      };
      this.#waiting.add(turn);
      signal.addEventListener("abort", abort, { once: true });
    });
  }

  #release(): () => void {
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const [next] = this.#waiting;
      if (next === undefined) {
        this.#free += 1;
      } else {
        this.#waiting.delete(next);
        next();
      }
    };
  }
}
