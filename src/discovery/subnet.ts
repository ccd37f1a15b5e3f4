// Which addresses a scan may ask: IPv4, at most a /20, and only where one may knock without being a nuisance: networks that
// are private (RFC 1918, RFC 6598, link-local, loopback) or that this machine is in.

import { readFileSync } from "node:fs";
import { BlockList, isIP, isIPv4 } from "node:net";
import { networkInterfaces } from "node:os";
import { numberOf } from "./sightings.ts";

const PREFIX_MIN = 20;
const PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8"];

type Network = { readonly from: number; readonly to: number; readonly prefix: number };

function networkOf(text: string): Network | null {
  const [, address = "", bits = "32"] = /^([0-9.]+)(?:\/(\d{1,2}))?$/.exec(text) ?? [];
  const prefix = Number(bits);
  if (!isIPv4(address) || prefix > 32) return null;
  const size = 2 ** (32 - prefix);
  const from = Math.floor(numberOf(address) / size) * size;
  return { from, to: from + size - 1, prefix };
}

/** This machine's own addresses, and the networks that it is in. */
export function ownAddresses(): { readonly addresses: ReadonlySet<string>; readonly networks: readonly string[] } {
  const all = Object.values(networkInterfaces()).flat().filter((each) => each !== undefined);
  const outward = all.filter((each) => each.family === "IPv4" && !each.internal && each.cidr !== null);
  return { addresses: new Set(all.map((each) => each.address)), networks: [...new Set(outward.map((each) => withoutHost(each.cidr as string)))] };
}

/** What a scan could be offered for: this machine's networks, of a large one the 256 addresses around its own. */
export function networksToOffer(): readonly string[] {
  const outward = Object.values(networkInterfaces()).flat().filter((each) => each !== undefined && each.family === "IPv4" && !each.internal && each.cidr !== null);
  return [...new Set(outward.map((each) => offered(each?.cidr as string)))].filter((network) => "addresses" in addressesIn(network));
}

/** One network of at most a /20. */
export function offered(cidr: string): string {
  const [address = "", bits = "32"] = cidr.split("/");
  return withoutHost(Number(bits) < PREFIX_MIN ? `${address}/24` : cidr);
}

function withoutHost(cidr: string): string {
  const network = networkOf(cidr) as Network;
  return `${addressOf(network.from)}/${network.prefix}`;
}

export function addressOf(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");
}

/** Says of an address whether it is on a network that is private, or that this machine is in: strangers' machines are not asked. */
export function oursOnly(interfaces = networkInterfaces()): (address: string) => boolean {
  const ours = new BlockList();
  for (const network of PRIVATE) {
    const [address = "", prefix] = network.split("/");
    ours.addSubnet(address, Number(prefix));
  }
  // RFC 4193.
  ours.addSubnet("fc00::", 7, "ipv6");
  for (const each of Object.values(interfaces).flat()) {
    const [, prefix] = each?.cidr?.split("/") ?? [];
    if (each !== undefined && prefix !== undefined) ours.addSubnet(each.address, Number(prefix), each.family === "IPv6" ? "ipv6" : "ipv4");
  }
  return (address) => isIP(address) !== 0 && ours.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}

/** The addresses of machines in a network, or why it is not scanned. */
export function addressesIn(text: string, own: readonly string[] = ownAddresses().networks): { readonly addresses: readonly string[] } | { readonly why: string } {
  const network = networkOf(text);
  if (network === null) return { why: `${JSON.stringify(text.slice(0, 60))} is no IPv4 network: write 10.0.0.0/24` };
  if (network.prefix < PREFIX_MIN) return { why: `${text} has ${(network.to - network.from + 1).toLocaleString("en")} addresses; a scan takes a /${PREFIX_MIN} at most` };
  const inside = (outer: string): boolean => {
    const found = networkOf(outer) as Network;
    return network.from >= found.from && network.to <= found.to;
  };
  if (![...PRIVATE, ...own].some(inside)) return { why: `${text} is neither private nor a network of this machine: other people's machines are not scanned` };
  // The first and the last are the network itself and everybody (RFC 950, RFC 919); a /31 has two machines (RFC 3021).
  const edge = network.prefix < 31 ? 1 : 0;
  return { addresses: Array.from({ length: network.to - network.from + 1 - 2 * edge }, (_, at) => addressOf(network.from + edge + at)) };
}

/** The router of this machine (proc_net(5): little-endian hexadecimal), or null. */
export function defaultGateway(): string | null {
  try {
    for (const line of readFileSync("/proc/net/route", "latin1").split("\n").slice(1)) {
      const [, destination, gateway = ""] = line.split("\t");
      if (destination === "00000000" && /^[0-9A-F]{8}$/.test(gateway)) return [6, 4, 2, 0].map((at) => Number.parseInt(gateway.slice(at, at + 2), 16)).join(".");
    }
  } catch {
    // Not Linux, or not allowed: then nothing is suggested.
  }
  return null;
}
