// Names to addresses, without waiting: a round asks the cache and gets an answer at once. Looking up is done beside, so a
// name server that is slow, or lies behind what has just failed, holds no probe up. getaddrinfo is never called: it waits
// in one of libuv's four threads, and four slow names would stop every file operation of the watcher.
//
// The order is that of every Unix: numeric, /etc/hosts, DNS (through c-ares, with the search list of resolv.conf; nothing
// else of nsswitch.conf). IPv4 is preferred. While DNS fails, the last known good address stays: an outage of the name
// server must not look like one of the hosts. A name never resolved is an error, and its rounds are `unknown`.

import { Resolver } from "node:dns";
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { isIP } from "node:net";
import { domainToASCII } from "node:url";
import { bootNow } from "../process/boot-clock.ts";

export type Address = { readonly address: string; readonly family: 4 | 6 };

export type Names = {
  /** The address of a host, from the cache; starts a look-up beside when the cache has none or an old one. */
  address(host: string): Address | { readonly error: string };
  /** Stops all look-ups; what is cached stays readable. */
  close(): void;
};

export type NamesOptions = {
  readonly nowMs?: () => number;
  readonly hostsFile?: string;
  readonly resolvConf?: string;
  /** Name servers, `address` or `address:port`; default: those of resolv.conf. */
  readonly servers?: readonly string[];
};

type Entry = {
  readonly name: string;
  known: Address | null;
  error: string;
  asking: boolean;
  askAgainMs: number;
  failures: number;
};

/** What a look-up ends with: `ttlMs` only where there is an address; `gone` when the name server says that there is none. */
type Found = { readonly addresses: readonly string[]; readonly ttlMs: number } | { readonly error: string; readonly gone: boolean };

const TTL_MIN_MS = 5_000;
const TTL_MAX_MS = 300_000;
const RETRY_MIN_MS = 2_000;
const RETRY_MAX_MS = 30_000;
const FILE_CHECK_MS = 1_000;
const FILE_BYTES_MAX = 1_048_576;
const ATTEMPT = { timeout: 1_500, tries: 2 };
/** Look-ups at once: more than name servers are slow with, fewer than would overrun a small one's socket. */
const ASKING_MAX = 64;

export function createNames(options: NamesOptions = {}): Names {
  const nowMs = options.nowMs ?? bootNow;
  const entries = new Map<string, Entry>();
  const waiting: Entry[] = [];
  const hosts = watchedFile(options.hostsFile ?? "/etc/hosts", nowMs, parseHosts);
  const resolvConf = watchedFile(options.resolvConf ?? "/etc/resolv.conf", nowMs, parseResolvConf);
  let resolver: { readonly of: ResolvConf; readonly dns: Resolver } | undefined;
  let asking = 0;
  let closed = false;

  function resolverNow(): { readonly of: ResolvConf; readonly dns: Resolver } {
    const of = resolvConf();
    if (resolver?.of !== of) {
      const dns = new Resolver(ATTEMPT); // reads resolv.conf as it is made
      if (options.servers !== undefined) dns.setServers(options.servers);
      resolver = { of, dns };
    }
    return resolver;
  }

  function refresh(entry: Entry): void {
    if (closed || entry.asking) return;
    entry.asking = true;
    if (asking >= ASKING_MAX) waiting.push(entry);
    else void ask(entry);
  }

  async function ask(entry: Entry): Promise<void> {
    asking += 1;
    const { of, dns } = resolverNow();
    const found = await lookUp(dns, candidates(entry.name, of)).catch((error: unknown): Found => ({ error: String(error), gone: false }));
    asking -= 1;
    entry.asking = false;
    if (closed) return;
    settle(entry, found);
    const next = waiting.shift();
    if (next !== undefined) void ask(next);
  }

  function settle(entry: Entry, found: Found): void {
    if ("error" in found) {
      entry.failures += 1;
      entry.error = `${entry.name} does not resolve: ${found.error}`;
      entry.askAgainMs = nowMs() + Math.min(RETRY_MIN_MS * 2 ** Math.min(entry.failures - 1, 10), RETRY_MAX_MS);
      return;
    }
    const { addresses, ttlMs } = found;
    // Of several the one in use, so that a rotating answer is no change; else always the same.
    const address = addresses.find((one) => one === entry.known?.address) ?? addresses.toSorted()[0] ?? "";
    entry.known = { address, family: isIP(address) === 6 ? 6 : 4 };
    entry.failures = 0;
    entry.askAgainMs = nowMs() + Math.min(Math.max(ttlMs, TTL_MIN_MS), TTL_MAX_MS);
  }

  return {
    address(host) {
      const family = isIP(host);
      if (family === 4 || family === 6) return { address: host, family };
      const ascii = domainToASCII(host.trim()).toLowerCase();
      const name = ascii.replace(/\.$/, "");
      if (!isName(name)) return { error: `${host.slice(0, 80)} is neither an address nor a name` };
      const listed = hosts().get(name);
      if (listed !== undefined) return listed;
      // RFC 6761 §6.3: never asked of a name server.
      if (name === "localhost" || name.endsWith(".localhost")) return { address: "127.0.0.1", family: 4 };
      let entry = entries.get(ascii);
      if (entry === undefined) {
        entry = { name: ascii, known: null, error: `${name} is not resolved yet`, asking: false, askAgainMs: 0, failures: 0 };
        entries.set(ascii, entry);
      }
      if (entry.askAgainMs <= nowMs()) refresh(entry);
      return entry.known ?? { error: entry.error };
    },
    close() {
      closed = true;
      waiting.length = 0;
      resolver?.dns.cancel();
    },
  };
}

