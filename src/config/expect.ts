// What a schema wanted and what stood there instead, in words: zod's findings become problems with a place, a code and a hint.
//
// zod tells a finding in one string, so the verdict (message, hint, code) travels in it as JSON between `explain`, which
// zod calls while it parses, and `report`, which knows the file. Values of secret fields are never quoted.

import { z } from "zod";
import type { $ZodRawIssue } from "zod/v4/core";
import type { Place, ProblemCode, ProblemList } from "./problems.ts";
import { NAME_RULE } from "./ranges.ts";
import { didYouMean } from "./suggest.ts";

export type Verdict = { readonly message: string; readonly hint?: string | null; readonly code?: ProblemCode };

export type Expectation = {
  /** As in "expected …": `a duration such as 5s`. */
  readonly says: string;
  /** A better word for some wrong inputs. */
  readonly explain?: (input: unknown) => Verdict | null;
  /** Told as a whole, without a look at the alternatives of a union; a secret's value is not quoted either. */
  readonly flat?: boolean;
  readonly secret?: boolean;
};

/** Expectations of schemas, found again on their described and optional copies. */
export const expectations = z.registry<Expectation>();

/** Something in a file: where sections are, and where problems in them are told. */
export type At = { place(path: readonly (string | number)[], part?: "key" | "value"): Place };

type Told = Verdict & { readonly flat?: boolean; readonly known?: readonly string[] };

/** Parses one section; what is wrong with it is added to `problems`, all of it. */
export function parseSection<T extends z.ZodType>(schema: T, raw: unknown, at: At, problems: ProblemList): z.output<T> | null {
  const result = attempt(schema, raw);
  if (result.success) return result.data;
  for (const issue of result.issues) report(issue, [], at, problems);
  return null;
}

type Attempt<T> = { readonly success: true; readonly data: T } | { readonly success: false; readonly issues: readonly z.core.$ZodIssue[] };

function attempt<T extends z.ZodType>(schema: T, raw: unknown): Attempt<z.output<T>> {
  try {
    const result = schema.safeParse(raw, { error: explain });
    return result.success ? { success: true, data: result.data } : { success: false, issues: result.error.issues };
  } catch {
    // zod compares `length` before it knows that it has a list, so a mapping with a key of that name and a strange value throws.
    return { success: false, issues: [{ code: "custom", path: [], message: "not usable", params: { hint: "no setting is called length or toString" } }] };
  }
}

export type Parts<T> = { readonly value: Partial<T>; readonly broken: ReadonlySet<string> };

/**
 * As parseSection, and on failure once more without the settings that were wrong, so that mistakes of meaning in the others
 * are told in the same run. `broken` names those that were left out; when there are any, the value is only good for finding mistakes.
 */
export function parseParts<S extends z.core.$ZodLooseShape>(schema: z.ZodObject<S>, raw: unknown, at: At, problems: ProblemList): Parts<z.output<z.ZodObject<S>>> {
  const result = attempt(schema, raw);
  if (result.success) return { value: result.data as Partial<z.output<z.ZodObject<S>>>, broken: new Set() };
  const broken = new Set<string>();
  const rest: Record<string, unknown> = isMapping(raw) ? { ...raw } : {};
  for (const issue of result.issues) {
    report(issue, [], at, problems);
    const [first] = issue.path;
    const keys = typeof first === "string" ? [first] : issue.code === "unrecognized_keys" ? issue.keys : Object.keys(schema.shape);
    for (const key of keys) {
      broken.add(key);
      delete rest[key];
    }
  }
  const again = attempt(schema.partial(), rest);
  return { value: again.success ? (again.data as Partial<z.output<z.ZodObject<S>>>) : {}, broken };
}

export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value as it is shown in a message; nested ones only by kind, and never long. */
export function show(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a mapping";
  if (typeof value !== "string") return String(value);
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
}

function report(issue: z.core.$ZodIssue, prefix: readonly PropertyKey[], at: At, problems: ProblemList): void {
  const path = [...prefix, ...issue.path].map((step) => (typeof step === "number" ? step : String(step)));
  if (issue.code === "custom") {
    const params = issue.params as { code?: ProblemCode; hint?: string; in?: readonly (string | number)[] } | undefined;
    problems.add(at.place(path), params?.code ?? "VALUE_INVALID", issue.message, params?.hint ?? null);
    return;
  }
  const told = JSON.parse(issue.message) as Told;
  if (issue.code === "unrecognized_keys") {
    for (const key of issue.keys) reportKey(key, path, told, at, problems);
  } else if (issue.code === "invalid_union" && told.flat !== true && issue.errors.length > 0) {
    // The alternative that is of the right kind and only wrong inside is the one that was meant.
    const meant = issue.errors.filter((errors) => errors.every((error) => error.path.length > 0 || error.code === "custom" || error.code === "unrecognized_keys"))
      .sort((a, b) => a.length - b.length)[0];
    if (meant === undefined) problems.add(at.place(path), told.code ?? "VALUE_INVALID", told.message, told.hint ?? null);
    else for (const error of meant) report(error, path, at, problems);
  } else {
    const part = issue.code === "invalid_key" || told.code === "KEY_MISSING" ? "key" : "value";
    problems.add(at.place(path, part), told.code ?? "VALUE_INVALID", told.message, told.hint ?? null);
  }
}

