// The JSON Schema of the configuration, for editors: completion, descriptions and the first mistakes while one types. It is
// derived from the schemas that the loader uses, so it cannot say anything else.

import { z } from "zod";
import { root } from "./sections/root.ts";

/** What of JSON Schema (draft 7, which YAML editors know best) is used here. */
export type JsonSchema = {
  readonly [key: string]: unknown;
  readonly description?: string;
  readonly default?: unknown;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
};

/** `kinds`: with `x-kind` at each field, for the reference page. */
export function configurationSchema({ kinds = false } = {}): JsonSchema {
  return tidy(z.toJSONSchema(root, { io: "input", target: "draft-7" }), kinds) as JsonSchema;
}

function tidy(value: unknown, kinds: boolean): unknown {
  if (Array.isArray(value)) return value.map((member) => tidy(member, kinds));
  if (typeof value !== "object" || value === null) return value;
  const { "x-default": shown, "x-kind": kind, ...rest } = value as Record<string, unknown>;
  const members = Object.fromEntries(Object.entries(rest).map(([key, member]) => [key, tidy(member, kinds)]));
  return { ...members, ...(shown === undefined ? {} : { default: shown }), ...(kinds && kind !== undefined ? { "x-kind": kind } : {}) };
}
