// What befalls hosts, power devices and the cables between them, whoever looks at them. Every strike returns a few words for
// the transcript, or null when there was nothing that it could do.

import type { Command } from "../src/core/io.ts";
import type { Policy } from "../src/core/policy.ts";
import type { Operation } from "../src/core/records.ts";
import type { Device, Outlet } from "./devices.ts";
import type { Fault } from "./fault-names.ts";
import { WEDGES } from "./hosts.ts";
import type { Host } from "./hosts.ts";
import type { Random } from "./random.ts";
import type { Scene } from "./scene.ts";

export type Grounds = Scene & {
  readonly hosts: ReadonlyMap<string, Host>;
  readonly devices: ReadonlyMap<string, Device>;
  /** Open operations on record. */
  readonly open: readonly Operation[];
  readonly healing: boolean;
  readonly wiring: Map<string, readonly (readonly Outlet[])[]>;
  readonly spec: { readonly policy: Policy };
  /** Holds for a while, unless everything is healed before. */
  readonly faults: { lasts(durationMs: number, undo: () => void): void };
  /** A person at the command line of some watcher. */
  ask(command: Command): void;
};

export type GroundStrike = (world: Grounds, random: Random) => string | null;
export type GroundFault = Extract<Fault, "wedge" | "host-reboots" | "many-hosts-die" | "slow-boot" | "never-boots" | "device-cut-off" | "device-deaf" | "device-mute" | "device-down" | "device-slow" | "status-stale" | "session-cut" | "ghost-session" | "acknowledgement-lost" | "command-late" | "status-lies" | "relay-stuck" | "outlet-refuses" | "label-of-another" | "miswired" | "foreign-off" | "foreign-on">;

export const aHost = (world: Grounds, random: Random): Host => random.pick([...world.hosts.values()]);
const aDevice = (world: Grounds, random: Random): Device => {
  const busy = [...world.devices.values()].filter((device) => [...device.sessions].some((session) => session.busy));
  return random.pick(busy.length > 0 && random.chance(0.7) ? busy : [...world.devices.values()]);
};
const anOutlet = (world: Grounds, random: Random): Outlet | null => {
  // Where an operation is under way it is most interesting.
  const busy = world.open.flatMap((operation) => operation.levels.flat());
  const refs = busy.length > 0 && random.chance(0.7) ? busy : [...world.spec.policy.hosts.values()].flatMap((host) => host.levels.flat());
  if (refs.length === 0) return null;
  const ref = random.pick(refs);
  return world.devices.get(ref.device)?.outlet(ref) ?? null;
};

function toDevice(state: "cut" | "deaf" | "mute" | "down" | "slow" | "stale", longestMs: number): GroundStrike {
  return (world, random) => {
    const device = aDevice(world, random);
    const forMs = random.spread(500, longestMs);
    device[state] += 1;
    world.faults.lasts(forMs, () => {
      device[state] -= 1;
      device.healed();
    });
    return `${device.name} for ${forMs} ms`;
  };
}

function toOutlet(on: (outlet: Outlet, world: Grounds, random: Random) => (() => void) | null): GroundStrike {
  return (world, random) => {
    const outlet = anOutlet(world, random);
    if (outlet === null) return null;
    const undo = on(outlet, world, random);
    if (undo === null) return null;
    const forMs = random.spread(3_000, 300_000);
    world.faults.lasts(forMs, undo);
    return `${outlet.key} for ${forMs} ms`;
  };
}

