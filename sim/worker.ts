// One thread of a campaign.

import { parentPort, workerData } from "node:worker_threads";
import type { Order } from "./campaign.ts";
import { runOrder } from "./campaign.ts";

await runOrder(workerData as Order, (report) => parentPort?.postMessage(report));
