// The roster of agents under everything that goes wrong: people make codes and revoke, agents enrol and renew their keys, somebody has
// copied keys and codes and tries them for ever, and meanwhile watchers are killed, asleep and cut off from the store. The core is the
// real one; the doors are what a watcher's shell is: whoever holds a key is let in by `pinRefused`, and only then is listened to.
//
// Judged by what was answered, and written here a second time, and naively: a key is good when it came by a code that was good, once,
// or was announced by an agent that was let in; it is dead from the moment that a revocation or another key's enrolment is answered
// (a watcher that hears nothing of the store knows no better). With everything healed a code lets an agent in everywhere.

import type { Command } from "../../src/core/io.ts";
import { pinRefused } from "../../src/core/agents.ts";
import { hostPolicy } from "../../src/core/test/hand.ts";
import type { Watcher } from "../../src/core/test/several.ts";
import { Site } from "../../src/core/test/several.ts";
import { Random } from "../random.ts";

export type RosterViolation = { readonly invariant: string; readonly what: string };
export type RosterRun = { readonly seed: number; readonly violation?: RosterViolation; readonly counts: ReadonlyMap<string, number>; readonly journal: readonly string[] };

const HOSTS = ["logos", "ethos"] as const;
const FAULTS_MS = 300_000;
const HEALED_MS = 60_000;
/** What a watcher that hears the store needs at the most to know what was answered elsewhere. */
const NEWS_MS = 1_000;

type Code = { readonly secret: string; readonly host: string; readonly madeMs: number; usedBy: string | null; /** When a revocation was answered that came after it. */ voidMs: number };
/** A key of a host that may be good; `deadMs`: when it was answered that it is not. What was not answered, or not for certain, may be so. */
type Key = { readonly pin: string; readonly host: string; readonly sinceMs: number; deadMs: number };
type Answered = (exit: number, text: string) => void;

class Broken extends Error {
  readonly violation: RosterViolation;
  constructor(violation: RosterViolation) {
    super(violation.what);
    this.violation = violation;
  }
}

export class RosterWorld {
  readonly site: Site;
  readonly counts = new Map<string, number>();
  readonly random: Random;
  readonly #codes: Code[] = [];
  readonly #keys = new Map<string, Key>();
  readonly #asked = new Map<number, Answered>();
  readonly #seen = new Map<Watcher, number>();
  /** Since when a watcher has heard the store without a break. */
  readonly #hearsSinceMs = new Map<Watcher, number>();
  #n = 0;
  #pins = 0;

