// The first file of the thread that reads a configuration (load-apart.ts); in JavaScript for the compile cache.

import { flushCompileCache } from "node:module";
import "../compile-cache.mjs";

await import("./load-apart-worker.ts");
// This thread ends long before the cache would be written by itself.
flushCompileCache();
