// A Debian package from a list of files: the folders, the control files, and `dpkg-deb`. The same list gives the same bytes:
// owners are root's by name, modes are stated and not this machine's umask, times are one time (SOURCE_DATE_EPOCH,
// reproducible-builds.org), and dpkg-deb sorts what it packs.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, lutimesSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

/** Contents, another file's contents, or a symbolic link. */
export type Content = Uint8Array | string | { readonly from: string } | { readonly link: string };
export type PackedFile = { readonly path: string; readonly content: Content; readonly executable?: boolean };

export type Control = {
  readonly package: string;
  readonly version: string;
  readonly architecture: string;
  /** The other fields, in their order; Installed-Size is found out. */
  readonly fields: Readonly<Record<string, string>>;
  readonly description: readonly [string, ...(readonly string[])];
  /** postinst, prerm, … → text. */
  readonly scripts: ReadonlyMap<string, string>;
};

/** How much work goes into making it small. `none` for a package that is thrown away. */
export type Compression = "xz" | "none";

const BUILD_LIMIT_MS = 900_000;
const run = promisify(execFile);

/** Writes `NAME_VERSION_ARCHITECTURE.deb` into `folder`; resolves with its path. */
export async function buildDeb(folder: string, control: Control, files: readonly PackedFile[], epochS: number, compression: Compression): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const stage = mkdtempSync(join(folder, ".stage-"));
  try {
    const sums: string[] = [];
    for (const file of [...files].sort((a, b) => (a.path < b.path ? -1 : 1))) {
      const target = join(stage, file.path);
      mkdirSync(dirname(target), { recursive: true });
      put(target, file);
      if (!isLink(file.content)) sums.push(`${createHash("md5").update(readFileSync(target)).digest("hex")}  ${file.path}\n`);
    }
    const sizeKiB = installedKiB(stage);
    mkdirSync(join(stage, "DEBIAN"));
    writeFileSync(join(stage, "DEBIAN/control"), controlText(control, sizeKiB));
    writeFileSync(join(stage, "DEBIAN/md5sums"), sums.join(""));
    for (const [name, text] of control.scripts) {
      writeFileSync(join(stage, "DEBIAN", name), text);
      chmodSync(join(stage, "DEBIAN", name), 0o755);
    }
    settle(stage, epochS);
    const out = join(folder, `${control.package}_${control.version}_${control.architecture}.deb`);
    await run("dpkg-deb", ["--root-owner-group", `-Z${compression}`, "--build", stage, out], { timeout: BUILD_LIMIT_MS, env: { ...process.env, SOURCE_DATE_EPOCH: String(epochS) } });
    return out;
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

function isLink(content: Content): content is { readonly link: string } {
  return typeof content === "object" && "link" in content;
}

function put(target: string, { content, executable = false }: PackedFile): void {
  if (isLink(content)) return symlinkSync(content.link, target);
  if (typeof content === "object" && "from" in content) copyFileSync(content.from, target);
  else writeFileSync(target, content);
  chmodSync(target, executable ? 0o755 : 0o644);
}

/** Policy 5.6.20: the files in KiB, each rounded up, and one for anything else. */
function installedKiB(folder: string): number {
  return readdirSync(folder, { withFileTypes: true, recursive: true }).reduce((sum, entry) => sum + (entry.isFile() ? Math.ceil(statSync(join(entry.parentPath, entry.name)).size / 1_024) : 1), 0);
}

function settle(folder: string, epochS: number): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) settle(path, epochS);
    // Not copied from a read-only place with its mode, and not made under this machine's umask.
    else if (folder.endsWith("/DEBIAN") && /^(control|md5sums)$/.test(entry.name)) chmodSync(path, 0o644);
    lutimesSync(path, epochS, epochS);
  }
  chmodSync(folder, 0o755);
  lutimesSync(folder, epochS, epochS);
}

function controlText({ package: name, version, architecture, fields, description: [short, ...more] }: Control, sizeKiB: number): string {
  return `${[
    `Package: ${name}`, `Version: ${version}`, `Architecture: ${architecture}`, `Installed-Size: ${sizeKiB}`,
    ...Object.entries(fields).map(([field, value]) => `${field}: ${value}`),
    `Description: ${short}`, ...more.map((line) => (line === "" ? " ." : ` ${line}`)),
  ].join("\n")}\n`;
}
