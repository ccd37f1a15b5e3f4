// What one seed of a world with several watchers is about: the watchers and their clocks, the fleet, the store and who carries
// it, and which faults strike how often. Drawn from streams of its own: the worlds of one watcher stay as they are.

import type { HostPolicy, Policy } from "../../src/core/policy.ts";
import { LIMITS } from "../../src/core/policy.ts";
import type { OutageSpec } from "../outage-spec.ts";
import { withOutages } from "../outage-spec.ts";
import { Random } from "../random.ts";
import { CLOCK_FAULTS, rebootsOfWorld } from "../reboots.ts";
import { withRemedies } from "../remedies.ts";
import type { DeviceSpec, HostSpec } from "../spec.ts";
import { drawDevices, drawHost, HOUR_MS, MINUTE_MS } from "../spec.ts";
import type { FleetFault } from "./fault-names.ts";
import { FLEET_FAULTS, isMoment } from "./fault-names.ts";

export type WatcherSpec = {
  readonly name: string;
  /** How fast its boot-time clock runs; 1 is true. */
  readonly rate: number;
  readonly wallOffsetMs: number;
  readonly synced: boolean;
  readonly uptimeMs: number;
  /** Between it and the store, one way. */
  readonly latencyMs: number;
  /** The host that it runs on, of those that are watched. */
  readonly on: string | null;
  /** Its configuration gives a device so many times as long for an act as is needed. */
  readonly slack: number;
  /** It is there from the beginning, or joins when that is drawn. */
  readonly first: boolean;
};

export type FleetSpec = {
  readonly seed: number;
  readonly activeMs: number;
  readonly watchers: readonly WatcherSpec[];
  readonly hosts: readonly HostSpec[];
  readonly devices: readonly DeviceSpec[];
  readonly policy: Policy;
  /** Strikes an hour; a class that is absent never strikes. */
  readonly faults: ReadonlyMap<FleetFault, number>;
  readonly aim: number;
  readonly loss: number;
  readonly references: boolean;
  readonly ttlMs: number;
  readonly callMs: number;
  readonly storeRate: number;
  /** Where each member of the store runs: on a watched host, or elsewhere. */
  readonly members: readonly (string | null)[];
  /** Mains that fail, and agents that shut hosts down; null: none. */
  readonly outages: OutageSpec | null;
};

export type FleetDraw = { /** So many watchers; else drawn. */ readonly watchers?: number };

/** A third of the worlds, and more often than with one watcher, since these runs are shorter. */
const OUTAGES = { share: 0.33, times: 3 };

