// What hosts, power devices and the sessions at them stand in, whether one watcher looks at them (world.ts) or several
// (fleet/world.ts); and a process of a watcher as they see it.

import type { Alarm } from "../src/core/io.ts";
import type { Policy } from "../src/core/policy.ts";
import type { Operation } from "../src/core/records.ts";
import type { Watcher } from "../src/watcher/watcher.ts";
import type { Checker } from "./checker.ts";
import type { Owner, Timeline } from "./clock.ts";
import type { Counts } from "./counts.ts";
import type { Random } from "./random.ts";

/** What is wrong between one watcher and one device: `cut` in both directions, `deaf` on the way there, `mute` on the way back. */
export type Path = { cut: number; deaf: number; mute: number };

/** One life of one watcher. */
export type Process = Owner & {
  readonly number: number;
  readonly startedMs: number;
  readonly uptimeAtStartMs: number;
  /** The latest moment that this process has seen on its clock, in the world's time. */
  readonly sawMs: number;
  readonly pauses: readonly { readonly fromMs: number; readonly toMs: number }[];
  readonly policy: Policy;
  readonly watcher: Watcher;
  readonly alarms: ReadonlyMap<string, Alarm>;
  /** Its own ways to the devices, where it has some. */
  readonly paths?: ReadonlyMap<string, Path>;
  /** A moment at which the world may strike. */
  point(name: string): void;
};

/** The moments at which checkers look that hosts, devices and sessions know of. */
type Moment = "edge" | "energy" | "condition" | "opening" | "readings" | "metered" | "bytes";

export type Scene = {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly counts: Counts;
  readonly checkers: { readonly [Each in Moment]: readonly Pick<Checker, Each>[] };
  say(line: () => string): void;
  fail(invariant: string, what: string): void;
  /** Something may have become due among the promises. */
  stir(): void;
  energyChanged(): void;
  /** The open operation on record that this outlet belongs to. */
  operationAt(key: string): Operation | null;
};
