// The agent as a process: what `upkeep agent` becomes (src/cli/commands/agent.ts), with the command line left behind.

import { leave } from "../process/leave.ts";
import { runAgentDaemon } from "./daemon.ts";

const EXIT_INTERNAL = 70;

process.stdout.on("error", () => {});

const [config = "", log, version = "", how = ""] = process.argv.slice(2);
let code = EXIT_INTERNAL;
try {
  const options = { config, log: log === "text" ? "text" : "json", version, dryRun: how === "dry-run" } as const;
  code = how.startsWith("uninstall") ? await (await import("./uninstall.ts")).uninstallAgent(options, how === "uninstall-keep-key") : await runAgentDaemon(options);
} catch (error) {
  process.stderr.write(`upkeep: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
}
leave(code);
