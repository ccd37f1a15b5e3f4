import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { formatProblem } from "./problems.ts";
import { loadConfig } from "./load.ts";
import { loadAgentConfig } from "./load-agent.ts";
import { configurationSchema } from "./schema.ts";
import type { JsonSchema } from "./schema.ts";
import { AUTHORITY, MACHINE } from "./testing.ts";

const EXAMPLES = fileURLToPath(new URL("../../examples/", import.meta.url));

function inner(schema: JsonSchema): readonly JsonSchema[] {
  return [schema.items, schema.additionalProperties, ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].filter((one): one is JsonSchema => typeof one === "object");
}

function walk(schema: JsonSchema, path: string, visit: (schema: JsonSchema, path: string) => void): void {
  visit(schema, path);
  for (const [key, field] of Object.entries(schema.properties ?? {})) walk(field, `${path}.${key}`, visit);
  for (const one of inner(schema)) walk(one, `${path}.*`, visit);
}

test("every setting is described, and every mapping of settings refuses unknown keys", () => {
  let settings = 0;
  walk(configurationSchema(), "", (schema, path) => {
    for (const [key, field] of Object.entries(schema.properties ?? {})) {
      settings += 1;
      assert.ok((field.description ?? "").length > 10, `${path}.${key} has no description`);
    }
    if (schema.properties !== undefined) assert.equal(schema.additionalProperties, false, path);
  });
  assert.ok(settings > 100, `${settings} settings`);
});

test("defaults are shown as they would be written", () => {
  walk(configurationSchema(), "", (schema, path) => {
    if (schema.default === undefined) return;
    const type = Array.isArray(schema.default) ? "array" : typeof schema.default === "number" ? "integer" : typeof schema.default;
    const types = schema.type === undefined ? inner(schema).map((one) => one.type) : [schema.type];
    assert.ok(types.includes(type), `${path} is ${String(schema.type)} and by default ${JSON.stringify(schema.default)}`);
    if (typeof schema["pattern"] === "string") assert.match(String(schema.default), new RegExp(schema["pattern"]), path);
  });
});

test("nothing of ours leaks into the published schema", () => {
  const text = JSON.stringify(configurationSchema());
  assert.ok(!/"x-(kind|default)"/.test(text));
  assert.ok(text.includes('"http://json-schema.org/draft-07/schema#"'));
});

test("every example loads, with no lint but programs that this machine lacks", async () => {
  const all = (await readdir(EXAMPLES)).filter((name) => name.endsWith(".yaml"));
  // What a host reads that runs no watcher.
  const names = all.filter((name) => !name.startsWith("agent"));
  assert.ok(names.length >= 2 && names.length < all.length);
  for (const name of all) {
    if (names.includes(name)) continue;
    const loaded = await loadAgentConfig(`${EXAMPLES}${name}`, { machine: MACHINE });
    assert.deepEqual(loaded.problems.map(formatProblem), [], name);
  }
  for (const name of names) {
    // Secrets of an example lie where they will lie, not here.
    const read = async (path: string): Promise<string | Uint8Array> => (path.endsWith(".pem") ? AUTHORITY : path.startsWith("/etc/upkeep/") ? "long secret\n" : readFile(path));
    const { ok, problems } = await loadConfig(`${EXAMPLES}${name}`, { env: { SUCKER_PASSWORD: "secret", NTFY_TOPIC: "a-topic", PAGERDUTY_KEY: "0123456789abcdef0123456789abcdef" }, machine: MACHINE, readFile: read });
    const told = problems.filter(({ code }) => code !== "COMMAND_MISSING" && !(name === "smallest.yaml" && ["NO_REFERENCES", "NO_ALERTS"].includes(code)));
    assert.deepEqual(told.map(formatProblem), [], name);
    assert.ok(ok, name);
  }
});
