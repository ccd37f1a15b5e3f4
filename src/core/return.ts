// The return of power (ADR 28): what a careful shutdown stopped is started again, exactly that and nothing else, from records that
// outlive this watcher. Power has to be good for `returnAfter` without a break and the UPS charged, or a person says so; then one
// host after the other, in order of dependency, through the ordinary operation: intent, swap, read back, owed on.
//
// The invariants: no outlet before `haltBound` after the last sign of life, or a metered off (metered.ts), since a halted system that
// still writes is worse than one that waits; a host that answers is not cycled, only wanted on again; power lost again stops what has not been cut; a start
// that fails is held and a person is called. Looked at every second and harmless at any time.

import { over, raiseQuietly } from "./alarms.ts";
import type { BrakeName } from "./brakes.ts";
import { bootMs, brakesOn } from "./brakes.ts";
import { intend } from "./fencing.ts";
import type { Input } from "./io.ts";
import { meteredOff } from "./metered.ts";
import { SLOT_PHASES } from "./phases.ts";
import type { HostPolicy, Policy } from "./policy.ts";
import { outletKey } from "./policy.ts";
import type { AnyRecord, Careful, HostRecord, RecordKey } from "./records.ts";
import { BY, back, isDown, isReturn, returned, notHalted, seenElsewhere, silentForMs, startFailed } from "./return-ledger.ts";
import type { Sense } from "./site-power.ts";
import { carefulOf, notYet, senseOf, sensePower } from "./site-power.ts";
import type { HostState, State, Turn } from "./state.ts";
import type { Now } from "./time.ts";
import { ageMs } from "./time.ts";
import { inCharge, kindOf, nameOf } from "./transaction.ts";
import { turnBackPlanned } from "./turn-back.ts";
import { tooFew } from "./vote.ts";
import { inWords } from "./words.ts";

/** What holds a start back no longer than it would an off, and is not asked: it is itself why the host is off, or counts what went wrong with hosts that died. */
const OVER: readonly BrakeName[] = ["wanted-off", "returning", "storm", "once", "budget", "rebooting", "quorum", "startup"];
/** These pass by themselves, and nobody needs to know. */
const PASSING: ReadonlySet<BrakeName> = new Set<BrakeName>(["debounce", "boot", "slot", "stopping", "kdump", "ledger", "charge", "unreachable"]);

/** Watchers that have just come up can judge a host after a few rounds. */
const UNJUDGED_MS = 120_000;

/** This watcher's own signal: what comes of it is looked at in the same step. */
export function powerSensed(turn: Turn, input: Extract<Input, { kind: "power-sense" }>): void {
  if (sensePower(turn, input)) {
    // Who asked for a start did so before this.
    for (const { name, record } of turn.state.hosts.values()) {
      const careful = record.careful ?? null;
      if (careful !== null && careful.asked !== null && inCharge(turn, name)) turn.patchRecord(name, { careful: { ...careful, asked: null } });
    }
  }
  reviewReturn(turn);
}

/** Looks at everything that was shut down with care, and begins at most one start. */
export function reviewReturn(turn: Turn): void {
  const planned = [...turn.state.hosts.values()].filter((host) => (host.record.careful ?? null) !== null && inCharge(turn, host.name));
  if (planned.length === 0) return;
  const sense = senseOf(turn);
  for (const { name } of planned) {
    const host = turn.host(name) as HostState;
    const careful = host.record.careful as Careful;
    if (careful.state === "starting") followStart(turn, host, careful);
    else serves(turn, host, careful, sense);
  }
  const why = notYet(sense, turn.policy);
  if (why !== null) stopStarts(turn, why);
  if (turn.state.stopping || turn.state.storeFailure !== null) return;
  const waiting = planned.map(({ name }) => turn.host(name) as HostState).filter((host) => isDown(host) && (why === null || host.record.careful?.asked !== null));
  if (waiting.length === 0 || turn.now.bootMs < (turn.state.startedHostMs ?? -Infinity) + carefulOf(turn.policy).staggerMs || oneStarts(turn.state)) return;
  for (const host of inOrder(waiting, turn.policy)) if (mayStart(turn, host) && start(turn, host.name, sense)) return;
}

