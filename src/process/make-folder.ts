// A folder and those above it, with the true reason where it cannot be made. Node's own recursive mkdir says of a read-only file
// system that there is no such file, and tries for ever where a file system (proc) says that by itself.

import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

const PRIVATE = 0o700;

/** Rejects with the error of the first folder that could not be made. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, PRIVATE);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && (await stat(folder)).isDirectory()) return;
    if (code !== "ENOENT" || dirname(folder) === folder || (await stat(dirname(folder)).catch(() => null)) !== null) throw error;
    await makeFolder(dirname(folder));
    // Somebody else may have made it meanwhile.
    await makeFolder(folder);
  }
}
