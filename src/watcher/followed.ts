// The watcher that the doors speak to. A shared store that is gone ends one watcher and begins another in the same process
// (core effect `reopen`); who follows the events or waits for an answer must not notice more than that.

import type { Command, Told } from "../core/io.ts";
import type { Policy } from "../core/policy.ts";
import type { State } from "../core/state.ts";
import type { Answer, Watcher } from "./watcher.ts";

type Waiting = (answer: Answer) => void;

/** Stands before the present watcher, and goes with it to the next. */
export class Followed {
  #watcher: Watcher;
  #stop: () => void;
  readonly #listeners = new Set<(told: Told) => void>();
  readonly #waiting = new Set<Waiting>();

  constructor(watcher: Watcher) {
    this.#watcher = watcher;
    this.#stop = this.#listenTo(watcher);
  }

  get current(): Watcher {
    return this.#watcher;
  }

  get state(): State {
    return this.#watcher.state;
  }

  get policy(): Policy {
    return this.#watcher.policy;
  }

  /** The next watcher, before it is started. What was asked of the one before and not answered is not known to be done. */
  follow(next: Watcher): void {
    this.#stop();
    this.#watcher = next;
    this.#stop = this.#listenTo(next);
    for (const answer of this.#waiting) answer({ id: 0, exit: 5, text: "the store was opened anew meanwhile: not known to be recorded, see `upkeep status`", incident: null, operation: null, confirm: null, event: null });
    this.#waiting.clear();
  }

  command(by: string, command: Command): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const answer: Waiting = (given) => {
        this.#waiting.delete(answer);
        resolve(given);
      };
      this.#waiting.add(answer);
      this.#watcher.command(by, command).then(answer, (error: unknown) => {
        this.#waiting.delete(answer);
        reject(error instanceof Error ? error : new Error(String(error)));
      });
    });
  }

  /** Calls back for every line of the journal from now on. */
  listen(listener: (told: Told) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #listenTo(watcher: Watcher): () => void {
    return watcher.listen((told) => {
      for (const listener of this.#listeners) listener(told);
    });
  }
}
