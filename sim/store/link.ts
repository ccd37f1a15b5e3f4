// What lies between one client and the store: requests on their way there, answers on their way back, each direction cut or
// slow or lossy for itself. A request that was sent into a cut may still arrive when the cut is over, long after its sender
// has given up; an answer that is lost leaves a transaction of which its sender does not know whether it happened.

import type { Random } from "../random.ts";
import type { StoreServer, WorldTimers } from "./server.ts";

/** Of requests that were sent into a cut: how many arrive after it, and how long the network tries. */
const KEPT = 0.3;
const KEPT_MS = 15_000;

export class StoreLink {
  readonly #timers: WorldTimers;
  readonly #random: Random;
  readonly #latencyMs: number;
  readonly #count: (what: string) => void;
  #requestsCut = 0;
  #answersCut = 0;
  /** Answers to keep-alives alone are held back: the connection that they take is a bad one. */
  keepAlivesLost = 0;
  loss = 0;
  slow = 0;
  #waiting: { readonly atMs: number; readonly arrive: () => void }[] = [];
  readonly #healed = new Set<() => void>();

  constructor(timers: WorldTimers, random: Random, latencyMs: number, count: (what: string) => void = () => undefined) {
    this.#timers = timers;
    this.#random = random;
    this.#latencyMs = latencyMs;
    this.#count = count;
  }

  get reaches(): boolean {
    return this.#requestsCut === 0 && this.#answersCut === 0;
  }

  /** Cuts one direction or both. Returns what heals it. */
  cut(what: "requests" | "answers" | "both"): () => void {
    const requests = what === "answers" ? 0 : 1;
    const answers = what === "requests" ? 0 : 1;
    this.#requestsCut += requests;
    this.#answersCut += answers;
    let healed = false;
    return () => {
      if (healed) return;
      healed = true;
      this.#requestsCut -= requests;
      this.#answersCut -= answers;
      if (this.#requestsCut === 0) this.#release();
      if (this.#answersCut === 0) for (const then of [...this.#healed]) then();
    };
  }

  /** Asks the store; `answered` is called when its answer arrives, if one does. */
  call<Value>(server: StoreServer, work: () => Value, answered: (value: Value) => void, what: "call" | "keep-alive" = "call"): void {
    const arrive = (): void => server.arrive(() => {
      const value = work();
      if (this.#answersCut > 0 || this.#random.chance(this.loss) || (what === "keep-alive" && this.keepAlivesLost > 0 && this.#random.chance(0.7))) {
        this.#count(`store: an answer to a ${what} is lost`);
        return;
      }
      this.#timers.after(this.#delayMs(what), () => answered(value));
    });
    if (this.#requestsCut > 0 || this.#random.chance(this.loss) || (what === "keep-alive" && this.keepAlivesLost > 0 && this.#random.chance(0.7))) {
      if (this.#random.chance(KEPT)) this.#waiting.push({ atMs: this.#timers.nowMs(), arrive });
      if (this.#requestsCut === 0) this.#timers.after(this.#random.spread(200, 3_000), () => this.#release());
      return;
    }
    this.#timers.after(this.#delayMs(what), arrive);
  }

  /** Calls back when something of the store would arrive here: after a while, and not through a cut. */
  carry(then: () => void): void {
    this.#timers.after(this.#delayMs("call"), () => {
      if (this.#answersCut === 0) return then();
      const onHeal = (): void => {
        this.#healed.delete(onHeal);
        this.carry(then);
      };
      this.#healed.add(onHeal);
    });
  }

  #release(): void {
    if (this.#requestsCut > 0) return;
    const waiting = this.#waiting.filter(({ atMs }) => this.#timers.nowMs() - atMs < KEPT_MS);
    this.#waiting = [];
    for (const { arrive } of waiting) {
      this.#count("store: a request arrives after a cut");
      this.#timers.after(this.#delayMs("call"), arrive);
    }
  }

  #delayMs(what: "call" | "keep-alive"): number {
    const usual = this.#latencyMs * (0.5 + this.#random.unit());
    // Where keep-alives are held up, the ones that get through come late.
    const held = what === "keep-alive" && this.keepAlivesLost > 0;
    return this.slow > 0 || held || this.#random.chance(this.loss) ? usual + this.#random.spread(20, held ? 4_000 : 1_500) : usual;
  }
}
