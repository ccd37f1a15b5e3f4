// What this watcher says of a host, and what the others say (safety.md §2.3, ADR 8.5).
//
// A word is written when it changes. While the watcher in charge has a ballot open, it is written after every round, with the
// ballot's number: that is how the reader knows how old it is without a clock that both could read.

import { fnv1a } from "./hash.ts";
import { agree } from "./agreement.ts";
import type { Agreement, Vote as Word } from "./agreement.ts";
import { over, raise } from "./alarms.ts";
import { heldAlarm } from "./ending.ts";
import type { HostPolicy } from "./policy.ts";
import type { Operation, RecordKey, VoteRecord } from "./records.ts";
import { isReturn } from "./return-ledger.ts";
import { observersOf, substitutesOf } from "./roster.ts";
import type { HostState, Turn, Vote } from "./state.ts";
import { ageMs } from "./time.ts";
import { inCharge, leaseHolds } from "./transaction.ts";

/** How long the first answers to a ballot are waited for before it is said that they are missing. */
const ANSWER_MS = 1_500;
/** Numbers of a ballot whose moment is remembered. */
const SENT_MAX = 8;
/** Bad rounds that say "down" of a host whose counter stands still because its power was cut. */
const ROUNDS_AFTER_CUT = 2;

type Saying = { readonly says: VoteRecord["says"]; readonly because: string; /** A suspicion that is not decided yet: not worth a record of its own. */ readonly passing?: true };

// ---- our own word ------------------------------------------------------------------------------------------------------------

function wordOf(turn: Turn, host: HostState, policy: HostPolicy): Saying {
  const { fleet } = turn.state;
  const { last } = host;
  if (policy.self) return { says: "abstain", because: "this watcher runs on it, or is fed by its outlet" };
  if (fleet !== null && fleet.unreadable[0] !== undefined) return { says: "abstain", because: `${fleet.unreadable[0].key} was written by a newer version` };
  if (host.judged < policy.threshold) return { says: "abstain", because: `has made ${host.judged} of ${policy.threshold} rounds since it could see` };
  if (last === null) return { says: "abstain", because: "no round yet" };
  if (last.outcome === "good" || last.outcome === "slow") return { says: "up", because: last.because };
  if (last.outcome === "unknown") {
    const staleMs = 2 * policy.everyMs + policy.timeoutMs;
    const passing = host.judgedAtMs !== null && turn.now.bootMs - host.judgedAtMs <= staleMs;
    return { says: "abstain", because: last.because, ...(passing ? { passing: true as const } : {}) };
  }
  if (host.counter >= policy.threshold || (standsStill(turn, host) && host.badRounds >= ROUNDS_AFTER_CUT)) return { says: "down", because: last.because };
  return { says: "abstain", because: `${host.counter} of ${policy.threshold}: ${last.because}`, passing: true };
}

/** Its power was cut in the operation that is open, or it is being started after a careful shutdown: nobody's counter says anything until that is over. */
function standsStill(turn: Turn, host: HostState): boolean {
  const id = host.operation ?? host.foreign;
  const operation: Operation | undefined = id === null ? undefined : (turn.state.operations.get(id) ?? turn.state.fleet?.foreign.get(id));
  return operation !== undefined && (isReturn(operation) || operation.phase !== "intended" || operation.level > 0 || operation.sends > 0 || turn.state.runs.get(operation.id)?.resumed === true);
}

