// Where agents come in: TCP, TLS 1.3, a certificate on both sides, and a first message. What comes before that message costs
// little and does not last: so many connections in all, so many from one address, so long. What the first message is worth is
// decided by whoever opened the door (agents.ts).

import type { X509Certificate } from "node:crypto";
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer } from "node:net";
import type { TLSSocket } from "node:tls";
import { createServer as createTlsServer } from "node:tls";
import { TLS } from "../../link/dial.ts";
import type { Identity } from "../../link/identity.ts";

const PENDING_MAX = 256;
const PENDING_FROM_ONE_MAX = 64;
const HANDSHAKE_LIMIT_MS = 10_000;
const KEEP_ALIVE_MS = 10_000;

export type DoorOptions = {
  readonly listen: { readonly host: string; readonly port: number };
  readonly identity: Identity;
  /** The other end holds the key of this certificate; that is all that is known of it. `greeted` is called when it is one of ours or gone: until then it is one of few. */
  came(socket: TLSSocket, certificate: X509Certificate, greeted: () => void): void;
};

export type Door = {
  readonly port: number;
  /** Connections that have not shown yet whose they are. */
  readonly pending: number;
  /** For the connections to come. */
  renew(identity: Identity): void;
  close(): void;
};

/** Rejects where it cannot listen. */
export async function openDoor({ listen, identity, came }: DoorOptions): Promise<Door> {
  // By the other end as it was when it came: once TLS has taken the connection over, its socket no longer says.
  const pending = new Map<Socket, { readonly from: string; readonly port: number | undefined }>();
  const tls = createTlsServer({ ...TLS, key: identity.key, cert: identity.cert, requestCert: true, handshakeTimeout: HANDSHAKE_LIMIT_MS });
  tls.on("tlsClientError", (_error, socket) => socket.destroy());
  tls.on("secureConnection", (socket) => {
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) return socket.destroy();
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    came(socket, certificate, () => {
      for (const [raw, { from, port }] of pending) if (port === socket.remotePort && from === socket.remoteAddress) pending.delete(raw);
    });
  });
  const server: Server = createServer((socket) => {
    const from = socket.remoteAddress ?? "";
    socket.on("error", () => undefined);
    if (pending.size >= PENDING_MAX || count(pending, from) >= PENDING_FROM_ONE_MAX) return socket.destroy();
    pending.set(socket, { from, port: socket.remotePort });
    socket.on("close", () => pending.delete(socket));
    tls.emit("connection", socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(listen.port, listen.host, () => {
      server.off("error", reject);
      resolve();
    });
  });
  // A connection that could not be taken (no descriptors left) is no reason to end.
  server.on("error", () => undefined);
  return {
    port: (server.address() as AddressInfo).port,
    get pending() {
      return pending.size;
    },
    renew: ({ key, cert }) => tls.setSecureContext({ ...TLS, key, cert }),
    close: () => {
      server.close();
      for (const socket of pending.keys()) socket.destroy();
    },
  };
}

function count(pending: ReadonlyMap<Socket, { readonly from: string }>, from: string): number {
  let found = 0;
  for (const each of pending.values()) if (each.from === from) found += 1;
  return found;
}
