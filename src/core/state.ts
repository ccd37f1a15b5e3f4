// The core's whole memory between two steps, and the `Turn` in which one step is taken.
//
// A turn looks mutable from inside (it collects changes and effects) and is pure from outside: it starts from an immutable
// state and ends in a new one. Records that must survive go through `save`, which puts them into the outbox; a step ends
// with at most one store transaction for all of them. Transitions of an operation do not use the outbox: they are
// transactions of their own, with a guard, and nothing follows from them before `stored` (fencing.ts).

import type { ActOutcome, Alarm, Effect, PowerSense, Told, ToldKind, Write } from "./io.ts";
import type { HostPolicy, OutletRef, Policy } from "./policy.ts";
import type { AgentRecord, AliveRecord, AnyRecord, AskRecord, BrakeRecord, ChargeRecord, DeviceLock, DoorRecord, GuardRecord, HostRecord, IncidentRecord, MetaRecord, Operation, RebootRun, RecordKey, StormRecord, VoteRecord, WatcherRecord, LeaseRecord } from "./records.ts";
import type { Outcome, ProbeResult } from "./round.ts";
import { Register, Table } from "./table.ts";
import type { Now, Stamp } from "./time.ts";
import { stamp } from "./time.ts";

export type LastRound = {
  readonly outcome: Outcome;
  readonly because: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly results: readonly ProbeResult[];
  /** What this round added to the counter, so that a late answer can take it back. */
  readonly counted: -1 | 0 | 1;
  readonly refused: boolean;
  readonly silent: boolean;
  /** This watcher did not reach its references. */
  readonly lost: boolean;
};

/** Another observer's word, and when it came in. */
export type Vote = VoteRecord & { readonly seenMs: number };

export type HostState = {
  readonly name: string;
  // With several watchers (ADR 8):
  /** We make rounds of it. */
  readonly observed: boolean;
  /** Rounds that could be judged since we can see. */
  readonly judged: number;
  /** Probes that have passed here, seen from this watcher. */
  readonly passedHere: readonly string[];
  /** What the others say. */
  readonly votes: ReadonlyMap<string, Vote>;
  /** What we have said last. */
  readonly said: VoteRecord | null;
  /** The ballot that somebody else has open. */
  readonly asked: number | null;
  /** Our own open ballot: its number, and when each of the last few was sent. */
  readonly ballot: { readonly number: number; readonly sent: ReadonlyMap<number, number> } | null;
  /** Since when some say down and some say up. */
  readonly disagreeSinceMs: number | null;
  /** What the one in charge says of it, and what we have said when in charge. */
  readonly guardRecord: GuardRecord | null;
  /** An operation that another watcher carries out. */
  readonly foreign: number | null;
  readonly record: HostRecord;
  /** When it last gave a sign of life, or may have: while this watcher could not see it, it may have lived. Boot-time clock. */
  readonly lastSignMs: number;
  /** Nothing came back in the last round that could tell. */
  readonly mute: boolean;
  /** Since when it has given signs of life without a silence between them. Boot-time clock. */
  readonly livesSinceMs: number;
  /** Its outlets draw nothing since: told once a change. */
  readonly drawsNothing: boolean;
  /** What its agent announced last, in the life of this process. */
  readonly word: "pre-fail" | "shutdown" | "normal" | null;
  /** Its start after a careful shutdown: not tried again before; refused since; and why, told once a change. */
  readonly startAtMs: number;
  readonly startRefused: { readonly reason: string; readonly sinceMs: number } | null;
  /** The record of its start by wake-on-LAN is on its way. */
  readonly rousing: boolean;
  readonly last: LastRound | null;
  readonly counter: number;
  /** Its answers come late: told once, until a good round. */
  readonly slow: boolean;
  /** Start of the present verdict, boot-time clock. */
  readonly sinceMs: number;
  readonly badSinceMs: number | null;
  /** Rounds since then. */
  readonly badRounds: number;
  readonly goodRounds: number;
  readonly firstSign: string;
  /** The worst counter that was told of lately, and when: a host that comes and goes must not flood the journal. */
  readonly suspectPeak: number;
  readonly suspectToldMs: number | null;
  /** The last round that was not unknown. */
  readonly judgedAtMs: number | null;
  /** Its rounds are unknown, and that was told; when that was told last. */
  readonly blind: boolean;
  readonly blindToldMs: number | null;
  readonly goodSinceMs: number | null;
  readonly lastGoodAtMs: number | null;
  readonly lastIllAtMs: number | null;
  /** When it last went from good to bad or unknown: an onset, for the storm brake. */
  readonly onsetMs: number | null;
  /** In this suspicion a probe was refused at this time: with silence after it, an orderly reboot. */
  readonly refusedAtMs: number | null;
  /** Its kernel said that it boots anew (last-words.ts). `over`: it has served since. */
  readonly saidReboot: { readonly atMs: number; readonly because: string; readonly over: boolean } | null;
  /** When it went silent after having been good: for "another host fell silent at our edge". */
  readonly silentSinceMs: number | null;
  /** Rounds that began before this do not count: after start, resume, or the return of what lies between. */
  readonly freshAfterMs: number;
  readonly incident: IncidentRecord | null;
  readonly operation: number | null;
  /** The remedy that this process tries, and when it has had its time. */
  readonly remedy: { readonly name: string; readonly phase: "recording" | "running" | "ended"; readonly untilMs: number } | null;
  /** What its agent says of its boot, and since when. */
  readonly boot: { readonly bootId: string; readonly pending: string | null; readonly atMs: number } | null;
  /** A sibling was suspect: decide no earlier. */
  readonly decideAtMs: number | null;
  /** Armed in the configuration when that was last read. */
  readonly armed: boolean;
  /** Why the last decision was refused: told once a change. */
  readonly refusal: string | null;
  /** Its power could not be reached: no new operation before. */
  readonly retryAtMs: number;
  readonly unguarded: string | null;
  readonly unguardedSinceMs: number;
  /** What was told last, and when that and the last few were told. */
  readonly guardTold: boolean;
  readonly guardToldMs: readonly number[];
  readonly healthyToldMs: number | null;
  /** Sequence number of the last line about this host: the cause of what follows. */
  readonly cause: number;
};

