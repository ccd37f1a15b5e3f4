// Stamps of other machines (ADR 8.9). A boot-time clock means something on its own machine only, so what somebody else wrote is
// translated into ours when it arrives: as old as it was when he wrote it. The time on the way is not known and not added, so
// ages come out too small, never too large, and whatever waits for time to pass waits a little longer.

import type { AnyRecord, Written } from "./records.ts";
import type { Now, Stamp } from "./time.ts";

/** `elapsedMs`: how long ago it was written at least; 0 for a change that has just come in. */
export function localised<Value extends AnyRecord>(value: Value, now: Now, elapsedMs: number): Value {
  const { written } = value;
  return written === undefined ? value : (walk(value, written, now, elapsedMs) as Value);
}

/** How long ago it was written as far as that can be told: only where both wall clocks were synchronised. */
export function elapsedSince(written: Written | undefined, now: Now, trustWall: boolean): number {
  if (written === undefined) return 0;
  if (written.at.bootId === now.bootId) return Math.max(0, now.bootMs - written.at.bootMs);
  return trustWall && now.synced && written.at.unsynced !== true ? Math.max(0, now.wallMs - written.at.wallMs) : 0;
}

/** What has no stamp in it is not copied: a start takes in hundreds of thousands of records. */
function walk(value: unknown, written: Written, now: Now, elapsedMs: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    const items = value as readonly unknown[];
    let copy: unknown[] | null = null;
    for (let at = 0; at < items.length; at += 1) {
      const walked = walk(items[at], written, now, elapsedMs);
      if (walked !== items[at]) (copy ??= [...items])[at] = walked;
    }
    return copy ?? value;
  }
  if (isStamp(value)) return translate(value, written.at, now, elapsedMs);
  let copy: Record<string, unknown> | null = null;
  for (const key of Object.keys(value)) {
    const was = (value as Record<string, unknown>)[key];
    if (key === "written" || typeof was !== "object" || was === null) continue;
    const walked = walk(was, written, now, elapsedMs);
    if (walked !== was) (copy ??= { ...value })[key] = walked;
  }
  return copy ?? value;
}

function isStamp(value: object): value is Stamp {
  return "bootMs" in value && "wallMs" in value && "bootId" in value;
}

function translate(at: Stamp, writtenAt: Stamp, now: Now, elapsedMs: number): Stamp {
  if (at.bootId === now.bootId) return at;
  const comparable = at.unsynced !== true && writtenAt.unsynced !== true;
  // Of an earlier boot of the writer's: by his wall clock, or as young as can be.
  const agedMs = at.bootId === writtenAt.bootId ? writtenAt.bootMs - at.bootMs : comparable ? Math.max(0, writtenAt.wallMs - at.wallMs) : 0;
  return { bootMs: now.bootMs - elapsedMs - agedMs, wallMs: at.wallMs, bootId: now.bootId, ...(at.unsynced === true ? { unsynced: true as const } : {}) };
}
