// The kinds of values that settings are made of. Each takes the setting's description, so that none can be left without:
// the reference page and the editor's help are generated from these words.

import { z } from "zod";
import { parseAddress } from "./address.ts";
import type { Address } from "./address.ts";
import { BYTES_PATTERN, formatBytes, parseBytes } from "./bytes.ts";
import { DURATION_PATTERN, formatDuration, parseDuration } from "./duration.ts";
import type { Parsed } from "./duration.ts";
import { expectations } from "./expect.ts";
import type { Expectation } from "./expect.ts";
import { parsePercent, PERCENT_PATTERN } from "./percent.ts";
import type { ProblemCode } from "./problems.ts";
import { isName, NAME_PATTERN, NAME_RULE } from "./ranges.ts";

/** How a default is told: in the JSON Schema and the reference page, as it would be written. */
export type Shown = { readonly default?: string | number | boolean | readonly string[] };

/** Metadata of a field. `x-default` becomes `default` in the JSON Schema (zod drops defaults of what it transforms); `x-kind` names the kind of value on the reference page. */
export function about(description: string, shown: Shown = {}, kind?: string): { description: string; "x-default"?: Shown["default"]; "x-kind"?: string } {
  return { description, ...(shown.default === undefined ? {} : { "x-default": shown.default }), ...(kind === undefined ? {} : { "x-kind": kind }) };
}

/** Text with a grammar of its own. */
export function parsed<T>(parse: (text: string) => Parsed<T>, code: ProblemCode, says: string, pattern?: string, explain?: Expectation["explain"]) {
  const text = z.string();
  expectations.add(text, { says, explain: (input) => explain?.(input) ?? (typeof input === "number" ? { message: `expected ${says}, found ${input}`, code, hint: bare(parse, input) } : null) });
  return text.meta(pattern === undefined ? {} : { pattern }).transform((value, ctx): T => {
    const result = parse(value);
    if (result.ok) return result.value;
    ctx.addIssue({ code: "custom", message: result.message, params: { code, hint: result.hint } });
    return z.NEVER;
  });
}

export type DurationBounds = Shown & { readonly minMs?: number; readonly maxMs?: number };

/** A duration, in milliseconds. */
export function duration(description: string, { minMs = 0, maxMs = Infinity, ...shown }: DurationBounds = {}) {
  const parse = (text: string): Parsed<number> => {
    const result = parseDuration(text);
    if (result.ok && result.value < minMs) return { ok: false, message: `${text} is too short`, hint: `the shortest here is ${formatDuration(minMs)}` };
    if (result.ok && result.value > maxMs) return { ok: false, message: `${text} is too long`, hint: `the longest here is ${formatDuration(maxMs)}` };
    return result;
  };
  return parsed(parse, "DURATION_INVALID", "a duration such as 5s", DURATION_PATTERN).meta(about(description, shown, "duration"));
}

/** A size, in bytes. */
export function bytes(description: string, { min, max, ...shown }: Shown & { readonly min: number; readonly max: number }) {
  const parse = (text: string): Parsed<number> => {
    const result = parseBytes(text);
    if (result.ok && result.value < min) return { ok: false, message: `${text} is too little`, hint: `the least here is ${formatBytes(min)}` };
    if (result.ok && result.value > max) return { ok: false, message: `${text} is too much`, hint: `the most here is ${formatBytes(max)}` };
    return result;
  };
  return parsed(parse, "VALUE_INVALID", "a size such as 1GiB", BYTES_PATTERN).meta(about(description, shown, "size"));
}

const WATTS_PATTERN = "^[0-9]{1,5}(\\.[0-9])?W$";

/** Power, in watts. A bare number is refused: it could be a current. */
export function watts(description: string, { min, max, ...shown }: Shown & { readonly min: number; readonly max: number }) {
  const parse = (text: string): Parsed<number> => {
    const value = new RegExp(WATTS_PATTERN).test(text) ? Number(text.slice(0, -1)) : NaN;
    if (value >= min && value <= max) return { ok: true, value };
    return { ok: false, message: `${JSON.stringify(text)} is not a power`, hint: `write watts from ${min}W to ${max}W, such as 5W` };
  };
  return parsed(parse, "VALUE_INVALID", "a power such as 5W", WATTS_PATTERN).meta(about(description, shown));
}

/** A share between 0 and 1. */
export function percent(description: string, shown: Shown = {}) {
  return parsed(parsePercent, "PERCENT_INVALID", "a share such as 40%", PERCENT_PATTERN).meta(about(description, shown, "share"));
}

