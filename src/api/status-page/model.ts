// What the public is told: of each component whether it is available, day by day what was, and what people have written. Pure.
// Only what was chosen leaves, under the names that were chosen: no host, address, evidence or reason from inside is in here,
// so none can get out (docs/adr/0023).

import type { AvailabilityAnswer, AvailabilityParts, Period } from "../../core/availability.ts";
import { availabilityOf } from "../../core/availability.ts";
import type { IncidentRecord } from "../../core/records.ts";
import { iso } from "../../core/report.ts";
import type { Standing } from "../../core/standing.ts";
import { availabilityInWords, inWords } from "../../core/words.ts";
import type { NoticeReport } from "../contract.ts";

export type ComponentState = "available" | "partly" | "out" | "maintenance" | "unknown";

/** `hosts`: who it is made of; they are not told. */
export type ComponentSpec = { readonly name: string; readonly hosts: readonly string[] };

export type Day = { readonly day: string; readonly state: ComponentState; readonly words: string };
export type Component = { readonly name: string; readonly state: ComponentState; readonly days: readonly Day[]; /** Of all days; `–`: nothing is known. */ readonly available: string };
export type PastOutage = { readonly component: string; readonly began: string; readonly ended: string | null; readonly words: string };

export type StatusPageModel = {
  readonly title: string;
  readonly at: string;
  readonly state: ComponentState;
  readonly headline: string;
  readonly components: readonly Component[];
  readonly open: readonly NoticeReport[];
  /** Days of UTC, the newest first: what people wrote and what was noticed. */
  readonly past: readonly { readonly day: string; readonly notices: readonly NoticeReport[]; readonly outages: readonly PastOutage[] }[];
};

export type StatusPageInput = {
  readonly title: string;
  readonly components: readonly ComponentSpec[];
  readonly standings: ReadonlyMap<string, Standing>;
  /** Groups are the components' names; one period a day, and before them the whole. */
  readonly days: readonly Period[];
  readonly answer: AvailabilityAnswer;
  readonly incidents: readonly IncidentRecord[];
  readonly notices: readonly NoticeReport[];
  readonly nowMs: number;
};

/** Days of which what happened is told one by one. */
export const PAST_DAYS = 14;
/** Outages of one component that are so close are one to those who use it. */
const TOGETHER_MS = 5 * 60_000;
/** Less than this of a day and it was more than a disturbance. */
const POOR = 0.9;
const DAY_MS = 86_400_000;

export function statusPageModel(input: StatusPageInput): StatusPageModel {
  const { title, answer, days, notices, nowMs } = input;
  const open = notices.filter(({ ended }) => ended === null);
  const components = input.components.map((spec): Component => {
    const parts = answer.periods.map((period) => period.groups.find(({ group }) => group === spec.name)?.parts);
    return { name: spec.name, state: worst([stateNow(spec, input.standings), ...saidOf(spec.name, open)]), days: days.map((day, index) => dayOf(day, parts[index + 1])), available: availabilityInWords(parts[0] === undefined ? null : availabilityOf(parts[0])) };
  });
  // What people say of everything stands in their own words.
  const [general] = open.filter((notice) => notice.components.length === 0 && SAID[notice.severity] !== null).reverse();
  const state = worst([...components.map((component) => component.state), ...(general === undefined ? [] : [SAID[general.severity] ?? "available"])]);
  const said = headline(components);
  return { title, at: iso(nowMs), state, headline: general !== undefined && components.every((component) => component.state === "available") ? general.title : said, components, open, past: pastOf(input, components) };
}

/** A host may answer all probes and be of no use: what people say counts, if it is worse. */
const SAID: Readonly<Record<NoticeReport["severity"], ComponentState | null>> = { info: null, maintenance: "maintenance", disturbance: "partly", outage: "out" };

function saidOf(component: string, open: readonly NoticeReport[]): readonly ComponentState[] {
  return open.flatMap(({ components, severity }) => (components.includes(component) ? SAID[severity] ?? [] : []));
}

function stateNow({ hosts }: ComponentSpec, standings: ReadonlyMap<string, Standing>): ComponentState {
  const all = hosts.map((host) => standings.get(host)).filter((standing) => standing !== undefined && standing.state !== "unknown") as readonly Standing[];
  const down = all.filter(({ state }) => state === "down");
  if (all.length === 0) return "unknown";
  if (down.length === 0) return "available";
  if (down.every(({ planned }) => planned !== null)) return "maintenance";
  return down.length === all.length ? "out" : "partly";
}

