// File systems that are read-only and should not be. Grave only with the kernel's own word that an error was the reason: a person
// may remount one for a backup, and must not lose the power for it. ext4 counts its errors (/sys/fs/ext4/DEVICE/errors_count),
// and since Linux 6.15 says `emergency_ro` instead of `ro`; of others a read-only mount is for a person.

import type { Mount } from "./mounts.ts";
import { ownFileSystems, parseFstab, parseMountinfo } from "./mounts.ts";
import type { Eye, Seen, Sensor } from "./sensor.ts";
import { count, leadsTo, pathIn, textOf } from "./sensor.ts";

const FSTAB_EVERY_MS = 600_000;

export type Known = { readonly wanted: ReadonlyMap<string, boolean>; /** Ids of mounts that were written to before. */ readonly written: ReadonlySet<string>; /** By device, what ext4 counts. */ readonly errors: ReadonlyMap<string, number> };

export function isReadOnly({ options, superOptions }: Mount): boolean {
  return options.includes("ro") || superOptions.some((option) => option === "ro" || option === "emergency_ro" || option === "shutdown");
}

export function judgeReadOnly(mounts: readonly Mount[], { wanted, written, errors }: Known): readonly Seen[] {
  return ownFileSystems(mounts).flatMap((mount): Seen[] => {
    const { point, superOptions, device, type } = mount;
    const seen = (verdict: Seen["verdict"], because: string): Seen[] => [{ of: point, verdict, because }];
    if (!isReadOnly(mount)) return seen("good", "can be written to");
    const why = wanted.get(point) === true ? "fstab wants it written to" : written.has(mount.id) ? "it could be written to before" : null;
    if (why === null) return [];
    const says = superOptions.find((option) => option === "emergency_ro" || option === "shutdown");
    const errorCount = errors.get(device) ?? 0;
    if (says !== undefined) return seen("grave", `the kernel has stopped writing to it (${says}), and ${why}`);
    if (errorCount > 0) return seen("grave", `read-only after ${errorCount === 1 ? "an error" : `${errorCount} errors`} that ${type} has counted, and ${why}`);
    return seen("warn", `read-only, and ${why}; ${errors.has(device) ? `${type} counts no error: somebody may have remounted it` : "nobody says why"}`);
  });
}

export function readOnly(): Sensor {
  const written = new Set<string>();
  let fstab: { readonly atMs: number; readonly wanted: ReadonlyMap<string, boolean> } | null = null;
  return {
    name: "fs-read-only",
    async look(eye) {
      const text = await textOf(eye, "proc/self/mountinfo");
      const mounts = parseMountinfo(text ?? "");
      if (mounts.length === 0) return [{ of: null, verdict: "unknown", because: "/proc/self/mountinfo has no mount in it" }];
      if (fstab === null || eye.nowMs() - fstab.atMs >= FSTAB_EVERY_MS) {
        const ran = await eye.run(["cat", "--", pathIn(eye, "etc/fstab")]);
        // One that cannot be read wants nothing; the old one may still be right.
        if ("code" in ran.end) fstab = { atMs: eye.nowMs(), wanted: parseFstab(ran.stdout) };
      }
      const errors = await errorsOf(eye, mounts.filter(({ type }) => /^ext[234]$/.test(type)));
      const seen = judgeReadOnly(mounts, { wanted: fstab?.wanted ?? new Map(), written, errors });
      for (const mount of mounts) if (!isReadOnly(mount)) written.add(mount.id);
      if (written.size > 4_096) written.clear();
      return seen;
    },
  };
}

async function errorsOf(eye: Eye, mounts: readonly Mount[]): Promise<ReadonlyMap<string, number>> {
  const errors = new Map<string, number>();
  for (const { device } of mounts) {
    const name = (await leadsTo(eye, `sys/dev/block/${device}`))?.split("/").at(-1);
    const counted = name === undefined ? null : count(await textOf(eye, `sys/fs/ext4/${name}/errors_count`));
    if (counted !== null) errors.set(device, counted);
  }
  return errors;
}
