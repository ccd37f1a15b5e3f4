// What survives: the records that the store keeps (operations, wanted, brakes, budgets, seen-healthy, holds, open
// incidents). Each is a plain JSON value under one key, with the version of its shape. Everything else in the core's
// state is made again from fresh rounds after a restart, because an old observation must never cut power.

import type { Alarm, Command } from "./io.ts";
import type { Hours } from "./hours.ts";
import type { OutletRef } from "./policy.ts";
import type { LeaseTerms } from "./self-fence.ts";
import type { Deadline, Stamp } from "./time.ts";

export type Hold = {
  /** budget, unconfirmed: sticky until `release`. contradicted: the outlet mapping is distrusted, sticky. failed, expired: until seen healthy or released. */
  readonly kind: "budget" | "unconfirmed" | "contradicted" | "failed" | "expired" | "disagreement";
  readonly because: string;
  readonly since: Stamp;
  readonly sticky: boolean;
};

export type Wanted = { readonly state: "on" } | { readonly state: "off"; readonly by: string; readonly why: string; readonly at: Stamp };

/** A careful shutdown that the host's agent announced: what this event shut down, and therefore what is started when power is back (ADR 28). */
export type Careful = {
  /** The agent's name for this outage. */
  readonly event: string;
  readonly because: string;
  /** Announced; and by when the host said that it would be down. */
  readonly since: Stamp;
  readonly haltWithinMs: number;
  /** The watcher that recorded it. */
  readonly watcher: string;
  /** Its last sign of life before it fell silent; null: it has not been seen silent since. */
  readonly lastSign: Stamp | null;
  /** off: it goes down, or is down. starting: its start has begun. */
  readonly state: "off" | "starting";
  readonly began: Stamp | null;
  /** Starts of it that had cut something and came to nothing. */
  readonly tries?: number;
  /** A person wants it started without waiting for power. */
  readonly asked: string | null;
};

/** What is known of one host. The fields under `learned` belong to the host hash and are forgotten with it. */
export type HostRecord = {
  readonly v: 1;
  readonly learned: {
    readonly hash: string;
    readonly seenHealthyAt: Stamp | null;
    /** Probes that have passed at least once. */
    readonly passed: readonly string[];
    /** Outlets (`device/outlet`) that a past good cycle or a drill proved to feed this host. */
    readonly proved: readonly string[];
    /** With several watchers: what has passed seen from each of them. */
    readonly passedFrom?: { readonly [watcher: string]: readonly string[] };
  };
  readonly wanted: Wanted;
  /** Shut down with care, or started again after that. */
  readonly careful?: Careful | null;
  readonly hold: Hold | null;
  /** Confirmed power cycles and unconfirmed offs, for the budgets. Since the last release, at most 64 of each. */
  readonly cycles: readonly Stamp[];
  readonly unconfirmed: readonly Stamp[];
  /** Confirmed cycles that a release took out of the budget: in the hour of the whole fleet they still count. */
  readonly forgiven: readonly Stamp[];
  /** The incident in which we let an off go by ourselves: there is no second one in it unless the host is released. */
  readonly cutIn: string | null;
  /** Remedies that may have been tried in the last incident that had any: none is tried twice. And when, also in those before: at most 64. */
  readonly remedied?: { readonly incident: string; readonly names: readonly string[]; readonly times: readonly Stamp[] };
  /** The last edge at one of its outlets that we know of, ours or somebody else's. */
  readonly lastEdge: Stamp | null;
  /** The last operation that ended, for merging requests that come right after it. */
  readonly lastOperation: { readonly id: number; readonly kind: Operation["kind"]; readonly at: Stamp; readonly outcome: OperationOutcome } | null;
  /** With several watchers: the last incident that ended, for the histories of the others. */
  readonly lastIncident?: IncidentRecord;
  /** Outlets found off without an intent of ours: never switched on by us. */
  readonly offByOthers: readonly string[];
  /** The last announced crash dump: it holds fencing once in a suspicion. */
  readonly lastKdump: Stamp | null;
  /** How long past boots took (on confirmed to first good round), the last 20, in milliseconds. */
  readonly bootsMs: readonly number[];
  /** How long past reboots took that we ordered (order to good again), the last 20, in milliseconds. */
  readonly rebootsMs?: readonly number[];
};

export type BrakeKind = "disarmed" | "maintenance" | "inhibit" | "going-down" | "kdump";

