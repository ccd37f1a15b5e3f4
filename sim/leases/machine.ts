// A host with an agent that holds leases: services that start and stop slowly, hang, or cannot be stopped; a watchdog that counts
// whether anybody watches or not; a process that is killed, stopped and started again; a clock of its own speed. The agent is
// the core's own (src/core/self-fence.ts); what carries its effects out is as bad as a machine can be.

import type { FenceEffect, FenceInput, FencePolicy, FenceState, Kept, RenewRequest, ServiceIs } from "../../src/core/self-fence.ts";
import { beginFencing, fenceStep, leased } from "../../src/core/self-fence.ts";
import type { Random } from "../random.ts";
import type { LeaseWorld } from "./world.ts";

const TICK_MS = 1_000;
const BOOT_MS = 25_000;
const DOG_MS = 15_000;

export type Child = { readonly act: number; readonly command: "start" | "stop" | "status"; alive: boolean };

export class Machine {
  readonly world: LeaseWorld;
  readonly name: string;
  readonly policy: FencePolicy;
  readonly service: string;
  readonly random: Random;
  readonly #speed: number;
  #bootedMs: number;
  up = true;
  /** Truth. */
  running = false;
  /** It cannot be stopped. */
  stuck = false;
  /** What a start that was handed to the service manager still brings. */
  #queued = 0;
  dog: { readonly openedMs: number; pettedMs: number } | null = null;
  dogBusy = false;
  diskFull = false;
  #kept: readonly Kept[] = [];
  agent: FenceState | null = null;
  life = 0;
  pausedUntilMs = 0;
  #child: Child | null = null;
  /** By the world's clock: when the last request was sent that was granted. */
  answeredMs = -Infinity;
  /** The same as far as this process knows of it, and as it is written down. */
  heldMs = -Infinity;
  #keptMs = -Infinity;
  beganMs = 0;
  /** Its process reaches nobody before that. */
  #linkedMs = 0;
  /** Somebody wants it back. */
  backMs = -Infinity;
  tickedMs = 0;
  readonly #sent = new Map<number, number>();

  constructor(world: LeaseWorld, name: string, service: string, policy: FencePolicy, random: Random) {
    this.world = world;
    this.name = name;
    this.service = service;
    this.policy = policy;
    this.random = random;
    this.#speed = 1 + (random.unit() - 0.5) / 100;
    this.#bootedMs = world.site.nowMs - random.whole(1_000, 1e9);
    this.begin();
    world.site.every(250, () => {
      this.#watch();
      return true;
    });
  }

