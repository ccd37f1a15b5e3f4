// How a transaction leaves. Alone, it goes out at once. With several watchers one is under way at a time, and each is guarded by the
// charges of the hosts that it speaks of (ADR 8.2) and, where it may hold an off back or let one go, by `meta/ledger` (ADR 8.6).
// What rests on a decision is guarded by the revisions that were known when it was taken.

import type { Write } from "./io.ts";
import type { IncidentRecord, RecordKey } from "./records.ts";
import type { Transaction, Turn } from "./state.ts";
import { unitsOf } from "./units.ts";

export const META: RecordKey = "meta/ledger";
/** Kinds that may hold an off back: who writes one moves the line that every swap is guarded by. */
const HOLDS_BACK = new Set(["brake", "storm", "watcher"]);

export function kindOf(key: string): string {
  return key.slice(0, key.indexOf("/"));
}

export function nameOf(key: string): string {
  return key.slice(key.indexOf("/") + 1);
}

/** Whether this watcher's lease holds at this moment, by its own clock; alone it needs none. */
export function leaseHolds(turn: Pick<Turn, "state" | "now">): boolean {
  const { fleet } = turn.state;
  return fleet === null || (fleet.heldUntilMs !== null && turn.now.bootMs < fleet.heldUntilMs);
}

/** Whether the power of this host is ours to read and switch, and its records to write. `orYielding`: what has begun may still be recorded. */
export function inCharge(turn: Pick<Turn, "state" | "now" | "policy">, host: string, orYielding = false): boolean {
  const { fleet } = turn.state;
  if (fleet === null) return true;
  const unit = unitsOf(turn.policy).ofHost.get(host)?.name;
  return unit !== undefined && leaseHolds(turn) && fleet.held.has(unit) && (orYielding || !fleet.yielding.has(unit));
}

/** The `charge/…` records that guard what is written about a host. */
export function chargesOf(turn: Pick<Turn, "policy">, host: string): readonly RecordKey[] {
  const policy = turn.policy.hosts.get(host);
  if (policy === undefined) return [];
  const devices = new Set(policy.levels.flat().map((outlet) => outlet.device));
  return devices.size === 0 ? [`charge/host=${host}`] : [...devices].map((device): RecordKey => `charge/${device}`);
}

export function transact(turn: Turn, transaction: Transaction): void {
  const { fleet, underWay, queue } = turn.state;
  if (fleet === null) {
    const { decided: _, swap: __, ...alone } = transaction;
    return turn.emit({ kind: "store", ...alone });
  }
  // The line is drawn where it was decided: a brake that comes in before this is sent makes it fail.
  const line = transaction.decided && movesTheLine(transaction) ? [{ key: META, revision: turn.state.revisions.get(META) ?? null }] : [];
  const drawn = { ...transaction, guards: [...transaction.guards, ...line] };
  if (underWay !== null) return turn.patch({ queue: [...queue, drawn] });
  send(turn, drawn);
}

function movesTheLine({ writes }: Transaction): boolean {
  return writes.some(({ key }) => key === META || HOLDS_BACK.has(kindOf(key)));
}

/** A write of this key has been sent, and its answer will say what became of it. */
export function isUnderWay(turn: Pick<Turn, "state">, key: RecordKey): boolean {
  return turn.state.underWay?.writes.some((write) => write.key === key) === true;
}

/** A write of this key has been sent or waits to be, with whatever else. */
export function isOnItsWay(turn: Pick<Turn, "state">, key: RecordKey): boolean {
  return isUnderWay(turn, key) || turn.state.queue.some(({ writes }) => writes.some((write) => write.key === key));
}

/** The one before has been answered. */
export function sendNext(turn: Turn): void {
  const [next, ...queue] = turn.state.queue;
  if (next === undefined || turn.state.underWay !== null) return;
  turn.patch({ queue });
  send(turn, next);
}

function send(turn: Turn, transaction: Transaction): void {
  const { fleet, meta, revisions, unsent } = turn.state;
  if (fleet === null) return;
  const { txn } = transaction;
  if (!leaseHolds(turn)) return turn.patch({ unsent: [...unsent, { txn, evidence: fleet.gone ?? fleet.blind ?? "this watcher has no session in the store" }] });
  const { swap } = transaction;
  const tooLate = swap !== null && turn.now.bootMs - swap.atMs > turn.policy.limits.checkWindowMs;
  if (swap !== null && (tooLate || (turn.state.operations.get(swap.operation)?.withdrawing ?? null) !== null)) {
    return turn.patch({ unsent: [...unsent, { txn, evidence: tooLate ? "it has waited too long behind another one" : "something came in between" }] });
  }
  const writes: Write[] = transaction.writes.filter((write) => write.key !== META);
  const guards = new Map<RecordKey, number | null>(transaction.guards.map(({ key, revision }) => [key, transaction.decided ? revision : (revisions.get(key) ?? null)]));
  if (movesTheLine(transaction)) {
    if (!guards.has(META)) guards.set(META, revisions.get(META) ?? null);
    writes.push({ key: META, value: meta });
  }
  const lost = [...guards.keys()].find((key) => kindOf(key) === "charge" && !fleet.mine.has(nameOf(key)) && !writes.some((write) => write.key === key));
  if (lost !== undefined) return turn.patch({ unsent: [...unsent, { txn, evidence: `${lost} is not ours` }] });
  const written = { by: turn.policy.watcher, life: fleet.life, at: turn.stamp };
  const held = [...guards].map(([key, revision]) => ({ key, revision }));
  turn.patch({ underWay: { ...transaction, guards: held, writes } });
  turn.emit({
    kind: "store", txn, because: transaction.because, cause: transaction.cause, guards: held,
    writes: writes.map(({ key, value }) => ({ key, value: value === null ? null : { ...value, written } })),
  });
}

/** The answer of the one under way: what is known of its keys from now on. */
export function answered(turn: Turn, txn: number, revision: number | null): Transaction | null {
  const { underWay } = turn.state;
  if (underWay === null || underWay.txn !== txn) return null;
  turn.patch({ underWay: null });
  if (revision === null) return underWay;
  let { revisions, queue } = turn.state;
  // What waits behind it was decided before our own write, which nobody else's came before: it stands after it, too.
  const ours = new Map(underWay.guards.filter(({ key }) => underWay.writes.some((write) => write.key === key)).map(({ key, revision: was }) => [key, was]));
  queue = queue.map((each) => ({ ...each, guards: each.guards.map((guard) => (ours.has(guard.key) && ours.get(guard.key) === guard.revision ? { ...guard, revision } : guard)) }));
  for (const { key, value } of underWay.writes) {
    // Word of what somebody else has written after us may have come before this answer.
    if ((revisions.get(key) ?? 0) > revision) continue;
    revisions = value === null ? revisions.without(key) : revisions.with(key, revision);
    if (kindOf(key) === "incident") storedIncident(turn, nameOf(key), value as IncidentRecord | null);
  }
  turn.patch({ revisions, queue });
  return underWay;
}

/** What the store says of an incident from now on; null: it is not there any more. */
export function storedIncident(turn: Turn, name: string, record: IncidentRecord | null): void {
  const { incidents } = turn.fleet;
  turn.patchFleet({ incidents: record === null ? incidents.without(name) : incidents.with(name, record) });
}
