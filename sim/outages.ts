// Mains, a UPS and what hangs on them in the virtual world (ADR 28, ADR 29). In some worlds the mains fail now and then, for seconds or
// for longer than the UPS lasts; power nodes, references, upsd and the switch in between die for other reasons. Agents on the
// hosts (careful-process.ts, which runs the production machine) see what is to be seen of that, say so, halt their hosts, and die at
// any step of it; every watcher has a sense of its own, which may be in doubt. All of it is drawn from streams of its own, so
// that no other world changes.

import type { Command } from "../src/core/io.ts";
import type { Policy } from "../src/core/policy.ts";
import type { HostRecord } from "../src/core/records.ts";
import type { Answer } from "../src/watcher/watcher.ts";
import { CarefulMachine } from "./careful-machine.ts";
import type { Checker } from "./checker.ts";
import type { Device } from "./devices.ts";
import type { Host } from "./hosts.ts";
import type { OutageSpec } from "./outage-spec.ts";
import { Random } from "./random.ts";
import type { Process, Scene } from "./scene.ts";
import { BATTERY_LOW, Signals } from "./signals.ts";

/** A watcher that an agent can be connected to. */
export type Listener = Process & {
  /** The same in its next life. */
  readonly watcherName: string;
  announce(by: string, command: Command, heard: (answer: Answer) => void): void;
};

/** The worlds that have outages: of one watcher (world.ts) and of several (fleet/world.ts). */
export type OutageScene = Scene & {
  readonly hosts: ReadonlyMap<string, Host>;
  readonly devices: ReadonlyMap<string, Device>;
  readonly spec: { readonly seed: number };
  readonly policy: Pick<Policy, "hosts">;
  readonly attended: boolean;
  readonly checkers: { readonly careful: readonly Pick<Checker, "careful">[]; readonly strikes: readonly { strikes?(fault: string): void }[] };
  /** A person at the command line of some watcher. */
  ask(command: Command): void;
  /** The watchers that run and that this host and they hear each other of. */
  listeners(host: string): readonly Listener[];
  /** All that run. */
  watchers(): readonly Process[];
  /** What is durable with the watchers. */
  durable<Kind>(key: string): Kind | undefined;
  /** Everything at the site loses its power, the watchers as well, and gets it back. */
  darken(): void;
  lighten(): void;
};

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** From the order to shut down that a low battery is to upsmon to its host's halt. */
const UPSMON_MS = 15_000;

/** What a watcher was told of the power: when it was last anything but good, and the last word. */
export type Said = { notGoodMs: number; state: "good" | "lost" | "unknown" | null };

export class Outages {
  readonly scene: OutageScene;
  readonly spec: OutageSpec;
  readonly signals: Signals;
  readonly machines = new Map<string, CarefulMachine>();
  readonly #random: Random;
  readonly #kills: Random;
  mains = true;
  /** The UPS has nothing left. */
  dark = false;
  #level = 1;
  #levelAtMs = 0;
  #doubt: "unknown" | "lost" | null = null;
  #over = false;
  readonly #lasting = new Set<() => void>();
  readonly #said = new Map<Process, Said>();

  constructor(scene: OutageScene, spec: OutageSpec) {
    this.scene = scene;
    this.spec = spec;
    this.#random = new Random(scene.spec.seed, "agents");
    this.#kills = new Random(scene.spec.seed, "agents are killed");
    this.signals = new Signals(spec.signals, this);
    for (const [name, machine] of spec.agents) this.machines.set(name, new CarefulMachine(this, scene.hosts.get(name) as Host, machine, new Random(scene.spec.seed, `careful ${name}`)));
  }

