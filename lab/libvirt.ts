// A libvirt daemon of our own: libvirtd as an unprivileged user, with all its files under one folder, beside whatever libvirt
// this machine may have. Its domains are real QEMU processes without an operating system (TCG, 16 MiB), or those of libvirt's
// own test driver, which live in the daemon and cost nothing.

import { spawn, type ChildProcess } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { labEnv, must, run, whenWeEnd, whichProgram } from "./child.ts";

export type Libvirt = {
  /** For domains that are QEMU processes, and for those of the test driver. */
  readonly qemuUri: string;
  readonly testUri: string;
  /** Not running; `transient`: running, and gone for good when it ends. */
  define(uri: string, name: string, how?: { readonly transient: boolean }): Promise<void>;
  start(uri: string, name: string): Promise<void>;
  /** As libvirt says it, asked on a way of our own. */
  running(uri: string, name: string): Promise<boolean>;
  /** The process of a QEMU domain, or null. */
  process(name: string): number | null;
  /** The daemon answers nothing more, and then again. */
  freeze(): void;
  thaw(): void;
  close(): Promise<void>;
};

const NOBODY = 65_534;
const START_MS = 30_000;

/** Starts the daemon; as root it becomes nobody. */
export async function startLibvirt(): Promise<Libvirt> {
  const daemonPath = whichProgram("libvirtd");
  const virsh = whichProgram("virsh");
  if (daemonPath === null || virsh === null) throw new Error("libvirtd or virsh is not installed");
  const folder = mkdtempSync(join(tmpdir(), "upkeep-libvirt-"));
  const asRoot = process.getuid?.() === 0;
  if (asRoot) chownSync(folder, NOBODY, NOBODY);
  chmodSync(folder, 0o755);
  const env = { ...labEnv(), HOME: folder, XDG_RUNTIME_DIR: folder, XDG_CONFIG_HOME: folder, XDG_CACHE_HOME: folder, LC_ALL: "C" };
  const become = asRoot ? ["--reuid", String(NOBODY), "--regid", String(NOBODY), "--clear-groups"] : [];
  const daemon = spawn("setpriv", [...become, "--pdeathsig", "KILL", "--", daemonPath], { cwd: folder, env, stdio: "ignore" }).on("error", () => {});
  const keepers: ChildProcess[] = [];
  const pids = (): number[] => {
    const place = join(folder, "libvirt/qemu/run");
    return existsSync(place) ? readdirSync(place).filter((name) => name.endsWith(".pid") && name !== "driver.pid").map((name) => Number(readFileSync(join(place, name), "utf8"))) : [];
  };
  const end = (): void => {
    for (const pid of pids()) kill(pid);
    for (const child of [daemon, ...keepers]) child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  const forget = whenWeEnd(end);
  const socket = join(folder, "libvirt/libvirt-sock");
  const [qemuUri, testUri] = [`qemu+unix:///session?socket=${socket}`, `test+unix:///default?socket=${socket}`];
  const ask = (uri: string, ...argv: readonly string[]): Promise<string> => must([virsh, "--quiet", "--connect", uri, ...argv], { env, timeoutMs: 60_000 });
  try {
    for (const endMs = performance.now() + START_MS; (await run([virsh, "-q", "-c", testUri, "list"], { env })).code !== 0; await new Promise((resolve) => setTimeout(resolve, 50))) {
      if (performance.now() > endMs || daemon.exitCode !== null) throw new Error("libvirtd does not answer");
    }
    // The test driver forgets its domains when nobody is connected any more.
    keepers.push(spawn(virsh, ["-q", "-c", testUri, "event", "--event", "lifecycle", "--loop"], { env, stdio: ["pipe", "ignore", "ignore"] }).on("error", () => {}));
  } catch (error) {
    forget();
    end();
    throw error;
  }
  return {
    qemuUri, testUri,
    async define(uri, name, { transient } = { transient: false }) {
      const real = uri === qemuUri;
      const file = join(folder, `${name}.xml`);
      writeFileSync(file, real
        ? `<domain type="qemu"><name>${name}</name><memory unit="MiB">16</memory><os><type arch="x86_64" machine="pc">hvm</type></os><devices><emulator>${whichProgram("qemu-system-x86_64")}</emulator><controller type="usb" model="none"/><memballoon model="none"/></devices></domain>`
        : `<domain type="test"><name>${name}</name><memory unit="MiB">16</memory><os><type>hvm</type></os></domain>`);
      await ask(uri, transient ? "create" : "define", file);
    },
    start: async (uri, name) => void (await ask(uri, "start", name)),
    running: async (uri, name) => (await ask(uri, "list", "--name", "--state-running")).split("\n").includes(name),
    process(name) {
      const file = join(folder, `libvirt/qemu/run/${name}.pid`);
      return existsSync(file) ? Number(readFileSync(file, "utf8")) : null;
    },
    freeze: () => void daemon.kill("SIGSTOP"),
    thaw: () => void daemon.kill("SIGCONT"),
    async close() {
      daemon.kill("SIGCONT");
      forget();
      end();
      if (daemon.exitCode === null && daemon.signalCode === null) await new Promise((resolve) => daemon.once("exit", resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}
