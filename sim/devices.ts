// A virtual power device: relays, what it says of them, and the cable to it. What a relay does is the truth; the status may
// be stale or a lie, an acknowledgement may be lost, and a command that was written into a cut cable is delivered when the
// cable heals, up to `maxAct` after it was written and whether or not its writer still lives (tried, safety.md §4.2).

import type { OutletState, PowerDevice, Reading } from "../src/power/power.ts";
import type { OutletRef } from "../src/core/policy.ts";
import { outletKey } from "../src/core/policy.ts";
import type { Operation } from "../src/core/records.ts";
import type { Event } from "./clock.ts";
import type { Meter } from "./meters.ts";
import type { Path, Process, Scene } from "./scene.ts";
import type { Session } from "./session.ts";
import { openSession } from "./session.ts";
import type { DeviceSpec } from "./spec.ts";

/** A command whose irreversible byte has left the watcher. */
export type Sent = {
  readonly life: Process;
  readonly outlet: Outlet;
  readonly action: "on" | "off";
  readonly sentMs: number;
  /** What the device said of the outlet before the gate was asked. */
  readonly reading: Reading;
  /** The open operation on the disk that this outlet belongs to. */
  readonly operation: Operation | null;
  receivedMs: number | null;
  refused: boolean;
  acknowledged: boolean;
  /** Calls back the session that waits for an answer. */
  answer: (() => void) | null;
};

export type Edge = { readonly outlet: Outlet; readonly to: "on" | "off"; readonly atMs: number; readonly by: Sent | "others" };

export type Outlet = {
  readonly key: string;
  readonly ref: OutletRef;
  readonly device: Device;
  /** The relay: true gives power. */
  closed: boolean;
  shown: OutletState;
  readonly edges: Edge[];
  stuck: boolean;
  refuses: boolean;
  lie: OutletState | null;
  /** When the status last was, or may have been, something else than the relay. */
  doubtfulMs: number;
  label: string | null;
};

const STEP_MS = 8_000;

export class Device {
  readonly #world: Scene;
  readonly spec: DeviceSpec;
  readonly name: string;
  readonly outlets = new Map<string, Outlet>();
  readonly sessions = new Set<Session>();
  /** How many faults hold each of these at the moment. */
  cut = 0;
  deaf = 0;
  mute = 0;
  down = 0;
  slow = 0;
  stale = 0;
  /** It tells what its outlets give. */
  meter: Meter | null = null;
  ghostUntilMs = 0;
  acknowledgementsToLose = 0;
  commandsToDelay = 0;
  #queued: Sent[] = [];
  #parked: (() => void)[] = [];

  constructor(world: Scene, spec: DeviceSpec) {
    this.#world = world;
    this.spec = spec;
    this.name = spec.policy.name;
  }

  outlet(ref: OutletRef): Outlet {
    let outlet = this.outlets.get(ref.outlet);
    if (outlet === undefined) {
      outlet = { key: outletKey(ref), ref, device: this, closed: true, shown: "on", edges: [], stuck: false, refuses: false, lie: null, doubtfulMs: -Infinity, label: null };
      this.outlets.set(ref.outlet, outlet);
    }
    return outlet;
  }

  /** Answers whoever asks, as far as anybody can tell. */
  get usable(): boolean {
    return this.cut === 0 && this.deaf === 0 && this.mute === 0 && this.down === 0 && this.slow === 0;
  }

  get speaks(): boolean {
    return this.cut === 0 && this.deaf === 0 && this.mute === 0 && this.down === 0;
  }

  /** Whether this process and the device hear each other, as far as the device and the cables are concerned. */
  hears(life: Process): boolean {
    const path = this.#path(life);
    return this.speaks && (path === undefined || (path.cut === 0 && path.deaf === 0 && path.mute === 0));
  }

