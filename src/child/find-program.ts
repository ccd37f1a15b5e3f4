// Where a program is, by the watcher's own PATH, and what of that children get.

import { accessSync, constants, statSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";

const FALLBACK = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The PATH that children get. */
export function searchPath(): string {
  return process.env["PATH"] ?? FALLBACK;
}

/** The path of a program that may be run, or null. A name with a slash is a path from the root. */
export function findProgram(name: string): string | null {
  const places = isAbsolute(name) ? [name] : name.includes("/") ? [join("/", name)] : searchPath().split(delimiter).map((folder) => join(folder, name));
  return places.find((place) => canRun(place)) ?? null;
}

/** Where Debian keeps fence agents; not in the PATH of an ordinary user. */
const AGENTS_FOLDER = "/usr/sbin";

/** The path of a fence agent, by its name or its path. */
export function findAgent(name: string): string | null {
  return findProgram(name) ?? (isAbsolute(name) ? null : findProgram(join(AGENTS_FOLDER, name)));
}

function canRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
