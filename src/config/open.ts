// Where secrets leave the configuration: the options of probes and power drivers as src/probes and src/power take them.
// Of power drivers config knows nothing, so their shapes stand here a second time; open.test.ts holds both together.

import type { ProbeName } from "../probes/index.ts";
import type { ApcSettings, CommandSettings, DeviceSpec, ProbeTask, SharedStoreSpec } from "./config.ts";
import type { ResolvedOptions } from "./probes/index.ts";
import type { Opened } from "./probes/probe-schema.ts";
import { Secret } from "./secret.ts";

type Times = { readonly stepMs: number; readonly maxActMs: number };
export type OpenApc = Omit<ApcSettings, "password"> & { readonly password: string } & Times;
export type OpenCommand = CommandSettings & Times;
export type OpenDevice = { readonly driver: "apc"; readonly options: OpenApc } | { readonly driver: "command"; readonly options: OpenCommand };

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

/** A device's driver and options for `drivers[driver].create(options)`, secrets open. */
export function openDevice(device: DeviceSpec): OpenDevice {
  const { stepMs, maxActMs } = device;
  if (device.driver === "command") {
    // Without a status every outlet reads unknown, which is what exit status 1 says.
    const status = device.options.status.length > 0 ? device.options.status : ["false"];
    return { driver: "command", options: { ...device.options, status, stepMs, maxActMs } };
  }
  return { driver: "apc", options: { ...device.options, password: device.options.password.reveal(), stepMs, maxActMs } };
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
