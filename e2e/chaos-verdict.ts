// The verdict on a run of chaos: the PDU's log and what was truly done to the hosts, side by side; then the watchers' own books
// of incidents against both. Everything that is wrong is told, not the first thing only.

import assert from "node:assert/strict";
import type { RecordOf } from "../lab/apc-pdu.ts";
import type { Fleet } from "../lab/fleet.ts";
import type { Wedge } from "../lab/virtual-host.ts";
import { EVERY_MS, incidentsAnywhere, MAX_ACT_MS, senderOf, sessionsAtOnce, THRESHOLD, TIMEOUT_MS, TTL_MS } from "./several.ts";
import type { Incident } from "./watching.ts";
import { assertPolite, distribution, recordsOf } from "./watching.ts";

export type Outage = {
  readonly host: string;
  readonly wedge: Wedge;
  /** By CLOCK_MONOTONIC, as the PDU's log. */
  readonly fromMs: number;
  /** Mended by hand before anybody had cut it. */
  byHand: boolean;
  toMs: number;
};

/** What a run has to show. */
export type Ran = {
  readonly seed: number;
  readonly beganMs: number;
  readonly outages: readonly Outage[];
  readonly faults: ReadonlyMap<string, number>;
  /** Ends of watchers that nobody meant. */
  readonly ends: readonly string[];
  /** Holds that a person took back, by kind. */
  readonly released: ReadonlyMap<string, number>;
};

export type ChaosReport = {
  readonly faults: ReadonlyMap<string, number>;
  readonly outages: number;
  readonly mendedByHand: number;
  readonly offs: number;
  readonly incidents: number;
  /** Outages in which one watcher let go the off and another the on. */
  readonly finishedByAnother: number;
  /** Offs by another watcher than the off before. */
  readonly changes: number;
  readonly lines: readonly string[];
};

/** A mended host may still be cut by who had decided before: two rounds, the swap, one act (safety.md §5.2, 5.3, 5.5). */
const LATE_MS = 2 * EVERY_MS + TIMEOUT_MS + TTL_MS + MAX_ACT_MS;
/** A round that was under way when the host was wedged may be its first bad one. */
const SOONEST_MS = (THRESHOLD - 1) * EVERY_MS - 2 * TIMEOUT_MS;

