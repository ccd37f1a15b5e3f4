// When faults strike in a world of several watchers: by themselves at random times, aimed at an operation some time after a
// phase of it has begun, and at the calls that a watcher makes while an operation is open, the look at the clock between swap
// and byte and the sending of a keep-alive among them. What each of them does is in strikes.ts.

import type { Operation } from "../../src/core/records.ts";
import { Random } from "../random.ts";
import { HOUR_MS } from "../spec.ts";
import type { FleetFault } from "./fault-names.ts";
import { isGround, isMoment, isPerson } from "./fault-names.ts";
import type { FleetLife } from "./life.ts";
import { MOMENT_STRIKES } from "./moments.ts";
import type { FleetMachine, Site } from "./site.ts";
import { FLEET_STRIKES } from "./strikes.ts";
import type { FleetWorld } from "./world.ts";
import { GROUND_STRIKES } from "../ground-strikes.ts";
import { PEOPLE } from "../people.ts";

/** What befalls the one who acts, as it acts. */
const INTERRUPTING: readonly FleetFault[] = ["watcher-killed", "watcher-paused", "cut-from-store", "store-speaks-only", "store-hears-only", "isolated", "keep-alives-lost", "watcher-loses-power"];
/** A byte that has not left by then was not let go. */
const SWAP_MS = 1_000;
const LOG_IN_MS = 900;
const POINTS_WORTH_TWO = new Set(["ready", "write", "wrote", "commit", "committed"]);

export class FleetFaults {
  readonly #world: FleetWorld;
  readonly random: Random;
  readonly #moments: Random;
  readonly #kinds: readonly FleetFault[];
  readonly #interrupting: readonly FleetFault[];
  readonly #lasting = new Set<() => void>();
  #pointsLeft = Infinity;
  #over = false;
  /** A swap of this life is in the store and its byte has not left yet. */
  #swap: { readonly life: FleetLife; readonly atMs: number } | null = null;

  constructor(world: FleetWorld) {
    this.#world = world;
    this.random = new Random(world.spec.seed, "fleet faults");
    this.#moments = new Random(world.spec.seed, "fleet moments");
    this.#kinds = [...world.spec.faults.keys()];
    this.#interrupting = this.#kinds.filter((kind) => INTERRUPTING.includes(kind));
  }

  begin(): void {
    for (const [fault, perHour] of this.#world.spec.faults) this.#plan(fault, perHour);
    this.#pointsLeft = this.#nextPoint();
    if (this.#world.spec.faults.has("store-restored")) this.#copyNowAndThen();
  }

  #plan(fault: FleetFault, perHour: number): void {
    const leadMs = this.#world.timeline.nowMs === 0 && this.random.chance(0.85) ? 50_000 : 0;
    this.#world.after(leadMs + this.random.wait(HOUR_MS / perHour), () => {
      if (this.#over) return;
      this.strike(fault, null);
      this.#plan(fault, perHour);
    });
  }

