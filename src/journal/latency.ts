// Latencies as the history keeps them: in hundredths of a millisecond up to 2 ms, and above that to within half a percent, in
// steps of one, two and five like the marks of a ruler, so that a time-out of 1000 ms is still one. Nobody reads more from a
// latency, and what is left out would be half of the file.

/** Codes for a factor of ten: 100 to 200 by one, to 500 by two, to 1000 by five. */
const DECADE = 350;
const EXACT = 100;
const EXPONENT_MAX = 9;
/** Some 115 days: beyond every round. */
const CODE_MAX = EXACT + (EXPONENT_MAX + 1) * DECADE - 1;

export function codeOf(latencyMs: number): number {
  let mantissa = Math.round(latencyMs * 100);
  if (!(mantissa > 0)) return 0;
  if (mantissa < EXACT) return mantissa;
  let exponent = 0;
  for (; mantissa >= 1_000 && exponent < EXPONENT_MAX; exponent += 1) mantissa /= 10;
  // Rounding may reach the next power of ten; the code of that is the one that follows.
  const step = mantissa < 200 ? Math.round(mantissa) - 100 : mantissa < 500 ? 100 + Math.round((mantissa - 200) / 2) : 250 + Math.round((mantissa - 500) / 5);
  return Math.min(CODE_MAX, EXACT + exponent * DECADE + step);
}

export function latencyOf(code: number): number {
  if (code < EXACT) return code / 100;
  const exponent = Math.floor((code - EXACT) / DECADE);
  const step = (code - EXACT) % DECADE;
  const mantissa = step < 100 ? 100 + step : step < 250 ? 200 + (step - 100) * 2 : 500 + (step - 250) * 5;
  return (mantissa * 10 ** exponent) / 100;
}
