// Reading what an administrator points at: bounded in bytes, and with the reason in words when it cannot be read.

import { constants } from "node:fs";
import { access, glob, open, stat } from "node:fs/promises";
import { isAbsolute, join } from "node:path";

export type ReadFile = (path: string) => Promise<string | Uint8Array>;

export type Read = { readonly ok: true; readonly bytes: Uint8Array } | { readonly ok: false; readonly tooLarge: boolean; readonly reason: string };

/** The file's bytes, at most `max` of them. */
export async function readBounded(path: string, max: number, readFile: ReadFile | undefined): Promise<Read> {
  try {
    const found = readFile === undefined ? await readSome(path, max + 1) : await readFile(path);
    const bytes = typeof found === "string" ? new TextEncoder().encode(found) : found;
    return bytes.length > max ? { ok: false, tooLarge: true, reason: `larger than ${max} bytes` } : { ok: true, bytes };
  } catch (error) {
    return { ok: false, tooLarge: false, reason: reasonOf(error) };
  }
}

async function readSome(path: string, bytes: number): Promise<Uint8Array> {
  const file = await open(path, "r");
  try {
    const buffer = Buffer.alloc(bytes);
    let length = 0;
    // A pipe (`-c <(generate)`) gives its content in pieces.
    while (length < bytes) {
      const { bytesRead } = await file.read(buffer, length, bytes - length, null);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return buffer.subarray(0, length);
  } finally {
    await file.close();
  }
}

const FILES_MAX = 1_000;

/** The files that a pattern relative to `directory` names, in the order of their names; null when there are too many. */
export async function filesMatching(pattern: string, directory: string): Promise<readonly string[] | null> {
  const found: string[] = [];
  for await (const name of glob(pattern, { cwd: directory })) {
    if (found.length >= FILES_MAX) return null;
    found.push(isAbsolute(name) ? name : join(directory, name));
  }
  return found.sort();
}

/** True when everybody on this machine may read the file. */
export async function isWorldReadable(path: string): Promise<boolean> {
  try {
    return ((await stat(path)).mode & constants.S_IROTH) !== 0;
  } catch {
    return false;
  }
}

export async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  switch (code) {
    case "ENOENT": return "there is no such file";
    case "EACCES":
    case "EPERM": return "this user may not read it";
    case "EISDIR": return "it is a directory";
    case "ENOTDIR": return "a part of its path is not a directory";
    default: return code === "" ? "it cannot be read" : `it cannot be read: ${code}`;
  }
}