/** Says what is new about a host; `asked`: somebody wants to hear it now. */
export function speak(turn: Turn, name: string, asked = false): void {
  if (turn.state.fleet === null || !leaseHolds(turn)) return;
  const host = turn.host(name);
  const policy = turn.hostPolicy(name);
  if (host === undefined || policy === undefined) return;
  const key: RecordKey = `vote/${name}/${turn.policy.watcher}`;
  if (!host.observed) {
    if (host.said !== null) turn.save(key, null);
    if (host.said !== null) turn.patchHost(name, { said: null });
    return;
  }
  const { said } = host;
  const word = wordOf(turn, host, policy);
  const answers = asked || host.asked !== null;
  const says = word.passing === true && !answers && said !== null ? said.says : word.says;
  const news = said === null || said.says !== says || said.able !== (word.says !== "abstain" || word.passing === true) || said.hash !== policy.hash || said.passed.length !== host.passedHere.length;
  if (!news && !answers) return;
  // Who has not said anything abstains: a newcomer need not write that of thousands of hosts before its first rounds.
  if (said === null && !answers && word.says === "abstain" && word.passing !== true) return;
  const record: VoteRecord = {
    v: 1, host: name, watcher: turn.policy.watcher, able: word.says !== "abstain" || word.passing === true, says, hash: policy.hash, because: (says === word.says ? word.because : (said?.because ?? "")).slice(0, 200),
    ballot: answers ? host.asked : null, ageMs: host.last === null ? 0 : Math.max(0, turn.now.bootMs - host.last.endedAtMs), passed: host.passedHere,
  };
  if (said === null || said.says !== says) turn.tell("vote", name, `says ${says}: ${record.because}`);
  turn.patchHost(name, { said: record });
  turn.save(key, record);
}

export function speakOfAll(turn: Turn): void {
  for (const host of turn.state.hosts.values()) speak(turn, host.name);
}

type Heard = Word & { readonly able: boolean };

// ---- what the others say -----------------------------------------------------------------------------------------------------

/** The words of the observers as they can be counted now, ours as it is at this moment. */
function wordsOn(turn: Turn, policy: HostPolicy): { readonly assigned: readonly string[]; readonly words: readonly Heard[]; readonly keys: readonly RecordKey[]; /** Who is not asked, looks at it all the same, and sees it up now. */ readonly bystander: string | null } {
  const host = turn.host(policy.name) as HostState;
  const me = turn.policy.watcher;
  const assigned = observersOf(turn, policy);
  const words: Heard[] = [];
  const keys: RecordKey[] = [];
  // A bound from above by the ballot that it answers. An "up" that answers none is a veto as long as it can be fresh: from its coming in.
  const age = (vote: Vote): number => {
    const sentMs = vote.ballot === null ? undefined : host.ballot?.sent.get(vote.ballot);
    const boundMs = sentMs === undefined ? Infinity : turn.now.bootMs - sentMs + vote.ageMs;
    return vote.says === "up" ? Math.min(boundMs, turn.now.bootMs - vote.seenMs) : boundMs;
  };
  const add = (watcher: string, instead: string | null) => {
    if (watcher === me) {
      const { says, passing } = wordOf(turn, host, policy);
      words.push({ watcher: instead ?? me, says, able: says !== "abstain" || passing === true, hash: policy.hash, ageMs: host.last === null ? Infinity : turn.now.bootMs - host.last.endedAtMs });
      return;
    }
    keys.push(`vote/${policy.name}/${watcher}`);
    const vote = host.votes.get(watcher);
    if (vote !== undefined) words.push({ watcher: instead ?? watcher, says: vote.says, able: vote.able, hash: vote.hash, ageMs: age(vote) });
  };
  for (const watcher of assigned) add(watcher, null);
  // A newcomer has nothing to say yet: who looked before it speaks in its place.
  const substitutes = [...substitutesOf(turn, policy)];
  for (const watcher of assigned) {
    if (turn.state.fleet?.watchers.get(watcher)?.ready !== false || words.some((word) => word.watcher === watcher && word.says !== "abstain")) continue;
    const substitute = substitutes.shift();
    if (substitute === undefined) break;
    const at = words.findIndex((word) => word.watcher === watcher);
    if (at >= 0) words.splice(at, 1);
    add(substitute, watcher);
  }
  const counted = new Set([me, ...assigned, ...keys.map((key) => key.slice(key.lastIndexOf("/") + 1))]);
  const freshForMs = 2 * policy.everyMs + policy.timeoutMs;
  const bystander = [...host.votes.values()].find((vote) => !counted.has(vote.watcher) && vote.says === "up" && vote.hash === policy.hash && turn.state.fleet?.watchers.get(vote.watcher)?.ready === true && age(vote) <= freshForMs);
  return { assigned, words, keys, bystander: bystander?.watcher ?? null };
}

