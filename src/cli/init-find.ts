// Looking round for `upkeep init`: which sources there are, what is asked before somebody else's machines are asked anything,
// and how what was found comes into a draft. One log-in nowhere, no switch, no word on the command line that is a secret.

import type { Draft } from "../config/draft.ts";
import { nameFrom } from "../config/names.ts";
import type { Candidate, Discovery, Source } from "../discovery/discovery.ts";
import type { InitOptions, InitWorld } from "./commands/init.ts";
import { CliError, EXIT } from "./exit.ts";
import { hostsOf, notTaken, powered, search, withAnswers } from "./init-discovery.ts";
import type { Finder } from "./init-questions.ts";

const SCAN = "scan ";
const PUBLIC = "public";

/** The sources that flags name; a wrong one is told with what there is. */
export async function sourcesOf({ scan = [], from = [] }: InitOptions): Promise<readonly Source[]> {
  if (scan.length === 0 && from.length === 0) return [];
  const { SOURCE_NAMES, addressesIn, sourceOf } = await import("../discovery/discovery.ts");
  return [
    ...from.map((text): Source => {
      const source = sourceOf(text);
      if (source === null) throw new CliError(EXIT.usage, `--from ${JSON.stringify(text.slice(0, 120))}: write ${SOURCE_NAMES.join(", ")}, or one of them with its file: leases=FILE`);
      return source;
    }),
    ...scan.map((subnet): Source => {
      const within = addressesIn(subnet);
      if ("why" in within) throw new CliError(EXIT.usage, `--scan: ${within.why}`);
      return { kind: "scan", subnet };
    }),
  ];
}

/** Puts what the sources know into a draft; `all`: without asking. */
export async function withFound(draft: Draft, sources: readonly Source[], how: { readonly community: string; readonly all: boolean }, world: InitWorld): Promise<Draft> {
  const asker = how.all ? null : await world.ask();
  const wanted: Source[] = [];
  for (const source of sources) if (source.kind !== "scan" || asker === null || (await asker.yes(`Ask every address of ${source.subnet} whether somebody is there?`))) wanted.push(source);
  const discovery = await world.discovery();
  try {
    const found = await looking(world, (signal) => {
      if (wanted.some(({ kind }) => kind === "scan")) world.note("asking every address; Ctrl-C ends it with what there is");
      return search(discovery, wanted, how.community, signal, (text) => world.progress(text));
    });
    for (const line of found.said) world.note(line);
    const addresses = new Set(draft.hosts.map(({ address }) => address));
    const fresh = found.candidates.filter(({ address }) => !addresses.has(address));
    const options = fresh.map(({ name, address, sources: from }) => ({ value: address, label: `${name}  ${address}`, hint: from.join(", ") }));
    const chosen = asker === null || options.length === 0 ? null : new Set(await asker.several("Which of these shall be watched?", options));
    const candidates = renamed(fresh.filter(({ address }) => chosen === null || chosen.has(address)), draft);
    for (const { name, writtenAs, address } of candidates) if (writtenAs !== null) world.note(`${address} is called ${name} here: ${JSON.stringify(writtenAs.slice(0, 100))} cannot be a name`);
    const looked = await lookedAt(world, discovery, candidates);
    const gateway = draft.references.length > 0 || found.gateway === null ? null : await answering(world, discovery, found.gateway);
    const hosts = powered([...draft.hosts, ...hostsOf(candidates, looked)], draft.devices, found.devices);
    for (const line of notTaken(draft.devices, found.devices)) world.note(line);
    return { ...draft, hosts, deviceNotes: notTaken(draft.devices, found.devices), ...(gateway === null ? {} : { references: [gateway] }) };
  } finally {
    discovery.close();
  }
}

/** Asks the hosts of a draft that have no probes of their own what they serve. */
export async function withLooks(draft: Draft, world: InitWorld): Promise<Draft> {
  const { isIP } = await import("node:net");
  const numeric = draft.hosts.filter(({ address, probes }) => probes === undefined && isIP(address) !== 0);
  for (const { name } of draft.hosts.filter(({ address, probes }) => probes === undefined && isIP(address) === 0)) world.note(`${name} was not asked what it serves: its address is a name, or has a port`);
  if (numeric.length === 0) return draft;
  const discovery = await world.discovery();
  try {
    const looked = await looking(world, (signal) => discovery.look(numeric.map(({ address }) => address), signal, (text) => world.progress(text)));
    return { ...draft, hosts: draft.hosts.map((host) => (numeric.includes(host) ? withAnswers(host, looked.get(host.address) ?? []) : host)) };
  } finally {
    discovery.close();
  }
}

/** For the questions. */
export function finderOf(world: InitWorld): Finder {
  let sources: readonly { readonly value: string; readonly label: string; readonly hint?: string }[] | null = null;
  const during = async <T>(work: (discovery: Discovery) => Promise<T>): Promise<T> => {
    const discovery = await world.discovery();
    try {
      return await work(discovery);
    } finally {
      discovery.close();
    }
  };
  return {
    sources: () => (sources ??= [
      ...world.networks().map((network) => ({ value: `${SCAN}${network}`, label: `every address of ${network}`, hint: "ping, and ports 22, 53, 80 and 443" })),
      { value: "known-hosts", label: "known_hosts", hint: "where you have been by ssh" },
      { value: "hosts", label: "/etc/hosts" },
      { value: "leases", label: "DHCP leases", hint: "of a server on this machine" },
      { value: "neighbours", label: "neighbours", hint: "whom this machine has spoken to" },
    ]),
    find: (chosen) => during(async (discovery) => {
      const { sourceOf } = await import("../discovery/discovery.ts");
      const all = chosen.flatMap((each): readonly Source[] => (each.startsWith(SCAN) ? [{ kind: "scan", subnet: each.slice(SCAN.length) }] : [sourceOf(each)].filter((source) => source !== null)));
      return looking(world, (signal) => search(discovery, all, PUBLIC, signal, (text) => world.progress(text)));
    }),
    serve: (draft) => withLooks(draft, world),
    look: (candidates) => during(async (discovery) => hostsOf(candidates, await lookedAt(world, discovery, candidates))),
  };
}

function lookedAt(world: InitWorld, discovery: Discovery, candidates: readonly Candidate[]): ReturnType<Discovery["look"]> {
  return looking(world, (signal) => discovery.look(candidates.map(({ address }) => address), signal, (text) => world.progress(text)));
}

async function looking<T>(world: InitWorld, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  try {
    return await world.interruptible(work);
  } finally {
    world.progress(null);
  }
}

/** The router, if it answers to ping: one that does not would make every round unknown. */
async function answering(world: InitWorld, discovery: Discovery, gateway: string): Promise<string | null> {
  const answered = (await looking(world, (signal) => discovery.look([gateway], signal, () => undefined))).get(gateway) ?? [];
  if (!answered.some(({ probe }) => probe === "ping")) return null;
  world.note(`the router ${gateway} answers, and is what must answer before a host may be called dead`);
  return gateway;
}

/** Under names that no host of the draft has. */
function renamed(candidates: readonly Candidate[], draft: Draft): readonly Candidate[] {
  const taken = new Set(draft.hosts.map(({ name }) => name.toLowerCase()));
  return candidates.map((candidate) => {
    const name = nameFrom(candidate.name, taken);
    return name === candidate.name ? candidate : { ...candidate, name, writtenAs: candidate.writtenAs ?? candidate.name };
  });
}
