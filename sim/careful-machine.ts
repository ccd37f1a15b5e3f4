// A host as its agent finds it: a disk with the record, units that run or do not, a system that is told to power off, clocks. What of
// it survives what is the point: the disk survives all, units a killed agent and no boot, the agent nothing.

import type { CarefulRecord } from "../src/core/careful-record.ts";
import type { Now } from "../src/core/time.ts";
import { AgentProcess } from "./careful-process.ts";
import type { Condition, Host } from "./hosts.ts";
import type { MachineSpec } from "./outage-spec.ts";
import { unitsOf } from "./outage-spec.ts";
import type { Outages, OutageScene } from "./outages.ts";
import type { Random } from "./random.ts";
import type { Signals } from "./signals.ts";

/** Conditions in which an agent runs. */
const RUNS: ReadonlySet<Condition> = new Set<Condition>(["up", "stopped", "refused", "names-fail", "flapping", "slow", "banner-silent", "link", "cannot-persist"]);
const WALL_START_MS = Date.UTC(2027, 0, 1);

export class CarefulMachine {
  readonly host: Host;
  readonly spec: MachineSpec;
  readonly outages: Outages;
  readonly scene: OutageScene;
  readonly signals: Signals;
  readonly random: Random;
  process: AgentProcess | null = null;
  /** What the disk holds; null: no file. */
  file: string | null = null;
  /** Faults that keep the disk from being written. */
  full = 0;
  readonly units = new Map<string, boolean>();
  /** A stage could not be started again, and somebody has been told so. */
  givenUp = false;
  /** Orders to power off that come to nothing: systemd hangs. */
  #hangs: number | null = null;
  #startsMs = Infinity;
  bootedMs: number;
  wallOffsetMs = 0;
  synced = true;
  /** So much time has been taken from it so far: it did not run, its disk hung, a stage had to be run again. */
  heldUpMs = 0;
  /** Processes that have ended: each of them takes with it how long power has been good. */
  ends = 0;
  #diedMs: number | null = null;
  #spoilt = false;
  #forgot = false;
  /** Since when its sensors would find that, had they looked all the time. */
  lostSinceMs: number | null = null;
  goodSinceMs: number | null = 0;
  /** Since when its host has been in a condition in which an agent can run. */
  ranSinceMs = 0;
  /** Orders that have come to nothing since the boot. */
  hung = 0;

  constructor(outages: Outages, host: Host, spec: MachineSpec, random: Random) {
    [this.outages, this.scene, this.signals, this.host, this.spec, this.random] = [outages, outages.scene, outages.signals, host, spec, random];
    this.bootedMs = -random.whole(3_600_000, 90 * 86_400_000);
    this.#bootUnits();
  }

  get name(): string {
    return this.host.name;
  }

  get runs(): boolean {
    return RUNS.has(this.host.condition);
  }

  get linked(): boolean {
    return this.host.condition !== "link";
  }

  get failing(): boolean {
    return this.full > 0 || this.host.condition === "cannot-persist";
  }

  now(): Now {
    const { nowMs } = this.scene.timeline;
    return { bootMs: Math.round(nowMs - this.bootedMs), wallMs: Math.round(WALL_START_MS + nowMs + this.wallOffsetMs), bootId: `${this.name}-boot-${this.host.boots}`, synced: this.synced };
  }

