// What goes, and when: by age, each table by its own; by size, the file as a whole. A little at a time, so that neither a
// batch nor a question waits for the broom, and space that is deleted is given back to the file system, page by page, once
// there is enough of it: what is deleted every day is what is written every day, and moving pages about wears a card out.

import type { HistoryLimits } from "./history-file.ts";
import type { ResultTables, Table } from "./result-tables.ts";
import type { KernelTable } from "./kernel-table.ts";
import type { StandingTable } from "./standing-table.ts";
import type { DatabaseSync } from "./sqlite.ts";
import { rows } from "./sqlite.ts";

const ROWS_AT_ONCE = 500;
const EVENTS_AT_ONCE = 1_000;
/** 512 KiB moved and cut off in one go. */
const PAGES_AT_ONCE = 128;
/** Free pages that are left for what comes next: one in so many, and at least some. */
const FREE_SHARE = 16;
const FREE_LEAST = 64;
const DAY_MS = 86_400_000;
const KERNEL_KEPT_MS = 90 * DAY_MS;

export type Sweeping = {
  readonly database: DatabaseSync;
  readonly results: ResultTables;
  readonly standings: StandingTable;
  readonly kernel: KernelTable;
  readonly limits: HistoryLimits;
  /** The wall clock, Unix milliseconds, as far as it can be trusted; 0: not at all. */
  readonly wallMs: number;
  /** Deletes the oldest packed inputs, and says how many rows that were. */
  dropInputs(): number;
  readonly inputsBytes: number;
};

/** One stroke of the broom, inside no transaction. True: there is more to do. */
export function sweep(work: Sweeping): boolean {
  const { database, limits } = work;
  const deleted = dropCounted(database, limits) + dropOld(work) + (work.inputsBytes > limits.inputsBytes ? work.dropInputs() : 0) + (usedBytes(database) > limits.bytes ? dropForRoom(work) : 0);
  return giveBack(database) || deleted > 0;
}

function dropCounted(database: DatabaseSync, { events, incidents }: HistoryLimits): number {
  return dropEvents(database, events) + Number(database.prepare("DELETE FROM incident WHERE incident IN (SELECT incident FROM incident ORDER BY began_ms DESC LIMIT ? OFFSET ?)").run(EVENTS_AT_ONCE, incidents).changes);
}

function dropEvents(database: DatabaseSync, keep: number): number {
  return Number(database.prepare("DELETE FROM event WHERE seq IN (SELECT seq FROM event WHERE seq <= (SELECT max(seq) FROM event) - ? ORDER BY seq LIMIT ?)").run(keep, EVENTS_AT_ONCE).changes);
}

function dropOld({ results, standings, kernel, limits, wallMs }: Sweeping): number {
  if (wallMs === 0) return kernel.drop(-Infinity);
  const ages: readonly (readonly [Table, number])[] = [["result", limits.roundsMs], ["minute", limits.minutesMs], ["hour", limits.hoursMs]];
  return ages.reduce((sum, [table, keptMs]) => sum + results.drop(table, wallMs - keptMs, ROWS_AT_ONCE), standings.drop(wallMs - limits.hoursMs) + kernel.drop(wallMs - KERNEL_KEPT_MS));
}

/** The oldest of what can be missed best: of each its last day is kept until nothing else is left. */
function dropForRoom(work: Sweeping): number {
  const { results, database } = work;
  const before = (table: Table, days: number): number => results.drop(table, results.span(table).toMs - days * DAY_MS, ROWS_AT_ONCE);
  const choices: readonly (() => number)[] = [
    () => before("result", 1), () => work.dropInputs(), () => before("minute", 1), () => before("hour", 30),
    () => before("result", 0), () => before("minute", 0), () => before("hour", 0), () => work.kernel.dropOldest(), () => dropEvents(database, EVENTS_AT_ONCE),
  ];
  for (const choice of choices) {
    const deleted = choice();
    if (deleted > 0) return deleted;
  }
  return 0;
}

function pragma(database: DatabaseSync, name: "page_count" | "freelist_count" | "page_size"): number {
  return Number(rows(database, `PRAGMA ${name}`)[0]?.[name]);
}

function usedBytes(database: DatabaseSync): number {
  return (pragma(database, "page_count") - pragma(database, "freelist_count")) * pragma(database, "page_size");
}

/** True: some was given back, and there is more. */
function giveBack(database: DatabaseSync): boolean {
  const free = pragma(database, "freelist_count");
  const spare = Math.max(FREE_LEAST, Math.floor(pragma(database, "page_count") / FREE_SHARE));
  if (free <= spare) return false;
  database.exec(`PRAGMA incremental_vacuum(${Math.min(PAGES_AT_ONCE, free - Math.floor(spare / 2))})`);
  return true;
}
