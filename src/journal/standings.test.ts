// How hosts stood, on disk and back: what a death leaves unsaid was not watched, clocks that jump vouch for nothing, and a file
// that is made anew is told everything again.

import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { Hand, hostPolicy, policyOf } from "../core/test/hand.ts";
import type { AvailabilityQuery } from "../core/availability.ts";
import type { IncidentRecord } from "../core/records.ts";
import type { Now } from "../core/time.ts";
import { Standings } from "../watcher/standings.ts";
import { openHistory } from "./history.ts";
import type { StandingLook } from "./standing-table.ts";
import { joined, STANDINGS_SCHEMA, StandingTable } from "./standing-table.ts";

const WALL_MS = Date.UTC(2026, 10, 1);
const up = (host: string, atMs: number) => ({ host, atMs, state: "up" as const, planned: null });
const down = (host: string, atMs: number) => ({ host, atMs, state: "down" as const, planned: "maintenance" as const });

function tableIn(): { database: DatabaseSync; table: StandingTable } {
  const database = new DatabaseSync(":memory:");
  database.exec(`CREATE TABLE incident (host TEXT, began_ms REAL); ${STANDINGS_SCHEMA}`);
  return { database, table: new StandingTable(database) };
}

test("a row holds until the next one of its host or the end of its run", () => {
  const { table } = tableIn();
  table.write([{ begins: true, atMs: 1_000, changes: [up("logos", 1_000), up("ethos", 1_000)] }, { begins: false, atMs: 70_000, changes: [] }, { begins: false, atMs: 80_000, changes: [down("logos", 75_000)] }], false);
  table.write([{ begins: true, atMs: 200_000, changes: [up("logos", 200_000)] }, { begins: false, atMs: 210_000, changes: [] }], false);
  const all = { fromMs: 0, toMs: 1e9 };
  assert.deepEqual(table.seen("logos", all), [
    { fromMs: 1_000, toMs: 75_000, state: "up", planned: null }, { fromMs: 75_000, toMs: 80_000, state: "down", planned: "maintenance" }, { fromMs: 200_000, toMs: 210_000, state: "up", planned: null },
  ], "the last look counts though its time was not written yet");
  assert.deepEqual(table.seen("ethos", all), [{ fromMs: 1_000, toMs: 80_000, state: "up", planned: null }]);
  assert.deepEqual(table.seen("logos", { fromMs: 78_000, toMs: 205_000 }), [{ fromMs: 78_000, toMs: 80_000, state: "down", planned: "maintenance" }, { fromMs: 200_000, toMs: 205_000, state: "up", planned: null }]);
  assert.deepEqual(table.seen("nobody", all), []);
  assert.equal(table.sinceMs(), 1_000);
});

test("what another process finds after a kill is what was written: a minute is lost at most", () => {
  const { database, table } = tableIn();
  table.write([{ begins: true, atMs: 0, changes: [up("logos", 0)] }], false);
  for (let atMs = 5_000; atMs <= 130_000; atMs += 5_000) table.write([{ begins: false, atMs, changes: [] }], false);
  assert.deepEqual(new StandingTable(database).seen("logos", { fromMs: 0, toMs: 1e9 }).map(({ toMs }) => toMs), [120_000]);
});

test("a clock that was turned back tells of no time twice", () => {
  const { table } = tableIn();
  table.write([{ begins: true, atMs: 100_000, changes: [up("logos", 100_000)] }, { begins: false, atMs: 200_000, changes: [] }], true);
  table.write([{ begins: true, atMs: 150_000, changes: [down("logos", 150_000)] }, { begins: false, atMs: 260_000, changes: [] }], true);
  assert.deepEqual(table.seen("logos", { fromMs: 0, toMs: 1e9 }).map(({ fromMs, toMs, state }) => [fromMs, toMs, state]), [[100_000, 200_000, "up"], [200_000, 260_000, "down"]]);
});

test("old rows go, a run that holds some stays", () => {
  const { database, table } = tableIn();
  for (let run = 0; run < 10; run += 1) table.write([{ begins: true, atMs: run * 1_000, changes: [up("logos", run * 1_000)] }, { begins: false, atMs: run * 1_000 + 500, changes: [] }], true);
  while (table.drop(5_000) > 0) continue;
  assert.deepEqual(database.prepare("SELECT count(*) AS n FROM run").get()?.["n"], 5);
  assert.equal(table.seen("logos", { fromMs: 0, toMs: 1e9 }).length, 5);
});

