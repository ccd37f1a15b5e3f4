// What one seed is about: a fleet and its configuration drawn at random, and how often which fault strikes. A run uses some
// of the fault classes only (swarm testing: Groce et al., ISSTA 2012), because faults of all kinds at once hide each other.
//
// Times are shorter than a real configuration's, so that a run of half an hour sees several operations, boots and budgets.

import type { DevicePolicy, HostPolicy, OutletRef, Policy } from "../src/core/policy.ts";
import { LIMITS } from "../src/core/policy.ts";
import { withAgents } from "./agents.ts";
import { FAULTS } from "./fault-names.ts";
import type { Fault } from "./fault-names.ts";
import { withMeters } from "./meters.ts";
import type { OutageSpec } from "./outage-spec.ts";
import { withOutages } from "./outage-spec.ts";
import { Random } from "./random.ts";
import { CLOCK_FAULTS, rebootsOfWorld } from "./reboots.ts";
import { withRemedies } from "./remedies.ts";

export type HostSpec = {
  readonly policy: HostPolicy;
  /** The outlets that truly feed it: every level must give power, a level gives it when any of its feeds does. */
  readonly wiring: readonly (readonly OutletRef[])[];
  readonly bootMs: number;
};

export type DeviceSpec = { readonly policy: DevicePolicy; readonly loginMs: number; readonly turnMs: number; readonly effectMs: number; readonly staleMs: number };

export type Spec = {
  readonly seed: number;
  readonly activeMs: number;
  readonly hosts: readonly HostSpec[];
  readonly devices: readonly DeviceSpec[];
  readonly policy: Policy;
  /** Strikes an hour; a class that is absent never strikes. */
  readonly faults: ReadonlyMap<Fault, number>;
  /** How often an operation under way draws a fault upon itself: 0…1 for each chance. */
  readonly aim: number;
  readonly loss: number;
  readonly references: boolean;
  readonly uptimeMs: number;
  /** Mains that fail, and agents that shut hosts down; null: none. */
  readonly outages: OutageSpec | null;
  /** How long a transaction takes; 0 only where that must make no difference. */
  readonly commitMs: number;
  /** Clock faults are drawn and change nothing: for the comparison of clocks.ts. */
  readonly inertClocks?: boolean;
};

export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;

export function draw(seed: number): Spec {
  const random = new Random(seed, "spec");
  const count = random.weigh([[26, 1], [22, 2], [18, 3], [12, 4], [8, 5], [14, random.whole(6, 8)]] as const);
  const names = Array.from({ length: count }, (_, at) => `h${at + 1}`);
  const drawn = drawDevices(random);
  const { policies, outages } = withOutages(seed, withAgents(seed, withRemedies(seed, names.map((name, at) => drawHost(random, name, at, names, drawn)))));
  const devices = withMeters(seed, outages, drawn);
  const hosts = policies.map((policy) => ({ policy, wiring: policy.levels, bootMs: Math.min(random.whole(8_000, 40_000), Math.max(8_000, policy.bootMs * 0.7)) }));
  const faults = new Map<Fault, number>();
  const calm = random.chance(0.22);
  for (const [name, { perHour, likely }] of Object.entries(FAULTS) as [Fault, { perHour: number; likely: number }][]) {
    if (random.chance(calm ? likely / 6 : likely)) faults.set(name, perHour * random.spread(30, 300) / 100);
  }
  // Without a host that dies now and then nothing happens at all.
  faults.set("wedge", (faults.get("wedge") ?? 6) * (1 + count / 4));
  const policy: Policy = {
    site: "sim", watcher: "w1", armed: !random.chance(0.02),
    hosts: new Map(hosts.map((host) => [host.policy.name, host.policy])),
    devices: new Map(devices.map((device) => [device.policy.name, device.policy])),
    brakes: {
      startupMs: random.pick([60_000, 60_000, 20_000, 0]),
      maxUnhealthy: random.weigh([[6, 0.4], [2, 1], [2, 0.25], [1, 0.6]] as const),
      coolDownMs: random.pick([120_000, 120_000, 30_000]),
      concurrent: random.weigh([[6, 1], [3, 2], [1, 4]] as const),
      perHour: random.weigh([[6, null], [2, 100], [1, 2]] as const),
    },
    observers: 3, lone: "hold", ...(outages === null ? {} : { careful: outages.careful }), shared: null, limits: LIMITS,
  };
  const reboots = rebootsOfWorld(seed, CLOCK_FAULTS.some((fault) => faults.has(fault as Fault)));
  return {
    seed, hosts, devices, policy: reboots === null ? policy : { ...policy, reboots }, faults, outages,
    activeMs: random.whole(12, 26) * MINUTE_MS,
    aim: calm ? 0 : random.pick([0.15, 0.3, 0.6, 0.9]),
    loss: calm ? 0 : random.weigh([[6, 0], [2, 0.02], [1, 0.1]] as const),
    references: random.chance(0.7),
    uptimeMs: random.chance(0.85) ? random.whole(1, 90) * 24 * HOUR_MS : random.whole(5_000, 60_000),
    commitMs: random.weigh([[8, random.whole(1, 20)], [1, random.whole(50, 250)]] as const),
  };
}

