// The families of power devices that Upkeep can switch, by the name that the configuration gives them. A new driver is one
// file, its test with the conformance suite, its page under docs/reference/power, and one line here.

import { apc } from "./apc.ts";
import { command } from "./command.ts";

export { type ApcOptions } from "./apc.ts";
export { type CommandOptions } from "./command.ts";

/** Every driver: name → driver. Options are validated by the configuration before `create` is called. */
export const POWER_DRIVERS = { apc, command } as const;

export type PowerDriverName = keyof typeof POWER_DRIVERS;

/** What a driver's `create` takes. */
export type PowerDriverOptions<Name extends PowerDriverName> = Parameters<(typeof POWER_DRIVERS)[Name]["create"]>[0];

/** The driver of that name. */
export function powerDriver<Name extends PowerDriverName>(name: Name): (typeof POWER_DRIVERS)[Name] {
  return POWER_DRIVERS[name];
}
