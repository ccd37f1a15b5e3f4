// What the administrator wants, resolved: the configuration after defaults, groups and expansion, as the core sees it.
// No secret, no driver option and no probe option is in here; those stay in the shell. All durations in milliseconds.

import type { Hours } from "./hours.ts";
import type { Offsets } from "./window.ts";

export type OutletRef = {
  /** The power device's name in the configuration; a device with `{host}` in its address is one device a host: `bmc@db1`. */
  readonly device: string;
  /** The outlet's number or name on the device; `1` where the device has one output. */
  readonly outlet: string;
};

export type ProbePolicy = {
  readonly id: string;
  /** False for a probe that is evidence only: `ping` beside a service probe, unless it is required. */
  readonly counts: boolean;
  /** It looks with the host's own eyes (the agent): unknown is no word on the host, and the round is judged by the others alone. */
  readonly abstains?: true;
};

export type HostPolicy = {
  readonly name: string;
  /** Address, probes, threshold, power, group, brakes; what was learned under another hash is forgotten. */
  readonly hash: string;
  readonly address: string;
  readonly group: string;
  /** The switch or hypervisor that it hangs on: a host's name, or only a label. */
  readonly behind: string | null;
  readonly armed: boolean;
  readonly everyMs: number;
  /** The longest time-out of its probes: how long a round may last. */
  readonly timeoutMs: number;
  readonly threshold: number;
  /** Retry ladder: the pause before the second, third … look after a first bad round. Empty: every `everyMs`. */
  readonly retryMs: readonly number[];
  readonly debounceMs: number;
  readonly bootMs: number;
  readonly offForMs: number;
  readonly healthyForMs: number;
  readonly offConfirmMs: number;
  readonly onConfirmMs: number;
  readonly settleMs: number;
  readonly probes: readonly ProbePolicy[];
  /** How many counting probes must be good; null: all that count. */
  readonly goodNeeded: number | null;
  /** What is tried before power, in this order. Absent: nothing. */
  readonly remedies?: readonly RemedyPolicy[];
  /** Levels, each a set of feeds that are cut together. Empty: watched, never cut. */
  readonly levels: readonly (readonly OutletRef[])[];
  readonly budget: { readonly cycles: number; readonly withinMs: number };
  /** After a careful shutdown it is started when these serve again. Absent: none. */
  readonly after?: readonly string[];
  /** Wake-on-LAN may start it, where it has no power device. */
  readonly wakes?: true;
  /** This watcher runs on it (or its outlets feed this watcher): never cut by us. */
  readonly self: boolean;
  /** So many members of the shared store run on it. */
  readonly storeMembers: number;
};

export type RemedyPolicy = {
  readonly name: string;
  /** The bound of the act itself. */
  readonly limitMs: number;
  /** How long the host has after it to be seen healthy. */
  readonly waitMs: number;
};

export type DevicePolicy = {
  readonly name: string;
  readonly driver: string;
  readonly address: string;
  /** The bound of one whole action: log-in to answer. Recorded in every intent. */
  readonly maxActMs: number;
  readonly checkEveryMs: number;
  /** The device serves one session at a time, so whoever holds it excludes all others. */
  readonly exclusiveSession: boolean;
  /** Its outputs follow the host: they read off once its system has halted (a BMC, a hypervisor). Absent: an outlet is off only by somebody's hand. */
  readonly followsHost?: true;
  /** What it gives is read, and a host that was shut down with care counts as halted once that is less for so long (metered.ts). Absent: it is not asked. */
  readonly metered?: { readonly belowWatts: number; readonly forMs: number };
};

/** What the watchers do with hosts that were shut down with care (ADR 28). */
export type CarefulPolicy = {
  /** No outlet is touched before a host has given no sign of life for so long. */
  readonly haltBoundMs: number;
  /** Power has been good for so long, without a break, before anything is started. */
  readonly returnAfterMs: number;
  /** 0…1: and the UPS is charged as far, where that is known. */
  readonly returnCharge: number;
  /** From one start to the next. */
  readonly staggerMs: number;
  /** This watcher has a signal of its own. Without one it goes by agents that took their announcement back, or by a person. */
  readonly sensed: boolean;
};

