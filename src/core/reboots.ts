// Rolling reboots (ADR 35): the hosts of a plan are drained, rebooted and looked at, one at a time. One record says where a run
// stands; whoever is in charge of the host whose turn it is carries it on, so that it outlives every watcher.
//
// The order of acts is that of power: what is to be done is recorded first, under the brake that keeps the rebooting host from being
// fenced, and given once that is durable and nothing has come in between. An order is given once. After a restart it is given again
// only to who knows it by its name; of anybody else what follows is looked at, and nothing is replayed. That a host has rebooted is
// seen: another boot by its agent's word, or gone and good again. What is not seen stops the run, and a person is called.

import { over, raise } from "./alarms.ts";
import { brakeKey } from "./brake-records.ts";
import type { Input, Write } from "./io.ts";
import type { HostPolicy } from "./policy.ts";
import { backMs, leftOut, rebootsOf, servesFor, whyNotNow } from "./reboots-brakes.ts";
import type { BrakeRecord, RebootDone, RebootOutcome, RebootPhase, RebootRun, RebootTurn, RecordKey } from "./records.ts";
import { isFirst } from "./roster.ts";
import type { HostState, Pending, RebootsState, Turn } from "./state.ts";
import { ageMs, deadlineIn } from "./time.ts";
import { chargesOf, inCharge, kindOf, leaseHolds, transact } from "./transaction.ts";
import { inWords } from "./words.ts";

export const RUN: RecordKey = "reboots/run";
const ALARM = "reboots:run";
/** Beyond its limit an order is answered within this, or never. */
const ANSWER_MS = 5_000;
const RETRY_MS = 1_000;
/** The run ends the brake when the host's time is over; that takes a transaction, and its own clock began with a record. */
const BRAKE_OUTLASTS_MS = 10_000;
/** A drained host whose turn cannot come now is put back into service. */
const DRAINED_MAX_MS = 600_000;
const BOOTS_MAX = 20;
/** A host that goes down is looked at more often than at its own pace: a quick boot must not fall between two rounds. */
const LOOK_EVERY_MS = 1_000;
/** Rounds of a host that is away or not decided on yet cannot be told of sooner. */
const LOOKED_AT: ReadonlySet<RebootPhase> = new Set<RebootPhase>(["ordered", "gone"]);

const BRAKING = new Set(["brake", "storm", "host", "op"]);
/** With several watchers hosts and operations have lanes of their own, and are guarded there. */
const BRAKING_ALL = new Set(["brake", "storm"]);

type Change = Omit<Partial<RebootRun>, "v" | "run" | "plan">;
type Transition = { readonly told: string; readonly host?: string; readonly brake?: Write | null; readonly order?: NonNullable<Extract<Pending, { kind: "reboots" }>["order"]> };

export function patchReboots(turn: Turn, change: Partial<RebootsState>): void {
  turn.patch({ reboots: { ...turn.state.reboots, ...change } });
}

// ---- the walk ------------------------------------------------------------------------------------------------------------------

/** Looks at the run that is open and does the next thing; harmless at any time. */
export function driveReboots(turn: Turn): void {
  const { record, txn, retryMs } = turn.state.reboots;
  if (record === null || !leaseHolds(turn)) return;
  if (isFirst(turn)) tellHeld(turn, record);
  if (record.state === "ended" || txn !== null || turn.now.bootMs < retryMs) return;
  if (record.turn !== null) return driveTurn(turn, record, record.turn);
  if (record.stopBy !== null) return isFirst(turn) ? end(turn, record, `stopped by ${record.stopBy}`) : undefined;
  if (record.state === "running") next(turn, record);
}

/** Calls a person as long as the run is held. */
function tellHeld(turn: Turn, run: RebootRun): void {
  if (run.state !== "held") return over(turn, ALARM, run.state === "ended" ? `rolling reboot ${run.run} has ended` : `rolling reboot ${run.run} goes on`);
  const rebooted = run.done.filter(({ outcome }) => outcome === "rebooted").length;
  raise(turn, {
    alarm: ALARM, kind: "reboots", severity: "warning", host: null, incident: null,
    happened: `Rolling reboot ${run.run} has stopped: ${run.because}.`,
    done: `${rebooted} of ${run.plan.length} hosts were rebooted; the rest is not touched.`,
    asked: "Look at that host; then: upkeep reboots continue, or: upkeep reboots stop",
  });
}

