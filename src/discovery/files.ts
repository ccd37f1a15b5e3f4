// What a machine knows already of the machines around it: known_hosts, /etc/hosts, the table of neighbours, and what a DHCP
// server on it has given away. Parsers of lines, which pass over what they do not understand; formats are in sshd(8),
// hosts(5), proc_net(5), dnsmasq(8), dhcpd.leases(5), and the guides of Kea and systemd-networkd.

import { isIP } from "node:net";
import { isMachine } from "./sightings.ts";
import type { Sighting } from "./sightings.ts";

export type FileKind = "known-hosts" | "hosts" | "neighbours" | "leases";

/** `hashed`: entries whose names are kept from us. */
export type Read = { readonly sightings: readonly Sighting[]; readonly hashed: number };

/** Where each is looked for when no file is named. `~` is the user's folder; the last part may end in `*`. */
export const PLACES: Readonly<Record<FileKind, readonly string[]>> = {
  "known-hosts": ["~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts"],
  hosts: ["/etc/hosts"],
  neighbours: ["/proc/net/arp"],
  leases: ["/var/lib/misc/dnsmasq.leases", "/var/lib/dnsmasq/dnsmasq.leases", "/tmp/dhcp.leases", "/var/lib/dhcp/dhcpd.leases", "/var/lib/dhcpd/dhcpd.leases", "/var/lib/kea/kea-leases4.csv", "/var/lib/systemd/network/dhcp-server-lease/*"],
};

const SIGHTINGS_MAX = 20_000;
const NAME_MAX = 253;

/** Takes a file of this kind apart. */
export function readLines(kind: FileKind, text: string, nowMs: number): Read {
  switch (kind) {
    case "known-hosts": return knownHosts(text);
    case "hosts": return { sightings: few(hosts(text)), hashed: 0 };
    case "neighbours": return { sightings: few(neighbours(text)), hashed: 0 };
    case "leases": return { sightings: few(leases(text, nowMs)), hashed: 0 };
  }
}

function few(found: Iterable<Sighting>): readonly Sighting[] {
  const sightings: Sighting[] = [];
  for (const sighting of found) if (sightings.push(sighting) >= SIGHTINGS_MAX) break;
  return sightings;
}

/** Lines without a copy of the whole. */
function* linesOf(text: string): Generator<string> {
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf("\n", from);
    const to = end === -1 ? text.length : end;
    // Nothing that is longer can be one of ours.
    if (to - from <= 4_096) yield text.slice(from, to).trim();
    from = to + 1;
  }
}

function name(text: string | undefined): readonly string[] {
  return text === undefined || text === "" || text === "*" || text.length > NAME_MAX ? [] : [text];
}

function knownHosts(text: string): Read {
  const sightings: Sighting[] = [];
  let hashed = 0;
  for (const line of linesOf(text)) {
    if (sightings.length >= SIGHTINGS_MAX) break;
    if (line === "" || line.startsWith("#") || line.startsWith("@")) continue;
    const [patterns = ""] = line.split(/\s/, 1);
    if (patterns.startsWith("|1|")) {
      hashed += 1;
      continue;
    }
    const given = patterns.split(",").filter((each) => !/[*?!]/.test(each)).map((each) => /^\[(.+)\](?::\d+)?$/.exec(each)?.[1] ?? each);
    const address = given.find((each) => isIP(each) !== 0 && isMachine(each)) ?? null;
    const names = given.filter((each) => isIP(each) === 0).flatMap((each) => name(each));
    if (address !== null || names.length > 0) sightings.push({ address, names, source: "known_hosts" });
  }
  return { sightings, hashed };
}

function* hosts(text: string): Generator<Sighting> {
  for (const line of linesOf(text)) {
    const [address = "", ...names] = (line.split("#")[0] as string).trim().split(/\s+/);
    if (isIP(address) !== 0 && isMachine(address)) yield { address, names: names.flatMap((each) => name(each)), source: "/etc/hosts" };
  }
}

function* neighbours(text: string): Generator<Sighting> {
  for (const line of linesOf(text)) {
    const [address = "", , flags = "", mac = ""] = line.split(/\s+/);
    // ATF_COM: an entry without an answer has none.
    if (isIP(address) === 4 && isMachine(address) && (Number(flags) & 2) !== 0 && mac !== "00:00:00:00:00:00") yield { address, names: [], source: "neighbours" };
  }
}

