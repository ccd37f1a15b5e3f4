// sd_notify(3): datagrams to $NOTIFY_SOCKET. Node has no unix datagram socket, so three calls of libc through koffi; loaded
// only where a service manager listens. A failure to notify is not a reason to stop watching.

import { createRequire } from "node:module";

export type Notify = (message: string) => void;

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;

export function serviceNotify(path: string | undefined): Notify {
  if (path === undefined || path === "" || Buffer.byteLength(path) > 107) return () => {};
  try {
    const koffi = createRequire(import.meta.url)("koffi") as { load(name: string): { func(declaration: string): (...args: unknown[]) => number } };
    const libc = koffi.load("libc.so.6");
    const socket = libc.func("int socket(int, int, int)");
    const sendto = libc.func("long sendto(int, const void *, size_t, int, const void *, uint32_t)");
    const descriptor = socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
    if (descriptor < 0) return () => {};
    const address = Buffer.alloc(2 + Buffer.byteLength(path) + (path.startsWith("@") ? 0 : 1));
    address.writeUInt16LE(AF_UNIX, 0);
    address.write(path.startsWith("@") ? `\0${path.slice(1)}` : path, 2);
    return (message) => {
      const bytes = Buffer.from(message);
      sendto(descriptor, bytes, bytes.length, 0, address, address.length);
    };
  } catch {
    return () => {};
  }
}
