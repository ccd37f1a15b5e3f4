// Who may read what `init` writes. /etc/upkeep is root's, and its group, upkeep, may enter it (0750): a file with a password
// that only root can read would keep the service from starting, and one that everybody can read is none. So in such a folder,
// and when root writes, a file gets the folder's group, which may read it.

import { stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";

const FOLDER_OF_A_SERVICE = 0o050;
const FILE_MODE = 0o640;

/** Lets the group of a service's folder read a file in it; leaves every other file as it is. */
export async function readableByItsService(file: FileHandle, folder: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid, mode } = await stat(folder);
  if (uid !== 0 || gid === 0 || (mode & 0o077) !== FOLDER_OF_A_SERVICE) return;
  await file.chown(0, gid);
  await file.chmod(FILE_MODE);
}
