// The ledger's file: records under keys, each with the revision that wrote it, in SQLite with `synchronous = FULL`. When
// `write` returns, the write-ahead log has been synced (ledger-sync.test.ts shows it from a trace of system calls).
//
// SQLite notices a torn page but not a flipped byte, and it ends a damaged write-ahead log early without a word. So every
// record carries a checksum over key, revision and value, and the head row carries how many records there are and a digest
// of all checksums: what can be opened is exactly what some commit left. Whether it was the *last* commit only somebody
// else can say: the history remembers the revision (went-back.ts).

import { randomUUID } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import type { StoredRecord, Write } from "../core/io.ts";
import type { AnyRecord, RecordKey, RecordKind } from "../core/records.ts";
import type { Stamp } from "../core/time.ts";
import { orphan, setAside, syncFolder, touchPrivate } from "./data-folder.ts";
import type { DatabaseSync, OpenOptions, Row } from "./sqlite.ts";
import { openDatabase, quickCheck, rows, transaction, Unreadable } from "./sqlite.ts";

const FORMAT = 1;
const APPLICATION = 0x75706b70; // "upkp"
const RECORD_VERSION = 1;
/** A kind that only a shared store has is named here; one that is forgotten would make the next start take the ledger for corrupt. */
type SharedOnly = "watcher" | "alive" | "charge" | "vote" | "ballot" | "guard" | "ask";
const KINDS: ReadonlySet<string> = new Set(Object.keys({
  host: true, brake: true, storm: true, op: true, lock: true, incident: true, meta: true, ack: true, alarm: true, agent: true, door: true, lease: true,
} satisfies Record<Exclude<RecordKind, SharedOnly>, true>));
/** The write-ahead log is reused from its start after so many pages: a full disk then finds it already allocated. */
const OPTIONS: OpenOptions = { application: APPLICATION, owner: "a ledger", synchronous: "FULL", cacheKiB: 512, checkpointPages: 64 };

export type Found =
  | { readonly kind: "open"; readonly ledger: Ledger }
  /** No file, or one that was never finished. */
  | { readonly kind: "missing" }
  | { readonly kind: "corrupt"; readonly evidence: string; readonly setAsideAs: string };

type Entry = { readonly revision: number; readonly sum: number };
type Head = { identity: string; created: string; revision: number; records: number; digest: number; owed: string | null };

/** Opens the ledger if it is there and whole. Throws what is neither: a lock, a permission, a disk that fails. */
export function openLedgerFile(path: string, wallMs: number): Found {
  const lost = orphan(path);
  if (lost !== null) return { kind: "corrupt", evidence: `${lost} is there and its database is not`, setAsideAs: setAside(path, wallMs) };
  if (!existsSync(path) || statSync(path).size === 0) return { kind: "missing" };
  touchPrivate(path);
  let setAsideAs = "";
  const opened = openDatabase(path, OPTIONS, (database) => check(database), () => { setAsideAs = setAside(path, wallMs); });
  if (opened.kind === "corrupt") return { ...opened, setAsideAs };
  if (opened.result !== null) return { kind: "open", ledger: opened.result };
  opened.database.close();
  return { kind: "missing" };
}

/** Null: killed while it was being made, and nothing was ever committed to it. */
function check(database: DatabaseSync): Ledger | null {
  const complaint = quickCheck(database);
  if (complaint !== null) throw new Unreadable(complaint);
  const pages = Number(rows(database, "PRAGMA page_count")[0]?.["page_count"]);
  if (pages <= 1 && rows(database, "SELECT 1 FROM sqlite_schema LIMIT 1").length === 0) return null;
  return new Ledger(database);
}

/** Makes a ledger with a new identity where there is none; `owed` is why it starts disarmed, or null. */
export function createLedgerFile(path: string, created: Stamp, owed: string | null): Ledger {
  touchPrivate(path);
  const head: Head = { identity: randomUUID(), created: JSON.stringify(created), revision: 0, records: 0, digest: 0, owed };
  const make = (database: DatabaseSync): Ledger => {
    transaction(database, () => {
      database.exec(`
        PRAGMA application_id = ${APPLICATION}; PRAGMA user_version = ${FORMAT};
        CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 1), identity TEXT NOT NULL, created TEXT NOT NULL, revision INTEGER NOT NULL,
          records INTEGER NOT NULL, digest INTEGER NOT NULL, owed TEXT, sum INTEGER NOT NULL) STRICT;
        CREATE TABLE record (key TEXT PRIMARY KEY, revision INTEGER NOT NULL, value TEXT NOT NULL, sum INTEGER NOT NULL) STRICT, WITHOUT ROWID;`);
      database.prepare("INSERT INTO head (id, identity, created, revision, records, digest, owed, sum) VALUES (1, ?, ?, ?, ?, ?, ?, ?)")
        .run(head.identity, head.created, head.revision, head.records, head.digest, head.owed, sumOfHead(head));
    });
    syncFolder(dirname(path));
    return new Ledger(database);
  };
  const opened = openDatabase(path, OPTIONS, make, () => undefined);
  if (opened.kind === "corrupt") throw new Unreadable(`a new ledger is unreadable at once: ${opened.evidence}`);
  return opened.result;
}

export class Ledger {
  readonly #database: DatabaseSync;
  #head: Head;
  #index: Map<string, Entry>;

