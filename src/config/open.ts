// Where secrets leave the configuration: the options of probes and power drivers as src/probes and src/power take them.

import type { ChannelOptions } from "../alerts/channels.ts";
import type { PowerDriverName } from "../power/index.ts";
import type { ProbeName } from "../probes/index.ts";
import type { ChannelSpec, DeviceSpec, ProbeTask, SharedStoreSpec, WebhookSpec } from "./config.ts";
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

/** Channels as src/alerts takes them, secrets open. */
export function openChannels(channels: readonly ChannelSpec[]): readonly ChannelOptions[] {
  return channels.map((channel): ChannelOptions => {
    switch (channel.kind) {
      case "mail":
      case "command":
      case "apprise":
        return channel;
      case "hook": {
        const settings = Object.entries(channel.settings).map(([key, value]): [string, string | undefined] => [key, value instanceof Secret ? value.reveal() : value ?? undefined]);
        return { ...channel, settings: Object.fromEntries(settings), secrets: secretsIn(Object.values(channel.settings)) };
      }
      case "webhook":
        return { name: channel.name, kind: "webhook", webhook: openWebhook(channel.options) };
    }
  });
}

/** What is secret becomes a setting, since a setting is no template. */
function openWebhook({ url, method, headers, body, escape, grouped }: WebhookSpec): Extract<ChannelOptions, { kind: "webhook" }>["webhook"] {
  const hidden = Object.entries(headers).filter((each): each is [string, Secret] => each[1] instanceof Secret);
  const nameOf = (at: number): string => `header${String.fromCodePoint(...[...String(at)].map((digit) => 65 + Number(digit)))}`;
  const templates = Object.fromEntries(Object.entries(headers).map(([header, value]) => [header, value instanceof Secret ? `{${nameOf(hidden.findIndex(([name]) => name === header))}}` : value]));
  return {
    name: "webhook", settings: { url: url.reveal(), ...Object.fromEntries(hidden.map(([, secret], at) => [nameOf(at), secret.reveal()])) }, secrets: secretsIn([url, ...hidden.map(([, secret]) => secret)]),
    request: { method, url: "{url}", headers: templates, body }, values: {}, escape, titleMax: 300, textMax: 20_000, grouped, refuses: [],
  };
}

function secretsIn(values: readonly unknown[]): readonly string[] {
  return values.flatMap((value) => (value instanceof Secret ? [value.reveal()] : []));
}
