// A whole site on one machine: virtual hosts, a virtual PDU whose outlets really start and stop them, a configuration and
// a real watcher with a real ledger. The demonstration (`upkeep lab`) and the end-to-end tests stand on it.
//
// With root and the lab's programs the hosts are machines in network namespaces with real sshd and dnsmasq; otherwise they
// are processes on loopback, where ping proves nothing because this machine's own kernel answers it.

import type { ChildProcess } from "node:child_process";
import { execFile, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ApcPdu, ApcPduOptions, FaultPatch, LogRecord, OutletState } from "./apc-pdu.ts";
import { setFaults, startApcPdu } from "./apc-pdu.ts";
import type { Lab, Machine } from "./machine.ts";
import { labRefusal, startLab } from "./machine.ts";
import type { LabNode } from "./netns.ts";
import type { RemotePdu } from "./pdu-node.ts";
import { startPduIn } from "./pdu-node.ts";
import { startProcessHost } from "./process-host.ts";
import type { VirtualHost } from "./virtual-host.ts";

export type RigOptions = {
  readonly hosts: readonly string[];
  /** machines: network namespaces, root. processes: loopback. */
  readonly kind: "machines" | "processes";
  readonly bootMs?: number;
  readonly pdu?: Partial<Pick<ApcPduOptions, "dialect" | "shell" | "pageLines" | "outlets" | "faults">>;
  /** Settings of the configuration, as YAML lines at its top level; replaces the rig's own quick ones. */
  readonly settings?: string;
  /** The probes of a host, as YAML; default ping, ssh and dns. */
  readonly probes?: (host: VirtualHost) => string;
  /** Where configuration and data go; made and removed by the rig when left out. */
  readonly folder?: string;
  /** Prefix of loopback addresses, so that rigs side by side do not meet: 127.P.0.N. */
  readonly loopback?: number;
};

export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

export type Rig = {
  readonly hosts: ReadonlyMap<string, VirtualHost>;
  readonly folder: string;
  readonly config: string;
  readonly dataDir: string;
  readonly lab: Lab | null;
  /** In this process where the hosts are processes; null in namespaces. */
  readonly pdu: ApcPdu | null;
  host(name: string): VirtualHost;
  /** Number of a host's outlet. */
  outlet(name: string): number;
  records(): Promise<readonly LogRecord[]>;
  faults(patch: FaultPatch): Promise<void>;
  switchByHand(outlet: number, state: OutletState): Promise<void>;
  /** Starts `upkeep watch`. The caller ends it. */
  watch(args?: readonly string[], env?: NodeJS.ProcessEnv): ChildProcess;
  /** Runs `upkeep …` with the rig's configuration, to its end. */
  upkeep(...args: string[]): Promise<Ran>;
  stop(): Promise<void>;
};

export const UPKEEP = join(import.meta.dirname, "../bin/upkeep");
const PASSWORD = "sesame-of-the-lab";
const FIRST_OUTLET = 2;

/** Quick enough to watch: 5 bad rounds, one every 2 s. */
const SETTINGS = `brakes: { startup: 5s, maxUnhealthy: 40%, coolDown: 10s }
defaults: { every: 2s, timeout: 1s, threshold: 5, debounce: 10s, boot: 20s, offFor: 2s, healthyFor: 4s, settle: 5s }
`;