  #copyNowAndThen(): void {
    this.#world.after(this.random.whole(20_000, 100_000), () => {
      if (this.#over) return;
      this.#world.server.copy();
      this.#copyNowAndThen();
    });
  }

  /** `inside`: from within a call of this life. */
  strike(fault: FleetFault, inside: FleetLife | null): void {
    const world = this.#world;
    const phase = world.phase();
    const struck = isGround(fault) ? GROUND_STRIKES[fault](world, this.random) : isPerson(fault) ? PEOPLE[fault](world, this.random) : isMoment(fault) ? MOMENT_STRIKES[fault](world, this.#moments) : FLEET_STRIKES[fault](world, this.random, inside);
    if (struck === null) return;
    world.counts.add(`fault: ${fault} in ${phase}`);
    world.say(() => `FAULT ${fault}${struck === "" ? "" : `: ${struck}`}`);
    this.noteTrouble();
    for (const checker of world.checkers.strikes) checker.strikes?.(fault);
  }

  /** Before something is healed, and after something has struck. */
  noteTrouble(): void {
    const world = this.#world;
    for (const site of world.sites.values()) if (!site.whole || !world.server.available) site.troubledMs = world.timeline.nowMs;
  }

  lasts(durationMs: number, undo: () => void): void {
    const end = (): void => {
      if (!this.#lasting.delete(end)) return;
      this.noteTrouble();
      undo();
    };
    this.#lasting.add(end);
    this.#world.after(durationMs, end);
  }

  /** The site that a fault is most interesting at: of the one who acts. */
  aSite(inside: FleetLife | null): Site | null {
    const world = this.#world;
    if (inside !== null) return inside.site;
    const present = [...world.sites.values()].filter((site) => site.present);
    if (present.length === 0) return null;
    const acting = new Set(world.open.map((operation) => world.bornIn(operation)?.site));
    const interesting = present.filter((site) => acting.has(site));
    return this.random.pick(interesting.length > 0 && this.random.chance(0.6) ? interesting : present);
  }

  /** The store has carried a swap out. */
  swapped(life: FleetLife): void {
    this.#swap = { life, atMs: this.#world.timeline.nowMs };
  }

  byteLeft(): void {
    this.#swap = null;
  }

  phaseBegins(operation: Operation): void {
    const { aim } = this.#world.spec;
    if (operation.phase === "intended") this.#atTheLastMoment(aim);
    if (this.#over || this.#kinds.length === 0 || !this.random.chance(aim)) return;
    this.#world.after(this.random.spread(1, 30_000), () => {
      if (!this.#over) this.strike(this.random.pick(this.#kinds), null);
    });
  }

  /** Between the decision and the swap lie a log-in and a reading. */
  #atTheLastMoment(aim: number): void {
    for (const fault of this.#kinds.filter(isMoment)) {
      if (this.#moments.chance(aim)) this.#world.after(this.#moments.whole(0, LOG_IN_MS), () => void (this.#over || this.strike(fault, null)));
    }
  }

  /** A watcher calls a port. */
  point(life: FleetLife, name: string): void {
    if (this.#over || this.#world.open.length === 0) return;
    if (name === "ready") this.#atTheEndOfTheLease(life);
    this.#pointsLeft -= POINTS_WORTH_TWO.has(name) ? 2 : 1;
    if (this.#pointsLeft > 0) return;
    this.#pointsLeft = this.#nextPoint();
    const kinds = this.random.chance(0.7) && this.#interrupting.length > 0 ? this.#interrupting : this.#kinds;
    this.strike(this.random.pick(kinds), life);
  }

  /** A watcher looks at its clock: between swap and byte that is the last thing that it does, and before a keep-alive, too. */
  clockRead(life: FleetLife): void {
    if (this.#over || !life.alive || life.frozenUntilMs > this.#world.timeline.nowMs) return;
    const { aim, faults } = this.#world.spec;
    if (this.#swap === null || this.#swap.life !== life) return;
    if (this.#world.timeline.nowMs - this.#swap.atMs > SWAP_MS) return void (this.#swap = null);
    const leftMs = life.heldUntilMs === null ? Infinity : life.heldUntilMs - life.nowMs;
    if (leftMs > 0 && leftMs < 450 && this.random.chance(aim)) {
      this.#swap = null;
      this.#world.counts.add("pause: between swap and byte, over the end of the lease");
      return life.pause(leftMs + this.random.whole(1, 40));
    }
    if (!faults.has("watcher-paused") || !this.random.chance(0.25 * aim)) return;
    this.#swap = null;
    this.#world.counts.add("pause: between swap and byte");
    this.strike("watcher-paused", life);
  }

  /** The moment at which to act comes when the lease is all but over, and no keep-alive gets through. */
  #atTheEndOfTheLease(life: FleetLife): void {
    const { aim, faults, ttlMs } = this.#world.spec;
    if (!faults.has("keep-alives-lost") || life.heldUntilMs === null || !this.random.chance(0.25 * aim)) return;
    const leftMs = life.heldUntilMs - life.nowMs - this.random.whole(30, 400);
    if (leftMs <= 0) return;
    this.#world.counts.add("pause: until the lease is all but over");
    life.site.link.keepAlivesLost += 1;
    this.lasts(leftMs + ttlMs, () => void (life.site.link.keepAlivesLost -= 1));
    life.pause(leftMs);
  }

  #nextPoint(): number {
    const { aim } = this.#world.spec;
    return aim === 0 || this.#kinds.length === 0 ? Infinity : 1 + this.random.wait(30 / aim);
  }

  // ---- lives ----------------------------------------------------------------------------------------------------------

  lifeEnded(life: FleetLife): void {
    if (this.#swap?.life === life) this.#swap = null;
    const { site } = life;
    if (site.restartPlanned || !site.present) return;
    this.restartAfter(site, this.#over ? 1_000 : this.random.spread(200, 60_000));
  }

  restartAfter(site: Site, delayMs: number): void {
    site.restartPlanned = true;
    this.#world.after(delayMs, () => {
      site.restartPlanned = false;
      if (site.life !== null || !site.present) return;
      // Its host has to be up first.
      if (site.spec.on !== null && this.#world.dark(site.spec.on)) return this.restartAfter(site, 2_000);
      this.#world.boot(site);
    });
  }

  /** Its machine goes dark and comes back as another boot, perhaps with a clock that nobody has set yet. */
  losesPower(site: Site): string {
    const world = this.#world;
    const offMs = this.random.spread(500, 30_000);
    const wrongMs = this.random.chance(0.3) ? (this.random.chance(0.5) ? -1 : 1) * this.random.spread(61_000, 1_000 * HOUR_MS) : 0;
    const before = site.machine;
    site.restartPlanned = true;
    site.life?.end("its machine has lost power");
    const machine: FleetMachine = { bootId: `${site.name}-boot-${world.lives}`, bootedMs: world.timeline.nowMs + offMs, rate: before.rate, wallOffsetMs: before.wallOffsetMs + wrongMs, synced: wrongMs === 0 && before.synced };
    site.machine = machine;
    this.restartAfter(site, offMs + this.random.whole(3_000, 15_000));
    if (!machine.synced) world.after(offMs + this.random.spread(5_000, 200_000), () => {
      machine.wallOffsetMs = site.spec.wallOffsetMs;
      machine.synced = site.spec.synced;
    });
    return `${site.name} for ${offMs} ms`;
  }

  healAll(): void {
    this.#over = true;
    const world = this.#world;
    for (const undo of [...this.#lasting]) undo();
    // A store that was restored brings back what only a later version can read; somebody deletes it.
    for (const [key, { read }] of world.server.records) if (!read.ok) world.server.plant(key, null);
    for (const host of world.hosts.values()) host.recover();
    for (const device of world.devices.values()) {
      device.ghostUntilMs = Math.min(device.ghostUntilMs, world.timeline.nowMs + 5_000);
      device.acknowledgementsToLose = 0;
      device.commandsToDelay = 0;
    }
    for (const site of world.sites.values()) {
      site.network.loss = 0;
      if (site.present && site.life === null && !site.restartPlanned) this.restartAfter(site, 1_000);
    }
  }
}
