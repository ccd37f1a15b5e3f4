// Leases under everything that goes wrong: watchers killed, asleep, cut off from the store, started again; agents killed at any
// step, stopped, cut off from any watcher, with answers that come late and twice; hosts whose service cannot be stopped, whose
// disk is full, whose watchdog somebody else has, whose clock is fast. The watchers' core and the agents' are the real ones.
// The link of an agent that is started comes up slowly.
//
// Judged by what runs and what is written down, not by what anybody believes: never on two hosts; never on one whose last renewal is
// older than the bound; a stop is tried as soon as a lease has ended; nothing stopped or reset while it is renewed; an agent that
// stands still is reset; whoever renews stands on record, and so does what he renews; one whose link stands asks at once; and with
// everything healed it runs again.

import type { Site as SiteType, Watcher } from "../../src/core/test/several.ts";
import { Site } from "../../src/core/test/several.ts";
import { hostPolicy } from "../../src/core/test/hand.ts";
import { boundMs } from "../../src/core/leases.ts";
import type { Command } from "../../src/core/io.ts";
import type { ChargeRecord, LeaseRecord, RecordKey } from "../../src/core/records.ts";
import type { FencePolicy, RenewRequest } from "../../src/core/self-fence.ts";
import { Random } from "../random.ts";
import { Machine } from "./machine.ts";

export type LeaseViolation = { readonly invariant: string; readonly what: string };
export type LeaseRun = { readonly seed: number; readonly violation?: LeaseViolation; readonly counts: ReadonlyMap<string, number>; readonly journal: readonly string[] };

const HOSTS = ["logos", "ethos"] as const;
export const SERVICE = "db";
const FAULTS_MS = 900_000;
const HEALED_MS = 420_000;
/** What an agent's configuration says from its next start on, now and then. */
const TTLS_MS = [30_000, 90_000] as const;
/** A tick, and a judge that looks ten times a second. */
const LATE_MS = 2_500;
/** What a process that has just begun takes to look at what it does not know. */
const LOOK_MS = 12_000;
export const TERMS: FencePolicy = { services: [SERVICE], ttlMs: 30_000, stopWithinMs: 20_000, resetWithinMs: 30_000 };

type OnRecord = { readonly lease: LeaseRecord | undefined; /** By host: who is in charge of it. */ readonly charges: ReadonlyMap<string, string | undefined> };

class Broken extends Error {
  readonly violation: LeaseViolation;
  constructor(violation: LeaseViolation) {
    super(violation.what);
    this.violation = violation;
  }
}

export class LeaseWorld {
  readonly site: SiteType;
  readonly machines: readonly Machine[];
  readonly counts = new Map<string, number>();
  readonly random: Random;
  readonly #cut = new Set<string>();
  readonly #answers = new Map<Watcher, number>();
  /** What stood on record when the effects of a watcher were last looked at. */
  readonly #before = new Map<Watcher, OnRecord>();
  /** By number: whose lease it was. */
  readonly #holders = new Map<number, string>();
  healed = false;

  constructor(seed: number) {
    this.random = new Random(seed, "leases");
    const hosts = HOSTS.map((name, at) => hostPolicy({ name, probes: [{ id: "ssh", counts: true }], levels: [[{ device: `pdu${at}`, outlet: "1" }]], bootMs: 60_000 }));
    this.site = Site.running(2, hosts);
    this.machines = HOSTS.map((name) => new Machine(this, name, SERVICE, TERMS, new Random(seed, name)));
    for (const watcher of this.site.watchers) this.site.every(50, () => {
      this.#deliver(watcher);
      return true;
    });
    this.site.every(100, () => {
      this.#judge();
      return true;
    });
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  say(text: string): void {
    this.site.journal.push(`${(this.site.nowMs / 1_000).toFixed(3)} ${text}`);
  }

  // ---- what goes between agents and watchers ----------------------------------------------------------------------------------

  carry(machine: Machine, life: number, request: RenewRequest): void {
    for (const { givenBack } of request.services) {
      if (givenBack > machine.written.givenBack) throw new Broken({ invariant: "Written before", what: `${machine.name} says that lease ${givenBack} is given back, and ${machine.written.givenBack} is written down` });
    }
    for (const watcher of this.site.watchers) {
      const contact = `${machine.name} ${life}`;
      this.site.in(this.#delay(), () => {
        if (!this.#reaches(machine, watcher)) return;
        watcher.due({ kind: "lease-renew", contact, host: machine.name, request });
      });
    }
  }

  #deliver(watcher: Watcher): void {
    for (let at = this.#answers.get(watcher) ?? 0; at < watcher.effects.length; at += 1) {
      const effect = watcher.effects[at];
      if (effect?.kind !== "lease-answer") continue;
      const machine = this.machines.find(({ name }) => name === effect.host);
      if (machine === undefined) continue;
      this.#speaks(watcher, machine, effect.granted);
      const life = Number(effect.contact.split(" ")[1]);
      for (let copies = this.random.chance(0.05) ? 2 : 1; copies > 0; copies -= 1) {
        this.site.in(this.#delay(), () => {
          if (this.#reaches(machine, watcher)) machine.answered(life, effect.n, effect.granted, effect.giveBack);
        });
      }
    }
    this.#answers.set(watcher, watcher.effects.length);
    this.#before.set(watcher, this.#onRecord());
  }

