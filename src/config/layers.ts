// Which value of a setting holds for a host: its own, that of its groups, that of `defaults`, the built-in one, in this
// order. Every value keeps its origin and its place, for `check --effective` and for problems that lie between two values.

import type { At } from "./expect.ts";
import { told } from "./gather.ts";
import type { Place, ProblemList } from "./problems.ts";
import { BUILT_IN, builtInMs } from "./sections/tunables.ts";
import type { Rounds, Tunables } from "./sections/tunables.ts";
import type { RemedyInput } from "./sections/remedies.ts";
import { defaultProbe } from "./sections/probes.ts";

/** Somewhere that settings of a host stand. */
export type Layer = { readonly broken: ReadonlySet<string>; readonly origin: string; readonly values: Partial<Tunables>; readonly at: At; readonly directory: string };

/** A value that was chosen; `rank` 0 is the host, larger is more general. */
export type Chosen<T> = {
  readonly value: T;
  readonly origin: string;
  readonly rank: number;
  /** Where it stands, or where something inside it does; null is built in. */
  readonly place: ((...inside: readonly (string | number)[]) => Place) | null;
  readonly directory: string;
  /** False when a more special or equal value could not be read, so that this one may not be what was meant. */
  readonly certain: boolean;
};

type Key = keyof Tunables;

const DEFAULTS = {
  every: builtInMs(BUILT_IN.every), timeout: builtInMs(BUILT_IN.timeout), threshold: BUILT_IN.threshold as number, debounce: builtInMs(BUILT_IN.debounce),
  boot: builtInMs(BUILT_IN.boot), offFor: builtInMs(BUILT_IN.offFor), healthyFor: builtInMs(BUILT_IN.healthyFor), offConfirm: builtInMs(BUILT_IN.offConfirm),
  onConfirm: builtInMs(BUILT_IN.onConfirm), settle: builtInMs(BUILT_IN.settle), probes: [defaultProbe("ping"), defaultProbe("ssh")] as readonly ReturnType<typeof defaultProbe>[], retry: [] as readonly number[], remedies: [] as readonly RemedyInput[],
  armed: true as boolean, rounds: null as { readonly good: Rounds } | null, behind: null as string | null,
};

/** The built-in pace, time-out, and the other durations in milliseconds. */
export const BUILT_IN_MS = DEFAULTS;

export type Simple = keyof typeof DEFAULTS;

/** The layers of one host, most special first. Groups are one rank together: their conflicts are errors. */
export class Layers {
  readonly #layers: readonly { readonly layer: Layer; readonly rank: number }[];

  constructor(host: Layer, groups: readonly Layer[], defaults: Layer) {
    this.#layers = [{ layer: host, rank: 0 }, ...groups.map((layer) => ({ layer, rank: 1 })), { layer: defaults, rank: 2 }];
  }

  choose<K extends Simple>(key: K): Chosen<(typeof DEFAULTS)[K]> {
    let certain = true;
    for (const { layer, rank } of this.#layers) {
      if (layer.broken.has(key)) certain = false;
      const value = layer.values[key];
      if (value !== undefined) return { certain, value: value as (typeof DEFAULTS)[K], origin: layer.origin, rank, place: (...inside) => layer.at.place([key, ...inside]), directory: layer.directory };
    }
    return { certain, value: DEFAULTS[key], origin: "built in", rank: 3, place: null, directory: "" };
  }

  /** A part of the budget; `fleet` is what the section `brakes` says for every host. */
  budget(key: "cycles" | "within", fleet: { readonly value: number | undefined; readonly at: At }): Chosen<number> {
    for (const { layer, rank } of this.#layers) {
      const value = layer.values.brakes?.perHost?.[key];
      if (value !== undefined) return { certain: true, value, origin: layer.origin, rank, place: () => layer.at.place(["brakes", "perHost", key]), directory: layer.directory };
    }
    if (fleet.value !== undefined) return { certain: true, value: fleet.value, origin: "brakes", rank: 3, place: () => fleet.at.place(["brakes", "perHost", key]), directory: "" };
    return { certain: true, value: key === "cycles" ? BUILT_IN.cycles : builtInMs(BUILT_IN.within), origin: "built in", rank: 4, place: null, directory: "" };
  }
}

/** Two groups of one host that want different values of something which the host leaves to them. */
export function reportConflicts(host: string, own: Partial<Tunables>, groups: readonly Layer[], seen: Set<string>, problems: ProblemList): void {
  for (const [index, later] of groups.entries()) {
    for (const earlier of groups.slice(0, index)) {
      for (const key of Object.keys(later.values) as Key[]) {
        const [one, other] = [earlier.values[key], later.values[key]];
        if (own[key] !== undefined || one === undefined || other === undefined || JSON.stringify(one) === JSON.stringify(other)) continue;
        // Forty hosts in the same two groups are one mistake.
        const once = JSON.stringify([earlier.origin, later.origin, key]);
        if (seen.has(once)) continue;
        seen.add(once);
        problems.add(later.at.place([key], "key"), "GROUP_CONFLICT", `${earlier.origin} and ${later.origin} disagree on ${key}, and ${host} is in both`,
          `the other stands in ${told(earlier.at.place([key], "key"))}; say at the host what holds, or take it out of one`);
      }
    }
  }
}
