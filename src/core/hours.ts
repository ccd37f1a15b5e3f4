// Hours of the week as people write them: `08:00-18:00 mon-fri`. A span over midnight belongs to the day on which it begins:
// `22:00-06:00 fri` ends on Saturday morning.

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
