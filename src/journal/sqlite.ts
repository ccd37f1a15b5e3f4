// node:sqlite behind one door: how a database file is opened here, and what its errors mean.
//
// Every file has one user: it is opened with an exclusive lock, which also keeps SQLite from using shared memory, so that
// nothing but the database and its write-ahead log is on disk (sqlite.org/wal.html, "Use of WAL Without Shared-Memory").

import type { StatementSync } from "node:sqlite";
import { DatabaseSync } from "node:sqlite";
import { words } from "./data-folder.ts";

/** locked: somebody else has it. full: no space. corrupt: what is there cannot be read. io: everything else that the disk said. */
export type Fault = { readonly kind: "locked" | "full" | "corrupt" | "io"; readonly evidence: string };

export type OpenOptions = {
  /** Whose file this is: the database header's application id. */
  readonly application: number;
  readonly owner: string;
  /** `FULL`: a commit is on stable storage when it returns. `NORMAL`: consistent after a power cut, the last commits may be lost. */
  readonly synchronous: "FULL" | "NORMAL";
  readonly cacheKiB: number;
  readonly checkpointPages: number;
  /** Whether what is deleted can be given back to the disk; only of use before the first table is made. */
  readonly givesBack?: boolean;
};

/** What was found is not what this program wrote; thrown by the checks of whoever opens a file. */
export class Unreadable extends Error {}

export type Opened<Result> = { readonly kind: "open"; readonly database: DatabaseSync; readonly result: Result } | { readonly kind: "corrupt"; readonly evidence: string };

/**
 * Opens or creates a database in write-ahead mode under an exclusive lock and lets `check` look at it. When either finds
 * it corrupt, `salvage` is called before the file is closed: SQLite leaves the log of a database that has been renamed
 * alone, and would otherwise write it back and remove it. Every other failure is thrown (see `faultOf`).
 */
export function openDatabase<Result>(path: string, options: OpenOptions, check: (database: DatabaseSync) => Result, salvage: () => void): Opened<Result> {
  const database = new DatabaseSync(path, { allowExtension: false });
  try {
    configure(database, options);
    return { kind: "open", database, result: check(database) };
  } catch (error) {
    const corrupt = corruption(error);
    try {
      if (corrupt !== null) salvage();
    } finally {
      database.close();
    }
    if (corrupt === null) throw error;
    return { kind: "corrupt", evidence: corrupt };
  }
}

function configure(database: DatabaseSync, options: OpenOptions): void {
  database.exec("PRAGMA locking_mode = EXCLUSIVE");
  database.exec("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY");
  database.exec(`PRAGMA cache_size = -${options.cacheKiB}`);
  // Before anything is changed in it: somebody else's database stays as it is.
  if (rows(database, "SELECT 1 FROM sqlite_schema LIMIT 1").length > 0 && rows(database, "PRAGMA application_id")[0]?.["application_id"] !== options.application) throw new Unreadable(`it is not ${options.owner} of Upkeep`);
  if (options.givesBack === true) database.exec("PRAGMA auto_vacuum = INCREMENTAL");
  const [mode] = rows(database, "PRAGMA journal_mode = WAL");
  if (mode?.["journal_mode"] !== "wal") throw new Error(`the journal mode is ${String(mode?.["journal_mode"])}`);
  database.exec(`PRAGMA synchronous = ${options.synchronous}; PRAGMA wal_autocheckpoint = ${options.checkpointPages}`);
  // Takes the lock now, not at the first write.
  database.exec("BEGIN IMMEDIATE; COMMIT");
}

/** What makes a file unreadable, or null where the error is of another kind. */
export function corruption(error: unknown): string | null {
  if (error instanceof Unreadable) return error.message;
  const fault = faultOf(error);
  return fault.kind === "corrupt" ? fault.evidence : null;
}

export type Row = Readonly<Record<string, unknown>>;

export function rows(database: DatabaseSync, sql: string, ...values: readonly (string | number | null | Uint8Array)[]): Row[] {
  return database.prepare(sql).all(...values);
}

/** The first complaint of `PRAGMA quick_check`, or null. */
export function quickCheck(database: DatabaseSync): string | null {
  const [first] = rows(database, "PRAGMA quick_check(1)");
  const said = String(first?.["quick_check"]);
  return said === "ok" ? null : said.replaceAll("\n", " ").slice(0, 200);
}

/** Runs `body` in one transaction; rolled back when it throws. */
export function transaction<Result>(database: DatabaseSync, body: () => Result): Result {
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = body();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    rollBack(database);
    throw error;
  }
}

function rollBack(database: DatabaseSync): void {
  // SQLite itself has rolled back after some errors (sqlite.org/lang_transaction.html, §3).
  if (!database.isTransaction) return;
  try {
    database.exec("ROLLBACK");
  } catch {
    // The error that led here says more than this one.
  }
}

const PRIMARY = { BUSY: 5, LOCKED: 6, IOERR: 10, CORRUPT: 11, FULL: 13, CANTOPEN: 14, NOTADB: 26 } as const;
/** Extended codes of IOERR that speak of what was read, not of the disk (sqlite.org/rescode.html). */
const UNREADABLE = new Set([PRIMARY.IOERR | (2 << 8), PRIMARY.IOERR | (32 << 8), PRIMARY.IOERR | (33 << 8)]);

/** What an error thrown by SQLite or the file system means. */
export function faultOf(error: unknown): Fault {
  const evidence = words(error);
  const code = codeOf(error);
  if (code === null) return { kind: isFullDisk(error) ? "full" : "io", evidence };
  const primary = code & 0xff;
  const said = `${evidence} (SQLite ${code})`;
  if (primary === PRIMARY.BUSY || primary === PRIMARY.LOCKED) return { kind: "locked", evidence: said };
  if (primary === PRIMARY.FULL) return { kind: "full", evidence: said };
  if (primary === PRIMARY.CORRUPT || primary === PRIMARY.NOTADB || UNREADABLE.has(code)) return { kind: "corrupt", evidence: said };
  return { kind: "io", evidence: said };
}

function codeOf(error: unknown): number | null {
  if (error instanceof Error && "errcode" in error && typeof error.errcode === "number") return error.errcode;
  return null;
}

function isFullDisk(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
}

export type { DatabaseSync, StatementSync };
