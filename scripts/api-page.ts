// docs/reference/api.md, and the parts of it that the reader at /docs shows too: from the OpenAPI document and nothing else,
// so that whatever a reader of the document would see is what is written here.

import type { Json } from "../src/api/schema/openapi.ts";

type JsonObject = { readonly [key: string]: Json };

export type Field = { readonly name: string; readonly type: string; readonly required: boolean; readonly description: string };
export type Asked = {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly description: string;
  readonly least: string;
  readonly parameters: readonly Field[];
  /** What the body is, as a type. */
  readonly body: string | null;
  readonly answers: readonly { readonly status: string; readonly type: string; readonly media: string; readonly description: string }[];
  readonly example: string;
};
export type Shape = { readonly name: string; readonly description: string; readonly type: string; readonly fields: readonly Field[] };
export type Reading = { readonly title: string; readonly description: string; readonly tags: readonly { readonly name: string; readonly description: string }[]; readonly asked: readonly Asked[]; readonly shapes: readonly Shape[] };

/** The document as a person reads it. */
export function readingOf(document: JsonObject): Reading {
  const info = object(document["info"]);
  const asked: Asked[] = [];
  for (const [path, methods] of Object.entries(object(document["paths"]))) {
    for (const [method, each] of Object.entries(object(methods))) asked.push(operation(path, method.toUpperCase(), object(each)));
  }
  const shapes = Object.entries(object(object(document["components"])["schemas"])).map(([name, each]) => shape(name, object(each)));
  const tags = list(document["tags"]).map((tag) => ({ name: text(object(tag)["name"]), description: text(object(tag)["description"]) }));
  return { title: text(info["title"]), description: text(info["description"]), tags: tags.filter(({ name }) => asked.some(({ tag }) => tag === name)), asked, shapes };
}

function operation(path: string, method: string, each: JsonObject): Asked {
  const parameters = list(each["parameters"]).map((given): Field => {
    const { name, required, description, schema } = object(given);
    return { name: text(name), type: typeOf(object(schema)), required: required === true, description: text(description) };
  });
  const bodySchema = each["requestBody"] === undefined ? null : object(object(object(object(each["requestBody"])["content"])["application/json"])["schema"]);
  return {
    id: text(each["operationId"]), method, path, tag: text(list(each["tags"])[0]), summary: text(each["summary"]), description: text(each["description"]), least: text(each["x-upkeep-least"]), parameters,
    body: bodySchema === null ? null : typeOf(bodySchema),
    answers: Object.entries(object(each["responses"])).filter(([status]) => status !== "default").map(([status, given]) => {
      const [media = "", content] = Object.entries(object(object(given)["content"]))[0] ?? [];
      return { status, media, type: typeOf(object(object(content)["schema"])), description: text(object(given)["description"]) };
    }),
    example: example(method, path, text(each["x-upkeep-least"]), bodySchema),
  };
}

function example(method: string, path: string, least: string, body: JsonObject | null): string {
  const url = `https://watcher:8443${path.replace("{name}", "logos")}`;
  const token = least === "anyone" ? "" : ' -H "authorization: Bearer $TOKEN"';
  if (body === null) return `curl${path.endsWith("/stream") ? " -N" : ""}${method === "GET" ? "" : ` -X ${method}`}${token} ${url}`;
  return `curl${method === "POST" ? "" : ` -X ${method}`}${token} -H 'content-type: application/json' -d '${JSON.stringify(sample(body))}' ${url}`;
}

/** The smallest value that a schema allows, the first of several. */
function sample(schema: JsonObject): Json {
  if (schema["const"] !== undefined) return schema["const"];
  if (Array.isArray(schema["enum"])) return schema["enum"][0] as Json;
  const [first] = [...list(schema["oneOf"]), ...list(schema["anyOf"])];
  if (first !== undefined) return sample(object(first));
  switch (schema["type"]) {
    case "object": {
      const required = new Set(list(schema["required"]).map(text));
      return Object.fromEntries(Object.entries(object(schema["properties"])).filter(([name]) => required.has(name)).map(([name, each]) => [name, name === "host" ? "logos" : name === "by" ? "anna" : name === "reason" ? "why it is done" : sample(object(each))]));
    }
    case "array": return [];
    case "boolean": return false;
    case "integer": case "number": return typeof schema["minimum"] === "number" && schema["minimum"] > 0 ? schema["minimum"] : 0;
    case "null": return null;
    default: return "…";
  }
}