/** Whichever server's they are. */
function leases(text: string, nowMs: number): Iterable<Sighting> {
  const head = text.slice(0, 4_096);
  if (/^\s*\{/.test(head) && head.includes('"')) return networkd(text);
  if (/^address,hwaddr,/m.test(head) || /^\d+\.\d+\.\d+\.\d+,[0-9a-f:]*,[0-9a-f:]*,\d+,\d+,/im.test(head)) return kea(text, nowMs);
  return /^\s*(lease\s+[0-9.]+\s*\{|server-duid|authoring-byte-order|# The format of this file)/m.test(head) || /^lease\s+[0-9.]+\s*\{/m.test(text) ? dhcpd(text, nowMs) : dnsmasq(text, nowMs);
}

function* dnsmasq(text: string, nowMs: number): Generator<Sighting> {
  for (const line of linesOf(text)) {
    const [expires = "", , address = "", hostname] = line.split(/\s+/);
    // 0 never ends.
    if (!/^\d+$/.test(expires) || (expires !== "0" && Number(expires) * 1_000 < nowMs)) continue;
    if (isIP(address) === 4 && isMachine(address)) yield { address, names: name(hostname), source: "a lease" };
  }
}

/** The file is a log: the last word on an address holds. */
function dhcpd(text: string, nowMs: number): Iterable<Sighting> {
  const last = new Map<string, Sighting | null>();
  let open: { address: string; state: string; ends: number; hostname: string | undefined } | null = null;
  for (const line of linesOf(text)) {
    const [, address] = /^lease\s+([0-9.]+)\s*\{/.exec(line) ?? [];
    if (address !== undefined && (last.size < SIGHTINGS_MAX || last.has(address))) open = { address, state: "active", ends: Infinity, hostname: undefined };
    else if (open === null) continue;
    else if (line === "}") {
      const holds = open.state === "active" && open.ends >= nowMs && isIP(open.address) === 4 && isMachine(open.address);
      last.set(open.address, holds ? { address: open.address, names: name(open.hostname), source: "a lease" } : null);
      open = null;
    } else {
      open.state = /^binding state (\w+);/.exec(line)?.[1] ?? open.state;
      open.hostname = /^client-hostname "([^"\\]*)"/.exec(line)?.[1] ?? open.hostname;
      const [, date, time] = /^ends \d (\d{4}\/\d\d\/\d\d) (\d\d:\d\d:\d\d);/.exec(line) ?? [];
      if (date !== undefined) open.ends = Date.parse(`${date.replaceAll("/", "-")}T${time}Z`);
    }
  }
  return [...last.values()].filter((each) => each !== null);
}

/** A log, too; commas within a value are escaped as &#x2c. */
function kea(text: string, nowMs: number): Iterable<Sighting> {
  let columns = ["address", "hwaddr", "client_id", "valid_lifetime", "expire", "subnet_id", "fqdn_fwd", "fqdn_rev", "hostname", "state"];
  const last = new Map<string, Sighting | null>();
  for (const line of linesOf(text)) {
    const values = line.split(",");
    if (values[0] === "address") {
      columns = values;
      continue;
    }
    const at = (column: string): string => values[columns.indexOf(column)] ?? "";
    const address = at("address");
    if (isIP(address) !== 4 || !isMachine(address) || (last.size >= SIGHTINGS_MAX && !last.has(address))) continue;
    const holds = at("state") === "0" && at("valid_lifetime") !== "0" && Number(at("expire")) * 1_000 >= nowMs;
    last.set(address, holds ? { address, names: name(at("hostname").replaceAll("&#x2c", "")), source: "a lease" } : null);
  }
  return [...last.values()].filter((each) => each !== null);
}

/** systemd-networkd since 256 keeps what its server has given in JSON. */
function networkd(text: string): readonly Sighting[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return [];
  }
  const given = typeof parsed === "object" && parsed !== null && "Leases" in parsed && Array.isArray(parsed.Leases) ? (parsed.Leases as unknown[]) : [];
  return given.flatMap((lease): Sighting[] => {
    if (typeof lease !== "object" || lease === null || !("Address" in lease)) return [];
    const bytes = lease.Address;
    const address = Array.isArray(bytes) && bytes.length === 4 ? bytes.join(".") : String(bytes);
    const hostname = "Hostname" in lease && typeof lease.Hostname === "string" ? lease.Hostname : undefined;
    return isIP(address) === 4 && isMachine(address) ? [{ address, names: name(hostname), source: "a lease" }] : [];
  });
}
