// The relays behind the console: what is truly on, what the console is told, and what happens between a command and its
// effect. Truth changes here and nowhere else; each change is one `edge` in the log and one call of `onSwitch`, at that
// moment. What is shown may differ from the truth by the device's faults (stale, lying), never the other way round.
//
// Effects have timers of their own and are not put in order: an `off` that takes long really can land after the `on` that
// was sent after it, which is why a watcher has to look again for a while after `on`.

import { concerns, type Faults } from "./apc-faults.ts";
import type { ApcLog, CommandOutcome } from "./apc-log.ts";

export type OutletState = "on" | "off";
export type Action = "on" | "off" | "reboot" | "delayed-on" | "delayed-off" | "delayed-reboot" | "cancel";
/** Called when the relay moves; calls for one outlet never overlap. */
export type OnSwitch = (outlet: number, state: OutletState) => void | Promise<void>;

export type OutletsOptions = {
  readonly count: number;
  readonly names: Readonly<Record<number, string>>;
  readonly initial: Readonly<Record<number, OutletState>>;
  /** How long an immediate reboot keeps the power off. */
  readonly rebootMs: number;
  /** What `delayed` means on this device. */
  readonly delayedMs: number;
};

type Outlet = {
  state: OutletState;
  /** What was acknowledged last, done or not. */
  commanded: OutletState;
  readonly edges: { readonly atMs: number; readonly state: OutletState }[];
  /** Delayed commands, which `cancel` revokes, and effects under way, which nothing does. */
  readonly delayed: Set<NodeJS.Timeout>;
  readonly effects: Set<NodeJS.Timeout>;
  hooks: Promise<void>;
};

export class Outlets {
  readonly count: number;
  onSwitch: OnSwitch | null = null;
  readonly #options: OutletsOptions;
  readonly #faults: Faults;
  readonly #log: ApcLog;
  readonly #outlets: ReadonlyMap<number, Outlet>;
  readonly #quiet = new Set<() => void>();

