// The families of power devices that Upkeep can switch, by the name that the configuration gives them. A new driver: its file
// with its test (the conformance suite), its settings in config/power, its page under docs/reference/power, and a line here
// and there.
//
// A driver is loaded when a configuration names it: some bring a library that the others do without.

import type { PowerDriver } from "./power.ts";

const load = {
  apc: async () => (await import("./apc.ts")).apc,
  command: async () => (await import("./command.ts")).command,
  "fence-agent": async () => (await import("./fence-agent.ts")).fenceAgent,
  ipmi: async () => (await import("./ipmi.ts")).ipmi,
  redfish: async () => (await import("./redfish.ts")).redfish,
  "snmp-pdu": async () => (await import("./snmp-pdu.ts")).snmpPdu,
  libvirt: async () => (await import("./libvirt.ts")).libvirt,
  qmp: async () => (await import("./qmp.ts")).qmp,
} as const;

export type PowerDriverName = keyof typeof load;

/** What a driver's `create` takes. */
export type PowerOptionsOf<Name extends PowerDriverName> = Awaited<ReturnType<(typeof load)[Name]>> extends PowerDriver<infer Options> ? Options : never;

export const POWER_DRIVER_NAMES = Object.keys(load) as readonly PowerDriverName[];

/** Drivers by name; options were validated by the configuration before `create` is called. */
export type PowerDrivers = ReadonlyMap<PowerDriverName, PowerDriver<unknown>>;

/** Loads the drivers of these names. */
export async function loadPowerDrivers(names: Iterable<PowerDriverName>): Promise<PowerDrivers> {
  return new Map(await Promise.all([...new Set(names)].map(async (name): Promise<[PowerDriverName, PowerDriver<unknown>]> => [name, await load[name]()])));
}
