// The virtual world of one seed with several watchers: everything that they stand on and look at, the store that they share,
// and the loop that lets time pass. As with one watcher, a run has an active part, in which faults strike, and a quiet one,
// in which everything has been healed and whatever was begun must come to its end.

import type { Command } from "../../src/core/io.ts";
import type { HostPolicy, Policy } from "../../src/core/policy.ts";
import { outletKey } from "../../src/core/policy.ts";
import type { AnyRecord, Operation, RebootRun } from "../../src/core/records.ts";
import { LEASED } from "../../src/core/records.ts";
import type { Write } from "../../src/core/io.ts";
import type { Guard } from "../../src/stores/store.ts";
import type { Event } from "../clock.ts";
import { drained, Timeline } from "../clock.ts";
import type { Phase } from "../counts.ts";
import { Counts, PHASES } from "../counts.ts";
import type { Outlet } from "../devices.ts";
import { Device } from "../devices.ts";
import { Host } from "../hosts.ts";
import { Outages } from "../outages.ts";
import type { Agents } from "../reboots.ts";
import { agentsOf, CLOCK_FAULTS, personReboots } from "../reboots.ts";
import { Random } from "../random.ts";
import { StoreServer } from "../store/server.ts";
import type { Keep, Violation } from "../world.ts";
import { clockText } from "../world.ts";
import type { FleetChecker, FleetCheckers } from "./checker.ts";
import { byHook } from "./checker.ts";
import type { FleetFault } from "./fault-names.ts";
import { FleetFaults } from "./faults.ts";
import { FleetLife } from "./life.ts";
import { Site } from "./site.ts";
import type { FleetSpec } from "./spec.ts";

/** A transaction as a watcher asked for it. */
export type Call = {
  readonly life: FleetLife;
  /** Its clock when it asked, in the world's time. */
  readonly calledMs: number;
  readonly order: number;
  readonly guards: readonly Guard[];
  readonly writes: readonly Write[];
};

/** A transaction as the store carries it out. */
export type Carried = Call & { readonly revision: number; readonly atMs: number };

export type Asked = { readonly command: Command; readonly life: FleetLife; readonly askedMs: number };

const AUDIT_EVERY_MS = 5_000;
const QUIET_FOR_MS = 30_000;
const AT_ONCE_MAX = 20_000;
const STORE_MOVES_MS = 400_000;

export class FleetWorld {
  readonly spec: FleetSpec;
  readonly timeline = new Timeline();
  readonly counts = new Counts();
  readonly random: Random;
  readonly hosts = new Map<string, Host>();
  readonly devices = new Map<string, Device>();
  readonly wiring = new Map<string, readonly (readonly Outlet[])[]>();
  readonly server: StoreServer;
  readonly sites = new Map<string, Site>();
  readonly faults: FleetFaults;
  readonly checkers: FleetCheckers;
  readonly transcript: string[] | null;
  readonly recording: boolean;
  readonly agents: Agents;
  /** What each transaction was asked for by. */
  readonly calls = new Map<readonly Guard[], Call>();
  open: readonly Operation[] = [];
  healing = false;
  violation: Violation | null = null;
  lives = 0;
  #stirred = false;
  /** Events of the present moment. */
  #atOnce = 0;
  #order = 0;
  /** Members of the store that have no power, or no kernel. */
  #membersDown = false;
  #endOutage: (() => void) | null = null;
  #endDarkness: (() => void) | null = null;
  readonly outages: Outages | null;
  /** Somebody has set the members up elsewhere. */
  #carriedAway = false;
  /** Which life decided on which level of which operation. */
  readonly #born = new Map<string, FleetLife>();

