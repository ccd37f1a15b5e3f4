// An incident: from the first bad sign of a suspicion that became "down" (or of a manual fence) to back in service. It has
// a name that can be said on the telephone, and keeps the moments from which the outage by phase is computed.

import { proquint, scatter } from "./proquint.ts";
import type { IncidentOutcome, IncidentRecord } from "./records.ts";
import type { Turn } from "./state.ts";
import type { Stamp } from "./time.ts";

/** Opens an incident for a host that has none; otherwise returns the open one. */
export function openIncident(turn: Turn, name: string, firstSign: string, beganMs: number | null): IncidentRecord | null {
  const host = turn.host(name);
  if (host === undefined) return null;
  if (host.incident !== null) return host.incident;
  const { meta } = turn.state;
  const incident = proquint(scatter(turn.state.ledger + meta.nextIncident));
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

/** Closes the incident; a closed one lives on in the history only. */
export function closeIncident(turn: Turn, name: string, outcome: IncidentOutcome, endedMs = turn.now.bootMs): void {
  const record = turn.host(name)?.incident ?? null;
  if (record === null) return;
  turn.patchHost(name, { incident: null });
  turn.save(`incident/${record.incident}`, null, name);
  turn.emit({ kind: "incident", record: { ...record, endedAt: { ...turn.stamp, bootMs: endedMs, wallMs: turn.stamp.wallMs - (turn.stamp.bootMs - endedMs) }, outcome } });
}

/** Closes the incident of a host that is not configured any more. */
export function abandon(turn: Turn, record: IncidentRecord): void {
  turn.save(`incident/${record.incident}`, null);
  turn.emit({ kind: "incident", record: { ...record, endedAt: turn.stamp, outcome: "no longer watched" } });
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
