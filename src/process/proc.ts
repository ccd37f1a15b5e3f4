// Processes as /proc shows them (proc(5)). A process is its number and its start, in ticks since the machine was started: the number
// alone is somebody else's in the end.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

export type Identity = { readonly pid: number; readonly startTicks: number };

export type Stat = Identity & { readonly comm: string; /** `Z`: it has ended and nobody has asked how. */ readonly state: string; readonly ppid: number; readonly session: number };

/** Null: there is no such process, or no such file. */
export function statOf(pid: number, proc = "/proc"): Stat | null {
  return parseStat(textOf(join(proc, String(pid), "stat")) ?? "");
}

/** The text of /proc/PID/stat; its second field, in brackets, is the program's own choice and may hold anything. */
export function parseStat(text: string): Stat | null {
  const open = text.indexOf(" (");
  const close = text.lastIndexOf(") ");
  if (open < 0 || close < open) return null;
  const pid = Number(text.slice(0, open));
  const [state = "", ppid, , session, ...rest] = text.slice(close + 2).split(" ");
  // Field 22; `rest` begins with field 7.
  const startTicks = Number(rest[15]);
  const numbers = [pid, Number(ppid), Number(session), startTicks];
  if (!numbers.every(Number.isSafeInteger) || state.length !== 1) return null;
  return { pid, comm: text.slice(open + 2, close), state, ppid: Number(ppid), session: Number(session), startTicks };
}

/** Whether that very process is there and has not ended. */
export function lives({ pid, startTicks }: Identity, proc = "/proc"): boolean {
  const stat = statOf(pid, proc);
  return stat !== null && stat.startTicks === startTicks && stat.state !== "Z" && stat.state !== "X";
}

/** The numbers of all processes. */
export function processes(proc = "/proc"): readonly number[] {
  return readdirSync(proc).filter((name) => /^[0-9]+$/.test(name)).map(Number);
}

/** A file of a process; null where that is gone or may not be read. */
export function textOf(path: string): string | null {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return null;
  }
}
