// Where secrets leave the configuration: the options of probes and power drivers as src/probes and src/power take them.

import type { PowerDriverName } from "../power/index.ts";
import type { ProbeName } from "../probes/index.ts";
import type { DeviceSpec, ProbeTask, SharedStoreSpec } from "./config.ts";
import type { DeviceTimes, ResolvedDeviceOptions } from "./power/index.ts";
import type { ResolvedOptions } from "./probes/index.ts";
import { Secret } from "./secret.ts";
import type { Opened } from "./secret.ts";

export type OpenDevice = { readonly [Name in PowerDriverName]: { readonly driver: Name; readonly options: Opened<ResolvedDeviceOptions[Name]> & DeviceTimes } }[PowerDriverName];

export type OpenProbe = { readonly [Name in ProbeName]: { readonly kind: Name; readonly options: Opened<ResolvedOptions[Name]> } }[ProbeName];

/** A probe's name and options for `probes.get(kind).run(target, options, …)`, secrets open. */
export function openProbe({ kind, options }: ProbeTask): OpenProbe {
  return { kind, options: opened(options) } as OpenProbe;
}

function opened(value: unknown): unknown {
  if (value instanceof Secret) return value.reveal();
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, opened(member)]));
}

/** A device's driver and options for `drivers.get(driver).create(options)`, secrets open. */
export function openDevice({ driver, options, stepMs, maxActMs }: DeviceSpec): OpenDevice {
  return { driver, options: { ...(opened(options) as object), stepMs, maxActMs } } as OpenDevice;
}

export type OpenStore = {
  readonly tls?: { readonly ca?: string | undefined; readonly cert?: string | undefined; readonly key?: string | undefined };
  readonly auth?: { readonly user: string; readonly password: string };
};

/** TLS and user of a store as the drivers in src/stores take them, secrets open. */
export function openStoreSecrets({ tls, auth }: SharedStoreSpec): OpenStore {
  return {
    ...(tls === null ? {} : { tls: { ...(tls.ca === null ? {} : { ca: tls.ca }), ...(tls.cert === null ? {} : { cert: tls.cert }), ...(tls.key === null ? {} : { key: tls.key.reveal() }) } }),
    ...(auth === null ? {} : { auth: { user: auth.user, password: auth.password.reveal() } }),
  };
}
