// Several cores in one small world: one store in memory that orders everything, hosts that serve or do not, outlets that switch.
// Each watcher can be killed, paused, and cut off from the store, a host or a device. The simulator does this with the real
// executor and at random (sim/fleet); this is for telling a core exactly what happens to it.

import assert from "node:assert/strict";
import type { Effect, Input, StoredRecord, Told } from "../io.ts";
import type { HostPolicy, Policy } from "../policy.ts";
import type { AnyRecord, Operation, RecordKey } from "../records.ts";
import { LEASED } from "../records.ts";
import type { State } from "../state.ts";
import { emptyState } from "../state.ts";
import { step } from "../step.ts";
import type { Now } from "../time.ts";
import { hostPolicy, policyOf } from "./hand.ts";

type EffectOf<K extends Effect["kind"]> = Extract<Effect, { kind: K }>;
type Entry = { readonly value: AnyRecord; readonly revision: number; readonly session: number | null };

export const TTL_MS = 10_000;
const CALL_MS = 5;

export class Watcher {
  readonly site: Site;
  readonly name: string;
  readonly bootId: string;
  /** Its boot-time clock is that far ahead of the site's. */
  readonly aheadMs: number;
  wallMs = Date.UTC(2026, 0, 1);
  policy: Policy;
  state: State = emptyState();
  life = 0;
  running = false;
  pausedUntilMs = 0;
  session: number | null = null;
  readonly effects: Effect[] = [];
  readonly cutFrom = new Set<string>();
  observed: ReadonlySet<string> | null = null;
  readonly acts = new Map<number, EffectOf<"act">>();
  readonly #wakes = new Map<string, number>();
  #commands = 0;

  constructor(site: Site, name: string, policy: Policy, index: number) {
    this.site = site;
    this.name = name;
    this.policy = { ...policy, watcher: name };
    this.bootId = `boot-${name}`;
    this.aheadMs = 1_000_000 * (index + 1);
  }

  now(): Now {
    return { bootMs: this.site.nowMs + this.aheadMs, wallMs: this.wallMs + this.site.nowMs, bootId: this.bootId, synced: true };
  }

  /** `wentBack`, `knew`: what its memory says of the store that it finds. */
  start(wentBack: string | null = null, knew: string | null = null): void {
    this.life += 1;
    this.running = true;
    this.state = emptyState();
    this.observed = null;
    this.session = null;
    this.acts.clear();
    this.#wakes.clear();
    const records: StoredRecord[] = [...this.site.store].map(([key, { value, revision }]) => ({ key, value, revision }));
    this.input({ kind: "start", records, uptimeMs: 86_400_000, wentBack, seq: 0, ledger: "test", fleet: { folder: `folder-${this.name}`, life: `${this.name}-${this.life}`, version: "0.1.0", knew } });
    const { life } = this;
    this.site.every(1_000, () => {
      if (this.life === life && this.running) this.due({ kind: "clock" });
      return this.life === life && this.running;
    });
    this.#keepAlive(life);
    for (const host of this.policy.hosts.values()) {
      this.site.every(host.everyMs, () => {
        if (this.life !== life || !this.running) return false;
        if (this.observed === null || this.observed.has(host.name)) this.look(host);
        return true;
      });
    }
  }

  kill(): void {
    this.running = false;
    const { session } = this;
    if (session !== null) this.site.in(TTL_MS, () => this.site.expire(session));
  }

  pause(ms: number): void {
    this.pausedUntilMs = this.site.nowMs + ms;
  }

