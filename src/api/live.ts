// What a reader of `/v1/stream` holds, and how a delta changes it: shared by the server, which makes the deltas, and the page,
// which applies them. A stream begins with a snapshot, whatever the reader had before: nothing has to be remembered for
// somebody who was away, and nothing old can be taken for now.
//
// Server-sent events (HTML, "server-sent events"): `event:` is a key of LiveEvents, `data:` is its JSON on one line.
// Without any event for STALE_AFTER_MS the reader says that it is stale.

import type { HostReport, StatusReport } from "../core/report.ts";
import type { EventLine } from "./contract.ts";

/** A tick comes at least this often. */
export const TICK_MS = 5_000;
/** A reader that has heard nothing for so long shows "stale since …" and no colour of health. */
export const STALE_AFTER_MS = 15_000;
/** A strip is so many cells of so many milliseconds, the newest last: five minutes. */
export const STRIP_CELLS = 60;
export const STRIP_CELL_MS = 5_000;
/** The newest lines of this watcher's process that a snapshot brings; what was before is asked of `/v1/events`. */
export const STREAM_LINES = 50;

/**
 * The last minutes of one probe, a character a cell: `.` good, `s` slow, `b` bad, `u` unknown, ` ` no round. Of several
 * rounds in one cell the worst.
 */
export type Strip = string;

/** By host, then by probe. */
export type Strips = Readonly<Record<string, Readonly<Record<string, Strip>>>>;

/** A status without what changes with every round: `round.at` and the latencies come with `strips`. */
export type LiveStatus = StatusReport;

/** Everything but the hosts, whole where something of it changed. */
type Rest = Omit<LiveStatus, "hosts" | "at">;

export type LiveEvents = {
  /** First, and again whenever the server thinks it cheaper or safer than a delta (a reload). */
  readonly snapshot: { readonly version: string; readonly status: LiveStatus; readonly strips: Strips; readonly stripsEnd: string; readonly lines: readonly EventLine[] };
  /** Hosts that changed, whole. A host that went or came makes a snapshot. */
  readonly delta: { readonly at: string; readonly hosts: readonly HostReport[]; readonly rest: Partial<Rest> };
  /** The newest cell of the strips of the hosts that had a round in it; `end` is the end of that cell. */
  readonly cells: { readonly end: string; readonly cells: Readonly<Record<string, Readonly<Record<string, { readonly cell: string; readonly latencyMs: number | null }>>>> };
  /** Lines of the journal as they are told. */
  readonly lines: readonly EventLine[];
  readonly tick: { readonly at: string };
};

export type LiveEvent = { readonly [Name in keyof LiveEvents]: { readonly event: Name; readonly data: LiveEvents[Name] } }[keyof LiveEvents];
