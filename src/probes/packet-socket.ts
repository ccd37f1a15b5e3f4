// A packet socket (packet(7)) at one Ethernet interface, for the one probe that speaks before it has an address. It sends IPv4
// packets to everybody on the wire and hears those that a filter in the kernel lets through: answers to DHCP clients with one
// transaction id, and nothing else of what passes the interface. No port is taken, so a DHCP client beside it is not disturbed,
// and neither routes nor a firewall of this machine stand between.
//
// Opened with protocol 0, it hears nothing before the filter stands. koffi is loaded with the first socket, as for ping.

import { closeSync } from "node:fs";
import { createRequire } from "node:module";
import { CLIENT_PORT } from "../protocol/dhcp.ts";
import { errorName } from "./icmp-socket.ts";

export type PacketSocket = {
  readonly mac: Uint8Array;
  /** Sends a packet to all on the wire; the name of an error, or null. */
  send(packet: Buffer): string | null;
  /** Frees the descriptor at once. */
  close(): void;
};

/** Why there is none, and whether that is an error of this machine alone. */
export type PacketSocketOpened = { readonly socket: PacketSocket } | { readonly refusal: string };

export type OpenPacketSocket = (interfaceName: string, transaction: number, onPacket: (packet: Buffer) => void) => PacketSocketOpened;

type Libc = {
  socket(family: number, type: number, protocol: number): number;
  ioctl(fd: number, request: number, argument: Buffer): number;
  attach(fd: number, level: number, option: number, value: { len: number; filter: Buffer }, length: number): number;
  bind(fd: number, address: Buffer, length: number): number;
  sendto(fd: number, packet: Buffer, length: number, flags: number, to: Buffer, toLength: number): number;
  recvfrom(fd: number, into: Buffer, length: number, flags: number, from: null, fromLength: null): number;
};

const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const NONBLOCK_CLOEXEC = 0o4000 | 0o2000000;
const ETHERTYPE_IPV4 = 0x0800;
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
// netdevice(7)
const SIOCGIFINDEX = 0x8933;
const SIOCGIFHWADDR = 0x8927;
const SIOCGIFFLAGS = 0x8913;
const IFREQ_BYTES = 40;
const IFREQ_VALUE_AT = 16;
const IFF_UP = 0x1;
const IFF_RUNNING = 0x40;
const ARPHRD_ETHER = 1;
const MAC_BYTES = 6;
const SOCKADDR_LL_BYTES = 20;
const PACKET_BYTES_MAX = 2_048;
const READS_A_TURN = 64;

type Koffi = typeof import("koffi");
let loaded: { koffi: Koffi; libc: Libc } | undefined;

function load(): { koffi: Koffi; libc: Libc } {
  if (loaded === undefined) {
    const koffi = createRequire(import.meta.url)("koffi") as Koffi;
    const library = koffi.load("libc.so.6");
    // struct sock_fprog of linux/filter.h
    const program = koffi.struct({ len: "uint16_t", filter: "void *" });
    const libc: Libc = {
      socket: library.func("int socket(int, int, int)"),
      ioctl: library.func("int ioctl(int, unsigned long, _Inout_ void *)"),
      attach: library.func("setsockopt", "int", ["int", "int", "int", koffi.pointer(program), "uint32_t"]),
      bind: library.func("int bind(int, void *, uint32_t)"),
      sendto: library.func("long sendto(int, void *, size_t, int, void *, uint32_t)"),
      recvfrom: library.func("long recvfrom(int, void *, size_t, int, void *, void *)"),
    };
    loaded = { koffi, libc };
  }
  return loaded;
}

