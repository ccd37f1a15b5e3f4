// What a checker of a world with several watchers may see: the world's truth at the moment that it changes, the records at the
// moment that the store carries a transaction out, and never a core's opinion of either.

import type { Command, Told } from "../../src/core/io.ts";
import type { IncidentRecord } from "../../src/core/records.ts";
import type { Answer } from "../../src/watcher/watcher.ts";
import type { Checker } from "../checker.ts";
import type { OrderKind } from "../reboots.ts";
import type { LoggedChange } from "../store/server.ts";
import type { FleetLife } from "./life.ts";
import type { Look } from "./sight.ts";
import type { Asked, Carried } from "./world.ts";

export type FleetChecker = Pick<Checker, "invariant" | "bytes" | "edge" | "energy" | "condition" | "opening" | "readings" | "metered" | "careful"> & {
  /** The store carries a transaction out; its records are still as they were before. */
  commit?(carried: Carried): void;
  /** The store's records have changed, by a transaction or with a session's end. */
  changed?(changes: readonly LoggedChange[]): void;
  /** A round reaches a watcher. */
  look?(look: Look, life: FleetLife): void;
  /** A watcher is told of its session. */
  session?(life: FleetLife): void;
  told?(told: Told, life: FleetLife): void;
  /** An order is given to a host, the first time or again. */
  order?(host: string, order: OrderKind, id: string, again: boolean, life: FleetLife): void;
  /** A host does as it was ordered, and reboots. */
  obeys?(host: string, id: string, life: FleetLife): void;
  /** A remedy is begun. */
  remedy?(host: string, name: string, life: FleetLife): void;
  incident?(record: IncidentRecord, life: FleetLife): void;
  asked?(asked: Asked): void;
  answered?(asked: Asked, answer: Answer): void;
  exiting?(life: FleetLife, because: string): void;
  lifeBegins?(life: FleetLife): void;
  lifeEnds?(life: FleetLife): void;
  strikes?(fault: string): void;
  /** Every few seconds. */
  audit?(): void;
  /** Everything has been healed, and it is quiet or the patience is over. */
  end?(quiet: boolean): void;
};

type Hook = Exclude<keyof FleetChecker, "invariant">;
export type FleetCheckers = { readonly [Each in Hook]: readonly FleetChecker[] };

const HOOKS: readonly Hook[] = [
  "bytes", "edge", "energy", "condition", "opening", "readings", "metered", "commit", "changed", "look", "session", "told", "order", "obeys", "remedy", "incident", "asked", "answered", "exiting",
  "lifeBegins", "lifeEnds", "strikes", "careful", "audit", "end",
];

/** For each moment, the checkers that take part in it. */
export function byHook(checkers: readonly FleetChecker[]): FleetCheckers {
  return Object.fromEntries(HOOKS.map((hook) => [hook, checkers.filter((checker) => checker[hook] !== undefined)])) as unknown as FleetCheckers;
}

/** The command in a few words. */
export function inWords(command: Command): string {
  return `${command.kind}${"brake" in command ? ` ${command.brake} ${command.scope}` : ""}${"host" in command ? ` ${command.host}` : ""}${"action" in command ? ` ${command.action}` : ""}`;
}
