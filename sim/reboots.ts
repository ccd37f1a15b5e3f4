// Rolling reboots in the virtual world: people begin, stop and continue runs, some hosts have an agent that carries an order out once
// a name, others a program that knows no names; orders are ignored and lost. What is judged is judged by what hosts did and what
// stood on record, by rules that are written here a second time, and naively.

import type { Command } from "../src/core/io.ts";
import type { RebootsPolicy } from "../src/core/policy.ts";
import { REBOOTS } from "../src/core/policy.ts";
import type { BrakeRecord, HostRecord, Operation, RebootRun, RecordKey } from "../src/core/records.ts";
import { parseWindow } from "../src/core/window.ts";
import type { Remedied } from "../src/watcher/ports.ts";
import type { Host } from "./hosts.ts";
import { Random } from "./random.ts";
import type { Process } from "./scene.ts";

/** Faults of the wall clock. */
export const CLOCK_FAULTS = ["clock-jumps", "clock-unsynced", "wall-clock-jumps"] as const;
export type OrderKind = "reboot" | "drain" | "undrain";
export type Agents = { /** Hosts that have an agent. */ readonly hosts: ReadonlySet<string>; /** Orders that it has carried out. */ readonly done: Set<string> };

/** Reboots of some worlds, from a stream of their own: all the others stay as they were. */
/** `clocks`: wall clocks jump there, and a window is a matter of the wall clock: then there are none, so that nothing may change by it (clocks.ts). */
export function rebootsOfWorld(seed: number, clocks: boolean): RebootsPolicy | null {
  const random = new Random(seed, "reboots");
  if (!random.chance(0.25)) return null;
  const drain = random.chance(0.5);
  const text = random.chance(0.3) ? random.pick(["00:02-00:09", "00:03-00:06;00:10-00:20", "00:05-00:30"]) : null;
  return {
    ...REBOOTS, means: true, needed: random.chance(0.5), self: random.chance(0.2), limitMs: 10_000, settleMs: random.pick([0, 5_000, 20_000]), downWithinMs: random.pick([20_000, 60_000]),
    drainMs: drain ? 10_000 : null, undrainMs: drain && random.chance(0.8) ? 10_000 : null, window: text === null || clocks ? null : { text, hours: parseWindow(text) ?? [] },
  };
}

export function agentsOf(seed: number, names: readonly string[]): Agents {
  const random = new Random(seed, "agents");
  return { hosts: new Set(random.chance(0.5) ? names.filter(() => random.chance(0.7)) : []), done: new Set() };
}

type Asked = { readonly hosts: ReadonlyMap<string, Host>; readonly clocks: boolean; ask(command: Command): void; value(key: RecordKey): unknown };

/** What people do about reboots, now and then. */
export function personReboots({ hosts, clocks, ask, value }: Asked, random: Random): void {
  const run = value("reboots/run") as RebootRun | undefined;
  if (run?.state === "held") return ask(random.chance(0.7) ? { kind: "reboots-continue" } : { kind: "reboots-stop" });
  if (run?.state === "running") return random.chance(0.2) ? ask({ kind: "reboots-stop" }) : undefined;
  const names = [...hosts.keys()];
  const some = names.filter(() => random.chance(0.6));
  const window = random.chance(0.2) ? random.pick(["00:00-00:20", "00:04-00:12", "00:01-23:59"]) : null;
  ask({ kind: "reboots-start", hosts: random.chance(0.5) || some.length === 0 ? null : some, needed: random.chance(0.15), window: clocks ? null : window, self: random.chance(0.2), reason: "new kernel" });
}

