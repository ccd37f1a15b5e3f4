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
export type Stamp = { readonly bootMs: number; readonly wallMs: number; readonly bootId: string };

/** When something ends, and how long it was meant to last. */
export type Deadline = { readonly at: Stamp; readonly lengthMs: number };

export function stamp(now: Now): Stamp {
  return { bootMs: now.bootMs, wallMs: now.wallMs, bootId: now.bootId };
}

/** Age in milliseconds, never negative; 0 (just now) when it cannot be told, so that a budget entry of unknown age counts. */
export function ageMs(then: Stamp, now: Now): number {
  if (then.bootId === now.bootId) return Math.max(0, now.bootMs - then.bootMs);
  return now.synced ? Math.max(0, now.wallMs - then.wallMs) : 0;
}

export function deadlineIn(lengthMs: number, now: Now): Deadline {
  return { at: { bootMs: now.bootMs + lengthMs, wallMs: now.wallMs + lengthMs, bootId: now.bootId }, lengthMs };
}

/** What is left of a deadline in milliseconds, between 0 and its length; the whole length when it cannot be told. */
export function leftMs(deadline: Deadline, now: Now): number {
  const { at, lengthMs } = deadline;
  if (at.bootId === now.bootId) return clamp(at.bootMs - now.bootMs, lengthMs);
  return now.synced ? clamp(at.wallMs - now.wallMs, lengthMs) : lengthMs;
}

/** A stamp of this boot moved with the wall clock, after that has jumped by `jumpMs` against the boot-time clock. */
export function shifted(then: Stamp, jumpMs: number, now: Now): Stamp {
  return then.bootId === now.bootId ? { ...then, wallMs: then.wallMs + jumpMs } : then;
}

function clamp(valueMs: number, maxMs: number): number {
  return Math.min(Math.max(0, valueMs), maxMs);
}
