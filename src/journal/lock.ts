// One watcher to a data folder. The ledger itself is opened with an exclusive lock, but a corrupt one is renamed and made
// anew, and between the two two watchers could pass each other. So there is a lock of its own, on a file without content,
// taken before anything else is looked at and held to the end. The kernel drops it when the process dies, however it dies.
//
// The lock is SQLite's, because Node has no call for one; it is of the kind that the ledger's own lock is, and works where that works.

import { truncateSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { UpkeepError } from "../core/errors.ts";
import { touchPrivate } from "./data-folder.ts";
import { corruption, faultOf } from "./sqlite.ts";

export type Lock = { release(): void };

/** A process that was killed lets go a moment after the kill has returned: who starts the next one at once must not be refused. */
const PATIENCE_MS = 500;
const LOOK_EVERY_MS = 25;

/** Takes the lock or throws LEDGER_LOCKED within half a second; touches nothing else. */
export function takeLock(path: string): Lock {
  try {
    touchPrivate(path);
    return takeWithin(path, PATIENCE_MS);
  } catch (error) {
    if (corruption(error) === null) throw explain(path, error);
  }
  // Somebody wrote into it, and nobody holds it, else SQLite had not read it: it is emptied in place, under all who wait.
  try {
    truncateSync(path, 0);
    return take(path);
  } catch (error) {
    throw explain(path, error);
  }
}

function takeWithin(path: string, patienceMs: number): Lock {
  try {
    return take(path);
  } catch (error) {
    if (patienceMs <= 0 || faultOf(error).kind !== "locked") throw error;
  }
  // Nothing runs in this process yet that could be held up.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_EVERY_MS);
  return takeWithin(path, patienceMs - LOOK_EVERY_MS);
}

function take(path: string): Lock {
  const database = new DatabaseSync(path);
  try {
    database.exec("PRAGMA journal_mode = MEMORY");
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    throw error;
  }
  return {
    release() {
      if (database.isOpen) database.close();
    },
  };
}

function explain(path: string, error: unknown): UpkeepError {
  const fault = faultOf(error);
  if (fault.kind === "locked") return new UpkeepError("LEDGER_LOCKED", `another watcher holds ${path}`, { cause: error });
  return new UpkeepError(fault.kind === "full" ? "LEDGER_FULL" : "LEDGER_IO", `${path} cannot be locked: ${fault.evidence}`, { cause: error });
}
