// One life of one of several watchers: the production `Watcher` on virtual ports, with a client of the shared store.
//
// The world may strike at every call of a port: kill the process, or stop it. A process that is stopped within a call is let
// run on at once by a clock that stands at the end of the pause, and everything that it then does to the world is kept back
// until that moment: nothing can reach it in between, so it is the same as if it had stood still; and the other watchers
// and their promises go on meanwhile, which a loop within the call could not give them.

import { UpkeepError } from "../../src/core/errors.ts";
import type { Alarm, Command, Input, StoredRecord, Told } from "../../src/core/io.ts";
import type { Policy } from "../../src/core/policy.ts";
import { LEASED } from "../../src/core/records.ts";
import type { AliveRecord, IncidentRecord } from "../../src/core/records.ts";
import type { Now } from "../../src/core/time.ts";
import type { PowerDevice, PowerSession } from "../../src/power/power.ts";
import type { CommitResult, Guard, Session, SharedStore } from "../../src/stores/store.ts";
import type { Ports, Remedied, Touched } from "../../src/watcher/ports.ts";
import type { Answer } from "../../src/watcher/watcher.ts";
import { Watcher } from "../../src/watcher/watcher.ts";
import type { Event } from "../clock.ts";
import type { Device } from "../devices.ts";
import { Random } from "../random.ts";
import { tryOrder } from "../reboots.ts";
import { tryRemedy } from "../remedies.ts";
import { roundsOf } from "../rounds.ts";
import type { Path, Process } from "../scene.ts";
import { openSimulated } from "../store/client.ts";
import { Sight } from "./sight.ts";
import type { FleetMachine, Site } from "./site.ts";
import type { Asked, FleetWorld } from "./world.ts";

const WALL_START_MS = Date.UTC(2027, 0, 1);
const AGENTS_EVERY_MS = 2_000;
const OPEN_AGAIN_MS = 1_000;
const JOIN_AGAIN_MS = 500;

export class FleetLife implements Process {
  readonly #world: FleetWorld;
  readonly site: Site;
  readonly number: number;
  readonly #random: Random;
  readonly #orders: Random;
  readonly #heard = new Map<string, string>();
  /** As the store knows it. */
  readonly name: string;
  readonly machine: FleetMachine;
  readonly startedMs: number;
  readonly uptimeAtStartMs: number;
  readonly watcher: Watcher;
  readonly sight: Sight;
  readonly folder: string;
  policy: Policy;
  alive = true;
  frozenUntilMs = -Infinity;
  sawMs = 0;
  readonly pauses: { readonly fromMs: number; readonly toMs: number }[] = [];
  readonly alarms = new Map<string, Alarm>();
  readonly inputs: { readonly input: Input; readonly now: Now }[] = [];
  readonly policies: { readonly at: number; readonly policy: Policy }[] = [];
  readonly outputs: unknown[] = [];
  taken = 0;
  store: SharedStore | null = null;
  /** It has read the store and begun to watch. */
  began = false;
  foundAnotherStore = false;
  /** Until when it was told to hold its session, in the world's time; null: it holds none. */
  heldUntilMs: number | null = null;
  /** When its session began, in the world's time. */
  sessionSinceMs = Infinity;
  reloadedMs = -Infinity;
  #early: Input[] = [];

