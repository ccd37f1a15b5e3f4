// Keeps what V8 made of our modules on disk, TypeScript without its types; for the few files in JavaScript by which the
// program, the watcher and its threads start. The cache serves only what is loaded after it was switched on, and each
// thread has its own switch: whoever starts in TypeScript loads Node's type stripper, 100 ms and 22 to 33 MB.
//
// The cache stands beside the program's own modules and not in /tmp, where another user could have put one first: V8 takes
// what it finds there for our code. Where it cannot be written (an installation that belongs to somebody else) nothing is
// lost but that time and that memory.

import { enableCompileCache, flushCompileCache } from "node:module";
import { join } from "node:path";

/** Twice: on a busy machine a first start, which strips every type, may take longer than the first of them. */
const WRITE_AFTER_MS = [5_000, 60_000];

enableCompileCache(join(import.meta.dirname, "../node_modules/.cache/upkeep"));
// It is written at the end of a process; a watcher that is killed after months would never have written it.
for (const afterMs of WRITE_AFTER_MS) setTimeout(flushCompileCache, afterMs).unref();