export type OutletState = { readonly state: "on" | "off" | "unknown"; readonly label: string | null; readonly atMs: number };

export type DeviceState = {
  readonly name: string;
  readonly outlets: ReadonlyMap<string, OutletState>;
  readonly failure: string | null;
  /** Last successful read, or null. */
  readonly readAtMs: number | null;
  readonly nextCheckMs: number;
  readonly reading: number | null;
};

/** What an outlet gives, as a device that meters it tells: never stored. Boot-time clock, from when the question was asked. */
export type Draw = {
  /** Null: not told, or nothing that can be believed. */
  readonly watts: number | null;
  /** Readings below the threshold, without anything else between them. */
  readonly lows: readonly number[];
  /** The last reading well above it. */
  readonly provedMs: number | null;
  /** A reading not well above it, at a host that served: `doubted` once it serves on. */
  readonly served: { readonly atMs: number; readonly watts: number } | null;
  readonly doubted: boolean;
};

export type DeviceMeter = {
  readonly asked: { readonly id: number; readonly outlets: readonly string[] } | null;
  /** The last answer; and when all outlets were asked for last. */
  readonly lastMs: number;
  readonly allMs: number;
  /** Why something was not told, told once. */
  readonly unknown: string | null;
  readonly draws: ReadonlyMap<string, Draw>;
};

export type Undo = {
  readonly operation: Pick<Operation, "phase" | "phaseSince" | "sent" | "touched" | "cut" | "sends" | "offAt">;
  /** When the swap was sent: an edge noted since then is somebody else's and stays. */
  readonly at: Stamp;
  readonly lastEdge: Stamp | null;
  readonly cutIn: string | null;
  readonly counter: number;
  readonly offSentAt: Stamp | null;
};

