// What the API reads of the past, as a port: the journal implements it. Answers may be late, because the history is written
// in batches; the feed (feed.ts) adds what was told since.

import type { AvailabilityAnswer, AvailabilityQuery } from "../core/availability.ts";
import type { IncidentRecord } from "../core/records.ts";

/** A line of the journal as the history keeps it. */
export type HistoryEvent = {
  readonly seq: number;
  /** Wall clock, Unix milliseconds. */
  readonly atMs: number;
  readonly kind: string;
  readonly host: string | null;
  readonly because: string;
  readonly incident: string | null;
  readonly cause: number | null;
};

export type EventQuery = {
  /** Not before this wall time, Unix milliseconds. */
  readonly sinceMs?: number;
  /** Only lines with a greater sequence number. */
  readonly afterSeq?: number;
  readonly host?: string;
  /** Only lines of these kinds. */
  readonly kinds?: readonly string[];
  readonly limit: number;
};

export type ResultsQuery = {
  readonly host: string;
  /** Null: all probes. */
  readonly probe: string | null;
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly step: "raw" | "minute" | "hour";
};

/** Lines of JSON, and where the next page begins (its `sinceMs`), or null at the end. */
export type ResultsPage = { readonly text: string; readonly nextMs: number | null };

type Soon<Value> = Value | Promise<Value>;

export type History = {
  /** The newest `limit` lines that match, in the order in which they were told. */
  events(query: EventQuery): Soon<readonly HistoryEvent[]>;
  /** The newest incidents, the newest last. */
  incidents(query: number | { readonly host: string; /** That began before this. */ readonly untilMs: number; readonly limit: number }): Soon<readonly IncidentRecord[]>;
  incident(name: string): Soon<IncidentRecord | undefined>;
  /** The lines of one incident, in the order in which they were told, at most EVENTS_MAX. */
  eventsOf(incident: string): Soon<readonly HistoryEvent[]>;
  /** A line and those that led to it, the oldest first, at most `limit`; empty where there is none of that number. */
  chain(seq: number, limit: number): Soon<readonly HistoryEvent[]>;
  /** Probe results or their roll-ups, page by page. */
  results(query: ResultsQuery): Soon<ResultsPage>;
  availability(query: AvailabilityQuery): Soon<AvailabilityAnswer>;
  /** Names of hosts of which there are results, also of those that are not watched any more. */
  hosts(): Soon<readonly string[]>;
};
