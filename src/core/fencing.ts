// The operation: how one host's power is cut and restored exactly once (safety.md §4).
//
//   intended → off-sent → off-confirmed → on-sent → booting → recovered | withdrawn | next level | held | done
//
// Every arrow before an irreversible byte is a *swap*: a store transaction guarded by the operation's revision. The core
// emits `fire` only when that transaction is known to be durable, and nothing else emits `fire`. Every arrow after it is
// decided by reading the device back, never by an acknowledgement. A restart enters at the recorded phase with a fresh
// `Run`: what is past off is finished at once; an off that is not known to have arrived must be earned again.
//
// What may stop an off is asked in `readyOff` and nowhere else. Nothing in here asks a brake before an on.

import { over, raise } from "./alarms.ts";
import { bootMs, brakesOn } from "./brakes.ts";
import { closeIncident, note, openIncident } from "./incident.ts";
import type { ActOutcome, Effect, Input, ReadResult, Write } from "./io.ts";
import { OWING_PHASES } from "./phases.ts";
import type { HostPolicy, OutletRef } from "./policy.ts";
import { outletKey } from "./policy.ts";
import type { Hold, HostRecord, IncidentOutcome, Operation, OperationOutcome, OperationOutlet, OperationPhase, Origin, RecordKey } from "./records.ts";
import { MAX_STAMPS } from "./records.ts";
import type { Run, Turn } from "./state.ts";
import { freshRun } from "./state.ts";
import { ageMs } from "./time.ts";
import { inWords } from "./words.ts";

/** Bad rounds that earn an off again after a restart or a lost one (safety.md §4.4). */
const REEARN_ROUNDS = 2;
/** Offs let go for one outlet and level before the level is given up. */
const SENDS_MAX = 3;
const CONNECT_FAILURES_MAX = 3;
/** While the ledger cannot be written, how often the record of an owed on is tried again. */
const RECORD_AGAIN_MS = 5_000;
const SETTLE_READ_EVERY_MS = 5_000;
/** How long the search for a sign of life may outlast `offFor`. */
const TOUCH_GRACE_MS = 3_000;

export function operationKey(id: number): RecordKey {
  return `op/${id}`;
}

// ---- beginning ------------------------------------------------------------------------------------------------------

/** Intends an operation: the record is committed before anything is done. Returns its id. */
export function intend(turn: Turn, policy: HostPolicy, kind: Operation["kind"], origin: Origin, because: string): number {
  const host = turn.host(policy.name);
  const incident = openIncident(turn, policy.name, host?.firstSign || because, host?.badSinceMs ?? null);
  const id = nextToken(turn);
  const levels = policy.levels.map((feeds) => feeds.map((outlet) => recorded(turn, outlet)));
  const operation: Operation = {
    v: 1, id, host: policy.name, incident: incident?.incident ?? "", kind, origin, because,
    phase: kind === "on" ? "on-sent" : "intended",
    levels, level: 0, token: id, sends: 0, cut: kind === "on" ? levels.flat().map(outletKey) : [], sent: [],
    offWasConfirmed: false, contradiction: null, withdrawing: null,
    began: turn.stamp, phaseSince: turn.stamp, offAt: null, onConfirmedAt: null, watcher: turn.policy.watcher,
  };
  turn.patchHost(policy.name, { operation: id, refusal: null, decideAtMs: null });
  turn.patch({ runs: new Map(turn.state.runs).set(id, freshRun(turn.now, false)), operations: new Map(turn.state.operations).set(id, operation) });
  note(turn, policy.name, "intendedAt");
  turn.tell("intended", policy.name, `operation ${id}: ${kind === "cycle" ? "cut and restore" : kind === "off" ? "cut" : "restore"} power at ${names(levels[0] ?? [])}, because ${because}`);
  commit(turn, operation, null, null, []);
  return id;
}

function recorded(turn: Turn, outlet: OutletRef): OperationOutlet {
  const device = turn.policy.devices.get(outlet.device);
  if (device === undefined) throw new Error(`assertion failed: no device ${outlet.device}`);
  return { ...outlet, driver: device.driver, address: device.address, maxActMs: device.maxActMs, exclusiveSession: device.exclusiveSession };
}

/** Takes an operation up from the ledger. */
export function resume(turn: Turn, operation: Operation): void {
  turn.patch({ runs: new Map(turn.state.runs).set(operation.id, freshRun(turn.now, true)), operations: new Map(turn.state.operations).set(operation.id, operation) });
  if (turn.host(operation.host) !== undefined) turn.patchHost(operation.host, { operation: operation.id });
  turn.tell("resumed", operation.host, `operation ${operation.id} was open when this watcher started: phase ${operation.phase}, begun ${inWords(ageMs(operation.began, turn.now))} ago`);
  drive(turn, operation.id);
}

// ---- the store's answers ----------------------------------------------------------------------------------------------

