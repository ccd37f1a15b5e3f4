// What a careful shutdown is made of: what is configured, what survives the agent, what one process of it knows, what it is told
// and what it wants done. How one follows from the other is careful.ts.

import type { Announcement } from "./finding.ts";
import type { Sensed } from "./power-sense.ts";
import { stamp } from "./time.ts";
import type { Deadline, Now, Stamp } from "./time.ts";

/** What a stage does: stop these units, those of them that are active; or run a program, and another to undo it. */
export type StagePlan = { readonly name: string; readonly limitMs: number } & ({ readonly kind: "units"; readonly units: readonly string[] } | { readonly kind: "program"; readonly run: readonly string[]; readonly undo: readonly string[] | null });

export type CarefulPolicy = {
  readonly host: string;
  readonly lookEveryMs: number;
  /** Before the look that decides. */
  readonly waitMs: number;
  /** 0 to 1: so much of each wait is scattered. */
  readonly jitter: number;
  /** Unknown for so long is as good as lost; null: never. */
  readonly unknownAfterMs: number | null;
  /** From the decision to the first stage: the less important a host, the shorter. */
  readonly afterMs: number;
  /** So long must the power be good before what was stopped is started again. */
  readonly steadyMs: number;
  readonly stages: readonly StagePlan[];
  /** Still alive so long after the order to power off: it is given again. */
  readonly stuckMs: number;
  /** From the order to power off to a host that is off, for the watchers. */
  readonly haltMs: number;
  /** Why nothing is done, only decided and told; null: it is done. `announces`: the watchers are told, because somebody else shuts this host down. */
  readonly observes: { readonly why: string; readonly announces: boolean } | null;
};

export type StageState = {
  readonly plan: StagePlan;
  /** `stopping`, `starting`: begun, and no end known. */
  readonly state: "waiting" | "stopping" | "stopped" | "failed" | "starting" | "started";
  readonly attempts: number;
  /** Of units: those that were active, and so are to be started again; null: not looked yet. */
  readonly active: readonly string[] | null;
};

/** What survives the agent. */
export type CarefulRecord = {
  readonly format: 1;
  readonly phase: "normal" | "pre-fail" | "shutdown" | "returning";
  /** Names the outage, the same for all that is done about it; null: none. */
  readonly event: string | null;
  readonly because: string;
  readonly since: Stamp;
  /** pre-fail: the look that decides. shutdown: the first stage. returning: good for long enough; null: not good now. */
  readonly until: Deadline | null;
  readonly unknownSince: Stamp | null;
  /** As planned when the shutdown began: a configuration that changes meanwhile does not change what is undone. */
  readonly stages: readonly StageState[];
  /** The order to power off: when it was given last, and how often. */
  readonly off: { readonly at: Stamp; readonly attempts: number } | null;
  /** Why this outage is only watched; for all of it, since upsmon is gone when it has shut down. */
  readonly observed: string | null;
};

export type Busy = { readonly what: "announce" } | { readonly what: "survey" | "stop" | "start"; readonly stage: number } | { readonly what: "off" };

/** A record, and what only this process knows. */
export type Careful = {
  readonly record: CarefulRecord;
  readonly looking: boolean;
  readonly lookAtMs: number;
  readonly looks: number;
  readonly last: Sensed | null;
  readonly busy: Busy | null;
  readonly announced: boolean;
  /** The order to power off was given by this process: of one that was killed nobody knows. */
  readonly ordered: boolean;
};

export type End = { readonly ok: boolean; readonly evidence: string };

export type CarefulInput =
  | { readonly kind: "start" }
  | { readonly kind: "wake" }
  | { readonly kind: "looked"; readonly sensed: Sensed }
  | { readonly kind: "announced"; readonly event: string; readonly heard: readonly string[] }
  /** Which units of a stage are active. */
  | { readonly kind: "surveyed"; readonly stage: number; readonly active: readonly string[] }
  | { readonly kind: "ran"; readonly stage: number; readonly end: End }
  | { readonly kind: "undone"; readonly stage: number; readonly end: End }
  | { readonly kind: "off-ran"; readonly end: End };

export type CarefulEffect =
  /** Durable before the effects after it, as far as the disk allows. */
  | { readonly kind: "save"; readonly record: CarefulRecord }
  | { readonly kind: "look" }
  /** `wait`: answered by `announced`. */
  | { readonly kind: "announce"; readonly announcement: Announcement & { readonly kind: "careful" }; readonly wait: boolean }
  | { readonly kind: "survey"; readonly stage: number; readonly plan: StagePlan }
  | { readonly kind: "run"; readonly stage: number; readonly plan: StagePlan; readonly active: readonly string[]; readonly because: string }
  | { readonly kind: "undo"; readonly stage: number; readonly plan: StagePlan; readonly active: readonly string[]; readonly because: string }
  | { readonly kind: "power-off"; readonly force: boolean; readonly because: string }
  | { readonly kind: "tell"; readonly loud: boolean; readonly because: string }
  | { readonly kind: "finding"; readonly verdict: "good" | "warn" | "bad" | "unknown"; readonly because: string }
  | { readonly kind: "wake"; readonly atMs: number };

export type Step = { readonly state: Careful; readonly effects: readonly CarefulEffect[] };

export function freshRecord(now: Now): CarefulRecord {
  return { format: 1, phase: "normal", event: null, because: "", since: stamp(now), until: null, unknownSince: null, stages: [], off: null, observed: null };
}

/** What a process begins with, from what it has read. */
export function beginCareful(record: CarefulRecord): Careful {
  return { record, looking: false, lookAtMs: 0, looks: 0, last: null, busy: null, announced: false, ordered: false };
}
