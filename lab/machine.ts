// Virtual machines for tests: hosts that can be switched off, freeze, and be wedged, made of namespaces and a cgroup, with
// the real sshd and dnsmasq of this machine, booted in a fraction of a second. Frozen, such a machine answers ping and
// accepts TCP and says nothing, which is the wedged host that Upkeep exists for. A power cut takes the port off the switch
// first, so that no FIN tells the world, then kills everything; only the disk stays. Power-on makes a new network
// namespace, as a reboot makes a new network stack. Needs root: ask `labRefusal` first.

import type { ChildProcess, SpawnOptions } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { diesWithUs, run, whichProgram } from "./child.ts";
import type { RunOptions } from "./child.ts";
import { makeFreezer } from "./freezer.ts";
import type { FreezerVersion } from "./freezer.ts";
import { disksFolder, networkRefusal, spawnBound, startNetwork } from "./netns.ts";
import type { LabNode, Network, NodeOptions } from "./netns.ts";
import type { Faults } from "./network-faults.ts";
import { thirdParty } from "./third-party.ts";
import { dnsNameOf, inOrder, SERVING_WITHIN_MS, within } from "./virtual-host.ts";
import type { PowerEdge, VirtualHost, Wedge } from "./virtual-host.ts";

/** A virtual host that is a machine: programs run inside it; `exec` on a frozen one hangs until its time limit. */
export type Machine = VirtualHost & LabNode & { readonly address6: string };

export type MachineOptions = {
  /** From power to the first instruction, on every boot but the first; silent meanwhile. */
  readonly bootMs?: number;
};

export type Lab = {
  /** What all nodes hang on, for whoever plugs in more than machines. */
  readonly network: Network;
  readonly faults: Faults;
  /** A plain namespace, for a watcher or a power device; made when it is asked for first. */
  node(name: string, options?: NodeOptions): Promise<LabNode>;
  /** A machine, powered and serving; made when it is asked for first. */
  machine(name: string, options?: MachineOptions): Promise<Machine>;
  /** Nothing is left when it resolves. Also done when this process exits or is ended by a signal. Safe to call twice. */
  stop(): Promise<void>;
};

const SCRIPT = fileURLToPath(new URL("machine.sh", import.meta.url));
const SCRIPT_INSIDE = "/run/lab/machine.sh";
const WEDGES: readonly Wedge[] = ["frozen", "sshd-stopped", "banner-silent", "link-down", "dns-servfail"];
const JOIN = ["sh", "-c", 'echo 0 >"$0/cgroup.procs" && exec "$@"'];

/** Why this machine cannot run virtual machines, in words, or null when it can. */
export function labRefusal(): string | null {
  return networkRefusal(["sshd", "ssh-keygen", "dnsmasq"]);
}

/** Starts a lab without nodes; leftovers of labs whose process is dead are removed first. */
export async function startLab(options: { readonly freezer?: FreezerVersion } = {}): Promise<Lab> {
  const network = await startNetwork(options);
  const machines = new Map<string, Promise<Machine>>();
  let disks: Promise<Disks> | undefined;
  return {
    network, faults: network.faults,
    node: network.node,
    machine(name, wanted = {}) {
      disks ??= mountDisks(network);
      const made = machines.get(name) ?? disks.then((mounted) => makeMachine(network, mounted, name, wanted));
      machines.set(name, made);
      return made;
    },
    async stop() {
      const settled = await Promise.allSettled(machines.values());
      await Promise.allSettled(settled.map((one) => (one.status === "fulfilled" ? one.value.stop() : undefined)));
      network.stop();
    },
  };
}

/** Where machines' disks are: a memory file system that only this lab's own mount namespace has. */
type Disks = { readonly folder: string; readonly mountNamespace: string };

async function mountDisks(network: Network): Promise<Disks> {
  const folder = disksFolder(network.prefix);
  const { path } = makeFreezer(network.cgroups, "disks");
  const mount = 'mount -t tmpfs -o mode=700 upkeep-lab "$0" && echo mounted && exec sleep infinity';
  const holder = spawnBound([...JOIN, path, "unshare", "--mount", "--propagation", "private", "sh", "-c", mount, folder],
    { stdio: ["ignore", "pipe", "pipe"] });
  await firstLine(holder, "mounted");
  return { folder, mountNamespace: `/proc/${holder.pid}/ns/mnt` };
}

/** One stretch of power: its first process, and whether it came to serve. */
type Boot = { readonly cancel: AbortController; readonly served: Promise<void>; outer: ChildProcess | null };

