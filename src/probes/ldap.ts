// Asks an LDAP server: binds where told to, then reads the entry `base`, which takes the database behind the server and not
// only its front; with `filter` it also searches below it. Without a base the root entry is read, which every server has.
//
// With `peers` it also compares how far replication has come (contextCSN, one for each server that writes). Lagging is
// *having lacked for longer than `maxLag`, by this watcher's own clock, a change that a peer has*: the times in the CSNs
// themselves say when a change was made, not for how long it has been missing, and no wall clock may cut power (safety.md
// §5.17). A peer that cannot be heard proves nothing about this host, and is never waited for longer than a moment.
//
// What the server says of our rights, our password or our base is the configuration's fault; that it is busy, unwilling or
// shutting down is a server that lives. Only an error of its own is bad.

import net from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { Client } from "ldapts";
import { bad, describe, good, notRun, redacted, turnedAway } from "./finding.ts";
import { lagAmong, parseContextCsn } from "./ldap-lag.ts";
import type { Csns, Lacking } from "./ldap-lag.ts";
import { lend } from "./lend.ts";
import type { Finding, Probe, ProbeTools, Target } from "./probe.ts";
import type { Before } from "./stream.ts";

export type LdapOptions = {
  readonly port: number;
  readonly tls: "none" | "starttls" | "ldaps";
  readonly bind?: string | undefined;
  readonly password?: string | undefined;
  /** Empty: the root entry. */
  readonly base: string;
  readonly filter?: string | undefined;
  readonly peers: readonly { readonly host: string; readonly port: number }[];
  readonly maxLagMs: number;
};

const BYTES_MAX = 262_144;
/** RFC 4511, appendix A.2: an internal error. */
const OTHER = 80;
/** How long an answer that is there waits for those of the peers. */
const PEERS_WAIT_MS = 200;

export const ldap: Probe<LdapOptions> = {
  name: "ldap",
  service: true,
  port: ({ port }) => port,
  async run(target, options, tools, signal, progress) {
    signal.throwIfAborted();
    const own = await (options.peers.length === 0 ? look(target, options, signal, progress) : compare());
    return own.finding;

    async function compare(): Promise<Look> {
      const aborter = new AbortController();
      const relay = (): void => aborter.abort(signal.reason);
      signal.addEventListener("abort", relay, { once: true });
      const heard: Heard[] = [];
      const peers = options.peers.map((peer) => lookAtPeer(peer, options, tools, aborter.signal).then((found) => heard.push(found)));
      try {
        const mine = await look(target, options, signal, progress);
        if (mine.finding.outcome !== "good") return mine;
        await Promise.race([Promise.all(peers), pause(PEERS_WAIT_MS, undefined, { signal: aborter.signal }).catch(() => undefined)]);
        signal.throwIfAborted();
        return { ...mine, finding: judgeLag(mine, heard, options) };
      } finally {
        signal.removeEventListener("abort", relay);
        aborter.abort(new Error("the look is over"));
      }
    }
  },
};

type Look = { readonly finding: Finding; readonly csns: Csns };

function look(target: Target, options: LdapOptions, signal: AbortSignal, progress?: (text: string) => void): Promise<Look> {
  const { port, tls } = options;
  const name = target.configured ?? target.host;
  let csns: Csns = new Map();
  const secured = tls === "none" ? {} : { tls: { name, ...(tls === "starttls" ? { before: BEFORE_TLS } : {}) } };
  const loan = {
    port, ...secured, bytesMax: BYTES_MAX, protocol: "LDAP",
    async use(stream: net.Socket): Promise<Finding> {
      const asked = await ask(stream, options);
      csns = asked.csns;
      return asked.finding;
    },
  };
  return lend(target, loan, signal, progress).then((finding) => ({ finding, csns }));
}

