// The first file of the thread that hears kernels; in JavaScript, because each thread has a compile cache to switch on.

import "../../compile-cache.mjs";

await import("./receiver.ts");
