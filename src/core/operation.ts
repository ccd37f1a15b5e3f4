// What everything about an operation needs: its record, how a change of it is committed, its outlets and its times.
// The order of acts is in swap.ts, what is read back in read-back.ts, how it ends in ending.ts, what comes next in fencing.ts.

import type { Write } from "./io.ts";
import type { HostPolicy, OutletRef } from "./policy.ts";
import { outletKey } from "./policy.ts";
import type { Operation, OperationOutlet, RecordKey } from "./records.ts";
import { isReturn } from "./return-ledger.ts";
import type { Turn, Undo } from "./state.ts";
import { chargesOf, transact } from "./transaction.ts";

/** What a device may take from the command to the relay. */
export const EFFECT_MS = 2_000;

export function operationKey(id: number): RecordKey {
  return `op/${id}`;
}

export function recorded(turn: Turn, outlet: OutletRef): OperationOutlet {
  const device = turn.policy.devices.get(outlet.device);
  if (device === undefined) throw new Error(`assertion failed: no device ${outlet.device}`);
  return { ...outlet, driver: device.driver, address: device.address, maxActMs: device.maxActMs, exclusiveSession: device.exclusiveSession };
}

/** `votes`: keys of the votes that an off rests on. */
export function commit(turn: Turn, next: Operation, act: number | null, outlet: OutletRef | null, more: readonly Write[], votes: readonly RecordKey[] = []): void {
  const guarded = turn.state.fleet === null ? [] : [...new Set([...chargesOf(turn, next.host), ...votes])];
  const txn = turn.id();
  const key = operationKey(next.id);
  const writes: Write[] = [{ key, value: next }, ...more];
  // What hangs together is committed together: the host's budget and the incident's moments with the phase that made them.
  for (const each of [`host/${next.host}`, `incident/${next.incident}`, "meta/ledger"] as RecordKey[]) {
    const value = turn.state.outbox.get(each);
    if (value === undefined) continue;
    writes.push({ key: each, value });
    turn.take(each);
  }
  // An operation that has ended must not come back from a crash beside the one that follows it; nor may it be forgotten
  // without what it left behind at its host: a hold, a budget, that the host is to be off.
  for (const [each, value] of turn.state.outbox) {
    if (value !== null || !each.startsWith("op/") || each === key) continue;
    // With several watchers only what the same charges guard.
    if (turn.state.fleet !== null && turn.state.outboxHosts.get(each) !== next.host) continue;
    writes.push({ key: each, value });
    for (const { name, record } of turn.state.hosts.values()) {
      if (name !== next.host && operationKey(record.lastOperation?.id ?? -1) === each) writes.push({ key: `host/${name}`, value: record });
    }
  }
  const revision = turn.state.revisions.get(key) ?? null;
  turn.pend(txn, { kind: "operation", operation: next.id, host: next.host, incident: next.incident, replies: [] });
  turn.patchRun(next.id, { wait: { on: "stored", txn, next, act, outlet, amended: false } });
  const guards = [{ key, revision }, ...guarded.map((each) => ({ key: each, revision: turn.state.revisions.get(each) ?? null }))];
  const swap = act !== null && next.phase === "off-sent" ? { operation: next.id, atMs: turn.now.bootMs } : null;
  transact(turn, { txn, decided: true, swap, guards, writes, because: `operation ${next.id} goes to ${next.phase}`, cause: turn.causeOf(next.host) });
}

export function restoreOutbox(turn: Turn, operation: Pick<Operation, "host" | "incident">): void {
  const host = turn.record(operation.host);
  if (host !== undefined) turn.save(`host/${operation.host}`, host, operation.host);
  const incident = turn.host(operation.host)?.incident ?? null;
  if (incident !== null) turn.save(`incident/${incident.incident}`, incident, operation.host);
  turn.save("meta/ledger", turn.state.meta);
}

