// `upkeep agent` as a process: configuration, lock, parts, link, signals, and the word to the service manager.

import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { childGuard, weakGuard } from "../child/child.ts";
import type { AgentConfig } from "../config/load-agent.ts";
import { loadAgentApart } from "../config/load-apart.ts";
import { formatProblem } from "../config/problems.ts";
import { createLog } from "../process/log.ts";
import { petEveryMs, serviceNotify, watchdogPetter } from "../process/notify.ts";
import { lockFile } from "../process/file-lock.ts";
import type { Clock } from "../process/system-clock.ts";
import { systemClock } from "../process/system-clock.ts";
import { Agent } from "./agent.ts";
import type { Link, LinkHooks } from "./link.ts";
import { NO_LINK } from "./link.ts";
import type { Part } from "./part.ts";
import { PARTS } from "./parts.ts";

export type AgentOptions = { readonly config: string; readonly log: "text" | "json"; readonly version: string; readonly dryRun: boolean };

const EXIT_CONFIGURATION = 3;
const EXIT_NOT_AVAILABLE = 69;

/** Runs the agent until SIGTERM or SIGINT. Resolves with the exit code. */
export async function runAgentDaemon(options: AgentOptions): Promise<number> {
  const log = createLog(options.log);
  const stopping = new Promise<void>((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve());
  });
  const loaded = await loadAgentApart(options.config);
  if (!loaded.ok) {
    for (const problem of loaded.problems) process.stderr.write(`${formatProblem(problem)}\n`);
    process.stderr.write(`upkeep: ${options.config} has errors: nothing was started (upkeep check -c ${options.config})\n`);
    return EXIT_CONFIGURATION;
  }
  for (const problem of loaded.problems) log.say("warning", formatProblem(problem));
  const { config } = loaded;
  const release = takeFolder(config.dataDir);
  if (typeof release === "string") {
    process.stderr.write(`upkeep: ${release}\n`);
    return EXIT_NOT_AVAILABLE;
  }
  if (typeof release !== "function") log.say("error", release.unlocked);
  const weak = weakGuard();
  if (weak !== null) log.say("warning", weak);
  const clock = systemClock();
  const notify = serviceNotify(process.env["NOTIFY_SOCKET"]);
  const names = Object.keys(config.parts) as (keyof typeof PARTS)[];
  const parts = await Promise.all(names.map((name) => (PARTS[name] as () => Promise<Part<unknown>>)()));
  const agent = new Agent({ config, clock, log, guard: childGuard(), dryRun: options.dryRun, parts, link: await linkOf(config, clock, options.version) });
  await agent.start();
  const what = names.length === 0 ? "nothing is configured" : names.join(", ");
  process.stdout.write(`upkeep: agent of ${config.host}${options.dryRun ? ", dry run" : ""}: ${what}\n`);
  notify(`READY=1\nSTATUS=${what}`);
  let turnedMs = 0;
  const every = petEveryMs(process.env, process.pid);
  setInterval(() => (turnedMs = clock.now().bootMs), every).unref();
  setInterval(watchdogPetter(notify, () => ({ turnedMs, stopping: false })), every).unref();
  const alive = setInterval(() => {}, 0x7fffffff);
  await stopping;
  notify("STOPPING=1");
  await agent.stop();
  clearInterval(alive);
  if (typeof release === "function") release();
  return 0;
}

/** Loaded where there is somebody to talk to. */
async function linkOf(config: AgentConfig, clock: Clock, version: string): Promise<(hooks: LinkHooks) => Link> {
  if (config.watchers.length === 0 && !existsSync(join(config.dataDir, "link", "watchers"))) return () => NO_LINK;
  const { openLink } = await import("./link/open.ts");
  return (hooks) => openLink({ config, clock, version, hooks });
}

const DISK_GONE: ReadonlySet<string> = new Set(["EROFS", "ENOSPC", "EDQUOT", "EIO"]);

function takeFolder(folder: string): (() => void) | { readonly unlocked: string } | string {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return lockFile(join(folder, "lock")) ?? `another agent runs on ${folder}: nothing was started`;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    // Without a lock rather than without an agent: a host whose disk is full or read-only needs it most.
    if (DISK_GONE.has(code)) return { unlocked: `${folder} cannot be written (${code}): nothing that is begun survives this agent` };
    return `${folder} cannot be used: ${error instanceof Error ? error.message : String(error)}`;
  }
}