/** What an operation is doing right now; made again after a restart, never stored. */
export type Run = {
  /** Taken up from the ledger, not begun by this process: re-earn before any off. */
  readonly resumed: boolean;
  readonly takenUpMs: number;
  /** Bad rounds since then, for re-earning. */
  readonly freshBad: number;
  /** When the decision fell: a good round after it withdraws. */
  readonly decidedMs: number;
  readonly wait:
    | { readonly on: "nothing" }
    | { readonly on: "stored"; readonly txn: number; readonly next: Operation; readonly act: number | null; readonly outlet: OutletRef | null; /** Changed since the transaction was sent. */ readonly amended: boolean }
    | { readonly on: "act"; readonly act: number; readonly outlet: OutletRef; readonly action: "on" | "off"; readonly fired: boolean }
    | { readonly on: "reads"; readonly pending: readonly number[] };
  /** Answers of the read pass under way, by `device/outlet`. */
  readonly pass: ReadonlyMap<string, "on" | "off" | "unknown">;
  /** Answers of the last pass that ended, less what was acted upon since. */
  readonly seen: ReadonlyMap<string, "on" | "off" | "unknown">;
  /** With several watchers: our session was lost past off, and we pay back what we owe without the store. */
  readonly orphan: boolean;
  /** Taken over from another watcher; whether an outlet that reads on has been on all the time can be told (`yes`) or not. */
  readonly sure: "own" | "not yet" | "yes" | "no";
  /** Outlets for which this process has let an on go. */
  readonly switched: readonly string[];
  /** Outlets at which an act of this phase has ended. */
  readonly tried: readonly string[];
  /** Why the act under way was turned back although nobody withdrew it: counts as a failure of the device. */
  readonly blocked: string | null;
  /** Passes in a row in which all outlets of the level read off; when the last one ended. */
  readonly offPasses: number;
  readonly lastPassMs: number | null;
  readonly lastActMs: number | null;
  /** Failures of the present phase in a row, for back-off. */
  readonly failures: number;
  readonly retryAtMs: number;
  readonly touch: number | null;
  readonly silence: "not asked" | "asked" | "silent" | "answers" | "unknown";
  readonly touchedMs: number | null;
  /** It answered, and has not been found silent since: an answer that never comes does not take that back. */
  readonly heard: boolean;
  /** What this process knows of the operation is ahead of its record. */
  readonly unrecorded: boolean;
  /** Do not try to record it again before. */
  readonly recordAtMs: number;
  /** How it was before the off whose swap is under way: put back when nothing was written. */
  readonly undo: Undo | null;
};

/** A transaction before it is sent. */
export type Transaction = {
  readonly txn: number;
  /** Decided on what is known now: its guards stand. Otherwise they are filled in when it is sent. */
  readonly decided: boolean;
  /** It is the swap of an off: worth nothing when it has waited too long, or when something came in between. */
  readonly swap: { readonly operation: number; readonly atMs: number } | null;
  readonly guards: readonly { readonly key: RecordKey; readonly revision: number | null }[];
  readonly writes: readonly Write[];
  readonly because: string;
  readonly cause: number;
};

export type AlarmState = { readonly alarm: Alarm; readonly lastMs: number; readonly acknowledged: boolean; /** With several watchers: who raised it. */ readonly watcher?: string };

export type Pending = { readonly kind: "outbox"; readonly keys: ReadonlyMap<RecordKey, AnyRecord | null>; /** Whose they are, as in the outbox. */ readonly hosts: ReadonlyMap<RecordKey, string>; readonly replies: readonly Reply[] } | { readonly kind: "reboots"; readonly next: RebootRun; readonly brake: Write | null; readonly told: string; readonly host: string | null; /** To be given once this is durable. */ readonly order: Pick<Extract<Effect, { kind: "order" }>, "order" | "id" | "limitMs"> | null; readonly replies: readonly Reply[] } | { readonly kind: "operation"; readonly operation: number; readonly host: string; readonly incident: string; readonly replies: readonly Reply[] };

/** A run of rolling reboots as this process sees it; only `record` survives. */
export type RebootsState = {
  readonly record: RebootRun | null;
  /** A change of it is on its way to the store. */
  readonly txn: number | null;
  /** The order that this process has given, and what became of it. */
  readonly given: { readonly order: string; readonly answer: { readonly outcome: "done" | "failed" | "unknown"; readonly evidence: string } | null } | null;
  /** What it waits for, as told last. */
  readonly waiting: { readonly host: string; readonly name: string; readonly because: string } | null;
  /** Do not try to change it again before. */
  readonly retryMs: number;
};

export type Reply = { readonly id: number; readonly exit: 0 | 1 | 2 | 4 | 5; readonly text: string; readonly incident: string | null; readonly operation: number | null; readonly confirm: string | null; /** It goes to another watcher. */ readonly ask?: AskRecord; /** With several watchers: whose record it waits for. */ readonly host?: string; /** The service whose lease it speaks of. */ readonly lease?: string };

