// The core's one door: `step(state, input, now, policy)` gives the next state and what to do, and nothing else happens.
//
// The contract with the shell: effects are carried out in order; a `store` effect is answered by exactly one `stored`;
// an `act` by at most one `ready` and exactly one `acted`; a `read` by one `readings`; a `touch` by one `touched`.

import { door } from "./agents.ts";
import { over, raise, remind } from "./alarms.ts";
import { expireAsks } from "./ask.ts";
import { becomeReady, charged, checkLease, GOES_WITH_SESSION, reviewCharges, sessionHeld, sessionLost } from "./charge.ts";
import { command } from "./commands.ts";
import { check, checkWhenDue, readings, seen } from "./devices.ts";
import { expire, followWallClock } from "./expiry.ts";
import { acted, drive, silenceAnswered, stored } from "./fencing.ts";
import { FROM_ZERO } from "./fresh.ts";
import type { Effect, Input } from "./io.ts";
import { blind, changes, forgetAges, snapshot, unreadable } from "./mirror.ts";
import { restoreOutbox } from "./operation.ts";
import { kernelSays } from "./last-words.ts";
import { deliver, flushLanes } from "./outbox.ts";
import { OWING_PHASES } from "./phases.ts";
import type { Policy } from "./policy.ts";
import type { AnyRecord, AskRecord, RecordKey } from "./records.ts";
import { renew, reviewLeases } from "./leases.ts";
import { mayStillArrive } from "./read-back.ts";
import { metered, meterWhenDue } from "./meters.ts";
import { boot, driveReboots, ordered, rebootsStored } from "./reboots.ts";
import { scheduleReboots } from "./reboots-begin.ts";
import { remediesRecorded, remedied } from "./remedy.ts";
import type { Pending, State } from "./state.ts";
import { Turn } from "./state.ts";
import { powerSensed, reviewReturn, startsRecorded } from "./return.ts";
import { doubtPower } from "./site-power.ts";
import { ready } from "./swap.ts";
import { reload, start } from "./start.ts";
import type { Now } from "./time.ts";
import { answered, kindOf, leaseHolds, nameOf, sendNext } from "./transaction.ts";
import { decideAgain, stopBeginning } from "./turn-back.ts";
import { decide, late, round } from "./watching.ts";
import { inWords } from "./words.ts";

export type Step = { readonly state: State; readonly effects: readonly Effect[] };

export function step(state: State, input: Input, now: Now, policy: Policy): Step {
  const turn = new Turn(state, policy, now);
  if (!state.started && input.kind !== "start") throw new Error(`assertion failed: ${input.kind} before start`);
  if (state.started) noteGap(turn);
  turn.patch({ lastStepMs: now.bootMs });
  checkLease(turn);
  take(turn, input);
  if (turn.state.fleet !== null) amongOthers(turn, input);
  flush(turn);
  exitWhenDone(turn);
  return { state: turn.state, effects: turn.effects };
}

/** The clock ticks every second: a gap as long as this means that this process, or its machine, did not run. */
const ASLEEP_MS = 10_000;

/** Only rounds from after the return count (safety.md §2.1); an operation that waits for its byte has to be earned again. */
function noteGap(turn: Turn): void {
  const gapMs = turn.now.bootMs - turn.state.lastStepMs;
  if (gapMs <= ASLEEP_MS) return;
  const because = `this watcher did not run for ${inWords(gapMs)}`;
  turn.tell("clock", null, `${because}: what it saw before does not count`);
  for (const host of turn.state.hosts.values()) turn.patchHost(host.name, { ...FROM_ZERO, refusal: host.refusal, refusedAtMs: host.refusedAtMs, freshAfterMs: turn.now.bootMs, lastSignMs: turn.now.bootMs, mute: false, livesSinceMs: turn.now.bootMs, judged: 0 });
  doubtPower(turn);
  decideAgain(turn, because);
  if (turn.state.fleet !== null) forgetAges(turn);
}

