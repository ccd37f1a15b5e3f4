// An OpenAPI document as a person reads it: what may be asked with what, and the shapes that come back, out of the document and
// nothing else. The page at /docs draws it, and docs/reference/api.md is written from it (scripts/api-page.ts).

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

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
  const content = each["requestBody"] === undefined ? null : object(object(object(each["requestBody"])["content"])["application/json"]);
  const bodySchema = content === null ? null : object(content["schema"]);
  return {
    id: text(each["operationId"]), method, path, tag: text(list(each["tags"])[0]), summary: text(each["summary"]), description: text(each["description"]), least: text(each["x-upkeep-least"]), parameters,
    body: bodySchema === null ? null : typeOf(bodySchema),
    answers: Object.entries(object(each["responses"])).filter(([status]) => status !== "default").map(([status, given]) => {
      const [media = "", content] = Object.entries(object(object(given)["content"]))[0] ?? [];
      return { status, media, type: typeOf(object(object(content)["schema"])), description: text(object(given)["description"]) };
    }),
    example: example(method, path, text(each["x-upkeep-least"]), content === null || bodySchema === null ? null : content["example"] ?? sample(bodySchema)),
  };
}

function example(method: string, path: string, least: string, body: Json): string {
  const url = `https://watcher:8443${path.replace("{name}", "logos")}`;
  const token = least === "anyone" ? "" : ' -H "authorization: Bearer $TOKEN"';
  if (body === null) return `curl${path.endsWith("/stream") ? " -N" : ""}${method === "GET" ? "" : ` -X ${method}`}${token} ${url}`;
  return `curl${method === "POST" ? "" : ` -X ${method}`}${token} -H 'content-type: application/json' -d '${JSON.stringify(body)}' ${url}`;
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
      return Object.fromEntries(Object.entries(object(schema["properties"])).filter(([name]) => required.has(name)).map(([name, each]) => [name, sample(object(each))]));
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

function object(value: Json | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

function list(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

function text(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}

/** Only what has all these words in its name, its description or its fields. */
export function found(reading: Reading, words: string): Reading {
  const wanted = words.toLowerCase().split(/\s+/).filter((word) => word !== "");
  if (wanted.length === 0) return reading;
  const says = (texts: readonly string[]) => {
    const all = texts.join(" ").toLowerCase();
    return wanted.every((word) => all.includes(word));
  };
  const ofFields = (fields: readonly Field[]) => fields.flatMap(({ name, type, description }) => [name, type, description]);
  const asked = reading.asked.filter((each) => says([each.method, each.path, each.summary, each.description, each.body ?? "", each.example, ...ofFields(each.parameters), ...each.answers.map(({ type, description }) => `${type} ${description}`)]));
  const shapes = reading.shapes.filter((each) => says([each.name, each.description, each.type, ...ofFields(each.fields)]));
  return { ...reading, asked, shapes, tags: reading.tags.filter(({ name }) => asked.some(({ tag }) => tag === name)) };
}
