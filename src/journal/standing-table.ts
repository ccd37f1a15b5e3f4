// How hosts stood, on disk: a row for each change, and a row for each run of the watcher, whose end is moved on while it runs.
// A row holds until the next one of its host or the end of its run, whichever comes first: what a kill, a power cut or a sleep
// leaves unsaid was not watched, and nothing has to be written at the moment of a death for that.
//
// The tables came with 0.3.0 and are made where they are missing: a history from before has incidents and no standings, and
// what it was like then is not known.

import type { Period, Seen } from "../core/availability.ts";
import type { StandingChange } from "../core/standing.ts";
import type { DatabaseSync } from "./sqlite.ts";
import { rows } from "./sqlite.ts";

export const STANDINGS_SCHEMA = `
  CREATE TABLE IF NOT EXISTS run (id INTEGER PRIMARY KEY, began_ms REAL NOT NULL, last_ms REAL NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS standing (id INTEGER PRIMARY KEY, run INTEGER NOT NULL, host TEXT NOT NULL, at_ms REAL NOT NULL, state TEXT NOT NULL, planned TEXT) STRICT;
  CREATE INDEX IF NOT EXISTS standing_host ON standing (host, id);
  CREATE INDEX IF NOT EXISTS incident_host ON incident (host, began_ms);`;

/** One look at all hosts: what has changed since the one before. `begins`: nothing is known of what came before it. */
export type StandingLook = { readonly begins: boolean; readonly atMs: number; readonly changes: readonly StandingChange[] };

/** A run's end is written at least this often: what is known is cut short by no more when the machine loses its power. */
const WRITE_EVERY_MS = 60_000;
const ROWS_MAX = 1_000_000;
const DROP_AT_ONCE = 1_000;

/** Looks that say nothing new but that there was one are taken together. */
export function joined(looks: readonly StandingLook[], more: readonly StandingLook[]): readonly StandingLook[] {
  const all = [...looks];
  for (const look of more) {
    const last = all.at(-1);
    if (last === undefined || look.begins) all.push(look);
    else all[all.length - 1] = { begins: last.begins, atMs: look.atMs, changes: [...last.changes, ...look.changes] };
  }
  return all;
}

export class StandingTable {
  readonly #database: DatabaseSync;
  /** The last look that was taken, though its time need not be written yet. */
  #heardMs = -Infinity;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Inside a transaction. `whole`: also a run's end that is not due. */
  write(looks: readonly StandingLook[], whole: boolean): void {
    if (looks.length === 0) return;
    const insert = this.#database.prepare("INSERT INTO standing (run, host, at_ms, state, planned) VALUES (?, ?, ?, ?, ?)");
    for (const { begins, atMs, changes } of looks) {
      let [run] = begins ? [] : rows(this.#database, "SELECT id, last_ms FROM run ORDER BY id DESC LIMIT 1");
      const firstMs = changes.reduce((least, change) => Math.min(least, change.atMs), atMs);
      if (run === undefined) [run] = rows(this.#database, "INSERT INTO run (began_ms, last_ms) VALUES (?, ?) RETURNING id, last_ms", firstMs, atMs);
      if (run === undefined) throw new Error("assertion failed: a row that was inserted has no number");
      for (const { host, atMs: sinceMs, state, planned } of changes) insert.run(Number(run["id"]), host, sinceMs, state, planned);
      if (whole || changes.length > 0 || atMs - Number(run["last_ms"]) >= WRITE_EVERY_MS) this.#database.prepare("UPDATE run SET last_ms = ? WHERE id = ?").run(atMs, Number(run["id"]));
      this.#heardMs = atMs;
    }
  }

  /** How a host stood in this time, in order. */
  seen(host: string, { fromMs, toMs }: Period): readonly Seen[] {
    const newest = Number(rows(this.#database, "SELECT coalesce(max(id), 0) AS id FROM run")[0]?.["id"]);
    const found = rows(this.#database, "SELECT run, at_ms, state, planned, last_ms FROM standing JOIN run ON run.id = standing.run WHERE host = ? AND began_ms < ? AND (last_ms > ? OR run.id = ?) ORDER BY standing.id", host, toMs, fromMs, newest);
    const seen: Seen[] = [];
    let freeMs = fromMs;
    found.forEach((row, index) => {
      const next = found[index + 1];
      const endMs = next !== undefined && next["run"] === row["run"] ? Number(next["at_ms"]) : row["run"] === newest ? Math.max(Number(row["last_ms"]), this.#heardMs) : Number(row["last_ms"]);
      // A clock that was turned back tells of one time twice: the first word stands.
      const [beginMs, stopMs] = [Math.max(freeMs, Number(row["at_ms"])), Math.min(toMs, endMs)];
      if (beginMs >= stopMs) return;
      seen.push({ fromMs: beginMs, toMs: stopMs, state: row["state"] as Seen["state"], planned: row["planned"] as Seen["planned"] });
      freeMs = stopMs;
    });
    return seen;
  }

  /** Since when there are standings; null: there are none. */
  sinceMs(): number | null {
    const [row] = rows(this.#database, "SELECT min(began_ms) AS at FROM run");
    return row === undefined || row["at"] === null ? null : Number(row["at"]);
  }

  /** Deletes some of what is older than this, or more than there is room for; says how many. */
  drop(beforeMs: number): number {
    const [newest] = rows(this.#database, "SELECT max(id) AS id FROM standing");
    const gone = this.#database.prepare("DELETE FROM standing WHERE id IN (SELECT standing.id FROM standing JOIN run ON run.id = standing.run WHERE standing.id <= ? OR last_ms < ? ORDER BY standing.id LIMIT ?)");
    const deleted = Number(gone.run(Number(newest?.["id"] ?? 0) - ROWS_MAX, beforeMs, DROP_AT_ONCE).changes);
    return deleted + Number(this.#database.prepare("DELETE FROM run WHERE id IN (SELECT id FROM run WHERE last_ms < ? AND id NOT IN (SELECT run FROM standing) ORDER BY id LIMIT ?)").run(beforeMs, DROP_AT_ONCE).changes);
  }
}
