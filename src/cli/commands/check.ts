// `upkeep check`: every problem of a configuration on standard output, one a line, as compilers do. Exit 3 with errors, 0
// with warnings only (1 with --strict), 2 for a host that is not there.
//
// The schema and the YAML parser are imported only when they are needed: this module is named by the command line, which
// must stay quick for the commands that only talk to the watcher.

import type { StatusReport } from "../../api/contract.ts";
import { CONFIG_PATHS, findConfigPath } from "../../config/data-dir.ts";
import type { Loaded } from "../../config/load.ts";
import type { LoadedAgent } from "../../config/load-agent.ts";
import type { Problem } from "../../config/problems.ts";

export type CheckOptions = {
  readonly config?: string;
  /** Show what holds for this host instead. */
  readonly effective?: string;
  readonly strict?: boolean;
  readonly json?: boolean;
  /** Print the JSON Schema for editors instead. */
  readonly schema?: boolean;
};

type Out = { print(line: string): void };

/** Runs `upkeep check`; resolves with the exit status. */
export async function runCheck(options: CheckOptions, out: Out): Promise<number> {
  if (options.schema === true) {
    const { configurationSchema } = await import("../../config/schema.ts");
    out.print(JSON.stringify(configurationSchema(), null, 2));
    return 0;
  }
  const path = findConfigPath(options.config);
  if (path === null) return reportNone(options, out);
  const { loadAgentConfig, servesWhom } = await import("../../config/load-agent.ts");
  const serves = await servesWhom(path);
  const agent = serves.agent ? await loadAgentConfig(path) : null;
  if (!serves.watcher && agent !== null) return tellAgent(path, agent, options, out);
  const { loadConfig } = await import("../../config/load.ts");
  const watcher = await loadConfig(path, { measured: await measuredBoots(path) });
  // What is wrong with the section itself is told by either of them.
  const problems = [...watcher.problems, ...(agent?.problems ?? []).filter((one) => !watcher.problems.some((other) => formatted(other) === formatted(one)))];
  const loaded: Loaded = watcher.ok && agent?.ok !== false ? { ...watcher, problems } : { ok: false, problems };
  if (options.effective !== undefined && loaded.ok) return showEffective(loaded, options.effective, options, out);
  const errors = loaded.problems.filter(({ severity }) => severity === "error").length;
  const warnings = loaded.problems.length - errors;
  if (options.json === true) out.print(JSON.stringify({ file: path, ok: loaded.ok, errors, warnings, problems: loaded.problems }));
  else await printProblems(path, loaded, out);
  if (!loaded.ok) return 3;
  return warnings > 0 && options.strict === true ? 1 : 0;
}

/** A file with nothing but an agent. */
async function tellAgent(path: string, agent: LoadedAgent, options: CheckOptions, out: Out): Promise<number> {
  const errors = agent.problems.filter(({ severity }) => severity === "error").length;
  const warnings = agent.problems.length - errors;
  if (options.json === true) out.print(JSON.stringify({ file: path, ok: agent.ok, errors, warnings, problems: agent.problems }));
  else for (const problem of agent.problems) out.print((await import("../../config/problems.ts")).formatProblem(problem));
  if (options.json !== true && agent.ok && agent.problems.length === 0) out.print(`${path}: no problems; an agent, of ${agent.config.host}: ${Object.keys(agent.config.parts).join(", ") || "nothing is configured"}`);
  if (!agent.ok) return 3;
  return warnings > 0 && options.strict === true ? 1 : 0;
}

function formatted({ file, line, column, code }: Problem): string {
  return `${file}:${line}:${column} ${code}`;
}

/** The longest boots that a running watcher of this configuration knows; a lint, and none where nobody answers. */
async function measuredBoots(path: string): Promise<ReadonlyMap<string, number>> {
  const [{ connect }, { PATHS }] = await Promise.all([import("../client.ts"), import("../../api/contract.ts")]);
  try {
    const { hosts } = await (await connect({ config: path })).get<StatusReport>(PATHS.status);
    return new Map(hosts.flatMap(({ host, bootLongestMs }): [string, number][] => (typeof bootLongestMs === "number" ? [[host, bootLongestMs]] : [])));
  } catch {
    return new Map();
  }
}

async function printProblems(path: string, loaded: Loaded, out: Out): Promise<void> {
  const { formatProblem } = await import("../../config/problems.ts");
  for (const problem of loaded.problems) out.print(formatProblem(problem));
  if (loaded.problems.length > 0 || !loaded.ok) return;
  const { hosts, devices } = loaded.config.policy;
  out.print(`${path}: no problems; ${count(hosts.size, "host")}, ${count(devices.size, "power device")}`);
}

async function showEffective(loaded: Loaded & { ok: true }, host: string, options: CheckOptions, out: Out): Promise<number> {
  const { effectiveOf, formatEffective } = await import("../../config/effective.ts");
  const effective = effectiveOf(loaded.config, host);
  if (effective === null) {
    const { didYouMean } = await import("../../config/suggest.ts");
    const hint = didYouMean(host, loaded.config.policy.hosts.keys());
    out.print(`upkeep: no host is named ${JSON.stringify(host)}${hint === null ? "" : ` (${hint})`}`);
    return 2;
  }
  if (options.json === true) out.print(JSON.stringify(effective));
  else for (const line of formatEffective(effective)) out.print(line);
  return 0;
}

function reportNone(options: CheckOptions, out: Out): number {
  const message = `there is no configuration: neither -c FILE, nor $UPKEEP_CONFIG, nor ${CONFIG_PATHS.map((path) => (path.startsWith("/") ? path : `./${path}`)).join(", nor ")}`;
  const problem: Problem = { file: CONFIG_PATHS[0], line: 1, column: 1, severity: "error", code: "FILE_UNREADABLE", message, hint: null };
  if (options.json === true) out.print(JSON.stringify({ file: null, ok: false, errors: 1, warnings: 0, problems: [problem] }));
  else out.print(`${problem.file}:1:1: error ${problem.code} ${message}`);
  return 3;
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}
