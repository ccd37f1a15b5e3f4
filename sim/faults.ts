// When faults strike: by themselves at random times, aimed at an operation some time after a phase of it has begun, and at
// the calls that the watcher makes while an operation is open. What each of them does is in strikes.ts.

import type { Fault } from "./fault-names.ts";
import type { Life } from "./life.ts";
import { Random } from "./random.ts";
import { HOUR_MS } from "./spec.ts";
import { STRIKES } from "./strikes.ts";
import type { World } from "./world.ts";

/** Struck from within a call of the watcher only. */
const INTERRUPTING: ReadonlySet<Fault> = new Set<Fault>(["kill", "pause", "power-loss"]);

const CUTTING: readonly Fault[] = ["device-cut-off", "device-deaf"];

export class Faults {
  readonly #world: World;
  readonly random: Random;
  /** Of its own: worlds without reboots stay as they were. */
  readonly #orders: Random;
  readonly #kinds: readonly Fault[];
  readonly #interrupting: readonly Fault[];
  /** What undoes each fault that lasts. */
  readonly #lasting = new Set<() => void>();
  #pointsLeft = Infinity;
  #over = false;
  /** A swap is on the disk and its byte has not left yet. */
  swapPending = false;
  restartPlanned = false;

  constructor(world: World) {
    this.#world = world;
    this.random = new Random(world.spec.seed, "faults");
    this.#orders = new Random(world.spec.seed, "kills at orders");
    this.#kinds = [...world.spec.faults.keys()];
    this.#interrupting = this.#kinds.filter((kind) => INTERRUPTING.has(kind));
  }

  begin(): void {
    for (const [fault, perHour] of this.#world.spec.faults) this.#plan(fault, perHour);
    this.#pointsLeft = this.#nextPoint();
    if (this.#world.spec.faults.has("disk-restored")) this.#copyNowAndThen();
  }

  #plan(fault: Fault, perHour: number): void {
    // Hosts are given a moment to be seen healthy: a fleet that is never healthy proves little.
    const leadMs = this.#world.timeline.nowMs === 0 && this.random.chance(0.8) ? 90_000 : 0;
    this.#world.timeline.in(leadMs + this.random.wait(HOUR_MS / perHour), null, () => {
      if (this.#over) return;
      this.strike(fault, null);
      this.#plan(fault, perHour);
    });
  }

  #copyNowAndThen(): void {
    this.#world.timeline.in(this.random.whole(20_000, 200_000), null, () => {
      if (this.#over) return;
      this.#world.disk.copy();
      this.#copyNowAndThen();
    });
  }

  strike(fault: Fault, inside: Life | null): void {
    const world = this.#world;
    const phase = world.phase();
    const struck = STRIKES[fault](world, this.random, inside);
    if (struck === null) return;
    world.counts.strike(fault, phase);
    world.say(() => `FAULT ${fault}${struck === "" ? "" : `: ${struck}`}`);
    for (const checker of world.checkers.strikes) checker.strikes?.(fault);
  }

  /** Holds for a while, unless everything is healed before. */
  lasts(durationMs: number, undo: () => void): void {
    const end = (): void => {
      if (!this.#lasting.delete(end)) return;
      undo();
    };
    this.#lasting.add(end);
    this.#world.timeline.in(durationMs, null, end);
  }

  /** A phase of an operation has begun. */
  phaseBegins(): void {
    const { aim } = this.#world.spec;
    if (this.#over || !this.random.chance(aim)) return;
    this.#world.timeline.in(this.random.spread(1, 40_000), null, () => {
      if (!this.#over) this.strike(this.random.pick(this.#kinds), null);
    });
  }

  /** The watcher calls a port. */
  point(life: Life, name: string): void {
    if (this.#over || this.#world.open.length === 0) return;
    if (name === "write") this.#cutUnderTheByte();
    this.#pointsLeft -= name === "ready" || name === "write" || name === "wrote" || name === "commit" || name === "committed" ? 2 : 1;
    if (this.#pointsLeft > 0) return;
    this.#pointsLeft = this.#nextPoint();
    this.strike(this.random.pick(this.random.chance(0.5) && this.#interrupting.length > 0 ? this.#interrupting : this.#kinds), life);
  }

  /** A host is told to reboot, or has just been told: now and then its watcher dies there, and is back while the host may still be told again. */
  ordering(life: Life): void {
    if (this.#over || !life.alive || !this.#world.spec.faults.has("kill") || !this.#orders.chance(0.25)) return;
    this.#world.counts.add("kill: while a reboot is ordered");
    this.swapPending = false;
    this.restartAfter(this.#orders.spread(200, 15_000));
    life.end("killed while a reboot is ordered");
  }

  /** The watcher looks at its clock: between the swap and the byte that is the last thing that it does. */
  clockRead(life: Life): void {
    if (!this.swapPending || this.#over || !life.alive || !this.#world.spec.faults.has("pause")) return;
    if (!this.random.chance(0.2 * this.#world.spec.aim)) return;
    this.#world.counts.add("pause: between swap and byte");
    this.strike("pause", life);
  }

  /** A cable that is cut just as the byte is written holds it back; now and then its writer dies before the cable heals. */
  #cutUnderTheByte(): void {
    const { aim, faults } = this.#world.spec;
    const kinds = CUTTING.filter((kind) => faults.has(kind));
    if (kinds.length === 0 || !this.random.chance(0.15 * aim)) return;
    this.strike(this.random.pick(kinds), null);
    if (!faults.has("kill") || this.random.chance(0.5)) return;
    this.#world.timeline.in(this.random.spread(5, 5_000), null, () => {
      if (!this.#over) this.strike("kill", null);
    });
  }

  #nextPoint(): number {
    const { aim } = this.#world.spec;
    return aim === 0 || this.#kinds.length === 0 ? Infinity : 1 + this.random.wait(25 / aim);
  }

  lifeEnded(): void {
    if (this.restartPlanned) return;
    this.swapPending = false;
    this.restartAfter(this.#over ? 1_000 : this.random.spread(200, 60_000));
  }

  restartAfter(delayMs: number): void {
    this.restartPlanned = true;
    this.#world.timeline.in(delayMs, null, () => {
      this.restartPlanned = false;
      if (this.#world.life !== null) return;
      // Without power nothing starts.
      if (this.#world.outages?.dark === true) return this.restartAfter(5_000);
      const { faults } = this.#world.spec;
      if (!this.#over) for (const fault of ["disk-wiped", "disk-restored", "deconfigured"] as const) if (faults.has(fault) && this.random.chance(this.#world.open.length > 0 ? 0.5 : 0.15)) this.strike(fault, null);
      this.#world.boot();
    });
  }

  healAll(): void {
    this.#over = true;
    this.#world.network.loss = 0;
    for (const undo of [...this.#lasting]) undo();
    const world = this.#world;
    for (const host of world.hosts.values()) host.recover();
    for (const device of world.devices.values()) {
      device.ghostUntilMs = Math.min(device.ghostUntilMs, world.timeline.nowMs + 5_000);
      device.acknowledgementsToLose = 0;
      device.commandsToDelay = 0;
    }
    if (world.policy.hosts.size !== world.spec.policy.hosts.size) world.configure({ ...world.policy, hosts: new Map([...world.spec.policy.hosts, ...world.policy.hosts]) });
    if (world.life === null && !this.restartPlanned) this.restartAfter(1_000);
  }
}