/** A lease as this watcher knows it beside its record: never stored. */
export type LeaseWatch = {
  readonly epoch: number;
  /** The epoch and the charge in which this is known. */
  readonly renewer: string;
  /** No renewal was given later; the beginning of this knowledge where there was none. */
  readonly lastMs: number;
  /** That it ran out was told. */
  readonly lapsed: boolean;
  readonly is: "running" | "stopped" | "unknown";
};

export type StormState = StormRecord & {
  readonly calmSinceMs: number | null;
  /** When its hosts were last summed up. */
  readonly summedMs: number;
};

/** What a watcher knows of the others and of the store that they share (ADR 8). */
export type FleetState = {
  readonly folder: string;
  readonly life: string;
  readonly version: string;
  /** The identity of the store. */
  readonly store: string;
  /** Our lease, by our own clock; null: none. */
  readonly heldUntilMs: number | null;
  /** When the last one ended, and when the present one began. */
  readonly lostMs: number;
  readonly joinedMs: number;
  /** Why the changes of others are not heard; null: they are. */
  readonly blind: string | null;
  readonly gone: string | null;
  readonly watchers: ReadonlyMap<string, WatcherRecord>;
  readonly alive: ReadonlyMap<string, AliveRecord & { readonly seenMs: number }>;
  /** By device. */
  readonly charges: Register<ChargeRecord>;
  /** Charges that we have taken in this session. */
  readonly mine: ReadonlySet<string>;
  /** Units of which all charges are ours. */
  readonly held: ReadonlySet<string>;
  /** Units that we are giving up: nothing new is begun there. */
  readonly yielding: ReadonlySet<string>;
  /** Devices whose holder's session ended, and when we saw that. */
  readonly orphaned: Register<number>;
  /** Who holds or wants what may have changed. */
  readonly dirty: boolean;
  readonly reviewedMs: number;
  /** Operations of other watchers, and of a life of ours before this one. */
  readonly foreign: ReadonlyMap<number, Operation>;
  /** Those of them whose age is not known: found at a start or in a snapshot, or heard of after a sleep. */
  readonly ageless: ReadonlySet<number>;
  /** Open incidents as they stand in the store. */
  readonly incidents: Register<IncidentRecord>;
  readonly asks: ReadonlyMap<string, AskRecord & { readonly seenMs: number }>;
  /** Requests that we have passed on: the command that waits for each. */
  readonly waiting: ReadonlyMap<string, { readonly id: number; readonly untilMs: number }>;
  readonly unreadable: readonly { readonly key: string; readonly because: string }[];
  /** Power devices that we did not reach, until when we say so. */
  readonly cannot: ReadonlyMap<string, number>;
  /** What `observe` was told last. */
  readonly observed: ReadonlySet<string> | null;
  /** The roster and the living for which that was worked out. */
  readonly observedFor: readonly [ReadonlyMap<string, WatcherRecord>, ReadonlyMap<string, AliveRecord>, ReadonlySet<string>] | null;
  /** The power device that all watchers hang on. */
  readonly common: string | null;
  /** Another watcher's wall clock is that far from ours. */
  readonly skew: { readonly watcher: string; readonly byMs: number } | null;
};

