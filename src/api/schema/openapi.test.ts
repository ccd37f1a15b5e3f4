// The document: it describes every row of the table and nothing else, a third party's validator takes it, the kept file is what
// the schemas say. That real answers are what it says is looked at wherever a test asks for one (doors-for-tests.ts).

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { openApiFiles } from "../../../scripts/generate-openapi.ts";
import { statusReport as reportOf } from "../../core/report.ts";
import { openWorld, until } from "../world-for-tests.ts";
import { wrongEvent, wrongWith } from "./held.ts";
import { documented, keyOf, openApiDocument } from "./openapi.ts";
import { OPERATIONS } from "./operations.ts";
import { differences, NAMED } from "./schema.ts";
import { statusReport } from "./status.ts";

test("every row of the table is described, with its parameters, and nothing else is", () => {
  assert.deepEqual(documented().map(keyOf).sort(), Object.keys(OPERATIONS).sort(), "a row without a description in src/api/schema/operations.ts, or the other way round");
  for (const row of documented()) {
    const { query, name, body } = OPERATIONS[keyOf(row)] ?? { query: undefined, name: undefined, body: undefined };
    assert.deepEqual(Object.keys(query ?? {}).sort(), [...row.query].sort(), `parameters of ${keyOf(row)}`);
    assert.equal(name !== undefined, row.path.endsWith("/:name"), `what :name is in ${keyOf(row)}`);
    assert.equal(body !== undefined, row.method === "POST" || row.method === "PATCH", `the body of ${keyOf(row)}`);
  }
});

test("a third party's validator takes the document, and refuses a broken one", async () => {
  const valid = await new Validator().validate(structuredClone(openApiDocument("0.0.0")) as Record<string, unknown>);
  assert.equal(valid.valid, true, JSON.stringify(valid.errors));
  const broken = { ...openApiDocument("0.0.0"), paths: { "/v1/status": { get: { responses: 7 } } } };
  assert.equal((await new Validator().validate(structuredClone(broken) as Record<string, unknown>)).valid, false);
});

test("every reference leads somewhere, every operation has a name of its own, every named schema is used", () => {
  const document = openApiDocument("0.0.0");
  const text = JSON.stringify(document);
  const used = new Set([...text.matchAll(/"#\/components\/schemas\/([A-Za-z]+)"/g)].map(([, name]) => name));
  const defined = Object.keys((document["components"] as { schemas: object }).schemas);
  assert.deepEqual([...used].sort(), defined.sort());
  assert.equal(defined.length, NAMED.size);
  const ids = [...text.matchAll(/"operationId":"([^"]+)"/g)].map(([, id]) => id);
  assert.equal(new Set(ids).size, Object.keys(OPERATIONS).length);
});

test("the kept files are what the schemas and the table of metrics say", async () => {
  for (const [path, content] of await openApiFiles()) {
    const now = await readFile(new URL(`../../../${path}`, import.meta.url), "utf8");
    assert.ok(now === content, `${path} is not up to date: run bin/node24 scripts/generate-openapi.ts`);
    assert.ok(!content.includes("undefined") && !content.includes("[object"), path);
  }
});

test("a field too many, one too few and one of another kind are seen", async () => {
  const world = openWorld();
  try {
    await until("it has started", () => world.watcher.state.started);
    const status = reportOf(world.watcher.state, world.watcher.policy, world.sources.now());
    assert.equal(differences(statusReport, status), null);
    const [host] = status.hosts;
    for (const [what, change] of [["more", { ...status, more: 1 }], ["site", { ...status, site: undefined }], ["verdict", { ...status, hosts: [{ ...host, verdict: "dead" }] }], ["at", { ...status, at: "yesterday" }]] as const) {
      assert.match(differences(statusReport, change) ?? "", new RegExp(what));
    }
    const headers = { "content-type": "application/json; charset=utf-8" };
    assert.equal(wrongWith({ method: "GET", path: "/v1/status?host=logos", status: 200, headers, text: JSON.stringify(status) }), null);
    assert.notEqual(wrongWith({ method: "GET", path: "/v1/status", status: 200, headers, text: "{}" }), null);
    assert.notEqual(wrongWith({ method: "GET", path: "/v1/status", status: 404, headers, text: '{"error":"no","why":1}' }), null);
    assert.notEqual(wrongWith({ method: "GET", path: "/v1/hosts/logos", status: 201, headers, text: "{}" }), null);
    assert.equal(wrongEvent('event: tick\ndata: {"at":"2026-01-01T00:00:00.000Z"}'), null);
    assert.notEqual(wrongEvent('event: tock\ndata: {"at":"2026-01-01T00:00:00.000Z"}'), null);
    assert.notEqual(wrongEvent('event: cells\ndata: {"end":"2026-01-01T00:00:00.000Z","cells":{"a":{"b":{"cell":"x","latencyMs":1}}}}'), null);
  } finally {
    await world.close();
  }
});
