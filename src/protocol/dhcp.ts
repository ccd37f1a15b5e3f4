// A DHCPDISCOVER and the judgement of what may be an offer to it (RFC 2131, options of RFC 2132), as IPv4 packets: who asks has
// no address yet, so the packet is made here, from 0.0.0.0 to everybody, and the answer is taken apart here, too. Only
// discovers are made: nothing here can request, decline or release an address.
//
// An offer is ours when it carries our transaction id and our hardware address (§4.4.1). Pure; bounded; never throws.

import { internetChecksum } from "./icmp.ts";

export const CLIENT_PORT = 68;
export const SERVER_PORT = 67;
const UDP = 17;
const IP_HEADER_BYTES = 20;
const UDP_HEADER_BYTES = 8;
/** Up to the options, with the cookie that opens them. */
const FIXED_BYTES = 240;
const COOKIE = 0x63825363;
/** BOOTP had messages of 300 bytes, and some relays drop shorter ones (RFC 1542 §2.1). */
const MESSAGE_BYTES_MIN = 300;
/** Asks the server to broadcast its answer: we have no address to which it could be sent (§4.1). */
const BROADCAST_FLAG = 0x8000;

const BOOTREQUEST = 1;
const BOOTREPLY = 2;
const ETHERNET = 1;
const DISCOVER = 1;
const OFFER = 2;
const OPTION = { pad: 0, leaseTime: 51, messageType: 53, serverId: 54, parameters: 55, messageSize: 57, end: 255 } as const;
/** RFC 2132 §9.6; the position is the number. */
const TYPES = ["?", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE", "INFORM"] as const;

export type DhcpQuestion = { readonly transaction: number; /** Six bytes. */ readonly mac: Uint8Array };

export type DhcpOffer = {
  /** The server identifier (option 54), as a dotted address. */
  readonly server: string;
  /** The address that is offered. */
  readonly address: string;
  readonly leaseSeconds: number | null;
};

export type DhcpVerdict = { readonly kind: "offer"; readonly offer: DhcpOffer } | { readonly kind: "not-ours"; readonly why: string };

/** An IPv4 packet with a discover in it. */
export function encodeDiscover({ transaction, mac }: DhcpQuestion): Buffer {
  const message = Buffer.alloc(MESSAGE_BYTES_MIN);
  message.set([BOOTREQUEST, ETHERNET, mac.length], 0);
  message.writeUInt32BE(transaction, 4);
  message.writeUInt16BE(BROADCAST_FLAG, 10);
  message.set(mac, 28);
  message.writeUInt32BE(COOKIE, FIXED_BYTES - 4);
  message.set([OPTION.messageType, 1, DISCOVER, OPTION.messageSize, 2, 0x05, 0xdc, OPTION.parameters, 4, 1, 3, OPTION.leaseTime, OPTION.serverId, OPTION.end], FIXED_BYTES);
  return packetOf(message);
}

/** Judges an IPv4 packet that came to the client's port. */
export function judgePacket(question: DhcpQuestion, packet: Buffer): DhcpVerdict {
  const message = payloadOf(packet);
  if (typeof message === "string") return notOurs(message);
  if (message.length < FIXED_BYTES || message.readUInt32BE(FIXED_BYTES - 4) !== COOKIE) return notOurs("not DHCP");
  if (message.readUInt8(0) !== BOOTREPLY) return notOurs("not from a server");
  if (message.readUInt32BE(4) !== question.transaction) return notOurs("another transaction");
  const { mac } = question;
  if (message.readUInt8(2) !== mac.length || message.compare(mac, 0, mac.length, 28, 28 + mac.length) !== 0) return notOurs("for another client");
  const options = optionsIn(message);
  if (options === null) return notOurs("options that do not end");
  const type = options.get(OPTION.messageType);
  if (type?.length !== 1) return notOurs("without a message type");
  if (type[0] !== OFFER) return notOurs(`${TYPES[type[0] ?? 0] ?? `message type ${type[0]}`}, not an offer`);
  const server = options.get(OPTION.serverId);
  if (server?.length !== 4) return notOurs("an offer without a server identifier");
  const address = dotted(message.subarray(16, 20));
  if (address === "0.0.0.0") return notOurs("an offer of no address");
  const lease = options.get(OPTION.leaseTime);
  return { kind: "offer", offer: { server: dotted(server), address, leaseSeconds: lease?.length === 4 ? lease.readUInt32BE(0) : null } };
}

function packetOf(message: Buffer): Buffer {
  const packet = Buffer.alloc(IP_HEADER_BYTES + UDP_HEADER_BYTES + message.length);
  const udpLength = UDP_HEADER_BYTES + message.length;
  // RFC 791 §3.1: version 4 with five words, a low delay, not to be fragmented, sixteen hops.
  packet.set([0x45, 0x10], 0);
  packet.writeUInt16BE(packet.length, 2);
  packet.writeUInt16BE(0x4000, 6);
  packet.set([16, UDP], 8);
  packet.fill(0xff, 16, 20);
  packet.writeUInt16BE(internetChecksum(packet.subarray(0, IP_HEADER_BYTES)), 10);
  packet.writeUInt16BE(CLIENT_PORT, 20);
  packet.writeUInt16BE(SERVER_PORT, 22);
  packet.writeUInt16BE(udpLength, 24);
  message.copy(packet, IP_HEADER_BYTES + UDP_HEADER_BYTES);
  // RFC 768: over a header of addresses, protocol and length, and the datagram; 0 would mean that there is none.
  const pseudo = Buffer.alloc(12);
  packet.copy(pseudo, 0, 12, 20);
  pseudo.set([0, UDP], 8);
  pseudo.writeUInt16BE(udpLength, 10);
  const checksum = internetChecksum(Buffer.concat([pseudo, packet.subarray(IP_HEADER_BYTES)]));
  packet.writeUInt16BE(checksum === 0 ? 0xffff : checksum, 26);
  return packet;
}

/** The datagram in a packet for the client's port, or why there is none. Checksums are the kernel's and the card's to verify. */
function payloadOf(packet: Buffer): Buffer | string {
  if (packet.length < IP_HEADER_BYTES) return "too short";
  const first = packet.readUInt8(0);
  const headerBytes = 4 * (first & 0x0f);
  const packetBytes = packet.readUInt16BE(2);
  if (first >> 4 !== 4 || headerBytes < IP_HEADER_BYTES || packetBytes < headerBytes + UDP_HEADER_BYTES || packetBytes > packet.length) return "not an IPv4 packet";
  if (packet.readUInt8(9) !== UDP || (packet.readUInt16BE(6) & 0x3fff) !== 0) return "not a whole datagram";
  const udpBytes = packet.readUInt16BE(headerBytes + 4);
  if (packet.readUInt16BE(headerBytes + 2) !== CLIENT_PORT) return "for another port";
  if (udpBytes < UDP_HEADER_BYTES || headerBytes + udpBytes > packetBytes) return "a datagram that does not fit";
  return packet.subarray(headerBytes + UDP_HEADER_BYTES, headerBytes + udpBytes);
}

/** The options up to `end`; the first of each number counts. Null: one reaches beyond the message, or there is no end. */
function optionsIn(message: Buffer): ReadonlyMap<number, Buffer> | null {
  const options = new Map<number, Buffer>();
  for (let at = FIXED_BYTES; at < message.length; ) {
    const number = message.readUInt8(at);
    if (number === OPTION.end) return options;
    if (number === OPTION.pad) {
      at += 1;
      continue;
    }
    const length = message[at + 1];
    if (length === undefined || at + 2 + length > message.length) return null;
    if (!options.has(number)) options.set(number, message.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return null;
}

function dotted(bytes: Uint8Array): string {
  return [...bytes].join(".");
}

function notOurs(why: string): DhcpVerdict {
  return { kind: "not-ours", why };
}