export type State = {
  readonly fleet: FleetState | null;
  /** Transactions that wait for the one under way (several watchers: one at a time). */
  readonly queue: readonly Transaction[];
  readonly underWay: Transaction | null;
  /** Requests of other watchers that have come in. */
  readonly asked: readonly AskRecord[];
  /** Transactions that cannot be sent at all at present: they have failed. */
  readonly unsent: readonly { readonly txn: number; readonly evidence: string }[];
  readonly started: boolean;
  readonly startedAtMs: number;
  readonly uptimeAtStartMs: number;
  readonly stopping: boolean;
  readonly exited: boolean;
  readonly seq: number;
  readonly nextId: number;
  readonly meta: MetaRecord;
  readonly ledger: number;
  readonly hosts: Table<HostState>;
  readonly devices: Table<DeviceState>;
  /** What devices tell of what is drawn, by device (meters.ts). */
  readonly meters: ReadonlyMap<string, DeviceMeter>;
  readonly operations: ReadonlyMap<number, Operation>;
  readonly runs: ReadonlyMap<number, Run>;
  readonly locks: ReadonlyMap<string, DeviceLock>;
  readonly brakes: ReadonlyMap<RecordKey, BrakeRecord>;
  readonly storms: ReadonlyMap<string, StormState>;
  /** When a large set was last summed up. */
  readonly summedMs: ReadonlyMap<string, number>;
  readonly reboots: RebootsState;
  readonly acks: ReadonlySet<string>;
  readonly alarms: ReadonlyMap<string, AlarmState>;
  /** By service (leases.ts). */
  readonly leases: ReadonlyMap<string, LeaseRecord>;
  readonly leaseWatches: ReadonlyMap<string, LeaseWatch>;
  /** Who is enrolled, by host; and the doors of the watchers, by name. */
  readonly agents: ReadonlyMap<string, AgentRecord>;
  readonly doors: ReadonlyMap<string, DoorRecord>;
  readonly revisions: Register<number>;
  readonly outbox: ReadonlyMap<RecordKey, AnyRecord | null>;
  /** Which host a key of the outbox speaks of, where that is one. */
  readonly outboxHosts: ReadonlyMap<RecordKey, string>;
  readonly outboxReplies: readonly Reply[];
  readonly pending: ReadonlyMap<number, Pending>;
  readonly storeFailure: string | null;
  /** Why the past is not recorded. No decision looks at it. */
  readonly historyFailure: string | null;
  readonly storeRetryMs: number;
  /** This watcher's own sense of the site's power; null: nothing was said. */
  readonly power: { readonly state: PowerSense; readonly because: string; readonly charge: number | null; readonly atMs: number; /** Good without a break since then. */ readonly goodSinceMs: number | null } | null;
  /** An agent that took its announcement back: its power is good since then. */
  readonly powerWord: { readonly host: string; readonly atMs: number } | null;
  /** When the last start after a careful shutdown was begun here. */
  readonly startedHostMs: number | null;
  /** Records of hosts that are no longer configured, kept for when they come back. */
  readonly strangers: ReadonlyMap<string, HostRecord>;
  /** Wall minus boot-time clock at the last look, to see jumps. */
  readonly offsetMs: number;
  /** Whether the wall clock was synchronised at the last look. */
  readonly synced: boolean;
  readonly lastCause: number;
  /** When the last step was taken, boot-time clock. */
  readonly lastStepMs: number;
};

/** The state before anything is known; only the input `start` may follow. */
export function emptyState(): State {
  const never: Stamp = { bootMs: 0, wallMs: 0, bootId: "" };
  return {
    fleet: null,
    queue: [],
    underWay: null,
    asked: [],
    unsent: [],
    started: false,
    startedAtMs: 0,
    uptimeAtStartMs: 0,
    stopping: false,
    exited: false,
    seq: 0,
    nextId: 1,
    meta: { v: 1, ledger: "", created: never, nextIncident: 1, nextToken: 1 },
    ledger: 0,
    hosts: Table.from<HostState>([]),
    devices: Table.from<DeviceState>([]),
    meters: new Map(),
    operations: new Map(),
    runs: new Map(),
    locks: new Map(),
    brakes: new Map(),
    storms: new Map(),
    summedMs: new Map(),
    reboots: { record: null, txn: null, given: null, waiting: null, retryMs: 0 },
    acks: new Set(),
    alarms: new Map(),
    leases: new Map(),
    leaseWatches: new Map(),
    agents: new Map(),
    doors: new Map(),
    revisions: Register.from<number>([]),
    outbox: new Map(),
    outboxHosts: new Map(),
    outboxReplies: [],
    pending: new Map(),
    storeFailure: null,
    historyFailure: null,
    storeRetryMs: 0,
    power: null,
    powerWord: null,
    startedHostMs: null,
    strangers: new Map(),
    offsetMs: 0,
    synced: false,
    lastCause: 0,
    lastStepMs: 0,
  };
}

export class Turn {
  readonly now: Now;
  readonly policy: Policy;
  readonly effects: Effect[] = [];
  #state: State;
  #outbox: { readonly outbox: Map<RecordKey, AnyRecord | null>; readonly hosts: Map<RecordKey, string> } | null = null;

  constructor(state: State, policy: Policy, now: Now) {
    this.#state = state;
    this.policy = policy;
    this.now = now;
  }

  get state(): State {
    return this.#state;
  }

  get stamp(): Stamp {
    return stamp(this.now);
  }

