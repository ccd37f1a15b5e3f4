// What `upkeep init` finds, as hosts and devices of a draft: with the probes that answered, comments on what was seen, and
// outlets where a device's own labels name a host. A label is somebody's word and no proof, so the comment says how to prove it.

import type { DraftDevice, DraftHost } from "../config/draft.ts";
import type { Answered, Candidate, Discovery, FoundDevice, Gathered, Progress, Source } from "../discovery/discovery.ts";

export type Found = Gathered & {
  /** Candidates that are power devices and no hosts. */
  readonly devices: readonly FoundDevice[];
};

/** The whole search: who is there, and which of them switch power. */
export async function search(discovery: Discovery, sources: readonly Source[], community: string, signal: AbortSignal, progress: Progress): Promise<Found> {
  const gathered = await discovery.gather(sources, signal, progress);
  const devices = await discovery.devices(gathered.candidates.map(({ address }) => address), community, signal, progress);
  // A BMC may share its address with its host; a PDU is nobody's host.
  const pdus = new Set(devices.filter(({ driver }) => driver === "apc" || driver === "snmp-pdu").map(({ address }) => hostPart(address)));
  return { ...gathered, candidates: gathered.candidates.filter(({ address }) => !pdus.has(address)), devices };
}

/** Hosts as they stand in the file. */
export function hostsOf(candidates: readonly Candidate[], looked: ReadonlyMap<string, readonly Answered[]>): readonly DraftHost[] {
  return candidates.map(({ address, name, writtenAs, sources }) => {
    const origin = `from ${sources.join(" and ")}${writtenAs === null ? "" : `, as ${writtenAs}`}`;
    return withAnswers({ name, address, power: null, notes: [origin] }, looked.get(address) ?? []);
  });
}

/** With the probes that were answered; the defaults where none was. */
export function withAnswers(host: DraftHost, answered: readonly Answered[]): DraftHost {
  const notes = host.notes ?? [];
  if (answered.length === 0) return { ...host, notes: [...notes, "no probe was answered when this was written"] };
  return { ...host, probes: answered.map(({ probe }) => probe), notes: [...notes, ...answered.map(({ evidence }) => evidence)] };
}

/** Outlets by the labels of the device: those that are called like one host, and like no other outlet. */
export function outletsByLabel(hosts: readonly DraftHost[], devices: readonly DraftDevice[], found: readonly FoundDevice[]): ReadonlyMap<string, { readonly outlet: string; readonly label: string }> {
  const suggested = new Map<string, { readonly outlet: string; readonly label: string }>();
  for (const host of hosts) {
    const fitting = devices.flatMap((device) => {
      const seen = found.filter((each) => sameDevice(device, each)).flatMap(({ outlets }) => outlets);
      return seen.filter(({ label }) => label.toLowerCase() === host.name.toLowerCase()).map(({ outlet, label }) => ({ outlet: `${device.name}/${outlet}`, label }));
    });
    const [only, ...more] = fitting;
    // Two of that name may be two supplies, or one that was moved: a person knows.
    if (only !== undefined && more.length === 0) suggested.set(host.name, only);
  }
  return suggested;
}

/** With the outlets that labels suggest, where none was said. */
export function powered(hosts: readonly DraftHost[], devices: readonly DraftDevice[], found: readonly FoundDevice[]): readonly DraftHost[] {
  const suggested = outletsByLabel(hosts, devices, found);
  return hosts.map((host) => {
    const label = host.power === null ? suggested.get(host.name) : undefined;
    return label === undefined ? host : { ...host, power: label.outlet, notes: [...(host.notes ?? []), `the outlet ${label.outlet} is labelled ${label.label}; prove it before you arm: upkeep power ${host.name} cycle`] };
  });
}

/** What was found and is not in the draft yet, as comments. */
export function notTaken(devices: readonly DraftDevice[], found: readonly FoundDevice[]): readonly string[] {
  return found.filter((each) => !devices.some((device) => sameDevice(device, each))).map(({ address, driver, seen }) => `found, and not used yet: ${driver} at ${address}, ${seen}`);
}

export function sameDevice({ driver, settings }: DraftDevice, found: FoundDevice): boolean {
  const said = typeof settings["address"] === "string" ? settings["address"] : typeof settings["url"] === "string" ? settings["url"] : "";
  return driver === found.driver && hostPart(said.replace(/^https:\/\//, "")) === hostPart(found.address);
}

function hostPart(address: string): string {
  return /^\[(.+)\]/.exec(address)?.[1] ?? (address.split(":").length === 2 ? (address.split(":")[0] as string) : address);
}
