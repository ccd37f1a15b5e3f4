// What holds for one host after groups and defaults, and where each value comes from: the answer to "why every 10 s?".

import { formatAddress } from "./address.ts";
import type { Config, ProbeSpec } from "./config.ts";
import { formatDuration } from "./duration.ts";
import { Secret } from "./secret.ts";

/** One setting as it would be written. `lines` are the entries of a list that is told one a line. */
export type EffectiveSetting = { readonly key: string; readonly value: string; readonly origin: string; readonly lines?: readonly string[] };

export type Effective = { readonly host: string; readonly hash: string; readonly settings: readonly EffectiveSetting[] };

/** Null when there is no such host. */
export function effectiveOf(config: Config, name: string): Effective | null {
  const host = config.policy.hosts.get(name);
  const spec = config.shell.hosts.get(name);
  const origins = config.origins.get(name);
  if (host === undefined || spec === undefined || origins === undefined) return null;
  const setting = (key: string, value: string, origin = origins.get(key) ?? "built in"): EffectiveSetting => ({ key, value, origin });
  const duration = (key: string, ms: number): EffectiveSetting => setting(key, formatDuration(ms));
  const levels = host.levels.map((level) => level.map(({ device, outlet }) => `${device}/${outlet}`).join(" + "));
  const counting = host.probes.filter(({ counts }) => counts).length;
  const probes = spec.probes.map((probe, index) => `${showProbe(probe)}${host.probes[index]?.counts === true ? "" : "  (evidence only)"}`);
  const settings = [
    setting("address", formatAddress(host.address, spec.port), "host"),
    setting("group", host.group, config.shell.files.length > 0 && host.group === "ungrouped" ? "no group" : "groups"),
    setting("power", levels.length === 0 ? "none: watched, never cut" : `[${levels.join(", ")}]`, "host"),
    setting("armed", String(host.armed && config.policy.armed), config.policy.armed ? origins.get("armed") : "armed: false at the top"),
    { ...setting("probes", ""), lines: probes },
    ...(spec.remedies.length === 0 ? [] : [{ ...setting("remedies", ""), lines: spec.remedies.map(({ name: remedy }) => `${remedy}, ${formatDuration(host.remedies?.find((each) => each.name === remedy)?.waitMs ?? 0)} to come back`) }]),
    setting("rounds", `${host.goodNeeded ?? counting} of ${counting}`),
    duration("every", host.everyMs), duration("timeout", host.timeoutMs), setting("threshold", String(host.threshold)),
    setting("retry", `[${host.retryMs.map(formatDuration).join(", ")}]`),
    duration("debounce", host.debounceMs), duration("boot", host.bootMs), duration("offFor", host.offForMs), duration("healthyFor", host.healthyForMs),
    duration("offConfirm", host.offConfirmMs), duration("onConfirm", host.onConfirmMs), duration("settle", host.settleMs),
    setting("brakes.perHost.cycles", String(host.budget.cycles)), duration("brakes.perHost.within", host.budget.withinMs),
    ...(config.policy.shared === null ? [] : [setting("observers", `${config.policy.observers}, lone: ${config.policy.lone}`, config.shell.store.kind)]),
    ...(host.storeMembers === 0 ? [] : [setting("store", `${host.storeMembers} of ${config.policy.shared?.members ?? 0} servers run on it`, config.shell.store.kind)]),
    ...(host.after === undefined ? [] : [setting("after", `[${host.after.join(", ")}]`, "host")]),
    ...(host.behind === null ? [] : [setting("behind", host.behind)]),
    ...(host.self ? [setting("self", "true: this watcher's own power hangs on it, it never cuts it", "watcher")] : []),
  ];
  return { host: name, hash: host.hash, settings };
}

/** As lines that read like the configuration, the origin of each value after `#`. */
export function formatEffective({ host, hash, settings }: Effective): readonly string[] {
  const lines: (readonly [string, string])[] = [];
  for (const { key, value, origin, lines: inside } of settings) {
    lines.push([`${key}:${value === "" ? "" : ` ${value}`}`, origin]);
    for (const line of inside ?? []) lines.push([`  - ${line}`, ""]);
  }
  const width = Math.min(44, Math.max(...lines.map(([text, origin]) => (origin === "" ? 0 : text.length)))) + 2;
  return [`# ${host}, host hash ${hash}`, ...lines.map(([text, origin]) => (origin === "" ? text : `${text.padEnd(width)}# ${origin}`))];
}

function showProbe({ kind, options, timeoutMs, id }: ProbeSpec): string {
  const shown = Object.entries(options).flatMap(([key, value]: [string, unknown]) => {
    if (typeof value === "number" && key.endsWith("Ms")) return [`${key.slice(0, -2)}: ${formatDuration(value)}`];
    // Of a mapping the names: a value may be a secret, and prints as [secret] in any case.
    const names = typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Secret) ? Object.keys(value) : null;
    return names?.length === 0 ? [] : [`${key}: ${names === null ? JSON.stringify(value) : `[${names.join(", ")}]`}`];
  });
  return `${kind}: { ${[...shown, `timeout: ${formatDuration(timeoutMs)}`].join(", ")} }${id === kind ? "" : `  (as ${id})`}`;
}
