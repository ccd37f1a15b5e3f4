// Rolling reboots, resolved: for the core the times, the plan of the schedule and the offsets of the time zone; for the shell what is run.

import { wallOffset } from "../alerts/hours.ts";
import type { RebootsPolicy } from "../core/policy.ts";
import { REBOOTS } from "../core/policy.ts";
import type { Offsets } from "../core/window.ts";
import type { RebootsConfig, RemedyTask } from "./config.ts";
import type { Gathered } from "./gather.ts";
import type { ProblemList } from "./problems.ts";
import type { ResolvedFleet } from "./resolve.ts";
import { didYouMean } from "./suggest.ts";

const DAY_MS = 86_400_000;
/** A watcher that runs for longer without reading its configuration goes on with the last offset. */
const OFFSETS_DAYS = 3 * 366;

/** Null: the section is not there. */
export function resolveReboots({ top, at, hosts, groups }: Gathered, fleet: ResolvedFleet, problems: ProblemList, nowMs: number): { readonly policy: RebootsPolicy; readonly shell: RebootsConfig } | null {
  const input = top.reboots;
  if (input === undefined) return null;
  for (const [index, host] of (input.hosts ?? []).entries()) if (!hosts.has(host)) problems.add(at.place(["reboots", "hosts", index]), "HOST_UNKNOWN", `no host is named ${host}`, didYouMean(host, hosts.keys()));
  for (const [index, group] of (input.groups ?? []).entries()) if (!groups.has(group)) problems.add(at.place(["reboots", "groups", index]), "GROUP_UNKNOWN", `no group is named ${group}`, didYouMean(group, groups.keys()) ?? "groups stand under groups:");
  if (input.undrain !== undefined && input.drain === undefined) problems.add(at.place(["reboots", "undrain"], "key"), "VALUE_INVALID", "undrain without drain", "say what takes the work off a host: drain: [program, \"{host}\"]");
  const members = fleet.hosts.filter((host) => host.groups.some((group) => input.groups?.includes(group) === true)).map(({ policy }) => policy.name);
  const by = input.by.map(({ limitMs, ...task }) => ({ limitMs, ...taskOf(task) }));
  const drainMs = input.drain === undefined ? null : input.drainLimit;
  const policy: RebootsPolicy = {
    window: input.window ?? null, needed: input.needed, hosts: input.hosts === undefined && input.groups === undefined ? null : [...new Set([...(input.hosts ?? []), ...members])], self: input.self,
    means: by.length > 0, limitMs: by.length === 0 ? REBOOTS.limitMs : by.reduce((sum, { limitMs }) => sum + limitMs, 0), drainMs, undrainMs: input.undrain === undefined ? null : input.drainLimit,
    downWithinMs: input.downWithin, settleMs: input.settle, budget: input.budget, offsets: offsetsOf(input.timeZone ?? null, nowMs),
  };
  return { policy, shell: { by, drain: input.drain ?? null, undrain: input.undrain ?? null } };
}

/** Without what only a remedy before power has. */
function taskOf(task: RemedyTask): RemedyTask {
  return task.kind === "ssh" ? { kind: "ssh", options: task.options } : { kind: "command", options: task.options };
}

/** Every change of the zone's offset from a week ago on, to the minute: looked for between two days that differ. */
export function offsetsOf(timeZone: string | null, nowMs: number): Offsets {
  const offset = wallOffset(timeZone);
  const fromMs = Math.floor(nowMs / DAY_MS) * DAY_MS - 7 * DAY_MS;
  const found = [{ fromMs, offsetMs: offset(fromMs) }];
  for (let day = 1; day <= OFFSETS_DAYS; day += 1) {
    let [low, high] = [fromMs + (day - 1) * DAY_MS, fromMs + day * DAY_MS];
    const after = offset(high);
    if (after === found.at(-1)?.offsetMs) continue;
    while (high - low > 60_000) {
      const middle = low + Math.floor((high - low) / 120_000) * 60_000;
      if (offset(middle) === after) high = middle;
      else low = middle;
    }
    found.push({ fromMs: high, offsetMs: after });
  }
  return found;
}
