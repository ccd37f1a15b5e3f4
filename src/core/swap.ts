// The order of acts at a device (safety.md §4.1): log in, navigate and read first; then the swap, a guarded transaction under
// a new token; then, when that is durable, the byte. `readyOff` is the one place that decides whether an off may go now,
// `swapped` the one place that lets a byte go.

import { note } from "./incident.ts";
import type { ActOutcome } from "./io.ts";
import { goOn, leave, mayEscalate, nextLevel, whyBraked } from "./ending.ts";
import { allOutlets, amend, backOffMs, commit, earns, lock, nextToken, patienceMs, retryIn, unlock } from "./operation.ts";
import type { OutletRef } from "./policy.ts";
import { outletKey } from "./policy.ts";
import type { Operation, OperationOutlet } from "./records.ts";
import type { Turn, Undo } from "./state.ts";
import { ageMs } from "./time.ts";
import { isReturn, whyNotStarted } from "./return-ledger.ts";
import { reviewStorms } from "./storm-records.ts";
import { inCharge } from "./transaction.ts";
import { consult, votesBehind, whoSaysUp } from "./vote.ts";

const CONNECT_FAILURES_MAX = 3;
/** An act that was turned back, or whose swap had grown stale, is asked for again after this. */
const AGAIN_MS = 1_000;

export function act(turn: Turn, operation: Operation, outlet: OperationOutlet, action: "on" | "off"): void {
  const { resumed, takenUpMs } = turn.run(operation.id);
  // Whoever had it before us may have an act under way for as long as its record says (ADR 8.8).
  const waitMs = turn.state.fleet !== null && resumed ? takenUpMs + outlet.maxActMs - turn.now.bootMs : 0;
  if (waitMs > 0) return retryIn(turn, operation.id, waitMs);
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
    const run = turn.run(operation.id);
    // Asked and answered: what it reads from now on decides, or this act would be asked for again and again.
    turn.patchRun(operation.id, { seen: without(run.seen, key), tried: [...run.tried, key], lastActMs: turn.now.bootMs, lastPassMs: null });
    turn.emit({ kind: "cancel", act: actId, because: `${key} reads on already`, cause: turn.causeOf(operation.host) });
    return;
  }
  // An off that was not seen to arrive has arrived, nobody knows when: what waits for `boot` to pass since the edge waits from now.
  if (state === "off" && !operation.offWasConfirmed && turn.record(operation.host) !== undefined) turn.patchRecord(operation.host, { lastEdge: turn.stamp });
  const token = nextToken(turn);
  // What was counted before a power command says nothing of the host after it, whoever asked for the command.
  if (turn.host(operation.host) !== undefined) turn.patchHost(operation.host, { counter: 0 });
  commit(turn, { ...operation, token }, actId, outlet, [lock(turn, operation, outlet, token)]);
}

/** The one place that decides whether an off may go now. */
function readyOff(turn: Turn, operation: Operation, actId: number, outlet: OutletRef, state: "on" | "off" | "unknown", label: string | null): void {
  const key = outletKey(outlet);
  const host = turn.host(operation.host);
  const policy = turn.hostPolicy(operation.host);
  const cancel = (because: string) => turn.emit({ kind: "cancel", act: actId, because, cause: turn.causeOf(operation.host) });
  const run = turn.run(operation.id);
  const automatic = earns(operation);
  const earned = automatic || run.resumed;
  const withdraw = (because: string) => {
    turn.patch({ operations: new Map(turn.state.operations).set(operation.id, { ...operation, withdrawing: because }) });
    cancel(because);
  };
  if (operation.withdrawing !== null) return cancel(operation.withdrawing);
  if (policy !== undefined) reviewStorms(turn, policy);
  const braked = whyBraked(turn, operation) ?? whyNotStarted(turn, operation);
  if (braked !== null) {
    // With nothing cut the operation ends here, and says why; with one feed cut it goes on for a while.
    if (operation.sent.length > 0) turn.tell("refused", operation.host, `no off at the last moment: ${braked}`);
    return withdraw(braked);
  }
  // What has ended only here stands in the way elsewhere.
  if ([...turn.state.outbox.keys()].some((each) => each.startsWith("storm/"))) return cancel("the end of a storm is not on record yet");
  if (label !== null && label !== operation.host && turn.policy.hosts.has(label)) return withdraw(`${key} is labelled ${label} on the device`);
  if (state === "off" && !operation.sent.includes(key)) {
    // A machine that has halted by itself reads off where the device follows it.
    const halted = isReturn(operation) && turn.policy.devices.get(outlet.device)?.followsHost === true;
    if (automatic && !halted) return withdraw(`${key} is off already, and not by us`);
    // A person asked: an outlet that reads off is not switched off again.
    return commitSwap(turn, operation, actId, outlet, `${key} reads off already`);
  }
  if (state === "off") {
    // It has arrived after all, late or while this process was stopped: what counts is read in a pass of its own.
    turn.patchRun(operation.id, { seen: without(run.seen, key), lastPassMs: null });
    return cancel(`${key} reads off`);
  }
  if (state === "unknown") {
    // What cannot be read cannot be confirmed off: the level is left as if it could not be reached.
    const blocked = `${key} cannot be read`;
    if (run.failures === 0) turn.tell("device-failed", operation.host, `${blocked}: no off without a way to see it`);
    turn.patchRun(operation.id, { blocked });
    return cancel(blocked);
  }
  if (earned && host !== undefined && policy !== undefined) {
    const staleMs = 2 * policy.everyMs + policy.timeoutMs;
    if (host.last === null || turn.now.bootMs - host.last.endedAtMs > staleMs) {
      return cancel("the last round is too old to act on; waiting for a fresh one");
    }
    const stop = whyNotNow(turn, operation);
    if (stop !== null) return withdraw(stop);
    if (host.last.startedAtMs < host.freshAfterMs) return withdraw("what was seen before this watcher could see clearly again does not count");
    // Unknown is not down: the rounds that earned the decision must still stand.
    if (host.last.outcome !== "bad") return cancel(`the last round is ${host.last.outcome}`);
    if (turn.state.fleet !== null) {
      const agreement = consult(turn, policy);
      if (agreement.kind === "disagreement") return withdraw(agreement.because);
      if (agreement.kind !== "down") return cancel(agreement.kind === "waiting" ? "the answers of the other watchers are on their way" : agreement.because);
    }
  }
  commitSwap(turn, operation, actId, outlet, null);
}