/** Whose turn it is. */
export function nextOf(run: RebootRun): string | null {
  const done = new Set(run.done.map(({ host }) => host));
  return run.plan.find((host) => !done.has(host)) ?? null;
}

function next(turn: Turn, run: RebootRun): void {
  const name = nextOf(run);
  if (name === null) return isFirst(turn) ? end(turn, run, summary(run)) : undefined;
  const host = turn.host(name);
  const policy = turn.hostPolicy(name);
  if (host === undefined || policy === undefined) return isFirst(turn) ? pass(turn, run, name, "it is no longer configured") : undefined;
  if (!inCharge(turn, name)) return;
  const out = leftOut(turn, run, host);
  if (out !== null) return pass(turn, run, name, out);
  const why = whyNotNow(turn, run, host, policy);
  if (why !== null) return wait(turn, name, why);
  const { drainMs } = rebootsOf(turn);
  if (drainMs === null) return giveReboot(turn, run, host, policy);
  const order = orderName(run);
  change(turn, run, { turn: begun(turn, host, policy, "draining", order), orders: run.orders + 1 }, { host: name, told: `${name} is being drained`, order: { order: "drain", id: order, limitMs: drainMs } });
}

function driveTurn(turn: Turn, run: RebootRun, now: RebootTurn): void {
  const host = turn.host(now.host);
  const policy = turn.hostPolicy(now.host);
  if (host === undefined || policy === undefined) return isFirst(turn) ? conclude(turn, run, now, { outcome: "failed", because: `${now.host} is no longer configured` }) : undefined;
  if (!inCharge(turn, now.host)) return;
  switch (now.phase) {
    case "draining":
      return driveDraining(turn, run, now);
    case "drained":
      return driveDrained(turn, run, now, host, policy);
    case "ordered":
      return driveOrdered(turn, run, now, host, policy);
    case "gone":
      return driveGone(turn, run, now, host, policy);
    case "settling":
      return driveSettling(turn, run, now, host);
    case "undraining":
      return driveUndraining(turn, run, now);
  }
}

function driveDraining(turn: Turn, run: RebootRun, now: RebootTurn): void {
  const { drainMs } = rebootsOf(turn);
  const answer = answerOf(turn, now, "drain", drainMs ?? 0);
  if (answer === null) return;
  if (answer.outcome !== "done") return putBack(turn, run, now, { outcome: "failed", because: `${now.host} could not be drained: ${answer.evidence}` });
  change(turn, run, { turn: { ...now, phase: "drained", since: turn.stamp } }, { host: now.host, told: `${now.host} is drained (${answer.evidence})` });
}

function driveDrained(turn: Turn, run: RebootRun, now: RebootTurn, host: HostState, policy: HostPolicy): void {
  if (run.stopBy !== null) return putBack(turn, run, now, { outcome: "put off", because: `stopped by ${run.stopBy}` });
  const why = whyNotNow(turn, run, host, policy);
  if (why === null) return giveReboot(turn, run, host, policy);
  if (ageMs(now.since, turn.now) >= DRAINED_MAX_MS || why.forLong) return putBack(turn, run, now, { outcome: "put off", because: why.because });
  wait(turn, host.name, why);
}

/** Records it, with the brake, and gives it once that is durable. */
function giveReboot(turn: Turn, run: RebootRun, host: HostState, policy: HostPolicy): void {
  // The end of what held it back goes on record first: nobody may find it told under a brake.
  const braking = turn.state.fleet === null ? BRAKING : BRAKING_ALL;
  if ([...turn.state.outbox.keys()].some((key) => braking.has(kindOf(key)))) return;
  const { limitMs, downWithinMs } = rebootsOf(turn);
  const order = orderName(run);
  const awayMs = backMs(policy, host);
  const key = brakeKey("going-down", host.name);
  const brake: BrakeRecord = { v: 1, kind: "going-down", scope: host.name, by: brakeBy(run), reason: run.reason, since: turn.stamp, until: deadlineIn(downWithinMs + awayMs + limitMs, turn.now), goneForMs: awayMs + BRAKE_OUTLASTS_MS };
  change(turn, run, { turn: { ...begun(turn, host, policy, "ordered", order), orderedAt: turn.stamp }, orders: run.orders + 1 }, {
    host: host.name, told: `${host.name} is told to reboot, ${run.done.length + 1} of ${run.plan.length}; it may be away for ${inWords(awayMs)}`, brake: { key, value: brake }, order: { order: "reboot", id: order, limitMs },
  });
}

