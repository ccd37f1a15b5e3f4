// Stop (safety.md §4.8): a watcher that is asked to stop carries what is past off to on before it exits.

import type { Checker } from "../checker.ts";
import type { World } from "../world.ts";

const OWING = new Set(["off-sent", "off-confirmed", "on-sent"]);

export function stop(world: World): Checker {
  return {
    invariant: "Stop",
    exiting() {
      for (const device of world.devices.values()) {
        for (const outlet of device.outlets.values()) {
          const by = outlet.edges.at(-1)?.by ?? "others";
          if (outlet.closed || by === "others" || outlet.stuck || outlet.lie !== null || world.timeline.nowMs <= outlet.doubtfulMs) continue;
          const operation = world.open.find((each) => each.id === by.operation?.id);
          // What the disk could not take may have ended meanwhile; a lie that ended may have been believed.
          if (operation === undefined || operation.kind === "off" || !OWING.has(operation.phase) || world.disk.failing) continue;
          return world.fail("Stop", `the watcher exits, and ${outlet.key} is off by operation ${operation.id}, which is ${operation.phase}`);
        }
      }
    },
  };
}
