// Names as other programs, banners and leases have them, made into names that may stand in the file. What was changed is told
// by whoever asks: two things must not become one in silence, so a name that is taken gets a number.

import { isName } from "./ranges.ts";

const LENGTH_MAX = 63;
/** Room for the number behind a name that is taken. */
const STEM_MAX = LENGTH_MAX - 6;

/** The nearest name that is right and not in `taken`, and puts it there. */
export function nameFrom(text: string, taken: Set<string>, otherwise = "host"): string {
  const plain = text.slice(0, 1_024).normalize("NFKD").replace(/\p{M}/gu, "").replace(/\.$/, "").replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "");
  const stem = plain.slice(0, LENGTH_MAX).replace(/[-._]+$/, "") || otherwise;
  let name = stem;
  // Names differ by more than their case: people say them.
  for (let number = 2; taken.has(name.toLowerCase()) || !isName(name); number += 1) name = `${stem.slice(0, STEM_MAX)}-${number}`;
  taken.add(name.toLowerCase());
  return name;
}

// Controls, what turns the direction of text, surrogates, what no font shows, and every kind of line end.
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]+/gu;
const COMMENT_MAX = 160;

/** Somebody else's text as it may stand in a comment or on a terminal: one line, nothing that a terminal obeys, cut. */
export function oneLine(text: string, max = COMMENT_MAX): string {
  const clean = text.slice(0, 4 * max).replace(UNPRINTABLE, " ").trim();
  return clean.length > max ? `${clean.slice(0, max - 1)}…` : clean;
}
