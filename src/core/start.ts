// The first step, and a reload: a state from the records that survived, under the policy that holds now.
//
// What was learned under another host hash is forgotten; what is owed and what brakes is not. When time went back (a
// ledger that is corrupt, missing or older than what remembers it) the watcher starts disarmed and asks (safety.md §3.9).

import { over, raise, repeat, takeUp } from "./alarms.ts";
import { brakeKey, EVERYTHING } from "./brake-records.ts";
import { observe } from "./charge.ts";
import { check, freshDevice } from "./devices.ts";
import { heldAlarm } from "./ending.ts";
import { fnv1a } from "./hash.ts";
import { resume } from "./fencing.ts";
import { freshHost, freshRecord, freshStorm, FROM_ZERO, underNewHash } from "./fresh.ts";
import { abandon } from "./incident.ts";
import type { Input } from "./io.ts";
import type { BrakeRecord, ChargeRecord, DeviceLock, HostRecord, IncidentRecord, LeaseRecord, MetaRecord, Operation, RecordKey, RecordOf, StormRecord } from "./records.ts";
import type { HostState, Turn } from "./state.ts";
import { membersOf } from "./storm.ts";
import { endStorm } from "./storm-records.ts";
import { doubtLeases } from "./leases.ts";
import { load } from "./mirror.ts";
import { chargedWith } from "./roster.ts";
import { elapsedSince, localised } from "./stamps.ts";
import { Register, Table } from "./table.ts";
import { inCharge, kindOf } from "./transaction.ts";
import { unitsOf } from "./units.ts";
import { speak } from "./vote.ts";

/** Further than any backup is old: incidents and tokens since then are fewer. */
const SKIPPED = 10_000;

export function start(turn: Turn, input: Extract<Input, { kind: "start" }>): void {
  // With several watchers stamps may be of other machines.
  const records = sort(input.fleet === undefined ? input.records : input.records.map((record) => ({ ...record, value: localised(record.value, turn.now, elapsedSince(record.value.written, turn.now, false)) })));
  const meta: MetaRecord = records.meta[0] ?? { v: 1, ledger: input.ledger, created: turn.stamp, nextIncident: 1, nextToken: 1 };
  turn.patch({
    started: true,
    startedAtMs: turn.now.bootMs,
    uptimeAtStartMs: input.uptimeMs,
    seq: input.seq,
    meta,
    ledger: fnv1a(meta.ledger),
    offsetMs: turn.now.wallMs - turn.now.bootMs,
    brakes: new Map(records.brake.map((brake) => [brakeKey(brake.kind, brake.scope), brake])),
    storms: new Map(records.storm.map((storm) => [storm.set, freshStorm(storm)])),
    acks: new Set(records.ack.map((ack) => ack.alarm)),
    reboots: { ...turn.state.reboots, record: records.reboots[0] ?? null },
    leases: new Map(records.lease.map((lease) => [lease.service, lease])),
    agents: new Map(records.agent.map((agent) => [agent.host, agent])),
    doors: new Map(records.door.map((door) => [door.watcher, door])),
    revisions: Register.from(input.records.map((record) => [record.key, record.revision] as const)),
  });
  if (records.meta[0] === undefined) turn.save("meta/ledger", meta);
  const cause = turn.tell("started", null, `watching ${counted(turn.policy.hosts.size, "host")} at ${turn.policy.site} as ${turn.policy.watcher}; ${counted(records.op.length, "operation")} open`);
  settle(turn, records.host, cause);
  if (input.fleet !== undefined) return startAmongOthers(turn, input, input.fleet, records);
  for (const incident of records.incident) if (turn.host(incident.host) !== undefined) turn.patchHost(incident.host, { incident });
  // A lock of the process before this one guards nothing any more; the act that it guarded is bounded by `maxAct`.
  for (const lock of records.lock) turn.save(`lock/${lock.device}`, null);
  takeUp(turn, records.alarm);
  over(turn, "ledger", "the ledger could be read at the start");
  forgetVanished(turn, new Set(records.op.map((operation) => operation.host)));
  for (const incident of records.incident) if (turn.host(incident.host) === undefined) abandon(turn, incident);
  if (input.wentBack !== null) {
    disarmAndAsk(turn, input.wentBack);
    forgetReboots(turn);
  }
  for (const host of turn.state.hosts.values()) if (host.record.hold !== null) heldAlarm(turn, host.name, host.incident?.incident ?? null, host.record.hold.because);
  for (const name of turn.state.devices.keys()) check(turn, name);
  for (const operation of records.op) if (input.wentBack === null) resume(turn, operation); else leaveAlone(turn, operation);
  repeat(turn, records.alarm);
}

