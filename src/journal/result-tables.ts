// Probe results and their roll-ups on disk: a row for each host and quarter of an hour, one for its minutes, and one for the
// hours of its day. A row's number is its time and then its host, so that a table needs no index beside it, is written at its
// end alone, and loses what is old from its beginning: on a card of a Raspberry Pi that is most of the cost.
//
// What is open lies in memory (quarter.ts) and is written when its quarter is over, results and roll-ups in one transaction.
// Each roll-up is a function of the results on disk, so that whatever is written again after a crash is the same. A quarter
// that was written and goes on (a restart, a clock turned back) is merged with what is there.

import type { Due, OpenQuarters } from "./open-quarters.ts";
import { QUARTER_MS, Quarter } from "./quarter.ts";
import type { Names } from "./quarter.ts";
import type { Rollup, Rollups } from "./rollup.ts";
import { packRollups, rollupOf, unpackRollups } from "./rollup.ts";
import type { DatabaseSync, StatementSync } from "./sqlite.ts";
import { rows } from "./sqlite.ts";

export const RESULTS_SCHEMA = `
  CREATE TABLE host (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE name (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE result (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
  CREATE TABLE minute (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
  CREATE TABLE hour (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;`;

export type Table = "result" | "minute" | "hour";

/** Of what length the time is that a row of each table covers. */
export const ROW_MS: Readonly<Record<Table, number>> = { result: QUARTER_MS, minute: QUARTER_MS, hour: 86_400_000 };
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const QUARTERS_IN_HOUR = HOUR_MS / QUARTER_MS;
/** A row's number is its time, in rows since 1970, times this, and its host. */
const HOSTS_MAX = 2 ** 20;
const BUCKETS_MAX = 2 ** 32;
/** Names of probes, labels and units; what comes beyond it (a plugin that invents labels) shares one name. */
const NAMES_MAX = 50_000;
const NAMELESS = "?";
export class ResultTables {
  readonly #database: DatabaseSync;
  readonly #open: OpenQuarters;
  readonly #select: Readonly<Record<Table, StatementSync>>;
  #hosts = new Map<string, number>();
  #names = new Map<string, number>();
  #words: string[] = [];
  readonly #dictionary: Names = { idOf: (name) => this.#nameId(name), nameOf: (id) => this.#words[id] ?? NAMELESS };

  constructor(database: DatabaseSync, open: OpenQuarters) {
    this.#database = database;
    this.#open = open;
    const select = (table: Table): StatementSync => database.prepare(`SELECT body FROM ${table} WHERE id = ?`);
    this.#select = { result: select("result"), minute: select("minute"), hour: select("hour") };
    this.forgetNames();
  }

