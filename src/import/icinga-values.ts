// Values of Icinga 2's configuration language, and what its operators and the few functions that are read make of them.

export type Dictionary = Map<string, Value>;
export type Value = string | number | boolean | null | Dictionary | readonly Value[];

/** As Icinga has it: empty text, zero and nothing are false. */
export function truth(value: Value | undefined): boolean {
  return value instanceof Map ? value.size > 0 : Array.isArray(value) ? value.length > 0 : Boolean(value);
}

export function same(a: Value, b: Value): boolean {
  return a === b || ((a === null || a === "") && (b === null || b === ""));
}

export function within(item: Value, list: Value): boolean {
  return Array.isArray(list) && list.includes(item);
}

export function sum(a: Value, b: Value): Value {
  if (a instanceof Map && b instanceof Map) return new Map([...a, ...b]);
  if (Array.isArray(a) && Array.isArray(b)) return [...a, ...b];
  if (a === null || b === null) return a ?? b;
  return typeof a === "number" && typeof b === "number" ? a + b : `${text(a)}${text(b)}`;
}

export function called(name: string, given: readonly Value[]): Value {
  const [first = null, second = null] = given;
  if (name === "string") return text(first);
  if (name === "len") return first instanceof Map ? first.size : Array.isArray(first) ? first.length : text(first).length;
  // By hand and not as a regular expression: a pattern of many stars must not take for ever.
  return glob(text(first), text(second));
}

function glob(pattern: string, subject: string): boolean {
  let [at, star, from, mark] = [0, -1, 0, 0];
  while (from < subject.length) {
    if (pattern[at] === "*") [star, mark, at] = [at, from, at + 1];
    else if (at < pattern.length && (pattern[at] === "?" || pattern[at] === subject[from])) [at, from] = [at + 1, from + 1];
    else if (star === -1) return false;
    else [mark, from, at] = [mark + 1, mark + 1, star + 1];
  }
  return /^\**$/.test(pattern.slice(at));
}

export function text(value: Value | undefined): string {
  return typeof value === "string" ? value : typeof value === "number" || typeof value === "boolean" ? String(value) : "";
}
