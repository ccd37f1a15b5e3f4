// Who is told. Every route that fits takes a message, and the channels of all of them get it; one that no route takes goes to
// all channels, so that a mistake in a route is a message too many and never one too few. Escalation steps fit in the same way.

import type { Alarm } from "../core/io.ts";
import type { Hours, WallTime } from "./hours.ts";
import { within } from "./hours.ts";

/** What is left out fits everything. */
export type Fits = {
  readonly severity?: readonly Alarm["severity"][] | undefined;
  readonly kind?: readonly string[] | undefined;
  /** By name; the hosts of groups are among them. An alarm of no host fits only by its storm's group. */
  readonly hosts?: readonly string[] | undefined;
  readonly groups?: readonly string[] | undefined;
  readonly hours?: readonly Hours[] | undefined;
};

export type Route = Fits & { readonly to: readonly string[] };

/** `after` an alarm was first told and still nobody has acknowledged it. */
export type Step = Fits & { readonly afterMs: number; readonly to: readonly string[] };

type Told = Pick<Alarm, "alarm" | "kind" | "severity" | "host">;

export function fits(rule: Fits, alarm: Told, now: () => WallTime): boolean {
  if (rule.severity !== undefined && !rule.severity.includes(alarm.severity)) return false;
  if (rule.kind !== undefined && !rule.kind.includes(alarm.kind)) return false;
  if (rule.hosts !== undefined) {
    // The alarm of a storm in a group is that group's affair (core/storm-records.ts: `storm:group:db`).
    const storm = /^storm:group:(.+)$/.exec(alarm.alarm)?.[1];
    if (alarm.host === null ? storm === undefined || rule.groups?.includes(storm) !== true : !rule.hosts.includes(alarm.host)) return false;
  }
  return rule.hours === undefined || within(rule.hours, now());
}

/** The channels that are told, in the order of `all`; `routed`: whether any route took it. */
export function channelsFor(alarm: Told, routes: readonly Route[], all: readonly string[], now: () => WallTime): { readonly to: readonly string[]; readonly routed: boolean } {
  const wanted = new Set(routes.filter((route) => fits(route, alarm, now)).flatMap((route) => route.to));
  const to = all.filter((name) => wanted.has(name));
  return to.length === 0 ? { to: all, routed: false } : { to, routed: true };
}
