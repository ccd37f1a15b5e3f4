// Resume (safety.md §5.13): an off sent by a process that did not create the intent has been earned again by two fresh bad
// rounds of that process, and the bound in the *record* has passed since it took the operation up.

import type { Checker } from "../checker.ts";
import type { World } from "../world.ts";

const REEARN = 2;

export function resume(world: World): Checker {
  return {
    invariant: "Resume",
    bytes({ action, operation, life, outlet, sentMs }) {
      if (action !== "off" || operation === null) return;
      if (world.bornIn(operation, life)) return;
      world.counts.add("byte: off by a watcher that did not intend it");
      const recorded = operation.levels.flat().find((each) => `${each.device}/${each.outlet}` === outlet.key);
      const waitedMs = sentMs - life.startedMs;
      if (recorded !== undefined && waitedMs < recorded.maxActMs) return world.fail("Resume", `off to ${outlet.key} only ${waitedMs} ms after the restart; the record says ${recorded.maxActMs} ms`);
      if (operation.origin.kind !== "auto") return;
      const bad = world.observed.of(operation.host).filter((each) => each.outcome === "bad").length;
      if (bad < REEARN) world.fail("Resume", `off to ${outlet.key} after a restart with ${bad} fresh bad rounds`);
    },
  };
}
