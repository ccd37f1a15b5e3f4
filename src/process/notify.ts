// sd_notify(3): datagrams to $NOTIFY_SOCKET. Node has no unix datagram socket, so three calls of libc through koffi; loaded
// only where a service manager listens. A failure to notify is not a reason to stop watching.
//
// The watchdog is petted for the decision loop, not for this process: what is told is that the loop has turned since the last
// time, so one that stands still while timers go on is noticed all the same (packaging/systemd/upkeep-watch.service).

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

/** Petted at least twice in what the service manager waits, every five seconds where it waits long or not at all. */
const PET_EVERY_MS = 5_000;

/** How often to tell that the loop turns: a quarter of $WATCHDOG_USEC, so that one late timer is no death (sd_watchdog_enabled(3)). */
export function petEveryMs(environment: Readonly<Record<string, string | undefined>>, pid: number): number {
  const { WATCHDOG_USEC: usec = "", WATCHDOG_PID: whose = String(pid) } = environment;
  const waitsMs = /^[0-9]{1,15}$/.test(usec) && whose === String(pid) ? Number(usec) / 1_000 : Infinity;
  return Math.max(1, Math.min(PET_EVERY_MS, Math.floor(waitsMs / 4)));
}

/** What the service manager is told of, looked at anew every time. */
export type Turning = {
  /** When the decision loop turned last. */
  readonly turnedMs: number;
  /** SIGTERM has been taken, and what is past off is being carried to on. */
  readonly stopping: boolean;
};

/** To be called every `petEveryMs`: pets the watchdog if the loop has turned since the last call, and asks for time while an operation is carried to its end. */
export function watchdogPetter(notify: Notify, look: () => Turning): () => void {
  let last = look().turnedMs;
  return () => {
    const { turnedMs, stopping } = look();
    if (turnedMs === last) return;
    last = turnedMs;
    notify("WATCHDOG=1");
    if (stopping) notify("EXTEND_TIMEOUT_USEC=30000000");
  };
}

/** A reload began now, by the clock that the service manager compares it with (sd_notify(3), "RELOADING=1"); `READY=1` ends it. */
export function reloadingMessage(): string {
  return `RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`;
}
