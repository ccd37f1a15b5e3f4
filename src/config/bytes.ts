// Sizes as people write them: `64MiB`, `1GiB`, `500MB`. Strict: whole numbers, a unit, no spaces. In bytes inside.

import type { Parsed } from "./duration.ts";

const UNITS: Readonly<Record<string, number>> = { kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };
const EXAMPLES = "write 64MiB, 500MB or 1GiB";

export const BYTES_PATTERN = "^[0-9]{1,6}([kMGT]B|[KMGT]iB)$";

/** Bytes. */
export function parseBytes(text: string): Parsed<number> {
  const [, digits, unit = ""] = /^([0-9]{1,6})([A-Za-z]+)$/.exec(text) ?? [];
  const size = UNITS[unit];
  if (digits !== undefined && size !== undefined) return { ok: true, value: Number(digits) * size };
  const meant = Object.keys(UNITS).find((each) => each.toLowerCase() === text.replace(/[0-9\s]/g, "").toLowerCase());
  const squeezed = /^\s*([0-9]{1,6})\s*[A-Za-z]+\s*$/.exec(text)?.[1];
  return { ok: false, message: `${JSON.stringify(text)} is not a size`, hint: meant !== undefined && squeezed !== undefined ? `write ${squeezed}${meant}` : EXAMPLES };
}

/** The shortest way to write it exactly. */
export function formatBytes(bytes: number): string {
  const [unit, size] = Object.entries(UNITS).filter(([, each]) => bytes % each === 0 && bytes >= each).sort(([, one], [, other]) => other - one)[0] ?? ["B", 1];
  return `${bytes / size}${unit}`;
}
