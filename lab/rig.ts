// A whole site on one machine: virtual hosts, virtual PDUs whose outlets really start and stop them, a configuration and
// a real watcher with a real ledger. The demonstration (`upkeep lab`) and the end-to-end tests stand on it.
//
// With root and the lab's programs the hosts are machines in network namespaces with real sshd and dnsmasq; otherwise they
// are processes on loopback, where ping proves nothing because this machine's own kernel answers it.
//
// What the configuration says of the wiring and what the wires do are two things here, so that a test can set them apart.

import type { ChildProcess } from "node:child_process";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ApcPdu, ApcPduOptions, ApcPduState, FaultPatch, LogRecord, OutletState } from "./apc-pdu.ts";
import { setFaults, startApcPdu } from "./apc-pdu.ts";
import type { Doorway } from "./doorway.ts";
import { openDoorway } from "./doorway.ts";
import type { Lab, Machine } from "./machine.ts";
import { labRefusal, startLab } from "./machine.ts";
import type { LabNode } from "./netns.ts";
import { spawnBound } from "./netns.ts";
import type { RemotePdu } from "./pdu-node.ts";
import { startPduIn } from "./pdu-node.ts";
import { startProcessHost } from "./process-host.ts";
import type { VirtualHost } from "./virtual-host.ts";

type PduOptions = Partial<Pick<ApcPduOptions, "dialect" | "shell" | "pageLines" | "outlets" | "faults" | "initial" | "names" | "password">>;

/** One wire: this outlet of this PDU feeds the host. */
export type Wire = { readonly pdu: string; readonly outlet: number };

export type RigOptions = {
  readonly hosts: readonly string[];
  /** machines: network namespaces, root. processes: loopback. */
  readonly kind: "machines" | "processes";
  readonly bootMs?: number;
  readonly pdu?: PduOptions;
  /** Names of the PDUs, the first is the one that `records`, `faults` and the rest of the rig are about; default sucker alone. */
  readonly pdus?: readonly string[];
  /** Settings of the configuration, as YAML lines at its top level; replaces the rig's own quick ones. */
  readonly settings?: string;
  /** A power device's settings beside driver, address and log-in, as YAML. */
  readonly device?: string;
  /** Lines under `power:` beside the PDUs. */
  readonly morePower?: string;
  /** The probes of a host, as YAML; default ping, ssh and dns. */
  readonly probes?: (host: VirtualHost) => string;
  /** What the configuration says feeds a host; default its outlet on the first PDU. */
  readonly power?: (host: string, outlet: number) => string;
  /** What truly feeds a host; default its outlet on every PDU. */
  readonly wires?: (host: string, outlet: number) => readonly Wire[];
  /** A host with several wires runs while it has power by any of them (two supplies) or by all (switches one behind the other). */
  readonly supply?: "any" | "all";
  /** Where configuration and data go; made and removed by the rig when left out. */
  readonly folder?: string;
};

export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

export type Rig = {
  readonly hosts: ReadonlyMap<string, VirtualHost>;
  readonly folder: string;
  readonly config: string;
  readonly dataDir: string;
  readonly socket: string;
  /** What the PDUs ask for. */
  readonly password: string;
  readonly lab: Lab | null;
  /** The first, in this process where the hosts are processes; null in namespaces. */
  readonly pdu: ApcPdu | null;
  /** All of them by name; empty in namespaces. */
  readonly pdus: ReadonlyMap<string, ApcPdu>;
  host(name: string): VirtualHost;
  /** Number of a host's outlet in the configuration. */
  outlet(name: string): number;
  /** What a PDU saw; the first one if none is named. */
  records(pdu?: string): Promise<readonly LogRecord[]>;
  state(): Promise<ApcPduState>;
  faults(patch: FaultPatch): Promise<void>;
  switchByHand(outlet: number, state: OutletState): Promise<void>;
  /** Starts `upkeep watch`; it dies with this process. The caller ends it. */
  watch(args?: readonly string[], env?: NodeJS.ProcessEnv): ChildProcess;
  /** Runs `upkeep …` with the rig's configuration, to its end. */
  upkeep(...args: string[]): Promise<Ran>;
  /** An address at the watcher's own loopback, as a browser on this machine reaches it. */
  fromOutside(url: string): Promise<string>;
  stop(): Promise<void>;
};

