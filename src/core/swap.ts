// The order of acts at a device (safety.md §4.1): log in, navigate and read first; then the swap, a guarded transaction under
// a new token; then, when that is durable, the byte. `readyOff` is the one place that decides whether an off may go now,
// `swapped` the one place that lets a byte go.

import { note } from "./incident.ts";
import type { ActOutcome } from "./io.ts";
import { goOn, leave, mayEscalate, nextLevel, whyBraked } from "./ending.ts";
import { amend, backOffMs, commit, lock, nextToken, retryIn, unlock } from "./operation.ts";
import type { OutletRef } from "./policy.ts";
import { outletKey } from "./policy.ts";
import type { Operation, OperationOutlet } from "./records.ts";
import type { Turn } from "./state.ts";

const CONNECT_FAILURES_MAX = 3;

export function act(turn: Turn, operation: Operation, outlet: OperationOutlet, action: "on" | "off"): void {
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
    turn.patchRun(operation.id, { seen: without(run.seen, key), tried: [...run.tried, key] });
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
  if (state === "unknown") {
    // What cannot be read cannot be confirmed off: the level is left as if it could not be reached.
    const blocked = `${key} cannot be read`;
    turn.tell("device-failed", operation.host, `${blocked}: no off without a way to see it`);
    turn.patchRun(operation.id, { blocked });
    return cancel(blocked);
  }
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

/** The swap is durable: let the byte go, unless something came in between. */
export function swapped(turn: Turn, operation: Operation, act: number, outlet: OutletRef, sentMs: number): void {
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
    ? turn.tell("off-sent", operation.host, `off goes to ${key} (operation ${operation.id}, token ${operation.token})`)
    : turn.tell("on-sent", operation.host, `on goes to ${key} (operation ${operation.id}, token ${operation.token}): what we cut is restored`);
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
    unlock(turn, wait.outlet.device);
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
      turn.tell("device-answer", operation.host, `${key} ${action}: ${outcome.kind === "accepted" ? "acknowledged" : "no answer that can be trusted"} (${outcome.evidence})`);
      turn.patchRun(operation.id, { lastActMs: nowMs, lastPassMs: null, offPasses: 0, failures: action === "on" ? run.failures : 0, freshBad: 0, seen: without(run.seen, key), tried: [...run.tried, key] });
      return;
    case "refused":
      if (outcome.by === "device") {
        turn.tell("device-answer", operation.host, `${key} ${action}: the device refused (${outcome.evidence})`);
        turn.patchRun(operation.id, { lastActMs: nowMs, lastPassMs: null, failures: run.failures + 1, seen: without(run.seen, key), tried: [...run.tried, key] });
        return;
      }
      turn.patchRun(operation.id, { blocked: null });
      return notWritten(turn, operation, key, action, run.blocked);
    case "stale":
      turn.tell("device-failed", operation.host, `${key} ${action}: not sent, ${outcome.evidence}; checked again`);
      return notWritten(turn, operation, key, action, null);
    case "failed":
      turn.tell("device-failed", operation.host, `${key} ${action}: ${outcome.evidence} (${outcome.code})`);
      return notWritten(turn, operation, key, action, outcome.evidence);
  }
}

/** Nothing left this machine: the outlet is as it was, and what the swap noted is taken back. */
export function notWritten(turn: Turn, asked: Operation, key: string, action: "on" | "off", failure: string | null): void {
  const operation = turn.state.operations.get(asked.id) ?? asked;
  const run = turn.run(operation.id);
  const failures = failure === null ? run.failures : run.failures + 1;
  turn.patchRun(operation.id, { failures, retryAtMs: turn.now.bootMs + (failure === null ? 100 : backOffMs(turn, failures)) });
  if (action === "on") return;
  const others = (list: readonly string[]) => list.filter((each) => each !== key);
  // An earlier off for the same outlet may still be on its way; only the first can be taken back.
  const takeBack = run.firstSwap && operation.sent.includes(key);
  const back = takeBack
    ? amend(turn, operation, { sent: others(operation.sent), cut: others(operation.cut), phase: operation.sent.length > 1 ? operation.phase : "intended" })
    : operation;
  turn.patchRun(operation.id, { firstSwap: false });
  if (back.withdrawing !== null) return back.phase === "intended" ? leave(turn, back, back.withdrawing) : goOn(turn, back);
  if (back.phase === "intended" && failure !== null && failures >= CONNECT_FAILURES_MAX) {
    if (mayEscalate(turn, back)) return nextLevel(turn, back, `${key} cannot be reached: ${failure}`);
    if (turn.host(operation.host) !== undefined) turn.patchHost(operation.host, { retryAtMs: turn.now.bootMs + turn.policy.limits.backOffMaxMs });
    leave(turn, back, `${key} cannot be reached: ${failure}`);
  }
}

function without<Value>(map: ReadonlyMap<string, Value>, key: string): ReadonlyMap<string, Value> {
  const rest = new Map(map);
  rest.delete(key);
  return rest;
}
