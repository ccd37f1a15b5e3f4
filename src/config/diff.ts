// What a reload changes. A host whose hash differs starts again, with nothing learned; one whose hash is the same keeps what
// was learned and takes its new pace or times at once; all others are not touched (safety.md §4.9).

import type { Config, DeviceSpec } from "./config.ts";
import { Secret } from "./secret.ts";

export type ConfigDiff = {
  readonly hosts: {
    readonly added: readonly string[];
    readonly removed: readonly string[];
    /** Another hash: starts again. */
    readonly changed: readonly string[];
    /** The same hash, other settings: goes on with them. */
    readonly adjusted: readonly string[];
  };
  readonly devices: { readonly added: readonly string[]; readonly removed: readonly string[]; readonly changed: readonly string[] };
  /** Parts of the configuration that are nobody's in particular and differ. */
  readonly rest: readonly ("site" | "watcher" | "armed" | "brakes" | "agreement" | "references" | "alerts" | "history" | "statusPage" | "api" | "agents" | "data" | "store")[];
};

export function diffConfig(before: Config, after: Config): ConfigDiff {
  const hosts = names(before.policy.hosts, after.policy.hosts);
  const devices = names(before.shell.devices, after.shell.devices);
  const hash = (config: Config, name: string): string | undefined => config.policy.hosts.get(name)?.hash;
  const whole = (config: Config, name: string): unknown => [config.policy.hosts.get(name), config.shell.hosts.get(name)];
  const changed = hosts.both.filter((name) => hash(before, name) !== hash(after, name));
  const adjusted = hosts.both.filter((name) => !changed.includes(name) && !same(whole(before, name), whole(after, name)));
  const device = (config: Config, name: string): readonly [DeviceSpec | undefined, unknown] => [config.shell.devices.get(name), config.policy.devices.get(name)];
  const parts = (config: Config): Record<ConfigDiff["rest"][number], unknown> => ({
    site: config.policy.site, watcher: config.policy.watcher, armed: config.policy.armed, brakes: config.policy.brakes,
    agreement: [config.policy.observers, config.policy.lone], references: config.shell.references, alerts: config.shell.alerts,
    history: config.shell.history, statusPage: config.shell.statusPage, api: config.shell.api, agents: config.shell.agents, data: config.shell.dataDir, store: config.shell.store,
  });
  const [old, now] = [parts(before), parts(after)];
  return {
    hosts: { added: hosts.added, removed: hosts.removed, changed, adjusted },
    devices: { added: devices.added, removed: devices.removed, changed: devices.both.filter((name) => !same(device(before, name), device(after, name))) },
    rest: (Object.keys(now) as ConfigDiff["rest"][number][]).filter((part) => !same(old[part], now[part])),
  };
}

function names(before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>): { added: readonly string[]; removed: readonly string[]; both: readonly string[] } {
  return { added: [...after.keys()].filter((name) => !before.has(name)), removed: [...before.keys()].filter((name) => !after.has(name)), both: [...after.keys()].filter((name) => before.has(name)) };
}

/** Equal in every value, secrets included, which their text does not show. */
function same(one: unknown, other: unknown): boolean {
  if (one instanceof Secret && other instanceof Secret) return one.equals(other);
  if (typeof one !== "object" || one === null || typeof other !== "object" || other === null) return Object.is(one, other);
  if (Array.isArray(one) !== Array.isArray(other) || one instanceof Secret || other instanceof Secret) return false;
  const [a, b] = [Object.entries(one), new Map(Object.entries(other))];
  return a.length === b.size && a.every(([key, value]) => b.has(key) && same(value, b.get(key)));
}

