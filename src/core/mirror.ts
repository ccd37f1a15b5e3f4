// What the others write, as it comes in: every record has one place in the state, and what it means for us follows at once.
// Our own writes come back, too; they are known by the life that wrote them and teach us their revision only.

import { mergeAgent } from "./agents.ts";
import { answerAsk, askAnswered } from "./ask.ts";
import { setAside } from "./aside.ts";
import { sessionLost, uncharged } from "./charge.ts";
import { holdTheSick, outlasts } from "./expiry.ts";
import { closeTrouble, raiseTrouble } from "./fleet-alarms.ts";
import { FROM_ZERO, freshStorm } from "./fresh.ts";
import { dropIncident, mirrorEnd, mirrorIncident } from "./incident.ts";
import type { Input, StoredRecord } from "./io.ts";
import { leaseMirrored } from "./leases.ts";
import type { AlarmRecord, AliveRecord, AnyRecord, AskRecord, BallotRecord, BrakeRecord, ChargeRecord, GuardRecord, HostRecord, IncidentRecord, LeaseRecord, MetaRecord, Operation, RebootRun, RecordKey, RecordKind, RecordOf, StormRecord, VoteRecord, WatcherRecord } from "./records.ts";
import { patchReboots } from "./reboots.ts";
import { gaveSign } from "./return-ledger.ts";
import type { HostState, Turn, Vote } from "./state.ts";
import { elapsedSince, localised } from "./stamps.ts";
import { Register, Table } from "./table.ts";
import { inCharge, isUnderWay, kindOf, nameOf, storedIncident } from "./transaction.ts";
import { EVERYTHING } from "./brake-records.ts";
import { end } from "./ending.ts";
import { drive } from "./fencing.ts";
import { operationKey } from "./operation.ts";
import { goodRound } from "./turn-back.ts";
import { reviewDisagreement, speak } from "./vote.ts";
import { decide, learnFrom } from "./watching.ts";

/** Two wall clocks that differ by more than this are told of. */
const SKEW_MS = 60_000;

type Change = Extract<Input, { kind: "changes" }>["changes"][number];

/**
 * What the start finds, whose revisions are known already; nothing follows from it yet. What there may be of every host is taken in at
 * once: with 100,000 of them one by one would cost more time than a lease has.
 */
export function load(turn: Turn, records: readonly StoredRecord[]): void {
  const me = turn.policy.watcher;
  const charges: [string, ChargeRecord][] = [];
  const found = new Map<string, { record?: HostRecord; guardRecord?: GuardRecord; votes?: Map<string, Vote> }>();
  const of = (host: string) => {
    const known = found.get(host) ?? {};
    if (!found.has(host)) found.set(host, known);
    return known;
  };
  for (const { key, value } of records) {
    const here = localised(value, turn.now, elapsedSince(value.written, turn.now, false));
    const kind = kindOf(key);
    if (kind === "charge") charges.push([nameOf(key), here as ChargeRecord]);
    else if (kind === "host" && turn.host(nameOf(key)) !== undefined) {
      of(nameOf(key)).record = here as HostRecord;
      mirrorEnd(turn, undefined, here as HostRecord);
    } else if (kind === "guard") {
      const guard = here as GuardRecord;
      if (guard.watcher !== me) of(nameOf(key)).guardRecord = guard;
    } else if (kind === "vote") {
      const { written: _, ...vote } = here as VoteRecord & Pick<AnyRecord, "written">;
      if (vote.watcher === me) continue;
      const host = of(vote.host);
      (host.votes ??= new Map()).set(vote.watcher, { ...vote, seenMs: turn.now.bootMs });
    } else put(turn, key, here, "load");
  }
  turn.patchFleet({ charges: Register.from(charges), dirty: true });
  turn.patch({ hosts: Table.from([...turn.state.hosts.values()].map((host) => [host.name, { ...host, ...found.get(host.name) }] as const)) });
}

export function changes(turn: Turn, changed: readonly Change[]): void {
  heard(turn);
  for (const change of changed) take(turn, change);
}

