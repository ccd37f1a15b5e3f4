// Which file systems there are, and whose fault it is when one of them does not answer. Pure: it is given the text of
// /proc/self/mountinfo (proc_pid_mountinfo(5)) and a reader of /sys, and touches no mount: to look at a path on a disk that
// hangs is to hang.
//
// Only what is known to hang on this machine alone is `local`. A network under it, a file on another file system, or what
// cannot be told makes it something that cutting this host's power may not cure.

import { dirname } from "node:path";

export type Kind = "local" | "remote" | "network" | "user" | "overlay" | "memory" | "unclear";

export type Mount = {
  readonly path: string;
  /** `major:minor` of the file system. */
  readonly device: string;
  readonly root: string;
  readonly type: string;
  readonly source: string;
  readonly readOnly: boolean;
};

export type Watched = Mount & {
  readonly kind: Kind;
  /** The path under which it was asked for; that of the mount itself with `auto`. */
  readonly asked: string;
};

/** What is read of /sys: null where there is no such thing. */
export type Sys = {
  /** The path without links. */
  real(path: string): string | null;
  list(path: string): readonly string[];
  read(path: string): string | null;
};

const MOUNTS_MAX = 64;
const STORED = /^(ext[234]|xfs|btrfs|f2fs|jfs|reiserfs|bcachefs|nilfs2|zfs)$/;
const NETWORK = /^(nfs4?|cifs|smb3|smbfs|ceph|glusterfs|afs|9p|virtiofs|lustre|gfs2|ocfs2|beegfs|orangefs|ncpfs|coda)$|^fuse\.(sshfs|glusterfs|ceph|s3fs|rclone|nfs)/;
const MEMORY = /^(tmpfs|ramfs|devtmpfs|proc|sysfs|cgroup2?|hugetlbfs|mqueue|debugfs|tracefs|configfs|securityfs|pstore|bpf|devpts|efivarfs|autofs|rpc_pipefs|binfmt_misc|nsfs|fusectl)$/;
/** How deep devices may lie on each other. */
const DEPTH_MAX = 8;

export function parseMounts(text: string): readonly Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split("\n")) {
    const [left = "", right = ""] = line.split(" - ", 2);
    const [, , device, root, path, options = ""] = left.split(" ");
    const [type, source, superOptions = ""] = right.split(" ");
    if (device === undefined || root === undefined || path === undefined || type === undefined || source === undefined) continue;
    const readOnly = `${options},${superOptions}`.split(",").includes("ro");
    // What is mounted over another one hides it.
    const hidden = mounts.findIndex((each) => each.path === unescaped(path));
    if (hidden >= 0) mounts.splice(hidden, 1);
    mounts.push({ path: unescaped(path), device, root: unescaped(root), type, source: unescaped(source), readOnly });
  }
  return mounts;
}

/** Octal, as the kernel writes blanks. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** The mounts that are to be tried. `wasWritable`: paths that were watched before, which do not go because they became read-only. */
export function chosenMounts(mounts: readonly Mount[], asked: readonly string[] | null, except: readonly string[], sys: Sys, wasWritable: ReadonlySet<string> = new Set()): readonly Watched[] {
  if (asked !== null) {
    return asked.flatMap((path) => {
      const found = mountOf(path, mounts);
      return found === null ? [] : [{ ...found, asked: path, kind: kindOf(found, mounts, sys) }];
    });
  }
  const chosen = new Map<string, Watched>();
  // A file system under all its names.
  const left = new Set(mounts.filter(({ path }) => except.includes(path)).map(fileSystemOf));
  for (const mount of mounts.toSorted((one, other) => one.path.length - other.path.length)) {
    if (!STORED.test(mount.type) || (mount.readOnly && !wasWritable.has(mount.path)) || left.has(fileSystemOf(mount))) continue;
    // A part of a file system that is bound elsewhere (a container's /etc/hosts) is no mount of its own.
    if (mount.root !== "/" && mount.type !== "btrfs") continue;
    if (/[\x00-\x1f\x7f]/.test(mount.path)) continue;
    const system = fileSystemOf(mount);
    if (!chosen.has(system) && chosen.size < MOUNTS_MAX) chosen.set(system, { ...mount, asked: mount.path, kind: kindOf(mount, mounts, sys) });
  }
  return [...chosen.values()];
}

