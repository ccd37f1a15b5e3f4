// The host hash (safety.md §1): a short name for everything that decides whether a host counts as healthy and what is cut
// when it does not: address, probes, threshold, power, group and brakes. What was learned under one hash (seen healthy,
// counters, proof of the outlet mapping) does not hold under another, and two watchers with different hashes do not vote on
// the same question. So nothing of the watcher itself and no secret goes in: of a secret only where it is kept.

import { createHash } from "node:crypto";
import type { DevicePolicy, OutletRef } from "../core/policy.ts";
import type { Resolved } from "./resolve-probes.ts";
import { Secret } from "./secret.ts";

export type Hashed = {
  readonly address: string;
  readonly port: number | null;
  readonly probes: readonly Pick<Resolved, "spec" | "counts" | "input" | "secrets">[];
  readonly goodNeeded: number | null;
  readonly threshold: number;
  readonly levels: readonly (readonly OutletRef[])[];
  readonly devices: ReadonlyMap<string, { readonly policy: Pick<DevicePolicy, "driver" | "address"> }>;
  readonly group: string;
  readonly budget: { readonly cycles: number; readonly withinMs: number };
};

/** The first 16 hexadecimal digits of SHA-256 over the canonical form. */
export function hostHash(host: Hashed): string {
  const { address, port, goodNeeded, threshold, levels, devices, group, budget } = host;
  const probes = host.probes.map((probe) => ({ id: probe.spec.id, kind: probe.spec.kind, options: withOrigins(probe.spec.options, probe.secrets), counts: probe.counts, timeoutMs: probe.input.timeoutMs }));
  const power = levels.map((level) => level.map(({ device, outlet }) => ({ device, outlet, driver: devices.get(device)?.policy.driver ?? null, address: devices.get(device)?.policy.address ?? null })));
  return createHash("sha256").update(canonical({ address, port, probes, goodNeeded, threshold, power, group, brakes: budget })).digest("hex").slice(0, 16);
}

/** JSON with the keys of every object in order, so that equal values have equal texts. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value).filter(([, member]) => member !== undefined).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join(",")}}`;
}

/** Options with, in place of each secret, where it comes from. */
function withOrigins(value: unknown, origins: ReadonlyMap<Secret, string>): unknown {
  if (value instanceof Secret) return origins.get(value) ?? "literal";
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withOrigins(member, origins)]));
}