/** A brake that a person, a host or a finding put on; `scope` is a host's name or `*`. */
export type BrakeRecord = {
  readonly v: 1;
  readonly kind: BrakeKind;
  readonly scope: string;
  readonly by: string;
  readonly reason: string;
  readonly since: Stamp;
  readonly until: Deadline | null;
  /** Of a reboot that we ordered: how long it holds once the host is gone. Absent: as long as a boot may take. */
  readonly goneForMs?: number;
  /** With several watchers: ended by hand, and left for a moment so that every watcher counts from zero. */
  readonly endedBy?: string;
};

export type StormRecord = {
  readonly v: 1;
  /** `fleet`, `group:compute`, `device:sucker`, `behind:switch-a`. */
  readonly set: string;
  readonly because: string;
  readonly since: Stamp;
  /** `upkeep storm proceed`: who asked; ends at the first host that does not recover. */
  readonly proceedBy: string | null;
  /** With several watchers: who sees it, and so says when it is over. */
  readonly watcher?: string;
};

/** design.md §4: the walk of one operation; `ended` operations leave the store. */
export type OperationPhase = "intended" | "off-sent" | "off-confirmed" | "on-sent" | "booting";

export type OperationOutcome = "recovered" | "withdrawn" | "held" | "done";

/** One outlet as it was when the operation was intended: a reload cannot change what an open operation acts on. */
export type OperationOutlet = OutletRef & {
  readonly driver: string;
  readonly address: string;
  readonly maxActMs: number;
  readonly exclusiveSession: boolean;
};

export type Origin = { readonly kind: "auto" } | {
      readonly kind: "manual";
      readonly by: string;
      readonly reason: string;
      /** Names of the brakes that this request overrides. */
      readonly over: readonly string[];
      /** Nobody asked: it starts what this careful shutdown stopped, and is earned like an automatic one. In this shape older versions can read it. */
      readonly event?: string;
    };

export type Operation = {
  readonly v: 1;
  readonly id: number;
  readonly host: string;
  readonly incident: string;
  readonly kind: "cycle" | "off" | "on";
  readonly origin: Origin;
  readonly because: string;
  readonly phase: OperationPhase;
  readonly levels: readonly (readonly OperationOutlet[])[];
  readonly level: number;
  /** Monotonic fencing token: raised by every swap. */
  readonly token: number;
  /** Offs let go at the present level. */
  readonly sends: number;
  /** Outlets (`device/outlet`) for which an off was let go and no on is confirmed since: what is owed. */
  readonly cut: readonly string[];
  /** Outlets for which an off was let go at the present level; emptied when a level is entered. */
  readonly sent: readonly string[];
  /** Outlets for which an off was let go at any level: the ones that a late off may still reach. */
  readonly touched: readonly string[];
  readonly offWasConfirmed: boolean;
  /** Why this operation must end as held once power is back, or null. */
  readonly contradiction: string | null;
  /** Why this operation ends as withdrawn once power is back, or null. */
  readonly withdrawing: string | null;
  readonly began: Stamp;
  readonly phaseSince: Stamp;
  /** The last off that was let go. */
  readonly offAt: Stamp | null;
  readonly onConfirmedAt: Stamp | null;
  /** The watcher that intended it. */
  readonly watcher: string;
};

export type DeviceLock = { readonly v: 1; readonly device: string; readonly operation: number; readonly token: number; readonly watcher: string };

export type IncidentRecord = {
  readonly v: 1;
  readonly incident: string;
  readonly host: string;
  /** The first bad sign of the suspicion that became this incident. */
  readonly began: Stamp;
  readonly firstSign: string;
  readonly downAt: Stamp | null;
  readonly intendedAt: Stamp | null;
  readonly offSentAt: Stamp | null;
  readonly offConfirmedAt: Stamp | null;
  readonly onConfirmedAt: Stamp | null;
  readonly endedAt: Stamp | null;
  readonly outcome: IncidentOutcome;
};

/** withdrawn: somebody asked for a cut, and it came to nothing. ended unseen: this watcher was away when it ended. */
export type IncidentOutcome = "open" | "ended unseen" | "recovered" | "recovered by itself" | "recovered by a remedy" | "held" | "confirmed off" | "withdrawn" | "no longer watched";

/** The ledger's own facts. `watermark` grows with every commit, so that an older copy can be recognised. */
export type MetaRecord = { readonly v: 1; readonly ledger: string; readonly created: Stamp; readonly nextIncident: number; readonly nextToken: number; /** With several watchers: whose records these are. */ readonly site?: string; /** Time went back: operations in that store from this number on were begun since. */ readonly anew?: { readonly store: string; readonly token: number } };

