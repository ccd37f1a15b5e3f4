// A connection to a store's server, handed out only when it is established, TLS included: so that it is always known
// whether a byte of a request can have left this machine. The TCP connection underneath comes with it: who gives a
// connection up resets that (SO_LINGER 0), and what the network has not taken yet is thrown away instead of being
// delivered when a cable heals.

import net from "node:net";
import type { Duplex } from "node:stream";
import tls from "node:tls";
import { plain } from "./fault.ts";

export type Tls = {
  /** PEM. Without it, the certificate authorities that Node knows. */
  readonly ca?: string | undefined;
  /** Client certificate and its key, PEM. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
};

export type Dialing = {
  readonly host: string;
  readonly port: number;
  /** Null: no TLS. */
  readonly tls: Tls | null;
  readonly protocols?: readonly string[];
  /** What ends dials that are under way; each takes itself out again. */
  readonly open: Set<() => void>;
};

export type Dialed = { readonly socket: Duplex; readonly raw: net.Socket };

const IDLE_MS = 30_000;

export function dial({ host, port, tls: secured, protocols, open }: Dialing, done: (error: Error | null, dialed?: Dialed) => void): void {
  const raw = net.connect({ host, port, noDelay: true, keepAlive: true, timeout: IDLE_MS });
  const drop = (): void => void raw.destroy();
  open.add(drop);
  raw.once("close", () => open.delete(drop));
  let settled = false;
  const settle = (error: Error | null, socket?: Duplex): void => {
    if (settled) return;
    settled = true;
    if (error !== null) raw.destroy();
    if (socket === undefined) done(error);
    else done(null, { socket, raw });
  };
  raw.once("error", settle);
  // A dial that nobody waits for any more must end, too.
  raw.once("timeout", () => settle(new Error(`no connection within ${IDLE_MS} ms`)));
  raw.once("connect", () => {
    raw.setTimeout(0);
    if (secured === null) return settle(null, raw);
    const { ca, cert, key } = secured;
    // From here on the reason is told by the TLS side; a reset shows on both.
    raw.off("error", settle);
    raw.on("error", (error) => setImmediate(() => settle(new Error(`TLS was not set up: ${plain(error)}`))));
    const secure = tls.connect({
      socket: raw, minVersion: "TLSv1.2", host, ...(protocols === undefined ? {} : { ALPNProtocols: [...protocols] }),
      ...(net.isIP(host) === 0 ? { servername: host } : {}),
      ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }),
    });
    secure.setTimeout(IDLE_MS, () => settle(new Error(`no TLS session within ${IDLE_MS} ms`)));
    secure.on("error", (error) => settle(Object.assign(new Error(`TLS was not set up: ${plain(error)}`, { cause: error }), "code" in error ? { code: error.code } : {})));
    secure.once("close", () => settle(new Error("TLS was not set up: the connection was closed")));
    secure.once("secureConnect", () => {
      secure.setTimeout(0);
      settle(null, secure);
    });
  });
}