  constructor(world: FleetWorld, site: Site, number: number) {
    this.#world = world;
    this.site = site;
    this.number = number;
    this.name = `${site.name}#${number}`;
    this.#random = new Random(world.spec.seed, `remedies of ${this.name}`);
    this.#orders = new Random(world.spec.seed, `orders of ${this.name}`);
    this.machine = site.machine;
    this.folder = site.folder;
    this.policy = site.policy;
    this.startedMs = world.timeline.nowMs;
    this.uptimeAtStartMs = this.bootMs(this.startedMs);
    this.policies.push({ at: 0, policy: this.policy });
    this.sight = new Sight(this, () => this.nowMs, (look) => {
      for (const checker of world.checkers.look) checker.look?.(look, this);
    });
    this.watcher = new Watcher(this.#ports(), this.policy);
  }

  get watcherName(): string {
    return this.site.name;
  }

  get paths(): ReadonlyMap<string, Path> {
    return this.site.paths;
  }

  /** The moment at which this process is, in the world's time: ahead of the world when it was stopped within a call. */
  get nowMs(): number {
    return Math.max(this.#world.timeline.nowMs, this.frozenUntilMs);
  }

  bootMs(worldMs: number): number {
    return (worldMs - this.machine.bootedMs) * this.machine.rate;
  }

  worldMs(bootMs: number): number {
    return this.machine.bootedMs + bootMs / this.machine.rate;
  }

  /** Does something to the world, when this process is where the world is. */
  later(act: () => void): void {
    if (!this.alive) return;
    if (this.frozenUntilMs <= this.#world.timeline.nowMs) return act();
    this.at(this.frozenUntilMs, act);
  }

  /** An event of this process, at a moment of the world. */
  at(worldMs: number, then: () => void): Event {
    return this.#world.timeline.at(worldMs, this, () => {
      this.#world.stir();
      then();
    });
  }

  start(): void {
    void this.#open();
  }

  /** The wall clock as this life sees it. */
  get wallMs(): number {
    return WALL_START_MS + this.nowMs + this.machine.wallOffsetMs;
  }

  reload(policy: Policy): void {
    this.policy = policy;
    if (!this.began) return;
    this.policies.push({ at: this.taken, policy });
    this.reloadedMs = this.#world.timeline.nowMs;
    this.watcher.reload(policy);
  }

  /** Asks as a person would, at once; the answer is seen by the checkers. */
  ask(command: Command): void {
    if (!this.began) return;
    this.#world.stir();
    const asked: Asked = { command, life: this, askedMs: this.#world.timeline.nowMs };
    for (const checker of this.#world.checkers.asked) checker.asked?.(asked);
    void this.watcher.command("somebody", command).then((answer: Answer) => this.later(() => {
      this.#world.say(() => `${this.name} answers ${JSON.stringify(command)}: ${answer.exit} ${answer.text}`);
      this.#world.counts.add(`command: ${command.kind} ${answer.exit}`);
      for (const checker of this.#world.checkers.answered) checker.answered?.(asked, answer);
    }));
  }

  /** Asks as an agent does, over its link. */
  announce(by: string, command: Command, heard: (answer: Answer) => void): void {
    if (!this.began) return;
    this.#world.stir();
    const asked: Asked = { command, life: this, askedMs: this.#world.timeline.nowMs };
    for (const checker of this.#world.checkers.asked) checker.asked?.(asked);
    void this.watcher.command(by, command).then((answer: Answer) => this.later(() => {
      this.#world.say(() => `${this.name} answers ${by}: ${answer.exit} ${answer.text}`);
      for (const checker of this.#world.checkers.answered) checker.answered?.(asked, answer);
      heard(answer);
    }));
  }

  out(output: unknown): void {
    if (this.#world.recording) this.outputs.push(output);
  }

  point(name: string): void {
    if (this.alive) this.#world.faults.point(this, name);
  }

  /** SIGSTOP, and SIGCONT later. */
  pause(durationMs: number): void {
    const fromMs = this.nowMs;
    this.frozenUntilMs = fromMs + durationMs;
    this.pauses.push({ fromMs, toMs: this.frozenUntilMs });
    this.#world.say(() => `${this.name} is stopped for ${durationMs} ms`);
  }

  /** kill -9. */
  end(how: string): void {
    if (!this.alive) return;
    this.alive = false;
    this.#world.lifeEnded(this, how);
  }

  // ---- the store ------------------------------------------------------------------------------------------------------

  /** As the production's shared place does it: load, wait until nobody else bears this name, watch, join, start. */
  async #open(): Promise<void> {
    const { site } = this;
    for (;;) {
      const store = this.#client();
      this.store = store;
      let stop = (): void => {};
      try {
        const records = await this.#alone(store);
        const wentBack = site.store !== null && site.store !== store.identity ? "the store is another one than this watcher knew" : null;
        stop = store.watch({
          changes: (changes) => this.#say({ kind: "changes", changes }),
          snapshot: (all) => this.#say({ kind: "snapshot", records: all }),
          blind: (because) => this.#say({ kind: "blind", because }),
          gone: (because) => this.#say({ kind: "gone", because }),
        });
        const knew = site.store;
        site.store = store.identity;
        this.foundAnotherStore = wentBack !== null;
        this.began = true;
        this.watcher.start({ kind: "start", records, uptimeMs: this.uptimeAtStartMs, wentBack, seq: site.seq, ledger: store.identity, fleet: { folder: site.folder, life: this.name, version: "0.1.0", knew } });
        for (const input of this.#early) this.watcher.post(input);
        // It was changed while the store was being opened.
        if (this.watcher.policy !== this.policy) this.reload(this.policy);
        if (this.#world.agents.hosts.size > 0) this.hearAgents();
        void this.#join(store);
        return;
      } catch (error) {
        if (!(error instanceof UpkeepError)) throw error;
        this.#early = [];
        stop();
        await store.close();
        await this.#wait(OPEN_AGAIN_MS);
      }
    }
  }

  async #alone(store: SharedStore): Promise<readonly StoredRecord[]> {
    for (;;) {
      const records = await store.load();
      const other = records.find(({ key }) => key === `alive/${this.site.name}`)?.value as AliveRecord | undefined;
      if (other === undefined || other.folder === this.site.folder) return records;
      await this.#wait(OPEN_AGAIN_MS);
    }
  }

  #say(input: Input): void {
    if (this.began) this.watcher.post(input);
    else this.#early.push(input);
  }

  #client(): SharedStore {
    const world = this.#world;
    const { site } = this;
    return openSimulated({
      server: world.server, name: this.name, leased: LEASED, ttlMs: world.spec.ttlMs, callMs: world.spec.callMs,
      link: { call: (server, work, answered, what) => this.later(() => site.link.call(server, work, answered, what)), carry: (then) => site.link.carry(then) },
      nowMs: () => this.#now().bootMs,
      after: (ms, then) => {
        const event = this.at(this.nowMs + ms / this.machine.rate, then);
        return () => void (event.run = null);
      },
      hand: (then) => void this.at(world.timeline.nowMs, then),
      batchMs: () => (site.watchLate > 0 ? world.random.spread(100, 4_000) : world.random.chance(0.1) ? world.random.whole(1, 120) : 0),
      onUnreadable: (records) => {
        this.#say({ kind: "unreadable", records: records.map(({ key, kind, because }) => ({ key, kind, because })) });
      },
    });
  }

  async #join(store: SharedStore): Promise<void> {
    for (let joined = false; !joined; ) {
      try {
        await store.join((session) => this.#session(store, session));
        joined = true;
      } catch {
        await this.#wait(JOIN_AGAIN_MS);
      }
    }
  }

  #session(store: SharedStore, session: Session): void {
    if (!this.alive) return;
    const before = this.heldUntilMs;
    if (session.kind === "held" && before === null) this.sessionSinceMs = this.#world.timeline.nowMs;
    this.heldUntilMs = session.kind === "held" ? this.worldMs(session.untilMs) : null;
    for (const checker of this.#world.checkers.session) checker.session?.(this);
    if (before === null || session.kind === "lost") this.#world.say(() => `  ${this.name} ${session.kind === "held" ? "has a session" : `has lost its session: ${session.because}`}`);
    this.#say({ kind: "session", session });
    if (session.kind === "lost") void this.#join(store);
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.at(this.nowMs + ms, resolve));
  }

  #commit(guards: readonly Guard[], writes: Parameters<SharedStore["commit"]>[1]): Promise<CommitResult> {
    const world = this.#world;
    world.stir();
    const calledMs = this.sawMs;
    this.point("commit");
    if (!this.alive || this.store === null) return new Promise<CommitResult>(() => {});
    this.out({ guards, writes });
    const { store } = this;
    const mine = [...guards];
    const order = world.order();
    world.calls.set(mine, { life: this, calledMs, order, guards: mine, writes });
    return new Promise((resolve) => this.later(() => {
      void store.commit(mine, writes).then((result) => {
        this.point("committed");
        if (!this.alive) return;
        world.stir();
        resolve(result);
      });
    }));
  }

  // ---- the other ports --------------------------------------------------------------------------------------------------

  #now(): Now {
    this.sawMs = this.nowMs;
    const { machine } = this;
    return { bootMs: this.bootMs(this.sawMs), wallMs: WALL_START_MS + this.sawMs + machine.wallOffsetMs, bootId: machine.bootId, synced: machine.synced };
  }

  #ports(): Ports {
    const world = this.#world;
    const { site } = this;
    const rounds = roundsOf({ timeline: world.timeline, hosts: world.hosts, network: site.network, spec: world.spec, observed: { round: (round, startedMs) => this.sight.round(round, startedMs), late: (late) => this.sight.late(late) } }, this);
    return {
      clock: {
        now: () => {
          const now = this.#now();
          world.faults.clockRead(this);
          return now;
        },
        at: (bootMs, then) => {
          if (!this.alive) return () => {};
          // Never before the clock shows it, however the division is rounded.
          const atMs = this.worldMs(bootMs);
          const event = this.at(this.bootMs(atMs) < bootMs ? atMs + 0.01 : atMs, then);
          return () => void (event.run = null);
        },
      },
      store: { capabilities: { shared: false }, identity: "", load: () => Promise.resolve([]), commit: (guards, writes) => this.#commit(guards, writes), close: () => Promise.resolve() },
      rounds: {
        start: (host, limitMs, onRound, onLate) => {
          let cancel = (): void => {};
          let cancelled = false;
          this.later(() => {
            if (!cancelled) cancel = rounds.start(host, limitMs, (round) => (world.stir(), onRound(round)), onLate);
          });
          return () => {
            cancelled = true;
            cancel();
          };
        },
      },
      journal: {
        told: (told) => this.#told(told),
        input: (input, now) => {
          if (!this.alive) return;
          this.taken += 1;
          if (world.recording) this.inputs.push({ input, now });
          world.stir();
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
        const device = world.devices.get(name);
        return device === undefined ? undefined : this.#device(device);
      },
      touch: (host) => this.#touch(host),
      remedy: (host, name, limitMs) => this.#remedy(host, name, limitMs),
      order: (host, order, id, { limitMs, again }) => this.#order(host, { order, id, limitMs, again }),
      rouse: (host) => this.later(() => world.outages?.rouse(host)),
      reopen: (because) => {
        world.counts.add("watcher: opens the store anew");
        this.later(() => this.end(`it opens the store anew: ${because}`));
      },
      exit: (because) => this.later(() => {
        world.counts.add("watcher: exits when asked to");
        for (const checker of world.checkers.exiting) checker.exiting?.(this, because);
        void this.store?.leave();
        this.end("it has exited");
      }),
    };
  }

  /** A device whose sessions are touched only when this process is where the world is. */
  #device(device: Device): PowerDevice {
    const port = device.portFor(this);
    const deferred = <Value>(call: () => Promise<Value>): Promise<Value> => new Promise((resolve, reject) => this.later(() => void call().then(resolve, reject)));
    const wrapped = (session: PowerSession): PowerSession => ({
      // What was hung up while the process was stopped is not asked any more.
      read: (outlets, signal) => deferred(() => (signal.aborted ? Promise.reject(signal.reason as Error) : session.read(outlets, signal))),
      set: (outlet, action, fire, signal) => deferred(() => (signal.aborted ? Promise.reject(signal.reason as Error) : session.set(outlet, action, fire, signal))),
      close: () => deferred(() => session.close()),
    });
    return { open: (signal) => deferred(async () => wrapped(await port.open(signal))) };
  }

  #told(told: Told): void {
    if (!this.alive) return;
    const world = this.#world;
    this.out(told);
    this.site.seq = Math.max(this.site.seq, told.seq);
    world.counts.told(told.kind);
    world.say(() => `  ${this.name} ${told.seq} ${told.kind}${told.host === null ? "" : ` ${told.host}`}: ${told.because}`);
    for (const checker of world.checkers.told) checker.told?.(told, this);
  }

  #incident(record: IncidentRecord): void {
    if (!this.alive) return;
    this.out(record);
    for (const checker of this.#world.checkers.incident) checker.incident?.(record, this);
    if (record.outcome !== "open") this.#world.counts.add(`incident: ${record.outcome}`);
  }

  #remedy(name: string, remedy: string, limitMs: number): Promise<Remedied> {
    const world = this.#world;
    world.stir();
    this.point("remedy");
    if (!this.alive) return new Promise(() => {});
    for (const checker of world.checkers.remedy) checker.remedy?.(name, remedy, this);
    return new Promise((resolve) => this.later(() => {
      const { afterMs, answer, act } = tryRemedy(world.hosts.get(name), this.site.network.reaches(name), this.#random, limitMs);
      world.say(() => `  ${this.name} tries ${remedy} at ${name}`);
      act();
      this.at(world.timeline.nowMs + afterMs, () => resolve(answer));
    }));
  }

  #order(name: string, task: Parameters<typeof tryOrder>[3]): Promise<Remedied> {
    const world = this.#world;
    world.stir();
    this.point("order");
    if (!this.alive) return new Promise(() => {});
    for (const checker of world.checkers.order) checker.order?.(name, task.order, task.id, task.again, this);
    return new Promise((resolve) => this.later(() => {
      const { afterMs, answer, act } = tryOrder(world.hosts.get(name), this.site.network.reaches(name), world.agents, task, this.#orders);
      world.say(() => `  ${this.name} tells ${name} to ${task.order}${task.again ? " (again)" : ""}: ${answer.outcome}${act === null ? ", which changes nothing" : ""}`);
      if (act !== null && task.order === "reboot") for (const checker of world.checkers.obeys) checker.obeys?.(name, task.id, this);
      act?.();
      this.at(world.timeline.nowMs + afterMs, () => {
        world.stir();
        resolve(answer);
      });
    }));
  }

  /** What agents say of their boots to this watcher. */
  hearAgents(): void {
    const world = this.#world;
    for (const name of this.began ? world.agents.hosts : []) {
      const host = world.hosts.get(name);
      const word = host?.condition === "up" && this.site.network.reaches(name) ? { bootId: `boot ${host.boots}`, pending: host.boots % 2 === 0 ? "a new kernel" : null } : null;
      const known = JSON.stringify(word);
      if (this.#heard.get(name) === known || (word === null && !this.#heard.has(name))) continue;
      this.#heard.set(name, known);
      world.stir();
      this.watcher.post({ kind: "boot", host: name, boot: word });
    }
    this.at(this.nowMs + AGENTS_EVERY_MS, () => this.hearAgents());
  }

  #touch(name: string): Promise<Touched> {
    const world = this.#world;
    world.stir();
    this.point("touch");
    if (!this.alive) return new Promise(() => {});
    return new Promise((resolve) => this.later(() => {
      const host = world.hosts.get(name);
      const lost = world.spec.references && this.site.network.referencesLost > 0;
      const yes = host?.answersAnything === true && this.site.network.reaches(name);
      this.at(world.timeline.nowMs + (yes ? 2 : 1_500), () => resolve({ answered: yes ? "yes" : lost ? "unknown" : "no", evidence: yes ? "an echo reply" : "nothing came" }));
    }));
  }
}
