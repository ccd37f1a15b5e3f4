// The kernel's list of mounts (proc(5), /proc/PID/mountinfo) and what fstab(5) wants of them; pure.

export type Mount = { readonly id: string; readonly device: string; readonly point: string; readonly type: string; readonly source: string; readonly options: readonly string[]; readonly superOptions: readonly string[] };

/** Every mount; lines that are none are left out. */
export function parseMountinfo(text: string): readonly Mount[] {
  return text.split("\n").flatMap((line): Mount[] => {
    const [before = "", after] = line.split(" - ", 2);
    const [id, , device, , point, options] = before.split(" ");
    const [type, source, superOptions] = after?.split(" ") ?? [];
    if (id === undefined || device === undefined || point === undefined || options === undefined || type === undefined || source === undefined || superOptions === undefined) return [];
    return [{ id, device, point: plain(point), type, source: plain(source), options: options.split(","), superOptions: superOptions.split(",") }];
  });
}

/** By mount point, whether fstab wants it written to. */
export function parseFstab(text: string): ReadonlyMap<string, boolean> {
  const wanted = new Map<string, boolean>();
  for (const line of text.split("\n")) {
    const [spec = "", point, , options = ""] = line.trim().split(/\s+/);
    if (spec === "" || spec.startsWith("#") || point?.startsWith("/") !== true) continue;
    wanted.set(point.length > 1 ? plain(point).replace(/\/+$/, "") : point, !options.split(",").includes("ro"));
  }
  return wanted;
}

/** Of another machine, or made by a program: their space is not this host's, and asking may hang. */
const ELSEWHERE = /^(nfs|cifs|smb|fuse|9p|ceph|afs|glusterfs|lustre|ocfs2|gfs2|autofs)/;
/** Made once and read only ever since: full, and rightly so. */
const SEALED: ReadonlySet<string> = new Set(["squashfs", "iso9660", "erofs", "udf", "cramfs", "romfs"]);
const IN_MEMORY: ReadonlySet<string> = new Set(["/run", "/tmp"]);

/** The file systems of the host's own, each once, by its shortest mount point. */
export function ownFileSystems(mounts: readonly Mount[]): readonly Mount[] {
  const own = new Map<string, Mount>();
  for (const mount of mounts) {
    const { type, source, point, device } = mount;
    const local = source.startsWith("/dev/") || type === "zfs" || type === "btrfs" || type === "bcachefs" || (type === "tmpfs" && IN_MEMORY.has(point));
    if (!local || ELSEWHERE.test(type) || SEALED.has(type)) continue;
    // The last of two on one point is the one that is seen; a shorter point is the file system rather than a view into it.
    const before = own.get(device);
    if (before === undefined || point.length < before.point.length) own.set(device, mount);
  }
  return [...own.values()];
}

/** Octal escapes of blanks and backslashes. */
function plain(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
