// A watchdog of the kernel (Documentation/watchdog/watchdog-api.rst): opened, it resets this machine unless it is petted in time;
// closed after the letter V, it does not; closed in any other way, also by the death of whoever had it open, it goes on counting.
// Whoever opens it again in time goes on petting. The numbers are those of x86-64 and arm64 (include/uapi/linux/watchdog.h).

import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { basename } from "node:path";

const WDIOC_GETSUPPORT = 0x80285700;
const WDIOC_GETBOOTSTATUS = 0x80045702;
const WDIOC_KEEPALIVE = 0x80045705;
const WDIOC_SETTIMEOUT = 0xc0045706;
const WDIOC_GETTIMEOUT = 0x80045707;
const WDIOF_CARDRESET = 0x0020;
const WDIOF_SETTIMEOUT = 0x0080;
const WDIOF_MAGICCLOSE = 0x0100;
/** struct watchdog_info: options and firmware_version (32 bits each), identity (32 bytes). */
const INFO_BYTES = 40;

export type WatchdogInfo = { readonly identity: string; readonly setsTimeout: boolean; /** It can be closed without a reset. */ readonly magicClose: boolean };

/** What WDIOC_GETSUPPORT has filled in. */
export function readInfo(bytes: Buffer): WatchdogInfo {
  const options = bytes.readUInt32LE(0);
  const identity = bytes.toString("latin1", 8, INFO_BYTES);
  return { identity: identity.slice(0, Math.max(0, identity.indexOf("\0"))).replace(/[^\x20-\x7e]/g, ""), setsTimeout: (options & WDIOF_SETTIMEOUT) !== 0, magicClose: (options & WDIOF_MAGICCLOSE) !== 0 };
}

export type Watchdog = {
  readonly info: WatchdogInfo;
  /** What the device really waits. */
  readonly timeoutMs: number;
  /** It was this watchdog that reset the machine last. */
  readonly resetLast: boolean;
  /** Nothing closes it: the kernel was told so. */
  readonly nowayout: boolean;
  pet(): void;
  /** Tells it not to bite, and closes it; false: it cannot be told (nowayout), and must be petted for as long as this machine runs. */
  close(): boolean;
  /** Closes it as a death of this process would. */
  drop(): void;
};

export type OpenedWatchdog = { readonly ok: true; readonly watchdog: Watchdog } | { readonly ok: false; readonly because: string };

type Ioctl = (descriptor: number, request: number, argument: Buffer) => number;

function loadIoctl(): Ioctl {
  const koffi = createRequire(import.meta.url)("koffi") as { load(name: string): { func(declaration: string): Ioctl } };
  return koffi.load("libc.so.6").func("int ioctl(int, unsigned long, _Inout_ void *)");
}

const WHY: Readonly<Record<string, string>> = {
  EBUSY: "another process has it open (systemd, with RuntimeWatchdogSec?)", ENOENT: "there is no such device (is its module loaded?)", ENODEV: "there is no device behind it", EACCES: "this process may not open it", EPERM: "this process may not open it",
};

/** Opens it, which starts it, with this time-out or a shorter one. */
export function openWatchdog(path: string, timeoutMs: number, ioctl: Ioctl = loadIoctl()): OpenedWatchdog {
  let descriptor: number;
  try {
    // Never made where it is missing: that would be a file in /dev.
    descriptor = openSync(path, constants.O_WRONLY);
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    return { ok: false, because: `${path}: ${WHY[code] ?? message}` };
  }
  const number = (request: number, value = 0): number | null => {
    const argument = Buffer.alloc(4);
    argument.writeInt32LE(value);
    return ioctl(descriptor, request, argument) === 0 ? argument.readInt32LE(0) : null;
  };
  const bytes = Buffer.alloc(INFO_BYTES);
  if (ioctl(descriptor, WDIOC_GETSUPPORT, bytes) !== 0) {
    // What is no watchdog has not been started either.
    closeSync(descriptor);
    return { ok: false, because: `${path} is no watchdog` };
  }
  const info = readInfo(bytes);
  const nowayout = nowayoutOf(path);
  const close = (): boolean => {
    if (nowayout || !info.magicClose) return false;
    writeSync(descriptor, "V");
    closeSync(descriptor);
    return true;
  };
  number(WDIOC_KEEPALIVE);
  if (info.setsTimeout) number(WDIOC_SETTIMEOUT, Math.floor(timeoutMs / 1_000));
  const waitsMs = (number(WDIOC_GETTIMEOUT) ?? Infinity) * 1_000;
  if (waitsMs > timeoutMs) {
    const left = close();
    if (!left) closeSync(descriptor);
    return { ok: false, because: `${path} (${info.identity}) waits ${waitsMs / 1_000} s, longer than the ${timeoutMs / 1_000} s that are configured${left ? "" : ", and cannot be closed: it resets this host"}` };
  }
  return {
    ok: true,
    watchdog: {
      info, timeoutMs: waitsMs, nowayout, resetLast: ((number(WDIOC_GETBOOTSTATUS) ?? 0) & WDIOF_CARDRESET) !== 0,
      pet: () => void number(WDIOC_KEEPALIVE),
      close,
      drop: () => closeSync(descriptor),
    },
  };
}

/** /dev/watchdog is the first of /dev/watchdogN. */
function sysfsOf(path: string): string {
  const name = basename(path);
  return `/sys/class/watchdog/${name === "watchdog" ? "watchdog0" : name}`;
}

function nowayoutOf(path: string): boolean {
  try {
    return readFileSync(`${sysfsOf(path)}/nowayout`, "latin1").trim() === "1";
  } catch {
    return false;
  }
}

/** Whether it counts, without opening it: then somebody has it, or a process that had it open has died. */
export function isCounting(path: string): boolean {
  try {
    return readFileSync(`${sysfsOf(path)}/state`, "latin1").trim() === "active";
  } catch {
    return false;
  }
}
