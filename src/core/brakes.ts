// Everything that may hold an automatic off back, in one list (safety.md §3). Brakes guard the step to off and nothing
// else: no function that switches power on ever asks this module.
//
// Evaluated twice for every off: at the decision, and again at the swap, a moment before the byte. Each brake says why in
// a sentence; a manual fence may override some of them, by name.

import { brakeOn } from "./brake-records.ts";
import { SLOT_PHASES } from "./phases.ts";
import type { HostPolicy, OutletRef, Policy } from "./policy.ts";
import { outletKey } from "./policy.ts";
import { setsOf } from "./storm.ts";
import { inCharge } from "./transaction.ts";
import type { HostState, State } from "./state.ts";
import type { Now } from "./time.ts";
import { ageMs, countsWithin, leftMs } from "./time.ts";
import { inWords } from "./words.ts";

export type BrakeName =
  | "no-power" | "self" | "stopping" | "disarmed" | "maintenance" | "inhibit" | "wanted-off" | "returning" | "off-by-others" | "startup" | "never-healthy"
  | "debounce" | "boot" | "held" | "agreement" | "distrusted" | "storm" | "slot" | "rebooting" | "kdump" | "behind" | "budget" | "unconfirmed" | "once" | "label" | "charge" | "quorum" | "newer" | "ledger" | "unreachable";

export type Brake = { readonly name: BrakeName; readonly because: string };

/** What a person overrides with `fence`, each named in the answer (safety.md §3.10). */
export const FENCE_OVERRIDES: readonly BrakeName[] = ["startup", "never-healthy", "debounce", "boot", "storm", "slot", "budget", "unconfirmed", "once", "held", "disarmed", "rebooting", "behind", "unreachable", "quorum", "returning"];

/** A person who switches a host by hand is not stopped by the maintenance that it is for, nor by an outlet that is off already. */
export const POWER_OVERRIDES: readonly BrakeName[] = [...FENCE_OVERRIDES, "maintenance", "inhibit", "wanted-off", "off-by-others", "kdump"];

export type Asking = {
  /** The operation that asks, so that its own slot does not stop it; null for a decision. */
  readonly operation: number | null;
  /** It was taken up from the ledger: start-up grace does not delay what has begun. */
  readonly resumed: boolean;
};

export function brakesOn(host: HostState, policy: HostPolicy, state: State, fleet: Policy, now: Now, asking: Asking): readonly Brake[] {
  const brakes: Brake[] = [];
  const add = (name: BrakeName, because: string | null) => {
    if (because !== null) brakes.push({ name, because });
  };
  const { record } = host;
  add("no-power", policy.levels.length === 0 ? "no power outlet is configured" : null);
  add("self", policy.self ? "this watcher runs on it or is fed by its outlet" : null);
  add("stopping", state.stopping ? "this watcher is stopping" : null);
  add("ledger", state.storeFailure === null ? null : `the ledger cannot be written: ${state.storeFailure}`);
  if (state.fleet !== null) {
    add("charge", inCharge({ state, now, policy: fleet }, host.name) ? null : "this watcher is not in charge of it");
    add("newer", state.fleet.unreadable[0] === undefined ? null : `${state.fleet.unreadable[0].key} in the store was written by a newer version`);
    add("quorum", quorum(host, policy, state, fleet));
  }
  add("disarmed", disarmed(policy, state, fleet, now));
  add("maintenance", recordBrake(state, host.name, "maintenance", now));
  add("inhibit", recordBrake(state, host.name, "inhibit", now));
  add("wanted-off", record.wanted.state === "off" ? `wanted off by ${record.wanted.by}: ${record.wanted.why}` : null);
  add("returning", record.careful?.state === "starting" ? `it is being started after a careful shutdown (${record.careful.because})` : null);
  add("off-by-others", record.offByOthers.length > 0 ? `${record.offByOthers.join(" and ")} was switched off by others` : null);
  if (record.hold !== null) add(record.hold.kind === "contradicted" ? "distrusted" : record.hold.kind === "budget" || record.hold.kind === "unconfirmed" ? record.hold.kind : "held", `held: ${record.hold.because}`);
  add("never-healthy", record.learned.seenHealthyAt === null ? "never seen healthy under this configuration" : null);
  if (!asking.resumed) add("startup", startup(host, policy, state, fleet, now));
  add("debounce", sinceEdge(host, policy.debounceMs, now, "debounce"));
  add("boot", sinceEdge(host, bootMs(policy, host), now, "boot"));
  add("rebooting", announced(host, policy, state, now) ?? orderlySilence(host, policy, now));
  add("kdump", recordBrake(state, host.name, "kdump", now));
  add("behind", behind(policy, state, fleet));
  add("label", foreignLabel(policy, state, fleet));
  add("unreachable", unreachable(host, policy, state, now));
  add("rebooting", saidReboot(host, policy, now));
  for (const set of setsOf(policy)) {
    const storm = state.storms.get(set);
    if (storm !== undefined && storm.proceedBy === null) add("storm", `storm: ${storm.because}`);
  }
  if (record.hold === null) {
    // Only at the decision: within an operation the next level and a lost off have rules of their own (safety.md §4.4).
    const again = asking.operation === null && record.cutIn !== null && record.cutIn === host.incident?.incident;
    add("once", again ? `its power was cut once in this incident (${record.cutIn}), and it is not healthy again` : null);
    const spent = record.cycles.filter((at) => countsWithin(at, policy.budget.withinMs, now)).length;
    add("budget", spent >= policy.budget.cycles ? `${spent} power cycles within ${inWords(policy.budget.withinMs)} did not cure it` : null);
    const doubtful = record.unconfirmed.filter((at) => countsWithin(at, policy.budget.withinMs, now)).length;
    add("unconfirmed", doubtful >= policy.budget.cycles ? `${doubtful} offs within ${inWords(policy.budget.withinMs)} were never confirmed` : null);
  }
  add("slot", slot(policy, state, fleet, asking.operation));
  return brakes;
}

