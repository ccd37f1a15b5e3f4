// Fleets of any size for benchmarks: racks of 40 hosts, each rack's outlets on one PDU, and a BMC of its own for each host where
// that is asked for.

import type { DevicePolicy, HostPolicy, OutletRef, Policy } from "../../src/core/policy.ts";
import { LIMITS } from "../../src/core/policy.ts";

export const RACK = 40;
const RACKS_A_GROUP = 25;

export type FleetShape = { readonly hosts: number; readonly everyMs: number; readonly threshold: number; readonly bmcs: boolean; readonly ttlMs: number };

export function watcherNames(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `w${String(index + 1).padStart(2, "0")}`);
}

export function fleetPolicy(shape: FleetShape, watcher: string): Policy {
  const hosts = new Map<string, HostPolicy>();
  const devices = new Map<string, DevicePolicy>();
  const device = (name: string, address: string): void => {
    if (!devices.has(name)) devices.set(name, { name, driver: "apc", address, maxActMs: 30_000, checkEveryMs: 300_000, exclusiveSession: true });
  };
  for (let index = 0; index < shape.hosts; index += 1) {
    const rack = Math.floor(index / RACK);
    const name = `node${String(index + 1).padStart(6, "0")}`;
    const pdu = `pdu-${String(rack + 1).padStart(4, "0")}`;
    const address = `10.${16 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
    const levels: OutletRef[][] = [[{ device: pdu, outlet: String((index % RACK) + 1) }]];
    if (shape.bmcs) levels.unshift([{ device: `bmc@${name}`, outlet: "1" }]);
    for (const { device: at } of levels.flat()) device(at, `${address}:23`);
    hosts.set(name, {
      name, address, hash: `${(0x10000000 + index).toString(16)}c3d4e5f6`, group: `group-${Math.floor(rack / RACKS_A_GROUP) + 1}`, behind: null, armed: true, everyMs: shape.everyMs, timeoutMs: 1_000, threshold: shape.threshold, retryMs: [],
      debounceMs: 40_000, bootMs: 300_000, offForMs: 5_000, healthyForMs: 10_000, offConfirmMs: 30_000, onConfirmMs: 30_000, settleMs: 30_000,
      probes: [{ id: "ping", counts: false }, { id: "ssh", counts: true }], goodNeeded: null, levels, budget: { cycles: 3, withinMs: 6 * 3_600_000 }, self: false, storeMembers: 0,
    });
  }
  return {
    site: "bench", watcher, armed: true, hosts, devices,
    brakes: { startupMs: 0, maxUnhealthy: 0.25, coolDownMs: 60_000, concurrent: 1, perHour: null }, observers: 3, lone: "hold", shared: { ttlMs: shape.ttlMs, members: 3 }, limits: LIMITS,
  };
}
