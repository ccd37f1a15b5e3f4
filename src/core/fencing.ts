// The operation: how one host's power is cut and restored exactly once (safety.md §4).
//
//   intended → off-sent → off-confirmed → on-sent → booting → recovered | withdrawn | next level | held | done
//
// Every arrow before an irreversible byte is a *swap*: a store transaction guarded by the operation's revision. The core
// emits `fire` only when that transaction is known to be durable, and nothing else emits `fire`. Every arrow after it is
// decided by reading the device back, never by an acknowledgement. A restart enters at the recorded phase with a fresh
// `Run`: what is past off is finished at once; an off that is not known to have arrived must be earned again.
//
// Looked at and driven on by whatever happens: `drive` is harmless at any time. What may stop an off is asked in swap.ts and
// nowhere else; nothing asks a brake before an on.

import { over } from "./alarms.ts";
import { bootMs } from "./brakes.ts";
import { end, goOn, leave, mayEscalate, nextLevel, owedAlarm, unconfirmed } from "./ending.ts";
import { freshRun } from "./fresh.ts";
import { inCharge, leaseHolds } from "./transaction.ts";
import { setAside } from "./aside.ts";
import { note, openIncident } from "./incident.ts";
import type { ActOutcome, Input, ReadResult } from "./io.ts";
import { EFFECT_MS, allOutlets, amend, backOffMs, commit, earns, levelOf, names, nextToken, operationKey, patienceMs, recorded, restoreOutbox, retryIn, timing, wakeAt } from "./operation.ts";
import { OWING_PHASES } from "./phases.ts";
import type { HostPolicy, OutletRef } from "./policy.ts";
import { outletKey } from "./policy.ts";
import { readings as takeReadings, readPass } from "./read-back.ts";
import type { Operation, OperationOutlet, Origin } from "./records.ts";
import { isDown, isReturn } from "./return-ledger.ts";
import type { Run, Turn } from "./state.ts";
import { act, acted as takeAct, notWritten, swapped } from "./swap.ts";
import { ageMs } from "./time.ts";
import { inWords } from "./words.ts";

/** Bad rounds that earn an off again after a restart or a lost one (safety.md §4.4). */
const REEARN_ROUNDS = 2;
/** Offs let go for one outlet and level before the level is given up. */
const SENDS_MAX = 3;
/** While the ledger cannot be written, how often the record of an owed on is tried again. */
const RECORD_AGAIN_MS = 5_000;
/** An on that has not arrived is sent again after this, and then after longer and longer. */
const ON_AGAIN_MS = 5_000;
const SETTLE_READ_EVERY_MS = 5_000;
/** How long the answer to one search for a sign of life is waited for. */
const TOUCH_GRACE_MS = 3_000;

/** Intends an operation: the record is committed before anything is done; `owed` is dark already and gets its power back. Returns its id. */
export function intend(turn: Turn, policy: HostPolicy, kind: Operation["kind"], origin: Origin, because: string, owed: readonly string[] = []): number {
  const host = turn.host(policy.name);
  // Switching on by hand is no incident, nor is the return of power; whatever is open belongs to it.
  const planned = isReturn({ origin });
  const incident = kind === "on" || planned ? (host?.incident ?? null) : openIncident(turn, policy.name, host?.firstSign || because, host?.badSinceMs ?? null);
  const id = nextToken(turn);
  const levels = policy.levels.map((feeds) => feeds.map((outlet) => recorded(turn, outlet)));
  const operation: Operation = {
    v: 1, id, host: policy.name, incident: incident?.incident ?? "", kind, origin, because,
    phase: kind === "on" ? "on-sent" : "intended",
    levels, level: 0, token: id, sends: 0, cut: kind === "on" ? levels.flat().map(outletKey) : owed, sent: [],
    offWasConfirmed: false, contradiction: null, withdrawing: null, touched: [],
    began: turn.stamp, phaseSince: turn.stamp, offAt: null, onConfirmedAt: null, watcher: turn.policy.watcher,
  };
  turn.patchHost(policy.name, { operation: id, refusal: null, decideAtMs: null });
  turn.patch({ runs: new Map(turn.state.runs).set(id, freshRun(turn.now, false)), operations: new Map(turn.state.operations).set(id, operation) });
  if (!planned) note(turn, policy.name, "intendedAt");
  turn.tell("intended", policy.name, `operation ${id}: ${kind === "cycle" ? "cut and restore" : kind === "off" ? "cut" : "restore"} power at ${names(levels[0] ?? [])}, because ${because}`);
  // With the record of the one before goes whatever a lost transaction may have left of it: a host never has two.
  const before = host?.record.lastOperation ?? null;
  commit(turn, operation, null, null, before === null ? [] : [{ key: operationKey(before.id), value: null }]);
  return id;
}

