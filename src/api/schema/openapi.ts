// OpenAPI 3.1 out of the table of routes and the schemas: what may be asked, by whom, with what, and what comes back. It is made
// by scripts/generate-openapi.ts, kept as docs/reference/openapi.json and served as it is; no running watcher makes it.

import { z } from "zod";
import { ROUTES } from "../routes.ts";
import type { Route } from "../route.ts";
import type { Given, OperationDescription } from "./description.ts";
import { TAGS } from "./description.ts";
import { OPERATIONS } from "./operations.ts";
import { failure } from "./commands.ts";
import { NAMED } from "./schema.ts";

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type JsonObject = { readonly [key: string]: Json };

const COMPONENTS = "#/components/schemas/";
/** Marks a named schema within another while that is made. */
const inDocument = (id: string): string => `${COMPONENTS}${id}`;

/** The rows that have a place in the document: what answers under `/v1/` and the metrics; not the page's own files. */
export const documented = (): readonly Route[] => ROUTES.filter(({ path }) => path !== "*" && (path.startsWith("/v1/") || path === "/metrics"));

export const keyOf = ({ method, path }: Pick<Route, "method" | "path">): string => `${method} ${path}`;

export function openApiDocument(version: string): JsonObject {
  const paths: Record<string, Record<string, Json>> = {};
  // In the order of the descriptions: what is asked for most comes first.
  const rows = new Map(documented().map((row) => [keyOf(row), row]));
  for (const [key, description] of Object.entries(OPERATIONS)) {
    const row = rows.get(key);
    if (row === undefined) continue;
    const path = row.path.replace("/:name", "/{name}");
    (paths[path] ??= {})[row.method.toLowerCase()] = operation(row, description);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Upkeep", version, license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      description: "The interface of a watcher: everything that the command line does. JSON over HTTP/1.1, on the control socket and on TCP. Times are ISO 8601 in UTC, durations milliseconds in fields that end in `Ms`. Fields are added, never changed: be ready for new ones. Errors are `{ \"error\": \"a sentence\" }` with a status of 400 or above.",
    },
    servers: [{ url: "/" }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: { ...components() },
      securitySchemes: {
        token: { type: "http", scheme: "bearer", description: "A token of the interface: `upkeep token add`." },
        session: { type: "apiKey", in: "cookie", name: "upkeep-session", description: "A log-in of the page. What changes something needs the header `x-upkeep-csrf` as well." },
      },
    },
    security: [{ token: [] }, { session: [] }],
  };
}

function operation(row: Route, { tag, summary, description, name, query, body, example, answers }: OperationDescription): JsonObject {
  const parameters: Json[] = [
    ...(row.path.endsWith("/:name") ? [{ name: "name", in: "path", required: true, description: name ?? "A name.", schema: { type: "string" } }] : []),
    ...Object.entries(query ?? {}).map(([key, each]) => ({ name: key, in: "query", required: false, description: each.description, schema: inline(each.schema) })),
  ];
  return {
    operationId: operationId(row),
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    "x-upkeep-least": row.least,
    ...(row.least === "anyone" ? { security: [] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: { "application/json": { schema: inline(body), ...(example === undefined ? {} : { example: example as Json }) } } } }),
    responses: {
      ...Object.fromEntries(Object.entries(answers).map(([status, given]) => [status, response(given)])),
      default: { description: "Why not, in a sentence.", content: { "application/json": { schema: inline(failure) } } },
    },
  };
}

function response({ description, type, schema }: Given): JsonObject {
  const content = schema === null ? { schema: { type: type === "application/json" ? "object" : "string" } } : { schema: inline(schema) };
  return { description, content: { [type]: content } };
}

/** `GET /v1/hosts/:name` → `get-hosts-name`. */
function operationId({ method, path }: Route): string {
  return `${method} ${path.replace("/v1", "").replace(".json", "")}`.toLowerCase().replace(/[^a-z]+/g, "-");
}

/** All named schemas, and perhaps one more, each referring to the others by name. */
function madeWith(more: Readonly<Record<string, z.ZodType>>): Readonly<Record<string, JsonObject>> {
  const registry = z.registry<{ id: string }>();
  for (const [id, { schema }] of NAMED) registry.add(schema, { id });
  for (const [id, schema] of Object.entries(more)) registry.add(schema, { id });
  return (z.toJSONSchema(registry, { io: "input", uri: inDocument }) as unknown as { schemas: Record<string, JsonObject> }).schemas;
}

/** Schemas that are named stand in the document once. */
function components(): Readonly<Record<string, Json>> {
  return Object.fromEntries(Object.entries(madeWith({})).sort(([one], [other]) => (one < other ? -1 : 1)).map(([id, schema]) => [id, { description: NAMED.get(id)?.description ?? "", ...bare(schema) }]));
}

/** A schema where it is used: a reference if it has a name. */
function inline(schema: z.ZodType): JsonObject {
  for (const [id, known] of NAMED) if (known.schema === schema) return { $ref: inDocument(id) };
  return bare(madeWith({ it: schema })["it"] as JsonObject);
}

/** The document is the base of every reference, and 2020-12 is OpenAPI 3.1's own dialect; that nobody writes to an answer goes without saying. */
function bare({ $schema: _schema, $id: _id, id: _name, ...rest }: JsonObject): JsonObject {
  return tidy(rest) as JsonObject;
}

function tidy(value: Json): Json {
  if (Array.isArray(value)) return value.map(tidy);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).filter(([key, each]) => !(key === "readOnly" && each === true)).map(([key, each]) => [key, tidy(each)]));
}
