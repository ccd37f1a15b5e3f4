// Who a data folder is to the other watchers. The identity goes with the file and not with its content: a copy of the folder
// (a clone of a machine, a backup that is restored beside the original) has another inode and becomes another folder,
// because who finds its own identity alive in the store takes that one for dead: it holds the lock, so nobody else can run here.

import { randomUUID } from "node:crypto";
import { closeSync, fstatSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { UpkeepError } from "../core/errors.ts";
import { syncFolder, words } from "./data-folder.ts";

export const FOLDER_ID_NAME = "folder.id";

const FORM = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}) ([0-9]{1,20})\n$/;

/** The identity of the data folder whose file this is; made where there is none that is its own. The caller holds the folder's lock. */
export function folderIdentity(path: string): string {
  try {
    const [, id, inode] = FORM.exec(readFileSync(path, "latin1")) ?? [];
    if (id !== undefined && inode === String(statSync(path, { bigint: true }).ino)) return id;
  } catch {
    // Not there, or not to be read: it is made anew, and the others wait until the old one's session is over.
  }
  try {
    return make(path);
  } catch (error) {
    throw new UpkeepError("LEDGER_IO", `${path} cannot be made: ${words(error)}`, { cause: error });
  }
}

function make(path: string): string {
  const id = randomUUID();
  const draft = `${path}.new`;
  rmSync(draft, { force: true });
  const file = openSync(draft, "wx", 0o600);
  try {
    writeSync(file, `${id} ${fstatSync(file, { bigint: true }).ino}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
  syncFolder(dirname(path));
  return id;
}