export const UPKEEP = join(import.meta.dirname, "../bin/upkeep");
const PASSWORD = "sesame-of-the-lab";
const FIRST_OUTLET = 2;
const BOOTS_AT_ONCE = 8;
const RUN_LIMIT_MS = 120_000;

/** Quick enough to watch: 5 bad rounds, one every 2 s. */
const SETTINGS = `brakes: { startup: 5s, maxUnhealthy: 40%, coolDown: 10s }
defaults: { every: 2s, timeout: 1s, threshold: 5, debounce: 10s, boot: 20s, offFor: 2s, healthyFor: 4s, settle: 5s }
`;
const DEVICE = "check: 30s, deadline: 20s";

let rigs = 0;

type Pdu = { readonly address: string; readonly port: number; close(): Promise<void> };

export async function startRig(options: RigOptions): Promise<Rig> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), "upkeep-rig-"));
  mkdirSync(folder, { recursive: true });
  const names = options.pdus ?? ["sucker"];
  const outlets = new Map(options.hosts.map((name, index) => [name, FIRST_OUTLET + index]));
  const hosts = new Map<string, VirtualHost>();
  const wires = new Map([...outlets].map(([host, outlet]) => [host, options.wires?.(host, outlet) ?? names.map((pdu) => ({ pdu, outlet }))]));
  const off = new Set<string>();
  const switched = async (pdu: string, outlet: number, state: OutletState): Promise<void> => {
    if (state === "off") off.add(`${pdu}/${outlet}`);
    else off.delete(`${pdu}/${outlet}`);
    for (const [name, feeds] of wires) {
      const host = hosts.get(name);
      if (host === undefined || !feeds.some((wire) => wire.pdu === pdu && wire.outlet === outlet)) continue;
      const live = feeds.filter((wire) => !off.has(`${wire.pdu}/${wire.outlet}`)).length;
      const powered = options.supply === "all" ? live === feeds.length : live > 0;
      if (powered !== host.powered) await (powered ? host.powerOn() : host.powerOff());
    }
  };
  const labels = Object.fromEntries([...outlets].map(([name, outlet]) => [outlet, name]));
  const pduOptions: Omit<ApcPduOptions, "onSwitch"> = { dialect: "menu3", outlets: Math.max(8, FIRST_OUTLET + options.hosts.length), names: labels, user: "apc", password: PASSWORD, ...options.pdu };
  for (const [outlet, state] of Object.entries(pduOptions.initial ?? {})) if (state === "off") for (const pdu of names) off.add(`${pdu}/${outlet}`);
  const bootMs = options.bootMs ?? 3_000;

  const local = new Map<string, ApcPdu>();
  let lab: Lab | null = null;
  const remote = new Map<string, RemotePdu>();
  let watcher: LabNode | null = null;
  const devices = new Map<string, Pdu>();
  const children = new Set<ChildProcess>();
  const doorways = new Map<string, Promise<Doorway>>();
  const stop = async (): Promise<void> => {
    for (const doorway of doorways.values()) await doorway.then((open) => open.close(), () => undefined);
    await Promise.all([...children].map((child) => killed(child)));
    for (const device of devices.values()) await device.close().catch(() => undefined);
    await lab?.stop();
    if (lab === null) await Promise.all([...hosts.values()].map((host) => host.stop()));
    if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
  };
  try {
    if (options.kind === "machines") {
      const network = await startLab();
      lab = network;
      watcher = await network.node("watcher", { pingSockets: true });
      // A few at a time: fifty that boot at once are all late.
      for (let at = 0; at < options.hosts.length; at += BOOTS_AT_ONCE) {
        for (const machine of await Promise.all(options.hosts.slice(at, at + BOOTS_AT_ONCE).map((host) => network.machine(host, { bootMs })))) hosts.set(machine.name, machine);
      }
      for (const name of names) {
        const node = await network.node(name);
        const pdu = await startPduIn(node, { ...pduOptions, address: node.address, port: 23 }, (outlet, state) => switched(name, outlet, state));
        remote.set(name, pdu);
        devices.set(name, pdu);
      }
    } else {
      rigs += 1;
      const prefix = `127.${1 + (process.pid % 250)}.${rigs % 250}`;
      const starts = await Promise.allSettled(options.hosts.map((name, index) => startProcessHost({ name, address: `${prefix}.${11 + index}`, bootMs })));
      // Those that started are stopped with the rig if one did not.
      for (const start of starts) if (start.status === "fulfilled") hosts.set(start.value.name, start.value);
      for (const start of starts) if (start.status === "rejected") throw start.reason;
      for (const name of names) {
        const pdu = await startApcPdu({ ...pduOptions, onSwitch: (outlet, state) => switched(name, outlet, state) });
        local.set(name, pdu);
        devices.set(name, pdu);
      }
    }
    for (const [name, feeds] of wires) if (feeds.every((wire) => off.has(`${wire.pdu}/${wire.outlet}`))) await hosts.get(name)?.powerOff();
  } catch (error) {
    await stop();
    throw error;
  }

  const config = join(folder, "upkeep.yaml");
  const password = join(folder, "sucker.password");
  writeFileSync(password, `${pduOptions.password}\n`, { mode: 0o600 });
  const probes = options.probes ?? ((host: VirtualHost) => `[ping, { ssh: { port: ${host.sshPort} } }, { dns: { port: ${host.dnsPort}, name: ${host.dnsName} } }]`);
  const power = options.power ?? ((_host: string, outlet: number) => `${names[0]}/${outlet}`);
  // On loopback every reference answers, and proves nothing.
  const references = lab === null ? "" : `, references: [${[...devices.values()][0]?.address}]`;
  writeFileSync(
    config,
    `# The lab's configuration: a real one, only quicker than yours should be.
site: lab
data: ./data
watcher: { name: rikis-hopuuj${references} }
api: { listen: "127.0.0.1:0" }
${options.settings ?? SETTINGS}hosts:
${[...hosts.values()].map((host) => `  ${host.name}: { address: ${host.address}, power: ${power(host.name, outlets.get(host.name) as number)}, probes: ${probes(host)} }`).join("\n")}
power:
${[...devices].map(([name, device]) => `  ${name}: { driver: apc, address: "${device.address}:${device.port}", username: apc, password: { file: ${password} }, ${options.device ?? DEVICE} }`).join("\n")}
${options.morePower ?? ""}`,
  );

  const first = local.get(names[0] as string) ?? null;
  const far = (name = names[0] as string): RemotePdu => {
    const pdu = remote.get(name);
    if (pdu === undefined) throw new Error(`the rig has no PDU ${name} in a namespace`);
    return pdu;
  };
  return {
    hosts,
    folder,
    config,
    dataDir: join(folder, "data"),
    socket: join(folder, "data/upkeep.sock"),
    password: pduOptions.password ?? PASSWORD,
    lab,
    pdu: first,
    pdus: local,
    host: (name) => {
      const host = hosts.get(name);
      if (host === undefined) throw new Error(`the rig has no host ${name}`);
      return host;
    },
    outlet: (name) => outlets.get(name) as number,
    records: async (pdu) => (first === null ? far(pdu).records() : (pdu === undefined ? first : local.get(pdu))?.log.records ?? []),
    state: async () => first?.state() ?? far().state(),
    faults: async (patch) => (first === null ? far().faults(patch) : setFaults(first.faults, patch)),
    switchByHand: (outlet, state) => (first ?? far()).switchByHand(outlet, state),
    watch(args = [], env = {}) {
      const argv = [UPKEEP, "watch", "-c", config, ...args];
      const spawnOptions = { stdio: ["ignore", "pipe", "pipe"] as ("ignore" | "pipe")[], env: { ...process.env, ...env } };
      const child = watcher === null ? spawnBound(argv, spawnOptions) : watcher.spawn(argv, spawnOptions);
      children.add(child);
      child.once("exit", () => children.delete(child));
      return child;
    },
    upkeep: (...args) =>
      new Promise((resolve) => {
        execFile(UPKEEP, [...args, "-c", config], { timeout: RUN_LIMIT_MS }, (error, stdout, stderr) => resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : -1, stdout, stderr })).stdin?.end();
      }),
    async fromOutside(url) {
      if (watcher === null) return url;
      const address = new URL(url);
      const doorway = doorways.get(address.port) ?? openDoorway(watcher, Number(address.port), folder);
      doorways.set(address.port, doorway);
      address.port = String((await doorway).port);
      return address.href;
    },
    stop,
  };
}

/** Kills a child, stopped or not, and resolves when it is gone. */
async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGKILL");
  await gone;
}

export { labRefusal };
export type { Machine };
