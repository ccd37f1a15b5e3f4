// `careful`: what the watchers do with hosts that were shut down with care (ADR 28).

import { z } from "zod";
import { carefulSignal } from "../careful-signal.ts";
import { about, duration, percent } from "../fields.ts";

const DAY_MS = 86_400_000;

export const careful = z.strictObject({
  signal: carefulSignal.meta(about("What tells this watcher whether the site has power. Left out: it goes by agents that take their announcement back and serve, or by a person (`upkeep careful return`).")).optional(),
  haltBound: duration("No outlet of a host that announced a careful shutdown is touched before it has given no sign of life for so long: an answer to any probe, a word of its agent, or time in which this watcher could not see.", { maxMs: DAY_MS, default: "5m" }).default(300_000),
  returnAfter: duration("Power has to be good for so long, without a break, before anything is started.", { maxMs: DAY_MS, default: "5m" }).default(300_000),
  returnCharge: percent("And the UPS has to be charged as far, where the signal tells its charge.", { default: "50%" }).default(0.5),
  stagger: duration("From one start to the next. No second one begins before the power of the first is on.", { maxMs: DAY_MS, default: "30s" }).default(30_000),
});

export type CarefulInput = z.output<typeof careful>;
