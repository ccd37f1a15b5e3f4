// The first file of the watcher's process, put there by src/cli/commands/watch.ts; in JavaScript for the compile cache.

import "../compile-cache.mjs";

await import("./main.ts");
