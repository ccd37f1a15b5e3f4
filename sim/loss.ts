// A fleet behind a network that loses packets: nothing is wrong with any host, except with a few that truly wedge, and what
// is counted is how many are cut without need. The storm brake is switched off, since with it a lossy network holds back
// everything: what is shown here is that the counter alone does not mistake loss for death.

import type { HostPolicy, Policy } from "../src/core/policy.ts";
import { LIMITS } from "../src/core/policy.ts";
import type { Checker } from "./checker.ts";
import type { DeviceSpec, Spec } from "./spec.ts";
import { MINUTE_MS } from "./spec.ts";
import { World } from "./world.ts";

export type LossOptions = { readonly hosts: number; readonly minutes: number; readonly loss: number; readonly deaths: number; readonly seed?: number };
export type LossResult = { readonly hosts: number; readonly simulatedMs: number; readonly rounds: number; readonly badRounds: number; readonly deaths: number; readonly trueCuts: number; readonly falseCuts: readonly string[]; readonly missed: readonly string[]; readonly violation: string | null };

const OUTLETS = 24;

/** Runs it in a macrotask of its own, as runs of the simulator must be. */
export function lossyFleet(options: LossOptions): Promise<LossResult> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(runFleet(options));
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  });
}

function runFleet({ hosts, minutes, loss, deaths, seed = 1 }: LossOptions): LossResult {
  const cut = new Set<string>();
  const dead = new Set<string>();
  const falseCuts: string[] = [];
  let rounds = 0;
  let badRounds = 0;
  const count = (): Checker => ({
    invariant: "No false cut",
    round({ outcome }) {
      rounds += 1;
      if (outcome === "bad") badRounds += 1;
    },
    edge({ outlet, to }) {
      const name = world.hostOf(outlet.key)?.name ?? outlet.key;
      if (to === "on") return;
      if (dead.has(name)) cut.add(name);
      else falseCuts.push(name);
    },
  });
  const world: World = new World(lossySpec(seed, hosts, minutes, loss), () => [count()]);
  const names = [...world.hosts.keys()];
  const every = (minutes * MINUTE_MS - 8 * MINUTE_MS) / Math.max(1, deaths);
  for (let death = 0; death < deaths; death += 1) {
    const name = names[Math.floor(((death + 0.5) * hosts) / deaths)] as string;
    world.timeline.at(4 * MINUTE_MS + death * every, null, () => {
      dead.add(name);
      world.hosts.get(name)?.wedge("frozen", null);
    });
  }
  const simulatedMs = world.run();
  return { hosts, simulatedMs, rounds, badRounds, deaths: dead.size, trueCuts: cut.size, falseCuts, missed: [...dead].filter((name) => !cut.has(name)), violation: world.violation === null ? null : `${world.violation.invariant}: ${world.violation.what}` };
}

function lossySpec(seed: number, count: number, minutes: number, loss: number): Spec {
  const devices = Array.from({ length: Math.ceil(count / OUTLETS) }, (_, at): DeviceSpec => ({
    policy: { name: `pdu${at + 1}`, driver: "apc", address: `10.1.0.${at + 1}`, maxActMs: 30_000, checkEveryMs: 300_000, exclusiveSession: true },
    loginMs: 300, turnMs: 80, effectMs: 500, staleMs: 0,
  }));
  const hosts = Array.from({ length: count }, (_, at): HostPolicy => ({
    name: `h${at + 1}`, hash: `h${at + 1}:a`, address: `10.0.${at >> 8}.${at & 255}`, group: `g${at % 10}`, behind: null, armed: true,
    everyMs: 5_000, timeoutMs: 1_000, threshold: 5, retryMs: [], debounceMs: 40_000, bootMs: 120_000, offForMs: 5_000, healthyForMs: 10_000, offConfirmMs: 30_000, onConfirmMs: 30_000, settleMs: 30_000,
    probes: [{ id: "ping", counts: false }, { id: "ssh", counts: true }], goodNeeded: null,
    levels: [[{ device: `pdu${Math.floor(at / OUTLETS) + 1}`, outlet: String((at % OUTLETS) + 1) }]],
    budget: { cycles: 3, withinMs: 21_600_000 }, self: false, storeMembers: 0,
  }));
  const policy: Policy = {
    site: "sim", watcher: "w1", armed: true,
    hosts: new Map(hosts.map((host) => [host.name, host])), devices: new Map(devices.map((device) => [device.policy.name, device.policy])),
    brakes: { startupMs: 60_000, maxUnhealthy: 1, coolDownMs: 120_000, concurrent: 4, perHour: null },
    observers: 3, lone: "hold", shared: null, limits: LIMITS,
  };
  return {
    seed, activeMs: minutes * MINUTE_MS, devices, policy, faults: new Map(), aim: 0, loss, references: true, uptimeMs: 86_400_000, outages: null, commitMs: 5,
    hosts: hosts.map((host) => ({ policy: host, wiring: host.levels, bootMs: 25_000 })),
  };
}