function commit(turn: Turn, next: Operation, act: number | null, outlet: OutletRef | null, more: readonly Write[]): void {
  const txn = turn.id();
  const key = operationKey(next.id);
  const writes: Write[] = [{ key, value: next }, ...more];
  // What hangs together is committed together: the host's budget and the incident's moments with the phase that made them.
  for (const each of [`host/${next.host}`, `incident/${next.incident}`, "meta/ledger"] as RecordKey[]) {
    const value = turn.state.outbox.get(each);
    if (value === undefined) continue;
    writes.push({ key: each, value });
    turn.take(each);
  }
  const revision = turn.state.revisions.get(key) ?? null;
  turn.pend(txn, { kind: "operation", operation: next.id });
  turn.patchRun(next.id, { wait: { on: "stored", txn, next, act, outlet, amended: false } });
  turn.emit({ kind: "store", txn, guards: [{ key, revision }], writes, because: `operation ${next.id} goes to ${next.phase}`, cause: turn.causeOf(next.host) });
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
      revisions: new Map(turn.state.revisions).set(operationKey(id), input.revision),
    });
    turn.patchRun(id, { wait: { on: "nothing" }, unrecorded: run.wait.amended });
    if (act !== null && outlet !== null) return swapped(turn, next, act, outlet, input.sentMs);
    if (outlet !== null) return notWritten(turn, next, outletKey(outlet), next.phase === "on-sent" ? "on" : "off", "the session ended while the swap was recorded");
    entered(turn, before, next);
    return drive(turn, id);
  }
  const { evidence } = input;
  // The transaction took the host's and the incident's records with it: they go back into the outbox, newest value first.
  restoreOutbox(turn, next);
  if (!run.unrecorded) turn.tell("store-failed", next.host, `operation ${id} could not be recorded as ${next.phase}: ${evidence}`);
  turn.patchRun(id, { wait: { on: "nothing" } });
  if (act !== null && outlet !== null && next.phase === "on-sent") {
    // The one act that is allowed without a fresh record (safety.md §4.7): the on that we owe.
    turn.patch({ operations: new Map(turn.state.operations).set(id, next) });
    turn.patchRun(id, { unrecorded: true, recordAtMs: turn.now.bootMs + RECORD_AGAIN_MS });
    return swapped(turn, next, act, outlet, turn.now.bootMs);
  }
  if (act !== null) {
    turn.emit({ kind: "cancel", act, because: `not recorded: ${evidence}`, cause: turn.causeOf(next.host) });
    turn.patchRun(id, { wait: { on: "act", act, outlet: outlet as OutletRef, action: "off", fired: false } });
    return;
  }
  if (before.phase === "intended" && next.phase === "intended" && before.level === next.level && !turn.state.revisions.has(operationKey(id))) {
    // Never recorded, so nothing was intended.
    return end(turn, before, "withdrawn", `the intent could not be recorded: ${evidence}`, null);
  }
  if (OWING_PHASES.has(before.phase) && next.phase !== "off-sent") {
    // Past off the world goes on without the store; the record follows when it can be written.
    turn.patch({ operations: new Map(turn.state.operations).set(id, next) });
    turn.patchRun(id, { unrecorded: true, recordAtMs: turn.now.bootMs + RECORD_AGAIN_MS });
    entered(turn, before, next);
    return drive(turn, id);
  }
  turn.patchRun(id, { recordAtMs: turn.now.bootMs + RECORD_AGAIN_MS });
  retryIn(turn, id, 1_000);
}

function restoreOutbox(turn: Turn, operation: Operation): void {
  const host = turn.record(operation.host);
  if (host !== undefined) turn.save(`host/${operation.host}`, host);
  const incident = turn.host(operation.host)?.incident ?? null;
  if (incident !== null) turn.save(`incident/${incident.incident}`, incident);
  turn.save("meta/ledger", turn.state.meta);
}

/** The swap is durable: let the byte go, unless something came in between. */
function swapped(turn: Turn, operation: Operation, act: number, outlet: OutletRef, sentMs: number): void {
  const action = operation.phase === "on-sent" ? "on" : "off";
  const stop = action === "off" ? whyNotNow(turn, operation) : null;
  const key = outletKey(outlet);
  if (stop !== null) {
    turn.patch({ operations: new Map(turn.state.operations).set(operation.id, { ...operation, withdrawing: stop }) });
    turn.patchRun(operation.id, { wait: { on: "act", act, outlet, action, fired: false } });
    turn.emit({ kind: "cancel", act, because: stop, cause: turn.causeOf(operation.host) });
    return;
  }
  const cause = action === "off"
    ? turn.tell("off-sent", operation.host, `off goes to ${key} under token ${operation.token}: ${operation.because}`)
    : turn.tell("on-sent", operation.host, `on goes to ${key} under token ${operation.token}: what we cut is restored`);
  if (action === "off") note(turn, operation.host, "offSentAt");
  turn.patchRun(operation.id, { wait: { on: "act", act, outlet, action, fired: true } });
  turn.emit({ kind: "fire", act, sinceMs: sentMs, withinMs: action === "off" ? turn.policy.limits.checkWindowMs : null, because: `operation ${operation.id}, token ${operation.token}`, cause });
}

/** Something that came between the decision and the byte: a good round, a person's word. */
function whyNotNow(turn: Turn, operation: Operation): string | null {
  if (operation.withdrawing !== null) return operation.withdrawing;
  const host = turn.host(operation.host);
  const run = turn.run(operation.id);
  if (operation.origin.kind === "auto" && host !== undefined && host.lastGoodAtMs !== null && host.lastGoodAtMs >= run.decidedMs) return "a good round came before the byte";
  return null;
}

/** What a phase says when it is entered, and what it resets. */
function entered(turn: Turn, before: Operation, next: Operation): void {
  if (before.phase === next.phase && before.level === next.level) return;
  const run: Partial<Run> = { seen: new Map(), offPasses: 0, lastPassMs: null, failures: 0, retryAtMs: turn.now.bootMs, wait: { on: "nothing" } };
  switch (next.phase) {
    case "intended":
      break;
    case "off-sent":
      break;
    case "off-confirmed":
      turn.patchRun(next.id, { ...run, touch: null, silence: "not asked", touchedMs: null });
      break;
    case "on-sent":
    case "booting":
      turn.patchRun(next.id, run);
      break;
  }
}

// ---- what to do next ----------------------------------------------------------------------------------------------------

/** Looks at an operation and does the next thing, if there is one. Harmless to call at any time. */
export function drive(turn: Turn, id: number): void {
  const operation = turn.state.operations.get(id);
  if (operation === undefined) return;
  const run = turn.run(id);
  if (run.wait.on !== "nothing") return;
  if (turn.now.bootMs < run.retryAtMs) return turn.wake(`op/${id}`, run.retryAtMs);
  if (run.unrecorded && turn.now.bootMs >= run.recordAtMs) return commit(turn, operation, null, null, []);
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
  const automatic = operation.origin.kind === "auto";
  if (operation.withdrawing !== null) return leave(turn, operation, operation.withdrawing);
  if (turn.state.stopping) return leave(turn, operation, "this watcher is stopping");
  const agedMs = ageMs(operation.phaseSince, turn.now);
  if (agedMs > turn.policy.limits.opExpiryMs) return leave(turn, operation, `not carried out within ${inWords(turn.policy.limits.opExpiryMs)}`);
  if (run.resumed && automatic && run.freshBad < REEARN_ROUNDS) return retryIn(turn, operation.id, 1_000);
  if (run.resumed && automatic && run.takenUpMs === run.decidedMs) turn.patchRun(operation.id, { decidedMs: turn.now.bootMs });
  const outlet = levelOf(operation).find((each) => !operation.sent.includes(outletKey(each)));
  if (outlet === undefined) return leave(turn, operation, "nothing is left to cut");
  act(turn, operation, outlet, "off");
}