/** One that answers is not cycled: it came back by itself, or never went down. */
function serves(turn: Turn, host: HostState, careful: Careful, sense: Sense): void {
  const policy = turn.hostPolicy(host.name) as HostPolicy;
  const boundMs = Math.max(carefulOf(turn.policy).haltBoundMs, careful.haltWithinMs);
  const goodForMs = host.goodSinceMs === null || host.last?.outcome !== "good" ? -1 : turn.now.bootMs - host.goodSinceMs;
  const aged = ageMs(careful.since, turn.now);
  // Until then it may still be going down, however well it answers.
  if (aged < boundMs) return;
  const went = careful.lastSign !== null;
  // What it is there for is stopped, and its system runs on; one that was silent meanwhile may have gone down, and be booting.
  const graceMs = went ? bootGraceMs(policy, host) : 0;
  if (host.last?.outcome === "bad" && !host.mute && turn.now.bootMs - host.livesSinceMs > graceMs) return neverWentDown(turn, host, careful, sense);
  if (goodForMs < policy.healthyForMs) return;
  if (!went && sense.state !== "good") return neverWentDown(turn, host, careful, sense);
  back(turn, host.name, went ? "it serves again, and nobody here has started it" : `its shutdown was announced ${inWords(aged)} ago and it never went down; power is good`);
}

function neverWentDown(turn: Turn, host: HostState, careful: Careful, sense: Sense): void {
  raiseQuietly(turn, {
    alarm: `return:${host.name}`, kind: "return", severity: "warning", host: host.name, incident: null,
    happened: `${host.name} announced a careful shutdown (${careful.because}) and is still up after its time.`,
    done: `It is wanted off and not fenced; ${sense.state === "good" ? "power is good, and it answers without serving" : `when power is known to be good it is wanted on again (${sense.state === "lost" ? "power is lost" : "this watcher does not know"})`}.`,
    asked: `Look why it does not go down, or: upkeep careful return ${host.name}`,
  });
}

function bootGraceMs(policy: HostPolicy, host: HostState): number {
  return policy.bootMs === 0 ? 5 * policy.everyMs + policy.timeoutMs : bootMs(policy, host);
}

/** The host has come up, or has had the time of a boot. */
function followStart(turn: Turn, host: HostState, careful: Careful): void {
  if (host.operation !== null || host.foreign !== null || host.rousing) return;
  const policy = turn.hostPolicy(host.name) as HostPolicy;
  const beganMs = turn.now.bootMs - (careful.began === null ? Infinity : ageMs(careful.began, turn.now));
  const goodSinceMs = host.goodSinceMs !== null && host.last?.outcome === "good" ? Math.max(host.goodSinceMs, beganMs) : null;
  if (goodSinceMs !== null) {
    if (turn.now.bootMs - goodSinceMs >= policy.healthyForMs) returned(turn, host.name, `back in service ${inWords(goodSinceMs - beganMs)} after its start began`);
    return;
  }
  const graceMs = bootGraceMs(policy, host);
  // What nobody could look at has not failed.
  const fromMs = Math.max(beganMs, host.freshAfterMs);
  if (turn.now.bootMs - fromMs <= graceMs || host.last?.outcome !== "bad") return;
  // Of a process before this one nobody knows whether its packets went out.
  if (policy.levels.length === 0 && beganMs < turn.state.startedAtMs) {
    turn.patchRecord(host.name, { careful: { ...careful, state: "off", began: null }, wanted: { state: "off", by: BY, why: careful.because, at: turn.stamp } });
    return void turn.tell("return", host.name, "it was to be woken by a process before this one and has not come up: it is woken again");
  }
  startFailed(turn, host.name, `it was started after the careful shutdown (${careful.because}) and did not come back within ${inWords(graceMs)}`);
}

/** What has not been cut yet is turned back and stays in the ledger; what has been goes on to its power. */
function stopStarts(turn: Turn, because: string): void {
  for (const operation of turn.state.operations.values()) {
    const asked = turn.record(operation.host)?.careful?.asked ?? null;
    if (isReturn(operation) && asked === null) turnBackPlanned(turn, operation.id, because);
  }
}