export const openPacketSocket: OpenPacketSocket = (interfaceName, transaction, onPacket) => {
  let libc: Libc;
  let koffi: Koffi;
  try {
    ({ koffi, libc } = load());
  } catch (error) {
    return { refusal: `koffi cannot be loaded (${error instanceof Error ? error.message.slice(0, 80) : "unknown reason"})` };
  }
  const fd = libc.socket(AF_PACKET, SOCK_DGRAM | NONBLOCK_CLOEXEC, 0);
  if (fd < 0) {
    const error = errorName(koffi.errno());
    return { refusal: error === "EPERM" || error === "EACCES" ? "not permitted to open a packet socket: give the watcher CAP_NET_RAW" : `no packet socket: ${error}` };
  }
  const refused = (refusal: string): PacketSocketOpened => {
    closeSync(fd);
    return { refusal };
  };
  const asked = (request: number): Buffer | null => {
    const argument = Buffer.alloc(IFREQ_BYTES);
    argument.write(interfaceName, 0, 15, "latin1");
    return libc.ioctl(fd, request, argument) === 0 ? argument : null;
  };
  const index = asked(SIOCGIFINDEX)?.readInt32LE(IFREQ_VALUE_AT);
  const hardware = asked(SIOCGIFHWADDR);
  const flags = asked(SIOCGIFFLAGS)?.readUInt16LE(IFREQ_VALUE_AT) ?? 0;
  if (index === undefined || hardware === null) return refused(`this machine has no interface ${interfaceName}`);
  if (hardware.readUInt16LE(IFREQ_VALUE_AT) !== ARPHRD_ETHER) return refused(`${interfaceName} is not an Ethernet interface`);
  // What is sent into a pulled cable is lost without an error.
  if ((flags & IFF_UP) === 0 || (flags & IFF_RUNNING) === 0) return refused(`${interfaceName} is down, or its cable is out`);
  const mac = Uint8Array.prototype.slice.call(hardware, IFREQ_VALUE_AT + 2, IFREQ_VALUE_AT + 2 + MAC_BYTES);
  const filter = filterFor(transaction);
  const attached = libc.attach(fd, SOL_SOCKET, SO_ATTACH_FILTER, { len: filter.length / 8, filter }, 16);
  const everybody = linkAddress(index);
  if (attached !== 0 || libc.bind(fd, everybody, everybody.length) !== 0) return refused(`no packet socket at ${interfaceName}: ${errorName(koffi.errno())}`);

  const into = Buffer.alloc(PACKET_BYTES_MAX);
  let open = true;
  const poll = koffi.node.poll(fd, { readable: true }, () => {
    for (let read = 0; read < READS_A_TURN && open; read += 1) {
      const length = Number(libc.recvfrom(fd, into, into.length, 0, null, null));
      if (length < 0) return; // EAGAIN: drained; ENETDOWN was taken off by this call, and nothing will come
      onPacket(Buffer.from(into.subarray(0, length)));
    }
  });
  const socket: PacketSocket = {
    mac,
    send: (packet) => (Number(libc.sendto(fd, packet, packet.length, 0, everybody, everybody.length)) < 0 ? errorName(koffi.errno()) : null),
    close() {
      if (!open) return;
      open = false;
      poll.close(); // stops watching the descriptor at once, so it may be closed here
      closeSync(fd);
    },
  };
  return { socket };
};

/** struct sockaddr_ll of packet(7): everybody at an interface, IPv4. */
function linkAddress(index: number): Buffer {
  const address = Buffer.alloc(SOCKADDR_LL_BYTES);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeUInt16BE(ETHERTYPE_IPV4, 2);
  address.writeInt32LE(index, 4);
  address.writeUInt8(MAC_BYTES, 11);
  address.fill(0xff, 12, 12 + MAC_BYTES);
  return address;
}

/** A classic BPF program: UDP, not a later fragment, to the client's port, with the transaction id. Offsets are those of the packet. */
function filterFor(transaction: number): Buffer {
  const DROP = 10;
  const program: readonly (readonly [code: number, ifTrue: number, ifFalse: number, value: number])[] = [
    [0x30, 0, 0, 9], // the protocol
    [0x15, 0, DROP - 2, 17],
    [0x28, 0, 0, 6], // the place of the fragment
    [0x45, DROP - 4, 0, 0x1fff],
    [0xb1, 0, 0, 0], // x: the bytes of the header
    [0x48, 0, 0, 2], // the port
    [0x15, 0, DROP - 7, CLIENT_PORT],
    [0x40, 0, 0, 12], // the transaction
    [0x15, 0, DROP - 9, transaction],
    [0x06, 0, 0, PACKET_BYTES_MAX],
    [0x06, 0, 0, 0],
  ];
  const bytes = Buffer.alloc(8 * program.length);
  for (const [at, [code, ifTrue, ifFalse, value]] of program.entries()) {
    bytes.writeUInt16LE(code, 8 * at);
    bytes.writeUInt8(ifTrue, 8 * at + 2);
    bytes.writeUInt8(ifFalse, 8 * at + 3);
    bytes.writeUInt32LE(value, 8 * at + 4);
  }
  return bytes;
}
