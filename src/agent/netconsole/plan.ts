// What has to be written where, so that a kernel sends to a watcher: pure. A kernel that dies asks no routing table and no
// neighbour: interface, addresses and the next hop's hardware address have to stand in its target beforehand
// (Documentation/networking/netconsole.rst), and to follow when they change.

/** The way to an address, as `ip route get` says it. */
export type Way = { readonly device: string; readonly source: string; /** The next hop: the gateway, or the address itself. */ readonly hop: string };

/** Null: there is none. `local`: the address is one of this machine's own. */
export function parseRoute(text: string, address: string): Way | "local" | null {
  const line = text.split("\n").find((each) => each.includes(" dev ")) ?? "";
  if (/^\s*(?:local|broadcast|multicast)\s/.test(line)) return "local";
  const word = (name: string): string | null => new RegExp(`\\s${name} (\\S+)`).exec(` ${line}`)?.[1] ?? null;
  const [device, source] = [word("dev"), word("src")];
  if (device === null || source === null || /unreachable|prohibit|blackhole/.test(line)) return null;
  return device === "lo" ? "local" : { device, source, hop: word("via inet6") ?? word("via") ?? address };
}

/** The hardware address of a neighbour in `ip neigh show`, whatever its state, unless it has failed. */
export function parseNeighbour(text: string): string | null {
  for (const line of text.split("\n")) {
    const mac = /\slladdr ([0-9a-f]{2}(?::[0-9a-f]{2}){5})(?:\s|$)/i.exec(line)?.[1];
    if (mac !== undefined && !/\b(?:FAILED|INCOMPLETE)\b/.test(line)) return mac.toLowerCase();
  }
  return null;
}

/** From where a kernel sends; nothing listens there. */
const LOCAL_PORT = 6_665;

export type Target = {
  readonly dev_name: string;
  readonly local_ip: string;
  readonly local_port: string;
  readonly remote_ip: string;
  readonly remote_port: string;
  readonly remote_mac: string;
  readonly extended: string;
};

export type Attribute = keyof Target | "enabled";

/** In the order in which they are written: `extended` of old kernels wants to be early, the addresses their interface. */
export const ATTRIBUTES: readonly (keyof Target)[] = ["extended", "dev_name", "local_port", "remote_port", "local_ip", "remote_ip", "remote_mac"];

export function targetOf(way: Way, mac: string, remote: { readonly address: string; readonly port: number }, extended: boolean): Target {
  return { dev_name: way.device, local_ip: way.source, local_port: String(LOCAL_PORT), remote_ip: remote.address, remote_port: String(remote.port), remote_mac: mac, extended: extended ? "1" : "0" };
}

/**
 * What has to be written for a target to be as wanted, in order; nothing where it is. `present`: what stands there, without what
 * this kernel does not have. A target takes changes only while it is disabled, and disables itself when its interface goes down.
 */
export function writesFor(wanted: Target, present: Readonly<Partial<Record<Attribute, string>>>): readonly (readonly [Attribute, string])[] {
  const differ = ATTRIBUTES.filter((name) => present[name] !== undefined && present[name]?.toLowerCase() !== wanted[name].toLowerCase());
  const enabled = present.enabled === "1";
  if (differ.length === 0) return enabled ? [] : [["enabled", "1"]];
  return [...(enabled ? [["enabled", "0"] as const] : []), ...differ.map((name) => [name, wanted[name]] as const), ["enabled", "1"]];
}

/** The folder of a target: one for each receiver, and no other's. */
export function targetName(address: string, port: number): string {
  return `upkeep-${address.replace(/[^0-9a-f.]/gi, "-")}-${port}`;
}

export function isOurs(name: string): boolean {
  return name.startsWith("upkeep-");
}

/** The console's level of /proc/sys/kernel/printk, or null. */
export function consoleLevel(text: string): number | null {
  const first = /^\s*(\d{1,3})\s/.exec(text)?.[1];
  return first === undefined ? null : Number(first);
}
