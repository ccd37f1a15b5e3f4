// Calling a person is a safety action (safety.md §4.10): an alarm is raised once, repeated until it is acknowledged or over,
// and always followed by word that it is over. What carries it (mail, a command) is the shell's affair.

import type { Alarm } from "./io.ts";
import type { Turn } from "./state.ts";

export function raise(turn: Turn, alarm: Alarm): void {
  const known = turn.state.alarms.get(alarm.alarm);
  if (known !== undefined && known.alarm.happened === alarm.happened) return;
  const cause = turn.tell("alarm", alarm.host, `${alarm.alarm}: ${alarm.happened}`);
  const acknowledged = known === undefined ? turn.state.acks.has(alarm.alarm) : known.acknowledged;
  turn.patch({ alarms: new Map(turn.state.alarms).set(alarm.alarm, { alarm, lastMs: turn.now.bootMs, acknowledged }) });
  turn.emit({ kind: "alarm", alarm, again: known !== undefined, because: alarm.happened, cause });
  turn.wake("alarms", turn.now.bootMs + turn.policy.limits.alarmEveryMs);
}

export function over(turn: Turn, key: string, because: string): void {
  const known = turn.state.alarms.get(key);
  if (known === undefined) return;
  const alarms = new Map(turn.state.alarms);
  alarms.delete(key);
  turn.patch({ alarms });
  const host = known.alarm.host !== null && turn.host(known.alarm.host) !== undefined ? known.alarm.host : null;
  const cause = turn.tell("alarm-over", host, because);
  turn.emit({ kind: "alarm-over", alarm: known.alarm, because, cause });
  forget(turn, key);
}

/** Sends again what nobody has acknowledged. */
export function remind(turn: Turn): void {
  const everyMs = turn.policy.limits.alarmEveryMs;
  for (const [key, known] of turn.state.alarms) {
    if (known.acknowledged) continue;
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
