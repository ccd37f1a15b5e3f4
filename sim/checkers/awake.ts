// Awake (safety.md §2.1): what was seen before this process was stopped for a while earns no off after it. The first off of a
// cut needs as many bad rounds from after the last long pause as the threshold says.

import type { DeviceLock, Operation } from "../../src/core/records.ts";
import type { Checker } from "../checker.ts";
import type { World } from "../world.ts";

/** Shorter ones may pass for a busy machine. */
const LONG_MS = 12_000;

export function awake(world: World): Checker {
  return {
    invariant: "Awake",
    calling({ writes, life, calledMs, order }, before) {
      const lock = writes.find((each) => each.key.startsWith("lock/") && each.value !== null)?.value as DeviceLock | undefined;
      const write = writes.find((each) => each.key.startsWith("op/"));
      const operation = write?.value as Operation | null | undefined;
      if (lock === undefined || write === undefined || operation === null || operation === undefined || operation.phase !== "off-sent" || operation.origin.kind !== "auto") return;
      const known = before.get(write.key)?.value as Operation | undefined;
      // A next level and what was taken up from the ledger are earned in other ways.
      if (known?.phase !== "intended" || operation.level > 0 || !world.begunIn(operation, life)) return;
      const pause = life.pauses.findLast((each) => each.toMs - each.fromMs >= LONG_MS && each.toMs <= calledMs);
      const policy = life.policy.hosts.get(operation.host);
      if (pause === undefined || policy === undefined) return;
      const bad = world.observed.of(operation.host).filter((each) => each.outcome === "bad" && each.order < order && each.startedMs >= pause.toMs).length;
      if (bad < policy.threshold) world.fail("Awake", `an automatic off for ${operation.host} with ${bad} bad rounds since the watcher was stopped for ${pause.toMs - pause.fromMs} ms`);
    },
  };
}