function dayOf({ fromMs }: Period, parts: AvailabilityParts | undefined): Day {
  const day = iso(fromMs).slice(0, 10);
  const available = parts === undefined ? null : availabilityOf(parts);
  if (parts === undefined || available === null) return { day, state: parts !== undefined && parts.plannedMs > 0 ? "maintenance" : "unknown", words: parts !== undefined && parts.plannedMs > 0 ? "maintenance" : "not recorded" };
  if (parts.unplannedMs > 0) return { day, state: available < POOR ? "out" : "partly", words: `available ${availabilityInWords(available)}` };
  return parts.plannedMs > 0 ? { day, state: "maintenance", words: "maintenance" } : { day, state: "available", words: "available" };
}

const ORDER: readonly ComponentState[] = ["out", "partly", "maintenance", "unknown", "available"];

function worst(states: readonly ComponentState[]): ComponentState {
  return ORDER.find((state) => states.includes(state)) ?? "unknown";
}

const SENTENCES: Readonly<Record<Exclude<ComponentState, "available">, readonly [one: string, many: string]>> = {
  out: ["is not available", "are not available"], partly: ["is partly not available", "are partly not available"], maintenance: ["is in maintenance", "are in maintenance"], unknown: ["is not being watched at present", "are not being watched at present"],
};

/** One sentence: the worst first. */
function headline(components: readonly Component[]): string {
  const ill = ORDER.filter((state) => state !== "available").flatMap((state) => {
    const names = components.filter((component) => component.state === state).map(({ name }) => name);
    if (names.length === 0) return [];
    const listed = names.length === 1 ? names[0] : names.length > 3 ? `${names.length} of ${components.length}` : `${names.slice(0, -1).join(", ")} and ${names.at(-1) ?? ""}`;
    return [`${listed ?? ""} ${SENTENCES[state][names.length === 1 ? 0 : 1]}.`];
  });
  if (components.length === 0) return "Nothing is shown here yet.";
  return ill.length === 0 ? "Everything is available." : ill.join(" ");
}

function pastOf(input: StatusPageInput, components: readonly Component[]): StatusPageModel["past"] {
  const sinceMs = Math.floor(input.nowMs / DAY_MS) * DAY_MS - (PAST_DAYS - 1) * DAY_MS;
  const outages = input.components.flatMap((spec) => outagesOf(spec, input, components.find(({ name }) => name === spec.name)?.days ?? [], sinceMs));
  const days = Array.from({ length: PAST_DAYS }, (_, back) => iso(Math.floor(input.nowMs / DAY_MS) * DAY_MS - back * DAY_MS).slice(0, 10));
  return days.map((day) => ({
    day,
    notices: input.notices.filter(({ began, ended }) => ended !== null && began.startsWith(day)).reverse(),
    outages: outages.filter(({ began }) => began.startsWith(day)).sort((one, other) => (one.began < other.began ? 1 : -1)),
  })).filter(({ notices, outages: those }) => notices.length + those.length > 0);
}

type Span = { fromMs: number; toMs: number; open: boolean; readonly hosts: Set<string> };

/** What was noticed, without what was planned: a day on which nothing was lost has none. */
function outagesOf({ name, hosts }: ComponentSpec, { incidents, nowMs }: StatusPageInput, days: readonly Day[], sinceMs: number): readonly PastOutage[] {
  const calm = new Set(days.filter(({ state }) => state === "maintenance" || state === "available").map(({ day }) => day));
  const members = new Set(hosts);
  const spans: Span[] = [];
  for (const { host, began, downAt, endedAt, outcome } of [...incidents].sort((one, other) => one.began.wallMs - other.began.wallMs)) {
    if (!members.has(host) || downAt === null || began.wallMs < sinceMs || (endedAt === null && outcome !== "open") || calm.has(iso(began.wallMs).slice(0, 10))) continue;
    const span: Span = { fromMs: began.wallMs, toMs: endedAt?.wallMs ?? nowMs, open: endedAt === null, hosts: new Set([host]) };
    const last = spans.at(-1);
    if (last === undefined || span.fromMs > last.toMs + TOGETHER_MS) spans.push(span);
    else {
      last.toMs = Math.max(last.toMs, span.toMs);
      last.open ||= span.open;
      last.hosts.add(host);
    }
  }
  return spans.map(({ fromMs, toMs, open, hosts: ill }): PastOutage => {
    const how = ill.size === members.size ? "not available" : "partly not available";
    return { component: name, began: iso(fromMs), ended: open ? null : iso(toMs), words: open ? `${name} has been ${how} for ${inWords(toMs - fromMs)}.` : `${name} was ${how} for ${inWords(Math.max(0, toMs - fromMs))}.` };
  });
}
