// Drives the core by hand: a test says what comes in, and when. Stores, devices and signs of life answer by themselves as
// long as they are on `auto`, at the moment they are asked; taken off it, each answer is the test's to give, in any order.

import assert from "node:assert/strict";
import type { ActOutcome, Command, Effect, Input, StoredRecord, ToldKind } from "../io.ts";
import type { HostPolicy, Policy } from "../policy.ts";
import { LIMITS } from "../policy.ts";
import type { AnyRecord, HostRecord, Operation, RecordKey } from "../records.ts";
import type { Outcome, Sign } from "../round.ts";
import type { HostState, State } from "../state.ts";
import { emptyState } from "../state.ts";
import { step } from "../step.ts";
import type { Now } from "../time.ts";

export type Kind = Effect["kind"];
export type EffectOf<K extends Kind> = Extract<Effect, { kind: K }>;
type Auto = "store" | "read" | "act" | "touch";

export function hostPolicy(change: Partial<HostPolicy> & { readonly name: string }): HostPolicy {
  return {
    hash: "h1", address: "10.0.0.11", group: "ungrouped", behind: null, armed: true, everyMs: 5_000, timeoutMs: 1_000, threshold: 5, retryMs: [],
    debounceMs: 40_000, bootMs: 300_000, offForMs: 5_000, healthyForMs: 10_000, offConfirmMs: 30_000, onConfirmMs: 30_000, settleMs: 30_000,
    probes: [{ id: "ping", counts: false }, { id: "ssh", counts: true }], goodNeeded: null, levels: [[{ device: "sucker", outlet: "2" }]],
    budget: { cycles: 3, withinMs: 6 * 3_600_000 }, self: false, storeMembers: 0, ...change,
  };
}

export function policyOf(hosts: readonly HostPolicy[], change: Partial<Policy> = {}): Policy {
  const names = new Set(hosts.flatMap((host) => host.levels.flat().map((outlet) => outlet.device)));
  return {
    site: "test", watcher: "rikis-hopuuj", armed: true, hosts: new Map(hosts.map((host) => [host.name, host])),
    devices: new Map([...names].map((name) => [name, { name, driver: "apc", address: name, maxActMs: 30_000, checkEveryMs: 300_000, exclusiveSession: true }])),
    brakes: { startupMs: 0, maxUnhealthy: 1, coolDownMs: 120_000, concurrent: 1, perHour: null }, observers: 3, lone: "hold", shared: null, limits: LIMITS, ...change,
  };
}

export class Hand {
  state: State = emptyState();
  policy: Policy;
  nowMs = 1_000_000;
  wallMs = Date.UTC(2026, 0, 1);
  bootId = "boot-1";
  synced = true;
  uptimeMs = 86_400_000;
  readonly auto = new Set<Auto>(["store", "read", "act", "touch"]);
  /** Everything that came out, oldest first. */
  readonly effects: Effect[] = [];
  readonly records = new Map<RecordKey, { value: AnyRecord; revision: number }>();
  revision = 0;
  storeFails = false;
  readonly outlets = new Map<string, "on" | "off" | "unknown">();
  readonly labels = new Map<string, string>();
  /** What outlets give, by device and outlet: what is not here is not told. */
  readonly watts = new Map<string, number | null>();
  /** Answers of meters come so much later. */
  meterLateMs = 0;
  readonly unreachable = new Set<string>();
  /** Outlets whose commands are acknowledged and not carried out. */
  readonly deaf = new Set<string>();
  answersWhenOff = false;
  /** The next byte comes too late for its swap, and is not written. */
  stale = false;
  /** What really changed at the outlets, by our commands. */
  readonly edges: { readonly key: string; readonly to: "on" | "off"; readonly operation: number }[] = [];
  readonly #wakes = new Map<string, number>();
  readonly #acts = new Map<number, { device: string; outlet: string; action: "on" | "off"; operation: number }>();
  #queue: Input[] = [];
  #beatMs = 0;
  #busy = false;
  #nextCommand = 1;

