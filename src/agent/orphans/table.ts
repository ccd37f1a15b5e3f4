// All processes, as the finder wants them. What costs is read of first processes of namespaces and of who may supervise them; of a
// thousand others only their status, which ends early where there is a single namespace.

import { readlinkSync } from "node:fs";
import { join } from "node:path";
import { processes, statOf, textOf } from "../../process/proc.ts";
import type { Proc } from "./find.ts";

/** Whose arguments are looked at: supervisors, by what the kernel calls them. */
const SUPERVISES = /^(conmon|containerd-shim|lxc-start|lxc-|\[lxc|systemd)/;

/** A process that went while it was read is left out. */
export function readTable(proc = "/proc"): ReadonlyMap<number, Proc> {
  const table = new Map<number, Proc>();
  for (const pid of processes(proc)) {
    const one = readProc(pid, proc);
    if (one !== null) table.set(pid, one);
  }
  return table;
}

export function readProc(pid: number, proc = "/proc"): Proc | null {
  const stat = statOf(pid, proc);
  if (stat === null) return null;
  const nsPids = (/^NSpid:\s+(.*)$/m.exec(textOf(join(proc, String(pid), "status")) ?? "")?.[1] ?? "").split(/\s+/).map(Number).filter((each) => Number.isSafeInteger(each) && each > 0);
  const isInit = nsPids.length > 1 && nsPids.at(-1) === 1;
  const looked = isInit || SUPERVISES.test(stat.comm) || pid === 1;
  return {
    pid, startTicks: stat.startTicks, ppid: stat.ppid, comm: stat.comm, state: stat.state, nsPids,
    pidNs: isInit ? link(join(proc, String(pid), "ns/pid")) : null,
    cgroup: looked ? textOf(join(proc, String(pid), "cgroup")) ?? "" : "",
    args: looked ? (textOf(join(proc, String(pid), "cmdline")) ?? "").replaceAll("\0", " ").trim() : "",
  };
}

function link(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
