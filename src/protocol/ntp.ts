// One question to a time server and the judgement of what comes back (RFC 5905 §7.3, client and server modes). The transmit
// timestamp of the question is a random number and not our time: the server returns it as the origin, and that alone makes an
// answer ours (§8, "bogus"); nobody learns our clock, and nobody can guess it. Pure; never throws.
//
// Times are differences only, of 64-bit numbers that wrap in 2036 (§6); they are right while two clocks differ by less than
// 34 years, and the reader decides how far apart is too far.

export const NTP_PACKET_BYTES = 48;
/** With extension fields and a MAC; a server that says more to a bare question is none. */
const PACKET_BYTES_MAX = 1_024;
export const NONCE_BYTES = 8;
const VERSION = 4;
const CLIENT = 3;
const SERVER = 4;
/** §7.3: 16 and more are not synchronised, and 0 is sent in place of 16. */
export const UNSYNCHRONISED_STRATUM = 16;
const LEAP_UNKNOWN = 3;
/** Seconds between 1900 and 1970. */
const UNIX_EPOCH = 2_208_988_800;

export type NtpReply = {
  /** 1 to 16; 16 where the server is not synchronised, as 0 or with leap 3 too. */
  readonly stratum: number;
  readonly synchronised: boolean;
  /** Four letters with which a server of stratum 0 says why it is none (§7.4): RATE, DENY, INIT; else null. */
  readonly kiss: string | null;
  /** How far the server's clock is ahead of ours, and how long the question and the answer were under way; meaningless with a kiss. */
  readonly offsetMs: number;
  readonly delayMs: number;
};

export type NtpVerdict = { readonly kind: "reply"; readonly reply: NtpReply } | { readonly kind: "not-ours"; readonly why: string };

/** A question with this nonce of eight bytes. */
export function encodeQuestion(nonce: Uint8Array): Buffer {
  const packet = Buffer.alloc(NTP_PACKET_BYTES);
  packet.writeUInt8((VERSION << 3) | CLIENT, 0);
  packet.set(nonce.subarray(0, NONCE_BYTES), 40);
  return packet;
}

/** Judges a datagram; `sentUnixMs` and `receivedUnixMs` are our wall clock at the question and at the answer. */
export function judgeReply(nonce: Uint8Array, packet: Buffer, sentUnixMs: number, receivedUnixMs: number): NtpVerdict {
  if (packet.length < NTP_PACKET_BYTES) return notOurs("too short");
  if (packet.length > PACKET_BYTES_MAX) return notOurs(`over ${PACKET_BYTES_MAX} bytes`);
  const [first, stratum] = [packet.readUInt8(0), packet.readUInt8(1)];
  if ((first & 7) !== SERVER) return notOurs("not from a server");
  const version = (first >> 3) & 7;
  if (version < 3 || version > VERSION) return notOurs(`version ${version}`);
  if (packet.compare(nonce, 0, NONCE_BYTES, 24, 32) !== 0) return notOurs("the answer to another question");
  const kiss = stratum === 0 ? kissIn(packet) : null;
  const synchronised = first >> 6 !== LEAP_UNKNOWN && stratum > 0 && stratum < UNSYNCHRONISED_STRATUM;
  // §8: offset = ((T2 - T1) + (T3 - T4)) / 2, delay = (T4 - T1) - (T3 - T2).
  const ahead = aheadMs(packet, 32, sentUnixMs);
  const back = aheadMs(packet, 40, receivedUnixMs);
  return { kind: "reply", reply: { stratum: synchronised ? stratum : UNSYNCHRONISED_STRATUM, synchronised, kiss, offsetMs: (ahead + back) / 2, delayMs: ahead - back } };
}

/** Milliseconds from our time to the timestamp at `at`. */
function aheadMs(packet: Buffer, at: number, unixMs: number): number {
  const seconds = Math.floor(unixMs / 1_000);
  // Modulo 2^32 and signed, so that the era does not matter.
  const apart = (packet.readUInt32BE(at) - ((seconds + UNIX_EPOCH) % 0x1_0000_0000)) | 0;
  return apart * 1_000 + (packet.readUInt32BE(at + 4) / 0x1_0000_0000) * 1_000 - (unixMs - seconds * 1_000);
}

function kissIn(packet: Buffer): string | null {
  const code = packet.toString("latin1", 12, 16).replace(/\0+$/, "");
  return /^[A-Z]{3,4}$/.test(code) ? code : null;
}

function notOurs(why: string): NtpVerdict {
  return { kind: "not-ours", why };
}