function commitSwap(turn: Turn, operation: Operation, actId: number, outlet: OutletRef, alreadyOff: string | null): void {
  const key = outletKey(outlet);
  const add = (list: readonly string[]) => (list.includes(key) ? list : [...list, key]);
  const cut = operation.kind === "off" ? operation.cut : add(operation.cut);
  const token = nextToken(turn);
  const next: Operation = { ...operation, phase: "off-sent", token, sends: operation.sends + 1, sent: add(operation.sent), touched: alreadyOff === null ? add(operation.touched) : operation.touched, cut: alreadyOff !== null && operation.kind === "off" ? operation.cut : cut, phaseSince: operation.phase === "off-sent" ? operation.phaseSince : turn.stamp, offAt: turn.stamp };
  const host = turn.host(operation.host);
  const { phase, phaseSince, sent, touched, sends, offAt } = operation;
  const undo: Undo = {
    operation: { phase, phaseSince, sent, touched, cut: operation.cut, sends, offAt },
    at: turn.stamp, lastEdge: turn.record(operation.host)?.lastEdge ?? null, cutIn: turn.record(operation.host)?.cutIn ?? null, counter: host?.counter ?? 0, offSentAt: host?.incident?.offSentAt ?? null,
  };
  turn.patchRecord(operation.host, { lastEdge: turn.stamp, ...(operation.origin.kind === "auto" ? { cutIn: operation.incident } : {}) });
  if (host !== undefined) turn.patchHost(operation.host, { counter: 0 });
  if (alreadyOff !== null) {
    turn.emit({ kind: "cancel", act: actId, because: alreadyOff, cause: turn.causeOf(operation.host) });
    return commit(turn, next, null, null, []);
  }
  turn.patchRun(operation.id, { undo });
  const policy = turn.hostPolicy(operation.host);
  const automatic = earns(operation) || turn.run(operation.id).resumed;
  commit(turn, next, actId, outlet, [lock(turn, operation, outlet, token)], automatic && policy !== undefined ? votesBehind(turn, policy) : []);
}

