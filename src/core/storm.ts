// Many failures at once are one failure somewhere else: suspect yourself, the network, the power (safety.md §3.2, field.md §1.13).
//
// A set is everything that can fail together: the fleet, a group, a power device, what hangs behind one switch. A host is
// unhealthy when its last round was bad or unknown, long before its verdict is down: counting verdicts would let the
// first host be cut while the others are still being counted. Held hosts, hosts in maintenance and hosts wanted off leave
// both sides of the sum.

import type { HostPolicy, Policy } from "./policy.ts";
import type { HostRecord } from "./records.ts";
import type { HostState, State } from "./state.ts";
import { brakeOn } from "./brake-records.ts";
import type { Now } from "./time.ts";
import { countsWithin } from "./time.ts";

const HOUR_MS = 3_600_000;
const ONSETS = 3;

/** The sets that a host belongs to, the fleet first. */
export function setsOf(host: HostPolicy): readonly string[] {
  let sets = setsByHost.get(host);
  if (sets === undefined) {
    const devices = [...new Set(host.levels.flat().map((outlet) => `device:${outlet.device}`))];
    sets = ["fleet", `group:${host.group}`, ...devices, ...(host.behind === null ? [] : [`behind:${host.behind}`])];
    setsByHost.set(host, sets);
  }
  return sets;
}

const setsByHost = new WeakMap<HostPolicy, readonly string[]>();

const membersByPolicy = new WeakMap<Policy, ReadonlyMap<string, readonly HostPolicy[]>>();

/** All hosts of a set. */
export function membersOf(set: string, policy: Policy): readonly HostPolicy[] {
  let members = membersByPolicy.get(policy);
  if (members === undefined) {
    const made = new Map<string, HostPolicy[]>();
    for (const host of policy.hosts.values()) {
      for (const each of setsOf(host)) {
        const list = made.get(each);
        if (list === undefined) made.set(each, [host]);
        else list.push(host);
      }
    }
    members = made;
    membersByPolicy.set(policy, made);
  }
  return members.get(set) ?? [];
}

/** `in the fleet`, `in group compute`, `at device sucker`, `behind switch-a`: how people are told of a set. */
export function inSet(set: string): string {
  const [kind = "", ...rest] = set.split(":");
  const name = rest.join(":");
  return kind === "fleet" ? "in the fleet" : kind === "behind" ? `behind ${name}` : `${kind === "device" ? "at" : "in"} ${kind} ${name}`;
}

/** Whether a host hangs behind another, directly or through others. */
export function isBehind(host: HostPolicy, name: string, policy: Policy): boolean {
  let at: HostPolicy | undefined = host;
  for (let hops = 0; at !== undefined && at.behind !== null && hops < policy.hosts.size; hops += 1) {
    if (at.behind === name) return true;
    at = policy.hosts.get(at.behind);
  }
  return false;
}

export function unhealthy(host: HostState): boolean {
  return host.last !== null && (host.last.outcome === "bad" || host.last.outcome === "unknown");
}

/** Whether a host counts in the sums of its sets, well or ill. */
export function inTheSum(host: HostState | undefined, policy: HostPolicy, state: State, fleetArmed: boolean): host is HostState {
  if (host === undefined || !fleetArmed || !policy.armed) return false;
  if (host.record.hold !== null || host.record.wanted.state === "off" || (host.record.careful ?? null) !== null) return false;
  if (host.record.learned.seenHealthyAt === null) return false;
  return brakeOn(state, policy.name, "disarmed") === undefined && brakeOn(state, policy.name, "maintenance") === undefined && brakeOn(state, policy.name, "inhibit") === undefined;
}

/** Cycles over the whole fleet in the last hour, of hosts configured or not. */
export function cyclesInTheLastHour(state: State, now: Now): number {
  let cycles = 0;
  const count = (record: HostRecord) => {
    for (const at of record.cycles) if (countsWithin(at, HOUR_MS, now)) cycles += 1;
    for (const at of record.forgiven) if (countsWithin(at, HOUR_MS, now)) cycles += 1;
  };
  for (const host of state.hosts.values()) count(host.record);
  for (const record of state.strangers.values()) count(record);
  return cycles;
}

/** Why this set is in a storm right now, or null. */
export function stormIn(set: string, state: State, policy: Policy, now: Now): string | null {
  const members = membersOf(set, policy);
  const { maxUnhealthy, perHour } = policy.brakes;
  if (maxUnhealthy < 1) {
    let armed = 0;
    let sick = 0;
    let onsets = 0;
    for (const member of members) {
      const host = state.hosts.get(member.name);
      if (!inTheSum(host, member, state, policy.armed) || !host.observed) continue;
      armed += 1;
      if (unhealthy(host)) sick += 1;
      if (host.onsetMs !== null && now.bootMs - host.onsetMs <= 2 * member.everyMs) onsets += 1;
    }
    const limit = Math.max(1, Math.floor(maxUnhealthy * armed + 1e-9));
    if (sick > limit) return `${sick} of ${armed} hosts ${inSet(set)} are unhealthy, more than ${limit}`;
    if (onsets >= ONSETS) return `${onsets} hosts ${inSet(set)} fell ill within two intervals`;
  }
  if (set === "fleet") {
    const cycles = cyclesInTheLastHour(state, now);
    const most = perHour ?? Math.max(3, Math.floor(0.02 * policy.hosts.size));
    if (cycles > most) return `${cycles} power cycles in the last hour, more than ${most}`;
  }
  return null;
}

/** Whether every host of the set has been looked at lately, so that "below the limit" is news and not silence. */
export function fresh(set: string, state: State, policy: Policy, now: Now): boolean {
  return membersOf(set, policy).every((member) => {
    const host = state.hosts.get(member.name);
    return host === undefined || !host.observed || (host.last !== null && now.bootMs - host.last.endedAtMs <= 2 * member.everyMs + member.timeoutMs);
  });
}

/** Another host of one of the sets that is suspect, or null. */
export function suspectSibling(host: HostPolicy, state: State, policy: Policy): string | null {
  for (const set of setsOf(host)) {
    for (const member of membersOf(set, policy)) {
      if (member.name === host.name) continue;
      const other = state.hosts.get(member.name);
      if (other !== undefined && other.operation === null && inTheSum(other, member, state, policy.armed) && unhealthy(other)) return member.name;
    }
  }
  return null;
}
