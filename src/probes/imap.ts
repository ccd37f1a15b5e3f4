// Reads the greeting of an IMAP server: `* OK`, or `* PREAUTH` (RFC 9051 §7.1). Dovecot and Cyrus hand the connection to a
// process of its own before they say it. `* BYE` in its place is a server that turns this watcher away: it lives and
// cannot be judged.

import { bad, excerpt, good, turnedAway } from "./finding.ts";
import type { Finding, Probe } from "./probe.ts";
import { converse } from "./stream.ts";

export type ImapOptions = { readonly port: number; readonly tls: boolean };

/** A greeting may list capabilities; Dovecot's has some 150 bytes. */
const BYTES_MAX = 8_192;

export const imap: Probe<ImapOptions> = {
  name: "imap",
  service: true,
  awaits: "greeting",
  port: ({ port }) => port,
  run(target, { port, tls }, _tools, signal, progress) {
    const over = tls ? { tls: { name: target.configured ?? target.host } } : {};
    return converse(target, { port, ...over, bytesMax: BYTES_MAX, farewell: Buffer.from("upkeep LOGOUT\r\n"), judge: judgeGreeting, ended }, signal, progress);
  },
};

/** Judges what an IMAP server has said so far; null: its greeting is not complete. */
export function judgeGreeting(soFar: Buffer): Finding | null {
  const feed = soFar.indexOf(0x0a);
  if (feed === -1) return null;
  const text = excerpt(soFar.subarray(0, soFar[feed - 1] === 0x0d ? feed - 1 : feed), 120);
  const word = /^\* ([A-Z]+)( |$)/i.exec(text)?.[1]?.toUpperCase();
  if (word === "OK" || word === "PREAUTH") return good(text);
  return word === "BYE" ? turnedAway("IMAP server", text) : bad("answer", `not an IMAP greeting: "${text}"`);
}

function ended(soFar: Buffer, how: "closed" | "full"): Finding {
  if (soFar.length === 0) return bad("answer", "connection closed without a greeting");
  return bad("answer", `${how === "full" ? `no greeting in ${BYTES_MAX} bytes` : "connection closed within the greeting"}: "${excerpt(soFar)}"`);
}
