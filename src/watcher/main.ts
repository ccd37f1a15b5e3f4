// The watcher as a process: what `upkeep watch` becomes (src/cli/commands/watch.ts), with the command line left behind.
// Its three words are the configuration, the form of the log, and the version; nobody else starts it.

import { runDaemon } from "./daemon.ts";
import { leave } from "../process/leave.ts";

const EXIT_INTERNAL = 70;

// One sentence is printed, and whether anybody reads it is no reason to stop watching.
process.stdout.on("error", () => {});

const [config = "", log, version = ""] = process.argv.slice(2);
let code = EXIT_INTERNAL;
try {
  code = await runDaemon({ config, log: log === "text" ? "text" : "json", version });
} catch (error) {
  process.stderr.write(`upkeep: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
}
leave(code);
