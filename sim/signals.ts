// What the agents' sensors look at (core/power-sense.ts judges it): power nodes that hang on the mains alone, references that hang on the
// UPS, and upsd. Nodes and references die for other reasons, the switch in between takes all of them along, upsd is gone or
// says what is not so any more.

import type { Seen, Sensed, UpsSeen } from "../src/core/power-sense.ts";
import { combine, hasPower, judgeNodes, judgeUps } from "../src/core/power-sense.ts";
import type { Random } from "./random.ts";

export type SignalSpec = {
  /** Power nodes, and how many of them must be silent; none: they are not looked at. */
  readonly nodes: number;
  readonly lostNeeded: number;
  readonly references: number;
  readonly ups: boolean;
  /** Percent; on battery below it there is no time left. */
  readonly chargeBelow: number | null;
  /** So many of the two must say that power is lost. */
  readonly needed: number;
};

export function drawSignals(random: Random): SignalSpec {
  const kind = random.weigh([[4, "nodes"], [3, "ups"], [2, "both"]] as const);
  const nodes = kind === "ups" ? 0 : random.whole(1, 3);
  return { nodes, lostNeeded: random.whole(1, Math.max(1, nodes)), references: random.whole(1, 2), ups: kind !== "nodes", chargeBelow: random.pick([null, 20, 40]), needed: kind === "both" ? random.whole(1, 2) : 1 };
}

/** upsd says LB below that. */
export const BATTERY_LOW = 0.15;

/** The first look at the nodes; what follows depends on it. */
export type FirstLook = readonly Seen[];

export class Signals {
  readonly spec: SignalSpec;
  readonly #power: { readonly mains: boolean; readonly level: number };
  /** How many faults keep each of them silent. */
  readonly nodesDead: number[];
  readonly referencesDead: number[];
  switchDead = 0;
  upsGone = 0;

  constructor(spec: SignalSpec, power: { readonly mains: boolean; readonly level: number }) {
    this.spec = spec;
    this.#power = power;
    this.nodesDead = Array.from({ length: spec.nodes }, () => 0);
    this.referencesDead = Array.from({ length: spec.references }, () => 0);
  }

  /** `linked`: the host that looks has a network at all. Null: the second look is not needed. */
  first(linked: boolean): FirstLook {
    return this.#nodes(linked);
  }

  again(first: FirstLook): boolean {
    return !first.every(hasPower);
  }

  /** What comes of a look that began with this. */
  ended(first: FirstLook, linked: boolean): Sensed {
    const { spec } = this;
    const seen = this.again(first) ? { first, between: this.#references(linked), second: this.#nodes(linked), after: this.#references(linked) } : { first, between: null, second: null, after: null };
    return combine([...(spec.nodes > 0 ? [judgeNodes(seen, spec.lostNeeded)] : []), ...(spec.ups ? [judgeUps(this.#ups(linked), { chargeBelow: spec.chargeBelow })] : [])], spec.needed);
  }

  /** What a look that takes no time would find. */
  now(linked: boolean): Sensed {
    return this.ended(this.first(linked), linked);
  }

  #nodes(linked: boolean): readonly Seen[] {
    return this.nodesDead.map((dead, at) => answer(`node${at + 1}`, this.#power.mains && dead === 0 && this.switchDead === 0 && linked));
  }

  #references(linked: boolean): readonly Seen[] {
    return this.referencesDead.map((dead, at) => answer(`reference${at + 1}`, dead === 0 && this.switchDead === 0 && linked));
  }

  #ups(linked: boolean): UpsSeen {
    const { mains, level } = this.#power;
    if (this.upsGone > 0 || this.switchDead > 0 || !linked) return { name: "ups", wrong: "upsd does not answer" };
    return { name: "ups", status: new Set(mains ? ["OL"] : level < BATTERY_LOW ? ["OB", "LB"] : ["OB"]), charge: Math.round(100 * level) };
  }
}

function answer(name: string, answers: boolean): Seen {
  return answers ? { name, outcome: "good", sign: "answer", evidence: "an echo reply" } : { name, outcome: "bad", sign: "silent", evidence: "nothing came" };
}
