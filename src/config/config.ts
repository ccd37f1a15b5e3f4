// What a configuration is once it has been read: the policy, which the core judges by, and what the shell needs beside it:
// addresses, probe options, driver options and secrets. Everything is resolved; nothing refers back to a file.

import type { AppriseOptions } from "../alerts/apprise.ts";
import type { CommandOptions } from "../alerts/command.ts";
import type { HookRequest } from "../alerts/hooks/hook.ts";
import type { HookName } from "../alerts/hooks/index.ts";
import type { Route, Step } from "../alerts/routes.ts";
import type { Escape } from "../alerts/template.ts";
import type { HostPolicy, Policy } from "../core/policy.ts";
import type { PowerDriverName } from "../power/index.ts";
import type { ProbeName } from "../probes/index.ts";
import type { SignalSpec } from "./careful-signal.ts";
import type { ResolvedDeviceOptions } from "./power/index.ts";
import type { CommandRemedyOptions, SshRemedyOptions } from "../remedies/index.ts";
import type { ResolvedOptions } from "./probes/index.ts";
import type { Secret } from "./secret.ts";

export type Config = {
  readonly policy: Policy;
  readonly shell: ShellConfig;
  /** Per host and setting, where its value comes from: `host`, `group NAME`, `defaults`, `retry ladder`, `built in`. */
  readonly origins: ReadonlyMap<string, ReadonlyMap<string, string>>;
};

export type ShellConfig = {
  /** The configuration file, as it was named, and every file that was read for it. */
  readonly file: string;
  readonly files: readonly string[];
  readonly dataDir: string;
  /** `<dataDir>/upkeep.sock`; short enough for the kernel. */
  readonly socketPath: string;
  readonly api: ApiConfig;
  readonly agents: AgentsConfig;
  readonly alerts: AlertsConfig;
  readonly history: HistoryConfig;
  /** Null: hosts' kernels are not heard. */
  readonly netconsole: NetconsoleConfig | null;
  /** Null: none. */
  readonly statusPage: StatusPageConfig | null;
  /** Where the records are. */
  readonly store: StoreSpec;
  /** What tells this watcher whether the site has power; null: nothing does. */
  readonly signal: SignalSpec | null;
  /** What must be reachable for the watcher to trust itself; one that answers is enough. */
  readonly references: readonly ReferenceSpec[];
  readonly hosts: ReadonlyMap<string, HostSpec>;
  readonly devices: ReadonlyMap<string, DeviceSpec>;
  readonly reboots: RebootsConfig;
};

/** What reboots a host without an agent, and what drains it. */
export type RebootsConfig = { readonly by: readonly ({ readonly limitMs: number } & RemedyTask)[]; readonly drain: readonly string[] | null; readonly undrain: readonly string[] | null };

export type HostSpec = { readonly address: string; readonly port: number | null; readonly probes: readonly ProbeSpec[]; readonly remedies: readonly RemedySpec[]; readonly wake: WakeSpec | null };

/** What is tried before power; `kind` names the remedy in src/remedies. */
export type RemedySpec = { readonly name: string } & RemedyTask;

export type RemedyTask =
  | { readonly kind: "ssh"; readonly options: SshRemedyOptions }
  | { readonly kind: "command"; readonly options: CommandRemedyOptions };

/** Wake-on-LAN: the card, and where packets for it go. */
export type WakeSpec = { readonly mac: string; readonly host: string; readonly port: number };

/** One probe of one host, all options resolved; `kind` names the probe in src/probes. Secrets are still closed: `openProbe` opens them. */
export type ProbeSpec = { readonly id: string; readonly timeoutMs: number } & ProbeTask;

export type ProbeTask = { readonly [Name in ProbeName]: { readonly kind: Name; readonly options: ResolvedOptions[Name] } }[ProbeName];

export type ReferenceSpec = ProbeSpec & { readonly address: string };

