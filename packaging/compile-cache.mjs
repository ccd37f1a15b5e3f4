// In place of src/compile-cache.mjs in the package: where what V8 compiled is kept, the unit says (NODE_COMPILE_CACHE), and
// who types a command keeps nothing, because a package's folders are not his to write. What Node does with that variable it
// does at the end of a process; a watcher that is killed after months would never have written it.

import { flushCompileCache } from "node:module";

const FIRST_WRITE_MS = 5_000;
const WRITE_EVERY_MS = 60_000;

setTimeout(flushCompileCache, FIRST_WRITE_MS).unref();
setInterval(flushCompileCache, WRITE_EVERY_MS).unref();
