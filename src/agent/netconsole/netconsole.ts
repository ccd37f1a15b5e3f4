// The part that has this host's kernel tell its last words to the watchers: netconsole, set up through configfs while the host
// runs, one target for each watcher, and looked after, because what a target knows of the way (interface, gateway) gets old.
// What was changed on the host is written down in the part's folder first, and taken back by `uninstall`; the agent's own end
// leaves it, for a kernel that panics right then should be heard as well.

import { createSocket } from "node:dgram";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { resolve4, resolve6 } from "node:dns/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import type { Guard, Ran } from "../../child/child.ts";
import { evidenceOf, runChild } from "../../child/child.ts";
import type { NetconsoleOptions } from "../../config/agent/netconsole.ts";
import type { PartWorld, Running } from "../part.ts";
import { definePart } from "../part.ts";
import type { Attribute } from "./plan.ts";
import { ATTRIBUTES, consoleLevel, isOurs, parseNeighbour, parseRoute, targetName, targetOf, writesFor } from "./plan.ts";

const LOOK_EVERY_MS = 60_000;
/** Until everything stands for the first time; a network may come up after the agent. */
const FIRST_LOOKS_MS = 5_000;
const CHILD_LIMIT_MS = 5_000;
const NEIGHBOUR_TRIES = 10;
const NEIGHBOUR_EVERY_MS = 200;
const PRINTK_BEFORE = "printk-before";

/** The kernel, as far as this part touches it; another one in tests. */
export type Kernel = {
  readonly configfs: string;
  readonly printk: string;
  /** Makes the folder of a target: the kernel puts its files there. */
  makeTarget(path: string): void;
  removeTarget(path: string): void;
  /** A line in its log. */
  log(line: string): void;
  run(guard: Guard, argv: readonly string[], signal: AbortSignal): Promise<Ran>;
};

const KERNEL: Kernel = {
  configfs: "/sys/kernel/config", printk: "/proc/sys/kernel/printk",
  makeTarget: (path) => void mkdirSync(path), removeTarget: (path) => rmdirSync(path),
  log: (line) => writeFileSync("/dev/kmsg", line),
  run: (guard, argv, signal) => runChild(guard, argv, { limitMs: CHILD_LIMIT_MS }, signal),
};

type World = PartWorld<NetconsoleOptions>;
type Remote = { readonly address: string; readonly port: number };

export function netconsoleAt(kernel: Kernel) {
  return definePart<NetconsoleOptions>({
    name: "netconsole",
    start: (world) => new Netconsole(world, kernel).start(),
    uninstall: (world) => new Netconsole(world, kernel).uninstall(),
  });
}

export const netconsole = netconsoleAt(KERNEL);