async function makeMachine(network: Network, disks: Disks, name: string, options: MachineOptions): Promise<Machine> {
  thirdParty("OpenSSH sshd", [whichProgram("sshd") ?? "sshd", "-V"]);
  thirdParty("dnsmasq", [whichProgram("dnsmasq") ?? "dnsmasq", "--version"]);
  const place = network.claim(name);
  const cgroup = makeFreezer(network.cgroups, name);
  const inTurn = inOrder();
  const edges: PowerEdge[] = [];
  let boot: Boot | null = null;
  let wedged: Wedge | null = null;
  let stopped = false;

  const start = async (one: Boot, delayMs: number): Promise<void> => {
    const { signal } = one.cancel;
    if (delayMs > 0) await sleep(delayMs, undefined, { signal });
    await network.plug(place);
    signal.throwIfAborted();
    const outer = spawnBound([...JOIN, cgroup.path,
      "nsenter", `--mount=${disks.mountNamespace}`, `--net=/run/netns/${place.namespace}`, "--",
      "unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child=KILL",
      "sh", SCRIPT, "boot", `${disks.folder}/${name}`, name, place.address, place.address6,
    ], { stdio: ["ignore", "pipe", "pipe"] });
    one.outer = outer;
    await firstLine(outer, "serving");
  };
  const powerOn = (delayMs: number): Promise<void> => inTurn(async () => {
    if (boot !== null || stopped) return;
    edges.push({ to: "on", atMs: performance.now() });
    wedged = null;
    const cancel = new AbortController();
    const started = Promise.withResolvers<void>();
    const one: Boot = { cancel, served: started.promise, outer: null };
    one.served.catch(() => undefined);
    boot = one;
    start(one, delayMs).then(started.resolve, started.reject);
  });
  const powerOff = (): Promise<void> => inTurn(async () => {
    if (boot === null) return;
    const { cancel, served, outer } = boot;
    edges.push({ to: "off", atMs: performance.now() });
    boot = null;
    wedged = null;
    cancel.abort(new Error(`${name} was switched off`));
    // A boot that has not come to its first process ends at its next step; only then is there no port to come.
    if (outer === null) await served.catch(() => undefined);
    await network.unplug(place);
    await cgroup.kill();
    await served.catch(() => undefined);
  });
  const serving = async (timeoutMs = SERVING_WITHIN_MS + (options.bootMs ?? 0)): Promise<void> => {
    if (boot === null) throw new Error(`${name} is off`);
    await within(timeoutMs, boot.served, () => `${name} does not serve within ${timeoutMs} ms`);
  };
  const enter = (): readonly string[] => {
    const outer = boot?.outer;
    if (!outer?.pid) throw new Error(`${name} is off`);
    // nsenter stays outside as the parent, so what it runs inside asks to die with it.
    const ns = `/proc/${outer.pid}/ns`;
    return [...JOIN, cgroup.path, "nsenter", `--mount=${ns}/mnt`, `--uts=${ns}/uts`, `--ipc=${ns}/ipc`, `--net=${ns}/net`,
      `--pid=${ns}/pid_for_children`, "--", ...diesWithUs()];
  };
  const exec = (argv: readonly string[], given?: RunOptions) => run([...enter(), ...argv], given);
  const script = async (...argv: readonly string[]): Promise<void> => {
    const ran = await exec(["sh", SCRIPT_INSIDE, ...argv]);
    if (ran.code !== 0) throw new Error(`${name}: ${argv.join(" ")}: ${ran.stderr.trim()}`);
  };
  const cure = async (): Promise<void> => {
    const kind = wedged;
    if (kind === "frozen") cgroup.thaw();
    else if (kind === "link-down") await network.link(place, "up");
    else if (kind !== null) await script("heal", kind);
    wedged = null;
  };
  const wedge = async (kind: Wedge): Promise<void> => {
    await serving();
    const current = boot;
    await inTurn(async () => {
      if (boot === null || boot !== current) throw new Error(`${name} was switched off before it could be wedged`);
      await cure();
      if (kind === "frozen") await cgroup.freeze();
      else if (kind === "link-down") await network.link(place, "down");
      else await script("wedge", kind);
      wedged = kind;
    });
  };
  const machine: Machine = {
    name, address: place.address, address6: place.address6, namespace: place.namespace,
    sshPort: 22, dnsPort: 53, dnsName: dnsNameOf(name), wedges: WEDGES, edges,
    get powered() { return boot !== null; },
    get wedged() { return wedged; },
    powerOn: () => powerOn(options.bootMs ?? 0),
    powerOff, serving, exec, wedge,
    spawn: (argv: readonly string[], given: SpawnOptions = {}) => spawnBound([...enter(), ...argv], given),
    freeze: () => wedge("frozen"),
    thaw: () => inTurn(async () => { if (wedged === "frozen") await cure(); }),
    heal: () => inTurn(cure),
    async stop() {
      stopped = true;
      await powerOff();
      cgroup.remove();
    },
  };
  await powerOn(0);
  await serving();
  return machine;
}

/** Resolves when a child has printed `expected` as its first line; rejects, with its complaint, when it ends instead. */
function firstLine(child: ChildProcess, expected: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    let complaint = "";
    child.stdout?.on("data", (bytes: Buffer) => {
      said = (said + bytes.toString()).slice(0, 1_000);
      if (said.startsWith(`${expected}\n`)) resolve();
    });
    child.stderr?.on("data", (bytes: Buffer) => { complaint = (complaint + bytes.toString()).slice(-1_000); });
    child.once("error", reject);
    child.once("close", () => reject(new Error(`ended before it was ${expected}: ${complaint.trim()}`)));
  });
}