/** Takes an operation up from the ledger. */
export function resume(turn: Turn, found: Operation, sure: Run["sure"] = "own"): void {
  // What has passed since the decision counts also where nobody was in charge of it meanwhile.
  const served = found.phase === "intended" && found.withdrawing === null && (turn.host(found.host)?.lastGoodAtMs ?? -Infinity) >= turn.now.bootMs - ageMs(found.phaseSince, turn.now);
  const operation = served ? { ...found, withdrawing: `a good round came before the cut${found.origin.kind === "auto" ? "" : ": if it is still wanted, ask again"}` } : found;
  // With several watchers its record says whose it is now before anything else is done.
  const run = { ...freshRun(turn.now, true), sure, unrecorded: turn.state.fleet !== null, recordAtMs: turn.now.bootMs };
  turn.patch({ runs: new Map(turn.state.runs).set(operation.id, run), operations: new Map(turn.state.operations).set(operation.id, operation) });
  if (turn.host(operation.host) !== undefined) turn.patchHost(operation.host, { operation: operation.id });
  turn.tell("resumed", operation.host, `operation ${operation.id} ${turn.state.fleet === null ? "was open when this watcher started" : "is taken over"}: phase ${operation.phase}, begun ${inWords(ageMs(operation.began, turn.now))} ago`);
  drive(turn, operation.id);
}

/** The transaction of an operation came back. */
export function stored(turn: Turn, id: number, input: Extract<Input, { kind: "stored" }>): void {
  const before = turn.state.operations.get(id);
  if (before === undefined) return;
  const run = turn.run(id);
  if (run.wait.on !== "stored") return;
  const { next, act, outlet } = run.wait;
  if (input.result === "committed") {
    turn.patch({
      operations: new Map(turn.state.operations).set(id, next),
      revisions: turn.state.revisions.with(operationKey(id), input.revision),
    });
    turn.patchRun(id, { wait: { on: "nothing" }, unrecorded: run.wait.amended });
    if (act !== null && outlet !== null) return swapped(turn, next, act, outlet, input.sentMs);
    if (outlet !== null) {
      notWritten(turn, next, outletKey(outlet), next.phase === "on-sent" ? "on" : "off", { because: "the session ended while the swap was recorded" });
      return drive(turn, id);
    }
    entered(turn, before, next);
    return drive(turn, id);
  }
  const { evidence } = input;
  // The transaction took the host's and the incident's records with it: they go back into the outbox, newest value first.
  restoreOutbox(turn, next);
  if (!run.unrecorded) turn.tell("store-failed", next.host, `operation ${id} could not be recorded as ${next.phase}: ${evidence}`);
  turn.patchRun(id, { wait: { on: "nothing" } });
  if (act !== null && outlet !== null && next.phase === "on-sent") {
    // The one act that is allowed without a fresh record (safety.md §4.7): the on that we owe; with several watchers not before
    // whoever comes after us has had his turn.
    if (turn.state.fleet !== null && !maySwitchOnWithoutStore(turn, next, outlet)) {
      turn.emit({ kind: "cancel", act, because: `not recorded: ${evidence}`, cause: turn.causeOf(next.host) });
      turn.patchRun(id, { wait: { on: "act", act, outlet, action: "on", fired: false }, blocked: `not recorded: ${evidence}` });
      return;
    }
    turn.patch({ operations: new Map(turn.state.operations).set(id, next) });
    turn.patchRun(id, { unrecorded: true, recordAtMs: turn.now.bootMs + RECORD_AGAIN_MS });
    return swapped(turn, next, act, outlet, turn.now.bootMs);
  }
  if (act !== null) {
    turn.emit({ kind: "cancel", act, because: `not recorded: ${evidence}`, cause: turn.causeOf(next.host) });
    turn.patchRun(id, { wait: { on: "act", act, outlet: outlet as OutletRef, action: "off", fired: false } });
    return;
  }
  if (!turn.state.revisions.has(operationKey(id))) {
    if (isReturn(before)) return end(turn, before, "withdrawn", `the intent could not be recorded: ${evidence}`, null);
    // An on that a person asked for goes on asking: nothing is lost by it, and they want it.
    if (before.kind === "on") return retryIn(turn, id, RECORD_AGAIN_MS);
    // Never recorded, so nothing was intended.
    if (before.cut.length === 0) return end(turn, before, "withdrawn", `the intent could not be recorded: ${evidence}`, null);
    // But whoever asked for a cycle of what is dark already wants power there: that is left of it.
    turn.patch({ operations: new Map(turn.state.operations).set(id, { ...before, kind: "on", phase: "on-sent", phaseSince: turn.stamp }) });
    return retryIn(turn, id, RECORD_AGAIN_MS);
  }
  if (next.phase === "on-sent" || (OWING_PHASES.has(before.phase) && next.phase !== "off-sent")) {
    // Past off the world goes on without the store; the record follows when it can be written.
    turn.patch({ operations: new Map(turn.state.operations).set(id, next) });
    turn.patchRun(id, { unrecorded: true, recordAtMs: turn.now.bootMs + RECORD_AGAIN_MS });
    entered(turn, before, next);
    return drive(turn, id);
  }
  turn.patchRun(id, { recordAtMs: turn.now.bootMs + RECORD_AGAIN_MS });
  retryIn(turn, id, 1_000);
}