class Netconsole {
  readonly #world: World;
  readonly #kernel: Kernel;
  readonly #ended = new AbortController();
  #cancel: () => void = () => undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(world: World, kernel: Kernel) {
    this.#world = world;
    this.#kernel = kernel;
  }

  start(): Running {
    this.#look();
    return {
      stop: async () => {
        this.#ended.abort();
        this.#cancel();
        await this.#looking;
      },
    };
  }

  async uninstall(): Promise<void> {
    const { dryRun, say, forget } = this.#world;
    if (dryRun) return say("info", "would remove its targets of netconsole, and set the console's level back");
    for (const name of this.#targets().filter(isOurs)) this.#remove(name);
    const before = join(this.#world.folder, PRINTK_BEFORE);
    if (existsSync(before)) {
      const [old, ours] = readFileSync(before, "utf8").split(" ");
      // Who has set it to something else since has his reasons.
      if (old !== undefined && ours !== undefined && consoleLevel(this.#read(this.#kernel.printk) ?? "") === Number(ours)) writeFileSync(this.#kernel.printk, old);
      rmSync(before);
    }
    forget("netconsole");
  }

  get #folder(): string {
    return join(this.#kernel.configfs, "netconsole");
  }

  #look(): void {
    this.#looking = this.#setUp().then(
      (whole) => this.#again(whole ? LOOK_EVERY_MS : FIRST_LOOKS_MS),
      (error: unknown) => {
        this.#report("warn", error instanceof Error ? error.message : String(error));
        this.#again(LOOK_EVERY_MS);
      },
    );
  }

  #again(afterMs: number): void {
    if (this.#ended.signal.aborted) return;
    this.#cancel = this.#world.at(this.#world.now().bootMs + afterMs, () => this.#look());
  }

  #report(verdict: "good" | "warn" | "unknown", because: string): void {
    if (!this.#ended.signal.aborted) this.#world.report({ subject: "netconsole", verdict, because, mayCut: false });
  }

  /** True: everything stands, or what is missing does not come by itself. */
  async #setUp(): Promise<boolean> {
    const { options, dryRun } = this.#world;
    const missing = await this.#module();
    if (missing !== null) {
      this.#report("warn", missing);
      return true;
    }
    // First, so that what is said once a target stands is sent as well.
    const level = this.#raise();
    const [standing, troubles]: [string[], string[]] = [[], []];
    const kept = new Set<string>();
    for (const { host, port } of options.targets) {
      const remote = await addressOf(host, port);
      if ("trouble" in remote) {
        troubles.push(remote.trouble);
        // Its address is not known now: what stands for it stays.
        continue;
      }
      const name = targetName(remote.address, port);
      kept.add(name);
      const end = await this.#target(name, remote);
      if (end.trouble === null) standing.push(`${host}:${port} by ${end.device}`);
      else troubles.push(`${host}: ${end.trouble}`);
      if (this.#ended.signal.aborted) return true;
    }
    // Targets of watchers that are not named any more.
    if (!troubles.some((trouble) => trouble.includes("does not resolve"))) for (const name of this.#targets()) if (isOurs(name) && !kept.has(name) && !dryRun) this.#remove(name);
    if (troubles.length > 0) this.#report("warn", `${troubles.join("; ")}${standing.length > 0 ? `; the kernel tells ${standing.join(", ")}` : ""}`);
    else this.#report("good", `${dryRun ? "would have the kernel tell" : "the kernel tells"} ${standing.join(", ")}${level === null ? "" : `, level ${level}`}`);
    return troubles.length === 0;
  }

  /** Why this kernel cannot, or null. */
  async #module(): Promise<string | null> {
    const { dryRun } = this.#world;
    if (existsSync(this.#folder)) return null;
    if (dryRun) return null;
    const loaded = await this.#run(["modprobe", "-q", "netconsole"]);
    if (!existsSync(this.#kernel.configfs) || !existsSync(this.#folder)) await this.#run(["mount", "-t", "configfs", "none", this.#kernel.configfs]);
    if (existsSync(this.#folder)) return null;
    if (!("code" in loaded.end && loaded.end.code === 0)) return `this kernel has no module netconsole (modprobe: ${evidenceOf(loaded)}): install the rest of its modules (Ubuntu: linux-modules-extra), or leave netconsole out`;
    return `netconsole is there and cannot be set up while the host runs: there is no ${this.#folder} (the kernel was built without CONFIG_NETCONSOLE_DYNAMIC)`;
  }

  async #target(name: string, remote: Remote): Promise<{ readonly trouble: string | null; readonly device: string }> {
    const { options, dryRun } = this.#world;
    const told = await this.#run(["ip", ...(isIP(remote.address) === 6 ? ["-6"] : []), "route", "get", remote.address]);
    const way = parseRoute(told.stdout, remote.address);
    if (way === null) return { trouble: `there is no way to ${remote.address} (${evidenceOf(told)})`, device: "" };
    if (way === "local") return { trouble: `${remote.address} is this machine itself: a kernel cannot send to its own`, device: "" };
    const mac = await this.#neighbour(way.hop, way.device, remote);
    if (mac === null) return { trouble: `${way.hop} on ${way.device} does not say its hardware address`, device: way.device };
    const writes = writesFor(targetOf(way, mac, remote, options.extended), this.#present(name));
    if (dryRun || (writes.length === 0 && existsSync(join(this.#folder, name)))) return { trouble: null, device: way.device };
    if (!existsSync(join(this.#folder, name))) this.#kernel.makeTarget(join(this.#folder, name));
    try {
      for (const [attribute, value] of writesFor(targetOf(way, mac, remote, options.extended), this.#present(name))) writeFileSync(join(this.#folder, name, attribute), `${value}\n`);
    } catch (error) {
      return { trouble: `${way.device} cannot carry it: ${error instanceof Error ? error.message : String(error)} (see the kernel's log: not every interface can be polled)`, device: way.device };
    }
    // What the kernel took is what counts: it says 1 and means 0 where an interface cannot be polled.
    if (this.#read(join(this.#folder, name, "enabled"))?.trim() !== "1") return { trouble: `${way.device} cannot carry it (see the kernel's log: not every interface can be polled)`, device: way.device };
    this.#prove(remote, way.device);
    return { trouble: null, device: way.device };
  }

  /** The first line that goes that way: where the watcher has it, the rest will come, too. */
  #prove({ address, port }: Remote, device: string): void {
    try {
      this.#kernel.log(`<5>upkeep: this kernel tells ${address} port ${port} by ${device}\n`);
    } catch {
      // A sandbox without /dev/kmsg: the kernel itself needs none.
    }
  }

  #present(name: string): Partial<Record<Attribute, string>> {
    const present: Partial<Record<Attribute, string>> = {};
    for (const attribute of [...ATTRIBUTES, "enabled"] as const) {
      const value = this.#read(join(this.#folder, name, attribute))?.trim();
      if (value !== undefined) present[attribute] = value;
    }
    return present;
  }

  /** Asks for the next hop's hardware address by sending something that way: nobody else may have for days. */
  async #neighbour(hop: string, device: string, { address, port }: Remote): Promise<string | null> {
    for (let tries = 0; tries < NEIGHBOUR_TRIES && !this.#ended.signal.aborted; tries += 1) {
      if (tries > 0) await new Promise((resolve) => setTimeout(resolve, NEIGHBOUR_EVERY_MS));
      if (tries % 5 === 0) await nothing(address, port);
      const told = await this.#run(["ip", ...(isIP(hop) === 6 ? ["-6"] : []), "neigh", "show", "to", hop, "dev", device]);
      const mac = parseNeighbour(` ${told.stdout}`);
      if (mac !== null) return mac;
    }
    return null;
  }

  /** The console's level, raised if it is too low; null: it is left alone. */
  #raise(): number | null {
    const { options: { loglevel }, folder, dryRun } = this.#world;
    if (loglevel === 0) return null;
    const now = consoleLevel(this.#read(this.#kernel.printk) ?? "");
    if (now === null || now >= loglevel || dryRun) return now;
    const before = join(folder, PRINTK_BEFORE);
    // Of several raises the first knows how it was before us.
    if (!existsSync(before)) writeFileSync(before, `${now} ${loglevel}`, { mode: 0o600 });
    writeFileSync(this.#kernel.printk, String(loglevel));
    return loglevel;
  }

  #targets(): readonly string[] {
    return existsSync(this.#folder) ? readdirSync(this.#folder) : [];
  }

  #remove(name: string): void {
    const folder = join(this.#folder, name);
    try {
      if (this.#read(join(folder, "enabled"))?.trim() === "1") writeFileSync(join(folder, "enabled"), "0\n");
      this.#kernel.removeTarget(folder);
    } catch (error) {
      this.#world.say("warning", `the target ${name} of netconsole cannot be removed: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #read(path: string): string | undefined {
    try {
      return readFileSync(path, "utf8");
    } catch {
      return undefined;
    }
  }

  #run(argv: readonly string[]): Promise<Ran> {
    return this.#kernel.run(this.#world.guard, argv, this.#ended.signal);
  }
}

async function addressOf(host: string, port: number): Promise<Remote | { readonly trouble: string }> {
  if (isIP(host) !== 0) return { address: host, port };
  const found = (await resolve4(host).catch(() => []))[0] ?? (await resolve6(host).catch(() => []))[0];
  return found === undefined ? { trouble: `${host} does not resolve` } : { address: found, port };
}

/** An empty datagram: it makes the kernel ask for the next hop, and a receiver makes nothing of it. */
function nothing(address: string, port: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = createSocket(isIP(address) === 6 ? "udp6" : "udp4");
    socket.on("error", () => undefined);
    socket.send("", port, address, () => {
      socket.close();
      resolve();
    });
  });
}
