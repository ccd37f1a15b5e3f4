// What is known of the power devices: every outlet's state and label, when it was read, and by whose hand it changed.
//
// An outlet that turns off without an intent of ours was switched off by others: we never switch it on and never count it
// as our cycle (safety.md §1). Somebody else's edge starts the debounce: a person at the switch comes first.

import { over, raise } from "./alarms.ts";
import { readings as operationReadings } from "./fencing.ts";
import type { ReadResult } from "./io.ts";
import type { OutletRef, Policy } from "./policy.ts";
import { outletKey } from "./policy.ts";
import type { DeviceState, OutletState, Turn } from "./state.ts";
import { leaseHolds } from "./transaction.ts";
import { switchedBack } from "./turn-back.ts";
import { unitsOf } from "./units.ts";

/** How soon a check that could not be made is tried again. */
const RECHECK_MS = 1_000;
/** How long a watcher says that it does not reach a device, before it is asked again. */
export const CANNOT_FOR_MS = 900_000;

/** Reads a device if nothing is being read there; asked by the clock and by suspicion. */
export function check(turn: Turn, name: string): void {
  const policy = turn.policy.devices.get(name);
  const device = turn.state.devices.get(name);
  if (policy === undefined || device === undefined || device.reading !== null || !ours(turn, name)) return;
  const outlets = outletsOf(turn, name);
  if (outlets.length === 0) return;
  const read = turn.id();
  patch(turn, { ...device, reading: read, nextCheckMs: turn.now.bootMs + policy.checkEveryMs });
  turn.wake(`check/${name}`, turn.now.bootMs + policy.checkEveryMs);
  turn.emit({ kind: "read", read, device: name, outlets, because: `is ${name} readable, and what is on?`, cause: turn.state.lastCause });
}

/** With several watchers only the one in charge logs in. */
export function ours(turn: Turn, device: string, orYielding = false): boolean {
  const { fleet } = turn.state;
  if (fleet === null) return true;
  const unit = unitsOf(turn.policy).ofCharge.get(device)?.name;
  return unit !== undefined && leaseHolds(turn) && fleet.held.has(unit) && (orYielding || !fleet.yielding.has(unit));
}

export function checkWhenDue(turn: Turn, name: string): void {
  const device = turn.state.devices.get(name);
  if (device === undefined) return;
  if (turn.now.bootMs >= device.nextCheckMs && device.reading === null) return check(turn, name);
  // Not yet, or a reading is under way: a tick that comes to nothing must not be the last one.
  turn.wake(`check/${name}`, Math.max(device.nextCheckMs, turn.now.bootMs + RECHECK_MS));
}

function outletsOf(turn: Turn, device: string): readonly string[] {
  return wiringOf(turn.policy).outlets.get(device) ?? [];
}

/** Who hangs on which outlet, worked out once a policy: a device is read every few minutes, and a large fleet has many outlets. */
type Wiring = { readonly outlets: ReadonlyMap<string, readonly string[]>; readonly hosts: ReadonlyMap<string, readonly string[]> };

const wirings = new WeakMap<Policy, Wiring>();

function wiringOf(policy: Policy): Wiring {
  let wiring = wirings.get(policy);
  if (wiring === undefined) {
    const outlets = new Map<string, Set<string>>();
    const hosts = new Map<string, Set<string>>();
    const note = (map: Map<string, Set<string>>, key: string, value: string) => map.set(key, (map.get(key) ?? new Set()).add(value));
    for (const host of policy.hosts.values()) {
      for (const outlet of host.levels.flat()) {
        note(outlets, outlet.device, outlet.outlet);
        note(hosts, outletKey(outlet), host.name);
      }
    }
    wiring = { outlets: new Map([...outlets].map(([device, ids]) => [device, [...ids].sort()])), hosts: new Map([...hosts].map(([key, names]) => [key, [...names]])) };
    wirings.set(policy, wiring);
  }
  return wiring;
}

/** An answer of a device, whoever asked. */
export function readings(turn: Turn, read: number, name: string, result: ReadResult): void {
  const before = turn.state.devices.get(name);
  if (before !== undefined) note(turn, before, read, result);
  operationReadings(turn, read, name, result);
}

