// Availability as the history's thread works it out: host by host, so that a year of thousands of hosts is never in memory at
// once and no decision waits for it. What the thread does not know comes with the question: which hosts, what is open now.

import type { AvailabilityAnswer, AvailabilityParts, AvailabilityQuery, HostExperience, Period } from "../core/availability.ts";
import { measure, together } from "../core/availability.ts";
import { phasesOf } from "../core/incident.ts";
import type { IncidentRecord } from "../core/records.ts";
import type { HistoryFile } from "./history-file.ts";

type Past = Pick<HistoryFile, "standings" | "incidents">;

const EXPERIENCE_MS = 90 * 86_400_000;
/** Incidents of one host in one answer. */
const INCIDENTS_MAX = 10_000;
const PHASES_MAX = 50;

export function availabilityOf(file: Past, query: AvailabilityQuery): AvailabilityAnswer {
  const { periods, nowMs } = query;
  const open = new Map(query.open.map((record) => [record.incident, record]));
  const whole = { fromMs: Math.min(...periods.map((period) => period.fromMs)), toMs: Math.max(...periods.map((period) => period.toMs)) };
  const recent = { fromMs: nowMs - EXPERIENCE_MS, toMs: nowMs };
  const byGroup = periods.map(() => new Map<string, AvailabilityParts>());
  const totals = periods.map(() => together([]));
  const lines = periods.map((): { host: string; parts: AvailabilityParts }[] => []);
  const experience: HostExperience[] = [];
  for (const { host, group } of query.hosts) {
    const incidentsIn = (span: Period) => incidentsOf(file, host, span, open);
    measure(file.standings.seen(host, whole), incidentsIn(whole), periods, nowMs).forEach((parts, index) => {
      const groups = byGroup[index];
      const known = groups?.get(group);
      groups?.set(group, known === undefined ? parts : together([known, parts]));
      totals[index] = together([totals[index] ?? parts, parts]);
      if (!query.groupsOnly) lines[index]?.push({ host, parts });
    });
    if (query.groupsOnly) continue;
    const past = incidentsIn(recent);
    const [parts] = measure(file.standings.seen(host, recent), past, [recent], nowMs);
    const phases = past.filter(({ outcome, downAt, onConfirmedAt }) => outcome === "recovered" && downAt !== null && onConfirmedAt !== null).slice(-PHASES_MAX).map(phasesOf);
    experience.push({ host, phases, outages: parts?.outages ?? 0, watchedMs: parts === undefined ? 0 : parts.upMs + parts.unplannedMs });
  }
  return {
    sinceMs: file.standings.sinceMs(),
    periods: periods.map((_, index) => ({ total: totals[index] ?? together([]), groups: [...(byGroup[index] ?? [])].map(([group, parts]) => ({ group, parts })), hosts: lines[index] ?? [] })),
    experience,
  };
}

/** What stands as open on record and is not open any more ended while this watcher was away. */
function incidentsOf(file: Past, host: string, { fromMs, toMs }: Period, open: ReadonlyMap<string, IncidentRecord>): readonly IncidentRecord[] {
  const found = file.incidents({ host, sinceMs: fromMs, untilMs: toMs, limit: INCIDENTS_MAX }).map((record): IncidentRecord => open.get(record.incident) ?? (record.outcome === "open" ? { ...record, outcome: "ended unseen" } : record));
  const known = new Set(found.map(({ incident }) => incident));
  return [...found, ...[...open.values()].filter((record) => record.host === host && !known.has(record.incident))];
}
