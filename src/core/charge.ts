// Being in charge: our session in the store, the units that we hold in it, how they are taken, handed on and lost (ADR 8).
//
// A unit that we take up is a restart for its operations, and a unit that we lose is the end of this process for them, with one
// exception: power that we have let go off and seen off is paid back without the store as well, later (safety.md §4.7).

import { CANNOT_FOR_MS, check, freshDevice } from "./devices.ts";
import { heldAlarm } from "./ending.ts";
import { raiseTrouble } from "./fleet-alarms.ts";
import { setAside } from "./aside.ts";
import { drive, resume } from "./fencing.ts";
import { underNewHash } from "./fresh.ts";
import { reviewIncidents } from "./incident.ts";
import { OWING_PHASES } from "./phases.ts";
import type { Operation, RecordKey } from "./records.ts";
import { bestFor, commonDevice, observedBy, unfitness } from "./roster.ts";
import type { FleetState, Turn } from "./state.ts";
import { inCharge, isUnderWay, kindOf, leaseHolds, nameOf } from "./transaction.ts";
import type { Unit } from "./units.ts";
import { unitsOf } from "./units.ts";
import { closeBallot, speakOfAll } from "./vote.ts";

/** How often everything is looked through although nothing has changed. */
const REVIEW_EVERY_MS = 5_000;
/** Who is first in order again waits so long before a calm unit comes back to it. */
const SETTLED_MS = 30_000;
/** A session that the one before us has ended may linger at the device for as long. */
const LINGERS_MS = 6_000;
const FAILURES = 3;

// ---- the session -----------------------------------------------------------------------------------------------------------

export function sessionHeld(turn: Turn, untilMs: number): void {
  const first = turn.fleet.heldUntilMs === null;
  turn.patchFleet({ heldUntilMs: untilMs });
  if (!first) return;
  const { fleet, policy } = turn;
  const { watcher } = policy;
  turn.patchFleet({ dirty: true, joinedMs: turn.now.bootMs });
  sayAlive(turn);
  const self = [...policy.hosts.values()].filter((host) => host.self).map((host) => host.name);
  const known = fleet.watchers.get(watcher);
  if (known === undefined || known.self.join() !== self.join() || known.version !== fleet.version) {
    const record = { v: 1 as const, watcher, joined: known?.joined ?? turn.stamp, ready: known?.ready ?? false, self, version: fleet.version };
    turn.patchFleet({ watchers: new Map(fleet.watchers).set(watcher, record) });
    turn.save(`watcher/${watcher}`, record);
  }
  for (const host of turn.state.hosts.values()) if (host.said !== null || host.ballot !== null) turn.patchHost(host.name, { said: null, ballot: null });
  turn.tell("watcher", null, `${watcher} has a session in the store`);
  // First whom we look at: of the others we have nothing to say.
  observe(turn);
  speakOfAll(turn);
}

function sayAlive(turn: Turn): void {
  const { fleet, policy } = turn;
  const { watcher } = policy;
  const known = fleet.alive.get(watcher);
  const record = { v: 1 as const, watcher, folder: fleet.folder, since: known?.since ?? turn.stamp, cannot: [...fleet.cannot.keys()].sort(), blind: isBlind(turn) };
  turn.patchFleet({ alive: new Map(fleet.alive).set(watcher, { ...record, seenMs: known?.seenMs ?? turn.now.bootMs }) });
  turn.save(`alive/${watcher}`, record);
}

/** All that it looks at is unknown to it, or it cannot read what the others write, or it is about to go: nobody should wait for its word. */
function isBlind(turn: Turn): boolean {
  if (turn.fleet.unreadable.length > 0 || turn.state.stopping) return true;
  let seen = 0;
  for (const host of turn.state.hosts.values()) {
    // A host that has never passed anything proves nothing either way.
    if (!host.observed || host.last === null || (host.judgedAtMs === null && !host.last.lost)) continue;
    if (host.last.outcome !== "unknown") return false;
    seen += 1;
  }
  return seen > 0;
}

/** The lease may have ended while nobody told us. */
export function checkLease(turn: Turn): void {
  const { fleet } = turn.state;
  if (fleet !== null && fleet.heldUntilMs !== null && turn.now.bootMs >= fleet.heldUntilMs) sessionLost(turn, "its lease has ended by this watcher's clock");
}