function driveOffSent(turn: Turn, operation: Operation, run: Run): void {
  if (operation.withdrawing !== null) return goOn(turn, operation);
  const level = levelOf(operation);
  const rest = level.filter((each) => !operation.sent.includes(outletKey(each)));
  const afterRestart = run.resumed && run.lastActMs === null;
  const nowMs = turn.now.bootMs;
  const sinceOffMs = operation.offAt === null ? 0 : ageMs(operation.offAt, turn.now);
  const boundMs = Math.max(...level.map((each) => each.maxActMs));
  const patienceMs = Math.max(timing(turn, operation).offConfirmMs, boundMs + 2_000);
  if (rest.length > 0 && !afterRestart) {
    if (sinceOffMs > patienceMs) return unconfirmed(turn, operation, `${names(rest)} could not be cut`);
    return act(turn, operation, rest[0] as OperationOutlet, "off");
  }
  const nextPassMs = run.lastPassMs === null ? nowMs : run.lastPassMs + turn.policy.limits.readBackEveryMs;
  const waitedMs = afterRestart ? nowMs - run.takenUpMs : sinceOffMs;
  const boundPassed = waitedMs > (afterRestart ? boundMs : patienceMs);
  const stillOn = level.filter((each) => run.seen.get(outletKey(each)) === "on");
  if (boundPassed && run.seen.size > 0 && stillOn.length > 0) return resend(turn, operation, run, stillOn);
  if (!afterRestart && boundPassed) return unconfirmed(turn, operation, `${names(level)} did not read off within ${inWords(patienceMs)}`);
  if (ageMs(operation.began, turn.now) > turn.policy.limits.opExpiryMs) return unconfirmed(turn, operation, "the operation has expired");
  if (nowMs < nextPassMs) return wakeAt(turn, operation.id, nextPassMs);
  readPass(turn, operation, level, "is it off?");
}