export function drawFleet(seed: number, { watchers }: FleetDraw = {}): FleetSpec {
  const random = new Random(seed, "fleet");
  const slack = new Random(seed, "slack");
  const moments = new Random(seed, "moments");
  const count = random.weigh([[20, 1], [40, 2], [25, 3], [15, 4]] as const);
  const names = Array.from({ length: count }, (_, at) => `h${at + 1}`);
  const devices = drawDevices(random).slice(0, 2);
  const several = random.weigh([[25, 2], [45, 3], [15, 4], [15, 5]] as const);
  const crowd = watchers ?? several;
  const ttlMs = random.pick([6_000, 9_000, 12_000]);
  const members = random.weigh([[5, 1], [5, 3]] as const);
  const carriers = random.chance(0.3) ? names.slice(0, Math.min(members, random.whole(1, 2))) : [];
  const on = random.chance(0.25) ? random.pick(names) : null;
  const { policies, outages } = withOutages(seed, withRemedies(seed, names.map((name, at): HostPolicy => ({ ...slim(drawHost(random, name, at, names, devices), random), storeMembers: carriers.includes(name) ? 1 : 0 }))), OUTAGES);
  const hosts = policies.map((policy) => ({ policy, wiring: policy.levels, bootMs: Math.min(random.whole(8_000, 25_000), Math.max(8_000, policy.bootMs * 0.7)) }));
  const faults = new Map<FleetFault, number>();
  const calm = random.chance(0.2);
  for (const [name, { perHour, likely }] of Object.entries(FLEET_FAULTS) as [FleetFault, { perHour: number; likely: number }][]) {
    const draw = isMoment(name) ? moments : random;
    if (draw.chance(calm ? likely / 8 : likely)) faults.set(name, perHour * draw.spread(30, 250) / 100);
  }
  faults.set("wedge", (faults.get("wedge") ?? 14) * (1 + count / 4));
  const policy: Policy = {
    site: "sim", watcher: "", armed: true,
    hosts: new Map(hosts.map((host) => [host.policy.name, host.policy])),
    devices: new Map(devices.map((device) => [device.policy.name, device.policy])),
    brakes: {
      startupMs: random.pick([20_000, 10_000, 0]),
      maxUnhealthy: random.weigh([[3, 0.4], [4, 1]] as const),
      coolDownMs: 30_000,
      concurrent: random.weigh([[5, 1], [3, 2]] as const),
      perHour: random.weigh([[4, null], [4, 100]] as const),
    },
    ...(outages === null ? {} : { careful: outages.careful }),
    observers: random.weigh([[8, 3], [1, 1], [1, 2], [2, 5]] as const),
    lone: random.chance(0.12) ? "act" : "hold",
    shared: { ttlMs, members }, limits: LIMITS,
  };
  const reboots = rebootsOfWorld(seed, CLOCK_FAULTS.some((fault) => faults.has(fault as FleetFault)));
  return {
    seed, devices, policy: reboots === null ? policy : { ...policy, reboots }, faults, hosts, outages, ttlMs,
    callMs: random.pick([2_000, 3_000, 5_000]),
    activeMs: random.whole(4, 9) * MINUTE_MS,
    aim: calm ? 0 : random.pick([0.3, 0.6, 0.9]),
    loss: calm ? 0 : random.weigh([[7, 0], [1, 0.03]] as const),
    references: random.chance(0.7),
    storeRate: drift(random),
    members: Array.from({ length: members }, (_, at) => carriers[at] ?? null),
    watchers: Array.from({ length: crowd }, (_, at): WatcherSpec => ({
      name: `w${at + 1}`, rate: drift(random),
      wallOffsetMs: random.chance(0.25) ? random.whole(-6, 6) * HOUR_MS : random.whole(-2_000, 2_000),
      synced: random.chance(0.8), uptimeMs: random.chance(0.85) ? random.whole(1, 90) * 24 * HOUR_MS : random.whole(5_000, 60_000),
      latencyMs: random.weigh([[6, random.whole(1, 10)], [1, random.whole(20, 80)]] as const),
      on: at === 0 ? on : null,
      slack: slack.chance(0.3) ? 2 : 1,
      first: at < 2 || !faults.has("watcher-joins") || random.chance(0.5),
    })),
  };
}

/** What the watcher of that name has read: its own name, and that it runs on one of the hosts. */
export function policyOf(policy: Policy, { name, on, slack }: WatcherSpec): Policy {
  const hosts = new Map([...policy.hosts].map(([host, each]) => [host, host === on ? { ...each, self: true } : { ...each, self: false }]));
  const devices = new Map([...policy.devices].map(([device, each]) => [device, { ...each, maxActMs: slack * each.maxActMs }]));
  return { ...policy, watcher: name, hosts, devices };
}

/** Shorter times than one watcher has: an operation and its boot fit several times into a run. */
function slim(policy: HostPolicy, random: Random): HostPolicy {
  return {
    ...policy, self: false, armed: true,
    everyMs: random.pick([5_000, 5_000, 3_000]), threshold: random.pick([3, 4, 5]), retryMs: [],
    bootMs: random.pick([40_000, 60_000]), debounceMs: random.pick([20_000, 40_000]), settleMs: random.pick([10_000, 20_000]),
    offForMs: random.pick([5_000, 2_000]), healthyForMs: random.pick([10_000, 5_000]),
    budget: { cycles: random.weigh([[6, 4], [1, 1]] as const), withinMs: 6 * HOUR_MS },
  };
}

/** Mostly a good crystal, now and then one that is off by up to a hundredth. */
function drift(random: Random): number {
  const most = random.weigh([[3, 0], [4, 100], [2, 10_000]] as const);
  return most === 0 ? 1 : 1 + random.whole(-most, most) / 1e6;
}