export async function startRig(options: RigOptions): Promise<Rig> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), "upkeep-rig-"));
  mkdirSync(folder, { recursive: true });
  const outlets = new Map(options.hosts.map((name, index) => [name, FIRST_OUTLET + index]));
  const names = Object.fromEntries([...outlets].map(([name, outlet]) => [outlet, name]));
  const hosts = new Map<string, VirtualHost>();
  const power = async (outlet: number, state: OutletState): Promise<void> => {
    const name = [...outlets].find(([, each]) => each === outlet)?.[0];
    const host = name === undefined ? undefined : hosts.get(name);
    if (host !== undefined) await (state === "on" ? host.powerOn() : host.powerOff());
  };
  const pduOptions: Omit<ApcPduOptions, "onSwitch"> = { dialect: "menu3", outlets: Math.max(8, FIRST_OUTLET + options.hosts.length), names, user: "apc", password: PASSWORD, ...options.pdu };
  const bootMs = options.bootMs ?? 3_000;

  let lab: Lab | null = null;
  let local: ApcPdu | null = null;
  let remote: RemotePdu | null = null;
  let watcher: LabNode | null = null;
  if (options.kind === "machines") {
    lab = await startLab();
    watcher = await lab.node("watcher", { pingSockets: true });
    for (const machine of await Promise.all(options.hosts.map((name) => (lab as Lab).machine(name, { bootMs })))) hosts.set(machine.name, machine);
    const node = await lab.node("sucker");
    remote = await startPduIn(node, { ...pduOptions, address: node.address, port: 23 }, power);
  } else {
    const prefix = options.loopback ?? 1 + (process.pid % 250);
    for (const [index, name] of options.hosts.entries()) hosts.set(name, await startProcessHost({ name, address: `127.${prefix}.0.${11 + index}`, bootMs }));
    local = await startApcPdu({ ...pduOptions, onSwitch: power });
  }

  const config = join(folder, "upkeep.yaml");
  const password = join(folder, "sucker.password");
  writeFileSync(password, `${PASSWORD}\n`, { mode: 0o600 });
  const probes = options.probes ?? ((host: VirtualHost) => `[ping, { ssh: { port: ${host.sshPort} } }, { dns: { port: ${host.dnsPort}, name: ${host.dnsName} } }]`);
  const device = local ?? (remote as RemotePdu);
  writeFileSync(
    config,
    `# The lab's configuration: a real one, only quicker than yours should be.
site: lab
data: ./data
watcher: { name: rikis-hopuuj }
api: { listen: "127.0.0.1:0" }
${options.settings ?? SETTINGS}hosts:
${[...hosts.values()].map((host) => `  ${host.name}: { address: ${host.address}, power: sucker/${outlets.get(host.name)}, probes: ${probes(host)} }`).join("\n")}
power:
  sucker: { driver: apc, address: "${device.address}:${device.port}", username: apc, password: { file: ${password} }, check: 30s, deadline: 20s }
`,
  );

  const children = new Set<ChildProcess>();
  return {
    hosts,
    folder,
    config,
    dataDir: join(folder, "data"),
    lab,
    pdu: local,
    host: (name) => {
      const host = hosts.get(name);
      if (host === undefined) throw new Error(`the rig has no host ${name}`);
      return host;
    },
    outlet: (name) => outlets.get(name) as number,
    records: async () => local?.log.records ?? (await (remote as RemotePdu).records()),
    faults: async (patch) => (local === null ? (remote as RemotePdu).faults(patch) : void setFaults(local.faults, patch)),
    switchByHand: (outlet, state) => (local ?? (remote as RemotePdu)).switchByHand(outlet, state),
    watch(args = [], env = {}) {
      const argv = [UPKEEP, "watch", "-c", config, ...args];
      const spawnOptions = { stdio: ["ignore", "pipe", "pipe"] as ("ignore" | "pipe")[], env: { ...process.env, ...env } };
      const child = watcher === null ? spawn(argv[0] as string, argv.slice(1), spawnOptions) : watcher.spawn(argv, spawnOptions);
      children.add(child);
      child.once("exit", () => children.delete(child));
      return child;
    },
    upkeep: (...args) =>
      new Promise((resolve) => {
        execFile(UPKEEP, [...args, "-c", config], { timeout: 120_000 }, (error, stdout, stderr) => resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : -1, stdout, stderr })).stdin?.end();
      }),
    async stop() {
      for (const child of children) child.kill("SIGKILL");
      await (local ?? remote)?.close().catch(() => undefined);
      await lab?.stop();
      for (const host of hosts.values()) if (lab === null) await host.stop();
      if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}

export { labRefusal };
export type { Machine };
