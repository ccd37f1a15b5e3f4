// What the other invariants rest on: no watcher believes in its session for longer than the store holds it, the drift of two
// clocks within one time to live apart. A process that is stopped cannot believe anything; it asks its clock before it acts.

import type { FleetChecker } from "../checker.ts";
import type { FleetWorld } from "../world.ts";

/** Two clocks, each off by a hundredth, over a time to live. */
const DRIFT = 0.021;

export function lease(world: FleetWorld): FleetChecker {
  return {
    invariant: "Lease",
    session(life) {
      if (life.heldUntilMs === null) return world.counts.add("lease: lost");
      const endsMs = world.server.sessionEndsMs(life.name);
      const slackMs = DRIFT * world.spec.ttlMs;
      // The store that was wiped or restored knows no session; whoever believes in one learns that from its next answer.
      if (endsMs !== null && life.heldUntilMs > endsMs + slackMs) world.fail("Lease", `${life.name} believes in its session until ${Math.round(life.heldUntilMs)} ms, and the store ends it at ${Math.round(endsMs)} ms`);
    },
  };
}