/** The swap is durable: let the byte go, unless something came in between. */
export function swapped(turn: Turn, operation: Operation, act: number, outlet: OutletRef, sentMs: number): void {
  const action = operation.phase === "on-sent" ? "on" : "off";
  // Asked once more: whatever came while the swap was being recorded comes before the byte.
  const inTime = action === "on" || inCharge(turn, operation.host, true);
  const stop = action === "off" ? (inTime ? (whyNotNow(turn, operation) ?? whyBraked(turn, operation) ?? whyNotStarted(turn, operation)) : "this watcher is no longer in charge") : null;
  const key = outletKey(outlet);
  if (stop !== null) {
    turn.patch({ operations: new Map(turn.state.operations).set(operation.id, { ...operation, withdrawing: stop }) });
    turn.patchRun(operation.id, { wait: { on: "act", act, outlet, action, fired: false } });
    turn.emit({ kind: "cancel", act, because: stop, cause: turn.causeOf(operation.host) });
    return;
  }
  // Unknown is not down, also when it was found while the swap was being recorded: nothing goes out, and it is asked for again.
  const last = turn.host(operation.host)?.last?.outcome ?? "unknown";
  if (action === "off" && last !== "bad" && (earns(operation) || turn.run(operation.id).resumed)) {
    turn.patchRun(operation.id, { wait: { on: "act", act, outlet, action, fired: false } });
    turn.emit({ kind: "cancel", act, because: `the last round is ${last}`, cause: turn.causeOf(operation.host) });
    return;
  }
  const cause = action === "off"
    ? turn.tell("off-sent", operation.host, `off goes to ${key} (operation ${operation.id}, token ${operation.token})`)
    : turn.tell("on-sent", operation.host, `on goes to ${key} (operation ${operation.id}, token ${operation.token}): ${operation.kind === "on" ? "as asked" : "what we cut is restored"}`);
  if (action === "off") note(turn, operation.host, "offSentAt");
  turn.patchRun(operation.id, { wait: { on: "act", act, outlet, action, fired: true }, ...(action === "on" ? { switched: [...turn.run(operation.id).switched, key] } : {}) });
  turn.emit({ kind: "fire", act, sinceMs: sentMs, withinMs: action === "off" ? turn.policy.limits.checkWindowMs : null, beforeMs: action === "off" ? (turn.state.fleet?.heldUntilMs ?? null) : null, because: `operation ${operation.id}, token ${operation.token}`, cause });
}

/** Something that came between the decision and the byte: a good round, a person's word. */
function whyNotNow(turn: Turn, operation: Operation): string | null {
  if (operation.withdrawing !== null) return operation.withdrawing;
  const host = turn.host(operation.host);
  const run = turn.run(operation.id);
  if ((earns(operation) || run.resumed) && host !== undefined && host.lastGoodAtMs !== null && host.lastGoodAtMs >= run.decidedMs) return "a good round came before the byte";
  const policy = turn.hostPolicy(operation.host);
  if (turn.state.fleet === null || policy === undefined || (!earns(operation) && !run.resumed)) return null;
  const watcher = whoSaysUp(turn, policy, run.decidedMs);
  return watcher === null ? null : `${watcher} saw it up before the byte`;
}

/** An act has ended, one way or another; the operation that waited for it, or null. */
export function acted(turn: Turn, actId: number, outcome: ActOutcome): number | null {
  for (const operation of turn.state.operations.values()) {
    const { wait } = turn.run(operation.id);
    if (wait.on === "stored" && wait.act === actId) {
      // The session died while the swap was being recorded: nothing was written.
      turn.patchRun(operation.id, { wait: { ...wait, act: null } });
      return null;
    }
    if (wait.on !== "act" || wait.act !== actId) continue;
    unlock(turn, wait.outlet.device, operation.id);
    actEnded(turn, operation, wait.outlet, wait.action, outcome);
    return operation.id;
  }
  return null;
}

function actEnded(turn: Turn, operation: Operation, outlet: OutletRef, action: "on" | "off", outcome: ActOutcome): void {
  const key = outletKey(outlet);
  const run = turn.run(operation.id);
  const nowMs = turn.now.bootMs;
  turn.patchRun(operation.id, { wait: { on: "nothing" } });
  switch (outcome.kind) {
    case "accepted":
    case "unknown":
      turn.patchRun(operation.id, { undo: null });
      turn.tell("device-answer", operation.host, `${key} ${action}: ${outcome.kind === "accepted" ? "acknowledged" : "no answer that can be trusted"} (${outcome.evidence})`);
      turn.patchRun(operation.id, { lastActMs: nowMs, lastPassMs: null, offPasses: 0, failures: action === "on" ? run.failures : 0, freshBad: 0, seen: without(run.seen, key), tried: [...run.tried, key] });
      if (action === "off") edgeMayBeLater(turn, operation, key, outcome.kind === "unknown");
      return;
    case "refused":
      if (outcome.by === "device") {
        turn.patchRun(operation.id, { undo: null });
        turn.tell("device-answer", operation.host, `${key} ${action}: the device refused (${outcome.evidence})`);
        turn.patchRun(operation.id, { lastActMs: nowMs, lastPassMs: null, failures: run.failures + 1, seen: without(run.seen, key), tried: [...run.tried, key] });
        return;
      }
      turn.patchRun(operation.id, { blocked: null });
      return notWritten(turn, operation, key, action, run.blocked === null ? null : { because: run.blocked });
    case "stale":
      turn.tell("device-failed", operation.host, `${key} ${action}: not sent, ${outcome.evidence}; checked again`);
      return notWritten(turn, operation, key, action, null);
    case "failed":
      turn.tell("device-failed", operation.host, `${key} ${action}: ${outcome.evidence} (${outcome.code})`);
      return notWritten(turn, operation, key, action, { because: `${key} cannot be reached: ${outcome.evidence}` });
  }
}

