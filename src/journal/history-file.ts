// The history's file: events, incidents, probe results with their roll-ups (result-tables.ts), the core's inputs, and what is
// remembered of the ledger. It lives in a worker thread (history-worker.ts) and may be lost as a whole; after a power cut it
// is consistent and lacks its end.
//
// Inputs are kept as the frames in which they came, for replay. They stand loose first, so that a kill loses little of them,
// and are packed, many to a row, when there is enough. They are also what a crash is survived by: the probe results that
// were only in memory are read out of them again.

import { statSync } from "node:fs";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { IncidentRecord } from "../core/records.ts";
import type { Told } from "../core/io.ts";
import { setAside } from "./data-folder.ts";
import { FrameReader } from "./frames.ts";
import { memoryIn, openOrRenew } from "./history-schema.ts";
import { sweep } from "./history-sweep.ts";
import type { Part } from "./intake.ts";
import type { KernelRow } from "./kernel-table.ts";
import { KernelTable } from "./kernel-table.ts";
import { OpenQuarters } from "./open-quarters.ts";
import { QUARTER_MS } from "./quarter.ts";
import { ResultTables } from "./result-tables.ts";
import type { DatabaseSync, Row } from "./sqlite.ts";
import type { StandingLook } from "./standing-table.ts";
import { StandingTable } from "./standing-table.ts";
import { rows, transaction } from "./sqlite.ts";
import type { Memory } from "./went-back.ts";

export type HistoryEvent = Told & {
  /** Wall clock, Unix milliseconds. */
  readonly atMs: number;
};

export type ToldAt = Told & { readonly wallMs: number; readonly bootMs: number };

/** What is written in one transaction, beside the quarters that are over. */
export type HistoryRows = { readonly told: readonly ToldAt[]; readonly incidents: readonly IncidentRecord[]; readonly parts: readonly Part[]; readonly memory: Memory | null; readonly looks?: readonly StandingLook[]; readonly kernel?: readonly KernelRow[] };

export type EventQuery = {
  /** Only lines with a greater sequence number. */
  readonly afterSeq?: number;
  /** Not before this wall time, Unix milliseconds. */
  readonly sinceMs?: number;
  readonly host?: string;
  readonly incident?: string;
  readonly kinds?: readonly string[];
  readonly limit: number;
};
export type IncidentQuery = { readonly host?: string; readonly sinceMs?: number; /** That began before this. */ readonly untilMs?: number; readonly limit: number };

/** What is kept for how long, and of how much. `bytes`: of the file as a whole; the oldest results go first (history-sweep.ts). */
export type HistoryLimits = { readonly roundsMs: number; readonly minutesMs: number; readonly hoursMs: number; readonly bytes: number; readonly inputsBytes: number; readonly events: number; readonly incidents: number };

const DAY_MS = 86_400_000;
export const HISTORY_LIMITS: HistoryLimits = { roundsMs: 7 * DAY_MS, minutesMs: 30 * DAY_MS, hoursMs: 730 * DAY_MS, bytes: 1 << 30, inputsBytes: 64e6, events: 1_000_000, incidents: 100_000 };

const LOOSE_MAX_BYTES = 64 << 10;
const ROWS_MAX = 10_000;
/** Rows deleted in one go, so that no batch waits long for the broom. */
const SWEEP_ROWS = 200;
const INFLATED_MAX_BYTES = 64 << 20;
/** What a process that was killed may have had in memory only: a quarter of an hour, and what it waits before it writes that. */
const RECOVER_MS = 2 * QUARTER_MS + 5 * 60_000;

export type OpenedHistory = { readonly file: HistoryFile; readonly problem: string | null };

/** Opens the history, or makes one; what cannot be read is set aside. Throws when the disk refuses. `open`: results in memory. */
export function openHistoryFile(path: string, wallMs: number, limits: HistoryLimits = HISTORY_LIMITS, open = new OpenQuarters()): OpenedHistory {
  const { found, problem } = openOrRenew(path, wallMs, (database) => new HistoryFile(database, path, limits, open));
  return { file: found, problem };
}

export class HistoryFile {
  readonly path: string;
  readonly results: ResultTables;
  readonly standings: StandingTable;
  readonly kernel: KernelTable;
  readonly #database: DatabaseSync;
  readonly #open: OpenQuarters;
  readonly #identity: string | null;
  #limits: HistoryLimits;
  /** Loose parts, as they stand on disk, too. */
  #loose: Part[] = [];
  #inputsBytes: number;

