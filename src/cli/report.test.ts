// `upkeep report availability` before a watcher's history of two months: sentences for people, CSV and JSON for programs.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { AvailabilityReport } from "../api/contract.ts";
import type { Api } from "../api/server.ts";
import { openApi } from "../api/server.ts";
import type { World } from "../api/world-for-tests.ts";
import { openWorld } from "../api/world-for-tests.ts";
import type { IncidentRecord } from "../core/records.ts";
import type { History } from "../journal/history.ts";
import { openHistory } from "../journal/history.ts";

const UPKEEP = new URL("../../bin/upkeep", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "upkeep-report-"));
const config = join(folder, "upkeep.yaml");
const SEPTEMBER_MS = Date.UTC(2026, 8, 1);
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
let world: World;
let history: History;
let api: Api;

function run(words: readonly string[]): Promise<{ readonly exit: number; readonly out: string; readonly err: string }> {
  return new Promise((resolve) => {
    const child = spawn(UPKEEP, [...words, "-c", config], { stdio: ["ignore", "pipe", "pipe"] });
    let [out, err] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
    child.on("close", (code) => resolve({ exit: code ?? -1, out, err }));
  });
}

/** 25 s to detect and 40 s until it is back, once in that day. */
function outage(day: number): IncidentRecord {
  const began = SEPTEMBER_MS + day * DAY_MS + HOUR_MS;
  const at = (ms: number) => ({ bootMs: began + ms, wallMs: began + ms, bootId: "b" });
  return { v: 1, incident: `lusab-${"bcdfghjklmnp"[day]}abad`, host: "logos", firstSign: "ssh: no banner", began: at(0), downAt: at(25_000), intendedAt: at(25_000), offSentAt: at(25_000), offConfirmedAt: at(26_000), onConfirmedAt: at(31_000), endedAt: at(65_000), outcome: "recovered" };
}

before(async () => {
  mkdirSync(join(folder, "state"), { mode: 0o700 });
  writeFileSync(config, "data: state\nhosts: {}\n");
  world = openWorld();
  history = await openHistory({ dataDir: join(folder, "state"), onProblem: (text) => assert.fail(text) });
  const up = (host: string, atMs: number) => ({ host, atMs, state: "up" as const, planned: null });
  history.look({ begins: true, atMs: SEPTEMBER_MS, changes: [up("logos", SEPTEMBER_MS), up("ethos", SEPTEMBER_MS), up("pathos", SEPTEMBER_MS)] });
  const work = SEPTEMBER_MS + 20 * DAY_MS;
  history.look({ begins: false, atMs: SEPTEMBER_MS + 28 * DAY_MS, changes: [{ host: "ethos", atMs: work, state: "down", planned: "maintenance" }, up("ethos", work + 180_000)] });
  for (let day = 0; day < 10; day += 1) history.incident(outage(day));
  await history.flush();
  // Asked in October, whenever that is: what to expect is made of the last 90 days.
  const past = { ...world.sources.history, availability: (query: Parameters<History["availability"]>[0]) => history.availability({ ...query, nowMs: SEPTEMBER_MS + 40 * DAY_MS }) };
  api = await openApi({ ...world.sources, history: past }, { socketPath: join(folder, "state", "upkeep.sock"), listen: null, onTrouble: () => {} });
});

after(async () => {
  await api.close();
  await world.close();
  await history.close();
  rmSync(folder, { recursive: true, force: true });
});

test("a month in sentences; the days in which it was lost; groups", async () => {
  const [month, days, byGroup] = await Promise.all([run(["report", "availability", "--month", "2026-09"]), run(["report", "availability", "--since", "2026-09-01", "--until", "2026-09-03", "--each", "day", "--host", "logos"]), run(["report", "availability", "--month", "2026-09", "--by", "group"])]);
  assert.deepEqual([month.exit, month.err, days.exit, byGroup.exit], [0, "", 0, 0]);
  assert.match(month.out, /^2026-09: available 99\.991 %; 10 outages, 10 min 50 s lost, 3 min planned in 1 \(at this pace 13 min 3 s a year, 99\.997 % by itself\), 6\.7 % of it not watched\.$/m);
  assert.match(month.out, /^logos +99\.97 % +10 +10 min 50 s +65 s +– +(48 h|2 d) +4 min 10 s to detect, 10 s to cut, 50 s off, 5 min 40 s to boot$/m);
  assert.match(month.out, /^ethos +100 % +0 +– +– +3 min in 1 +2 d +3 min maintenance$/m);
  assert.match(month.out, /^Expected of logos: .* = 65 s an outage, one in 2\.8 days\.$/m);
  assert.match(month.out, /^Expected of ethos: .*, one in 28 days\.$/m);
  assert.match(days.out, /^2026-09-01: available 99\.92 %; 1 outage, 65 s lost, nothing planned, watched all the time\.$/m);
  assert.match(days.out, /^2026-09-02: /m);
  assert.match(byGroup.out, /^default +99\.991 % +10 /m);
  assert.doesNotMatch(byGroup.out, /Expected/);
});

test("for programs, and what is asked wrongly", async () => {
  const [csv, json, before2026, both, wrong, month] = await Promise.all([
    run(["report", "availability", "--month", "2026-09", "--csv"]), run(["report", "availability", "--month", "2026-09", "--json"]), run(["report", "availability", "--month", "2025-01"]),
    run(["report", "availability", "--month", "2026-09", "--since", "1d"]), run(["report", "availability", "--outages-per-day", "-1"]), run(["report", "availability", "--month", "September"]),
  ]);
  const [head, ...lines] = csv.out.split("\r\n");
  assert.equal(head, "from,to,host,availability,wholeMs,upMs,unknownMs,plannedMs,unplannedMs,outages,plannedOutages,longestMs,detectMs,decideMs,cutMs,offMs,bootMs,waitMs,maintenanceMs,goingDownMs,wantedOffMs,askedForMs");
  assert.deepEqual([lines.length, lines[0]?.split(",")[2], lines[0]?.split(",")[8]], [4, "logos", "650000"]);
  const report = JSON.parse(json.out) as AvailabilityReport;
  assert.equal(report.periods[0]?.hosts[0]?.unplannedMs, 650_000);
  assert.equal(before2026.exit, 1);
  assert.match(before2026.out, /nothing is known of it[^]*has recorded how hosts stand since 2026-09-01/);
  assert.deepEqual([both.exit, wrong.exit, month.exit], [2, 2, 2]);
  assert.match(both.err, /not both/);
  assert.match(month.err, /Write a month as 2026-10/);
});
