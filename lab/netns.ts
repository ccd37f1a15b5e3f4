// A lab network: one namespace that is the switch (a bridge in it), one for every host, watcher and power device, joined by
// veth pairs. The network that this machine lives in gets no address, bridge or rule; only names under /run/netns, which
// carry our pid so that a lab that was killed can be told from one that runs. Needs root. IPv4 is 10.77.0.0/16, IPv6
// fd77::/64; addresses of one lab do not meet those of another, because no two labs share a switch.

import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess, SpawnOptions } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmdirSync } from "node:fs";
import { diesWithUs, labEnv, must, run, whenWeEnd, whichProgram } from "./child.ts";
import type { Ran, RunOptions } from "./child.ts";
import { destroyFreezerFolder, freezerRoots, makeFreezerFolder, pause } from "./freezer.ts";
import type { FreezerVersion } from "./freezer.ts";
import { makeFaults } from "./network-faults.ts";
import type { Faults } from "./network-faults.ts";

/** Where a node is plugged in: everything that stays the same over its power cycles. */
export type Place = {
  readonly name: string;
  readonly namespace: string;
  /** Its port on the switch. */
  readonly port: string;
  readonly address: string;
  readonly address6: string;
  readonly mac: string;
};

/** A namespace that programs can be run in. */
export type LabNode = {
  readonly name: string;
  readonly address: string;
  readonly address6: string;
  /** For `ip netns exec` by hand. */
  readonly namespace: string;
  /**
   * In a plain namespace the process id is the program's own, so that signals reach it; in a machine any deadly signal
   * kills it (SIGKILL). It dies with this process.
   */
  spawn(argv: readonly string[], options?: SpawnOptions): ChildProcess;
  /** Runs to the end, with a limit (10 s). Resolves with any exit code. */
  exec(argv: readonly string[], options?: RunOptions): Promise<Ran>;
};

export type NodeOptions = {
  /** Lets every group open ping sockets there: what the package's sysctl.d file does on a real watcher. */
  readonly pingSockets?: boolean;
};

export type Network = {
  readonly prefix: string;
  /** The folder of this lab's cgroups. */
  readonly cgroups: string;
  readonly faults: Faults;
  /** The node of that name; made when it is asked for first, with the options given then. */
  node(name: string, options?: NodeOptions): Promise<LabNode>;
  /** Reserves a name and its addresses. */
  claim(name: string): Place;
  /** A fresh namespace on the switch; replaces what was there. */
  plug(place: Place): Promise<void>;
  /** Takes the port off the switch, at once and for all protocols, then drops the namespace. */
  unplug(place: Place): Promise<void>;
  /** Carrier lost or back, on the switch's side. */
  link(place: Place, state: "up" | "down"): Promise<void>;
  /** Everything is gone when it returns. Safe to call twice. */
  stop(): void;
};

const PREFIX = /^upkeep-(\d+)-\d+/;
const NODE_NAME = /^[a-z][a-z0-9-]{0,30}$/;
const PROGRAMS = ["ip", "nft", "nsenter", "unshare", "setpriv", "pivot_root", "mount"];
const NETNS_FOLDER = "/run/netns";
let labs = 0;

/** Why this machine cannot run a lab network, in words, or null when it can. */
export function networkRefusal(alsoNeeded: readonly string[] = []): string | null {
  if (process.getuid?.() !== 0) return "network namespaces need root";
  const missing = [...PROGRAMS, ...alsoNeeded].filter((program) => whichProgram(program) === null);
  if (missing.length > 0) return `not installed: ${missing.join(", ")}`;
  if (freezerRoots().length === 0) return "no cgroup freezer under /sys/fs/cgroup can be written";
  const tried = spawnSync("unshare", ["-m", "-n", "-p", "-f", "true"], { env: labEnv(), encoding: "utf8" });
  return tried.status === 0 ? null : `namespaces are not permitted here: ${tried.stderr.trim()}`;
}

