// What the outages of one seed are about: how often and how long the mains fail, what the agents' sensors look at, what each host
// stops before it powers off, who is killed how often. Drawn from a stream of its own.

import type { CarefulPolicy as AgentPolicy, StagePlan } from "../src/core/careful-record.ts";
import type { CarefulPolicy, HostPolicy } from "../src/core/policy.ts";
import { Random } from "./random.ts";
import type { SignalSpec } from "./signals.ts";
import { drawSignals } from "./signals.ts";

/** A host that shuts itself down with care. */
export type MachineSpec = {
  readonly policy: AgentPolicy;
  /** Units without which the host does not serve. */
  readonly serving: ReadonlySet<string>;
  /** Named in a stage, and not active. */
  readonly idle: ReadonlySet<string>;
};

export type OutageSpec = {
  readonly careful: CarefulPolicy;
  readonly signals: SignalSpec;
  readonly agents: ReadonlyMap<string, MachineSpec>;
  /** How long the UPS lasts, and how long it takes to be full again. Infinity: it never empties. */
  readonly batteryMs: number;
  readonly rechargeMs: number;
  /** The watchers are told of the charge. */
  readonly charged: boolean;
  /** So many of the messages between agents and watchers are lost, and as many are late. */
  readonly lossy: number;
  /** An agent that is about something is killed about once in so many of its effects; 0: never. */
  readonly killOneIn: number;
  /** An hour: the mains fail; something that sensors look at dies; a watcher's sense is in doubt, or wrong; an agent dies; a disk or a clock is wrong. */
  readonly failPerHour: number;
  readonly mistakenPerHour: number;
  readonly doubtPerHour: number;
  readonly killPerHour: number;
  readonly spoilPerHour: number;
  /** A person has other plans with a host that is down. */
  readonly personPerHour: number;
};

/** Draws the outages of a world, if it has any, and what its hosts have to do with them: in so many worlds, so many times as often. */
export function withOutages(seed: number, policies: readonly HostPolicy[], { share, times } = { share: 0.4, times: 1 }): { readonly policies: readonly HostPolicy[]; readonly outages: OutageSpec | null } {
  const random = new Random(seed, "outages");
  if (!random.chance(share)) return { policies, outages: null };
  const sensed = random.chance(0.8);
  const careful: CarefulPolicy = { haltBoundMs: random.pick([20_000, 40_000, 90_000]), returnAfterMs: random.pick([10_000, 30_000, 90_000]), returnCharge: random.pick([0, 0.3, 0.5]), staggerMs: random.pick([0, 5_000, 20_000]), sensed };
  const signals = drawSignals(random);
  const common = {
    lookEveryMs: random.pick([3_000, 5_000, 10_000]), waitMs: random.pick([5_000, 15_000, 40_000]), jitter: random.pick([0, 0.2]), unknownAfterMs: random.weigh([[3, null], [1, random.whole(15_000, 60_000)]] as const),
    steadyMs: random.pick([5_000, 15_000]), stuckMs: random.pick([20_000, 40_000]), haltMs: random.pick([8_000, 20_000]),
  };
  const agents = new Map(policies.filter(() => random.chance(0.85)).map(({ name }) => [name, drawMachine(random, { ...common, host: name }, signals)]));
  const outages: OutageSpec = {
    careful, signals, agents,
    batteryMs: random.weigh([[3, Infinity], [3, random.whole(60_000, 240_000)], [1, 20_000]] as const), rechargeMs: random.whole(30_000, 300_000),
    charged: random.chance(0.6), lossy: random.pick([0, 0, 0.1, 0.3]), killOneIn: random.pick([0, 12, 40]),
    failPerHour: times * random.pick([4, 8, 16]),
    mistakenPerHour: times * random.pick([0, 3, 8]), doubtPerHour: times * random.pick([0, 4, 12]), killPerHour: times * random.pick([0, 6, 30]), spoilPerHour: times * random.pick([0, 0, 6]), personPerHour: times * random.pick([0, 0, 20]),
  };
  const names = policies.map(({ name }) => name);
  return {
    outages,
    policies: policies.map((policy, at) => {
      const after = names.slice(0, at).filter(() => random.chance(0.3));
      return { ...policy, ...(after.length === 0 ? {} : { after }), ...(policy.levels.length === 0 && random.chance(0.6) ? { wakes: true as const } : {}) };
    }),
  };
}

function drawMachine(random: Random, common: Omit<AgentPolicy, "afterMs" | "stages" | "observes">, signals: SignalSpec): MachineSpec {
  const stages = Array.from({ length: random.whole(0, 3) }, (_, at): StagePlan => {
    const plan = { name: `stage${at + 1}`, limitMs: random.pick([4_000, 10_000]) };
    if (random.chance(0.3)) return { ...plan, kind: "program", run: ["stop"], undo: random.chance(0.7) ? ["start"] : null };
    return { ...plan, kind: "units", units: Array.from({ length: random.whole(1, 3) }, (_unit, unit) => `unit${at + 1}${unit + 1}`) };
  });
  const units = stages.flatMap((plan) => unitsOf(plan));
  const idle = new Set(units.filter((unit) => unit.startsWith("unit") && random.chance(0.15)));
  // Where upsmon rules it shuts the host down, and the agent has to know of the UPS to know of that.
  const observes = signals.ups && signals.needed === 1 && random.chance(0.12) ? { why: "upsmon rules", announces: true } : null;
  return { policy: { ...common, afterMs: random.pick([0, 0, 5_000, 15_000]), stages, observes }, idle, serving: new Set(units.filter((unit) => !idle.has(unit) && random.chance(0.6))) };
}

/** A program that is run and undone is a unit of its own. */
export function unitsOf(plan: StagePlan): readonly string[] {
  return plan.kind === "units" ? plan.units : plan.undo === null ? [] : [`program ${plan.name}`];
}
