// What differs between the two packages: Node itself and the compiled part of koffi. Each is an npm package of its own, named
// in package-lock.json with the hash of its contents. The one of this machine was installed with the others; the other one is
// fetched once, checked against that hash, and kept in build/ (npm would refuse to install it here).

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

export type Architecture = { /** Debian's word. */ readonly debian: string; /** Node's. */ readonly node: string; /** e_machine (elf.h). */ readonly elf: number };

export const ARCHITECTURES: readonly Architecture[] = [
  { debian: "amd64", node: "x64", elf: 62 },
  { debian: "arm64", node: "arm64", elf: 183 },
];

const FETCH_LIMIT_MS = 600_000;
const run = promisify(execFile);

type Lock = { readonly packages: Readonly<Record<string, { readonly version: string; readonly integrity?: string } | undefined>> };

/** The folder of an npm package, fetched if it is not installed. */
export async function npmPackage(root: string, name: string): Promise<string> {
  const installed = join(root, "node_modules", name);
  if (existsSync(join(installed, "package.json"))) return installed;
  const locked = (JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as Lock).packages[`node_modules/${name}`];
  if (locked?.integrity === undefined) throw new Error(`package-lock.json does not say what ${name} is`);
  const kept = join(root, "build/npm", `${name.replace("/", "-")}-${locked.version}`);
  if (existsSync(kept)) return join(kept, "package");
  mkdirSync(join(root, "build/npm"), { recursive: true });
  const fresh = mkdtempSync(`${kept}.`);
  try {
    await run("npm", ["pack", "--silent", "--pack-destination", fresh, `${name}@${locked.version}`], { cwd: fresh, timeout: FETCH_LIMIT_MS });
    const [file = ""] = readdirSync(fresh);
    const [algorithm = "", expected = ""] = locked.integrity.split(/-(.*)/s);
    if (createHash(algorithm).update(readFileSync(join(fresh, file))).digest("base64") !== expected) throw new Error(`${name} ${locked.version} is not what package-lock.json says it is`);
    await run("tar", ["-xzf", file, "--no-same-owner"], { cwd: fresh, timeout: FETCH_LIMIT_MS });
    rmSync(join(fresh, file));
    // Two that fetch at once: the first to be there stays.
    if (!existsSync(kept)) renameSync(fresh, kept);
    return join(kept, "package");
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/** What machine a program or library is for. */
export function elfMachine(path: string): number {
  const bytes = readFileSync(path);
  if (bytes.subarray(0, 4).toString("latin1") !== "\x7fELF") throw new Error(`${path} is no ELF file`);
  return bytes.readUInt16LE(18);
}
