// What availability to expect of a configuration: how long one outage lasts from the first bad sign to back in service, how
// often there is one, and so how much of a day is lost. The sums are those of an administrator on the back of an envelope:
// 25 s to detect + 40 s to boot, once a day, is 65 s of 86,400: 99.92 %.
//
// What was measured stands in for what is assumed, phase by phase. Nothing here is a promise: a brake, a disagreement or a
// device that cannot be read makes an outage as long as it takes a person to come.

import type { Phases } from "./incident.ts";
import type { HostPolicy, Policy } from "./policy.ts";

export type ForecastPhase = { readonly ms: number; /** From past outages of this host; else from the configuration. */ readonly measured: boolean };

export type Forecast = {
  readonly detect: ForecastPhase;
  /** Agreement of several watchers, and logging in at the power device. */
  readonly decide: ForecastPhase;
  /** From the off to power again. */
  readonly cut: ForecastPhase;
  /** From then to back in service. */
  readonly boot: ForecastPhase;
  readonly totalMs: number;
  readonly perDay: number;
  /** Counted over what was watched, and where there was none taken for one: what has not happened yet may. Else the assumption. */
  readonly rateMeasured: boolean;
  /** Null: nothing switches its power, so an outage lasts until somebody comes. */
  readonly availability: number | null;
};

const DAY_MS = 86_400_000;
/** Outages a day, where nothing better is known: the homelab of the first monitor lost a host about so often. */
export const OUTAGES_PER_DAY = 1;
/** A rate is believed when the host was watched for so long. */
const RATE_FROM_MS = 7 * DAY_MS;

export type Experience = {
  /** Of past outages that ended in a power cycle. */
  readonly phases: readonly Phases[];
  /** How long past boots took. */
  readonly bootsMs: readonly number[];
  readonly outages: number;
  readonly watchedMs: number;
  /** Asked for: outages a day to reckon with; null: what was measured, else OUTAGES_PER_DAY. */
  readonly perDay: number | null;
};

export function forecast(policy: HostPolicy, fleet: Policy, experience: Experience): Forecast {
  const { phases, bootsMs, outages, watchedMs } = experience;
  const measured = (of: (each: Phases) => number | null): number | null => median(phases.flatMap((each) => of(each) ?? []));
  const phase = (found: number | null, otherwise: number): ForecastPhase => ({ ms: found ?? otherwise, measured: found !== null });
  const cutMs = policy.offForMs + fleet.limits.readBackEveryMs;
  const detect = phase(measured((each) => each.detectMs), detectMs(policy));
  const decide = phase(measured((each) => each.decideMs), fleet.shared === null ? 0 : policy.timeoutMs);
  const cut = phase(measured((each) => (each.cutMs === null || each.offMs === null ? null : each.cutMs + each.offMs)), cutMs);
  // Nothing measured: the debounce is what the administrator reckons with, from the cut to back in service.
  const boot = phase(median(bootsMs) ?? measured((each) => each.bootMs), Math.max(0, policy.debounceMs - cutMs));
  const totalMs = detect.ms + decide.ms + cut.ms + boot.ms;
  const rateMeasured = experience.perDay === null && watchedMs >= RATE_FROM_MS;
  const perDay = experience.perDay ?? (rateMeasured ? (Math.max(1, outages) / watchedMs) * DAY_MS : OUTAGES_PER_DAY);
  const guarded = policy.levels.length > 0 && !policy.self;
  return { detect, decide, cut, boot, totalMs, perDay, rateMeasured, availability: guarded ? Math.max(0, 1 - (totalMs * perDay) / DAY_MS) : null };
}

/** Odds that all of them are down at one moment, if one has nothing to do with another; null where one cannot be told. */
export function oddsTogether(forecasts: readonly Forecast[]): number | null {
  let odds = 1;
  for (const { availability } of forecasts) {
    if (availability === null) return null;
    odds *= 1 - availability;
  }
  return forecasts.length === 0 ? null : odds;
}

/** From the moment at which a host dies, which may be just after a good round, to the verdict. */
function detectMs({ threshold, everyMs, retryMs }: HostPolicy): number {
  let totalMs = everyMs;
  for (let bad = 1; bad < threshold; bad += 1) totalMs += retryMs[bad - 1] ?? everyMs;
  return totalMs;
}

function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? null;
}