/** Changes what an open operation remembers; recorded with its next transaction, or by one of its own as soon as it can be. */
export function amend(turn: Turn, operation: Operation, change: Pick<Partial<Operation>, "contradiction" | "withdrawing" | keyof Undo["operation"]>): Operation {
  const next = { ...operation, ...change };
  const { wait } = turn.run(operation.id);
  turn.patch({ operations: new Map(turn.state.operations).set(operation.id, next) });
  turn.patchRun(operation.id, { unrecorded: true, recordAtMs: turn.now.bootMs, ...(wait.on === "stored" ? { wait: { ...wait, next: { ...wait.next, ...change }, amended: true } } : {}) });
  return next;
}

/** The monotonic fencing token: every swap takes a new one, recorded in the same transaction. */
export function nextToken(turn: Turn): number {
  const { meta } = turn.state;
  const next = { ...meta, nextToken: meta.nextToken + 1 };
  turn.patch({ meta: next });
  turn.save("meta/ledger", next);
  return meta.nextToken;
}

export function lock(turn: Turn, operation: Operation, outlet: OutletRef, token: number): Write {
  const value = { v: 1 as const, device: outlet.device, operation: operation.id, token, watcher: turn.policy.watcher };
  turn.patch({ locks: new Map(turn.state.locks).set(outlet.device, value) });
  // The act before this one may have left word to free the device, which has not been written yet.
  turn.take(`lock/${outlet.device}`);
  return { key: `lock/${outlet.device}`, value };
}

/** Frees a device that this operation holds; another's lock stays. */
export function unlock(turn: Turn, device: string, operation: number): void {
  if (turn.state.locks.get(device)?.operation !== operation) return;
  const locks = new Map(turn.state.locks);
  locks.delete(device);
  turn.patch({ locks });
  turn.save(`lock/${device}`, null, turn.state.operations.get(operation)?.host ?? null);
}

export function levelOf(operation: Operation): readonly OperationOutlet[] {
  return operation.levels[operation.level] ?? [];
}

export function allOutlets(operation: Operation): readonly OperationOutlet[] {
  return operation.levels.slice(0, operation.kind === "on" ? undefined : operation.level + 1).flat();
}

export function names(outlets: readonly OutletRef[]): string {
  return outlets.length === 0 ? "no outlet" : outlets.map(outletKey).join(" + ");
}

export function backOffMs(turn: Turn, failures: number): number {
  return Math.min(turn.policy.limits.backOffMaxMs, turn.policy.limits.readBackEveryMs * 2 ** Math.min(failures, 8));
}

export function retryIn(turn: Turn, id: number, delayMs: number): void {
  const atMs = turn.now.bootMs + delayMs;
  turn.patchRun(id, { retryAtMs: atMs });
  if (delayMs > 0) turn.wake(`op/${id}`, atMs);
}

export function wakeAt(turn: Turn, id: number, atMs: number): void {
  // A remainder of a millionth of a millisecond is nothing to a clock that has run for a month: the moment would never come.
  turn.wake(`op/${id}`, Math.max(atMs, turn.now.bootMs + 1));
}

type Timing = Pick<HostPolicy, "offForMs" | "offConfirmMs" | "onConfirmMs" | "settleMs" | "healthyForMs">;

/** The host's times; the documented defaults for a host that is no longer configured and is still owed its power. */
export function timing(turn: Turn, operation: Operation): Timing {
  return turn.hostPolicy(operation.host) ?? { offForMs: 5_000, offConfirmMs: 30_000, onConfirmMs: 30_000, settleMs: 30_000, healthyForMs: 10_000 };
}

/** Nobody asked for it: bad rounds earn its off, and a good one withdraws it. */
export function earns(operation: Pick<Operation, "origin">): boolean {
  return operation.origin.kind === "auto" || isReturn(operation);
}

/** How long an off is waited for, from when it was let go. */
export function patienceMs(turn: Turn, operation: Operation): number {
  return Math.max(timing(turn, operation).offConfirmMs, Math.max(...levelOf(operation).map((each) => each.maxActMs)) + EFFECT_MS);
}