export type Consulted = Agreement | { readonly kind: "waiting"; readonly untilMs: number };

/** Asks the observers, and says what they agree on now; `waiting`: their answers are on their way. */
export function consult(turn: Turn, policy: HostPolicy): Consulted {
  const nowMs = turn.now.bootMs;
  const electorate = () => ({ hash: policy.hash, freshForMs: 2 * policy.everyMs + policy.timeoutMs, lone: turn.policy.lone });
  if (turn.state.fleet === null) {
    const host = turn.host(policy.name) as HostState;
    const word = { watcher: turn.policy.watcher, says: host.last?.outcome === "bad" ? "down" as const : "abstain" as const, hash: policy.hash, ageMs: nowMs - (host.last?.endedAtMs ?? 0) };
    return agree({ assigned: [turn.policy.watcher], ...electorate() }, [word]);
  }
  if (observersOf(turn, policy).some((watcher) => watcher !== turn.policy.watcher)) ask(turn, policy);
  const { assigned, words, bystander } = wordsOn(turn, policy);
  // Alone is who has nobody beside him, not who has not been answered yet.
  const others = assigned.some((watcher) => watcher !== turn.policy.watcher && turn.fleet.alive.has(watcher));
  const agreement = agree({ assigned, ...electorate(), ...(others ? { lone: "hold" as const } : {}) }, words);
  // An observer of a moment ago counts for nothing, and its fresh "up" is a veto like any other.
  if (agreement.kind === "down" && bystander !== null) return { kind: "disagreement", of: agreement.of, because: `${agreement.votes} of ${agreement.of} say down, and ${bystander} sees it up` };
  const { ballot } = turn.host(policy.name) as HostState;
  const untilMs = (ballot?.sent.get(ballot.number) ?? -Infinity) + Math.min(ANSWER_MS, policy.everyMs / 2);
  return agreement.kind === "short" && nowMs < untilMs ? { kind: "waiting", untilMs } : agreement;
}

/** Opens a ballot, or raises its number when the answers to the last one are about to grow old. */
function ask(turn: Turn, policy: HostPolicy): void {
  const { ballot } = turn.host(policy.name) as HostState;
  const nowMs = turn.now.bootMs;
  const last = ballot?.sent.get(ballot.number) ?? -Infinity;
  if (ballot !== null && nowMs - last < policy.everyMs) return;
  // No number of another life is ever used again: an answer to it would be taken for a fresh one.
  const number = ballot === null ? lifeNumber(turn.fleet.life) + turn.id() : ballot.number + 1;
  const sent = new Map([...(ballot?.sent ?? []), [number, nowMs] as const].slice(-SENT_MAX));
  turn.patchHost(policy.name, { ballot: { number, sent } });
  turn.save(`ballot/${policy.name}`, { v: 1, host: policy.name, number, watcher: turn.policy.watcher }, policy.name);
}

function lifeNumber(life: string): number {
  return fnv1a(life) * 2 ** 20;
}

/** Nothing is asked any more. */
export function closeBallot(turn: Turn, name: string): void {
  if (turn.state.fleet === null || (turn.host(name)?.ballot ?? null) === null) return;
  turn.patchHost(name, { ballot: null });
  turn.save(`ballot/${name}`, null, name);
}

/** The votes that a swap must find as they were counted. */
export function votesBehind(turn: Turn, policy: HostPolicy): readonly RecordKey[] {
  return turn.state.fleet === null ? [] : wordsOn(turn, policy).keys;
}

/** Somebody says "up", freshly, or has said so since a moment of ours. */
export function whoSaysUp(turn: Turn, policy: HostPolicy, sinceMs: number): string | null {
  const host = turn.host(policy.name) as HostState;
  for (const vote of host.votes.values()) {
    if (vote.says === "up" && vote.hash === policy.hash && vote.seenMs >= sinceMs && turn.fleet.watchers.get(vote.watcher)?.ready === true) return vote.watcher;
  }
  return null;
}

