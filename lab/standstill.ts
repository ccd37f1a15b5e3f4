// A process that is stopped (SIGSTOP) goes on for a moment: the signal is sent when kill(2) returns, and each of its threads
// stops when it is next scheduled. A test that asks it at once may still be answered.

import type { ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

/** Whether every thread of it is stopped or gone. */
export function standsStill(pid: number): boolean {
  let threads: readonly string[];
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch {
    return true;
  }
  return threads.every((thread) => {
    try {
      return /^State:\s+[TtZX]/m.test(readFileSync(`/proc/${pid}/task/${thread}/status`, "latin1"));
    } catch {
      return true; // this thread has ended
    }
  });
}

/** Stops it, and resolves when its last thread stands still. */
export async function standstill(child: ChildProcess | undefined): Promise<void> {
  child?.kill("SIGSTOP");
  while (child?.pid !== undefined && child.exitCode === null && child.signalCode === null && !standsStill(child.pid)) await pause(2);
}