function driveOrdered(turn: Turn, run: RebootRun, now: RebootTurn, host: HostState, policy: HostPolicy): void {
  const { limitMs, downWithinMs } = rebootsOf(turn);
  // Right after a start nothing has been looked at yet.
  if (host.observed && host.last === null) return;
  const agedMs = ageMs(now.since, turn.now);
  const answer = turn.state.reboots.given?.order === now.order ? answerOf(turn, now, "reboot", limitMs) : giveAgain(turn, run, now, host, policy);
  const seen = anotherBoot(turn, now, host, policy) ?? (isAway(turn, host, policy, agedMs) ? "it is down" : null);
  if (seen !== null) return change(turn, run, { turn: { ...now, phase: "gone", since: turn.stamp } }, { host: now.host, told: `${now.host}: ${seen}, ${inWords(agedMs)} after the order` });
  if (answer?.outcome === "failed") return putBack(turn, run, now, { outcome: "failed", because: `${now.host} was not told: ${answer.evidence}` });
  if (host.operation !== null || host.foreign !== null) return putBack(turn, run, now, { outcome: "failed", because: `an operation has begun on ${now.host}` });
  // It may still go down: its brake stays until that ends by itself.
  if (agedMs > downWithinMs) return conclude(turn, run, now, { outcome: "failed", because: `${now.host} did not go down within ${inWords(downWithinMs)}${answer === null ? "" : ` (${answer.evidence})`}` }, null);
  look(turn, host);
}

/** Of a process before this one. What would hold it back now holds it back; whoever does not know orders by name is not told twice. */
function giveAgain(turn: Turn, run: RebootRun, now: RebootTurn, host: HostState, policy: HostPolicy): null {
  const { limitMs, downWithinMs } = rebootsOf(turn);
  // Whoever is told has to have the time to go down, and the brake that keeps him from being fenced meanwhile: somebody may have ended it.
  if (ageMs(now.since, turn.now) <= downWithinMs / 2 && isBraked(turn, now.host) && whyNotNow(turn, run, host, policy, "ours stands") === null) answerOf(turn, now, "reboot", limitMs);
  return null;
}

function driveGone(turn: Turn, run: RebootRun, now: RebootTurn, host: HostState, policy: HostPolicy): void {
  if (host.operation !== null || host.foreign !== null) return putBack(turn, run, now, { outcome: "failed", because: `${now.host} went down, and an operation has begun on it` });
  const goodMs = servesFor(turn, host, policy);
  const since = anotherBoot(turn, now, host, policy) !== null || (goodMs ?? Infinity) < ageMs(now.since, turn.now);
  if (goodMs !== null && goodMs >= policy.healthyForMs && since) {
    const same = now.bootId !== null && host.boot?.bootId === now.bootId && host.boot.atMs > turn.now.bootMs - ageMs(now.since, turn.now);
    if (same) return putBack(turn, run, now, { outcome: "failed", because: `${now.host} was away and is back, and did not reboot: it is still in boot ${now.bootId}` });
    const tookMs = Math.max(0, ageMs(now.orderedAt ?? now.since, turn.now) - goodMs);
    learn(turn, host, tookMs);
    return change(turn, run, { turn: { ...now, phase: "settling", since: turn.stamp } }, { host: now.host, told: `${now.host} is back after ${inWords(tookMs)}`, brake: ended(turn, run, now.host) });
  }
  // Whoever serves has come back, and is looked at for a while; a watcher that sees nothing says so later than one that sees it down.
  const agedMs = ageMs(now.since, turn.now);
  if (goodMs === null && (agedMs > 2 * now.backMs || (agedMs > now.backMs && isAway(turn, host, policy, agedMs)))) return putBack(turn, run, now, { outcome: "failed", because: `${now.host} did not come back within ${inWords(now.backMs)}` });
  look(turn, host);
}

