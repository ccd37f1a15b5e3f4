// The first file of the program, and the only one in JavaScript: the compile cache keeps TypeScript without its types, but
// only for what is loaded after it was switched on. In TypeScript this file alone would cost the 100 ms of loading Node's
// type stripper, at every `upkeep status`.
//
// The cache stands beside the program's own modules and not in /tmp, where another user could have put one first: V8 takes
// what it finds there for our code.

import { enableCompileCache, flushCompileCache } from "node:module";
import { join } from "node:path";

enableCompileCache(join(import.meta.dirname, "../../node_modules/.cache/upkeep"));
// The cache is written at the end of a process; a watcher that is killed after months would never have written it, and
// without it carries the type stripper's 33 MB.
setTimeout(flushCompileCache, 5_000).unref();
await import("./main.ts");
