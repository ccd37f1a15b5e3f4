// A window in which something may be begun: hours of the week on the wall clock of a time zone. The core has no zone database; which
// offset holds from when comes with the policy, so that a decision can be replayed on any machine. What is left of a window is
// true time: at a change of daylight saving it is an hour more or less than the clock on the wall says.

import type { Hours } from "./hours.ts";
import { DAYS, parseHours } from "./hours.ts";

/** `fromMs`: Unix time from which the offset holds; in order. Before the first one, and without any: that one, and UTC. */
export type Offsets = readonly { readonly fromMs: number; readonly offsetMs: number }[];

const MINUTE_MS = 60_000;
const DAY_MINUTES = 1_440;
/** Of a list of spans; a window that is always open needs no end. */
const WEEK_MINUTES = 7 * DAY_MINUTES;

/** Spans joined by `;`, each `02:00-05:00 sat` or `sat 02:00-05:00`. Null: it is not that. */
export function parseWindow(text: string): readonly Hours[] | null {
  const spans = text.split(";").map((part) => {
    const words = part.trim().split(/ +/);
    return parseHours(words.length === 2 && /^[a-z]/i.test(words[0] ?? "") ? `${words[1]} ${words[0]}` : words.join(" "));
  });
  return spans.every((span) => span !== null) ? spans : null;
}

export function offsetAt(offsets: Offsets, wallMs: number): number {
  return (offsets.findLast(({ fromMs }) => fromMs <= wallMs) ?? offsets[0])?.offsetMs ?? 0;
}

/** `leftMs`: until it closes. `opening`: the same number all through one opening, and another one in the next. */
export type Opening = { readonly leftMs: number; readonly opening: number };

/** The opening in which this moment lies, or null: it is closed. */
export function openingAt(window: readonly Hours[], offsets: Offsets, wallMs: number): Opening | null {
  const local = Math.floor((wallMs + offsetAt(offsets, wallMs)) / MINUTE_MS);
  const here = spansAround(window, local).filter(({ from, to }) => from <= local && local < to);
  const first = here[0];
  if (first === undefined) return null;
  let { from, to } = first;
  // Spans that meet are one.
  const around = spansAround(window, local);
  for (let grown = true; grown && to - from < WEEK_MINUTES; ) {
    grown = false;
    for (const span of around) {
      if (span.from > to || span.to < from || (span.from >= from && span.to <= to)) continue;
      [from, to, grown] = [Math.min(from, span.from), Math.max(to, span.to), true];
    }
  }
  return { leftMs: Math.max(0, trueTime(to, offsets, wallMs) - wallMs), opening: from };
}

/** How long until it opens; null: never. */
export function opensInMs(window: readonly Hours[], offsets: Offsets, wallMs: number): number | null {
  const local = Math.floor((wallMs + offsetAt(offsets, wallMs)) / MINUTE_MS);
  const next = spansAround(window, local).map(({ from }) => from).filter((from) => from > local);
  return next.length === 0 ? null : Math.max(0, trueTime(Math.min(...next), offsets, wallMs) - wallMs);
}

/** In minutes of local time since 1970: those of the day before, and of the next eight. */
function spansAround(window: readonly Hours[], local: number): readonly { readonly from: number; readonly to: number }[] {
  const today = Math.floor(local / DAY_MINUTES);
  const spans: { from: number; to: number }[] = [];
  for (let day = today - 1; day <= today + 8; day += 1) {
    // 1970 began on a Thursday.
    const name = DAYS[(((day + 3) % 7) + 7) % 7];
    for (const { from, to, days } of window) {
      if (name === undefined || !days.includes(name)) continue;
      spans.push({ from: day * DAY_MINUTES + from, to: (to > from ? day : day + 1) * DAY_MINUTES + to });
    }
  }
  return spans;
}

/** Of a local minute that comes twice the first; one that is skipped is the moment of the change. */
function trueTime(local: number, offsets: Offsets, nearMs: number): number {
  const all = [offsetAt(offsets, nearMs), ...offsets.map(({ offsetMs }) => offsetMs)];
  const moments = all.map((offsetMs) => ({ offsetMs, atMs: local * MINUTE_MS - offsetMs })).filter(({ offsetMs, atMs }) => offsetAt(offsets, atMs) === offsetMs);
  if (moments.length > 0) return Math.min(...moments.map(({ atMs }) => atMs));
  const [first, last] = [local * MINUTE_MS - Math.max(...all), local * MINUTE_MS - Math.min(...all)];
  return offsets.find(({ fromMs }) => fromMs >= first && fromMs <= last)?.fromMs ?? first;
}
