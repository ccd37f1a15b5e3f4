// The session of a watcher, judged by its own clock alone. It is held until the moment at which the last *answered*
// keep-alive was sent, plus the time to live: the store counts from when it received it, which is later. What the store says
// of a lease's age proves nothing: a change of leader renews all leases of etcd, and a client library may believe in a
// connection to a server that is frozen (ADR 8). The store's word counts in one direction only: that the session is over.
//
// Once lost it stays lost, however late an answer comes in.

import type { Session } from "./store.ts";

/** Calls back after so many milliseconds of the clock that it belongs to. Returns what cancels it. */
export type After = (ms: number, then: () => void) => () => void;

export type LeaseOptions = {
  readonly ttlMs: number;
  /** Boot-time clock, milliseconds. */
  readonly nowMs: () => number;
  /** Node's timers, where there are no others. */
  readonly after?: After;
  /** When the request that opened the session was sent. */
  readonly sentMs: number;
  /**
   * One keep-alive, bounded by `withinMs`. Rejects when nothing is known. `sinceMs`: it was answered, and shows that the
   * store counts from that moment at least, which is before it was sent.
   */
  readonly keepAlive: (withinMs: number) => Promise<"kept" | "over" | { readonly sinceMs: number }>;
  /** Keep-alives to one time to live; 3 if nothing is said, of which two may go unanswered. */
  readonly perTtl?: number;
  readonly onSession: (session: Session) => void;
};

const PER_TTL = 3;
/** How often the clock is looked at in one time to live: a timer does not count the time that the machine was suspended. */
const LOOKS_PER_TTL = 12;

export class Lease {
  readonly #options: LeaseOptions;
  #sentMs: number;
  #untilMs: number;
  #ended = false;
  #trouble: string | null = null;
  #stopBeat: () => void = () => undefined;
  #stopLook: () => void = () => undefined;
  readonly #after: After;

  /** Reports `held` at once, and then at every keep-alive that was answered. */
  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#after = options.after ?? afterIn;
    this.#sentMs = options.sentMs;
    this.#untilMs = options.sentMs + options.ttlMs;
    this.#lookAgain();
    this.#next();
    options.onSession({ kind: "held", untilMs: this.#untilMs });
  }

  /** Whether it is held at this moment; asks the clock. */
  get held(): boolean {
    return !this.#isOver();
  }

  /** The store says that it is over. */
  lose(because: string): void {
    if (this.#ended) return;
    this.stop();
    this.#options.onSession({ kind: "lost", because });
  }

  /** Ends it without a word. */
  stop(): void {
    this.#ended = true;
    this.#stopLook();
    this.#stopBeat();
  }

  #lookAgain(): void {
    this.#stopLook = this.#after(Math.max(1, this.#options.ttlMs / LOOKS_PER_TTL), () => {
      if (!this.#isOver()) this.#lookAgain();
    });
  }

  #isOver(): boolean {
    if (this.#ended) return true;
    if (this.#options.nowMs() < this.#untilMs) return false;
    this.lose(`no keep-alive was answered within ${this.#options.ttlMs} ms${this.#trouble === null ? "" : `: ${this.#trouble}`}`);
    return true;
  }

  #next(): void {
    const { ttlMs, nowMs, perTtl = PER_TTL } = this.#options;
    const dueMs = this.#trouble === null ? this.#sentMs + ttlMs / perTtl - nowMs() : ttlMs / LOOKS_PER_TTL;
    this.#stopBeat = this.#after(Math.max(0, dueMs), () => void this.#keep());
  }

  async #keep(): Promise<void> {
    if (this.#isOver()) return;
    const { ttlMs, nowMs, keepAlive, onSession, perTtl = PER_TTL } = this.#options;
    const sentMs = nowMs();
    const said = await keepAlive(ttlMs / perTtl).catch((error: unknown) => {
      this.#trouble = error instanceof Error ? error.message : String(error);
      return "unknown" as const;
    });
    if (this.#isOver()) return;
    if (said === "over") return this.lose("the store says that the session is over");
    const beforeMs = this.#untilMs;
    if (said !== "unknown") {
      this.#trouble = null;
      this.#sentMs = sentMs;
      this.#untilMs = Math.max(beforeMs, (said === "kept" ? sentMs : said.sinceMs) + ttlMs);
    }
    this.#next();
    if (this.#untilMs > beforeMs) onSession({ kind: "held", untilMs: this.#untilMs });
  }
}

function afterIn(ms: number, then: () => void): () => void {
  const timer = setTimeout(then, ms);
  return () => clearTimeout(timer);
}