/** A call to a person that is not over: it outlives a restart, so that its end is told as well. */
export type AlarmRecord = { readonly v: 1; readonly alarm: Alarm; readonly since: Stamp; /** With several watchers: who raised it. */ readonly watcher?: string };

// ---- rolling reboots (docs/adr/0035-rolling-reboots.md) ------------------------------------------------------------------------

/** Where the host stands whose turn it is. */
export type RebootPhase = "draining" | "drained" | "ordered" | "gone" | "settling" | "undraining";

/** left out: it needed none, is wanted off, or was not to be rebooted any more. failed: the run stopped at it. */
export type RebootOutcome = "rebooted" | "failed" | "left out";

export type RebootTurn = {
  readonly host: string;
  readonly phase: RebootPhase;
  readonly since: Stamp;
  /** The order of this phase, or the last one: who gets it twice carries it out once. */
  readonly order: string;
  /** When it was told to reboot; null: not yet. */
  readonly orderedAt: Stamp | null;
  /** The boot of the host, by its agent, and of the machine of the watcher that ordered it, before. */
  readonly bootId: string | null;
  readonly ownBoot: string;
  /** How long it may be away. */
  readonly backMs: number;
  /** What comes of it once it is put back into service. */
  readonly ending: { readonly outcome: RebootOutcome | "put off"; readonly because: string } | null;
};

export type RebootDone = { readonly host: string; readonly outcome: RebootOutcome; readonly because: string; readonly at: Stamp; /** From the order until it was good again; null: it was not. */ readonly tookMs: number | null };

/** `reboots/run`: the run that is under way, or the last one. Whoever is in charge of the host whose turn it is carries it on. */
export type RebootRun = {
  readonly v: 1;
  readonly run: number;
  readonly by: string;
  readonly reason: string;
  readonly began: Stamp;
  readonly ended: Stamp | null;
  /** In this order, those that are done among them. */
  readonly plan: readonly string[];
  /** Who needs none by the time that it is his turn is left out. */
  readonly needed: boolean;
  /** Null: at any time. */
  readonly window: { readonly text: string; readonly hours: readonly Hours[] } | null;
  /** A watcher's own machine too, although nobody else is there. */
  readonly self: boolean;
  /** By the schedule: the opening of the window in which it began. */
  readonly opening: number | null;
  readonly state: "running" | "held" | "ended";
  /** Why it is held, or how it ended. */
  readonly because: string;
  /** Who asked for its end: the host whose turn it is comes back first. */
  readonly stopBy: string | null;
  /** Orders so far, for their names. */
  readonly orders: number;
  readonly turn: RebootTurn | null;
  readonly done: readonly RebootDone[];
};

// ---- several watchers (docs/adr/0008-several-watchers.md) ------------------------------------------------------------------

/** `watcher/NAME`, the durable roster: who is dead stays in n until `upkeep watcher forget`. */
export type WatcherRecord = {
  readonly v: 1;
  readonly watcher: string;
  readonly joined: Stamp;
  /** It has made its first rounds and counts among the observers; never taken back. */
  readonly ready: boolean;
  /** Hosts that it runs on or that its power hangs on: it neither judges nor cuts them. */
  readonly self: readonly string[];
  readonly version: string;
};

/** `alive/NAME`, under the watcher's lease. */
export type AliveRecord = {
  readonly v: 1;
  readonly watcher: string;
  /** Identity of its data folder: who holds the folder's lock knows that a process of the same folder before it is dead. */
  readonly folder: string;
  readonly since: Stamp;
  /** Power devices that it does not reach. */
  readonly cannot: readonly string[];
  /** Its own rounds prove nothing at present. */
  readonly blind: boolean;
};

/** `charge/DEVICE` (or `charge/host=NAME` for a host without power), under a lease: who alone logs in there and writes what becomes of its hosts. */
export type ChargeRecord = { readonly v: 1; readonly of: string; readonly watcher: string; readonly since: Stamp };

/** `vote/HOST/WATCHER`, under a lease, written when it changes and in every round of a ballot. */
export type VoteRecord = {
  readonly v: 1;
  readonly host: string;
  readonly watcher: string;
  readonly says: "up" | "down" | "abstain";
  readonly hash: string;
  readonly because: string;
  /** It can judge the host, though it may still be counting. */
  readonly able: boolean;
  /** The ballot that this answers, and how old its round was when it was written. */
  readonly ballot: number | null;
  readonly ageMs: number;
  /** Probes that have passed here, seen from this watcher, under this hash. */
  readonly passed: readonly string[];
};