async function lookUp(dns: Resolver, names: readonly string[]): Promise<Found> {
  let last: Found = { error: "no such name", gone: true };
  for (const name of names) {
    // Both families at once; IPv6 is used only when the name server says that there is no IPv4, not when it fails to say.
    const six = ask(dns, name, 6);
    const four = await ask(dns, name, 4);
    last = "error" in four && four.gone ? await six : four;
    if (!("error" in last && last.gone)) return last;
  }
  return last;
}

function ask(dns: Resolver, name: string, family: 4 | 6): Promise<Found> {
  return new Promise((resolve) => {
    const done = (error: NodeJS.ErrnoException | null, records: readonly { address: string; ttl: number }[]): void => {
      if (error === null && records.length > 0) {
        const ttlMs = Math.min(...records.map((record) => record.ttl)) * 1_000;
        resolve({ addresses: records.map((record) => record.address).filter((address) => isIP(address) === family), ttlMs });
      } else {
        resolve(wording(error?.code ?? "ENODATA"));
      }
    };
    if (family === 4) dns.resolve4(name, { ttl: true }, done);
    else dns.resolve6(name, { ttl: true }, done);
  });
}

function wording(code: string): Found {
  switch (code) {
    case "ENOTFOUND":
      return { error: "no such name", gone: true };
    case "ENODATA":
      return { error: "the name has no address", gone: true };
    case "ETIMEOUT":
      return { error: "the name server is silent", gone: false };
    case "ESERVFAIL":
      return { error: "the name server failed (SERVFAIL)", gone: false };
    case "ECONNREFUSED":
      return { error: "the name server cannot be reached", gone: false };
    default:
      return { error: code, gone: false };
  }
}

function isName(name: string): boolean {
  return name.length <= 253 && /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/.test(name);
}

type ResolvConf = { readonly search: readonly string[]; readonly ndots: number };

/** resolv.conf(5): the names to ask for, in order. */
function candidates(name: string, { search, ndots }: ResolvConf): readonly string[] {
  if (name.endsWith(".")) return [name.slice(0, -1)];
  const searched = search.map((domain) => `${name}.${domain}`);
  const dots = name.split(".").length - 1;
  return dots >= ndots ? [name, ...searched] : [...searched, name];
}

function parseResolvConf(text: string): ResolvConf {
  let search: string[] = [];
  let ndots = 1;
  for (const line of text.split("\n")) {
    const [keyword, ...words] = line.trim().split(/\s+/);
    // The last of `search` and `domain` holds; six domains were the limit for decades and are plenty.
    if (keyword === "search" || keyword === "domain") search = words.slice(0, 6).map((word) => word.toLowerCase().replace(/\.$/, ""));
    if (keyword === "options") for (const word of words) if (/^ndots:\d{1,2}$/.test(word)) ndots = Math.min(15, Number(word.slice(6)));
  }
  return { search: search.filter(isName), ndots };
}

/** hosts(5): the first IPv4 address of each name, or else its first IPv6 address. */
function parseHosts(text: string): ReadonlyMap<string, Address> {
  const found = new Map<string, Address>();
  for (const line of text.split("\n")) {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    const family = isIP(address);
    if (family !== 4 && family !== 6) continue;
    for (const name of names) {
      const key = name.toLowerCase().replace(/\.$/, "");
      const before = found.get(key);
      if (before === undefined || (before.family === 6 && family === 4)) found.set(key, { address, family });
    }
  }
  return found;
}

/** A small file's parsed content, read again when it has changed; looked at once a second at most, while it is asked for. */
function watchedFile<Content>(path: string, nowMs: () => number, parse: (text: string) => Content): () => Content {
  let content = parse("");
  let seen = "";
  let checkAgainMs = -Infinity;
  return () => {
    const now = nowMs();
    if (now < checkAgainMs) return content;
    checkAgainMs = now + FILE_CHECK_MS;
    try {
      const { mtimeMs, size, ino } = statSync(path);
      const state = `${mtimeMs} ${size} ${ino}`;
      if (state === seen) return content;
      content = parse(readBounded(path));
      seen = state;
    } catch {
      // Absent or not readable: what was known stays, and it is looked at again.
    }
    return content;
  };
}

function readBounded(path: string): string {
  const fd = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(Math.min(fstatSync(fd).size, FILE_BYTES_MAX));
    return bytes.toString("utf8", 0, readSync(fd, bytes, 0, bytes.length, 0));
  } finally {
    closeSync(fd);
  }
}
