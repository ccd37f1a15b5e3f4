// The one loop (design.md §3): input → step → effects, and the results come back as inputs. Nothing else changes state, and
// nothing here decides anything: which round to make, when to cut, whom to call is all in what the core returned.
//
// The order of effects is the order of the core. A `store` effect is carried out by the store in the order of the calls;
// what depends on it is not emitted before its answer. `fire` looks at the clock once more and writes in the same breath.

import type { Command, Effect, Input, Told } from "../core/io.ts";
import type { Policy } from "../core/policy.ts";
import type { State } from "../core/state.ts";
import { emptyState } from "../core/state.ts";
import { step } from "../core/step.ts";
import type { Now } from "../core/time.ts";
import { UpkeepError } from "../core/errors.ts";
import { unitsOf } from "../core/units.ts";
import type { PowerDevice } from "../power/power.ts";
import type { Act } from "./device-queue.ts";
import { DeviceQueue } from "./device-queue.ts";
import type { Ports } from "./ports.ts";
import { Scheduler } from "./scheduler.ts";

/** `event`: the first line of the journal that the command led to. */
export type Answer = Omit<Extract<Effect, { kind: "reply" }>, "kind"> & { readonly event: number | null };

type Gate = { write: () => void; answer: (go: boolean) => void };
type OpenAct = { act: Act | null; gate: Gate | null; stale: string | null };

const CLOCK_EVERY_MS = 1_000;

export class Watcher {
  readonly #ports: Ports;
  #policy: Policy;
  #state: State = emptyState();
  #queue: Input[] = [];
  #draining = false;
  #dead = false;
  #nextCommand = 1;
  readonly #commands = new Map<number, { readonly answer: (answer: Answer) => void; event: number | null }>();
  readonly #devices = new Map<string, DeviceQueue>();
  readonly #acts = new Map<number, OpenAct>();
  readonly #listeners = new Set<(told: Told) => void>();
  readonly #scheduler: Scheduler;
  #leases: ((answer: Extract<Effect, { kind: "lease-answer" }>) => void) | null = null;

  constructor(ports: Ports, policy: Policy) {
    this.#ports = ports;
    this.#policy = policy;
    this.#scheduler = new Scheduler(ports, (input) => this.post(input));
  }

  get state(): State {
    return this.#state;
  }

  get policy(): Policy {
    return this.#policy;
  }

  start(input: Extract<Input, { kind: "start" }>): void {
    this.post(input);
    this.#scheduler.follow(this.#policy);
    this.#beat();
  }

  /** Takes a new policy; the caller has validated it against what is open (reload.ts). */
  reload(policy: Policy): void {
    this.#policy = policy;
    this.post({ kind: "policy" });
    this.#scheduler.follow(policy);
  }

  /** Who carries what the core says of leases to the agents. */
  answerLeases(carry: (answer: Extract<Effect, { kind: "lease-answer" }>) => void): void {
    this.#leases = carry;
  }

  command(by: string, command: Command): Promise<Answer> {
    const id = this.#nextCommand;
    this.#nextCommand += 1;
    return new Promise((resolve) => {
      this.#commands.set(id, { answer: resolve, event: null });
      this.post({ kind: "command", id, by, command });
    });
  }

