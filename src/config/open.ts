// Where secrets leave the configuration: the options of probes and power drivers as src/probes and src/power take them.
// config knows neither of them, so the shapes stand here a second time; open.test.ts holds both together.

import type { ApcSettings, CommandSettings, DeviceSpec, HttpTask, ProbeTask, SharedStoreSpec } from "./config.ts";

type Times = { readonly stepMs: number; readonly maxActMs: number };
export type OpenApc = Omit<ApcSettings, "password"> & { readonly password: string } & Times;
export type OpenCommand = CommandSettings & Times;
export type OpenDevice = { readonly driver: "apc"; readonly options: OpenApc } | { readonly driver: "command"; readonly options: OpenCommand };

export type OpenHttp = Omit<HttpTask, "headers"> & { readonly headers: Readonly<Record<string, string>> };
export type OpenProbe = Exclude<ProbeTask, { kind: "http" }> | { readonly kind: "http"; readonly options: OpenHttp };

/** A probe's name and options for `probeNamed(kind).run(target, options, …)`, secrets open. */
export function openProbe(task: ProbeTask): OpenProbe {
  if (task.kind !== "http") return task;
  const headers = Object.fromEntries(Object.entries(task.options.headers).map(([name, secret]) => [name, secret.reveal()]));
  return { kind: "http", options: { ...task.options, headers } };
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
