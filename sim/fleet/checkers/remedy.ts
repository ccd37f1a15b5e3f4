// Remedy with several watchers: as with one, by the store's records, and only by whoever is in charge.

import type { FleetChecker } from "../checker.ts";
import { wrongRemedy } from "../../remedies.ts";
import type { FleetWorld } from "../world.ts";
import { chargesOf, holderOf, isAnotherStore, isOfAnotherStore } from "./facts.ts";

export function remedy(world: FleetWorld): FleetChecker {
  const done = new Set<string>();
  return {
    invariant: "Remedy",
    strikes(fault) {
      if (isAnotherStore(fault)) done.clear();
    },
    remedy(host, name, life) {
      world.counts.add("remedy: tried");
      if (isOfAnotherStore(world, life)) return;
      const policy = life.policy.hosts.get(host);
      const wrong = wrongRemedy(host, name, { value: (key) => world.server.value(key) as never, operations: world.open, last: life.sight.last(host)?.outcome }, done);
      if (wrong !== null) world.fail("Remedy", `${life.name} tries ${name} at ${host}: ${wrong}`);
      const stranger = policy === undefined ? null : chargesOf(policy).map((key) => holderOf(world, key)).find((holder) => holder !== life.site.name);
      if (stranger !== undefined) world.fail("Remedy", `${life.name} tries ${name} at ${host}, and ${stranger ?? "nobody"} is in charge`);
    },
  };
}
