// An incident: from the first bad sign of a suspicion that became "down" (or of a manual fence) to back in service. It has
// a name that can be said on the telephone, and keeps the moments from which the outage by phase is computed.
//
// A closed one lives on in the history. With several watchers each has a history of its own: the last one that ended stays in the
// host's record, so that every watcher tells the same story, also one that was away.

import { fnv1a } from "./hash.ts";
import { proquint, scatter } from "./proquint.ts";
import type { HostRecord, IncidentOutcome, IncidentRecord, RecordKey } from "./records.ts";
import { chargedWith } from "./roster.ts";
import type { HostState, Turn } from "./state.ts";
import type { Stamp } from "./time.ts";
import { inCharge, isOnItsWay, kindOf, nameOf, storedIncident } from "./transaction.ts";

/** Opens an incident for a host that has none; otherwise returns the open one. */
export function openIncident(turn: Turn, name: string, firstSign: string, beganMs: number | null): IncidentRecord | null {
  const host = turn.host(name);
  if (host === undefined) return null;
  if (host.incident !== null) return host.incident;
  const { meta } = turn.state;
  // Each life of several watchers counts from a number of its own: two that begin at one moment do not take the same name, and
  // who is killed before his number is on record does not take it again.
  const own = turn.state.fleet === null ? 0 : fnv1a(turn.state.fleet.life);
  const incident = proquint(scatter(turn.state.ledger + own + meta.nextIncident));
  const nextMeta = { ...meta, nextIncident: meta.nextIncident + 1 };
  turn.patch({ meta: nextMeta });
  turn.save("meta/ledger", nextMeta);
  const backMs = beganMs === null ? 0 : turn.now.bootMs - beganMs;
  const began: Stamp = { ...turn.stamp, bootMs: turn.stamp.bootMs - backMs, wallMs: turn.stamp.wallMs - backMs };
  const record: IncidentRecord = {
    v: 1, incident, host: name, began, firstSign,
    downAt: null, intendedAt: null, offSentAt: null, offConfirmedAt: null, onConfirmedAt: null, endedAt: null, outcome: "open",
  };
  turn.patchHost(name, { incident: record });
  turn.save(`incident/${incident}`, record, name);
  turn.emit({ kind: "incident", record });
  return record;
}

type Moment = "downAt" | "intendedAt" | "offSentAt" | "offConfirmedAt" | "onConfirmedAt";

/** Notes a moment, the first time that it occurs. */
export function note(turn: Turn, name: string, moment: Moment): void {
  const record = turn.host(name)?.incident ?? null;
  if (record === null || record[moment] !== null) return;
  const next = { ...record, [moment]: turn.stamp };
  turn.patchHost(name, { incident: next });
  turn.save(`incident/${record.incident}`, next, name);
  turn.emit({ kind: "incident", record: next });
}

/** Closes the incident. */
export function closeIncident(turn: Turn, name: string, outcome: IncidentOutcome, endedMs = turn.now.bootMs): void {
  const open = turn.host(name)?.incident ?? null;
  if (open === null) return;
  const record: IncidentRecord = { ...open, endedAt: { ...turn.stamp, bootMs: endedMs, wallMs: turn.stamp.wallMs - (turn.stamp.bootMs - endedMs) }, outcome };
  turn.patchHost(name, { incident: null });
  turn.save(`incident/${record.incident}`, null, name);
  if (turn.state.fleet !== null) turn.patchRecord(name, { lastIncident: record });
  turn.emit({ kind: "incident", record });
}

/** Closes the incident of a host that is not configured any more. */
export function abandon(turn: Turn, record: IncidentRecord): void {
  turn.save(`incident/${record.incident}`, null);
  turn.emit({ kind: "incident", record: { ...record, endedAt: turn.stamp, outcome: "no longer watched" } });
}

// ---- several watchers --------------------------------------------------------------------------------------------------------

/** Another watcher writes of it: our history knows it as well. */
export function mirrorIncident(turn: Turn, record: IncidentRecord): void {
  storedIncident(turn, record.incident, record);
  const host = turn.host(record.host);
  if (host === undefined) return;
  const open = host.incident?.incident ?? null;
  // One of ours that was never recorded, because our session ended before: it is told under their name.
  if (open !== null && open !== record.incident) turn.take(`incident/${open}`);
  turn.patchHost(host.name, { incident: record });
  turn.emit({ kind: "incident", record });
}

