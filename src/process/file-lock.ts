// One process to a folder, by flock(2) on a file without content: the kernel drops it when the process dies, however it dies.

import { closeSync, openSync } from "node:fs";
import { createRequire } from "node:module";

const LOCK_EX = 2;
const LOCK_NB = 4;

/** Holds the lock until the result is called, or is null where somebody else holds it. Throws where the file cannot be made. */
export function lockFile(path: string): (() => void) | null {
  const koffi = createRequire(import.meta.url)("koffi") as { load(name: string): { func(declaration: string): (descriptor: number, operation: number) => number } };
  const flock = koffi.load("libc.so.6").func("int flock(int, int)");
  const descriptor = openSync(path, "a", 0o600);
  if (flock(descriptor, LOCK_EX | LOCK_NB) === 0) return () => closeSync(descriptor);
  closeSync(descriptor);
  return null;
}
