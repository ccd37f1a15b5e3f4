// The virtual world of one seed: everything that the watcher stands on and looks at, and the loop that lets time pass. It
// runs in one macrotask: after each event that may have moved a promise all continuations are run (clock.ts), so that
// nothing depends on Node's own timing.
//
// A run has an active part, in which faults strike, and a quiet one, in which everything has been healed and whatever was
// begun must come to its end.

import type { Command } from "../src/core/io.ts";
import type { HostPolicy, Policy } from "../src/core/policy.ts";
import { outletKey } from "../src/core/policy.ts";
import type { AnyRecord, Operation, RebootRun, RecordKey } from "../src/core/records.ts";
import type { Checker, Checkers } from "./checker.ts";
import { byHook } from "./checker.ts";
import type { Event } from "./clock.ts";
import { drained, Timeline } from "./clock.ts";
import type { Phase } from "./counts.ts";
import { Counts, PHASES } from "./counts.ts";
import type { Outlet } from "./devices.ts";
import { Device } from "./devices.ts";
import type { Transaction } from "./disk.ts";
import { Disk } from "./disk.ts";
import { Faults } from "./faults.ts";
import { Host } from "./hosts.ts";
import type { Machine } from "./life.ts";
import { Life } from "./life.ts";
import { Network } from "./network.ts";
import { Observed } from "./observed.ts";
import { Meter } from "./meters.ts";
import { Outages } from "./outages.ts";
import { Random } from "./random.ts";
import type { Fault } from "./fault-names.ts";
import { agentsOf, CLOCK_FAULTS, personReboots } from "./reboots.ts";
import type { Agents } from "./reboots.ts";
import type { Process } from "./scene.ts";
import type { Spec } from "./spec.ts";
import { spoof } from "./spoofed-words.ts";

/** What is kept of a run beyond its verdict. */
export type Keep = { readonly transcript?: boolean; readonly inputs?: boolean };

export type Violation = { readonly invariant: string; readonly what: string; readonly atMs: number };

const AUDIT_EVERY_MS = 5_000;
const QUIET_FOR_MS = 40_000;

export class World {
  readonly spec: Spec;
  readonly timeline = new Timeline();
  readonly counts = new Counts();
  readonly random: Random;
  readonly network: Network;
  readonly hosts = new Map<string, Host>();
  readonly devices = new Map<string, Device>();
  readonly disk: Disk;
  readonly observed: Observed;
  readonly faults: Faults;
  readonly checkers: Checkers;
  /** Sequence numbers of the lines that the history still has. */
  readonly history = new Set<number>();
  readonly transcript: string[] | null;
  /** Every life keeps what went in and what came out, for the replay. */
  readonly recording: boolean;
  readonly agents: Agents;
  /** The configuration as it stands on the file system, and as it was drawn. */
  policy: Policy;
  machine: Machine;
  life: Life | null = null;
  lives = 0;
  readonly pastLives: Life[] = [];
  /** Open operations on the disk. */
  open: readonly Operation[] = [];
  healing = false;
  /** How many faults keep the whole site without power. */
  dark = 0;
  readonly outages: Outages | null;
  violation: Violation | null = null;
  /** Which outlets truly feed a host; somebody may have plugged them wrongly. */
  readonly wiring = new Map<string, readonly (readonly Outlet[])[]>();
  #stirred = false;
  #order = 0;
  /** Which life decided on which level of which operation. */
  readonly #born = new Map<string, number>();

  constructor(spec: Spec, checkers: (world: World) => readonly Checker[], keep: Keep = {}) {
    this.spec = spec;
    this.policy = spec.policy;
    this.transcript = keep.transcript === true ? [] : null;
    this.recording = keep.inputs === true;
    this.random = new Random(spec.seed, "world");
    this.network = new Network(new Random(spec.seed, "network"), spec.loss);
    this.disk = new Disk(this);
    this.observed = new Observed(this);
    this.machine = { bootId: "boot-0", bootedMs: -spec.uptimeMs, wallOffsetMs: 0, synced: true };
    for (const device of spec.devices) this.devices.set(device.policy.name, new Device(this, device));
    for (const host of spec.hosts) {
      this.hosts.set(host.policy.name, new Host(this, host, spec.seed));
      const levels = host.wiring.map((level) => level.map((ref) => (this.devices.get(ref.device) as Device).outlet(ref)));
      for (const outlet of levels.flat()) outlet.label = this.random.chance(0.5) ? host.policy.name : null;
      this.wiring.set(host.policy.name, levels);
    }
    this.agents = spec.policy.reboots === undefined ? { hosts: new Set(), done: new Set() } : agentsOf(spec.seed, [...this.hosts.keys()]);
    this.faults = new Faults(this);
    this.outages = spec.outages === null ? null : new Outages(this, spec.outages);
    for (const device of this.devices.values()) if (device.spec.policy.metered !== undefined) device.meter = new Meter(this, device);
    // What befalls a host befalls its agent.
    this.checkers = byHook([...checkers(this), ...(this.outages === null ? [] : [{ invariant: "Agents", condition: (host: Host) => this.outages?.changed(host) }])]);
  }

