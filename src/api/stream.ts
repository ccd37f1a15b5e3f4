// `/v1/stream` (live.ts): everybody who looks gets the same bytes. Once a second, and only while somebody reads, every host is
// reported and compared with what the readers have (difference.ts); what has changed is written once and given to all. A line
// of the journal does not wait for the second: it is told 20 ms later together with what it changed, unless others were
// told just before.
//
// A reader who does not keep up is not given more: what it misses is replaced by one snapshot when it has read what it has.
// One that reads nothing at all is cut off. So what a reader can cost is bounded by one snapshot and a few deltas, most of
// them shared with the others.

import type { Policy } from "../core/policy.ts";
import type { HostReport } from "../core/report.ts";
import { guardedOf, hostReport, iso, siteReport } from "../core/report.ts";
import type { State } from "../core/state.ts";
import type { Now } from "../core/time.ts";
import type { EventLine } from "./contract.ts";
import { difference } from "./difference.ts";
import type { Feed } from "./feed.ts";
import type { LiveEvents, LiveStatus } from "./live.ts";
import { STREAM_LINES, TICK_MS } from "./live.ts";
import type { RoundStrips } from "./strips.ts";
import { cellAt, endOf } from "./strips.ts";

export type LiveSources = {
  readonly watcher: { readonly state: State; readonly policy: Policy };
  readonly strips: RoundStrips;
  readonly version: string;
  now(): Now;
};

/** Where a stream goes. */
export type Sink = {
  write(bytes: Buffer): void;
  /** Bytes that were written and have not left yet. */
  backlog(): number;
  /** Ends it at once. */
  cut(): void;
};

/** How many may read at once. */
export const STREAMS_MAX = 128;

const BEAT_MS = 1_000;
/** So long a line waits for others, and for what it changes. */
const TOGETHER_MS = 20;
/** A host of which only numbers have changed is sent again no sooner, and so many of them in a beat at most. */
const DRIFT_MS = 30_000;
const DRIFTED_AT_ONCE = 32;
/** More than this on its way beside the last snapshot, and a reader gets no more before it has read all of it. */
const BACKLOG_BYTES_MAX = 262_144;
/** Without having read anything for so long, a reader is cut off. */
const STUCK_MS = 30_000;
/** Hosts whose state has not changed are looked at in so many turns: time alone changes little, and never urgently. */
const TURNS = 5;

type Reader = { readonly sink: Sink; missed: boolean; snapshotBytes: number; backlog: number; readMs: number };
type Sent = { report: HostReport; atMs: number; state: unknown };
type Rest = LiveEvents["delta"]["rest"];

export class Live {
  readonly #sources: LiveSources;
  readonly #feed: Feed;
  readonly #readers = new Set<Reader>();
  readonly #sent = new Map<string, Sent>();
  #rest: Required<Rest> | null = null;
  /** When each part of the rest was sent last: what drifts is not put off by what moves beside it. */
  readonly #restMs = new Map<string, number>();
  #around: readonly unknown[] = [];
  #cell = 0;
  #turn = 0;
  #beatMs = 0;
  /** When lines were told last. */
  #linesMs = 0;
  #tickMs = 0;
  #lines: EventLine[] = [];
  #snapshot: Buffer | null = null;
  #timer: NodeJS.Timeout | undefined;
  #unfollow: (() => void) | null = null;

  constructor(sources: LiveSources, feed: Feed) {
    this.#sources = sources;
    this.#feed = feed;
  }

  get readers(): number {
    return this.#readers.size;
  }

  get full(): boolean {
    return this.#readers.size >= STREAMS_MAX;
  }

