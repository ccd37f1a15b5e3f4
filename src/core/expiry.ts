// Time and brakes (safety.md §3.5, 3.8). A brake that ends by time does not free the off on a host that is not healthy: that
// host is held until it is seen healthy or released, so that a maintenance which ran out at night does not end in a cut.

import { over, raise } from "./alarms.ts";
import { EVERYTHING } from "./brake-records.ts";
import { heldAlarm } from "./ending.ts";
import type { BrakeRecord, HostRecord, RecordKey } from "./records.ts";
import type { Turn } from "./state.ts";
import type { Deadline, Stamp } from "./time.ts";
import { ageMs, leftMs, shifted } from "./time.ts";
import { inWords } from "./words.ts";

const JUMP_MS = 60_000;
const NAG_AFTER_MS = 3_600_000;

export function expire(turn: Turn): void {
  for (const [key, brake] of turn.state.brakes) {
    if (brake.kind === "disarmed") nag(turn, brake);
    if (brake.until === null || leftMs(brake.until, turn.now) > 0) continue;
    const brakes = new Map(turn.state.brakes);
    brakes.delete(key);
    turn.patch({ brakes });
    turn.save(key, null);
    turn.tell("brake-ended", turn.host(brake.scope)?.name ?? null, `${brake.kind} by ${brake.by} has run out`);
    if (brake.kind === "disarmed") over(turn, `disarmed:${brake.scope}`, "armed again: its time has run out");
    if (brake.kind !== "going-down" && brake.kind !== "kdump") holdTheSick(turn, brake);
  }
}

function holdTheSick(turn: Turn, brake: BrakeRecord): void {
  for (const name of turn.state.hosts.keys()) {
    const host = turn.host(name);
    if (host === undefined || (brake.scope !== EVERYTHING && brake.scope !== name)) continue;
    const healthy = host.last !== null && (host.last.outcome === "good" || host.last.outcome === "slow") && host.counter === 0;
    if (healthy || host.operation !== null || host.record.hold !== null) continue;
    const because = `${brake.kind} ran out while it was not healthy`;
    turn.patchRecord(name, { hold: { kind: "expired", because, since: turn.stamp, sticky: false } });
    turn.tell("held", name, because);
    if (host.record.learned.seenHealthyAt !== null) heldAlarm(turn, name, host.incident?.incident ?? null, because);
  }
}

function nag(turn: Turn, brake: BrakeRecord): void {
  if (ageMs(brake.since, turn.now) < NAG_AFTER_MS) return;
  const what = brake.scope === EVERYTHING ? "The whole fleet" : brake.scope;
  raise(turn, {
    alarm: `disarmed:${brake.scope}`, kind: "disarmed", severity: "info", host: turn.host(brake.scope)?.name ?? null, incident: null,
    happened: `${what} was disarmed by ${brake.by}${brake.reason === "" ? "" : ` (${brake.reason})`}.`, done: "It is watched, and nothing is cut.",
    asked: `To arm it: upkeep arm ${brake.scope === EVERYTHING ? "--all" : brake.scope}`,
  });
}

/** A jump of the wall clock against the boot-time clock moves what was stamped in this boot along with it. */
export function followWallClock(turn: Turn): void {
  const offsetMs = turn.now.wallMs - turn.now.bootMs;
  const jumpMs = offsetMs - turn.state.offsetMs;
  if (Math.abs(jumpMs) <= JUMP_MS) {
    // Slewing is followed silently, so that many small corrections never add up to a jump.
    if (jumpMs !== 0) turn.patch({ offsetMs });
    return;
  }
  turn.patch({ offsetMs });
  turn.tell("clock", null, `the wall clock jumped by ${jumpMs < 0 ? "minus " : ""}${inWords(Math.abs(jumpMs))}; deadlines follow the boot-time clock`);
  const move = (at: Stamp): Stamp => shifted(at, jumpMs, turn.now);
  const moveDeadline = (until: Deadline | null): Deadline | null => (until === null ? null : { ...until, at: move(until.at) });
  for (const [key, brake] of turn.state.brakes) {
    const next: BrakeRecord = { ...brake, since: move(brake.since), until: moveDeadline(brake.until) };
    turn.patch({ brakes: new Map(turn.state.brakes).set(key, next) });
    turn.save(key as RecordKey, next);
  }
  const record = (host: HostRecord): Partial<HostRecord> => ({
    cycles: host.cycles.map(move),
    unconfirmed: host.unconfirmed.map(move),
    lastEdge: host.lastEdge === null ? null : move(host.lastEdge),
    hold: host.hold === null ? null : { ...host.hold, since: move(host.hold.since) },
    lastOperation: host.lastOperation === null ? null : { ...host.lastOperation, at: move(host.lastOperation.at) },
  });
  for (const host of turn.state.hosts.values()) turn.patchRecord(host.name, record(host.record));
  for (const [name, stranger] of turn.state.strangers) turn.patchRecord(name, record(stranger));
}
