// From a round to a decision (design.md §4.1–5): judge the round, move the counter, and when the counter stands at the
// threshold ask the agreement and the brakes. What comes out is at most one intent, or one refusal that says why, once.

import { over, raiseQuietly } from "./alarms.ts";
import type { Brake } from "./brakes.ts";
import { brakesOn } from "./brakes.ts";
import { heldAlarm } from "./ending.ts";
import { contradict, intend } from "./fencing.ts";
import { reviewGuard } from "./guard.ts";
import { closeIncident, note, openIncident } from "./incident.ts";
import type { Judgement } from "./liveness.ts";
import { wordsDisproved } from "./last-words.ts";
import { count, judge, retryAfterMs } from "./liveness.ts";
import type { HostPolicy } from "./policy.ts";
import { outletKey } from "./policy.ts";
import type { VoteRecord } from "./records.ts";
import { remedyFirst, tried } from "./remedy.ts";
import { mayLive, noteSign } from "./return-ledger.ts";
import type { ProbeResult, Round } from "./round.ts";
import { inTheSum, isBehind, membersOf, setsOf, suspectSibling } from "./storm.ts";
import { endStormWhenCalm, reviewStorms } from "./storm-records.ts";
import type { HostState, LastRound, Turn } from "./state.ts";
import { ageMs } from "./time.ts";
import { badRound, goodRound } from "./turn-back.ts";
import { inCharge } from "./transaction.ts";
import { closeBallot, consult, reviewDisagreement, speak } from "./vote.ts";
import { inWords } from "./words.ts";

/** A host that fell silent right after our off edge was fed by the outlet that we cut; one lost round does not make a silence. */
const SILENT_ROUNDS = 2;
/** Good for so long, a host that falls ill again is news. */
const RESTED_MS = 60_000;

export function round(turn: Turn, made: Round): void {
  const policy = turn.hostPolicy(made.host);
  const host = turn.host(made.host);
  if (host === undefined || policy === undefined || made.hash !== policy.hash) return;
  if (host.last !== null && made.startedAtMs <= host.last.startedAtMs) return;
  const judgement = judge(made, policy, passedHere(turn, host), host.freshAfterMs);
  learn(turn, policy, made, judgement);
  take(turn, policy, made, judgement);
  noteSign(turn, policy.name, mayLive(made, judgement, host, policy), made.startedAtMs);
  const after = turn.host(policy.name) as HostState;
  if (judgement.outcome === "good") good(turn, policy, after);
  else if (judgement.outcome === "bad") bad(turn, policy, after);
  else if (after.operation === null && inTheSum(after, policy, turn.state, turn.policy.armed)) reviewStorms(turn, policy, "after a round");
  reviewGuard(turn, policy.name);
  speak(turn, policy.name);
  reviewDisagreement(turn, policy);
}

/** What has passed as seen from this watcher: another may reach a port that this one does not. */
function passedHere(turn: Turn, host: HostState): readonly string[] {
  return turn.state.fleet === null ? host.record.learned.passed : host.passedHere;
}

/** An answer came after its time-out and within the round: what was bad was only slow. */
export function late(turn: Turn, name: string, hash: string, startedAtMs: number, results: readonly ProbeResult[]): void {
  const policy = turn.hostPolicy(name);
  const host = turn.host(name);
  const last = host?.last ?? null;
  if (host === undefined || policy === undefined || last === null || hash !== policy.hash || last.startedAtMs !== startedAtMs) return;
  const merged = last.results.map((result) => results.find((each) => each.probe === result.probe) ?? result);
  const references = last.outcome === "unknown" ? "lost" : "reached";
  const made: Round = { host: name, hash, startedAtMs, endedAtMs: last.endedAtMs, references, results: merged };
  const judgement = judge(made, policy, passedHere(turn, host), host.freshAfterMs);
  learn(turn, policy, made, judgement);
  if (results.some(({ outcome }) => outcome === "good" || outcome === "slow")) noteSign(turn, name, true, startedAtMs);
  if (last.outcome !== "bad" || (judgement.outcome !== "slow" && judgement.outcome !== "good")) {
    turn.patchHost(name, { last: { ...last, results: merged } });
    return;
  }
  const counter = last.counted === 1 ? Math.max(0, host.counter - 1) : host.counter;
  turn.patchHost(name, { last: { ...last, results: merged, outcome: judgement.outcome, because: judgement.because, counted: 0 }, counter, slow: true });
  // Who was not told of the suspicion is not told that it was none.
  const told = host.suspectToldMs !== null && host.suspectToldMs >= last.endedAtMs;
  if (!host.slow && told) turn.tell("better", name, `the answer came late, after the time-out: slow, not bad (${judgement.because}); ${counter} of ${policy.threshold}`);
  // An off that is not let go yet rests on rounds that no longer stand.
  if (host.operation !== null && counter < policy.threshold) goodRound(turn, host.operation);
  speak(turn, policy.name);
}

