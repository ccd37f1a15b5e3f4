// How a host stands, for the record of its availability: up, down or unknown, and whether something planned is the reason.
// A verdict comes and goes with every round; this changes a few times a year, so that all changes of years can be kept.
//
// A host that was never seen healthy is unknown and not up. One that is suspect stands as it stood: suspicions end either in
// good rounds or in an incident, which begins at the first bad sign and says so itself (availability.ts).

import { brakeOn } from "./brake-records.ts";
import type { HostPolicy, Policy } from "./policy.ts";
import { verdictOf } from "./report.ts";
import type { HostState, State } from "./state.ts";
import type { Stamp } from "./time.ts";

/** wanted-off: somebody switched it off and meant it, or it shut itself down with care. asked-for: somebody asked for a power cycle of a host that served. */
export const PLANNED = ["maintenance", "going-down", "wanted-off", "asked-for"] as const;
export type Planned = (typeof PLANNED)[number];

export type Standing = { readonly state: "up" | "down" | "unknown"; readonly planned: Planned | null };

export const NOT_KNOWN: Standing = { state: "unknown", planned: null };

/** `since`: when the plan began, where there is one. */
export function standingOf(host: HostState, policy: HostPolicy, state: State, before: Standing): Standing & { readonly since: Stamp | null } {
  const plan = planFor(host, state);
  const planned = plan?.planned ?? null;
  return { state: stateOf(host, policy, before), planned, since: plan?.since ?? null };
}

function stateOf(host: HostState, policy: HostPolicy, before: Standing): Standing["state"] {
  if (host.record.learned.seenHealthyAt === null) return "unknown";
  const verdict = verdictOf(host, policy);
  if (verdict !== "suspect") return verdict;
  return before.state === "unknown" ? "up" : before.state;
}

function planFor(host: HostState, state: State): { readonly planned: Planned; readonly since: Stamp } | null {
  const { wanted, careful } = host.record;
  if (wanted.state === "off") return { planned: "wanted-off", since: wanted.at };
  // Until it serves again, its start belongs to what it was shut down for.
  if (careful !== undefined && careful !== null) return { planned: "wanted-off", since: careful.since };
  const work = brakeOn(state, host.name, "maintenance") ?? brakeOn(state, host.name, "inhibit");
  if (work !== undefined) return { planned: "maintenance", since: work.since };
  const reboot = brakeOn(state, host.name, "going-down");
  return reboot === undefined ? null : { planned: "going-down", since: reboot.since };
}

export type StandingChange = Standing & { readonly host: string; readonly atMs: number };

/**
 * What has changed since the look before at `lastMs`, and how every host stands now. A host that is no longer configured is not
 * known any more.
 */
export function standingChanges(state: State, policy: Policy, before: ReadonlyMap<string, Standing>, lastMs: number, nowMs: number): { readonly changes: readonly StandingChange[]; readonly standings: ReadonlyMap<string, Standing> } {
  const changes: StandingChange[] = [];
  const standings = new Map<string, Standing>();
  for (const each of policy.hosts.values()) {
    const host = state.hosts.get(each.name);
    const was = before.get(each.name) ?? NOT_KNOWN;
    const { since, ...is } = host === undefined ? { ...NOT_KNOWN, since: null } : standingOf(host, each, state, was);
    const same = is.state === was.state && is.planned === was.planned;
    standings.set(each.name, same ? was : is);
    // What was planned counts from when it was, not from our next look.
    if (!same) changes.push({ ...is, host: each.name, atMs: is.planned !== was.planned && since !== null ? Math.min(nowMs, Math.max(lastMs, since.wallMs)) : nowMs });
  }
  for (const host of before.keys()) if (!policy.hosts.has(host)) changes.push({ ...NOT_KNOWN, host, atMs: nowMs });
  return { changes, standings };
}
