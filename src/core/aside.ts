// An operation that is not ours any more, or not ours yet: it lies where every watcher sees it, and whoever is in charge of its
// host takes it up (charge.ts).

import type { Operation } from "./records.ts";
import type { Turn } from "./state.ts";
import { inCharge } from "./transaction.ts";

/** The operation is the store's again: whoever is in charge carries it on, perhaps we. */
export function setAside(turn: Turn, operation: Operation): void {
  const operations = new Map(turn.state.operations);
  operations.delete(operation.id);
  const runs = new Map(turn.state.runs);
  runs.delete(operation.id);
  const locks = new Map([...turn.state.locks].filter(([, lock]) => lock.operation !== operation.id));
  turn.patch({ operations, runs, locks });
  for (const { device } of operation.levels.flat()) if (!locks.has(device)) turn.take(`lock/${device}`);
  turn.patchFleet({ foreign: new Map(turn.fleet.foreign).set(operation.id, operation), dirty: true });
  if (turn.host(operation.host) !== undefined) turn.patchHost(operation.host, { operation: null, foreign: operation.id });
  const cause = turn.tell("charge", operation.host, `operation ${operation.id} is left to whoever is in charge, at ${operation.phase}`);
  if (inCharge(turn, operation.host, true)) return;
  for (const device of new Set(operation.levels.flat().map((outlet) => outlet.device))) if (turn.policy.devices.has(device)) turn.emit({ kind: "hang-up", device, because: "another watcher may log in there now", cause });
}
