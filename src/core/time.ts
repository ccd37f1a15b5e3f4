// The core has no clock. Every step is told the time, twice: the boot-time clock (CLOCK_BOOTTIME: never jumps, counts
// suspension, starts again when the machine boots) and the wall clock (jumps). Decisions use the boot-time clock; the wall
// clock is for people and for what must survive a reboot of this machine (safety.md §3.8).
//
// A durable stamp or deadline carries both, and the identity of the boot it was written in. Within that boot only the
// boot-time clock is asked, so no jump of the wall clock can expire a brake. After a reboot of the machine only the wall
// clock is left: then nothing expires until the clock is known to be synchronised (docs/adr/0002).

export type Now = {
  /** CLOCK_BOOTTIME in milliseconds. */
  readonly bootMs: number;
  /** Unix time in milliseconds. */
  readonly wallMs: number;
  /** Identity of this boot of the machine (/proc/sys/kernel/random/boot_id). */
  readonly bootId: string;
  /** True when the kernel says that the wall clock is synchronised. */
  readonly synced: boolean;
};

/** When something happened, so that its age can be told later, also after a reboot. */
export type Stamp = {
  readonly bootMs: number;
  readonly wallMs: number;
  readonly bootId: string;
  /** The wall clock was not synchronised: after a reboot this stamp's age cannot be told by it. */
  readonly unsynced?: true;
};

/** When something ends, and how long it was meant to last. */
export type Deadline = { readonly at: Stamp; readonly lengthMs: number };

export function stamp(now: Now): Stamp {
  return { bootMs: now.bootMs, wallMs: now.wallMs, bootId: now.bootId, ...(now.synced ? {} : { unsynced: true as const }) };
}

/**
 * Age in milliseconds, never negative. A stamp of an earlier boot is at least as old as this boot of the machine, whatever the
 * wall clock says: so what waits for time to pass (an `on` that is owed, a debounce) never waits for a synchronised clock.
 */
export function ageMs(then: Stamp, now: Now): number {
  if (then.bootId === now.bootId) return Math.max(0, now.bootMs - then.bootMs);
  return Math.max(0, now.bootMs, comparable(then, now) ? now.wallMs - then.wallMs : 0);
}

/** Whether an entry of a budget still counts: while its age cannot be told, it does (safety.md §3.8). */
export function countsWithin(then: Stamp, withinMs: number, now: Now): boolean {
  if (withinMs <= 0) return false;
  return then.bootId === now.bootId || comparable(then, now) ? ageMs(then, now) < withinMs : true;
}

export function deadlineIn(lengthMs: number, now: Now): Deadline {
  return { at: { ...stamp(now), bootMs: now.bootMs + lengthMs, wallMs: now.wallMs + lengthMs }, lengthMs };
}

/** What is left of a deadline in milliseconds, between 0 and its length; the whole length when it cannot be told. */
export function leftMs(deadline: Deadline, now: Now): number {
  const { at, lengthMs } = deadline;
  if (at.bootId === now.bootId) return clamp(at.bootMs - now.bootMs, lengthMs);
  return comparable(at, now) ? clamp(at.wallMs - now.wallMs, lengthMs) : lengthMs;
}

/** A stamp of this boot as the wall clock would have written it, now that it is known to be right. */
export function corrected(then: Stamp, now: Now): Stamp {
  if (then.bootId !== now.bootId || !now.synced) return then;
  const wallMs = now.wallMs - (now.bootMs - then.bootMs);
  const right = then.unsynced !== true && Math.abs(then.wallMs - wallMs) < RIGHT_WITHIN_MS;
  return right ? then : { bootMs: then.bootMs, wallMs, bootId: then.bootId };
}

/** Slewing moves the wall clock by less than that between two looks; a record is not written again for it. */
const RIGHT_WITHIN_MS = 10_000;

/** Whether two wall clocks of different boots may be compared: both were synchronised. */
function comparable(then: Stamp, now: Now): boolean {
  return now.synced && then.unsynced !== true;
}

function clamp(valueMs: number, maxMs: number): number {
  return Math.min(Math.max(0, valueMs), maxMs);
}