  /** Lends a power device for as long as nothing is to be done there; refused while another watcher is in charge of it. */
  lend<Value>(device: string, boundMs: number, use: (device: PowerDevice, signal: AbortSignal) => Promise<Value>): Promise<Value> {
    const { fleet } = this.#state;
    const unit = unitsOf(this.#policy).ofCharge.get(device)?.name;
    if (fleet !== null && (unit === undefined || !fleet.held.has(unit) || fleet.yielding.has(unit))) return Promise.reject(new UpkeepError("POWER_BUSY", `another watcher is in charge of ${device}: ask there`));
    return this.#device(device).lend(boundMs, use);
  }

  /** SIGTERM: `exit` of the ports is called when nothing is past off. */
  stop(): void {
    this.post({ kind: "stop" });
  }

  /** Calls back for every line of the journal from now on. */
  listen(listener: (told: Told) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends all activity at once without finishing anything. */
  async kill(): Promise<void> {
    this.#dead = true;
    this.#scheduler.close();
    await Promise.all([...this.#devices.values()].map((device) => device.close()));
  }

  post(input: Input): void {
    if (this.#dead) return;
    this.#queue.push(input);
    if (this.#draining) return;
    this.#draining = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#take(next);
    } finally {
      this.#draining = false;
    }
  }

  #take(input: Input): void {
    const now = this.#ports.clock.now();
    const { state, effects } = step(this.#state, input, now, this.#policy);
    this.#state = state;
    this.#ports.journal.input(input, now);
    if (input.kind === "command") this.#note(input.id, effects);
    for (const effect of effects) this.#carryOut(effect, now);
  }

  /** The line that says what was asked for, so that its answer can be found again in the journal. */
  #note(id: number, effects: readonly Effect[]): void {
    const asked = this.#commands.get(id);
    const first = effects.find((effect) => effect.kind === "tell");
    if (asked !== undefined && first !== undefined) asked.event = first.told.seq;
  }

  #beat(): void {
    this.#ports.clock.at(this.#ports.clock.now().bootMs + CLOCK_EVERY_MS, () => {
      if (this.#dead) return;
      this.post({ kind: "clock" });
      this.#beat();
    });
  }

  #carryOut(effect: Effect, decidedAt: Now): void {
    const { clock, journal, alerts } = this.#ports;
    switch (effect.kind) {
      case "store":
        return this.#commit(effect, decidedAt.bootMs);
      case "act":
        return this.#act(effect);
      case "fire":
        return this.#fire(effect);
      case "cancel":
        return this.#cancel(effect.act);
      case "read": {
        const { read, device } = effect;
        const boundMs = this.#policy.devices.get(device)?.maxActMs ?? 30_000;
        return this.#device(device).read(effect.outlets, boundMs, (result, startedAtMs) => this.post({ kind: "readings", read, device, startedAtMs, result }));
      }
      case "meter": {
        const { meter, device } = effect;
        const boundMs = this.#policy.devices.get(device)?.maxActMs ?? 30_000;
        return this.#device(device).meter(effect.outlets, boundMs, (result, startedAtMs) => this.post({ kind: "metered", meter, device, startedAtMs, result }));
      }
      case "touch": {
        const { touch } = effect;
        void this.#ports.touch(effect.host).then(
          ({ answered, evidence }) => this.post({ kind: "touched", touch, answered, evidence }),
          (error: unknown) => this.post({ kind: "touched", touch, answered: "unknown", evidence: String(error) }),
        );
        return;
      }
      case "remedy": {
        const { host, remedy } = effect;
        void (this.#ports.remedy?.(host, remedy, effect.limitMs) ?? Promise.resolve({ outcome: "failed" as const, evidence: "it is not configured here" })).then(
          ({ outcome, evidence }) => this.post({ kind: "remedied", host, remedy, outcome, evidence }),
          (error: unknown) => this.post({ kind: "remedied", host, remedy, outcome: "unknown", evidence: String(error) }),
        );
        return;
      }
      case "order": {
        const { host, order, id } = effect;
        void (this.#ports.order?.(host, order, id, effect) ?? Promise.resolve({ outcome: "failed" as const, evidence: "there is nothing here that could do it" })).then(
          ({ outcome, evidence }) => this.post({ kind: "ordered", host, order: id, outcome, evidence }),
          (error: unknown) => this.post({ kind: "ordered", host, order: id, outcome: "unknown", evidence: String(error) }),
        );
        return;
      }
      case "rouse":
        return this.#ports.rouse?.(effect.host);
      case "tell":
        journal.told(effect.told, clock.now());
        for (const listener of this.#listeners) listener(effect.told);
        return;
      case "alarm":
        return alerts.raise(effect.alarm, effect.again, effect.cause);
      case "alarm-over":
        return alerts.over(effect.alarm, effect.because, effect.cause);
      case "wake":
        return this.#scheduler.wake(effect.key, effect.atMs);
      case "pace":
        return this.#scheduler.pace(effect.host, effect.atMs);
      case "incident":
        return journal.incident(effect.record);
      case "reply": {
        const { kind: _, ...answer } = effect;
        const asked = this.#commands.get(effect.id);
        asked?.answer({ ...answer, event: asked.event });
        this.#commands.delete(effect.id);
        return;
      }
      case "lease-answer":
        return this.#leases?.(effect);
      case "observe":
        return this.#scheduler.observe(new Set(effect.hosts), this.#policy);
      case "hang-up":
        return this.#devices.get(effect.device)?.hangUp();
      case "reopen":
        return this.#ports.reopen?.(effect.because);
      case "exit":
        void this.kill().then(() => this.#ports.exit(effect.because));
        return;
    }
  }

  /** A swap is as old as the look at the clock on which it was decided: what lies between that and the disk counts, too. */
  #commit(effect: Extract<Effect, { kind: "store" }>, sentMs: number): void {
    const { txn } = effect;
    void this.#ports.store.commit(effect.guards, effect.writes).then(
      (result) => this.post(result.kind === "committed" ? { kind: "stored", txn, result: "committed", revision: result.revision, sentMs } : { kind: "stored", txn, result: result.kind, evidence: result.evidence }),
      (error: unknown) => this.post({ kind: "stored", txn, result: "failed", evidence: error instanceof Error ? error.message : String(error) }),
    );
  }

