// The journal's lines as readers get them: what the history has written, followed without a gap by what was told since.
// The last lines of this process are kept here, because the history writes in batches and a reader must not see a hole.

import type { Told } from "../core/io.ts";
import { iso } from "../core/report.ts";
import type { EventLine } from "./contract.ts";
import type { EventQuery, History, HistoryEvent } from "./history.ts";

/** More than the history holds back in one batch, and little memory. */
const RECENT_MAX = 2_000;

export type EventFilter = { readonly host?: string; readonly incident?: string; readonly kinds?: readonly string[] };

export class Feed {
  readonly #history: History;
  #recent: HistoryEvent[] = [];
  readonly #followers = new Set<(event: HistoryEvent) => void>();
  readonly #stop: () => void;

  constructor(listen: (listener: (told: Told) => void) => () => void, wallMs: () => number, history: History) {
    this.#history = history;
    this.#stop = listen((told) => {
      const event: HistoryEvent = { ...told, atMs: wallMs() };
      this.#recent.push(event);
      if (this.#recent.length > 2 * RECENT_MAX) this.#recent = this.#recent.slice(-RECENT_MAX);
      for (const follower of this.#followers) follower(event);
    });
  }

  /** The newest `limit` lines that match, oldest first. */
  async events(query: EventQuery & EventFilter): Promise<readonly EventLine[]> {
    const { incident, ...rest } = query;
    const written = incident === undefined ? await this.#history.events(rest) : await this.#history.eventsOf(incident);
    // Looked at after the history has answered: what was told meanwhile is in here.
    const recent = this.#recent;
    const firstSeq = recent[0]?.seq ?? Infinity;
    const merged = [...written.filter((event) => event.seq < firstSeq), ...recent].filter((event) => matches(event, query));
    return merged.slice(-query.limit).map(line);
  }

  /** The same, as far as this process remembers by itself. */
  recent(query: EventQuery & EventFilter): readonly EventLine[] {
    return this.#recent.filter((event) => matches(event, query)).slice(-query.limit).map(line);
  }

  /** A line and those that led to it, the oldest first; empty where there is none of that number. */
  async chain(seq: number, limit: number): Promise<readonly EventLine[]> {
    const known = new Map(this.#recent.map((event) => [event.seq, event]));
    const lines: HistoryEvent[] = [];
    for (let at: number | null = seq; at !== null && lines.length < limit;) {
      const event: HistoryEvent | undefined = known.get(at);
      if (event === undefined) {
        lines.unshift(...(await this.#history.chain(at, limit - lines.length)));
        break;
      }
      lines.unshift(event);
      at = event.cause;
    }
    return lines.map(line);
  }

  get followers(): number {
    return this.#followers.size;
  }

  /** Calls back for every matching line from now on; the result ends it. */
  follow(filter: EventFilter, onLine: (event: EventLine) => void): () => void {
    const follower = (event: HistoryEvent) => {
      if (matches(event, filter)) onLine(line(event));
    };
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  close(): void {
    this.#stop();
    this.#followers.clear();
  }
}

function matches(event: HistoryEvent, query: EventFilter & Partial<EventQuery>): boolean {
  if (query.host !== undefined && event.host !== query.host) return false;
  if (query.incident !== undefined && event.incident !== query.incident) return false;
  if (query.kinds !== undefined && !query.kinds.includes(event.kind)) return false;
  if (query.afterSeq !== undefined && event.seq <= query.afterSeq) return false;
  return query.sinceMs === undefined || event.atMs >= query.sinceMs;
}

function line(event: HistoryEvent): EventLine {
  return { seq: event.seq, at: iso(event.atMs), kind: event.kind, host: event.host, because: event.because, incident: event.incident, cause: event.cause };
}
