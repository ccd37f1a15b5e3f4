// From `store:` to what the watcher opens: addresses whole, certificates read and looked at (certificates.ts), the password read.

import { isIPv6 } from "node:net";
import { formatAddress } from "./address.ts";
import type { Path, Work } from "./certificates.ts";
import { belong, certificatesIn, pemOf, stillValid } from "./certificates.ts";
import type { StoreSpec, StoreTls } from "./config.ts";
import { formatDuration } from "./duration.ts";
import { Secret } from "./secret.ts";
import type { EtcdInput, ZookeeperInput } from "./sections/store.ts";

const ETCD_PORT = 2_379;
const ZOOKEEPER_PORT = 2_181;
const LOOPBACK = /^(127\..*|::1)$/;
const WITHOUT = "nothing is cut from then on: the store is not reached without it";

/** The store, or null when something is wrong with it, which has been told. */
export async function resolveStore(work: Work): Promise<StoreSpec | null> {
  const input = work.gathered.top.store ?? "embedded";
  if (input === "embedded") return { kind: "embedded" };
  if (input.etcd !== undefined) return etcdOf(input.etcd, work);
  return input.zookeeper === undefined ? null : zookeeperOf(input.zookeeper, work);
}

async function etcdOf(input: EtcdInput, work: Work): Promise<StoreSpec | null> {
  const at: Path = ["store", "etcd"];
  const secure = input.endpoints.some(({ scheme }) => scheme === "https") || (input.tls ?? false) !== false;
  const endpoints = input.endpoints.map(({ host, port, scheme }, index) => {
    if (scheme === "http" && secure) work.problems.add(work.gathered.at.place([...at, "endpoints", index]), "VALUE_INVALID", `http: among endpoints with TLS`, "write https://, or leave the scheme out");
    return `${scheme ?? (secure ? "https" : "http")}://${formatAddress(host, port ?? ETCD_PORT)}`;
  });
  refuseTwice(endpoints, [...at, "endpoints"], "endpoint", work);
  const shared = await sharedOf(input, at, secure, work);
  return shared === null ? null : { kind: "etcd", endpoints, members: input.endpoints.map(({ host }) => host), ...shared };
}

async function zookeeperOf(input: ZookeeperInput, work: Work): Promise<StoreSpec | null> {
  const at: Path = ["store", "zookeeper"];
  const servers = input.servers.map(({ host, port }) => formatAddress(host, port ?? ZOOKEEPER_PORT));
  refuseTwice(servers, [...at, "servers"], "server", work);
  const shared = await sharedOf(input, at, (input.tls ?? false) !== false, work);
  return shared === null ? null : { kind: "zookeeper", servers, members: input.servers.map(({ host }) => host), ...shared };
}

async function sharedOf(input: EtcdInput | ZookeeperInput, at: Path, secure: boolean, work: Work): Promise<{ prefix: string; ttlMs: number; callMs: number; tls: StoreTls | null; auth: { user: string; password: Secret } | null } | null> {
  const { gathered, secrets, problems } = work;
  if (input.timeout > input.ttl) problems.add(gathered.at.place([...at, "timeout"]), "VALUE_INVALID", `timeout is longer than ttl (${formatDuration(input.ttl)})`, "a session would end while one call waits");
  const tls = secure ? await tlsOf(typeof input.tls === "object" ? input.tls : {}, [...at, "tls"], work) : null;
  const password = input.password === undefined ? null : await secrets.read(input.password, gathered.at.place([...at, "password"]), gathered.directory);
  if ((input.password !== undefined && password === null) || (secure && tls === null)) return null;
  const auth = input.user === undefined || password === null ? null : { user: input.user, password };
  return { prefix: input.prefix, ttlMs: input.ttl, callMs: input.timeout, tls, auth };
}

function refuseTwice(all: readonly string[], at: Path, what: string, { gathered, problems }: Work): void {
  all.forEach((one, index) => {
    if (all.indexOf(one) < index) problems.add(gathered.at.place([...at, index]), "VALUE_INVALID", `the ${what} ${one} stands twice`, "one entry a server: a majority is counted by them");
  });
}

// ---- certificates ------------------------------------------------------------------------------------------------------------

type Files = { readonly ca?: string | undefined; readonly cert?: string | undefined; readonly key?: string | undefined };

async function tlsOf(files: Files, at: Path, work: Work): Promise<StoreTls | null> {
  const read = async (part: "ca" | "cert" | "key") => (files[part] === undefined ? undefined : pemOf(files[part], [...at, part], part === "key", work));
  const [ca, cert, key] = [await read("ca"), await read("cert"), await read("key")];
  if (ca === null || cert === null || key === null) return null;
  const authorities = ca === undefined ? undefined : certificatesIn(ca, [...at, "ca"], work);
  const own = cert === undefined ? undefined : certificatesIn(cert, [...at, "cert"], work);
  if (authorities === null || own === null) return null;
  const [leaf] = own ?? [];
  // Beside authorities that have expired others may stand; of its own chain the watcher shows the first.
  const fit = [stillValid(authorities, [...at, "ca"], WITHOUT, work), stillValid(leaf === undefined ? undefined : [leaf], [...at, "cert"], WITHOUT, work)];
  if (fit.includes(false) || (key !== undefined && leaf !== undefined && !belong(key, leaf, [...at, "key"], work))) return null;
  return { ca: ca ?? null, cert: cert ?? null, key: key === undefined ? null : new Secret(key) };
}

// ---- which host is which server --------------------------------------------------------------------------------------------

/** How many servers of the store run on a host, by the names and addresses under which both are configured. */
export function membersOn(store: StoreSpec, host: { readonly name: string; readonly address: string }): number {
  if (store.kind === "embedded") return 0;
  // Every machine has loopback addresses: they say nothing of which host it is (as in self.ts).
  const names = new Set([plain(host.name), ...(LOOPBACK.test(host.address) ? [] : [plain(host.address)])]);
  return store.members.filter((member) => names.has(plain(member))).length;
}

function plain(address: string): string {
  const bare = address.replace(/%.*$/, "");
  return isIPv6(bare) ? (URL.parse(`http://[${bare}]/`)?.hostname ?? bare) : bare.toLowerCase().replace(/\.$/, "");
}