  #act(effect: Extract<Effect, { kind: "act" }>): void {
    const { act } = effect;
    const open: OpenAct = { act: null, gate: null, stale: null };
    this.#acts.set(act, open);
    open.act = this.#device(effect.outlet.device).act(
      effect.outlet.outlet,
      effect.action,
      effect.maxActMs,
      (reading, write) =>
        new Promise((answer) => {
          open.gate = { write, answer };
          this.post({ kind: "ready", act, state: reading.state, label: reading.label });
        }),
      (outcome) => {
        this.#acts.delete(act);
        // A gate that nobody will answer any more must not keep the driver's promise.
        open.gate?.answer(false);
        this.post({ kind: "acted", act, outcome: open.stale !== null ? { kind: "stale", evidence: open.stale } : outcome });
      },
    );
  }

  #fire(effect: Extract<Effect, { kind: "fire" }>): void {
    const open = this.#acts.get(effect.act);
    const gate = open?.gate ?? null;
    if (open === undefined || gate === null) return;
    open.gate = null;
    // One look at the clock for both bounds, and nothing between it and the byte.
    open.stale = staleBecause(effect, this.#ports.clock.now().bootMs);
    if (open.stale !== null) return gate.answer(false);
    try {
      gate.write();
    } catch {
      // The connection was gone before the byte: the driver's promise rejects, and the act ends as failed or unknown.
    }
    gate.answer(true);
  }

  #cancel(act: number): void {
    const open = this.#acts.get(act);
    if (open === undefined) return;
    const { gate } = open;
    open.gate = null;
    if (gate !== null) return gate.answer(false);
    open.act?.cancel();
  }

  #device(name: string): DeviceQueue {
    let device = this.#devices.get(name);
    if (device === undefined) {
      device = new DeviceQueue(() => this.#ports.power(name), this.#ports.clock);
      this.#devices.set(name, device);
    }
    return device;
  }
}

/** Why the byte must not be written any more, or null. */
export function staleBecause({ sinceMs, withinMs, beforeMs }: Pick<Extract<Effect, { kind: "fire" }>, "sinceMs" | "withinMs" | "beforeMs">, nowMs: number): string | null {
  if (beforeMs !== null && nowMs >= beforeMs) return `the lease of this watcher had ended ${Math.round(nowMs - beforeMs)} ms before`;
  const ageMs = nowMs - sinceMs;
  return withinMs !== null && ageMs > withinMs ? `${Math.round(ageMs)} ms had passed since the swap, more than ${withinMs} ms` : null;
}
