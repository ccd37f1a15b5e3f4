// What a source says of a machine, and how sightings become hosts: one an address, with the best of its names. Whatever comes
// from a file or a server is a stranger's word: an address must be one, a name is made right, the rest is left out.

import { isIP } from "node:net";
import { nameFrom } from "../config/names.ts";

/** Of one source. `address` null: only a name is known. The earlier a name stands, the better it is. */
export type Sighting = { readonly address: string | null; readonly names: readonly string[]; readonly source: string };

export type Candidate = {
  readonly address: string;
  /** Right for the file, and no other's. */
  readonly name: string;
  /** As it was written, where that had to be changed. */
  readonly writtenAs: string | null;
  readonly sources: readonly string[];
};

/** One candidate an address, in the order of addresses; those in `not` are left out. */
export function candidatesOf(sightings: readonly Sighting[], not: ReadonlySet<string>, taken: Set<string> = new Set()): readonly Candidate[] {
  const byAddress = new Map<string, { names: string[]; sources: Set<string> }>();
  const addressOf = new Map<string, string>();
  for (const { address, names } of sightings) if (address !== null) for (const name of names) if (!addressOf.has(shortOf(name))) addressOf.set(shortOf(name), address);
  for (const { address, names, source } of sightings) {
    // A name without an address is of the machine that another source has under that name.
    const at = address ?? names.map((name) => addressOf.get(shortOf(name))).find((each) => each !== undefined);
    if (at === undefined || isIP(at) === 0 || not.has(at)) continue;
    const found = byAddress.get(at) ?? { names: [], sources: new Set() };
    byAddress.set(at, found);
    found.names.push(...names);
    found.sources.add(source);
  }
  const bestOf = (address: string, names: readonly string[]): string => names.find((name) => isIP(name) === 0 && name !== "") ?? address;
  // A machine that has an address of either family under one name is one machine, and asked by IPv4 as everybody does.
  const byFour = new Set([...byAddress].filter(([address]) => isIP(address) === 4).map(([address, { names }]) => shortOf(bestOf(address, names))));
  const once = [...byAddress].filter(([address, { names }]) => isIP(address) === 4 || !byFour.has(shortOf(bestOf(address, names))));
  return once.sort(([a], [b]) => compare(a, b)).map(([address, { names, sources }]) => {
    const written = bestOf(address, names);
    const short = isIP(written) === 0 ? (written.split(".")[0] as string) : written;
    const name = nameFrom(short, taken);
    return { address, name, writtenAs: name === short ? null : written, sources: [...sources] };
  });
}

/** Addresses as people sort them. */
function compare(a: string, b: string): number {
  return isIP(a) - isIP(b) || (isIP(a) === 4 ? numberOf(a) - numberOf(b) : a < b ? -1 : 1);
}

export function numberOf(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

/** `web1` of `web1.example.org.`, for comparing. */
export function shortOf(name: string): string {
  return (isIP(name) === 0 ? (name.split(".")[0] as string) : name).toLowerCase();
}

/** Whether an address can be a machine on a network: no loopback, group, or nothing. */
export function isMachine(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !/^(0|127|22[4-9]|23\d|24\d|25[0-5])\./.test(address);
  return family === 6 && !/^(::1?$|ff|fe[89ab])/i.test(address);
}
