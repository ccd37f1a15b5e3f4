// A virtual host: energy first. It has power when every level of its wiring gives some; without power it is off whatever
// anybody believes; with power back it boots. Wedges are what field.md §1.28 names: most of them still answer pings and
// even accept connections, and only what is served shows that nobody is at home.

import { agentOf } from "./agents.ts";
import type { Agent } from "./agents.ts";
import type { Sign } from "../src/core/round.ts";
import type { Scene } from "./scene.ts";
import type { HostSpec } from "./spec.ts";

export const WEDGES = ["frozen", "banner-silent", "refused", "link", "dead", "names-fail", "flapping", "slow"] as const;
export type Wedge = (typeof WEDGES)[number];
/** halted: it has power, and its system has ended. stopped: its system runs, and a careful shutdown has stopped what it serves. */
export type Condition = "off" | "stopping" | "booting" | "up" | "stopped" | "halted" | Wedge | "cannot-persist";

/** `latencyMs` Infinity: nothing comes. `right`: what comes is what the probe wants. */
export type Answer = { readonly right: boolean; readonly sign: Sign; readonly latencyMs: number };

const SILENT: Answer = { right: false, sign: "silent", latencyMs: Infinity };
const GOOD: Answer = { right: true, sign: "answer", latencyMs: 3 };
const REFUSED: Answer = { right: false, sign: "refused", latencyMs: 2 };
const WRONG: Answer = { right: false, sign: "answer", latencyMs: 4 };

export class Host {
  readonly spec: HostSpec;
  readonly name: string;
  readonly #world: Scene;
  condition: Condition = "up";
  sinceMs = 0;
  powered = true;
  /** The hardware is dead: no power cycle brings it back. */
  broken = false;
  slowBoot = false;
  boots = 0;
  /** What it is there for was stopped on it, until that is started again or it boots. */
  #stopped = false;
  /** On hosts whose configuration asks one. */
  readonly agent: Agent | null;
  #epoch = 0;

  /** `seed`: of the agents' links; without one there are none. */
  constructor(world: Scene, spec: HostSpec, seed: number | null = null) {
    this.#world = world;
    this.spec = spec;
    this.name = spec.policy.name;
    this.agent = seed === null ? null : agentOf(seed, spec.policy);
  }

  /** Serves everything that is asked of it, right now. */
  get healthy(): boolean {
    return this.condition === "up";
  }

  /** Dies, until its power is cycled; by itself after `recoversInMs`, if that is given. */
  wedge(kind: Wedge, recoversInMs: number | null): void {
    if (this.condition !== "up") return;
    this.#become(this.agent?.seesAlone() === true ? "cannot-persist" : kind);
    if (recoversInMs === null) return;
    const epoch = this.#epoch;
    this.#world.timeline.in(recoversInMs, null, () => {
      if (epoch === this.#epoch) this.#become("up");
    });
  }

  /** An orderly reboot: services stop one after the other, then the kernel goes, then it boots. */
  reboot(stoppingMs: number): void {
    if (this.condition === "up") this.restart(stoppingMs);
  }

  /** Somebody whom it hears has it reboot, whatever ails it. */
  restart(stoppingMs: number): void {
    if (!this.powered || this.condition === "off" || this.condition === "booting") return;
    this.#become("stopping");
    const epoch = this.#epoch;
    this.#world.timeline.in(stoppingMs, null, () => {
      if (epoch === this.#epoch) this.#boot();
    });
  }

  /** Its system ends, and nothing boots it but power that comes, a packet, or somebody at its button. */
  halt(stoppingMs: number): void {
    if (!this.powered || this.condition === "off" || this.condition === "booting") return;
    this.#become("stopping");
    const epoch = this.#epoch;
    this.#world.timeline.in(stoppingMs, null, () => {
      if (epoch === this.#epoch) this.#become("halted");
    });
  }

  /** Its services are stopped, or started again. What ails it besides goes on. */
  serve(all: boolean): void {
    this.#stopped = !all;
    if (this.condition === (all ? "stopped" : "up")) this.#become("up");
  }

  press(): void {
    if (this.powered && this.condition === "halted") this.#boot();
  }

  recover(): void {
    this.broken = false;
    this.slowBoot = false;
    if (this.condition !== "halted" && this.condition !== "stopping" && this.condition !== "off" && this.condition !== "booting" && this.condition !== "up" && this.condition !== "stopped") this.#become("up");
  }

  /** The outlets that feed it have changed. */
  energy(powered: boolean): void {
    if (powered === this.powered) return;
    this.powered = powered;
    this.#stopped = false;
    if (!powered) this.#become("off");
    else this.#boot();
    for (const checker of this.#world.checkers.energy) checker.energy?.(this, powered);
  }

  #boot(): void {
    this.boots += 1;
    this.#stopped = false;
    this.#become("booting");
    const epoch = this.#epoch;
    const { random } = this.#world;
    const bootMs = this.spec.bootMs * (this.slowBoot ? 1.5 + 3 * random.unit() : 0.9 + 0.2 * random.unit());
    this.#world.timeline.in(Math.round(bootMs), null, () => {
      if (epoch === this.#epoch) this.#become(this.broken ? "dead" : "up");
    });
  }

  #become(next: Condition): void {
    this.#epoch += 1;
    const condition = next === "up" && this.#stopped ? "stopped" : next;
    this.condition = condition;
    this.sinceMs = this.#world.timeline.nowMs;
    this.#world.say(() => `${this.name} is ${condition}`);
    for (const checker of this.#world.checkers.condition) checker.condition?.(this);
  }

  /** What a probe sent now finds, the network apart. */
  answer(probe: string): Answer {
    const { random } = this.#world;
    switch (this.condition) {
      case "up":
      case "cannot-persist":
        return GOOD;
      case "off":
      case "halted":
      case "booting":
      case "link":
      case "dead":
        return SILENT;
      case "stopping":
      case "stopped":
      case "refused":
        return probe === "ping" ? GOOD : REFUSED;
      case "frozen":
        return probe === "ping" ? GOOD : SILENT;
      case "banner-silent":
        return probe === "ssh" ? SILENT : GOOD;
      case "names-fail":
        return probe === "dns" ? WRONG : GOOD;
      case "flapping":
        return random.chance(0.5) ? GOOD : SILENT;
      case "slow":
        return { right: true, sign: "answer", latencyMs: Math.round(this.spec.policy.timeoutMs * (0.7 + random.unit() * 3)) };
    }
  }

  /** What its agent says to a watcher that its network reaches or not: null is silence. */
  agentSays(reached: boolean): "good" | "bad" | null {
    const linked = this.agent?.speaks(this.#world.timeline.nowMs) === true;
    switch (this.condition) {
      case "up":
      case "stopped":
      case "banner-silent":
      case "refused":
      case "names-fail":
      case "slow":
        return linked && reached ? "good" : null;
      case "cannot-persist":
        return linked && reached ? "bad" : null;
      case "off":
      case "stopping":
      case "booting":
      case "halted":
      case "link":
      case "dead":
      case "frozen":
      case "flapping":
        return null;
    }
  }

  /** Whether its kernel answers anything at its own address. */
  get answersAnything(): boolean {
    return this.condition !== "off" && this.condition !== "halted" && this.condition !== "booting" && this.condition !== "link" && this.condition !== "dead";
  }
}
