// `/v1/availability`: what was measured, period by period, and what is to be expected. The question is read strictly and bounded
// here; the history's thread works the past out, and the forecast takes what the core knows of each host beside it.

import type { AvailabilityAnswer, AvailabilityParts, AvailabilityQuery } from "../core/availability.ts";
import { availabilityOf, daysOf, monthsOf, together } from "../core/availability.ts";
import { REBOOTS } from "../core/policy.ts";
import { forecast, oddsTogether } from "../core/forecast.ts";
import { iso } from "../core/report.ts";
import type { AvailabilityLine, AvailabilityReport } from "./contract.ts";
import { AVAILABILITY_LINES_MAX, AVAILABILITY_STEPS, PERIODS_MAX } from "./contract.ts";
import type { History } from "./history.ts";
import { noSuchHost, openIncidents } from "./looking.ts";
import type { Asked, Reply, Served } from "./route.ts";
import { json, Refusal, timeIn } from "./route.ts";

/** A host may fail once a second, and that is a bad host. */
const PER_DAY_MAX = 86_400;

export const AVAILABILITY_QUERY = ["from", "to", "step", "by", "host", "perDay"] as const;

export async function availability({ query }: Asked<(typeof AVAILABILITY_QUERY)[number]>, served: Served): Promise<Reply> {
  return json(await report(query, served));
}

async function report(query: Asked<(typeof AVAILABILITY_QUERY)[number]>["query"], { watcher, history, look, now }: Served): Promise<AvailabilityReport> {
  const { policy, state } = watcher;
  const nowMs = now().wallMs;
  const fromMs = timeIn("from", query.from) ?? startOfMonth(nowMs);
  const toMs = timeIn("to", query.to) ?? nowMs;
  if (fromMs >= toMs) throw new Refusal(400, "from is not before to");
  const step = AVAILABILITY_STEPS.find((each) => each === (query.step ?? "all"));
  if (step === undefined) throw new Refusal(400, `step is one of ${AVAILABILITY_STEPS.join(", ")}`);
  if (query.by !== undefined && query.by !== "host" && query.by !== "group") throw new Refusal(400, "by is host or group");
  const groupsOnly = query.by === "group";
  if (query.host !== undefined && !policy.hosts.has(query.host)) noSuchHost(query.host, policy);
  const perDay = query.perDay === undefined ? null : rate(query.perDay);
  if ((toMs - fromMs) / SHORTEST_MS[step] > PERIODS_MAX) throw new Refusal(400, `that is more than ${PERIODS_MAX} periods: ask for a shorter time or a longer step`);
  const periods = step === "all" ? [{ fromMs, toMs }] : (step === "month" ? monthsOf : daysOf)({ fromMs, toMs });
  const hosts = [...policy.hosts.values()].filter((host) => query.host === undefined || host.name === query.host);
  if (!groupsOnly && hosts.length * periods.length > AVAILABILITY_LINES_MAX) throw new Refusal(400, `that is more than ${AVAILABILITY_LINES_MAX} lines: ask for one host, or for by=group`);
  look();
  const groupOf = new Map(hosts.map((host) => [host.name, host.group]));
  const answer = await measured(history, { hosts: hosts.map(({ name, group }) => ({ host: name, group })), periods, groupsOnly, open: [...openIncidents(state).values()], nowMs });
  const expected = answer.experience.flatMap((experience) => {
    const host = policy.hosts.get(experience.host);
    if (host === undefined) return [];
    const bootsMs = state.hosts.get(host.name)?.record.bootsMs ?? [];
    return [{ host: host.name, group: host.group, ...forecast(host, policy, { ...experience, bootsMs, perDay }) }];
  });
  const groups = [...new Set(hosts.map(({ group }) => group))].sort();
  const sizes = new Map(groups.map((group) => [group, hosts.filter((host) => host.group === group).length]));
  return {
    site: policy.site, watcher: policy.watcher, at: iso(nowMs), from: iso(fromMs), to: iso(toMs), rebootsBudget: (policy.reboots ?? REBOOTS).budget, recordedSince: answer.sinceMs === null ? null : iso(answer.sinceMs),
    periods: answer.periods.map(({ total, groups: parts, hosts: lines }, index) => ({
      from: iso(periods[index]?.fromMs ?? fromMs), to: iso(periods[index]?.toMs ?? toMs), total: line(total),
      groups: parts.map((each) => ({ group: each.group, hosts: sizes.get(each.group) ?? 0, ...line(each.parts) })).sort((one, other) => (one.group < other.group ? -1 : 1)),
      hosts: lines.map((each) => ({ host: each.host, group: groupOf.get(each.host) ?? "", ...line(each.parts) })),
    })),
    forecast: groupsOnly ? { hosts: [], groups: [] } : { hosts: expected, groups: groups.map((group) => ({ group, hosts: sizes.get(group) ?? 0, odds: oddsTogether(expected.filter((each) => each.group === group)) })) },
  };
}

/** Hosts in one question to the history: what others ask of it comes between two. */
const HOSTS_AT_ONCE = 500;

/** As one question to the history, however many hosts there are. */
export async function measured(history: Pick<History, "availability">, query: AvailabilityQuery): Promise<AvailabilityAnswer> {
  let all: AvailabilityAnswer | null = null;
  for (let from = 0; all === null || from < query.hosts.length; from += HOSTS_AT_ONCE) {
    const some: AvailabilityAnswer = await history.availability({ ...query, hosts: query.hosts.slice(from, from + HOSTS_AT_ONCE) });
    all = all === null ? some : joined(all, some);
  }
  return all;
}

function joined(one: AvailabilityAnswer, other: AvailabilityAnswer): AvailabilityAnswer {
  return {
    sinceMs: one.sinceMs ?? other.sinceMs, experience: [...one.experience, ...other.experience],
    periods: one.periods.map((period, index) => {
      const more = other.periods[index];
      if (more === undefined) return period;
      const groups = new Map(period.groups.map(({ group, parts }) => [group, parts]));
      for (const { group, parts } of more.groups) {
        const known = groups.get(group);
        groups.set(group, known === undefined ? parts : together([known, parts]));
      }
      return { total: together([period.total, more.total]), groups: [...groups].map(([group, parts]) => ({ group, parts })), hosts: [...period.hosts, ...more.hosts] };
    }),
  };
}

const DAY_MS = 86_400_000;
const SHORTEST_MS = { all: Infinity, month: 28 * DAY_MS, day: DAY_MS } as const;

function line(parts: AvailabilityParts): AvailabilityLine {
  return { ...parts, availability: availabilityOf(parts) };
}

function startOfMonth(atMs: number): number {
  const at = new Date(atMs);
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 1);
}

function rate(text: string): number {
  const value = /^[0-9]{1,6}(\.[0-9]{1,6})?$/.test(text) ? Number(text) : NaN;
  if (!(value >= 0 && value <= PER_DAY_MAX)) throw new Refusal(400, `perDay is a number from 0 to ${PER_DAY_MAX}`);
  return value;
}