function driveSettling(turn: Turn, run: RebootRun, now: RebootTurn, host: HostState): void {
  const { settleMs } = rebootsOf(turn);
  const policy = turn.hostPolicy(now.host) as HostPolicy;
  const agedMs = ageMs(now.since, turn.now);
  const ill = host.operation !== null || host.foreign !== null ? "an operation has begun on it" : servesFor(turn, host, policy) === null && agedMs > settleMs + now.backMs ? "it does not stay up" : null;
  if (ill !== null) return putBack(turn, run, now, { outcome: "failed", because: `${now.host} was back, and ${ill}` });
  if (agedMs < settleMs || (servesFor(turn, host, policy) ?? -1) < Math.min(settleMs, policy.healthyForMs)) return;
  putBack(turn, run, now, { outcome: "rebooted", because: "it serves" });
}

function driveUndraining(turn: Turn, run: RebootRun, now: RebootTurn): void {
  const ending = now.ending ?? { outcome: "failed" as const, because: "" };
  const answer = answerOf(turn, now, "undrain", rebootsOf(turn).undrainMs ?? 0);
  if (answer === null) return;
  if (answer.outcome === "done" || ending.outcome === "failed") return conclude(turn, run, now, ending);
  conclude(turn, run, now, { outcome: "failed", because: `${now.host} could not be put back into service: ${answer.evidence}` });
}

/** Undoes the drain, where there is something that does; then that was it. */
function putBack(turn: Turn, run: RebootRun, now: RebootTurn, ending: NonNullable<RebootTurn["ending"]>): void {
  const { drainMs, undrainMs } = rebootsOf(turn);
  // Whoever does not serve takes no work; he stays drained for the person who looks at him.
  const away = ending.outcome === "failed" && LOOKED_AT.has(now.phase);
  if (drainMs === null || undrainMs === null || away) return conclude(turn, run, now, ending);
  const order = orderName(run);
  change(turn, run, { turn: { ...now, phase: "undraining", since: turn.stamp, order, ending }, orders: run.orders + 1 }, { host: now.host, told: `${now.host} is put back into service: ${ending.because}`, brake: ended(turn, run, now.host), order: { order: "undrain", id: order, limitMs: undrainMs } });
}

/** Its turn is over. */
function conclude(turn: Turn, run: RebootRun, now: RebootTurn, { outcome, because }: NonNullable<RebootTurn["ending"]>, brake = ended(turn, run, now.host)): void {
  if (outcome === "put off") return change(turn, run, { turn: null }, { host: now.host, told: `${now.host} has to wait: ${because}`, brake });
  const done = [...run.done, entry(turn, now.host, outcome, because, outcome === "rebooted" ? tookOf(turn, now) : null)];
  const held = outcome === "failed";
  change(turn, run, { turn: null, done, ...(held ? { state: "held" as const, because } : {}) }, { host: now.host, told: held ? `held at ${now.host}: ${because}` : `${now.host} is done, ${done.length} of ${run.plan.length}`, brake });
}

function pass(turn: Turn, run: RebootRun, host: string, because: string): void {
  change(turn, run, { done: [...run.done, entry(turn, host, "left out", because, null)] }, { host, told: `${host} is left out: ${because}` });
}

function end(turn: Turn, run: RebootRun, because: string): void {
  change(turn, run, { state: "ended", because, ended: turn.stamp }, { told: `rolling reboot ${run.run} has ended: ${because}` });
}

// ---- what is seen ----------------------------------------------------------------------------------------------------------------

/** Word of another boot: by its agent, or because this watcher's own machine was it. */
function anotherBoot(turn: Turn, now: RebootTurn, host: HostState, policy: HostPolicy): string | null {
  if (now.bootId !== null && host.boot !== null && host.boot.bootId !== now.bootId) return "its agent speaks from another boot";
  return policy.self && turn.state.fleet === null && now.ownBoot !== turn.now.bootId ? "this watcher's own machine has rebooted" : null;
}

