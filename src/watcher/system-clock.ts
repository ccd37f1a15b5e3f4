// The real clock of the shell: CLOCK_BOOTTIME for everything that is measured, the wall clock beside it, and timers with
// absolute due times, which a suspended machine lets go late and never early.

import type { Now } from "../core/time.ts";
import { bootId, bootNow, clockSynced } from "./boot-clock.ts";
import type { Clock } from "./ports.ts";

const LONGEST_MS = 2 ** 31 - 1;
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
  return {
    now,
    at: (bootMs, then) => {
      let timer: NodeJS.Timeout;
      const arm = () => {
        const leftMs = bootMs - bootNow();
        // A timer may fire a fraction early: due means due.
        if (leftMs <= 0.5) timer = setTimeout(then, 0);
        else timer = setTimeout(leftMs > LONGEST_MS ? arm : fire, Math.min(leftMs, LONGEST_MS));
      };
      const fire = () => (bootMs - bootNow() > 0.5 ? arm() : then());
      arm();
      return () => clearTimeout(timer);
    },
  };
}
