// Mains, a UPS and agents in the virtual world (ADR 28). In some worlds the mains fail now and then, for seconds or for longer than
// the UPS lasts; agents on the hosts see that, rightly or not, say so, halt their hosts, or die at any moment of it; the watcher has
// a sense of its own, which may be in doubt. All of it is drawn from streams of its own, so that no other world changes.
//
// The agent here is the least that the announcements ask for. What it decides with, and how well, is not judged here.

import type { CarefulPolicy, HostPolicy } from "../src/core/policy.ts";
import type { HostRecord } from "../src/core/records.ts";
import type { Condition, Host } from "./hosts.ts";
import type { Life } from "./life.ts";
import { Random } from "./random.ts";
import type { World } from "./world.ts";

export type OutageSpec = {
  readonly careful: CarefulPolicy;
  readonly agents: ReadonlySet<string>;
  /** From mains lost to pre-fail and to shutdown; and the longest that a host takes to halt. */
  readonly preFailMs: number;
  readonly shutdownMs: number;
  readonly haltMs: number;
  /** How long the UPS lasts, and how long it takes to be full again. Infinity: it never empties. */
  readonly batteryMs: number;
  readonly rechargeMs: number;
  /** The watcher is told of the charge. */
  readonly charged: boolean;
  /** An hour: the mains fail; an agent is mistaken; the watcher's sense is in doubt, or wrong; an agent dies. */
  readonly failPerHour: number;
  readonly mistakenPerHour: number;
  readonly doubtPerHour: number;
  readonly killPerHour: number;
  /** A person has other plans with a host that is down. */
  readonly personPerHour: number;
};

