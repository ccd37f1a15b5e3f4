// The public status page: what it says, that nothing of the inside gets out, that what people write is read and never carried
// out, that it is valid HTML by somebody else's judgement, and that notices survive.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { lacking, thirdParty } from "../../../lab/third-party.ts";
import { measure, together } from "../../core/availability.ts";
import type { IncidentRecord } from "../../core/records.ts";
import type { Standing } from "../../core/standing.ts";
import type { NoticeReport, StatusPageFiles } from "../contract.ts";
import { ask, errorOf, opened, post } from "../doors-for-tests.ts";
import { openWorld, until } from "../world-for-tests.ts";
import { statusPageHtml } from "./html.ts";
import { escaped, htmlOf } from "./markdown.ts";
import type { StatusPageInput } from "./model.ts";
import { statusPageModel } from "./model.ts";
import { Notices, NOTICES_NAME } from "./notices.ts";

const DAY_MS = 86_400_000;
const TODAY_MS = Date.UTC(2026, 10, 29);
const NOW_MS = TODAY_MS + 43_200_000;
const up: Standing = { state: "up", planned: null };
const down: Standing = { state: "down", planned: null };

function incident(host: string, beganMs: number, lengthMs: number | null): IncidentRecord {
  const at = (wallMs: number) => ({ bootMs: wallMs, wallMs, bootId: "b" });
  return { v: 1, incident: "lusab-babad", host, firstSign: "ssh: 10.0.0.21 said <secret>", began: at(beganMs), downAt: at(beganMs + 25_000), intendedAt: null, offSentAt: null, offConfirmedAt: null, onConfirmedAt: null, endedAt: lengthMs === null ? null : at(beganMs + lengthMs), outcome: lengthMs === null ? "open" : "recovered" };
}

function input(change: Partial<StatusPageInput> = {}): StatusPageInput {
  const components = change.components ?? [{ name: "Web", hosts: ["web1"] }, { name: "Databases", hosts: ["db1", "db2"] }];
  const incidents = change.incidents ?? [];
  const days = Array.from({ length: 30 }, (_, index) => ({ fromMs: TODAY_MS - (29 - index) * DAY_MS, toMs: TODAY_MS - (28 - index) * DAY_MS }));
  const periods = [{ fromMs: days[0]?.fromMs ?? 0, toMs: TODAY_MS + DAY_MS }, ...days];
  const seen = [{ fromMs: TODAY_MS - 20 * DAY_MS, toMs: NOW_MS, ...up }];
  const parts = components.map(({ name, hosts }) => ({ name, parts: hosts.map((host) => measure(seen, incidents.filter((each) => each.host === host), periods, NOW_MS)) }));
  return {
    title: "Example", components, standings: new Map(components.flatMap(({ hosts }) => hosts.map((host) => [host, up] as const))), days, incidents, notices: [], nowMs: NOW_MS,
    answer: { sinceMs: 0, experience: [], periods: periods.map((_, index) => ({ total: together([]), hosts: [], groups: parts.map(({ name, parts: each }) => ({ group: name, parts: together(each.flatMap((of) => of[index] ?? [])) })) })) },
    ...change,
  };
}

test("one sentence, the worst first", () => {
  const say = (standings: Record<string, Standing>) => statusPageModel(input({ standings: new Map(Object.entries(standings)) })).headline;
  assert.equal(say({ web1: up, db1: up, db2: up }), "Everything is available.");
  assert.equal(say({ web1: up, db1: down, db2: up }), "Databases is partly not available.");
  assert.equal(say({ web1: down, db1: down, db2: down }), "Web and Databases are not available.");
  assert.equal(say({ web1: down, db1: { state: "down", planned: "maintenance" }, db2: up }), "Web is not available. Databases is in maintenance.");
  assert.equal(say({}), "Web and Databases are not being watched at present.");
});

test("what people say counts where it is worse than what was noticed", () => {
  const notice = (severity: NoticeReport["severity"], components: readonly string[], ended: string | null = null): NoticeReport => ({ id: 1, title: "Something is slow", severity, components, by: "x", began: "2026-11-29T08:00:00.000Z", ended, updates: [] });
  const say = (notices: readonly NoticeReport[], standings: Record<string, Standing> = { web1: up, db1: up, db2: up }) => {
    const { headline, state } = statusPageModel(input({ notices, standings: new Map(Object.entries(standings)) }));
    return [headline, state];
  };
  assert.deepEqual(say([notice("disturbance", ["Web"])]), ["Web is partly not available.", "partly"]);
  assert.deepEqual(say([notice("disturbance", ["Web"])], { web1: down, db1: up, db2: up }), ["Web is not available.", "out"]);
  assert.deepEqual(say([notice("info", ["Web"]), notice("outage", ["Web"], "2026-11-29T09:00:00.000Z")]), ["Everything is available.", "available"]);
  assert.deepEqual(say([notice("disturbance", [])]), ["Something is slow", "partly"]);
});

