// What befalls the others in the moment in which an off is agreed on and has not gone yet. Only then is it seen whether the
// swap asks again for everything that the decision rested on: a brake that somebody puts on elsewhere and of which word comes
// late, and the voices of watchers that have been stopped since, or died, while the store still believes them alive.

import type { HostPolicy } from "../../src/core/policy.ts";
import type { Random } from "../random.ts";
import { chargesOf, holderOf } from "./checkers/facts.ts";
import type { MomentFault } from "./fault-names.ts";
import type { Site } from "./site.ts";
import type { FleetWorld } from "./world.ts";

type MomentStrike = (world: FleetWorld, random: Random) => string | null;

/** The host that is about to be cut, or any, and the watcher in charge of it. */
function aboutToBeCut(world: FleetWorld, random: Random): { readonly host: HostPolicy; readonly actor: Site } | null {
  const about = world.open.filter(({ phase }) => phase === "intended").map(({ host }) => host);
  const host = world.policyOf(about.length > 0 ? random.pick(about) : random.pick([...world.hosts.keys()]));
  const [charge] = host === undefined ? [] : chargesOf(host);
  const actor = charge === undefined ? undefined : world.sites.get(holderOf(world, charge) ?? "");
  return host === undefined || actor === undefined ? null : { host, actor };
}

export const MOMENT_STRIKES: Record<MomentFault, MomentStrike> = {
  "brake-at-the-last-moment"(world, random) {
    const found = aboutToBeCut(world, random);
    if (found === null) return null;
    const { host, actor } = found;
    actor.watchLate += 1;
    world.faults.lasts(random.spread(2_000, 20_000), () => void (actor.watchLate -= 1));
    const scope = random.chance(0.3) ? "*" : host.name;
    world.ask({ kind: "brake", brake: random.pick(["disarmed", "maintenance", "inhibit"] as const), scope, forMs: random.spread(20_000, 900_000), reason: "just in time" }, actor);
    return `${scope}, and ${actor.name} hears of it late`;
  },
  "voters-fall-silent"(world, random) {
    const found = aboutToBeCut(world, random);
    if (found === null) return null;
    const { host, actor } = found;
    const others = [...world.sites.values()].filter((site) => site !== actor && site.life !== null);
    if (others.length === 0) return null;
    for (const { life } of others) {
      if (life === null) continue;
      if (random.chance(0.3)) life.end("killed");
      else if (life.frozenUntilMs <= world.timeline.nowMs) life.pause(random.spread(8_000, 60_000));
    }
    // The store has other troubles, and each new leader gives every lease its whole time again.
    const restlessMs = random.whole(0, 25_000);
    for (let inMs = 3_000; inMs < restlessMs; inMs += 3_000) world.after(inMs, () => world.server.available && world.server.changeLeader());
    // And who is to act does not reach the device at once.
    for (const { device } of host.levels.flat()) {
      const path = actor.paths.get(device);
      if (path === undefined || random.chance(0.2)) continue;
      path.cut += 1;
      world.faults.lasts(random.spread(3_000, 20_000), () => {
        path.cut -= 1;
        world.devices.get(device)?.healed();
      });
    }
    return `all but ${actor.name}`;
  },
};
