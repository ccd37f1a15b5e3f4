// How far the wall clock may be from the truth, by the kernel's word: whatever disciplines it (chronyd, ntpd, timesyncd) tells the
// kernel its bound, and the kernel lets it grow from there (adjtimex(2), maxerror).

import { clockState } from "../../process/boot-clock.ts";
import type { ClockState } from "../../process/boot-clock.ts";
import type { HealthOptions, Seen, Sensor } from "./sensor.ts";

/** A machine that has just been started is still asking for the time. */
const SETTLES_MS = 600_000;

export function judgeClock(state: ClockState | null, uptimeMs: number, { clockWithin }: Pick<HealthOptions, "clockWithin">): Seen {
  const seen = (verdict: Seen["verdict"], because: string): Seen => ({ of: null, verdict, because });
  if (state === null) return seen("unknown", "the kernel cannot be asked for its clock");
  if (!state.synced) return uptimeMs < SETTLES_MS ? seen("unknown", "not synchronised yet") : seen("warn", "the clock is not synchronised, says the kernel");
  const { maxErrorMs } = state;
  return maxErrorMs > clockWithin ? seen("warn", `the clock may be wrong by up to ${Math.round(maxErrorMs)} ms`) : seen("good", `synchronised, within ${clockWithin} ms`);
}

export function clock(look: () => ClockState | null = clockState): Sensor {
  return { name: "clock", look: (eye, options) => Promise.resolve([judgeClock(look(), eye.nowMs(), options)]) };
}
