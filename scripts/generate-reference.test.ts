import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { PROBLEM_CODES } from "../src/config/problems.ts";
import { configurationSchema } from "../src/config/schema.ts";
import { referenceFiles } from "./generate-reference.ts";

test("the reference pages are what the schemas say", async () => {
  for (const [path, content] of await referenceFiles()) {
    const now = await readFile(new URL(`../${path}`, import.meta.url), "utf8");
    assert.ok(now === content, `${path} is not up to date: run bin/node24 scripts/generate-reference.ts`);
  }
});

test("the page names every section, every setting of a host, and every problem", async () => {
  const page = (await referenceFiles()).get("docs/reference/configuration.md") ?? "";
  const { properties = {} } = configurationSchema();
  for (const key of [...Object.keys(properties), ...Object.keys(properties["defaults"]?.properties ?? {})]) assert.ok(page.includes(`| \`${key}\` |`), key);
  for (const code of Object.keys(PROBLEM_CODES)) assert.ok(page.includes(`\`${code}\``), code);
  for (const driver of ["apc", "command", "etcd", "zookeeper"]) assert.ok(page.includes(`### ${driver}`), driver);
  assert.ok(!page.includes("undefined") && !page.includes("[object"));
});