  constructor(spec: FleetSpec, checkers: (world: FleetWorld) => readonly FleetChecker[], keep: Keep = {}) {
    this.spec = spec;
    this.transcript = keep.transcript === true ? [] : null;
    this.recording = keep.inputs === true;
    this.random = new Random(spec.seed, "fleet world");
    this.server = new StoreServer({
      timers: { nowMs: () => this.timeline.nowMs, after: (ms, then) => this.after(ms, then) },
      random: new Random(spec.seed, "store"), leased: LEASED, rate: spec.storeRate, count: (what) => this.counts.add(what),
      onCommit: ({ guards, writes, revision }) => this.#commits(guards, writes, revision),
      onChange: (changes) => {
        // None: it is another store.
        if (changes.length === 0 || changes.some(({ key }) => key.startsWith("op/"))) this.#operationsChanged();
        for (const checker of this.checkers.changed) checker.changed?.(changes);
      },
    });
    for (const device of spec.devices) this.devices.set(device.policy.name, new Device(this, device));
    for (const host of spec.hosts) {
      this.hosts.set(host.policy.name, new Host(this, host));
      const levels = host.wiring.map((level) => level.map((ref) => (this.devices.get(ref.device) as Device).outlet(ref)));
      for (const outlet of levels.flat()) outlet.label = this.random.chance(0.5) ? host.policy.name : null;
      this.wiring.set(host.policy.name, levels);
    }
    for (const watcher of spec.watchers) this.sites.set(watcher.name, new Site(this, watcher));
    this.agents = spec.policy.reboots === undefined ? { hosts: new Set(), done: new Set() } : agentsOf(spec.seed, [...this.hosts.keys()]);
    this.faults = new FleetFaults(this);
    this.outages = spec.outages === null ? null : new Outages(this, spec.outages);
    // A host that comes back brings its member of the store with it, and its agent.
    this.checkers = byHook([...checkers(this), {
      invariant: "Carriers",
      condition: (host) => {
        this.carriersChanged();
        this.outages?.changed(host);
      },
    }]);
  }

  /** Returns the simulated milliseconds of all watchers together. */
  run(): number {
    for (const site of this.sites.values()) if (site.present) this.boot(site);
    this.#audit();
    this.faults.begin();
    this.outages?.begin();
    if (this.spec.policy.reboots !== undefined) this.#askForReboots(new Random(this.spec.seed, "people who reboot"));
    this.#until(this.spec.activeMs);
    if (this.violation === null) this.#quieten();
    return this.timeline.nowMs * this.sites.size;
  }