/** A round that began after the order says that it does not serve; who does not look himself believes those who do. */
function isAway(turn: Turn, host: HostState, policy: HostPolicy, agedMs: number): boolean {
  if (host.observed) return host.last?.outcome === "bad" && turn.now.bootMs - host.last.startedAtMs < agedMs;
  const words = [...host.votes.values()].filter((vote) => vote.hash === policy.hash && turn.now.bootMs - vote.seenMs < agedMs).map(({ says }) => says);
  return words.includes("down") && !words.includes("up");
}

/** What became of the order of this phase; null: not known yet. One that this process has not given is given again, by its name. */
function answerOf(turn: Turn, now: RebootTurn, order: "reboot" | "drain" | "undrain", limitMs: number): { readonly outcome: "done" | "failed" | "unknown"; readonly evidence: string } | null {
  const { given } = turn.state.reboots;
  if (given?.order !== now.order) {
    // While it waits for its record it is nobody's to give.
    if (turn.state.stopping) return null;
    give(turn, now.host, { order, id: now.order, limitMs }, true);
    return null;
  }
  if (given.answer !== null) return given.answer;
  return ageMs(now.since, turn.now) > limitMs + ANSWER_MS ? { outcome: "unknown", evidence: "nothing was heard of it" } : null;
}

function give(turn: Turn, host: string, order: NonNullable<Extract<Pending, { kind: "reboots" }>["order"]>, again: boolean): void {
  patchReboots(turn, { given: { order: order.id, answer: null } });
  turn.emit({ kind: "order", host, ...order, again, because: `${again ? "it may have been told before: " : ""}${order.order} ${host}`, cause: turn.causeOf(host) });
}

export function ordered(turn: Turn, { order, outcome, evidence }: Extract<Input, { kind: "ordered" }>): void {
  if (turn.state.reboots.given?.order !== order || turn.state.reboots.given.answer !== null) return;
  patchReboots(turn, { given: { order, answer: { outcome, evidence } } });
  driveReboots(turn);
}

export function boot(turn: Turn, { host: name, boot: word }: Extract<Input, { kind: "boot" }>): void {
  if (turn.host(name) === undefined) return;
  turn.patchHost(name, { boot: word === null ? null : { ...word, atMs: turn.now.bootMs } });
  driveReboots(turn);
}

function look(turn: Turn, host: HostState): void {
  const startedAtMs = host.last?.startedAtMs ?? 0;
  if (turn.now.bootMs - startedAtMs < LOOK_EVERY_MS) turn.emit({ kind: "pace", host: host.name, atMs: startedAtMs + LOOK_EVERY_MS });
}

function learn(turn: Turn, host: HostState, tookMs: number): void {
  turn.patchRecord(host.name, { rebootsMs: [...(host.record.rebootsMs ?? []), Math.round(tookMs)].slice(-BOOTS_MAX) });
}

function tookOf(turn: Turn, now: RebootTurn): number | null {
  return turn.record(now.host)?.rebootsMs?.at(-1) ?? null;
}

// ---- the record ------------------------------------------------------------------------------------------------------------------

/** Told once a change, and shown by the status. */
function wait(turn: Turn, host: string, { name, because }: { readonly name: string; readonly because: string }): void {
  const { waiting } = turn.state.reboots;
  const changed = waiting === null || waiting.host !== host || waiting.name !== name;
  if (changed || waiting.because !== because) patchReboots(turn, { waiting: { host, name, because } });
  if (changed) turn.tell("reboots", host, `${host} has to wait: ${because}`);
}

/** A change of the run: committed with the brake and under the charge of the host that it is about, and nothing follows before. */
export function change(turn: Turn, run: RebootRun | null, by: Change | RebootRun, { told, host, brake = null, order }: Transition): void {
  const next = { ...run, ...by } as RebootRun;
  const txn = turn.id();
  const { revisions, fleet } = turn.state;
  const charges = fleet === null || host === undefined || turn.hostPolicy(host) === undefined || !inCharge(turn, host, true) ? [] : chargesOf(turn, host);
  const guards = fleet === null ? [] : [RUN, ...charges].map((key) => ({ key, revision: revisions.get(key) ?? null }));
  turn.pend(txn, { kind: "reboots", next, brake, told, host: host ?? null, order: order ?? null, replies: [] });
  patchReboots(turn, { txn });
  // What waited to be written of the brake is older than this.
  if (brake !== null) turn.take(brake.key);
  const cause = turn.causeOf(host !== undefined && turn.host(host) !== undefined ? host : null);
  transact(turn, { txn, decided: true, swap: null, guards, writes: [{ key: RUN, value: next }, ...(brake === null ? [] : [brake])], because: told, cause });
}

