// A virtual host for machines without root: a process on a loopback address and high ports (host-server.ts), switched off
// by SIGKILL and frozen by SIGSTOP, so that the kernel still accepts TCP for it and nobody answers. What it cannot show:
// loopback always answers ping, a host that is off refuses TCP instead of being silent, and there is no cable to pull.

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { diesWithUs, whenWeEnd } from "./child.ts";
import type { HostServerOptions, HostServerOrder, HostServerReport } from "./host-server.ts";
import { dnsNameOf, inOrder, SERVING_WITHIN_MS, within } from "./virtual-host.ts";
import type { PowerEdge, VirtualHost, Wedge } from "./virtual-host.ts";

export type ProcessHostOptions = {
  readonly name: string;
  /** On loopback: 127.0.0.1, or any other of 127/8, one a host. */
  readonly address: string;
  /** 0 or left out: any free port, the same over power cycles. */
  readonly sshPort?: number;
  readonly dnsPort?: number;
  /** From power to open ports, on every boot but the first. */
  readonly bootMs?: number;
};

const SERVER = fileURLToPath(new URL("host-server.ts", import.meta.url));
const WEDGES: readonly Wedge[] = ["frozen", "sshd-stopped", "banner-silent", "dns-servfail"];
const OBEYS_WITHIN_MS = 5_000;

/** One stretch of power. */
type Life = { readonly child: ChildProcess; readonly served: Promise<void>; readonly ended: Promise<void> };

/** Starts a virtual host, powered and serving. */
export async function startProcessHost(options: ProcessHostOptions): Promise<VirtualHost> {
  const { name, address } = options;
  const dnsName = dnsNameOf(name);
  const inTurn = inOrder();
  const edges: PowerEdge[] = [];
  let [sshPort, dnsPort] = [options.sshPort ?? 0, options.dnsPort ?? 0];
  let life: Life | null = null;
  let wedged: Wedge | null = null;
  let stopped = false;

  const kill = (): void => void life?.child.kill("SIGKILL");
  const forgetEnding = whenWeEnd(kill);

  const live = (bootMs: number): Life => {
    const wanted: HostServerOptions = { dnsName, address, sshPort, dnsPort, bootMs };
    const [file = "", ...args] = [...diesWithUs(), process.execPath, "--disable-warning=ExperimentalWarning", SERVER, JSON.stringify(wanted)];
    const child = spawn(file, args, { stdio: ["ignore", "ignore", "pipe", "ipc"] });
    let complaint = "";
    // An order to a process that has died by itself; `ended` says so.
    child.on("error", () => undefined);
    child.stderr?.on("data", (bytes: Buffer) => { complaint = (complaint + bytes.toString()).slice(-1_000); });
    const ended = new Promise<void>((resolve) => {
      child.once("close", () => resolve());
      child.once("error", () => resolve());
    });
    const served = new Promise<void>((resolve, reject) => {
      child.once("message", (said: HostServerReport) => {
        if (said.kind !== "serving") return;
        [sshPort, dnsPort] = [said.sshPort, said.dnsPort];
        resolve();
      });
      child.once("error", reject);
      child.once("close", () => reject(new Error(`${name} ended before it served: ${complaint.trim()}`)));
    });
    served.catch(() => undefined);
    return { child, served, ended };
  };
  const powerOn = (bootMs: number): Promise<void> => inTurn(async () => {
    if (life !== null || stopped) return;
    edges.push({ to: "on", atMs: performance.now() });
    wedged = null;
    life = live(bootMs);
  });
  const powerOff = (): Promise<void> => inTurn(async () => {
    if (life === null) return;
    edges.push({ to: "off", atMs: performance.now() });
    kill();
    const { ended } = life;
    life = null;
    wedged = null;
    await ended;
  });
  const serving = async (timeoutMs = SERVING_WITHIN_MS + (options.bootMs ?? 0)): Promise<void> => {
    if (life === null) throw new Error(`${name} is off`);
    await within(timeoutMs, life.served, () => `${name} does not serve within ${timeoutMs} ms`);
  };
  const order = async (wanted: HostServerOrder): Promise<void> => {
    if (life === null) throw new Error(`${name} is off`);
    const { child } = life;
    const obeyed = new Promise<void>((resolve) => child.once("message", () => resolve()));
    child.send(wanted);
    await within(OBEYS_WITHIN_MS, obeyed, () => `${name} does not obey`);
  };
  const cure = async (): Promise<void> => {
    if (wedged === null) return;
    if (wedged === "frozen") life?.child.kill("SIGCONT");
    else await order({ silent: false, servfail: false });
    wedged = null;
  };
  const wedge = async (kind: Wedge): Promise<void> => {
    if (!WEDGES.includes(kind)) throw new Error(`${name} is a process: it cannot be wedged as ${kind}`);
    await serving();
    const current = life;
    await inTurn(async () => {
      if (life === null || life !== current) throw new Error(`${name} was switched off before it could be wedged`);
      await cure();
      if (kind === "frozen") await halt(life.child);
      else await order({ silent: kind !== "dns-servfail", servfail: kind === "dns-servfail" });
      wedged = kind;
    });
  };
  const host: VirtualHost = {
    name, address, address6: null, dnsName, wedges: WEDGES, edges,
    get sshPort() { return sshPort; },
    get dnsPort() { return dnsPort; },
    get powered() { return life !== null; },
    get wedged() { return wedged; },
    powerOn: () => powerOn(options.bootMs ?? 0),
    powerOff, serving, wedge,
    freeze: () => wedge("frozen"),
    thaw: () => inTurn(async () => { if (wedged === "frozen") await cure(); }),
    heal: () => inTurn(cure),
    async stop() {
      stopped = true;
      await powerOff();
      forgetEnding();
    },
  };
  await powerOn(0);
  try {
    await serving();
  } catch (error) {
    await host.stop();
    throw error;
  }
  return host;
}

/** Stops a process; resolves when the kernel shows it as stopped, so that it does not answer one last time. */
async function halt(child: ChildProcess): Promise<void> {
  child.kill("SIGSTOP");
  const deadlineMs = performance.now() + OBEYS_WITHIN_MS;
  // The state follows the command's name, which ends with the last parenthesis (proc_pid_stat(5)).
  while (!/\) T [^)]*$/.test(readFileSync(`/proc/${child.pid}/stat`, "utf8"))) {
    if (performance.now() > deadlineMs) throw new Error("a process does not stop");
    await sleep(1);
  }
}
