// The one place that makes system calls for ICMP: a socket of one family that sends echo requests and hears replies.
//
// First the unprivileged ping socket (SOCK_DGRAM with IPPROTO_ICMP, icmp(7)): the kernel gives it an identifier and only
// its own replies. Where net.ipv4.ping_group_range does not let this process have one (the default lets nobody, root
// included) a raw socket, which needs CAP_NET_RAW; it hears everybody's replies, so a kernel filter drops all other
// messages. Both are driven alike through koffi: sendto and recvfrom on a non-blocking descriptor, and libuv's poll. That
// is shorter than dgram (which refuses raw descriptors) plus a second path, gives the error of a send at once, and close
// is synchronous. Nothing is forked, no thread waits.
//
// koffi is loaded when the first socket is opened, so a watcher without a ping probe never loads it for this.

import { closeSync } from "node:fs";
import { createRequire } from "node:module";
import { getSystemErrorName } from "node:util";

export type EchoSocket = {
  readonly raw: boolean;
  /** Sends one message; 0, or the error number. */
  send(message: Buffer, to: Buffer): number;
  /** Keeps the process alive while replies are awaited; nothing else of the socket does. */
  hold(awaited: boolean): void;
  close(): void;
};

export type Opened = { readonly socket: EchoSocket } | { readonly refusal: string };

/** Told of every datagram: an ICMP message, with its IPv4 header if the socket is raw, and the sender's socket address. */
export type OnDatagram = (datagram: Buffer, from: Buffer) => void;

type Libc = {
  socket(family: number, type: number, protocol: number): number;
  setsockopt(fd: number, level: number, option: number, value: Buffer, length: number): number;
  sendto(fd: number, message: Buffer, length: number, flags: number, to: Buffer, toLength: number): number;
  recvfrom(fd: number, into: Buffer, length: number, flags: number, from: Buffer, fromLength: number[]): number;
  inetPton(family: number, text: string, into: Buffer): number;
  ifNametoindex(name: string): number;
};

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const NONBLOCK_CLOEXEC = 0o4000 | 0o2000000;
const IPPROTO = { 4: 1, 6: 58 } as const;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
/** Replies to thousands of requests sent in one turn of the loop must fit; the kernel caps it at net.core.rmem_max. */
const RECEIVE_BUFFER_BYTES = 4_194_304;
const DATAGRAM_BYTES_MAX = 2_048;
/** Datagrams read in one turn of the loop, so that a flood cannot hold it. */
const READS_A_TURN = 256;

type Koffi = typeof import("koffi");
let loaded: { koffi: Koffi; libc: Libc } | undefined;

function load(): { koffi: Koffi; libc: Libc } {
  if (loaded === undefined) {
    const koffi = createRequire(import.meta.url)("koffi") as Koffi;
    const library = koffi.load("libc.so.6");
    const libc: Libc = {
      socket: library.func("int socket(int, int, int)"),
      setsockopt: library.func("int setsockopt(int, int, int, void *, uint32_t)"),
      sendto: library.func("long sendto(int, void *, size_t, int, void *, uint32_t)"),
      recvfrom: library.func("long recvfrom(int, void *, size_t, int, void *, _Inout_ uint32_t *)"),
      inetPton: library.func("int inet_pton(int, str, void *)"),
      ifNametoindex: library.func("uint32_t if_nametoindex(str)"),
    };
    loaded = { koffi, libc };
  }
  return loaded;
}

/** A sockaddr_in or sockaddr_in6 with port 0 (ip(7), ipv6(7)); null when the text is no numeric address of that family. */
export function socketAddress(address: string, family: 4 | 6): Buffer | null {
  const { libc } = load();
  const [text = "", scope] = address.split("%", 2);
  const bytes = Buffer.alloc(family === 4 ? 16 : 28);
  bytes.writeUInt16LE(family === 4 ? AF_INET : AF_INET6, 0);
  const at = family === 4 ? 4 : 8;
  if (libc.inetPton(family === 4 ? AF_INET : AF_INET6, text, bytes.subarray(at)) !== 1) return null;
  if (scope === undefined) return bytes;
  const index = family === 4 ? 0 : /^\d{1,9}$/.test(scope) ? Number(scope) : libc.ifNametoindex(scope);
  if (index === 0) return null;
  bytes.writeUInt32LE(index, 24);
  return bytes;
}

