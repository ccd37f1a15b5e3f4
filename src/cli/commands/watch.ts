// `upkeep watch`: the daemon, in the foreground. This process becomes the watcher by execve(2), so that its number stays
// what the service manager was told, and what read the command line (commander and its modules, 8 MB) is gone. It is also
// where the watcher gets its flags, whichever words stood before `watch`; docs/adr/0009-a-small-watcher.md has the figures.

import { readFileSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { join } from "node:path";
import { findConfigPath } from "../../config/data-dir.ts";
import { EXIT } from "../exit.ts";
import { complain } from "../terminal.ts";

export type WatchOptions = { readonly config?: string | undefined; readonly log?: "text" | "json" | undefined };

/**
 * A watcher waits nearly all of its time, so V8 collects early and leaves its optimising compilers out (`--max-opt=1`: the
 * baseline compiler is the last): each left 5 to 13 MB behind for what it compiled in the first minutes.
 */
export const FLAGS: readonly string[] = ["--v8-pool-size=1", "--optimize-for-size", "--max-opt=1"];
/** Two threads seldom allocate at the same moment; an arena each keeps what was freed in it. */
const ENVIRONMENT = { MALLOC_ARENA_MAX: "1" };

/** Becomes the watcher. Resolves with the exit code when it cannot. */
export async function runWatch(options: WatchOptions): Promise<number> {
  const config = findConfigPath(options.config);
  if (config === null) {
    complain("no configuration: name one with -c FILE, or make ./upkeep.yaml or /etc/upkeep/upkeep.yaml (examples: examples/)");
    return EXIT.configuration;
  }
  return becomeDaemon("watcher", config, options.log);
}

/** Becomes the daemon of that folder of src; its first words are the configuration, the form of the log, and the version. */
export function becomeDaemon(folder: "watcher" | "agent", config: string, logAs: "text" | "json" | undefined, more: readonly string[] = []): number {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "../../../package.json"), "utf8")) as { version: string };
  const start = join(import.meta.dirname, `../../${folder}/start.mjs`);
  const log = logAs ?? (process.stderr.isTTY === true ? "text" : "json");
  // Nothing that was to be done at the end of this process will be.
  flushCompileCache();
  if (process.execve === undefined) throw new Error("assertion failed: this Node has no execve");
  return process.execve(process.execPath, [process.execPath, ...FLAGS, ...process.execArgv, start, config, log, version, ...more], { ...ENVIRONMENT, ...process.env });
}
