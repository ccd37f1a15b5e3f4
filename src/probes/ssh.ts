// Reads the identification string of an SSH server: `SSH-2.0-` or `SSH-1.99-`, ended by a line feed (RFC 4253 §4.2, §5.1).
// It is sent by a process that had to be scheduled, forked and given memory, so a host whose userland is dead does not
// send it, however well its kernel answers pings and completes handshakes. Our own identification is sent before we leave,
// as §4.2 wants: without it OpenSSH logs an error for every look ("kex_exchange_identification").
//
// A server that turns us away in words ("Exceeded MaxStartups", "Not allowed at this time": sshd under a flood of
// log-ins, or penalising this watcher's address) is alive and cannot be judged: that must not cut its power.

import { bad, excerpt, good, turnedAway } from "./finding.ts";
import type { Finding, Probe } from "./probe.ts";
import { converse } from "./stream.ts";

export type SshOptions = { readonly port: number };

/** RFC 4253 §4.2: the identification string is at most 255 characters with its CR LF. */
const IDENTIFICATION_BYTES_MAX = 255;
/** What may come before it, in all: bounded here, since the RFC does not. */
const BYTES_MAX = 16_384;
const LINES_MAX = 100;
const OWN_IDENTIFICATION = Buffer.from("SSH-2.0-upkeep\r\n");
const TURNED_AWAY = /^(Exceeded MaxStartups|Not allowed at this time)/;

export const ssh: Probe<SshOptions> = {
  name: "ssh",
  service: true,
  port: ({ port }) => port,
  awaits: "banner",
  run(target, options, _tools, signal, progress) {
    return converse(
      target,
      { port: options.port, bytesMax: BYTES_MAX, farewell: OWN_IDENTIFICATION, judge: judgeIdentification, ended },
      signal,
      progress,
    );
  },
};

/** Judges what a server has said so far; null: its identification string may still come. */
export function judgeIdentification(soFar: Buffer): Finding | null {
  let from = 0;
  for (let line = 0; from < soFar.length; line += 1) {
    if (line >= LINES_MAX) return bad("answer", `no banner in ${LINES_MAX} lines: "${excerpt(soFar)}"`);
    const feed = soFar.indexOf(0x0a, from);
    const bytes = soFar.subarray(from, feed === -1 ? soFar.length : feed);
    if (bytes.toString("latin1", 0, 4) === "SSH-") {
      if (bytes.length >= IDENTIFICATION_BYTES_MAX) return bad("answer", `banner of over ${IDENTIFICATION_BYTES_MAX} bytes: "${excerpt(bytes)}"`);
      return feed === -1 ? null : judgeLine(bytes);
    }
    if (feed === -1) return null;
    if (TURNED_AWAY.test(bytes.toString("latin1", 0, 64))) {
      return turnedAway("sshd", excerpt(bytes).replace(/\\r$/, ""));
    }
    from = feed + 1;
  }
  return null;
}

function judgeLine(bytes: Buffer): Finding {
  const text = bytes.toString("latin1").replace(/\r$/, "");
  return /^SSH-(2\.0|1\.99)-[\x20-\x7e]+$/.test(text) ? good(text) : bad("answer", `not an SSH 2 banner: "${excerpt(bytes)}"`);
}

function ended(soFar: Buffer, how: "closed" | "full"): Finding {
  if (soFar.length === 0) return bad("answer", "connection closed without a banner");
  // Turned away without a line feed before the close is the same word.
  const turned = how === "closed" ? judgeIdentification(Buffer.concat([soFar, Buffer.from("\n")])) : null;
  if (turned?.outcome === "unknown") return turned;
  const why = how === "full" ? `no banner in ${BYTES_MAX} bytes` : "connection closed without a banner";
  return bad("answer", `${why}: "${excerpt(soFar)}"`);
}