/** From when on what is owed at this outlet may be paid without the store; alone at once, in charge not at all. */
function payMs(turn: Turn, operation: Operation, outlet: OutletRef): number {
  const { fleet } = turn.state;
  if (fleet === null) return 0;
  const maxActMs = allOutlets(operation).find((each) => outletKey(each) === outletKey(outlet))?.maxActMs ?? 0;
  return turn.run(operation.id).orphan ? fleet.lostMs + (turn.policy.shared?.ttlMs ?? 0) + maxActMs : Infinity;
}

function maySwitchOnWithoutStore(turn: Turn, operation: Operation, outlet: OutletRef): boolean {
  return turn.now.bootMs >= payMs(turn, operation, outlet);
}

/** What a phase says when it is entered, and what it resets. */
function entered(turn: Turn, before: Operation, next: Operation): void {
  if (before.phase === next.phase && before.level === next.level) return;
  const run: Partial<Run> = { pass: new Map(), seen: new Map(), tried: [], offPasses: 0, lastPassMs: null, failures: 0, retryAtMs: turn.now.bootMs, wait: { on: "nothing" } };
  switch (next.phase) {
    case "intended":
      break;
    case "off-sent":
      break;
    case "off-confirmed":
      turn.patchRun(next.id, { ...run, touch: null, silence: "not asked", touchedMs: null, heard: false });
      break;
    case "on-sent":
    case "booting":
      turn.patchRun(next.id, run);
      break;
  }
}

