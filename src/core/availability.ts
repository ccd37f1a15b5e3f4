// How available hosts were: time up, planned away, lost and by what phase of the outage, and time that nobody watched. What
// was not watched is never taken for up: it is a part of its own, and the figure is made from what is known.
//
// Two things are known of the past: how a host stood, as long as a watcher ran (standing.ts), and its incidents with their
// moments. An incident is the better witness of an outage, because it begins at the first bad sign and not at the verdict;
// what it does not cover (a host that is held, or wanted off) the standing does. Every millisecond of a period goes to exactly
// one part, so that the parts of a report add up to the whole.

import type { Phases } from "./incident.ts";
import type { IncidentRecord } from "./records.ts";
import { iso } from "./report.ts";
import type { Planned, Standing } from "./standing.ts";
import { PLANNED } from "./standing.ts";
import type { Stamp } from "./time.ts";

/**
 * Where an outage that nobody planned went: until the verdict; until the off was let go; until it was confirmed; until power
 * was on again; until it served again; or waiting, because nothing was cut: held back by a brake, held, or it came back by itself.
 */
export const CAUSES = ["detect", "decide", "cut", "off", "boot", "wait"] as const;
export type Cause = (typeof CAUSES)[number];

export type Period = { readonly fromMs: number; readonly toMs: number };

/** How a host stood for a while; in order of time, and none over another. What lies between was not watched. */
export type Seen = Period & Standing;

export type AvailabilityParts = {
  /** Of the period, up to now. upMs + unknownMs + plannedMs + unplannedMs. */
  readonly wholeMs: number;
  readonly upMs: number;
  /** Nobody watched, or nothing could be said of it. */
  readonly unknownMs: number;
  readonly plannedMs: number;
  readonly unplannedMs: number;
  readonly planned: Readonly<Record<Planned, number>>;
  readonly causes: Readonly<Record<Cause, number>>;
  /** That began in the period. */
  readonly outages: number;
  readonly plannedOutages: number;
  /** Of the planned ones the announced reboots, ours and others'. */
  readonly reboots: number;
  /** The longest unplanned one, as far as it lies in the period. */
  readonly longestMs: number;
};

export type AvailabilityQuery = {
  readonly hosts: readonly { readonly host: string; readonly group: string }[];
  /** One after the other, none over another. */
  readonly periods: readonly Period[];
  /** Groups only: no line for each host. */
  readonly groupsOnly: boolean;
  /** Incidents that are open now, as the core knows them. */
  readonly open: readonly IncidentRecord[];
  readonly nowMs: number;
};

/** What the past of a host is worth for a forecast: of its last so many days. */
export type HostExperience = { readonly host: string; readonly phases: readonly Phases[]; readonly outages: number; readonly watchedMs: number };

export type AvailabilityAnswer = {
  /** Since when it is on record how hosts stand; null: nothing is. */
  readonly sinceMs: number | null;
  readonly periods: readonly {
    readonly total: AvailabilityParts;
    readonly groups: readonly { readonly group: string; readonly parts: AvailabilityParts }[];
    readonly hosts: readonly { readonly host: string; readonly parts: AvailabilityParts }[];
  }[];
  readonly experience: readonly HostExperience[];
};

type What = { readonly part: "up" } | { readonly part: "unknown" } | { readonly part: "planned"; readonly by: Planned } | { readonly part: "unplanned"; readonly by: Cause };
type Segment = Period & { readonly what: What };
/** A phase of an incident. `planned`: the incident began in something planned, and is planned for as long as that lasts. */
type Mark = Period & { readonly what: What; readonly within: boolean; /** Nobody saw how it ended: it says nothing of time that was not watched. */ readonly unseen: boolean };

/** Of one host, by period. `incidents`: one that is open goes on until now; of one that ended unseen only what was watched counts. */
export function measure(looks: readonly Seen[], incidents: readonly IncidentRecord[], periods: readonly Period[], nowMs: number): readonly AvailabilityParts[] {
  const seen = unbroken(looks);
  const fromMs = Math.min(...periods.map((period) => period.fromMs));
  const toMs = Math.min(nowMs, Math.max(...periods.map((period) => period.toMs)));
  const segments = walk(seen, marksOf(seen, incidents, nowMs), servedAgain(incidents), fromMs, toMs);
  return periods.map((period) => partsOf(segments, { fromMs: period.fromMs, toMs: Math.max(period.fromMs, Math.min(period.toMs, nowMs)) }));
}

/** Of several hosts together: of each its time. */
export function together(parts: readonly AvailabilityParts[]): AvailabilityParts {
  const sum = (of: (each: AvailabilityParts) => number): number => parts.reduce((total, each) => total + of(each), 0);
  return {
    wholeMs: sum((each) => each.wholeMs), upMs: sum((each) => each.upMs), unknownMs: sum((each) => each.unknownMs), plannedMs: sum((each) => each.plannedMs), unplannedMs: sum((each) => each.unplannedMs),
    planned: recordOf(PLANNED, (by) => sum((each) => each.planned[by])), causes: recordOf(CAUSES, (by) => sum((each) => each.causes[by])),
    outages: sum((each) => each.outages), plannedOutages: sum((each) => each.plannedOutages), reboots: sum((each) => each.reboots), longestMs: Math.max(0, ...parts.map((each) => each.longestMs)),
  };
}

