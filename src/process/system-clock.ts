// The real clock of the shell: the boot-time clock for everything that is measured, the wall clock beside it, and whether the
// kernel calls that one synchronised, asked every ten seconds.

import type { Now } from "../core/time.ts";
import { bootClock, bootId, bootNow, clockSynced } from "./boot-clock.ts";

export type Clock = {
  now(): Now;
  /** Calls `then` once, at or soon after this moment of the boot-time clock. Returns what cancels it. */
  at(bootMs: number, then: () => void): () => void;
};

const SYNC_LOOK_EVERY_MS = 10_000;

export function systemClock(): Clock {
  const id = bootId();
  let synced = clockSynced();
  let lookedMs = bootNow();
  const now = (): Now => {
    const bootMs = bootNow();
    if (bootMs - lookedMs >= SYNC_LOOK_EVERY_MS) {
      synced = clockSynced();
      lookedMs = bootMs;
    }
    return { bootMs, wallMs: Date.now(), bootId: id, synced };
  };
  return { now, at: (bootMs, then) => bootClock.at(bootMs, then) };
}
