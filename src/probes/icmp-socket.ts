// The one place that makes system calls for ICMP: a socket of one family that sends echo requests and hears replies.
//
// First the unprivileged ping socket (SOCK_DGRAM with IPPROTO_ICMP, icmp(7)): the kernel gives it an identifier and only
// its own replies. Where net.ipv4.ping_group_range does not let this process have one (the default lets nobody, root
// included) a raw socket, which needs CAP_NET_RAW; it hears everybody's replies, so a kernel filter drops all other
// messages. Both are driven alike through koffi: sendmmsg and recvmmsg on a non-blocking descriptor, and libuv's poll. That
// is shorter than dgram (which refuses raw descriptors) plus a second path, gives the error of each send, and close
// is synchronous. Nothing is forked, no thread waits. What is sent in one turn goes out in one call at its end: rounds come
// in bunches (process/boot-clock.ts), and a system call costs more than all that is said here about a message.
//
// koffi is loaded when the first socket is opened, so a watcher without a ping probe never loads it for this.

import { closeSync } from "node:fs";
import { createRequire } from "node:module";
import { getSystemErrorName } from "node:util";

export type EchoSocket = {
  readonly raw: boolean;
  /** Sends one message at the end of this turn; the sender is told when that could not be done. */
  send(message: Buffer, to: Buffer, sender: Sender): void;
  /** Keeps the process alive while replies are awaited; nothing else of the socket does. */
  hold(awaited: boolean): void;
  close(): void;
};

export type Sender = { failed(errno: number): void };

export type Opened = { readonly socket: EchoSocket } | { readonly refusal: string };

/** Told of every datagram: an ICMP message, with its IPv4 header if the socket is raw, and the sender's socket address. Both are views that the next datagram overwrites. */
export type OnDatagram = (datagram: Buffer, from: Buffer) => void;