/** CLOCK_MONOTONIC, as in the PDU's log. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Throws with all that was wrong, and the figures. */
export async function judge(fleet: Fleet, ran: Ran): Promise<ChaosReport> {
  const { outages, faults } = ran;
  const incidents = spans([...(await incidentsAnywhere(fleet)).values()]);
  const edges = recordsOf(fleet.records, "edge");
  const offs = edges.filter((edge) => edge.state === "off");
  const at = (ms: number): string => `${((ms - ran.beganMs) / 1_000).toFixed(1)} s`;
  const hostOf = (edge: RecordOf<"edge">): string => [...fleet.hosts.keys()].find((host) => fleet.outlet(host) === edge.outlet) ?? `outlet ${edge.outlet}`;
  const guilty: string[] = [...ran.ends];

  const cuts = new Map<Outage, RecordOf<"edge">[]>(outages.map((outage) => [outage, []]));
  for (const off of offs) {
    const outage = outages.findLast((each) => each.host === hostOf(off) && off.monoMs >= each.fromMs + SOONEST_MS && off.monoMs <= each.toMs + LATE_MS);
    if (outage === undefined) guilty.push(`${hostOf(off)} was cut at ${at(off.monoMs)} without an outage`);
    else cuts.get(outage)?.push(off);
  }
  for (const [outage, found] of cuts) {
    const what = `${outage.host}, ${outage.wedge} at ${at(outage.fromMs)}`;
    if (found.length > 1) guilty.push(`${what}: ${found.length} off edges at ${found.map((each) => at(each.monoMs)).join(", ")}`);
    if (found.length === 0 && !outage.byHand) guilty.push(`${what}: it stayed down and was not cut`);
  }

  let finishedByAnother = 0;
  const darkMs: number[] = [];
  for (const host of fleet.hosts.keys()) {
    const own = edges.filter((edge) => hostOf(edge) === host);
    for (const [n, edge] of own.entries()) {
      const next = own[n + 1];
      if (edge.state !== (n % 2 === 0 ? "off" : "on")) guilty.push(`${host}: ${edge.state} at ${at(edge.monoMs)} out of turn`);
      if (edge.cause === "hand") guilty.push(`${host}: ${edge.state} by a hand`);
      if (edge.state !== "off") continue;
      if (next === undefined) {
        guilty.push(`${host}: off at ${at(edge.monoMs)} and never on`);
        continue;
      }
      darkMs.push(next.monoMs - edge.monoMs);
      if (senderOf(fleet, next) !== senderOf(fleet, edge)) finishedByAnother += 1;
    }
  }

  for (const off of offs) {
    const fitting = incidents.filter((each) => each.host === hostOf(off) && isDuring(each, off.wallMs));
    if (fitting.length === 0) guilty.push(`${hostOf(off)} was cut at ${at(off.monoMs)} in no incident`);
  }
  for (const incident of incidents) {
    const own = offs.filter((off) => hostOf(off) === incident.host && isDuring(incident, off.wallMs));
    if (own.length > 1) guilty.push(`incident ${incident.incident} of ${incident.host}: ${own.length} off edges`);
  }

  guilty.push(...sessionsAtOnce(fleet.records));
  const state = await fleet.pdu.state();
  if (state.sessionsMax > 1) guilty.push(`${state.sessionsMax} sessions at once`);
  for (const outlet of state.outlets) if (outlet.state !== "on") guilty.push(`outlet ${outlet.outlet} is ${outlet.state} at the end`);
  try {
    assertPolite(fleet.records);
  } catch (error) {
    guilty.push(String(error));
  }

  const senders = offs.map((off) => senderOf(fleet, off));
  const report = {
    faults, outages: outages.length, mendedByHand: outages.filter((each) => each.byHand).length, offs: offs.length,
    incidents: incidents.length, finishedByAnother, changes: senders.filter((name, n) => n > 0 && name !== senders[n - 1]).length,
  };
  const lines = [
    `seed ${ran.seed}: ${[...faults.values()].reduce((sum, each) => sum + each, 0)} faults`,
    ...[...faults].sort().map(([name, count]) => `  ${String(count).padStart(4)} ${name}`),
    `${report.outages} outages, ${report.mendedByHand} mended by hand; ${report.incidents} incidents; ${report.offs} off edges, ${edges.length - report.offs} on edges`,
    `${finishedByAnother} switched on by another watcher than off, ${report.changes} offs by another watcher than the off before; ${recordsOf(fleet.records, "open").filter((each) => !each.admitted).length} connections turned away`,
    `released by a person: ${[...ran.released].map(([kind, count]) => `${count} ${kind}`).join(", ") || "nothing"}`,
    `from wedge to off: ${distribution([...cuts].flatMap(([outage, [off]]) => (off === undefined ? [] : [off.monoMs - outage.fromMs])))}`,
    `without power: ${distribution(darkMs)}`,
    `lives of watchers: ${fleet.watchers.map((watcher) => `${watcher.name} ${watcher.lives}`).join(", ")}`,
  ];
  assert.equal(guilty.length, 0, `${guilty.join("\n")}\n\n${lines.join("\n")}`);
  return { ...report, lines };
}

type Span = { readonly incident: string; readonly host: string; readonly fromMs: number; readonly toMs: number };

/** Incidents of one host do not overlap: one whose end nobody remembers (a history is not flushed by kill -9) ended before the next. */
function spans(incidents: readonly Incident[]): readonly Span[] {
  return incidents.map(({ incident, host, began, ended }) => {
    const fromMs = Date.parse(began);
    const later = incidents.filter((each) => each.host === host).map((each) => Date.parse(each.began)).filter((each) => each > fromMs);
    return { incident, host, fromMs, toMs: ended === null ? Math.min(...later, Infinity) : Date.parse(ended) };
  });
}

function isDuring(incident: Span, wallMs: number): boolean {
  return incident.fromMs <= wallMs && wallMs <= incident.toMs;
}
