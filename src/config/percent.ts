// Shares as people write them: `40%`, `2.5%`, `100%`. A bare `0.4` or `40` is refused: one of them is always meant wrongly.

import type { Parsed } from "./duration.ts";

export const PERCENT_PATTERN = "^[0-9]{1,3}(\\.[0-9]{1,3})?%$";

/** A share between 0 and 1. */
export function parsePercent(text: string): Parsed<number> {
  const value = new RegExp(PERCENT_PATTERN).test(text) ? Number(text.slice(0, -1)) : NaN;
  if (value >= 0 && value <= 100) return { ok: true, value: value / 100 };
  return { ok: false, message: `${JSON.stringify(text)} is not a share`, hint: "write a percentage from 0% to 100%, such as 40%" };
}

export function formatPercent(share: number): string {
  return `${Number((share * 100).toFixed(3))}%`;
}
