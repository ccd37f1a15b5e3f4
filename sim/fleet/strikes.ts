// What the fault classes of a world with several watchers do to it. Every strike returns a few words for the transcript, or
// null when there was nothing that it could do. `inside` is the life from within whose call it strikes: a pause then begins
// in that very call.

import type { StoreLink } from "../store/link.ts";
import type { Random } from "../random.ts";
import { HOUR_MS } from "../spec.ts";
import type { StoreFault, WatcherFault } from "./fault-names.ts";
import type { FleetLife } from "./life.ts";
import type { Site } from "./site.ts";
import { policyOf } from "./spec.ts";
import type { FleetWorld } from "./world.ts";

type FleetStrike = (world: FleetWorld, random: Random, inside: FleetLife | null) => string | null;

/** Something between one watcher and the rest of the world, for a while. */
function atSite(longestMs: number, on: (site: Site, world: FleetWorld, random: Random, forMs: number) => (() => void) | null): FleetStrike {
  return (world, random, inside) => {
    const site = world.faults.aSite(inside);
    if (site === null) return null;
    const forMs = random.spread(500, longestMs);
    const undo = on(site, world, random, forMs);
    if (undo === null) return null;
    world.faults.lasts(forMs, undo);
    return `${site.name} for ${forMs} ms`;
  };
}

function toPath(what: "cut" | "deaf" | "mute", longestMs: number): FleetStrike {
  return atSite(longestMs, (site, world, random) => {
    const name = random.pick([...site.paths.keys()]);
    const path = site.paths.get(name);
    if (path === undefined) return null;
    path[what] += 1;
    return () => {
      path[what] -= 1;
      world.devices.get(name)?.healed();
    };
  });
}

function toLink(what: "loss" | "slow" | "keepAlivesLost", by: number, longestMs: number): FleetStrike {
  return atSite(longestMs, (site) => turned(site.link, what, by));
}

function turned(link: StoreLink, what: "loss" | "slow" | "keepAlivesLost", by: number): () => void {
  link[what] += by;
  return () => void (link[what] = Math.max(0, link[what] - by));
}

function fromHosts(site: Site): () => void {
  site.network.allHostsCut += 1;
  return () => void (site.network.allHostsCut -= 1);
}

/** Longer than the lease now and then, and mostly shorter than what people call a long time. */
function pauseMs(world: FleetWorld, random: Random): number {
  return random.chance(0.4) ? random.spread(100, 2_000) : random.spread(1_000, random.chance(0.3) ? 120_000 : 2 * world.spec.ttlMs);
}