function learn(turn: Turn, policy: HostPolicy, made: Round, judgement: Judgement): void {
  const record = turn.record(policy.name);
  if (record === undefined) return;
  const passes = made.references === "lost" ? [] : judgement.firstPasses;
  const firstHealthy = judgement.outcome === "good" && record.learned.seenHealthyAt === null;
  if (turn.state.fleet !== null && passes.length > 0) turn.patchHost(policy.name, { passedHere: [...(turn.host(policy.name) as HostState).passedHere, ...passes] });
  if (!inCharge(turn, policy.name)) return;
  const missing = turn.state.fleet !== null && unrecordedPasses(turn, policy.name).length > 0;
  if (passes.length > 0 || firstHealthy || missing) {
    const passed = [...new Set([...record.learned.passed, ...passes])];
    const learned = { ...record.learned, passed, seenHealthyAt: firstHealthy ? turn.stamp : record.learned.seenHealthyAt };
    turn.patchRecord(policy.name, { learned: turn.state.fleet === null ? learned : { ...learned, passedFrom: { ...learned.passedFrom, [turn.policy.watcher]: (turn.host(policy.name) as HostState).passedHere } } });
    const counting = passes.filter((id) => policy.probes.some((probe) => probe.id === id && probe.counts));
    if (counting.length > 0) turn.tell("probe-passed", policy.name, `${counting.join(", ")} passed for the first time and count${counting.length === 1 ? "s" : ""} from now on`);
  }
}

function unrecordedPasses(turn: Turn, name: string): readonly string[] {
  const host = turn.host(name) as HostState;
  const known = host.record.learned.passedFrom?.[turn.policy.watcher] ?? [];
  return host.passedHere.filter((probe) => !known.includes(probe));
}

/** What another observer has seen pass is kept for him by the one in charge: it outlives his restart. */
export function learnFrom(turn: Turn, policy: HostPolicy, vote: VoteRecord): void {
  const record = turn.record(policy.name);
  if (record === undefined || vote.hash !== policy.hash || record.learned.hash !== policy.hash) return;
  const known = record.learned.passedFrom?.[vote.watcher] ?? [];
  const news = vote.passed.some((probe) => !known.includes(probe));
  const firstHealthy = vote.says === "up" && record.learned.seenHealthyAt === null;
  if (!news && !firstHealthy) return;
  const learned = { ...record.learned, passed: [...new Set([...record.learned.passed, ...vote.passed])], passedFrom: { ...record.learned.passedFrom, [vote.watcher]: vote.passed } };
  turn.patchRecord(policy.name, { learned: { ...learned, seenHealthyAt: firstHealthy ? turn.stamp : record.learned.seenHealthyAt } });
}