  #askForReboots(random: Random): void {
    this.after(random.wait(60_000), () => {
      if (this.healing) return;
      if (this.attended) personReboots({ hosts: this.hosts, clocks: CLOCK_FAULTS.some((fault) => this.spec.faults.has(fault as FleetFault)), ask: (command) => this.ask(command), value: (key) => this.server.value(key) }, random);
      this.#askForReboots(random);
    });
  }

  order(): number {
    return (this.#order += 1);
  }

  say(line: () => string): void {
    this.transcript?.push(`${clockText(this.timeline.nowMs)} ${line()}`);
  }

  fail(invariant: string, what: string): void {
    if (this.violation !== null) return;
    this.violation = { invariant, what, atMs: this.timeline.nowMs };
    this.say(() => `VIOLATION of ${invariant}: ${what}`);
  }

  stir(): void {
    this.#stirred = true;
  }

  /** Something of the world, later. Returns what cancels it. */
  after(ms: number, then: () => void): () => void {
    const event = this.timeline.in(ms, null, () => {
      this.stir();
      then();
    });
    return () => void (event.run = null);
  }

  // ---- time -----------------------------------------------------------------------------------------------------------

  #until(untilMs: number): void {
    const { timeline } = this;
    for (let event = timeline.next(untilMs); event !== null && this.violation === null; event = timeline.next(untilMs)) {
      if (event.atMs > timeline.nowMs) this.#atOnce = 0;
      else if ((this.#atOnce += 1) > AT_ONCE_MAX) return this.fail("Assertion", "time stands still: something wakes itself again and again in one moment");
      timeline.nowMs = event.atMs;
      if (event.owner !== null && event.owner.frozenUntilMs > event.atMs) {
        timeline.postpone(event, event.owner.frozenUntilMs);
        continue;
      }
      this.#happen(event);
      if (!this.#stirred) continue;
      drained();
      this.#stirred = false;
    }
    if (this.violation === null) timeline.nowMs = Math.max(timeline.nowMs, untilMs);
  }

  #happen(event: Event): void {
    const { run } = event;
    event.run = null;
    try {
      run?.();
    } catch (error) {
      this.crashed(error);
    }
  }

  crashed(error: unknown): void {
    this.fail("Assertion", error instanceof Error ? (error.stack ?? error.message) : String(error));
  }

  #audit(): void {
    for (const checker of this.checkers.audit) checker.audit?.();
    this.timeline.in(AUDIT_EVERY_MS, null, () => this.#audit());
  }

  // ---- the watchers' lives ------------------------------------------------------------------------------------------------

  boot(site: Site): void {
    if (site.life !== null) return;
    if (this.outages?.dark === true) return this.faults.restartAfter(site, 2_000);
    this.lives += 1;
    const life = new FleetLife(this, site, this.lives);
    site.life = life;
    this.say(() => `${life.name} starts; boot ${site.machine.bootId}, up for ${Math.round(life.uptimeAtStartMs / 1_000)} s`);
    for (const checker of this.checkers.lifeBegins) checker.lifeBegins?.(life);
    this.stir();
    life.start();
    this.outages?.lifeBegins(life);
  }

  lifeEnded(life: FleetLife, how: string): void {
    this.say(() => `${life.name} is gone: ${how}`);
    life.site.pastLives.push(life);
    life.site.life = null;
    for (const device of this.devices.values()) {
      for (const session of device.sessions) {
        if (session.life !== life) continue;
        device.sessions.delete(session);
        if (!device.hears(life) || this.random.chance(0.15)) device.ghostUntilMs = Math.max(device.ghostUntilMs, this.timeline.nowMs + this.random.spread(1_000, this.healing ? 5_000 : 40_000));
      }
    }
    for (const checker of this.checkers.lifeEnds) checker.lifeEnds?.(life);
    this.faults.lifeEnded(life);
  }

  /** The lives that run, stopped ones included. */
  living(): FleetLife[] {
    return [...this.sites.values()].flatMap((site) => (site.life === null ? [] : [site.life]));
  }

  /** A person at the command line of some watcher, of another one than `except`. */
  ask(command: Command, except: Site | null = null): void {
    const lives = this.living().filter((life) => life.began && life.site !== except);
    if (lives.length === 0) return;
    const life = this.random.pick(lives);
    life.at(this.timeline.nowMs, () => life.ask(command));
  }

  get attended(): boolean {
    return this.living().some((life) => life.began);
  }

  watchers(): readonly FleetLife[] {
    return this.living().filter((life) => life.began);
  }

  listeners(host: string): readonly FleetLife[] {
    return this.watchers().filter((life) => life.site.network.reaches(host));
  }

  durable<Kind>(key: string): Kind | undefined {
    const read = this.server.records.get(key)?.read;
    return read?.ok === true ? (read.value as Kind) : undefined;
  }

  get policy(): Policy {
    return this.spec.policy;
  }

  recorded(): Iterable<readonly [string, AnyRecord]> {
    return [...this.server.records].flatMap(([key, { read }]) => (read.ok ? [[key, read.value] as const] : []));
  }

  alarmNames(): readonly string[] {
    return [...new Set(this.living().flatMap((life) => [...life.alarms.keys()]))];
  }

  // ---- truth -----------------------------------------------------------------------------------------------------------

  #commits(guards: readonly Guard[], writes: readonly Write[], revision: number): void {
    const call = this.calls.get(guards);
    if (call === undefined) return this.fail("Assertion", "a transaction of nobody");
    this.calls.delete(guards);
    const carried: Carried = { ...call, writes, revision, atMs: this.timeline.nowMs };
    this.counts.add("store: transactions");
    this.say(() => `  store ${revision}: ${call.life.name} writes ${writes.map(({ key, value }) => (value === null ? `-${key}` : key)).join(" ")}`);
    for (const checker of this.checkers.commit) checker.commit?.(carried);
    for (const { key, value } of writes) {
      if (!key.startsWith("op/") || value === null) continue;
      const { id, level } = value as Operation;
      if (!this.#born.has(`${id}/${level}`)) this.#born.set(`${id}/${level}`, call.life);
    }
  }

  #operationsChanged(): void {
    const before = this.open;
    this.open = this.server.all<Operation>("op");
    for (const operation of this.open) if (before.find((each) => each.id === operation.id)?.phase !== operation.phase) this.faults.phaseBegins(operation);
  }

  /** The life that decided on the present level of an operation. */
  bornIn(operation: Operation): FleetLife | undefined {
    return this.#born.get(`${operation.id}/${operation.level}`);
  }

  /** Another store has its own numbers. */
  forgetBirths(): void {
    this.#born.clear();
  }

  phase(): Phase {
    let furthest = 0;
    for (const operation of this.open) furthest = Math.max(furthest, PHASES.indexOf(operation.phase));
    return PHASES[furthest] as Phase;
  }

  operationAt(key: string): Operation | null {
    const of = this.open.filter((operation) => operation.levels.flat().some((outlet) => outletKey(outlet) === key));
    return of.find((operation) => operation.sent.includes(key) || operation.cut.includes(key)) ?? of[0] ?? null;
  }

  hostOf(key: string): HostPolicy | undefined {
    for (const host of this.spec.policy.hosts.values()) if (host.levels.flat().some((outlet) => outletKey(outlet) === key)) return host;
    return undefined;
  }

  energyChanged(): void {
    for (const host of this.hosts.values()) {
      const levels = this.wiring.get(host.name) ?? [];
      host.energy(this.outages?.dark !== true && levels.every((level) => level.some((outlet) => outlet.closed)));
    }
    this.carriersChanged();
  }

  /** Hosts carry members of the store and a watcher: what befalls them befalls those. */
  carriersChanged(): void {
    const { members } = this.spec;
    const lost = this.#carriedAway ? 0 : members.filter((name) => name !== null && this.dark(name)).length;
    const without = members.length - lost < Math.floor(members.length / 2) + 1;
    if (without !== this.#membersDown) {
      this.#membersDown = without;
      if (without) {
        this.counts.add("store: loses its quorum with a host");
        this.say(() => "the store has lost its quorum with a host");
        this.#endOutage = this.server.fail();
      } else {
        this.faults.noteTrouble();
        this.#endOutage?.();
      }
    }
    for (const site of this.sites.values()) {
      if (site.spec.on !== null && site.life !== null && this.dark(site.spec.on)) this.faults.losesPower(site);
    }
  }

  /** It has no power, or its kernel does not run. */
  dark(name: string): boolean {
    const host = this.hosts.get(name);
    return host !== undefined && (!host.powered || host.condition === "booting" || host.condition === "halted" || host.condition === "off");
  }

  /** The policy of a host as most watchers have read it. */
  policyOf(host: string): HostPolicy | undefined {
    return this.spec.policy.hosts.get(host);
  }

  /** The configuration was changed on some machines; their watchers read it when told to. */
  configure(sites: readonly Site[], change: (policy: Policy) => Policy): void {
    for (const site of sites) {
      site.policy = change(site.policy);
      const { life } = site;
      if (life !== null) life.at(this.timeline.nowMs, () => life.reload(site.policy));
    }
  }

  /** The UPS is empty: every watcher, every device and every member of the store is off, wherever it is. */
  darken(): void {
    for (const device of this.devices.values()) device.down += 1;
    this.energyChanged();
    for (const site of this.sites.values()) site.life?.end("the UPS is empty");
    this.#endDarkness = this.server.fail();
  }

  lighten(): void {
    this.faults.noteTrouble();
    for (const device of this.devices.values()) {
      device.down -= 1;
      device.healed();
    }
    for (const site of this.sites.values()) site.machine = { ...site.machine, bootId: `${site.name}-boot-back-${this.order()}`, bootedMs: this.timeline.nowMs };
    this.energyChanged();
    this.#endDarkness?.();
    this.#endDarkness = null;
  }

  // ---- the end -----------------------------------------------------------------------------------------------------------

  #quieten(): void {
    this.say(() => "everything is healed");
    this.healing = true;
    this.faults.healAll();
    this.outages?.healAll();
    // A person who has switched the store off with its host, for good, gives it another machine at last.
    this.after(STORE_MOVES_MS, () => {
      this.#carriedAway = true;
      this.carriersChanged();
    });
    const bootMs = Math.max(40_000, ...[...this.spec.policy.hosts.values()].map((host) => host.bootMs));
    const giveUpMs = this.timeline.nowMs + 20 * 60_000 + 14 * bootMs;
    let quietSinceMs: number | null = null;
    while (this.violation === null && this.timeline.nowMs < giveUpMs) {
      this.#until(this.timeline.nowMs + AUDIT_EVERY_MS);
      if (!this.#quiet()) quietSinceMs = null;
      else quietSinceMs ??= this.timeline.nowMs;
      if (quietSinceMs !== null && this.timeline.nowMs - quietSinceMs >= QUIET_FOR_MS + 2 * this.spec.ttlMs) break;
    }
    if (this.violation !== null) return;
    const quiet = quietSinceMs !== null && this.timeline.nowMs - quietSinceMs >= QUIET_FOR_MS;
    for (const checker of this.checkers.end) checker.end?.(quiet);
  }

  #quiet(): boolean {
    if (this.open.length > 0 || !this.server.available) return false;
    // Who still pays by the store that there was before comes to the present one when that is done.
    if (this.living().some((life) => life.store?.identity !== this.server.identity)) return false;
    for (const site of this.sites.values()) if (site.present && !(site.spec.on !== null && this.dark(site.spec.on)) && (!site.awake(this.timeline.nowMs) || site.life?.began !== true)) return false;
    for (const host of this.hosts.values()) if (host.powered && host.condition !== "up") return false;
    const run = this.server.value<RebootRun>("reboots/run");
    if (run !== undefined && run.state === "running" && run.turn !== null) return false;
    // What a dead watcher has asked for is cleared away when it has lain there for a while.
    for (const key of this.server.records.keys()) if (key.startsWith("ask/")) return false;
    return true;
  }
}
