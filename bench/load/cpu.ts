// Processor time of a program and all that it starts, user and system, as the kernel's accounting by cgroup has it: to the
// nanosecond (cgroup-v1/cpuacct.rst) or microsecond (cgroup-v2.rst, cpu.stat), with children that have ended. What the
// kernel does for it in an interrupt counts for whoever ran at that moment: on loopback that is mostly the sender.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from "node:fs";

const ROOTS = [
  { folder: "/sys/fs/cgroup/cpuacct", sign: "cpuacct.usage" },
  { folder: "/sys/fs/cgroup/cpu,cpuacct", sign: "cpuacct.usage" },
  { folder: "/sys/fs/cgroup", sign: "cgroup.controllers" },
] as const;

export type Account = {
  /** Put before a command: it joins this account, on one core. */
  readonly words: readonly string[];
  /** Used so far, in microseconds. */
  usedUs(): number;
  /** Resident memory of all processes in it now, in MiB. */
  residentMiB(): number;
  /** Of that what is no file's, and cannot be dropped and read again. */
  ownMiB(): number;
  /** How often its processes that live now were put on a core again after they had waited. */
  wakeups(): number;
  close(): void;
};

/** Why processor time cannot be told on this machine, or null. */
export function accountRefusal(): string | null {
  return ROOTS.some(({ folder, sign }) => existsSync(`${folder}/${sign}`)) ? null : "no cgroup that accounts for processor time";
}

export function openAccount(name: string, core: number): Account {
  const root = ROOTS.find(({ folder, sign }) => existsSync(`${folder}/${sign}`));
  if (root === undefined) throw new Error(accountRefusal() ?? "");
  const folder = `${root.folder}/${name}`;
  mkdirSync(folder);
  const pids = (): string[] => (existsSync(folder) ? readFileSync(`${folder}/cgroup.procs`, "utf8").split("\n").filter((line) => line !== "") : []);
  return {
    words: ["sh", "-c", `echo $$ > ${folder}/cgroup.procs && exec "$@"`, "sh", "taskset", "-c", String(core)],
    usedUs() {
      if (root.sign === "cpuacct.usage") return Number(readFileSync(`${folder}/cpuacct.usage`, "utf8")) / 1e3;
      return Number(/^usage_usec (\d+)/m.exec(readFileSync(`${folder}/cpu.stat`, "utf8"))?.[1]);
    },
    residentMiB: () => pids().reduce((sum, pid) => sum + memoryMiB(pid, "VmRSS"), 0),
    ownMiB: () => pids().reduce((sum, pid) => sum + memoryMiB(pid, "RssAnon"), 0),
    wakeups: () => pids().reduce((sum, pid) => sum + wakeups(pid), 0),
    close() {
      // Busy for an instant after its last process is gone.
      for (let tries = 0; tries < 500 && existsSync(folder); tries += 1) {
        try {
          return rmdirSync(folder);
        } catch {
          for (const pid of pids()) kill(Number(pid));
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
        }
      }
    },
  };
}

function kill(pid: number): void {
  try {
    if (pid > 0) process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

/** proc_pid_status(5). */
function memoryMiB(pid: string, row: "VmRSS" | "RssAnon"): number {
  return numberIn(`/proc/${pid}/status`, row) / 1024;
}

/** Of all its threads. */
function wakeups(pid: string): number {
  try {
    return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => sum + numberIn(`/proc/${pid}/task/${thread}/status`, "voluntary_ctxt_switches"), 0);
  } catch {
    return 0;
  }
}

/** 0 of a process that has ended. */
function numberIn(status: string, row: string): number {
  try {
    return Number(new RegExp(`^${row}:\\s+(\\d+)`, "m").exec(readFileSync(status, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
