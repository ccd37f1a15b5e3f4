// The first file of the program; in JavaScript, so that `upkeep status` never loads Node's type stripper.

import "../compile-cache.mjs";

await import("./main.ts");
