// `/v1/alerts` and its test, over both doors: as they are described, and for whom.

import assert from "node:assert/strict";
import { test } from "node:test";
import { reportOf } from "./calling.ts";
import { alertTest, alertsReport } from "./schema/commands.ts";
import { differences, listOf } from "./schema/schema.ts";
import { ask, opened, post } from "./doors-for-tests.ts";

test("what is known of calls and channels, and a test of a channel", async () => {
  const it = await opened();
  try {
  const report = await ask(it.control, "GET", "/v1/alerts");
  assert.equal(report.status, 200);
  assert.equal(differences(alertsReport, report.json), null);
  const tested = await post(it.control, "/v1/alerts/test", { channel: "mail" });
  assert.deepEqual([tested.status, tested.json], [200, [{ channel: "mail", delivered: false, evidence: "450 not now" }]]);
  assert.equal(differences(listOf(alertTest), tested.json), null);
  assert.equal((await post(it.control, "/v1/alerts/test", { channel: "nobody" })).status, 404);
  for (const body of [{}, { channel: 7 }, { channel: "" }, { channel: "x".repeat(64) }, { channel: "mail", by: "me" }, [], null]) assert.equal((await post(it.control, "/v1/alerts/test", body)).status, 400, JSON.stringify(body));
  assert.equal((await post(it.tcp, "/v1/alerts/test", { channel: null })).status, 405, "nobody without a role tries channels");
  } finally {
    await it.close();
  }
});

test("times are ISO 8601, and what is not there is null", () => {
  const report = reportOf({
    channels: [{ channel: "chat", kind: "slack", waiting: 1, oldestMs: 0, failing: "h: ECONNREFUSED", triedMs: 1_000, deliveredMs: null, nextMs: 2_000 }],
    called: [{ alarm: "held:logos", told: [{ channel: "chat", atMs: 0 }], next: { to: ["boss"], atMs: 600_000 } }, { alarm: "ledger", told: [], next: null }],
  });
  assert.equal(differences(alertsReport, report), null);
  assert.deepEqual([report.alarms[0]?.next, report.channels[0]?.delivered, report.channels[0]?.oldest], [{ to: ["boss"], at: "1970-01-01T00:10:00.000Z" }, null, "1970-01-01T00:00:00.000Z"]);
});