/** Changes were missed: what is there now, and what is not there any more. */
export function snapshot(turn: Turn, records: readonly StoredRecord[]): void {
  heard(turn);
  const there = new Set<string>(records.map((record) => record.key));
  const gone = [...turn.state.revisions.entries()].filter(([key]) => !there.has(key));
  for (const [key, revision] of gone) take(turn, { key: key as RecordKey, value: null, revision: revision + 1 });
  for (const record of records) if (turn.state.revisions.get(record.key) !== record.revision) take(turn, record);
  forgetAges(turn);
}

/** How long it took to hear of them is not known. */
export function forgetAges(turn: Turn): void {
  turn.patchFleet({ ageless: new Set(turn.fleet.foreign.keys()) });
}

function heard(turn: Turn): void {
  if (turn.fleet.blind === null) return;
  turn.patchFleet({ blind: null, dirty: true });
  turn.tell("store-ok", null, "the changes of the other watchers are heard again");
}

export function blind(turn: Turn, because: string): void {
  if (turn.fleet.blind !== null) return;
  turn.patchFleet({ blind: because });
  turn.tell("store-failed", null, `the changes of the other watchers are not heard: ${because}`);
}

function take(turn: Turn, { key, value, revision }: Change): void {
  const known = turn.state.revisions.get(key);
  if (known !== undefined && revision < known) return;
  const own = value?.written?.life === turn.fleet.life;
  turn.patch({ revisions: value === null ? turn.state.revisions.without(key) : turn.state.revisions.with(key, revision) });
  if (value === null) return drop(turn, key);
  if (value.written !== undefined && !own) noteClock(turn, value.written.by, value.written.at.wallMs, value.written.at.unsynced !== true);
  if (own) return mirrorOwn(turn, key, value);
  // Theirs is newer than what we were about to write.
  if (turn.state.outboxHosts.has(key) || THEIRS_FIRST.has(kindOf(key))) turn.take(key);
  put(turn, key, localised(value, turn.now, value.written?.at.bootId === turn.now.bootId ? elapsedSince(value.written, turn.now, false) : 0), "change");
}

const THEIRS_FIRST = new Set(["charge", "lease", "storm", "ack", "alarm", "op"]);

/** Ours, perhaps from a transaction whose answer was lost: then we are in charge although we did not know. */
function mirrorOwn(turn: Turn, key: RecordKey, value: AnyRecord): void {
  switch (kindOf(key)) {
    case "meta":
      return mergeMeta(turn, value as MetaRecord);
    case "charge":
      // Taken by a transaction whose answer was lost: kept or given back by the next review.
      if (!turn.fleet.mine.has(nameOf(key))) turn.patchFleet({ charges: turn.fleet.charges.with(nameOf(key), value as ChargeRecord), dirty: true });
      return;
    case "ask":
      // Written after all, when its answer was no longer waited for: cleared away with those that were left lying.
      if (!turn.fleet.asks.has(nameOf(key))) turn.patchFleet({ asks: new Map(turn.fleet.asks).set(nameOf(key), { ...(value as AskRecord), seenMs: turn.now.bootMs }) });
      return;
    case "op": {
      // Intended by a transaction whose answer was lost, and given up since.
      const id = Number(nameOf(key));
      if (!turn.state.operations.has(id) && !turn.fleet.foreign.has(id) && !isUnderWay(turn, key)) turn.save(key, null, (value as Operation).host);
      return;
    }
    case "incident":
      return storedIncident(turn, nameOf(key), value as IncidentRecord);
    case "reboots":
      return patchReboots(turn, { record: value as RebootRun });
    default:
  }
}

function mergeMeta(turn: Turn, found: MetaRecord): void {
  const { meta, fleet } = turn.state;
  // Of two marks of this store the later one: it may be a copy that has gone back once more.
  const [anew = found.anew] = [found.anew, meta.anew].filter((mark) => mark !== undefined && mark.store === fleet?.store).sort((one, other) => (other?.token ?? 0) - (one?.token ?? 0));
  turn.patch({ meta: { ...found, ...(anew === undefined ? {} : { anew }), nextIncident: Math.max(found.nextIncident, meta.nextIncident), nextToken: Math.max(found.nextToken, meta.nextToken) } });
}

