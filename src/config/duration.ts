// Durations as people write them: `500ms`, `5s`, `2m`, `1h30m`, `1d`. Strict, because a misread duration is a host cut too
// soon: no bare numbers, no spaces, no fractions, units from large to small and each at most once. In milliseconds inside.

const UNITS = [["d", 86_400_000], ["h", 3_600_000], ["m", 60_000], ["s", 1_000], ["ms", 1]] as const;

/** Ten years: longer than anything that is meant, short enough that sums stay exact. */
const DURATION_MAX_MS = 3_650 * 86_400_000;

/** A parse of one value: what it is, or what is wrong and what would be right. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string; readonly hint: string };

const EXAMPLES = "write 500ms, 5s, 2m, 1h30m or 1d";

export const DURATION_PATTERN = "^(?!$)([0-9]+d)?([0-9]+h)?([0-9]+m(?!s))?([0-9]+s)?([0-9]+ms)?$";
const WHOLE = new RegExp(DURATION_PATTERN);

/** Milliseconds of a duration; `0s` is legal. */
export function parseDuration(text: string): Parsed<number> {
  if (!WHOLE.test(text) || text.length > 64) return { ok: false, message: `${JSON.stringify(text)} is not a duration`, hint: hintFor(text) };
  let ms = 0;
  for (const [, digits, unit] of text.matchAll(/([0-9]+)(ms|[dhms])/g)) ms += Number(digits) * (UNITS.find(([name]) => name === unit)?.[1] ?? NaN);
  if (!(ms <= DURATION_MAX_MS)) return { ok: false, message: `${JSON.stringify(text)} is longer than ten years`, hint: "the longest duration is 3650d" };
  return { ok: true, value: ms };
}

/** The shortest way to write a duration exactly; `parseDuration` reads it back. */
export function formatDuration(ms: number): string {
  let rest = Math.round(ms);
  let text = "";
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text === "" ? "0s" : text;
}

function hintFor(text: string): string {
  const trimmed = text.trim();
  if (/^[0-9]+$/.test(trimmed)) return `a unit is missing: write ${trimmed}s for seconds`;
  if (/^[0-9]*\.[0-9]+ *[a-z]+$/i.test(trimmed)) return `whole numbers only; ${EXAMPLES}`;
  const squeezed = text.replace(/\s/g, "").toLowerCase();
  if (squeezed !== text && WHOLE.test(squeezed)) return `write ${squeezed}`;
  const unit = /^[0-9]+ *([a-z]+)$/i.exec(trimmed)?.[1];
  if (unit !== undefined && !UNITS.some(([name]) => name === unit)) return `the units are ms, s, m, h and d; ${EXAMPLES}`;
  if (/^([0-9]+(ms|[dhms]))+$/.test(trimmed)) return `each unit once, the largest first: ${EXAMPLES}`;
  return EXAMPLES;
}