  /** Takes over a database that quick_check has passed; throws when a record in it cannot be read. */
  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#head = readHead(database);
    this.#index = new Map();
    let digest = 0;
    for (const row of rows(database, "SELECT key, revision, value, sum FROM record")) {
      const { key, revision } = readRecord(row, this.#head.revision);
      const sum = Number(row["sum"]);
      this.#index.set(key, { revision, sum });
      digest = (digest ^ sum) >>> 0;
    }
    if (this.#index.size !== this.#head.records) throw new Unreadable(`it has ${this.#index.size} records and should have ${this.#head.records}`);
    if (digest !== this.#head.digest) throw new Unreadable("its records do not belong together");
  }

  get identity(): string {
    return this.#head.identity;
  }

  /** Of the last commit; 0 when there was none. Grows by one with each. */
  get revision(): number {
    return this.#head.revision;
  }

  /** Why time went back, until the brake that this calls for is on record. */
  get owed(): string | null {
    return this.#head.owed;
  }

  revisionOf(key: RecordKey): number | null {
    return this.#index.get(key)?.revision ?? null;
  }

  records(): StoredRecord[] {
    return rows(this.#database, "SELECT key, revision, value, sum FROM record ORDER BY revision, key").map((row) => readRecord(row, this.#head.revision));
  }

  /** Writes all or nothing, synced when it returns; throws what SQLite throws and then has changed nothing here. */
  write(writes: readonly Write[], owed: string | null): number {
    const revision = this.#head.revision + 1;
    const changed = new Map<string, Entry | null>();
    const put = this.#database.prepare("INSERT INTO record (key, revision, value, sum) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET revision = excluded.revision, value = excluded.value, sum = excluded.sum");
    const remove = this.#database.prepare("DELETE FROM record WHERE key = ?");
    let { records, digest } = this.#head;
    const head = transaction(this.#database, () => {
      for (const { key, value } of writes) {
        const before = changed.has(key) ? changed.get(key) : this.#index.get(key);
        if (before !== undefined && before !== null) {
          records -= 1;
          digest = (digest ^ before.sum) >>> 0;
        }
        if (value === null) {
          changed.set(key, null);
          remove.run(key);
          continue;
        }
        const text = JSON.stringify(value);
        const sum = sumOfRecord(key, revision, text);
        records += 1;
        digest = (digest ^ sum) >>> 0;
        changed.set(key, { revision, sum });
        put.run(key, revision, text, sum);
      }
      const next: Head = { ...this.#head, revision, records, digest, owed };
      this.#database.prepare("UPDATE head SET revision = ?, records = ?, digest = ?, owed = ?, sum = ? WHERE id = 1").run(revision, records, digest, owed, sumOfHead(next));
      return next;
    });
    this.#head = head;
    for (const [key, entry] of changed) {
      if (entry === null) this.#index.delete(key);
      else this.#index.set(key, entry);
    }
    return revision;
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }
}

function readHead(database: DatabaseSync): Head {
  const format = rows(database, "PRAGMA user_version")[0]?.["user_version"];
  if (format !== FORMAT) throw new Unreadable(`its format is ${String(format)}, this program knows ${FORMAT}`);
  const found = rows(database, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name IN ('head', 'record')");
  if (found.length !== 2) throw new Unreadable("its tables are missing");
  const [row] = rows(database, "SELECT identity, created, revision, records, digest, owed, sum FROM head WHERE id = 1");
  if (row === undefined) throw new Unreadable("its head is missing");
  const { identity, created, revision, records, digest, owed, sum } = row;
  if (typeof identity !== "string" || typeof created !== "string" || typeof revision !== "number" || typeof records !== "number" || typeof digest !== "number" || (owed !== null && typeof owed !== "string")) throw new Unreadable("its head makes no sense");
  const head = { identity, created, revision, records, digest, owed };
  if (sumOfHead(head) !== sum) throw new Unreadable("its head has a wrong checksum");
  return head;
}

function readRecord(row: Row, revisionMax: number): StoredRecord {
  const { key, revision, value, sum } = row;
  if (typeof key !== "string" || typeof revision !== "number" || typeof value !== "string") throw new Unreadable("a record makes no sense");
  const name = JSON.stringify(key.slice(0, 80));
  if (sumOfRecord(key, revision, value) !== sum) throw new Unreadable(`record ${name} has a wrong checksum`);
  const slash = key.indexOf("/");
  if (slash < 1 || slash === key.length - 1 || !KINDS.has(key.slice(0, slash))) throw new Unreadable(`record ${name} is of no kind that this program knows`);
  if (revision < 1 || revision > revisionMax) throw new Unreadable(`record ${name} makes no sense`);
  const parsed = parse(value);
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw new Unreadable(`record ${name} is not an object`);
  const version = "v" in parsed ? parsed.v : undefined;
  if (typeof version !== "number" || !Number.isInteger(version) || version < 1 || version > RECORD_VERSION) throw new Unreadable(`record ${name} has shape version ${String(version)}, this program knows ${RECORD_VERSION}`);
  return { key: key as RecordKey, revision, value: parsed as AnyRecord };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function sumOfRecord(key: string, revision: number, value: string): number {
  return crc32(`${key}\0${revision}\0${value}`);
}

function sumOfHead(head: Head): number {
  return crc32([head.identity, head.created, head.revision, head.records, head.digest, head.owed ?? "\u0001"].join("\0"));
}
