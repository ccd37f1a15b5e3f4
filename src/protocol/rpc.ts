// ONC RPC version 2 as far as a look needs it (RFC 5531): a call without arguments, the question to the port mapper where a
// program listens (RFC 1833), and what a reply says. Pure; bounded; never throws.
//
// A reply is ours when it carries our transaction id (§9), and nothing else makes it so. Over TCP a message comes in
// fragments, each with its length and whether it is the last (§11).

import { isIPv4 } from "node:net";

export type RpcCall = { readonly xid: number; readonly program: number; readonly version: number; readonly procedure: number; readonly argument?: Buffer };

/** What a program answered to a call. `denied` and `mismatch` come from a program that lives. */
export type RpcReply =
  | { readonly kind: "success"; readonly result: Buffer }
  /** This server has no such program. */
  | { readonly kind: "no-program" }
  /** It has the program, in these versions. */
  | { readonly kind: "mismatch"; readonly low: number; readonly high: number }
  /** It has no such procedure. */
  | { readonly kind: "no-procedure" }
  /** Refused for who asks, or for the version of RPC itself. */
  | { readonly kind: "denied"; readonly why: string }
  /** It failed, or did not understand the arguments. */
  | { readonly kind: "failed"; readonly why: string };

export type RpcVerdict = { readonly kind: "reply"; readonly reply: RpcReply } | { readonly kind: "not-ours"; readonly why: string };

/** A NULL reply is 24 bytes; a verifier adds at most 400, a universal address some thirty. */
export const RPC_MESSAGE_BYTES_MAX = 4_096;
const FRAGMENTS_MAX = 64;
const LAST_FRAGMENT = 0x8000_0000;

const CALL = 0;
const REPLY = 1;
const RPC_VERSION = 2;
const AUTH_BYTES_MAX = 400;

/** RFC 5531 §9, `enum auth_stat`; the position is the number. */
const AUTH_ERRORS = ["no reason", "bad credentials", "rejected credentials", "bad verifier", "rejected verifier", "credentials too weak", "invalid response verifier", "failed"] as const;

export const PORT_MAPPER = { program: 100_000, port: 111 } as const;
const PMAPPROC_GETPORT = 3;
const RPCBPROC_GETADDR = 3;
export const IP_PROTOCOL = { tcp: 6, udp: 17 } as const;
export type RpcTransport = keyof typeof IP_PROTOCOL;

export function encodeCall({ xid, program, version, procedure, argument }: RpcCall): Buffer {
  // No credential and no verifier: both AUTH_NONE (0) of length 0.
  const words = [xid, CALL, RPC_VERSION, program, version, procedure, 0, 0, 0, 0];
  return Buffer.concat([uints(words), argument ?? Buffer.alloc(0)]);
}

/** A message as one fragment. */
export function recordOf(message: Buffer): Buffer {
  return Buffer.concat([uints([(LAST_FRAGMENT | message.length) >>> 0]), message]);
}

/** The first message of a stream: null while more of it may come, `malformed` when it never will be one. */
export function messageIn(stream: Buffer): Buffer | null | "malformed" {
  const parts: Buffer[] = [];
  let at = 0;
  let length = 0;
  for (let fragment = 0; fragment < FRAGMENTS_MAX; fragment += 1) {
    if (stream.length < at + 4) return null;
    const header = stream.readUInt32BE(at);
    const bytes = header & 0x7fff_ffff;
    length += bytes;
    if (length > RPC_MESSAGE_BYTES_MAX) return "malformed";
    if (stream.length < at + 4 + bytes) return null;
    parts.push(stream.subarray(at + 4, at + 4 + bytes));
    at += 4 + bytes;
    if (header >= LAST_FRAGMENT) return Buffer.concat(parts);
  }
  return "malformed";
}

/** What a message that came to the port or the connection of our call is. */
export function judgeReply(xid: number, message: Buffer): RpcVerdict {
  if (message.length > RPC_MESSAGE_BYTES_MAX) return notOurs(`over ${RPC_MESSAGE_BYTES_MAX} bytes`);
  const from = new Words(message);
  const reply = readReply(from, xid);
  if (typeof reply === "string") return notOurs(from.short ? "too short" : reply);
  return from.short ? notOurs("too short") : { kind: "reply", reply };
}