  constructor(database: DatabaseSync, path: string, limits: HistoryLimits, open: OpenQuarters) {
    this.#database = database;
    this.path = path;
    this.#identity = identityOf(path);
    this.#limits = limits;
    this.#open = open;
    this.results = new ResultTables(database, open);
    this.standings = new StandingTable(database);
    this.kernel = new KernelTable(database);
    this.#inputsBytes = Number(rows(database, "SELECT total(bytes) AS bytes FROM inputs")[0]?.["bytes"]);
    this.#loose = rows(database, "SELECT body, begins, starts, at_ms FROM inputs WHERE loose = 1 ORDER BY id").map(partOf);
  }

  /** Whether the file is still the one that its name leads to: what is written into a file without a name is lost. */
  isThere(): boolean {
    const found = identityOf(this.path);
    return found !== null && found === this.#identity;
  }

  limit(limits: HistoryLimits): void {
    this.#limits = limits;
  }

  /** All of it or nothing; throws what SQLite throws. `writeAll`: also quarters that are not over. */
  write(batch: HistoryRows, writeAll = false): void {
    const due = this.#open.due(writeAll);
    try {
      const inputs = transaction(this.#database, () => {
        this.#insertTold(batch.told);
        this.#insertIncidents(batch.incidents);
        if (batch.memory !== null) this.remember(batch.memory);
        this.results.write(due);
        this.standings.write(batch.looks ?? [], writeAll);
        this.kernel.write(batch.kernel ?? []);
        return this.#insertParts(batch.parts, writeAll);
      });
      this.#loose = inputs.loose;
      this.#inputsBytes += inputs.grownBytes;
    } catch (error) {
      this.results.forgetNames();
      throw error;
    }
    this.#open.written(due);
  }

  /** Probe results that a process which was killed had in memory only, out of its inputs. For before anything else is taken. */
  recover(): void {
    const newest = Number(rows(this.#database, "SELECT max(at_ms) AS at FROM inputs")[0]?.["at"] ?? 0);
    const [first] = rows(this.#database, "SELECT min(id) AS id FROM inputs WHERE at_ms >= ?", newest - RECOVER_MS);
    const [begin] = rows(this.#database, "SELECT max(id) AS id FROM inputs WHERE begins = 1 AND id <= ?", Number(first?.["id"] ?? 0));
    if (begin === undefined || begin["id"] === null) return;
    const known = new Map<string, number>();
    const lastOf = (host: string, bucket: number): number => {
      const key = `${bucket} ${host}`;
      const last = known.get(key) ?? this.results.lastOf(host, bucket);
      known.set(key, last);
      return last;
    };
    const reader = new FrameReader(false);
    for (const frames of this.#frames(Number(begin["id"]))) {
      try {
        reader.read(frames, { round: (round) => { if (round.now.wallMs >= newest - RECOVER_MS) this.#open.add(round, lastOf); }, clock: () => {}, text: () => {} });
      } catch (error) {
        // Damaged, or a gap: what comes after the next beginning of a segment can be read again.
        if (!(error instanceof RangeError)) throw error;
      }
    }
  }

  /** Brings every table nearer to its bound; for after a `write`. True: there is more to do. `wallMs` 0: no clock can be trusted. */
  sweep(wallMs: number): boolean {
    return sweep({ database: this.#database, results: this.results, standings: this.standings, kernel: this.kernel, limits: this.#limits, wallMs, inputsBytes: this.#inputsBytes, dropInputs: () => this.#dropInputs() });
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
    const { sql, values } = where([["seq > ?", query.afterSeq], ["wall_ms >= ?", query.sinceMs], ["host = ?", query.host], ["incident = ?", query.incident], ["kind IN (SELECT value FROM json_each(?))", query.kinds === undefined ? undefined : JSON.stringify(query.kinds)]]);
    return rows(this.#database, `SELECT seq, wall_ms, kind, host, incident, because, cause FROM event ${sql} ORDER BY seq DESC LIMIT ?`, ...values, bounded(query.limit)).map(eventOf).reverse();
  }

  /** The newest `limit` that match, the newest last; with `sinceMs` those that were open at or after it. */
  incidents(query: IncidentQuery): IncidentRecord[] {
    const { sql, values } = where([["host = ?", query.host], ["(ended_ms IS NULL OR ended_ms >= ?)", query.sinceMs], ["began_ms < ?", query.untilMs]]);
    return rows(this.#database, `SELECT record FROM incident ${sql} ORDER BY began_ms DESC, rowid DESC LIMIT ?`, ...values, bounded(query.limit)).map(incidentOf).reverse();
  }

  incident(name: string): IncidentRecord | undefined {
    return rows(this.#database, "SELECT record FROM incident WHERE incident = ?", name).map(incidentOf)[0];
  }

  /** All recorded frames from shortly before the last start of a watcher; none where that is no longer on record. */
  *framesFromLastStart(): Generator<Uint8Array> {
    const [found] = rows(this.#database, "SELECT max(id) AS id FROM inputs WHERE starts = 1");
    if (found === undefined || found["id"] === null) return;
    const [begin] = rows(this.#database, "SELECT max(id) AS id FROM inputs WHERE begins = 1 AND id <= ?", Number(found["id"]));
    if (begin !== undefined && begin["id"] !== null) yield* this.#frames(Number(begin["id"]));
  }

  event(seq: number): HistoryEvent | undefined {
    return rows(this.#database, "SELECT seq, wall_ms, kind, host, incident, because, cause FROM event WHERE seq = ?", seq).map(eventOf)[0];
  }

  /** A line and those that led to it, the oldest first; at most `limit`. */
  chain(seq: number, limit: number): HistoryEvent[] {
    const lines: HistoryEvent[] = [];
    for (let at: number | null = seq; at !== null && lines.length < bounded(limit);) {
      const line: HistoryEvent | undefined = this.event(at);
      if (line !== undefined) lines.unshift(line);
      // A cause comes before what it caused, whatever a file says that was tampered with.
      at = line === undefined || line.cause === null || line.cause >= at ? null : line.cause;
    }
    return lines;
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

  /** What is loose then, and by how much the inputs grew on disk. */
  #insertParts(parts: readonly Part[], packAll: boolean): { readonly loose: Part[]; readonly grownBytes: number } {
    const insert = this.#database.prepare("INSERT INTO inputs (loose, starts, begins, at_ms, bytes, body) VALUES (?, ?, ?, ?, ?, ?)");
    let loose = [...this.#loose];
    let grownBytes = 0;
    const pack = (): void => {
      if (loose.length === 0) return;
      this.#database.exec("DELETE FROM inputs WHERE loose = 1");
      const bytes = Buffer.concat(loose.map(({ body }) => body));
      const body = deflateRawSync(bytes, { level: 3 });
      insert.run(0, loose.some(({ starts }) => starts) ? 1 : 0, loose[0]?.begins === true ? 1 : 0, Math.max(...loose.map(({ atMs }) => atMs)), body.length, body);
      grownBytes += body.length - bytes.length;
      loose = [];
    };
    for (const part of parts) {
      // A row that holds a beginning begins with it, so that reading can begin there.
      if (part.begins) pack();
      insert.run(1, part.starts ? 1 : 0, part.begins ? 1 : 0, part.atMs, part.body.length, part.body);
      loose.push(part);
      grownBytes += part.body.length;
    }
    if (packAll || loose.reduce((sum, { body }) => sum + body.length, 0) >= LOOSE_MAX_BYTES) pack();
    return { loose, grownBytes };
  }

  *#frames(fromId: number): Generator<Uint8Array> {
    for (const row of this.#database.prepare("SELECT loose, body FROM inputs WHERE id >= ? ORDER BY id").iterate(fromId)) {
      const body = row["body"] as Uint8Array;
      yield row["loose"] === 1 ? body : inflateRawSync(body, { maxOutputLength: INFLATED_MAX_BYTES });
    }
  }

  #dropInputs(): number {
    const [gone] = rows(this.#database, `SELECT count(*) AS n, max(id) AS last, total(bytes) AS bytes FROM (SELECT id, bytes FROM inputs WHERE loose = 0 ORDER BY id LIMIT ${SWEEP_ROWS})`);
    if (gone === undefined || Number(gone["n"]) === 0) return 0;
    this.#database.exec(`DELETE FROM inputs WHERE id <= ${Number(gone["last"])} AND loose = 0`);
    this.#inputsBytes -= Number(gone["bytes"]);
    return Number(gone["n"]);
  }
}

function identityOf(path: string): string | null {
  const found = statSync(path, { throwIfNoEntry: false, bigint: true });
  return found === undefined ? null : `${found.dev} ${found.ino}`;
}

function partOf(row: Row): Part {
  return { body: row["body"] as Uint8Array, begins: row["begins"] === 1, starts: row["starts"] === 1, atMs: Number(row["at_ms"]) };
}

type Condition = readonly [sql: string, value: string | number | undefined];

function where(conditions: readonly Condition[]): { readonly sql: string; readonly values: (string | number)[] } {
  const given = conditions.filter((each): each is readonly [string, string | number] => each[1] !== undefined);
  return { sql: given.length === 0 ? "" : `WHERE ${given.map(([sql]) => sql).join(" AND ")}`, values: given.map(([, value]) => value) };
}

function bounded(limit: number): number {
  return Math.min(Math.max(1, Math.floor(limit)), ROWS_MAX);
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