function reportKey(key: string, path: readonly (string | number)[], told: Told, at: At, problems: ProblemList): void {
  const known = told.known ?? [];
  const place = at.place([...path, key], "key");
  if (key === "<<") problems.add(place, "KEY_UNKNOWN", "YAML merge keys are not used here", "what several hosts share stands in groups or defaults");
  else problems.add(place, "KEY_UNKNOWN", `unknown key "${key}"`, didYouMean(key, known) ?? (known.length > 0 && known.length <= 12 ? `here may stand ${known.join(", ")}` : null));
}

function explain(issue: $ZodRawIssue): string {
  return JSON.stringify(verdict(issue));
}

function verdict(issue: $ZodRawIssue): Told {
  const inst = issue.inst as (z.ZodType & { shape?: Record<string, unknown> }) | undefined;
  const wanted = inst === undefined || !("_zod" in inst) ? undefined : expectations.get(inst);
  const input: unknown = issue.input;
  const own = wanted?.explain?.(input);
  if (own !== undefined && own !== null) return { ...own, flat: true };
  const flat = wanted?.flat === true || wanted?.secret === true;
  const found = wanted?.secret === true ? "" : `, found ${show(input)}`;
  switch (issue.code) {
    case "unrecognized_keys":
      return { message: "unknown key", known: Object.keys(inst?.shape ?? {}) };
    case "invalid_type":
      if (input === undefined) return { message: `${lastKey(issue)} is missing${wanted === undefined ? "" : `: ${wanted.says}`}`, code: "KEY_MISSING" };
      return { message: `expected ${wanted?.says ?? kindOf(issue.expected)}${found}`, hint: typeHint(issue.expected, input), flat };
    case "invalid_value": {
      const values = issue.values.map(String);
      if (input === undefined) return { message: `${lastKey(issue)} is missing: ${values.join(", ")}`, code: "KEY_MISSING" };
      return { message: `expected ${values.length === 1 ? values[0] : `one of ${values.join(", ")}`}${found}`, hint: typeof input === "string" ? didYouMean(input, values) : null };
    }
    case "invalid_union":
      return union(issue, wanted, found, flat);
    case "too_small":
      return { message: `${measure(issue)} must be at least ${issue.minimum}${sizeFound(issue.origin, input)}` };
    case "too_big":
      return { message: `${measure(issue)} must be at most ${issue.maximum}${sizeFound(issue.origin, input)}` };
    case "invalid_key":
      if (wanted?.secret === true) return { message: `expected ${wanted.says}`, code: "NAME_INVALID" };
      return { message: `${JSON.stringify(lastKey(issue))} is not a name`, code: "NAME_INVALID", hint: NAME_RULE };
    case "invalid_format":
    case "invalid_element":
    case "not_multiple_of":
    case "custom":
    default:
      return { message: wanted === undefined ? `not usable${found}` : `expected ${wanted.says}${found}` };
  }
}

function union(issue: $ZodRawIssue & { code: "invalid_union" }, wanted: Expectation | undefined, found: string, flat: boolean): Told {
  const discriminator = (issue as { discriminator?: string }).discriminator;
  if (issue.input === undefined) return { message: `${lastKey(issue)} is missing${wanted === undefined ? "" : `: ${wanted.says}`}`, code: "KEY_MISSING", flat: true };
  if (discriminator === undefined) return { message: wanted === undefined ? `not usable${found}` : `expected ${wanted.says}${found}`, flat };
  const value = isMapping(issue.input) ? issue.input[discriminator] : undefined;
  const options = ((issue as { options?: readonly unknown[] }).options ?? []).map(String);
  if (value === undefined) return { message: `${discriminator} is missing: one of ${options.join(", ")}`, code: "KEY_MISSING" };
  return { message: `unknown ${discriminator} ${show(value)}`, hint: (typeof value === "string" ? didYouMean(value, options) : null) ?? `there is ${options.join(", ")}` };
}

function lastKey(issue: $ZodRawIssue): string {
  const last = issue.path?.at(-1);
  return typeof last === "string" ? last : "it";
}

function kindOf(expected: string): string {
  switch (expected) {
    case "string": return "text";
    case "number": return "a number";
    case "int": return "a whole number";
    case "boolean": return "true or false";
    case "object":
    case "record": return "a mapping";
    case "array": return "a list";
    default: return expected;
  }
}

function typeHint(expected: string, input: unknown): string | null {
  if (expected === "boolean" && typeof input === "string" && /^(yes|no|on|off|y|n)$/i.test(input)) return `write ${/^(yes|on|y)$/i.test(input) ? "true" : "false"}`;
  if (expected === "string" && (typeof input === "number" || typeof input === "boolean")) return "put it in quotes";
  if (input === null) return "leave it out, or say what it is";
  return null;
}

function measure(issue: $ZodRawIssue & { readonly origin: string }): string {
  if (issue.origin === "string") return `the length of ${lastKey(issue)}`;
  return issue.origin === "array" ? `the number of entries in ${lastKey(issue)}` : lastKey(issue);
}

function sizeFound(origin: string, input: unknown): string {
  if (typeof input === "number") return `, found ${input}`;
  return origin === "array" && Array.isArray(input) ? `, found ${input.length}` : "";
}
