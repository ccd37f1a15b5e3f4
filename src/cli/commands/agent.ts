// `upkeep agent`: the daemon on each host, which this process becomes as `upkeep watch` does.

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AgentConfig } from "../../config/load-agent.ts";
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

/** What the agent keeps running and what of it is to be left alone stands in its folder: it looks there before it does anything, and need not run for this. */
export async function runAgentHold(service: string, options: Options): Promise<number> {
  const folder = await keptFolder(service, options);
  if (typeof folder === "number") return folder;
  const { HELD_SUFFIX } = await import("../../config/agent/keep.ts");
  return written(folder, `${service} is held: the agent looks at it and does nothing about it (upkeep agent release ${service})`, () => writeFileSync(join(folder, `${service}${HELD_SUFFIX}`), options.reason ?? "", { mode: 0o600 }));
}

/** Ends a hold; of one that was given up, the agent tries again. */
export async function runAgentRelease(service: string, options: Options): Promise<number> {
  const folder = await keptFolder(service, options);
  if (typeof folder === "number") return folder;
  const { HELD_SUFFIX, RELEASED_SUFFIX } = await import("../../config/agent/keep.ts");
  return written(folder, `${service} is released`, () => {
    writeFileSync(join(folder, `${service}${RELEASED_SUFFIX}`), "", { mode: 0o600 });
    rmSync(join(folder, `${service}${HELD_SUFFIX}`), { force: true });
  });
}

/** Says that it is done once it stands on the disk, and else why it does not. */
async function written(folder: string, done: string, write: () => void): Promise<number> {
  const { makeFolder } = await import("../../process/make-folder.ts");
  try {
    await makeFolder(folder);
    write();
  } catch (error) {
    complain(`nothing was changed: ${folder} cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
    return EXIT.unavailable;
  }
  print(done);
  return EXIT.yes;
}

type Shown = { readonly at: string; readonly boot: string; readonly bootMs: number; readonly reap: boolean; readonly graceMs: number; readonly tooMany: boolean; readonly found: readonly { readonly init: { readonly pid: number }; readonly comm: string; readonly kind: string; readonly because: string; readonly sinceMs: number; readonly processes: number; readonly defunct: number }[] };

/** What the agent's last look for orphans found. */
export async function runAgentOrphans(options: Options): Promise<number> {
  const config = await agentConfig(options);
  if (typeof config === "number") return config;
  const { ORPHANS_FILE } = await import("../../config/agent/orphans.ts");
  let shown: Shown;
  try {
    shown = JSON.parse(readFileSync(join(config.dataDir, "orphans", ORPHANS_FILE), "utf8")) as Shown;
  } catch (error) {
    const path = join(config.dataDir, "orphans", ORPHANS_FILE);
    const { code } = error as NodeJS.ErrnoException;
    if (config.parts.orphans === undefined) complain(`nobody looks for orphans here: ${config.file} has no section agent.orphans`);
    else complain(code === "ENOENT" ? `no agent has looked for orphans yet (it writes ${path}): upkeep agent status` : `${path} cannot be read: ${code ?? String(error)}`);
    return EXIT.unavailable;
  }
  const { at, bootMs, reap, graceMs, tooMany, found } = shown;
  const orphan = found.some(({ kind }) => kind === "orphan");
  if (options.json === true) {
    print(JSON.stringify({ at, reap, graceMs, tooMany, found: found.map(({ init, comm, kind, because, sinceMs, processes, defunct }) => ({ pid: init.pid, comm, kind, because, forMs: Math.max(0, bootMs - sinceMs), processes, defunct })) }));
  } else if (found.length === 0) {
    print(`no container without a supervisor (${at})`);
  } else {
    for (const { init, comm, kind, because, sinceMs, processes, defunct } of found) print(`${kind.padEnd(8)} ${String(init.pid).padStart(8)} ${comm}: ${because}; for ${Math.round((bootMs - sinceMs) / 60_000)} min, ${processes} processes${defunct > 0 ? `, ${defunct} defunct` : ""}`);
    print(tooMany ? "too many at once: none is ended" : reap ? `orphans are ended after ${Math.round(graceMs / 60_000)} min` : "they are only shown (agent.orphans.reap)");
  }
  return orphan ? EXIT.no : EXIT.yes;
}

async function keptFolder(service: string, options: Options): Promise<string | number> {
  const config = await agentConfig(options);
  if (typeof config === "number") return config;
  const names = config.parts.keep?.services.map(({ policy }) => policy.name) ?? [];
  if (names.includes(service)) return join(config.dataDir, "keep");
  complain(`${service} is not among what is kept: ${names.join(", ") || "nothing is"}`);
  return EXIT.usage;
}

async function agentConfig(options: Options): Promise<AgentConfig | number> {
  const path = findConfigPath(options.config);
  if (path === null) {
    complain(NONE);
    return EXIT.configuration;
  }
  const [{ loadAgentConfig }, { formatProblem }] = await Promise.all([import("../../config/load-agent.ts"), import("../../config/problems.ts")]);
  const loaded = await loadAgentConfig(path);
  if (loaded.ok) return loaded.config;
  for (const problem of loaded.problems) complain(formatProblem(problem));
  return EXIT.configuration;
}