test("days: unknown is never available; outages that are close are one; planned days have none", () => {
  const at = TODAY_MS - 2 * DAY_MS + 3_600_000;
  const model = statusPageModel(input({ incidents: [incident("db1", at, 65_000), incident("db2", at + 120_000, 65_000), incident("web1", TODAY_MS + 3_600_000, null)] }));
  const [web, databases] = model.components;
  assert.deepEqual([web?.days[0]?.state, web?.days[15]?.state, web?.days[29]?.state], ["unknown", "available", "out"]);
  assert.deepEqual([databases?.days[27]?.state, databases?.days[27]?.words, databases?.available], ["partly", "available 99.92 %", "99.996 %"]);
  assert.deepEqual(model.past.map(({ day, outages }) => [day, outages.map(({ words }) => words)]), [["2026-11-29", ["Web has been not available for 11 h."]], ["2026-11-27", ["Databases was not available for 3 min 5 s."]]]);
});

test("nothing of the inside is on it: neither names nor addresses, reasons or who wrote", () => {
  const notices: readonly NoticeReport[] = [{ id: 1, title: "Slow", severity: "disturbance", components: ["Web"], by: "riki@pts/3", began: "2026-11-29T08:00:00.000Z", ended: null, updates: [{ at: "2026-11-29T08:00:00.000Z", by: "riki@pts/3", text: "We look." }] }];
  const html = statusPageHtml(statusPageModel(input({ notices, incidents: [incident("db1", TODAY_MS + 60_000, 65_000), incident("web1", NOW_MS - 60_000, null)], standings: new Map([["web1", down], ["db1", up], ["db2", up]]) })));
  for (const inside of ["web1", "db1", "db2", "10.0.0", "ssh", "secret", "lusab", "riki", "script", "style=", "onclick"]) assert.ok(!html.includes(inside), inside);
  for (const outside of ["Web is not available.", "We look.", "Databases was partly not available for 65 s."]) assert.ok(html.includes(outside), outside);
});

