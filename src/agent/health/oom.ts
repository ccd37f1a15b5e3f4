// Processes that the kernel killed for want of memory (/proc/vmstat, oom_kill: those of control groups, too), told for an hour.

import type { Seen, Sensor } from "./sensor.ts";
import { count, quoted, textOf } from "./sensor.ts";

const HOUR_MS = 3_600_000;

export type Kills = { readonly atMs: number; readonly total: number };

/** `hour`: what was counted within the last hour, the oldest first, the last of it now. */
export function judgeOom(hour: readonly Kills[]): Seen {
  const total = hour.at(-1)?.total ?? 0;
  const killed = total - (hour[0]?.total ?? total);
  return killed <= 0 ? { of: null, verdict: "good", because: total === 0 ? "the kernel has killed nothing for want of memory" : "nothing was killed for want of memory in the last hour" }
    : { of: null, verdict: "warn", because: `the kernel killed ${killed === 1 ? "a process" : `${killed} processes`} for want of memory within the last hour` };
}

export function oom(): Sensor {
  let hour: Kills[] = [];
  return {
    name: "oom",
    async look(eye) {
      const line = /^oom_kill (.*)$/m.exec((await textOf(eye, "proc/vmstat")) ?? "")?.[1];
      const total = count(line);
      if (total === null) return [{ of: null, verdict: "unknown", because: line === undefined ? "/proc/vmstat has no oom_kill" : `oom_kill reads ${quoted(line)}` }];
      const nowMs = eye.nowMs();
      // The newest of what is older than the hour is what the hour began with.
      const old = hour.findLast(({ atMs }) => nowMs - atMs > HOUR_MS);
      hour = [...(old === undefined ? [] : [old]), ...hour.filter(({ atMs }) => nowMs - atMs <= HOUR_MS), { atMs: nowMs, total }].slice(-4_096);
      return [judgeOom(hour)];
    },
  };
}