export function sessionLost(turn: Turn, because: string): void {
  const { fleet } = turn;
  if (fleet.heldUntilMs === null) return;
  // What is owed since an earlier loss waits for that one's time, however often the session comes and goes.
  const paying = [...turn.state.runs.values()].some((run) => run.orphan);
  const units = [...unitsOf(turn.policy).all].filter((unit) => fleet.held.has(unit.name));
  turn.patchFleet({ heldUntilMs: null, lostMs: paying ? fleet.lostMs : Math.min(turn.now.bootMs, fleet.heldUntilMs), mine: new Set(), held: new Set(), yielding: new Set() });
  for (const key of turn.state.outbox.keys()) if (GOES_WITH_SESSION.has(kindOf(key))) turn.take(key);
  const cause = turn.tell("watcher", null, `the session in the store is lost: ${because}`);
  turn.patch({ storeFailure: because });
  raiseTrouble(turn, "store", `${turn.policy.watcher} has lost the store of the watchers: ${because}.`, "It watches, and remembers; it cuts nothing, and pays back what it owes.", "See that the store has a majority, and that this watcher reaches it.");
  // What waits has failed; what is under way may still be carried out, and its answer decides.
  turn.patch({ unsent: [...turn.state.unsent, ...turn.state.queue.map(({ txn }) => ({ txn, evidence: `the session in the store is lost: ${because}` }))], queue: [] });
  for (const operation of turn.state.operations.values()) orphan(turn, operation, because);
  for (const unit of units) {
    const owing = new Set([...turn.state.operations.values()].flatMap((operation) => operation.levels.flat().map((outlet) => outlet.device)));
    for (const device of unit.charges) if (turn.policy.devices.has(device) && !owing.has(device)) turn.emit({ kind: "hang-up", device, because: "this watcher is no longer in charge of it", cause });
  }
}

export const GOES_WITH_SESSION = new Set(["alive", "charge", "vote", "ballot", "guard"]);

/** Without the store an operation is only ours as far as we owe something. */
function orphan(turn: Turn, operation: Operation, because: string): void {
  const { wait } = turn.run(operation.id);
  const act = wait.on === "act" && !wait.fired ? wait.act : wait.on === "stored" ? wait.act : null;
  if (act !== null) turn.emit({ kind: "cancel", act, because, cause: turn.causeOf(operation.host) });
  // An on by hand, or a cycle whose power is back, is no debt: whoever has the store goes on with it.
  if (!OWING_PHASES.has(operation.phase) || operation.cut.length === 0) return setAside(turn, operation);
  turn.patchRun(operation.id, { orphan: true });
}

// ---- charges ---------------------------------------------------------------------------------------------------------------

/** Looks through the units when something may have changed, and now and then. */
export function reviewCharges(turn: Turn, always: boolean): void {
  const { fleet } = turn.state;
  if (fleet === null || !leaseHolds(turn) || fleet.blind !== null || fleet.gone !== null) return;
  if (!fleet.dirty && !(always && turn.now.bootMs - fleet.reviewedMs >= REVIEW_EVERY_MS)) return;
  turn.patchFleet({ dirty: false, reviewedMs: turn.now.bootMs });
  const me = turn.policy.watcher;
  reviewIncidents(turn);
  noteCommonDevice(turn);
  noteUnfitness(turn);
  observe(turn);
  const { ofCharge } = unitsOf(turn.policy);
  for (const charge of turn.fleet.mine) {
    if (ofCharge.has(charge)) continue;
    turn.patchFleet({ mine: without(turn.fleet.mine, charge) });
    turn.save(`charge/${charge}`, null);
  }
  // What somebody else is in charge of meanwhile is his to pay.
  for (const operation of turn.state.operations.values()) {
    const unit = unitsOf(turn.policy).ofHost.get(operation.host);
    if (unit !== undefined && turn.run(operation.id).orphan && heldByAnother(turn.fleet, unit, me)) setAside(turn, operation);
  }
  // Word of an operation may come after the unit that it belongs to.
  for (const operation of turn.fleet.foreign.values()) if (turn.host(operation.host)?.operation === null && inCharge(turn, operation.host)) takeOver(turn, operation, true);
  const abstains = turn.fleet.unreadable.length > 0;
  for (const unit of unitsOf(turn.policy).all) {
    const best = abstains ? null : bestFor(turn, unit);
    if (turn.state.stopping) {
      // What is past off is carried on, taken back if need be, and nothing else.
      if (turn.fleet.yielding.has(unit.name)) {
        // What was about to be handed over when the word to stop came must not lie between the two.
        if (best !== null && best !== me) giveUp(turn, unit, best);
        else keep(turn, unit);
        continue;
      }
      const owing = [...turn.state.operations.values()].some((operation) => unit.hosts.includes(operation.host));
      if (!owing || turn.fleet.held.has(unit.name) || best !== me || heldByAnother(turn.fleet, unit, me)) continue;
      take(turn, unit);
    } else if (turn.fleet.held.has(unit.name)) {
      if (best !== me && mayYield(turn, unit, best)) giveUp(turn, unit, best);
      else if (turn.fleet.yielding.has(unit.name)) keep(turn, unit);
    } else if (best === me && !heldByAnother(turn.fleet, unit, me)) {
      take(turn, unit);
    } else {
      giveBack(turn, unit);
    }
  }
}