/** Nothing is ours before we have a session and a charge in it: what is open lies where it is, and everything is mirrored. */
function startAmongOthers(turn: Turn, input: Extract<Input, { kind: "start" }>, { folder, life, version, knew }: NonNullable<Extract<Input, { kind: "start" }>["fleet"]>, records: Sorted): void {
  turn.patch({
    fleet: {
      folder, life, version, store: input.ledger, heldUntilMs: null, lostMs: turn.now.bootMs, joinedMs: turn.now.bootMs, blind: null, gone: null, watchers: new Map(), alive: new Map(), charges: Register.from<ChargeRecord>([]), mine: new Set(), held: new Set(), yielding: new Set(), orphaned: Register.from<number>([]),
      dirty: true, reviewedMs: 0, foreign: new Map(), ageless: new Set(records.op.map((operation) => operation.id)), incidents: Register.from<IncidentRecord>([]), asks: new Map(), waiting: new Map(), unreadable: [], cannot: new Map(), observed: null, observedFor: null, common: null, skew: null,
    },
    brakes: new Map(), storms: new Map(), outbox: new Map(),
  });
  load(turn, input.records);
  if (turn.state.meta.site === undefined) turn.patch({ meta: { ...turn.state.meta, site: turn.policy.site } });
  if (records.meta[0]?.site === undefined) turn.save("meta/ledger", turn.state.meta);
  // Of a process of ours before this one: it is dead, or it would hold the lock of the data folder.
  const alive = new Map(turn.state.fleet?.alive);
  if (alive.get(turn.policy.watcher)?.folder === folder) alive.delete(turn.policy.watcher);
  turn.patchFleet({ alive });
  for (const host of turn.state.hosts.values()) {
    const { learned } = host.record;
    if (learned.hash === turn.hostPolicy(host.name)?.hash) turn.patchHost(host.name, { passedHere: learned.passedFrom === undefined ? learned.passed : (learned.passedFrom[turn.policy.watcher] ?? []) });
  }
  if (input.wentBack !== null) {
    disarmAndAsk(turn, input.wentBack);
    // Who finds another store later than the others did leaves to them what they have begun in it since. In an older copy of the
    // one that he knows, such a mark may be as old as the rest.
    const { anew } = records.meta[0] ?? {};
    const since = anew?.store === input.ledger && knew !== undefined && knew !== input.ledger ? anew.token : Infinity;
    const goesOn = (operation: Operation): boolean => operation.id >= since || carriedOn(turn, operation);
    const left = new Map([...turn.fleet.foreign].filter(([, operation]) => goesOn(operation)));
    turn.patchFleet({ foreign: left });
    for (const host of turn.state.hosts.values()) if (host.foreign !== null && !left.has(host.foreign)) turn.patchHost(host.name, { foreign: null });
    // Who has not lost the thread goes on with what he has.
    for (const operation of records.op) if (!goesOn(operation)) leaveAlone(turn, operation);
    if (since === Infinity) turn.patch({ meta: { ...turn.state.meta, anew: { store: input.ledger, token: turn.state.meta.nextToken } } });
  }
}

function carriedOn(turn: Turn, operation: Operation): boolean {
  const holder = chargedWith(turn.state, turn.policy, operation.host);
  return holder !== null && holder !== turn.policy.watcher && turn.fleet.alive.has(holder);
}

