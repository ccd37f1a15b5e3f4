// What the watcher's thread may ask of the history and tell it (history.ts): nothing here waits for a disk.

import type { Policy } from "../core/policy.ts";
import type { IncidentRecord } from "../core/records.ts";
import type { Journal } from "../watcher/ports.ts";
import type { AvailabilityAnswer, AvailabilityQuery } from "../core/availability.ts";
import type { EventQuery, HistoryEvent, HistoryLimits, IncidentQuery } from "./history-file.ts";
import type { ResultsPage, ResultsQuery } from "./results-page.ts";
import type { KernelQuery, KernelRow } from "./kernel-table.ts";
import type { StandingLook } from "./standing-table.ts";
import type { Memory } from "./went-back.ts";

export type HistoryOptions = {
  readonly dataDir: string;
  /** For people, in a sentence: set aside, cannot be written, dropped so many. Once a change. */
  readonly onProblem: (text: string) => void;
  /** Why it does not record now, or null: it does. Once a change, the good news only when it has lasted. */
  readonly onHealth?: (failure: string | null) => void;
  readonly limits?: Partial<HistoryLimits>;
  /** How long the thread may be silent, and how long good news must last. */
  readonly patience?: { readonly silentMs: number; readonly wellMs: number };
};

export type History = Journal & {
  /** The policy of all inputs from here on, for replay: before the start, and before a reload. */
  policy(policy: Policy): void;
  /** How hosts stand. A number that changes when nothing is known of it any more, so that the next look must say it all. */
  look(look: StandingLook): void;
  readonly looksFrom: number;
  /** Lines of hosts' kernels. */
  kernel(lines: readonly KernelRow[]): void;
  kernelLines(query: KernelQuery): Promise<readonly KernelRow[]>;
  availability(query: AvailabilityQuery): Promise<AvailabilityAnswer>;
  /** What to remember of the ledger. Only what is durable there. */
  remember(memory: Memory): void;
  /** The last sequence number that was on record at the start; 0 where there was none or it could not be read. */
  lastSeq(): number;
  /** The newest `limit` (at most 10,000) lines that match, in order. All questions reject with HISTORY_IO when there is no answer. */
  events(query: EventQuery): Promise<readonly HistoryEvent[]>;
  eventsOf(incident: string): Promise<readonly HistoryEvent[]>;
  /** A line and those that led to it, the oldest first. */
  chain(seq: number, limit: number): Promise<readonly HistoryEvent[]>;
  /** The newest that match, or simply the newest so many; the newest last. */
  incidents(query: IncidentQuery | number): Promise<readonly IncidentRecord[]>;
  incident(name: string): Promise<IncidentRecord | undefined>;
  /** Probe results or their roll-ups, as lines of JSON; page by page. */
  results(query: ResultsQuery): Promise<ResultsPage>;
  /** Names of hosts of which there are results. */
  hosts(): Promise<readonly string[]>;
  /** From now on this is kept. */
  limit(limits: Partial<HistoryLimits>): void;
  /** Resolves when everything given so far is on stable storage, or cannot be. */
  flush(): Promise<void>;
  close(): Promise<void>;
  /** What was lost since the start. */
  dropped(): Dropped;
};

/** Events and incidents; inputs; rounds of which the results were given up. */
export type Dropped = { readonly rows: number; readonly lines: number; readonly rounds: number };
