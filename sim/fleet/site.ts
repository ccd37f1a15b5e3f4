// The place of one watcher: its machine and clocks, its data folder, its ways to hosts, devices and the store, and the process
// that runs there at the moment, if one does.

import type { Policy } from "../../src/core/policy.ts";
import { Network } from "../network.ts";
import type { Path } from "../scene.ts";
import { Random } from "../random.ts";
import { StoreLink } from "../store/link.ts";
import type { FleetLife } from "./life.ts";
import type { WatcherSpec } from "./spec.ts";
import { policyOf } from "./spec.ts";
import type { FleetWorld } from "./world.ts";

/** The machine, from one boot to the next. */
export type FleetMachine = { readonly bootId: string; readonly bootedMs: number; readonly rate: number; wallOffsetMs: number; synced: boolean };

export class Site {
  readonly spec: WatcherSpec;
  readonly name: string;
  readonly network: Network;
  readonly link: StoreLink;
  readonly paths = new Map<string, Path>();
  machine: FleetMachine;
  /** Identity of the data folder, the store that it was used with last, and the last line of the history in it. */
  folder: string;
  store: string | null = null;
  seq = 0;
  /** The configuration as it stands on this machine's file system. */
  policy: Policy;
  life: FleetLife | null = null;
  /** It was joined to the fleet. */
  present: boolean;
  restartPlanned = false;
  /** When something last lay between it and the rest of the world. */
  troubledMs = -Infinity;
  /** What the watch of the store is told late, and how late. */
  watchLate = 0;
  readonly pastLives: FleetLife[] = [];

  constructor(world: FleetWorld, spec: WatcherSpec) {
    const { seed, loss, devices, policy } = world.spec;
    this.spec = spec;
    this.name = spec.name;
    this.present = spec.first;
    this.network = new Network(new Random(seed, `network of ${spec.name}`), loss);
    this.link = new StoreLink({ nowMs: () => world.timeline.nowMs, after: (ms, then) => world.after(ms, then) }, new Random(seed, `link of ${spec.name}`), spec.latencyMs, (what) => world.counts.add(what));
    for (const device of devices) this.paths.set(device.policy.name, { cut: 0, deaf: 0, mute: 0 });
    this.machine = { bootId: `${spec.name}-boot-0`, bootedMs: -spec.uptimeMs, rate: spec.rate, wallOffsetMs: spec.wallOffsetMs, synced: spec.synced };
    this.folder = `folder-of-${spec.name}`;
    this.policy = policyOf(policy, spec);
  }

  /** Runs, and is not stopped. */
  awake(nowMs: number): boolean {
    return this.life !== null && this.life.frozenUntilMs <= nowMs;
  }

  /** Whether its cable to a device lets everything through. */
  hears(device: string): boolean {
    const path = this.paths.get(device);
    return path !== undefined && path.cut === 0 && path.deaf === 0 && path.mute === 0;
  }

  /** Reaches the store, every host and every device, and its references. */
  get whole(): boolean {
    return this.link.reaches && this.link.slow === 0 && this.link.loss === 0 && this.link.keepAlivesLost === 0 && this.watchLate === 0
      && this.network.referencesLost === 0 && this.network.allHostsCut === 0 && this.network.loss === 0
      && [...this.network.hostsCut.values()].every((cuts) => cuts === 0) && [...this.paths.keys()].every((device) => this.hears(device));
  }
}