/** A device of ours cannot be read, twice in a row, or can be read again. */
function reach(turn: Turn, device: string, reached: boolean): void {
  const { fleet } = turn.state;
  if (fleet === null || fleet.cannot.has(device) !== reached) return;
  const cannot = new Map(fleet.cannot);
  if (reached) cannot.delete(device);
  else cannot.set(device, turn.now.bootMs + CANNOT_FOR_MS);
  turn.patchFleet({ cannot, dirty: true });
}

function note(turn: Turn, before: DeviceState, read: number, result: ReadResult): void {
  const reading = before.reading === read ? null : before.reading;
  // Asked while we were in charge: what it reads now is somebody else's doing, and his to judge.
  if (!ours(turn, before.name, true)) return patch(turn, { ...before, reading });
  if (!result.ok) {
    if (before.failure !== null) reach(turn, before.name, false);
    if (before.failure === null) turn.tell("device-failed", null, `${before.name} cannot be read: ${result.evidence} (${result.code})`);
    return patch(turn, { ...before, reading, failure: result.evidence });
  }
  reach(turn, before.name, true);
  if (before.failure !== null) turn.tell("device-ok", null, `${before.name} can be read again`);
  const outlets = new Map(before.outlets);
  for (const each of result.readings) outlets.set(each.outlet, { state: each.state, label: each.label, atMs: turn.now.bootMs });
  patch(turn, { ...before, reading, failure: null, readAtMs: turn.now.bootMs, outlets });
  for (const each of result.readings) compare(turn, { device: before.name, outlet: each.outlet }, before.outlets.get(each.outlet), { state: each.state, label: each.label, atMs: turn.now.bootMs });
}

/** Notes one outlet as read in another way: an act reads it before it does anything. */
export function seen(turn: Turn, outlet: OutletRef, state: "on" | "off" | "unknown", label: string | null): void {
  const device = turn.state.devices.get(outlet.device);
  if (device === undefined || !ours(turn, outlet.device, true)) return;
  const now: OutletState = { state, label, atMs: turn.now.bootMs };
  const before = device.outlets.get(outlet.outlet);
  patch(turn, { ...device, outlets: new Map(device.outlets).set(outlet.outlet, now) });
  compare(turn, outlet, before, now);
}

function compare(turn: Turn, outlet: OutletRef, before: OutletState | undefined, now: OutletState): void {
  const key = outletKey(outlet);
  if (before !== undefined && before.label !== now.label && now.label !== null) turn.tell("label", null, `${key} is labelled ${now.label} on the device`);
  if (before?.state === "off" && now.state === "on") switchedBack(turn, key);
  const ours = [...turn.state.operations.values(), ...(turn.state.fleet?.foreign.values() ?? [])].some((operation) => operation.sent.includes(key) || operation.cut.includes(key));
  for (const name of wiringOf(turn.policy).hosts.get(key) ?? []) {
    const record = turn.record(name);
    if (record === undefined) continue;
    const known = record.offByOthers.includes(key);
    if (now.state === "off" && !ours && !known && (record.wanted.state === "on" || (record.careful?.state === "off" && turn.policy.devices.get(outlet.device)?.followsHost !== true))) {
      turn.patchRecord(name, { offByOthers: [...record.offByOthers, key], ...(before === undefined ? {} : { lastEdge: turn.stamp }) });
      turn.tell("off-by-others", name, before === undefined ? `${key} was found off, and not by us: it is left off` : `${key} was switched off by others: it is left off`);
      raise(turn, {
        alarm: `foreign:${name}`, kind: "foreign", severity: "warning", host: name, incident: null,
        happened: `${key} of ${name} is off, and not by us.`, done: "It is left off, and the host is not guarded.",
        asked: `To switch it on: upkeep power ${name} on`,
      });
    } else if (now.state === "on" && known) {
      const offByOthers = record.offByOthers.filter((each) => each !== key);
      turn.patchRecord(name, { offByOthers, lastEdge: turn.stamp });
      // Nothing is counted in the debounce, so what was counted before it says nothing of the machine after it.
      if (turn.host(name)?.operation === null) turn.patchHost(name, { counter: 0 });
      turn.tell("outlet", name, `${key} is on again: the debounce begins`);
      if (offByOthers.length === 0) over(turn, `foreign:${name}`, `${key} is on again`);
    }
  }
}

function patch(turn: Turn, device: DeviceState): void {
  turn.patch({ devices: turn.state.devices.with(device.name, device) });
}

export function freshDevice(name: string): DeviceState {
  return { name, outlets: new Map(), failure: null, readAtMs: null, nextCheckMs: 0, reading: null };
}
