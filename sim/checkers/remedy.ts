// Remedy: what is softer than power is recorded before, tried once an incident, and held back by the brakes (field.md §1.5,
// safety.md §3). The rules stand in ../remedies.ts.

import type { Checker } from "../checker.ts";
import { wrongRemedy } from "../remedies.ts";
import type { World } from "../world.ts";

export function remedy(world: World): Checker {
  const done = new Set<string>();
  return {
    invariant: "Remedy",
    strikes(fault) {
      if (fault === "disk-wiped" || fault === "disk-restored") done.clear();
    },
    remedy(host, name) {
      world.counts.add("remedy: tried");
      const wrong = wrongRemedy(host, name, { value: (key) => world.disk.value(key) as never, operations: world.open, last: world.observed.last(host)?.outcome }, done);
      if (wrong !== null) world.fail("Remedy", `${name} is tried at ${host}: ${wrong}`);
    },
  };
}
