// Devices that tell what their outlets give (ADR 28), in some of the worlds in which the mains fail. A meter tells the truth, or it
// stays at what it told last, tells nonsense, tells nothing, answers late or, the worst of all, tells of nothing that is drawn where
// something is. All of it is drawn from a stream of its own, so that no other world changes.

import { UpkeepError } from "../src/core/errors.ts";
import type { Draw } from "../src/power/power.ts";
import type { Device } from "./devices.ts";
import type { OutageSpec } from "./outage-spec.ts";
import { Random } from "./random.ts";
import type { DeviceSpec } from "./spec.ts";
import type { World } from "./world.ts";

export type MeterManner = "true" | "stuck" | "nonsense" | "silent" | "late" | "nothing";

/** Some devices of a world with outages are asked what they give. */
export function withMeters(seed: number, outages: OutageSpec | null, devices: readonly DeviceSpec[]): readonly DeviceSpec[] {
  const random = new Random(seed, "meters");
  if (outages === null || !random.chance(0.4)) return devices;
  const metered = { belowWatts: random.pick([5, 12]), forMs: random.pick([10_000, 15_000, 25_000]) };
  return devices.map((device) => (random.chance(0.8) ? { ...device, policy: { ...device.policy, metered } } : device));
}

const HOUR_MS = 3_600_000;

/** The meter of one device. */
export class Meter {
  readonly #world: World;
  readonly #device: Device;
  readonly #random: Random;
  readonly #perHour: number;
  readonly #honest: boolean;
  /** What a machine that has halted draws, and one that runs. */
  readonly #standbyWatts: number;
  readonly #watts = new Map<string, number>();
  readonly #told = new Map<string, number>();
  manner: MeterManner = "true";
  /** It last told of less than is drawn. */
  liedMs = -Infinity;

  constructor(world: World, device: Device) {
    this.#world = world;
    this.#device = device;
    this.#random = new Random(world.spec.seed, `meter ${device.name}`);
    this.#standbyWatts = this.#random.weigh([[6, 2], [2, 0], [1, 9], [1, 20]] as const);
    this.#perHour = this.#random.pick([0, 8, 40]);
    this.#honest = this.#random.chance(0.6);
  }

  begin(): void {
    if (this.#perHour === 0) return;
    this.#world.timeline.in(this.#random.wait(HOUR_MS / this.#perHour), null, () => {
      if (!this.#world.healing) this.#turn();
      this.begin();
    });
  }

  #turn(): void {
    this.manner = this.#random.pick(["stuck", "nonsense", "silent", "late", ...(this.#honest ? [] : ["nothing" as const])] as const);
    this.#world.counts.add(`meter: ${this.manner}`);
    this.#world.say(() => `the meter of ${this.#device.name} is ${this.manner}`);
    this.#world.timeline.in(this.#random.spread(5_000, 180_000), null, () => (this.manner = "true"));
  }

  /** How much longer than a question it takes. */
  get extraMs(): number {
    return this.manner === "late" ? this.#random.whole(500, 25_000) : 0;
  }

  /** What it tells at this moment. */
  tell(outlets: readonly string[]): readonly Draw[] {
    if (this.manner === "silent") throw new UpkeepError("POWER_UNREACHABLE", `${this.#device.name} does not tell what it gives`);
    return outlets.map((outlet): Draw => {
      const truth = this.#truth(outlet);
      const watts = this.#said(outlet, truth);
      if (watts !== null && watts >= 0 && watts < truth - 1) this.liedMs = this.#world.timeline.nowMs;
      if (this.manner === "true") this.#told.set(outlet, watts ?? 0);
      return { outlet, watts };
    });
  }

  #said(outlet: string, truth: number): number | null {
    switch (this.manner) {
      case "stuck":
        return this.#told.get(outlet) ?? 0;
      case "nothing":
        return 0;
      case "nonsense":
        return this.#random.pick([-1, Number.NaN, Number.POSITIVE_INFINITY, 4_294_967_295, null]);
      default:
        return truth;
    }
  }

  #truth(id: string): number {
    const outlet = this.#device.outlet({ device: this.#device.name, outlet: id });
    if (!outlet.closed || this.#world.dark > 0) return 0;
    const host = this.#world.hosts.get(this.#world.hostOf(outlet.key)?.name ?? "");
    if (host === undefined || host.condition === "off" || host.condition === "halted") return this.#standbyWatts;
    // Some need next to nothing at rest, and more when they have something to do.
    const rest = this.#watts.get(id) ?? this.#random.weigh([[5, this.#random.whole(40, 400)], [1, 3]] as const);
    this.#watts.set(id, rest);
    return rest < 10 && this.#random.chance(0.3) ? 40 : rest;
  }
}
