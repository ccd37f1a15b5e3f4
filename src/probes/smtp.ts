// Reads the greeting of a mail server: `220`, perhaps over several lines (RFC 5321 §3.1, §4.2.1). It is sent before anything
// was asked, by a process that had to be scheduled for it. Nothing is said but QUIT, which leaves no trace but a line in the log.
//
// 4xx and 5xx in place of it are a server that turns this watcher away (too busy, shutting down, a block list, no mail from
// here): it lives and cannot be judged.

import { bad, excerpt, good, turnedAway } from "./finding.ts";
import type { Finding, Probe } from "./probe.ts";
import { converse } from "./stream.ts";

export type SmtpOptions = { readonly port: number; readonly tls: boolean };

/** RFC 5321 §4.5.3.1.5: a reply line has at most 512 octets; some servers say more. */
const BYTES_MAX = 4_096;
const LINES_MAX = 32;

export const smtp: Probe<SmtpOptions> = {
  name: "smtp",
  service: true,
  awaits: "greeting",
  port: ({ port }) => port,
  run(target, { port, tls }, _tools, signal, progress) {
    const over = tls ? { tls: { name: target.configured ?? target.host } } : {};
    return converse(target, { port, ...over, bytesMax: BYTES_MAX, farewell: Buffer.from("QUIT\r\n"), judge: judgeGreeting, ended }, signal, progress);
  },
};

/** Judges what a mail server has said so far; null: its greeting is not complete. */
export function judgeGreeting(soFar: Buffer): Finding | null {
  let from = 0;
  let first = "";
  for (let line = 0; line < LINES_MAX; line += 1) {
    const feed = soFar.indexOf(0x0a, from);
    if (feed === -1) return null;
    const bytes = soFar.subarray(from, feed);
    const text = excerpt(bytes.at(-1) === 0x0d ? bytes.subarray(0, -1) : bytes, 120);
    const [, code, more] = /^([2-5][0-9]{2})([ -]|$)/.exec(text) ?? [];
    if (line === 0) first = text;
    if (code === undefined || (line > 0 && code !== first.slice(0, 3))) return bad("answer", `not a mail server's greeting: "${text}"`);
    if (more !== "-") return judgeReply(code, first);
    from = feed + 1;
  }
  return bad("answer", `a greeting of over ${LINES_MAX} lines: "${first}"`);
}

function judgeReply(code: string, text: string): Finding {
  if (code === "220") return good(text);
  return /^[45]/.test(code) ? turnedAway("mail server", text) : bad("answer", `expected 220: "${text}"`);
}

function ended(soFar: Buffer, how: "closed" | "full"): Finding {
  if (soFar.length === 0) return bad("answer", "connection closed without a greeting");
  return bad("answer", `${how === "full" ? `no greeting in ${BYTES_MAX} bytes` : "connection closed within the greeting"}: "${excerpt(soFar)}"`);
}
