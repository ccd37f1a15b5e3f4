// Several watchers on one machine: a store of three members, real `bin/upkeep watch` processes, machines whose power one
// virtual PDU with a single session drives, each in a network namespace of its own, so that anything can be killed, stopped,
// or cut off from anything. Whoever wants to know what happened asks the PDU: its log of sessions, commands and edges is the
// truth, whatever the watchers say. A gateway that answers ping is what their own cable is judged by. Needs root.
//
// A watcher is its process: handles survive it, and start the next one on the same data folder.

import type { ChildProcess } from "node:child_process";
import { execFile } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { labEnv } from "./child.ts";
import type { ApcPduOptions, LogRecord } from "./apc-pdu.ts";
import { ETCD_PROGRAMS, startEtcd } from "./etcd.ts";
import type { Machine } from "./machine.ts";
import { labRefusal, startLab } from "./machine.ts";
import type { LabNode, Network } from "./netns.ts";
import type { Faults, Mend } from "./network-faults.ts";
import type { RemotePdu } from "./pdu-node.ts";
import { startPduIn } from "./pdu-node.ts";
import type { Ran } from "./rig.ts";
import { UPKEEP } from "./rig.ts";
import { lacking } from "./third-party.ts";
import { startZookeeper } from "./zookeeper.ts";

/** One node of a store, whichever it is. */
export type StoreMember = {
  /** Of its node in the network, too. */
  readonly name: string;
  readonly running: boolean;
  /** `kill -9`. */
  kill(): Promise<void>;
  /** SIGSTOP. */
  freeze(): Promise<void>;
  thaw(): void;
  /** After a kill: with its data, or without any. */
  start(options?: { readonly wiped?: boolean }): Promise<void>;
};

export type LabStore = {
  readonly members: readonly StoreMember[];
  /** What stands behind `store:` in a configuration, as YAML. */
  readonly yaml: string;
  /** Puts a record there behind everybody's back, or takes it away; etcd only. */
  plant?(key: string, text: string | null): Promise<void>;
  /** Waits until the members that run agree on a leader. */
  leader(): Promise<StoreMember>;
  /** Cuts a member off from all others; clients reach it. */
  isolate(member: string): Promise<Mend>;
  stop(): Promise<void>;
};

export type FleetOptions = {
  readonly watchers?: readonly string[];
  readonly hosts?: readonly string[];
  /** Default: etcd of three members. */
  readonly store?: (network: Network) => Promise<LabStore>;
  /** Members of the store that stand on a host, by its name: its power is theirs. */
  readonly carries?: Readonly<Record<string, string>>;
  /** Lines at the top level of every configuration, as YAML. */
  readonly settings: string;
  /** A power device's settings beside driver, address and log-in, as YAML. */
  readonly device: string;
  readonly bootMs?: number;
  readonly pdu?: Partial<ApcPduOptions>;
  /** Watchers that begin as another release, by name: the path of its `bin/upkeep`. */
  readonly programs?: Readonly<Record<string, string>>;
};

export type Fleet = {
  readonly folder: string;
  readonly watchers: readonly FleetWatcher[];
  readonly hosts: ReadonlyMap<string, Machine>;
  readonly store: LabStore;
  readonly faults: Faults;
  readonly pdu: RemotePdu;
  /** What the PDU saw so far, but for bytes; grows. */
  readonly records: readonly LogRecord[];
  /** Calls `see` with every record from now on; returns what ends that. */
  onRecord(see: (record: LogRecord) => void): () => void;
  watcher(name: string): FleetWatcher;
  host(name: string): Machine;
  outlet(host: string): number;
  /** The watcher behind a connection of the PDU's log, or the address that it came from. */
  peer(connection: number): string;
  /** A further watcher: its node and data folder are called `node`, and it calls itself `name`. Not started, and not in `watchers`. */
  newcomer(node: string, name?: string): Promise<FleetWatcher>;
  cutFromStore(watcher: string): Promise<Mend>;
  /** Everything mended, thawed and started that is not; resolves when the store has a leader and every watcher is ready. */
  heal(): Promise<void>;
  stop(options?: { readonly keep?: boolean }): Promise<void>;
};

export type Ended = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

const ETCD_PREFIX = "/upkeep/lab/";
const GATEWAY = "gateway";
const PDU = "sucker";
const FIRST_OUTLET = 2;
const READY_WITHIN_MS = 60_000;
const RUN_LIMIT_MS = 120_000;

/** Why this machine cannot run a fleet, in words, or false. */
export function fleetRefusal(): string | false {
  return lacking(...ETCD_PROGRAMS) || (labRefusal() ?? false);
}