test("looks that say nothing are taken together", () => {
  const looks: StandingLook[] = [{ begins: true, atMs: 1, changes: [up("a", 1)] }, { begins: false, atMs: 2, changes: [] }, { begins: false, atMs: 3, changes: [down("a", 3)] }, { begins: true, atMs: 9, changes: [] }];
  assert.deepEqual(joined([], looks), [{ begins: true, atMs: 3, changes: [up("a", 1), down("a", 3)] }, { begins: true, atMs: 9, changes: [] }]);
});

test("looks: a sleep, a jump of the clock and a history made anew begin anew", () => {
  const hand = Hand.running(policyOf([hostPolicy({ name: "logos" })]));
  const looks: StandingLook[] = [];
  const history = { look: (look: StandingLook) => void looks.push(look), looksFrom: 1 };
  const standings = new Standings(history);
  let now: Now = { bootMs: 0, wallMs: WALL_MS, bootId: "b", synced: true };
  const look = (change: Partial<Now>): readonly [boolean, number] => {
    now = { ...now, ...change };
    standings.look(hand.state, hand.policy, now);
    const last = looks.at(-1);
    return [last?.begins === true, last?.changes.length ?? -1];
  };
  assert.deepEqual(look({}), [true, 1]);
  assert.deepEqual(look({ bootMs: 5_000, wallMs: WALL_MS + 5_000 }), [false, 0]);
  assert.deepEqual(look({ bootMs: 400_000, wallMs: WALL_MS + 400_000 }), [true, 1], "nobody looked for minutes");
  assert.deepEqual(look({ bootMs: 405_000, wallMs: WALL_MS + 405_000 + 31_536_000_000 }), [true, 1], "a year later within five seconds");
  history.looksFrom = 2;
  assert.deepEqual(look({ bootMs: 410_000, wallMs: now.wallMs + 5_000 }), [true, 1]);
});

test("through the thread and the file: asked at once, closed, opened again, taken away", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "upkeep-standings-"));
  try {
    const record: IncidentRecord = { v: 1, incident: "lusab-babad", host: "logos", firstSign: "x", began: { bootMs: 0, wallMs: WALL_MS + 100_000, bootId: "b" }, downAt: { bootMs: 25_000, wallMs: WALL_MS + 125_000, bootId: "b" }, intendedAt: null, offSentAt: null, offConfirmedAt: null, onConfirmedAt: null, endedAt: { bootMs: 65_000, wallMs: WALL_MS + 165_000, bootId: "b" }, outcome: "recovered by itself" };
    const query = (nowMs: number): AvailabilityQuery => ({ hosts: [{ host: "logos", group: "core" }, { host: "ethos", group: "core" }], periods: [{ fromMs: WALL_MS, toMs: WALL_MS + 86_400_000 }], groupsOnly: false, open: [], nowMs });
    const first = await openHistory({ dataDir, onProblem: (text) => assert.fail(text) });
    first.look({ begins: true, atMs: WALL_MS, changes: [up("logos", WALL_MS)] });
    first.incident(record);
    first.look({ begins: false, atMs: WALL_MS + 200_000, changes: [] });
    const answer = await first.availability(query(WALL_MS + 200_000));
    assert.deepEqual(answer.periods[0]?.hosts.map(({ host, parts }) => [host, parts.upMs, parts.unplannedMs, parts.unknownMs]), [["logos", 135_000, 65_000, 0], ["ethos", 0, 0, 200_000]]);
    assert.deepEqual([answer.periods[0]?.total.upMs, answer.periods[0]?.groups.length, answer.sinceMs], [135_000, 1, WALL_MS]);
    assert.deepEqual(answer.experience.map(({ host, outages, watchedMs }) => [host, outages, watchedMs]), [["logos", 1, 200_000], ["ethos", 0, 0]]);
    first.look({ begins: false, atMs: WALL_MS + 210_000, changes: [] });
    await first.close();

    const notes: string[] = [];
    const second = await openHistory({ dataDir, onProblem: (text) => notes.push(text) });
    second.look({ begins: true, atMs: WALL_MS + 300_000, changes: [up("logos", WALL_MS + 300_000)] });
    second.look({ begins: false, atMs: WALL_MS + 310_000, changes: [] });
    const [host] = (await second.availability(query(WALL_MS + 310_000))).periods[0]?.hosts ?? [];
    assert.deepEqual([host?.parts.upMs, host?.parts.unknownMs], [145_000 + 10_000, 90_000], "an end in good order is written to the second");
    const { looksFrom } = second;
    renameSync(join(dataDir, "history.sqlite"), join(dataDir, "elsewhere"));
    const late = await second.availability(query(WALL_MS + 310_000));
    assert.equal(late.sinceMs, null);
    assert.ok(second.looksFrom > looksFrom, "whoever looks is asked to say it all again");
    await second.close();
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
});