/** Charges in our name that we do not know of (an answer was lost, a process before this one) and that fall to somebody else. */
function giveBack(turn: Turn, unit: Unit): void {
  for (const charge of unit.charges) {
    const key: RecordKey = `charge/${charge}`;
    if (turn.fleet.charges.get(charge)?.watcher !== turn.policy.watcher || turn.fleet.mine.has(charge) || turn.state.outbox.has(key) || isUnderWay(turn, key)) continue;
    turn.save(key, null);
  }
}

/** Each configuration knows its own watcher's host only; the roster knows all of them. */
function noteCommonDevice(turn: Turn): void {
  // While somebody joins it is not known yet whom it will be without.
  if ([...turn.fleet.watchers.values()].some(({ ready }) => !ready)) return;
  const common = commonDevice(turn);
  if (common === turn.fleet.common) return;
  turn.patchFleet({ common });
  const hosts = [...turn.fleet.watchers.values()].map(({ watcher, self }) => `${watcher} on ${self.join(" and ")}`).sort();
  turn.tell("watcher", null, common === null ? "the watchers do not all hang on one power device any more" : `all watchers hang on ${common} (${hosts.join(", ")}): if it fails, nobody sees it and nobody restores power`);
}

function take(turn: Turn, unit: Unit): void {
  const since = turn.stamp;
  for (const charge of unit.charges) turn.save(`charge/${charge}`, { v: 1, of: charge, watcher: turn.policy.watcher, since });
}

function heldByAnother(fleet: FleetState, unit: Unit, me: string): boolean {
  return unit.charges.some((charge) => (fleet.charges.get(charge)?.watcher ?? me) !== me);
}

/** Tells the others what we cannot do. */
function noteUnfitness(turn: Turn): void {
  const { fleet, policy } = turn;
  const cannot = new Map([...fleet.cannot].filter(([device, untilMs]) => turn.now.bootMs < untilMs && policy.devices.has(device)));
  for (const operation of turn.state.operations.values()) {
    if (turn.run(operation.id).failures < FAILURES) continue;
    for (const outlet of operation.levels[operation.level] ?? []) if ((turn.state.devices.get(outlet.device)?.failure ?? null) !== null) cannot.set(outlet.device, turn.now.bootMs + CANNOT_FOR_MS);
  }
  turn.patchFleet({ cannot });
  const said = fleet.alive.get(policy.watcher);
  if (said !== undefined && (said.blind !== isBlind(turn) || said.cannot.join() !== [...cannot.keys()].sort().join())) sayAlive(turn);
}

/** The first rounds have been made: from now on we count. */
export function becomeReady(turn: Turn): void {
  const { fleet, policy, state } = turn;
  const record = fleet.watchers.get(policy.watcher);
  if (record === undefined || record.ready || !leaseHolds(turn)) return;
  const firstRoundsMs = Math.max(0, ...[...policy.hosts.values()].map((host) => host.threshold * host.everyMs + host.timeoutMs));
  const made = [...state.hosts.values()].every((host) => !host.observed || host.judged >= (turn.hostPolicy(host.name)?.threshold ?? 0));
  if (!made && turn.now.bootMs - state.startedAtMs < firstRoundsMs) return;
  const ready = { ...record, ready: true };
  turn.patchFleet({ watchers: new Map(fleet.watchers).set(policy.watcher, ready), dirty: true });
  turn.save(`watcher/${policy.watcher}`, ready);
  turn.tell("watcher", null, `${policy.watcher} has made its first rounds and counts as an observer`);
}

