// Calling a person is a safety action (safety.md §4.10): an alarm is raised once, repeated until it is acknowledged or over,
// and always followed by word that it is over. It is a record: a restart repeats what nobody has acknowledged (whoever
// carried it may have died with it), is quiet about the rest, and forgets no end. Mail or a command is the shell's affair.

import type { Alarm } from "./io.ts";
import type { AlarmRecord } from "./records.ts";
import { isFirst } from "./roster.ts";
import type { AlarmState, Turn } from "./state.ts";
import { inCharge } from "./transaction.ts";

export function raise(turn: Turn, alarm: Alarm): void {
  const known = turn.state.alarms.get(alarm.alarm);
  if (known !== undefined && known.alarm.happened === alarm.happened) return;
  const cause = turn.tell("alarm", alarm.host, `${alarm.alarm}: ${alarm.happened}`);
  // Other news under the same name has not been acknowledged by anybody.
  forget(turn, alarm.alarm);
  turn.patch({ alarms: new Map(turn.state.alarms).set(alarm.alarm, { alarm, lastMs: turn.now.bootMs, acknowledged: false, ...(turn.state.fleet === null ? {} : { watcher: turn.policy.watcher }) }) });
  turn.save(`alarm/${alarm.alarm}`, { v: 1, alarm, since: turn.stamp, ...(turn.state.fleet === null ? {} : { watcher: turn.policy.watcher }) }, alarm.host);
  turn.emit({ kind: "alarm", alarm, again: known !== undefined, because: alarm.happened, cause });
  turn.wake("alarms", turn.now.bootMs + turn.policy.limits.alarmEveryMs);
}

/** A host is held. */
export function heldBecause(turn: Turn, host: string, incident: string | null, because: string): Alarm {
  return {
    alarm: `held:${host}`, kind: "held", severity: "critical", host, incident,
    happened: `${host} is held: ${because}.`, done: "Upkeep will not cut its power again by itself.",
    asked: `${turn.record(host)?.hold?.kind === "contradicted" ? `Find out which outlet really feeds ${host}` : "Look at it"}, then: upkeep release ${host}`,
  };
}

/** Raises an alarm whose reason changes by the minute: once it is out, only the next reminder says it in the new words. */
export function raiseQuietly(turn: Turn, alarm: Alarm): void {
  const known = turn.state.alarms.get(alarm.alarm);
  if (known === undefined) return raise(turn, alarm);
  if (known.alarm.happened === alarm.happened) return;
  turn.patch({ alarms: new Map(turn.state.alarms).set(alarm.alarm, { ...known, alarm }) });
  turn.save(`alarm/${alarm.alarm}`, { v: 1, alarm, since: turn.stamp, ...(turn.state.fleet === null ? {} : { watcher: turn.policy.watcher }) }, alarm.host);
}

/** Takes the alarms up that were open when the process before this one ended. */
export function takeUp(turn: Turn, records: readonly AlarmRecord[]): void {
  const known = new Map<string, AlarmState>();
  for (const { alarm, watcher } of records) known.set(alarm.alarm, { ...(watcher === undefined ? {} : { watcher }), alarm, lastMs: turn.now.bootMs, acknowledged: turn.state.acks.has(alarm.alarm) });
  turn.patch({ alarms: known });
}

/** Says those again that nobody has acknowledged; the last thing that a start does. */
export function repeat(turn: Turn, records: readonly AlarmRecord[]): void {
  for (const { alarm } of records) {
    const known = turn.state.alarms.get(alarm.alarm);
    // A cut asks nothing of anybody; its end is told.
    if (known === undefined || known.acknowledged || alarm.kind === "cut" || known.alarm.happened !== alarm.happened) continue;
    turn.emit({ kind: "alarm", alarm: known.alarm, again: true, because: known.alarm.happened, cause: turn.causeOf(known.alarm.host) });
    turn.wake("alarms", turn.now.bootMs + turn.policy.limits.alarmEveryMs);
  }
}

export function over(turn: Turn, key: string, because: string): void {
  const known = turn.state.alarms.get(key);
  if (known === undefined || !mayEnd(turn, known)) return;
  const alarms = new Map(turn.state.alarms);
  alarms.delete(key);
  turn.patch({ alarms });
  turn.save(`alarm/${key}`, null, known.alarm.host);
  const host = known.alarm.host !== null && turn.host(known.alarm.host) !== undefined ? known.alarm.host : null;
  const cause = turn.tell("alarm-over", host, because);
  turn.emit({ kind: "alarm-over", alarm: known.alarm, because, cause });
  forget(turn, key);
}

/** What concerns a host is the affair of the watcher in charge of it. */
function mayEnd(turn: Turn, { alarm }: AlarmState): boolean {
  return alarm.host === null || turn.hostPolicy(alarm.host) === undefined || inCharge(turn, alarm.host, true);
}

/** Who reminds people: the watcher in charge, or who raised it, or when he is gone the first of the others. */
function reminds(turn: Turn, known: AlarmState): boolean {
  const { fleet } = turn.state;
  if (fleet === null) return true;
  if (known.alarm.host !== null && turn.hostPolicy(known.alarm.host) !== undefined) return inCharge(turn, known.alarm.host, true);
  return known.watcher === turn.policy.watcher || (!fleet.alive.has(known.watcher ?? "") && isFirst(turn));
}

/** Sends again what nobody has acknowledged. */
export function remind(turn: Turn): void {
  const everyMs = turn.policy.limits.alarmEveryMs;
  for (const [key, known] of turn.state.alarms) {
    if (known.acknowledged || !reminds(turn, known)) continue;
    const dueMs = known.lastMs + everyMs;
    if (turn.now.bootMs < dueMs) {
      turn.wake("alarms", dueMs);
      continue;
    }
    turn.patch({ alarms: new Map(turn.state.alarms).set(key, { ...known, lastMs: turn.now.bootMs }) });
    turn.emit({ kind: "alarm", alarm: known.alarm, again: true, because: known.alarm.happened, cause: turn.causeOf(known.alarm.host) });
    turn.wake("alarms", turn.now.bootMs + everyMs);
  }
}

/** Returns false when there is no such alarm. */
export function acknowledge(turn: Turn, key: string, by: string): boolean {
  const known = turn.state.alarms.get(key);
  if (known === undefined) return false;
  turn.patch({ alarms: new Map(turn.state.alarms).set(key, { ...known, acknowledged: true }), acks: new Set(turn.state.acks).add(key) });
  turn.save(`ack/${key}`, { v: 1, alarm: key, by, at: turn.stamp });
  turn.tell("acknowledged", known.alarm.host, `${key} was acknowledged by ${by}`);
  return true;
}

function forget(turn: Turn, key: string): void {
  if (!turn.state.acks.has(key)) return;
  const acks = new Set(turn.state.acks);
  acks.delete(key);
  turn.patch({ acks });
  turn.save(`ack/${key}`, null);
}