function disarmed(policy: HostPolicy, state: State, fleet: Policy, now: Now): string | null {
  if (!fleet.armed) return "disarmed in the configuration";
  if (!policy.armed) return "this host is disarmed in the configuration";
  return recordBrake(state, policy.name, "disarmed", now);
}

function recordBrake(state: State, host: string, kind: Parameters<typeof brakeOn>[2], now: Now): string | null {
  const brake = brakeOn(state, host, kind);
  if (brake === undefined) return null;
  const until = brake.until === null ? "until ended" : `for another ${inWords(leftMs(brake.until, now))}`;
  const name = kind === "going-down" ? "announced reboot" : kind;
  return `${name} by ${brake.by} ${until}${brake.reason === "" ? "" : `: ${brake.reason}`}`;
}

function startup(host: HostState, policy: HostPolicy, state: State, fleet: Policy, now: Now): string | null {
  const { startupMs } = fleet.brakes;
  if (startupMs === 0) return null;
  // After a power cut watcher and hosts boot together: hosts are given the time that a boot takes.
  const boot = bootMs(policy, host);
  const graceMs = state.uptimeAtStartMs < boot ? Math.max(startupMs, boot) : startupMs;
  const left = state.startedAtMs + graceMs - now.bootMs;
  return left > 0 ? `start-up grace of this watcher for another ${inWords(left)}` : null;
}

function sinceEdge(host: HostState, lengthMs: number, now: Now, name: string): string | null {
  if (host.record.lastEdge === null) return null;
  const left = lengthMs - ageMs(host.record.lastEdge, now);
  return left > 0 ? `its power changed ${inWords(lengthMs - left)} ago, ${name} lasts another ${inWords(left)}` : null;
}

/** `boot`, or twice the longest of the last boots if that is larger; 0 switches the brake off. */
export function bootMs(policy: HostPolicy, host: HostState): number {
  if (policy.bootMs === 0) return 0;
  return Math.max(policy.bootMs, 2 * Math.max(0, ...host.record.bootsMs));
}

/** An announced reboot holds until its time is over, and no longer than a boot takes once the host is gone. */
function announced(host: HostState, policy: HostPolicy, state: State, now: Now): string | null {
  // Gone since it was last seen to serve; one that flaps while it goes down has not gone yet.
  const goneMs = host.badSinceMs === null ? null : Math.max(host.badSinceMs, host.lastGoodAtMs ?? 0);
  const boundMs = brakeOn(state, host.name, "going-down")?.goneForMs ?? bootMs(policy, host);
  if (goneMs !== null && now.bootMs - goneMs > boundMs) return null;
  return recordBrake(state, host.name, "going-down", now);
}

/** Refused first (services stopping under a live kernel), then nothing: somebody reboots it. Bounded by `boot`. */
function orderlySilence(host: HostState, policy: HostPolicy, now: Now): string | null {
  if (host.refusedAtMs === null || host.last === null || !host.last.silent) return null;
  const left = host.refusedAtMs + bootMs(policy, host) - now.bootMs;
  return left > 0 ? `it refused connections and then went silent, as in an orderly reboot; ${inWords(left)} to go` : null;
}