/** Of the time that was watched and not planned away, the share in which it was up; null where there is none. */
export function availabilityOf({ upMs, unplannedMs }: Pick<AvailabilityParts, "upMs" | "unplannedMs">): number | null {
  return upMs + unplannedMs === 0 ? null : upMs / (upMs + unplannedMs);
}

/** Months of UTC that touch this time, each as far as it lies in it. */
export function monthsOf({ fromMs, toMs }: Period): readonly Period[] {
  return cut(fromMs, toMs, (atMs) => {
    const month = iso(atMs).slice(0, 7);
    // Of 32 days on, the first is where the month has changed.
    let dayMs = (Math.floor(atMs / DAY_MS) + 1) * DAY_MS;
    while (iso(dayMs).slice(0, 7) === month) dayMs += DAY_MS;
    return dayMs;
  });
}

/** Days of UTC, likewise. */
export function daysOf({ fromMs, toMs }: Period): readonly Period[] {
  return cut(fromMs, toMs, (atMs) => (Math.floor(atMs / DAY_MS) + 1) * DAY_MS);
}

const DAY_MS = 86_400_000;

function cut(fromMs: number, toMs: number, nextOf: (atMs: number) => number): Period[] {
  const periods: Period[] = [];
  for (let atMs = fromMs; atMs < toMs;) {
    const endMs = Math.min(toMs, nextOf(atMs));
    periods.push({ fromMs: atMs, toMs: endMs });
    atMs = endMs;
  }
  return periods;
}

// ---- one host's time, each moment once ---------------------------------------------------------------------------------

/** What stood the same from one span to the next is one. */
function unbroken(looks: readonly Seen[]): readonly Seen[] {
  const spans: Seen[] = [];
  for (const look of looks) {
    const last = spans.at(-1);
    if (last !== undefined && last.toMs === look.fromMs && last.state === look.state && last.planned === look.planned) spans[spans.length - 1] = { ...last, toMs: look.toMs };
    else spans.push(look);
  }
  return spans;
}

/** The phases of all incidents in order of time; where two overlap the earlier one stands. */
function marksOf(seen: readonly Seen[], incidents: readonly IncidentRecord[], nowMs: number): readonly Mark[] {
  const marks: Mark[] = [];
  let freeMs = -Infinity;
  for (const incident of [...incidents].sort((one, other) => one.began.wallMs - other.began.wallMs)) {
    for (const mark of phasesOfOne(seen, incident, nowMs)) {
      const fromMs = Math.max(mark.fromMs, freeMs);
      if (fromMs >= mark.toMs) continue;
      marks.push({ ...mark, fromMs });
      freeMs = mark.toMs;
    }
  }
  return marks;
}

function phasesOfOne(seen: readonly Seen[], incident: IncidentRecord, nowMs: number): readonly Mark[] {
  const { began, downAt, intendedAt, offSentAt, offConfirmedAt, onConfirmedAt, endedAt, outcome } = incident;
  const asked = downAt === null && intendedAt !== null;
  // Somebody asked for a cut and it came to nothing: the host was never away.
  if (asked && offSentAt === null && outcome === "withdrawn") return [];
  const fromMs = began.wallMs;
  const at = seen.find((each) => each.fromMs <= fromMs && fromMs < each.toMs);
  const unseen = endedAt === null && outcome !== "open";
  const toMs = endedAt !== null ? wallOf(endedAt, began) : unseen ? lastWatched(seen, fromMs) : nowMs;
  const begins: readonly (readonly [at: Stamp | null, cause: Cause])[] = [[began, "detect"], [downAt, offSentAt === null ? "wait" : "decide"], [offSentAt, "cut"], [offConfirmedAt, "off"], [onConfirmedAt, "boot"]];
  const reached = begins.flatMap(([moment, cause]) => (moment === null ? [] : [{ atMs: wallOf(moment, began), cause }]));
  const marks: Mark[] = [];
  let sinceMs = fromMs;
  reached.forEach(({ cause }, index) => {
    const next = reached[index + 1];
    const endMs = Math.min(Math.max(sinceMs, next?.atMs ?? toMs), Math.max(fromMs, toMs));
    const what: What = asked ? { part: "planned", by: "asked-for" } : { part: "unplanned", by: cause };
    if (endMs > sinceMs) marks.push({ fromMs: sinceMs, toMs: endMs, what, within: at?.planned !== null && at !== undefined, unseen });
    sinceMs = Math.max(sinceMs, endMs);
  });
  return marks;
}