/** Looks at an operation and does the next thing, if there is one. Harmless to call at any time. */
export function drive(turn: Turn, id: number): void {
  const operation = turn.state.operations.get(id);
  if (operation === undefined) return;
  const run = turn.run(id);
  if (run.wait.on !== "nothing") return;
  if (turn.now.bootMs < run.retryAtMs) return turn.wake(`op/${id}`, run.retryAtMs);
  if (!run.orphan && !inCharge(turn, operation.host)) {
    // About to be handed over; or the configuration has given the host to others.
    if (!inCharge(turn, operation.host, true)) setAside(turn, operation);
    else if (run.unrecorded) return turn.now.bootMs >= run.recordAtMs ? commit(turn, operation, null, null, []) : turn.wake(`op/${id}`, run.recordAtMs);
    return;
  }
  if (run.orphan && (operation.phase === "intended" || operation.phase === "booting" || operation.kind === "off")) return setAside(turn, operation);
  const recorded = turn.state.revisions.has(operationKey(id));
  if (run.orphan && leaseHolds(turn)) {
    // With a session again we are about to hear who has it now; when that does not come, it is paid all the same.
    const maxActMs = Math.max(...allOutlets(operation).map((each) => each.maxActMs));
    const hearMs = (turn.state.fleet?.joinedMs ?? 0) + (turn.policy.shared?.ttlMs ?? 0) + maxActMs - turn.now.bootMs;
    if (hearMs > 0) return turn.wake(`op/${id}`, turn.now.bootMs + Math.min(hearMs, turn.policy.limits.readBackEveryMs));
  }
  if (run.orphan) turn.wake(`op/${id}`, turn.now.bootMs + turn.policy.limits.readBackEveryMs);
  else if (!recorded || (run.unrecorded && turn.now.bootMs >= run.recordAtMs)) return commit(turn, operation, null, null, []);
  switch (operation.phase) {
    case "intended":
      return driveIntended(turn, operation, run);
    case "off-sent":
      return driveOffSent(turn, operation, run);
    case "off-confirmed":
      return driveOffConfirmed(turn, operation, run);
    case "on-sent":
      return driveOnSent(turn, operation, run);
    case "booting":
      return driveBooting(turn, operation, run);
  }
}

function driveIntended(turn: Turn, operation: Operation, run: Run): void {
  if (operation.withdrawing !== null) return leave(turn, operation, operation.withdrawing);
  if (turn.state.stopping) return leave(turn, operation, "this watcher was stopped");
  // What has not been cut is begun anew from the ledger, when all that it waits for has been seen by this process.
  if (run.resumed && isReturn(operation)) return leave(turn, operation, "this watcher was started again");
  const agedMs = ageMs(operation.phaseSince, turn.now);
  if (agedMs > turn.policy.limits.opExpiryMs) return leave(turn, operation, `not carried out within ${inWords(turn.policy.limits.opExpiryMs)}`);
  // An act of the process before this one is bounded by what its record says, whatever the record knows of it.
  const boundMs = Math.max(...levelOf(operation).map((each) => each.maxActMs));
  if (run.resumed && turn.now.bootMs - run.takenUpMs < boundMs) return retryIn(turn, operation.id, run.takenUpMs + boundMs - turn.now.bootMs);
  if (run.resumed && run.freshBad < REEARN_ROUNDS) return retryIn(turn, operation.id, 1_000);
  if (run.resumed && run.takenUpMs === run.decidedMs) turn.patchRun(operation.id, { decidedMs: turn.now.bootMs });
  const rest = levelOf(operation).filter((each) => !operation.sent.includes(outletKey(each)));
  // A feed that cannot be reached is tried first: while nothing is cut, a level is left without harm.
  const outlet = rest.find((each) => (turn.state.devices.get(each.device)?.failure ?? null) !== null) ?? rest[0];
  if (outlet === undefined) return leave(turn, operation, "nothing is left to cut");
  act(turn, operation, outlet, "off");
}

function driveOffSent(turn: Turn, operation: Operation, run: Run): void {
  if (run.orphan) return confirmForPayment(turn, operation, run);
  if (operation.withdrawing !== null) return goOn(turn, operation);
  const level = levelOf(operation);
  const rest = level.filter((each) => !operation.sent.includes(outletKey(each)));
  const afterRestart = run.resumed && run.lastActMs === null;
  const nowMs = turn.now.bootMs;
  const sinceOffMs = operation.offAt === null ? 0 : ageMs(operation.offAt, turn.now);
  const boundMs = Math.max(...level.map((each) => each.maxActMs));
  const waitMs = patienceMs(turn, operation);
  if (rest.length > 0 && !afterRestart) {
    if (sinceOffMs > waitMs) return unconfirmed(turn, operation, `${names(rest)} could not be cut`);
    return act(turn, operation, rest[0] as OperationOutlet, "off");
  }
  const nextPassMs = run.lastPassMs === null ? nowMs : run.lastPassMs + turn.policy.limits.readBackEveryMs;
  const waitedMs = afterRestart ? nowMs - run.takenUpMs : sinceOffMs;
  const boundPassed = waitedMs > (afterRestart ? boundMs : waitMs);
  const stillOn = level.filter((each) => run.seen.get(outletKey(each)) === "on");
  const others = rest.filter((each) => run.seen.get(outletKey(each)) === "off");
  if (boundPassed && rest.length > 0 && others.length === rest.length) {
    // A person who asked for the cycle takes an outlet that is off already for cut, and gets it back.
    if (!earns(operation)) return act(turn, operation, rest[0] as OperationOutlet, "off");
    return unconfirmed(turn, operation, `${names(others)} is off, and not by us`);
  }
  if (boundPassed && run.seen.size > 0 && stillOn.length > 0) return resend(turn, operation, run, stillOn);
  if (!afterRestart && boundPassed && run.lastPassMs !== null && run.offPasses === 0) return unconfirmed(turn, operation, `${names(level)} did not read off within ${inWords(waitMs)}`);
  if (expired(turn, operation, run)) return unconfirmed(turn, operation, "the operation has expired");
  if (nowMs < nextPassMs) return wakeAt(turn, operation.id, nextPassMs);
  readPass(turn, operation, level, "is it off?");
}

