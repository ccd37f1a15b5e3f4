// How an operation is left: to the next level, to on, or to its end, with the alarms that belong to that.
//
// Leaving is never allowed to forget: what was cut goes through on-sent first, whatever brakes there are (safety.md §3, 4.6–7).

import { heldBecause, over, raise } from "./alarms.ts";
import { brakesOn } from "./brakes.ts";
import { FROM_ZERO, freshRun } from "./fresh.ts";
import { closeIncident } from "./incident.ts";
import { allOutlets, commit, levelOf, names, operationKey, unlock } from "./operation.ts";
import { outletKey } from "./policy.ts";
import type { Hold, HostRecord, IncidentOutcome, Operation, OperationOutcome, OperationOutlet } from "./records.ts";
import { MAX_STAMPS } from "./records.ts";
import { isReturn, startEnded } from "./return-ledger.ts";
import { inSet, setsOf } from "./storm.ts";
import type { Turn } from "./state.ts";
import type { Stamp } from "./time.ts";

/** To on: always allowed, whatever brakes there are. */
export function goOn(turn: Turn, operation: Operation): void {
  if (operation.kind === "off" && operation.contradiction === null) return end(turn, operation, "held", operation.withdrawing ?? "off could not be confirmed", { kind: "unconfirmed", sticky: false });
  const cut = operation.kind === "off" ? levelOf(operation).map(outletKey) : operation.cut;
  commit(turn, { ...operation, phase: "on-sent", cut, phaseSince: turn.stamp }, null, null, []);
}

/** Leaves an operation before anything was cut at this level. */
export function leave(turn: Turn, operation: Operation, because: string): void {
  if (operation.cut.length > 0) return commit(turn, { ...operation, phase: "on-sent", withdrawing: because, phaseSince: turn.stamp }, null, null, []);
  end(turn, operation, "withdrawn", because, null);
}

export function unconfirmed(turn: Turn, operation: Operation, because: string): void {
  const record = turn.record(operation.host);
  if (record !== undefined) turn.patchRecord(operation.host, { unconfirmed: [...record.unconfirmed, turn.stamp].slice(-MAX_STAMPS) });
  turn.tell("off-unconfirmed", operation.host, `off is not confirmed: ${because}; power is being restored`);
  goOn(turn, { ...operation, offWasConfirmed: false });
}

export function mayEscalate(turn: Turn, operation: Operation): boolean {
  return operation.kind === "cycle" && operation.level + 1 < operation.levels.length && operation.withdrawing === null && operation.contradiction === null && whyBraked(turn, operation, false) === null && !(isReturn(operation) && turn.record(operation.host)?.careful?.state === "off");
}

export function nextLevel(turn: Turn, operation: Operation, because: string): void {
  const level = operation.level + 1;
  turn.tell("next-level", operation.host, `level ${operation.level + 1} did not help (${because}); level ${level + 1}: ${names(operation.levels[level] ?? [])}`);
  turn.patchRun(operation.id, { ...freshRun(turn.now, false) });
  commit(turn, { ...operation, phase: "intended", level, sent: [], sends: 0, offWasConfirmed: false, phaseSince: turn.stamp }, null, null, []);
}

/** The first brake in force against an off of this operation, or null. The second feed of one cut is not a second cut. */
export function whyBraked(turn: Turn, operation: Operation, sameCut = operation.sent.length > 0): string | null {
  const host = turn.host(operation.host);
  const policy = turn.hostPolicy(operation.host);
  if (host === undefined || policy === undefined) return "the host is no longer configured";
  // The name may mean another device since the file was edited; an off goes to the one that was recorded, or not at all.
  const other = levelOf(operation).find((each) => {
    const device = turn.policy.devices.get(each.device);
    return device === undefined || device.driver !== each.driver || device.address !== each.address;
  });
  if (other !== undefined) return `${other.device} is not the device any more that this operation recorded (${other.driver} at ${other.address})`;
  // Begun by a process before this one, at whatever level: start-up grace does not delay it.
  const resumed = operation.began.bootId !== turn.now.bootId || operation.began.bootMs < turn.state.startedAtMs;
  const brakes = brakesOn(host, policy, turn.state, turn.policy, turn.now, { operation: operation.id, resumed });
  const over: readonly string[] = operation.origin.kind === "manual" ? operation.origin.over : [];
  const standing = brakes.find((brake) => !over.includes(brake.name) && !(sameCut && (brake.name === "debounce" || brake.name === "boot")));
  return standing?.because ?? null;
}