  #delay(): number {
    return this.healed || this.random.chance(0.9) ? this.random.whole(1, 50) : this.random.spread(50, 60_000);
  }

  #reaches(machine: Machine, watcher: Watcher): boolean {
    return machine.up && !this.#cut.has(`${machine.name} ${watcher.name}`);
  }

  // ---- what is judged ---------------------------------------------------------------------------------------------------------

  #onRecord(): OnRecord {
    return { lease: this.lease, charges: new Map(this.machines.map(({ name }, at) => [name, (this.site.store.get(`charge/pdu${at}` as RecordKey)?.value as ChargeRecord | undefined)?.watcher])) };
  }

  /** A watcher answers an agent: as it stands on record that it may, when it does so or since the last look. */
  #speaks(watcher: Watcher, machine: Machine, granted: readonly { readonly epoch: number }[]): void {
    const now = this.#onRecord();
    const moments = [this.#before.get(watcher) ?? now, now];
    if (!moments.some(({ charges }) => charges.get(machine.name) === watcher.name)) throw new Broken({ invariant: "Renewer", what: `${watcher.name} answers ${machine.name}, of which ${now.charges.get(machine.name) ?? "nobody"} is in charge` });
    for (const { epoch } of granted) {
      const stands = moments.some(({ lease }) => lease !== undefined && lease.host === machine.name && lease.epoch === epoch && lease.phase === "granted" && lease.renewer?.startsWith(`${watcher.name}-${watcher.life}:`) === true);
      if (!stands) throw new Broken({ invariant: "Renewer", what: `${watcher.name} renews lease ${epoch} for ${machine.name}; on record it is lease ${now.lease?.epoch ?? "none"} of ${now.lease?.host ?? "nobody"}, ${now.lease?.phase ?? "free"}, renewed by ${now.lease?.renewer ?? "nobody"}` });
    }
  }

  get lease(): LeaseRecord | undefined {
    return this.site.store.get(`lease/${SERVICE}`)?.value as LeaseRecord | undefined;
  }

  started(machine: Machine): void {
    this.count("service: started");
    const other = this.machines.find((each) => each !== machine && each.running);
    if (other !== undefined) throw new Broken({ invariant: "One holder", what: `${SERVICE} runs on ${other.name} and was started on ${machine.name}` });
  }

  ran(machine: Machine, command: string): void {
    this.count(`agent: ${command}`);
    if (command === "start") {
      const epoch = machine.agent?.services[0]?.lease?.epoch ?? 0;
      if (machine.written.epoch < epoch) throw new Broken({ invariant: "Written before", what: `${SERVICE} is started on ${machine.name} under lease ${epoch}, and ${machine.written.epoch} is written down` });
      if (machine.dog === null) throw new Broken({ invariant: "Written before", what: `${SERVICE} is started on ${machine.name}, and its watchdog is not open` });
    }
    if (command !== "stop" || !machine.running) return;
    const sinceMs = this.site.nowMs - machine.heldMs;
    const { agent } = machine;
    // A clock that is fast by half a per cent reaches the end of a lease so much earlier.
    const renewed = sinceMs < machine.heldForMs * 0.98 && machine.backMs < machine.heldMs && agent !== null && !agent.ending && agent.dog.is !== "refused" && agent.services[0]?.lease?.epoch === this.lease?.epoch && (agent.services[0]?.givenBack ?? 0) < (this.lease?.epoch ?? 0);
    if (renewed) throw new Broken({ invariant: "Renewed runs", what: `${SERVICE} is stopped on ${machine.name}, whose lease was renewed ${sinceMs} ms ago` });
  }

  linked(machine: Machine, asked: boolean): void {
    if (!asked && machine.agent?.ending === false) throw new Broken({ invariant: "Asked at once", what: `a link of ${machine.name} stands, and it does not ask for its lease` });
  }

  reset(machine: Machine): void {
    this.count("watchdog: reset");
    const stoodMs = this.site.nowMs - machine.tickedMs;
    const { agent } = machine;
    const why = agent === null || this.site.nowMs - machine.beganMs < 10_000 ? "the agent was dead" : stoodMs >= 10_000 ? "the agent stood still" : agent.lettingGo !== null ? "it was let go" : agent.dog.is === "refused" ? "nobody could take it up" : null;
    this.say(`=== ${machine.name} is reset by its watchdog: ${why ?? "for no reason"}`);
    this.count(`watchdog: ${why}`);
    // What was stopped and could not be seen to be stopped counts as running.
    if (why === null || (why === "it was let go" && agent?.services[0]?.is === "stopped")) throw new Broken({ invariant: "Reset for a reason", what: `${machine.name} was reset: ${why ?? "its agent ran and had not let go"}` });
  }

  #judge(): void {
    const { lease } = this;
    if (lease?.phase === "granted" && lease.host !== null) {
      const holder = this.#holders.get(lease.epoch) ?? lease.host;
      this.#holders.set(lease.epoch, holder);
      if (holder !== lease.host) throw new Broken({ invariant: "Number", what: `lease ${lease.epoch} was ${holder}'s, and is ${lease.host}'s` });
    }
    const running = this.machines.filter((machine) => machine.running);
    if (running.length > 1) throw new Broken({ invariant: "One holder", what: `${SERVICE} runs on ${running.map(({ name }) => name).join(" and ")}` });
    for (const machine of this.machines) {
      this.#ended(machine);
      this.#covered(machine);
      const bound = (boundMs({ ...TERMS, ttlMs: machine.longestMs }) ?? 0) + 500;
      const silentMs = this.site.nowMs - machine.answeredMs;
      if (machine.running && silentMs > bound) throw new Broken({ invariant: "Bounded", what: `${SERVICE} still runs on ${machine.name}, ${silentMs} ms after its last renewal was asked for` });
      if (machine.dog !== null && this.site.nowMs - machine.tickedMs > TERMS.stopWithinMs + 20_000 && machine.up && machine.paused) throw new Broken({ invariant: "A still agent is reset", what: `the agent of ${machine.name} stands still and its host was not reset` });
    }
  }

  /** Under no lease any more a stop is tried at once, by an agent that runs. */
  #ended(machine: Machine): void {
    const { agent, running, paused, heldMs, heldForMs, beganMs, tickedMs, askedBackMs, stoppedMs } = machine;
    if (!running || agent === null || paused) return;
    const ranOutMs = heldMs + heldForMs * 1.01;
    const endMs = askedBackMs > heldMs ? Math.min(askedBackMs, ranOutMs) : ranOutMs;
    const dueMs = Math.max(endMs, beganMs + LOOK_MS) + LATE_MS;
    if (tickedMs > dueMs && stoppedMs < endMs - heldForMs * 0.02) throw new Broken({ invariant: "Ended", what: `the lease of ${machine.name} ended ${Math.round(this.site.nowMs - endMs)} ms ago, its agent runs, and has not tried to stop ${SERVICE}` });
  }

  /** What an agent still holds is no longer than what the record waits for. */
  #covered(machine: Machine): void {
    const { lease } = this;
    const held = machine.agent?.services[0]?.lease ?? null;
    if (held === null || lease === undefined || lease.host !== machine.name || lease.epoch !== held.epoch || lease.terms === null) return;
    const leftMs = held.untilMs - machine.nowMs;
    if (leftMs > lease.terms.ttlMs * 1.01) throw new Broken({ invariant: "Bounded", what: `${machine.name} holds lease ${held.epoch} for another ${leftMs} ms, and the record counts with ${lease.terms.ttlMs} ms` });
  }

  // ---- what goes wrong --------------------------------------------------------------------------------------------------------

  strike(): void {
    const { random, site } = this;
    const machine = random.pick(this.machines);
    const watcher = random.pick(site.watchers);
    const after = (ms: number, then: () => void): void => site.in(ms, then);
    const strikes: readonly (readonly [number, string, () => void])[] = [
      [3, "agent killed", () => {
        machine.kill();
        const ttlMs = random.chance(0.4) ? (TTLS_MS.find((each) => each !== machine.policy.ttlMs) ?? null) : null;
        after(random.spread(500, 60_000), () => {
          if (ttlMs !== null && machine.agent === null) machine.reconfigure(ttlMs);
          machine.begin();
        });
      }],
      [2, "agent stopped", () => machine.pause(random.spread(500, 60_000))],
      [3, "link cut", () => {
        const key = `${machine.name} ${watcher.name}`;
        this.#cut.add(key);
        after(random.spread(5_000, 200_000), () => this.#cut.delete(key));
      }],
      [3, "all links cut", () => {
        for (const each of site.watchers) {
          const key = `${machine.name} ${each.name}`;
          this.#cut.add(key);
          after(random.spread(5_000, 200_000), () => this.#cut.delete(key));
        }
      }],
      [2, "service stuck", () => {
        machine.stuck = true;
        after(random.spread(10_000, 100_000), () => (machine.stuck = false));
      }],
      [1, "service fell", () => (machine.running = false)],
      [1, "disk full", () => {
        machine.diskFull = true;
        after(random.spread(5_000, 60_000), () => (machine.diskFull = false));
      }],
      [1, "dog busy", () => {
        machine.dogBusy = true;
        after(random.spread(5_000, 60_000), () => (machine.dogBusy = false));
      }],
      [2, "watcher killed", () => {
        if (!watcher.running) return;
        watcher.kill();
        after(random.spread(1_000, 60_000), () => {
          if (!watcher.running) watcher.start();
        });
      }],
      [2, "watcher stopped", () => watcher.pause(random.spread(500, 60_000))],
      [2, "watcher cut from the store", () => {
        if (watcher.cutFrom.has("store")) return;
        site.cut(watcher);
        after(random.spread(2_000, 60_000), () => site.mend(watcher));
      }],
      [1, "watcher cut from a device", () => {
        const device = random.pick(["pdu0", "pdu1"]);
        watcher.cutFrom.add(device);
        after(random.spread(20_000, 200_000), () => watcher.cutFrom.delete(device));
      }],
      [4, "moved", () => this.#ask(watcher, { kind: "lease-move", service: SERVICE, host: machine.name, reason: "" })],
      [1, "released", () => this.#ask(watcher, { kind: "lease-release", service: SERVICE, reason: "", confirm: null })],
      [4, "granted", () => {
        for (const each of site.watchers) this.#ask(each, { kind: "lease-grant", service: SERVICE, host: random.pick(HOSTS), reason: "" });
      }],
    ];
    const [, name, strike] = random.weigh(strikes.map((each) => [each[0], each] as const));
    this.count(`fault: ${name}`);
    this.say(`--- ${name} (${machine.name}, ${watcher.name})`);
    strike();
  }

  #asked = 0;
  #ask(watcher: Watcher, command: Command): void {
    this.#asked += 1;
    watcher.due({ kind: "command", id: 1e6 + this.#asked, by: "anna", command });
  }

  heal(): void {
    this.healed = true;
    this.#cut.clear();
    for (const machine of this.machines) {
      Object.assign(machine, { stuck: false, diskFull: false, dogBusy: false });
      machine.pausedUntilMs = 0;
      machine.begin();
    }
    for (const watcher of this.site.watchers) {
      watcher.pausedUntilMs = 0;
      watcher.cutFrom.delete("pdu0");
      watcher.cutFrom.delete("pdu1");
      if (!watcher.running) watcher.start();
      if (watcher.cutFrom.has("store")) this.site.mend(watcher);
    }
  }
}

/** One run of a seed: faults for a quarter of an hour, then peace. */
export function runLeases(seed: number): LeaseRun {
  const world = new LeaseWorld(seed);
  const { site, random } = world;
  const end = (violation?: LeaseViolation): LeaseRun => ({ seed, ...(violation === undefined ? {} : { violation }), counts: world.counts, journal: site.journal });
  try {
    site.watchers[0]?.ask({ kind: "lease-grant", service: SERVICE, host: "logos", reason: "" });
    const untilMs = site.nowMs + FAULTS_MS;
    while (site.nowMs < untilMs) {
      site.pass(random.wait(12_000) + 1);
      world.strike();
    }
    world.heal();
    site.pass(HEALED_MS);
    const { lease } = world;
    if (lease === undefined || lease.phase === "taking-back") throw new Broken({ invariant: "Liveness", what: `everything is healed, and the lease is ${lease?.phase ?? "lost"}` });
    if (lease.phase === "free") site.watchers[0]?.ask({ kind: "lease-grant", service: SERVICE, host: "logos", reason: "" });
    site.pass(90_000);
    const holder = world.lease?.host;
    const [runs] = world.machines.filter(({ running }) => running);
    if (runs?.name !== holder) throw new Broken({ invariant: "Liveness", what: `everything is healed, ${holder} has the lease, and ${runs === undefined ? "nobody runs it" : `it runs on ${runs.name}`}` });
    for (const line of site.journal) {
      if (line.includes("says that it is stopped")) world.count("lease: freed by word");
      if (line.includes("has had")) world.count("lease: freed by time");
      if (line.includes("has fenced itself")) world.count("lease: fenced by itself");
      if (line.includes("petted again")) world.count("watchdog: petted again");
      if (line.includes("no watcher has renewed it")) world.count("agent: lapsed");
      if (line.includes("another watcher was first")) world.count("lease: two were asked");
    }
    return end();
  } catch (error) {
    if (error instanceof Broken) return end(error.violation);
    return end({ invariant: "Assertion", what: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}
