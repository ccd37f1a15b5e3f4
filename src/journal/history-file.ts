// The history's file: events, incidents, rounds, the core's inputs, and what is remembered of the ledger. It lives in a
// worker thread (history-worker.ts) and may be lost as a whole; after a power cut it is consistent and lacks its end.
//
// Every table has a bound. Rounds and inputs are packed, several to a row: rounds by host, for the page; inputs in the order
// in which they came, for replay. Inputs stand as loose text first, so that a kill loses a quarter of a second of them.

import { existsSync } from "node:fs";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { IncidentRecord } from "../core/records.ts";
import type { Told } from "../core/io.ts";
import { setAside, touchPrivate } from "./data-folder.ts";
import { hasStart, roundInLine } from "./lines.ts";
import type { RoundRow } from "./round-chunk.ts";
import { RoundChunk, unpackRounds } from "./round-chunk.ts";
import type { DatabaseSync, OpenOptions, Row } from "./sqlite.ts";
import { openDatabase, rows, transaction, Unreadable } from "./sqlite.ts";
import type { Memory } from "./went-back.ts";

export type HistoryEvent = Told & {
  /** Wall clock, Unix milliseconds. */
  readonly atMs: number;
};

export type ToldAt = Told & { readonly wallMs: number; readonly bootMs: number };

export type HistoryBatch = {
  readonly told: readonly ToldAt[];
  readonly incidents: readonly IncidentRecord[];
  /** Lines (lines.ts), each ended by a line feed. */
  readonly lines: string;
  readonly memory: Memory | null;
};

export type EventQuery = {
  /** Only lines with a greater sequence number. */
  readonly afterSeq?: number;
  /** Not before this wall time, Unix milliseconds. */
  readonly sinceMs?: number;
  readonly host?: string;
  readonly incident?: string;
  readonly limit: number;
};
export type IncidentQuery = { readonly host?: string; readonly sinceMs?: number; readonly limit: number };

export type HistoryLimits = { readonly roundsBytes: number; readonly roundsAgeMs: number; readonly inputsBytes: number; readonly events: number; readonly incidents: number };

export const HISTORY_LIMITS: HistoryLimits = { roundsBytes: 200e6, roundsAgeMs: 90 * 86_400_000, inputsBytes: 64e6, events: 1_000_000, incidents: 100_000 };

const FORMAT = 1;
const APPLICATION = 0x75706b68; // "upkh"
const OPTIONS: OpenOptions = { application: APPLICATION, owner: "a history", synchronous: "NORMAL", cacheKiB: 1_024, checkpointPages: 1_000 };
const ROUNDS_IN_CHUNK = 30;
const CHUNK_MAX_AGE_MS = 300_000;
const LOOSE_MAX_BYTES = 128 << 10;
const ROWS_MAX = 10_000;
const INFLATED_MAX_BYTES = 64 << 20;
/** Rows deleted in one go, so that no batch waits long for the broom. */
const SWEEP_ROWS = 200;

const SCHEMA = `
  PRAGMA application_id = ${APPLICATION}; PRAGMA user_version = ${FORMAT};
  CREATE TABLE event (seq INTEGER PRIMARY KEY, wall_ms REAL NOT NULL, boot_ms REAL NOT NULL, kind TEXT NOT NULL, host TEXT, incident TEXT, because TEXT NOT NULL, cause INTEGER) STRICT;
  CREATE INDEX event_wall ON event (wall_ms);
  CREATE INDEX event_host ON event (host, seq) WHERE host IS NOT NULL;
  CREATE INDEX event_incident ON event (incident, seq) WHERE incident IS NOT NULL;
  CREATE TABLE incident (incident TEXT PRIMARY KEY, host TEXT NOT NULL, began_ms REAL NOT NULL, ended_ms REAL, record TEXT NOT NULL) STRICT;
  CREATE INDEX incident_began ON incident (began_ms);
  CREATE TABLE rounds (id INTEGER PRIMARY KEY, host TEXT NOT NULL, from_ms REAL NOT NULL, to_ms REAL NOT NULL, bytes INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
  CREATE INDEX rounds_host ON rounds (host, to_ms, bytes);
  CREATE TABLE inputs (id INTEGER PRIMARY KEY AUTOINCREMENT, loose INTEGER NOT NULL, starts INTEGER NOT NULL, bytes INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
  CREATE INDEX inputs_starts ON inputs (id) WHERE starts = 1;
  CREATE TABLE memory (id INTEGER PRIMARY KEY CHECK (id = 1), watcher TEXT NOT NULL, ledger TEXT NOT NULL, revision INTEGER NOT NULL) STRICT;`;

