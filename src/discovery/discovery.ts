// Who is around this machine: sources put together, names found for addresses and addresses for names, and each host and
// power device asked what it answers. It looks, and it says what it could not see; whom to watch is for a person to choose.
//
// The machine itself and its router are known and are no candidates: a watcher cannot guard the host that it runs on, and the
// router is what everybody else is judged by.

import { Resolver, lookup } from "node:dns/promises";
import { glob } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { openIcmp } from "../probes/ping.ts";
import type { Icmp } from "../probes/probe.ts";
import { devicesAt } from "./devices.ts";
import type { FoundDevice } from "./devices.ts";
import { PLACES, readLines } from "./files.ts";
import type { FileKind } from "./files.ts";
import { look } from "./look.ts";
import type { Answered } from "./look.ts";
import { pooled, scan } from "./scan.ts";
import { candidatesOf } from "./sightings.ts";
import type { Candidate, Sighting } from "./sightings.ts";
import { addressesIn, defaultGateway, oursOnly, ownAddresses } from "./subnet.ts";
import { readTail } from "./tail.ts";

export type { Answered, Candidate, FoundDevice };

export type Source = { readonly kind: "scan"; readonly subnet: string } | { readonly kind: FileKind; /** Null: where it usually is. */ readonly file: string | null };

/** What is going on, for the one line that a person sees. */
export type Progress = (text: string) => void;

export type Gathered = {
  readonly candidates: readonly Candidate[];
  /** What was and was not seen, in sentences. */
  readonly said: readonly string[];
  readonly gateway: string | null;
};

export type Discovery = {
  /** Never rejects: an abort ends it with what there is. */
  gather(sources: readonly Source[], signal: AbortSignal, progress: Progress): Promise<Gathered>;
  /** By address. */
  look(addresses: readonly string[], signal: AbortSignal, progress: Progress): Promise<ReadonlyMap<string, readonly Answered[]>>;
  devices(addresses: readonly string[], community: string, signal: AbortSignal, progress: Progress): Promise<readonly FoundDevice[]>;
  close(): void;
};

const FILE_KINDS = Object.keys(PLACES) as readonly FileKind[];
const CANDIDATES_MAX = 2_000;
const NAMES_MAX = 1_000;
const NAME_WAIT_MS = 1_500;
const LOOKS_AT_ONCE = 16;

/** `known-hosts`, `leases=FILE`; null: it is none. */
export function sourceOf(text: string): Source | null {
  const [, kind = "", file = null] = /^([a-z-]+)(?:=(.+))?$/s.exec(text) ?? [];
  const known = FILE_KINDS.find((each) => each === kind);
  return known === undefined ? null : { kind: known, file };
}

export const SOURCE_NAMES: readonly string[] = FILE_KINDS;

export { addressesIn, ownAddresses };

/** Opens what is needed to look; `close` frees it. `servers`: name servers instead of this machine's. */
export function openDiscovery(nowMs: () => number = Date.now, servers: readonly string[] | null = null): Discovery {
  const icmp = openIcmp();
  return {
    gather: (sources, signal, progress) => gather(sources, icmp, nowMs(), servers, signal, progress),
    async look(addresses, signal, progress) {
      const found = new Map<string, readonly Answered[]>();
      await pooled(addresses, LOOKS_AT_ONCE, signal, async (address) => {
        found.set(address, await look(address, { icmp }, signal));
        progress(`asked ${found.size} of ${addresses.length} hosts what they serve`);
      });
      return found;
    },
    async devices(addresses, community, signal, progress) {
      const found: FoundDevice[] = [];
      let asked = 0;
      await pooled(addresses, LOOKS_AT_ONCE, signal, async (address) => {
        found.push(...(await devicesAt(address, { community }, signal)));
        asked += 1;
        progress(`asked ${asked} of ${addresses.length} addresses whether they switch power; ${found.length} do`);
      });
      return found;
    },
    close: () => icmp.close(),
  };
}

