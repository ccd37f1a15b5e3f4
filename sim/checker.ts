// What a checker of an invariant may see: the world's truth at the moment that it changes, never the core's opinion of it.
// A checker names its invariant of safety.md §5, takes part in what it needs, and calls `world.fail` once it is broken.

import type { Command, Told } from "../src/core/io.ts";
import type { KernelWord } from "../src/core/kernel-words.ts";
import type { Draw, Reading } from "../src/power/power.ts";
import type { Answer } from "../src/watcher/watcher.ts";
import type { CarefulMoment } from "./careful-process.ts";
import type { Device, Edge, Sent } from "./devices.ts";
import type { Records, Transaction } from "./disk.ts";
import type { Host } from "./hosts.ts";
import type { OrderKind } from "./reboots.ts";
import type { Seen } from "./observed.ts";
import type { Process } from "./scene.ts";

export type Checker = {
  readonly invariant: string;
  /** A transaction is asked for; `before` is the disk at that moment. */
  calling?(transaction: Transaction, before: Records): void;
  /** A transaction becomes durable; `before` is the disk without it. */
  commit?(transaction: Transaction, before: Records): void;
  /** An irreversible byte leaves the watcher. */
  bytes?(sent: Sent): void;
  /** A relay moves. */
  edge?(edge: Edge): void;
  energy?(host: Host, powered: boolean): void;
  condition?(host: Host): void;
  /** A round reaches the watcher. */
  round?(seen: Seen): void;
  opening?(device: Device, life: Process): void;
  /** A device's answer reaches the watcher; it was asked for at `askedMs`. */
  readings?(device: Device, readings: readonly Reading[], life: Process, askedMs: number): void;
  /** What a device tells of what it gives reaches the watcher; it was asked for at `askedMs`. */
  metered?(device: Device, draws: readonly Draw[], life: Process, askedMs: number): void;
  touched?(host: string, answered: "yes" | "no" | "unknown", life: Process): void;
  /** A remedy is begun. */
  remedy?(host: string, name: string): void;
  /** An order is given to a host, the first time or again. */
  order?(host: string, order: OrderKind, id: string, again: boolean): void;
  /** A host does as it was ordered, and reboots. */
  obeys?(host: string, id: string): void;
  told?(told: Told, life: Process): void;
  /** A datagram in a host's name is on its way to the watcher. */
  spoofed?(host: string, word: KernelWord): void;
  asked?(command: Command, life: Process): void;
  answered?(command: Command, answer: Answer, askedMs: number, life: Process): void;
  exiting?(life: Process, because: string): void;
  lifeBegins?(life: Process): void;
  lifeEnds?(life: Process): void;
  strikes?(fault: string): void;
  /** The agent of a host that shuts itself down with care sees or does something. */
  careful?(moment: CarefulMoment): void;
  /** Every few seconds. */
  audit?(): void;
  /** Everything has been healed, and it is quiet or the patience is over. */
  end?(quiet: boolean): void;
};

type Hook = Exclude<keyof Checker, "invariant">;
export type Checkers = { readonly [Each in Hook]: readonly Checker[] };

const HOOKS: readonly Hook[] = [
  "calling", "commit", "bytes", "edge", "energy", "condition", "round", "opening", "readings", "metered", "touched", "remedy", "order", "obeys", "told", "spoofed", "asked", "answered", "exiting",
  "lifeBegins", "lifeEnds", "strikes", "careful", "audit", "end",
];

/** For each moment, the checkers that take part in it. */
export function byHook(checkers: readonly Checker[]): Checkers {
  return Object.fromEntries(HOOKS.map((hook) => [hook, checkers.filter((checker) => checker[hook] !== undefined)])) as unknown as Checkers;
}