/** What comes of an order, after which time. */
export function tryOrder(host: Host | undefined, reached: boolean, agents: Agents, task: { readonly order: OrderKind; readonly id: string; readonly limitMs: number; readonly again: boolean }, random: Random): { readonly afterMs: number; readonly answer: Remedied; readonly act: (() => void) | null } {
  const { order, id, limitMs, again } = task;
  const hears = host !== undefined && reached && host.condition === "up";
  if (order !== "reboot") {
    const done = random.chance(0.92);
    return { afterMs: random.whole(200, 4_000), answer: done ? { outcome: "done", evidence: "exit 0" } : { outcome: random.chance(0.5) ? "failed" : "unknown", evidence: "it did not end well" }, act: null };
  }
  if (!hears) return { afterMs: limitMs, answer: { outcome: again ? "unknown" : "failed", evidence: "no connection" }, act: null };
  if (agents.hosts.has(host.name)) {
    if (agents.done.has(id)) return { afterMs: 100, answer: { outcome: "done", evidence: "done already" }, act: null };
    agents.done.add(id);
  } else if (again) return { afterMs: 100, answer: { outcome: "unknown", evidence: "it may have been told before" }, act: null };
  const stoppingMs = random.whole(500, 6_000);
  const ignored = random.chance(0.06);
  return { afterMs: random.whole(100, 2_000), answer: random.chance(0.85) ? { outcome: "done", evidence: "exit 0" } : { outcome: "unknown", evidence: "the connection broke" }, act: ignored ? null : () => host.restart(stoppingMs) };
}

// ---- what must be so -----------------------------------------------------------------------------------------------------------------

type Told = { readonly host: string; readonly run: number; readonly atMs: number; readonly backMs: number; goneMs: number | null; backAtMs: number | null };
type Known = { value<Kind>(key: RecordKey): Kind | undefined; /** The process that gives the order knows it: that may not be on record yet. */ seenHealthy(host: string): boolean; readonly nowMs: number; readonly wallMs: number };

export function knowsHealthy(life: Process | null, host: string): boolean {
  return (life?.watcher.state.hosts.get(host)?.record.learned.seenHealthyAt ?? null) !== null;
}

/** The rules of one world. Each returns what is wrong, or null. */
export class RebootRules {
  readonly #told = new Map<string, Told>();
  readonly #ids = new Set<string>();
  /** By run and host: the order that was given, and the one by which it has rebooted. */
  readonly #given = new Map<string, string>();
  readonly #obeyed = new Map<string, string>();
  readonly #downWithinMs: number;
  /** By run: how often somebody said that it goes on after a failure. */
  readonly #goesOn = new Map<number, number>();

  constructor(policy: RebootsPolicy | null) {
    this.#downWithinMs = policy?.downWithinMs ?? REBOOTS.downWithinMs;
  }

  /** Another ledger, an older one, or none. */
  forget(): void {
    this.#told.clear();
    this.#ids.clear();
    this.#given.clear();
    this.#obeyed.clear();
    this.#goesOn.clear();
  }

  /** Somebody asks for something. */
  asked(command: Command, known: Known): void {
    const run = known.value<RebootRun>("reboots/run");
    // Whoever takes the brake away has his reasons.
    if (command.kind === "unbrake" && command.brake === "going-down") this.#told.delete(command.scope);
    if (command.kind === "reboots-continue" && run?.state === "held") this.#goesOn.set(run.run, (this.#goesOn.get(run.run) ?? 0) + 1);
  }

