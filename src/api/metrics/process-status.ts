// What this process costs, under the names that every Prometheus client uses, so that pictures made for others show it too.

import { readdirSync } from "node:fs";

export type ProcessStatus = { readonly cpuSeconds: number; readonly residentBytes: number; readonly startedSeconds: number; readonly openFiles: number | null };

/** Since when, by the wall clock of the start: what a restart shows must not move with the clock. */
const startedSeconds = Math.round(performance.timeOrigin) / 1_000;

export function statusOfProcess(): ProcessStatus {
  const { user, system } = process.cpuUsage();
  return { cpuSeconds: (user + system) / 1e6, residentBytes: process.memoryUsage.rss(), startedSeconds, openFiles: openFiles() };
}

function openFiles(): number | null {
  try {
    // One of them is the folder itself.
    return readdirSync("/proc/self/fd").length - 1;
  } catch {
    return null;
  }
}