function readReply(from: Words, xid: number): RpcReply | string {
  if (from.next() !== xid) return "another transaction id";
  if (from.next() !== REPLY) return "a call, not a reply";
  const status = from.next();
  if (status === 1) return readDenial(from);
  if (status !== 0) return "neither accepted nor denied";
  from.next(); // the verifier's flavour
  if (!from.skip(from.next(), AUTH_BYTES_MAX)) return "a verifier of over 400 bytes";
  const accepted = from.next();
  switch (accepted) {
    case 0:
      return { kind: "success", result: from.rest() };
    case 1:
      return { kind: "no-program" };
    case 2:
      return { kind: "mismatch", low: from.next(), high: from.next() };
    case 3:
      return { kind: "no-procedure" };
    case 4:
      return { kind: "failed", why: "does not understand a call without arguments" };
    case 5:
      return { kind: "failed", why: "system error" };
    default:
      return `acceptance ${accepted} is not in RFC 5531`;
  }
}

function readDenial(from: Words): RpcReply | string {
  const status = from.next();
  if (status === 0) return { kind: "denied", why: `speaks RPC ${from.next()} to ${from.next()}` };
  if (status !== 1) return `denial ${status} is not in RFC 5531`;
  const why = from.next();
  return { kind: "denied", why: AUTH_ERRORS[why] ?? `authentication error ${why}` };
}

/** Where a program listens, asked of version 2 of the port mapper, which knows only IPv4. */
export function getPort(xid: number, program: number, version: number, transport: RpcTransport): RpcCall {
  return { xid, program: PORT_MAPPER.program, version: 2, procedure: PMAPPROC_GETPORT, argument: uints([program, version, IP_PROTOCOL[transport], 0]) };
}

/** The port in the answer; 0: not registered; null: no answer to that question. */
export function portIn(result: Buffer): number | null {
  if (result.length !== 4) return null;
  const port = result.readUInt32BE(0);
  return port <= 0xffff ? port : null;
}

/** The same of version 3, for IPv6: a universal address is asked for (RFC 1833 §2.1). */
export function getAddress(xid: number, program: number, version: number, transport: RpcTransport): RpcCall {
  const argument = Buffer.concat([uints([program, version]), xdrString(`${transport}6`), xdrString(""), xdrString("")]);
  return { xid, program: PORT_MAPPER.program, version: 3, procedure: RPCBPROC_GETADDR, argument };
}

/** The port of a universal address such as `::.8.1` (RFC 5665 §5.2.3.4); 0: not registered; null: not one. */
export function portOfAddress(result: Buffer): number | null {
  if (result.length < 4) return null;
  const length = result.readUInt32BE(0);
  if (length === 0) return result.length === 4 ? 0 : null;
  if (length > 128 || result.length !== 4 + length + padding(length)) return null;
  const parts = /^([0-9a-fA-F:.%\w]+)\.(\d{1,3})\.(\d{1,3})$/.exec(result.toString("latin1", 4, 4 + length));
  if (parts === null || !(parts[1]?.includes(":") === true || isIPv4(parts[1] ?? ""))) return null;
  const [high, low] = [Number(parts[2]), Number(parts[3])];
  return high > 255 || low > 255 ? null : high * 256 + low;
}

/** Reads 32-bit words; past the end it reads zeros and remembers that. */
class Words {
  readonly #bytes: Buffer;
  #at = 0;
  short = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  next(): number {
    this.#at += 4;
    if (this.#at <= this.#bytes.length) return this.#bytes.readUInt32BE(this.#at - 4);
    this.short = true;
    return 0;
  }

  /** Skips opaque data with its padding; false when it is longer than `most`. */
  skip(bytes: number, most: number): boolean {
    if (bytes > most) return false;
    this.#at += bytes + padding(bytes);
    if (this.#at > this.#bytes.length) this.short = true;
    return true;
  }

  rest(): Buffer {
    return this.#bytes.subarray(this.#at);
  }
}

function xdrString(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  return Buffer.concat([uints([bytes.length]), bytes, Buffer.alloc(padding(bytes.length))]);
}

/** XDR pads to four bytes (RFC 4506 §4.10). */
function padding(length: number): number {
  return (4 - (length & 3)) & 3;
}

function uints(words: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * words.length);
  words.forEach((word, index) => bytes.writeUInt32BE(word, 4 * index));
  return bytes;
}

function notOurs(why: string): RpcVerdict {
  return { kind: "not-ours", why };
}