function take(turn: Turn, input: Input): void {
  switch (input.kind) {
    case "start":
      return start(turn, input);
    case "policy":
      return reload(turn);
    case "round":
      round(turn, input.round);
      return input.round.host === turn.state.reboots.record?.turn?.host ? driveReboots(turn) : undefined;
    case "late":
      return late(turn, input.host, input.hash, input.startedAtMs, input.results);
    case "stored":
      return takeStored(turn, input);
    case "ready":
      noteReady(turn, input.act, input.state, input.label);
      return ready(turn, input.act, input.state, input.label);
    case "acted":
      return acted(turn, input.act, input.outcome);
    case "readings":
      return readings(turn, input.read, input.device, input.result);
    case "metered":
      return metered(turn, input);
    case "ordered":
      return ordered(turn, input);
    case "boot":
      return boot(turn, input);
    case "touched":
      return silenceAnswered(turn, input.touch, input.answered, input.evidence);
    case "remedied":
      return remedied(turn, input);
    case "tick":
      return tick(turn, input.key);
    case "clock":
      followWallClock(turn);
      if (turn.state.leases.size > 0) reviewLeases(turn);
      expire(turn);
      scheduleReboots(turn);
      driveReboots(turn);
      meterWhenDue(turn);
      return reviewReturn(turn);
    case "session":
      return input.session.kind === "held" ? sessionHeld(turn, input.session.untilMs) : sessionLost(turn, input.session.because);
    case "changes":
      return changes(turn, input.changes);
    case "snapshot":
      return snapshot(turn, input.records);
    case "blind":
      return blind(turn, input.because);
    case "gone":
      blind(turn, input.because);
      turn.patchFleet({ gone: input.because });
      return sessionLost(turn, input.because);
    case "unreadable":
      return unreadable(turn, input.records);
    case "command":
      return command(turn, input.id, input.by, input.command);
    case "stop":
      turn.patch({ stopping: true });
      if (turn.state.fleet !== null) turn.patchFleet({ dirty: true });
      turn.tell("stopping", null, "asked to stop: nothing new is begun, what is past off is brought to on");
      recordNow(turn);
      stopBeginning(turn);
      return;
    case "power-sense":
      return powerSensed(turn, input);
    case "history":
      return noteHistory(turn, input.failure);
    case "lease-renew":
      return renew(turn, input.contact, input.host, input.request);
    case "door":
      return door(turn, input.door);
    case "kernel":
      return kernelSays(turn, input.host, input.word, input.holds);
  }
}

/** With several watchers: what follows from whatever came in, in the same step. */
function amongOthers(turn: Turn, input: Input): void {
  if (input.kind === "clock" || (input.kind === "tick" && input.key === "fleet")) expireAsks(turn);
  if (input.kind === "clock") becomeReady(turn);
  reviewCharges(turn, input.kind === "clock");
  for (let next = turn.state.asked[0]; next !== undefined; next = turn.state.asked[0]) {
    turn.patch({ asked: turn.state.asked.slice(1) });
    command(turn, 0, next.by, next.command, next);
  }
  failUnsent(turn);
  if (turn.fleet.gone !== null && turn.state.operations.size === 0 && !turn.state.exited) {
    turn.patch({ exited: true });
    turn.emit({ kind: "reopen", because: turn.fleet.gone });
  }
}

/** What could not even be sent has failed. */
function failUnsent(turn: Turn): void {
  for (let tries = 0; turn.state.unsent.length > 0 && tries < UNSENT_MAX; tries += 1) {
    const { unsent } = turn.state;
    turn.patch({ unsent: [] });
    for (const { txn, evidence } of unsent) takeStored(turn, { kind: "stored", txn, result: "failed", evidence });
  }
}

const UNSENT_MAX = 8;

function noteReady(turn: Turn, act: number, state: "on" | "off" | "unknown", label: string | null): void {
  for (const run of turn.state.runs.values()) if (run.wait.on === "act" && run.wait.act === act) seen(turn, run.wait.outlet, state, label);
}

function tick(turn: Turn, key: string): void {
  const slash = key.indexOf("/");
  const kind = slash < 0 ? key : key.slice(0, slash);
  const name = key.slice(slash + 1);
  if (kind === "op") drive(turn, Number(name));
  else if (kind === "host") decide(turn, name);
  else if (kind === "device") check(turn, name);
  else if (kind === "check") checkWhenDue(turn, name);
  else if (kind === "alarms") remind(turn);
}

// ---- the store ----------------------------------------------------------------------------------------------------------

const STORE_RETRY_MS = 1_000;
/** The change that was in the way has not come in yet. */
const CONFLICT_RETRY_MS = 50;