export type OpenedHistory = { readonly file: HistoryFile; readonly problem: string | null };

/** Opens the history, or makes one; what cannot be read is set aside. Throws when the disk refuses. */
export function openHistoryFile(path: string, wallMs: number, limits: HistoryLimits = HISTORY_LIMITS): OpenedHistory {
  const { found, problem } = openOrRenew(path, wallMs, (database) => new HistoryFile(database, path, limits));
  return { file: found, problem };
}

/** What the history remembers of the ledger, without keeping it open; for the start, before there is a worker. */
export function recall(path: string, wallMs: number): { readonly memory: Memory | null; readonly problem: string | null } {
  if (!existsSync(path)) return { memory: null, problem: null };
  const { database, found, problem } = openOrRenew(path, wallMs, memoryIn);
  database.close();
  return { memory: found, problem };
}

function openOrRenew<Found>(path: string, wallMs: number, look: (database: DatabaseSync) => Found): { readonly database: DatabaseSync; readonly found: Found; readonly problem: string | null } {
  let aside = "";
  const open = () => {
    touchPrivate(path);
    const checked = (database: DatabaseSync): Found => {
      check(database);
      return look(database);
    };
    return openDatabase(path, OPTIONS, checked, () => { aside = setAside(path, wallMs); });
  };
  const first = open();
  if (first.kind === "open") return { database: first.database, found: first.result, problem: null };
  const second = open();
  if (second.kind === "corrupt") throw new Unreadable(second.evidence);
  return { database: second.database, found: second.result, problem: `the history is corrupt (${first.evidence}); it was set aside as ${aside}` };
}

function check(database: DatabaseSync): void {
  const [format] = rows(database, "PRAGMA user_version");
  if (rows(database, "SELECT 1 FROM sqlite_schema LIMIT 1").length === 0) return transaction(database, () => database.exec(SCHEMA));
  if (format?.["user_version"] !== FORMAT) throw new Unreadable(`its format is ${String(format?.["user_version"])}, this program knows ${FORMAT}`);
}

export class HistoryFile {
  readonly path: string;
  readonly #database: DatabaseSync;
  readonly #limits: HistoryLimits;
  readonly #chunks = new Map<string, RoundChunk>();
  #loose: string[] = [];
  #looseBytes = 0;
  #bytes: { rounds: number; inputs: number };
  #wallMs = 0;

  constructor(database: DatabaseSync, path: string, limits: HistoryLimits) {
    this.#database = database;
    this.path = path;
    this.#limits = limits;
    const total = (table: "rounds" | "inputs") => Number(rows(database, `SELECT total(bytes) AS bytes FROM ${table}`)[0]?.["bytes"]);
    this.#bytes = { rounds: total("rounds"), inputs: total("inputs") };
    this.#loose = rows(database, "SELECT body FROM inputs WHERE loose = 1 ORDER BY id").map(textOf);
    this.#looseBytes = this.#loose.reduce((sum, text) => sum + text.length, 0);
  }

