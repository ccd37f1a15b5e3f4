// A TLS handshake, and what the certificate says. Good is a handshake that was completed: the server proved that it has the
// key of its certificate, which takes a process that runs. The certificate is evidence and a number in the history, never a
// judgement (secure.ts says why): power mends no certificate.
//
// A handshake that the server ends in TLS's own words is not judged: it lives, and turns us away.

import type { TLSSocket } from "node:tls";
import { bad, errorCode, good } from "./finding.ts";
import type { Finding, Probe } from "./probe.ts";
import { certificateLeftMs, certificateMeasured, expiryText } from "./secure.ts";
import { converse } from "./stream.ts";

export type TlsOptions = {
  readonly port: number;
  /** What is asked for in SNI; absent: the host as configured. */
  readonly name?: string | undefined;
  /** A certificate that ends within this many milliseconds is told first. */
  readonly expiresMs: number;
};

/** What a client would object to, beside the dates, in fewer words than OpenSSL's. */
const OBJECTIONS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "self-signed",
  SELF_SIGNED_CERT_IN_CHAIN: "its authority is not known here",
  UNABLE_TO_GET_ISSUER_CERT: "its authority is not known here",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its authority is not known here",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its authority is not known here",
  ERR_TLS_CERT_ALTNAME_INVALID: "for another name",
  CERT_HAS_EXPIRED: "",
};

export const tls: Probe<TlsOptions> = {
  name: "tls",
  service: true,
  awaits: "TLS handshake",
  port: ({ port }) => port,
  run(target, options, _tools, signal, progress) {
    return converse(
      target,
      {
        port: options.port,
        tls: { name: options.name ?? target.configured ?? target.host },
        bytesMax: 1,
        opened: (_write, through) => judgeHandshake(through as TLSSocket, options),
        judge: () => null,
        ended: () => bad("answer", "connection closed"),
      },
      signal,
      progress,
    );
  },
};

function judgeHandshake(socket: TLSSocket, { expiresMs }: TlsOptions): Finding {
  const leftMs = certificateLeftMs(socket);
  const objection = objectionOf(socket.authorizationError);
  const objections = objection === "" ? [] : [`certificate ${objection}`];
  const expiry = leftMs === null ? ["no certificate"] : [expiryText(leftMs)];
  // First what somebody has to do something about.
  const told = leftMs !== null && leftMs > expiresMs ? [...objections, ...expiry] : [...expiry, ...objections];
  return { ...good(`${socket.getProtocol() ?? "TLS"}, ${told.join(", ")}`), perfdata: certificateMeasured(leftMs) };
}

function objectionOf(error: unknown): string {
  if (error === null || error === undefined) return "";
  const code = errorCode(error) || String(error);
  return OBJECTIONS[code] ?? code;
}
