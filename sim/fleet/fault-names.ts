// Everything that can go wrong in a world of several watchers, by name. `perHour` is how often a class strikes in a run that
// has it, `likely` how many runs have it. What befalls hosts and devices is the same as for one watcher, more often, since
// these runs are shorter.

import type { GroundFault } from "../ground-strikes.ts";
import type { PersonFault } from "../people.ts";

type Facts = { readonly perHour: number; readonly likely: number };

const GROUND = {
  wedge: { perHour: 14, likely: 1 },
  "host-reboots": { perHour: 10, likely: 0.15 },
  "many-hosts-die": { perHour: 5, likely: 0.08 },
  "slow-boot": { perHour: 8, likely: 0.1 },
  "never-boots": { perHour: 6, likely: 0.06 },
  "device-cut-off": { perHour: 18, likely: 0.15 },
  "device-deaf": { perHour: 12, likely: 0.1 },
  "device-mute": { perHour: 12, likely: 0.1 },
  "device-down": { perHour: 8, likely: 0.08 },
  "device-slow": { perHour: 15, likely: 0.1 },
  "session-cut": { perHour: 40, likely: 0.15 },
  "ghost-session": { perHour: 15, likely: 0.1 },
  "acknowledgement-lost": { perHour: 30, likely: 0.15 },
  "command-late": { perHour: 25, likely: 0.15 },
  "status-stale": { perHour: 12, likely: 0.1 },
  "foreign-off": { perHour: 8, likely: 0.08 },
  "foreign-on": { perHour: 12, likely: 0.1 },
} as const satisfies Partial<Record<GroundFault, Facts>>;

const PEOPLE = {
  "person-brakes": { perHour: 22, likely: 0.3 },
  "person-unbrakes": { perHour: 30, likely: 0.35 },
  "person-releases": { perHour: 30, likely: 0.4 },
  "person-fences": { perHour: 14, likely: 0.15 },
  "person-switches": { perHour: 14, likely: 0.15 },
  "person-confirms-off": { perHour: 12, likely: 0.12 },
  "person-lets-storm-through": { perHour: 25, likely: 0.25 },
  "person-acknowledges": { perHour: 15, likely: 0.15 },
} as const satisfies Record<PersonFault, Facts>;

const WATCHERS = {
  "watcher-killed": { perHour: 25, likely: 0.45 },
  /** Another machine, another boot. */
  "watcher-loses-power": { perHour: 10, likely: 0.2 },
  /** It comes back with an empty data folder. */
  "watcher-loses-folder": { perHour: 8, likely: 0.1 },
  "watcher-paused": { perHour: 25, likely: 0.45 },
  "watcher-stops": { perHour: 10, likely: 0.2 },
  "watcher-joins": { perHour: 14, likely: 0.2 },
  "watcher-forgotten": { perHour: 12, likely: 0.2 },
  "references-lost": { perHour: 12, likely: 0.2 },
  "cut-from-host": { perHour: 18, likely: 0.3 },
  "cut-from-hosts": { perHour: 12, likely: 0.2 },
  "cut-from-device": { perHour: 20, likely: 0.3 },
  "deaf-to-device": { perHour: 12, likely: 0.15 },
  "mute-from-device": { perHour: 12, likely: 0.15 },
  "cut-from-store": { perHour: 25, likely: 0.35 },
  "store-hears-only": { perHour: 15, likely: 0.2 },
  "store-speaks-only": { perHour: 15, likely: 0.2 },
  "store-lossy": { perHour: 12, likely: 0.2 },
  "store-far": { perHour: 12, likely: 0.2 },
  "keep-alives-lost": { perHour: 20, likely: 0.3 },
  "watch-late": { perHour: 15, likely: 0.3 },
  isolated: { perHour: 12, likely: 0.2 },
  "policy-differs": { perHour: 12, likely: 0.2 },
  "wall-clock-jumps": { perHour: 12, likely: 0.2 },
} as const satisfies Record<string, Facts>;

const STORE = {
  "store-without-quorum": { perHour: 15, likely: 0.25 },
  "store-leader-changes": { perHour: 25, likely: 0.25 },
  "store-slow": { perHour: 15, likely: 0.2 },
  "store-wiped": { perHour: 3, likely: 0.06 },
  "store-restored": { perHour: 4, likely: 0.08 },
  "newer-record": { perHour: 8, likely: 0.12 },
} as const satisfies Record<string, Facts>;

/** Aimed at the moment in which an off is agreed on and has not gone yet (moments.ts), and now and then at any other. */
export const MOMENTS = {
  "brake-at-the-last-moment": { perHour: 8, likely: 0.2 },
  "voters-fall-silent": { perHour: 8, likely: 0.2 },
} as const satisfies Record<string, Facts>;

export type MomentFault = keyof typeof MOMENTS;
export type WatcherFault = keyof typeof WATCHERS;
export type StoreFault = keyof typeof STORE;
export type FleetGroundFault = keyof typeof GROUND;
export type FleetFault = FleetGroundFault | PersonFault | WatcherFault | StoreFault | MomentFault;

export const FLEET_FAULTS: Readonly<Record<FleetFault, Facts>> = { ...GROUND, ...PEOPLE, ...WATCHERS, ...STORE, ...MOMENTS };

export function isGround(fault: FleetFault): fault is FleetGroundFault {
  return fault in GROUND;
}

export function isPerson(fault: FleetFault): fault is PersonFault {
  return fault in PEOPLE;
}

export function isMoment(fault: FleetFault): fault is MomentFault {
  return fault in MOMENTS;
}
