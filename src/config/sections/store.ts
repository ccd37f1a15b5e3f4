// `store`: where the records are. `embedded` is the ledger in this watcher's own data folder, and means one watcher; etcd and
// ZooKeeper are where several agree. What stands here is only how the store is reached: everything that is decided by
// majority or by lease is the store's own affair (docs/adr/0008-several-watchers.md).

import { z } from "zod";
import { parseAddress } from "../address.ts";
import type { Parsed } from "../duration.ts";
import { expectations, isMapping } from "../expect.ts";
import { about, address, duration, parsed, secret, text } from "../fields.ts";

/** A server of the store as it stands in the file; `scheme` null where none is written. */
export type EndpointInput = { readonly host: string; readonly port: number | null; readonly scheme: "http" | "https" | null };

const SERVERS_MAX = 15;
const PREFIX_LENGTH = 200;
/** What it waits for at the least: a session that ends at every pause of a busy machine would hand its hosts to and fro. */
const TTL = { minMs: 3_000, maxMs: 60_000, default: "10s" } as const;
const TIMEOUT = { minMs: 200, maxMs: 30_000, default: "3s" } as const;

const ENDPOINT_HINT = "write HOST, HOST:2379, http://HOST:2379 or https://HOST:2379";

function parseEndpoint(value: string): Parsed<EndpointInput> {
  const refuse = (hint: string): Parsed<EndpointInput> => ({ ok: false, message: `${/@/.test(value) ? "this" : JSON.stringify(value)} is not an endpoint`, hint });
  const [, scheme = null, rest = value] = /^([a-z]+):\/\/(.*)$/i.exec(value) ?? [];
  if (scheme !== null && !/^https?$/i.test(scheme)) return refuse(ENDPOINT_HINT);
  // Never quoted: it may hold a password.
  if (value.includes("@")) return refuse("no user or password in an endpoint: they are settings of their own");
  const found = parseAddress(rest.replace(/\/$/, ""));
  if (!found.ok || found.value.port === 0) return refuse(rest.includes("/") ? "an endpoint ends with its port" : found.ok ? "a port is a number from 1 to 65535" : found.hint);
  return { ok: true, value: { ...found.value, scheme: scheme === null ? null : scheme.toLowerCase() === "https" ? "https" : "http" } };
}

const endpoint = parsed(parseEndpoint, "ADDRESS_INVALID", "an endpoint: HOST, HOST:PORT, http://HOST:PORT or https://HOST:PORT").meta(about("A member of etcd.", {}, "endpoint"));
const server = address("A server of ZooKeeper, port 2181 where none is named.");

function listOf<T extends z.ZodType>(one: T, what: string) {
  const list = z.array(one).min(1).max(SERVERS_MAX);
  expectations.add(list, { says: `a list of ${what}`, explain: (input) => typeof input === "string" ? { message: `expected a list of ${what}, found ${JSON.stringify(input.slice(0, 60))}`, hint: "write it in brackets, and name all of them: [a, b, c]" } : null });
  return list;
}

function prefix(description: string, fallback: string, more: (path: string) => string | null) {
  const parse = (value: string): Parsed<string> => {
    const refuse = (hint: string): Parsed<string> => ({ ok: false, message: `${JSON.stringify(value.slice(0, 60))} cannot be a prefix`, hint });
    const path = value.replace(/\/+$/, "");
    if (path === "" || `${path}/`.length > PREFIX_LENGTH || !path.isWellFormed() || /\p{Cc}/u.test(path)) return refuse(`1 to ${PREFIX_LENGTH} printable characters beside the last slash`);
    const wrong = more(path);
    return wrong === null ? { ok: true, value } : refuse(wrong);
  };
  return parsed(parse, "VALUE_INVALID", "a prefix such as /upkeep/").meta(about(description, { default: fallback }, "text"));
}

/** What ZooKeeper takes as a path (ZooKeeper Programmer's Guide, "The ZooKeeper Data Model"). */
function pathProblem(path: string): string | null {
  if (!path.startsWith("/")) return "a path of ZooKeeper begins with a slash: /upkeep";
  const parts = path.slice(1).split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..")) return "no part of the path may be empty, . or ..";
  if (/[\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]/.test(path)) return "ZooKeeper does not take one of these characters";
  return parts[0] === "zookeeper" ? "/zookeeper is ZooKeeper's own" : null;
}

