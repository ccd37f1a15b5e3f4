// A fresh Debian, as its installer would leave it but smaller: made by debootstrap from the mirror that this machine's apt
// uses, with systemd and nothing else. Made once, kept beside the lab's other parts, and never written to afterwards: whoever
// boots it puts a layer of his own over it (nspawn.ts). Needs root.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { must, whichProgram } from "./child.ts";
import { thirdParty } from "./third-party.ts";

const KEPT = join(import.meta.dirname, "../node_modules/.cache/upkeep-debian");
const LIMIT_MS = 600_000;
/** What a machine needs to boot; dpkg and apt come by themselves. */
const PACKAGES = ["systemd", "systemd-sysv", "dbus"];

/** Why this machine cannot make one, in words, or null. */
export function debootstrapRefusal(): string | null {
  if (process.getuid?.() !== 0) return "debootstrap needs root";
  return whichProgram("debootstrap") === null ? "not installed: debootstrap (bin/setup --lab installs it)" : null;
}

/** The folder of it, made first if it is not there. */
export async function debianRoot(): Promise<string> {
  thirdParty("debootstrap", ["debootstrap", "--version"]);
  const suite = /^VERSION_CODENAME=(.+)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "";
  const kept = join(KEPT, suite);
  if (existsSync(kept)) return kept;
  mkdirSync(KEPT, { recursive: true });
  const fresh = mkdtempSync(`${kept}.`);
  try {
    const mirrors = await must(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages"]);
    const mirror = mirrors.split("\n").find((line) => line.endsWith(` ${suite}`))?.split(" ")[0];
    if (mirror === undefined) throw new Error(`apt knows no mirror of ${suite}`);
    await must(["debootstrap", "--variant=minbase", `--include=${PACKAGES.join(",")}`, suite, join(fresh, "root"), mirror], { timeoutMs: LIMIT_MS });
    await must(["sh", "-c", 'rm -rf "$0"/var/cache/apt/archives/*.deb "$0"/var/lib/apt/lists/*', join(fresh, "root")]);
    // Two that make it at once: the first to be there stays.
    if (!existsSync(kept)) renameSync(join(fresh, "root"), kept);
    return kept;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}
