// Durations as people say them (500 ms, 25 s, 5 min, 2 h 30 min, 3 d), and where they read on.

/** Every kind of alarm is a section of it: what it means, and what to do at night. */
export const ALARM_MANUAL = "docs/reference/alarms.md";

export function inWords(durationMs: number): string {
  if (durationMs < 1_000) return `${Math.round(durationMs)} ms`;
  const seconds = Math.round(durationMs / 1_000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d`;
}

/** `rolling reboot: 3 of 12 done, web04 now`. */
export function rollingInWords({ plan, done, now, waiting, stopBy }: { readonly plan: readonly string[]; readonly done: readonly unknown[]; readonly now: { readonly host: string; readonly phase: string } | null; readonly waiting: { readonly host: string; readonly because: string } | null; readonly stopBy: string | null }): string {
  const next = now !== null ? `${now.host} now (${now.phase})` : waiting !== null ? `${waiting.host} has to wait: ${waiting.because}` : "the next one is looked at";
  return `Rolling reboot: ${done.length} of ${plan.length} done, ${next}${stopBy === null ? "" : `; ends after it, as ${stopBy} asked`}.`;
}

const YEAR_MS = 365.25 * 86_400_000;

/**
 * What planned absences come to if they go on like that: eleven reboots a year of three minutes are 33 min, 99.993 %. Null: none
 * were planned, or nothing was watched.
 */
export function plannedPaceInWords({ wholeMs, unknownMs, plannedMs }: { readonly wholeMs: number; readonly unknownMs: number; readonly plannedMs: number }): string | null {
  const watchedMs = wholeMs - unknownMs;
  if (plannedMs === 0 || watchedMs === 0) return null;
  const share = plannedMs / watchedMs;
  return `at this pace ${inWords(share * YEAR_MS)} a year, ${availabilityInWords(1 - share)} by itself`;
}

/**
 * An availability as people say it, 99.92 %: two decimals, and as many more as there are nines. Cut off and not rounded, so that
 * whoever was away is never said to have been there all the time.
 */
export function availabilityInWords(availability: number | null): string {
  if (availability === null) return "–";
  if (availability >= 1) return "100 %";
  // A third of a second in a year is the least that can be lost here.
  const nines = Math.min(9, -Math.log10(1 - availability));
  const decimals = Math.max(2, Math.ceil(nines - 1e-9) - 2);
  return `${(Math.floor(availability * 100 * 10 ** decimals + 1e-6) / 10 ** decimals).toFixed(decimals)} %`;
}

/** `14:02`, of Unix time in milliseconds, UTC. */
export function clockOf(wallMs: number): string {
  const minutes = Math.floor(wallMs / 60_000);
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${two(Math.floor(minutes / 60) % 24)}:${two(minutes % 60)}`;
}
