// Reads one configuration and hands it over: the whole life of a thread (load-apart.ts).

import { parentPort, workerData } from "node:worker_threads";
import { loadConfig } from "./load.ts";
import { pack } from "./load-apart.ts";

parentPort?.postMessage(pack(await loadConfig(workerData as string)));