/** etcd of three members, a node for each. */
export async function etcdStore(network: Network, ttl = "3s"): Promise<LabStore> {
  const etcd = await startEtcd({ members: 3, network });
  return {
    members: etcd.members, isolate: etcd.isolate, stop: etcd.stop, leader: () => etcd.leader(),
    async plant(key, text) {
      const ran = await etcd.ctl(text === null ? ["del", `${ETCD_PREFIX}record/${key}`] : ["put", `${ETCD_PREFIX}record/${key}`, text]);
      if (ran.code !== 0) throw new Error(`etcdctl: ${ran.stderr}`);
    },
    yaml: `{ etcd: { endpoints: [${etcd.endpoints.map((each) => `"${each}"`).join(", ")}], prefix: ${ETCD_PREFIX}, ttl: ${ttl}, timeout: 1s } }`,
  };
}

/** ZooKeeper of three servers, a node for each. */
export async function zookeeperStore(network: Network, ttl = "3s"): Promise<LabStore> {
  const zookeeper = await startZookeeper({ members: 3, network });
  return {
    members: zookeeper.members, isolate: zookeeper.isolate, stop: zookeeper.stop, leader: () => zookeeper.leader(),
    yaml: `{ zookeeper: { servers: [${zookeeper.endpoints.map((each) => `"${each}"`).join(", ")}], prefix: /upkeep, ttl: ${ttl}, timeout: 1s } }`,
  };
}

/** One `upkeep watch` after the other on one data folder, in a namespace. */
export class FleetWatcher {
  readonly name: string;
  readonly node: LabNode;
  readonly config: string;
  readonly socket: string;
  readonly logFile: string;
  /** What it is started with next; another release, perhaps. */
  program = UPKEEP;
  /** Starts so far. */
  lives = 0;
  paused = false;
  #child: ChildProcess | null = null;
  #ended: Promise<Ended> = Promise.resolve({ code: null, signal: null });

  constructor(name: string, node: LabNode, folder: string) {
    this.name = name;
    this.node = node;
    this.config = join(folder, "upkeep.yaml");
    this.socket = join(folder, "data/upkeep.sock");
    this.logFile = join(folder, "log");
  }

  get running(): boolean {
    const child = this.#child;
    return child !== null && child.exitCode === null && child.signalCode === null;
  }

  /** Resolves when it says that it is ready, with that line. */
  async start(env: NodeJS.ProcessEnv = {}): Promise<string> {
    const life = this.spawn(env);
    const line = await life.ready;
    if (line === null) throw new Error(`${this.name} ended (${JSON.stringify(await life.ended)}) before it was ready:\n${this.tail()}`);
    return line;
  }

  /** Its first line, or null when it ends without one; and its end. */
  spawn(env: NodeJS.ProcessEnv = {}): { readonly ready: Promise<string | null>; readonly ended: Promise<Ended> } {
    if (this.running) throw new Error(`${this.name} runs`);
    const log = openSync(this.logFile, "a");
    const child = this.node.spawn([this.program, "watch", "-c", this.config], { stdio: ["ignore", "pipe", log], env: { ...labEnv(), ...env } });
    closeSync(log);
    this.#child = child;
    this.lives += 1;
    this.paused = false;
    this.#ended = new Promise((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })));
    const ready = new Promise<string | null>((resolve) => {
      let said = "";
      const limit = setTimeout(() => resolve(null), READY_WITHIN_MS);
      const settle = (line: string | null): void => {
        clearTimeout(limit);
        resolve(line);
      };
      child.stdout?.setEncoding("utf8").on("data", (text: string) => {
        said = (said + text).slice(0, 10_000);
        if (said.includes("\n")) settle(said.split("\n")[0] ?? "");
      });
      child.once("error", () => settle(null));
      child.once("exit", () => settle(null));
    });
    return { ready, ended: this.#ended };
  }

  /** `kill -9`, paused or not; resolves when it is gone. */
  async kill(): Promise<void> {
    if (!this.running) return;
    this.#child?.kill("SIGKILL");
    await this.#ended;
    this.paused = false;
  }

  /** SIGTERM; its end, however long it takes. */
  async terminate(): Promise<Ended> {
    if (this.running) this.#child?.kill("SIGTERM");
    return this.#ended;
  }

  pause(): void {
    if (this.running) this.paused = this.#child?.kill("SIGSTOP") ?? false;
  }

  resume(): void {
    if (this.running) this.#child?.kill("SIGCONT");
    this.paused = false;
  }

  /** Runs `upkeep …` with its configuration, to its end: the socket is a file, and needs no network. */
  upkeep(...args: readonly string[]): Promise<Ran> {
    return new Promise((resolve) => {
      execFile(this.program, [...args, "-c", this.config], { timeout: RUN_LIMIT_MS, maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : -1, stdout, stderr });
      }).stdin?.end();
    });
  }

  tail(lines = 40): string {
    try {
      return readFileSync(this.logFile, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
    } catch {
      return "";
    }
  }
}