const file = (description: string) => text(description, { max: 4_096 });
const certificates = z.strictObject({
  ca: file("The certificate authorities that the servers' certificates are checked by, PEM; those of Node where it is left out.").optional(),
  cert: file("This watcher's certificate, PEM, where the store asks for one.").optional(),
  key: file("The key of that certificate, PEM, without a passphrase.").optional(),
}).superRefine((value, ctx) => bothOrNeither(value, ["cert", "key"], ctx));
const tls = z.union([z.boolean(), certificates]);
expectations.add(tls, { says: "true, or { ca: FILE, cert: FILE, key: FILE }" });

function bothOrNeither<K extends string>(value: Readonly<Partial<Record<K, unknown>>>, [one, other]: readonly [K, K], ctx: z.RefinementCtx): void {
  for (const [here, there] of [[one, other], [other, one]] as const) {
    if (value[here] !== undefined && value[there] === undefined) ctx.addIssue({ code: "custom", path: [here], message: `${here} without ${there}`, params: { hint: "both or neither" } });
  }
}

const shared = {
  ttl: duration("How long a watcher may be silent before the others take its hosts over. Several keep-alives go out in that time.", TTL).default(10_000),
  timeout: duration("How long one call may take, all servers tried. Never longer than `ttl`.", TIMEOUT).default(3_000),
  tls: tls.meta(about("TLS to the store: `true`, or files in PEM, relative to this one: `ca`, the authorities that the servers' certificates are checked by (those of Node where it is left out); `cert` and `key`, this watcher's own, where the store asks for them.", { default: false }, "`true`, `false`, or mapping")).optional(),
  user: text("The user name at the store.", { max: 256 }).optional(),
  password: secret("The password at the store: `{ file: … }` or `{ env: … }`.").optional(),
} as const;

const both = (value: { readonly user?: string | undefined; readonly password?: unknown }, ctx: z.RefinementCtx): void => bothOrNeither(value, ["user", "password"], ctx);

const etcd = z.strictObject({
  endpoints: listOf(endpoint, "endpoints").meta(about("All members of the etcd cluster, port 2379 where none is named: calls move on to the next when one fails. `https://` means TLS; so does `tls` for those without a scheme.", {}, "list of endpoints")),
  prefix: prefix("What every key starts with. Another prefix is another store, so several sites can share a cluster.", "/upkeep/", () => null).default("/upkeep/"),
  ...shared,
}).superRefine(both);

const zookeeper = z.strictObject({
  servers: listOf(server, "servers").meta(about("All servers of the ZooKeeper ensemble, port 2181 where none is named.", {}, "list of addresses")),
  prefix: prefix("The node under which everything lies. Another one is another store, so several sites can share an ensemble.", "/upkeep", pathProblem).default("/upkeep"),
  ...shared,
}).superRefine(both);

const KINDS = "write { etcd: { endpoints: [a, b, c] } } or { zookeeper: { servers: [a, b, c] } }";

const several = z.strictObject({
  etcd: etcd.meta(about("Several watchers agree on etcd (3.4 or newer, with its JSON gateway).")).optional(),
  zookeeper: zookeeper.meta(about("Several watchers agree on ZooKeeper.")).optional(),
}).superRefine((value, ctx) => {
  const kinds = [value.etcd, value.zookeeper].filter((kind) => kind !== undefined).length;
  // An unknown kind has been told.
  if (kinds !== 1 && ctx.issues.length === 0) ctx.addIssue({ code: "custom", message: kinds === 0 ? "which store?" : "one store, not two", params: { hint: KINDS } });
});

export const store = z.union([z.literal("embedded"), several]);
expectations.add(store, {
  says: "embedded, or a mapping with etcd or zookeeper",
  explain: (input) => {
    const kind = typeof input === "string" ? input : isMapping(input) && Object.keys(input).length === 1 && Object.values(input)[0] === null ? Object.keys(input)[0] : undefined;
    return kind === "etcd" || kind === "zookeeper" ? { message: `where is ${kind}?`, hint: KINDS } : null;
  },
});

export type EtcdInput = z.output<typeof etcd>;
export type ZookeeperInput = z.output<typeof zookeeper>;
export type StoreInput = z.output<typeof store>;