/** By the clock that does not jump, as long as it is the same boot. */
function wallOf(moment: Stamp, began: Stamp): number {
  return moment.bootId === began.bootId ? began.wallMs + moment.bootMs - began.bootMs : moment.wallMs;
}

/** The end of the time that was watched without a gap from this moment on. */
function lastWatched(seen: readonly Seen[], fromMs: number): number {
  let endMs = fromMs;
  for (const each of seen) if (each.fromMs <= endMs && each.toMs > endMs) endMs = each.toMs;
  return endMs;
}

/**
 * When hosts were seen to serve again. How they stand is looked at every few seconds only: what stood as down then and not
 * since was up from here on, and who fell again has an incident of his own.
 */
function servedAgain(incidents: readonly IncidentRecord[]): readonly number[] {
  return incidents.flatMap(({ began, endedAt, outcome }) => (endedAt !== null && outcome.startsWith("recovered") ? [wallOf(endedAt, began)] : [])).sort((one, other) => one - other);
}

function walk(seen: readonly Seen[], marks: readonly Mark[], served: readonly number[], fromMs: number, toMs: number): readonly Segment[] {
  const points = new Set([fromMs, toMs]);
  for (const each of [...seen, ...marks, ...served.map((atMs) => ({ fromMs: atMs, toMs: atMs }))]) for (const atMs of [each.fromMs, each.toMs]) if (atMs > fromMs && atMs < toMs) points.add(atMs);
  const sorted = [...points].sort((one, other) => one - other);
  const segments: Segment[] = [];
  let nextSeen = 0;
  let nextMark = 0;
  let nextServed = 0;
  for (let index = 0; index + 1 < sorted.length; index += 1) {
    const startMs = sorted[index] as number;
    while ((seen[nextSeen]?.toMs ?? Infinity) <= startMs) nextSeen += 1;
    while ((marks[nextMark]?.toMs ?? Infinity) <= startMs) nextMark += 1;
    while ((served[nextServed] ?? Infinity) <= startMs) nextServed += 1;
    const known = covering(seen[nextSeen], startMs);
    const since = known !== null && (served[nextServed - 1] ?? -Infinity) >= known.fromMs ? { ...known, state: known.state === "down" ? "up" as const : known.state } : known;
    segments.push({ fromMs: startMs, toMs: sorted[index + 1] as number, what: whatOf(since, covering(marks[nextMark], startMs)) });
  }
  return segments;
}

function covering<Span extends Period>(span: Span | undefined, atMs: number): Span | null {
  return span !== undefined && span.fromMs <= atMs ? span : null;
}

function whatOf(seen: Seen | null, mark: Mark | null): What {
  const known = seen !== null && seen.state !== "unknown";
  if (mark !== null && (known || !mark.unseen)) return mark.within && seen !== null && seen.planned !== null ? { part: "planned", by: seen.planned } : mark.what;
  if (!known) return { part: "unknown" };
  if (seen.state === "up") return { part: "up" };
  return seen.planned === null ? { part: "unplanned", by: "wait" } : { part: "planned", by: seen.planned };
}

// ---- the sums -----------------------------------------------------------------------------------------------------------

function partsOf(segments: readonly Segment[], period: Period): AvailabilityParts {
  const sums = { up: 0, unknown: 0, planned: 0, unplanned: 0 };
  const planned = recordOf(PLANNED, () => 0);
  const causes = recordOf(CAUSES, () => 0);
  const begun = { planned: 0, unplanned: 0 };
  let reboots = 0;
  let before: What["part"] | null = null;
  let runMs = 0;
  let longestMs = 0;
  for (const { fromMs, toMs, what } of segments) {
    const begins = what.part !== before;
    before = what.part;
    const lengthMs = Math.min(toMs, period.toMs) - Math.max(fromMs, period.fromMs);
    if (lengthMs <= 0) continue;
    sums[what.part] += lengthMs;
    if (what.part === "planned") planned[what.by] += lengthMs;
    if (what.part === "unplanned") causes[what.by] += lengthMs;
    if ((what.part === "planned" || what.part === "unplanned") && begins && fromMs >= period.fromMs) {
      begun[what.part] += 1;
      if (what.part === "planned" && what.by === "going-down") reboots += 1;
    }
    runMs = what.part === "unplanned" ? (begins ? lengthMs : runMs + lengthMs) : 0;
    longestMs = Math.max(longestMs, runMs);
  }
  return {
    wholeMs: period.toMs - period.fromMs, upMs: sums.up, unknownMs: sums.unknown, plannedMs: sums.planned, unplannedMs: sums.unplanned, planned, causes,
    outages: begun.unplanned, plannedOutages: begun.planned, reboots, longestMs,
  };
}

function recordOf<Key extends string>(keys: readonly Key[], valueOf: (key: Key) => number): Record<Key, number> {
  return Object.fromEntries(keys.map((key) => [key, valueOf(key)])) as Record<Key, number>;
}