/** Draws the outages of a world, if it has any, and what its hosts have to do with them. */
export function withOutages(seed: number, policies: readonly HostPolicy[]): { readonly policies: readonly HostPolicy[]; readonly outages: OutageSpec | null } {
  const random = new Random(seed, "outages");
  if (!random.chance(0.4)) return { policies, outages: null };
  const sensed = random.chance(0.8);
  const outages: OutageSpec = {
    careful: { haltBoundMs: random.pick([20_000, 40_000, 90_000]), returnAfterMs: random.pick([10_000, 30_000, 90_000]), returnCharge: random.pick([0, 0.3, 0.5]), staggerMs: random.pick([0, 5_000, 20_000]), sensed },
    agents: new Set(policies.filter(() => random.chance(0.85)).map(({ name }) => name)),
    preFailMs: random.pick([2_000, 10_000]), shutdownMs: random.pick([10_000, 20_000, 60_000]), haltMs: random.pick([5_000, 15_000]),
    batteryMs: random.weigh([[3, Infinity], [3, random.whole(60_000, 240_000)], [1, 20_000]] as const), rechargeMs: random.whole(30_000, 300_000),
    charged: random.chance(0.6),
    failPerHour: random.pick([4, 8, 16]), mistakenPerHour: random.pick([0, 3, 8]), doubtPerHour: random.pick([0, 4, 12]), killPerHour: random.pick([0, 6, 30]), personPerHour: random.pick([0, 0, 20]),
  };
  const names = policies.map(({ name }) => name);
  return {
    outages,
    policies: policies.map((policy, at) => {
      const after = names.slice(0, at).filter(() => random.chance(0.3));
      return { ...policy, ...(after.length === 0 ? {} : { after }), ...(policy.levels.length === 0 && random.chance(0.6) ? { wakes: true as const } : {}) };
    }),
  };
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Conditions in which an agent runs. */
const RUNS: ReadonlySet<Condition> = new Set<Condition>(["up", "stopping", "refused", "names-fail", "flapping", "slow", "banner-silent"]);

type Agent = {
  readonly host: Host;
  /** Durable on the host. */
  phase: "normal" | "pre-fail" | "shutdown";
  event: string;
  /** What the watcher has to hear, and how often that was tried. */
  owes: "pre-fail" | "shutdown" | "normal" | null;
  tries: number;
  lostSinceMs: number | null;
  haltAtMs: number | null;
  /** It does not run until then; its host may. */
  deadUntilMs: number;
  /** It takes a lost power node for lost power. */
  mistakenUntilMs: number;
  /** It stands at its shutdown for ever. */
  stuck: boolean;
  asking: boolean;
};

/** On its way down or down: nobody on it says anything. */
function halting(host: Host): boolean {
  return host.condition === "stopping" || host.condition === "halted";
}

export class Outages {
  readonly #world: World;
  readonly spec: OutageSpec;
  readonly #random: Random;
  readonly #agents = new Map<string, Agent>();
  mains = true;
  /** The UPS has nothing left. */
  dark = false;
  #level = 1;
  #levelAtMs = 0;
  #doubt: "unknown" | "lost" | null = null;
  #events = 0;
  #over = false;
  /** What the watcher was told, for the checkers: when it was last anything but good, and the last word. */
  notGoodMs = 0;
  said: "good" | "lost" | "unknown" | null = null;
  chargeSaid: number | null = null;

  constructor(world: World, spec: OutageSpec) {
    this.#world = world;
    this.spec = spec;
    this.#random = new Random(world.spec.seed, "agents");
    for (const name of spec.agents) {
      const host = world.hosts.get(name) as Host;
      this.#agents.set(name, { host, phase: "normal", event: "", owes: null, tries: 0, lostSinceMs: null, haltAtMs: null, deadUntilMs: 0, mistakenUntilMs: 0, stuck: false, asking: false });
    }
  }

  begin(): void {
    const { timeline } = this.#world;
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
      every(this.spec.personPerHour, () => this.#person());
    });
    for (const agent of this.#agents.values()) this.#ticks(agent);
  }

  // ---- the watcher's sense ----------------------------------------------------------------------------------------------

  lifeBegins(life: Life): void {
    this.notGoodMs = this.#world.timeline.nowMs;
    this.said = null;
    if (!this.spec.careful.sensed) return;
    const say = (): void => {
      if (!life.alive) return;
      this.#say(life);
      this.#world.timeline.in(this.#random.whole(4_000, 12_000), life, say);
    };
    this.#world.timeline.in(this.#random.whole(10, 5_000), life, say);
  }

  #say(life: Life): void {
    const state = this.#doubt ?? (this.mains ? "good" : "lost");
    this.said = state;
    this.chargeSaid = this.spec.charged ? this.level : null;
    if (state !== "good") this.notGoodMs = this.#world.timeline.nowMs;
    this.#world.stir();
    life.watcher.post({ kind: "power-sense", state, because: state === "good" ? "on line" : state === "lost" ? "on battery" : "no answer", charge: this.chargeSaid });
  }

  /** Told at once, as a shell would that hears of it. */
  #changed(): void {
    const { life } = this.#world;
    if (this.spec.careful.sensed && life !== null) this.#world.timeline.in(this.#random.whole(10, 3_000), life, () => life.alive && this.#say(life));
    for (const checker of this.#world.checkers.strikes) checker.strikes?.("outage");
  }

  // ---- mains and UPS ------------------------------------------------------------------------------------------------------

  get level(): number {
    const forMs = this.#world.timeline.nowMs - this.#levelAtMs;
    return Math.max(0, Math.min(1, this.#level + (this.mains ? forMs / this.spec.rechargeMs : -forMs / this.spec.batteryMs)));
  }

  #setMains(on: boolean): void {
    if (this.mains === on) return;
    [this.#level, this.#levelAtMs] = [this.level, this.#world.timeline.nowMs];
    this.mains = on;
    this.#world.say(() => `mains ${on ? "are back" : "fail"}; the UPS is at ${Math.round(this.#level * 100)} %`);
    this.#changed();
    if (on) return this.#light();
    const failedMs = this.#levelAtMs;
    const emptyMs = this.#level * this.spec.batteryMs;
    if (emptyMs !== Infinity) this.#world.timeline.in(emptyMs, null, () => {
      if (!this.mains && this.#levelAtMs === failedMs) this.#darken();
    });
  }

  #fail(): void {
    if (!this.mains) return;
    this.#world.counts.add("outage: mains fail");
    const lasting = (): number => this.#random.weigh([[2, this.#random.spread(500, 10_000)], [4, this.#random.whole(20_000, 120_000)], [2, this.#random.whole(2 * MINUTE_MS, 6 * MINUTE_MS)]] as const);
    this.#setMains(false);
    this.#world.timeline.in(lasting(), null, () => {
      this.#setMains(true);
      if (this.#over || !this.#random.chance(0.3)) return;
      // It flickers.
      this.#world.timeline.in(this.#random.spread(1_000, 60_000), null, () => {
        if (this.#over || !this.mains) return;
        this.#world.counts.add("outage: mains fail again soon");
        this.#setMains(false);
        this.#world.timeline.in(lasting(), null, () => this.#setMains(true));
      });
    });
  }

  /** Everything at the site is off, the watcher as well. */
  #darken(): void {
    const world = this.#world;
    world.counts.add("outage: the UPS is empty");
    this.dark = true;
    world.dark += 1;
    for (const device of world.devices.values()) device.down += 1;
    world.energyChanged();
    if (world.life !== null) {
      world.faults.restartPlanned = true;
      world.life.end("the UPS is empty");
      world.machine = { ...world.machine, bootId: `boot-ups-${world.lives}`, bootedMs: Infinity };
    }
  }

  #light(): void {
    if (!this.dark) return;
    const world = this.#world;
    this.dark = false;
    world.dark -= 1;
    for (const device of world.devices.values()) {
      device.down -= 1;
      device.healed();
    }
    world.energyChanged();
    if (world.life !== null) return;
    world.machine = { ...world.machine, bootId: `boot-back-${world.lives}-${world.order()}`, bootedMs: world.timeline.nowMs };
    world.faults.restartAfter(this.#random.whole(3_000, 30_000));
  }

  #mistake(): void {
    const agents = [...this.#agents.values()];
    if (agents.length === 0) return;
    this.#world.counts.add("outage: a power node dies for another reason");
    const { timeline } = this.#world;
    for (const agent of this.#random.chance(0.3) ? agents : [this.#random.pick(agents)]) agent.mistakenUntilMs = timeline.nowMs + this.#random.whole(5_000, 120_000);
  }

  #doubtIt(): void {
    if (this.#doubt !== null) return;
    this.#doubt = this.#random.chance(0.7) ? "unknown" : "lost";
    this.#world.counts.add(`outage: the watcher's sense says ${this.#doubt} for no reason`);
    this.#changed();
    this.#world.timeline.in(this.#random.spread(2_000, 90_000), null, () => {
      this.#doubt = null;
      this.#changed();
    });
  }

  #kill(): void {
    const agents = [...this.#agents.values()];
    if (agents.length === 0) return;
    const { nowMs } = this.#world.timeline;
    // Where something is under way it is most interesting.
    const busy = agents.filter((agent) => agent.phase !== "normal");
    const agent = this.#random.pick(busy.length > 0 && this.#random.chance(0.8) ? busy : agents);
    this.#world.counts.add(`agent: killed in ${agent.phase}`);
    agent.deadUntilMs = nowMs + (this.#random.chance(0.1) ? 10 * MINUTE_MS : this.#random.whole(500, 15_000));
    agent.asking = false;
    // What it had not told is told again from what is durable; when it was to halt is not.
    if (agent.phase === "shutdown") agent.haltAtMs = null;
  }

  #person(): void {
    const down = [...this.#world.hosts.values()].filter((host) => host.condition === "halted");
    if (down.length === 0 || this.#world.life === null) return;
    const host = this.#random.pick(down).name;
    const command = this.#random.weigh([
      [3, { kind: "power", host, action: "off", reason: "it stays off", again: false, confirm: host }], [1, { kind: "power", host, action: "on", reason: "I need it", again: false, confirm: null }],
      [1, { kind: "careful-return", host }],
    ] as const);
    this.#world.counts.add(`outage: a person says ${command.kind} of a host that is down`);
    this.#world.ask(command);
  }

  // ---- agents -----------------------------------------------------------------------------------------------------------

  #ticks(agent: Agent): void {
    this.#world.timeline.in(this.#random.whole(900, 1_100), null, () => {
      this.#tick(agent);
      this.#ticks(agent);
    });
  }

  #tick(agent: Agent): void {
    const { nowMs } = this.#world.timeline;
    if (!RUNS.has(agent.host.condition) || nowMs < agent.deadUntilMs) {
      agent.lostSinceMs = null;
      if (agent.host.condition === "halted" || agent.host.condition === "off" || agent.host.condition === "booting") agent.haltAtMs = null;
      return;
    }
    if (agent.host.condition === "stopping") return;
    const lost = !this.mains || nowMs < agent.mistakenUntilMs;
    agent.lostSinceMs = lost ? (agent.lostSinceMs ?? nowMs) : null;
    const lostForMs = agent.lostSinceMs === null ? -1 : nowMs - agent.lostSinceMs;
    switch (agent.phase) {
      case "normal":
        if (lostForMs >= this.spec.preFailMs) this.#to(agent, "pre-fail");
        break;
      case "pre-fail":
        if (!lost) this.#to(agent, "normal");
        else if (lostForMs >= this.spec.shutdownMs) this.#to(agent, "shutdown");
        break;
      case "shutdown":
        if (!lost) this.#to(agent, "normal");
        else this.#shutDown(agent, nowMs);
        break;
    }
    if (agent.owes !== null && !agent.asking && RUNS.has(agent.host.condition) && !halting(agent.host)) this.#announce(agent, agent.owes);
  }

  #to(agent: Agent, phase: Agent["phase"]): void {
    if (phase === "pre-fail") agent.event = `${agent.host.name}-${(this.#events += 1)}`;
    if (phase === "shutdown") agent.stuck = this.#random.chance(0.08);
    this.#world.say(() => `agent of ${agent.host.name}: ${phase}, event ${agent.event}`);
    agent.phase = phase;
    agent.owes = phase;
    agent.tries = 0;
    agent.haltAtMs = null;
  }

  #shutDown(agent: Agent, nowMs: number): void {
    // Heard, or nobody to hear it: it does not wait for ever.
    if (agent.owes === "shutdown" && agent.tries < 8) return;
    agent.owes = null;
    if (agent.stuck) return;
    agent.haltAtMs ??= nowMs + this.#random.whole(500, this.spec.haltMs - 3_000);
    if (nowMs < agent.haltAtMs) return;
    this.#world.counts.add("agent: halts its host");
    // A machine that boots again begins anew.
    [agent.phase, agent.haltAtMs, agent.owes, agent.tries] = ["normal", null, "normal", 0];
    agent.host.halt(this.#random.whole(200, 2_000));
  }

  #announce(agent: Agent, phase: "pre-fail" | "shutdown" | "normal"): void {
    const world = this.#world;
    const { life } = world;
    agent.tries += 1;
    if (life === null || life.frozenUntilMs > world.timeline.nowMs || !world.network.reaches(agent.host.name)) return;
    agent.asking = true;
    const { event } = agent;
    world.timeline.in(this.#random.whole(1, 60), life, () => {
      if (!life.alive) return;
      life.announce(`agent of ${agent.host.name}`, { kind: "careful", host: agent.host.name, event, phase, haltWithinMs: this.spec.haltMs, reason: "power lost" }, (answer) => {
        agent.asking = false;
        if (answer.exit === 0 && agent.owes === phase && agent.event === event) agent.owes = null;
      });
    });
    // An answer that does not come is asked for again.
    world.timeline.in(3_000, null, () => (agent.asking = false));
  }

  /** A packet for its network card. */
  rouse(name: string): void {
    this.#world.counts.add("return: woken");
    this.#world.timeline.in(2_000, null, () => this.#world.hosts.get(name)?.press());
  }

  // ---- the end -----------------------------------------------------------------------------------------------------------

  healAll(): void {
    this.#over = true;
    this.#doubt = null;
    this.#setMains(true);
    for (const agent of this.#agents.values()) [agent.mistakenUntilMs, agent.deadUntilMs] = [0, 0];
    this.#changed();
    this.#visit();
  }

  /** Once everything is healed somebody looks after what the watcher cannot: it has called him, or it does not know of it. */
  #visit(): void {
    const world = this.#world;
    world.timeline.in(30_000, null, () => {
      for (const host of world.hosts.values()) {
        if (host.condition !== "halted") continue;
        const record = world.disk.value<HostRecord>(`host/${host.name}`);
        // He may have acknowledged it long ago.
        const called = [`return:${host.name}`, `held:${host.name}`].some((alarm) => world.disk.records.has(`alarm/${alarm}`));
        if ((record?.careful ?? null) === null || called || !world.policy.hosts.has(host.name)) host.press();
        else if (!this.spec.careful.sensed) {
          world.counts.add("return: a person asks for it");
          world.ask({ kind: "careful-return", host: host.name });
        }
      }
      this.#visit();
    });
  }
}