  /** The lead-in, the active part and the quiet part. Returns the simulated milliseconds. */
  run(): number {
    this.boot();
    this.#audit();
    this.faults.begin();
    this.outages?.begin();
    for (const device of this.devices.values()) device.meter?.begin();
    spoof(this);
    if (this.spec.policy.reboots !== undefined) this.#askForReboots(new Random(this.spec.seed, "people who reboot"));
    this.#until(this.spec.activeMs);
    if (this.violation === null) this.#quieten();
    return this.timeline.nowMs;
  }

  /** The next number of a sequence that tells what came first within one moment. */
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

  /** Something may have become due among the promises. */
  stir(): void {
    this.#stirred = true;
  }

  // ---- time -----------------------------------------------------------------------------------------------------------

  #until(untilMs: number): void {
    const { timeline } = this;
    for (let event = timeline.next(untilMs); event !== null && this.violation === null; event = timeline.next(untilMs)) {
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
    // A pause within a call may have gone beyond it.
    if (this.violation === null) timeline.nowMs = Math.max(timeline.nowMs, untilMs);
  }

  #askForReboots(random: Random): void {
    this.timeline.in(random.wait(150_000), null, () => {
      if (this.healing) return;
      if (this.attended) personReboots({ hosts: this.hosts, clocks: CLOCK_FAULTS.some((fault) => this.spec.faults.has(fault as Fault)), ask: (command) => this.ask(command), value: (key) => this.disk.value(key) }, random);
      this.#askForReboots(random);
    });
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

  /** The watcher's own assertions stay on: one that fails is a violation here. */
  crashed(error: unknown): void {
    this.fail("Assertion", error instanceof Error ? (error.stack ?? error.message) : String(error));
  }

  /** The world without this life, until then; the life is inside a call and cannot go on. */
  runWithout(life: Life, toMs: number): void {
    const { timeline } = this;
    const waiting: Event[] = [];
    for (let event = timeline.next(toMs); event !== null; event = timeline.next(toMs)) {
      if (event.owner === life) {
        waiting.push(event);
        continue;
      }
      timeline.nowMs = event.atMs;
      this.#happen(event);
      if (!life.alive) return;
    }
    timeline.nowMs = toMs;
    for (const event of waiting) timeline.postpone(event, toMs);
  }

  #audit(): void {
    for (const checker of this.checkers.audit) checker.audit?.();
    this.timeline.in(AUDIT_EVERY_MS, null, () => this.#audit());
  }

  // ---- the watcher's lives ----------------------------------------------------------------------------------------------

  boot(): void {
    this.lives += 1;
    const life = new Life(this, this.lives, this.machine, this.policy);
    this.life = life;
    this.open = this.disk.operations();
    this.observed.begins(life);
    this.say(() => `watcher ${life.number} starts; boot ${this.machine.bootId}, up for ${Math.round(life.uptimeAtStartMs / 1_000)} s`);
    for (const checker of this.checkers.lifeBegins) checker.lifeBegins?.(life);
    const wentBack = this.disk.wentBack;
    this.disk.wentBack = null;
    this.stir();
    life.start(wentBack, Math.max(0, ...this.history));
    this.outages?.lifeBegins(life);
  }

  lifeEnded(life: Life, how: string): void {
    this.say(() => `watcher ${life.number} is gone: ${how}`);
    this.pastLives.push(life);
    this.life = null;
    this.disk.crash();
    this.open = this.disk.operations();
    for (const device of this.devices.values()) {
      for (const session of device.sessions) {
        device.sessions.delete(session);
        if (!device.speaks || this.random.chance(0.15)) device.ghostUntilMs = Math.max(device.ghostUntilMs, this.timeline.nowMs + this.random.spread(1_000, this.healing ? 5_000 : 60_000));
      }
    }
    for (const checker of this.checkers.lifeEnds) checker.lifeEnds?.(life);
    this.faults.lifeEnded();
  }

  /** A person at the command line, as soon as the watcher runs. */
  ask(command: Command): void {
    const { life } = this;
    if (life !== null) this.timeline.in(0, life, () => life.ask(command));
  }

  /** The configuration was changed; the watcher reads it when told to. */
  configure(policy: Policy): void {
    this.policy = policy;
    const { life } = this;
    if (life === null) return;
    this.timeline.in(0, life, () => {
      const before = life.policy;
      for (const host of policy.hosts.values()) if (before.hosts.get(host.name)?.hash !== host.hash) this.observed.changed(host.name, host.hash);
      life.reload(policy);
    });
  }