  begin(): void {
    const { timeline } = this.scene;
    const every = (perHour: number, strike: () => void): void => {
      if (perHour === 0) return;
      timeline.in(this.#random.wait(HOUR_MS / perHour), null, () => {
        if (this.#over) return;
        strike();
        every(perHour, strike);
      });
    };
    timeline.in(this.#random.whole(20_000, 100_000), null, () => {
      every(this.spec.failPerHour, () => this.#fail());
      every(this.spec.mistakenPerHour, () => this.#mistake());
      every(this.spec.doubtPerHour, () => this.#doubtIt());
      every(this.spec.killPerHour, () => this.#kill());
      every(this.spec.spoilPerHour, () => this.#spoil());
      every(this.spec.personPerHour, () => this.#person());
    });
    for (const machine of this.machines.values()) machine.startIn(this.#random.whole(1, 2_000));
  }

  /** A host's condition has changed. */
  changed(host: Host): void {
    this.machines.get(host.name)?.changed();
  }

  // ---- the watchers' sense ----------------------------------------------------------------------------------------------

  lifeBegins(life: Process): void {
    this.#said.set(life, { notGoodMs: this.scene.timeline.nowMs, state: null });
    if (!this.spec.careful.sensed) return;
    const say = (): void => {
      this.#say(life);
      this.scene.timeline.in(this.#random.whole(4_000, 12_000), life, say);
    };
    this.scene.timeline.in(this.#random.whole(10, 5_000), life, say);
  }

  /** What this watcher was told last. */
  said(life: Process): Said {
    return this.#said.get(life) ?? { notGoodMs: this.scene.timeline.nowMs, state: null };
  }

  #say(life: Process): void {
    if (!this.scene.watchers().includes(life)) return;
    const state = this.#doubt ?? (this.mains ? "good" : "lost");
    const said = this.said(life);
    said.state = state;
    if (state !== "good") said.notGoodMs = this.scene.timeline.nowMs;
    this.scene.stir();
    life.watcher.post({ kind: "power-sense", state, because: state === "good" ? "on line" : state === "lost" ? "on battery" : "no answer", charge: this.spec.charged ? this.level : null });
  }

  /** Told at once, as a shell would that hears of it. */
  #powerChanged(): void {
    if (this.spec.careful.sensed) for (const life of this.scene.watchers()) this.scene.timeline.in(this.#random.whole(10, 3_000), life, () => this.#say(life));
    for (const machine of this.machines.values()) machine.sensed();
    for (const checker of this.scene.checkers.strikes) checker.strikes?.("outage");
  }

  // ---- mains and UPS ------------------------------------------------------------------------------------------------------

  get level(): number {
    const forMs = this.scene.timeline.nowMs - this.#levelAtMs;
    return Math.max(0, Math.min(1, this.#level + (this.mains ? forMs / this.spec.rechargeMs : -forMs / this.spec.batteryMs)));
  }

  #setMains(on: boolean): void {
    if (this.mains === on) return;
    const { scene } = this;
    [this.#level, this.#levelAtMs] = [this.level, scene.timeline.nowMs];
    this.mains = on;
    scene.say(() => `mains ${on ? "are back" : "fail"}; the UPS is at ${Math.round(this.#level * 100)} %`);
    this.#powerChanged();
    if (on) return this.#light();
    const failedMs = this.#levelAtMs;
    const at = (level: number, then: () => void): void => {
      const inMs = (this.#level - level) * this.spec.batteryMs;
      if (inMs !== Infinity) scene.timeline.in(Math.max(0, inMs), null, () => void (!this.mains && this.#levelAtMs === failedMs && then()));
    };
    at(0, () => this.#darken());
    at(BATTERY_LOW, () => this.#batteryLow());
  }

  #fail(): void {
    if (!this.mains) return;
    const { counts, timeline } = this.scene;
    counts.add("outage: mains fail");
    const lasting = (): number => this.#random.weigh([[2, this.#random.spread(500, 10_000)], [4, this.#random.whole(20_000, 120_000)], [2, this.#random.whole(2 * MINUTE_MS, 6 * MINUTE_MS)]] as const);
    this.#setMains(false);
    timeline.in(lasting(), null, () => {
      this.#setMains(true);
      if (this.#over || !this.#random.chance(0.3)) return;
      // It flickers.
      timeline.in(this.#random.spread(1_000, 60_000), null, () => {
        if (this.#over || !this.mains) return;
        counts.add("outage: mains fail again soon");
        this.#setMains(false);
        timeline.in(lasting(), null, () => this.#setMains(true));
      });
    });
  }

  /** Where upsmon rules it gives the agents their time, and halts the host. */
  #batteryLow(): void {
    for (const { host, spec } of this.machines.values()) {
      if (spec.policy.observes === null) continue;
      this.scene.timeline.in(UPSMON_MS + this.#random.whole(0, 5_000), null, () => {
        if (this.machines.get(host.name)?.runs !== true) return;
        this.scene.counts.add("outage: upsmon halts a host");
        host.halt(this.#random.whole(200, 4_000));
      });
    }
  }

  /** Everything at the site is off, the watchers as well. */
  #darken(): void {
    this.scene.counts.add("outage: the UPS is empty");
    this.dark = true;
    this.scene.darken();
  }

  #light(): void {
    if (!this.dark) return;
    this.dark = false;
    this.scene.lighten();
  }

  /** Something dies that sensors look at, and the power is not the reason. */
  #mistake(): void {
    const { signals } = this;
    const { counts } = this.scene;
    const one = (all: number[]): readonly [number[], number] => [all, this.#random.whole(0, all.length - 1)];
    const [what, dead] = this.#random.weigh([
      [signals.nodesDead.length === 0 ? 0 : 4, ["a power node dies", one(signals.nodesDead)]], [signals.nodesDead.length < 2 ? 0 : 3, ["all power nodes die", null]],
      [2, ["a reference dies", one(signals.referencesDead)]], [2, ["the switch dies", "switchDead"]], [signals.spec.ups ? 2 : 0, ["upsd is gone", "upsGone"]],
    ] as const);
    counts.add(`outage: ${what} for another reason`);
    const by = (change: 1 | -1): void => {
      if (dead === null) for (const at of signals.nodesDead.keys()) signals.nodesDead[at] = (signals.nodesDead[at] ?? 0) + change;
      else if (typeof dead === "string") signals[dead] += change;
      else dead[0][dead[1]] = (dead[0][dead[1]] ?? 0) + change;
      for (const machine of this.machines.values()) machine.sensed();
    };
    by(1);
    this.scene.say(() => `${what} for another reason`);
    this.#lasts(this.#random.whole(5_000, 120_000), () => by(-1));
  }

  #lasts(ms: number, undo: () => void): void {
    const end = (): void => void (this.#lasting.delete(end) && undo());
    this.#lasting.add(end);
    this.scene.timeline.in(ms, null, end);
  }

  #doubtIt(): void {
    if (this.#doubt !== null) return;
    this.#doubt = this.#random.chance(0.7) ? "unknown" : "lost";
    this.scene.counts.add(`outage: the watcher's sense says ${this.#doubt} for no reason`);
    this.#powerChanged();
    this.#lasts(this.#random.spread(2_000, 90_000), () => {
      this.#doubt = null;
      this.#powerChanged();
    });
  }

  /** At the disk, the file or the clock of an agent's host. */
  #spoil(): void {
    if (this.machines.size === 0) return;
    const machine = this.#random.pick([...this.machines.values()]);
    const what = this.#random.pick(["its disk is full", "its record is lost", "its clock jumps"] as const);
    this.scene.counts.add(`agent: ${what}`);
    this.scene.say(() => `of ${machine.name} ${what}`);
    if (what === "its disk is full") {
      machine.full += 1;
      return this.#lasts(this.#random.spread(2_000, 120_000), () => void (machine.full -= 1));
    }
    if (what === "its record is lost") return machine.loseFile();
    machine.wallOffsetMs += (this.#random.chance(0.5) ? -1 : 1) * this.#random.spread(1_000, 1_000 * HOUR_MS);
    machine.synced = this.#random.chance(0.5);
  }

  // ---- what kills agents --------------------------------------------------------------------------------------------------

  /** An agent is about to do that, or has just begun it. */
  mayKill(machine: CarefulMachine, what: string): void {
    const { process } = machine;
    if (this.#over || this.spec.killOneIn === 0 || process === null || process.state.record.phase === "normal") return;
    if (!this.#kills.chance(1 / this.spec.killOneIn)) return;
    this.scene.counts.add(`agent: killed at ${what}`);
    this.#killed(machine);
  }

  #kill(): void {
    const running = [...this.machines.values()].filter(({ process }) => process !== null);
    if (running.length === 0) return;
    // Where something is under way it is most interesting.
    const busy = running.filter(({ process }) => process?.state.record.phase !== "normal");
    this.#killed(this.#random.pick(busy.length > 0 && this.#random.chance(0.8) ? busy : running));
  }

  #killed(machine: CarefulMachine): void {
    this.scene.counts.add(`agent: killed in ${machine.process?.state.record.phase ?? ""}`);
    machine.kill();
  }

  #person(): void {
    const down = [...this.scene.hosts.values()].filter((host) => host.condition === "halted");
    if (down.length === 0 || !this.scene.attended) return;
    const host = this.#random.pick(down).name;
    const command = this.#random.weigh([
      [3, { kind: "power", host, action: "off", reason: "it stays off", again: false, confirm: host }], [1, { kind: "power", host, action: "on", reason: "I need it", again: false, confirm: null }],
      [1, { kind: "careful-return", host }],
    ] as const);
    this.scene.counts.add(`outage: a person says ${command.kind} of a host that is down`);
    this.scene.ask(command);
  }

  /** A packet for its network card. */
  rouse(name: string): void {
    this.scene.counts.add("return: woken");
    this.scene.timeline.in(2_000, null, () => this.scene.hosts.get(name)?.press());
  }

  // ---- the end -----------------------------------------------------------------------------------------------------------

  healAll(): void {
    this.#over = true;
    for (const undo of [...this.#lasting]) undo();
    this.#setMains(true);
    this.#powerChanged();
    this.#visit();
  }

  /** Once everything is healed somebody looks after what nobody else can: he has been called, or no watcher knows of it. */
  #visit(): void {
    const { scene } = this;
    scene.timeline.in(30_000, null, () => {
      for (const host of scene.hosts.values()) {
        const machine = this.machines.get(host.name);
        if (host.condition === "stopped" && machine !== undefined && machine.process?.state.record.phase === "normal" && (machine.givenUp || machine.forgot)) machine.repair();
        if (host.condition !== "halted") continue;
        const record = scene.durable<HostRecord>(`host/${host.name}`);
        // He may have acknowledged it long ago.
        const called = [`return:${host.name}`, `held:${host.name}`].some((alarm) => scene.durable(`alarm/${alarm}`) !== undefined);
        if ((record?.careful ?? null) === null || called || !scene.policy.hosts.has(host.name)) host.press();
        else if (!this.spec.careful.sensed) {
          scene.counts.add("return: a person asks for it");
          scene.ask({ kind: "careful-return", host: host.name });
        }
      }
      this.#visit();
    });
  }
}
