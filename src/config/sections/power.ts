// `power`: the devices that cut power, by name. `driver` decides what else may stand there: its own settings, which are in
// config/power, and those that every device has.

import { z } from "zod";
import type { PowerDriverName } from "../../power/index.ts";
import { parseDuration } from "../duration.ts";
import { expectations } from "../expect.ts";
import { about, duration, watts, whole } from "../fields.ts";
import { DRIVER_NAMES, DRIVERS } from "../power/index.ts";

const HOUR_MS = 3_600_000;
const TIMES = { timeout: "5s", deadline: "30s" } as const;

type Shared = { readonly driver: PowerDriverName; readonly timeout: number; readonly deadline: number; readonly check: number; readonly feeds?: number | undefined; readonly metered?: { readonly below: number; readonly for: number } | undefined };

/** One device as it was written: settings that its driver's schema has accepted, for its `resolve`. */
export type DeviceInput = Shared & Readonly<Record<string, unknown>>;

// Three readings, five seconds apart, take ten; a meter that is slow to show what it measures takes longer.
const metered = z.strictObject({
  below: watts("More than a machine that has halted draws (its supplies, its BMC), and less than half of what it draws at rest.", { min: 1, max: 100, default: "5W" }).default(5),
  for: duration("For so long, in every reading, since the announcement and the last sign of life.", { minMs: 15_000, maxMs: 300_000, default: "30s" }).default(30_000),
});

function milliseconds(text: string): number {
  const parsed = parseDuration(text);
  return parsed.ok ? parsed.value : Number.NaN;
}

function schemaOf(name: PowerDriverName) {
  const { about: described, settings, times = TIMES, capabilities = {} } = DRIVERS[name];
  return z.strictObject({
    driver: z.literal(name).meta(about(described)),
    ...settings.shape,
    timeout: duration("How long one step of the dialogue with the device may take.", { minMs: 100, maxMs: HOUR_MS, default: times.timeout }).default(milliseconds(times.timeout)),
    deadline: duration("How long a whole action may take, from log-in to answer. Never shorter than `timeout`.", { minMs: 1_000, maxMs: HOUR_MS, default: times.deadline }).default(milliseconds(times.deadline)),
    check: duration("How often the device is logged in to and read, so that a dead one is known before it is needed.", { minMs: 1_000, maxMs: 24 * HOUR_MS, default: "5m" }).default(300_000),
    ...(capabilities.metered === true ? { metered: metered.meta(about("Opt-in, for devices that tell what an outlet gives (APC rPDU2 metered by outlet, Raritan, Eaton, Server Technology; a BMC of Redfish): a host that was shut down with care counts as halted, before `careful.haltBound`, once all outlets of its power give less than this. It shortens that one wait; it begins, earns and confirms nothing.")).optional() } : {}),
    feeds: whole("`1`: the hosts on this device have one power supply each, so its outlets may stand as successive levels.", 1, 8).optional(),
  });
}

/** One power device. */
export const device = z.discriminatedUnion("driver", DRIVER_NAMES.map(schemaOf) as [ReturnType<typeof schemaOf>, ...ReturnType<typeof schemaOf>[]]);
expectations.add(device, { says: "a power device" });
