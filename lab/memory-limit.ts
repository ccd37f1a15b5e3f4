// A machine's memory, as a cgroup gives it: whatever runs in it shares so many bytes, its page cache included, without swap, and
// the kernel kills something when that is not enough. Version 1 or 2, whichever has the memory controller here (kernel
// documentation: admin-guide/cgroup-v2.rst, "Memory"; admin-guide/cgroup-v1/memory.rst).

import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { whenWeEnd } from "./child.ts";

export type MemoryLimit = {
  /** To be put before a command that is to live in it. */
  readonly enter: readonly string[];
  /** The most that was in use, page cache and the kernel's own included. */
  peakBytes(): number;
  /** What cannot be given back: the processes' own memory, now. */
  anonymousBytes(): number;
  /** How often the kernel killed for want of memory. */
  kills(): number;
  /** When nothing runs in it any more. */
  remove(): void;
};

type Version = { readonly root: string; readonly limits: readonly (readonly [string, string | null])[]; readonly peak: string; readonly anonymous: RegExp; readonly kills: readonly [string, RegExp] };

/** `null` stands for the limit; the second of version 1 counts memory and swap together. */
const VERSIONS: readonly Version[] = [
  { root: "/sys/fs/cgroup", limits: [["memory.max", null], ["memory.swap.max", "0"]], peak: "memory.peak", anonymous: /^anon (\d+)$/m, kills: ["memory.events", /^oom_kill (\d+)$/m] },
  { root: "/sys/fs/cgroup/memory", limits: [["memory.limit_in_bytes", null], ["memory.memsw.limit_in_bytes", null]], peak: "memory.max_usage_in_bytes", anonymous: /^total_rss (\d+)$/m, kills: ["memory.oom_control", /^oom_kill (\d+)$/m] },
];

/** Why memory cannot be limited here, in words, or null. */
export function memoryLimitRefusal(): string | null {
  return versionHere() === null ? "no cgroup with a memory controller under /sys/fs/cgroup can be written" : null;
}

export function makeMemoryLimit(name: string, bytes: number): MemoryLimit {
  const version = versionHere();
  if (version === null) throw new Error(String(memoryLimitRefusal()));
  const path = `${version.root}/${name}`;
  mkdirSync(path);
  const remove = (): void => {
    forgetEnding();
    if (existsSync(path)) rmdirSync(path);
  };
  const forgetEnding = whenWeEnd(() => {
    try {
      rmdirSync(path);
    } catch {
      // Something in it is still dying.
    }
  });
  try {
    for (const [file, value] of version.limits) if (existsSync(`${path}/${file}`)) writeFileSync(`${path}/${file}`, value ?? String(bytes));
  } catch (error) {
    remove();
    throw error;
  }
  const count = (file: string, what: RegExp): number => Number(what.exec(readFileSync(`${path}/${file}`, "latin1"))?.[1] ?? NaN);
  return {
    enter: ["sh", "-c", 'echo 0 > "$0/cgroup.procs" && exec "$@"', path],
    peakBytes: () => (existsSync(`${path}/${version.peak}`) ? count(version.peak, /^(\d+)$/m) : NaN),
    anonymousBytes: () => count("memory.stat", version.anonymous),
    kills: () => count(...version.kills),
    remove,
  };
}

function versionHere(): Version | null {
  return VERSIONS.find(({ root }) => {
    try {
      const controllers = root.endsWith("memory") ? "memory" : readFileSync(`${root}/cgroup.subtree_control`, "latin1");
      accessSync(root, constants.W_OK);
      return controllers.split(/\s+/).includes("memory") && existsSync(root);
    } catch {
      return false;
    }
  }) ?? null;
}
