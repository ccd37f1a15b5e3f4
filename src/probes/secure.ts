// TLS over a connection of ours. A certificate is reported, never judged, and so the handshake accepts any: whether one is
// valid is a question to this machine's wall clock and to others' keys, no jump of that clock may cut power (safety.md
// §5.17), and power mends no certificate. What stands in the evidence is when it ends, and what a client would object to.

import net from "node:net";
import tls from "node:tls";
import { bad, describe, errorCode, turnedAway } from "./finding.ts";
import type { Finding, Measured } from "./probe.ts";

const INTERNAL_ERROR = 80;

let context: tls.SecureContext | undefined;

/** Begins a handshake; `name` goes into SNI where it is a name (RFC 6066 §3: no addresses). */
export function encrypted(plain: net.Socket, name: string, protocols: readonly string[] = []): tls.TLSSocket {
  context ??= tls.createSecureContext(); // once: it loads the root certificates
  const servername = net.isIP(name) === 0 ? { servername: name } : {};
  const wanted = protocols.length === 0 ? {} : { ALPNProtocols: [...protocols] };
  return tls.connect({ socket: plain, secureContext: context, rejectUnauthorized: false, host: name, ...wanted, ...servername });
}

/** How long the peer's certificate is still valid, in milliseconds; negative when it has ended, null without one. */
export function certificateLeftMs(socket: net.Socket): number | null {
  if (!(socket instanceof tls.TLSSocket)) return null;
  const endsAtMs = Date.parse((socket.getPeerCertificate() as tls.PeerCertificate | null)?.valid_to ?? "");
  return Number.isNaN(endsAtMs) ? null : endsAtMs - Date.now();
}

/** `certificate expires in 5 d`, or `certificate expired 5 d ago`. */
export function expiryText(leftMs: number): string {
  const days = Math.floor(Math.abs(leftMs) / 86_400_000);
  return leftMs <= 0 ? `certificate expired ${days} d ago` : `certificate expires in ${days} d`;
}

/** What there is to say about a certificate that ends within `expiresMs`, with a leading separator; empty when there is nothing. */
export function certificateText(leftMs: number | null, expiresMs: number | undefined): string {
  return leftMs === null || expiresMs === undefined || expiresMs <= 0 || leftMs > expiresMs ? "" : `, ${expiryText(leftMs)}`;
}

/** For the history: seconds until the certificate ends. */
export function certificateMeasured(leftMs: number | null): readonly Measured[] {
  return leftMs === null ? [] : [{ label: "certificate", value: Math.floor(leftMs / 1_000), unit: "s" }];
}

/**
 * What an error of TLS amounts to, or null where it is none. A peer that ends the handshake in TLS's own words (an alert,
 * RFC 8446 §6.2: no such name, no common version, a client certificate wanted) lives, and turns us away: whoever tightens
 * the rules of a server shall not have its power cut for it. `internal_error` is what it says of itself.
 */
export function handshakeFinding(error: unknown): Finding | null {
  const code = errorCode(error);
  // Node's own words for a connection that the peer closed in good order before it had said enough.
  if (code === "ECONNRESET" && /before secure TLS/.test(describe(error))) return bad("answer", "connection closed within the handshake");
  if (!code.startsWith("ERR_SSL_") && !code.startsWith("ERR_TLS_") && code !== "EPROTO") return null;
  const [, words = "", number] = /([^:]*):[^:]*:\d+:SSL alert number (\d+)/.exec(describe(error)) ?? [];
  if (number === undefined) return bad("answer", `no TLS: ${code}`);
  const text = words.replace(/^(ssl\/tls|sslv3|tlsv13?) (alert )?/, "");
  return Number(number) === INTERNAL_ERROR ? bad("answer", `TLS: ${text}`) : turnedAway("TLS", text);
}