/** True when two socket addresses of one family name the same address (ports and scopes aside). */
export function sameAddress(one: Buffer, other: Buffer): boolean {
  const from = one.length === 16 ? 4 : 8;
  const to = one.length === 16 ? 8 : 24;
  return one.compare(other, from, to, from, to) === 0;
}

/** Opens the socket of a family, or says in words what must be changed so that it can be opened. */
export function openEchoSocket(family: 4 | 6, onDatagram: OnDatagram): Opened {
  let libc: Libc;
  let koffi: Koffi;
  try {
    ({ koffi, libc } = load());
  } catch (error) {
    return { refusal: `koffi cannot be loaded (${error instanceof Error ? error.message.slice(0, 80) : "unknown reason"})` };
  }
  const domain = family === 4 ? AF_INET : AF_INET6;
  let raw = false;
  let fd = libc.socket(domain, SOCK_DGRAM | NONBLOCK_CLOEXEC, IPPROTO[family]);
  let error = fd < 0 ? errorName(koffi.errno()) : "";
  if (error === "EACCES" || error === "EPERM") {
    raw = true;
    fd = libc.socket(domain, SOCK_RAW | NONBLOCK_CLOEXEC, IPPROTO[family]);
    if (fd >= 0) acceptRepliesOnly(libc, fd, family);
    else error = errorName(koffi.errno());
  }
  if (fd < 0) return { refusal: refusalFor(error, family) };

  const size = Buffer.alloc(4);
  size.writeInt32LE(RECEIVE_BUFFER_BYTES);
  libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, size, 4); // best effort: a small buffer only loses replies in bursts
  const into = Buffer.alloc(DATAGRAM_BYTES_MAX);
  const from = Buffer.alloc(family === 4 ? 16 : 28);
  const fromLength = [from.length];
  const poll = koffi.node.poll(fd, { readable: true }, () => {
    for (let read = 0; read < READS_A_TURN && open; read += 1) {
      fromLength[0] = from.length;
      const length = Number(libc.recvfrom(fd, into, into.length, 0, from, fromLength));
      if (length < 0) return; // EAGAIN: drained; any other error concerns one datagram and was taken off by this call
      onDatagram(into.subarray(0, length), from);
    }
  });
  let open = true;
  poll.unref();
  const socket: EchoSocket = {
    raw,
    send: (message, to) => (Number(libc.sendto(fd, message, message.length, 0, to, to.length)) < 0 ? koffi.errno() : 0),
    hold: (awaited) => (awaited ? poll.ref() : poll.unref()),
    close() {
      if (!open) return;
      open = false;
      poll.close(); // stops watching the descriptor at once, so it may be closed here
      closeSync(fd);
    },
  };
  return { socket };
}

/** `ENOBUFS` for 105. */
export function errorName(errno: number): string {
  return getSystemErrorName(-errno);
}

function acceptRepliesOnly(libc: Libc, fd: number, family: 4 | 6): void {
  if (family === 4) {
    const filter = Buffer.alloc(4); // ICMP_FILTER of raw(7): a set bit drops that type; type 0 is the echo reply
    filter.writeUInt32LE(0xffff_fffe);
    libc.setsockopt(fd, 255, 1, filter, filter.length);
  } else {
    const filter = Buffer.alloc(32, 0xff); // ICMPV6_FILTER, RFC 3542 §3.2; on Linux a set bit drops
    const word = 4 * (129 >> 5);
    filter.writeUInt32LE((0xffff_ffff & ~(1 << (129 & 31))) >>> 0, word);
    libc.setsockopt(fd, IPPROTO[6], 1, filter, filter.length);
  }
}

function refusalFor(error: string, family: 4 | 6): string {
  if (error === "EACCES" || error === "EPERM") {
    return "not permitted to send ICMP: sysctl -w net.ipv4.ping_group_range='0 2147483647', or give the watcher CAP_NET_RAW";
  }
  if (error === "EAFNOSUPPORT" || error === "EPROTONOSUPPORT") return `this machine has no ICMP for IPv${family}`;
  return `no socket for ICMP: ${error}`;
}