/** Without the store only an off that we have seen is ours to pay back; until then it is read, and nothing else. */
function confirmForPayment(turn: Turn, operation: Operation, run: Run): void {
  const level = levelOf(operation);
  const waitedMs = operation.offAt === null ? Infinity : ageMs(operation.offAt, turn.now);
  const dark = level.some((each) => run.seen.get(outletKey(each)) === "off");
  if (waitedMs > patienceMs(turn, operation)) return dark ? goOn(turn, amend(turn, operation, { withdrawing: "the store was lost before all was off" })) : allSeen(level, run) ? setAside(turn, operation) : readLater(turn, operation, run, level);
  readLater(turn, operation, run, level);
}

function allSeen(level: readonly OperationOutlet[], run: Run): boolean {
  return level.every((each) => (run.seen.get(outletKey(each)) ?? "unknown") !== "unknown");
}

/** After a restart the whole operation must be young; without one each level has its own time, because `boot` lies between them. */
function expired(turn: Turn, operation: Operation, run: Run): boolean {
  return ageMs(run.resumed ? operation.began : operation.phaseSince, turn.now) > turn.policy.limits.opExpiryMs;
}

/** An off that did not arrive within its bound: earned again by fresh bad rounds, or given up. */
function resend(turn: Turn, operation: Operation, run: Run, stillOn: readonly OperationOutlet[]): void {
  const { sends } = operation;
  const goodMs = turn.host(operation.host)?.lastGoodAtMs ?? null;
  const sentMs = operation.offAt === null ? run.takenUpMs : turn.now.bootMs - ageMs(operation.offAt, turn.now);
  if ((earns(operation) || run.resumed) && goodMs !== null && goodMs >= (run.lastActMs ?? sentMs)) {
    return goOn(turn, amend(turn, operation, { withdrawing: "a good round came before the cut" }));
  }
  // What is cut already waits in the dark for the rest: the time of three tries is for all feeds together.
  const overdue = ageMs(operation.phaseSince, turn.now) > SENDS_MAX * patienceMs(turn, operation);
  if (expired(turn, operation, run) || overdue || sends >= SENDS_MAX * levelOf(operation).length) return unconfirmed(turn, operation, `${names(stillOn)} still reads on after ${sends} offs`);
  // Whoever had it before us may have seen it off and paid it back without the store, before we could look: then this is his on.
  if (run.sure === "no" || run.sure === "not yet") return unconfirmed(turn, operation, "whether it has been on all the time cannot be told by a watcher that took over so late");
  if ((earns(operation) || run.resumed) && run.freshBad < REEARN_ROUNDS) {
    return readLater(turn, operation, run, levelOf(operation));
  }
  turn.patchRun(operation.id, { decidedMs: turn.now.bootMs, freshBad: 0 });
  act(turn, operation, stillOn[0] as OperationOutlet, "off");
}

function readLater(turn: Turn, operation: Operation, run: Run, outlets: readonly OperationOutlet[]): void {
  const nextMs = (run.lastPassMs ?? 0) + turn.policy.limits.readBackEveryMs;
  if (turn.now.bootMs < nextMs) return wakeAt(turn, operation.id, nextMs);
  readPass(turn, operation, outlets, "did the off arrive late?");
}