function shape(name: string, schema: JsonObject): Shape {
  const description = text(schema["description"]);
  if (schema["type"] === "object") return { name, description, type: "object", fields: fieldsOf(schema) };
  return { name, description, type: typeOf({ ...schema, description: "" }), fields: [] };
}

function fieldsOf(schema: JsonObject): Field[] {
  const required = new Set(list(schema["required"]).map(text));
  return Object.entries(object(schema["properties"])).map(([name, each]) => ({ name, type: typeOf(object(each)), required: required.has(name), description: text(object(each)["description"]) }));
}

/** A type in words, with the names of the document's schemas in it. */
export function typeOf(schema: JsonObject): string {
  if (typeof schema["$ref"] === "string") return schema["$ref"].split("/").at(-1) ?? "";
  if (schema["const"] !== undefined) return JSON.stringify(schema["const"]);
  if (Array.isArray(schema["enum"])) return schema["enum"].map((each) => JSON.stringify(each)).join(" | ");
  const several = [...list(schema["oneOf"]), ...list(schema["anyOf"])];
  if (several.length > 0) return several.map((each) => typeOf(object(each))).join(" | ");
  switch (schema["type"]) {
    case "array": {
      const items = typeOf(object(schema["items"]));
      return items.includes(" ") ? `(${items})[]` : `${items}[]`;
    }
    case "object": {
      const fields = Object.entries(object(schema["properties"]));
      if (fields.length > 0) return `{ ${fieldsOf(schema).map(({ name, type, required }) => `${name}${required ? "" : "?"}: ${type}`).join(", ")} }`;
      const each = object(schema["additionalProperties"]);
      return Object.keys(each).length === 0 ? "{}" : `{ [name]: ${typeOf(each)} }`;
    }
    case "string": return schema["format"] === "date-time" ? "time" : "string";
    case undefined: return "any";
    default: return text(schema["type"]);
  }
}

export function apiPage(document: JsonObject): string {
  const { description, tags, asked, shapes } = readingOf(document);
  const names = new Set(shapes.map(({ name }) => name));
  const linked = (type: string) => code(type).replace(/\b[A-Z][A-Za-z]+\b/g, (word) => (names.has(word) ? `</code>[${word}](#${word.toLowerCase()})<code>` : word)).replaceAll("<code></code>", "");
  const fields = (rows: readonly Field[]) => rows.map(({ name, type, required, description: words }) => `| \`${name}\`${required ? "" : " (optional)"} | ${linked(type)} | ${cell(words)} |`);
  return `${[
    "# The interface",
    "",
    "<!-- Generated by scripts/generate-openapi.ts from src/api: change the descriptions there. -->",
    "",
    `${description} The same as [OpenAPI 3.1](openapi.json), which a watcher serves at \`/v1/openapi.json\`, with a reader at \`/docs\`.`,
    "",
    "On the watcher's own machine: `curl --unix-socket /var/lib/upkeep/upkeep.sock http://upkeep/v1/status`.",
    "",
    ...tags.flatMap((tag) => [
      `## ${tag.name}`, "", tag.description, "",
      ...asked.filter((each) => each.tag === tag.name).flatMap((each) => [
        `### ${each.method} ${each.path}`, "",
        `${each.summary}.${each.description === "" ? "" : ` ${each.description}`} ${each.least === "anyone" ? "Nobody has to log in." : `Role: ${each.least}.`}`, "",
        ...(each.parameters.length === 0 ? [] : ["| parameter | type | what |", "|---|---|---|", ...each.parameters.map(({ name, type, description: words }) => `| \`${name}\` | ${linked(type)} | ${cell(words)} |`), ""]),
        ...(each.body === null ? [] : [`Body: ${linked(each.body)}`, ""]),
        ...each.answers.map(({ status, type, media, description: words }) => `- ${status} \`${media}\`: ${linked(type)}. ${words}`), "",
        "```sh", each.example, "```", "",
      ]),
    ]),
    "## Schemas", "",
    ...shapes.flatMap(({ name, description: words, type, fields: rows }) => [`### ${name}`, "", words, "", ...(rows.length === 0 ? [linked(type)] : ["| field | type | what |", "|---|---|---|", ...fields(rows)]), ""]),
  ].join("\n").trimEnd()}\n`;
}

/** HTML's code, because Markdown's has no links in it. */
function code(type: string): string {
  return `<code>${cell(type.replaceAll("&", "&amp;").replaceAll("<", "&lt;"))}</code>`;
}

function cell(words: string): string {
  return words.replaceAll("|", "\\|").replaceAll("\n", " ");
}

function object(value: Json | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

function list(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

function text(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}
