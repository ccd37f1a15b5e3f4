// What waits to be recorded, with several watchers: one lane after the other, so that what is refused in one holds up nothing in
// the others. Our session first, then what we are in charge of, then words, then what concerns everybody, then hosts. What concerns
// a host goes out only while we are in charge of it, and waits otherwise; of what another has written meanwhile nothing is left
// here (mirror.ts).

import type { Write } from "./io.ts";
import type { AnyRecord, RecordKey } from "./records.ts";
import type { Reply, Turn } from "./state.ts";
import { chargesOf, inCharge, kindOf, leaseHolds, META, nameOf, transact } from "./transaction.ts";

const LANES: readonly (readonly string[])[] = [["alive", "watcher"], ["charge"], ["vote", "ballot", "guard", "ask"], ["brake", "storm", "meta", "ack", "alarm", "agent", "door"]];
/** A transaction of etcd has at most 128 operations, guards apart. */
const WRITES_MAX = 48;

/** Sends the next batch. Replies wait for all that stands in the outbox now. */
export function flushLanes(turn: Turn): void {
  loseReplies(turn);
  const { fleet, underWay, queue, outbox, outboxReplies } = turn.state;
  if (fleet === null || underWay !== null || queue.length > 0 || !leaseHolds(turn)) return;
  // So it is after almost every step.
  if (outbox.size === 0) return answerUnrecorded(turn);
  const batch = nextBatch(turn);
  if (batch.length === 0) return answerUnrecorded(turn);
  const hosts = new Set(batch.map((key) => turn.state.outboxHosts.get(key)).filter((host) => host !== undefined));
  const guards = new Set<RecordKey>([...hosts].flatMap((host) => chargesOf(turn, host)));
  // An operation of nobody's (time went back) is deleted as it was found, or not at all.
  for (const key of batch) if (GUARDED_BY_ITSELF.has(kindOf(key)) || (kindOf(key) === "op" && !turn.state.outboxHosts.has(key))) guards.add(key);
  // A remedy is held back by a brake that nobody here has heard of yet, as an off is.
  if (batch.some((key) => kindOf(key) === "host" && turn.host(nameOf(key))?.remedy?.phase === "recording")) guards.add(META);
  // A command is answered when the last of what it changed is on record.
  const last = batch.length === [...outbox.keys()].filter((key) => sendable(turn, key)).length;
  const replies: readonly Reply[] = last ? outboxReplies : [];
  const txn = turn.id();
  const keys = new Map<RecordKey, AnyRecord | null>(batch.map((key) => [key, outbox.get(key) ?? null]));
  turn.pend(txn, { kind: "outbox", keys, hosts: new Map([...turn.state.outboxHosts].filter(([key]) => keys.has(key))), replies });
  if (last) turn.patch({ outboxReplies: [] });
  for (const key of batch) turn.take(key);
  const writes: Write[] = [...keys].map(([key, value]) => ({ key, value }));
  transact(turn, { txn, decided: false, swap: null, guards: [...guards].map((key) => ({ key, revision: null })), writes, because: "what was learned survives", cause: turn.state.lastCause });
}

const GUARDED_BY_ITSELF = new Set(["alive", "charge", "watcher", "ask", "storm", "agent", "lease"]);

function sendable(turn: Turn, key: RecordKey): boolean {
  const host = turn.state.outboxHosts.get(key);
  return host === undefined || inCharge(turn, host, true);
}

function nextBatch(turn: Turn): readonly RecordKey[] {
  const keys = [...turn.state.outbox.keys()].filter((key) => sendable(turn, key));
  for (const lane of LANES) {
    const found = keys.filter((key) => lane.includes(kindOf(key)) && !(lane.includes("meta") && turn.state.outboxHosts.has(key)));
    if (lane.includes("charge")) {
      if (found.length > 0) return found.slice(0, WRITES_MAX);
    } else if (found.some((key) => kindOf(key) !== "meta")) return found.slice(0, WRITES_MAX);
  }
  // Of one host all that hangs together, or nothing.
  const byHost = new Map<string, RecordKey[]>();
  const batch: RecordKey[] = [];
  for (const key of keys) {
    const host = turn.state.outboxHosts.get(key);
    if (host === undefined) continue;
    byHost.set(host, [...(byHost.get(host) ?? []), key]);
  }
  for (const ofHost of byHost.values()) {
    if (batch.length > 0 && batch.length + ofHost.length > WRITES_MAX) break;
    batch.push(...ofHost);
  }
  if (batch.length > 0 || keys.length === 0) return batch;
  return keys.slice(0, WRITES_MAX);
}

/** Whoever is no longer in charge of a host cannot say that what he was asked to do there is on record. */
function loseReplies(turn: Turn): void {
  const { outboxReplies } = turn.state;
  const lost = outboxReplies.filter(({ host }) => host !== undefined && turn.host(host) !== undefined && !inCharge(turn, host, true));
  if (lost.length === 0) return;
  turn.patch({ outboxReplies: outboxReplies.filter((reply) => !lost.includes(reply)) });
  for (const reply of lost) deliver(turn, reply.exit === 0 ? { ...reply, exit: 5, text: `${reply.text}; but this watcher is no longer in charge of ${reply.host}: whether that is on record shows upkeep status` } : reply);
}

/** Nothing can be sent: what was asked has changed nothing, or nothing that is ours to write. */
function answerUnrecorded(turn: Turn): void {
  const { outboxReplies, pending } = turn.state;
  if (outboxReplies.length === 0) return;
  const last = [...pending].at(-1);
  turn.patch({ outboxReplies: [] });
  if (last !== undefined) return turn.pend(last[0], { ...last[1], replies: [...last[1].replies, ...outboxReplies] });
  for (const reply of outboxReplies) deliver(turn, reply);
}

/** To the person who asked, or to the watcher that he asked. */
export function deliver(turn: Turn, given: Reply): void {
  const { ask, host: _, lease: ___, ...reply } = given;
  if (ask === undefined) return turn.emit({ kind: "reply", ...reply });
  // Whoever asked has given up by now.
  if (!turn.fleet.asks.has(ask.id)) return;
  const { id: __, ...answer } = reply;
  turn.save(`ask/${ask.id}`, { ...ask, answer });
}