  constructor(policy: Policy = policyOf([hostPolicy({ name: "logos" })])) {
    this.policy = policy;
  }

  /** A watcher that has run for a while, every host seen healthy and its power read. */
  static running(policy?: Policy): Hand {
    const hand = new Hand(policy);
    hand.start();
    for (const host of hand.policy.hosts.keys()) hand.round(host, "good");
    hand.advance(5_000);
    return hand;
  }

  now(): Now {
    return { bootMs: this.nowMs, wallMs: this.wallMs, bootId: this.bootId, synced: this.synced };
  }

  start(wentBack: string | null = null): void {
    this.state = emptyState();
    this.#wakes.clear();
    this.#beatMs = this.nowMs + 1_000;
    const records: StoredRecord[] = [...this.records].map(([key, record]) => ({ key, ...record }));
    this.input({ kind: "start", records, uptimeMs: this.uptimeMs, wentBack, seq: 0, ledger: "test" });
  }

  /** This process dies and another takes over, `afterMs` later. */
  restart(afterMs = 1_000): void {
    this.nowMs += afterMs;
    this.wallMs += afterMs;
    this.#queue = [];
    this.#acts.clear();
    this.start();
  }

  /** Returns what this input brought about, with all that answered by itself. */
  input(input: Input): readonly Effect[] {
    const from = this.effects.length;
    this.#queue.push(input);
    if (this.#busy) return [];
    this.#busy = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        const { state, effects } = step(this.state, next, this.now(), this.policy);
        this.state = state;
        for (const effect of effects) {
          this.effects.push(effect);
          this.#answer(effect);
        }
      }
    } finally {
      this.#busy = false;
    }
    return this.effects.slice(from);
  }

  /** Time passes, with the clock's beat every second and every wake in its turn. */
  advance(ms: number): readonly Effect[] {
    const from = this.effects.length;
    const endMs = this.nowMs + ms;
    while (true) {
      const due = [...this.#wakes].sort((a, b) => a[1] - b[1])[0];
      const nextMs = Math.max(this.nowMs, Math.min(this.#beatMs, due?.[1] ?? Infinity));
      if (nextMs > endMs) break;
      this.wallMs += nextMs - this.nowMs;
      this.nowMs = nextMs;
      if (due !== undefined && due[1] <= nextMs) {
        this.#wakes.delete(due[0]);
        this.input({ kind: "tick", key: due[0] });
      } else {
        this.#beatMs = nextMs + 1_000;
        this.input({ kind: "clock" });
      }
    }
    this.wallMs += endMs - this.nowMs;
    this.nowMs = endMs;
    return this.effects.slice(from);
  }

  round(name: string, ssh: Outcome, options: { sign?: Sign; ping?: Outcome; references?: "reached" | "lost"; startedAtMs?: number; endedAtMs?: number } = {}): readonly Effect[] {
    const { hash } = this.policy.hosts.get(name) as HostPolicy;
    const startedAtMs = options.startedAtMs ?? this.nowMs;
    const sign = options.sign ?? (ssh === "good" || ssh === "slow" ? "answer" : "silent");
    const ping = options.ping ?? (sign === "silent" && ssh === "bad" ? "bad" : "good");
    return this.input({ kind: "round", round: {
      host: name, hash, startedAtMs, endedAtMs: options.endedAtMs ?? startedAtMs, references: options.references ?? "reached",
      results: [
        { probe: "ping", outcome: ping, sign: ping === "good" ? "answer" : "silent", evidence: ping === "good" ? "1 ms" : "no answer", latencyMs: 1 },
        { probe: "ssh", outcome: ssh, sign, evidence: ssh === "good" ? "SSH-2.0" : "no banner", latencyMs: 1 },
      ],
    } });
  }

  late(name: string, startedAtMs: number): readonly Effect[] {
    const { hash } = this.policy.hosts.get(name) as HostPolicy;
    return this.input({ kind: "late", host: name, hash, startedAtMs, results: [{ probe: "ssh", outcome: "slow", sign: "answer", evidence: "SSH-2.0 after 2000 ms", latencyMs: 2_000 }] });
  }

  /** So many bad rounds, an interval apart; stops in the instant of the last. */
  bad(name: string, rounds: number, options: { sign?: Sign } = {}): void {
    const { everyMs } = this.policy.hosts.get(name) as HostPolicy;
    for (let made = 0; made < rounds; made += 1) {
      if (made > 0) this.advance(everyMs);
      this.round(name, "bad", { ping: "good", ...options });
    }
  }

  /** Rounds of one kind go on while time passes. */
  keep(name: string, outcome: Outcome, ms: number): void {
    const { everyMs } = this.policy.hosts.get(name) as HostPolicy;
    for (let passed = 0; passed < ms; passed += everyMs) {
      this.advance(everyMs);
      this.round(name, outcome, { ping: "good" });
    }
  }

  command(command: Command): EffectOf<"reply"> | undefined {
    this.#nextCommand += 1;
    const id = this.#nextCommand;
    this.input({ kind: "command", id, by: "anna", command });
    return this.reply(id);
  }

  reply(id = this.#nextCommand): EffectOf<"reply"> | undefined {
    return this.of("reply").find((each) => each.id === id);
  }

  reload(policy: Policy): void {
    this.policy = policy;
    this.input({ kind: "policy" });
  }

  // ---- answers, when they are not automatic -----------------------------------------------------------------------------

  /** Commits a transaction (the oldest that is open, or this one), or says that it failed. */
  store(how: "commit" | "fail" | "conflict" = "commit", txn?: number): readonly Effect[] {
    const effect = this.of("store").find((each) => (txn === undefined ? this.state.pending.has(each.txn) : each.txn === txn));
    assert.ok(effect !== undefined, "a transaction is open");
    return this.#commit(effect, how);
  }

  acted(act: number, outcome: ActOutcome): readonly Effect[] {
    return this.input({ kind: "acted", act, outcome });
  }

  /** The last effect of a kind; fails the test when there is none. */
  last<K extends Kind>(kind: K): EffectOf<K> {
    const effect = this.of(kind).at(-1);
    assert.ok(effect !== undefined, `an effect ${kind}`);
    return effect;
  }

  of<K extends Kind>(kind: K): readonly EffectOf<K>[] {
    return this.effects.filter((effect): effect is EffectOf<K> => effect.kind === kind);
  }

  /** Lines of the journal of these kinds. */
  told(...kinds: readonly ToldKind[]): readonly string[] {
    return this.of("tell").filter(({ told }) => kinds.length === 0 || kinds.includes(told.kind)).map(({ told }) => told.because);
  }

  /** Bytes that went out, as `off sucker/2`. */
  bytes(): readonly string[] {
    return this.of("fire").map((fire) => {
      const act = this.of("act").find((each) => each.act === fire.act) as EffectOf<"act">;
      return `${act.action} ${act.outlet.device}/${act.outlet.outlet}`;
    });
  }

  host(name = "logos"): HostState {
    return this.state.hosts.get(name) as HostState;
  }

  record(name = "logos"): HostRecord {
    return this.host(name).record;
  }

  /** The operation of a host as the core has it, and as the store has it. */
  operation(name = "logos"): Operation | undefined {
    return [...this.state.operations.values()].find((each) => each.host === name);
  }

  recorded(name = "logos"): Operation | undefined {
    for (const [key, { value }] of this.records) if (key.startsWith("op/") && (value as Operation).host === name) return value as Operation;
    return undefined;
  }

  #commit(effect: EffectOf<"store">, how: "commit" | "fail" | "conflict"): readonly Effect[] {
    if (how !== "commit") return this.input({ kind: "stored", txn: effect.txn, result: how === "fail" ? "failed" : "conflict", evidence: how === "fail" ? "disk full" : "revision" });
    const holds = effect.guards.every((guard) => (this.records.get(guard.key)?.revision ?? null) === guard.revision);
    if (!holds) return this.input({ kind: "stored", txn: effect.txn, result: "conflict", evidence: "revision" });
    this.revision += 1;
    for (const { key, value } of effect.writes) {
      if (value === null) this.records.delete(key);
      else this.records.set(key, { value, revision: this.revision });
    }
    return this.input({ kind: "stored", txn: effect.txn, result: "committed", revision: this.revision, sentMs: this.nowMs });
  }

  #answer(effect: Effect): void {
    switch (effect.kind) {
      case "store":
        if (this.auto.has("store")) this.#commit(effect, this.storeFails ? "fail" : "commit");
        return;
      case "read":
        if (this.auto.has("read")) this.readings(effect);
        return;
      case "meter": {
        const result = this.unreachable.has(effect.device)
          ? { ok: false as const, code: "POWER_UNREACHABLE", evidence: "connection refused" }
          : { ok: true as const, draws: effect.outlets.map((outlet) => ({ outlet, watts: this.watts.get(`${effect.device}/${outlet}`) ?? null })) };
        this.input({ kind: "metered", meter: effect.meter, device: effect.device, startedAtMs: this.nowMs - this.meterLateMs, result });
        return;
      }
      case "act":
        this.#acts.set(effect.act, { ...effect.outlet, action: effect.action, operation: effect.operation });
        if (!this.auto.has("act")) return;
        if (this.unreachable.has(effect.outlet.device)) this.acted(effect.act, { kind: "failed", code: "POWER_UNREACHABLE", evidence: "connection refused" });
        else this.ready(effect);
        return;
      case "fire": {
        const act = this.#acts.get(effect.act);
        if (act === undefined) return;
        const key = `${act.device}/${act.outlet}`;
        if (this.stale && effect.withinMs !== null) {
          this.stale = false;
          this.acted(effect.act, { kind: "stale", evidence: "800 ms had passed since the swap" });
          return;
        }
        if (!this.deaf.has(key)) {
          if ((this.outlets.get(key) ?? "on") !== act.action) this.edges.push({ key, to: act.action, operation: act.operation });
          this.outlets.set(key, act.action);
        }
        if (this.auto.has("act")) this.acted(effect.act, { kind: "accepted", evidence: "E000: Success" });
        return;
      }
      case "cancel":
        if (this.auto.has("act")) this.acted(effect.act, { kind: "refused", by: "gate", evidence: effect.because });
        return;
      case "touch":
        if (this.auto.has("touch")) this.input({ kind: "touched", touch: effect.touch, answered: this.answersWhenOff ? "yes" : "no", evidence: this.answersWhenOff ? "echo reply" : "nothing" });
        return;
      case "wake": {
        const known = this.#wakes.get(effect.key);
        if (known === undefined || known > effect.atMs) this.#wakes.set(effect.key, effect.atMs);
        return;
      }
      default:
    }
  }

  ready(act: EffectOf<"act">, state = this.outlets.get(`${act.outlet.device}/${act.outlet.outlet}`) ?? "on"): readonly Effect[] {
    return this.input({ kind: "ready", act: act.act, state, label: this.labels.get(`${act.outlet.device}/${act.outlet.outlet}`) ?? null });
  }

  readings(read: EffectOf<"read">): readonly Effect[] {
    const result = this.unreachable.has(read.device)
      ? { ok: false as const, code: "POWER_UNREACHABLE", evidence: "connection refused" }
      : { ok: true as const, readings: read.outlets.map((outlet) => ({ outlet, state: this.outlets.get(`${read.device}/${outlet}`) ?? ("on" as const), label: this.labels.get(`${read.device}/${outlet}`) ?? null })) };
    return this.input({ kind: "readings", read: read.read, device: read.device, startedAtMs: this.nowMs, result });
  }
}