async function gather(sources: readonly Source[], icmp: Icmp, nowMs: number, servers: readonly string[] | null, signal: AbortSignal, progress: Progress): Promise<Gathered> {
  const said: string[] = [];
  const sightings: Sighting[] = [];
  for (const source of sources) {
    if (signal.aborted) {
      said.push(`${source.kind === "scan" ? source.subnet : source.kind}: not looked at any more`);
      continue;
    }
    if (source.kind !== "scan") sightings.push(...(await fromFiles(source.kind, source.file, nowMs, said)));
    else {
      const within = addressesIn(source.subnet);
      if ("why" in within) {
        said.push(within.why);
        continue;
      }
      const { addresses } = within;
      const refusal = icmp.refusal(4);
      if (refusal !== null) said.push(`no ping: ${refusal}; machines that answer to nothing else are not seen`);
      const alive = await scan({ addresses, icmp, progress: (asked, found) => progress(`asked ${asked} of ${addresses.length} addresses of ${source.subnet}; ${found} answer`) }, signal);
      said.push(`${source.subnet}: ${alive.length} of ${addresses.length} addresses answer${signal.aborted ? ", as far as they were asked" : ""}`);
      sightings.push(...alive.map((address): Sighting => ({ address, names: [], source: "the scan" })));
    }
  }
  await findAddresses(sightings, signal, said);
  await findNames(sightings, servers, signal);
  const gateway = defaultGateway();
  const not = new Set([...ownAddresses().addresses, ...(gateway === null ? [] : [gateway])]);
  const ours = oursOnly();
  const strangers = new Set(sightings.map(({ address }) => address).filter((address) => address !== null && !ours(address)));
  if (strangers.size > 0) said.push(`${strangers.size === 1 ? "one public address was" : `${strangers.size} public addresses were`} left out: what is not on a network of yours is not asked anything; name it with --host`);
  const candidates = candidatesOf(sightings.filter(({ address }) => address === null || ours(address)), not);
  if (candidates.length > CANDIDATES_MAX) said.push(`${candidates.length} hosts were found; the first ${CANDIDATES_MAX} are shown`);
  return { candidates: candidates.slice(0, CANDIDATES_MAX), said, gateway };
}

async function fromFiles(kind: FileKind, file: string | null, nowMs: number, said: string[]): Promise<readonly Sighting[]> {
  const found: Sighting[] = [];
  const paths = file === null ? await existing(PLACES[kind]) : [file];
  for (const path of paths) {
    const tail = await readTail(path);
    if ("why" in tail) {
      if (file !== null || !tail.missing) said.push(`${path}: ${tail.why}`);
      continue;
    }
    const { sightings, hashed } = readLines(kind, tail.text, nowMs);
    found.push(...sightings);
    said.push(`${path}: ${sightings.length === 1 ? "one entry" : `${sightings.length} entries`}${hashed === 0 ? "" : `, and ${hashed} whose names are hashed and cannot be read`}${tail.whole ? "" : "; only its end was read"}`);
  }
  if (paths.length === 0) said.push(`${kind}: none of ${PLACES[kind].join(", ")} is there`);
  return found;
}

async function existing(places: readonly string[]): Promise<readonly string[]> {
  const paths: string[] = [];
  for (const place of places) {
    const path = place.startsWith("~/") ? join(homedir(), place.slice(2)) : place;
    // Without a star it is itself, if it is there.
    for await (const each of glob(path)) paths.push(each);
  }
  return paths;
}

/** Entries that have only a name are looked up, as this machine does it. */
async function findAddresses(sightings: Sighting[], signal: AbortSignal, said: string[]): Promise<void> {
  const nameless = sightings.map((sighting, index) => ({ sighting, index })).filter(({ sighting }) => sighting.address === null);
  let unknown = 0;
  await pooled(nameless.slice(0, NAMES_MAX), 4, signal, async ({ sighting, index }) => {
    for (const name of sighting.names) {
      const address = await within(NAME_WAIT_MS, lookup(name, { family: 4 }).then((found) => found.address));
      if (address === null) continue;
      sightings[index] = { ...sighting, address };
      return;
    }
    unknown += 1;
  });
  if (unknown > 0) said.push(`${unknown === 1 ? "one name has" : `${unknown} names have`} no address any more`);
}

/** Addresses without a name are asked of the name server. */
async function findNames(sightings: Sighting[], servers: readonly string[] | null, signal: AbortSignal): Promise<void> {
  const named = new Set(sightings.filter(({ names }) => names.length > 0).map(({ address }) => address));
  const resolver = new Resolver({ timeout: NAME_WAIT_MS, tries: 1 });
  if (servers !== null) resolver.setServers(servers);
  const wanted = sightings.map((sighting, index) => ({ sighting, index })).filter(({ sighting: { address } }) => address !== null && !named.has(address));
  await pooled(wanted.slice(0, NAMES_MAX), 16, signal, async ({ sighting, index }) => {
    const names = await within(2 * NAME_WAIT_MS, resolver.reverse(sighting.address as string));
    if (names !== null && names.length > 0) sightings[index] = { ...sighting, names: names.slice(0, 4) };
  });
  resolver.cancel();
}

/** The result, or null when it fails or takes too long. */
async function within<T>(ms: number, result: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  try {
    return await Promise.race([result.catch(() => null), late]);
  } finally {
    clearTimeout(timer);
  }
}
