// The port to one thing that an agent does. A part is started with its own options and a world of its own, reports what it
// finds, and stops; it knows no other part and no socket. What decides in it is pure and stands in a file of its own or in
// src/core; what reads clocks, files and devices stands beside that. Nothing in a part may keep the loop from turning: what
// can hang (a disk, a mount, a program) is a thread or a child with a limit.

import type { Guard } from "../child/child.ts";
import type { Announcement, HostFinding, Order, OrderEnd } from "../core/finding.ts";
import type { LeaseAnswer, RenewRequest } from "../core/self-fence.ts";
import type { Now } from "../core/time.ts";

/** A watcher as this agent knows it. */
export type Contact = { readonly watcher: string; readonly connected: boolean; /** Boot-time clock of its last word; null: none since the start. */ readonly heardMs: number | null };

export type PartWorld<Options> = {
  readonly options: Options;
  /** This host's name, as the watchers call it. */
  readonly host: string;
  /** A folder of the part's own that outlives the process, made with 0700. */
  readonly folder: string;
  /** Everything is decided and told, nothing is done. */
  readonly dryRun: boolean;
  readonly guard: Guard;
  now(): Now;
  /** Calls `then` once, at or soon after this moment of the boot-time clock. Returns what cancels it. */
  at(bootMs: number, then: () => void): () => void;
  say(level: "info" | "warning" | "error", text: string): void;
  /** The latest word on a subject; the same one again costs nothing. */
  report(finding: HostFinding): void;
  /** The subject is no more. */
  forget(subject: string): void;
  /** Tells every watcher that can be reached; resolves within `limitMs` with those that have it durably. */
  announce(announcement: Announcement, limitMs: number): Promise<readonly string[]>;
  /** Takes orders of this kind from watchers; the result is sent back, and the same id is never carried out twice. */
  onOrder(order: string, carryOut: (order: Order) => Promise<OrderEnd>): void;
  contacts(): readonly Contact[];
  readonly leases: LeaseSource;
};

/** Leases are asked of every watcher that can be reached; whoever is in charge of this host answers, or nobody. */
export type LeaseSource = {
  ask(request: RenewRequest): void;
  /** `linked` is called each time that one more watcher can be asked. */
  onAnswer(take: (answer: LeaseAnswer) => void, linked: () => void): void;
};

export type Running = {
  /** Ends; leaves what it has set up on the host as it is, because the agent will be back. */
  stop(): Promise<void>;
};

export type Part<Options> = {
  readonly name: string;
  start(world: PartWorld<Options>): Running | Promise<Running>;
  /** Takes back everything that it has set up on this host (`upkeep agent uninstall`), also where it is not configured any more: `world.options` is undefined then. Absent: there is nothing. */
  uninstall?(world: PartWorld<Options>): Promise<void>;
};

/** A part with its types inferred. */
export function definePart<Options>(part: Part<Options>): Part<Options> {
  return part;
}