export const CAREFUL: CarefulPolicy = { haltBoundMs: 300_000, returnAfterMs: 300_000, returnCharge: 0.5, staggerMs: 30_000, sensed: false };

export type Policy = {
  readonly site: string;
  readonly watcher: string;
  readonly armed: boolean;
  readonly hosts: ReadonlyMap<string, HostPolicy>;
  readonly devices: ReadonlyMap<string, DevicePolicy>;
  readonly brakes: {
    readonly startupMs: number;
    /** 0…1, of the armed hosts seen healthy in a set; 1 switches the brake off. */
    readonly maxUnhealthy: number;
    readonly coolDownMs: number;
    /** Operations at once, from intended to on confirmed. */
    readonly concurrent: number;
    /** Cycles in an hour over the whole fleet; null: max(3, 2 % of the fleet). */
    readonly perHour: number | null;
  };
  readonly observers: number;
  readonly lone: "hold" | "act";
  /** Absent: the defaults, and no signal. */
  readonly careful?: CarefulPolicy;
  /** Several watchers agree in a shared store; null: this one is alone. `members`: servers of the store. */
  readonly shared: { readonly ttlMs: number; readonly members: number } | null;
  /** Absent: REBOOTS. */
  readonly reboots?: RebootsPolicy;
  /** An operation's limits that nobody configures: here so that the simulator and the scenarios can show them. */
  readonly limits: Limits;
};

export type Limits = {
  readonly checkWindowMs: number;
  readonly opExpiryMs: number;
  readonly readBackEveryMs: number;
  readonly readableForMs: number;
  readonly mergeWithinMs: number;
  readonly backOffMaxMs: number;
  readonly alarmEveryMs: number;
  readonly unguardedAfterMs: number;
  readonly healthyLogEveryMs: number;
};

export const LIMITS: Limits = {
  checkWindowMs: 500,
  opExpiryMs: 600_000,
  readBackEveryMs: 1_000,
  readableForMs: 900_000,
  mergeWithinMs: 180_000,
  backOffMaxMs: 60_000,
  alarmEveryMs: 3_600_000,
  unguardedAfterMs: 300_000,
  healthyLogEveryMs: 300_000,
};

/** Rolling reboots (ADR 35): what holds for every run, and the schedule. */
export type RebootsPolicy = {
  /** When a run may begin a reboot, for those that the schedule begins; null: there is no schedule. */
  readonly window: { readonly text: string; readonly hours: readonly Hours[] } | null;
  /** The schedule takes only who needs one. */
  readonly needed: boolean;
  /** Of the schedule; null: all. */
  readonly hosts: readonly string[] | null;
  readonly self: boolean;
  /** Something is configured that can reboot a host without an agent. */
  readonly means: boolean;
  /** How long an order, a drain, and putting back into service may take; null: there is nothing to be run. */
  readonly limitMs: number;
  readonly drainMs: number | null;
  readonly undrainMs: number | null;
  /** From the order until it is gone, at most; and how long it is watched serving before the next one. */
  readonly downWithinMs: number;
  readonly settleMs: number;
  /** What of its availability planned reboots may leave a host, for the report. */
  readonly budget: number;
  /** Of the time zone of windows. */
  readonly offsets: Offsets;
};

/** Without a section of its own in the configuration. */
export const REBOOTS: RebootsPolicy = { window: null, needed: true, hosts: null, self: false, means: false, limitMs: 30_000, drainMs: null, undrainMs: null, downWithinMs: 300_000, settleMs: 60_000, budget: 0.9999, offsets: [] };

/** `device/outlet`, as people write it and as every map of the core is keyed. */
export function outletKey(ref: OutletRef): string {
  return `${ref.device}/${ref.outlet}`;
}