/** Puts the round into the host's memory. */
function take(turn: Turn, policy: HostPolicy, made: Round, judgement: Judgement): void {
  const host = turn.host(policy.name) as HostState;
  const nowMs = turn.now.bootMs;
  const { outcome } = judgement;
  const inDebounce = host.record.lastEdge !== null && ageMs(host.record.lastEdge, turn.now) < policy.debounceMs;
  const { counter, counted } = count(host.counter, outcome, policy, host.operation !== null || inDebounce);
  const last: LastRound = { outcome, because: judgement.because, startedAtMs: made.startedAtMs, endedAtMs: made.endedAtMs, results: made.results, counted, refused: judgement.refused, silent: judgement.silent, lost: made.references === "lost" };
  const wasGood = host.last === null || host.last.outcome === "good" || host.last.outcome === "slow";
  const isBad = outcome === "bad";
  const ill = isBad || outcome === "unknown";
  const suspicionBegins = isBad && host.badSinceMs === null;
  const cured = outcome === "good" && counter === 0 && host.operation === null;
  const rested = host.goodSinceMs !== null && nowMs - host.goodSinceMs >= RESTED_MS;
  const quietMs = turn.policy.limits.healthyLogEveryMs;
  const peak = rested || host.suspectToldMs === null || nowMs - host.suspectToldMs >= quietMs ? 0 : host.suspectPeak;
  // A host that comes and goes, or answers late round after round, is told of when it gets worse, not every five seconds;
  // one that is wanted off is expected to be silent.
  const telling = isBad && counted === 1 && counter > peak && (!host.slow || counter > 1) && host.record.wanted.state === "on";
  const blindAgain = outcome === "unknown" && !host.blind && (host.blindToldMs === null || nowMs - host.blindToldMs >= quietMs);
  turn.patchHost(policy.name, {
    last,
    counter,
    sinceMs: host.last?.outcome === outcome ? host.sinceMs : nowMs,
    badSinceMs: suspicionBegins ? made.startedAtMs : cured ? null : host.badSinceMs,
    badRounds: suspicionBegins ? 1 : cured ? 0 : host.badRounds + (isBad ? 1 : 0),
    goodRounds: suspicionBegins || cured ? 0 : host.goodRounds + (outcome === "good" ? 1 : 0),
    suspectPeak: telling ? counter : peak,
    suspectToldMs: telling ? nowMs : host.suspectToldMs,
    judged: outcome === "unknown" ? host.judged : Math.min(host.judged + 1, policy.threshold),
    judgedAtMs: outcome === "unknown" ? host.judgedAtMs : nowMs,
    blind: outcome === "unknown" && (host.blind || blindAgain),
    blindToldMs: blindAgain ? nowMs : host.blindToldMs,
    firstSign: suspicionBegins ? judgement.because : host.firstSign,
    slow: outcome === "good" ? false : host.slow,
    goodSinceMs: outcome === "good" ? (host.goodSinceMs ?? nowMs) : isBad ? null : host.goodSinceMs,
    lastGoodAtMs: outcome === "good" ? nowMs : host.lastGoodAtMs,
    lastIllAtMs: ill ? nowMs : host.lastIllAtMs,
    onsetMs: ill && wasGood && host.last !== null ? nowMs : host.onsetMs,
    refusedAtMs: isBad && judgement.refused ? nowMs : cured ? null : host.refusedAtMs,
    silentSinceMs: isBad && judgement.silent ? (host.silentSinceMs ?? (wasGood && host.last !== null ? made.startedAtMs : null)) : outcome === "good" ? null : host.silentSinceMs,
  });
  if (blindAgain) turn.tell("blind", policy.name, `unknown, which harms nobody: ${judgement.because}`);
  if (outcome !== "unknown" && host.blind && host.lastGoodAtMs !== null) turn.tell("sees", policy.name, "rounds count again");
  if (telling) turn.tell("suspect", policy.name, `${counter} of ${policy.threshold}: ${judgement.because}`);
  const pauseMs = isBad ? retryAfterMs(counter, policy) : null;
  if (pauseMs !== null) turn.emit({ kind: "pace", host: policy.name, atMs: Math.max(nowMs, made.startedAtMs + pauseMs) });
}