  /** All of it or nothing; throws what SQLite throws. */
  write(batch: HistoryBatch, packAll = false): void {
    const due = [...this.#chunks].filter(([, chunk]) => packAll || chunk.size >= ROUNDS_IN_CHUNK || this.#wallMs - chunk.fromMs > CHUNK_MAX_AGE_MS);
    const looseBytes = this.#looseBytes + batch.lines.length;
    const pack = looseBytes >= LOOSE_MAX_BYTES || (packAll && looseBytes > 0);
    const bytes = transaction(this.#database, () => {
      this.#insertTold(batch.told);
      this.#insertIncidents(batch.incidents);
      if (batch.memory !== null) this.remember(batch.memory);
      const roundsBytes = due.reduce((sum, [host, chunk]) => sum + this.#insertChunk(host, chunk), this.#bytes.rounds);
      return { rounds: roundsBytes, inputs: this.#bytes.inputs + this.#insertLines(batch.lines, pack) };
    });
    this.#bytes = bytes;
    for (const [host] of due) this.#chunks.delete(host);
    this.#loose = pack ? [] : batch.lines === "" ? this.#loose : [...this.#loose, batch.lines];
    this.#looseBytes = pack ? 0 : looseBytes;
    this.#collect(batch.lines);
  }

  /** Brings every table back within its bound; for after a `write`. */
  sweep(): void {
    const { roundsBytes, roundsAgeMs, inputsBytes, events, incidents } = this.#limits;
    this.#database.prepare("DELETE FROM event WHERE seq IN (SELECT seq FROM event WHERE seq <= (SELECT max(seq) FROM event) - ? ORDER BY seq LIMIT ?)").run(events, SWEEP_ROWS);
    this.#database.prepare("DELETE FROM incident WHERE incident IN (SELECT incident FROM incident ORDER BY began_ms DESC LIMIT ? OFFSET ?)").run(SWEEP_ROWS, incidents);
    while (this.#bytes.inputs > inputsBytes && this.#drop("inputs", "loose = 0")) continue;
    while (this.#bytes.rounds > roundsBytes && this.#drop("rounds", "1")) continue;
    if (this.#wallMs > 0) this.#drop("rounds", `to_ms < ${this.#wallMs - roundsAgeMs}`);
  }

  remember({ watcher, ledger, revision }: Memory): void {
    this.#database.prepare("INSERT OR REPLACE INTO memory (id, watcher, ledger, revision) VALUES (1, ?, ?, ?)").run(watcher, ledger, revision);
  }

  memory(): Memory | null {
    return memoryIn(this.#database);
  }

  lastSeq(): number {
    return Number(rows(this.#database, "SELECT coalesce(max(seq), 0) AS seq FROM event")[0]?.["seq"]);
  }

  /** The newest `limit` lines that match, in the order in which they were told. */
  events(query: EventQuery): HistoryEvent[] {
    const { sql, values } = where([["seq > ?", query.afterSeq], ["wall_ms >= ?", query.sinceMs], ["host = ?", query.host], ["incident = ?", query.incident]]);
    return rows(this.#database, `SELECT seq, wall_ms, kind, host, incident, because, cause FROM event ${sql} ORDER BY seq DESC LIMIT ?`, ...values, bounded(query.limit)).map(eventOf).reverse();
  }

  /** The newest `limit` that match, the newest last; with `sinceMs` those that were open at or after it. */
  incidents(query: IncidentQuery): IncidentRecord[] {
    const { sql, values } = where([["host = ?", query.host], ["(ended_ms IS NULL OR ended_ms >= ?)", query.sinceMs]]);
    return rows(this.#database, `SELECT record FROM incident ${sql} ORDER BY began_ms DESC, rowid DESC LIMIT ?`, ...values, bounded(query.limit)).map(incidentOf).reverse();
  }

  incident(name: string): IncidentRecord | undefined {
    return rows(this.#database, "SELECT record FROM incident WHERE incident = ?", name).map(incidentOf)[0];
  }

  /** Rounds of a host that began at or after `sinceMs` (wall clock), the newest 10,000, in order. */
  rounds(host: string, sinceMs: number): RoundRow[] {
    const packed = rows(this.#database, "SELECT body FROM rounds WHERE host = ? AND to_ms >= ? ORDER BY to_ms DESC LIMIT ?", host, sinceMs, Math.ceil(ROWS_MAX / ROUNDS_IN_CHUNK)).flatMap((row) => unpackRounds(row["body"] as Uint8Array));
    const all = [...packed, ...(this.#chunks.get(host)?.rows() ?? [])].filter((row) => row.startedAtMs >= sinceMs);
    return all.sort((one, other) => one.startedAtMs - other.startedAtMs).slice(-ROWS_MAX);
  }

  /** All recorded lines from shortly before the last start of a watcher; none where that is no longer on record. */
  *linesFromLastStart(): Generator<string> {
    const [found] = rows(this.#database, "SELECT max(id) AS id FROM inputs WHERE starts = 1");
    if (found === undefined || found["id"] === null) return;
    // The policy of that start may be the end of the block before.
    const [before] = rows(this.#database, "SELECT max(id) AS id FROM inputs WHERE id < ?", Number(found["id"]));
    const from = Number(before?.["id"] ?? found["id"]);
    for (const row of this.#database.prepare("SELECT loose, body FROM inputs WHERE id >= ? ORDER BY id").iterate(from)) {
      const text = row["loose"] === 1 ? textOf(row) : inflateRawSync(row["body"] as Uint8Array, { maxOutputLength: INFLATED_MAX_BYTES }).toString();
      for (const line of text.split("\n")) if (line !== "") yield line;
    }
  }

  event(seq: number): HistoryEvent | undefined {
    return rows(this.#database, "SELECT seq, wall_ms, kind, host, incident, because, cause FROM event WHERE seq = ?", seq).map(eventOf)[0];
  }

  /** Everything written so far is on stable storage when this returns. */
  sync(): void {
    this.#database.exec("PRAGMA wal_checkpoint(FULL)");
  }

  /** Renames the file while it is open and closes it: its log stays as it is. Returns the new name. */
  setAside(wallMs: number): string {
    try {
      return setAside(this.path, wallMs);
    } finally {
      this.close();
    }
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #insertTold(told: readonly ToldAt[]): void {
    const insert = this.#database.prepare("INSERT OR REPLACE INTO event (seq, wall_ms, boot_ms, kind, host, incident, because, cause) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    for (const { seq, wallMs, bootMs, kind, host, incident, because, cause } of told) insert.run(seq, wallMs, bootMs, kind, host, incident, because, cause);
  }

  #insertIncidents(records: readonly IncidentRecord[]): void {
    const insert = this.#database.prepare("INSERT INTO incident (incident, host, began_ms, ended_ms, record) VALUES (?, ?, ?, ?, ?) ON CONFLICT (incident) DO UPDATE SET host = excluded.host, began_ms = excluded.began_ms, ended_ms = excluded.ended_ms, record = excluded.record");
    for (const record of records) insert.run(record.incident, record.host, record.began.wallMs, record.endedAt?.wallMs ?? null, JSON.stringify(record));
  }

  #insertChunk(host: string, chunk: RoundChunk): number {
    const body = chunk.pack();
    this.#database.prepare("INSERT INTO rounds (host, from_ms, to_ms, bytes, body) VALUES (?, ?, ?, ?, ?)").run(host, chunk.fromMs, chunk.toMs, body.length, body);
    return body.length;
  }

  #insertLines(lines: string, pack: boolean): number {
    const insert = this.#database.prepare("INSERT INTO inputs (loose, starts, bytes, body) VALUES (?, ?, ?, ?)");
    if (!pack) {
      if (lines === "") return 0;
      const body = Buffer.from(lines);
      insert.run(1, hasStart(lines), body.length, body);
      return body.length;
    }
    const freed = Number(rows(this.#database, "SELECT total(bytes) AS bytes FROM inputs WHERE loose = 1")[0]?.["bytes"]);
    this.#database.exec("DELETE FROM inputs WHERE loose = 1");
    const text = this.#loose.join("") + lines;
    const body = deflateRawSync(text, { level: 3 });
    insert.run(0, hasStart(text), body.length, body);
    return body.length - freed;
  }

  #collect(lines: string): void {
    for (const line of lines.split("\n")) {
      const found = roundInLine(line);
      if (found === null) continue;
      const { host } = found.round;
      const chunk = this.#chunks.get(host) ?? new RoundChunk();
      chunk.add(found.round, found.startedWallMs);
      this.#chunks.set(host, chunk);
      // A clock that is not synchronised may say any year: nothing is swept by it.
      if (found.nowWallMs !== null) this.#wallMs = found.nowWallMs;
    }
  }

  #drop(table: "rounds" | "inputs", which: string): boolean {
    const [gone] = rows(this.#database, `SELECT count(*) AS n, max(id) AS last, total(bytes) AS bytes FROM (SELECT id, bytes FROM ${table} WHERE ${which} ORDER BY id LIMIT ${SWEEP_ROWS})`);
    if (gone === undefined || Number(gone["n"]) === 0) return false;
    this.#database.exec(`DELETE FROM ${table} WHERE id <= ${Number(gone["last"])} AND ${which}`);
    this.#bytes = { ...this.#bytes, [table]: this.#bytes[table] - Number(gone["bytes"]) };
    return true;
  }
}

function memoryIn(database: DatabaseSync): Memory | null {
  const [row] = rows(database, "SELECT watcher, ledger, revision FROM memory WHERE id = 1");
  return row === undefined ? null : { watcher: String(row["watcher"]), ledger: String(row["ledger"]), revision: Number(row["revision"]) };
}

type Condition = readonly [sql: string, value: string | number | undefined];

function where(conditions: readonly Condition[]): { readonly sql: string; readonly values: (string | number)[] } {
  const given = conditions.filter((each): each is readonly [string, string | number] => each[1] !== undefined);
  return { sql: given.length === 0 ? "" : `WHERE ${given.map(([sql]) => sql).join(" AND ")}`, values: given.map(([, value]) => value) };
}

function bounded(limit: number): number {
  return Math.min(Math.max(1, Math.floor(limit)), ROWS_MAX);
}

function textOf(row: Row): string {
  return Buffer.from(row["body"] as Uint8Array).toString();
}

function incidentOf(row: Row): IncidentRecord {
  return JSON.parse(String(row["record"])) as IncidentRecord;
}

function eventOf(row: Row): HistoryEvent {
  return {
    seq: Number(row["seq"]),
    atMs: Number(row["wall_ms"]),
    kind: row["kind"] as Told["kind"],
    host: row["host"] as string | null,
    incident: row["incident"] as string | null,
    because: String(row["because"]),
    cause: row["cause"] as number | null,
  };
}
