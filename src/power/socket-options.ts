// Two socket options that Node has no call for, and that decide what happens to a command which the network did not take
// (safety.md §4.3). Without them an `off` written into a cut cable stays in the kernel and is delivered when the cable heals,
// also after this process was killed: seconds or minutes later, to a host that is healthy again.
//
// SO_LINGER with zero seconds: closing the socket, by us or by the kernel when the process dies, throws away what has not
// been acknowledged and resets the connection. TCP_USER_TIMEOUT: what is not acknowledged in time closes the connection,
// so that even a watcher that hangs is bounded (socket(7), tcp(7), RFC 5482).

import type { Socket } from "node:net";

const SOL_SOCKET = 1;
const SO_LINGER = 13;
const IPPROTO_TCP = 6;
const TCP_USER_TIMEOUT = 18;

type Libc = {
  set(fd: number, level: number, option: number, value: Buffer): number;
  get(fd: number, level: number, option: number, value: Buffer): number;
};

let libc: Promise<Libc | Error> | undefined;

/** Makes sure that what this socket sends is delivered within `maxMs` or never. Returns why it could not, or null. */
export async function limitDelivery(socket: Socket, maxMs: number): Promise<string | null> {
  const calls = await (libc ??= loadLibc());
  const what = "a command may be delivered after its time (safety.md §4.3)";
  if (calls instanceof Error) return `no socket options: ${calls.message}; ${what}`;
  const fd = descriptorOf(socket);
  if (fd === null) return `no socket options: the socket has no descriptor; ${what}`;
  const timeout = Buffer.alloc(4);
  timeout.writeUInt32LE(Math.max(1, Math.floor(maxMs)));
  // struct linger { int l_onoff; int l_linger; }
  const linger = Buffer.alloc(8);
  linger.writeInt32LE(1, 0);
  if (calls.set(fd, SOL_SOCKET, SO_LINGER, linger) !== 0) return `SO_LINGER was refused; ${what}`;
  if (calls.set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, timeout) !== 0) return `TCP_USER_TIMEOUT was refused; ${what}`;
  return null;
}

/** What the kernel holds for a socket; null where it cannot be asked. */
export async function deliveryLimits(socket: Socket): Promise<{ lingerOn: boolean; lingerSeconds: number; userTimeoutMs: number } | null> {
  const calls = await (libc ??= loadLibc());
  const fd = descriptorOf(socket);
  if (calls instanceof Error || fd === null) return null;
  const linger = Buffer.alloc(8);
  const timeout = Buffer.alloc(4);
  if (calls.get(fd, SOL_SOCKET, SO_LINGER, linger) !== 0 || calls.get(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, timeout) !== 0) return null;
  return { lingerOn: linger.readInt32LE(0) !== 0, lingerSeconds: linger.readInt32LE(4), userTimeoutMs: timeout.readUInt32LE() };
}

// koffi ships a compiled part; a machine that it does not fit still gets its power switched, with the warning above.
async function loadLibc(): Promise<Libc | Error> {
  try {
    const { default: koffi } = await import("koffi");
    const library = koffi.load("libc.so.6");
    const setsockopt = library.func("int setsockopt(int, int, int, const void *, uint32_t)");
    const getsockopt = library.func("int getsockopt(int, int, int, _Out_ void *, _Inout_ uint32_t *)");
    return {
      set: (fd, level, option, value) => setsockopt(fd, level, option, value, value.length) as number,
      get: (fd, level, option, value) => getsockopt(fd, level, option, value, [value.length]) as number,
    };
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function descriptorOf(socket: Socket): number | null {
  // Not in Node's documentation, and there is no other way to the descriptor of a connected socket.
  const handle = (socket as unknown as { _handle?: { fd?: number } | null })._handle;
  return typeof handle?.fd === "number" && handle.fd >= 0 ? handle.fd : null;
}
