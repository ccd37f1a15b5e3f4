// The agent's own reading of the configuration: the section `agent` and nothing else, so that a host needs no word of the
// watchers' part, and on a watcher's machine the same file serves both.

import { dirname, join, resolve, sep } from "node:path";
import { AGENT_PARTS, agent } from "./agent/index.ts";
import type { AgentInput, AgentPartOptions } from "./agent/index.ts";
import type { Address } from "./address.ts";
import { isMapping, parseSection } from "./expect.ts";
import { readSource } from "./gather.ts";
import type { LoadOptions } from "./load.ts";
import { ProblemList } from "./problems.ts";
import type { Problem } from "./problems.ts";
import { ownName } from "./sections/watcher.ts";
import { SecretReader } from "./secrets.ts";
import { thisMachine } from "./self.ts";

export type AgentConfig = {
  readonly file: string;
  readonly host: string;
  readonly watchers: readonly Address[];
  readonly dataDir: string;
  /** The parts that are configured. */
  readonly parts: { readonly [Name in keyof AgentPartOptions]?: AgentPartOptions[Name] };
};

export type LoadedAgent = { readonly ok: true; readonly config: AgentConfig; readonly problems: readonly Problem[] } | { readonly ok: false; readonly problems: readonly Problem[] };

/** Whom a file is for: a file with nothing but an agent is no watcher's. A file that is not even YAML is a watcher's, who tells what is wrong with it. */
export async function servesWhom(path: string, readFile?: LoadOptions["readFile"]): Promise<{ readonly agent: boolean; readonly watcher: boolean }> {
  const read = await readSource(path, { file: path, line: 1, column: 1 }, new ProblemList(), readFile);
  const keys = isMapping(read?.source.value) ? Object.keys(read.source.value) : [];
  const has = keys.includes("agent");
  return { agent: has, watcher: !has || keys.length > 1 };
}

/** Reads the section `agent` of a file; never rejects for what is in it. */
export async function loadAgentConfig(path: string, options: LoadOptions = {}): Promise<LoadedAgent> {
  const problems = new ProblemList();
  const env = options.env ?? process.env;
  const failed = (): LoadedAgent => ({ ok: false, problems: problems.sorted() });
  const read = await readSource(path, { file: path, line: 1, column: 1 }, problems, options.readFile);
  if (read === null) return failed();
  const { source } = read;
  const raw = isMapping(source.value) ? source.value["agent"] : undefined;
  if (raw === undefined) {
    problems.add(source.place([]), "KEY_MISSING", "there is no section agent: what is the agent to do", "agent: { watchers: [10.0.0.2] }");
    return failed();
  }
  const input = parseSection(agent, raw, { place: (inside, part) => source.place(["agent", ...inside], part) }, problems);
  if (input === null) return failed();
  const host = input.name ?? ownName((options.machine ?? thisMachine()).hostname);
  const secrets = new SecretReader(env, problems, options.readFile);
  const directory = dirname(path);
  const parts: Record<string, unknown> = {};
  for (const [part, { resolve: resolvePart }] of Object.entries(AGENT_PARTS)) {
    const settings = (input as Readonly<Record<string, unknown>>)[part];
    if (settings === undefined) continue;
    const place = (inside: readonly (string | number)[]) => source.place(["agent", part, ...inside]);
    parts[part] = await resolvePart(settings, { host, directory, problems, place, secrets, secret: (secret, inside) => secrets.read(secret, place(inside), directory) });
  }
  if (problems.failed) return failed();
  return { ok: true, config: { file: path, host, watchers: input.watchers, dataDir: agentDataDir(path, input, env), parts: parts as AgentConfig["parts"] }, problems: problems.sorted() };
}

function agentDataDir(path: string, { data }: AgentInput, env: NonNullable<LoadOptions["env"]>): string {
  const state = env["STATE_DIRECTORY"]?.split(":")[0];
  if (state !== undefined && state !== "") return resolve(state);
  const directory = dirname(resolve(path));
  if (data !== undefined) return resolve(directory, data);
  return `${directory}${sep}`.startsWith(`${sep}etc${sep}`) ? "/var/lib/upkeep-agent" : join(directory, "upkeep-agent-data");
}