/** A record of somebody else, or of an earlier life of ours. */
function put(turn: Turn, key: RecordKey, value: AnyRecord, when: "load" | "change"): void {
  const kind = kindOf(key) as RecordKind;
  const handler = PUT[kind] as (turn: Turn, name: string, value: AnyRecord, when: "load" | "change") => void;
  handler(turn, nameOf(key), value, when);
}

const PUT: { readonly [Kind in RecordKind]: (turn: Turn, name: string, value: RecordOf[Kind], when: "load" | "change") => void } = {
  meta: (turn, _name, value) => mergeMeta(turn, value),
  host(turn, name, value: HostRecord) {
    const host = turn.host(name);
    if (host === undefined) return turn.patch({ strangers: new Map(turn.state.strangers).set(name, value) });
    const wantedOff = value.wanted.state === "off" && host.record.wanted.state === "on";
    mirrorEnd(turn, host.record, value);
    turn.patchHost(name, { record: value });
    if (wantedOff) turn.tell("wanted", name, `wanted off: ${value.wanted.state === "off" ? value.wanted.why : ""}`);
  },
  incident: (turn, _name, value) => mirrorIncident(turn, value),
  op: putOperation,
  lock: () => undefined,
  brake(turn, name, value: BrakeRecord, when) {
    const key: RecordKey = `brake/${name}`;
    const before = turn.state.brakes.get(key);
    if (when === "change" && outlasts(turn, key, value)) return;
    turn.patch({ brakes: new Map(turn.state.brakes).set(key, value) });
    if (when === "load") return;
    if (value.endedBy !== undefined && before?.endedBy === undefined) {
      for (const host of coveredBy(turn, value.scope)) if (host.operation === null) turn.patchHost(host.name, FROM_ZERO);
      turn.tell("brake-ended", turn.host(value.scope)?.name ?? null, `${value.kind} ended by ${value.endedBy}`);
    } else if (value.endedBy === undefined) turn.tell("brake", turn.host(value.scope)?.name ?? null, `${value.kind} for ${value.scope === EVERYTHING ? "the whole fleet" : value.scope} by ${value.by}${value.reason === "" ? "" : `: ${value.reason}`}`);
  },
  storm(turn, name, value: StormRecord, when) {
    const known = turn.state.storms.get(name);
    turn.patch({ storms: new Map(turn.state.storms).set(name, { ...freshStorm(value), ...(known === undefined ? {} : { calmSinceMs: known.calmSinceMs }) }) });
    if (when === "change" && known === undefined) turn.tell("storm", null, `${value.watcher ?? "another watcher"} sees: ${value.because}: nothing new is cut`);
  },
  ack(turn, name, value) {
    const alarm = turn.state.alarms.get(name);
    turn.patch({ acks: new Set(turn.state.acks).add(name), ...(alarm === undefined ? {} : { alarms: new Map(turn.state.alarms).set(name, { ...alarm, acknowledged: true }) }) });
    if (alarm !== undefined && !alarm.acknowledged) turn.tell("acknowledged", alarm.alarm.host !== null && turn.host(alarm.alarm.host) !== undefined ? alarm.alarm.host : null, `${name} was acknowledged by ${value.by}`);
  },
  reboots(turn, _name, value: RebootRun) {
    patchReboots(turn, { record: value });
  },
  alarm(turn, name, value: AlarmRecord) {
    turn.patch({ alarms: new Map(turn.state.alarms).set(name, { alarm: value.alarm, lastMs: turn.now.bootMs, acknowledged: turn.state.acks.has(name), ...(value.watcher === undefined ? {} : { watcher: value.watcher }) }) });
  },
  watcher(turn, name, value: WatcherRecord) {
    const { watchers } = turn.fleet;
    if (name === turn.policy.watcher && watchers.get(name)?.ready === true && !value.ready) return;
    if (!watchers.has(name)) turn.tell("watcher", null, `${name} is one of the watchers`);
    turn.patchFleet({ watchers: new Map(watchers).set(name, value), dirty: true });
  },
  alive(turn, name, value: AliveRecord, when) {
    const known = turn.fleet.alive.get(name);
    turn.patchFleet({ alive: new Map(turn.fleet.alive).set(name, { ...value, seenMs: known?.seenMs ?? turn.now.bootMs }), dirty: true });
    if (when === "load") return;
    if (name === turn.policy.watcher) {
      raiseTrouble(turn, "name", `Another watcher in this store is called ${name}, too.`, "This one watches, and takes no part in any decision.", "Give each watcher a watcher.name of its own.");
      return sessionLost(turn, `another watcher is called ${name}, too`);
    }
    if (known === undefined) turn.tell("watcher", null, `${name} is there`);
  },
  charge(turn, name, value: ChargeRecord, when) {
    turn.patchFleet({ charges: turn.fleet.charges.with(name, value), dirty: true });
    if (when === "change" && turn.fleet.mine.has(name)) uncharged(turn, name, "its session ended");
  },
  vote(turn, _name, value: VoteRecord, when) {
    const host = turn.host(value.host);
    if (host === undefined || value.watcher === turn.policy.watcher) return;
    // Up, or up until now: a sign of life, for whoever does not look himself (return-ledger.ts).
    if (value.says === "up" || host.votes.get(value.watcher)?.says === "up") gaveSign(turn, value.host);
    turn.patchHost(value.host, { votes: new Map(host.votes).set(value.watcher, { ...value, seenMs: turn.now.bootMs }) });
    if (when === "change") hear(turn, value);
  },
  ballot(turn, name, value: BallotRecord) {
    if (turn.host(name) === undefined || value.watcher === turn.policy.watcher) return;
    turn.patchHost(name, { asked: value.number });
    speak(turn, name, true);
  },
  guard(turn, name, value: GuardRecord) {
    if (turn.host(name) !== undefined && value.watcher !== turn.policy.watcher) turn.patchHost(name, { guardRecord: value });
  },
  lease(turn, name, value: LeaseRecord, when) {
    const before = turn.state.leases.get(name);
    leaseMirrored(turn, value);
    if (when === "change" && (before?.host !== value.host || before.phase !== value.phase)) turn.tell("lease", value.host !== null && turn.host(value.host) !== undefined ? value.host : null, `the lease of ${name}: ${value.phase}${value.host === null ? "" : `, ${value.host}`}, by ${value.by}`);
  },
  ask(turn, _name, value: AskRecord, when) {
    turn.patchFleet({ asks: new Map(turn.fleet.asks).set(value.id, { ...value, seenMs: turn.now.bootMs }) });
    if (when === "load") return;
    if (value.answer !== null) askAnswered(turn, value);
    else answerAsk(turn, value);
  },
  agent: (turn, name, value, when) => mergeAgent(turn, name, value, when),
  door: (turn, name, value) => turn.patch({ doors: new Map(turn.state.doors).set(name, value) }),
};