function good(turn: Turn, policy: HostPolicy, host: HostState): void {
  const name = policy.name;
  const nowMs = turn.now.bootMs;
  if (host.operation !== null) goodRound(turn, host.operation);
  wordsDisproved(turn, name, host.last?.startedAtMs ?? nowMs);
  const now = turn.host(name) as HostState;
  if (now.decideAtMs !== null) turn.patchHost(name, { decideAtMs: null });
  if (now.operation === null && now.counter < policy.threshold) closeBallot(turn, name);
  endStormWhenCalm(turn, setsOf(policy));
  for (const other of membersOf(`behind:${name}`, turn.policy)) {
    // What was seen of a host while the thing before it was away proves nothing (safety.md §3.6).
    const state = turn.host(other.name);
    if (state !== undefined && host.lastIllAtMs !== null && state.freshAfterMs < host.lastIllAtMs) turn.patchHost(other.name, { freshAfterMs: nowMs, counter: 0 });
  }
  if (!inCharge(turn, name)) return;
  if (now.record.offByOthers.length > 0) readPower(turn, policy);
  const { hold } = now.record;
  const goodForMs = now.goodSinceMs === null ? 0 : nowMs - now.goodSinceMs;
  // What was cut once and held is free when its incident closes, so that no second off falls into the same one.
  if (hold !== null && !hold.sticky && (hold.kind !== "failed" || goodForMs >= policy.healthyForMs)) {
    turn.patchRecord(name, { hold: null });
    turn.tell("released", name, `seen healthy: no longer held (${hold.because})`);
    over(turn, `held:${name}`, `${name} was seen healthy`);
  }
  if (now.incident !== null && now.operation === null && goodForMs >= policy.healthyForMs) {
    const heldNow = (turn.record(name)?.hold ?? null) !== null;
    const remedies = tried(now)?.names ?? [];
    turn.tell("recovered", name, heldNow ? "serving again; still held" : remedies.length > 0 ? `serving again after ${remedies.join(" and ")}` : "serving again without our doing");
    closeIncident(turn, name, heldNow ? "held" : remedies.length > 0 ? "recovered by a remedy" : "recovered by itself", now.goodSinceMs ?? nowMs);
    turn.patchHost(name, { refusal: null, suspectPeak: 0, remedy: null });
  } else if (now.incident === null && now.refusal !== null) {
    turn.patchHost(name, { refusal: null });
  }
  const everyMs = turn.policy.limits.healthyLogEveryMs;
  if (goodForMs >= everyMs && (now.healthyToldMs === null || nowMs - now.healthyToldMs >= everyMs)) {
    turn.patchHost(name, { healthyToldMs: nowMs });
    turn.tell("healthy", name, `healthy for ${inWords(goodForMs)}`);
  }
}

function bad(turn: Turn, policy: HostPolicy, host: HostState): void {
  const name = policy.name;
  if (host.operation !== null) badRound(turn, host.operation);
  wrongOutlet(turn, policy);
  // While a host is suspect its outlet is read every round, to see somebody else's hand on it.
  if (host.operation === null && inCharge(turn, name)) readPower(turn, policy);
  // Who is in no sum begins no storm.
  const deciding = host.counter >= policy.threshold && host.operation === null && inCharge(turn, name);
  if (inTheSum(turn.host(name), policy, turn.state, turn.policy.armed)) reviewStorms(turn, policy, deciding ? "for a decision" : "after a round");
  decide(turn, name);
}

function readPower(turn: Turn, policy: HostPolicy): void {
  for (const device of new Set(policy.levels.flat().map((outlet) => outlet.device))) {
    if (turn.state.devices.get(device)?.reading === null) turn.wake(`device/${device}`, turn.now.bootMs);
  }
}

/** Another host fell silent within two intervals of our off edge: the outlet may be its, not ours (safety.md §4.5). */
function wrongOutlet(turn: Turn, policy: HostPolicy): void {
  const host = turn.host(policy.name) as HostState;
  const { silentSinceMs } = host;
  if (silentSinceMs === null || host.last === null || !host.last.silent) return;
  if (host.last.startedAtMs - silentSinceMs < (SILENT_ROUNDS - 1) * policy.everyMs * 0.9) return;
  for (const operation of turn.state.operations.values()) {
    if (operation.host === policy.name || operation.offAt === null) continue;
    const offMs = turn.now.bootMs - ageMs(operation.offAt, turn.now);
    const near = silentSinceMs >= offMs && silentSinceMs <= offMs + 2 * policy.everyMs;
    const shares = policy.levels.flat().some((outlet) => operation.sent.includes(outletKey(outlet)));
    // What hangs behind the host that was cut falls silent with it, and rightly.
    if (!near || shares || isBehind(policy, operation.host, turn.policy)) continue;
    // What we felled boots by our doing: that was its edge, and `debounce` and `boot` hold from it.
    const { lastEdge } = host.record;
    if (!inCharge(turn, policy.name)) contradict(turn, operation, `${policy.name} fell silent within ${inWords(2 * policy.everyMs)} of the off for ${operation.host}`);
    else if (lastEdge === null || turn.now.bootMs - ageMs(lastEdge, turn.now) < offMs) {
      turn.patchRecord(policy.name, { lastEdge: turn.stamp });
      turn.patchHost(policy.name, { counter: 0 });
    }
    if (operation.contradiction === null) contradict(turn, operation, `${policy.name} fell silent within ${inWords(2 * policy.everyMs)} of the off for ${operation.host}`);
  }
}

