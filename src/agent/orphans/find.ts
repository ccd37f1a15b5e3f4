// Which container trees have lost their supervisor; pure. A container's first process is number 1 of a PID namespace of its own, and its
// parent outside is who supervises it: systemd-nspawn, conmon, a containerd-shim, an LXC monitor, unshare(1). When that dies the kernel
// gives the child to somebody else, and nobody will ever ask after it.
//
// That alone proves little: `runc run -d` and others leave a container to the machine's first process on purpose, systemd
// itself gives services a namespace. So there is *orphan* and *suspect*. An orphan is one whose supervisor this agent has seen
// at work, for a while and until it was gone, or which lies in a runtime's own control group while nothing of that runtime
// supervises it. A suspect has nobody and may never have had anybody: it is shown, and never touched.

import type { Identity } from "../../process/proc.ts";

/** A process as the finder needs it. */
export type Proc = Identity & {
  readonly ppid: number;
  readonly comm: string;
  readonly state: string;
  /** Its number in each of its namespaces, ours first (proc(5), NSpid). */
  readonly nsPids: readonly number[];
  /** The namespace of its PID (inode), or null where it may not be read. */
  readonly pidNs: string | null;
  /** Control groups, one path a line. */
  readonly cgroup: string;
  /** Its arguments with blanks between. */
  readonly args: string;
};

export type Supervisor = Identity & { readonly comm: string };

/** What is remembered of a container from look to look, by `keyOf` its first process. */
export type Known = {
  readonly key: string;
  /** The parent it had, and since when and until when that was seen. */
  readonly supervisor: Supervisor | null;
  readonly seenFromMs: number;
  readonly seenToMs: number;
  /** Since when it has been without; null: it has one. */
  readonly orphanedMs: number | null;
};

export type Found = {
  readonly key: string;
  readonly init: Identity;
  readonly comm: string;
  readonly pidNs: string | null;
  readonly kind: "orphan" | "suspect";
  readonly because: string;
  readonly sinceMs: number;
  readonly processes: number;
  readonly defunct: number;
};

/** A parent seen for less than this may have been one that only makes containers and leaves (`runc run -d`). */
export const SUPERVISED_LEAST_MS = 30_000;

export function keyOf({ pid, startTicks }: Identity): string {
  return `${pid}/${startTicks}`;
}

/** Runtimes that name the control group of a container, and by what a supervisor of that very container is known. */
const RUNTIMES: readonly { readonly name: string; readonly group: RegExp; supervises(id: string, process: Proc): boolean }[] = [
  { name: "Podman", group: /\/libpod-(?!conmon-)([0-9a-f]{64})(?:\.scope)?(?:\/|$)/, supervises: (id, { comm, args }) => comm === "conmon" && args.includes(id) },
  { name: "Docker", group: /\/docker[-/]([0-9a-f]{64})(?:\.scope)?(?:\/|$)/, supervises: (id, { comm, args }) => comm.startsWith("containerd-shim") && args.includes(id) },
  { name: "Kubernetes", group: /\/cri-containerd-([0-9a-f]{64})\.scope(?:\/|$)/, supervises: (_id, { comm }) => comm.startsWith("containerd-shim") },
  { name: "LXC", group: /\/lxc\.payload\.([A-Za-z0-9_.-]+?)(?:-[0-9]+)?(?:\/|$)/, supervises: (id, { args, cgroup }) => (args.startsWith("[lxc monitor]") && args.endsWith(` ${id}`)) || cgroup.includes(`/lxc.monitor.${id}`) },
  { name: "systemd-nspawn", group: /\/(?:systemd-nspawn@|machine-)([^/]+?)\.(?:service|scope)(?:\/|$)/, supervises: (_id, { comm }) => comm === "systemd-nspawn" },
];

/** Who takes over what has lost its parent, and is nobody's supervisor for that: the machine's first process, and the systemd of a user. */
function isReaper({ pid, comm, args }: Proc): boolean {
  return pid === 1 || (comm === "systemd" && args.includes("--user"));
}

export type Sight = { readonly known: ReadonlyMap<string, Known>; readonly found: readonly Found[] };