/** An observer has spoken. */
function hear(turn: Turn, vote: VoteRecord): void {
  const policy = turn.hostPolicy(vote.host);
  const host = turn.host(vote.host);
  if (policy === undefined || host === undefined || !inCharge(turn, vote.host)) return;
  learnFrom(turn, policy, vote);
  reviewDisagreement(turn, policy);
  if (host.operation !== null) {
    if (vote.says === "up" && vote.hash === policy.hash && vote.ballot !== null) goodRound(turn, host.operation, `${vote.watcher} sees it up`);
    drive(turn, host.operation);
  } else if (host.counter >= policy.threshold) decide(turn, vote.host);
}

function putOperation(turn: Turn, name: string, value: Operation, when: "load" | "change"): void {
  const id = Number(name);
  const ours = turn.state.operations.get(id);
  // We have lost it to somebody else, or he was first to take this number.
  if (ours !== undefined && ours.host !== value.host && ours.sent.length === 0 && ours.cut.length === 0) numberTaken(turn, ours);
  else if (ours !== undefined) setAside(turn, ours);
  const host = turn.host(value.host);
  const phase = turn.fleet.foreign.get(id)?.phase;
  turn.patchFleet({ foreign: new Map(turn.fleet.foreign).set(id, value), dirty: true });
  if (host === undefined) return;
  turn.patchHost(value.host, { foreign: id, ...(value.sends > 0 ? { counter: 0 } : {}), operation: host.operation === id ? null : host.operation });
  if (when === "change" && value.phase !== "intended" && value.phase !== phase) turn.tell("resumed", value.host, `${value.watcher} carries operation ${id} on: ${value.phase}`);
}

