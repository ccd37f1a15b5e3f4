// Guarded, or not guarded and why (safety.md §1): armed, seen healthy under this host hash, its power readable in the last
// 15 minutes, budget left, no brake. `status` opens with the sum of this; an unguarded host that nobody asked for calls a person.

import { over, raiseQuietly } from "./alarms.ts";
import { brakesOn } from "./brakes.ts";
import type { HostPolicy } from "./policy.ts";
import { outletKey } from "./policy.ts";
import type { HostState, State, Turn } from "./state.ts";
import type { Now } from "./time.ts";
import { inCharge, leaseHolds } from "./transaction.ts";
import { tooFew } from "./vote.ts";
import { inWords } from "./words.ts";

export function whyUnguarded(host: HostState, policy: HostPolicy, turn: Turn): string | null {
  const operation = host.operation === null ? undefined : turn.state.operations.get(host.operation);
  if (operation !== undefined) return `an operation is under way: ${operation.phase}`;
  const brake = brakesOn(host, policy, turn.state, turn.policy, turn.now, { operation: null, resumed: false }).find((each) => each.name !== "slot");
  if (brake !== undefined) return brake.because;
  return unreadable(policy, turn.state, turn.policy.limits.readableForMs, turn.now) ?? cannotJudge(host, policy, turn.now) ?? tooFew(turn, policy);
}

/** Who cannot judge a host is no observer of it (safety.md §2.3). */
function cannotJudge(host: HostState, policy: HostPolicy, now: Now): string | null {
  const staleMs = 2 * Math.max(policy.everyMs, ...policy.retryMs) + policy.timeoutMs;
  if (host.last === null || (host.judgedAtMs !== null && now.bootMs - host.judgedAtMs <= staleMs)) return null;
  return host.last.outcome === "unknown" ? `this watcher cannot judge it: ${host.last.because}` : `the last round was ${inWords(now.bootMs - host.last.endedAtMs)} ago`;
}

function unreadable(policy: HostPolicy, state: State, forMs: number, now: Now): string | null {
  for (const outlet of policy.levels.flat()) {
    const device = state.devices.get(outlet.device);
    const seen = device?.outlets.get(outlet.outlet);
    if (seen !== undefined && seen.state !== "unknown" && now.bootMs - seen.atMs <= forMs) continue;
    if (device !== undefined && device.failure !== null) return `${outletKey(outlet)} cannot be read: ${device.failure}`;
    if (seen?.state === "unknown") return `${outletKey(outlet)} cannot be read: the device does not say whether it is on`;
    return seen === undefined ? `${outletKey(outlet)} has not been read yet` : `${outletKey(outlet)} was last read ${inWords(now.bootMs - seen.atMs)} ago`;
  }
  return null;
}

/** What the other watchers cannot see themselves; written when it changes, not when a time in a sentence does. */
function publish(turn: Turn, host: HostState, policy: HostPolicy, why: string | null): void {
  if (turn.state.fleet === null || !leaseHolds(turn)) return;
  const power = policy.levels.flat().map((outlet) => {
    const seen = turn.state.devices.get(outlet.device)?.outlets.get(outlet.outlet);
    return { outlet: outletKey(outlet), state: seen?.state ?? ("unknown" as const), label: seen?.label ?? null };
  });
  const said = host.guardRecord;
  const plain = (text: string | null) => text?.replace(/\d[\d.]* (ms|s|min|h|d)\b( \d+ (s|min))?/g, "…") ?? null;
  if (said !== null && plain(said.why) === plain(why) && JSON.stringify(said.power) === JSON.stringify(power)) return;
  const record = { v: 1 as const, host: host.name, watcher: turn.policy.watcher, why, power };
  turn.patchHost(host.name, { guardRecord: record });
  turn.save(`guard/${host.name}`, record, host.name);
}

/** Changes that are told within `healthyLogEvery`. */
const TELLS = 4;

/** Reasons that somebody chose, or that pass by themselves: no alarm for these. */
const EXPECTED = new Set(["disarmed", "maintenance", "inhibit", "wanted-off", "returning", "startup", "debounce", "boot", "rebooting", "kdump", "stopping", "no-power", "self", "slot"]);

/** Tells a change of guardedness, and calls a person when it lasts and nobody asked for it. */
export function reviewGuard(turn: Turn, name: string): void {
  const host = turn.host(name);
  const policy = turn.hostPolicy(name);
  if (host === undefined || policy === undefined || !inCharge(turn, name, true)) return;
  const why = whyUnguarded(host, policy, turn);
  const nowMs = turn.now.bootMs;
  const guarded = why === null;
  publish(turn, host, policy, why);
  if (why !== host.unguarded) turn.patchHost(name, { unguarded: why, ...(guarded === (host.unguarded === null) ? {} : { unguardedSinceMs: nowMs }) });
  // An operation tells its own story; what comes and goes is told of a few times, and then not for a while.
  const first = host.guardToldMs.length < TELLS ? -Infinity : (host.guardToldMs[0] as number);
  const due = nowMs - first >= turn.policy.limits.healthyLogEveryMs;
  if (host.operation !== null) {
    if (guarded !== host.guardTold) turn.patchHost(name, { guardTold: guarded });
  } else if (guarded !== host.guardTold && due) {
    turn.patchHost(name, { guardTold: guarded, guardToldMs: [...host.guardToldMs, nowMs].slice(-TELLS) });
    turn.tell(guarded ? "guarded" : "unguarded", name, guarded ? "armed, seen healthy, its power can be read, no brake" : why);
  }
  if (why === null) return over(turn, `unguarded:${name}`, `${name} is guarded again`);
  // While an operation runs the alarm stays as it is: one that comes to nothing must not end it and raise it anew.
  if (host.operation !== null) return;
  const brake = brakesOn(host, policy, turn.state, turn.policy, turn.now, { operation: null, resumed: false }).find((each) => each.name !== "slot");
  const expected = brake !== undefined && EXPECTED.has(brake.name);
  const since = turn.host(name)?.unguardedSinceMs ?? nowMs;
  // Held and storm have alarms of their own; a second one about the same thing would only be noise.
  const saidElsewhere = host.record.hold !== null || brake?.name === "storm" || turn.state.alarms.has(`foreign:${name}`);
  if (expected || saidElsewhere) return over(turn, `unguarded:${name}`, `${name} is not guarded for another reason now: ${why}`);
  if (nowMs - since < turn.policy.limits.unguardedAfterMs) return;
  raiseQuietly(turn, {
    alarm: `unguarded:${name}`, kind: "unguarded", severity: "warning", host: name, incident: host.incident?.incident ?? null,
    happened: `${name} has not been guarded for ${inWords(turn.policy.limits.unguardedAfterMs)} or longer: ${why.replace(/\d[\d.]* (ms|s|min|h|d)\b( \d+ (s|min))?/g, "some time")}.`,
    done: "It is watched, and would not be power-cycled if it wedged.",
    asked: `See: upkeep why ${name}`,
  });
}