  #keepAlive(life: number): void {
    let lastMs = -Infinity;
    this.site.every(TTL_MS / 3, () => {
      if (this.life !== life || !this.running) return false;
      if (this.site.nowMs < this.pausedUntilMs || this.cutFrom.has("store") || this.site.storeAway) {
        const { session } = this;
        if (session !== null && this.site.nowMs - lastMs >= TTL_MS) {
          this.site.expire(session);
          this.session = null;
        }
        return true;
      }
      if (this.session !== null && !this.site.sessions.has(this.session)) this.session = null;
      this.session ??= this.site.open();
      lastMs = this.site.nowMs;
      this.due({ kind: "session", session: { kind: "held", untilMs: this.now().bootMs + TTL_MS } });
      return true;
    });
  }

  look(host: HostPolicy): void {
    const serves = this.site.serves(host.name) && !this.cutFrom.has(host.name);
    const bootMs = this.now().bootMs;
    this.due({ kind: "round", round: {
      host: host.name, hash: host.hash, startedAtMs: bootMs, endedAtMs: bootMs, references: this.cutFrom.has("references") ? "lost" : "reached",
      results: [{ probe: "ssh", outcome: serves ? "good" : "bad", sign: serves ? "answer" : "silent", evidence: serves ? "SSH-2.0" : "no banner", latencyMs: 1 }],
    } });
  }

  /** Takes it now, or when this watcher runs again. */
  due(input: Input): void {
    if (!this.running) return;
    const { life } = this;
    if (this.site.nowMs < this.pausedUntilMs) {
      this.site.in(this.pausedUntilMs - this.site.nowMs, () => {
        if (this.life === life) this.due(input);
      });
    } else this.input(input);
  }

  input(input: Input): void {
    const { state, effects } = step(this.state, JSON.parse(JSON.stringify(input)) as Input, this.now(), this.policy);
    this.state = state;
    for (const effect of effects) {
      this.effects.push(effect);
      if (effect.kind === "tell") this.site.journal.push(`${(this.site.nowMs / 1_000).toFixed(3)} ${this.name} ${effect.told.kind} ${effect.told.host ?? "-"}: ${effect.told.because}`);
      this.#carryOut(effect);
    }
  }

  #carryOut(effect: Effect): void {
    const { site, life } = this;
    const back = (ms: number, input: Input) => site.in(ms, () => {
      if (this.life === life) this.due(input);
    });
    switch (effect.kind) {
      case "store": {
        const sentMs = this.now().bootMs;
        const { txn } = effect;
        if (this.cutFrom.has("store") || site.storeAway) return back(2_000, { kind: "stored", txn, result: "failed", evidence: "no answer within 2 s" });
        return site.in(CALL_MS, () => {
          const result = site.commit(effect, this.session);
          back(CALL_MS, typeof result === "number" ? { kind: "stored", txn, result: "committed", revision: result, sentMs } : { kind: "stored", txn, result: "conflict", evidence: result });
        });
      }
      case "read":
        return back(50, { kind: "readings", read: effect.read, device: effect.device, startedAtMs: this.now().bootMs, result: this.cutFrom.has(effect.device)
          ? { ok: false, code: "POWER_UNREACHABLE", evidence: "connection refused" }
          : { ok: true, readings: effect.outlets.map((outlet) => ({ outlet, state: site.outlet(`${effect.device}/${outlet}`), label: null })) } });
      case "act":
        this.acts.set(effect.act, effect);
        if (this.cutFrom.has(effect.outlet.device)) return back(100, { kind: "acted", act: effect.act, outcome: { kind: "failed", code: "POWER_UNREACHABLE", evidence: "connection refused" } });
        return back(100, { kind: "ready", act: effect.act, state: site.outlet(`${effect.outlet.device}/${effect.outlet.outlet}`), label: null });
      case "fire": {
        const act = this.acts.get(effect.act) as EffectOf<"act">;
        const nowMs = this.now().bootMs;
        if ((effect.withinMs !== null && nowMs - effect.sinceMs > effect.withinMs) || (effect.beforeMs !== null && nowMs >= effect.beforeMs)) {
          return back(1, { kind: "acted", act: effect.act, outcome: { kind: "stale", evidence: "too late" } });
        }
        site.switch(`${act.outlet.device}/${act.outlet.outlet}`, act.action, this, act.operation);
        return back(100, { kind: "acted", act: effect.act, outcome: { kind: "accepted", evidence: "E000" } });
      }
      case "cancel":
        return back(1, { kind: "acted", act: effect.act, outcome: { kind: "refused", by: "gate", evidence: effect.because } });
      case "touch":
        return back(500, { kind: "touched", touch: effect.touch, answered: site.serves(effect.host) ? "yes" : "no", evidence: "asked" });
      case "observe":
        this.observed = new Set(effect.hosts);
        return;
      case "wake": {
        const known = this.#wakes.get(effect.key);
        if (known !== undefined && known <= effect.atMs) return;
        this.#wakes.set(effect.key, effect.atMs);
        return site.in(Math.max(0, effect.atMs - this.now().bootMs), () => {
          if (this.life !== life || this.#wakes.get(effect.key) !== effect.atMs) return;
          this.#wakes.delete(effect.key);
          this.due({ kind: "tick", key: effect.key });
        });
      }
      default:
    }
  }

  /** Asks as a person would, and waits for the answer. */
  ask(command: Extract<Input, { kind: "command" }>["command"]): EffectOf<"reply"> {
    this.#commands += 1;
    const id = this.#commands + 1_000 * this.life;
    this.input({ kind: "command", id, by: "anna", command });
    const answered = () => this.of("reply").find((reply) => reply.id === id);
    this.site.until(() => answered() !== undefined, 40_000);
    return answered() as EffectOf<"reply">;
  }

  of<K extends Effect["kind"]>(kind: K): readonly EffectOf<K>[] {
    return this.effects.filter((effect): effect is EffectOf<K> => effect.kind === kind);
  }

  told(kind: Told["kind"]): readonly string[] {
    return this.of("tell").filter(({ told }) => told.kind === kind).map(({ told }) => told.because);
  }
}

