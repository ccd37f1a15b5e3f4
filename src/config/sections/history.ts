// What is kept of the past: for how long, and in how much room. The defaults suit a Raspberry Pi: ten hosts take some 60 MB in
// a year, and hand some 60 MB a day to its card (docs/performance.md).

import { z } from "zod";
import { about, bytes, duration } from "../fields.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export const keep = z.strictObject({
  rounds: duration("Every single result.", { minMs: HOUR_MS, default: "7d" }).default(7 * DAY_MS),
  minutes: duration("Roll-ups by minute.", { minMs: HOUR_MS, default: "30d" }).default(30 * DAY_MS),
  hours: duration("Roll-ups by hour.", { minMs: DAY_MS, default: "730d" }).default(730 * DAY_MS),
});

export const history = z.strictObject({
  keep: keep.meta(about("For how long. Events and incidents are kept by number, the newest million and the newest hundred thousand.")).optional(),
  maxSize: bytes("The most that the history may take on disk. Above it the oldest goes: single results, then roll-ups by minute, by hour, then events.", { min: 16 * 2 ** 20, max: 2 ** 40, default: "1GiB" }).default(2 ** 30),
});

export type HistoryInput = z.output<typeof history>;
