// From `api:` to what the watcher opens: where it listens, and by which certificate. Off loopback there is TLS unless the
// configuration says otherwise, and whoever says otherwise is warned: passwords would cross the network in the clear.

import { isIP } from "node:net";
import type { Path, Work } from "./certificates.ts";
import { EXPIRES_SOON_MS, belong, certificatesIn, pemOf } from "./certificates.ts";
import type { ApiConfig } from "./config.ts";
import { Secret } from "./secret.ts";
import { api as apiSchema } from "./sections/api.ts";

const API_PORT = 8_080;

/** The interface, or null when something is wrong with it, which has been told. */
export async function resolveApi(work: Work): Promise<ApiConfig | null> {
  const { listen: asked, required, names, tls } = work.gathered.top.api ?? apiSchema.parse({});
  const listen = asked === undefined ? { host: "127.0.0.1", port: API_PORT } : asked && { host: asked.host, port: asked.port ?? API_PORT };
  const here = listen !== null && isLoopback(listen.host);
  const rest = { listen, required, names };
  if (listen === null || tls === undefined) return { ...rest, tls: here || listen === null ? "none" : "own" };
  if (tls === "none") {
    if (!here) work.problems.add(work.gathered.at.place(["api", "tls"]), "API_PLAIN", `passwords and tokens for ${listen.host} would cross the network in the clear`, "only behind a proxy that has TLS; leave tls out, and the watcher makes a certificate");
    return { ...rest, tls };
  }
  const at: Path = ["api", "tls"];
  const [cert, key] = [await pemOf(tls.cert, [...at, "cert"], false, work), await pemOf(tls.key, [...at, "key"], true, work)];
  if (cert === null || key === null) return null;
  const [leaf] = certificatesIn(cert, [...at, "cert"], work) ?? [];
  if (leaf === undefined || !belong(key, leaf, [...at, "key"], work)) return null;
  // Never an error: a watcher whose page nobody trusts still watches.
  if (Date.parse(leaf.validTo) - work.nowMs < EXPIRES_SOON_MS) {
    work.problems.add(work.gathered.at.place([...at, "cert"]), "CERTIFICATE_EXPIRES", `the certificate of the API ${Date.parse(leaf.validTo) > work.nowMs ? "is" : "was"} valid to ${leaf.validTo}`, "no browser and no program trusts it from then on");
  }
  return { ...rest, tls: { cert, key: new Secret(key) } };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}
