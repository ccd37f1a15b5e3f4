// What the watcher's shell needs of the world. The real ones are made in main.ts; the simulator makes its own, and runs the
// same Watcher and the same core on them. No timer, clock, socket or file is used by the shell except through these.

import type { Alarm, Input, Told } from "../core/io.ts";
import type { IncidentRecord } from "../core/records.ts";
import type { ProbeResult, Round } from "../core/round.ts";
import type { Now } from "../core/time.ts";
import type { Clock } from "../process/system-clock.ts";
import type { PowerDevice } from "../power/power.ts";
import type { Store } from "../stores/store.ts";

export type { Clock };

export type Late = { readonly host: string; readonly hash: string; readonly startedAtMs: number; readonly results: readonly ProbeResult[] };

export type Rounds = {
  /** Makes one round of a host; everything of it ends by `limitMs` after its start. Returns what cancels it. */
  start(host: string, limitMs: number, onRound: (round: Round) => void, onLate: (late: Late) => void): () => void;
};

export type Touched = { readonly answered: "yes" | "no" | "unknown"; readonly evidence: string };

/** done: the host took the word. failed: certainly not. unknown: perhaps. */
export type Remedied = { readonly outcome: "done" | "failed" | "unknown"; readonly evidence: string };

export type Journal = {
  told(told: Told, now: Now): void;
  /** Every input in order, so that any decision can be replayed. */
  input(input: Input, now: Now): void;
  incident(record: IncidentRecord): void;
};

export type Alerts = {
  /** `event`: number of the line of the journal that says so; the same stands in the log, in the stream and in answers. */
  raise(alarm: Alarm, again: boolean, event?: number): void;
  over(alarm: Alarm, because: string, event?: number): void;
};

export type Ports = {
  readonly clock: Clock;
  readonly store: Store;
  readonly journal: Journal;
  readonly rounds: Rounds;
  readonly alerts: Alerts;
  /** The device of this name as configured now, or undefined when it is not. */
  power(device: string): PowerDevice | undefined;
  /** Does anything answer at the host's own address? Must settle within a few seconds. */
  touch(host: string): Promise<Touched>;
  /** Tries a remedy of a host, as configured now; settles within its limit and a second. Absent: there is none. */
  remedy?(host: string, remedy: string, limitMs: number): Promise<Remedied>;
  /** A shared store is gone and nothing is owed any more: open it anew, and start again from what it says. */
  reopen?(because: string): void;
  /** SIGTERM has been served. */
  exit(because: string): void;
};
