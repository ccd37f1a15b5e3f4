// Time and brakes (safety.md §3.5, 3.8). A brake that ends by time does not free the off on a host that is not healthy: that
// host is held until it is seen healthy or released, so that a maintenance which ran out at night does not end in a cut.

import { over, raise } from "./alarms.ts";
import { EVERYTHING } from "./brake-records.ts";
import { heldAlarm } from "./ending.ts";
import type { BrakeRecord, HostRecord, RecordKey } from "./records.ts";
import type { HostState, Turn } from "./state.ts";
import type { Deadline, Stamp } from "./time.ts";
import { ageMs, corrected, leftMs } from "./time.ts";
import { isFirst } from "./roster.ts";
import { inCharge, isUnderWay, leaseHolds } from "./transaction.ts";
import { inWords } from "./words.ts";

const JUMP_MS = 60_000;
const NAG_AFTER_MS = 3_600_000;
/** With several watchers: how long a brake that was ended by hand stays, marked, for everybody to see it. */
const MARKED_FOR_MS = 60_000;

export function expire(turn: Turn): void {
  for (const [key, brake] of turn.state.brakes) {
    if (brake.endedBy !== undefined) {
      if (ageMs(brake.since, turn.now) >= MARKED_FOR_MS && isFirst(turn)) remove(turn, key);
      continue;
    }
    if (brake.kind === "disarmed" && isFirst(turn)) nag(turn, brake);
    if (brake.until === null || leftMs(brake.until, turn.now) > 0) continue;
    const holds = brake.kind !== "going-down" && brake.kind !== "kdump";
    // Right after a start nobody can say yet who is healthy: it holds until each has been looked at once.
    if (holds && covered(turn, brake).some((host) => host.last === null && inCharge(turn, host.name))) continue;
    // Without a session it cannot be ended for the others, and so it is not.
    if (!leaseHolds(turn)) continue;
    remove(turn, key);
    turn.tell("brake-ended", turn.host(brake.scope)?.name ?? null, `${brake.kind} by ${brake.by} has run out`);
    if (brake.kind === "disarmed") over(turn, `disarmed:${brake.scope}`, "armed again: its time has run out");
    if (holds) holdTheSick(turn, brake);
  }
}

function remove(turn: Turn, key: RecordKey): void {
  const brakes = new Map(turn.state.brakes);
  brakes.delete(key);
  turn.patch({ brakes });
  turn.save(key, null);
}

function covered(turn: Turn, brake: BrakeRecord): readonly HostState[] {
  return [...turn.state.hosts.values()].filter((host) => brake.scope === EVERYTHING || brake.scope === host.name);
}

/** Also while an operation runs: what it would cut next is not freed either. */
export function holdTheSick(turn: Turn, brake: BrakeRecord): void {
  for (const host of covered(turn, brake)) {
    const { name } = host;
    const healthy = host.last !== null && (host.last.outcome === "good" || host.last.outcome === "slow") && host.counter === 0;
    if (!inCharge(turn, name, true)) continue;
    // One that was never seen healthy is not cut anyway, and needs nobody at night.
    if (healthy || host.record.hold !== null || host.record.learned.seenHealthyAt === null) continue;
    // Down by its own announcement is as it should be; it is started by the return of power, and by nothing else.
    if ((host.record.careful ?? null) !== null) continue;
    const because = `${brake.kind} ran out while it was not healthy`;
    turn.patchRecord(name, { hold: { kind: "expired", because, since: turn.stamp, sticky: false } });
    turn.tell("held", name, because);
    heldAlarm(turn, name, host.incident?.incident ?? null, because);
  }
}

/**
 * Two people have spoken of the same brake at two watchers, and neither knew of the other: of two that were put on the longer holds,
 * and one that was put on holds against the end of the one before. Ours, if it is that, is still to be recorded; otherwise not any more.
 */
