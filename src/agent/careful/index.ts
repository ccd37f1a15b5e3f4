// Careful shutdown as a part of the agent: one queue of inputs around core/careful.ts. A record is on disk, or the disk has
// had its chance, before anything that it allows is done. What is decided without a watcher is done without one.

import type { CarefulOptions } from "../../config/agent/careful.ts";
import { powerOffArgv, startArgv, stopArgv } from "../../careful/commands.ts";
import type { Sensors } from "../../careful/sensors.ts";
import { openSensors } from "../../careful/sensors.ts";
import { beginCareful, freshRecord } from "../../core/careful-record.ts";
import type { Careful, CarefulEffect, CarefulInput, CarefulPolicy, CarefulRecord } from "../../core/careful-record.ts";
import { careful } from "../../core/careful.ts";
import type { Sensed } from "../../core/power-sense.ts";
import type { Announcement } from "../../core/finding.ts";
import { definePart } from "../part.ts";
import type { PartWorld, Running } from "../part.ts";
import { makeActs } from "./acts.ts";
import type { Acts } from "./acts.ts";
import { readState, StateFile } from "./state-file.ts";
import { upsmonRules } from "./upsmon.ts";

const HEARD_LIMIT_MS = 3_000;
/** A file that could not be written is tried again so often. */
const SAVE_AGAIN_MS = 60_000;
/** Whether upsmon rules is looked at again so often. */
const UPSMON_EVERY_MS = 300_000;
const SUBJECT = "careful";
const DISK_SUBJECT = "careful:state";

export const part = definePart<CarefulOptions>({
  name: "careful",
  async start(world) {
    // A dry run decides by itself, and neither reads what a real one has begun nor writes.
    const read = world.dryRun ? { none: true as const } : await readState(world.folder);
    if ("wrong" in read) world.say("error", `careful: ${read.wrong}; beginning anew`);
    const sensors = await openSensors(world.options.signal, { guard: world.guard });
    for (const refusal of sensors.refusals()) world.say("warning", `careful: cannot look at ${refusal}`);
    const running = new Running_(world, sensors, "record" in read ? read.record : freshRecord(world.now()));
    running.begin();
    return running;
  },
});

class Running_ implements Running {
  readonly #world: PartWorld<CarefulOptions>;
  readonly #sensors: Sensors;
  readonly #acts: Acts;
  readonly #file: StateFile;
  readonly #queue: CarefulInput[] = [];
  #state: Careful;
  #turning = false;
  #stopped = false;
  #takeBack: () => void = () => {};
  #unsaved: string | null = null;
  #saveAgainMs = 0;
  #upsmon: { readonly atMs: number; readonly why: string | null } | null = null;
  /** The last that was said of an outage, for watchers that come later. */
  #said: (Announcement & { readonly kind: "careful" }) | null = null;
  readonly #heard = new Set<string>();

