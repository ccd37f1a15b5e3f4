// Which hosts this watcher must never cut, because it would cut itself (safety.md §3.7): the host that it runs on, told by
// `watcher.host` or by the addresses of this machine, every host on the same outlet, and whatever that host hangs on.
//
// 127/8 and ::1 say nothing: every machine has them, and the demonstration's hosts live there.

import { BlockList, isIP } from "node:net";
import { hostname, networkInterfaces } from "node:os";
import { outletKey } from "../core/policy.ts";
import type { OutletRef } from "../core/policy.ts";

/** What a machine is known by. */
export type Machine = { readonly addresses: readonly string[]; readonly hostname: string };

export type Candidate = { readonly name: string; readonly address: string; readonly behind: string | null; readonly levels: readonly (readonly OutletRef[])[] };

export function thisMachine(): Machine {
  const addresses = Object.values(networkInterfaces()).flatMap((infos) => infos ?? []).map(({ address }) => address);
  return { addresses, hostname: hostname() };
}

/** The names of the hosts that feed this watcher. */
export function hostsOfSelf(hosts: readonly Candidate[], stated: string | null, machine: Machine): ReadonlySet<string> {
  const own = stated === null ? addressMatcher(machine) : ({ name }: Candidate): boolean => name === stated;
  const self = new Set(hosts.filter(own).map(({ name }) => name));
  const byName = new Map(hosts.map((host) => [host.name, host]));
  for (const name of self) {
    const host = byName.get(name);
    // A set grows while it is walked: a hypervisor behind a switch is reached as well.
    if (host?.behind !== null && host?.behind !== undefined && byName.has(host.behind)) self.add(host.behind);
  }
  const outlets = new Set(hosts.filter(({ name }) => self.has(name)).flatMap(({ levels }) => levels.flat().map(outletKey)));
  for (const host of hosts) if (host.levels.flat().some((ref) => outlets.has(outletKey(ref)))) self.add(host.name);
  return self;
}

function addressMatcher(machine: Machine): (host: Candidate) => boolean {
  const own = new BlockList();
  for (const address of machine.addresses.map(bare).filter((text) => !isLoopback(text))) own.addAddress(address, familyOf(address));
  return ({ address }) => {
    const text = bare(address);
    return isIP(text) === 0 ? sameName(text, machine.hostname) : own.check(text, familyOf(text));
  };
}

function bare(address: string): string {
  return address.replace(/%.*$/, "");
}

function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1";
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}

function sameName(one: string, other: string): boolean {
  const plain = (name: string): string => name.toLowerCase().replace(/\.$/, "");
  return plain(one) !== "localhost" && (plain(one) === plain(other) || plain(one) === plain(other).split(".")[0]);
}
