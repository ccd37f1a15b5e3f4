// ICMP echo as bytes, for both families (RFC 792, RFC 4443 §4). Pure: no sockets, no time.
//
// A reply is recognised by its sequence number and by a nonce in the payload, never by its identifier alone: on a ping
// socket the kernel writes the identifier, and on a raw socket every process sees every reply. The IPv4 checksum covers
// the message only and is ours to compute; that of ICMPv6 covers addresses too and is the kernel's (RFC 3542 §3.1).

export const NONCE_BYTES = 8;
const HEADER_BYTES = 8;
const TYPES = { 4: { request: 8, reply: 0 }, 6: { request: 128, reply: 129 } } as const;
/** The longest reply that is looked at; ours have 16 bytes. */
const MESSAGE_BYTES_MAX = 1_500;

export type EchoReply = { readonly id: number; readonly sequence: number; readonly nonce: Buffer };

/** An echo request whose payload is the nonce. */
export function encodeEchoRequest(family: 4 | 6, id: number, sequence: number, nonce: Uint8Array): Buffer {
  const message = Buffer.allocUnsafe(HEADER_BYTES + NONCE_BYTES); // written to the last byte below
  message.writeUInt32BE(TYPES[family].request * 0x100_0000, 0); // code and checksum 0
  message.writeUInt16BE(id & 0xffff, 4);
  message.writeUInt16BE(sequence & 0xffff, 6);
  message.set(nonce.subarray(0, NONCE_BYTES), HEADER_BYTES);
  if (family === 4) message.writeUInt16BE(internetChecksum(message), 2);
  return message;
}

/** An echo reply that carries exactly a nonce, or null for anything else. */
export function decodeEchoReply(family: 4 | 6, message: Buffer): EchoReply | null {
  if (message.length !== HEADER_BYTES + NONCE_BYTES) return null;
  if (message[0] !== TYPES[family].reply || message[1] !== 0) return null;
  if (family === 4 && internetChecksum(message) !== 0) return null;
  return {
    id: message.readUInt16BE(4),
    sequence: message.readUInt16BE(6),
    nonce: message.subarray(HEADER_BYTES),
  };
}

/** The ICMP message inside an IPv4 packet, as a raw socket delivers it (raw(7)); null when it is no whole ICMP packet. */
export function withoutIpv4Header(packet: Buffer): Buffer | null {
  if (packet.length < 20 || packet.length > MESSAGE_BYTES_MAX) return null;
  const [versionAndLength = 0] = packet;
  const headerBytes = (versionAndLength & 0x0f) * 4;
  const protocol = packet[9];
  if (versionAndLength >> 4 !== 4 || headerBytes < 20 || headerBytes > packet.length || protocol !== 1) return null;
  return packet.subarray(headerBytes);
}

/** RFC 1071; 0 over a message that contains its own right checksum. */
export function internetChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000);
  return ~sum & 0xffff;
}