function driveOffConfirmed(turn: Turn, operation: Operation, run: Run): void {
  const { offForMs } = timing(turn, operation);
  const sinceMs = ageMs(operation.phaseSince, turn.now);
  const nowMs = turn.now.bootMs;
  if (operation.contradiction !== null || operation.withdrawing !== null) return goOn(turn, operation);
  // Wrong outlet? A host that is truly off answers nothing (safety.md §4.5). Asked until it is silent or offFor is over.
  const askable = turn.hostPolicy(operation.host) !== undefined;
  if (askable && run.silence !== "silent" && run.silence !== "asked" && (run.silence === "not asked" || sinceMs < offForMs)) {
    if (run.touchedMs !== null && nowMs < run.touchedMs + 1_000) return wakeAt(turn, operation.id, run.touchedMs + 1_000);
    const touch = turn.id();
    turn.patchRun(operation.id, { touch, silence: "asked", touchedMs: nowMs });
    turn.emit({ kind: "touch", touch, host: operation.host, because: `${names(levelOf(operation))} reads off: does ${operation.host} still answer?`, cause: turn.causeOf(operation.host) });
    return turn.wake(`op/${operation.id}`, nowMs + TOUCH_GRACE_MS);
  }
  const graceEndsMs = (run.touchedMs ?? -Infinity) + TOUCH_GRACE_MS;
  if (run.silence === "asked" && nowMs < graceEndsMs) return turn.wake(`op/${operation.id}`, graceEndsMs);
  if (run.heard) return contradict(turn, operation, `${operation.host} still answers although ${names(levelOf(operation))} reads off`);
  if (operation.kind === "off") return end(turn, operation, "done", `${names(levelOf(operation))} is off, twice read, and ${operation.host} is ${run.silence === "silent" ? "silent" : "not known to answer"}`, null);
  if (sinceMs < offForMs) return wakeAt(turn, operation.id, nowMs + offForMs - sinceMs);
  goOn(turn, operation);
}

/** The wrong outlet was cut, or the device lies: power is restored, the mapping is distrusted, a person is called. */
export function contradict(turn: Turn, operation: Operation, because: string): void {
  if (operation.contradiction !== null) return;
  turn.tell("contradicted", operation.host, `${because}: the outlet mapping is not to be trusted`);
  const next = amend(turn, operation, { contradiction: because });
  const run = turn.run(operation.id);
  if (operation.phase === "off-confirmed" && run.wait.on === "nothing") return goOn(turn, next);
  turn.patchRun(operation.id, { retryAtMs: turn.now.bootMs });
  drive(turn, operation.id);
}

function driveOnSent(turn: Turn, operation: Operation, run: Run): void {
  const owed = allOutlets(operation).filter((each) => operation.cut.includes(outletKey(each)));
  const nowMs = turn.now.bootMs;
  if (owed.length === 0) return onConfirmed(turn, operation);
  const sinceMs = ageMs(operation.phaseSince, turn.now);
  const { onConfirmMs } = timing(turn, operation);
  const dark = owed.filter((each) => run.seen.get(outletKey(each)) !== "on");
  if (dark.length > 0 && sinceMs > onConfirmMs + 2 * Math.max(...dark.map((each) => each.maxActMs))) owedAlarm(turn, operation, dark);
  // After a restart the on is tried once more here; the next off is earned by what was seen since the last good round.
  const tried = !run.resumed || run.tried.length > 0;
  if (tried && stillBad(turn, operation, run) && sinceMs > onConfirmMs && !operation.offWasConfirmed && mayEscalate(turn, operation)) return nextLevel(turn, operation, `${names(owed)} does not answer`);
  const unsent = owed.find((each) => !run.tried.includes(outletKey(each)));
  if (unsent !== undefined) {
    const notBeforeMs = turn.state.fleet === null || !run.orphan ? 0 : payMs(turn, operation, unsent);
    if (nowMs < notBeforeMs) return retryIn(turn, operation.id, notBeforeMs - nowMs);
    return act(turn, operation, unsent, "on");
  }
  if (owed.every((each) => run.seen.get(outletKey(each)) === "on")) return onConfirmed(turn, operation);
  // What was read since and does not read on is switched on again, also where the device does not say: one that is deaf
  // or gone must not keep the others dark, so each is tried before any is tried twice.
  const triedMs = run.lastActMs ?? -Infinity;
  const readSince = run.lastPassMs !== null && run.lastPassMs >= triedMs;
  if (readSince && nowMs - triedMs > Math.min(onConfirmMs, ON_AGAIN_MS * (run.failures + 1))) {
    const again = dark.map(outletKey);
    turn.patchRun(operation.id, { failures: run.failures + 1, tried: run.tried.filter((key) => !again.includes(key)) });
    return drive(turn, operation.id);
  }
  const nextPassMs = run.lastPassMs === null ? nowMs : run.lastPassMs + backOffMs(turn, run.failures);
  if (nowMs < nextPassMs) return wakeAt(turn, operation.id, nextPassMs);
  readPass(turn, operation, owed, "is it on?");
}

