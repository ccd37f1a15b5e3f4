// Reads one configuration and hands it over: the whole life of a thread (load-apart.ts). Where each setting came from stays
// behind: a watcher is never asked for that, and it would be a fifth of what it keeps of a host.

import { parentPort, workerData } from "node:worker_threads";
import { pack } from "./load-apart.ts";
import type { Asked } from "./load-apart.ts";

const { path, of } = workerData as Asked;
if (of === "agent") {
  parentPort?.postMessage(pack(await (await import("./load-agent.ts")).loadAgentConfig(path)));
} else {
  const loaded = await (await import("./load.ts")).loadConfig(path);
  parentPort?.postMessage(pack(loaded.ok ? { ...loaded, config: { ...loaded.config, origins: new Map() } } : loaded));
}