  /** Writes these quarters; inside a transaction. */
  write(due: readonly Due[]): void {
    if (due.length === 0) return;
    const insert = {
      result: this.#database.prepare("INSERT OR REPLACE INTO result (id, body) VALUES (?, ?)"),
      minute: this.#database.prepare("INSERT OR REPLACE INTO minute (id, body) VALUES (?, ?)"),
      hour: this.#database.prepare("INSERT OR REPLACE INTO hour (id, body) VALUES (?, ?)"),
    };
    const keyed = due.map((each) => ({ ...each, id: this.#hostId(each.host) })).sort((one, other) => one.bucket - other.bucket || one.id - other.id);
    const days = new Map<number, Map<string, (Rollup | undefined)[]>>();
    // Of several quarters of one hour the last computes it.
    const last = new Map(keyed.map(({ bucket, id }) => [keyOf(Math.floor(bucket / QUARTERS_IN_HOUR), id), bucket]));
    for (const { bucket, id, quarter: open } of keyed) {
      const stored = this.#stored(id, bucket);
      const quarter = stored === null ? open.inOrder() : Quarter.merged(stored, open);
      insert.result.run(keyOf(bucket, id), quarter.pack(this.#dictionary));
      insert.minute.run(keyOf(bucket, id), packRollups(minutesOf(quarter, bucket), this.#dictionary));
      const hourMs = Math.floor(bucket / QUARTERS_IN_HOUR) * HOUR_MS;
      const day = Math.floor(hourMs / ROW_MS.hour);
      const hours = days.get(keyOf(day, id)) ?? mutable(this.#rollups("hour", day, id));
      days.set(keyOf(day, id), hours);
      if (last.get(keyOf(Math.floor(bucket / QUARTERS_IN_HOUR), id)) === bucket) this.#setHour(hours, hourMs, id, new Map([[bucket, quarter]]));
    }
    for (const [key, hours] of days) insert.hour.run(key, packRollups(hours, this.#dictionary));
  }

  /** After a transaction that was rolled back: which names are on disk is looked up again. */
  forgetNames(): void {
    this.#hosts = new Map(rows(this.#database, "SELECT id, name FROM host").map((row) => [String(row["name"]), Number(row["id"])]));
    this.#names = new Map(rows(this.#database, "SELECT id, name FROM name").map((row) => [String(row["name"]), Number(row["id"])]));
    this.#words = [];
    for (const [name, id] of this.#names) this.#words[id] = name;
  }

  hosts(): string[] {
    return [...new Set([...this.#hosts.keys(), ...this.#open.hosts()])].sort();
  }

  /** The first and last moment of which a table may know something. */
  span(table: Table): { readonly fromMs: number; readonly toMs: number } {
    const [row] = rows(this.#database, `SELECT (SELECT id FROM ${table} ORDER BY id LIMIT 1) AS first, (SELECT id FROM ${table} ORDER BY id DESC LIMIT 1) AS last`);
    const bucketOf = (id: unknown): number => Math.floor(Number(id) / HOSTS_MAX);
    const open = this.#open.hosts().flatMap((host) => this.#open.buckets(host));
    const from = [...open.map((bucket) => bucket * QUARTER_MS), ...(row?.["first"] === null ? [] : [bucketOf(row?.["first"]) * ROW_MS[table]])];
    const to = [...open.map((bucket) => (bucket + 1) * QUARTER_MS), ...(row?.["last"] === null ? [] : [(bucketOf(row?.["last"]) + 1) * ROW_MS[table]])];
    return { fromMs: Math.min(Infinity, ...from), toMs: Math.max(-Infinity, ...to) };
  }

  /** The offset of the last round of a quarter that is on disk, −1 where there is none. */
  lastOf(host: string, bucket: number): number {
    const id = this.#hosts.get(host);
    const stored = id === undefined ? null : this.#stored(id, bucket);
    return stored === null ? -1 : stored.times.subarray(0, stored.count).reduce((last, offsetMs) => Math.max(last, offsetMs), -1);
  }

  /** The results of a host in a quarter; null where there are none. */
  quarter(host: string, bucket: number): Quarter | null {
    const id = this.#hosts.get(host);
    const stored = id === undefined ? null : this.#stored(id, bucket);
    const open = this.#open.of(host, bucket);
    return stored === null || open === null ? stored ?? open?.inOrder() ?? null : Quarter.merged(stored, open);
  }

  minutes(host: string, bucket: number): Rollups {
    const id = this.#hosts.get(host);
    if (this.#open.of(host, bucket) === null) return id === undefined ? new Map() : this.#rollups("minute", bucket, id);
    const quarter = this.quarter(host, bucket);
    return quarter === null ? new Map() : minutesOf(quarter, bucket);
  }

  /** The hours of a day (UTC). */
  hours(host: string, day: number): Rollups {
    const id = this.#hosts.get(host) ?? -1;
    const hours = mutable(this.#rollups("hour", day, id));
    for (const bucket of this.#open.buckets(host)) {
      const hourMs = Math.floor(bucket / QUARTERS_IN_HOUR) * HOUR_MS;
      if (Math.floor(hourMs / ROW_MS.hour) !== day) continue;
      const first = hourMs / QUARTER_MS;
      const known = new Map<number, Quarter>();
      for (let each = first; each < first + QUARTERS_IN_HOUR; each += 1) {
        const quarter = this.quarter(host, each);
        if (quarter !== null) known.set(each, quarter);
      }
      this.#setHour(hours, hourMs, id, known);
    }
    return hours;
  }

  /** Deletes rows from the beginning of a table, those that end before this moment, at most `limit`; says how many. */
  drop(table: Table, beforeMs: number, limit: number): number {
    const end = keyOf(Math.max(0, Math.min(BUCKETS_MAX, Math.floor(beforeMs / ROW_MS[table]))), 0);
    const [last] = rows(this.#database, `SELECT max(id) AS id, count(*) AS n FROM (SELECT id FROM ${table} WHERE id < ? ORDER BY id LIMIT ?)`, end, limit);
    if (last === undefined || last["id"] === null) return 0;
    this.#database.prepare(`DELETE FROM ${table} WHERE id <= ?`).run(Number(last["id"]));
    return Number(last["n"]);
  }

  #setHour(hours: Map<string, (Rollup | undefined)[]>, hourMs: number, id: number, known: ReadonlyMap<number, Quarter>): void {
    const first = hourMs / QUARTER_MS;
    const quarters: { readonly quarter: Quarter; readonly startMs: number }[] = [];
    for (let bucket = first; bucket < first + QUARTERS_IN_HOUR; bucket += 1) {
      const quarter = known.get(bucket) ?? this.#stored(id, bucket);
      if (quarter !== null) quarters.push({ quarter, startMs: bucket * QUARTER_MS });
    }
    const slot = (hourMs % ROW_MS.hour) / HOUR_MS;
    for (const probe of new Set([...hours.keys(), ...quarters.flatMap(({ quarter }) => [...quarter.series.keys()])])) {
      const parts = quarters.flatMap(({ quarter, startMs }) => {
        const series = quarter.series.get(probe);
        return series === undefined ? [] : [{ series, quarter, startMs }];
      });
      const slots = hours.get(probe) ?? Array.from({ length: ROW_MS.hour / HOUR_MS }, (): Rollup | undefined => undefined);
      // What was deleted for its age is not forgotten in its roll-up.
      slots[slot] = rollupOf(parts, hourMs, hourMs + HOUR_MS) ?? slots[slot];
      hours.set(probe, slots);
    }
  }

  /** A row that cannot be read is none: probe results may be lost. */
  #stored(id: number, bucket: number): Quarter | null {
    const body = this.#body("result", bucket, id);
    try {
      return body === null ? null : Quarter.unpack(body, this.#dictionary);
    } catch (error) {
      if (error instanceof RangeError) return null;
      throw error;
    }
  }

  #rollups(table: "minute" | "hour", bucket: number, id: number): Rollups {
    const body = this.#body(table, bucket, id);
    try {
      return body === null ? new Map() : unpackRollups(body, this.#dictionary);
    } catch (error) {
      if (error instanceof RangeError) return new Map();
      throw error;
    }
  }

  #body(table: Table, bucket: number, id: number): Uint8Array | null {
    const row = this.#select[table].get(keyOf(bucket, id));
    return row === undefined ? null : (row["body"] as Uint8Array);
  }

  #hostId(host: string): number {
    const known = this.#hosts.get(host);
    if (known !== undefined) return known;
    const id = this.#hosts.size + 1;
    if (id >= HOSTS_MAX) throw new Error("assertion failed: more hosts than a row's number has room for");
    this.#database.prepare("INSERT INTO host (id, name) VALUES (?, ?)").run(id, host);
    this.#hosts.set(host, id);
    return id;
  }

  #nameId(name: string): number {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    if (this.#names.size >= NAMES_MAX && name !== NAMELESS) return this.#nameId(NAMELESS);
    const id = this.#names.size + 1;
    this.#database.prepare("INSERT INTO name (id, name) VALUES (?, ?)").run(id, name);
    this.#names.set(name, id);
    this.#words[id] = name;
    return id;
  }
}

function keyOf(bucket: number, host: number): number {
  return bucket * HOSTS_MAX + host;
}

function minutesOf(quarter: Quarter, bucket: number): Rollups {
  const startMs = bucket * QUARTER_MS;
  return new Map([...quarter.series].map(([probe, series]) => [probe, Array.from({ length: QUARTER_MS / MINUTE_MS }, (_, minute) => rollupOf([{ series, quarter, startMs }], startMs + minute * MINUTE_MS, startMs + (minute + 1) * MINUTE_MS))]));
}

function mutable(rollups: Rollups): Map<string, (Rollup | undefined)[]> {
  return new Map([...rollups].map(([probe, slots]) => [probe, [...slots]]));
}