/** Somebody intends something for another host under the number of ours, which was never recorded: nobody will ever carry that on, and what has his number is his. */
function numberTaken(turn: Turn, ours: Operation): void {
  const { revisions } = turn.state;
  turn.patch({ revisions: revisions.without(operationKey(ours.id)) });
  end(turn, ours, "withdrawn", `the intent could not be recorded: another watcher was first to take number ${ours.id}`, null);
  turn.patch({ revisions });
}

/** A record is gone: deleted, or with the session of its writer. */
function drop(turn: Turn, key: RecordKey): void {
  const name = nameOf(key);
  switch (kindOf(key)) {
    case "op":
      return dropOperation(turn, Number(name));
    case "incident":
      return dropIncident(turn, name);
    case "brake":
      return dropBrake(turn, key);
    case "storm": {
      if (!turn.state.storms.has(name)) return;
      const storms = new Map(turn.state.storms);
      storms.delete(name);
      turn.patch({ storms });
      turn.tell("storm-over", null, `the storm ${name} is over`);
      return;
    }
    case "alarm": {
      const alarms = new Map(turn.state.alarms);
      alarms.delete(name);
      return turn.patch({ alarms });
    }
    case "ack": {
      const acks = new Set(turn.state.acks);
      acks.delete(name);
      return turn.patch({ acks });
    }
    case "watcher": {
      const watchers = new Map(turn.fleet.watchers);
      if (!watchers.delete(name)) return;
      turn.patchFleet({ watchers, dirty: true });
      turn.tell("watcher", null, `${name} was forgotten`);
      return;
    }
    case "alive": {
      const alive = new Map(turn.fleet.alive);
      // Ours of an earlier session, while that of the present one is on its way.
      if (name === turn.policy.watcher && (turn.state.outbox.has(key) || isUnderWay(turn, key))) return;
      if (!alive.delete(name)) return;
      turn.patchFleet({ alive, dirty: true });
      turn.tell("watcher", null, `${name} is gone`);
      if (name === turn.policy.watcher) sessionLost(turn, "the store has ended it");
      return;
    }
    case "charge": {
      const { charges } = turn.fleet;
      const holder = charges.get(name)?.watcher;
      if (holder === undefined) return;
      turn.patchFleet({ charges: charges.without(name) });
      if (holder !== turn.policy.watcher || turn.fleet.mine.has(name)) uncharged(turn, name, holder !== undefined && turn.fleet.alive.has(holder) ? "handed over" : "its session ended");
      return;
    }
    case "vote":
      return dropVote(turn, name);
    case "ballot":
      if (turn.host(name) !== undefined) turn.patchHost(name, { asked: null });
      return;
    case "guard":
      if (turn.host(name) !== undefined && !inCharge(turn, name, true)) turn.patchHost(name, { guardRecord: null });
      return;
    case "reboots":
      return patchReboots(turn, { record: null });
    case "ask": {
      const asks = new Map(turn.fleet.asks);
      asks.delete(name);
      // Whoever asked has the answer, or has given up: an answer that comes once more is none.
      turn.take(key);
      return turn.patchFleet({ asks });
    }
    case "agent": {
      const agents = new Map(turn.state.agents);
      agents.delete(name);
      return turn.patch({ agents });
    }
    case "door": {
      const doors = new Map(turn.state.doors);
      doors.delete(name);
      return turn.patch({ doors });
    }
    default:
  }
}

