// From a host to a watcher: TCP, TLS 1.3 with a certificate on both sides, and a look at the other end's key before the first
// word. Node's own check of authorities is switched off because there are none; what is checked instead is in `accept`.

import type { X509Certificate } from "node:crypto";
import { constants } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { connect } from "node:tls";
import type { Identity } from "./identity.ts";
import { pinOf } from "./identity.ts";

const KEEP_ALIVE_MS = 10_000;

/** What both ends want of TLS: nothing older than 1.3, and no session of before, so that everybody shows his certificate each time. */
export const TLS = { minVersion: "TLSv1.3", rejectUnauthorized: false, secureOptions: constants.SSL_OP_NO_TICKET } as const;

export type Dialled = { readonly ok: true; readonly socket: TLSSocket; readonly pin: string } | { readonly ok: false; readonly because: string };

/** `accept`: why the other end's certificate is refused; null: it is good. */
export function dial(address: { readonly host: string; readonly port: number }, identity: Pick<Identity, "key" | "cert">, limitMs: number, accept: (pin: string, certificate: X509Certificate) => string | null): { readonly done: Promise<Dialled>; cancel(): void } {
  const socket = connect({ ...TLS, ...address, key: identity.key, cert: identity.cert, checkServerIdentity: () => undefined });
  let cancelled = (): void => {};
  const done = new Promise<Dialled>((resolve) => {
    const end = (because: string) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ ok: false, because });
    };
    cancelled = () => end("given up");
    const timer = setTimeout(() => end(`no connection within ${limitMs / 1_000} s`), limitMs);
    const failed = (error: Error) => end(wordsOf(error));
    const closed = () => end("the other end has closed the connection");
    socket.on("error", failed);
    socket.on("close", closed);
    socket.once("secureConnect", () => {
      const certificate = socket.getPeerX509Certificate();
      const pin = certificate === undefined ? "" : pinOf(certificate);
      const refused = certificate === undefined ? "it shows no certificate" : accept(pin, certificate);
      if (refused !== null) return end(refused);
      clearTimeout(timer);
      socket.off("error", failed);
      socket.off("close", closed);
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
      resolve({ ok: true, socket, pin });
    });
  });
  return { done, cancel: () => cancelled() };
}

function wordsOf(error: Error & { readonly code?: string; readonly errors?: readonly Error[] }): string {
  // Of a name with several addresses: what became of the first.
  const [first] = error.errors ?? [];
  return (first ?? error).message;
}
