// What survives: the records that the store keeps (operations, wanted, brakes, budgets, seen-healthy, holds, open
// incidents). Each is a plain JSON value under one key, with the version of its shape. Everything else in the core's
// state is made again from fresh rounds after a restart, because an old observation must never cut power.

import type { Alarm } from "./io.ts";
import type { OutletRef } from "./policy.ts";
import type { Deadline, Stamp } from "./time.ts";

export type Hold = {
  /** budget, unconfirmed: sticky until `release`. contradicted: the outlet mapping is distrusted, sticky. failed, expired: until seen healthy or released. */
  readonly kind: "budget" | "unconfirmed" | "contradicted" | "failed" | "expired";
  readonly because: string;
  readonly since: Stamp;
  readonly sticky: boolean;
};

export type Wanted = { readonly state: "on" } | { readonly state: "off"; readonly by: string; readonly why: string; readonly at: Stamp };

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
  };
  readonly wanted: Wanted;
  readonly hold: Hold | null;
  /** Confirmed power cycles and unconfirmed offs, for the budgets. Since the last release, at most 64 of each. */
  readonly cycles: readonly Stamp[];
  readonly unconfirmed: readonly Stamp[];
  /** Confirmed cycles that a release took out of the budget: in the hour of the whole fleet they still count. */
  readonly forgiven: readonly Stamp[];
  /** The incident in which we let an off go by ourselves: there is no second one in it unless the host is released. */
  readonly cutIn: string | null;
  /** The last edge at one of its outlets that we know of, ours or somebody else's. */
  readonly lastEdge: Stamp | null;
  /** The last operation that ended, for merging requests that come right after it. */
  readonly lastOperation: { readonly id: number; readonly kind: Operation["kind"]; readonly at: Stamp; readonly outcome: OperationOutcome } | null;
  /** Outlets found off without an intent of ours: never switched on by us. */
  readonly offByOthers: readonly string[];
  /** The last announced crash dump: it holds fencing once in a suspicion. */
  readonly lastKdump: Stamp | null;
  /** How long past boots took (on confirmed to first good round), the last 20, in milliseconds. */
  readonly bootsMs: readonly number[];
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
};

export type StormRecord = {
  readonly v: 1;
  /** `fleet`, `group:compute`, `device:sucker`, `behind:switch-a`. */
  readonly set: string;
  readonly because: string;
  readonly since: Stamp;
  /** `upkeep storm proceed`: who asked; ends at the first host that does not recover. */
  readonly proceedBy: string | null;
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

/** withdrawn: somebody asked for a cut, and it came to nothing. */
export type IncidentOutcome = "open" | "recovered" | "recovered by itself" | "held" | "confirmed off" | "withdrawn" | "no longer watched";

/** The ledger's own facts. `watermark` grows with every commit, so that an older copy can be recognised. */
export type MetaRecord = { readonly v: 1; readonly ledger: string; readonly created: Stamp; readonly nextIncident: number; readonly nextToken: number };

/** A call to a person that is not over: it outlives a restart, so that its end is told as well. */
export type AlarmRecord = { readonly v: 1; readonly alarm: Alarm; readonly since: Stamp };

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
};

export type RecordKind = keyof RecordOf;
export type RecordKey = `${RecordKind}/${string}`;
export type AnyRecord = RecordOf[RecordKind];

export const MAX_STAMPS = 64;