/** Starts everything but the watchers; nothing is left of it when it rejects. */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const { watchers: names = ["rikis", "hopuuj", "lusab"], hosts: hostNames = ["logos", "ethos", "pathos"], carries = {}, bootMs = 1_500 } = options;
  const folder = mkdtempSync(join(tmpdir(), "upkeep-fleet-"));
  const lab = await startLab();
  const { network, faults } = lab;
  const hosts = new Map<string, Machine>();
  const outlets = new Map(hostNames.map((name, index) => [name, FIRST_OUTLET + index]));
  const records: LogRecord[] = [];
  const followers = new Set<(record: LogRecord) => void>();
  const all: FleetWatcher[] = [];
  const peers = new Map<number, string>();
  let store: LabStore | null = null;
  let pdu: RemotePdu | null = null;
  let stopped = false;

  const stop = async ({ keep = false } = {}): Promise<void> => {
    stopped = true;
    await Promise.all(all.map((watcher) => watcher.kill()));
    await pdu?.close().catch(() => undefined);
    await store?.stop();
    await lab.stop();
    if (!keep) rmSync(folder, { recursive: true, force: true });
  };
  /** A host with its members of the store: they share its power. */
  const switched = async (outlet: number, state: "on" | "off"): Promise<void> => {
    const name = [...outlets].find(([, number]) => number === outlet)?.[0] ?? "";
    const host = hosts.get(name);
    const member = store?.members.find((each) => each.name === carries[name]);
    if (state === "off") await Promise.all([host?.powerOff(), member?.kill()]);
    else {
      await host?.powerOn();
      if (member !== undefined) void host?.serving().then(() => (stopped || member.running || host?.powered !== true ? undefined : member.start())).catch(() => undefined);
    }
  };
  try {
    const [gateway, device, machines] = await Promise.all([network.node(GATEWAY), network.node(PDU), Promise.all(hostNames.map((name) => lab.machine(name, { bootMs })))]);
    for (const machine of machines) hosts.set(machine.name, machine);
    const madeStore = store = await (options.store ?? etcdStore)(network);
    const password = "sesame-of-the-fleet";
    const madePdu = pdu = await startPduIn(device, {
      dialect: "menu3", outlets: FIRST_OUTLET + hostNames.length, user: "apc", password, inactivityMs: 15_000,
      names: Object.fromEntries([...outlets].map(([name, outlet]) => [outlet, name])), ...options.pdu, address: device.address, port: 23,
    }, switched);
    await madePdu.follow((record) => {
      records.push(record);
      if (record.kind === "open") peers.set(record.connection, record.peer.replace(/^::ffff:/, "").replace(/:\d+$/, ""));
      for (const see of [...followers]) see(record);
    });
    const make = async (nodeName: string, name = nodeName): Promise<FleetWatcher> => {
      const node = await network.node(nodeName, { pingSockets: true });
      const own = join(folder, nodeName);
      mkdirSync(own);
      writeFileSync(join(own, "sucker.password"), `${password}\n`, { mode: 0o600 });
      const watcher = new FleetWatcher(name, node, own);
      watcher.program = options.programs?.[name] ?? UPKEEP;
      writeFileSync(watcher.config, `# One of several watchers of the lab.
site: fleet
data: ./data
watcher: { name: ${name}, references: [${gateway.address}] }
store: ${madeStore.yaml}
api: { listen: "127.0.0.1:0" }
${options.settings}hosts:
${machines.map((host) => `  ${host.name}: { address: ${host.address}, power: ${PDU}/${outlets.get(host.name)}, probes: [ping, ssh, { dns: { name: ${host.dnsName} } }] }`).join("\n")}
power:
  ${PDU}: { driver: apc, address: "${device.address}:23", username: apc, password: { file: sucker.password }, ${options.device} }
`);
      all.push(watcher);
      return watcher;
    };
    const watchers: FleetWatcher[] = [];
    for (const name of names) watchers.push(await make(name));
    const nameAt = (address: string): string => all.find((each) => each.node.address === address)?.node.name ?? address;
    const find = <Value>(found: Value | undefined, what: string): Value => {
      if (found === undefined) throw new Error(`the fleet has no ${what}`);
      return found;
    };
    return {
      folder, watchers, hosts, store: madeStore, faults, pdu: madePdu, records, stop,
      onRecord(see) {
        followers.add(see);
        return () => void followers.delete(see);
      },
      watcher: (name) => find(watchers.find((each) => each.name === name), `watcher ${name}`),
      host: (name) => find(hosts.get(name), `host ${name}`),
      outlet: (name) => find(outlets.get(name), `host ${name}`),
      peer: (connection) => nameAt(peers.get(connection) ?? `connection ${connection}`),
      newcomer: make,
      cutFromStore: async (watcher) => together(await Promise.all(madeStore.members.map((member) => faults.part(watcher, member.name)))),
      async heal() {
        await faults.mendAll();
        for (const member of madeStore.members) {
          member.thaw();
          const host = hosts.get(Object.keys(carries).find((name) => carries[name] === member.name) ?? "");
          if (!member.running && host?.powered !== false) await member.start();
        }
        for (const watcher of watchers) if (watcher.paused) watcher.resume();
        await madeStore.leader();
        await Promise.all(watchers.filter((watcher) => !watcher.running).map((watcher) => watcher.start()));
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Several mends as one. */
export function together(mends: readonly Mend[]): Mend {
  return async () => {
    for (const mend of mends) await mend();
  };
}
