// A cgroup that can stand still as a whole: what makes a virtual machine freezable and its power cut complete. Version 2
// (`cgroup.freeze`) is preferred where it can be written, because a frozen process there still dies when it is killed;
// in version 1 (`freezer.state`) it dies when it is thawed, before it runs another instruction. Kernel documentation:
// admin-guide/cgroup-v2.rst and cgroup-v1/freezer-subsystem.rst.

import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

export type FreezerVersion = "v1" | "v2";

export type Freezer = {
  readonly path: string;
  /** Resolves when no process in it runs any more. */
  freeze(): Promise<void>;
  thaw(): void;
  /** Kills everything in it, frozen or not; resolves when it is empty. */
  kill(): Promise<void>;
  remove(): void;
};

const ROOTS: readonly { readonly version: FreezerVersion; readonly path: string }[] = [
  { version: "v2", path: "/sys/fs/cgroup" },
  { version: "v2", path: "/sys/fs/cgroup/unified" },
  { version: "v1", path: "/sys/fs/cgroup/freezer" },
];
const EMPTY_WITHIN_MS = 5_000;
const STEP_MS = 3;

/** The mounted freezer hierarchies that we may write to, the preferred one first. */
export function freezerRoots(version?: FreezerVersion): readonly string[] {
  const roots = ROOTS.filter((root) => version === undefined || root.version === version);
  return roots.filter((root) => isWritable(root.path, root.version === "v2" ? "cgroup.controllers" : "cgroup.procs"))
    .map((root) => root.path);
}

/** Makes an empty folder for a lab's cgroups in the first hierarchy that lets us. */
export function makeFreezerFolder(name: string, version?: FreezerVersion): string {
  const roots = freezerRoots(version);
  let refusal: unknown = new Error(`no ${version ?? ""} cgroup freezer is mounted under /sys/fs/cgroup`);
  for (const root of roots) {
    try {
      mkdirSync(`${root}/${name}`);
      return `${root}/${name}`;
    } catch (error) {
      refusal = error;
    }
  }
  throw refusal;
}

/** A freezable cgroup in a lab's folder. */
export function makeFreezer(folder: string, name: string): Freezer {
  const path = `${folder}/${name}`;
  mkdirSync(path, { recursive: true });
  return {
    path,
    async freeze() {
      setFrozen(path, true);
      await until(() => isFrozen(path), `${path} does not freeze`);
    },
    thaw: () => setFrozen(path, false),
    async kill() {
      await until(() => !killOnce(path), `${path} does not empty`);
    },
    remove: () => removeFolder(path),
  };
}

/** Kills all processes in a folder of cgroups and removes it; synchronous, for the end of a process. */
export function destroyFreezerFolder(folder: string): void {
  if (!existsSync(folder)) return;
  const paths = [...readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory())
    .map((entry) => `${folder}/${entry.name}`), folder];
  const deadlineMs = performance.now() + EMPTY_WITHIN_MS;
  for (const path of paths) {
    while (killOnce(path) && performance.now() < deadlineMs) pause(STEP_MS);
    removeFolder(path);
  }
}

/** Blocks this thread; only for the synchronous end of a lab. */
export function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function isWritable(folder: string, sign: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return existsSync(`${folder}/${sign}`);
  } catch {
    return false;
  }
}

function setFrozen(path: string, frozen: boolean): void {
  const v2 = `${path}/cgroup.freeze`;
  if (existsSync(v2)) writeFileSync(v2, frozen ? "1" : "0");
  else if (existsSync(`${path}/freezer.state`)) writeFileSync(`${path}/freezer.state`, frozen ? "FROZEN" : "THAWED");
}

function isFrozen(path: string): boolean {
  if (existsSync(`${path}/cgroup.freeze`)) return /^frozen 1$/m.test(readFileSync(`${path}/cgroup.events`, "utf8"));
  return readFileSync(`${path}/freezer.state`, "utf8").trim() === "FROZEN";
}

/** True while there was something to kill. Repeated, because a process may fork between our look and our blow. */
function killOnce(path: string): boolean {
  let pids: number[];
  try {
    pids = readFileSync(`${path}/cgroup.procs`, "utf8").split("\n").filter((line) => line !== "").map(Number);
  } catch {
    return false;
  }
  for (const pid of pids) {
    try {
      // 0 is how the kernel shows a process of a pid namespace that we cannot see; to us it would mean our own group.
      if (pid > 0) process.kill(pid, "SIGKILL");
    } catch {
      // it ended by itself
    }
  }
  setFrozen(path, false);
  return pids.length > 0;
}

function removeFolder(path: string): void {
  // A cgroup stays busy for an instant after its last process is gone.
  for (let tries = 0; tries < 200; tries += 1) {
    try {
      rmdirSync(path);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      pause(STEP_MS);
    }
  }
}

async function until(condition: () => boolean, complaint: string): Promise<void> {
  const deadlineMs = performance.now() + EMPTY_WITHIN_MS;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error(`${complaint} within ${EMPTY_WITHIN_MS} ms`);
    await sleep(STEP_MS);
  }
}
