// What `upkeep power record` does with a configured device: every outlet that a host hangs on is read once, and the dialogue
// is kept without its secrets. In the watcher it is lent the device, since many serve one session at a time; without one it
// opens the device itself.

import type { Config } from "../config/config.ts";
import { openDevice } from "../config/open.ts";
import { Secret } from "../config/secret.ts";
import { UpkeepError } from "../core/errors.ts";
import { loadPowerDrivers } from "../power/index.ts";
import type { PowerDevice } from "../power/power.ts";
import { recordDialogue } from "../power/recording.ts";
import type { RecordedDevice } from "../power/recording.ts";

/** How long a device is lent at most; who asks through the watcher waits no longer than 35 s. */
const LOAN_MS_MAX = 30_000;

const NAMES: ReadonlySet<string> = new Set(["user", "username", "login", "host", "ip", "ipaddr"]);

export type Lend = (device: string, boundMs: number, use: (device: PowerDevice, signal: AbortSignal) => Promise<string>) => Promise<string>;

/** The recording, or null when no device has this name. Rejects with an UpkeepError. */
export async function recordDevice(config: Config, name: string, lend: Lend): Promise<string | null> {
  const spec = config.shell.devices.get(name);
  if (spec === undefined) return null;
  const outlets = [...new Set([...config.policy.hosts.values()].flatMap(({ levels }) => levels.flat()).filter(({ device }) => device === name).map(({ outlet }) => outlet))];
  if (outlets.length === 0) throw new UpkeepError("POWER_OUTLET", `no host hangs on ${name}: there is nothing to read`);
  const what: RecordedDevice = { driver: spec.driver, options: openDevice(spec).options as Readonly<Record<string, unknown>>, secrets: secretsIn(spec.options), names: namesIn(spec.options), outlets };
  return await lend(name, Math.min(spec.maxActMs, LOAN_MS_MAX), (device, signal) => recordDialogue(device, what, signal));
}

/** Where no watcher runs. */
export function lendDirectly(config: Config): Lend {
  return async (name, boundMs, use) => {
    const spec = config.shell.devices.get(name);
    if (spec === undefined) throw new UpkeepError("POWER_UNREACHABLE", `no power device is named ${name}`);
    const { driver, options } = openDevice(spec);
    const device = (await loadPowerDrivers([driver])).get(driver)?.create(options);
    if (device === undefined) throw new UpkeepError("POWER_UNREACHABLE", `there is no driver ${driver}`);
    return await use(device, AbortSignal.timeout(boundMs));
  };
}

function secretsIn(value: unknown): readonly string[] {
  if (value instanceof Secret) return [value.reveal()];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(secretsIn) : [];
}

function namesIn(value: unknown): readonly string[] {
  if (typeof value !== "object" || value === null || value instanceof Secret) return [];
  return Object.entries(value).flatMap(([key, member]) => (typeof member === "string" ? (NAMES.has(key) ? [member] : []) : namesIn(member)));
}
