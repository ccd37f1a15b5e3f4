// The settings that a host may have of its own, take from its groups, or take from `defaults`: pace, patience, probes and
// the times of an operation. The built-in values stand here once, as they would be written.

import { z } from "zod";
import { expectations } from "../expect.ts";
import { about, duration, flag, name, whole } from "../fields.ts";
import { parseDuration } from "../duration.ts";
import { probeList } from "./probes.ts";
import { remedyList } from "./remedies.ts";

/** What holds where neither the host, its groups nor `defaults` say otherwise. */
export const BUILT_IN = {
  every: "5s", timeout: "1s", threshold: 5, debounce: "40s", boot: "5m", offFor: "5s", healthyFor: "10s",
  offConfirm: "30s", onConfirm: "30s", settle: "30s", cycles: 3, within: "6h",
} as const;

const DAY_MS = 86_400_000;
const ROUNDS = /^([0-9]{1,2}) of ([0-9]{1,2})$/;

const good = z.union([
  z.int().min(1).max(16).transform((count) => ({ good: count, of: null as number | null })),
  z.string().regex(ROUNDS).transform((value) => {
    const [, count, of] = ROUNDS.exec(value) ?? [];
    return { good: Number(count), of: Number(of) as number | null };
  }),
]);
expectations.add(good, { says: "a rule such as 2 of 3", flat: true });

const retryStep = duration("A pause.", { minMs: 100, maxMs: DAY_MS });

export const perHost = z.strictObject({
  cycles: whole("Power cycles that a host may have within the window; then it is held until a person releases it.", 1, 100, { default: BUILT_IN.cycles }).optional(),
  within: duration("The window. `0s` switches this brake off.", { maxMs: 365 * DAY_MS, default: BUILT_IN.within }).optional(),
}).meta(about("The budget of power cycles of each host."));

/** The fields of `defaults`, of every group and of every host. */
export const tunables = {
  every: duration("The pace of the rounds: all probes of a host are made together once in this time.", { minMs: 200, maxMs: DAY_MS, default: BUILT_IN.every }).optional(),
  timeout: duration("How long an answer may take. Never longer than `every`.", { minMs: 10, maxMs: DAY_MS, default: BUILT_IN.timeout }).optional(),
  threshold: whole("The counter at which the verdict is down: a bad round adds one, a good one takes one off. With a retry ladder one more than its steps.", 1, 1_000, { default: BUILT_IN.threshold }).optional(),
  debounce: duration("No second cut before this has passed since the first. `0s` switches this brake off.", { maxMs: 30 * DAY_MS, default: BUILT_IN.debounce }).optional(),
  boot: duration("How long the host may take to come back: no second cut and no next level before this has passed without a good round. `0s` switches this brake off.", { maxMs: 30 * DAY_MS, default: BUILT_IN.boot }).optional(),
  offFor: duration("How long power stays off once off is confirmed.", { maxMs: DAY_MS, default: BUILT_IN.offFor }).optional(),
  healthyFor: duration("How long probes must be good before an incident ends.", { maxMs: DAY_MS, default: BUILT_IN.healthyFor }).optional(),
  offConfirm: duration("How long to wait for every outlet to read off.", { minMs: 1_000, maxMs: DAY_MS, default: BUILT_IN.offConfirm }).optional(),
  onConfirm: duration("How long to wait for every outlet to read on before it is tried again.", { minMs: 1_000, maxMs: DAY_MS, default: BUILT_IN.onConfirm }).optional(),
  settle: duration("How long outlets are read again after on: a late off is undone.", { maxMs: DAY_MS, default: BUILT_IN.settle }).optional(),
  probes: probeList.meta(about("How to look. A host's list replaces that of its group or of the defaults.", { default: ["ping", "ssh"] }, "list of probes")).optional(),
  remedies: remedyList.meta(about("What is tried before power, once an incident, in this order. Never counted as a fence: the cut follows when it does not help.", { default: [] }, "list of remedies")).optional(),
  rounds: z.strictObject({ good: good.meta(about("How many of the probes that count must be good, as `2 of 3`.", {}, "`N of M`, or whole number")) })
    .meta(about("When a round is good. Left out, all probes that count must be.")).optional(),
  retry: z.array(retryStep).max(20).meta(about("The retry ladder: pauses before the next looks after a first bad round, such as `[5s, 10s, 30s]`. Empty: every `every`.", { default: [] }, "list of durations")).optional(),
  armed: flag("Whether the host may be cut. `false`: everything is decided and told, nothing is done.", { default: true }).optional(),
  behind: name("The switch or hypervisor that the host hangs on: a host's name, or only a label. While it is the patient, this host is not judged.").optional(),
  brakes: z.strictObject({ perHost: perHost.optional() }).meta(about("The brakes of a single host.")).optional(),
} as const;

/** `defaults`. */
export const defaults = z.strictObject(tunables);

export type Tunables = z.output<typeof defaults>;
export type Rounds = z.output<typeof good>;

/** A built-in duration in milliseconds. */
export function builtInMs(value: string): number {
  const result = parseDuration(value);
  return result.ok ? result.value : NaN;
}