  patch(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change };
  }

  host(name: string): HostState | undefined {
    return this.#state.hosts.get(name);
  }

  hostPolicy(name: string): HostPolicy | undefined {
    return this.policy.hosts.get(name);
  }

  patchHost(name: string, change: Partial<HostState>): HostState {
    const host = this.#state.hosts.get(name);
    if (host === undefined) throw new Error(`assertion failed: no host ${name}`);
    const next = { ...host, ...change };
    this.patch({ hosts: this.#state.hosts.with(name, next) });
    return next;
  }

  /** Changes what survives of a host; works for hosts that are no longer configured too. */
  patchRecord(name: string, change: Partial<HostRecord>): void {
    const host = this.#state.hosts.get(name);
    const stranger = this.#state.strangers.get(name);
    if (host !== undefined) {
      const record = { ...host.record, ...change };
      this.patchHost(name, { record });
      this.save(`host/${name}`, record, name);
    } else if (stranger !== undefined) {
      const record = { ...stranger, ...change };
      this.patch({ strangers: new Map(this.#state.strangers).set(name, record) });
      this.save(`host/${name}`, record, name);
    }
  }

  record(name: string): HostRecord | undefined {
    return this.#state.hosts.get(name)?.record ?? this.#state.strangers.get(name);
  }

  /** Puts a record into the outbox; null deletes it. `host`: whose it is, so that only the watcher in charge of that host writes it. */
  save(key: RecordKey, value: AnyRecord | null, host: string | null = null): void {
    const { outbox, hosts } = this.#writable();
    outbox.set(key, value);
    if (host !== null && this.#state.fleet !== null) hosts.set(key, host);
  }

  /** Copied once a turn: a newcomer has a word to say about thousands of hosts at once. */
  #writable(): { readonly outbox: Map<RecordKey, AnyRecord | null>; readonly hosts: Map<RecordKey, string> } {
    if (this.#outbox === null || this.#outbox.outbox !== this.#state.outbox) {
      this.#outbox = { outbox: new Map(this.#state.outbox), hosts: new Map(this.#state.outboxHosts) };
      this.patch({ outbox: this.#outbox.outbox, outboxHosts: this.#outbox.hosts });
    }
    return this.#outbox;
  }

  /** Takes a record out of the outbox, to go with another transaction. */
  take(key: RecordKey): void {
    if (!this.#state.outbox.has(key)) return;
    const { outbox, hosts } = this.#writable();
    outbox.delete(key);
    hosts.delete(key);
  }

  id(): number {
    const id = this.#state.nextId;
    this.patch({ nextId: id + 1 });
    return id;
  }

  emit(effect: Effect): void {
    this.effects.push(effect);
  }

  /** Writes a line of the journal and makes it the cause of what follows for this host. Returns its sequence number. */
  tell(kind: ToldKind, host: string | null, because: string, cause?: number): number {
    const seq = this.#state.seq + 1;
    const state = host === null ? undefined : this.#state.hosts.get(host);
    const told: Told = {
      seq,
      kind,
      host,
      incident: state?.incident?.incident ?? null,
      because,
      cause: cause ?? state?.cause ?? (this.#state.lastCause === 0 ? null : this.#state.lastCause),
    };
    this.patch({ seq, lastCause: seq });
    if (state !== undefined) this.patchHost(state.name, { cause: seq });
    this.emit({ kind: "tell", told });
    return seq;
  }

  causeOf(host: string | null): number {
    return (host === null ? undefined : this.#state.hosts.get(host)?.cause) ?? this.#state.lastCause;
  }

  run(operation: number): Run {
    const run = this.#state.runs.get(operation);
    if (run === undefined) throw new Error(`assertion failed: operation ${operation} does not run`);
    return run;
  }

  /** The other watchers; only where there are several. */
  get fleet(): FleetState {
    const { fleet } = this.#state;
    if (fleet === null) throw new Error("assertion failed: this watcher is alone");
    return fleet;
  }

  patchFleet(change: Partial<FleetState>): void {
    this.patch({ fleet: { ...this.fleet, ...change } });
  }

  patchRun(operation: number, change: Partial<Run>): Run {
    const next = { ...this.run(operation), ...change };
    this.patch({ runs: new Map(this.#state.runs).set(operation, next) });
    return next;
  }

  wake(key: string, atMs: number): void {
    this.emit({ kind: "wake", key, atMs });
  }

  pend(txn: number, pending: Pending): void {
    this.patch({ pending: new Map(this.#state.pending).set(txn, pending) });
  }
}

export type { ActOutcome };
