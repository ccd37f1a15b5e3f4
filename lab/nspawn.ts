// A machine with a real systemd: Debian's own, booted by systemd-nspawn on a copy-on-write layer over this machine's root
// file system or over another one (debian-root.ts), in a node of the lab's network. A second to boot, and whatever is installed in it is gone with it. Needs root.
//
// The layer lies on a file system in memory that only the machine's own mount namespace has; it ends with the processes.

import type { ChildProcess } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { run, whenWeEnd, whichProgram } from "./child.ts";
import type { Ran, RunOptions } from "./child.ts";
import { spawnBound } from "./netns.ts";
import type { LabNode } from "./netns.ts";
import { thirdParty } from "./third-party.ts";

export type SystemdMachine = {
  /** Runs a command in it, to its end. */
  exec(argv: readonly string[], options?: RunOptions): Promise<Ran>;
  stop(): Promise<void>;
};

const BOOTED_WITHIN_MS = 120_000;
/** In the machine: the checkout, read-only. */
export const CHECKOUT = "/checkout";
let machines = 0;

/** Why this machine cannot run one, in words, or null. */
export function nspawnRefusal(): string | null {
  if (process.getuid?.() !== 0) return "systemd-nspawn needs root";
  if (whichProgram("systemd-nspawn") === null) return "not installed: systemd-container (bin/setup --lab installs it)";
  return whichProgram("systemctl") === null ? "this machine has no systemd to boot" : null;
}

/** Boots it with `checkout` at CHECKOUT; resolves when its units are started. `lower` is the root file system that it sees. */
export async function startSystemdMachine(node: LabNode, checkout: string, lower = "/"): Promise<SystemdMachine> {
  thirdParty("systemd", ["systemctl", "--version"]);
  machines += 1;
  const name = `upkeep-${process.pid}-s${machines}`;
  const folder = `/run/${name}`;
  mkdirSync(folder, { mode: 0o700 });
  const boot = `set -e
mount -t tmpfs -o mode=700 upkeep-lab "$0"; cd "$0"; mkdir upper work root
mount -t overlay overlay -o lowerdir="$4",upperdir=upper,workdir=work root
: > root/etc/machine-id; mkdir -p root${CHECKOUT}
# What this machine has enabled is not to be started a second time.
rm -rf root/etc/systemd/system/*.wants root/etc/rc?.d root/etc/systemd/system/upkeep* root/etc/upkeep root/var/lib/upkeep
# A machine may ask its clock, which a container may not. The only part of /proc/sys that is its own: the network.
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
exec systemd-nspawn --quiet --system-call-filter="adjtimex clock_adjtime" --register=no --keep-unit -D root -M "$1" --network-namespace-path="$2" --bind-ro="$3:${CHECKOUT}" --boot -- --unit=multi-user.target`;
  const child = spawnBound(["unshare", "--mount", "--propagation", "private", "sh", "-c", boot, folder, name, `/run/netns/${node.namespace}`, checkout, lower], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (bytes: Buffer) => (said = (said + bytes.toString("latin1")).slice(-4_000)));
  const forgetEnding = whenWeEnd(() => void child.kill("SIGKILL"));
  const stop = async (): Promise<void> => {
    forgetEnding();
    if (child.exitCode === null && child.signalCode === null) {
      const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      child.kill("SIGKILL");
      await gone;
    }
    // Its first process dies with it a moment later; then the folder is free.
    for (let tries = 0; tries < 100; tries += 1) {
      try {
        rmSync(folder, { recursive: true, force: true });
        return;
      } catch {
        await sleep(50);
      }
    }
  };
  const exec = async (argv: readonly string[], options?: RunOptions): Promise<Ran> => {
    const leader = await leaderOf(child);
    if (leader === null) throw new Error(`the machine is gone: ${said}`);
    return run(["nsenter", `--target=${leader}`, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wdns=/", "--", ...argv], options);
  };
  try {
    const deadlineMs = performance.now() + BOOTED_WITHIN_MS;
    for (;;) {
      if (child.exitCode !== null || performance.now() > deadlineMs) throw new Error(`systemd does not boot (${child.exitCode ?? "too slow"}): ${said}`);
      if ((await leaderOf(child)) !== null) {
        const { stdout } = await exec(["systemctl", "is-system-running"]);
        if (/^(running|degraded)/.test(stdout)) return { exec, stop };
      }
      await sleep(200);
    }
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The first process of the machine: a grandchild of ours that is number 1 in a namespace of its own. */
async function leaderOf(child: ChildProcess): Promise<number | null> {
  let pids = [child.pid ?? 0];
  for (let depth = 0; depth < 4 && pids.length > 0; depth += 1) {
    pids = pids.flatMap((pid) => childrenOf(pid));
    const found = pids.find((pid) => /^NSpid:\t\d+\t1$/m.test(statusOf(pid)));
    if (found !== undefined) return found;
  }
  return null;
}

function childrenOf(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) => readFileSync(`/proc/${pid}/task/${task}/children`, "latin1").split(" ").filter((text) => text !== "").map(Number));
  } catch {
    return [];
  }
}

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "latin1");
  } catch {
    return "";
  }
}