function onConfirmed(turn: Turn, operation: Operation): void {
  const host = turn.record(operation.host);
  // An outlet that read on all the time has had no edge.
  const switched = operation.kind !== "on" || turn.run(operation.id).resumed || turn.run(operation.id).switched.length > 0;
  if (host !== undefined && switched) turn.patchRecord(operation.host, { lastEdge: turn.stamp });
  if (operation.kind !== "on") note(turn, operation.host, "onConfirmedAt");
  over(turn, `owed-on:${operation.host}`, `${operation.host} has its power back`);
  turn.tell("on-confirmed", operation.host, `${names(allOutlets(operation).filter((each) => operation.cut.includes(outletKey(each))))} read${operation.cut.length === 1 ? "s" : ""} on; ${operation.host} boots`);
  if (operation.kind === "on") return end(turn, operation, "done", "power is on", null);
  commit(turn, { ...operation, phase: "booting", cut: [], phaseSince: turn.stamp, onConfirmedAt: turn.stamp }, null, null, []);
}

function driveBooting(turn: Turn, operation: Operation, run: Run): void {
  const { settleMs, healthyForMs } = timing(turn, operation);
  const nowMs = turn.now.bootMs;
  const sinceOnMs = operation.onConfirmedAt === null ? 0 : ageMs(operation.onConfirmedAt, turn.now);
  // An off that was not seen to arrive may still be under way for the bound of the act that carried it, and then takes effect.
  const longestMs = Math.max(...allOutlets(operation).map((each) => each.maxActMs));
  const sentMs = operation.offWasConfirmed || operation.offAt === null ? -Infinity : nowMs - ageMs(operation.offAt, turn.now) + EFFECT_MS;
  const settleEndMs = Math.max(nowMs - sinceOnMs + settleMs, longestMs + (run.resumed ? run.takenUpMs : sentMs));
  const pacedMs = (run.lastPassMs ?? -Infinity) + SETTLE_READ_EVERY_MS;
  // The last look is at the end of the settling, not a pace later.
  const nextReadMs = run.lastPassMs !== null && run.lastPassMs < settleEndMs ? Math.min(pacedMs, Math.max(settleEndMs, run.lastPassMs + turn.policy.limits.readBackEveryMs)) : pacedMs;
  const reachable = allOutlets(operation).filter((each) => operation.touched.includes(outletKey(each)));
  // Settled is what was read on when the time was over; a device that nobody could read then has settled nothing.
  const readOn = run.lastPassMs !== null && run.lastPassMs >= settleEndMs && reachable.every((each) => run.seen.get(outletKey(each)) === "on");
  const settled = nowMs >= settleEndMs && (reachable.length === 0 || readOn);
  if (!settled && nowMs >= nextReadMs && reachable.length > 0) return readPass(turn, operation, reachable, "does it stay on?");
  turn.wake(`op/${operation.id}`, settled || reachable.length === 0 ? nowMs + 1_000 : Math.min(nextReadMs, nowMs + 1_000));
  if (!settled) return;
  if (operation.contradiction !== null) return end(turn, operation, "held", operation.contradiction, { kind: "contradicted", sticky: true });
  if (operation.withdrawing !== null) return end(turn, operation, "withdrawn", operation.withdrawing, null);
  const host = turn.host(operation.host);
  const policy = turn.hostPolicy(operation.host);
  if (host !== undefined && isDown(host)) return end(turn, operation, "withdrawn", "its power is back, and it is shut down with care", null);
  if (host === undefined || policy === undefined) return end(turn, operation, "done", "power is back; the host is no longer configured", null);
  const onAtMs = nowMs - sinceOnMs;
  // It may have served before its on was read back: another watcher's on, or a device that was silent for a while.
  const goodSince = host.goodSinceMs !== null && host.lastGoodAtMs !== null && host.lastGoodAtMs >= onAtMs ? Math.max(host.goodSinceMs, onAtMs) : null;
  if (goodSince !== null && nowMs - goodSince >= healthyForMs) return recovered(turn, operation, goodSince - onAtMs, goodSince);
  const graceMs = policy.bootMs === 0 ? 5 * policy.everyMs + policy.timeoutMs : bootMs(policy, host);
  const lastGood = host.lastGoodAtMs !== null && host.lastGoodAtMs > onAtMs ? host.lastGoodAtMs : onAtMs;
  const quiet = nowMs - lastGood > graceMs;
  // Nobody looked while no watcher ran, and an unknown round is no look: what is held against it was seen by this process.
  const shown = stillBad(turn, operation, run);
  const lookedMs = run.resumed ? Math.min(sinceOnMs, nowMs - run.takenUpMs) : sinceOnMs;
  if (!(quiet && shown) && lookedMs <= 3 * graceMs) return;
  if (quiet && shown && mayEscalate(turn, operation)) return nextLevel(turn, operation, `no good round within ${inWords(graceMs)} of power`);
  const kind = operation.offWasConfirmed ? "failed" : "unconfirmed";
  const fate = quiet ? `did not come back within ${inWords(graceMs)}` : "does not stay in service";
  end(turn, operation, "held", operation.offWasConfirmed ? `its power was cycled and it ${fate}` : `no off could be confirmed and it ${fate}`, { kind, sticky: kind === "unconfirmed" });
}