  constructor(options: OutletsOptions, faults: Faults, log: ApcLog) {
    this.count = options.count;
    this.#options = options;
    this.#faults = faults;
    this.#log = log;
    this.#outlets = new Map(Array.from({ length: options.count }, (_, index) => {
      const state = options.initial[index + 1] ?? "on";
      return [index + 1, { state, commanded: state, edges: [{ atMs: -Infinity, state }], delayed: new Set(), effects: new Set(), hooks: Promise.resolve() }];
    }));
  }

  /** The numbers that the console knows. */
  get numbers(): number[] {
    return [...this.#outlets.keys()].filter((outlet) => !this.#faults.missing.includes(outlet));
  }

  truth(outlet: number): OutletState {
    return this.#of(outlet).state;
  }

  /** What the console says. */
  shown(outlet: number): OutletState {
    const lie = this.#faults.lying[outlet];
    const { commanded, edges, state } = this.#of(outlet);
    if (lie !== undefined) return lie === "commanded" ? commanded : lie;
    if (this.#faults.staleMs === 0) return state;
    const asOfMs = performance.now() - this.#faults.staleMs;
    return edges.findLast((edge) => edge.atMs <= asOfMs)?.state ?? state;
  }

  /** The name that the console shows. */
  label(outlet: number): string {
    return this.#faults.labels[outlet] ?? this.#options.names[outlet] ?? `Outlet ${outlet}`;
  }

  /** True between the acceptance of a command and its effect. */
  pending(outlet: number): boolean {
    const { delayed, effects } = this.#of(outlet);
    return delayed.size + effects.size > 0;
  }

  /** What the device will make of a command; one outlet that refuses, refuses for all. */
  verdict(outlets: readonly number[], action: Action): CommandOutcome {
    if (action === "cancel") return "accepted";
    const { rejects, ignores } = this.#faults;
    if (outlets.some((outlet) => concerns(rejects[outlet], target(action)))) return "rejected";
    return outlets.every((outlet) => concerns(ignores[outlet], target(action))) ? "ignored" : "accepted";
  }

  /** An acknowledged command for one outlet: does it, later, or never. `onEffect` is called when the relay has moved, or stayed. */
  command(outlet: number, action: Action, cause: number, onEffect: () => void): void {
    const of = this.#of(outlet);
    if (action === "cancel") {
      for (const timer of of.delayed) clearTimeout(timer);
      of.delayed.clear();
      return this.#settled();
    }
    of.commanded = action.endsWith("reboot") ? "on" : target(action);
    if (concerns(this.#faults.ignores[outlet], target(action))) return;
    const act = (): void => this.#effect(outlet, action.endsWith("reboot") ? "reboot" : target(action), cause, onEffect);
    if (action.startsWith("delayed")) this.#later(of.delayed, this.#options.delayedMs, act);
    else act();
  }

  /** Somebody else's finger, or another protocol: an edge that no command of the console caused. */
  async byHand(outlet: number, state: OutletState): Promise<void> {
    this.#move(outlet, state, "hand");
    await this.#of(outlet).hooks;
  }

  /** Resolves when nothing is pending and every hook has ended. */
  async idle(): Promise<void> {
    for (;;) {
      await Promise.all([...this.#outlets.values()].map((outlet) => outlet.hooks));
      if (![...this.#outlets.keys()].some((outlet) => this.pending(outlet))) return;
      await new Promise<void>((resolve) => this.#quiet.add(resolve));
    }
  }

  /** Forgets what is pending; relays stay as they are. */
  async stop(): Promise<void> {
    for (const { delayed, effects, hooks } of this.#outlets.values()) {
      for (const timer of [...delayed, ...effects]) clearTimeout(timer);
      delayed.clear();
      effects.clear();
      await hooks;
    }
    this.#settled();
  }

  #effect(outlet: number, what: OutletState | "reboot", cause: number, onEffect: () => void): void {
    const delay = this.#faults.effectDelayMs;
    const state = what === "reboot" ? "off" : what;
    this.#later(this.#of(outlet).effects, typeof delay === "number" ? delay : delay[state], () => {
      // An immediate reboot of an outlet that is off leaves it off (field.md §9; powerman's apc7900.dev says so, too).
      const back = what === "reboot" && this.truth(outlet) === "on";
      this.#move(outlet, state, cause);
      if (back) this.#later(this.#of(outlet).effects, this.#options.rebootMs, () => this.#move(outlet, "on", cause));
      onEffect();
    });
  }

  #move(outlet: number, state: OutletState, cause: number | "hand"): void {
    const of = this.#of(outlet);
    if (of.state === state) {
      this.#log.add({ kind: "no-edge", outlet, state, cause });
      return;
    }
    of.state = state;
    of.edges.push({ atMs: performance.now(), state });
    this.#log.add({ kind: "edge", outlet, state, cause });
    const hook = this.onSwitch;
    if (hook === null) return;
    of.hooks = of.hooks.then(() => hook(outlet, state)).catch((error: unknown) => {
      this.#log.add({ kind: "problem", text: `onSwitch(${outlet}, ${state}): ${String(error)}` });
    });
  }

  /** Now, in the same turn, when there is nothing to wait for: an answer read right after sees the effect. */
  #later(timers: Set<NodeJS.Timeout>, afterMs: number, act: () => void): void {
    if (afterMs === 0) return act();
    const timer = setTimeout(() => {
      timers.delete(timer);
      act();
      this.#settled();
    }, afterMs);
    timers.add(timer);
  }

  #settled(): void {
    for (const tell of this.#quiet) tell();
    this.#quiet.clear();
  }

  #of(outlet: number): Outlet {
    const of = this.#outlets.get(outlet);
    if (of === undefined) throw new RangeError(`no outlet ${outlet}`);
    return of;
  }
}

/** The state that a command brings first. */
function target(action: Exclude<Action, "cancel">): OutletState {
  return action === "on" || action === "delayed-on" ? "on" : "off";
}