export const FLEET_STRIKES: Record<WatcherFault | StoreFault, FleetStrike> = {
  "watcher-killed"(world, _random, inside) {
    const life = inside ?? world.faults.aSite(null)?.life ?? null;
    if (life === null) return null;
    life.end("killed");
    return life.name;
  },
  "watcher-loses-power"(world, _random, inside) {
    const site = world.faults.aSite(inside);
    return site === null || site.life === null ? null : world.faults.losesPower(site);
  },
  "watcher-loses-folder"(world, random) {
    const site = world.faults.aSite(null);
    if (site === null || site.life === null) return null;
    site.life.end("killed, and its data folder is lost");
    site.folder = `folder-of-${site.name}-${random.bits()}`;
    site.store = null;
    site.seq = 0;
    return site.name;
  },
  "watcher-paused"(world, random, inside) {
    const life = inside ?? world.faults.aSite(null)?.life ?? null;
    if (life === null || life.frozenUntilMs > world.timeline.nowMs) return null;
    const forMs = pauseMs(world, random);
    life.pause(forMs);
    return `${life.name} for ${forMs} ms`;
  },
  "watcher-stops"(world, _random, inside) {
    const life = world.faults.aSite(inside)?.life ?? null;
    if (life === null || !life.began) return null;
    life.at(world.timeline.nowMs, () => life.watcher.stop());
    return life.name;
  },
  "watcher-joins"(world, random) {
    const absent = [...world.sites.values()].filter((site) => !site.present);
    if (absent.length === 0) return null;
    const site = random.pick(absent);
    site.present = true;
    world.counts.add("watcher: joins");
    world.boot(site);
    return site.name;
  },
  "watcher-forgotten"(world, random) {
    const gone = [...world.sites.values()].filter((site) => site.present && site.life === null);
    const site = gone.length > 0 && random.chance(0.8) ? random.pick(gone) : random.pick([...world.sites.values()]);
    world.ask({ kind: "forget-watcher", watcher: site.name });
    return site.name;
  },
  "references-lost": atSite(60_000, (site, _world, random) => {
    const undo = random.chance(0.7) ? fromHosts(site) : null;
    site.network.referencesLost += 1;
    return () => {
      site.network.referencesLost -= 1;
      undo?.();
    };
  }),
  "cut-from-host": atSite(90_000, (site, world, random) => {
    const host = random.pick([...world.hosts.keys()]);
    site.network.cut(host, 1);
    return () => site.network.cut(host, -1);
  }),
  "cut-from-hosts": atSite(60_000, fromHosts),
  "cut-from-device": toPath("cut", 90_000),
  "deaf-to-device": toPath("deaf", 45_000),
  "mute-from-device": toPath("mute", 45_000),
  "cut-from-store": atSite(60_000, (site) => site.link.cut("both")),
  "store-hears-only": atSite(45_000, (site) => site.link.cut("answers")),
  "store-speaks-only": atSite(45_000, (site) => site.link.cut("requests")),
  "store-lossy": toLink("loss", 0.2, 60_000),
  "store-far": toLink("slow", 1, 60_000),
  "keep-alives-lost": toLink("keepAlivesLost", 1, 60_000),
  "watch-late": atSite(90_000, (site) => {
    site.watchLate += 1;
    return () => void (site.watchLate -= 1);
  }),
  isolated: atSite(60_000, (site, world) => {
    const heal = site.link.cut("both");
    const undo = fromHosts(site);
    site.network.referencesLost += 1;
    for (const path of site.paths.values()) path.cut += 1;
    return () => {
      heal();
      undo();
      site.network.referencesLost -= 1;
      for (const [name, path] of site.paths) {
        path.cut -= 1;
        world.devices.get(name)?.healed();
      }
    };
  }),
  "policy-differs"(world, random) {
    const { spec } = world;
    const host = random.pick([...world.hosts.values()]).spec.policy;
    const changed = { ...host, threshold: host.threshold + 1, hash: `${host.name}:b` };
    const sites = [...world.sites.values()].filter(() => random.chance(0.5));
    if (sites.length === 0) return null;
    // A rolling reload: one machine after the other has the new one, and then, again one after the other, the old one.
    for (const site of sites) world.after(random.whole(0, 10_000), () => world.configure([site], (policy) => ({ ...policy, hosts: new Map(policy.hosts).set(host.name, { ...changed, self: host.name === site.spec.on }) })));
    world.faults.lasts(random.spread(15_000, 120_000), () => {
      for (const site of sites) world.configure([site], () => policyOf(spec.policy, site.spec));
    });
    return `${host.name} has another threshold at ${sites.map(({ name }) => name).join(" ")}`;
  },
  "wall-clock-jumps"(world, random) {
    const site = world.faults.aSite(null);
    if (site === null) return null;
    const { machine } = site;
    const byMs = (random.chance(0.5) ? -1 : 1) * random.spread(61_000, 1_000 * HOUR_MS);
    machine.wallOffsetMs += byMs;
    machine.synced = false;
    world.faults.lasts(random.spread(2_000, 200_000), () => {
      machine.wallOffsetMs = site.spec.wallOffsetMs;
      machine.synced = site.spec.synced;
    });
    return `${site.name} by ${byMs} ms`;
  },
  "store-without-quorum"(world, random) {
    const forMs = random.spread(500, 90_000);
    world.faults.lasts(forMs, world.server.fail());
    return `for ${forMs} ms`;
  },
  "store-leader-changes"(world, random) {
    // Nobody is answered while a leader is elected.
    const forMs = random.spread(100, 3_000);
    world.faults.lasts(forMs, world.server.fail());
    return `for ${forMs} ms`;
  },
  "store-slow"(world, random) {
    const forMs = random.spread(1_000, 60_000);
    const undo = [...world.sites.values()].map((site) => turned(site.link, "slow", 1));
    world.faults.lasts(forMs, () => {
      for (const each of undo) each();
    });
    return `for ${forMs} ms`;
  },
  "store-wiped"(world) {
    world.server.wipe();
    world.forgetBirths();
    return "";
  },
  "store-restored"(world) {
    if (!world.server.restore()) return null;
    world.forgetBirths();
    return "";
  },
  "newer-record"(world, random) {
    const key = random.pick([`host/${random.pick([...world.hosts.keys()])}`, "omen/of-a-later-age", `vote/${random.pick([...world.hosts.keys()])}/w1`]);
    const before = world.server.records.get(key);
    // A record that is leased or being worked upon comes back by itself.
    if (before?.lease !== null && before?.lease !== undefined) return null;
    world.server.plant(key, JSON.stringify({ v: 2, what: "ever" }));
    world.faults.lasts(random.spread(2_000, 60_000), () => {
      const now = world.server.records.get(key);
      if (now?.read.ok === false) world.server.plant(key, before?.text ?? null);
    });
    return key;
  },
};
