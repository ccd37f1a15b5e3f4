// A file that may be of any size, or no file at all: at most its last megabytes, since what is new stands at the end of a log
// of leases. Links are followed, as those of /etc are; pipes, devices and folders are not waited for.

import { constants } from "node:fs";
import { open } from "node:fs/promises";

const BYTES_MAX = 8 * 1_024 ** 2;

export type Tail = { readonly text: string; /** False: the beginning was left out. */ readonly whole: boolean };

/** The end of a file, or why not, in words. */
export async function readTail(path: string, max = BYTES_MAX): Promise<Tail | { readonly why: string; readonly missing: boolean }> {
  let file;
  try {
    // A pipe that nobody writes to would hold us for ever.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return { why: code === "ENOENT" ? "there is no such file" : code === "EACCES" ? "this user may not read it" : `it cannot be read (${code})`, missing: code === "ENOENT" };
  }
  try {
    const found = await file.stat();
    if (!found.isFile()) return { why: "it is no file", missing: false };
    // Files of /proc say that they are empty.
    const from = Math.max(0, found.size - max);
    const bytes = Buffer.alloc(found.size === 0 ? max : found.size - from);
    let length = 0;
    while (length < bytes.length) {
      const { bytesRead } = await file.read(bytes, length, bytes.length - length, from === 0 && found.size === 0 ? null : from + length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    const text = bytes.toString("utf8", 0, length);
    return { text: from === 0 ? text : text.slice(text.indexOf("\n") + 1), whole: from === 0 };
  } finally {
    await file.close();
  }
}
