// What every power driver adds to the configuration, by its name. A new one: its file here, its file in src/power, and a line
// in either list. It compiles only while both speak of the same options.

import type { PowerDriverName, PowerOptionsOf } from "../../power/index.ts";
import type { Closable } from "../secret.ts";
import { apc } from "./apc.ts";
import { command } from "./command.ts";
import { fenceAgent } from "./fence-agent.ts";
import type { DeviceOptionsFrom, DriverSchema, ResolvedDevice } from "./device-schema.ts";
import { ipmi } from "./ipmi.ts";
import { libvirt } from "./libvirt.ts";
import { qmp } from "./qmp.ts";
import { redfish } from "./redfish.ts";
import { snmpPdu } from "./snmp-pdu.ts";

/** What the shell adds to every driver's options. */
export type DeviceTimes = { readonly stepMs: number; readonly maxActMs: number };

type Fitting<Options> = { resolve(settings: never, asked: never): Promise<ResolvedDevice<Closable<Options>> | null> | ResolvedDevice<Closable<Options>> | null };

const drivers = {
  apc,
  command,
  "fence-agent": fenceAgent,
  ipmi,
  redfish,
  "snmp-pdu": snmpPdu,
  libvirt,
  qmp,
} as const satisfies { readonly [Name in PowerDriverName]: Fitting<Omit<PowerOptionsOf<Name>, keyof DeviceTimes>> };

/** Options of each driver as its schema resolves them, secrets closed. */
export type ResolvedDeviceOptions = { readonly [Name in PowerDriverName]: DeviceOptionsFrom<(typeof drivers)[Name]> };

/** In the order in which they are told. */
export const DRIVER_NAMES = Object.keys(drivers) as [PowerDriverName, ...PowerDriverName[]];

/** The part of one driver, for code that treats all alike. */
export const DRIVERS = drivers as unknown as Readonly<Record<PowerDriverName, DriverSchema>>;