export function outlasts(turn: Turn, key: RecordKey, theirs: BrakeRecord): boolean {
  const ours = turn.state.brakes.get(key);
  if (ours === undefined || !(turn.state.outbox.get(key) === ours || isUnderWay(turn, key))) return false;
  const left = (brake: BrakeRecord): number => (brake.endedBy !== undefined ? -1 : brake.until === null ? Infinity : leftMs(brake.until, turn.now));
  if (left(ours) > left(theirs)) return true;
  turn.take(key);
  return false;
}

function nag(turn: Turn, brake: BrakeRecord): void {
  // After time went back another alarm says so, and asks for more.
  if (ageMs(brake.since, turn.now) < NAG_AFTER_MS || turn.state.alarms.has("time-went-back")) return;
  const what = brake.scope === EVERYTHING ? "The whole fleet" : brake.scope;
  raise(turn, {
    alarm: `disarmed:${brake.scope}`, kind: "disarmed", severity: "info", host: turn.host(brake.scope)?.name ?? null, incident: null,
    happened: `${what} was disarmed by ${brake.by}${brake.reason === "" ? "" : ` (${brake.reason})`}.`, done: "It is watched, and nothing is cut.",
    asked: `To arm it: upkeep arm ${brake.scope === EVERYTHING ? "--all" : brake.scope}`,
  });
}

/**
 * A jump of the wall clock against the boot-time clock, or the moment in which it becomes synchronised: what was stamped in
 * this boot is corrected, so that after a reboot its age is right. While the clock is not synchronised nothing is touched:
 * what was stamped before may have been right, and what is stamped now says that it may be wrong.
 */
export function followWallClock(turn: Turn): void {
  const { now } = turn;
  const offsetMs = now.wallMs - now.bootMs;
  const jumpMs = offsetMs - turn.state.offsetMs;
  const gained = now.synced && !turn.state.synced;
  if (jumpMs !== 0 || now.synced !== turn.state.synced) turn.patch({ offsetMs, synced: now.synced });
  if (Math.abs(jumpMs) > JUMP_MS) {
    turn.tell("clock", null, `the wall clock jumped by ${jumpMs < 0 ? "minus " : ""}${inWords(Math.abs(jumpMs))}; deadlines follow the boot-time clock`);
  } else if (!gained) return;
  if (now.synced) correctStamps(turn);
}

function correctStamps(turn: Turn): void {
  const right = (at: Stamp): Stamp => corrected(at, turn.now);
  const rightDeadline = (until: Deadline | null): Deadline | null => (until === null ? null : { ...until, at: right(until.at) });
  for (const [key, brake] of turn.state.fleet === null ? turn.state.brakes : []) {
    const next: BrakeRecord = { ...brake, since: right(brake.since), until: rightDeadline(brake.until) };
    if (next.since === brake.since && next.until?.at === brake.until?.at) continue;
    turn.patch({ brakes: new Map(turn.state.brakes).set(key, next) });
    turn.save(key as RecordKey, next);
  }
  for (const host of turn.state.hosts.values()) if (inCharge(turn, host.name)) correctRecord(turn, host.name, host.record, right);
  if (turn.state.fleet === null) for (const [name, stranger] of turn.state.strangers) correctRecord(turn, name, stranger, right);
}

function correctRecord(turn: Turn, name: string, host: HostRecord, right: (at: Stamp) => Stamp): void {
  let changed = false;
  const each = <At extends Stamp | null>(at: At): At | Stamp => {
    const next = at === null ? at : right(at);
    changed ||= next !== at;
    return next;
  };
  const change: Partial<HostRecord> = {
    cycles: host.cycles.map(each),
    unconfirmed: host.unconfirmed.map(each),
    forgiven: host.forgiven.map(each),
    lastEdge: each(host.lastEdge),
    lastKdump: each(host.lastKdump),
    ...(host.careful === null || host.careful === undefined ? {} : { careful: { ...host.careful, since: each(host.careful.since), lastSign: each(host.careful.lastSign), began: each(host.careful.began) } }),
    hold: host.hold === null ? null : { ...host.hold, since: each(host.hold.since) },
    lastOperation: host.lastOperation === null ? null : { ...host.lastOperation, at: each(host.lastOperation.at) },
  };
  if (changed) turn.patchRecord(name, change);
}