export function end(turn: Turn, operation: Operation, outcome: OperationOutcome, because: string, hold: Pick<Hold, "kind" | "sticky"> | null, endedMs = turn.now.bootMs): void {
  for (const outlet of allOutlets(operation)) unlock(turn, outlet.device, operation.id);
  const operations = new Map(turn.state.operations);
  operations.delete(operation.id);
  const runs = new Map(turn.state.runs);
  runs.delete(operation.id);
  turn.patch({ operations, runs });
  // What was never recorded under this number may be somebody else's by now.
  if (turn.state.fleet === null || turn.state.revisions.has(operationKey(operation.id))) turn.save(operationKey(operation.id), null, operation.host);
  turn.patch({ revisions: turn.state.revisions.without(operationKey(operation.id)) });
  // What was owed without a charge is paid: the device belongs to whoever has it.
  if (turn.state.fleet !== null) for (const device of new Set(allOutlets(operation).map((outlet) => outlet.device))) {
    if (!turn.fleet.mine.has(device) && turn.policy.devices.has(device)) turn.emit({ kind: "hang-up", device, because: "this watcher is no longer in charge of it", cause: turn.causeOf(operation.host) });
  }
  const change: Partial<HostRecord> = { lastOperation: { id: operation.id, kind: operation.kind, at: turn.stamp, outcome } };
  turn.patchRecord(operation.host, hold === null ? change : { ...change, hold: { ...hold, because, since: turn.stamp } });
  const kind = outcome === "held" ? "held" : outcome === "recovered" ? "recovered" : outcome === "withdrawn" ? "withdrawn" : "done";
  const cause = turn.tell(kind, operation.host, `operation ${operation.id}: ${because}`);
  over(turn, `owed-on:${operation.host}`, `operation ${operation.id} has ended`);
  const host = turn.host(operation.host);
  if (host !== undefined) {
    turn.patchHost(operation.host, { operation: null, refusal: null, sinceMs: turn.now.bootMs, ...(operation.offAt === null ? {} : { counter: 0 }) });
    const closed = incidentOutcome(operation, outcome, host.incident?.downAt ?? null);
    if (closed !== null) closeIncident(turn, operation.host, closed, endedMs);
    // Back in service: whatever comes now is another suspicion.
    if (outcome === "recovered") turn.patchHost(operation.host, FROM_ZERO);
  }
  over(turn, `cut:${operation.host}`, outcome === "recovered" ? `${operation.host} is back in service (${operation.incident})` : `${operation.host}: ${because}`);
  if (outcome === "held") heldAlarm(turn, operation.host, operation.incident, because);
  startEnded(turn, operation, outcome, because);
  stopProceeding(turn, operation, outcome, cause);
}

/** What the end of an operation says of the incident; null: it goes on, or somebody else ends it. */
function incidentOutcome(operation: Operation, outcome: OperationOutcome, downAt: Stamp | null): IncidentOutcome | null {
  if (operation.kind === "on" || outcome === "held") return null;
  if (outcome === "recovered") return "recovered";
  if (outcome === "done") return "confirmed off";
  // A request that came to nothing was the whole incident, unless the host is down.
  return operation.origin.kind === "manual" && downAt === null ? "withdrawn" : null;
}

/** `storm proceed` stops at the first host that does not recover: held, or out of reach and still not healthy. */
function stopProceeding(turn: Turn, operation: Operation, outcome: OperationOutcome, cause: number): void {
  const last = turn.host(operation.host)?.last?.outcome;
  const failed = outcome === "held" || (outcome === "withdrawn" && !turn.state.stopping && (last === "bad" || last === "unknown"));
  if (!failed) return;
  const policy = turn.hostPolicy(operation.host);
  const sets = policy === undefined ? null : setsOf(policy);
  for (const [set, storm] of turn.state.storms) {
    if (storm.proceedBy === null || (sets !== null && !sets.includes(set))) continue;
    const next = { ...storm, proceedBy: null };
    turn.patch({ storms: new Map(turn.state.storms).set(set, next) });
    turn.save(`storm/${set}`, { v: 1, set, because: storm.because, since: storm.since, proceedBy: null, ...(storm.watcher === undefined ? {} : { watcher: storm.watcher }) });
    turn.tell("storm", null, `${operation.host} did not recover: the storm ${inSet(set)} holds again`, cause);
  }
}

export function heldAlarm(turn: Turn, host: string, incident: string | null, because: string): void {
  raise(turn, heldBecause(turn, host, incident, because));
}

export function owedAlarm(turn: Turn, operation: Operation, owed: readonly OperationOutlet[]): void {
  raise(turn, {
    alarm: `owed-on:${operation.host}`, kind: "owed-on", severity: "critical", host: operation.host, incident: operation.incident,
    happened: `${names(owed)} of ${operation.host} ${operation.kind === "on" ? "was to be switched on" : "was switched off by us"} and does not read on.`,
    done: "Upkeep goes on trying, at least once a minute.", asked: "Check the power device, or switch the outlet on by hand.",
  });
}
