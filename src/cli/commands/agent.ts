// `upkeep agent`: the daemon on each host, which this process becomes as `upkeep watch` does.

import type { Options } from "../options.ts";
import { EXIT } from "../exit.ts";
import { complain } from "../terminal.ts";
import { findConfigPath } from "../../config/data-dir.ts";
import { becomeDaemon } from "./watch.ts";

const NONE = "no configuration: name one with -c FILE, or make ./upkeep.yaml or /etc/upkeep/upkeep.yaml with a section agent";

/** Becomes the agent. Resolves with the exit code when it cannot. */
export async function runAgent(options: Options): Promise<number> {
  const config = findConfigPath(options.config);
  if (config === null) {
    complain(NONE);
    return EXIT.configuration;
  }
  return becomeDaemon("agent", config, options.log, options.dryRun === true ? ["dry-run"] : []);
}