/** `ownPid`: this agent, whose children are nobody's orphans. */
export function findOrphans(table: ReadonlyMap<number, Proc>, before: ReadonlyMap<string, Known>, nowMs: number, ownPid: number): Sight {
  const known = new Map<string, Known>();
  const found: Found[] = [];
  for (const init of table.values()) {
    // Of a namespace directly under ours: what is deeper is the matter of the container that it is in.
    if (init.nsPids.length !== 2 || init.nsPids[1] !== 1 || init.state === "Z" || init.state === "X") continue;
    const key = keyOf(init);
    const last = before.get(key);
    const parent = table.get(init.ppid);
    // Torn: the table was read while it changed. Nothing is concluded, and nothing forgotten.
    if (parent === undefined && init.ppid !== 0) {
      if (last !== undefined) known.set(key, last);
      continue;
    }
    // Its parent is outside of our own namespace: so is whoever supervises it.
    if (parent === undefined) continue;
    const taken = last?.supervisor ?? null;
    const adopted = taken !== null && (taken.pid !== parent.pid || taken.startTicks !== parent.startTicks);
    const supervised = !adopted && !isReaper(parent);
    const runtime = runtimeOf(init, table);
    const witnessed = taken !== null && last !== undefined && last.seenToMs - last.seenFromMs >= SUPERVISED_LEAST_MS;
    if (parent.pid === ownPid || supervised || runtime?.supervised === true || (!witnessed && isManaged(init, parent))) {
      const supervisor = supervised ? { pid: parent.pid, startTicks: parent.startTicks, comm: parent.comm } : taken;
      known.set(key, { key, supervisor, seenFromMs: last?.seenFromMs ?? nowMs, seenToMs: nowMs, orphanedMs: null });
      continue;
    }
    const since: Known = { key, supervisor: taken, seenFromMs: last?.seenFromMs ?? nowMs, seenToMs: last?.seenToMs ?? nowMs, orphanedMs: last?.orphanedMs ?? nowMs };
    known.set(key, since);
    const { processes, defunct } = treeOf(init, table);
    const of = { key, init: { pid: init.pid, startTicks: init.startTicks }, comm: init.comm, pidNs: init.pidNs, sinceMs: since.orphanedMs ?? nowMs, processes, defunct };
    if (witnessed) found.push({ ...of, kind: "orphan", because: `its supervisor ${taken.comm} (process ${taken.pid}) is gone` });
    else if (runtime !== null) found.push({ ...of, kind: "orphan", because: `it is ${runtime.name}'s ${runtime.id.slice(0, 20)}, and nothing of ${runtime.name} supervises it` });
    else found.push({ ...of, kind: "suspect", because: taken === null ? "nobody supervises it, and it is not known whether anybody ever did" : `${taken.comm} (process ${taken.pid}) has left it, soon after it was made: perhaps on purpose` });
  }
  return { known, found };
}

/** A service of systemd that was given a namespace of its own (PrivatePIDs=): its first process is a child of systemd, in that unit's group. */
function isManaged({ cgroup }: Proc, parent: Proc): boolean {
  return parent.comm === "systemd" && /\/(?!systemd-nspawn@)[^/\n]+\.service$/m.test(cgroup);
}

function runtimeOf(init: Proc, table: ReadonlyMap<number, Proc>): { readonly name: string; readonly id: string; readonly supervised: boolean } | null {
  for (const { name, group, supervises } of RUNTIMES) {
    for (const line of init.cgroup.split("\n")) {
      const id = group.exec(line)?.[1];
      if (id === undefined) continue;
      return { name, id, supervised: [...table.values()].some((each) => each.pid !== init.pid && each.nsPids.length === 1 && each.state !== "Z" && supervises(id, each)) };
    }
  }
  return null;
}

/** All that descends from it; every process of its namespace does, unless it was entered from outside. */
function treeOf(init: Proc, table: ReadonlyMap<number, Proc>): { readonly processes: number; readonly defunct: number } {
  let processes = 0;
  let defunct = 0;
  for (const each of table.values()) {
    let at: Proc | undefined = each;
    for (let depth = 0; at !== undefined && at.pid !== init.pid && depth < 256; depth += 1) at = table.get(at.ppid);
    if (at?.pid !== init.pid) continue;
    processes += 1;
    if (each.state === "Z") defunct += 1;
  }
  return { processes, defunct };
}
