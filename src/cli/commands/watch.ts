// `upkeep watch`: the daemon, in the foreground.

import { readFileSync } from "node:fs";
import { findConfigPath } from "../../config/data-dir.ts";

export type WatchOptions = { readonly config?: string | undefined; readonly log?: "text" | "json" | undefined };

/** Runs the watcher until it is told to stop. Resolves with the exit code. */
export async function runWatch(options: WatchOptions): Promise<number> {
  const config = findConfigPath(options.config);
  if (config === null) {
    process.stderr.write("upkeep: no configuration: name one with -c FILE, or make ./upkeep.yaml or /etc/upkeep/upkeep.yaml (examples: examples/)\n");
    return 3;
  }
  const { version } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as { version: string };
  const { runDaemon } = await import("../../watcher/daemon.ts");
  return runDaemon({ config, log: options.log ?? (process.stderr.isTTY === true ? "text" : "json"), version });
}