/** Why too few can judge it, or null: with them nobody could be outvoted, and nothing would be cut. */
export function tooFew(turn: Turn, policy: HostPolicy): string | null {
  const { fleet } = turn.state;
  if (fleet === null) return null;
  const { assigned, words } = wordsOn(turn, policy);
  const able = words.filter((word) => word.hash === policy.hash && word.able).length;
  const need = Math.floor(assigned.length / 2) + 1;
  if (able >= need || (turn.policy.lone === "act" && able === 1)) return null;
  const differs = words.some((word) => word.hash !== policy.hash) ? "; configurations differ" : "";
  return `${able} of ${assigned.length} observers can judge it, ${need} are needed${differs}`;
}

/** Some say down and some say up: a person is called when that lasts (safety.md §2.3). */
export function reviewDisagreement(turn: Turn, policy: HostPolicy): void {
  if (turn.state.fleet === null || !inCharge(turn, policy.name)) return;
  const host = turn.host(policy.name) as HostState;
  const { assigned, words } = wordsOn(turn, policy);
  const saying = (says: VoteRecord["says"]) => words.filter((word) => word.says === says && word.hash === policy.hash).map((word) => word.watcher);
  const [down, up] = [saying("down"), saying("up")];
  const key = `disagreement:${policy.name}`;
  if (down.length === 0 || up.length === 0 || host.operation !== null) {
    if (host.disagreeSinceMs !== null) turn.patchHost(policy.name, { disagreeSinceMs: null });
    const { hold } = host.record;
    // Agreed at last, and not on "up": it is held as before, and a person still has to know.
    if (turn.state.alarms.has(key) && hold?.kind === "disagreement") heldAlarm(turn, policy.name, host.incident?.incident ?? null, hold.because);
    return over(turn, key, `the watchers agree on ${policy.name} again`);
  }
  const nowMs = turn.now.bootMs;
  const since = host.disagreeSinceMs ?? nowMs;
  if (host.disagreeSinceMs === null) turn.patchHost(policy.name, { disagreeSinceMs: nowMs });
  if (nowMs - since < 2 * policy.everyMs + policy.timeoutMs) return turn.wake(`host/${policy.name}`, since + 2 * policy.everyMs + policy.timeoutMs);
  const evidence = up.map((watcher) => `${watcher} sees it up${watcher === turn.policy.watcher ? "" : (host.votes.get(watcher)?.because ?? "") === "" ? "" : ` (${host.votes.get(watcher)?.because ?? ""})`}`).join("; ");
  const because = `${down.length} of ${assigned.length} say down (${down.join(", ")}); ${evidence}`;
  if (!turn.state.alarms.has(key)) turn.tell("disagreement", policy.name, because);
  // Held for a person when it goes on for as long as a verdict takes after our own, against words that are not from before it.
  const downAt = host.incident?.downAt ?? null;
  const stands = downAt !== null && ageMs(downAt, turn.now) >= policy.threshold * policy.everyMs;
  const still = words.some((word) => word.says === "up" && word.hash === policy.hash && word.ageMs <= 2 * policy.everyMs + policy.timeoutMs);
  if (down.includes(turn.policy.watcher) && host.record.hold === null && stands && still) {
    turn.patchRecord(policy.name, { hold: { kind: "disagreement", because, since: turn.stamp, sticky: false } });
    turn.tell("held", policy.name, because);
  }
  if (turn.state.alarms.has(key)) return;
  raise(turn, {
    alarm: key, kind: "disagreement", severity: "critical", host: policy.name, incident: host.incident?.incident ?? null,
    happened: `The watchers disagree on ${policy.name}: ${because}.`, done: "It is not cut.",
    asked: `Look at the network between them and ${policy.name}; then, if need be: upkeep fence ${policy.name}`,
  });
}
