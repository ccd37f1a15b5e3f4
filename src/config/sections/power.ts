// `power`: the devices that cut power, by name. `driver` decides what else may stand there.

import { z } from "zod";
import { expectations } from "../expect.ts";
import { about, address, argv, choice, duration, secret, text, whole } from "../fields.ts";

const DRIVERS_LATER = ["fence-agent", "ipmi", "redfish", "snmp-pdu"];
const HOUR_MS = 3_600_000;

const shared = {
  timeout: duration("How long one step of the dialogue with the device may take.", { minMs: 100, maxMs: HOUR_MS, default: "5s" }).default(5_000),
  deadline: duration("How long a whole action may take, from log-in to answer. Never shorter than `timeout`.", { minMs: 1_000, maxMs: HOUR_MS, default: "30s" }).default(30_000),
  check: duration("How often the device is logged in to and read, so that a dead one is known before it is needed.", { minMs: 1_000, maxMs: 24 * HOUR_MS, default: "5m" }).default(300_000),
  feeds: whole("`1`: the hosts on this device have one power supply each, so its outlets may stand as successive levels.", 1, 8).optional(),
} as const;

const apc = z.strictObject({
  driver: z.literal("apc").meta(about("An APC switched PDU over telnet.")),
  address: address("Where the device is, port 23 where none is named. `{host}` stands for the host's name: then there is one device a host.", { template: true }),
  username: text("The user name to log in with.", { default: "apc", max: 64 }).default("apc"),
  password: secret("The password: `{ file: … }` or `{ env: … }`."),
  dialect: choice(["auto", "menu2", "menu3", "shell"], "How the device talks; `auto` tells by what it says.", { default: "auto" }).default("auto"),
  ...shared,
});

const command = z.strictObject({
  driver: z.literal("command").meta(about("Any program that switches power.")),
  address: text("What `{address}` stands for in the programs' arguments.", { max: 256 }).optional(),
  on: argv("What switches an outlet on. `{outlet}` is replaced by the outlet, `{address}` by the address, `{host}` by the host's name: then there is one device a host."),
  off: argv("What switches an outlet off."),
  status: argv("What reads an outlet: exit status 0 is on, 2 is off, anything else unknown. Without it no cut can be confirmed, so the hosts on this device are not guarded.").optional(),
  ...shared,
});

/** One power device. */
export const device = z.discriminatedUnion("driver", [apc, command]);
expectations.add(device, { says: "a power device", later: DRIVERS_LATER });

export type DeviceInput = z.output<typeof device>;
