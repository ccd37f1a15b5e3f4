// How far one LDAP server is behind its peers, from their contextCSNs (draft-ietf-ldup-model, slapo-syncprov(5)): of each
// server that writes, by its number, the last change that has arrived. Values of one server compare as text. What is
// measured is for how long a server has been without a change that a peer has, from the look that first saw it on; so a
// change that was just made counts for nothing, however long ago the one before was.

/** The last change by the number of the server that made it. */
export type Csns = ReadonlyMap<string, string>;

/** A change that was missing when it was first seen elsewhere. */
export type Lacking = { readonly csn: string; readonly sinceMs: number };

export type Lag = { readonly forMs: number; readonly csn: string; readonly peer: string };

const CSN = /^([0-9]{14}\.[0-9]{6}Z#[0-9a-f]{6})#([0-9a-f]{3})#[0-9a-f]{6}$/;
const SERVERS_MAX = 64;

/** Values of an attribute contextCSN; what is none is left out. */
export function parseContextCsn(value: unknown): Csns {
  const values = Array.isArray(value) ? value : [value];
  const found = new Map<string, string>();
  for (const each of values.slice(0, SERVERS_MAX)) {
    const match = CSN.exec(Buffer.isBuffer(each) ? each.toString("latin1") : typeof each === "string" ? each : "");
    if (match?.[1] !== undefined && match[2] !== undefined) found.set(match[2], match[1]);
  }
  return found;
}

/** The longest lack; `known` remembers what was missing since when, and forgets what has come, or whose peer is not heard. */
export function lagAmong(own: Csns, peers: ReadonlyMap<string, Csns>, known: Map<string, Lacking>, nowMs: number): Lag {
  let worst: Lag = { forMs: 0, csn: "", peer: "" };
  const seen = new Set<string>();
  for (const [peer, csns] of peers) {
    for (const [server, csn] of csns) {
      const key = `${server} ${peer}`;
      const mine = own.get(server) ?? "";
      let lack = known.get(key);
      // Come, or gone from the peer too, which was restored from an older copy.
      if (lack !== undefined && (mine >= lack.csn || csn < lack.csn)) lack = undefined;
      if (lack === undefined && mine < csn) lack = { csn, sinceMs: nowMs };
      if (lack === undefined) continue;
      known.set(key, lack);
      seen.add(key);
      const forMs = nowMs - lack.sinceMs;
      if (forMs > worst.forMs || worst.peer === "") worst = { forMs, csn: `${lack.csn}#${server}`, peer };
    }
  }
  for (const key of known.keys()) if (!seen.has(key)) known.delete(key);
  return worst;
}
