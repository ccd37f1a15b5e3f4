// Whether the host waits for a reboot: its package manager says so (/run/reboot-required, as Debian's packages leave it), or a newer
// kernel of the running one's kind is installed. `warn` is yes, for whoever reboots hosts in turn.

import type { Seen, Sensor } from "./sensor.ts";
import { byNumber, count, namesIn, pathIn, quoted, textOf } from "./sensor.ts";

const INSTALLED_EVERY_MS = 600_000;

export type Kernels = { /** What `uname -r` says. */ readonly running: string; /** Names in /lib/modules. */ readonly modules: readonly string[]; /** Names in /boot. */ readonly boot: readonly string[] };

/** What a kernel's name says beside its version: `amd64`, `cloud-amd64`, `generic`. What moves with the version is none of it. */
export function flavourOf(release: string): string {
  return release.split(/[-.+_~]/).filter((word) => !/^([0-9]|rc[0-9]|(deb|bpo|fc|el|arch|ubuntu|lp)[0-9]+(u[0-9]+)?$)/.test(word)).join("-");
}

/** The newest kernel of the running one's kind that could be started instead, or null. */
export function newerKernel({ running, modules, boot }: Kernels): string | null {
  const images = new Set(boot.flatMap((name) => /^vmlinu[xz]-(.+)$/.exec(name)?.[1] ?? []));
  const installed = modules.filter((release) => /^[0-9]+\.[0-9]/.test(release) && flavourOf(release) === flavourOf(running) && (images.size === 0 || images.has(release)));
  const newest = installed.toSorted(byNumber).at(-1);
  return newest !== undefined && byNumber(newest, running) > 0 ? newest : null;
}

export function judgeReboot(required: string | null, packages: string | null, kernels: Kernels | null): Seen {
  const seen = (verdict: Seen["verdict"], because: string): Seen => ({ of: null, verdict, because });
  if (required !== null) {
    const names = [...new Set((packages ?? "").split("\n").map((name) => name.trim()).filter((name) => name !== ""))];
    return seen("warn", `a reboot is required${names.length === 0 ? "" : ` by ${names.slice(0, 5).join(", ")}${names.length > 5 ? ` and ${names.length - 5} more` : ""}`}`);
  }
  if (kernels === null) return seen("unknown", "which kernels are installed cannot be read");
  const newest = newerKernel(kernels);
  return newest === null ? seen("good", `no reboot is pending; the kernel is ${kernels.running}`) : seen("warn", `the kernel ${newest} is installed and ${kernels.running} runs`);
}

export function reboot(): Sensor {
  let installed: { readonly atMs: number; readonly modules: readonly string[]; readonly boot: readonly string[] } | null = null;
  return {
    name: "reboot-pending",
    async look(eye) {
      const named = (await namesIn(eye, "run")).find((name) => name === "reboot-required" || name === "reboot-needed");
      const packages = named === undefined ? null : await textOf(eye, "run/reboot-required.pkgs");
      const running = (await textOf(eye, "proc/sys/kernel/osrelease"))?.trim();
      if (running === undefined || count(running.split(".")[0]) === null) return [{ of: null, verdict: "unknown", because: `the running kernel reads ${quoted(running)}` }];
      if (installed === null || eye.nowMs() - installed.atMs >= INSTALLED_EVERY_MS) {
        const [modules, boot] = [await list(eye, "lib/modules"), await list(eye, "boot")];
        if (modules !== null && boot !== null) installed = { atMs: eye.nowMs(), modules, boot };
      }
      return [judgeReboot(named ?? null, packages, installed === null ? null : { running, ...installed })];
    },
  };
}

/** By a child, since these lie on the disk. None: there is no such folder, as in a container. */
async function list(eye: Parameters<Sensor["look"]>[0], folder: string): Promise<readonly string[] | null> {
  const ran = await eye.run(["ls", "-1", "--", pathIn(eye, folder)]);
  if (!("code" in ran.end)) return null;
  return ran.end.code === 0 ? ran.stdout.split("\n").filter((name) => name !== "") : /No such file/.test(ran.said) ? [] : null;
}
