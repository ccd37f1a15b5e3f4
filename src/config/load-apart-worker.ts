// Reads one configuration and hands it over: the whole life of a thread (load-apart.ts). Where each setting came from stays
// behind: a watcher is never asked for that, and it would be a fifth of what it keeps of a host.

import { parentPort, workerData } from "node:worker_threads";
import { loadAgentConfig } from "./load-agent.ts";
import { loadConfig } from "./load.ts";
import { pack } from "./load-apart.ts";
import type { Asked } from "./load-apart.ts";

const { path, of } = workerData as Asked;
if (of === "agent") {
  parentPort?.postMessage(pack(await loadAgentConfig(path)));
} else {
  const loaded = await loadConfig(path);
  parentPort?.postMessage(pack(loaded.ok ? { ...loaded, config: { ...loaded.config, origins: new Map() } } : loaded));
}