/** Everything that a step wants to survive goes into one transaction; one is under way at a time. */
function flush(turn: Turn): void {
  if (turn.state.fleet !== null) {
    if (turn.now.bootMs < turn.state.storeRetryMs) return turn.wake("store", turn.state.storeRetryMs);
    return flushLanes(turn);
  }
  const { outbox, pending, storeRetryMs, outboxReplies } = turn.state;
  if (outbox.size === 0) return answerWithTheRest(turn);
  if ([...pending.values()].some((each) => each.kind === "outbox")) return;
  if (turn.now.bootMs < storeRetryMs) return turn.wake("store", storeRetryMs);
  const txn = turn.id();
  turn.pend(txn, { kind: "outbox", keys: outbox, hosts: new Map(), replies: outboxReplies });
  turn.patch({ outbox: new Map(), outboxReplies: [] });
  turn.emit({ kind: "store", txn, guards: [], writes: [...outbox].map(([key, value]) => ({ key, value })), because: "what was learned survives", cause: turn.state.lastCause });
}

/** What a command changed went out with the transaction of an operation: its answer comes when that is durable. */
function answerWithTheRest(turn: Turn): void {
  const { outboxReplies, pending } = turn.state;
  if (outboxReplies.length === 0) return;
  turn.patch({ outboxReplies: [] });
  const last = [...pending].at(-1);
  if (last !== undefined) return turn.pend(last[0], { ...last[1], replies: [...last[1].replies, ...outboxReplies] });
  for (const reply of outboxReplies) deliver(turn, reply);
}

function takeStored(turn: Turn, input: Extract<Input, { kind: "stored" }>): void {
  const pending = turn.state.pending.get(input.txn);
  if (pending === undefined) return;
  const rest = new Map(turn.state.pending);
  rest.delete(input.txn);
  turn.patch({ pending: rest });
  const sent = turn.state.fleet === null ? null : answered(turn, input.txn, input.result === "committed" ? input.revision : null);
  if (input.result === "conflict" && sent !== null) turn.patch({ storeRetryMs: turn.now.bootMs + CONFLICT_RETRY_MS });
  if (input.result !== "conflict" || sent === null) noteStore(turn, input.result === "failed" ? input.evidence : null);
  // Somebody was first: what was asked is tried again with what is known then.
  const again = input.result === "conflict" && sent !== null && pending.kind === "outbox";
  if (again) turn.patch({ outboxReplies: [...pending.replies, ...turn.state.outboxReplies] });
  for (const reply of again ? [] : pending.replies) {
    deliver(turn, { ...reply, ...(input.result === "committed" ? {} : { exit: 5, text: `${reply.text}; but that could not be recorded: ${input.evidence}` }) });
  }
  if (input.result === "committed" && pending.kind === "outbox") {
    remediesRecorded(turn, pending.keys);
    startsRecorded(turn, pending.keys);
  }
  if (turn.state.fleet !== null) sendNext(turn);
  if (pending.kind === "reboots") return rebootsStored(turn, pending, input.result);
  if (turn.state.fleet !== null) {
    if (pending.kind === "outbox") return recordedInLane(turn, pending, input.result);
  }
  if (pending.kind === "operation") {
    // One that has ended meanwhile still leaves the records behind that its transaction had taken along.
    if (input.result !== "committed" && !turn.state.operations.has(pending.operation)) restoreOutbox(turn, pending);
    return stored(turn, pending.operation, input);
  }
  if (input.result === "committed") return;
  for (const [key, value] of pending.keys) if (!turn.state.outbox.has(key)) turn.save(key, latest(turn, key, value));
}

function recordedInLane(turn: Turn, pending: Extract<Pending, { kind: "outbox" }>, result: "committed" | "conflict" | "failed"): void {
  const charges = [...pending.keys].filter(([key]) => kindOf(key) === "charge");
  if (result === "committed") {
    const taken = charges.filter(([, value]) => value !== null).map(([key]) => key);
    if (taken.length > 0 && leaseHolds(turn)) charged(turn, taken);
    return;
  }
  for (const [key, value] of pending.keys) {
    if (turn.state.outbox.has(key)) continue;
    // A charge that we were giving back is given back once: by now it may be somebody else's.
    if (kindOf(key) === "charge" && value === null && turn.fleet.charges.get(nameOf(key))?.watcher !== turn.policy.watcher) continue;
    // Another watcher was first (leases.ts).
    if (kindOf(key) === "lease" && turn.state.leases.get(nameOf(key)) !== value) continue;
    // Another has put it on for longer meanwhile (mirror.ts).
    if (kindOf(key) === "brake" && value !== null && (turn.state.brakes.get(key) ?? value) !== value) continue;
    // Who was first has it; looked at again when his record has come in.
    if (kindOf(key) === "charge" && value !== null) turn.patchFleet({ dirty: true });
    else if (kindOf(key) === "ask" && value !== null && (value as AskRecord).answer !== null && !turn.fleet.asks.has(nameOf(key))) continue;
    else if (!GOES_WITH_SESSION.has(kindOf(key)) || leaseHolds(turn)) turn.save(key, latest(turn, key, value), pending.hosts.get(key) ?? null);
  }
}