/** From its intent to its power: also one that another watcher carries out. */
function oneStarts(state: State): boolean {
  if ([...state.hosts.values()].some((host) => host.rousing)) return true;
  return [...state.operations.values(), ...(state.fleet?.foreign.values() ?? [])].some((operation) => isReturn(operation) && SLOT_PHASES.has(operation.phase));
}

/** Those that wait for nobody first; a person's word before others, then the name. */
function inOrder(hosts: readonly HostState[], policy: Policy): readonly HostState[] {
  const depth = (name: string, seen: ReadonlySet<string>): number => {
    if (seen.has(name)) return 0;
    const after = policy.hosts.get(name)?.after ?? [];
    return after.length === 0 ? 0 : 1 + Math.max(...after.map((each) => depth(each, new Set([...seen, name]))));
  };
  const rank = new Map(hosts.map((host) => [host.name, depth(host.name, new Set())]));
  return [...hosts].sort((one, other) => (rank.get(one.name) ?? 0) - (rank.get(other.name) ?? 0) || (one.name < other.name ? -1 : 1));
}

/** Its time has come; what it waits for is no news. */
function mayStart(turn: Turn, host: HostState): boolean {
  const { bootMs: nowMs } = turn.now;
  if (nowMs < host.startAtMs || host.operation !== null || host.foreign !== null) return false;
  if (notHalted(turn, host) !== null || seenElsewhere(turn, host)) return false;
  return waitsFor(turn.state, turn.policy, turn.now, host.name) === null;
}

/** Whom it is started after, and who neither serves nor has had the time of a boot; null: nobody. */
export function waitsFor(state: State, policy: Policy, now: Now, name: string): string | null {
  for (const other of policy.hosts.get(name)?.after ?? []) {
    const host = state.hosts.get(other);
    const otherPolicy = policy.hosts.get(other);
    if (host === undefined || otherPolicy === undefined || host.last?.outcome === "good" || host.last?.outcome === "slow") continue;
    const careful = host.record.careful ?? null;
    // Not by this event: it is down for another reason, which this return does not mend and does not wait for.
    if (careful === null) continue;
    // A person who names one and not the other knows why.
    if (careful.state === "off" && careful.asked === null && (state.hosts.get(name)?.record.careful?.asked ?? null) !== null) continue;
    // One whose turn has come and that cannot be started has had its chance as well.
    const turnMs = careful.state === "starting" ? now.bootMs - (careful.began === null ? 0 : ageMs(careful.began, now)) : host.startRefused?.sinceMs;
    if (turnMs === undefined || now.bootMs - turnMs < bootMs(otherPolicy, host)) return other;
  }
  return null;
}

