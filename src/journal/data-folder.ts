// The data folder and the life of files in it: made for us alone, set aside when they cannot be read, never deleted.
//
// Nothing in here opens a database file that may be open: closing any descriptor of a file drops all locks that this
// process holds on it (fcntl(2), "Advisory record locking"), and with them the exclusion of a second watcher.

import { chmodSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { UpkeepError } from "../core/errors.ts";

/** Files that SQLite keeps beside a database; they belong to it and go where it goes. */
const COMPANIONS = ["-wal", "-journal"] as const;
const SET_ASIDE = ".corrupt-";

/** Makes the folder and what is missing above it, for this user alone; a folder that is there keeps its mode. */
export function makeFolder(path: string): void {
  try {
    const first = mkdirSync(path, { recursive: true, mode: 0o700 });
    if (first !== undefined) syncFolder(dirname(first));
    if (!statSync(path).isDirectory()) throw new Error("it is not a folder");
  } catch (error) {
    throw new UpkeepError("LEDGER_IO", `the data folder ${path} cannot be made: ${words(error)}`, { cause: error });
  }
}

/** Makes an empty file that only this user can read, if there is none. SQLite gives its companions the same mode. */
export function touchPrivate(path: string): void {
  if (existsSync(path)) {
    if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
    return;
  }
  closeSync(openSync(path, "a", 0o600));
}

/** A name that was created, renamed or removed is on disk only when its folder is (fsync(2)). */
export function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Renames a database and its companions to `NAME.corrupt-TIME`; returns the new base name. Nothing is ever overwritten. */
export function setAside(path: string, wallMs: number): string {
  let aside = `${path}${SET_ASIDE}${fileTime(wallMs)}`;
  for (let n = 2; ["", ...COMPANIONS].some((suffix) => existsSync(`${aside}${suffix}`)); n += 1) aside = `${path}${SET_ASIDE}${fileTime(wallMs)}-${n}`;
  for (const suffix of [...COMPANIONS, ""]) if (existsSync(`${path}${suffix}`)) renameSync(`${path}${suffix}`, `${aside}${suffix}`);
  syncFolder(dirname(path));
  return basename(aside);
}

/** The name of a copy of this file that was set aside before, or null. */
export function earlierCopy(path: string): string | null {
  const prefix = `${basename(path)}${SET_ASIDE}`;
  return readdirSync(dirname(path)).sort().findLast((name) => name.startsWith(prefix)) ?? null;
}

/** A write-ahead log or rollback journal without its database: the database was lost. */
export function orphan(path: string): string | null {
  if (existsSync(path) && statSync(path).size > 0) return null;
  const found = COMPANIONS.find((suffix) => existsSync(`${path}${suffix}`) && statSync(`${path}${suffix}`).size > 0);
  return found === undefined ? null : basename(join(path + found));
}

/** An error of the system in few words, without a stack. */
export function words(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 300);
}

function fileTime(wallMs: number): string {
  // A clock may say anything; a file name must still be made (Date's range: ECMA-262, §21.4.1.1).
  const date = new Date(Math.abs(wallMs) <= 8.64e15 ? wallMs : 0);
  return date.toISOString().replace(/[-:]/g, "").replace(/\.\d+/, "");
}
