// Resume (safety.md §5.13) across watchers: an off sent by a process that did not create the intent has been earned again by
// two fresh bad rounds of that process, and the bound in the *record* has passed since it came into the charge of the
// device; whoever had it before, and whatever its own configuration says.

import type { FleetChecker } from "../checker.ts";
import type { FleetLife } from "../life.ts";
import type { FleetWorld } from "../world.ts";

const REEARN = 2;
/** A clock that is fast by a hundredth. */
const DRIFT = 0.98;

export function resume(world: FleetWorld): FleetChecker {
  /** Since when each device is in the charge of whom. */
  const since = new Map<string, { life: FleetLife; atMs: number }>();

  return {
    invariant: "Resume",
    commit({ writes, life, atMs }) {
      for (const { key, value } of writes) {
        if (!key.startsWith("charge/")) continue;
        const device = key.slice("charge/".length);
        if (value === null) since.delete(device);
        else if (since.get(device)?.life !== life) since.set(device, { life, atMs });
      }
    },
    changed(changes) {
      for (const { key, version } of changes) if (version === null && key.startsWith("charge/")) since.delete(key.slice("charge/".length));
    },
    bytes({ action, operation, life: process, outlet, sentMs }) {
      const life = process as FleetLife;
      if (action !== "off" || operation === null || world.bornIn(operation) === life) return;
      world.counts.add("byte: off by a watcher that did not intend it");
      const recorded = operation.levels.flat().find((each) => `${each.device}/${each.outlet}` === outlet.key);
      const charge = since.get(outlet.device.name);
      if (recorded === undefined || charge === undefined || charge.life !== life) return;
      const waitedMs = sentMs - charge.atMs;
      if (waitedMs < DRIFT * recorded.maxActMs) return world.fail("Resume", `${life.name} sends off to ${outlet.key} only ${Math.round(waitedMs)} ms after it came into its charge; the record says ${recorded.maxActMs} ms`);
      if (operation.origin.kind !== "auto") return;
      const bad = life.sight.of(operation.host).filter((look) => look.outcome === "bad" && look.atMs > charge.atMs).length;
      if (bad < REEARN) world.fail("Resume", `${life.name} sends off to ${outlet.key} as a successor with ${bad} fresh bad rounds`);
    },
  };
}
