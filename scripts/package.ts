// Builds the Debian packages: build/deb/upkeep_VERSION_{amd64,arm64}.deb. Neither root nor debhelper is needed, only dpkg-deb;
// either machine builds both. The same commit gives the same bytes.
// Run: npm run package -- [amd64 | arm64 …] [--out FOLDER] [--version V] [--fast]

import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ARCHITECTURES } from "./package/architecture.ts";
import type { Architecture } from "./package/architecture.ts";
import { buildDeb } from "./package/deb.ts";
import type { Compression } from "./package/deb.ts";
import { contents } from "./package/tree.ts";

const ROOT = join(import.meta.dirname, "..");
const MAINTAINER = "Upkeep maintainers <maintainers@users.noreply.h-seed-2d024950.example>";
/** Of the package, where Upkeep itself is the same. */
const REVISION = "1";

/** What Node and koffi ask of the C library and of libstdc++ (package.test.ts looks): Debian 10, and newer. */
const DEPENDS = "libc6 (>= 2.28), libgcc-s1, libstdc++6 (>= 6), systemd | systemd-standalone-sysusers | systemd-sysusers, systemd | systemd-standalone-tmpfiles | systemd-tmpfiles";
/** Programs that a configuration may name. */
const SUGGESTS = "fence-agents, ipmitool, libvirt-clients, openssh-client, monitoring-plugins-basic, prometheus";

export type PackageOptions = { readonly architecture: Architecture; readonly folder: string; readonly version?: string; readonly compression?: Compression };

/** Builds one; resolves with its path. */
export async function buildPackage({ architecture, folder, version = ownVersion(), compression = "xz" }: PackageOptions): Promise<string> {
  const debianVersion = `${version}-${REVISION}`;
  const epochS = epoch();
  const files = await contents({ root: ROOT, architecture, version, debianVersion, maintainer: MAINTAINER, epochS });
  const script = (name: string): [string, string] => [name, readFileSync(join(ROOT, "packaging/debian", name), "utf8")];
  return buildDeb(folder, {
    package: "upkeep", version: debianVersion, architecture: architecture.debian,
    fields: { Maintainer: MAINTAINER, Depends: DEPENDS, Suggests: SUGGESTS, Section: "admin", Priority: "optional" },
    description: [
      "keeps hosts up by cutting and restoring their power, exactly once",
      "Upkeep watches hosts by what they serve (SSH, DNS, HTTP, databases, mail and",
      "more), decides with evidence that one is wedged, cuts and restores its power",
      "exactly once, and says why. Power is cut at switched power strips, BMCs,",
      "hypervisors, and by fence agents.",
      "",
      "One program, one file of configuration, an embedded ledger; several watchers",
      "agree in etcd or ZooKeeper.",
    ],
    scripts: new Map(["postinst", "prerm", "postrm"].map(script)),
  }, files, epochS, compression);
}

function ownVersion(): string {
  return (JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string }).version;
}

/** reproducible-builds.org: the time that everything in it has; else that of the commit. */
function epoch(): number {
  const asked = process.env["SOURCE_DATE_EPOCH"];
  if (asked !== undefined && asked !== "") {
    if (!/^[0-9]{1,12}$/.test(asked)) throw new Error(`SOURCE_DATE_EPOCH is ${asked}: seconds since 1970 are expected`);
    return Number(asked);
  }
  try {
    return Number(execFileSync("git", ["-C", ROOT, "log", "-1", "--format=%ct"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim());
  } catch {
    // A source tree without its history.
    return Math.floor(statSync(join(ROOT, "package.json")).mtimeMs / 1_000);
  }
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { out: { type: "string" }, version: { type: "string" }, fast: { type: "boolean" } } });
  const unknown = positionals.find((name) => !ARCHITECTURES.some(({ debian }) => debian === name));
  if (unknown !== undefined) throw new Error(`there is no ${unknown}: ${ARCHITECTURES.map(({ debian }) => debian).join(", ")}`);
  for (const architecture of ARCHITECTURES.filter(({ debian }) => positionals.length === 0 || positionals.includes(debian))) {
    const path = await buildPackage({ architecture, folder: values.out ?? join(ROOT, "build/deb"), ...(values.version === undefined ? {} : { version: values.version }), compression: values.fast === true ? "none" : "xz" });
    process.stdout.write(`${path}  ${(statSync(path).size / 1e6).toFixed(1)} MB\n`);
  }
}