function dropOperation(turn: Turn, id: number): void {
  const operation = turn.fleet.foreign.get(id);
  if (operation !== undefined) {
    const foreign = new Map(turn.fleet.foreign);
    foreign.delete(id);
    turn.patchFleet({ foreign, dirty: true });
    if (turn.host(operation.host)?.foreign === id) turn.patchHost(operation.host, { foreign: null });
  }
  // Somebody has ended what we thought was ours.
  const ours = turn.state.operations.get(id);
  if (ours === undefined) return;
  setAside(turn, ours);
  dropOperation(turn, id);
}

/** By hand it is marked first, and everybody counts from zero; one that only vanishes has run out (ADR 8.10). */
function dropBrake(turn: Turn, key: RecordKey): void {
  const brake = turn.state.brakes.get(key);
  // One that is on its way is not the one that has gone.
  if (brake === undefined || turn.state.outbox.get(key) === brake || isUnderWay(turn, key)) return;
  const brakes = new Map(turn.state.brakes);
  brakes.delete(key);
  turn.patch({ brakes });
  if (brake.endedBy !== undefined) return;
  turn.tell("brake-ended", turn.host(brake.scope)?.name ?? null, `${brake.kind} by ${brake.by} has run out`);
  if (brake.kind !== "going-down" && brake.kind !== "kdump") holdTheSick(turn, brake);
}

function dropVote(turn: Turn, name: string): void {
  const slash = name.lastIndexOf("/");
  const host = turn.host(name.slice(0, slash));
  const watcher = name.slice(slash + 1);
  if (host === undefined || !host.votes.has(watcher)) return;
  const votes = new Map(host.votes);
  votes.delete(watcher);
  turn.patchHost(host.name, { votes });
  const policy = turn.hostPolicy(host.name);
  if (policy !== undefined) reviewDisagreement(turn, policy);
}

function coveredBy(turn: Turn, scope: string): readonly HostState[] {
  return [...turn.state.hosts.values()].filter((host) => scope === EVERYTHING || scope === host.name);
}

function noteClock(turn: Turn, watcher: string, wallMs: number, synced: boolean): void {
  const byMs = wallMs - turn.now.wallMs;
  const { skew } = turn.fleet;
  if (Math.abs(byMs) <= SKEW_MS) {
    if (skew?.watcher !== watcher) return;
    turn.patchFleet({ skew: null });
    return closeTrouble(turn, "clock", `the clocks agree again`);
  }
  if (skew !== null) return;
  turn.patchFleet({ skew: { watcher, byMs } });
  raiseTrouble(turn, "clock", `The wall clock of ${watcher} is ${Math.round(Math.abs(byMs) / 1_000)} s ${byMs > 0 ? "ahead of" : "behind"} ours${synced ? "" : ", and it says that its clock is not synchronised"}.`, "Ages are taken from each machine's own clock, so nothing is cut or freed by it.", "Set the clocks right (NTP) on both machines.");
}

/** This version cannot read some of the records. */
export function unreadable(turn: Turn, records: Extract<Input, { kind: "unreadable" }>["records"]): void {
  const newer = records.filter((record) => record.kind === "newer");
  const damaged = records.filter((record) => record.kind === "damaged");
  turn.patchFleet({ unreadable: newer.map(({ key, because }) => ({ key, because })), dirty: true });
  const [first] = newer;
  if (first === undefined) closeTrouble(turn, "newer", "every record can be read again");
  else raiseTrouble(turn, "newer", `${first.key} cannot be read by this version of Upkeep: ${first.because}${newer.length > 1 ? `; and ${newer.length - 1} more` : ""}.`, "This watcher abstains, and is in charge of nothing.", `Upgrade Upkeep on ${turn.policy.watcher}.`);
  const [bad] = damaged;
  if (bad === undefined) closeTrouble(turn, "damaged", "every record can be read again");
  else raiseTrouble(turn, "damaged", `${bad.key} in the store is damaged: ${bad.because}${damaged.length > 1 ? `; and ${damaged.length - 1} more` : ""}.`, "It is left alone and left out.", "Somebody else wrote under the prefix of Upkeep: look at it, and delete it.");
  for (const host of turn.state.hosts.values()) speak(turn, host.name);
}
