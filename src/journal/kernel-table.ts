// Lines of hosts' kernels on disk, as they came by netconsole. The table came with 0.4.0 and is made where it is missing. What one
// host sends, or somebody in its name, pushes out its own lines first: each host has a number of lines of its own.

import type { KernelSign } from "../core/kernel-words.ts";
import type { DatabaseSync, Row } from "./sqlite.ts";
import { rows } from "./sqlite.ts";

export const KERNEL_SCHEMA = `
  CREATE TABLE IF NOT EXISTS kernel_line (id INTEGER PRIMARY KEY, host TEXT NOT NULL, at_ms REAL NOT NULL, level INTEGER, by_kernel INTEGER, uptime_us REAL, sign TEXT, torn INTEGER NOT NULL, text TEXT NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS kernel_line_host ON kernel_line (host, at_ms);`;

export type KernelRow = {
  /** Grows with time, also over restarts; the same line is put once however often it is given. */
  readonly id: number;
  readonly host: string;
  /** When it came, wall clock, Unix milliseconds. */
  readonly atMs: number;
  readonly text: string;
  readonly level: number | null;
  readonly byKernel: boolean | null;
  readonly uptimeUs: number | null;
  /** What it was recognised as. */
  readonly sign: KernelSign | null;
  readonly torn: boolean;
};

/** `fromMs` ≤ at < `toMs`, wall clock; the newest `limit`. */
export type KernelQuery = { readonly host: string; readonly fromMs?: number; readonly toMs?: number; readonly limit: number };

export const KERNEL_LINES_MAX = 5_000;
const OF_ONE_HOST = 10_000;
const IN_ALL = 200_000;
const DROP_AT_ONCE = 1_000;

export class KernelTable {
  readonly #database: DatabaseSync;
  #written = 0;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Inside a transaction. */
  write(lines: readonly KernelRow[]): void {
    if (lines.length === 0) return;
    const insert = this.#database.prepare("INSERT OR IGNORE INTO kernel_line (id, host, at_ms, level, by_kernel, uptime_us, sign, torn, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
    for (const { id, host, atMs, level, byKernel, uptimeUs, sign, torn, text } of lines) insert.run(id, host, atMs, level, byKernel === null ? null : Number(byKernel), uptimeUs, sign, Number(torn), text);
    this.#written += lines.length;
  }

  /** Those that match, oldest first. */
  lines({ host, fromMs = -Infinity, toMs = Infinity, limit }: KernelQuery): KernelRow[] {
    const bounds = [Math.max(fromMs, -8.64e15), Math.min(toMs, 8.64e15)] as const;
    return rows(this.#database, "SELECT * FROM kernel_line WHERE host = ? AND at_ms >= ? AND at_ms < ? ORDER BY id DESC LIMIT ?", host, ...bounds, Math.min(Math.max(1, limit), KERNEL_LINES_MAX)).map(lineOf).reverse();
  }

  /** Deletes some of what is older than this, or more than there is room for; says how many. */
  drop(beforeMs: number): number {
    // The oldest stand first; the table is not looked through for them.
    const aged = Number(this.#database.prepare("DELETE FROM kernel_line WHERE id IN (SELECT id FROM (SELECT id, at_ms FROM kernel_line ORDER BY id LIMIT ?) WHERE at_ms < ?)").run(DROP_AT_ONCE, beforeMs).changes);
    const old = aged + Number(this.#database.prepare("DELETE FROM kernel_line WHERE id IN (SELECT id FROM kernel_line WHERE id <= (SELECT id FROM kernel_line ORDER BY id DESC LIMIT 1 OFFSET ?) ORDER BY id LIMIT ?)").run(IN_ALL, DROP_AT_ONCE).changes);
    if (this.#written === 0) return old;
    const over = Number(this.#database.prepare("DELETE FROM kernel_line WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY host ORDER BY id DESC) AS place FROM kernel_line) WHERE place > ? LIMIT ?)").run(OF_ONE_HOST, DROP_AT_ONCE).changes);
    // Looked through again when more has come.
    if (over === 0) this.#written = 0;
    return old + over;
  }

  /** The oldest of all, for room. */
  dropOldest(): number {
    return Number(this.#database.prepare("DELETE FROM kernel_line WHERE id IN (SELECT id FROM kernel_line ORDER BY id LIMIT ?)").run(DROP_AT_ONCE).changes);
  }
}

function lineOf(row: Row): KernelRow {
  return {
    id: Number(row["id"]), host: String(row["host"]), atMs: Number(row["at_ms"]), text: String(row["text"]),
    level: row["level"] as number | null, byKernel: row["by_kernel"] === null ? null : row["by_kernel"] === 1, uptimeUs: row["uptime_us"] as number | null, sign: row["sign"] as KernelSign | null, torn: row["torn"] === 1,
  };
}