/** What another watcher has ended, from the host's record. */
export function mirrorEnd(turn: Turn, was: HostRecord | undefined, is: HostRecord): void {
  const { lastIncident } = is;
  const known = was?.lastIncident;
  if (lastIncident === undefined || (lastIncident.incident === known?.incident && lastIncident.endedAt?.wallMs === known.endedAt?.wallMs)) return;
  turn.emit({ kind: "incident", record: lastIncident });
}

/** The record is gone: one that was open here has ended. */
export function dropIncident(turn: Turn, name: string): void {
  storedIncident(turn, name, null);
  const host = [...turn.state.hosts.values()].find((each) => each.incident?.incident === name);
  if (host !== undefined && !inCharge(turn, host.name, true)) forget(turn, host.name, name);
}

function forget(turn: Turn, host: string, incident: string): void {
  turn.take(`incident/${incident}`);
  if (turn.host(host)?.incident?.incident === incident) turn.patchHost(host, { incident: null });
}

/**
 * Who is no longer in charge forgets an incident that he could not record before his session ended: whoever is in charge now
 * begins one of his own, if the host is still down. And he takes back an end that he could not record: it goes on as the store has
 * it, for whoever has the host now will end it in his own time.
 */
export function reviewIncidents(turn: Turn): void {
  for (const [key, host] of turn.state.outboxHosts) {
    if (kindOf(key) === "incident" && !inCharge(turn, host, true) && !turn.state.revisions.has(key)) forget(turn, host, nameOf(key));
  }
  for (const [, record] of turn.fleet.incidents.entries()) reviewEnd(turn, record);
}

function reviewEnd(turn: Turn, record: IncidentRecord): void {
  const host = turn.host(record.host);
  const key: RecordKey = `incident/${record.incident}`;
  const open = host?.incident?.incident ?? null;
  if (host === undefined || open === record.incident || (open !== null && turn.fleet.incidents.has(open)) || isOnItsWay(turn, key)) return;
  const ours = inCharge(turn, host.name, true);
  const holder = chargedWith(turn.state, turn.policy, host.name);
  const ending = turn.state.outbox.has(key);
  // It can still be recorded as we have told it.
  if (ending && (ours || holder === null || holder === turn.policy.watcher)) return;
  const { lastIncident, ...rest } = host.record;
  if (ours && lastIncident?.incident === record.incident) return turn.save(key, null, host.name);
  turn.take(key);
  turn.patchHost(host.name, { incident: record, ...(lastIncident?.incident === record.incident ? { record: rest } : {}) });
  if (turn.state.outbox.has(`host/${host.name}`)) turn.save(`host/${host.name}`, (turn.host(host.name) as HostState).record, host.name);
  turn.tell("charge", host.name, `${record.incident} is open again: its end is not on record${ours || holder === null ? "" : `, and ${holder} is in charge now`}`);
  turn.emit({ kind: "incident", record });
}

export type Phases = { readonly detectMs: number | null; readonly decideMs: number | null; readonly cutMs: number | null; readonly offMs: number | null; readonly bootMs: number | null; readonly totalMs: number | null };

/** The outage by phase, milliseconds of wall time; null where a phase was not reached. */
export function phasesOf(record: IncidentRecord): Phases {
  const between = (from: Stamp | null, to: Stamp | null): number | null => {
    if (from === null || to === null) return null;
    return from.bootId === to.bootId ? to.bootMs - from.bootMs : to.wallMs - from.wallMs;
  };
  return {
    detectMs: between(record.began, record.downAt),
    decideMs: between(record.downAt ?? record.began, record.offSentAt),
    cutMs: between(record.offSentAt, record.offConfirmedAt),
    offMs: between(record.offConfirmedAt ?? record.offSentAt, record.onConfirmedAt),
    bootMs: between(record.onConfirmedAt, record.endedAt),
    totalMs: between(record.began, record.endedAt),
  };
}
