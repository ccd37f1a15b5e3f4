// `upkeep agent`: the daemon on each host, which this process becomes as `upkeep watch` does; and `upkeep agent check`.

import type { Options } from "../options.ts";
import { EXIT } from "../exit.ts";
import { complain, print } from "../terminal.ts";
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

/** Becomes the agent for as long as it takes to take everything back. */
export async function runAgentUninstall(options: Options): Promise<number> {
  const config = findConfigPath(options.config);
  if (config === null) {
    complain(NONE);
    return EXIT.configuration;
  }
  return becomeDaemon("agent", config, options.log, [options.keepKey === true ? "uninstall-keep-key" : "uninstall"]);
}

/** Every problem of the section `agent`, one a line. */
export async function runAgentCheck(options: Options): Promise<number> {
  const config = findConfigPath(options.config);
  if (config === null) {
    complain(NONE);
    return EXIT.configuration;
  }
  const [{ loadAgentConfig }, { formatProblem }] = await Promise.all([import("../../config/load-agent.ts"), import("../../config/problems.ts")]);
  const loaded = await loadAgentConfig(config);
  if (options.json === true) {
    print(JSON.stringify({ file: config, ok: loaded.ok, problems: loaded.problems }));
  } else {
    for (const problem of loaded.problems) print(formatProblem(problem));
    if (loaded.ok && loaded.problems.length === 0) print(`${config}: no problems; the agent of ${loaded.config.host}: ${Object.keys(loaded.config.parts).join(", ") || "nothing is configured"}`);
  }
  return loaded.ok ? EXIT.yes : EXIT.configuration;
}
