// One life of the agent of one virtual host: the production machine (src/core/careful.ts) in a shell like the agent's own
// (src/agent/careful): one queue of inputs, a record on the disk before anything that it allows, announcements with a limit and
// again to whom they have not reached. At every effect the world may kill it; what it was in the middle of is then half done.

import { beginCareful, freshRecord } from "../src/core/careful-record.ts";
import type { Careful, CarefulEffect, CarefulInput, CarefulRecord, End, StagePlan } from "../src/core/careful-record.ts";
import { careful } from "../src/core/careful.ts";
import type { Sensed } from "../src/core/power-sense.ts";
import { record as parseRecord } from "../src/careful/record.ts";
import type { CarefulMachine } from "./careful-machine.ts";
import type { Event, Owner } from "./clock.ts";
import { unitsOf } from "./outage-spec.ts";
import type { Listener } from "./outages.ts";

const HEARD_LIMIT_MS = 3_000;
const SAVE_AGAIN_MS = 60_000;

type Announced = Extract<CarefulEffect, { kind: "announce" }>["announcement"];

/** What a checker may see of an agent: what reached it, and what it does. */
export type CarefulMoment = { readonly process: AgentProcess } & (
  | { readonly kind: "begins" | "ends" }
  | { readonly kind: "looked"; readonly sensed: Sensed }
  | { readonly kind: "announces"; readonly announcement: Announced }
  | { readonly kind: "acts"; readonly effect: Extract<CarefulEffect, { kind: "run" | "undo" | "power-off" }> }
);

export class AgentProcess implements Owner {
  alive = true;
  readonly frozenUntilMs = -Infinity;
  readonly machine: CarefulMachine;
  state: Careful;
  readonly #queue: CarefulInput[] = [];
  #effects: CarefulEffect[] = [];
  #turning = false;
  #wake: Event | null = null;
  #unsaved = false;
  #saveAgainMs = 0;
  #said: Announced | null = null;
  readonly #heard = new Set<string>();
  /** What runs: killed with the agent, it is half done. */
  #child: { readonly units: readonly string[]; readonly to: boolean; readonly limitMs: number } | null = null;

  constructor(machine: CarefulMachine) {
    this.machine = machine;
    const { file } = machine;
    const read = file === null ? null : parseRecord(file);
    // Torn or overwritten it is set aside, and all begins anew.
    this.state = beginCareful(read ?? freshRecord(machine.now()));
  }

  begin(): void {
    this.#moment({ process: this, kind: "begins" });
    this.take({ kind: "start" });
  }

  end(how: string): void {
    if (!this.alive) return;
    const { machine } = this;
    this.alive = false;
    if (how === "killed") machine.scene.say(() => `agent of ${machine.name} is killed in ${this.state.record.phase}`);
    const child = this.#child;
    if (child !== null) machine.set(child.units.filter(() => machine.random.chance(0.5)), child.to);
    machine.ended(child?.limitMs ?? 0);
    this.#moment({ process: this, kind: "ends" });
  }