export function drawDevices(random: Random): DeviceSpec[] {
  const count = random.weigh([[5, 1], [4, 2], [1, 3]] as const);
  return Array.from({ length: count }, (_, at): DeviceSpec => ({
    policy: {
      name: `pdu${at + 1}`, driver: "apc", address: `10.0.1.${at + 1}`,
      maxActMs: random.pick([10_000, 20_000, 30_000]),
      checkEveryMs: random.pick([300_000, 300_000, 60_000]),
      exclusiveSession: random.chance(0.6),
    },
    loginMs: random.whole(50, 600), turnMs: random.whole(10, 250), effectMs: random.whole(0, 1_500), staleMs: random.weigh([[5, 0], [2, random.whole(100, 2_500)]] as const),
  }));
}

export function drawHost(random: Random, name: string, at: number, names: readonly string[], devices: readonly DeviceSpec[]): HostPolicy {
  const everyMs = random.weigh([[6, 5_000], [2, 10_000], [1, 3_000], [1, 2_000]] as const);
  const bootMs = random.weigh([[4, 60_000], [4, 120_000], [1, 300_000], [1, 0]] as const);
  const kinds = random.weigh([[5, ["ping", "ssh"]], [2, ["ping", "ssh", "dns"]], [1, ["ssh"]], [1, ["ping"]], [1, ["ssh", "dns", "tcp:80"]]] as const);
  const service = kinds.some((kind) => kind !== "ping");
  const required = random.chance(0.2);
  const probes = kinds.map((id) => ({ id, counts: id !== "ping" || !service || required }));
  const counting = probes.filter((probe) => probe.counts).length;
  return {
    name, hash: `${name}:a`, address: `10.0.0.${at + 1}`,
    group: names.length > 3 ? random.pick(["g1", "g2"]) : "g1",
    behind: at > 0 && random.chance(0.15) ? (random.chance(0.6) ? (names[0] as string) : "switch-a") : null,
    armed: !random.chance(0.03),
    everyMs, timeoutMs: random.pick([1_000, 1_000, 500, 1_500]),
    threshold: random.weigh([[6, 5], [2, 3], [1, 2], [1, 8]] as const),
    retryMs: random.weigh([[7, []], [1, [1_000, 2_000, 5_000]], [1, [5_000, 10_000, 30_000]]] as const),
    debounceMs: random.weigh([[7, 40_000], [1, 0], [1, 90_000]] as const),
    bootMs,
    offForMs: random.weigh([[6, 5_000], [1, 0], [1, 10_000]] as const),
    healthyForMs: random.pick([10_000, 10_000, 0, 20_000]),
    offConfirmMs: random.pick([30_000, 30_000, 10_000]),
    onConfirmMs: random.pick([30_000, 30_000, 10_000]),
    settleMs: random.pick([30_000, 30_000, 15_000]),
    probes, goodNeeded: counting > 1 && random.chance(0.2) ? counting - 1 : null,
    levels: drawLevels(random, at, devices),
    budget: { cycles: random.weigh([[5, 3], [2, 1], [2, 2]] as const), withinMs: random.pick([6 * HOUR_MS, 6 * HOUR_MS, 10 * MINUTE_MS]) },
    self: random.chance(0.02),
    storeMembers: 0,
  };
}

function drawLevels(random: Random, at: number, devices: readonly DeviceSpec[]): OutletRef[][] {
  const on = (device: number, outlet: number): OutletRef => ({ device: (devices[device % devices.length] as DeviceSpec).policy.name, outlet: String(outlet) });
  const first = random.whole(0, devices.length - 1);
  switch (random.weigh([[55, "one"], [20, "feeds"], [15, "levels"], [8, "both"], [2, "none"]] as const)) {
    case "one":
      return [[on(first, at + 1)]];
    case "feeds":
      return [[on(first, at + 1), on(first + 1, at + 21)]];
    case "levels":
      return [[on(first, at + 1)], [on(first + 1, at + 41)]];
    case "both":
      return [[on(first, at + 1)], [on(first, at + 41), on(first + 1, at + 61)]];
    case "none":
      return [];
  }
}