/** Its kernel said that it boots anew, and nothing has shown since that it did not mean it. Bounded by `boot`, from when it was said. */
function saidReboot(host: HostState, policy: HostPolicy, now: Now): string | null {
  const said = host.saidReboot;
  if (said === null || said.over) return null;
  const left = said.atMs + bootMs(policy, host) - now.bootMs;
  return left > 0 ? `${said.because} (netconsole); ${inWords(left)} to go` : null;
}

function behind(policy: HostPolicy, state: State, fleet: Policy): string | null {
  if (policy.behind === null || !fleet.hosts.has(policy.behind)) return null;
  const patient = state.hosts.get(policy.behind);
  return patient?.last?.outcome === "good" || patient?.last?.outcome === "slow" ? null : `it is behind ${policy.behind}, which is not healthy itself`;
}

/** The device's own label for the outlet is the name of another host: one of the two is wrong, and a wrong power command is the worst. */
function foreignLabel(policy: HostPolicy, state: State, fleet: Policy): string | null {
  for (const outlet of policy.levels.flat()) {
    const label = state.devices.get(outlet.device)?.outlets.get(outlet.outlet)?.label ?? null;
    if (label !== null && label !== policy.name && fleet.hosts.has(label)) return `${outletKey(outlet)} is labelled ${label} on the device`;
  }
  return null;
}

/** Once an operation has come to nothing for it, the next waits until a level can be read again. */
function unreachable(host: HostState, policy: HostPolicy, state: State, now: Now): string | null {
  if (now.bootMs < host.retryAtMs) return `its power could not be reached; next try in ${inWords(host.retryAtMs - now.bootMs)}`;
  if (host.retryAtMs === 0) return null;
  const failures = policy.levels.map((feeds) => feeds.map((outlet) => unread(outlet, state)).find((failure) => failure !== null) ?? null);
  return failures.length > 0 && failures.every((failure) => failure !== null) ? (failures[0] ?? null) : null;
}

function unread(outlet: OutletRef, state: State): string | null {
  const device = state.devices.get(outlet.device);
  if (device?.failure !== null && device?.failure !== undefined) return `${outletKey(outlet)} cannot be reached: ${device.failure}`;
  return device?.outlets.get(outlet.outlet)?.state === "unknown" ? `${outletKey(outlet)} cannot be read` : null;
}

/** Hosts that carry the store: no cut that takes its majority away without a person (safety.md §3.7). */
function quorum(host: HostState, policy: HostPolicy, state: State, fleet: Policy): string | null {
  if (policy.storeMembers === 0 || fleet.shared === null) return null;
  let away = policy.storeMembers;
  for (const other of fleet.hosts.values()) {
    const known = state.hosts.get(other.name);
    if (other.storeMembers === 0 || other.name === host.name || known === undefined) continue;
    // One that is only suspected may be gone: to wait for the next rounds costs seconds, to be wrong costs the store.
    const suspect = known.observed && (known.counter > 0 || known.last?.outcome === "bad" || known.last?.outcome === "unknown");
    const down = suspect || known.operation !== null || known.foreign !== null || known.incident !== null || known.record.hold !== null || known.record.wanted.state === "off" || known.record.offByOthers.length > 0;
    if (down) away += other.storeMembers;
  }
  const { members } = fleet.shared;
  const left = members - away;
  return left < Math.floor(members / 2) + 1 ? `it carries the store, of which ${Math.max(0, left)} of ${members} members would be left` : null;
}

function slot(policy: HostPolicy, state: State, fleet: Policy, operation: number | null): string | null {
  const sets = new Set(setsOf(policy).filter((set) => typeof state.storms.get(set)?.proceedBy === "string"));
  let used = 0;
  for (const other of [...state.operations.values(), ...(state.fleet?.foreign.values() ?? [])]) {
    if (other.id === operation || other.kind === "on") continue;
    // One whose record lags behind (a full disk) counts until the record says that it is over, too.
    if (SLOT_PHASES.has(other.phase) || state.runs.get(other.id)?.unrecorded === true) used += 1;
    // After `storm proceed` the next host waits until the one before is back in service.
    const otherPolicy = fleet.hosts.get(other.host);
    if (sets.size > 0 && otherPolicy !== undefined && setsOf(otherPolicy).some((set) => sets.has(set))) return `after the storm one at a time: ${other.host} is not back yet`;
  }
  return used >= fleet.brakes.concurrent ? `${used} other operation${used === 1 ? "" : "s"} under way` : null;
}