/** One device, all settings resolved; `driver` names the driver in src/power. Secrets are still closed: `openDevice` opens them. */
export type DeviceSpec = { readonly name: string; readonly stepMs: number; readonly maxActMs: number }
  & { readonly [Name in PowerDriverName]: { readonly driver: Name; readonly options: ResolvedDeviceOptions[Name] } }[PowerDriverName];

/** For how long results and their roll-ups are kept, and in how many bytes. */
export type HistoryConfig = { readonly roundsMs: number; readonly minutesMs: number; readonly hoursMs: number; readonly bytes: number };

/** `also`: more addresses of hosts, by host. */
export type NetconsoleConfig = { readonly listen: { readonly host: string; readonly port: number }; readonly hold: boolean; readonly also: ReadonlyMap<string, readonly string[]> };

/** `group` null: these hosts. */
export type StatusPageConfig = { readonly title: string; readonly historyDays: number; readonly components: readonly { readonly name: string; readonly group: string | null; readonly hosts: readonly string[] }[] };
/** `listen` null: no agents are taken in. `address`: where they are told that it is. */
export type AgentsConfig = { readonly listen: { readonly host: string; readonly port: number } | null; readonly address: string | null };
export type ApiConfig = {
  /** `null`: no TCP. */
  readonly listen: { readonly host: string; readonly port: number } | null;
  readonly required: boolean;
  /** By which this machine may be called, beside its own. */
  readonly names: readonly string[];
  /** `own`: a certificate that the watcher makes. PEM. */
  readonly tls: "none" | "own" | { readonly cert: string; readonly key: Secret };
};

export type AlertsConfig = {
  readonly channels: readonly ChannelSpec[];
  readonly routes: readonly Route[];
  readonly escalate: readonly Step[];
  readonly groupMs: number;
  /** Of `hours`; null: the machine's. */
  readonly timeZone: string | null;
  readonly deadman: { readonly url: Secret; readonly everyMs: number } | null;
  readonly repeatMs: number;
};

/** Secrets are still closed: `openChannels` opens them. */
export type ChannelSpec = { readonly name: string } & (
  | { readonly kind: "mail"; readonly options: MailConfig }
  | { readonly kind: "command"; readonly options: CommandOptions }
  | { readonly kind: "apprise"; readonly options: AppriseOptions }
  | { readonly kind: "hook"; readonly hook: HookName; readonly grouped: boolean; readonly settings: Readonly<Record<string, string | Secret | null>> }
  | { readonly kind: "webhook"; readonly options: WebhookSpec });

/** A template of one's own; texts in it are templates, secrets are not. */
export type WebhookSpec = Pick<HookRequest, "method" | "body"> & { readonly url: Secret; readonly headers: Readonly<Record<string, string | Secret>>; readonly escape: Escape; readonly grouped: boolean };

export type MailConfig = {
  readonly to: readonly string[];
  readonly from: string;
  readonly host: string;
  readonly port: number;
  readonly username: string | null;
  readonly password: Secret | null;
  /** `offered`: STARTTLS where the server offers it. */
  readonly tls: "offered" | "starttls" | "tls" | "none";
};

/** Secrets are still closed: `openStoreSecrets` opens them. */
export type StoreSpec =
  | { readonly kind: "embedded" }
  | ({ readonly kind: "etcd"; /** `http://HOST:PORT` or `https://HOST:PORT`. */ readonly endpoints: readonly string[] } & SharedStoreSpec)
  | ({ readonly kind: "zookeeper"; /** `HOST:PORT`. */ readonly servers: readonly string[] } & SharedStoreSpec);

export type SharedStoreSpec = {
  /** The host of each server, as configured. */
  readonly members: readonly string[];
  readonly prefix: string;
  readonly ttlMs: number;
  readonly callMs: number;
  /** Null: in the clear. */
  readonly tls: StoreTls | null;
  readonly auth: { readonly user: string; readonly password: Secret } | null;
};

/** PEM; `ca` null: the authorities that Node knows. */
export type StoreTls = { readonly ca: string | null; readonly cert: string | null; readonly key: Secret | null };

export type { HostPolicy, Policy };