/** The decision: called after each bad round and when a delay is over. */
export function decide(turn: Turn, name: string): void {
  const host = turn.host(name);
  const policy = turn.hostPolicy(name);
  if (host === undefined || policy === undefined || host.operation !== null || host.counter < policy.threshold || !inCharge(turn, name)) return;
  // An operation of another watcher that nobody has ended yet is taken up, not begun anew.
  if (host.foreign !== null) return;
  // What is wanted off and is off is no incident, nor what is being started after that.
  if ((host.record.wanted.state === "off" || (host.record.careful ?? null) !== null) && host.incident === null) return;
  const nowMs = turn.now.bootMs;
  const evidence = `${countedRounds(host, policy)} in ${inWords(nowMs - (host.badSinceMs ?? nowMs))}: ${host.last?.because ?? ""}`;
  if (host.incident === null || host.incident.downAt === null) {
    openIncident(turn, name, host.firstSign, host.badSinceMs);
    note(turn, name, "downAt");
    turn.tell("down", name, evidence);
  }
  if (turn.state.fleet !== null) {
    // Nobody is asked about a host that would not be cut anyway: one that is held for days costs the store nothing.
    const standing = brakesOn(turn.host(name) as HostState, policy, turn.state, turn.policy, turn.now, { operation: null, resumed: false });
    if (standing.length > 0) {
      closeBallot(turn, name);
      return refuse(turn, name, standing);
    }
  }
  const agreement = consult(turn, policy);
  if (agreement.kind === "waiting") return turn.wake(`host/${name}`, agreement.untilMs);
  if (agreement.kind === "short" && turn.state.fleet !== null) raiseQuietly(turn, {
    alarm: `unguarded:${name}`, kind: "unguarded", severity: "critical", host: name, incident: (turn.host(name) as HostState).incident?.incident ?? null,
    happened: `${name} is down, and too few watchers can say so: ${agreement.because}.`, done: "It is not cut.",
    asked: `Bring the other watchers back, or have the dead forgotten (upkeep watcher list); or look, and: upkeep fence ${name}`,
  });
  if (agreement.kind !== "down") return refuse(turn, name, [{ name: "agreement", because: agreement.of === 1 ? "the last round does not say down" : agreement.because }]);
  const brakes = brakesOn(turn.host(name) as HostState, policy, turn.state, turn.policy, turn.now, { operation: null, resumed: false });
  if (brakes.length > 0) return refuse(turn, name, brakes);
  const sibling = suspectSibling(policy, turn.state, turn.policy);
  if (sibling !== null && host.decideAtMs === null) {
    turn.patchHost(name, { decideAtMs: nowMs + policy.everyMs });
    turn.tell("delayed", name, `${sibling} is suspect too: decided one interval later`);
    return turn.wake(`host/${name}`, nowMs + policy.everyMs);
  }
  if (host.decideAtMs !== null && nowMs < host.decideAtMs) return;
  if (remedyFirst(turn, policy, evidence)) return;
  intend(turn, policy, "cycle", { kind: "auto" }, `${agreement.of > 1 ? `${agreement.votes} of ${agreement.of} watchers say down, ` : ""}${evidence}`);
}

/** `5 bad rounds`, or `7 bad rounds and 2 good ones`. */
function countedRounds(host: HostState, policy: HostPolicy): string {
  const bad = Math.max(host.badRounds, policy.threshold);
  return `${bad} bad round${bad === 1 ? "" : "s"}${host.goodRounds === 0 ? "" : ` and ${host.goodRounds} good`}`;
}

function refuse(turn: Turn, name: string, brakes: readonly Brake[]): void {
  const host = turn.host(name) as HostState;
  const reason = brakes.map((brake) => brake.name).join(",");
  const spent = brakes.find((brake) => brake.name === "budget" || brake.name === "unconfirmed" || brake.name === "once");
  if (spent !== undefined && host.record.hold === null) {
    const kind = spent.name === "budget" ? "budget" as const : spent.name === "unconfirmed" ? "unconfirmed" as const : "failed" as const;
    turn.patchRecord(name, { hold: { kind, because: spent.because, since: turn.stamp, sticky: kind !== "failed" } });
    turn.tell("held", name, spent.because);
    heldAlarm(turn, name, host.incident?.incident ?? null, spent.because);
  }
  if (host.refusal === reason) return;
  turn.patchHost(name, { refusal: reason });
  turn.tell("refused", name, `not cut: ${brakes.map((brake) => brake.because).join("; ")}`);
}
