// How the history's file is made, opened, and brought from its first format to this one.

import { existsSync } from "node:fs";
import { setAside, touchPrivate } from "./data-folder.ts";
import { KERNEL_SCHEMA } from "./kernel-table.ts";
import { RESULTS_SCHEMA } from "./result-tables.ts";
import { STANDINGS_SCHEMA } from "./standing-table.ts";
import type { DatabaseSync, OpenOptions } from "./sqlite.ts";
import { openDatabase, rows, transaction, Unreadable } from "./sqlite.ts";
import type { Memory } from "./went-back.ts";

const FORMAT = 2;
const APPLICATION = 0x75706b68; // "upkh"
const OPTIONS: OpenOptions = { application: APPLICATION, owner: "a history", synchronous: "NORMAL", cacheKiB: 1_024, checkpointPages: 1_000, givesBack: true };

/** `begins`: its first frame needs nothing before it. `loose`: not compressed yet, so that a kill loses little. */
const INPUTS_SCHEMA = `
  CREATE TABLE inputs (id INTEGER PRIMARY KEY, loose INTEGER NOT NULL, starts INTEGER NOT NULL, begins INTEGER NOT NULL, at_ms REAL NOT NULL, bytes INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
  CREATE INDEX inputs_starts ON inputs (id) WHERE starts = 1;`;

const SCHEMA = `
  PRAGMA application_id = ${APPLICATION}; PRAGMA user_version = ${FORMAT};
  CREATE TABLE event (seq INTEGER PRIMARY KEY, wall_ms REAL NOT NULL, boot_ms REAL NOT NULL, kind TEXT NOT NULL, host TEXT, incident TEXT, because TEXT NOT NULL, cause INTEGER) STRICT;
  CREATE INDEX event_wall ON event (wall_ms);
  CREATE INDEX event_host ON event (host, seq) WHERE host IS NOT NULL;
  CREATE INDEX event_incident ON event (incident, seq) WHERE incident IS NOT NULL;
  CREATE TABLE incident (incident TEXT PRIMARY KEY, host TEXT NOT NULL, began_ms REAL NOT NULL, ended_ms REAL, record TEXT NOT NULL) STRICT;
  CREATE INDEX incident_began ON incident (began_ms);
  CREATE TABLE memory (id INTEGER PRIMARY KEY CHECK (id = 1), watcher TEXT NOT NULL, ledger TEXT NOT NULL, revision INTEGER NOT NULL) STRICT;
  ${INPUTS_SCHEMA} ${RESULTS_SCHEMA} ${STANDINGS_SCHEMA} ${KERNEL_SCHEMA}`;

export type Renewed<Found> = { readonly database: DatabaseSync; readonly found: Found; readonly problem: string | null };

/** Opens the history, or makes one; what cannot be read is set aside and made anew. Throws when the disk refuses. */
export function openOrRenew<Found>(path: string, wallMs: number, look: (database: DatabaseSync) => Found): Renewed<Found> {
  let aside = "";
  let problem: string | null = null;
  const open = () => {
    touchPrivate(path);
    const checked = (database: DatabaseSync): Found => {
      problem = check(database);
      return look(database);
    };
    return openDatabase(path, OPTIONS, checked, () => { aside = setAside(path, wallMs); });
  };
  const first = open();
  if (first.kind === "open") return { database: first.database, found: first.result, problem };
  const second = open();
  if (second.kind === "corrupt") throw new Unreadable(second.evidence);
  return { database: second.database, found: second.result, problem: `the history is corrupt (${first.evidence}); it was set aside as ${aside}` };
}

/** What the history remembers of the ledger, without keeping it open; for the start, before there is a worker. */
export function recall(path: string, wallMs: number): { readonly memory: Memory | null; readonly problem: string | null } {
  if (!existsSync(path)) return { memory: null, problem: null };
  const { database, found, problem } = openOrRenew(path, wallMs, memoryIn);
  database.close();
  return { memory: found, problem };
}

export function memoryIn(database: DatabaseSync): Memory | null {
  const [row] = rows(database, "SELECT watcher, ledger, revision FROM memory WHERE id = 1");
  return row === undefined ? null : { watcher: String(row["watcher"]), ledger: String(row["ledger"]), revision: Number(row["revision"]) };
}

/** What there is to say about it, or null. */
function check(database: DatabaseSync): string | null {
  const [format] = rows(database, "PRAGMA user_version");
  if (rows(database, "SELECT 1 FROM sqlite_schema LIMIT 1").length === 0) {
    transaction(database, () => database.exec(SCHEMA));
    return null;
  }
  if (format?.["user_version"] === 1) return renewFirstFormat(database);
  if (format?.["user_version"] !== FORMAT) throw new Unreadable(`its format is ${String(format?.["user_version"])}, this program knows ${FORMAT}`);
  // A table more is no other format: an older program goes on with the rest.
  if (rows(database, "SELECT 1 FROM sqlite_schema WHERE name = 'standing'").length === 0) transaction(database, () => database.exec(STANDINGS_SCHEMA));
  if (rows(database, "SELECT 1 FROM sqlite_schema WHERE name = 'kernel_line'").length === 0) transaction(database, () => database.exec(KERNEL_SCHEMA));
  return null;
}

/** Probe results and inputs of the first format are dropped; what a person or the ledger needs is kept. */
function renewFirstFormat(database: DatabaseSync): string {
  transaction(database, () => database.exec(`DROP TABLE rounds; DROP TABLE inputs; ${INPUTS_SCHEMA} ${RESULTS_SCHEMA} ${STANDINGS_SCHEMA} ${KERNEL_SCHEMA} PRAGMA user_version = ${FORMAT}`));
  // Without this a database keeps for ever what it was made with: nothing would be given back to the disk.
  database.exec("PRAGMA auto_vacuum = INCREMENTAL; VACUUM");
  return "the history was brought to a new format: events and incidents are kept, probe results begin anew";
}
