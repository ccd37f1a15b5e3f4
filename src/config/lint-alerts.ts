// Lints of whom to call: hours at which nobody in particular is named, channels that nothing ever reaches, nobody at all. None
// of it loses a message (one that no route takes goes to all channels); each is likely not what was meant.

import { DAYS } from "../alerts/hours.ts";
import type { WallTime } from "../alerts/hours.ts";
import { channelsFor } from "../alerts/routes.ts";
import type { AlertsConfig } from "./config.ts";
import type { Gathered } from "./gather.ts";
import type { ProblemList } from "./problems.ts";
import type { ResolvedFleet } from "./resolve.ts";

export function lintAlerts({ at }: Gathered, fleet: ResolvedFleet, alerts: AlertsConfig, problems: ProblemList): void {
  const { channels, routes, escalate } = alerts;
  const names = channels.map(({ name }) => name);
  if (names.length === 0) {
    problems.add(at.place(["alerts"], "key"), "NO_ALERTS", "no channel under alerts: nobody would be called", "alerts: { mail: { to: root@localhost } }");
    return;
  }
  if (routes.length === 0) return;
  for (const severity of ["critical", "warning"] as const) {
    const gap = firstGap(alerts, severity, [...fleet.hosts.map(({ policy }) => policy.name), null]);
    if (gap !== null) problems.add(at.place(["alerts", "routes"], "key"), "ROUTES_GAP", `no route takes ${severity} alarms ${gap}: they go to all channels`, "a last route without severity, groups and hours says to whom, or leave it so");
  }
  const reached = new Set([...routes, ...escalate].flatMap(({ to }) => to));
  for (const name of names) {
    const path = name === "mail" || name === "command" ? ["alerts", name] : ["alerts", "channels", name];
    if (!reached.has(name)) problems.add(at.place(path, "key"), "CHANNEL_UNUSED", `no route and no step of escalation names ${name}: it is only told what no route takes`);
  }
}

/** The first of all hosts and hours that no route takes, in words. */
function firstGap({ routes, channels }: AlertsConfig, severity: "critical" | "warning", hosts: readonly (string | null)[]): string | null {
  const names = channels.map(({ name }) => name);
  // Something changes only where a span begins or ends.
  const minutes = [...new Set([0, ...routes.flatMap(({ hours }) => hours ?? []).flatMap(({ from, to }) => [from, to % 1_440])])].toSorted((a, b) => a - b);
  const moments: readonly WallTime[] = DAYS.flatMap((day) => minutes.map((minute) => ({ day, minute })));
  // Hosts that stand in the same routes are alike; one of them is enough, and a fleet has thousands.
  const alike = new Map(hosts.toReversed().map((host) => [JSON.stringify(routes.map((route) => (host === null ? route.hosts === undefined : route.hosts?.includes(host) ?? true))), host]));
  for (const host of alike.values()) {
    for (const moment of moments) {
      const alarm = { alarm: host === null ? "storm:fleet" : `held:${host}`, kind: host === null ? ("storm" as const) : ("held" as const), severity, host };
      if (channelsFor(alarm, routes, names, () => moment).routed) continue;
      const whole = moments.every((each) => !channelsFor(alarm, routes, names, () => each).routed);
      const clock = `${String(Math.floor(moment.minute / 60)).padStart(2, "0")}:${String(moment.minute % 60).padStart(2, "0")}`;
      return `${host === null ? "of the whole fleet" : `about ${host}`}${whole ? "" : ` at ${clock} on ${moment.day}, for one`}`;
    }
  }
  return null;
}
