// What each fault class does to the world. Every strike returns a few words for the transcript, or null when there was
// nothing that it could do. `inside` is the life from within whose call it strikes.

import type { Policy } from "../src/core/policy.ts";
import type { Fault } from "./fault-names.ts";
import { aHost, GROUND_STRIKES } from "./ground-strikes.ts";
import type { Life, Machine } from "./life.ts";
import { PEOPLE } from "./people.ts";
import type { Random } from "./random.ts";
import { HOUR_MS } from "./spec.ts";
import type { World } from "./world.ts";

export type Strike = (world: World, random: Random, inside: Life | null) => string | null;

const YEAR_MS = 365 * 24 * HOUR_MS;

function withoutHost(policy: Policy, name: string): Policy {
  const hosts = new Map(policy.hosts);
  hosts.delete(name);
  return { ...policy, hosts };
}

function synchronise(machine: Machine): void {
  machine.wallOffsetMs = 0;
  machine.synced = true;
}

/** The machine of the watcher loses its power; everything at the site, sometimes. */
const powerLoss: Strike = (world, random, inside) => {
  const life = world.life;
  if (life === null) return null;
  const site = random.chance(0.25);
  const offMs = random.spread(500, 60_000);
  const bootMs = random.whole(3_000, 30_000);
  const last = Math.max(0, ...world.history) - random.whole(0, 12);
  for (const seq of world.history) if (seq > last) world.history.delete(seq);
  if (site) {
    world.dark += 1;
    world.energyChanged();
    for (const device of world.devices.values()) device.down += 1;
    world.timeline.in(offMs, null, () => {
      world.dark -= 1;
      for (const device of world.devices.values()) {
        device.down -= 1;
        device.healed();
      }
      world.energyChanged();
    });
  }
  const wrongMs = random.chance(0.3) ? (random.chance(0.5) ? -1 : 1) * random.spread(61_000, 10 * YEAR_MS) : 0;
  const before = world.machine;
  const machine = { bootId: `boot-${world.lives}`, bootedMs: world.timeline.nowMs + offMs, wallOffsetMs: before.wallOffsetMs + wrongMs, synced: wrongMs === 0 && before.synced && random.chance(0.5) };
  world.faults.restartPlanned = true;
  life.end(site ? "the site has lost power" : "its machine has lost power");
  world.machine = machine;
  world.faults.restartAfter(offMs + bootMs);
  if (!machine.synced && random.chance(0.8)) {
    world.timeline.in(offMs + bootMs + random.spread(1_000, 300_000), null, () => synchronise(machine));
  }
  void inside;
  return `${site ? "of the whole site " : ""}for ${offMs} ms, back after another ${bootMs} ms${machine.synced ? "" : ", clock not synchronised"}${wrongMs === 0 ? "" : ` and wrong by ${wrongMs} ms`}`;
};

export const STRIKES: Record<Fault, Strike> = {
  ...GROUND_STRIKES,
  "references-lost"(world, random) {
    const forMs = random.spread(1_000, 120_000);
    // Usually what takes the references takes everything.
    const all = random.chance(0.7);
    world.network.referencesLost += 1;
    if (all) world.network.allHostsCut += 1;
    world.faults.lasts(forMs, () => {
      world.network.referencesLost -= 1;
      if (all) world.network.allHostsCut -= 1;
    });
    return `for ${forMs} ms${all ? ", and all hosts" : ""}`;
  },
  "host-cut-off"(world, random) {
    const host = aHost(world, random);
    const forMs = random.spread(1_000, 120_000);
    world.network.cut(host.name, 1);
    world.faults.lasts(forMs, () => world.network.cut(host.name, -1));
    return `${host.name} for ${forMs} ms`;
  },
  "all-hosts-cut-off"(world, random) {
    const forMs = random.spread(1_000, 180_000);
    world.network.allHostsCut += 1;
    world.faults.lasts(forMs, () => (world.network.allHostsCut -= 1));
    return `for ${forMs} ms`;
  },
  "disk-full"(world, random) {
    const forMs = random.spread(500, 180_000);
    world.disk.full += 1;
    world.faults.lasts(forMs, () => (world.disk.full -= 1));
    return `for ${forMs} ms`;
  },
  "disk-slow"(world, random) {
    const forMs = random.spread(1_000, 120_000);
    world.disk.slow += 1;
    world.faults.lasts(forMs, () => (world.disk.slow -= 1));
    return `for ${forMs} ms`;
  },
  "disk-wiped"(world) {
    if (world.life !== null) return null;
    world.disk.wipe();
    return "";
  },
  "disk-restored"(world) {
    if (world.life !== null || !world.disk.restore()) return null;
    return "";
  },
  kill(world) {
    if (world.life === null) return null;
    world.life.end("killed");
    return "";
  },
  pause(world, random, inside) {
    const { life } = world;
    if (life === null || life.frozenUntilMs > world.timeline.nowMs) return null;
    const forMs = random.spread(200, random.chance(0.2) ? 300_000 : 15_000);
    life.pause(forMs, inside === life);
    return `for ${forMs} ms`;
  },
  "power-loss": powerLoss,
  terminate(world) {
    const { life } = world;
    if (life === null) return null;
    world.timeline.in(0, life, () => life.watcher.stop());
    return "";
  },
  reload(world, random) {
    const host = aHost(world, random).spec.policy;
    const now = world.policy.hosts.get(host.name);
    if (now === undefined) return null;
    const other = now.threshold === host.threshold ? { ...host, threshold: host.threshold + 1, hash: `${host.name}:b` } : host;
    world.configure({ ...world.policy, hosts: new Map(world.policy.hosts).set(host.name, other) });
    return `${host.name} now has threshold ${other.threshold}`;
  },
  deconfigured(world, random) {
    // Only a start may find a host gone that an open operation is about: a reload would be refused.
    if (world.life !== null || world.policy.hosts.size < world.spec.policy.hosts.size) return null;
    const name = random.pick([...world.open.map((operation) => operation.host), ...world.hosts.keys()]);
    const gone = world.policy.hosts.get(name);
    if (gone === undefined) return null;
    world.policy = withoutHost(world.policy, name);
    world.faults.lasts(random.spread(20_000, 300_000), () => world.configure({ ...world.policy, hosts: new Map([...world.policy.hosts, [name, gone]]) }));
    return name;
  },
  "clock-jumps"(world, random) {
    // Setting the clock by hand makes the kernel call it unsynchronised (clock_settime(2), ntp_clear), until it is corrected.
    const { machine } = world;
    const byMs = (random.chance(0.5) ? -1 : 1) * random.spread(61_000, 10 * YEAR_MS);
    const until = random.chance(0.8) ? random.spread(500, 600_000) : null;
    if (world.spec.inertClocks === true) return "";
    machine.wallOffsetMs += byMs;
    machine.synced = false;
    if (until !== null) world.timeline.in(until, null, () => synchronise(machine));
    return `by ${byMs} ms${until === null ? "" : `, corrected after ${until} ms`}`;
  },
  "clock-unsynced"(world, random) {
    const { machine } = world;
    const byMs = random.whole(-30_000, 30_000);
    const forMs = random.spread(10_000, 600_000);
    if (!machine.synced || world.spec.inertClocks === true) return null;
    machine.synced = false;
    machine.wallOffsetMs += byMs;
    world.faults.lasts(forMs, () => synchronise(machine));
    return "";
  },
  ...PEOPLE,
};