/** `ballot/HOST`, under the lease of the one in charge: asks the observers for their word of now (ADR 8). */
export type BallotRecord = { readonly v: 1; readonly host: string; readonly number: number; readonly watcher: string };

/** `guard/HOST`, under the lease of the one in charge: what the others cannot see themselves. */
export type GuardRecord = {
  readonly v: 1;
  readonly host: string;
  readonly watcher: string;
  /** Null: guarded. */
  readonly why: string | null;
  readonly power: readonly { readonly outlet: string; readonly state: "on" | "off" | "unknown"; readonly label: string | null }[];
};

/** `ask/ID`: what a person asked of a watcher that is not in charge, and the answer of the one that is. */
export type AskRecord = {
  readonly v: 1;
  readonly id: string;
  readonly at: Stamp;
  /** Who took it and waits for the answer. */
  readonly watcher: string;
  readonly by: string;
  readonly command: Command;
  readonly answer: Answer | null;
};

export type Answer = { readonly exit: 0 | 1 | 2 | 4 | 5; readonly text: string; readonly incident: string | null; readonly operation: number | null; readonly confirm: string | null };

/** `lease/SERVICE`: which host may run a service (ADR 33). It stays when nobody has it, so that no epoch is given out twice. */
export type LeaseRecord = {
  readonly v: 1;
  readonly service: string;
  /** Null: free. */
  readonly host: string | null;
  readonly epoch: number;
  readonly phase: "granted" | "taking-back" | "free";
  /** Who gets it once it is free. */
  readonly next: string | null;
  /** What the holder's agent has promised; null: it has never been renewed under this epoch. */
  readonly terms: LeaseTerms | null;
  /** The one charge in which it is renewed. */
  readonly renewer: string | null;
  readonly by: string;
  readonly reason: string;
  /** Of the phase. */
  readonly since: Stamp;
  /** The whole bound has passed without a renewal: stopped there, or the host was reset. */
  readonly fenced: Stamp | null;
};

/** `agent/HOST`: an agent that is enrolled, or was, or may be (core/agents.ts, ADR 30). */
export type AgentRecord = {
  readonly v: 1;
  readonly host: string;
  /** SHA-256 of the public keys that it may come with, hexadecimal, the newest last: at most two. */
  readonly pins: readonly { readonly pin: string; readonly until: Deadline }[];
  readonly enrolled: Stamp | null;
  readonly revoked: { readonly by: string; readonly at: Stamp } | null;
  /** The SHA-256 of a secret that is good once, until then, at the watcher that made it. */
  readonly code: { readonly hash: string; readonly watcher: string; readonly by: string; readonly until: Deadline } | null;
};

/** `door/WATCHER`: where its agents reach a watcher, and the SHA-256 of the public keys by which they know it. */
export type DoorRecord = { readonly v: 1; readonly watcher: string; readonly address: string | null; readonly pins: readonly string[]; readonly since: Stamp };

/** Kinds of records that go with the session of the watcher that wrote them. */
export const LEASED: ReadonlySet<RecordKind> = new Set<RecordKind>(["alive", "charge", "vote", "ballot", "guard"]);

/** Every record in a shared store says who wrote it, in which life of his, and when by his clock: stamps are compared within one clock only. */
export type Written = { readonly by: string; readonly life: string; readonly at: Stamp };

export type RecordOf = {
  host: HostRecord;
  brake: BrakeRecord;
  storm: StormRecord;
  op: Operation;
  lock: DeviceLock;
  incident: IncidentRecord;
  meta: MetaRecord;
  ack: { readonly v: 1; readonly alarm: string; readonly by: string; readonly at: Stamp };
  alarm: AlarmRecord;
  watcher: WatcherRecord;
  alive: AliveRecord;
  charge: ChargeRecord;
  vote: VoteRecord;
  ballot: BallotRecord;
  guard: GuardRecord;
  ask: AskRecord;
  reboots: RebootRun;
  lease: LeaseRecord;
  agent: AgentRecord;
  door: DoorRecord;
};

export type RecordKind = keyof RecordOf;
export type RecordKey = `${RecordKind}/${string}`;
export type AnyRecord = RecordOf[RecordKind] & { readonly written?: Written };

export const MAX_STAMPS = 64;