async function ask(stream: net.Socket, options: LdapOptions): Promise<Look> {
  const { bind, password = "", base, filter, peers } = options;
  const client = new Client({ url: "ldap://lent", createConnection: (() => stream) as typeof net.connect });
  const none: Csns = new Map();
  try {
    if (bind !== undefined) await client.bind(bind, password);
    const attributes = peers.length > 0 ? ["contextCSN"] : ["objectClass"];
    const { searchEntries } = await client.search(base, { scope: "base", filter: "(objectClass=*)", attributes });
    const [entry] = searchEntries;
    if (entry === undefined) return { finding: turnedAway("LDAP server", "nothing to be read here"), csns: none };
    const csns = peers.length > 0 ? parseContextCsn(entry["contextCSN"]) : none;
    if (filter !== undefined) {
      const found = await client.search(base, { scope: "sub", filter, attributes: ["1.1"], sizeLimit: 1 });
      if (found.searchEntries.length === 0) return { finding: bad("answer", "no entry that matches the filter"), csns };
    }
    const what = base === "" ? "the root entry" : filter === undefined ? base : `an entry below ${base}`;
    return { finding: good(`${bind === undefined ? "" : "bound, "}read ${what}`), csns };
  } catch (error) {
    return { finding: judgeError(error, password), csns: none };
  } finally {
    client.unbind().catch(() => undefined);
  }
}

/** RFC 4511 §4.1.9, appendix A. */
function judgeError(error: unknown, password: string): Finding {
  const text = redacted(describe(error).replaceAll("\n", " "), [password]);
  const code: unknown = error instanceof Error && "code" in error ? error.code : null;
  if (typeof code !== "number") return notRun(`cannot ask: ${text}`);
  // `other` is what a server says of an error of its own. operationsError is how Active Directory asks for a bind first,
  // unavailable is a server that shuts down, a time limit may be that of our user: they prove nothing.
  return code === OTHER ? bad("answer", text) : turnedAway("LDAP server", text);
}

/** ExtendedRequest of message 1 with the name of StartTLS (RFC 4511 §4.14), and the result code of the answer to it. */
const BEFORE_TLS: Before = {
  say: Buffer.concat([Buffer.from([0x30, 0x1d, 0x02, 0x01, 0x01, 0x77, 0x18, 0x80, 0x16]), Buffer.from("1.3.6.1.4.1.1466.20037")]),
  heard(answer) {
    const code = /^\x30(?:[^\x80-\xff]|\x81.|\x82..|\x84....)\x02\x01\x01\x78(?:[^\x80-\xff]|\x81.|\x82..|\x84....)\x0a\x01(.)/s.exec(answer.toString("latin1"))?.[1];
    if (code === undefined) return bad("answer", "not LDAP: no answer to StartTLS");
    return code === "\0" ? null : turnedAway("LDAP server", `no StartTLS: result ${code.charCodeAt(0)}`);
  },
};

type Peer = LdapOptions["peers"][number];
type Heard = { readonly peer: string; readonly csns: Csns | null };

/** What a peer has; null when it cannot be heard, for whatever reason. Never rejects. */
async function lookAtPeer(peer: Peer, options: LdapOptions, tools: ProbeTools, signal: AbortSignal): Promise<Heard> {
  const family = net.isIP(peer.host);
  const located = family === 4 || family === 6 ? { address: peer.host, family } as const : (tools.resolve?.(peer.host) ?? { error: "names are not looked up here" });
  if ("error" in located) return { peer: peer.host, csns: null };
  const { filter: _filter, ...rest } = options;
  const found = await look({ host: peer.host, ...located }, { ...rest, port: peer.port }, signal).catch(() => null);
  return { peer: peer.host, csns: found === null || found.finding.outcome !== "good" ? null : found.csns };
}

/** What each host lacks since when, by its options: a reload begins anew. */
const lacking = new WeakMap<LdapOptions, Map<string, Lacking>>();

function judgeLag(mine: Look, heard: readonly Heard[], options: LdapOptions): Finding {
  let known = lacking.get(options);
  if (known === undefined) lacking.set(options, (known = new Map()));
  const answers = new Map(heard.flatMap(({ peer, csns }) => (csns === null ? [] : [[peer, csns]])));
  const lag = lagAmong(mine.csns, answers, known, performance.now());
  const silent = options.peers.map(({ host }) => host).filter((host) => !answers.has(host));
  const unheard = silent.length === 0 ? "" : `; not heard: ${silent.join(", ")}`;
  const measured = { perfdata: [{ label: "lag", value: Math.round(lag.forMs) / 1_000, unit: "s" }] };
  if (answers.size === 0) return good(`${mine.finding.evidence}${unheard}`);
  const seconds = Math.floor(lag.forMs / 1_000);
  if (lag.forMs > options.maxLagMs) return { ...bad("answer", `lags: for ${seconds} s without ${lag.csn}, which ${lag.peer} has${unheard}`), ...measured };
  return { ...good(`${mine.finding.evidence}, ${lag.forMs === 0 ? "level with its peers" : `${seconds} s behind ${lag.peer}`}${unheard}`), ...measured };
}