/** A changed configuration: unchanged hosts keep what is known of them, changed ones start again. */
export function reload(turn: Turn): void {
  const cause = turn.tell("policy", null, `the configuration was read again: ${counted(turn.policy.hosts.size, "host")}`);
  const records = new Map<string, HostRecord>(turn.state.strangers);
  for (const host of turn.state.hosts.values()) records.set(host.name, host.record);
  // What another signal said is not what this one says; nor is what was low below another threshold.
  turn.patch({ power: null, meters: new Map() });
  const before = turn.state.hosts;
  settle(turn, [], cause, records);
  for (const policy of turn.policy.hosts.values()) {
    const old = before.get(policy.name);
    const hold = turn.record(policy.name)?.hold ?? null;
    if (old === undefined && hold !== null) heldAlarm(turn, policy.name, null, hold.because);
    if (old === undefined || old.record.learned.hash !== policy.hash) {
      // What runs goes on, and that it is no longer guarded is news.
      const learned = turn.record(policy.name)?.learned;
      const passedHere = learned?.hash === policy.hash ? (learned.passedFrom?.[turn.policy.watcher] ?? []) : [];
      if (old !== undefined) turn.patchHost(policy.name, { passedHere, votes: old.votes, asked: old.asked, guardRecord: old.guardRecord, foreign: old.foreign, boot: old.boot, said: old.said, operation: old.operation, incident: old.incident, unguarded: old.unguarded, unguardedSinceMs: old.unguardedSinceMs, guardTold: old.guardTold });
      continue;
    }
    const armed = turn.policy.armed && policy.armed;
    // Arming by the configuration is an explicit end of the brake: it counts from zero (safety.md §3.5).
    const again = armed && !old.armed && old.operation === null ? FROM_ZERO : {};
    turn.patch({ hosts: turn.state.hosts.with(policy.name, { ...old, ...again, armed }) });
  }
  // A host that comes back into the configuration may have an operation that went on without it.
  for (const operation of turn.state.operations.values()) if (turn.host(operation.host) !== undefined) turn.patchHost(operation.host, { operation: operation.id });
  for (const old of before.values()) if (old.incident !== null && turn.host(old.name) === undefined) abandon(turn, old.incident);
  forgetVanished(turn, new Set([...turn.state.operations.values()].map((operation) => operation.host)));
  if (turn.state.fleet !== null) regroup(turn);
  for (const name of turn.state.devices.keys()) check(turn, name);
}

/** Units are what the configuration makes of them: what we have taken belongs to others of them now, perhaps. */
function regroup(turn: Turn): void {
  const { mine } = turn.fleet;
  const held = unitsOf(turn.policy).all.filter((unit) => unit.charges.every((charge) => mine.has(charge))).map((unit) => unit.name);
  turn.patchFleet({ held: new Set(held), yielding: new Set(), dirty: true, observedFor: null });
  observe(turn);
  for (const host of turn.state.hosts.values()) if (host.said === null || host.said.hash !== turn.hostPolicy(host.name)?.hash) speak(turn, host.name);
}

function settle(turn: Turn, found: readonly (readonly [string, HostRecord])[], cause: number, known: ReadonlyMap<string, HostRecord> = new Map(found)): void {
  const entries: [string, HostState][] = [];
  const strangers = new Map(known);
  for (const policy of turn.policy.hosts.values()) {
    const record = known.get(policy.name);
    strangers.delete(policy.name);
    // With several watchers what the store knows stays as it is until it is ours to change.
    const theirs = turn.state.fleet !== null && !inCharge(turn, policy.name, true);
    const kept = record === undefined ? freshRecord(policy.hash) : theirs || record.learned.hash === policy.hash ? record : underNewHash(record, policy);
    entries.push([policy.name, { ...freshHost(policy.name, kept, turn.now.bootMs, cause), armed: turn.policy.armed && policy.armed }]);
    if (kept !== record && !theirs) turn.save(`host/${policy.name}`, kept, policy.name);
  }
  turn.patch({ hosts: Table.from(entries), strangers });
  const devices = Table.from([...turn.policy.devices.keys()].map((name) => [name, turn.state.devices.get(name) ?? freshDevice(name)] as const));
  turn.patch({ devices });
}

/** Alarms of hosts and storms of sets that are not configured any more would never end by themselves. */
function forgetVanished(turn: Turn, busy: ReadonlySet<string>): void {
  for (const [key, { alarm }] of turn.state.alarms) {
    if (alarm.host !== null && turn.host(alarm.host) === undefined && !busy.has(alarm.host)) over(turn, key, `${alarm.host} is no longer configured`);
    if (alarm.kind === "foreign" && alarm.host !== null && turn.host(alarm.host)?.record.offByOthers.length === 0) over(turn, key, `${alarm.host} has other outlets now`);
  }
  for (const set of turn.state.storms.keys()) if (membersOf(set, turn.policy).length === 0) endStorm(turn, set);
}