  /** An order leaves a watcher for the first time, or again. */
  order(host: string, order: OrderKind, id: string, again: boolean, known: Known, up: (name: string) => boolean): string | null {
    const run = known.value<RebootRun>("reboots/run");
    const turn = run?.turn ?? null;
    if (run === undefined || turn === null || turn.host !== host || turn.order !== id) return `${order} ${id} of ${host} is not on record`;
    if (order !== "reboot") return null;
    if (turn.phase !== "ordered") return `${host} is told to reboot while it is ${turn.phase}`;
    const brake = known.value<BrakeRecord>(`brake/going-down/${host}`);
    if (brake === undefined) return `${host} is told to reboot without the brake`;
    if (!again) {
      if (this.#ids.has(id)) return `order ${id} is given twice`;
      this.#ids.add(id);
      const name = nameIn(id, host);
      if (this.#given.has(name)) return `${host} is told to reboot by order ${id}, and was by ${this.#given.get(name)} of the same run`;
      this.#given.set(name, id);
    }
    if (run.state !== "running") return `${host} is told to reboot by a run that is ${run.state}`;
    if (run.done.filter((done) => done.outcome === "failed").length > (this.#goesOn.get(run.run) ?? 0)) return `${host} is told to reboot after a failure of which nobody has said anything`;
    if (run.window !== null && !run.window.hours.some(({ from, to }) => within(known.wallMs, from, to))) return `${host} is told to reboot outside of ${run.window.text}`;
    if (run.done.some((done) => done.host === host)) return `${host} is told to reboot again by the same run`;
    if (again) return null;
    const record = known.value<HostRecord>(`host/${host}`);
    if (record === undefined || record.hold !== null || record.wanted.state === "off" || (record.learned.seenHealthyAt === null && !known.seenHealthy(host))) return `${host} is told to reboot, and is held, wanted off, or was never seen healthy`;
    for (const kind of ["disarmed", "maintenance", "inhibit", "kdump"]) for (const scope of [host, "*"]) {
      const standing = known.value<BrakeRecord>(`brake/${kind}/${scope}`);
      if (standing !== undefined && standing.endedBy === undefined) return `${host} is told to reboot under ${kind}`;
    }
    if (known.value("storm/fleet") !== undefined) return `${host} is told to reboot in a storm`;
    for (const [name, told] of this.#told) {
      if (name === host || told.run !== run.run || told.backAtMs !== null || up(name)) continue;
      if (told.goneMs !== null && !run.done.some((done) => done.host === name && done.outcome === "failed")) return `${host} is told to reboot while ${name} is away by the same run`;
    }
    this.#told.set(host, { host, run: run.run, atMs: known.nowMs, backMs: turn.backMs, goneMs: null, backAtMs: null });
    return null;
  }

  /** A host reboots by an order: once in a run, whoever was killed meanwhile and by whatever name it was told again. */
  obeys(host: string, id: string): string | null {
    const name = nameIn(id, host);
    const before = this.#obeyed.get(name);
    this.#obeyed.set(name, id);
    return before === undefined ? null : `${host} reboots by order ${id}, and did so by ${before} of the same run`;
  }

  condition(host: Host, nowMs: number): void {
    const told = this.#told.get(host.name);
    if (told === undefined || told.backAtMs !== null) return;
    if (host.condition === "up") {
      if (told.goneMs !== null) told.backAtMs = nowMs;
    } else if (host.condition === "booting") told.goneMs ??= nowMs;
    // Something else has befallen it.
    else if (host.condition !== "stopping") this.#told.delete(host.name);
  }

  /** An off goes to a host by itself. */
  off(operation: Operation, known: Known): string | null {
    const told = this.#told.get(operation.host);
    const turn = known.value<RebootRun>("reboots/run")?.turn ?? null;
    if (told === undefined || operation.origin.kind !== "auto" || told.backAtMs !== null || turn?.host !== operation.host) return null;
    if (told.goneMs === null || (turn.phase !== "ordered" && turn.phase !== "gone")) return null;
    const awayMs = known.nowMs - told.goneMs;
    return awayMs < told.backMs ? `${operation.host} is cut ${Math.round(awayMs)} ms after it went down by our order; it has ${told.backMs} ms` : null;
  }

  /** Everything is healed and quiet. */
  end(known: Known, heldBack: string | null): string | null {
    const run = known.value<RebootRun>("reboots/run");
    if (run === undefined || run.state === "ended") return null;
    if (run.turn !== null) return `rolling reboot ${run.run} still has ${run.turn.host} in its turn (${run.turn.phase})`;
    if (run.state === "held") return null;
    return heldBack === null && run.window === null ? `rolling reboot ${run.run} is running, nothing holds it back, and nothing happens` : null;
  }

  /** Longer than that no host has its turn, whatever becomes of it. */
  longestMs(run: RebootRun): number {
    return run.turn === null ? Infinity : 4 * (this.#downWithinMs + 2 * run.turn.backMs) + 900_000;
  }
}

/** A host in the run that an order is of. */
function nameIn(id: string, host: string): string {
  const [run, , began] = id.split(".");
  return `${run} ${began} ${host}`;
}

/** Minutes of the day of UTC; none of the windows here goes over midnight. */
function within(wallMs: number, from: number, to: number): boolean {
  const minute = Math.floor(wallMs / 60_000) % 1_440;
  return minute >= from && minute < to;
}
