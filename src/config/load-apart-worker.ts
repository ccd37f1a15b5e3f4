// Reads one configuration and hands it over: the whole life of a thread (load-apart.ts). Where each setting came from stays
// behind: a watcher is never asked for that, and it would be a fifth of what it keeps of a host.

import { parentPort, workerData } from "node:worker_threads";
import { loadConfig } from "./load.ts";
import { pack } from "./load-apart.ts";

const loaded = await loadConfig(workerData as string);
parentPort?.postMessage(pack(loaded.ok ? { ...loaded, config: { ...loaded.config, origins: new Map() } } : loaded));
