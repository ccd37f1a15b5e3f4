// A fresh Debian, as its installer would leave it but smaller: made by debootstrap from the mirror that this machine's apt
// uses, with systemd and nothing else. Made once, kept beside the lab's other parts, and never written to afterwards: whoever
// boots it puts a layer of his own over it (nspawn.ts). Needs root.
//
// And of Debian for another architecture the C and C++ libraries, unpacked: what QEMU needs to run a program of it here.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must, whichProgram } from "./child.ts";
import { thirdParty } from "./third-party.ts";

const KEPT = join(import.meta.dirname, "../node_modules/.cache/upkeep-debian");
const LIMIT_MS = 600_000;
/** What a machine needs to boot; dpkg and apt come by themselves. */
const PACKAGES = ["systemd", "systemd-sysv", "dbus"];
/** What Node and koffi are linked with. */
const LIBRARIES = ["libc6", "libgcc-s1", "libstdc++6"];

/** Why this machine cannot make one, in words, or null. */
export function debootstrapRefusal(): string | null {
  if (process.getuid?.() !== 0) return "debootstrap needs root";
  return whichProgram("debootstrap") === null ? "not installed: debootstrap (bin/setup --lab installs it)" : null;
}

/** The folder of it, made first if it is not there. */
export async function debianRoot(): Promise<string> {
  thirdParty("debootstrap", ["debootstrap", "--version"]);
  return madeOnce(ownSuite(), async (target, suite, mirror) => {
    await must(["debootstrap", "--variant=minbase", `--include=${PACKAGES.join(",")}`, suite, target, mirror], { timeoutMs: LIMIT_MS });
    await must(["sh", "-c", 'rm -rf "$0"/var/cache/apt/archives/*.deb "$0"/var/lib/apt/lists/*', target]);
  });
}

/** The folder that holds `lib/…` and `usr/lib/…` of the libraries of another architecture. */
export async function foreignLibraries(architecture: string): Promise<string> {
  return madeOnce(`${ownSuite()}-${architecture}`, async (target, suite, mirror) => {
    const apt = `${target}/apt`;
    mkdirSync(`${apt}/lists/partial`, { recursive: true });
    mkdirSync(`${apt}/cache/archives/partial`, { recursive: true });
    writeFileSync(`${apt}/sources`, `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror} ${suite} main\n`);
    // An apt of its own, that knows nothing of this machine's packages and leaves them alone.
    const settings = [`APT::Architecture=${architecture}`, `APT::Architectures=${architecture}`, `Dir::State::lists=${apt}/lists`, "Dir::State::status=/dev/null", `Dir::Cache=${apt}/cache`, `Dir::Etc::sourcelist=${apt}/sources`, "Dir::Etc::sourceparts=-", "Acquire::Languages=none", "APT::Sandbox::User=root"].flatMap((each) => ["-o", each]);
    await must(["apt-get", "-qq", ...settings, "update"], { timeoutMs: LIMIT_MS });
    await must(["sh", "-c", `cd "$0" && apt-get -qq "$@" download ${LIBRARIES.join(" ")} && for deb in *.deb; do dpkg -x "$deb" "$0"; done && rm -rf "$0"/*.deb "$0/apt"`, target, ...settings], { timeoutMs: LIMIT_MS });
  });
}

function ownSuite(): string {
  return /^VERSION_CODENAME=(.+)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "";
}

async function madeOnce(name: string, make: (target: string, suite: string, mirror: string) => Promise<void>): Promise<string> {
  const suite = ownSuite();
  const kept = join(KEPT, name);
  if (existsSync(kept)) return kept;
  mkdirSync(KEPT, { recursive: true });
  const fresh = mkdtempSync(`${kept}.`);
  try {
    const mirrors = await must(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages"]);
    const mirror = mirrors.split("\n").find((line) => line.endsWith(` ${suite}`))?.split(" ")[0];
    if (mirror === undefined) throw new Error(`apt knows no mirror of ${suite}`);
    mkdirSync(join(fresh, "root"), { mode: 0o755 });
    await make(join(fresh, "root"), suite, mirror);
    // Two that make it at once: the first to be there stays.
    if (!existsSync(kept)) renameSync(join(fresh, "root"), kept);
    return kept;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}