/** An off that did not arrive within its bound: earned again by fresh bad rounds, or given up. */
function resend(turn: Turn, operation: Operation, run: Run, stillOn: readonly OperationOutlet[]): void {
  const expired = ageMs(operation.began, turn.now) > turn.policy.limits.opExpiryMs;
  const { sends } = operation;
  if (expired || sends >= SENDS_MAX * levelOf(operation).length) return unconfirmed(turn, operation, `${names(stillOn)} still reads on after ${sends} offs`);
  if (operation.origin.kind === "auto" && run.freshBad < REEARN_ROUNDS) {
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

function unconfirmed(turn: Turn, operation: Operation, because: string): void {
  const record = turn.record(operation.host);
  if (record !== undefined) turn.patchRecord(operation.host, { unconfirmed: [...record.unconfirmed, turn.stamp].slice(-MAX_STAMPS) });
  turn.tell("off-unconfirmed", operation.host, `off is not confirmed: ${because}; power is restored`);
  goOn(turn, { ...operation, offWasConfirmed: false });
}

function driveOffConfirmed(turn: Turn, operation: Operation, run: Run): void {
  const { offForMs } = timing(turn, operation);
  const sinceMs = ageMs(operation.phaseSince, turn.now);
  const nowMs = turn.now.bootMs;
  if (operation.contradiction !== null || operation.withdrawing !== null) return goOn(turn, operation);
  // Wrong outlet? A host that is truly off answers nothing (safety.md §4.5). Asked until it is silent or offFor is over.
  const askable = turn.hostPolicy(operation.host) !== undefined && !run.resumed;
  if (askable && run.silence !== "silent" && run.silence !== "asked" && (run.silence === "not asked" || sinceMs < offForMs)) {
    if (run.touchedMs !== null && nowMs < run.touchedMs + 1_000) return wakeAt(turn, operation.id, run.touchedMs + 1_000);
    const touch = turn.id();
    turn.patchRun(operation.id, { touch, silence: "asked", touchedMs: nowMs });
    turn.emit({ kind: "touch", touch, host: operation.host, because: `${names(levelOf(operation))} reads off: does ${operation.host} still answer?`, cause: turn.causeOf(operation.host) });
    return turn.wake(`op/${operation.id}`, nowMs + offForMs + TOUCH_GRACE_MS);
  }
  if (run.silence === "asked" && sinceMs < offForMs + TOUCH_GRACE_MS) return turn.wake(`op/${operation.id}`, nowMs + offForMs + TOUCH_GRACE_MS - sinceMs);
  if (run.silence === "answers") return contradict(turn, operation, `${operation.host} still answers although ${names(levelOf(operation))} reads off`);
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

/** Changes what an open operation remembers; recorded with its next transaction, or by one of its own as soon as it can be. */
function amend(turn: Turn, operation: Operation, change: Pick<Partial<Operation>, "contradiction" | "withdrawing" | "sent" | "cut" | "phase">): Operation {
  const next = { ...operation, ...change };
  const { wait } = turn.run(operation.id);
  turn.patch({ operations: new Map(turn.state.operations).set(operation.id, next) });
  turn.patchRun(operation.id, { unrecorded: true, recordAtMs: turn.now.bootMs, ...(wait.on === "stored" ? { wait: { ...wait, next: { ...wait.next, ...change }, amended: true } } : {}) });
  return next;
}

function driveOnSent(turn: Turn, operation: Operation, run: Run): void {
  const owed = allOutlets(operation).filter((each) => operation.cut.includes(outletKey(each)));
  const nowMs = turn.now.bootMs;
  if (owed.length === 0) return onConfirmed(turn, operation);
  const sinceMs = ageMs(operation.phaseSince, turn.now);
  const { onConfirmMs } = timing(turn, operation);
  if (sinceMs > onConfirmMs + 2 * Math.max(...owed.map((each) => each.maxActMs))) owedAlarm(turn, operation, owed);
  if (sinceMs > onConfirmMs && !operation.offWasConfirmed && mayEscalate(turn, operation)) return nextLevel(turn, operation, `${names(owed)} does not answer`);
  const unsent = owed.find((each) => run.seen.get(outletKey(each)) === undefined);
  if (unsent !== undefined) return act(turn, operation, unsent, "on");
  if (owed.every((each) => run.seen.get(outletKey(each)) === "on")) return onConfirmed(turn, operation);
  const off = owed.find((each) => run.seen.get(outletKey(each)) === "off");
  const lateMs = run.lastActMs === null ? Infinity : nowMs - run.lastActMs;
  if (off !== undefined && lateMs > Math.min(onConfirmMs, 5_000 * (run.failures + 1))) {
    turn.patchRun(operation.id, { failures: run.failures + 1 });
    return act(turn, operation, off, "on");
  }
  const nextPassMs = run.lastPassMs === null ? nowMs : run.lastPassMs + backOffMs(turn, run.failures);
  if (nowMs < nextPassMs) return wakeAt(turn, operation.id, nextPassMs);
  readPass(turn, operation, owed, "is it on?");
}

function onConfirmed(turn: Turn, operation: Operation): void {
  const host = turn.record(operation.host);
  if (host !== undefined) turn.patchRecord(operation.host, { lastEdge: turn.stamp });
  note(turn, operation.host, "onConfirmedAt");
  over(turn, `owed-on:${operation.host}`, `${operation.host} has its power back`);
  turn.tell("on-confirmed", operation.host, `${names(allOutlets(operation).filter((each) => operation.cut.includes(outletKey(each))))} reads on; ${operation.host} boots`);
  if (operation.kind === "on") return end(turn, operation, "done", "power is on", null);
  commit(turn, { ...operation, phase: "booting", cut: [], phaseSince: turn.stamp, onConfirmedAt: turn.stamp }, null, null, []);
}

function driveBooting(turn: Turn, operation: Operation, run: Run): void {
  const { settleMs, healthyForMs } = timing(turn, operation);
  const nowMs = turn.now.bootMs;
  const sinceOnMs = operation.onConfirmedAt === null ? 0 : ageMs(operation.onConfirmedAt, turn.now);
  // A late off may still be under way for the bound of the act that carried it.
  const boundMs = run.resumed ? nowMs - run.takenUpMs > Math.max(...allOutlets(operation).map((each) => each.maxActMs)) ? 0 : Infinity : 0;
  const settled = sinceOnMs >= Math.max(settleMs, boundMs);
  const nextReadMs = (run.lastPassMs ?? -Infinity) + SETTLE_READ_EVERY_MS;
  if (!settled && nowMs >= nextReadMs) return readPass(turn, operation, allOutlets(operation).filter((each) => touched(operation, each)), "does it stay on?");
  turn.wake(`op/${operation.id}`, settled ? nowMs + 1_000 : Math.min(nextReadMs, nowMs + 1_000));
  if (!settled) return;
  if (operation.contradiction !== null) return end(turn, operation, "held", operation.contradiction, { kind: "contradicted", sticky: true });
  if (operation.withdrawing !== null) return end(turn, operation, "withdrawn", operation.withdrawing, null);
  const host = turn.host(operation.host);
  const policy = turn.hostPolicy(operation.host);
  if (host === undefined || policy === undefined) return end(turn, operation, "done", "power is back; the host is no longer configured", null);
  const onAtMs = nowMs - sinceOnMs;
  const goodSince = host.goodSinceMs !== null && host.goodSinceMs >= onAtMs ? host.goodSinceMs : null;
  if (goodSince !== null && nowMs - goodSince >= healthyForMs) return recovered(turn, operation, goodSince - onAtMs, goodSince);
  const graceMs = policy.bootMs === 0 ? 5 * policy.everyMs + policy.timeoutMs : bootMs(policy, host);
  const lastGood = host.lastGoodAtMs !== null && host.lastGoodAtMs > onAtMs ? host.lastGoodAtMs : onAtMs;
  if (nowMs - lastGood <= graceMs && sinceOnMs <= 3 * graceMs) return;
  if (mayEscalate(turn, operation)) return nextLevel(turn, operation, `no good round within ${inWords(graceMs)} of power`);
  const kind = operation.offWasConfirmed ? "failed" : "unconfirmed";
  end(turn, operation, "held", operation.offWasConfirmed ? `its power was cycled and it did not come back within ${inWords(graceMs)}` : "no off could be confirmed and it did not come back", { kind, sticky: kind === "unconfirmed" });
}

function recovered(turn: Turn, operation: Operation, bootTookMs: number, goodSinceMs: number): void {
  const record = turn.record(operation.host);
  if (record !== undefined && operation.offWasConfirmed) {
    const proved = [...new Set([...record.learned.proved, ...levelOf(operation).map(outletKey)])];
    turn.patchRecord(operation.host, { learned: { ...record.learned, proved }, bootsMs: [...record.bootsMs, Math.round(bootTookMs)].slice(-20) });
  }
  end(turn, operation, "recovered", `back in service ${inWords(bootTookMs)} after power came back`, null, goodSinceMs);
}

// ---- levels ---------------------------------------------------------------------------------------------------------

function mayEscalate(turn: Turn, operation: Operation): boolean {
  return operation.kind === "cycle" && operation.level + 1 < operation.levels.length && operation.withdrawing === null && operation.contradiction === null && whyBraked(turn, operation) === null;
}

function nextLevel(turn: Turn, operation: Operation, because: string): void {
  const level = operation.level + 1;
  turn.tell("next-level", operation.host, `level ${operation.level + 1} did not help (${because}); level ${level + 1}: ${names(operation.levels[level] ?? [])}`);
  turn.patchRun(operation.id, { ...freshRun(turn.now, false) });
  commit(turn, { ...operation, phase: "intended", level, sent: [], sends: 0, offWasConfirmed: false, phaseSince: turn.stamp }, null, null, []);
}

/** The first brake in force against an off of this operation, or null. */
function whyBraked(turn: Turn, operation: Operation): string | null {
  const host = turn.host(operation.host);
  const policy = turn.hostPolicy(operation.host);
  if (host === undefined || policy === undefined) return "the host is no longer configured";
  const brakes = brakesOn(host, policy, turn.state, turn.policy, turn.now, { operation: operation.id, resumed: turn.run(operation.id).resumed });
  const over: readonly string[] = operation.origin.kind === "manual" ? operation.origin.over : [];
  // The second feed of one cut is not a second cut.
  const sameCut = operation.sent.length > 0;
  const standing = brakes.find((brake) => !over.includes(brake.name) && !(sameCut && (brake.name === "debounce" || brake.name === "boot")));
  return standing?.because ?? null;
}

// ---- acts at the device -----------------------------------------------------------------------------------------------

function act(turn: Turn, operation: Operation, outlet: OperationOutlet, action: "on" | "off"): void {
  const id = turn.id();
  turn.patchRun(operation.id, { wait: { on: "act", act: id, outlet, action, fired: false } });
  turn.emit({ kind: "act", act: id, operation: operation.id, outlet: { device: outlet.device, outlet: outlet.outlet }, action, maxActMs: outlet.maxActMs, because: `operation ${operation.id}: ${action} ${outletKey(outlet)}`, cause: turn.causeOf(operation.host) });
}

/** The executor is logged in, has read the outlet, and asks whether to let the byte go. */
export function ready(turn: Turn, actId: number, state: "on" | "off" | "unknown", label: string | null): void {
  const operation = [...turn.state.operations.values()].find((each) => {
    const { wait } = turn.run(each.id);
    return wait.on === "act" && wait.act === actId;
  });
  if (operation === undefined) {
    turn.emit({ kind: "cancel", act: actId, because: "nothing waits for this act any more", cause: turn.state.lastCause });
    return;
  }
  const { wait } = turn.run(operation.id);
  if (wait.on !== "act") return;
  if (wait.action === "on") return readyOn(turn, operation, actId, wait.outlet, state);
  readyOff(turn, operation, actId, wait.outlet, state, label);
}

function readyOn(turn: Turn, operation: Operation, actId: number, outlet: OutletRef, state: "on" | "off" | "unknown"): void {
  const key = outletKey(outlet);
  if (state === "on") {
    turn.patchRun(operation.id, { seen: new Map(turn.run(operation.id).seen).set(key, "unknown") });
    turn.emit({ kind: "cancel", act: actId, because: `${key} reads on already`, cause: turn.causeOf(operation.host) });
    return;
  }
  const token = nextToken(turn);
  commit(turn, { ...operation, token }, actId, outlet, [lock(turn, operation, outlet, token)]);
}

/** The one place that decides whether an off may go now. */
function readyOff(turn: Turn, operation: Operation, actId: number, outlet: OutletRef, state: "on" | "off" | "unknown", label: string | null): void {
  const key = outletKey(outlet);
  const host = turn.host(operation.host);
  const policy = turn.hostPolicy(operation.host);
  const cancel = (because: string) => turn.emit({ kind: "cancel", act: actId, because, cause: turn.causeOf(operation.host) });
  const automatic = operation.origin.kind === "auto";
  const withdraw = (because: string) => {
    turn.patch({ operations: new Map(turn.state.operations).set(operation.id, { ...operation, withdrawing: because }) });
    cancel(because);
  };
  if (operation.withdrawing !== null) return cancel(operation.withdrawing);
  const braked = whyBraked(turn, operation);
  if (braked !== null) {
    turn.tell("refused", operation.host, `no off at the last moment: ${braked}`);
    return withdraw(braked);
  }
  if (label !== null && label !== operation.host && turn.policy.hosts.has(label)) return withdraw(`${key} is labelled ${label} on the device`);
  if (state === "off" && !operation.sent.includes(key)) {
    if (automatic) return withdraw(`${key} is off already, and not by us`);
    // A person asked: an outlet that reads off is not switched off again.
    return commitSwap(turn, operation, actId, outlet, `${key} reads off already`);
  }
  if (state === "off") return cancel(`${key} reads off`);
  if (automatic && host !== undefined && policy !== undefined) {
    const staleMs = 2 * policy.everyMs + policy.timeoutMs;
    if (host.last === null || turn.now.bootMs - host.last.endedAtMs > staleMs) {
      retryIn(turn, operation.id, 0);
      return cancel("the last round is too old to act on; waiting for a fresh one");
    }
    const stop = whyNotNow(turn, operation);
    if (stop !== null) return withdraw(stop);
    // Unknown is not down: the rounds that earned the decision must still stand.
    if (host.last.outcome !== "bad") return cancel(`the last round is ${host.last.outcome}`);
  }
  commitSwap(turn, operation, actId, outlet, null);
}

function commitSwap(turn: Turn, operation: Operation, actId: number, outlet: OutletRef, alreadyOff: string | null): void {
  const key = outletKey(outlet);
  const add = (list: readonly string[]) => (list.includes(key) ? list : [...list, key]);
  const cut = operation.kind === "off" ? operation.cut : add(operation.cut);
  const token = nextToken(turn);
  const next: Operation = { ...operation, phase: "off-sent", token, sends: operation.sends + 1, sent: add(operation.sent), cut: alreadyOff !== null && operation.kind === "off" ? operation.cut : cut, phaseSince: operation.phase === "off-sent" ? operation.phaseSince : turn.stamp, offAt: turn.stamp };
  turn.patchRecord(operation.host, { lastEdge: turn.stamp });
  if (turn.host(operation.host) !== undefined) turn.patchHost(operation.host, { counter: 0 });
  if (alreadyOff !== null) {
    turn.emit({ kind: "cancel", act: actId, because: alreadyOff, cause: turn.causeOf(operation.host) });
    return commit(turn, next, null, null, []);
  }
  turn.patchRun(operation.id, { firstSwap: !operation.sent.includes(key) });
  commit(turn, next, actId, outlet, [lock(turn, operation, outlet, token)]);
}

/** The monotonic fencing token: every swap takes a new one, recorded in the same transaction. */
function nextToken(turn: Turn): number {
  const { meta } = turn.state;
  const next = { ...meta, nextToken: meta.nextToken + 1 };
  turn.patch({ meta: next });
  turn.save("meta/ledger", next);
  return meta.nextToken;
}

function lock(turn: Turn, operation: Operation, outlet: OutletRef, token: number): Write {
  const value = { v: 1 as const, device: outlet.device, operation: operation.id, token, watcher: turn.policy.watcher };
  turn.patch({ locks: new Map(turn.state.locks).set(outlet.device, value) });
  return { key: `lock/${outlet.device}`, value };
}

function unlock(turn: Turn, device: string): void {
  if (!turn.state.locks.has(device)) return;
  const locks = new Map(turn.state.locks);
  locks.delete(device);
  turn.patch({ locks });
  turn.save(`lock/${device}`, null);
}

/** An act has ended, one way or another. */
export function acted(turn: Turn, actId: number, outcome: ActOutcome): void {
  for (const operation of turn.state.operations.values()) {
    const { wait } = turn.run(operation.id);
    if (wait.on === "stored" && wait.act === actId) {
      // The session died while the swap was being recorded: nothing was written.
      turn.patchRun(operation.id, { wait: { ...wait, act: null } });
      return;
    }
    if (wait.on !== "act" || wait.act !== actId) continue;
    unlock(turn, wait.outlet.device);
    return actEnded(turn, operation, wait.outlet, wait.action, outcome);
  }
}

function actEnded(turn: Turn, operation: Operation, outlet: OutletRef, action: "on" | "off", outcome: ActOutcome): void {
  const key = outletKey(outlet);
  const run = turn.run(operation.id);
  const nowMs = turn.now.bootMs;
  turn.patchRun(operation.id, { wait: { on: "nothing" } });
  switch (outcome.kind) {
    case "accepted":
    case "unknown":
      turn.tell("device-answer", operation.host, `${key} ${action}: ${outcome.kind === "accepted" ? "acknowledged" : "no answer that can be trusted"} (${outcome.evidence})`);
      turn.patchRun(operation.id, { lastActMs: nowMs, lastPassMs: null, offPasses: 0, failures: action === "on" ? run.failures : 0, freshBad: 0, seen: new Map(run.seen).set(key, "unknown") });
      return drive(turn, operation.id);
    case "refused":
      if (outcome.by === "device") {
        turn.tell("device-answer", operation.host, `${key} ${action}: the device refused (${outcome.evidence})`);
        turn.patchRun(operation.id, { lastActMs: nowMs, lastPassMs: null, failures: run.failures + 1, seen: new Map(run.seen).set(key, "unknown") });
        return drive(turn, operation.id);
      }
      return notWritten(turn, operation, key, action, null);
    case "stale":
      turn.tell("device-failed", operation.host, `${key} ${action}: not sent, ${outcome.evidence}; checked again`);
      return notWritten(turn, operation, key, action, null);
    case "failed":
      turn.tell("device-failed", operation.host, `${key} ${action}: ${outcome.evidence} (${outcome.code})`);
      return notWritten(turn, operation, key, action, outcome.evidence);
  }
}

/** Nothing left this machine: the outlet is as it was, and what the swap noted is taken back. */
function notWritten(turn: Turn, asked: Operation, key: string, action: "on" | "off", failure: string | null): void {
  const operation = turn.state.operations.get(asked.id) ?? asked;
  const run = turn.run(operation.id);
  const failures = failure === null ? run.failures : run.failures + 1;
  turn.patchRun(operation.id, { failures, retryAtMs: turn.now.bootMs + (failure === null ? 100 : backOffMs(turn, failures)) });
  if (action === "on") return drive(turn, operation.id);
  const without = (list: readonly string[]) => list.filter((each) => each !== key);
  // An earlier off for the same outlet may still be on its way; only the first can be taken back.
  const takeBack = run.firstSwap && operation.sent.includes(key);
  const back = takeBack
    ? amend(turn, operation, { sent: without(operation.sent), cut: without(operation.cut), phase: operation.sent.length > 1 ? operation.phase : "intended" })
    : operation;
  turn.patchRun(operation.id, { firstSwap: false });
  if (back.withdrawing !== null) return back.phase === "intended" ? leave(turn, back, back.withdrawing) : goOn(turn, back);
  if (back.phase === "intended" && failure !== null && failures >= CONNECT_FAILURES_MAX) {
    if (mayEscalate(turn, back)) return nextLevel(turn, back, `${key} cannot be reached: ${failure}`);
    if (turn.host(operation.host) !== undefined) turn.patchHost(operation.host, { retryAtMs: turn.now.bootMs + turn.policy.limits.backOffMaxMs });
    return leave(turn, back, `${key} cannot be reached: ${failure}`);
  }
  drive(turn, operation.id);
}

// ---- reading back -------------------------------------------------------------------------------------------------------

function readPass(turn: Turn, operation: Operation, outlets: readonly OperationOutlet[], because: string): void {
  const byDevice = new Map<string, string[]>();
  for (const outlet of [...outlets].sort((a, b) => (a.device < b.device ? -1 : 1))) byDevice.set(outlet.device, [...(byDevice.get(outlet.device) ?? []), outlet.outlet]);
  const pending: number[] = [];
  for (const [device, ids] of byDevice) {
    const read = turn.id();
    pending.push(read);
    turn.emit({ kind: "read", read, device, outlets: ids, because: `operation ${operation.id}: ${because}`, cause: turn.causeOf(operation.host) });
  }
  turn.patchRun(operation.id, { wait: { on: "reads", pending, beganMs: turn.now.bootMs } });
}

/** A read answer for an operation; false when no operation waits for it. */
export function readings(turn: Turn, read: number, device: string, result: ReadResult): boolean {
  for (const operation of turn.state.operations.values()) {
    const run = turn.run(operation.id);
    if (run.wait.on !== "reads" || !run.wait.pending.includes(read)) continue;
    const seen = new Map(run.seen);
    if (result.ok) {
      for (const reading of result.readings) {
        seen.set(outletKey({ device, outlet: reading.outlet }), reading.state);
      }
    }
    const pending = run.wait.pending.filter((each) => each !== read);
    const failures = result.ok ? run.failures : run.failures + 1;
    const { beganMs } = run.wait;
    turn.patchRun(operation.id, { seen, failures, wait: pending.length > 0 ? { on: "reads", pending, beganMs } : { on: "nothing" } });
    if (pending.length === 0) passEnded(turn, operation, beganMs);
    return true;
  }
  return false;
}

function passEnded(turn: Turn, operation: Operation, beganMs: number): void {
  const run = turn.run(operation.id);
  turn.patchRun(operation.id, { lastPassMs: beganMs });
  const read = (outlet: OperationOutlet) => run.seen.get(outletKey(outlet)) ?? "unknown";
  if (operation.phase === "off-sent") {
    const level = levelOf(operation);
    const complete = level.every((each) => operation.sent.includes(outletKey(each)));
    const passes = complete && level.every((each) => read(each) === "off") ? run.offPasses + 1 : 0;
    // Each pass stands for itself: what an earlier pass saw must not fill in for a silence of this one.
    turn.patchRun(operation.id, { offPasses: passes, seen: level.some((each) => read(each) === "on") ? run.seen : new Map() });
    if (passes >= 2) return offConfirmed(turn, operation);
  }
  if (operation.phase === "booting") {
    const late = allOutlets(operation).filter((each) => touched(operation, each) && read(each) === "off");
    turn.patchRun(operation.id, { seen: new Map() });
    if (late.length > 0) {
      turn.tell("late-off", operation.host, `${names(late)} reads off again after it had been confirmed on: a late off is undone`);
      return commit(turn, { ...operation, phase: "on-sent", cut: late.map(outletKey), phaseSince: turn.stamp }, null, null, []);
    }
  }
  drive(turn, operation.id);
}

function offConfirmed(turn: Turn, operation: Operation): void {
  const record = turn.record(operation.host);
  if (record !== undefined) turn.patchRecord(operation.host, { cycles: [...record.cycles, turn.stamp].slice(-MAX_STAMPS) });
  note(turn, operation.host, "offConfirmedAt");
  turn.tell("off-confirmed", operation.host, `${names(levelOf(operation))} read off twice, a second apart`);
  if (operation.kind === "cycle") {
    raise(turn, {
      alarm: `cut:${operation.host}`, kind: "cut", severity: "warning", host: operation.host, incident: operation.incident,
      happened: `${operation.host}: power was cut at ${names(levelOf(operation))}, confirmed, because ${operation.because}.`,
      done: "Power is being restored.", asked: `Nothing, unless it does not come back. See: upkeep why ${operation.incident}`,
    });
  }
  commit(turn, { ...operation, phase: "off-confirmed", offWasConfirmed: true, phaseSince: turn.stamp }, null, null, []);
}

export function silenceAnswered(turn: Turn, touch: number, answered: "yes" | "no" | "unknown", evidence: string): void {
  for (const operation of turn.state.operations.values()) {
    if (turn.run(operation.id).touch !== touch) continue;
    turn.patchRun(operation.id, { silence: answered === "yes" ? "answers" : answered === "no" ? "silent" : "unknown" });
    if (answered === "yes") turn.tell("device-answer", operation.host, `${operation.host} answers at its own address: ${evidence}`);
    return drive(turn, operation.id);
  }
}

// ---- leaving, ending ------------------------------------------------------------------------------------------------------

/** To on: always allowed, whatever brakes there are. */
function goOn(turn: Turn, operation: Operation): void {
  if (operation.kind === "off" && operation.contradiction === null) return end(turn, operation, "held", "off could not be confirmed", { kind: "unconfirmed", sticky: false });
  const cut = operation.kind === "off" ? levelOf(operation).map(outletKey) : operation.cut;
  commit(turn, { ...operation, phase: "on-sent", cut, phaseSince: turn.stamp }, null, null, []);
}

/** Leaves an operation before anything was cut at this level. */
function leave(turn: Turn, operation: Operation, because: string): void {
  if (operation.cut.length > 0) return commit(turn, { ...operation, phase: "on-sent", withdrawing: because, phaseSince: turn.stamp }, null, null, []);
  end(turn, operation, "withdrawn", because, null);
}

/** A good round: before the byte it withdraws, and after it nothing changes until power is back. */
export function goodRound(turn: Turn, id: number): void {
  const operation = turn.state.operations.get(id);
  if (operation === undefined || operation.origin.kind === "manual") return;
  const run = turn.run(id);
  const because = "a good round came before the cut";
  const allOn = run.seen.size > 0 && levelOf(operation).every((each) => run.seen.get(outletKey(each)) === "on");
  // In off-sent a good round proves that the off has not arrived; after a restart that is reason enough to give it up.
  const revocable = operation.phase === "intended" || (operation.phase === "off-sent" && (allOn || (run.resumed && run.lastActMs === null && run.offPasses === 0)));
  if (!revocable || operation.withdrawing !== null) return;
  amend(turn, operation, { withdrawing: because });
  if (run.wait.on === "act" && !run.wait.fired) turn.emit({ kind: "cancel", act: run.wait.act, because, cause: turn.causeOf(operation.host) });
  if (run.wait.on === "nothing") {
    turn.patchRun(id, { retryAtMs: turn.now.bootMs });
    drive(turn, id);
  }
}

export function badRound(turn: Turn, id: number): void {
  const run = turn.state.runs.get(id);
  if (run === undefined) return;
  turn.patchRun(id, { freshBad: run.freshBad + 1 });
  drive(turn, id);
}

/** A person says that the host is off, having looked: what is open about it ends. */
export function confirmedOff(turn: Turn, id: number, by: string): void {
  const operation = turn.state.operations.get(id);
  if (operation === undefined) return;
  const { wait } = turn.run(id);
  if (wait.on === "act" && !wait.fired) turn.emit({ kind: "cancel", act: wait.act, because: `confirmed off by ${by}`, cause: turn.causeOf(operation.host) });
  end(turn, operation, "done", `confirmed off by ${by}`, null);
}

function end(turn: Turn, operation: Operation, outcome: OperationOutcome, because: string, hold: Pick<Hold, "kind" | "sticky"> | null, endedMs = turn.now.bootMs): void {
  for (const outlet of allOutlets(operation)) unlock(turn, outlet.device);
  const operations = new Map(turn.state.operations);
  operations.delete(operation.id);
  const runs = new Map(turn.state.runs);
  runs.delete(operation.id);
  turn.patch({ operations, runs });
  turn.save(operationKey(operation.id), null);
  const revisions = new Map(turn.state.revisions);
  revisions.delete(operationKey(operation.id));
  turn.patch({ revisions });
  const change: Partial<HostRecord> = { lastOperation: { id: operation.id, kind: operation.kind, at: turn.stamp, outcome } };
  turn.patchRecord(operation.host, hold === null ? change : { ...change, hold: { ...hold, because, since: turn.stamp } });
  const kind = outcome === "held" ? "held" : outcome === "recovered" ? "recovered" : outcome === "withdrawn" ? "withdrawn" : "done";
  const cause = turn.tell(kind, operation.host, `operation ${operation.id}: ${because}`);
  over(turn, `owed-on:${operation.host}`, `operation ${operation.id} has ended`);
  const host = turn.host(operation.host);
  if (host !== undefined) {
    turn.patchHost(operation.host, { operation: null, counter: 0, refusal: null, sinceMs: turn.now.bootMs });
    const incidentOutcome: IncidentOutcome | null = outcome === "recovered" ? "recovered" : outcome === "done" && operation.kind !== "cycle" ? "confirmed off" : null;
    if (incidentOutcome !== null || (operation.origin.kind === "manual" && outcome !== "held" && host.incident?.downAt === null)) closeIncident(turn, operation.host, incidentOutcome ?? "no longer watched", endedMs);
  }
  if (outcome === "held") heldAlarm(turn, operation.host, operation.incident, because);
  else over(turn, `cut:${operation.host}`, outcome === "recovered" ? `${operation.host} is back in service (${operation.incident})` : `${operation.host}: ${because}`);
  stopProceeding(turn, operation, outcome, cause);
}

/** `storm proceed` stops at the first host that does not recover. */
function stopProceeding(turn: Turn, operation: Operation, outcome: OperationOutcome, cause: number): void {
  if (outcome !== "held") return;
  for (const [set, storm] of turn.state.storms) {
    if (storm.proceedBy === null) continue;
    const next = { ...storm, proceedBy: null };
    turn.patch({ storms: new Map(turn.state.storms).set(set, next) });
    turn.save(`storm/${set}`, { v: 1, set, because: storm.because, since: storm.since, proceedBy: null });
    turn.tell("storm", null, `${operation.host} did not recover: the storm in ${set} holds again`, cause);
  }
}

export function heldAlarm(turn: Turn, host: string, incident: string | null, because: string): void {
  raise(turn, {
    alarm: `held:${host}`, kind: "held", severity: "critical", host, incident,
    happened: `${host} is held: ${because}.`, done: "Upkeep will not cut its power again by itself.",
    asked: `Look at it, then: upkeep release ${host}`,
  });
}

function owedAlarm(turn: Turn, operation: Operation, owed: readonly OperationOutlet[]): void {
  raise(turn, {
    alarm: `owed-on:${operation.host}`, kind: "owed-on", severity: "critical", host: operation.host, incident: operation.incident,
    happened: `${operation.host} is without power: ${names(owed)} was switched off by us and does not read on again.`,
    done: "Upkeep goes on trying, at least once a minute.", asked: "Check the power device, or switch the outlet on by hand.",
  });
}

// ---- small things -----------------------------------------------------------------------------------------------------

function levelOf(operation: Operation): readonly OperationOutlet[] {
  return operation.levels[operation.level] ?? [];
}

function allOutlets(operation: Operation): readonly OperationOutlet[] {
  return operation.levels.slice(0, operation.kind === "on" ? undefined : operation.level + 1).flat();
}

function touched(operation: Operation, outlet: OperationOutlet): boolean {
  return operation.offAt !== null && operation.levels.slice(0, operation.level + 1).some((level) => level.includes(outlet));
}

function names(outlets: readonly OutletRef[]): string {
  return outlets.length === 0 ? "no outlet" : outlets.map(outletKey).join(" + ");
}

function backOffMs(turn: Turn, failures: number): number {
  return Math.min(turn.policy.limits.backOffMaxMs, turn.policy.limits.readBackEveryMs * 2 ** Math.min(failures, 8));
}

function retryIn(turn: Turn, id: number, delayMs: number): void {
  const atMs = turn.now.bootMs + delayMs;
  turn.patchRun(id, { retryAtMs: atMs });
  if (delayMs > 0) turn.wake(`op/${id}`, atMs);
}

function wakeAt(turn: Turn, id: number, atMs: number): void {
  turn.wake(`op/${id}`, atMs);
}

type Timing = Pick<HostPolicy, "offForMs" | "offConfirmMs" | "onConfirmMs" | "settleMs" | "healthyForMs">;

/** The host's times; the documented defaults for a host that is no longer configured and is still owed its power. */
function timing(turn: Turn, operation: Operation): Timing {
  return turn.hostPolicy(operation.host) ?? { offForMs: 5_000, offConfirmMs: 30_000, onConfirmMs: 30_000, settleMs: 30_000, healthyForMs: 10_000 };
}

export type { Effect, OperationPhase };
