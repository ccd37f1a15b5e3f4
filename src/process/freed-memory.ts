// Memory that is free already, back to the kernel (malloc_trim(3)). What the thread that read the configuration and the
// start took from malloc was freed among pieces that stay in use, and glibc gives back by itself only what lies at its end:
// 5 to 6 MB of a process that needs them at no other time (docs/adr/0009-a-small-watcher.md).

import { createRequire } from "node:module";

/** By then V8, too, has given up what only the start needed; a trim takes a millisecond or two. */
const SETTLED_MS = 20_000;

/** Once, when what was begun now has settled; keeps no process alive. */
export function giveBackFreed(afterMs = SETTLED_MS): void {
  setTimeout(trim, afterMs).unref();
}

function trim(): void {
  try {
    const koffi = createRequire(import.meta.url)("koffi") as { load(name: string): { func(declaration: string): (pad: number) => number } };
    koffi.load("libc.so.6").func("int malloc_trim(size_t)")(0);
  } catch {
    // Another libc keeps its memory.
  }
}
