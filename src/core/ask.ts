// A person asks the watcher that he happens to talk to; who is in charge of the host carries it out (ADR 8.12). The request
// travels as a record and is answered in it. Nobody carries out one that it has not seen come, and none that is old.

import type { Command } from "./io.ts";
import type { Answer, AskRecord, RecordKey } from "./records.ts";
import { leaseConcerns } from "./leases.ts";
import { chargedWith, isFirst } from "./roster.ts";
import type { Turn } from "./state.ts";
import { inCharge, leaseHolds } from "./transaction.ts";

/** How long the answer of another watcher is waited for. */
const ANSWER_WITHIN_MS = 30_000;
/** Nobody waits any more for the answer to a request whose watcher has been gone for as long. */
const LEFT_MS = 60_000;

/** The host whose watcher has to carry this out itself; null: any watcher can. */
export function concerns(turn: Pick<Turn, "state">, command: Command): string | null {
  switch (command.kind) {
    case "fence":
    case "power":
    case "confirm-off":
    case "release":
    case "careful":
      return command.host;
    case "careful-return":
      return command.host;
    case "brake":
      return command.brake === "kdump" ? command.scope : null;
    case "lease-grant":
    case "lease-release":
    case "lease-move":
      return leaseConcerns(turn, command);
    default:
      return null;
  }
}

/** Why this watcher can take no request at all; null: it can. */
export function cannotTake(turn: Turn): string | null {
  if (turn.state.fleet === null || leaseHolds(turn)) return null;
  return "this watcher has no session in the store, and nothing could be recorded: ask another one, or look why (upkeep status)";
}

/** Hands a request on. Returns an answer when that is not possible. */
export function passOn(turn: Turn, id: number, by: string, command: Command, host: string): Answer | null {
  const holder = chargedWith(turn.state, turn.policy, host);
  if (holder === null || !turn.fleet.alive.has(holder)) return { exit: 4, text: `no watcher is in charge of ${host} at present: try again in a moment`, incident: null, operation: null, confirm: null };
  const name = `${turn.fleet.life}-${id}`;
  const record: AskRecord = { v: 1, id: name, at: turn.stamp, watcher: turn.policy.watcher, by: `${by} at ${turn.policy.watcher}`, command, answer: null };
  turn.save(`ask/${name}`, record);
  const untilMs = turn.now.bootMs + ANSWER_WITHIN_MS;
  turn.patchFleet({ waiting: new Map(turn.fleet.waiting).set(name, { id, untilMs }) });
  turn.tell("command", host, `${by} asks: handed to ${holder}, which is in charge`);
  turn.wake("fleet", untilMs);
  return null;
}

/** A request of another watcher: ours to carry out, or not. */
export function answerAsk(turn: Turn, record: AskRecord): void {
  const host = concerns(turn, record.command);
  if (host === null || record.watcher === turn.policy.watcher || !inCharge(turn, host)) return;
  turn.patch({ asked: [...turn.state.asked, record] });
}

/** The answer to one of ours. */
export function askAnswered(turn: Turn, record: AskRecord): void {
  const waits = turn.fleet.waiting.get(record.id);
  if (waits === undefined || record.answer === null) return;
  const waiting = new Map(turn.fleet.waiting);
  waiting.delete(record.id);
  turn.patchFleet({ waiting });
  turn.emit({ kind: "reply", id: waits.id, ...record.answer });
  turn.save(`ask/${record.id}`, null);
}

/** Requests that nobody has answered in time, and those that somebody left lying. */
export function expireAsks(turn: Turn): void {
  for (const [name, { id, untilMs }] of turn.fleet.waiting) {
    if (turn.now.bootMs < untilMs) continue;
    const waiting = new Map(turn.fleet.waiting);
    waiting.delete(name);
    turn.patchFleet({ waiting });
    const key: RecordKey = `ask/${name}`;
    if (turn.state.outbox.has(key)) turn.take(key);
    else turn.save(key, null);
    turn.emit({ kind: "reply", id, exit: 5, text: "the watcher in charge has not answered: whether it was done is not known (upkeep status)", incident: null, operation: null, confirm: null });
  }
  if (turn.fleet.asks.size === 0 || !isFirst(turn)) return;
  for (const [name, { seenMs }] of turn.fleet.asks) {
    // Whoever asked has given up by now, in this life or in an earlier one.
    if (turn.now.bootMs - seenMs < LEFT_MS) continue;
    const asks = new Map(turn.fleet.asks);
    asks.delete(name);
    turn.patchFleet({ asks });
    turn.save(`ask/${name}`, null);
  }
}
