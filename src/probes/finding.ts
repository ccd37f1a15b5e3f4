// How probes word what they found. Evidence comes from the peer, so it is escaped and cut before anything else sees it.
//
// An error of the network is sorted by whose word it is. Only what comes from the other side, or a silence, may speak
// against a host: when our own stack had no descriptor, no port, no route or no permission we have not looked at all, and
// that is `unknown` (safety.md §2.1). EHOSTUNREACH counts as bad: it is what a dead neighbour looks like (ARP gave up).

import type { Sign } from "../core/round.ts";
import type { Finding } from "./probe.ts";

export const EVIDENCE_CHARACTERS_MAX = 200;

const PLAIN = /^[\x20-\x7e]*$/;
// Control, format (bidirectional overrides, zero width), surrogate, private and unassigned characters; line separators.
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u;
const SHORT_ESCAPES: Readonly<Record<string, string>> = { "\r": "\\r", "\n": "\\n", "\t": "\\t" };

/** Text made safe to print: unprintable characters escaped, at most `max` characters, the cut marked by an ellipsis. */
export function printable(text: string, max = EVIDENCE_CHARACTERS_MAX): string {
  if (text.length <= max && PLAIN.test(text)) return text;
  let out = "";
  for (const character of text.slice(0, max + 1)) {
    const shown = UNPRINTABLE.test(character) ? escaped(character) : character;
    if (out.length + shown.length > max) return cut(out, max);
    out += shown;
  }
  return text.length > max ? cut(out, max) : out;
}

/** Bytes as printable ASCII, the others as \xNN. */
export function excerpt(bytes: Uint8Array, max = 80): string {
  const text = Buffer.from(bytes.subarray(0, max + 1)).toString("latin1");
  return printable(text.replace(/[\x80-\xff]/g, escaped), max);
}

/** `text` without any of `secrets` (a peer may echo what it was sent); secrets of fewer than four characters are left alone. */
export function redacted(text: string, secrets: readonly string[]): string {
  let out = text;
  for (const secret of secrets) if (secret.length >= 4) out = out.replaceAll(secret, "[redacted]");
  return out;
}

/** Rightly answered. */
export function good(evidence: string): Finding {
  return { outcome: "good", sign: "answer", evidence: printable(evidence) };
}

/** Speaks against the host. */
export function bad(sign: Exclude<Sign, "not-run">, evidence: string): Finding {
  return { outcome: "bad", sign, evidence: printable(evidence) };
}

/** Proves nothing, since it could not be looked or judged. */
export function notRun(evidence: string): Finding {
  return { outcome: "unknown", sign: "not-run", evidence: printable(evidence) };
}

/** Answered in words that it cannot be judged by: it lives, so its power is not cut for them. */
export function turnedAway(who: string, words: string): Finding {
  return { outcome: "unknown", sign: "answer", evidence: printable(`${who} turned us away: "${words}"`) };
}

/** The finding that an error of a socket amounts to; `connected` when the peer's kernel had accepted before. */
export function networkFinding(error: unknown, connected = false): Finding {
  const code = errorCode(error);
  switch (code) {
    case "ECONNREFUSED":
      return bad("refused", "connection refused");
    case "ECONNRESET":
    case "ECONNABORTED":
    case "EPIPE":
      // A reset proves a kernel, not a service: nobody spoke.
      return bad("refused", connected ? "connection reset after it was accepted" : "connection reset");
    case "ETIMEDOUT":
      return bad("silent", "connection timed out");
    case "EHOSTUNREACH":
      return bad("unreachable", "host unreachable");
    case "EHOSTDOWN":
      return bad("unreachable", "host down");
    case "ENETUNREACH":
      return { outcome: "unknown", sign: "unreachable", evidence: "this machine has no route to the host" };
    case "ENETDOWN":
      return { outcome: "unknown", sign: "unreachable", evidence: "this machine's network is down" };
    case "EACCES":
    case "EPERM":
      return { outcome: "unknown", sign: "unreachable", evidence: `this machine's firewall or route forbids it (${code})` };
    default:
      // EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL, EADDRINUSE, EAFNOSUPPORT and whatever else: ours.
      return notRun(`this machine could not look: ${code || describe(error)}`);
  }
}

/** The `code` of a system error, or an empty string. */
export function errorCode(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : "";
  return typeof code === "string" ? code : "";
}

export function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function escaped(character: string): string {
  const short = SHORT_ESCAPES[character];
  if (short !== undefined) return short;
  const code = character.codePointAt(0) ?? 0;
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}

function cut(text: string, max: number): string {
  let kept = text.slice(0, max - 1);
  if (/[\ud800-\udbff]$/.test(kept)) kept = kept.slice(0, -1);
  return `${kept}…`;
}