/** Begins it, or says why not. Whether something was begun. */
function start(turn: Turn, name: string, sense: Sense): boolean {
  const host = turn.host(name) as HostState;
  const policy = turn.hostPolicy(name) as HostPolicy;
  const careful = host.record.careful as Careful;
  const [first] = policy.levels;
  const wakes = first === undefined && policy.wakes === true;
  const standing = brakesOn(host, policy, turn.state, turn.policy, turn.now, { operation: null, resumed: false }).filter(({ name: brake }) => !OVER.includes(brake) && !(wakes && brake === "no-power"));
  if (standing.length > 0) return refuse(turn, host, standing.map((brake) => brake.because).join("; "), standing.map((brake) => brake.name).join(","), standing.every((brake) => PASSING.has(brake.name)));
  const reads = (first ?? []).map((outlet) => ({ outlet, state: turn.state.devices.get(outlet.device)?.outlets.get(outlet.outlet)?.state ?? "unknown", follows: turn.policy.devices.get(outlet.device)?.followsHost === true }));
  const off = reads.length > 0 && reads.every(({ state }) => state === "off");
  // What no host switches itself was switched off by somebody.
  const foreign = reads.filter(({ state, follows }) => state === "off" && !follows);
  if (foreign.length > 0) return refuse(turn, host, `${foreign.map(({ outlet }) => outletKey(outlet)).join(" and ")} reads off, and not by us`, "foreign", false);
  // A cut has to be earned. Begun without that it would wait for ten minutes, again and again, and nobody would know.
  const blind = wakes || off ? null : unjudged(turn, host, policy);
  if (blind !== null) return refuse(turn, host, blind, "unjudged", turn.now.bootMs - (host.startRefused?.sinceMs ?? turn.now.bootMs) < UNJUDGED_MS);
  const who = careful.asked === null ? `power has been good for ${inWords(sense.goodForMs ?? 0)} (${sense.because})` : `${careful.asked} wants it now`;
  const halted = silentForMs(host, turn.now) < carefulOf(turn.policy).haltBoundMs ? meteredOff(turn, host) : null;
  const because = `it was shut down with care (${careful.because}), and ${who}${halted === null ? "" : `; it has halted: ${halted}`}`;
  turn.patchRecord(name, { careful: { ...careful, state: "starting", began: turn.stamp }, wanted: { state: "on" } });
  turn.patchHost(name, { startRefused: null, rousing: wakes, counter: 0 });
  over(turn, `return:${name}`, `${name} is started`);
  turn.patch({ startedHostMs: turn.now.bootMs });
  turn.tell("return", name, `started by ${wakes ? "wake-on-LAN" : off ? "power on" : "a power cycle"}: ${because}`);
  if (!wakes) intend(turn, policy, off ? "on" : "cycle", { kind: "manual", by: BY, reason: because, over: OVER, event: careful.event }, because);
  return true;
}

/** Why nobody could say that it is down: its configuration has changed since it served, or too few watchers know it. */
function unjudged(turn: Turn, host: HostState, policy: HostPolicy): string | null {
  const { last } = host;
  if (last === null || last.outcome === "unknown") return `nobody can say that it is down (${last?.because ?? "no round yet"})`;
  return tooFew(turn, policy);
}

/** Told once a change; a person is called, unless it passes by itself. */
function refuse(turn: Turn, host: HostState, because: string, reason: string, passes: boolean): false {
  const { name, startRefused } = host;
  turn.patchHost(name, { startAtMs: turn.now.bootMs + 1_000, startRefused: { reason, sinceMs: startRefused?.sinceMs ?? turn.now.bootMs } });
  if (startRefused?.reason !== reason && !passes) turn.tell("refused", name, `not started: ${because}`);
  if (!passes) raiseQuietly(turn, {
    alarm: `return:${name}`, kind: "return", severity: "warning", host: name, incident: null,
    happened: `${name} was shut down with care and cannot be started: ${because}.`, done: "It stays off, and is started as soon as that is over.",
    asked: `See: upkeep why ${name}; or start it by hand (upkeep power ${name} on)`,
  });
  return false;
}

/** These records are durable: who is to be woken may be. */
export function startsRecorded(turn: Turn, written: ReadonlyMap<RecordKey, AnyRecord | null>): void {
  for (const [key, value] of written) {
    if (kindOf(key) !== "host") continue;
    const host = turn.host(nameOf(key));
    if (host?.rousing !== true || (value as HostRecord).careful?.state !== "starting") continue;
    turn.patchHost(host.name, { rousing: false });
    const careful = host.record.careful ?? null;
    if (careful === null || !inCharge(turn, host.name) || turn.state.stopping) continue;
    turn.emit({ kind: "rouse", host: host.name, because: `${host.name} is started after ${careful.because}`, cause: turn.causeOf(host.name) });
  }
}

/** A person wants it, or all of it, started now. Returns whom, or null when there is nobody. */
export function askReturn(turn: Turn, by: string, name: string | null): readonly string[] {
  const asked = [...turn.state.hosts.values()].filter((host) => isDown(host) && (name === null || host.name === name) && inCharge(turn, host.name)).map((host) => host.name);
  for (const each of asked) {
    const careful = turn.record(each)?.careful as Careful;
    turn.patchRecord(each, { careful: { ...careful, asked: by } });
    turn.patchHost(each, { startAtMs: 0 });
    turn.tell("return", each, `${by} wants it started now, and takes the word for it that its power is good`);
  }
  if (asked.length > 0) reviewReturn(turn);
  return asked;
}
