// `upkeep agent enroll CODE`, on the host. It asks the watchers of the section `agent` until it finds the one that made the code.

import { AGENTS_PORT, parseAddress } from "../../config/address.ts";
import { findConfigPath } from "../../config/data-dir.ts";
import { loadAgentConfig } from "../../config/load-agent.ts";
import { formatProblem } from "../../config/problems.ts";
import { readCode } from "../../link/code.ts";
import { enroll } from "../../link/enroll.ts";
import { systemClock } from "../../process/system-clock.ts";
import { EXIT } from "../exit.ts";
import type { Options } from "../options.ts";
import { complain, print, printable, printJson } from "../terminal.ts";

const OUTCOMES = { enrolled: EXIT.yes, refused: EXIT.refused, unreachable: EXIT.unavailable, unknown: EXIT.unknown } as const;

/** Runs `upkeep agent enroll`. */
export async function runAgentEnroll(text: string, options: Options, version: string): Promise<number> {
  const code = readCode(text);
  if (code === null) {
    complain("this is no code, or a letter of it is wrong: it begins with UPK1- and has nine groups of five letters and figures (upkeep agent code HOST, at a watcher)");
    return EXIT.usage;
  }
  const config = findConfigPath(options.config);
  const loaded = config === null ? null : await loadAgentConfig(config);
  if (loaded === null || !loaded.ok) {
    if (loaded === null) complain("no configuration: name one with -c FILE, or make /etc/upkeep/upkeep.yaml with a section agent");
    else for (const problem of loaded.problems) print(formatProblem(problem));
    return EXIT.configuration;
  }
  const named = options.watcher === undefined ? null : parseAddress(options.watcher);
  if (named !== null && !named.ok) {
    complain(`${named.message}: ${named.hint}`);
    return EXIT.usage;
  }
  const addresses = (named === null ? loaded.config.watchers : [named.value]).map(({ host, port }) => ({ host, port: port ?? AGENTS_PORT }));
  if (addresses.length === 0) {
    complain("which watcher made this code? agent: { watchers: [ADDRESS] } in the configuration, or --watcher ADDRESS");
    return EXIT.usage;
  }
  const ended = await enroll({ folder: `${loaded.config.dataDir}/link`, host: loaded.config.host, version, code, addresses, now: systemClock().now() });
  if (options.json === true) printJson({ host: loaded.config.host, ...ended });
  else if (ended.outcome === "enrolled") print(printable(`${loaded.config.host} is enrolled at ${[ended.watcher, ...ended.others].join(", ")}`));
  else if (ended.outcome === "unknown") complain(printable(`the outcome is not known (${ended.because}): give the same command once more`));
  else complain(printable(ended.because));
  return OUTCOMES[ended.outcome];
}