/** Whatever waits for time since the cut waits from the latest moment at which it can have been. */
function edgeMayBeLater(turn: Turn, operation: Operation, key: string, unknown: boolean): void {
  const maxActMs = allOutlets(operation).find((each) => outletKey(each) === key)?.maxActMs ?? Infinity;
  // Longer than an act may take: this process was stopped, and the byte may have gone out at the end of that.
  const stopped = operation.offAt !== null && ageMs(operation.offAt, turn.now) > maxActMs;
  if (unknown || stopped) turn.patchRecord(operation.host, { lastEdge: turn.stamp });
  if (stopped) amend(turn, operation, { offAt: turn.stamp });
}

/** Nothing left this machine: the outlet is as it was, and what the swap noted is taken back. */
export function notWritten(turn: Turn, asked: Operation, key: string, action: "on" | "off", failure: { readonly because: string } | null): void {
  const operation = turn.state.operations.get(asked.id) ?? asked;
  const run = turn.run(operation.id);
  const failures = failure === null ? run.failures : run.failures + 1;
  turn.patchRun(operation.id, { failures, retryAtMs: turn.now.bootMs + (failure === null ? AGAIN_MS : backOffMs(turn, failures)) });
  if (action === "on") {
    // Also what could not be reached has had its turn: the next outlet is not kept waiting for it.
    const tried = failure === null ? run.tried : [...run.tried, key];
    const others = allOutlets(operation).some((each) => operation.cut.includes(outletKey(each)) && !tried.includes(outletKey(each)));
    turn.patchRun(operation.id, { tried, retryAtMs: failure === null || others ? turn.now.bootMs : turn.now.bootMs + backOffMs(turn, failures), ...(failure === null ? {} : { lastActMs: turn.now.bootMs }) });
    return;
  }
  // With one feed cut and the other out of reach, power is given back when the time is over, and not a back-off later.
  if (failure !== null && operation.phase === "off-sent" && operation.offAt !== null) {
    const endsMs = turn.now.bootMs - ageMs(operation.offAt, turn.now) + patienceMs(turn, operation) + 1;
    turn.patchRun(operation.id, { retryAtMs: Math.min(turn.run(operation.id).retryAtMs, Math.max(turn.now.bootMs, endsMs)) });
  }
  const back = run.undo === null ? operation : takeBack(turn, operation, run.undo);
  if (back.withdrawing !== null) return back.phase === "intended" ? leave(turn, back, back.withdrawing) : goOn(turn, back);
  const host = turn.host(operation.host);
  if (host !== undefined && back.phase === "intended" && earns(back) && host.freshAfterMs > run.decidedMs) {
    // This process was stopped between the decision and the byte: what earned the decision was seen before that.
    turn.patchHost(operation.host, { counter: 0 });
    return leave(turn, back, "this watcher did not run between the decision and the byte");
  }
  if (back.phase === "intended" && failure !== null && failures >= CONNECT_FAILURES_MAX) {
    if (mayEscalate(turn, back)) return nextLevel(turn, back, failure.because);
    if (turn.host(operation.host) !== undefined) turn.patchHost(operation.host, { retryAtMs: turn.now.bootMs + turn.policy.limits.backOffMaxMs });
    leave(turn, back, failure.because);
  }
}

/** The swap named an off that never left: the outlet's edge, the budget of sends and the counter are as if it had not been. */
function takeBack(turn: Turn, operation: Operation, undo: Undo): Operation {
  turn.patchRun(operation.id, { undo: null });
  if (turn.record(operation.host)?.lastEdge?.bootMs === undo.at.bootMs) turn.patchRecord(operation.host, { lastEdge: undo.lastEdge });
  turn.patchRecord(operation.host, { cutIn: undo.cutIn });
  const host = turn.host(operation.host);
  if (host !== undefined && operation.withdrawing === null) turn.patchHost(operation.host, { counter: undo.counter });
  if (host !== undefined && host.incident !== null && host.incident.offSentAt !== undo.offSentAt) {
    const incident = { ...host.incident, offSentAt: undo.offSentAt };
    turn.patchHost(operation.host, { incident });
    turn.save(`incident/${incident.incident}`, incident, operation.host);
    turn.emit({ kind: "incident", record: incident });
  }
  return amend(turn, operation, undo.operation);
}

function without<Value>(map: ReadonlyMap<string, Value>, key: string): ReadonlyMap<string, Value> {
  const rest = new Map(map);
  rest.delete(key);
  return rest;
}