type Libc = {
  socket(family: number, type: number, protocol: number): number;
  setsockopt(fd: number, level: number, option: number, value: Buffer, length: number): number;
  sendmmsg(fd: number, messages: number, count: number, flags: number): number;
  recvmmsg(fd: number, messages: number, count: number, flags: number, timeout: null): number;
  memset(at: Buffer, value: number, length: number): number | bigint;
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
const REQUEST_BYTES_MAX = 64;
/** Messages that one system call takes. */
const BATCH = 64;
/** Calls in one turn of the loop, so that a flood cannot hold it. */
const READS_A_TURN = 4;

type Koffi = typeof import("koffi");
let loaded: { koffi: Koffi; libc: Libc } | undefined;

function load(): { koffi: Koffi; libc: Libc } {
  if (loaded === undefined) {
    const koffi = createRequire(import.meta.url)("koffi") as Koffi;
    const library = koffi.load("libc.so.6");
    const libc: Libc = {
      socket: library.func("int socket(int, int, int)"),
      setsockopt: library.func("int setsockopt(int, int, int, void *, uint32_t)"),
      sendmmsg: library.func("int sendmmsg(int, uint64_t, uint32_t, int)"),
      recvmmsg: library.func("int recvmmsg(int, uint64_t, uint32_t, int, void *)"),
      memset: library.func("uint64_t memset(void *, int, size_t)"),
      inetPton: library.func("int inet_pton(int, str, void *)"),
      ifNametoindex: library.func("uint32_t if_nametoindex(str)"),
    };
    loaded = { koffi, libc };
  }
  return loaded;
}

const known = new Map<string, Buffer>();
const KNOWN_MAX = 65_536;

/** A sockaddr_in or sockaddr_in6 with port 0 (ip(7), ipv6(7)), not to be written to; null when the text is no numeric address of that family. */
export function socketAddress(address: string, family: 4 | 6): Buffer | null {
  const key = family === 4 ? address : `6 ${address}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  const made = makeSocketAddress(address, family);
  // A scope is the index of an interface, which may be another's tomorrow.
  if (made === null || address.includes("%")) return made;
  if (known.size >= KNOWN_MAX) known.clear();
  known.set(key, made);
  return made;
}

function makeSocketAddress(address: string, family: 4 | 6): Buffer | null {
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
  const addressBytes = family === 4 ? 16 : 28;
  const incoming = messages(libc, addressBytes, DATAGRAM_BYTES_MAX);
  const outgoing = messages(libc, addressBytes, REQUEST_BYTES_MAX);
  let open = true;
  const poll = koffi.node.poll(fd, { readable: true }, () => {
    for (let read = 0; read < READS_A_TURN && open; read += 1) {
      for (let at = 0; at < BATCH; at += 1) incoming.restore(at);
      // Less than was asked for: drained; an error concerns one datagram and was taken off by this call.
      const heard = libc.recvmmsg(fd, incoming.address, BATCH, 0, null);
      for (let at = 0; at < heard && open; at += 1) onDatagram(incoming.bytes[at]?.subarray(0, incoming.lengthOf(at)) as Buffer, incoming.peers[at] as Buffer);
      if (heard < BATCH) return;
    }
  });
  poll.unref();

  let waiting: { readonly message: Buffer; readonly to: Buffer; readonly sender: Sender }[] = [];
  function flush(): void {
    const all = waiting;
    waiting = [];
    for (let from = 0; from < all.length && open; ) {
      const some = all.slice(from, from + BATCH);
      some.forEach(({ message, to }, at) => outgoing.put(at, message, to));
      const sent = libc.sendmmsg(fd, outgoing.address, some.length, 0);
      // An error is that of the first message only (sendmmsg(2)); behind it the others have their turn.
      if (sent <= 0) some[0]?.sender.failed(koffi.errno());
      from += Math.max(sent, 1);
    }
  }
  const socket: EchoSocket = {
    raw,
    send(message, to, sender) {
      if (waiting.length === 0) queueMicrotask(flush);
      waiting.push({ message, to, sender });
    },
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

type Messages = {
  /** Of the first `struct mmsghdr`. */
  readonly address: number;
  readonly bytes: readonly Buffer[];
  readonly peers: readonly Buffer[];
  lengthOf(at: number): number;
  /** Makes room for a message again: the kernel overwrites the lengths that it was told. */
  restore(at: number): void;
  put(at: number, message: Buffer, to: Buffer): void;
};

// struct mmsghdr of a 64-bit Linux (recvmmsg(2)): a msghdr of 56 bytes (name, its length, vector, its length, control, its
// length, flags), the length of what came, padding; struct iovec: base and length.
const HEADER_BYTES = 64;
const VECTOR_BYTES = 16;

/**
 * An array of `struct mmsghdr` with all that it points to, in one piece of memory that lives as long as these functions do:
 * the kernel is given addresses, which nothing else would keep from the collector.
 */
function messages(libc: Libc, addressBytes: number, bytesMax: number): Messages {
  const at = { vectors: BATCH * HEADER_BYTES, peers: BATCH * (HEADER_BYTES + VECTOR_BYTES), bytes: BATCH * (HEADER_BYTES + VECTOR_BYTES + 32) };
  const memory = Buffer.from(new ArrayBuffer(at.bytes + BATCH * bytesMax));
  const address = Number(libc.memset(memory, 0, 0));
  const indices = Array.from({ length: BATCH }, (_, index) => index);
  const bytes = indices.map((index) => memory.subarray(at.bytes + index * bytesMax, at.bytes + (index + 1) * bytesMax));
  const peers = indices.map((index) => memory.subarray(at.peers + index * 32, at.peers + index * 32 + addressBytes));
  for (const index of indices) {
    const header = index * HEADER_BYTES;
    const vector = at.vectors + index * VECTOR_BYTES;
    memory.writeBigUInt64LE(BigInt(address + at.peers + index * 32), header);
    memory.writeUInt32LE(addressBytes, header + 8);
    memory.writeBigUInt64LE(BigInt(address + vector), header + 16);
    memory.writeBigUInt64LE(1n, header + 24);
    memory.writeBigUInt64LE(BigInt(address + at.bytes + index * bytesMax), vector);
    memory.writeBigUInt64LE(BigInt(bytesMax), vector + 8);
  }
  return {
    address, bytes, peers,
    lengthOf: (index) => memory.readUInt32LE(index * HEADER_BYTES + 56),
    restore: (index) => void memory.writeUInt32LE(addressBytes, index * HEADER_BYTES + 8),
    put(index, message, to) {
      (bytes[index] as Buffer).set(message);
      (peers[index] as Buffer).set(to);
      memory.writeUInt32LE(message.length, at.vectors + index * VECTOR_BYTES + 8);
    },
  };
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
