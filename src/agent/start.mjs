// The first file of the agent's process, put there by src/cli/commands/agent.ts; in JavaScript for the compile cache.

import "../compile-cache.mjs";

await import("./main.ts");
