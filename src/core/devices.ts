// What is known of the power devices: every outlet's state and label, when it was read, and by whose hand it changed.
//
// An outlet that turns off without an intent of ours was switched off by others: we never switch it on and never count it
// as our cycle (safety.md §1). Somebody else's edge starts the debounce: a person at the switch comes first.

import { over, raise } from "./alarms.ts";
import { readings as operationReadings, switchedBack } from "./fencing.ts";
import type { ReadResult } from "./io.ts";
import type { OutletRef } from "./policy.ts";
import { outletKey } from "./policy.ts";
import type { DeviceState, OutletState, Turn } from "./state.ts";

/** How soon a check that could not be made is tried again. */
const RECHECK_MS = 1_000;

/** Reads a device if nothing is being read there; asked by the clock and by suspicion. */
export function check(turn: Turn, name: string): void {
  const policy = turn.policy.devices.get(name);
  const device = turn.state.devices.get(name);
  if (policy === undefined || device === undefined || device.reading !== null) return;
  const outlets = outletsOf(turn, name);
  if (outlets.length === 0) return;
  const read = turn.id();
  patch(turn, { ...device, reading: read, nextCheckMs: turn.now.bootMs + policy.checkEveryMs });
  turn.wake(`check/${name}`, turn.now.bootMs + policy.checkEveryMs);
  turn.emit({ kind: "read", read, device: name, outlets, because: `is ${name} readable, and what is on?`, cause: turn.state.lastCause });
}

export function checkWhenDue(turn: Turn, name: string): void {
  const device = turn.state.devices.get(name);
  if (device === undefined) return;
  if (turn.now.bootMs >= device.nextCheckMs && device.reading === null) return check(turn, name);
  // Not yet, or a reading is under way: a tick that comes to nothing must not be the last one.
  turn.wake(`check/${name}`, Math.max(device.nextCheckMs, turn.now.bootMs + RECHECK_MS));
}

function outletsOf(turn: Turn, device: string): readonly string[] {
  const outlets = new Set<string>();
  for (const host of turn.policy.hosts.values()) for (const outlet of host.levels.flat()) if (outlet.device === device) outlets.add(outlet.outlet);
  return [...outlets].sort();
}

/** An answer of a device, whoever asked. */
export function readings(turn: Turn, read: number, name: string, result: ReadResult): void {
  const before = turn.state.devices.get(name);
  if (before !== undefined) note(turn, before, read, result);
  operationReadings(turn, read, name, result);
}

function note(turn: Turn, before: DeviceState, read: number, result: ReadResult): void {
  const reading = before.reading === read ? null : before.reading;
  if (!result.ok) {
    if (before.failure === null) turn.tell("device-failed", null, `${before.name} cannot be read: ${result.evidence} (${result.code})`);
    return patch(turn, { ...before, reading, failure: result.evidence });
  }
  if (before.failure !== null) turn.tell("device-ok", null, `${before.name} can be read again`);
  const outlets = new Map(before.outlets);
  for (const each of result.readings) outlets.set(each.outlet, { state: each.state, label: each.label, atMs: turn.now.bootMs });
  patch(turn, { ...before, reading, failure: null, readAtMs: turn.now.bootMs, outlets });
  for (const each of result.readings) compare(turn, { device: before.name, outlet: each.outlet }, before.outlets.get(each.outlet), { state: each.state, label: each.label, atMs: turn.now.bootMs });
}

/** Notes one outlet as read in another way: an act reads it before it does anything. */
export function seen(turn: Turn, outlet: OutletRef, state: "on" | "off" | "unknown", label: string | null): void {
  const device = turn.state.devices.get(outlet.device);
  if (device === undefined) return;
  const now: OutletState = { state, label, atMs: turn.now.bootMs };
  const before = device.outlets.get(outlet.outlet);
  patch(turn, { ...device, outlets: new Map(device.outlets).set(outlet.outlet, now) });
  compare(turn, outlet, before, now);
}

function compare(turn: Turn, outlet: OutletRef, before: OutletState | undefined, now: OutletState): void {
  const key = outletKey(outlet);
  if (before !== undefined && before.label !== now.label && now.label !== null) turn.tell("label", null, `${key} is labelled ${now.label} on the device`);
  if (before?.state === "off" && now.state === "on") switchedBack(turn, key);
  const ours = [...turn.state.operations.values()].some((operation) => operation.sent.includes(key) || operation.cut.includes(key));
  for (const host of turn.policy.hosts.values()) {
    if (!host.levels.flat().some((each) => outletKey(each) === key)) continue;
    const record = turn.record(host.name);
    if (record === undefined) continue;
    const known = record.offByOthers.includes(key);
    if (now.state === "off" && !ours && !known && record.wanted.state === "on") {
      turn.patchRecord(host.name, { offByOthers: [...record.offByOthers, key], ...(before === undefined ? {} : { lastEdge: turn.stamp }) });
      turn.tell("off-by-others", host.name, before === undefined ? `${key} was found off, and not by us: it is left off` : `${key} was switched off by others: it is left off`);
      raise(turn, {
        alarm: `foreign:${host.name}`, kind: "foreign", severity: "warning", host: host.name, incident: null,
        happened: `${key} of ${host.name} is off, and not by us.`, done: "It is left off, and the host is not guarded.",
        asked: `To switch it on: upkeep power ${host.name} on`,
      });
    } else if (now.state === "on" && known) {
      const offByOthers = record.offByOthers.filter((each) => each !== key);
      turn.patchRecord(host.name, { offByOthers, lastEdge: turn.stamp });
      // Nothing is counted in the debounce, so what was counted before it says nothing of the machine after it.
      if (turn.host(host.name)?.operation === null) turn.patchHost(host.name, { counter: 0 });
      turn.tell("outlet", host.name, `${key} is on again: the debounce begins`);
      if (offByOthers.length === 0) over(turn, `foreign:${host.name}`, `${key} is on again`);
    }
  }
}

function patch(turn: Turn, device: DeviceState): void {
  turn.patch({ devices: new Map(turn.state.devices).set(device.name, device) });
}

export function freshDevice(name: string): DeviceState {
  return { name, outlets: new Map(), failure: null, readAtMs: null, nextCheckMs: 0, reading: null };
}