  portFor(life: Process): PowerDevice {
    return { open: (signal) => openSession(this.#world, this, life, signal) };
  }

  // ---- exchanges ------------------------------------------------------------------------------------------------------

  /** Calls `then` (an event of this life) after one question and its answer, as soon as the device and the cable allow. Returns what cancels it. */
  exchange(life: Process, takesMs: number, then: () => void, late: () => void): () => void {
    const { timeline, random } = this.#world;
    const realMs = this.slow > 0 ? takesMs + random.whole(500, 6_000) : takesMs;
    let done = false;
    let event: Event;
    const step = timeline.in(STEP_MS, life, () => {
      if (done) return;
      done = true;
      late();
    });
    const attempt = (): void => {
      if (done) return;
      if (!this.hears(life)) {
        this.#parked.push(() => (event = timeline.in(10, life, attempt)));
        return;
      }
      done = true;
      step.run = null;
      then();
    };
    event = timeline.in(realMs, life, attempt);
    return () => {
      done = true;
      step.run = null;
      event.run = null;
    };
  }

  /** The cable or the device has come back. */
  healed(): void {
    if (!this.speaks) return;
    // A way that is still cut keeps what waits for it.
    const parked = this.#parked;
    this.#parked = [];
    for (const retry of parked) retry();
    const queued = this.#queued;
    this.#queued = [];
    for (const sent of queued) {
      if (!this.#takes(sent.life)) {
        this.#queued.push(sent);
        continue;
      }
      if (this.#world.timeline.nowMs > sent.sentMs + this.spec.policy.maxActMs) continue;
      if (!sent.life.alive && this.#world.random.chance(0.3)) continue;
      if (sent.life.alive === false) this.#world.counts.add("device: a queued command outlives its writer");
      this.#world.timeline.in(this.#world.random.whole(1, 200), null, () => this.#receive(sent));
    }
  }

  // ---- commands -------------------------------------------------------------------------------------------------------

  /** The irreversible byte is on its way. */
  carry(sent: Sent): void {
    const { timeline, random, counts } = this.#world;
    if (this.cut > 0 || this.deaf > 0 || !this.#takes(sent.life)) {
      counts.add("device: a command is queued in a cut cable");
      this.#queued.push(sent);
      return;
    }
    if (this.commandsToDelay > 0) {
      this.commandsToDelay -= 1;
      counts.add("device: a command is delivered late");
      timeline.in(random.spread(500, this.spec.policy.maxActMs - this.spec.effectMs - 100), null, () => this.#receive(sent));
      return;
    }
    timeline.in(random.whole(1, 30), null, () => this.#receive(sent));
  }

  #path(life: Process): Path | undefined {
    return life.paths?.get(this.name);
  }

  /** What this process writes arrives. */
  #takes(life: Process): boolean {
    const path = this.#path(life);
    return path === undefined || (path.cut === 0 && path.deaf === 0);
  }

  #receive(sent: Sent): void {
    if (this.down > 0) return;
    const { timeline, random, counts } = this.#world;
    sent.receivedMs = timeline.nowMs;
    sent.refused = sent.outlet.refuses;
    if (this.acknowledgementsToLose > 0) {
      this.acknowledgementsToLose -= 1;
      counts.add("device: an acknowledgement is lost");
    } else {
      sent.acknowledged = true;
      sent.answer?.();
    }
    if (sent.refused) {
      counts.add("device: a command is refused");
      return;
    }
    const delayMs = Math.round(this.spec.effectMs * (0.5 + random.unit() / 2));
    timeline.in(delayMs, null, () => this.switch(sent.outlet, sent.action, sent));
  }

  /** The relay moves, by a command or by somebody's hand. */
  switch(outlet: Outlet, to: "on" | "off", by: Sent | "others"): void {
    const closed = to === "on";
    if (outlet.stuck) {
      // The electronics believe what the contacts did not do.
      outlet.doubtfulMs = Infinity;
      this.#show(outlet, to);
      return;
    }
    if (outlet.closed === closed) return this.#show(outlet, to);
    const world = this.#world;
    outlet.closed = closed;
    const edge: Edge = { outlet, to, atMs: world.timeline.nowMs, by };
    outlet.edges.push(edge);
    world.say(() => `${outlet.key} turns ${to}, by ${by === "others" ? "others" : "our command"}`);
    this.#show(outlet, to);
    for (const checker of world.checkers.edge) checker.edge?.(edge);
    world.energyChanged();
  }

  #show(outlet: Outlet, state: "on" | "off"): void {
    const { timeline } = this.#world;
    const staleMs = this.spec.staleMs + (this.stale > 0 ? this.#world.random.spread(1_000, 20_000) : 0);
    if (staleMs === 0) {
      outlet.shown = state;
      return;
    }
    outlet.doubtfulMs = Math.max(outlet.doubtfulMs, timeline.nowMs + staleMs);
    timeline.in(staleMs, null, () => (outlet.shown = outlet.stuck ? state : outlet.closed ? "on" : "off"));
  }

  /** What it says of an outlet at this moment. */
  sample(id: string): Reading {
    const outlet = this.outlet({ device: this.name, outlet: id });
    return { outlet: id, state: outlet.lie ?? outlet.shown, label: outlet.label };
  }
}
