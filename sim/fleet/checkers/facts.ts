// What several checkers ask of the records and of the watchers, at the moment that the store carries a transaction out.

import type { HostPolicy } from "../../../src/core/policy.ts";
import { outletKey } from "../../../src/core/policy.ts";
import type { AnyRecord, ChargeRecord, DeviceLock, Operation, RecordKey } from "../../../src/core/records.ts";
import type { FleetLife } from "../life.ts";
import type { Carried, FleetWorld } from "../world.ts";

export type Swap = { readonly operation: Operation; readonly lock: DeviceLock; readonly known: Operation | undefined };

/** The swap of an off, automatic or not, that this transaction is; null when it is none. */
export function swapOf(world: FleetWorld, { writes }: Carried): Swap | null {
  const lock = writes.find(({ key, value }) => key.startsWith("lock/") && value !== null)?.value as DeviceLock | undefined;
  const write = writes.find(({ key }) => key.startsWith("op/"));
  const operation = write?.value as Operation | null | undefined;
  if (write === undefined || lock === undefined || operation === null || operation === undefined || operation.phase !== "off-sent") return null;
  return { operation, lock, known: world.server.value<Operation>(write.key) };
}

export function automatic(swap: Swap | null): swap is Swap {
  return swap !== null && swap.operation.origin.kind === "auto";
}

/** The keys of the charges that a host's records are written under. */
export function chargesOf(policy: HostPolicy): RecordKey[] {
  const devices = [...new Set(policy.levels.flat().map((outlet) => outlet.device))];
  return devices.length === 0 ? [`charge/host=${policy.name}`] : devices.map((device): RecordKey => `charge/${device}`);
}

/** Who holds a charge, in which life of his; null: nobody. */
export function holderOf(world: FleetWorld, key: RecordKey): string | null {
  return world.server.value<ChargeRecord>(key)?.watcher ?? null;
}

/** Whether this process was stopped at any time since then. */
export function stoppedSince(life: FleetLife, sinceMs: number): boolean {
  return life.pauses.some(({ toMs }) => toMs >= sinceMs);
}

export function written<Kind extends AnyRecord>({ writes }: Carried, kind: string): { readonly key: RecordKey; readonly name: string; readonly value: Kind | null }[] {
  return writes.filter(({ key }) => key.startsWith(`${kind}/`)).map(({ key, value }) => ({ key, name: key.slice(kind.length + 1), value: value as Kind | null }));
}

/** The feeds of the level that an operation is at. */
export function feedsOf(operation: Operation): string[] {
  return (operation.levels[operation.level] ?? []).map(outletKey);
}

/** Faults after which the store, and with it every number and promise, is another one. */
export function isAnotherStore(fault: string): boolean {
  return fault === "store-wiped" || fault === "store-restored";
}

/** Whether this process knows the store that there was before the present one, and pays back what it owes by that. */
export function isOfAnotherStore(world: FleetWorld, life: FleetLife): boolean {
  return life.store?.identity !== world.server.identity;
}
