// Stop (safety.md §4.8): a watcher that is asked to stop carries what is past off to on before it exits, or leaves it to
// another one that is in charge of it by then.

import type { Operation } from "../../../src/core/records.ts";
import type { FleetChecker } from "../checker.ts";
import type { FleetWorld } from "../world.ts";
import { chargesOf, holderOf } from "./facts.ts";

const OWING = new Set(["off-sent", "off-confirmed", "on-sent"]);

export function stop(world: FleetWorld): FleetChecker {
  /** When each charge was taken last: before that is answered nobody knows of it. */
  const takenMs = new Map<string, number>();

  return {
    invariant: "Stop",
    changed(changes) {
      for (const { key } of changes) if (key.startsWith("charge/")) takenMs.set(key, world.timeline.nowMs);
    },
    exiting(life) {
      for (const operation of world.open as readonly Operation[]) {
        const policy = world.policyOf(operation.host);
        if (policy === undefined || operation.kind === "off" || !OWING.has(operation.phase)) continue;
        const mine = chargesOf(policy).some((key) => holderOf(world, key) === life.site.name) && life.heldUntilMs !== null && life.heldUntilMs > world.timeline.nowMs;
        if (chargesOf(policy).some((key) => world.timeline.nowMs - (takenMs.get(key) ?? -Infinity) <= world.spec.callMs + 1_000)) continue;
        const dark = operation.cut.some((key) => [...world.devices.values()].some((device) => [...device.outlets.values()].some((outlet) => outlet.key === key && !outlet.closed && outlet.lie === null && !outlet.stuck && world.timeline.nowMs > outlet.doubtfulMs)));
        if (mine && dark) return world.fail("Stop", `${life.name} exits while it is in charge of ${operation.host}, which operation ${operation.id} (${operation.phase}) has cut`);
      }
    },
  };
}
