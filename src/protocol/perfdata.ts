// What a monitoring plugin printed (Monitoring Plugins Development Guidelines, "Plugin Output", "Performance data"): the text of
// its first line, and the numbers after `|`, there and at the end of the long text:
//
//   TEXT | 'label'=value[UOM];[warn];[crit];[min];[max] …
//   LONG TEXT
//   LONG TEXT | more numbers
//   more numbers
//
// Pure; never throws. One piece that is not as the guidelines have it is left out, and the next one, after a space, is read again.

export type PluginOutput = { readonly text: string; readonly perfdata: readonly Perfdata[] };

export type Perfdata = {
  readonly label: string;
  /** Null: the plugin could not tell (`U`). */
  readonly value: number | null;
  /** As printed: `s`, `ms`, `%`, `B`, `KB`, `c` …; empty: a plain number. */
  readonly unit: string;
  readonly warn: PerfRange | null;
  readonly crit: PerfRange | null;
  readonly min: number | null;
  readonly max: number | null;
};

/** An alert is raised outside of start to end, both included in it; `inside`: within them. */
export type PerfRange = { readonly start: number; readonly end: number; readonly inside: boolean };

const PIECES_MAX = 256;
const LABEL_CHARACTERS_MAX = 64;
const NUMBER = "-?(?:\\d{1,20}(?:\\.\\d{0,20})?|\\.\\d{1,20})";
const VALUE = new RegExp(`^(U|${NUMBER})([^\\s\\d;='"-]{0,16})$`, "u");
const PLAIN = new RegExp(`^${NUMBER}$`);
const RANGE = new RegExp(`^(@?)(?:(~|${NUMBER})?:)?(${NUMBER})?$`);

export function parsePluginOutput(output: string): PluginOutput {
  const lines = output.split("\n").map((line) => line.replace(/\r$/, ""));
  const [first = "", ...rest] = lines;
  const [text, ...numbers] = split(first);
  const perfdata = [...numbers];
  let inNumbers = false;
  for (const line of rest) {
    // After the second bar only numbers come.
    if (inNumbers) perfdata.push(line);
    else {
      const [, ...more] = split(line);
      inNumbers = more.length > 0;
      perfdata.push(...more);
    }
  }
  return { text: text.trim(), perfdata: parsePerfdata(perfdata.join(" ")) };
}

function split(line: string): readonly [string, ...string[]] {
  const bar = line.indexOf("|");
  return bar === -1 ? [line] : [line.slice(0, bar), line.slice(bar + 1)];
}

/** The numbers of one line, those that are as they should be. */
export function parsePerfdata(text: string): readonly Perfdata[] {
  const found: Perfdata[] = [];
  let at = 0;
  for (let piece = 0; piece < PIECES_MAX; piece += 1) {
    while (isSpace(text[at])) at += 1;
    if (at >= text.length) break;
    const label = labelAt(text, at);
    const from = label?.end ?? at;
    let end = from;
    while (end < text.length && !isSpace(text[end])) end += 1;
    const read = label === null ? null : fieldsOf(label.label, text.slice(from, end));
    if (read !== null) found.push(read);
    at = end;
  }
  return found;
}

/** A label with its `=`, quoted where it holds spaces, a quote in it written twice; null: none. */
function labelAt(text: string, at: number): { readonly label: string; readonly end: number } | null {
  if (text[at] !== "'") {
    const equals = text.indexOf("=", at);
    const label = equals === -1 ? "" : text.slice(at, equals);
    return label === "" || label.length > LABEL_CHARACTERS_MAX || /[\s']/.test(label) ? null : { label, end: equals + 1 };
  }
  let label = "";
  for (let next = at + 1; next < text.length && label.length <= LABEL_CHARACTERS_MAX; next += 1) {
    if (text[next] !== "'") label += text[next];
    else if (text[next + 1] !== "'") return label === "" || text[next + 1] !== "=" ? null : { label, end: next + 2 };
    else {
      label += "'";
      next += 1;
    }
  }
  return null;
}

function fieldsOf(label: string, written: string): Perfdata | null {
  const [value = "", warn = "", crit = "", min = "", max = "", ...more] = written.split(";");
  const number = VALUE.exec(value);
  if (number === null || more.some((field) => field !== "")) return null;
  const [warnRange, critRange, least, most] = [parseRange(warn), parseRange(crit), bound(min), bound(max)];
  if (warnRange === undefined || critRange === undefined || least === undefined || most === undefined) return null;
  return { label, value: number[1] === "U" ? null : Number(number[1]), unit: number[2] ?? "", warn: warnRange, crit: critRange, min: least, max: most };
}

/** `10`, `10:`, `~:10`, `10:20`, `@10:20`; null: left out; undefined: none. */
export function parseRange(text: string): PerfRange | null | undefined {
  if (text === "") return null;
  const parts = RANGE.exec(text);
  if (parts === null || text === "@" || text.endsWith("~")) return undefined;
  const start = parts[2] === "~" ? -Infinity : parts[2] === undefined ? 0 : Number(parts[2]);
  const end = parts[3] === undefined ? Infinity : Number(parts[3]);
  return start > end ? undefined : { start, end, inside: parts[1] === "@" };
}

function bound(text: string): number | null | undefined {
  return text === "" ? null : PLAIN.test(text) ? Number(text) : undefined;
}

function isSpace(character: string | undefined): boolean {
  return character === " " || character === "\t" || character === "\n";
}
