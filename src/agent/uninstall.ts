// `upkeep agent uninstall`: every part takes back what it has set up on this host, configured today or not, and the host's key
// is forgotten. It runs as the agent does, and never beside one.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { childGuard } from "../child/child.ts";
import { loadAgentApart } from "../config/load-apart.ts";
import { formatProblem } from "../config/problems.ts";
import { forgetIdentity } from "../link/identity.ts";
import { forgetKnown } from "../link/known.ts";
import { lockFile } from "../process/file-lock.ts";
import { createLog } from "../process/log.ts";
import { systemClock } from "../process/system-clock.ts";
import { Agent } from "./agent.ts";
import type { AgentOptions } from "./daemon.ts";
import { NO_LINK } from "./link.ts";
import type { Part } from "./part.ts";
import { PARTS } from "./parts.ts";

const EXIT_CONFIGURATION = 3;
const EXIT_NOT_AVAILABLE = 69;

/** Resolves with the exit code: 0 all is taken back, 5 something was not, which has been told. */
export async function uninstallAgent(options: AgentOptions, keepKey: boolean): Promise<number> {
  const log = createLog(options.log);
  const loaded = await loadAgentApart(options.config);
  if (!loaded.ok) {
    for (const problem of loaded.problems) process.stderr.write(`${formatProblem(problem)}\n`);
    return EXIT_CONFIGURATION;
  }
  const { config } = loaded;
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const release = lockFile(join(config.dataDir, "lock"));
  if (release === null) {
    process.stderr.write("upkeep: the agent of this host runs: stop it first (systemctl disable --now upkeep-agent)\n");
    return EXIT_NOT_AVAILABLE;
  }
  const agent = new Agent({ config, clock: systemClock(), log, guard: childGuard(), dryRun: false, parts: [], link: () => NO_LINK });
  let left = 0;
  for (const [name, load] of Object.entries(PARTS) as [string, () => Promise<Part<unknown>>][]) {
    try {
      const part = await load();
      await part.uninstall?.(agent.world(name));
    } catch (error) {
      left += 1;
      log.say("error", `${name} could not take everything back: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (!keepKey) {
    forgetKnown(join(config.dataDir, "link"));
    forgetIdentity(join(config.dataDir, "link"));
  }
  release();
  if (left === 0) process.stdout.write(`upkeep: the agent of ${config.host} has taken back all that it had set up${keepKey ? "" : `; revoke it at a watcher (upkeep agents revoke ${config.host})`}\n`);
  return left === 0 ? 0 : 5;
}
