// Hours of the week in which a route holds: `08:00-18:00 mon-fri`. They are read off the wall clock of a time zone, as people
// mean them: at a change of daylight saving the hour that is skipped never is, and the one that comes twice counts twice. Which
// offset holds when is the machine's zone database, by way of Intl.
//
// A span over midnight belongs to the day on which it begins: `22:00-06:00 fri` ends on Saturday morning.

export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
export type Day = (typeof DAYS)[number];

export type Hours = {
  /** Minutes of the day; `to` may be 1,440, and may be before `from`. */
  readonly from: number;
  readonly to: number;
  readonly days: readonly Day[];
};

const DAY_MINUTES = 1_440;
const SPAN = /^([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})(?: +(\S+))?$/;
export const HOURS_HINT = "write 08:00-18:00 mon-fri, 22:00-06:00, or 00:00-24:00 sat,sun";

/** Strict: null for anything that is not exactly this. */
export function parseHours(text: string): Hours | null {
  const [, h1, m1, h2, m2, days] = SPAN.exec(text.trim()) ?? [];
  if (h1 === undefined || m1 === undefined || h2 === undefined || m2 === undefined) return null;
  const [from, to] = [minutes(h1, m1), minutes(h2, m2)];
  if (from === null || to === null || from === to || from === DAY_MINUTES) return null;
  const on = days === undefined ? DAYS : parseDays(days);
  return on === null ? null : { from, to, days: on };
}

function minutes(hours: string, rest: string): number | null {
  const value = Number(hours) * 60 + Number(rest);
  return Number(rest) < 60 && value <= DAY_MINUTES ? value : null;
}

function parseDays(text: string): readonly Day[] | null {
  const found = new Set<Day>();
  for (const part of text.toLowerCase().split(",")) {
    const [first = "", last = first, more] = part.split("-");
    const [a, b] = [DAYS.findIndex((day) => day === first), DAYS.findIndex((day) => day === last)];
    if (a < 0 || b < 0 || more !== undefined) return null;
    // `sat-mon` goes over the end of the week.
    for (let day = a; ; day = (day + 1) % 7) {
      found.add(DAYS[day] as Day);
      if (day === b) break;
    }
  }
  return DAYS.filter((day) => found.has(day));
}

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