  constructor(world: PartWorld<CarefulOptions>, sensors: Sensors, record: CarefulRecord) {
    [this.#world, this.#sensors, this.#state] = [world, sensors, beginCareful(record)];
    this.#acts = makeActs(world.guard, world.options.powerOff);
    this.#file = new StateFile(world.folder);
  }

  begin(): void {
    const observes = this.#observes();
    if (observes !== null) this.#world.say("info", `careful: only watches and tells: ${observes.why}`);
    this.#world.report({ subject: SUBJECT, verdict: "unknown", because: "not looked yet", mayCut: false });
    this.#take({ kind: "start" });
  }

  stop(): Promise<void> {
    this.#stopped = true;
    this.#takeBack();
    this.#acts.close();
    this.#sensors.close();
    return Promise.resolve();
  }

  #take(input: CarefulInput): void {
    this.#queue.push(input);
    if (!this.#turning) void this.#turn();
  }

  async #turn(): Promise<void> {
    this.#turning = true;
    for (let input = this.#queue.shift(); input !== undefined && !this.#stopped; input = this.#queue.shift()) {
      const { state, effects } = careful(this.#state, input, this.#world.now(), this.#policy());
      this.#state = state;
      for (const effect of effects) {
        if (this.#stopped) break;
        if (effect.kind === "save") await this.#save(effect.record);
        else this.#carryOut(effect);
      }
      if (this.#unsaved !== null && this.#world.now().bootMs >= this.#saveAgainMs) await this.#save(this.#state.record);
    }
    this.#turning = false;
  }

  #policy(): CarefulPolicy {
    return { ...this.#world.options.policy, host: this.#world.host, observes: this.#observes() };
  }

  #observes(): CarefulPolicy["observes"] {
    const { dryRun, options, now } = this.#world;
    if (dryRun) return { why: "dry run", announces: false };
    if (options.observe === "always") return { why: "observe: always", announces: true };
    if (options.observe === "never") return null;
    const { bootMs } = now();
    // It may be started, or stop, at any time; nothing is done on the word of five minutes ago.
    const calm = this.#state.record.phase === "normal";
    if (this.#upsmon === null || !calm || bootMs - this.#upsmon.atMs >= UPSMON_EVERY_MS) this.#upsmon = { atMs: bootMs, why: upsmonRules() };
    return this.#upsmon.why === null ? null : { why: this.#upsmon.why, announces: true };
  }

  async #save(record: CarefulRecord): Promise<void> {
    if (this.#world.dryRun) return;
    const wrong = await this.#file.write(record);
    if (wrong === null && this.#unsaved !== null) this.#world.forget(DISK_SUBJECT);
    if (wrong !== null) {
      this.#saveAgainMs = this.#world.now().bootMs + SAVE_AGAIN_MS;
      if (wrong !== this.#unsaved) this.#world.say("error", `careful: its state cannot be written to ${this.#world.folder}: ${wrong}; it goes on in memory, and an agent that is killed begins anew`);
      this.#world.report({ subject: DISK_SUBJECT, verdict: "warn", because: `its state cannot be written (${wrong}): it is kept in memory only`, mayCut: false });
    }
    this.#unsaved = wrong;
  }

  #carryOut(effect: Exclude<CarefulEffect, { kind: "save" }>): void {
    switch (effect.kind) {
      case "look":
        // A look never rejects; if one did, it would be the last.
        void this.#sensors.look().catch((error: unknown): Sensed => ({ verdict: "unknown", because: `the look failed: ${String(error)}`, charge: null, urgent: false })).then((sensed) => {
          this.#repeat();
          this.#take({ kind: "looked", sensed });
        });
        return;
      case "announce":
        return void this.#announce(effect.announcement, effect.wait);
      case "survey":
        return void this.#acts.survey(effect.plan).then((active) => this.#take({ kind: "surveyed", stage: effect.stage, active }));
      case "run":
        this.#world.say("warning", `careful: ${stopArgv(effect.plan).join(" ")}: ${effect.because}`);
        return void this.#acts.stop(effect.plan).then((end) => this.#take({ kind: "ran", stage: effect.stage, end }));
      case "undo":
        this.#world.say("warning", `careful: ${startArgv(effect.plan, effect.active)?.join(" ") ?? `nothing undoes ${effect.plan.name}`}: ${effect.because}`);
        return void this.#acts.start(effect.plan, effect.active).then((end) => this.#take({ kind: "undone", stage: effect.stage, end }));
      case "power-off":
        this.#world.say("warning", `careful: ${powerOffArgv(this.#world.options.powerOff, effect.force).join(" ")}: ${effect.because}`);
        return void this.#acts.powerOff(effect.force).then((end) => this.#take({ kind: "off-ran", end }));
      case "tell":
        return this.#world.say(effect.loud ? "warning" : "info", `careful: ${effect.because}`);
      case "finding":
        return this.#world.report({ subject: SUBJECT, verdict: effect.verdict, because: effect.because, mayCut: false });
      case "wake":
        this.#takeBack();
        this.#takeBack = this.#world.at(effect.atMs, () => this.#take({ kind: "wake" }));
    }
  }

  async #announce(announcement: Announcement & { readonly kind: "careful" }, wait: boolean): Promise<void> {
    this.#said = announcement;
    this.#heard.clear();
    const heard = await this.#world.announce(announcement, HEARD_LIMIT_MS).catch((): readonly string[] => []);
    if (this.#said === announcement) for (const watcher of heard) this.#heard.add(watcher);
    if (wait) this.#take({ kind: "announced", event: announcement.event, heard });
  }

  /** A watcher that could not be reached when it was said is told with the next look. */
  #repeat(): void {
    const said = this.#said;
    if (said === null || !this.#world.contacts().some(({ watcher, connected }) => connected && !this.#heard.has(watcher))) return;
    void this.#world.announce(said, HEARD_LIMIT_MS).then((heard) => {
      if (this.#said === said) for (const watcher of heard) this.#heard.add(watcher);
    }, () => {});
  }
}