export class Site {
  nowMs = 0;
  readonly watchers: Watcher[];
  readonly store = new Map<RecordKey, Entry>();
  readonly sessions = new Set<number>();
  readonly edges: { readonly atMs: number; readonly outlet: string; readonly to: "on" | "off"; readonly by: string; readonly operation: number }[] = [];
  readonly journal: string[] = [];
  commits = 0;
  storeAway = false;
  #revision = 0;
  #sessions = 0;
  #order = 0;
  #queue: { atMs: number; order: number; run: () => void }[] = [];
  readonly #dead = new Set<string>();
  readonly #off = new Set<string>();
  readonly #bootsAt = new Map<string, number>();
  readonly #hosts: ReadonlyMap<string, HostPolicy>;

  constructor(count = 3, hosts: readonly HostPolicy[] = [hostPolicy({ name: "logos", probes: [{ id: "ssh", counts: true }], bootMs: 60_000 })], change: Partial<Policy> = {}) {
    const policy = policyOf(hosts, { shared: { ttlMs: TTL_MS, members: 3 }, ...change });
    this.#hosts = policy.hosts;
    this.watchers = Array.from({ length: count }, (_, index) => new Watcher(this, `w${index + 1}`, policy, index));
  }

  /** All watchers have run for a while and everything is guarded. */
  static running(count = 3, hosts?: readonly HostPolicy[], change?: Partial<Policy>): Site {
    const site = new Site(count, hosts, change);
    for (const watcher of site.watchers) watcher.start();
    site.pass(60_000);
    return site;
  }

  get holder(): Watcher {
    const charge = [...this.store].find(([key]) => key.startsWith("charge/"))?.[1].value as { watcher: string } | undefined;
    const found = this.watchers.find((watcher) => watcher.name === charge?.watcher);
    assert.ok(found !== undefined, "somebody is in charge");
    return found;
  }

  in(ms: number, run: () => void): void {
    this.#order += 1;
    this.#queue.push({ atMs: this.nowMs + ms, order: this.#order, run });
  }

  every(ms: number, run: () => boolean): void {
    this.in(ms, () => {
      if (run()) this.every(ms, run);
    });
  }

  pass(ms: number): void {
    this.until(() => false, ms, true);
  }

  until(done: () => boolean, withinMs: number, quietly = false): void {
    const endMs = this.nowMs + withinMs;
    while (!done()) {
      this.#queue.sort((one, other) => one.atMs - other.atMs || one.order - other.order);
      const next = this.#queue[0];
      if (next === undefined || next.atMs > endMs) {
        this.nowMs = endMs;
        assert.ok(quietly, `not within ${withinMs} ms: ${String(done)}\n${this.journal.slice(-40).join("\n")}`);
        return;
      }
      this.#queue.shift();
      this.nowMs = next.atMs;
      next.run();
    }
  }

  // ---- truth -----------------------------------------------------------------------------------------------------------------

  wedge(host: string): void {
    this.#dead.add(host);
  }

