// What the kernel says beside: who waits in state D, and where (proc_pid_stat(5), proc_pid_wchan(5)); the share of the last ten
// seconds in which everybody stood still for want of disk, memory or processor (PSI, kernel documentation accounting/psi.rst).
// Only /proc is read, which does not hang with a disk: no command line, since that waits for a process's memory.

import { readdirSync, readFileSync } from "node:fs";

export type Waiter = { readonly pid: number; readonly group: number; readonly name: string; readonly where: string };

/** Of so many processes at most; on a host with more this is a sample. */
const PROCESSES_MAX = 20_000;

/** Everybody in state D. */
export function waiters(): readonly Waiter[] {
  const found: Waiter[] = [];
  let left = PROCESSES_MAX;
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry) || left-- === 0) continue;
    const stat = parseStat(readOr(`/proc/${entry}/stat`));
    if (stat?.state === "D") found.push({ pid: Number(entry), group: stat.group, name: stat.name, where: placeOf(readOr(`/proc/${entry}/wchan`)) });
  }
  return found;
}

/** A name may hold brackets and blanks: it ends with the last of them. */
export function parseStat(text: string): { readonly name: string; readonly state: string; readonly group: number } | null {
  const end = text.lastIndexOf(")");
  const [state, , group] = text.slice(end + 2).split(" ");
  if (end < 0 || state === undefined || group === undefined) return null;
  return { name: text.slice(text.indexOf("(") + 1, end).replace(/[^\x21-\x7e]/g, "?"), state, group: Number(group) };
}

function placeOf(wchan: string): string {
  const place = wchan.trim();
  return place === "" || place === "0" ? "the kernel" : place.replace(/[^\w.]/g, "").slice(0, 60);
}

/** Percent of the last ten seconds, of `io`, `memory` and `cpu`; what the kernel does not tell is left out. */
export function parsePressure(text: string): number | null {
  const full = /^full avg10=([\d.]+)/m.exec(text)?.[1] ?? /^some avg10=([\d.]+)/m.exec(text)?.[1];
  return full === undefined ? null : Number(full);
}

const PRESSURE_LEAST = 5;
const NAMED_MAX = 4;

/** In one clause, `own` (a process group) left out; empty where there is nothing to say. */
export function evidenceOf(all: readonly Waiter[], own: number): string {
  const others = all.filter(({ group }) => group !== own);
  const pressures = (["io", "memory", "cpu"] as const).flatMap((name) => {
    const percent = parsePressure(readOr(`/proc/pressure/${name}`));
    return percent === null || percent < PRESSURE_LEAST ? [] : [`${name} ${Math.round(percent)} %`];
  });
  const names = others.slice(0, NAMED_MAX).map(({ name, pid }) => `${name}[${pid}]`).join(", ");
  return [
    ...(others.length === 0 ? [] : [`${others.length} more in state D: ${names}${others.length > NAMED_MAX ? " …" : ""}`]),
    ...(pressures.length === 0 ? [] : [`pressure: ${pressures.join(", ")}`]),
  ].join("; ");
}

function readOr(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    // It has ended, or the kernel has no such file.
    return "";
  }
}