/** An operation of a ledger that is not the latest may long have ended: its outlets are read and listed, and a person is asked. */
function leaveAlone(turn: Turn, operation: Operation): void {
  turn.save(`op/${operation.id}`, null);
  for (const kind of ["cut", "owed-on"]) over(turn, `${kind}:${operation.host}`, `operation ${operation.id} is not carried on`);
  const outlets = operation.cut.length === 0 ? "it had cut nothing" : `it may have left ${operation.cut.join(" and ")} off`;
  turn.tell("withdrawn", operation.host, `operation ${operation.id} stood at ${operation.phase} in that ledger and is not carried on; ${outlets}`);
}

/** Whom it has rebooted since is not known: a person begins another one. */
function forgetReboots(turn: Turn): void {
  const { record } = turn.state.reboots;
  if (record === null || record.state === "ended") return;
  const ended = { ...record, state: "ended" as const, because: "time went back", turn: null };
  turn.patch({ reboots: { ...turn.state.reboots, record: ended } });
  turn.save("reboots/run", ended);
  turn.tell("reboots", null, `rolling reboot ${record.run} is not carried on: time went back`);
}

function disarmAndAsk(turn: Turn, because: string): void {
  const key = brakeKey("disarmed", EVERYTHING);
  const brake: BrakeRecord = { v: 1, kind: "disarmed", scope: EVERYTHING, by: "upkeep", reason: `time went back: ${because}`, since: turn.stamp, until: null };
  turn.patch({ brakes: new Map(turn.state.brakes).set(key, brake) });
  turn.save(key, brake);
  // Names and tokens that were given out after that copy was made are not given out again.
  const { meta } = turn.state;
  const ahead: MetaRecord = { ...meta, nextIncident: meta.nextIncident + SKIPPED, nextToken: meta.nextToken + SKIPPED };
  turn.patch({ meta: ahead });
  turn.save("meta/ledger", ahead);
  turn.tell("time-went-back", null, `${because}: started disarmed`);
  doubtLeases(turn, [...turn.state.leases.values()], SKIPPED);
  raise(turn, {
    alarm: "time-went-back", kind: "time-went-back", severity: "critical", host: null, incident: null,
    happened: `The ledger is not what this watcher remembers: ${because}.`,
    done: "It started disarmed: hosts are watched, outlets that read off are listed in `upkeep status`, and nothing is cut or switched on.",
    asked: "Check which outlets should be on (`upkeep power HOST on`), then: upkeep arm --all",
  });
}

type Durable = "reboots" | "brake" | "storm" | "op" | "lock" | "incident" | "meta" | "alarm" | "ack" | "agent" | "door" | "lease";

type Sorted = { readonly [Kind in Durable]: readonly RecordOf[Kind][] } & { readonly host: readonly (readonly [string, HostRecord])[] };

function sort(records: Extract<Input, { kind: "start" }>["records"]): Sorted {
  const byKind = new Map<string, (typeof records)[number][]>();
  for (const record of records) {
    const kind = kindOf(record.key);
    const list = byKind.get(kind);
    if (list === undefined) byKind.set(kind, [record]);
    else list.push(record);
  }
  const of = <Kind extends keyof RecordOf>(kind: Kind) => byKind.get(kind) ?? [];
  return {
    host: of("host").map((record) => [record.key.slice("host/".length), record.value as HostRecord] as const),
    lease: of("lease").map((record) => record.value as LeaseRecord),
    brake: of("brake").map((record) => record.value as BrakeRecord),
    storm: of("storm").map((record) => record.value as StormRecord),
    op: of("op").map((record) => record.value as Operation),
    lock: of("lock").map((record) => record.value as DeviceLock),
    incident: of("incident").map((record) => record.value as IncidentRecord),
    meta: of("meta").map((record) => record.value as MetaRecord),
    reboots: of("reboots").map((record) => record.value as RecordOf["reboots"]),
    alarm: of("alarm").map((record) => record.value as RecordOf["alarm"]),
    ack: of("ack").map((record) => record.value as RecordOf["ack"]),
    agent: of("agent").map((record) => record.value as RecordOf["agent"]),
    door: of("door").map((record) => record.value as RecordOf["door"]),
  };
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

export type { RecordKey };