/** Subvolumes are one file system, datasets of a pool are one pool. */
function fileSystemOf({ type, source, device }: Mount): string {
  if (type === "btrfs") return source;
  return type === "zfs" ? source.split("/")[0] ?? source : device;
}

function mountOf(path: string, mounts: readonly Mount[]): Mount | null {
  const plain = path === "/" ? "/" : path.replace(/\/+$/, "");
  return mounts.filter((mount) => mount.path === "/" || plain === mount.path || plain.startsWith(`${mount.path}/`)).toSorted((one, other) => other.path.length - one.path.length)[0] ?? null;
}

/** On what a file system lies. */
export function kindOf(mount: Mount, mounts: readonly Mount[], sys: Sys, depth = 0): Kind {
  const { type, source, device } = mount;
  if (NETWORK.test(type)) return "network";
  if (type === "overlay" || type === "aufs") return "overlay";
  if (MEMORY.test(type)) return "memory";
  if (type === "fuse" || type.startsWith("fuse.") || type === "fuseblk") return "user";
  // A pool's name and not a device's: nothing says on which disks it lies.
  if (type === "zfs") return "unclear";
  const [major] = device.split(":");
  // btrfs has no number of its own: that of the device that was mounted.
  const name = major === "0" ? (sys.real(source) ?? source).split("/").at(-1) ?? "" : null;
  const block = name === null ? sys.real(`/sys/dev/block/${device}`) : source.startsWith("/dev/") ? sys.real(`/sys/class/block/${name}`) : null;
  return block === null ? "unclear" : deviceKind(block, mounts, sys, depth);
}

/** `block`: a device's folder under /sys/devices. */
function deviceKind(block: string, mounts: readonly Mount[], sys: Sys, depth: number): Kind {
  if (depth > DEPTH_MAX) return "unclear";
  const name = block.split("/").at(-1) ?? "";
  const below = sys.list(`${block}/slaves`);
  if (below.length > 0) {
    const kinds = below.map((each) => {
      const real = sys.real(`${block}/slaves/${each}`);
      return real === null ? "unclear" : deviceKind(real, mounts, sys, depth + 1);
    });
    // As good as the worst of what it lies on.
    return kinds.find((kind) => kind !== "local") ?? "local";
  }
  if (sys.read(`${block}/partition`) !== null) return deviceKind(dirname(block), mounts, sys, depth + 1);
  if (/^(nbd|rbd|drbd|rnbd|ublkb)\d/.test(name) || /\/(session\d+|rport-|nvme-fabrics|fnic|fcoe)/.test(block)) return "remote";
  if (/^(zram|ram)\d/.test(name)) return "memory";
  if (name.startsWith("loop")) {
    const file = sys.read(`${block}/loop/backing_file`)?.trim();
    const under = file === undefined || !file.startsWith("/") ? null : mountOf(file, mounts);
    return under === null ? "unclear" : kindOf(under, mounts, sys, depth + 1);
  }
  const subsystem = /^(.*\/nvme-subsystem\/[^/]+)\//.exec(`${block}/`)?.[1];
  if (subsystem !== undefined) {
    const transports = sys.list(subsystem).filter((each) => /^nvme\d+$/.test(each)).map((each) => sys.read(`${subsystem}/${each}/transport`)?.trim());
    return transports.length === 0 ? "unclear" : transports.every((each) => each === "pcie") ? "local" : "remote";
  }
  // A disk of hardware that stands in this machine, or that a hypervisor shows as such; of what is only software, nothing is known.
  return block.includes("/devices/virtual/") ? "unclear" : "local";
}
