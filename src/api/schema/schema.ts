// Words that the schemas of the interface are made of. They are for three readers: OpenAPI (openapi.ts), the tests, which hold
// every real answer against them, and the compiler, which holds the types of contract.ts against them (types.test.ts). The
// watcher's process loads none of this but the bodies of requests (docs/adr/0019).
//
// Objects are strict: a field that is not described here is a mistake in here or in the answer.

import { z } from "zod";

/** The named schemas; each stands once in the document, and the others refer to it. */
export const NAMED = new Map<string, { readonly schema: z.ZodType; readonly description: string }>();

/** Gives a schema its name in the document. */
export function named<Schema extends z.ZodType>(id: string, description: string, schema: Schema): Schema {
  if (NAMED.has(id)) throw new Error(`assertion failed: two schemas are named ${id}`);
  NAMED.set(id, { schema, description });
  return schema;
}

const ISO = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$/;

/** ISO 8601 in UTC. */
export const time = () => z.string().regex(ISO).meta({ format: "date-time" });
export const text = () => z.string();
export const count = () => z.int().min(0);
export const flag = () => z.boolean();
export const listOf = <Item extends z.ZodType>(item: Item) => z.array(item).readonly();
/** One line of a sentence for people. */
export const sentence = (description: string) => z.string().describe(description);
export const milliseconds = () => z.number().min(0);

/** What a real answer is held against: the path to the first differences, or null. */
export function differences(schema: z.ZodType, value: unknown): string | null {
  const parsed = schema.safeParse(value);
  if (parsed.success) return null;
  return parsed.error.issues.slice(0, 5).map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("; ");
}