/** The change is durable, or is not. */
export function rebootsStored(turn: Turn, pending: Extract<Pending, { kind: "reboots" }>, result: "committed" | "conflict" | "failed"): void {
  patchReboots(turn, { txn: null });
  if (result !== "committed") return patchReboots(turn, { retryMs: turn.now.bootMs + RETRY_MS });
  const { next, brake, told, host, order } = pending;
  patchReboots(turn, { record: next, waiting: null });
  if (brake !== null) mirrorBrake(turn, brake);
  const known = host !== null && turn.host(host) !== undefined ? host : null;
  turn.tell("reboots", known, told);
  if (order !== null && next.turn !== null) carryOut(turn, next, next.turn, order);
  driveReboots(turn);
}

/** It is durable. What has come in between turns it back. */
function carryOut(turn: Turn, run: RebootRun, now: RebootTurn, order: NonNullable<Extract<Pending, { kind: "reboots" }>["order"]>): void {
  const host = turn.host(now.host);
  const policy = turn.hostPolicy(now.host);
  if (order.order === "reboot") {
    const stop = host === undefined || policy === undefined ? "it is no longer configured" : !isBraked(turn, now.host) ? "its brake was ended" : !inCharge(turn, now.host) ? "this watcher is no longer in charge" : (whyNotNow(turn, run, host, policy, "ours stands")?.because ?? null);
    if (stop !== null) {
      // Nothing was given: said in the place of an answer, so that nobody waits for one.
      patchReboots(turn, { given: { order: order.id, answer: { outcome: "failed", evidence: stop } } });
      return putBack(turn, run, now, { outcome: "put off", because: stop });
    }
  }
  give(turn, now.host, order, false);
}

function isBraked(turn: Turn, host: string): boolean {
  const brake = turn.state.brakes.get(brakeKey("going-down", host));
  return brake !== undefined && brake.endedBy === undefined;
}

function mirrorBrake(turn: Turn, { key, value }: Write): void {
  const brakes = new Map(turn.state.brakes);
  const was = brakes.get(key);
  if (value === null) brakes.delete(key);
  else brakes.set(key, value as BrakeRecord);
  turn.patch({ brakes });
  if (value === null && was !== undefined) turn.tell("brake-ended", turn.host(was.scope)?.name ?? null, `${was.kind} by ${was.by} has ended`);
  else if (value !== null) turn.tell("brake", (value as BrakeRecord).scope, `going-down for ${(value as BrakeRecord).scope} by ${(value as BrakeRecord).by}`);
}

/** The end of our own brake; a person's stays. */
function ended(turn: Turn, run: RebootRun, host: string): Write | null {
  const key = brakeKey("going-down", host);
  return turn.state.brakes.get(key)?.by === brakeBy(run) ? { key, value: null } : null;
}

export function brakeBy(run: RebootRun): string {
  return `rolling reboot ${run.run}`;
}

function begun(turn: Turn, host: HostState, policy: HostPolicy, phase: RebootPhase, order: string): RebootTurn {
  return { host: host.name, phase, since: turn.stamp, order, orderedAt: null, bootId: host.boot?.bootId ?? null, ownBoot: turn.now.bootId, backMs: backMs(policy, host), ending: null };
}

function entry(turn: Turn, host: string, outcome: RebootOutcome, because: string, tookMs: number | null): RebootDone {
  return { host, outcome, because, at: turn.stamp, tookMs };
}

/** No other order of any run has it, also after a ledger was lost. */
function orderName(run: RebootRun): string {
  return `${run.run}.${run.orders + 1}.${Math.floor(run.began.wallMs)}`;
}

function summary({ done }: RebootRun): string {
  const of = (outcome: RebootOutcome) => done.filter((each) => each.outcome === outcome).length;
  const parts = [`${of("rebooted")} rebooted`, ...(of("left out") > 0 ? [`${of("left out")} left out`] : []), ...(of("failed") > 0 ? [`${of("failed")} failed`] : [])];
  return parts.join(", ");
}
