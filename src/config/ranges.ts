// Ranges of names as administrators of rows of machines write them: `web[01-40]`, `r[1-3]n[01-16]`, `web[1,3,7-9]`.
// The width of the first number is kept (`01` … `40`); without a leading zero numbers are as long as they need.

import type { Parsed } from "./duration.ts";

const NAMES_MAX = 10_000;
export const NAME_PATTERN = "^[A-Za-z0-9]([A-Za-z0-9._-]{0,62})$";
const NAME = new RegExp(NAME_PATTERN);

/** What a name may be, in words. */
export const NAME_RULE = "letters, digits, dots, dashes and underscores, at most 63, the first a letter or digit";

/** A host's, group's, device's or watcher's name: what may stand in `device/outlet`, `bmc@db1` and a path. */
export function isName(text: string): boolean {
  return NAME.test(text);
}

/** All names of a range, in its order; a plain name is a range of one. */
export function expandRange(text: string): Parsed<readonly string[]> {
  const refuse = (hint: string): Parsed<readonly string[]> => ({ ok: false, message: `${JSON.stringify(text)} is not a name or a range of names`, hint });
  let names = [""];
  for (const part of text.split(/(\[[^[\]]*\])/)) {
    if (!part.startsWith("[")) {
      names = names.map((name) => name + part);
      continue;
    }
    const numbers = expandNumbers(part.slice(1, -1));
    if (numbers === null) return refuse("a range is web[01-40] or web[1,3,7-9], from small to large");
    if (names.length * numbers.length > NAMES_MAX) return refuse(`a range has at most ${NAMES_MAX} names`);
    names = names.flatMap((name) => numbers.map((number) => name + number));
  }
  if (!names.every(isName)) return refuse(NAME_RULE);
  return { ok: true, value: names };
}

function expandNumbers(text: string): readonly string[] | null {
  const numbers: string[] = [];
  for (const item of text.split(",")) {
    const [, first, last = first] = /^([0-9]{1,9})(?:-([0-9]{1,9}))?$/.exec(item) ?? [];
    if (first === undefined || last === undefined || Number(last) < Number(first) || Number(last) - Number(first) >= NAMES_MAX) return null;
    const width = first.startsWith("0") ? first.length : 0;
    for (let number = Number(first); number <= Number(last); number += 1) numbers.push(String(number).padStart(width, "0"));
    if (numbers.length > NAMES_MAX) return null;
  }
  return numbers;
}