  constructor(seed: number) {
    this.random = new Random(seed, "roster");
    this.site = Site.running(2, HOSTS.map((name, at) => hostPolicy({ name, probes: [{ id: "ssh", counts: true }], levels: [[{ device: `pdu${at}`, outlet: "1" }]], bootMs: 60_000 })));
    for (const watcher of this.site.watchers) this.#opens(watcher);
    this.site.every(100, () => {
      for (const watcher of this.site.watchers) this.#answers(watcher);
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

  #opens(watcher: Watcher): void {
    watcher.due({ kind: "door", door: { address: null, pins: [watcher.name] } });
    this.#hearsSinceMs.set(watcher, this.site.nowMs);
  }

  // ---- what is asked ------------------------------------------------------------------------------------------------------------

  #ask(watcher: Watcher, command: Command, then: Answered): void {
    // Asked while it sleeps it would do so at a time that nobody here knows.
    if (!watcher.running || this.site.nowMs < watcher.pausedUntilMs) return;
    this.#n += 1;
    this.say(`--- ${watcher.name} is asked for ${JSON.stringify(command)}`);
    this.#asked.set(1e6 + this.#n, then);
    watcher.due({ kind: "command", id: 1e6 + this.#n, by: "anna", command });
  }

  #answers(watcher: Watcher): void {
    for (let at = this.#seen.get(watcher) ?? 0; at < watcher.effects.length; at += 1) {
      const effect = watcher.effects[at];
      const asked = effect?.kind === "reply" ? this.#asked.get(effect.id) : undefined;
      if (effect?.kind !== "reply" || asked === undefined) continue;
      this.#asked.delete(effect.id);
      this.say(`--- ${watcher.name} answers ${effect.exit} ${effect.text}`);
      asked(effect.exit, effect.text);
    }
    this.#seen.set(watcher, watcher.effects.length);
  }

  code(host: string, watcher: Watcher, forMs = this.random.pick([5_000, 60_000, 600_000])): string {
    const secret = `secret-${this.#codes.length}`;
    this.#codes.push({ secret, host, madeMs: this.site.nowMs, usedBy: null, voidMs: Infinity });
    this.#ask(watcher, { kind: "agent-code", host, secret, forMs }, (exit) => this.count(`code: ${exit}`));
    return secret;
  }

  enroll(host: string, watcher: Watcher, secret: string, pin: string): void {
    // Whoever comes with a good code may be let in before his answer is there, and also where it never comes.
    const code = this.#codes.find((each) => each.secret === secret && each.host === host);
    const deadMs = this.#key(host, pin)?.deadMs ?? -Infinity;
    const due = code !== undefined && code.usedBy === null && code.voidMs === Infinity && code.madeMs >= deadMs;
    const askedMs = this.site.nowMs;
    if (due) this.#setKey(host, pin, -Infinity);
    this.#ask(watcher, { kind: "agent-enroll", host, secret, pin }, (exit, text) => {
      this.count(`enrol: ${exit}`);
      if (exit === 4 && due && deadMs > -Infinity && this.#key(host, pin)?.deadMs === -Infinity) this.#setKey(host, pin, deadMs);
      if (exit !== 0 || text.includes("with this key")) return;
      if (code === undefined) throw new Broken({ invariant: "Unknown", what: `${pin} is enrolled for ${host} by a code that nobody has made for it` });
      // Another watcher was first, and that stands: the answer speaks of what was so for a moment.
      if (this.#letsIn(watcher, pin) !== host) {
        this.count("enrol: overtaken");
        return this.#setKey(host, pin, this.site.nowMs);
      }
      if (code.usedBy !== null) throw new Broken({ invariant: "Once", what: `code ${secret} has let ${code.usedBy} in, and lets ${pin} in` });
      if (code.voidMs < Infinity) throw new Broken({ invariant: "Revoked", what: `code ${secret} of before a revocation lets ${pin} in, asked for ${Math.round(askedMs - code.voidMs)} ms after that was answered` });
      code.usedBy = pin;
      this.#dies(host, pin, askedMs);
    });
  }

  renew(host: string, watcher: Watcher, from: string): void {
    if (this.#letsIn(watcher, from) !== host) return;
    const pin = this.#pin(host);
    this.#setKey(host, pin, -Infinity);
    const before = this.#key(host, from)?.deadMs ?? -Infinity;
    this.#ask(watcher, { kind: "agent-renew", host, pin }, (exit) => {
      this.count(`renew: ${exit}`);
      // Whose key died meanwhile has renewed nothing.
      if (exit === 4 || (this.#key(host, from)?.deadMs ?? -Infinity) > before) this.#setKey(host, pin, this.site.nowMs);
    });
  }

  revoke(host: string, watcher: Watcher): void {
    const askedMs = this.site.nowMs;
    this.#ask(watcher, { kind: "agent-revoke", host }, (exit) => {
      this.count(`revoke: ${exit}`);
      if (exit !== 0) return;
      for (const code of this.#codes) if (code.host === host && code.madeMs <= askedMs) code.voidMs = Math.min(code.voidMs, this.site.nowMs);
      this.#dies(host, null, this.site.nowMs);
    });
  }

  /** All keys of a host but one, as they were then. */
  #dies(host: string, but: string | null, asOfMs: number): void {
    for (const key of this.#keys.values()) if (key.host === host && key.pin !== but && key.sinceMs <= asOfMs) key.deadMs = this.site.nowMs;
  }

  #key(host: string, pin: string): Key | undefined {
    return this.#keys.get(`${host} ${pin}`);
  }