/** Makes rounds of what is assigned to us, and of nothing else. */
export function observe(turn: Turn): void {
  const { fleet, policy } = turn;
  if (fleet.observedFor !== null && fleet.observedFor[0] === fleet.watchers && fleet.observedFor[1] === fleet.alive && fleet.observedFor[2] === fleet.held) return;
  turn.patchFleet({ observedFor: [fleet.watchers, fleet.alive, fleet.held] });
  // Who is in charge of a host has to see what becomes of it, also where it has no vote.
  const ours = unitsOf(policy).all.filter((unit) => fleet.held.has(unit.name)).flatMap((unit) => unit.hosts);
  const hosts = new Set([...observedBy(turn, policy.watcher), ...ours]);
  if (fleet.observed !== null && fleet.observed.size === hosts.size && [...hosts].every((host) => fleet.observed?.has(host) === true)) return;
  turn.patchFleet({ observed: hosts });
  for (const host of turn.state.hosts.values()) {
    if (host.observed === hosts.has(host.name)) continue;
    turn.patchHost(host.name, { observed: hosts.has(host.name), ...(hosts.has(host.name) ? {} : { last: null, counter: 0, judged: 0, badSinceMs: null, goodSinceMs: null }) });
  }
  turn.emit({ kind: "observe", hosts: [...hosts] });
  speakOfAll(turn);
}

/** Who is better suited gets it as soon as nothing is in flight; who is only first in order, when nothing is the matter. */
function mayYield(turn: Turn, unit: Unit, best: string | null): boolean {
  const { fleet } = turn;
  if (best === null) return true;
  if (unfitness(fleet, best, unit) < unfitness(fleet, turn.policy.watcher, unit)) return true;
  const other = fleet.alive.get(best);
  const settled = other !== undefined && turn.now.bootMs - other.seenMs >= SETTLED_MS;
  return settled && unit.hosts.every((name) => {
    const host = turn.host(name);
    return host === undefined || (host.operation === null && host.incident === null && host.counter === 0);
  });
}

function giveUp(turn: Turn, unit: Unit, best: string | null): void {
  if (!turn.fleet.yielding.has(unit.name)) turn.patchFleet({ yielding: new Set(turn.fleet.yielding).add(unit.name) });
  // Our question ends with our charge, or it would be answered for ever.
  for (const host of unit.hosts) closeBallot(turn, host);
  const hosts = new Set(unit.hosts);
  const mine = [...turn.state.operations.values()].filter((operation) => hosts.has(operation.host));
  const reading = unit.charges.some((device) => (turn.state.devices.get(device)?.reading ?? null) !== null);
  const writing = [...turn.state.outboxHosts.values()].some((host) => hosts.has(host)) || turn.state.underWay !== null || turn.state.queue.length > 0;
  if (reading || writing || mine.some((operation) => turn.run(operation.id).wait.on !== "nothing" || turn.run(operation.id).unrecorded)) return turn.patchFleet({ dirty: true });
  for (const operation of mine) setAside(turn, operation);
  const cause = turn.tell("charge", null, `${unit.name} is handed over${best === null ? "" : ` to ${best}`}`);
  turn.patchFleet({ held: without(turn.fleet.held, unit.name), yielding: without(turn.fleet.yielding, unit.name) });
  for (const charge of unit.charges) {
    turn.patchFleet({ mine: without(turn.fleet.mine, charge) });
    turn.save(`charge/${charge}`, null);
    if (turn.policy.devices.has(charge)) turn.emit({ kind: "hang-up", device: charge, because: "it is handed over", cause });
  }
  for (const host of unit.hosts) if (turn.host(host) !== undefined) turn.patchHost(host, { guardRecord: null });
}

/** It was to be handed over, and is not: what stood still meanwhile goes on. */
function keep(turn: Turn, unit: Unit): void {
  turn.patchFleet({ yielding: without(turn.fleet.yielding, unit.name) });
  for (const operation of turn.state.operations.values()) if (unit.hosts.includes(operation.host)) drive(turn, operation.id);
  for (const device of unit.charges) if (turn.policy.devices.has(device)) check(turn, device);
}

function without(set: ReadonlySet<string>, name: string): ReadonlySet<string> {
  const rest = new Set(set);
  rest.delete(name);
  return rest;
}

