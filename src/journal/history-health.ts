// Whether the past is recorded, as a person should hear it: bad news at once and once, however many reasons there are, and good
// news when it has lasted, because a full disk lets a little through now and then.

export class HistoryHealth {
  readonly #wellMs: number;
  readonly #tell: (failure: string | null) => void;
  /** By what is wrong; the first reason stands until it is gone. */
  readonly #wrong = new Map<"disk" | "behind" | "thread", string>();
  #told = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(wellMs: number, tell: (failure: string | null) => void) {
    this.#wellMs = wellMs;
    this.#tell = tell;
  }

  wrong(what: "disk" | "behind" | "thread", because: string): void {
    if (!this.#wrong.has(what)) this.#wrong.set(what, because);
    this.close();
    if (this.#told) return;
    this.#told = true;
    this.#tell(because);
  }

  right(what: "disk" | "behind" | "thread"): void {
    this.#wrong.delete(what);
    if (this.#wrong.size > 0 || !this.#told || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#told = false;
      this.#tell(null);
    }, this.#wellMs);
    this.#timer.unref();
  }

  /** Good news that waits is not told any more. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
