// The end of the process, once everything is closed and on the disk. Node's own way out takes its threads and V8's apart first,
// and seldom, on a busy machine, never comes to an end with it: a watcher that had refused to start, or had handed all over and
// was asked to stop, stood there until the service manager killed it. Nothing of that is needed for leaving: _exit(2).

import { createRequire, flushCompileCache } from "node:module";

/** Ends this process with that exit code. Nothing registered for the exit is run; what was written to the streams has left. */
export function leave(code: number): never {
  flushCompileCache();
  try {
    const koffi = createRequire(import.meta.url)("koffi") as { load(name: string): { func(declaration: string): (code: number) => void } };
    koffi.load("libc.so.6").func("void _exit(int)")(code);
  } catch {
    // Where koffi cannot be loaded.
  }
  process.exit(code);
}
