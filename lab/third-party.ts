// Which third-party programs took part in the tests. A virtual device is only as good as the foreign clients that accepted
// it, so every test that drives one says so here; the test runner prints the list and CI compares it with the one in the
// repository. The version is asked of the program itself, never assumed. Nothing is asked or written when no runner listens.

import { spawnSync } from "node:child_process";
import { accessSync, appendFileSync, constants, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

const told = new Set<string>();

/** Records that `name` took part in this test process, with the line holding a number that `argvForVersion` prints; without UPKEEP_TEST_THIRD_PARTY it does nothing. */
export function thirdParty(name: string, argvForVersion: readonly string[]): void {
  const path = process.env["UPKEEP_TEST_THIRD_PARTY"];
  if (path === undefined || path === "" || told.has(name)) return;
  told.add(name);
  // One short line per write: O_APPEND keeps the lines of test files that run at the same time whole.
  appendFileSync(path, `${JSON.stringify({ name, version: versionOf(argvForVersion) })}\n`);
}

/** The first printed line that holds a version number; an error when there is none, since then the program did not run. */
export function versionOf(argv: readonly string[]): string {
  const [program, ...rest] = argv;
  if (program === undefined) throw new Error("no program to ask for its version");
  const run = spawnSync(program, rest, { timeout: 20_000, encoding: "utf8", maxBuffer: 1 << 20, stdio: ["ignore", "pipe", "pipe"] });
  if (run.error !== undefined) throw run.error;
  const line = `${run.stdout}\n${run.stderr}`.split("\n").find((text) => /\d+\.\d+/.test(text));
  if (line === undefined) throw new Error(`${argv.join(" ")} printed no version (exit ${run.status})`);
  return line.trim().slice(0, 120);
}

/** Packages that bin/setup unpacks and does not install (lab/unpacked.txt). */
const UNPACKED = join(import.meta.dirname, "unpacked");

/** Where a program is, /usr/sbin and /sbin included (an ordinary user's PATH lacks them), and what was only unpacked; or null. */
export function programPath(name: string): string | null {
  const unpacked = existsSync(UNPACKED) ? readdirSync(UNPACKED).flatMap((each) => [join(UNPACKED, each, "usr/bin"), join(UNPACKED, each, "usr/sbin")]) : [];
  for (const folder of [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/sbin", ...unpacked]) {
    if (folder === "") continue;
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here.
    }
  }
  return null;
}

/** The reason to skip a test that needs these programs, or false: for `{ skip: lacking("fence_apc") }`. */
export function lacking(...names: readonly string[]): string | false {
  const missing = names.filter((name) => programPath(name) === null);
  return missing.length === 0 ? false : `not installed: ${missing.join(", ")} (bin/setup --lab installs it)`;
}