  #setKey(host: string, pin: string, deadMs: number): void {
    this.#keys.set(`${host} ${pin}`, { pin, host, sinceMs: this.site.nowMs, deadMs });
  }

  #pin(host: string): string {
    this.#pins += 1;
    return `${host}-${this.#pins}`;
  }

  // ---- what is judged -----------------------------------------------------------------------------------------------------------

  /** Whose agent a key is for this watcher, as its door finds it; null: nobody's. */
  #letsIn(watcher: Watcher, pin: string): string | null {
    for (const record of watcher.state.agents.values()) if (record.pins.some((each) => each.pin === pin) && pinRefused(record, pin, watcher.now()) === null) return record.host;
    return null;
  }

  #hears(watcher: Watcher): boolean {
    const { nowMs } = this.site;
    if (watcher.cutFrom.has("store") || nowMs < watcher.pausedUntilMs || !watcher.running) this.#hearsSinceMs.set(watcher, nowMs);
    return nowMs - (this.#hearsSinceMs.get(watcher) ?? nowMs) > NEWS_MS;
  }

  #judge(): void {
    for (const watcher of this.site.watchers) {
      if (!this.#hears(watcher)) continue;
      for (const record of watcher.state.agents.values()) {
        for (const { pin } of record.pins) {
          if (pinRefused(record, pin, watcher.now()) !== null) continue;
          const { host } = record;
          const key = this.#key(host, pin);
          if (key === undefined) throw new Broken({ invariant: "Unknown", what: `${watcher.name} lets ${pin} in as the agent of ${host}, and it was never enrolled` });
          if (this.site.nowMs - key.deadMs > NEWS_MS && key.deadMs > -Infinity) throw new Broken({ invariant: "Revoked", what: `${watcher.name} lets ${pin} in as the agent of ${host}, ${this.site.nowMs - key.deadMs} ms after that was answered to be over` });
          this.count("let in");
        }
      }
    }
  }

  // ---- what goes wrong ----------------------------------------------------------------------------------------------------------

  strike(): void {
    const { random, site } = this;
    const watcher = random.pick(site.watchers);
    const host = random.pick(HOSTS);
    const pins = [...this.#keys.values()].map(({ pin }) => pin);
    const secrets = this.#codes.map(({ secret }) => secret);
    const last = this.#codes.findLast((each) => each.host === host);
    const known = pins.length > 0 ? random.pick(pins) : this.#pin(host);
    random.weigh<() => void>([
      [4, () => this.code(host, watcher)],
      [6, () => this.enroll(host, random.chance(0.7) ? watcher : random.pick(site.watchers), last?.secret ?? "guess", random.chance(0.7) ? this.#pin(host) : known)],
      [2, () => this.enroll(host, watcher, secrets.length > 0 ? random.pick(secrets) : "guess", random.chance(0.5) ? this.#pin(host) : known)],
      [1, () => this.enroll(host, watcher, "guess", this.#pin(host))],
      [4, () => this.renew(host, watcher, random.pick(pins.filter((pin) => pin.startsWith(host)).slice(-3).concat(known)))],
      [3, () => this.revoke(host, watcher)],
      [1, () => {
        watcher.kill();
        site.in(random.spread(1_000, 15_000), () => this.#begin(watcher));
      }],
      [1, () => {
        // One that sleeps is not woken earlier by another sleep.
        if (site.nowMs >= watcher.pausedUntilMs) watcher.pause(random.spread(500, 20_000));
      }],
      [2, () => {
        if (watcher.cutFrom.has("store")) return;
        site.cut(watcher);
        site.in(random.spread(500, 20_000), () => site.mend(watcher));
      }],
    ])();
  }

  #begin(watcher: Watcher): void {
    if (watcher.running) return;
    watcher.start();
    this.#opens(watcher);
  }

  heal(): void {
    for (const watcher of this.site.watchers) {
      watcher.pausedUntilMs = 0;
      this.#begin(watcher);
      if (watcher.cutFrom.has("store")) this.site.mend(watcher);
    }
  }

  /** A code, and who comes with it is let in everywhere; revoked, nowhere. */
  ends(): void {
    const [one] = this.site.watchers;
    const pin = this.#pin("logos");
    if (one === undefined) return;
    const secret = this.code("logos", one, 60_000);
    this.site.pass(5_000);
    this.enroll("logos", one, secret, pin);
    this.site.pass(5_000);
    const out = this.site.watchers.find((watcher) => this.#letsIn(watcher, pin) !== "logos");
    if (out !== undefined) throw new Broken({ invariant: "Liveness", what: `everything is healed, ${pin} came by a new code, and ${out.name} does not let it in` });
    this.revoke("logos", this.site.watchers.at(-1) as Watcher);
    this.site.pass(5_000);
    const still = this.site.watchers.find((watcher) => this.#letsIn(watcher, pin) !== null);
    if (still !== undefined) throw new Broken({ invariant: "Revoked", what: `everything is healed, ${pin} is revoked, and ${still.name} lets it in` });
  }
}

/** One run of a seed: five minutes of everything, then peace. */
export function runRoster(seed: number): RosterRun {
  const world = new RosterWorld(seed);
  const { site, random } = world;
  const end = (violation?: RosterViolation): RosterRun => ({ seed, ...(violation === undefined ? {} : { violation }), counts: world.counts, journal: site.journal });
  try {
    const untilMs = site.nowMs + FAULTS_MS;
    while (site.nowMs < untilMs) {
      site.pass(random.wait(1_500) + 1);
      world.strike();
    }
    world.heal();
    site.pass(HEALED_MS);
    world.ends();
    return end();
  } catch (error) {
    if (error instanceof Broken) return end(error.violation);
    return end({ invariant: "Assertion", what: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}