/** Seen bad by this process, twice since the last good round, and not only no longer seen. */
function stillBad(turn: Turn, operation: Operation, run: Run): boolean {
  return run.freshBad >= REEARN_ROUNDS && turn.host(operation.host)?.last?.outcome === "bad";
}

function recovered(turn: Turn, operation: Operation, bootTookMs: number, goodSinceMs: number): void {
  const record = turn.record(operation.host);
  if (record !== undefined && operation.offWasConfirmed) {
    const proved = [...new Set([...record.learned.proved, ...levelOf(operation).map(outletKey)])];
    turn.patchRecord(operation.host, { learned: { ...record.learned, proved }, ...(bootTookMs > 0 ? { bootsMs: [...record.bootsMs, Math.round(bootTookMs)].slice(-20) } : {}) });
  }
  end(turn, operation, "recovered", bootTookMs > 0 ? `back in service ${inWords(bootTookMs)} after power came back` : "back in service before its power read on again", null, goodSinceMs);
}

export function silenceAnswered(turn: Turn, touch: number, answered: "yes" | "no" | "unknown", evidence: string): void {
  for (const operation of turn.state.operations.values()) {
    if (turn.run(operation.id).touch !== touch) continue;
    const { heard } = turn.run(operation.id);
    turn.patchRun(operation.id, { silence: answered === "yes" ? "answers" : answered === "no" ? "silent" : "unknown", heard: answered === "yes" || (heard && answered === "unknown") });
    if (answered === "yes") turn.tell("device-answer", operation.host, `${operation.host} answers at its own address: ${evidence}`);
    // The answer was too late to hold power back, and says the same all the same.
    if (answered === "yes" && (operation.phase !== "off-confirmed" || turn.run(operation.id).wait.on === "stored")) return contradict(turn, operation, `${operation.host} answered although ${names(levelOf(operation))} read off`);
    return drive(turn, operation.id);
  }
}

/** An act has ended, one way or another. */
export function acted(turn: Turn, actId: number, outcome: ActOutcome): void {
  const operation = takeAct(turn, actId, outcome);
  if (operation !== null) drive(turn, operation);
}

/** A device was read for an operation, perhaps. */
export function readings(turn: Turn, read: number, device: string, result: ReadResult): void {
  const operation = takeReadings(turn, read, device, result);
  if (operation !== null) drive(turn, operation);
}
