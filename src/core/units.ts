// What is held together, and by whom first. A unit is the hosts and power devices that hang on each other: whoever is in
// charge of it has the only sessions at its devices. A host without power is a unit by itself.
//
// The order of the watchers is rendezvous hashing (highest random weight, Thaler and Ravishankar 1998): every watcher works
// it out for itself, and one that joins or leaves moves only what is its own.

import { fnv1a } from "./hash.ts";
import type { HostPolicy, Policy } from "./policy.ts";

export type Unit = {
  /** Its first device, or `host=NAME`. */
  readonly name: string;
  /** What `charge/…` records it takes: its devices, sorted, or its own name. */
  readonly charges: readonly string[];
  readonly hosts: readonly string[];
};

type Units = { readonly all: readonly Unit[]; readonly ofHost: ReadonlyMap<string, Unit>; readonly ofCharge: ReadonlyMap<string, Unit> };

const unitsByPolicy = new WeakMap<Policy, Units>();

export function unitsOf(policy: Policy): Units {
  let units = unitsByPolicy.get(policy);
  if (units === undefined) {
    units = divide(policy);
    unitsByPolicy.set(policy, units);
  }
  return units;
}

function divide(policy: Policy): Units {
  const parent = new Map<string, string>();
  const rootOf = (device: string): string => {
    let at = device;
    for (let up = parent.get(at); up !== undefined && up !== at; up = parent.get(at)) at = up;
    return at;
  };
  const devicesOf = (host: HostPolicy) => [...new Set(host.levels.flat().map((outlet) => outlet.device))];
  for (const host of policy.hosts.values()) {
    const [first, ...rest] = devicesOf(host).map(rootOf);
    if (first === undefined) continue;
    for (const other of rest) {
      const [low, high] = [rootOf(first), rootOf(other)].sort() as [string, string];
      if (low !== high) parent.set(high, low);
    }
  }
  const found = new Map<string, { charges: Set<string>; hosts: string[] }>();
  for (const host of policy.hosts.values()) {
    const devices = devicesOf(host);
    const name = devices[0] === undefined ? `host=${host.name}` : rootOf(devices[0]);
    const unit = found.get(name) ?? { charges: new Set<string>(), hosts: [] };
    found.set(name, unit);
    for (const each of devices.length === 0 ? [name] : devices) unit.charges.add(each);
    unit.hosts.push(host.name);
  }
  const all = [...found.values()].map(({ charges, hosts }): Unit => {
    const sorted = [...charges].sort();
    return { name: sorted[0] as string, charges: sorted, hosts };
  });
  return {
    all,
    ofHost: new Map(all.flatMap((unit) => unit.hosts.map((host) => [host, unit] as const))),
    ofCharge: new Map(all.flatMap((unit) => unit.charges.map((charge) => [charge, unit] as const))),
  };
}

/** The watchers in the order in which this unit falls to them. */
export function ranked(unit: string, watchers: Iterable<string>): readonly string[] {
  return [...watchers]
    .map((watcher) => [weight(`${unit}\n${watcher}`), watcher] as const)
    .sort((one, other) => other[0] - one[0] || (one[1] < other[1] ? -1 : 1))
    .map(([, watcher]) => watcher);
}

/** FNV-1a with murmur3's finaliser: neighbours in name are no neighbours in weight. */
function weight(text: string): number {
  let hash = fnv1a(text);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
