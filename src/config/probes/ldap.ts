// The settings of `ldap`. Peers are asked with the same user and TLS as the host itself.

import { z } from "zod";
import { about, address, choice, duration, port, secret, text } from "../fields.ts";
import { expectations } from "../expect.ts";
import { defineProbe, given, inClear, timeout } from "./probe-schema.ts";

const PORTS = { none: 389, starttls: 389, ldaps: 636 } as const;

const peers = z.array(address("A server that replicates with this one.")).min(1).max(8);
expectations.add(peers, { says: "a list of addresses of other LDAP servers" });

export const ldap = defineProbe({
  about: "A bind and a search on an LDAP server, and how far it is behind its peers.",
  reference: "A reference with an LDAP server.",
  options: z.strictObject({
    port: port("The port of the server: 389, or 636 with `tls: ldaps`.").optional(),
    tls: choice(["none", "starttls", "ldaps"], "How the connection is encrypted. Certificates are not judged.", { default: "none" }).default("none"),
    bind: text("The DN to bind as; anonymous without it.", { max: 1_024 }).optional(),
    password: secret("The password to bind with: `{ file: … }` or `{ env: … }`.").optional(),
    base: text("The entry to read, such as the suffix of the database. Without it the root entry is read, which a server answers without its database.", { max: 1_024 }).optional(),
    filter: text("What at least one entry below the base must match, such as `(uid=probe)`.", { max: 1_024 }).optional(),
    peers: peers.meta(about("Servers that replicate with this one: a change that one of them has and this one lacks for longer than `maxLag` is bad.")).optional(),
    maxLag: duration("How long this server may lack a change that a peer has.", { default: "1m", minMs: 1_000 }).optional(),
    timeout,
  }),
  check(settings) {
    if ((settings.bind === undefined) !== (settings.password === undefined)) return "ldap binds with both bind and password, or with neither";
    const stray = (["filter", "peers"] as const).find((key) => settings[key] !== undefined);
    if (settings.base === undefined && stray !== undefined) return `ldap without a base reads the root entry: ${stray} needs a base`;
    if (settings.filter !== undefined && !/^\(.+\)$/s.test(settings.filter)) return "the filter of ldap stands in parentheses: (uid=probe)";
    return settings.maxLag !== undefined && settings.peers === undefined ? "maxLag of ldap needs peers to compare with" : null;
  },
  async resolve({ port: own, tls, bind, password, base, filter, peers: others, maxLag }, asked) {
    const at = (others ?? []).map((peer) => ({ host: peer.host, port: peer.port ?? own ?? PORTS[tls] }));
    return { port: own ?? PORTS[tls], tls, base: base ?? "", peers: at, maxLagMs: maxLag ?? 60_000, ...given({ bind, password: password && (await asked.secret(password)), filter }) };
  },
  lint: ({ tls, password }, host) => (tls === "none" && password !== undefined ? inClear("ldap", host) : null),
});
