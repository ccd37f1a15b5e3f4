// Hours of the week in which a route holds: `08:00-18:00 mon-fri`. They are read off the wall clock of a time zone, as people
// mean them: at a change of daylight saving the hour that is skipped never is, and the one that comes twice counts twice. Which
// offset holds when is the machine's zone database, by way of Intl. Their grammar is the core's (core/hours.ts), which has windows.

import type { Day, Hours } from "../core/hours.ts";
import { DAYS } from "../core/hours.ts";

export { DAYS, HOURS_HINT, parseHours } from "../core/hours.ts";
export type { Day, Hours } from "../core/hours.ts";

/** A moment as the wall clock there shows it. */
export type WallTime = { readonly day: Day; readonly minute: number };

/** Whether one of them holds then. */
export function within(hours: readonly Hours[], { day, minute }: WallTime): boolean {
  const before = DAYS[(DAYS.indexOf(day) + 6) % 7] as Day;
  return hours.some(({ from, to, days }) => {
    if (from < to) return days.includes(day) && minute >= from && minute < to;
    return (days.includes(day) && minute >= from) || (days.includes(before) && minute < to);
  });
}

/** Whether the machine's zone database has it. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** Reads the clock of a zone; null: the machine's own. Made when it is first asked, since Intl is not small. */
export function wallClock(timeZone: string | null): (atMs: number) => WallTime {
  let format: Intl.DateTimeFormat | null = null;
  return (atMs) => {
    format ??= new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", weekday: "short", hourCycle: "h23", ...(timeZone === null ? {} : { timeZone }) });
    const parts = new Map(format.formatToParts(new Date(atMs)).map(({ type, value }) => [type, value]));
    return { day: (parts.get("weekday") ?? "Mon").toLowerCase() as Day, minute: Number(parts.get("hour")) * 60 + Number(parts.get("minute")) };
  };
}

/** How far the clock of a zone is ahead of UTC at a moment, in milliseconds; null: the machine's own zone. */
export function wallOffset(timeZone: string | null): (atMs: number) => number {
  const format = new Intl.DateTimeFormat("en-GB", { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric", hourCycle: "h23", ...(timeZone === null ? {} : { timeZone }) });
  return (atMs) => {
    const parts = new Map(format.formatToParts(new Date(atMs)).map(({ type, value }) => [type, Number(value)]));
    const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0;
    return Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second")) - Math.floor(atMs / 1_000) * 1_000;
  };
}
