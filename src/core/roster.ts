// Who is there, who looks at what, and who should be in charge of it: worked out by every watcher for itself from the same
// records (ADR 8.2–4). Nothing here is a decision about power; what makes it safe is the charge, not this opinion.

import type { HostPolicy } from "./policy.ts";
import type { WatcherRecord } from "./records.ts";
import type { FleetState, State, Turn } from "./state.ts";
import type { Unit } from "./units.ts";
import { ranked, unitsOf } from "./units.ts";

type Known = Pick<Turn, "state" | "policy">;

const orders = new WeakMap<ReadonlyMap<string, WatcherRecord>, Map<string, readonly string[]>>();

/** The whole roster in the order of a unit. */
export function orderOf(unit: string, watchers: ReadonlyMap<string, WatcherRecord>): readonly string[] {
  let byUnit = orders.get(watchers);
  if (byUnit === undefined) {
    byUnit = new Map();
    orders.set(watchers, byUnit);
  }
  let order = byUnit.get(unit);
  if (order === undefined) {
    order = ranked(unit, watchers.keys());
    byUnit.set(unit, order);
  }
  return order;
}

/** The roster in the order in which a host falls to them as observers: who runs on it comes last, because it abstains. */
function observersInOrder(known: Known, fleet: FleetState, host: HostPolicy): readonly string[] {
  const unit = unitsOf(known.policy).ofHost.get(host.name)?.name ?? `host=${host.name}`;
  const order = orderOf(unit, fleet.watchers);
  const runsOn = (watcher: string) => fleet.watchers.get(watcher)?.self.includes(host.name) === true;
  return order.some(runsOn) ? [...order.filter((each) => !runsOn(each)), ...order.filter(runsOn)] : order;
}

/** The n observers that are assigned to a host; the dead among them stay. */
export function observersOf(known: Known, host: HostPolicy): readonly string[] {
  const { fleet } = known.state;
  if (fleet === null || fleet.watchers.size === 0) return [known.policy.watcher];
  return observersInOrder(known, fleet, host).slice(0, known.policy.observers);
}

/** Who looked at it before a newcomer that has not made its first rounds yet, and goes on until then. */
export function substitutesOf(known: Known, host: HostPolicy): readonly string[] {
  const { fleet } = known.state;
  if (fleet === null) return [];
  const assigned = observersOf(known, host);
  const isNew = (watcher: string) => fleet.watchers.get(watcher)?.ready === false;
  const missing = assigned.filter((watcher) => isNew(watcher) && fleet.alive.has(watcher)).length;
  if (missing === 0) return [];
  return observersInOrder(known, fleet, host).filter((watcher) => !assigned.includes(watcher) && !isNew(watcher)).slice(0, missing);
}

/** Hosts that this watcher has to look at. */
export function observedBy(known: Known, watcher: string): ReadonlySet<string> {
  const hosts = new Set<string>();
  for (const host of known.policy.hosts.values()) {
    if (observersOf(known, host).includes(watcher) || substitutesOf(known, host).includes(watcher)) hosts.add(host.name);
  }
  return hosts;
}

/** How badly suited a watcher is to be in charge of a unit; 0: well. */
export function unfitness(fleet: FleetState, watcher: string, unit: Unit): number {
  const alive = fleet.alive.get(watcher);
  const record = fleet.watchers.get(watcher);
  const cannot = alive !== undefined && alive.cannot.some((device) => unit.charges.includes(device));
  const self = record !== undefined && record.self.some((host) => unit.hosts.includes(host));
  return (cannot ? 8 : 0) + (alive?.blind === true ? 4 : 0) + (self ? 2 : 0) + (record?.ready === true ? 0 : 1);
}

/** Who should be in charge of a unit: of the living the best suited, and of those the first in order. */
export function bestFor(known: Known, unit: Unit): string | null {
  const { fleet } = known.state;
  if (fleet === null) return known.policy.watcher;
  let best: string | null = null;
  let least = Infinity;
  for (const watcher of orderOf(unit.name, fleet.watchers)) {
    if (!fleet.alive.has(watcher)) continue;
    const unfit = unfitness(fleet, watcher, unit);
    if (unfit < least) [best, least] = [watcher, unfit];
  }
  return best;
}

/** One of the watchers does what needs to be done once: the first of the living. */
export function isFirst(known: Known): boolean {
  return known.state.fleet === null || bestFor(known, { name: "fleet", charges: [], hosts: [] }) === known.policy.watcher;
}

/** The watcher that is in charge of a host, by the records; null: nobody. */
export function chargedWith(state: State, policy: Known["policy"], host: string): string | null {
  const { fleet } = state;
  if (fleet === null) return policy.watcher;
  const unit = unitsOf(policy).ofHost.get(host);
  return unit === undefined ? null : (fleet.charges.get(unit.charges[0] as string)?.watcher ?? null);
}

/**
 * A power device without which none of the watchers runs, as far as their records say on which hosts they run: nobody would be left
 * to see what went dark with it. Null: there is none.
 */
export function commonDevice({ state, policy }: Known): string | null {
  const { fleet } = state;
  if (fleet === null || fleet.watchers.size < 2) return null;
  const each = [...fleet.watchers.values()].map(({ self }) => new Set(self.flatMap((host) => feedersOf(policy.hosts.get(host)))));
  return [...(each[0] ?? [])].sort().find((device) => each.every((devices) => devices.has(device))) ?? null;
}

/** Devices that feed a host alone; of two that feed it together either one may fail. */
function feedersOf(host: HostPolicy | undefined): readonly string[] {
  return (host?.levels ?? []).flatMap((feeds) => (feeds.every(({ device }) => device === feeds[0]?.device) ? feeds.slice(0, 1).map(({ device }) => device) : []));
}