  take(input: CarefulInput): void {
    if (!this.alive) return;
    this.#queue.push(input);
    if (!this.#turning) this.#turn();
  }

  /** Until something takes time, or there is nothing left. */
  #turn(): void {
    const { machine } = this;
    this.#turning = true;
    while (this.alive) {
      const effect = this.#effects.shift();
      if (effect !== undefined) {
        machine.outages.mayKill(machine, effect.kind);
        if (!this.alive) return;
        if (effect.kind === "save") return this.#save(effect.record);
        this.#carryOut(effect);
        if (effect.kind !== "tell" && effect.kind !== "finding") machine.outages.mayKill(machine, `after ${effect.kind}`);
        continue;
      }
      if (this.#unsaved && machine.now().bootMs >= this.#saveAgainMs) return this.#save(this.state.record);
      const input = this.#queue.shift();
      if (input === undefined) break;
      // What has come while something was written is not known before that.
      if (input.kind === "looked") this.#moment({ process: this, kind: "looked", sensed: input.sensed });
      const before = this.state.record.phase;
      const { state, effects } = careful(this.state, input, machine.now(), machine.spec.policy);
      this.state = state;
      this.#effects = [...effects];
      const { phase, event } = state.record;
      if (phase !== before) {
        machine.scene.counts.add(`agent: from ${before} to ${phase}`);
        machine.scene.say(() => `agent of ${machine.name}: ${phase}, event ${event ?? "none"}`);
      }
    }
    this.#turning = false;
  }

  /** A disk that fails does so at once or after the limit, and what it holds stays. */
  #save(record: CarefulRecord): void {
    const { machine } = this;
    const { timeline } = machine.scene;
    const failed = machine.failing;
    const writeMs = failed ? machine.random.pick([20, 3_000]) : machine.random.whole(1, 60);
    if (failed) machine.heldUpMs += writeMs;
    else timeline.in(Math.floor(writeMs * machine.random.unit()), this, () => machine.write(record));
    timeline.in(writeMs, this, () => {
      if (failed) [this.#unsaved, this.#saveAgainMs] = [true, machine.now().bootMs + SAVE_AGAIN_MS];
      else this.#unsaved = false;
      machine.outages.mayKill(machine, "after save");
      if (this.alive) this.#turn();
    });
  }

  /** What it knows is not on the disk, and would be forgotten. */
  get unsaved(): boolean {
    return this.#unsaved;
  }

  #carryOut(effect: Exclude<CarefulEffect, { kind: "save" }>): void {
    const { machine } = this;
    switch (effect.kind) {
      case "look":
        return this.#look();
      case "announce":
        this.#moment({ process: this, kind: "announces", announcement: effect.announcement });
        return this.#announce(effect.announcement, effect.wait);
      case "survey": {
        const { plan, stage } = effect;
        return this.#in(machine.random.whole(20, 400), () => this.take({ kind: "surveyed", stage, active: plan.kind === "units" ? plan.units.filter((unit) => machine.units.get(unit) === true) : [] }));
      }
      case "run":
      case "undo": {
        const { plan, stage, active, kind } = effect;
        this.#moment({ process: this, kind: "acts", effect });
        const units = plan.kind === "units" ? active : unitsOf(plan);
        if (this.alive) this.#runChild(plan, units, kind === "undo", (end) => this.take(kind === "run" ? { kind: "ran", stage, end } : { kind: "undone", stage, end }));
        return;
      }
      case "power-off": {
        this.#moment({ process: this, kind: "acts", effect });
        const ok = machine.powerOff(effect.force) || machine.random.chance(0.5);
        return this.#in(50, () => this.take({ kind: "off-ran", end: { ok, evidence: ok ? "exit 0" : "exit 1" } }));
      }
      case "tell":
        if (effect.because.includes("cannot be started again")) machine.givenUp = true;
        return machine.scene.say(() => `  agent of ${machine.name}: ${effect.because}`);
      case "finding":
        return;
      case "wake":
        if (this.#wake !== null) this.#wake.run = null;
        this.#wake = machine.scene.timeline.at(machine.bootedMs + effect.atMs, this, () => this.take({ kind: "wake" }));
    }
  }

  #runChild(plan: StagePlan, units: readonly string[], to: boolean, then: (end: End) => void): void {
    const { machine } = this;
    if (plan.kind === "units" && units.length === 0 && to) return this.#in(1, () => then({ ok: true, evidence: "nothing to start" }));
    const hangs = machine.random.chance(0.08);
    const ms = hangs ? plan.limitMs : machine.random.spread(50, 0.9 * plan.limitMs);
    this.#child = { units, to, limitMs: plan.limitMs };
    this.#in(ms, () => {
      this.#child = null;
      if (hangs) machine.heldUpMs += to ? plan.limitMs : 0;
      machine.set(hangs ? units.filter(() => machine.random.chance(0.5)) : units, to);
      then(hangs ? { ok: false, evidence: "no end within its limit" } : { ok: true, evidence: "exit 0" });
    });
  }

  #look(): void {
    const { machine } = this;
    const first = machine.signals.first(machine.linked);
    this.#in(machine.signals.again(first) ? machine.random.whole(200, 2_000) : machine.random.whole(5, 100), () => {
      const sensed = machine.signals.ended(first, machine.linked);
      if (this.#said !== null && machine.scene.listeners(machine.name).some(({ watcherName }) => !this.#heard.has(watcherName))) this.#tellAll(this.#said, () => {});
      this.take({ kind: "looked", sensed });
    });
  }

  // ---- the watchers -----------------------------------------------------------------------------------------------------

  #announce(announcement: Announced, wait: boolean): void {
    this.#said = announcement;
    this.#heard.clear();
    const heard = new Set<string>();
    let over = false;
    const end = (): void => {
      if (over) return;
      over = true;
      if (wait) this.take({ kind: "announced", event: announcement.event, heard: [...heard] });
    };
    const asked = this.#tellAll(announcement, (name) => {
      heard.add(name);
      if (heard.size >= asked) end();
    });
    this.#in(asked === 0 ? 1 : HEARD_LIMIT_MS, end);
  }

  /** Returns how many it goes to. */
  #tellAll(announcement: Announced, then: (watcher: string) => void): number {
    const { scene, name } = this.machine;
    const listeners = scene.listeners(name);
    for (const listener of listeners) this.#tell(listener, announcement, () => {
      if (this.#said === announcement) this.#heard.add(listener.watcherName);
      then(listener.watcherName);
    });
    return listeners.length;
  }

  /** A message is lost, or its answer, or either is late. */
  #tell(listener: Listener, { event, phase, haltWithinMs, because }: Announced, heard: () => void): void {
    const { scene, outages, name, random } = this.machine;
    const { lossy } = outages.spec;
    const delayMs = (): number => (random.chance(lossy) ? random.whole(500, 6_000) : random.whole(1, 60));
    if (random.chance(lossy)) return void scene.counts.add("agent: an announcement is lost");
    scene.timeline.in(delayMs(), listener, () => {
      if (!scene.listeners(name).includes(listener)) return;
      listener.announce(`agent of ${name}`, { kind: "careful", host: name, event, phase, haltWithinMs, reason: because }, ({ exit }) => {
        scene.counts.add(exit === 0 ? `agent: ${phase} is heard` : "agent: an announcement is refused");
        if (exit !== 0) return;
        if (random.chance(lossy)) return void scene.counts.add("agent: an answer to an announcement is lost");
        this.#in(delayMs(), heard);
      });
    });
  }

  #in(ms: number, then: () => void): void {
    this.machine.scene.timeline.in(ms, this, then);
  }

  #moment(moment: CarefulMoment): void {
    for (const checker of this.machine.scene.checkers.careful) checker.careful?.(moment);
  }
}
