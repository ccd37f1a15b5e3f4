// The network protocol of Network UPS Tools, as upsd speaks it on port 3493 (RFC 9271): lines of words, words in quotes where
// they hold blanks, `\\` before a quote or a backslash in them. Lists come between BEGIN and END; any question may be
// answered by one line `ERR CODE`. Pure; both sides of it are strangers, so everything is bounded and nothing throws.

/** Longer lines are not read: RFC 9271 §4.1.2 has 1,024 at most for a word. */
const LINE_CHARACTERS_MAX = 2_048;
const WORDS_MAX = 16;

/** The words of a line, or null where it is none of the protocol. */
export function parseNutLine(line: string): readonly string[] | null {
  if (line.length > LINE_CHARACTERS_MAX || /[\0-\x1f\x7f]/.test(line)) return null;
  const words: string[] = [];
  let at = 0;
  while (at < line.length) {
    if (line[at] === " ") {
      at += 1;
      continue;
    }
    const match = /"((?:[^"\\]|\\.)*)"(?= |$)|[^ "]+(?= |$)/y;
    match.lastIndex = at;
    const found = match.exec(line);
    if (found === null || words.length >= WORDS_MAX) return null;
    words.push(found[1] === undefined ? found[0] : found[1].replace(/\\(.)/g, "$1"));
    at = match.lastIndex;
  }
  return words.length === 0 ? null : words;
}

/** A line to send: words in quotes where they need them; ended by a line feed. */
export function formatNutLine(...words: readonly string[]): string {
  return `${words.map((word) => (/^[^\s"\\]+$/.test(word) ? word : `"${word.replace(/["\\]/g, "\\$&")}"`)).join(" ")}\n`;
}

export type NutList =
  /** The rest has not come yet. */
  | { readonly kind: "partial" }
  /** Of each line of the list the words after those that were asked for. */
  | { readonly kind: "list"; readonly rows: readonly (readonly string[])[] }
  /** `ERR CODE`, and what else stood there. */
  | { readonly kind: "error"; readonly code: string; readonly detail: string }
  | { readonly kind: "malformed"; readonly line: string };

/** The answer to `LIST what…`, from everything received so far. */
export function readNutList(soFar: string, what: readonly string[]): NutList {
  const rows: (readonly string[])[] = [];
  const lines = soFar.split("\n");
  // What stands after the last line feed is the beginning of a line.
  const rest = lines.pop() ?? "";
  for (const [index, raw] of lines.entries()) {
    const line = raw.replace(/\r$/, "");
    const words = parseNutLine(line);
    if (words === null) return { kind: "malformed", line };
    const [first, second = "", ...more] = words;
    if (index === 0 && first === "ERR" && second !== "") return { kind: "error", code: second, detail: more.join(" ") };
    if (index === 0 && begins(words, ["BEGIN", "LIST", ...what], true)) continue;
    if (index > 0 && begins(words, ["END", "LIST", ...what], true)) return { kind: "list", rows };
    if (index === 0 || !begins(words, what, false)) return { kind: "malformed", line };
    rows.push(words.slice(what.length));
  }
  return rest.length > LINE_CHARACTERS_MAX ? { kind: "malformed", line: rest } : { kind: "partial" };
}

/** The tokens of `ups.status`: `OL CHRG` is on line and charging. */
export function nutStatus(text: string): ReadonlySet<string> {
  return new Set(text.split(" ").filter((token) => token !== ""));
}

function begins(words: readonly string[], wanted: readonly string[], whole: boolean): boolean {
  return (whole ? words.length === wanted.length : words.length > wanted.length) && wanted.every((word, index) => words[index] === word);
}
