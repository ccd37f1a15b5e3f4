// Keeps what V8 made of our modules on disk, TypeScript without its types; for the few files in JavaScript by which the
// program, the watcher and its threads start. The cache serves only what is loaded after it was switched on, and each
// thread has its own switch: whoever starts in TypeScript loads Node's type stripper, 100 ms and 22 to 33 MB.
//
// The cache stands beside the program's own modules and not in /tmp, where another user could have put one first: V8 takes
// what it finds there for our code. Where it cannot be written (an installation that belongs to somebody else) nothing is
// lost but that time and that memory.

import { enableCompileCache, flushCompileCache } from "node:module";
import { join } from "node:path";

const FIRST_WRITE_MS = 5_000;
const WRITE_EVERY_MS = 60_000;

enableCompileCache(join(import.meta.dirname, "../node_modules/.cache/upkeep"));
// It is written at the end of a process; a watcher that is killed after months would never have written it. Again and again,
// because some of it is loaded late (a probe, the schema of commands); when nothing is new this takes no time.
setTimeout(flushCompileCache, FIRST_WRITE_MS).unref();
setInterval(flushCompileCache, WRITE_EVERY_MS).unref();
