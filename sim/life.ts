// One life of the watcher: the production `Watcher` on virtual ports, from a start to a crash, a SIGTERM or a power cut.
//
// Every call of a port is a point at which the world may strike: kill the process (from then on nothing that it still does
// has any effect, and nothing comes back to it) or stop it (the call returns only after the pause; meanwhile the world goes
// on and neither timers nor continuations of this life run). That includes the look at the clock between swap and byte.

import type { Alarm, Command, Input, Told } from "../src/core/io.ts";
import type { Policy } from "../src/core/policy.ts";
import type { IncidentRecord } from "../src/core/records.ts";
import type { Now } from "../src/core/time.ts";
import type { Ports, Remedied, Touched } from "../src/watcher/ports.ts";
import type { Answer } from "../src/watcher/watcher.ts";
import { Watcher } from "../src/watcher/watcher.ts";
import type { Owner } from "./clock.ts";
import { Random } from "./random.ts";
import { tryOrder } from "./reboots.ts";
import { tryRemedy } from "./remedies.ts";
import { roundsOf } from "./rounds.ts";
import type { World } from "./world.ts";

/** The machine that the watcher runs on, from one boot to the next. */
export type Machine = { readonly bootId: string; readonly bootedMs: number; wallOffsetMs: number; synced: boolean };

const AGENTS_EVERY_MS = 2_000;
const WALL_START_MS = Date.UTC(2027, 0, 1);

export class Life implements Owner {
  readonly #world: World;
  readonly number: number;
  readonly watcherName = "w1";
  readonly #random: Random;
  readonly #orders: Random;
  readonly #heard = new Map<string, string>();
  readonly machine: Machine;
  readonly startedMs: number;
  readonly uptimeAtStartMs: number;
  readonly watcher: Watcher;
  policy: Policy;
  alive = true;
  frozenUntilMs = -Infinity;
  /** The latest moment that this process has seen on its clock, in the world's time. */
  sawMs = 0;
  /** Ends of the pauses of this life, latest last. */
  readonly pauses: { readonly fromMs: number; readonly toMs: number }[] = [];
  /** Inputs taken so far. */
  taken = 0;
  readonly inputs: { readonly input: Input; readonly now: Now }[] = [];
  readonly policies: { readonly at: number; readonly policy: Policy }[] = [];
  /** What came out, in order, for the replay: lines of the journal, transactions, alarms. */
  readonly outputs: unknown[] = [];
  readonly alarms = new Map<string, Alarm>();