test("what people write is read, never carried out", () => {
  assert.equal(htmlOf("We **look** into it, `ls` and *so* on.\nSecond line\n\n- one\n- [two](https://example.org/a?b=1&c=2)\n\n[x](javascript:alert(1))"), '<p>We <strong>look</strong> into it, <code>ls</code> and <em>so</em> on.<br>\nSecond line</p>\n<ul><li>one</li><li><a href="https://example.org/a?b=1&#38;c=2" rel="nofollow noopener">two</a></li></ul>\n<p>[x](javascript:alert(1))</p>');
  assert.equal(htmlOf("<img src=x onerror=alert(1)> **<b>**"), "<p>&#60;img src=x onerror=alert(1)&#62; <strong>&#60;b&#62;</strong></p>");
  const pieces = fc.array(fc.oneof(fc.string({ unit: "binary", maxLength: 12 }), fc.constantFrom("**", "*", "`", "[", "](https://e.org/", "](", ")", "<script>", "\"", "'", "&lt;", "- ", "\n", "\n\n", "<!--", "javascript:")), { maxLength: 30 }).map((parts) => parts.join(""));
  fc.assert(fc.property(pieces, (text) => {
    const html = htmlOf(text);
    const tags = html.match(/<[^>]*>/g) ?? [];
    for (const tag of tags) assert.match(tag, /^<(\/?(p|ul|li|strong|em|code)|br|\/a|a href="(https?:\/\/|mailto:)[^"<>]*" rel="nofollow noopener")>$/, tag);
    assert.doesNotMatch(html.replace(/<[^>]*>/g, ""), /[<>"']/);
    const opened_: string[] = [];
    for (const tag of tags) {
      const name = /^<\/?([a-z]+)/.exec(tag)?.[1] ?? "";
      if (name === "br") continue;
      if (tag.startsWith("</")) assert.equal(opened_.pop(), name);
      else opened_.push(name);
    }
    assert.deepEqual(opened_, []);
  }), { numRuns: 300 });
  assert.equal(escaped("\"<&>'"), "&#34;&#60;&#38;&#62;&#39;");
});

test("somebody else finds the HTML valid", { skip: lacking("tidy") }, () => {
  thirdParty("HTML Tidy", ["tidy", "-v"]);
  const update = (text: string) => ({ at: "2026-11-28T08:00:00.000Z", by: "x", text });
  const notices: readonly NoticeReport[] = [
    { id: 1, title: "A & <B>", severity: "outage", components: ["Web"], by: "x", began: "2026-11-28T08:00:00.000Z", ended: null, updates: [update("One\ntwo\n\n- a\n- **b**"), update("[x](https://example.org/?a=1&b=2)")] },
    { id: 2, title: "Over", severity: "info", components: [], by: "x", began: "2026-11-28T08:00:00.000Z", ended: "2026-11-28T09:00:00.000Z", updates: [update("`x < y`")] },
  ];
  for (const html of [statusPageHtml(statusPageModel(input({ notices, incidents: [incident("db1", TODAY_MS + 60_000, 65_000)] }))), statusPageHtml(statusPageModel(input({ components: [] })))]) {
    const run = spawnSync("tidy", ["-q", "-e", "--show-info", "no", "--mute", "PROPRIETARY_ATTRIBUTE"], { input: html, encoding: "utf8", timeout: 20_000 });
    assert.equal(`${run.stderr}${run.status}`, "0");
  }
});

test("notices survive, are bounded, and a broken file is set aside", () => {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-notices-"));
  try {
    const problems: string[] = [];
    const notices = new Notices(folder, (text) => problems.push(text));
    const add = (title: string) => notices.add({ title, text: "x", severity: "info", components: [] }, "riki", "2026-11-29T08:00:00.000Z");
    assert.equal(add("one")?.id, 1);
    assert.equal(add("two")?.id, 2);
    const ended = notices.update(1, { text: "done", end: true }, "riki", "2026-11-29T09:00:00.000Z");
    assert.ok(ended !== null && ended !== "full" && ended.ended === "2026-11-29T09:00:00.000Z" && ended.updates.length === 2);
    assert.equal(notices.update(9, { end: true }, "riki", "2026-11-29T09:00:00.000Z"), null);
    // A write that was killed leaves its new file: the old one stands, and the next write does not mind.
    writeFileSync(join(folder, `${NOTICES_NAME}.new`), "{\"v\":1,\"next\":");
    const again = new Notices(folder, (text) => problems.push(text));
    assert.deepEqual(again.list().map(({ id, ended: at }) => [id, at !== null]), [[1, true], [2, false]]);
    assert.ok(again.remove(2));
    assert.ok(!again.remove(2));
    for (let n = 0; n < 199; n += 1) again.add({ title: "t", text: "x", severity: "info", components: [] }, "riki", "2026-11-29T08:00:00.000Z");
    assert.equal(again.list().length, 200);
    assert.ok(again.add({ title: "t", text: "x", severity: "info", components: [] }, "riki", "2026-11-29T08:00:00.000Z") !== null, "the one that has ended goes");
    assert.equal(again.add({ title: "t", text: "x", severity: "info", components: [] }, "riki", "2026-11-29T08:00:00.000Z"), null, "all are open");
    writeFileSync(join(folder, NOTICES_NAME), "{\"v\":1,\"next\":1,\"notices\":[{\"id\":\"x\"}]}");
    assert.deepEqual(new Notices(folder, (text) => problems.push(text)).list(), []);
    assert.match(problems.join(), /set aside as notices\.json\.corrupt-/);
    assert.ok(readdirSync(folder).some((name) => name.startsWith(`${NOTICES_NAME}.corrupt-`)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("served without a log-in where it is configured, and nowhere else; notices by who may", async () => {
  const world = openWorld();
  const it = await opened({ world });
  try {
    await until("seen", () => [...world.watcher.state.hosts.values()].every((host) => host.unguarded === null));
    for (const path of ["/status", "/status.css", "/v1/status-page"]) assert.equal((await ask(it.tcp, "GET", path)).status, 404, path);
    world.statusPage = { title: "Example", historyDays: 7, components: [{ name: "Everything", group: "default", hosts: [] }, { name: "Gone", group: null, hosts: ["nobody"] }] };
    const page = await ask(it.tcp, "GET", "/status");
    assert.equal(page.status, 200);
    assert.match(page.text, /Gone is not being watched at present\./);
    assert.match(String(page.headers["cache-control"]), /public, max-age=30/);
    assert.ok(page.headers["etag"] !== undefined);
    assert.match(String(page.headers["content-security-policy"]), /default-src 'none'/);
    assert.equal((await ask(it.tcp, "GET", "/status.css")).headers["content-type"], "text/css; charset=utf-8");
    const { files } = (await ask(it.control, "GET", "/v1/status-page")).json as StatusPageFiles;
    assert.deepEqual(Object.keys(files), ["index.html", "status.css"]);

    const notice = { title: "Slow\u202e", text: "We <b>look</b>.", severity: "disturbance", components: ["Everything"], by: "riki" };
    assert.equal((await ask(it.tcp, "GET", "/v1/notices")).status, 200);
    assert.equal((await post(it.tcp, "/v1/notices", notice)).status, 405, "TCP is read-only until there are users");
    const made = await post(it.control, "/v1/notices", notice);
    assert.deepEqual([made.status, (made.json as NoticeReport).title, (made.json as NoticeReport).by], [201, "Slow?", "riki"]);
    assert.match((await ask(it.tcp, "GET", "/status")).text, /We &#60;b&#62;look/, "at once, though the page is kept for half a minute");
    const wrong: readonly (readonly [unknown, number, RegExp])[] = [[{ ...notice, components: ["Nothing"] }, 400, /no component Nothing/], [{ ...notice, severity: "bad" }, 400, /severity/], [{ ...notice, title: "" }, 400, /title/], [{ ...notice, more: 1 }, 400, /more/i], [{ ...notice, text: "x".repeat(5_001) }, 400, /text/]];
    for (const [body, status, said] of wrong) {
      const got = await post(it.control, "/v1/notices", body);
      assert.equal(got.status, status);
      assert.match(errorOf(got), said);
    }
  } finally {
    await it.close();
  }
});
