// Why a changed configuration may not be taken over now (safety.md §4.9): an open operation acts on the host and the outlets
// that it recorded when it was intended, so neither can be taken away from under it, and a device's name must go on meaning
// the same device. Everything else may change at any time; the core starts changed hosts again by itself.
//
// Only what this change would break is named: what had broken before (a file edited while the watcher was down) must not
// forbid every reload, because that may be the one which sets it right.

import type { Policy } from "../core/policy.ts";
import { outletKey } from "../core/policy.ts";
import type { Operation, OperationOutlet } from "../core/records.ts";
import type { State } from "../core/state.ts";

/** Sentences that say why the policy `after` is refused while `before` is in force; empty: it may be taken over. */
export function reloadProblems(state: State, before: Policy, after: Policy): readonly string[] {
  const problems: string[] = [];
  for (const operation of state.operations.values()) {
    const open = `operation ${operation.id} (${operation.kind}, ${operation.phase})`;
    if (before.hosts.has(operation.host) && !after.hosts.has(operation.host)) {
      problems.push(`${operation.host} cannot be removed while ${open} is open: wait for its end, or confirm-off after looking`);
    }
    for (const outlet of devicesOf(operation)) {
      const problem = changed(outlet, before, after);
      if (problem !== null) problems.push(`the power device ${outlet.device} cannot be ${problem} while ${open} of ${operation.host} is open: it acts on ${outletKey(outlet)}`);
    }
  }
  return problems;
}

/** One outlet of each device, in the order of the levels. */
function devicesOf(operation: Operation): readonly OperationOutlet[] {
  const first = new Map<string, OperationOutlet>();
  for (const outlet of operation.levels.flat()) if (!first.has(outlet.device)) first.set(outlet.device, outlet);
  return [...first.values()];
}

function changed(recorded: OperationOutlet, before: Policy, after: Policy): string | null {
  const was = before.devices.get(recorded.device);
  if (was === undefined || !same(recorded, was)) return null;
  const is = after.devices.get(recorded.device);
  if (is === undefined) return "removed";
  if (same(recorded, is)) return null;
  return is.driver === recorded.driver ? `moved from ${recorded.address} to ${is.address}` : `changed from ${recorded.driver} to ${is.driver}`;
}

function same(recorded: OperationOutlet, device: { readonly driver: string; readonly address: string }): boolean {
  return recorded.driver === device.driver && recorded.address === device.address;
}