  heal(host: string): void {
    this.#dead.delete(host);
  }

  /** A wedged host comes back when its power comes back, 20 s later. */
  serves(host: string): boolean {
    const outlets = this.#hosts.get(host)?.levels.flat().map((outlet) => `${outlet.device}/${outlet.outlet}`) ?? [];
    if (outlets.some((outlet) => this.#off.has(outlet))) return false;
    return !this.#dead.has(host) && this.nowMs >= (this.#bootsAt.get(host) ?? 0);
  }

  outlet(key: string): "on" | "off" {
    return this.#off.has(key) ? "off" : "on";
  }

  switch(key: string, to: "on" | "off", by: Watcher, operation: number): void {
    if (this.outlet(key) === to) return;
    this.edges.push({ atMs: this.nowMs, outlet: key, to, by: by.name, operation });
    this.journal.push(`${(this.nowMs / 1_000).toFixed(3)} === ${key} ${to} by ${by.name}`);
    if (to === "off") this.#off.add(key);
    else this.#off.delete(key);
    if (to === "off") return;
    for (const host of this.#hosts.values()) {
      if (!host.levels.flat().some((outlet) => `${outlet.device}/${outlet.outlet}` === key)) continue;
      this.#dead.delete(host.name);
      this.#bootsAt.set(host.name, this.nowMs + 20_000);
    }
  }

  offs(): readonly string[] {
    return this.edges.filter((edge) => edge.to === "off").map((edge) => edge.outlet);
  }

  ons(): readonly string[] {
    return this.edges.filter((edge) => edge.to === "on").map((edge) => edge.outlet);
  }

  operations(): readonly Operation[] {
    return [...this.store].filter(([key]) => key.startsWith("op/")).map(([, { value }]) => value as Operation);
  }

  // ---- the store ---------------------------------------------------------------------------------------------------------------

  open(): number {
    this.#sessions += 1;
    this.sessions.add(this.#sessions);
    return this.#sessions;
  }

  /** Its time is over; a store that is away notices when it is back. */
  expire(session: number): void {
    if (!this.storeAway) return this.end(session);
    this.in(1_000, () => this.expire(session));
  }

  end(session: number): void {
    this.sessions.delete(session);
    this.#revision += 1;
    const gone = [...this.store].filter(([, entry]) => entry.session === session).map(([key]) => key);
    for (const key of gone) this.store.delete(key);
    if (gone.length > 0) this.#tell(gone.map((key) => ({ key, value: null, revision: this.#revision })));
  }

  commit(effect: EffectOf<"store">, session: number | null): number | string {
    for (const { key, revision } of effect.guards) {
      const found = this.store.get(key)?.revision ?? null;
      if (found !== revision) return `${key} is at ${found}, not at ${revision}`;
    }
    const leased = (key: string) => LEASED.has(key.slice(0, key.indexOf("/")) as never);
    if (effect.writes.some(({ key, value }) => value !== null && leased(key)) && (session === null || !this.sessions.has(session))) return "no session";
    this.#revision += 1;
    this.commits += 1;
    for (const { key, value } of effect.writes) {
      if (value === null) this.store.delete(key);
      else this.store.set(key, { value: JSON.parse(JSON.stringify(value)) as AnyRecord, revision: this.#revision, session: leased(key) ? session : null });
    }
    this.#tell(effect.writes.map(({ key, value }) => ({ key, value, revision: this.#revision })));
    return this.#revision;
  }

  #tell(changes: Extract<Input, { kind: "changes" }>["changes"]): void {
    for (const watcher of this.watchers) {
      const { life } = watcher;
      this.in(CALL_MS, () => {
        if (watcher.life !== life || watcher.cutFrom.has("store")) return;
        watcher.due({ kind: "changes", changes });
      });
    }
  }

  /** A watcher that was cut off from the store hears again: everything anew. */
  mend(watcher: Watcher): void {
    watcher.cutFrom.delete("store");
    watcher.due({ kind: "snapshot", records: [...this.store].map(([key, { value, revision }]) => ({ key, value, revision })) });
  }

  cut(watcher: Watcher): void {
    watcher.cutFrom.add("store");
    watcher.due({ kind: "blind", because: "cut off" });
  }
}
