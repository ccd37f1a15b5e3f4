// The boot-time clock: CLOCK_BOOTTIME, which never jumps, counts suspension and starts again when the machine boots
// (clock_gettime(2)). Every decision and every deadline of this watcher is measured on it (safety.md §3.8); Node has no
// call for it, so libc is asked through koffi: a quarter of a microsecond.
//
// Where koffi cannot be loaded the monotonic clock stands in, moved by what /proc/uptime says it lacks. It then misses
// suspensions from this moment on, and the wall clock counts as not synchronised, so that nothing durable expires by it.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** Time as the round runner and the scheduler are given it, so that a test can give them another. */
export type Clock = {
  /** Boot-time clock in milliseconds; may have a fraction. */
  nowMs(): number;
  /** Calls `fn` once, at `atMs` or as soon after it as the loop allows; the result takes it back. */
  at(atMs: number, fn: () => void): () => void;
};

type Libc = {
  clockGettime(clock: number, into: Int32Array): number;
  adjtimex(into: Buffer): number;
};

const CLOCK_BOOTTIME = 7;
const TIME_ERROR = 5; // adjtimex(2): the clock is not synchronised
const STA_UNSYNC = 0x0040;
// struct timex of a 64-bit Linux: modes (4 bytes), padding, four longs, then `int status`; 208 bytes in all.
const TIMEX_BYTES = 208;
const TIMEX_MAXERROR_AT = 24; // microseconds
const TIMEX_STATUS_AT = 40;

const libc = loadLibc();
const timespec = new Int32Array(4); // two 64-bit little-endian words: seconds, nanoseconds
const standIn = libc === null ? monotonicStandIn() : null;
let boot: string | undefined;

/** CLOCK_BOOTTIME in milliseconds with its fraction, for latencies. */
export function bootNowFine(): number {
  if (libc === null) return standIn?.() ?? 0;
  libc.clockGettime(CLOCK_BOOTTIME, timespec);
  const [low = 0, high = 0, nanoseconds = 0] = timespec;
  return (high * 0x1_0000_0000 + (low >>> 0)) * 1_000 + nanoseconds / 1e6;
}

/** CLOCK_BOOTTIME in whole milliseconds, rounded down. */
export function bootNow(): number {
  return Math.floor(bootNowFine());
}

/** Milliseconds since this machine booted. */
export function uptimeMs(): number {
  return bootNow();
}

/** Identity of this boot of the machine (random(4), boot_id); the same in all its containers. */
export function bootId(): string {
  boot ??= readFileSync("/proc/sys/kernel/random/boot_id", "latin1").slice(0, 64).trim();
  return boot;
}

/** What the kernel says of the wall clock. */
export type ClockState = { readonly synced: boolean; /** It is not further from the truth than this, says whoever disciplines it. */ readonly maxErrorMs: number };

/** Null where the kernel may not be asked. */
export function clockState(): ClockState | null {
  if (libc === null) return null;
  const timex = Buffer.alloc(TIMEX_BYTES); // modes 0: read only, needs no privilege
  const state = libc.adjtimex(timex);
  if (state < 0) return null;
  return { synced: state !== TIME_ERROR && (timex.readInt32LE(TIMEX_STATUS_AT) & STA_UNSYNC) === 0, maxErrorMs: Number(timex.readBigInt64LE(TIMEX_MAXERROR_AT)) / 1_000 };
}

/** True when the kernel says that the wall clock is synchronised; false also where it may not be asked. */
export function clockSynced(): boolean {
  return clockState()?.synced === true;
}

/**
 * Moments this near to each other are one: a fleet of thousands has something due every millisecond, and each turn of the
 * loop costs more than what is done in it. Nothing is ever early, and nothing measured here is finer.
 */
const GRAIN_MS = 10;
type Moment = { readonly due: (() => void)[]; waiting: number; timer: NodeJS.Timeout | undefined };
const moments = new Map<number, Moment>();