/** Starts an empty network: the switch alone. */
export async function startNetwork(options: { readonly freezer?: FreezerVersion } = {}): Promise<Network> {
  sweepLab();
  labs += 1;
  const prefix = `upkeep-${process.pid}-${labs}`;
  const cgroups = makeFreezerFolder(prefix, options.freezer);
  const forgetEnding = whenWeEnd(() => destroy(prefix));
  const switchNamespace = `${prefix}-SWITCH`;
  const places = new Map<string, Place>();
  const nodes = new Map<string, Promise<LabNode>>();
  const downByHost = new Set<string>();

  const onSwitch = (lines: readonly string[]): Promise<string> => ip(lines, switchNamespace);
  const placeOf = (name: string): Place => {
    const place = places.get(name);
    if (place === undefined) throw new Error(`the lab has no node named ${name}`);
    return place;
  };
  const carry = async (port: string): Promise<void> => {
    const state = downByHost.has(port) || faults.isPulled(port) ? "down" : "up";
    await onSwitch([`link set dev ${port} ${state}`]);
  };
  const faults = makeFaults({ switchNamespace, portOf: (name) => placeOf(name).port, carry });

  const claim = (name: string): Place => {
    if (!NODE_NAME.test(name)) throw new Error(`not a node's name: ${JSON.stringify(name)}`);
    if (places.has(name)) throw new Error(`the lab has a node named ${name} already`);
    const number = places.size + 1;
    const [high, low] = [Math.floor(number / 250), (number % 250) + 1];
    const place = {
      name, namespace: `${prefix}-${name}`, port: `p${number}`, address: `10.77.${high}.${low}`,
      address6: `fd77::${(number + 1).toString(16)}`, mac: `02:77:00:00:${hexByte(high)}:${hexByte(low)}`,
    };
    places.set(name, place);
    return place;
  };
  const plug = async (place: Place): Promise<void> => {
    const { namespace, port, mac, address, address6 } = place;
    downByHost.delete(port);
    await ip([
      `netns add ${namespace}`,
      `link add name ${port} netns ${switchNamespace} type veth peer name eth0 address ${mac} netns ${namespace}`,
    ]);
    // nodad: duplicate address detection would keep the address unusable for more than a second (RFC 4862 §5.4).
    await ip(["link set lo up", `addr add ${address}/16 dev eth0`, `addr add ${address6}/64 dev eth0 nodad`, "link set eth0 up"], namespace);
    await onSwitch([`link set dev ${port} master br0`]);
    await carry(port);
  };
  const makeNode = async (name: string, wanted: NodeOptions): Promise<LabNode> => {
    const place = claim(name);
    await plug(place);
    const enter = ["nsenter", `--net=${NETNS_FOLDER}/${place.namespace}`, "--"];
    const node: LabNode = {
      name, address: place.address, address6: place.address6, namespace: place.namespace,
      spawn: (argv, given = {}) => spawnBound([...enter, ...argv], given),
      exec: (argv, given) => run([...enter, ...argv], given),
    };
    if (wanted.pingSockets === true) {
      // Per namespace, and `1 0` (nobody, not even root) in a new one.
      const set = await node.exec(["sh", "-c", "echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range"]);
      if (set.code !== 0) throw new Error(`ping_group_range cannot be set: ${set.stderr}`);
    }
    return node;
  };

  const stop = (): void => {
    destroy(prefix);
    forgetEnding();
  };
  try {
    await ip([`netns add ${switchNamespace}`]);
    await onSwitch(["link set lo up", "link add br0 type bridge forward_delay 0 stp_state 0 mcast_snooping 0", "link set br0 up"]);
  } catch (error) {
    stop();
    throw error;
  }
  return {
    prefix, cgroups, faults, claim, plug, stop,
    node(name, wanted = {}) {
      const made = nodes.get(name) ?? makeNode(name, wanted);
      nodes.set(name, made);
      return made;
    },
    async unplug(place) {
      await run(["ip", "-n", switchNamespace, "link", "del", place.port]);
      await run(["ip", "netns", "del", place.namespace]);
    },
    async link(place, state) {
      if (state === "down") downByHost.add(place.port);
      else downByHost.delete(place.port);
      await carry(place.port);
    },
  };
}

/** A child that dies with this process; its pid is the command's own. */
export function spawnBound(argv: readonly string[], options: SpawnOptions): ChildProcess {
  const [file, ...args] = [...diesWithUs(), ...argv];
  if (file === undefined) throw new Error("spawn: empty command");
  return spawn(file, args, { env: labEnv(), ...options });
}

/** Removes what labs have left behind whose process is dead (`kill -9`, a crash). Called by every start. */
export function sweepLab(): void {
  const names = [NETNS_FOLDER, "/run", ...freezerRoots()].flatMap((folder) => (existsSync(folder) ? readdirSync(folder) : []));
  const prefixes = new Set<string>();
  for (const name of names) {
    const [prefix, pid] = PREFIX.exec(name) ?? [];
    if (prefix !== undefined && pid !== undefined && !existsSync(`/proc/${pid}`)) prefixes.add(prefix);
  }
  for (const prefix of prefixes) destroy(prefix);
}

/** The folder that a lab mounts its disks on, in a mount namespace of its own. */
export function disksFolder(prefix: string): string {
  const folder = `/run/${prefix}`;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** One path of destruction for a stop, an exit and a sweep: synchronous, by names alone, and nothing in it can fail it. */
function destroy(prefix: string): void {
  for (const root of freezerRoots()) destroyFreezerFolder(`${root}/${prefix}`);
  const namespaces = existsSync(NETNS_FOLDER) ? readdirSync(NETNS_FOLDER).filter((name) => name.startsWith(`${prefix}-`)) : [];
  for (const namespace of namespaces) killAllIn(namespace);
  const lines = namespaces.map((namespace) => `netns del ${namespace}\n`).join("");
  if (lines !== "") spawnSync("ip", ["-force", "-batch", "-"], { input: lines, env: labEnv() });
  try {
    rmdirSync(`/run/${prefix}`);
  } catch {
    // never made
  }
}

function killAllIn(namespace: string): void {
  for (let tries = 0; tries < 100; tries += 1) {
    const listed = spawnSync("ip", ["netns", "pids", namespace], { env: labEnv(), encoding: "utf8" });
    const pids = listed.stdout.split("\n").filter((line) => line !== "").map(Number);
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // it ended by itself
      }
    }
    pause(3);
  }
}

async function ip(lines: readonly string[], namespace?: string): Promise<string> {
  return must(["ip", ...(namespace === undefined ? [] : ["-n", namespace]), "-batch", "-"], { input: `${lines.join("\n")}\n` });
}

function hexByte(value: number): string {
  return value.toString(16).padStart(2, "0");
}
