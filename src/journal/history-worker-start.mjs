// The first file of the history's thread; in JavaScript, because each thread has a compile cache to switch on.

import "../compile-cache.mjs";

await import("./history-worker.ts");