  /** Its boot-time clock. */
  get nowMs(): number {
    return Math.floor((this.world.site.nowMs - this.#bootedMs) * this.#speed);
  }

  get paused(): boolean {
    return this.world.site.nowMs < this.pausedUntilMs;
  }

  begin(): void {
    if (!this.up || this.agent !== null) return;
    this.life += 1;
    this.agent = beginFencing(this.policy, this.#kept, this.nowMs);
    this.tickedMs = this.beganMs = this.world.site.nowMs;
    this.heldMs = this.#keptMs;
    const { life } = this;
    const linkAfterMs = this.world.healed ? this.random.whole(50, 500) : this.random.spread(50, 30_000);
    this.#linkedMs = this.world.site.nowMs + linkAfterMs;
    this.world.site.in(linkAfterMs, () => this.#run(life, () => {
      const asked = this.agent?.nextN;
      this.#linkedMs = this.world.site.nowMs;
      this.#step({ kind: "linked" });
      this.world.linked(this, asked !== this.agent?.nextN);
    }));
    const tick = (): void => this.#run(life, () => {
      this.tickedMs = this.world.site.nowMs;
      this.#step({ kind: "tick" });
      this.world.site.in(TICK_MS, tick);
    });
    tick();
  }

  /** Its word is taken when the process runs, as long as it is this one. */
  #run(life: number, then: () => void): void {
    const { site } = this.world;
    if (this.life !== life || this.agent === null) return;
    if (this.paused) return site.in(this.pausedUntilMs - site.nowMs, () => this.#run(life, then));
    then();
  }

  #step(input: FenceInput): void {
    const queue: FenceInput[] = [input];
    for (let next = queue.shift(); next !== undefined && this.agent !== null; next = queue.shift()) {
      const { state, effects } = fenceStep(this.agent, next, this.nowMs, this.policy);
      this.agent = state;
      for (const effect of effects) this.#carryOut(effect, queue);
    }
  }

  #carryOut(effect: FenceEffect, queue: FenceInput[]): void {
    const { world, random } = this;
    switch (effect.kind) {
      case "keep":
        if (this.diskFull) return;
        this.#kept = effect.kept;
        this.#keptMs = this.heldMs;
        queue.push({ kind: "kept", kept: effect.kept });
        return;
      case "open-dog":
        if (this.dogBusy) return void queue.push({ kind: "dog", refused: "busy" });
        this.dog = { openedMs: this.dog?.openedMs ?? world.site.nowMs, pettedMs: world.site.nowMs };
        return void queue.push({ kind: "dog", refused: null });
      case "close-dog":
        this.dog = null;
        return;
      case "pet": {
        // Between the decision and the petting the process may be stopped.
        const { life } = this;
        if (!world.healed && random.chance(0.003)) this.pause(random.whole(100, 20_000));
        return this.#run(life, () => {
          if (this.dog !== null) this.dog.pettedMs = world.site.nowMs;
        });
      }
      case "renew":
        this.#sent.set(effect.request.n, world.site.nowMs);
        return world.site.nowMs < this.#linkedMs ? world.count("agent: asked before there was a link") : world.carry(this, this.life, effect.request);
      case "run":
        return this.#child_(effect);
      case "say":
        world.say(`${this.name}: ${effect.because}`);
        return;
    }
  }

  #child_({ act, command }: Extract<FenceEffect, { kind: "run" }>): void {
    const { world, random, life } = this;
    if (this.#child !== null) this.#child.alive = false;
    const child: Child = { act, command, alive: true };
    this.#child = child;
    world.ran(this, command);
    const ends = (ms: number, done: () => void, input: () => FenceInput): void => world.site.in(ms, () => {
      if (!child.alive || !this.up) return;
      done();
      child.alive = false;
      this.#run(life, () => this.#step(input()));
    });
    if (command === "status") {
      if (random.chance(0.02)) return ends(10_000, () => {}, () => ({ kind: "acted", act, ok: false, is: "unknown", evidence: "no end" }));
      // What it saw may be old when it says so.
      let is: ServiceIs = "unknown";
      world.site.in(10, () => (is = this.running ? "running" : "stopped"));
      return ends(random.whole(20, 300), () => {}, () => ({ kind: "acted", act, ok: true, is, evidence: is }));
    }
    if (command === "stop") {
      this.#queued += 1;
      const works = !this.stuck && random.chance(0.97);
      const hangs = this.stuck && random.chance(0.5);
      return ends(hangs ? this.policy.stopWithinMs : random.whole(50, 6_000), () => {
        if (works && !this.stuck) this.running = false;
      }, () => ({ kind: "acted", act, ok: works && !this.running, evidence: works ? "exit 0" : "exit 1" }));
    }
    // The service manager has it: it begins whether the one who asked lives on or not, unless a stop comes first.
    this.#queued += 1;
    const job = this.#queued;
    const { name } = this;
    world.site.in(random.whole(10, 4_000), () => {
      if (!this.up || this.#queued !== job || this.name !== name || random.chance(0.1)) return;
      this.running = true;
      world.started(this);
    });
    ends(random.whole(10, 5_000), () => {}, () => ({ kind: "acted", act, ok: true, evidence: "exit 0" }));
  }

  /** An answer of a watcher, at the process that asked. */
  answered(life: number, n: number, granted: readonly { readonly service: string; readonly epoch: number }[], giveBack: readonly { readonly service: string; readonly epoch: number }[]): void {
    this.#run(life, () => {
      const sentMs = this.#sent.get(n) ?? -Infinity;
      if (granted.length > 0 && sentMs > this.answeredMs) this.answeredMs = sentMs;
      if (granted.length > 0 && sentMs > this.heldMs) this.heldMs = sentMs;
      if (giveBack.length > 0) this.backMs = this.world.site.nowMs;
      this.#step({ kind: "answer", n, granted, giveBack });
    });
  }

  pause(ms: number): void {
    this.pausedUntilMs = Math.max(this.pausedUntilMs, this.world.site.nowMs + ms);
  }

  kill(): void {
    this.agent = null;
    this.life += 1;
    this.pausedUntilMs = 0;
    if (this.#child !== null) this.#child.alive = false;
    this.#child = null;
  }

  end(): void {
    const { life } = this;
    this.#run(life, () => this.#step({ kind: "end" }));
  }

  /** Whether it has a lease by its own reckoning. */
  get holds(): boolean {
    const [service] = this.agent?.services ?? [];
    return this.agent !== null && service !== undefined && leased(service, this.agent, this.nowMs);
  }

  #watch(): void {
    if (this.dog === null || this.world.site.nowMs - this.dog.pettedMs < DOG_MS) return;
    this.world.reset(this);
    this.reset();
  }

  reset(): void {
    this.kill();
    this.up = false;
    this.running = false;
    this.#queued += 1;
    this.stuck = false;
    this.dog = null;
    this.#keptMs = -Infinity;
    // Of another boot: worth nothing.
    this.#kept = [];
    this.world.site.in(BOOT_MS, () => {
      this.up = true;
      this.#bootedMs = this.world.site.nowMs - 5_000;
      this.begin();
    });
  }
}

export type { RenewRequest };