/** A record that a later transaction may have taken along already must not be overwritten with what it was before. */
function latest(turn: Turn, key: RecordKey, value: AnyRecord | null): AnyRecord | null {
  if (key === "meta/ledger") return turn.state.meta;
  if (key.startsWith("agent/")) return turn.state.agents.get(key.slice("agent/".length)) ?? value;
  if (key.startsWith("host/")) return turn.record(key.slice("host/".length)) ?? value;
  if (key.startsWith("lock/")) return turn.state.locks.get(key.slice("lock/".length)) ?? null;
  // One that has ended since must not come back.
  if (turn.state.fleet === null && key.startsWith("brake/")) return turn.state.brakes.get(key) ?? null;
  if (!key.startsWith("incident/")) return value;
  const open = [...turn.state.hosts.values()].find((host) => host.incident !== null && `incident/${host.incident.incident}` === key);
  return open?.incident ?? null;
}

function noteStore(turn: Turn, failure: string | null): void {
  const before = turn.state.storeFailure;
  if (failure !== null) {
    turn.patch({ storeFailure: failure, storeRetryMs: turn.now.bootMs + STORE_RETRY_MS });
    turn.wake("store", turn.now.bootMs + STORE_RETRY_MS);
    if (before === null) {
      turn.tell("store-failed", null, `the ledger cannot be written: ${failure}`);
      const alarm = turn.state.fleet === null ? "ledger" : `ledger:store:${turn.policy.watcher}`;
      raise(turn, {
        alarm, kind: "ledger", severity: "critical", host: null, incident: null,
        happened: `The ledger cannot be written: ${failure}.`, done: "Nothing is cut while that lasts; what is owed is switched on all the same.",
        asked: "Make room on the disk, or repair it.",
      });
    }
  } else if (before !== null && leaseHolds(turn)) {
    turn.patch({ storeFailure: null });
    turn.tell("store-ok", null, "the ledger can be written again");
    over(turn, turn.state.fleet === null ? "ledger" : `ledger:store:${turn.policy.watcher}`, "the ledger can be written again");
    recordNow(turn);
  }
}

/** The past may be lost, and is missed by whoever asks for it: a person is called, and the watcher goes on as it was. */
function noteHistory(turn: Turn, failure: string | null): void {
  const before = turn.state.historyFailure;
  const alarm = turn.state.fleet === null ? "history" : `history:${turn.policy.watcher}`;
  turn.patch({ historyFailure: failure });
  if (failure !== null && before === null) {
    turn.tell("history-failed", null, `the past is not recorded: ${failure}`);
    raise(turn, {
      alarm, kind: "history", severity: "warning", host: null, incident: null,
      happened: `The past is not recorded on this watcher: ${failure}.`, done: "It watches and fences as before; events and results wait in memory, as many as there is room for.",
      asked: "Make room on the disk of the data folder, or repair it.",
    });
  } else if (failure === null) {
    if (before !== null) turn.tell("history-ok", null, "the past is recorded again");
    // Also one that was raised before this process began.
    over(turn, alarm, "the past is recorded again");
  }
}

/** What the ledger could not take is offered to it again without waiting for its turn. */
function recordNow(turn: Turn): void {
  turn.patch({ storeRetryMs: 0 });
  for (const [id, run] of turn.state.runs) {
    if (!run.unrecorded) continue;
    turn.patchRun(id, { recordAtMs: turn.now.bootMs });
    turn.wake(`op/${id}`, turn.now.bootMs);
  }
}

function exitWhenDone(turn: Turn): void {
  if (!turn.state.stopping || turn.state.exited) return;
  const open = [...turn.state.operations.values()].some((operation) => operation.phase === "intended" || OWING_PHASES.has(operation.phase) || mayStillArrive(turn, operation));
  const unwritten = turn.state.outbox.size > 0 || [...turn.state.runs.values()].some((run) => run.unrecorded);
  // With several watchers what nobody lets us write now is not waited for.
  const storing = turn.state.pending.size > 0 || (unwritten && turn.state.storeFailure === null && turn.state.fleet === null);
  // What was handed over is not the others' before that is on record, or before our session is over.
  const handing = turn.state.fleet !== null && leaseHolds(turn) && [...turn.state.outbox.keys()].some((key) => kindOf(key) === "charge");
  if (open || storing || handing) return;
  turn.patch({ exited: true });
  turn.emit({ kind: "exit", because: "nothing is past off" });
}
