// Files of other programs: regular ones, bounded in bytes and in number, each read once however it is reached. What is no
// file of text is refused before it is read: somebody may have pointed at a pipe, a device, or a picture.

import { constants } from "node:fs";
import { open, readdir, realpath, stat } from "node:fs/promises";
import { basename, join } from "node:path";

/** Why an import cannot begin, for the person who typed it. */
export class ImportError extends Error {}

const FILE_BYTES_MAX = 16 * 1_024 ** 2;
const FILES_MAX = 2_000;
const DEPTH_MAX = 16;

/** A file as text; `head`: only its first `max` bytes, one character a byte. */
export async function readWhole(path: string, max = FILE_BYTES_MAX, head = false): Promise<string> {
  let file;
  try {
    // Without O_NONBLOCK a pipe that nobody writes to would hold us for ever.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw new ImportError(`${path}: ${reason(error)}`);
  }
  try {
    const { size } = await file.stat().then((found) => {
      if (!found.isFile()) throw new ImportError(`${path} is no file`);
      return found;
    });
    if (!head && size > max) throw new ImportError(`${path} is larger than ${Math.round(max / 1_024 ** 2)} MiB`);
    const bytes = Buffer.alloc(Math.min(size, max));
    let length = 0;
    while (length < bytes.length) {
      const { bytesRead } = await file.read(bytes, length, bytes.length - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return bytes.subarray(0, length).toString(head ? "latin1" : "utf8");
  } finally {
    await file.close();
  }
}

/** All files below a folder that end so, in the order of their names; a file is itself. Links are followed, each target once. */
export async function filesBelow(path: string, ending: RegExp, seen = new Set<string>(), depth = 0): Promise<readonly string[]> {
  let real: string;
  let folder: boolean;
  try {
    real = await realpath(path);
    folder = (await stat(real)).isDirectory();
  } catch (error) {
    throw new ImportError(`${path}: ${reason(error)}`);
  }
  if (seen.has(real)) return [];
  if (depth > DEPTH_MAX || seen.size > FILES_MAX) throw new ImportError(`${path}: more than ${FILES_MAX} files, or deeper than ${DEPTH_MAX} folders`);
  seen.add(real);
  if (!folder) return depth === 0 || ending.test(path) ? [path] : [];
  const found: string[] = [];
  for (const name of (await readdir(real)).sort()) {
    // A link to nowhere in a folder is nobody's mistake that matters here.
    found.push(...(await filesBelow(join(path, name), ending, seen, depth + 1).catch((error: unknown) => {
      if (error instanceof ImportError && error.message.includes("more than")) throw error;
      return [];
    })));
  }
  return found;
}

export function baseName(path: string): string {
  return basename(path);
}

function reason(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return { ENOENT: "there is no such file", EACCES: "this user may not read it", ELOOP: "its links go round in a circle" }[code] ?? `it cannot be read${code === "" ? "" : ` (${code})`}`;
}
