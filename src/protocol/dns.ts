// One DNS question and the judgement of what comes back (RFC 1035). dns-packet knows the format; what is decided here is
// what counts as an answer to *this* question: the same identifier, a response to a plain query, and the very question
// section that was sent, byte for byte but for the case of letters (RFC 5452 §9.1; comparing decoded names would take the
// one label "a.b" for two). Everything else is somebody else's datagram and proves nothing.
//
// The decoder is given a bounded message and a bounded number of records, since compressed names let a few kilobytes
// unfold into seconds of work.

import { type Answer, RECURSION_DESIRED, decode, encode } from "dns-packet";

export const DNS_TYPES = ["A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"] as const;
export type DnsType = (typeof DNS_TYPES)[number];

/** RFC 1035 §4.1.1 and the IANA registry; the position is the code. */
export const DNS_RCODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"] as const;
export type DnsRcode = (typeof DNS_RCODES)[number];

/** Over UDP without EDNS 512 bytes are legal; over TCP 65,535, of which no health check needs more than this. */
export const DNS_MESSAGE_BYTES_MAX = 16_384;
const RECORDS_MAX = 256;
const HEADER_BYTES = 12;

export type DnsQuery = { readonly id: number; readonly name: string; readonly type: DnsType; readonly bytes: Buffer };

export type DnsReply = {
  readonly rcode: string;
  /** The server had more to say than a datagram holds: ask again over TCP. */
  readonly truncated: boolean;
  /** The answer section's records of the type asked for, as text: `10.0.0.1`, `10 mx.example.org`. */
  readonly answers: readonly string[];
};

export type DnsVerdict =
  | { readonly kind: "reply"; readonly reply: DnsReply }
  /** Not an answer to this question; `why` in words. */
  | { readonly kind: "not-ours"; readonly why: string };

/** A recursive query of class IN; null when the name cannot be asked for (RFC 1035 §2.3.4: labels 1–63, 255 octets in all). */
export function buildQuery(id: number, name: string, type: DnsType): DnsQuery | null {
  const bare = name === "." ? "" : name.replace(/\.$/, "");
  if (bare !== "" && !isName(bare)) return null;
  const asked = bare === "" ? "." : bare;
  const bytes = encode({ type: "query", id: id & 0xffff, flags: RECURSION_DESIRED, questions: [{ name: asked, type, class: "IN" }] });
  return { id: id & 0xffff, name: asked, type, bytes };
}

/** Judges a message that arrived at the port the query was sent from. Never throws. */
export function judgeReply(query: DnsQuery, message: Buffer): DnsVerdict {
  if (message.length < HEADER_BYTES) return notOurs("too short");
  if (message.length > DNS_MESSAGE_BYTES_MAX) return notOurs(`over ${DNS_MESSAGE_BYTES_MAX} bytes`);
  if (message.readUInt16BE(0) !== query.id) return notOurs("another id");
  const flags = message.readUInt16BE(2);
  if ((flags & 0x8000) === 0) return notOurs("a query, not a response");
  if ((flags & 0x7800) !== 0) return notOurs("another opcode");
  if (message.readUInt16BE(4) !== 1 || !sameQuestion(query.bytes, message)) return notOurs("another question");
  const count = message.readUInt16BE(6) + message.readUInt16BE(8) + message.readUInt16BE(10);
  if (count > RECORDS_MAX) return notOurs(`over ${RECORDS_MAX} records`);
  const truncated = (flags & 0x0200) !== 0;
  const rcode = DNS_RCODES[flags & 0x0f] ?? `RCODE${flags & 0x0f}`;
  const records = answersIn(message);
  // Some servers truncate in the middle of a record; what is whole is the header, and that says so.
  if (records === null && !truncated) return notOurs("malformed");
  const answers = (records ?? []).filter((answer) => answer.type === query.type).map(answerText);
  return { kind: "reply", reply: { rcode, truncated, answers } };
}

/** True when one of the answers is the expected data: addresses by value, names without regard to case and final dot. */
export function hasAnswer(reply: DnsReply, expected: string): boolean {
  const wanted = canonical(expected);
  return reply.answers.some((answer) => canonical(answer) === wanted);
}

function isName(name: string): boolean {
  if (Buffer.byteLength(name) > 253) return false;
  return name.split(".").every((label) => /^[\x21-\x7e]{1,63}$/.test(label));
}

function sameQuestion(query: Buffer, message: Buffer): boolean {
  if (message.length < query.length) return false;
  for (let at = HEADER_BYTES; at < query.length; at += 1) {
    if (lower(query.readUInt8(at)) !== lower(message.readUInt8(at))) return false;
  }
  return true;
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}

/** The answer section, or null when the message is not whole. */
function answersIn(message: Buffer): readonly Answer[] | null {
  try {
    const { answers } = decode(message);
    // The decoder reads addresses past the end without a word; how far it came tells.
    return decode.bytes <= message.length ? (answers ?? []) : null;
  } catch {
    return null;
  }
}

function answerText(answer: Answer): string {
  switch (answer.type) {
    case "MX":
      return `${answer.data.preference ?? 0} ${answer.data.exchange}`;
    case "SRV":
      return `${answer.data.priority ?? 0} ${answer.data.weight ?? 0} ${answer.data.port} ${answer.data.target}`;
    case "SOA":
      return `${answer.data.mname} ${answer.data.rname} ${answer.data.serial ?? 0}`;
    case "TXT":
      return [answer.data].flat().map((part) => part.toString("utf8")).join("");
    default:
      return "data" in answer && typeof answer.data === "string" ? answer.data : "";
  }
}

function canonical(text: string): string {
  const trimmed = text.trim().toLowerCase().replace(/(.)\.$/, "$1");
  // WHATWG URL writes an IPv6 address in the one form of RFC 5952.
  return trimmed.includes(":") ? (URL.parse(`http://[${trimmed}]/`)?.hostname ?? trimmed) : trimmed;
}

function notOurs(why: string): DnsVerdict {
  return { kind: "not-ours", why };
}