/** `HOST`, `HOST:PORT` or `[V6]:PORT`. `zero` allows port 0: any free port. */
export function address(description: string, shown: Shown & { readonly zero?: boolean; readonly template?: boolean } = {}) {
  const parse = (text: string): Parsed<Address> => {
    // `{host}` is replaced by a host's name later, and judged as one now.
    const result = parseAddress(shown.template === true ? text.replaceAll("{host}", "h") : text);
    if (!result.ok) return { ...result, message: `${JSON.stringify(text)} is not an address` };
    if (result.value.port === 0 && shown.zero !== true) return { ok: false, message: `${JSON.stringify(text)} is not an address`, hint: "a port is a number from 1 to 65535" };
    return shown.template === true ? { ok: true, value: { ...result.value, host: hostPart(text) } } : result;
  };
  return parsed(parse, "ADDRESS_INVALID", "an address: HOST, HOST:PORT or [V6]:PORT").meta(about(description, shown.default === undefined ? {} : { default: shown.default }, "address"));
}

export function name(description: string, shown: Shown = {}) {
  const parse = (text: string): Parsed<string> => isName(text) ? { ok: true, value: text }
    : { ok: false, message: `${JSON.stringify(text)} is not a name`, hint: NAME_RULE };
  return parsed(parse, "NAME_INVALID", "a name", NAME_PATTERN).meta(about(description, shown, "name"));
}

/** The same field, or an explicit `null`. */
export function orNull<T extends z.ZodType>(schema: T): z.ZodNullable<T> {
  return z.nullable(schema).meta(schema.meta() ?? {});
}

/** One line of text without control characters. */
export function text(description: string, { max = 256, ...shown }: Shown & { readonly max?: number } = {}) {
  const parse = (value: string): Parsed<string> => {
    if (value === "" || /\p{Cc}/u.test(value)) return { ok: false, message: "expected one line of text", hint: "neither empty nor with control characters" };
    return value.length <= max ? { ok: true, value } : { ok: false, message: `longer than ${max} characters`, hint: `at most ${max}` };
  };
  return parsed(parse, "VALUE_INVALID", "text").meta(about(description, shown, "text"));
}

export function whole(description: string, min: number, max: number, shown: Shown = {}) {
  const schema = z.int().min(min).max(max);
  expectations.add(schema, { says: `a whole number from ${min} to ${max}` });
  return schema.meta(about(description, shown));
}

export function port(description: string, shown: Shown = {}) {
  return whole(description, 1, 65_535, shown);
}

export function flag(description: string, shown: Shown = {}) {
  return z.boolean().meta(about(description, shown));
}

export function choice<const V extends readonly [string, ...string[]]>(values: V, description: string, shown: Shown = {}) {
  return z.enum(values).meta(about(description, shown));
}

/** A program and its arguments, as a list: no shell is involved. */
export function argv(description: string) {
  const word = z.string().min(1).max(4_096);
  expectations.add(word, { says: "text: a program or one of its arguments" });
  const schema = z.array(word).min(1).max(64);
  expectations.add(schema, { says: "a list: the program, then its arguments", explain: noShell });
  return schema.meta(about(description, {}, "program"));
}

/** What is told of a command line where a list is expected. */
export const noShell: NonNullable<Expectation["explain"]> = (input) => typeof input === "string"
  ? { message: `expected a list: the program, then its arguments, found ${JSON.stringify(input.slice(0, 60))}`, hint: `write [${input.trim().split(/\s+/).slice(0, 8).join(", ")}]: there is no shell` } : null;

/** A secret as it stands in the file: a reference, or (linted) the thing itself. */
export type SecretInput = { readonly file: string } | { readonly env: string } | { readonly literal: string };

export function secret(description: string) {
  const reference = z.union([
    z.string().min(1).max(4_096).transform((literal): SecretInput => ({ literal })),
    z.strictObject({ file: z.string().min(1).max(4_096).meta(about("The file that holds it, relative to this one; a newline at its end is dropped.")) }),
    z.strictObject({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/).max(256).meta(about("The environment variable that holds it.")) }),
  ]);
  expectations.add(reference, { says: "a secret: { file: … } or { env: … }", secret: true });
  return reference.meta(about(description, {}, "secret"));
}

function hostPart(text: string): string {
  const bracketed = /^\[([^\]]*)\]/.exec(text)?.[1];
  if (bracketed !== undefined) return bracketed;
  return (text.match(/:/g)?.length ?? 0) > 1 ? text : text.replace(/:[0-9]+$/, "");
}

function bare(parse: (text: string) => Parsed<unknown>, input: number): string {
  const result = parse(String(input));
  return result.ok ? `put it in quotes: "${input}"` : result.hint;
}