  get attended(): boolean {
    return this.life !== null;
  }

  watchers(): readonly Life[] {
    return this.life === null ? [] : [this.life];
  }

  listeners(host: string): readonly Life[] {
    return this.network.reaches(host) ? this.watchers() : [];
  }

  durable<Kind>(key: string): Kind | undefined {
    return this.disk.records.get(key as RecordKey)?.value as Kind | undefined;
  }

  recorded(): Iterable<readonly [string, AnyRecord]> {
    return [...this.disk.records].map(([key, { value }]) => [key, value] as const);
  }

  alarmNames(): readonly string[] {
    return [...(this.life?.alarms.keys() ?? [])];
  }

  // ---- truth -----------------------------------------------------------------------------------------------------------

  /** A transaction is on the disk. */
  committed(transaction: Transaction): void {
    if (!transaction.writes.some(({ key }) => key.startsWith("op/"))) return;
    const before = this.open;
    this.open = this.disk.operations();
    for (const operation of this.open) {
      const level = `${operation.id}/${operation.level}`;
      const known = before.find((each) => each.id === operation.id);
      // The same number again, after a ledger was lost, is another operation.
      if (known === undefined || !this.#born.has(level)) this.#born.set(level, transaction.life.number);
      if (known?.phase !== operation.phase) this.faults.phaseBegins();
    }
  }

  /** Whether this life decided on the present level of an operation. */
  bornIn(operation: Operation, life: Process): boolean {
    return this.#born.get(`${operation.id}/${operation.level}`) === life.number;
  }

  /** Whether this life began the operation, at whatever level. */
  begunIn(operation: Operation, life: Life): boolean {
    return this.#born.get(`${operation.id}/0`) === life.number;
  }

  /** The furthest phase of the operations under way, for the counts. */
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
      host.energy(this.dark === 0 && levels.every((level) => level.some((outlet) => outlet.closed)));
    }
  }

  /** The UPS is empty. */
  darken(): void {
    this.dark += 1;
    for (const device of this.devices.values()) device.down += 1;
    this.energyChanged();
    if (this.life === null) return;
    this.faults.restartPlanned = true;
    this.life.end("the UPS is empty");
    this.machine = { ...this.machine, bootId: `boot-ups-${this.lives}`, bootedMs: Infinity };
  }

  lighten(): void {
    this.dark -= 1;
    for (const device of this.devices.values()) {
      device.down -= 1;
      device.healed();
    }
    this.energyChanged();
    if (this.life !== null) return;
    this.machine = { ...this.machine, bootId: `boot-back-${this.lives}-${this.order()}`, bootedMs: this.timeline.nowMs };
    this.faults.restartAfter(this.random.whole(3_000, 30_000));
  }

  // ---- the end -----------------------------------------------------------------------------------------------------------

  #quieten(): void {
    this.say(() => "everything is healed");
    this.healing = true;
    this.faults.healAll();
    this.outages?.healAll();
    const bootMs = Math.max(60_000, ...[...this.spec.policy.hosts.values()].map((host) => host.bootMs));
    // An operation may wait its whole validity, walk through two levels with three boots each, and learn longer boots on the way.
    const patienceMs = 20 * 60_000 + 14 * bootMs;
    const giveUpMs = this.timeline.nowMs + patienceMs;
    let quietSinceMs: number | null = null;
    while (this.violation === null && this.timeline.nowMs < giveUpMs) {
      this.#until(this.timeline.nowMs + AUDIT_EVERY_MS);
      if (!this.#quiet()) quietSinceMs = null;
      else quietSinceMs ??= this.timeline.nowMs;
      if (quietSinceMs !== null && this.timeline.nowMs - quietSinceMs >= QUIET_FOR_MS) break;
    }
    if (this.violation !== null) return;
    const quiet = quietSinceMs !== null && this.timeline.nowMs - quietSinceMs >= QUIET_FOR_MS;
    for (const checker of this.checkers.end) checker.end?.(quiet);
  }

  #quiet(): boolean {
    if (this.life === null || this.life.frozenUntilMs > this.timeline.nowMs || this.open.length > 0) return false;
    const run = this.disk.value<RebootRun>("reboots/run");
    if (run !== undefined && run.state === "running" && run.turn !== null) return false;
    for (const host of this.hosts.values()) if (host.powered && host.condition !== "up") return false;
    return true;
  }
}

export function clockText(ms: number): string {
  const whole = Math.floor(ms / 1_000);
  const part = (value: number, digits: number) => String(value).padStart(digits, "0");
  return `${part(Math.floor(whole / 3_600), 2)}:${part(Math.floor(whole / 60) % 60, 2)}:${part(whole % 60, 2)}.${part(Math.round(ms) % 1_000, 3)}`;
}