/** Our charges were committed, or taken from us by a change: what we hold follows. */
export function charged(turn: Turn, keys: readonly RecordKey[]): void {
  const me = turn.policy.watcher;
  let { charges } = turn.fleet;
  const since = turn.stamp;
  const mine = new Set(turn.fleet.mine);
  for (const key of keys) {
    charges = charges.with(nameOf(key), { v: 1, of: nameOf(key), watcher: me, since });
    mine.add(nameOf(key));
  }
  turn.patchFleet({ charges, mine });
  const { ofCharge } = unitsOf(turn.policy);
  const taken = new Set(keys.map((key) => ofCharge.get(nameOf(key))).filter((unit) => unit !== undefined));
  for (const unit of taken) {
    if (unit.charges.every((charge) => mine.has(charge)) && !turn.fleet.held.has(unit.name)) takeUp(turn, unit);
  }
}

/** A unit is ours: its operations are taken up as after a restart. */
function takeUp(turn: Turn, unit: Unit): void {
  const nowMs = turn.now.bootMs;
  turn.patchFleet({ held: new Set(turn.fleet.held).add(unit.name), dirty: true });
  turn.tell("charge", null, `in charge of ${unit.name}: ${unit.hosts.length} host${unit.hosts.length === 1 ? "" : "s"}`);
  for (const name of unit.hosts) {
    const host = turn.host(name);
    if (host === undefined) continue;
    turn.patchHost(name, { refusal: null, guardRecord: null, unguardedSinceMs: nowMs });
    const policy = turn.hostPolicy(name);
    if (policy !== undefined && host.record.learned.hash !== policy.hash) turn.patchRecord(name, underNewHash(host.record, policy));
    if (host.record.hold !== null) heldAlarm(turn, name, host.incident?.incident ?? null, host.record.hold.because);
  }
  const hosts = new Set(unit.hosts);
  for (const device of unit.charges) if (turn.state.devices.has(device)) turn.patch({ devices: turn.state.devices.with(device, freshDevice(device)) });
  // A lock of whoever had it before us guards nothing any more; the act that it guarded is bounded by `maxAct`.
  for (const device of unit.charges) {
    const key: RecordKey = `lock/${device}`;
    if (turn.state.revisions.has(key) && !turn.state.locks.has(device)) turn.save(key, null, unit.hosts[0] ?? null);
  }
  for (const operation of turn.state.operations.values()) {
    // Ours all the time, and nobody has written it meanwhile: what we know is ahead of its record.
    if (!hosts.has(operation.host) || !turn.run(operation.id).orphan) continue;
    turn.patchRun(operation.id, { orphan: false, takenUpMs: nowMs, unrecorded: true, recordAtMs: nowMs, retryAtMs: nowMs });
    drive(turn, operation.id);
  }
  for (const operation of turn.fleet.foreign.values()) {
    if (hosts.has(operation.host)) takeOver(turn, operation);
  }
  for (const device of unit.charges) {
    const lostMs = turn.fleet.orphaned.get(device);
    const boundMs = turn.policy.devices.get(device)?.maxActMs ?? 0;
    const waitMs = lostMs === undefined ? 0 : lostMs < 0 ? LINGERS_MS : Math.max(0, lostMs + boundMs - nowMs);
    if (turn.policy.devices.has(device)) {
      if (waitMs === 0) check(turn, device);
      else turn.wake(`device/${device}`, nowMs + waitMs);
    }
  }
}

/** `late`: it was heard of when the unit was ours already. */
function takeOver(turn: Turn, operation: Operation, late = false): void {
  const me = turn.policy.watcher;
  const foreign = new Map(turn.fleet.foreign);
  foreign.delete(operation.id);
  turn.patchFleet({ foreign });
  turn.patchHost(operation.host, { foreign: null });
  resume(turn, { ...operation, watcher: me }, operation.watcher === me ? "own" : late || turn.fleet.ageless.has(operation.id) ? "no" : "not yet");
}

/** Somebody else's charge is gone (its holder's session with it, or not), or we have been robbed of ours. */
export function uncharged(turn: Turn, charge: string, by: "its session ended" | "handed over"): void {
  const { fleet } = turn;
  turn.patchFleet({ orphaned: fleet.orphaned.with(charge, by === "handed over" ? -1 : turn.now.bootMs), dirty: true });
  if (fleet.mine.has(charge)) sessionLost(turn, `charge/${charge} is not ours any more`);
}