  constructor(world: World, number: number, machine: Machine, policy: Policy) {
    this.#world = world;
    this.number = number;
    this.#random = new Random(world.spec.seed, `remedies of life ${number}`);
    this.#orders = new Random(world.spec.seed, `orders of life ${number}`);
    this.machine = machine;
    this.policy = policy;
    this.startedMs = world.timeline.nowMs;
    this.uptimeAtStartMs = this.bootMs(this.startedMs);
    this.policies.push({ at: 0, policy });
    this.watcher = new Watcher(this.#ports(), policy);
  }

  /** The boot-time clock of this life's machine at a moment of the world. */
  bootMs(worldMs: number): number {
    return worldMs - this.machine.bootedMs;
  }

  start(wentBack: string | null, seq: number): void {
    const { disk } = this.#world;
    this.watcher.start({ kind: "start", records: disk.load(), uptimeMs: this.uptimeAtStartMs, wentBack, seq, ledger: disk.identity });
    if (this.#world.agents.hosts.size > 0) this.hearAgents();
  }

  /** The wall clock as this life sees it. */
  get wallMs(): number {
    return WALL_START_MS + this.#world.timeline.nowMs + this.machine.wallOffsetMs;
  }

  reload(policy: Policy): void {
    this.policy = policy;
    this.policies.push({ at: this.taken, policy });
    this.watcher.reload(policy);
  }

  /** Asks as a person would, at once; the answer is seen by the checkers. */
  ask(command: Command): void {
    this.#world.stir();
    const askedMs = this.#world.timeline.nowMs;
    for (const checker of this.#world.checkers.asked) checker.asked?.(command, this);
    void this.watcher.command("somebody", command).then((answer: Answer) => {
      if (!this.alive) return;
      this.#world.say(() => `answer to ${describe(command)}: ${answer.exit} ${answer.text}`);
      this.#world.counts.add(`command: ${command.kind} ${answer.exit}`);
      for (const checker of this.#world.checkers.answered) checker.answered?.(command, answer, askedMs, this);
    });
  }

  /** Asks as an agent does, over its link. */
  announce(by: string, command: Command, heard: (answer: Answer) => void): void {
    this.#world.stir();
    const askedMs = this.#world.timeline.nowMs;
    for (const checker of this.#world.checkers.asked) checker.asked?.(command, this);
    void this.watcher.command(by, command).then((answer: Answer) => {
      if (!this.alive) return;
      this.#world.say(() => `answer to ${by}: ${answer.exit} ${answer.text}`);
      for (const checker of this.#world.checkers.answered) checker.answered?.(command, answer, askedMs, this);
      heard(answer);
    });
  }

  /** Notes what came out. */
  out(output: unknown): void {
    if (this.#world.recording) this.outputs.push(output);
  }

  /** A moment at which the world may strike. */
  point(name: string): void {
    if (!this.alive) return;
    this.#world.faults.point(this, name);
  }

  /** SIGSTOP now, SIGCONT later; called from within a call of the process, the call returns after it. */
  pause(durationMs: number, within: boolean): void {
    const fromMs = this.#world.timeline.nowMs;
    const toMs = fromMs + durationMs;
    this.#world.say(() => `paused for ${durationMs} ms${within ? " within a call" : ""}`);
    this.pauses.push({ fromMs, toMs });
    this.frozenUntilMs = Math.max(this.frozenUntilMs, toMs);
    if (within) this.#world.runWithout(this, toMs);
  }

  /** kill -9. */
  end(how: string): void {
    if (!this.alive) return;
    this.alive = false;
    this.#world.lifeEnded(this, how);
  }

  #now(): Now {
    this.sawMs = this.#world.timeline.nowMs;
    return { bootMs: this.bootMs(this.sawMs), wallMs: WALL_START_MS + this.sawMs + this.machine.wallOffsetMs, bootId: this.machine.bootId, synced: this.machine.synced };
  }

  #ports(): Ports {
    const world = this.#world;
    return {
      clock: {
        now: () => {
          const now = this.#now();
          world.faults.clockRead(this);
          return now;
        },
        at: (bootMs, then) => {
          if (!this.alive) return () => {};
          const event = world.timeline.at(bootMs + this.machine.bootedMs, this, then);
          return () => {
            event.run = null;
          };
        },
      },
      store: world.disk.storeFor(this),
      rounds: roundsOf(world, this),
      journal: {
        told: (told) => this.#told(told),
        input: (input, now) => {
          if (!this.alive) return;
          this.taken += 1;
          if (world.recording) this.inputs.push({ input, now });
          // Its way out is made of promises alone.
          if (this.watcher.state.stopping) world.stir();
        },
        incident: (record) => this.#incident(record),
      },
      alerts: {
        raise: (alarm, again) => {
          if (!this.alive) return;
          this.out({ alarm, again });
          this.alarms.set(alarm.alarm, alarm);
          world.counts.add(`alarm: ${alarm.kind}`);
        },
        over: (alarm, because) => {
          if (!this.alive) return;
          this.out({ alarm, because });
          this.alarms.delete(alarm.alarm);
        },
      },
      power: (name) => {
        world.stir();
        return world.devices.get(name)?.portFor(this);
      },
      touch: (host) => this.#touch(host),
      remedy: (host, name, limitMs) => this.#remedy(host, name, limitMs),
      rouse: (host) => {
        if (this.alive) world.outages?.rouse(host);
      },
      order: (host, order, id, { limitMs, again }) => this.#order(host, { order, id, limitMs, again }),
      exit: (because) => {
        world.counts.add("watcher: exits when asked to");
        for (const checker of world.checkers.exiting) checker.exiting?.(this, because);
        this.end("it has exited");
      },
    };
  }

  #told(told: Told): void {
    if (!this.alive) return;
    const world = this.#world;
    this.out(told);
    world.history.add(told.seq);
    world.counts.told(told.kind);
    world.say(() => `  ${told.seq} ${told.kind}${told.host === null ? "" : ` ${told.host}`}: ${told.because}`);
    for (const checker of world.checkers.told) checker.told?.(told, this);
  }

  #incident(record: IncidentRecord): void {
    if (!this.alive) return;
    this.out(record);
    if (record.outcome !== "open") this.#world.counts.add(`incident: ${record.outcome}`);
  }

  #remedy(name: string, remedy: string, limitMs: number): Promise<Remedied> {
    const world = this.#world;
    world.stir();
    this.point("remedy");
    if (!this.alive) return new Promise(() => {});
    for (const checker of world.checkers.remedy) checker.remedy?.(name, remedy);
    const { afterMs, answer, act } = tryRemedy(world.hosts.get(name), world.network.reaches(name), this.#random, limitMs);
    world.say(() => `  ${remedy} is tried at ${name}`);
    act();
    return new Promise((resolve) => {
      world.timeline.in(afterMs, this, () => {
        world.stir();
        resolve(answer);
      });
    });
  }

  #order(name: string, task: Parameters<typeof tryOrder>[3]): Promise<Remedied> {
    const world = this.#world;
    world.stir();
    this.point("order");
    if (!this.alive) return new Promise(() => {});
    for (const checker of world.checkers.order) checker.order?.(name, task.order, task.id, task.again);
    // It is lost on its way, or below it has arrived.
    if (task.order === "reboot") world.faults.ordering(this);
    if (!this.alive) return new Promise(() => {});
    const { afterMs, answer, act } = tryOrder(world.hosts.get(name), world.network.reaches(name), world.agents, task, this.#orders);
    world.say(() => `  ${name} is told to ${task.order}${task.again ? " (again)" : ""}: ${answer.outcome}${act === null ? ", which changes nothing" : ""}`);
    if (act !== null && task.order === "reboot") for (const checker of world.checkers.obeys) checker.obeys?.(name, task.id);
    act?.();
    this.point("ordered");
    if (task.order === "reboot") world.faults.ordering(this);
    if (!this.alive) return new Promise(() => {});
    return new Promise((resolve) => {
      world.timeline.in(afterMs, this, () => {
        world.stir();
        resolve(answer);
      });
    });
  }

  /** What agents say of their boots, as the link brings it. */
  hearAgents(): void {
    const world = this.#world;
    for (const name of world.agents.hosts) {
      const host = world.hosts.get(name);
      const word = host?.condition === "up" && world.network.reaches(name) ? { bootId: `boot ${host.boots}`, pending: host.boots % 2 === 0 ? "a new kernel" : null } : null;
      const known = JSON.stringify(word);
      if (this.#heard.get(name) === known || (word === null && !this.#heard.has(name))) continue;
      this.#heard.set(name, known);
      world.stir();
      this.watcher.post({ kind: "boot", host: name, boot: word });
    }
    world.timeline.in(AGENTS_EVERY_MS, this, () => this.hearAgents());
  }

  #touch(name: string): Promise<Touched> {
    const world = this.#world;
    world.stir();
    this.point("touch");
    if (!this.alive) return new Promise(() => {});
    return new Promise((resolve) => {
      const host = world.hosts.get(name);
      const lost = world.spec.references && world.network.referencesLost > 0;
      const yes = host?.answersAnything === true && world.network.reaches(name);
      world.timeline.in(yes ? 2 : 1_500, this, () => {
        world.stir();
        const answered = yes ? "yes" : lost ? "unknown" : "no";
        for (const checker of world.checkers.touched) checker.touched?.(name, answered, this);
        resolve({ answered, evidence: yes ? "an echo reply" : "nothing came" });
      });
    });
  }
}

function describe(command: Command): string {
  return `${command.kind}${"brake" in command ? ` ${command.brake} ${command.scope}` : ""}${"host" in command ? ` ${command.host}` : ""}${"action" in command ? ` ${command.action}` : ""}`;
}