  /** Begins a stream; the result ends it. */
  open(sink: Sink): () => void {
    const { bootMs } = this.#sources.now();
    if (this.#readers.size === 0) this.#begin(bootMs);
    const reader: Reader = { sink, missed: false, snapshotBytes: 0, backlog: 0, readMs: bootMs };
    this.#readers.add(reader);
    this.#give(reader);
    return () => {
      this.#readers.delete(reader);
      if (this.#readers.size === 0) this.#end();
    };
  }

  close(): void {
    for (const { sink } of this.#readers) sink.cut();
    this.#readers.clear();
    this.#end();
  }

  // ---- while somebody reads ---------------------------------------------------------------------------------------------

  #begin(bootMs: number): void {
    this.#renew();
    [this.#beatMs, this.#tickMs, this.#lines] = [bootMs, bootMs, []];
    this.#unfollow = this.#feed.follow({}, (line) => {
      this.#lines.push(line);
      if (this.#lines.length === 1) this.#scheduleLines();
    });
    this.#schedule(BEAT_MS);
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#unfollow?.();
    this.#unfollow = null;
    this.#sent.clear();
    [this.#rest, this.#snapshot, this.#around, this.#lines] = [null, null, [], []];
  }

  #schedule(afterMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#beat(), afterMs).unref();
  }

  /** A line comes at once, unless others came within the last second: then with the next beat. */
  #scheduleLines(): void {
    const { bootMs } = this.#sources.now();
    const next = this.#beatMs + BEAT_MS;
    const wanted = Math.max(bootMs + TOGETHER_MS, this.#linesMs + BEAT_MS);
    if (wanted < next) this.#schedule(wanted - bootMs);
  }

  #beat(): void {
    const now = this.#sources.now();
    this.#beatMs = now.bootMs;
    if (this.#lines.length > 0) this.#linesMs = now.bootMs;
    this.#schedule(BEAT_MS);
    // A watcher that is opening its store anew knows nothing: readers hear nothing, and say that what they have is stale.
    if (this.#sources.watcher.state.started) this.#tell(this.#changes(now));
    this.#cutStuck(now.bootMs);
  }

  /** What goes out in this beat; null: a snapshot. */
  #changes(now: Now): string | null {
    const { state, policy } = this.#sources.watcher;
    const lines = this.#lines;
    this.#lines = [];
    if (this.#around[0] !== policy || this.#sent.size !== policy.hosts.size) {
      this.#renew();
      return null;
    }
    const hosts = this.#changedHosts(state, policy, now);
    const rest = this.#changedRest(state, policy, now);
    let text = "";
    if (hosts.length > 0 || Object.keys(rest).length > 0) text += event("delta", { at: iso(now.wallMs), hosts, rest });
    const cell = cellAt(now) - 1;
    for (let each = Math.max(this.#cell + 1, cell - 2); each <= cell; each += 1) text += event("cells", { end: iso(endOf(each, now)), cells: this.#sources.strips.cells(each) });
    this.#cell = cell;
    if (lines.length > 0) text += event("lines", lines);
    if (now.bootMs - this.#tickMs >= TICK_MS - BEAT_MS / 2) {
      text += event("tick", { at: iso(now.wallMs) });
      this.#tickMs = now.bootMs;
    }
    return text;
  }

  #changedHosts(state: State, policy: Policy, now: Now): readonly HostReport[] {
    const changed: HostReport[] = [];
    const around = surroundings(state, policy);
    const everything = around.some((each, index) => each !== this.#around[index]);
    this.#around = around;
    this.#turn = (this.#turn + 1) % TURNS;
    let index = 0;
    let drifted = 0;
    for (const each of policy.hosts.values()) {
      const host = state.hosts.get(each.name);
      const sent = this.#sent.get(each.name);
      index += 1;
      if (host === undefined || sent === undefined) continue;
      if (!everything && sent.state === host && index % TURNS !== this.#turn) continue;
      sent.state = host;
      const report = hostReport(host, each, state, policy, now);
      const found = difference(sent.report, report);
      const drifts = found === "drifted" && now.bootMs - sent.atMs >= DRIFT_MS && drifted < DRIFTED_AT_ONCE;
      if (found !== "moved" && !drifts) continue;
      if (drifts) drifted += 1;
      sent.report = report;
      sent.atMs = now.bootMs;
      changed.push(report);
    }
    return changed;
  }

  #changedRest(state: State, policy: Policy, now: Now): Rest {
    const before = this.#rest;
    const rest = this.#restOf(state, policy, now);
    const changed = (Object.keys(rest) as (keyof Rest)[]).filter((key) => {
      const found = difference(before?.[key], rest[key], key);
      return found === "moved" || (found === "drifted" && now.bootMs - (this.#restMs.get(key) ?? 0) >= DRIFT_MS);
    });
    if (changed.length === 0) return {};
    for (const key of changed) this.#restMs.set(key, now.bootMs);
    const sent = Object.fromEntries(changed.map((key) => [key, rest[key]])) as Rest;
    this.#rest = { ...rest, ...before, ...sent };
    return sent;
  }

  #restOf(state: State, policy: Policy, now: Now): Required<Rest> {
    let guarded = 0;
    for (const { report } of this.#sent.values()) if (report.guarded) guarded += 1;
    return { ...siteReport(state, policy, now), guarded: guardedOf(guarded, policy) };
  }

  /** Everything as it is now. */
  #renew(): void {
    const now = this.#sources.now();
    const { state, policy } = this.#sources.watcher;
    this.#sent.clear();
    for (const each of policy.hosts.values()) {
      const host = state.hosts.get(each.name);
      if (host !== undefined) this.#sent.set(each.name, { report: hostReport(host, each, state, policy, now), atMs: now.bootMs, state: host });
    }
    this.#rest = this.#restOf(state, policy, now);
    for (const key of Object.keys(this.#rest)) this.#restMs.set(key, now.bootMs);
    this.#around = surroundings(state, policy);
    this.#cell = cellAt(now) - 1;
    this.#snapshot = null;
  }

  /** The snapshot of what the others have; made once a beat at most. */
  #whole(): Buffer {
    if (this.#snapshot !== null) return this.#snapshot;
    const now = this.#sources.now();
    const status: LiveStatus = { ...(this.#rest as Required<Rest>), at: iso(now.wallMs), hosts: [...this.#sent.values()].map(({ report }) => report) };
    // Those that are still to be told come by themselves.
    const recent = this.#feed.recent({ limit: STREAM_LINES + this.#lines.length });
    const lines = recent.slice(0, recent.length - this.#lines.length).slice(-STREAM_LINES);
    const { version, strips } = this.#sources;
    this.#snapshot = Buffer.from(event("snapshot", { version, status, strips: strips.all(this.#cell), stripsEnd: iso(endOf(this.#cell, now)), lines }));
    return this.#snapshot;
  }

  // ---- readers ----------------------------------------------------------------------------------------------------------

  #tell(text: string | null): void {
    if (text !== "") this.#snapshot = null;
    const bytes = text === null || text === "" ? null : Buffer.from(text);
    for (const reader of this.#readers) {
      const backlog = reader.sink.backlog();
      if (backlog > BACKLOG_BYTES_MAX + reader.snapshotBytes) {
        reader.missed ||= text !== "";
      } else if (text === null || (reader.missed && backlog === 0)) {
        this.#give(reader);
      } else if (bytes !== null && !reader.missed) {
        reader.sink.write(bytes);
      }
    }
  }

  #give(reader: Reader): void {
    const whole = this.#whole();
    reader.missed = false;
    reader.snapshotBytes = whole.length;
    reader.sink.write(whole);
  }

  #cutStuck(nowMs: number): void {
    for (const reader of this.#readers) {
      const backlog = reader.sink.backlog();
      if (backlog === 0 || backlog < reader.backlog) reader.readMs = nowMs;
      reader.backlog = backlog;
      if (nowMs - reader.readMs > STUCK_MS) reader.sink.cut();
    }
  }
}

/** What a report of a host looks at beside the host itself, as far as it changes seldom. */
function surroundings({ brakes, storms, operations, storeFailure, stopping }: State, policy: Policy): readonly unknown[] {
  return [policy, brakes, storms, operations, storeFailure, stopping];
}

/** One event on the wire. JSON has no line ends of its own. */
function event<Name extends keyof LiveEvents>(name: Name, data: LiveEvents[Name]): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