/** The real clock with Node's timers behind it; an `at` beyond a day is looked at again daily. */
export const bootClock: Clock = {
  nowMs: bootNowFine,
  at(atMs, fn) {
    const grain = Math.ceil(atMs / GRAIN_MS);
    let moment = moments.get(grain);
    if (moment === undefined) {
      moment = { due: [], waiting: 0, timer: undefined };
      moments.set(grain, moment);
      wait(grain, moment);
    }
    const { due } = moment;
    const place = due.push(fn) - 1;
    moment.waiting += 1;
    return () => {
      if (due[place] === fn) forget(grain, moment, place);
    };
  },
};

function wait(grain: number, moment: Moment): void {
  const waitMs = Math.min(Math.max(0, Math.ceil(grain * GRAIN_MS - bootNowFine())), 86_400_000);
  moment.timer = setTimeout(arrive, waitMs, grain, moment);
}

/** A timer of Node counts CLOCK_MONOTONIC and rounds: never early by the boot-time clock, and soon after a suspension. */
function arrive(grain: number, moment: Moment): void {
  if (grain * GRAIN_MS > bootNowFine()) return wait(grain, moment);
  // What asks for this moment from here on is given one of its own.
  moments.delete(grain);
  for (let place = 0; place < moment.due.length; place += 1) {
    const fn = moment.due[place];
    moment.due[place] = nothing;
    fn?.();
  }
}

/** Taken back; a moment for which nobody waits any more is none. */
function forget(grain: number, moment: Moment, place: number): void {
  moment.due[place] = nothing;
  moment.waiting -= 1;
  if (moment.waiting > 0 || moments.get(grain) !== moment) return;
  clearTimeout(moment.timer);
  moments.delete(grain);
}

function nothing(): void {
  // Taken back, or done.
}

/** How long this process could not run. */
export type Stalls = {
  lostMs(sinceMs: number): number;
  /** In all, since the watching began. */
  totalMs(): number;
  close(): void;
};

const BEAT_MS = 50;
/** A beat later than this is a stall; a busy loop's ordinary lateness is not. */
const STALL_MS = 25;
const STALLS_KEPT = 256;

/** Notices when this process could not run (stopped, swapped out, suspended, a long computation): a timer that comes late. */
export function watchStalls(clock: Clock): Stalls {
  const stalls: { readonly fromMs: number; readonly toMs: number }[] = [];
  let totalMs = 0;
  let dueMs = clock.nowMs() + BEAT_MS;
  let takeBack = clock.at(dueMs, beat);

  function beat(): void {
    const now = clock.nowMs();
    if (now - dueMs > STALL_MS) {
      totalMs += now - dueMs;
      stalls.push({ fromMs: dueMs, toMs: now });
      if (stalls.length > STALLS_KEPT) stalls.shift();
    }
    dueMs = now + BEAT_MS;
    takeBack = clock.at(dueMs, beat);
  }

  return {
    lostMs(sinceMs) {
      const now = clock.nowMs();
      // The beat that is due may stand behind the caller in the same turn of the loop.
      const current = now - dueMs > STALL_MS ? now - Math.max(dueMs, sinceMs) : 0;
      return stalls.reduce((sum, { fromMs, toMs }) => sum + Math.max(0, toMs - Math.max(fromMs, sinceMs)), Math.max(0, current));
    },
    totalMs: () => totalMs,
    close: () => takeBack(),
  };
}

function loadLibc(): Libc | null {
  try {
    const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
    const library = koffi.load("libc.so.6");
    const found: Libc = {
      clockGettime: library.func("int clock_gettime(int, void *)"),
      adjtimex: library.func("int adjtimex(void *)"),
    };
    return found.clockGettime(CLOCK_BOOTTIME, new Int32Array(4)) === 0 ? found : null;
  } catch {
    return null;
  }
}

/** What is used without koffi: the same origin as CLOCK_BOOTTIME, to the hundredth of a second that /proc/uptime gives. */
export function monotonicStandIn(): () => number {
  const [seconds = ""] = readFileSync("/proc/uptime", "latin1").split(" ");
  const lacksMs = Number.parseFloat(seconds) * 1_000 - performance.now();
  return () => lacksMs + performance.now();
}
