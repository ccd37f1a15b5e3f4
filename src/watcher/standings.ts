// Looks every few seconds at how all hosts stand and tells the history what has changed (core/standing.ts decides what that
// is). A look costs the watcher's thread less than a millisecond for ten thousand hosts, and nothing is written where nothing
// changed. What this process did not live through (a sleep, a stop, a jump of the clock) it does not vouch for: it begins anew.

import type { Policy } from "../core/policy.ts";
import type { Standing } from "../core/standing.ts";
import { standingChanges } from "../core/standing.ts";
import type { State } from "../core/state.ts";
import type { Now } from "../core/time.ts";
import type { History } from "../journal/history.ts";

export const LOOK_EVERY_MS = 5_000;
/** Longer between two looks than this and nobody watched; clocks that part by so much jumped. */
const APART_MAX_MS = 60_000;

export class Standings {
  readonly #history: Pick<History, "look" | "looksFrom">;
  #standings: ReadonlyMap<string, Standing> = new Map();
  #last: Now | null = null;
  #from = -1;

  constructor(history: Pick<History, "look" | "looksFrom">) {
    this.#history = history;
  }

  look(state: State, policy: Policy, now: Now): void {
    if (!state.started) return;
    const begins = this.#last === null || this.#from !== this.#history.looksFrom || apart(this.#last, now);
    const lastMs = begins || this.#last === null ? now.wallMs : this.#last.wallMs;
    const { changes, standings } = standingChanges(state, policy, begins ? new Map() : this.#standings, lastMs, now.wallMs);
    this.#from = this.#history.looksFrom;
    this.#standings = standings;
    this.#last = now;
    this.#history.look({ begins, atMs: now.wallMs, changes });
  }
}

function apart(last: Now, now: Now): boolean {
  const sinceMs = now.bootMs - last.bootMs;
  return last.bootId !== now.bootId || sinceMs > APART_MAX_MS || Math.abs(now.wallMs - last.wallMs - sinceMs) > APART_MAX_MS;
}