  /** Its condition has changed. */
  changed(): void {
    const { condition } = this.host;
    if (condition === "booting" || condition === "off") {
      this.#bootUnits();
      this.bootedMs = this.scene.timeline.nowMs;
      [this.#hangs, this.hung, this.givenUp, this.#forgot] = [null, 0, false, false];
    }
    this.sensed();
    if (!this.runs) {
      this.ranSinceMs = Infinity;
      // The next boot starts it.
      this.#startsMs = Infinity;
      return this.process?.end("its host does not run");
    }
    if (this.ranSinceMs === Infinity) this.ranSinceMs = this.scene.timeline.nowMs;
    if (this.process === null && this.#startsMs === Infinity) this.startIn(this.random.whole(300, 2_000));
  }

  startIn(ms: number): void {
    const { timeline } = this.scene;
    const startsMs = timeline.nowMs + ms;
    this.#startsMs = startsMs;
    timeline.in(ms, null, () => {
      if (this.#startsMs !== startsMs) return;
      this.#startsMs = Infinity;
      if (!this.runs || this.process !== null) return;
      this.process = new AgentProcess(this);
      this.#countHeldUp();
      this.process.begin();
    });
  }

  kill(): void {
    this.process?.end("killed");
    if (this.runs) this.startIn(this.random.chance(0.06) ? this.random.whole(60_000, 240_000) : this.random.whole(500, 10_000));
  }

  /** A process has ended in this phase, in the middle of a stage or not. */
  ended(inStageMs: number): void {
    // What it knew dies with it where the disk does not hold it.
    if (this.#spoilt || this.process?.unsaved === true) [this.#forgot, this.#spoilt] = [true, false];
    this.process = null;
    this.ends += 1;
    this.#diedMs = this.scene.timeline.nowMs;
    // Going on costs a look, an announcement that is waited for, and the stage that was cut short.
    this.heldUpMs += 6_000 + inStageMs;
  }

  /** While it is dead a wait that has begun goes on, if it is on the disk. */
  #countHeldUp(): void {
    if (this.#diedMs === null) return;
    const { nowMs } = this.scene.timeline;
    const until = this.process?.state.record.until ?? null;
    const waitedMs = until !== null && until.at.bootId === this.now().bootId ? until.at.bootMs + this.bootedMs : this.#diedMs;
    this.heldUpMs += Math.max(0, nowMs - Math.max(this.#diedMs, waitedMs));
    this.#diedMs = null;
  }

  /** Something that its sensors look at has changed. */
  sensed(): void {
    const { nowMs } = this.scene.timeline;
    const { verdict } = this.signals.now(this.linked);
    this.lostSinceMs = verdict === "lost" ? (this.lostSinceMs ?? nowMs) : null;
    this.goodSinceMs = verdict === "good" ? (this.goodSinceMs ?? nowMs) : null;
  }

  // ---- what a stage does ------------------------------------------------------------------------------------------------

  #bootUnits(): void {
    for (const plan of this.spec.policy.stages) for (const unit of unitsOf(plan)) this.units.set(unit, !this.spec.idle.has(unit));
  }

  set(units: readonly string[], active: boolean): void {
    for (const unit of units) this.units.set(unit, active);
    this.host.serve([...this.spec.serving].every((unit) => this.units.get(unit) === true));
  }

  /** Everything runs that a boot would have started. */
  get whole(): boolean {
    return [...this.units].every(([unit, active]) => active || this.spec.idle.has(unit));
  }

  /** Somebody at its console. */
  repair(): void {
    this.#bootUnits();
    this.set([], true);
  }

  /** False: nothing comes of it. */
  powerOff(force: boolean): boolean {
    this.#hangs ??= this.random.chance(0.1) ? this.random.whole(1, 2) : 0;
    if (this.#hangs > 0 && !force) {
      this.#hangs -= 1;
      this.hung += 1;
      return false;
    }
    this.scene.counts.add("agent: halts its host");
    this.host.halt(this.random.whole(200, Math.max(1_000, Math.floor(0.7 * this.spec.policy.haltMs))));
    return true;
  }

  write(record: CarefulRecord): void {
    this.file = JSON.stringify(record);
    this.#spoilt = false;
  }

  /** The next process finds none, or one that is torn. */
  loseFile(): void {
    this.file = this.random.chance(0.5) || this.file === null ? null : this.file.slice(0, Math.floor(this.file.length * this.random.unit()));
    // Where nobody runs it is what the next one knows.
    if (this.process === null) this.#forgot = true;
    else this.#spoilt = true;
  }

  /** What was begun when an agent that began anew found no record of it. */
  get forgot(): boolean {
    return this.#forgot;
  }
}