export const GROUND_STRIKES: Record<GroundFault, GroundStrike> = {
  wedge(world, random) {
    const host = aHost(world, random);
    if (!host.healthy) return null;
    const kind = random.pick(WEDGES);
    const recovers = random.chance(0.3) ? random.spread(2_000, 120_000) : null;
    host.wedge(kind, recovers);
    return `${host.name} ${kind}${recovers === null ? "" : `, recovers by itself in ${recovers} ms`}`;
  },
  "host-reboots"(world, random) {
    const host = aHost(world, random);
    if (!host.healthy) return null;
    if (random.chance(0.5)) world.ask({ kind: "brake", brake: "going-down", scope: host.name, forMs: null, reason: "an update" });
    host.reboot(random.whole(500, 12_000));
    return host.name;
  },
  "many-hosts-die"(world, random) {
    const share = 0.3 + 0.7 * random.unit();
    const died: string[] = [];
    for (const host of world.hosts.values()) {
      if (!host.healthy || !random.chance(share)) continue;
      const kind = random.pick(WEDGES);
      died.push(host.name);
      world.timeline.in(random.spread(1, 15_000), null, () => {
        if (!world.healing) host.wedge(kind, random.chance(0.4) ? random.spread(5_000, 120_000) : null);
      });
    }
    return died.length === 0 ? null : died.join(" ");
  },
  "slow-boot"(world, random) {
    const host = aHost(world, random);
    host.slowBoot = true;
    world.faults.lasts(random.spread(60_000, 600_000), () => (host.slowBoot = false));
    return host.name;
  },
  "never-boots"(world, random) {
    const host = aHost(world, random);
    host.broken = true;
    world.faults.lasts(random.spread(60_000, 900_000), () => host.recover());
    if (host.healthy) host.wedge("dead", null);
    return host.name;
  },
  "device-cut-off": toDevice("cut", 120_000),
  "device-deaf": toDevice("deaf", 60_000),
  "device-mute": toDevice("mute", 60_000),
  "device-down": toDevice("down", 180_000),
  "device-slow": toDevice("slow", 120_000),
  "status-stale": toDevice("stale", 120_000),
  "session-cut"(world, random) {
    const sessions = [...world.devices.values()].flatMap((device) => [...device.sessions]);
    if (sessions.length === 0) return null;
    random.pick(sessions).cut();
    return "";
  },
  "ghost-session"(world, random) {
    const device = aDevice(world, random);
    const forMs = random.spread(1_000, 90_000);
    device.ghostUntilMs = Math.max(device.ghostUntilMs, world.timeline.nowMs + forMs);
    return `${device.name} for ${forMs} ms`;
  },
  "acknowledgement-lost"(world, random) {
    const device = aDevice(world, random);
    device.acknowledgementsToLose += random.whole(1, 2);
    return device.name;
  },
  "command-late"(world, random) {
    const device = aDevice(world, random);
    device.commandsToDelay += 1;
    return device.name;
  },
  "status-lies": toOutlet((outlet, world, random) => {
    if (outlet.lie !== null) return null;
    outlet.lie = random.pick(["on", "off", "unknown"] as const);
    outlet.doubtfulMs = Infinity;
    return () => {
      outlet.lie = null;
      outlet.doubtfulMs = world.timeline.nowMs;
    };
  }),
  "relay-stuck": toOutlet((outlet, world) => {
    if (outlet.stuck) return null;
    outlet.stuck = true;
    return () => {
      outlet.stuck = false;
      outlet.shown = outlet.closed ? "on" : "off";
      outlet.doubtfulMs = world.timeline.nowMs;
    };
  }),
  "outlet-refuses": toOutlet((outlet) => {
    outlet.refuses = true;
    return () => (outlet.refuses = false);
  }),
  "label-of-another": toOutlet((outlet, world, random) => {
    const before = outlet.label;
    outlet.label = random.pick([...world.hosts.keys()]);
    return () => (outlet.label = before);
  }),
  miswired(world, random) {
    const [one, other] = [aHost(world, random), aHost(world, random)];
    const a = world.wiring.get(one.name) ?? [];
    const b = world.wiring.get(other.name) ?? [];
    if (one === other || a.length === 0 || b.length === 0) return null;
    world.wiring.set(one.name, b);
    world.wiring.set(other.name, a);
    world.energyChanged();
    world.faults.lasts(random.spread(120_000, 1_200_000), () => {
      world.wiring.set(one.name, a);
      world.wiring.set(other.name, b);
      world.energyChanged();
    });
    return `${one.name} and ${other.name}`;
  },
  "foreign-off"(world, random) {
    const outlet = anOutlet(world, random);
    if (outlet === null) return null;
    outlet.device.switch(outlet, "off", "others");
    return outlet.key;
  },
  "foreign-on"(world, random) {
    const off = [...world.devices.values()].flatMap((device) => [...device.outlets.values()]).filter((outlet) => !outlet.closed);
    if (off.length === 0) return null;
    const outlet = random.pick(off);
    outlet.device.switch(outlet, "on", "others");
    return outlet.key;
  },
};
