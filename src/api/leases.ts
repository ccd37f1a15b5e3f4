// GET /v1/leases: which host may run which service, and what would free each lease (ADR 33).

import { leaseReports } from "../core/leases.ts";
import type { Asked, Reply, Served } from "./route.ts";
import { json } from "./route.ts";

export function leases(_asked: Asked, { watcher, now }: Served): Reply {
  return json(leaseReports(watcher.state, now()));
}
