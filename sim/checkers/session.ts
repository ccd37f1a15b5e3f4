// Session (safety.md §5.6): one life of the watcher holds at most one session at a device; calls on it never overlap (the
// virtual session itself watches over that).

import type { Checker } from "../checker.ts";
import type { World } from "../world.ts";

export function session(world: World): Checker {
  return {
    invariant: "Session",
    opening(device, life) {
      const mine = [...device.sessions].filter((each) => each.life === life && !each.broken);
      if (mine.length > 0) world.fail("Session", `a second session at ${device.name} is opened while one is held`);
    },
  };
}
