// The history's file: what a kill leaves is made whole again and comes out the same, every table has its bound, what is deleted
// is given back to the disk, and a file of the first format is brought along.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FrameWriter } from "./frames.ts";
import type { HistoryFile, HistoryLimits } from "./history-file.ts";
import { HISTORY_LIMITS, openHistoryFile } from "./history-file.ts";
import { recall } from "./history-schema.ts";
import { Intake } from "./intake.ts";
import { OpenQuarters } from "./open-quarters.ts";
import type { Step } from "./results-page.ts";
import { pageOf } from "./results-page.ts";

const WALL_MS = Date.UTC(2026, 10, 21, 10, 0, 0);
const DAY_MS = 86_400_000;
const NOTHING = { told: [], incidents: [], parts: [], memory: null };

/** A file with what the history's thread has around it. */
class Kept {
  readonly open: OpenQuarters;
  readonly intake: Intake;
  readonly file: HistoryFile;
  readonly #writer = new FrameWriter();

  constructor(dataDir: string, limits: Partial<HistoryLimits> = {}, max?: number) {
    this.open = new OpenQuarters(max);
    this.intake = new Intake(this.open);
    this.file = openHistoryFile(join(dataDir, "history.sqlite"), WALL_MS, { ...HISTORY_LIMITS, ...limits }, this.open).file;
  }

  /** A round every `everyMs` in this time, and what is due is written. */
  rounds(fromMs: number, toMs: number, everyMs: number, { host = "logos", synced = true } = {}): void {
    for (let ms = fromMs; ms < toMs;) {
      for (const endMs = Math.min(toMs, ms + 500 * everyMs); ms < endMs; ms += everyMs) {
        const results = ["ping", "ssh"].map((probe, index) => ({ probe, outcome: ms % 7 === 0 ? "bad" : "good", sign: "answer", evidence: `${Math.sin(ms)}`, latencyMs: Math.round(100 * (5 + index + Math.sin(ms))) / 100 }) as const);
        this.#writer.input({ kind: "round", round: { host, hash: "h", startedAtMs: ms, endedAtMs: ms + 20, references: "none", results } }, { bootMs: ms + 20, wallMs: WALL_MS + ms + 20, bootId: "b", synced });
      }
      const { parts } = this.intake.take(this.#writer.take().frames);
      this.file.write({ ...NOTHING, parts });
    }
  }

  lines(step: Step, host = "logos"): Record<string, unknown>[] {
    const all: Record<string, unknown>[] = [];
    for (let sinceMs: number | null = 0; sinceMs !== null;) {
      const { text, nextMs } = pageOf(this.file.results, { host, probe: null, sinceMs, untilMs: 8e15, step });
      for (const line of text.split("\n")) if (line !== "") all.push(JSON.parse(line) as Record<string, unknown>);
      sinceMs = nextMs;
    }
    return all;
  }

  sweep(strokes = 1_000): void {
    while (this.file.sweep(this.intake.syncedMs) && (strokes -= 1) > 0) continue;
    assert.ok(strokes > 0, "the broom never rests");
  }
}

function inFolder(body: (dataDir: string) => void): void {
  const dataDir = mkdtempSync(join(tmpdir(), "upkeep-file-"));
  try {
    body(dataDir);
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

test("killed at any moment, nothing is lost and nothing is there twice; roll-ups come out the same", () => {
  const hours = 2.4;
  const story = (dataDir: string, kills: readonly number[]): readonly unknown[] => {
    let atMs = 0;
    for (const killMs of [...kills, hours * 3_600_000]) {
      const life = new Kept(dataDir);
      life.file.recover();
      life.rounds(atMs, killMs, 5_000);
      atMs = Math.ceil(killMs / 5_000) * 5_000;
      // Closed without a word to the quarters that are open: as a kill leaves it.
      life.file.close();
    }
    const last = new Kept(dataDir);
    last.file.recover();
    const seen = (["raw", "minute", "hour"] as const).map((step) => last.lines(step));
    // Written in full, and once more after that, it says the same.
    last.file.write(NOTHING, true);
    assert.deepEqual((["raw", "minute", "hour"] as const).map((step) => last.lines(step)), seen);
    last.file.close();
    return seen;
  };
  inFolder((dataDir) => {
    const whole = story(dataDir, []);
    const [raw, minutes, byHour] = whole as [unknown[], unknown[], { count: number }[]];
    assert.deepEqual([raw.length, minutes.length, byHour.map(({ count }) => count)], [2 * 1_728, 2 * 144, [720, 720, 720, 720, 288, 288]]);
    for (const kills of [[1_000], [900_000, 905_000], [965_000], [2_000_000, 2_100_000, 2_200_000], [3_599_000, 3_660_000, 3_661_000, 7_200_000]]) {
      inFolder((other) => assert.deepEqual(story(other, kills), whole, `killed at ${kills.join(", ")}`));
    }
  });
});

test("each step has its age, by a clock that can be trusted only", () => inFolder((dataDir) => {
  const kept = new Kept(dataDir, { roundsMs: DAY_MS, minutesMs: 3 * DAY_MS, hoursMs: 5 * DAY_MS, inputsBytes: 100_000 });
  kept.rounds(0, 8 * DAY_MS, 10_000);
  const oldest = (step: Step): number => (Date.parse(String(kept.lines(step)[0]?.["at"])) - WALL_MS) / DAY_MS;
  assert.deepEqual((["raw", "minute", "hour"] as const).map((step) => oldest(step)), [0, 0, 0]);
  const before = statSync(join(dataDir, "history.sqlite")).size;
  kept.sweep();
  const [raw, minute, hour] = (["raw", "minute", "hour"] as const).map((step) => oldest(step)) as [number, number, number];
  assert.ok(raw > 6.9 && raw <= 7, `${raw}`);
  assert.ok(minute > 4.9 && minute <= 5, `${minute}`);
  assert.ok(hour > 1.5 && hour <= 3, `${hour}`);
  // The newest hour has all its results, whatever became of those.
  assert.equal(kept.lines("hour").at(-3)?.["count"], 360);
  kept.file.sync();
  assert.ok(statSync(join(dataDir, "history.sqlite")).size < before, "nothing was given back");
  // A clock that nobody vouches for says the year 2040.
  kept.rounds(5_000 * DAY_MS, 5_000 * DAY_MS + 60_000, 60_000, { synced: false });
  kept.sweep();
  assert.equal(oldest("raw"), raw);
  kept.file.close();
}));

test("within its size: single results go first, the newest stay, and the file shrinks", () => inFolder((dataDir) => {
  const kept = new Kept(dataDir, { bytes: 350_000, inputsBytes: 100_000 });
  for (let day = 0; day < 6; day += 1) {
    for (const host of ["logos", "ethos", "pathos"]) kept.rounds(day * DAY_MS, (day + 1) * DAY_MS, 20_000, { host });
    kept.sweep();
  }
  const size = statSync(join(dataDir, "history.sqlite")).size;
  kept.file.sync();
  assert.ok(size < 350_000 + 64 * 4_096 * 2, `${size} bytes`);
  const oldest = (step: Step): number => (Date.parse(String(kept.lines(step)[0]?.["at"])) - WALL_MS) / DAY_MS;
  assert.ok(oldest("raw") > 4 && oldest("hour") === 0, `${oldest("raw")}, ${oldest("hour")}`);
  assert.equal(Date.parse(String(kept.lines("raw").at(-1)?.["at"])), WALL_MS + 6 * DAY_MS - 20_000);
  kept.file.close();
}));

test("events, incidents and inputs are kept within their bounds", () => inFolder((dataDir) => {
  const kept = new Kept(dataDir, { inputsBytes: 30_000, events: 50, incidents: 5 });
  const stamp = (wallMs: number) => ({ bootMs: 0, wallMs, bootId: "b" });
  for (let batch = 0; batch < 60; batch += 1) {
    const told = [1, 2].map((each) => ({ seq: batch * 2 + each, kind: "suspect" as const, host: "logos", incident: null, because: "x", cause: null, wallMs: 0, bootMs: 0 }));
    const record = { v: 1 as const, incident: `incident-${batch}`, host: "logos", began: stamp(batch), firstSign: "", downAt: null, intendedAt: null, offSentAt: null, offConfirmedAt: null, onConfirmedAt: null, endedAt: null, outcome: "open" as const };
    kept.file.write({ ...NOTHING, told, incidents: [record] });
    kept.rounds(batch * 1_000_000, (batch + 1) * 1_000_000, 1_000);
    kept.sweep();
  }
  assert.deepEqual(kept.file.events({ limit: 1_000 }).map((event) => event.seq), Array.from({ length: 50 }, (_, each) => 71 + each));
  assert.deepEqual(kept.file.incidents({ limit: 1_000 }).map((record) => record.incident), [55, 56, 57, 58, 59].map((each) => `incident-${each}`));
  kept.file.close();
  const database = new DatabaseSync(join(dataDir, "history.sqlite"));
  const [row] = database.prepare("SELECT total(bytes) AS bytes, count(*) AS n FROM inputs").all();
  assert.ok(Number(row?.["bytes"]) > 0 && Number(row?.["bytes"]) < 30_000 + 128_000, `${String(row?.["bytes"])} bytes of inputs`);
  database.close();
}));

test("a disk that takes nothing costs the oldest results, counted, and not the watcher", () => inFolder((dataDir) => {
  const kept = new Kept(dataDir, {}, 4_000);
  const { open } = kept;
  const round = { host: "logos", hash: "h", endedAtMs: 0, references: "none" as const, results: [{ probe: "ssh", outcome: "good" as const, sign: "answer" as const, evidence: "", latencyMs: 8, perfdata: null }] };
  for (let ms = 0; ms < 10_000 * 5_000; ms += 5_000) open.add({ ...round, startedAtMs: ms, now: { bootMs: ms, wallMs: WALL_MS + ms, bootId: "b", synced: true } });
  const left = kept.lines("raw");
  assert.ok(left.length > 3_000 && left.length <= 4_000, `${left.length}`);
  assert.equal(Date.parse(String(left.at(-1)?.["at"])), WALL_MS + 9_999 * 5_000);
  assert.equal(open.dropped(), 10_000 - left.length);
  kept.file.close();
}));

test("a file of the first format keeps its events, its incidents and what it remembers of the ledger", () => inFolder((dataDir) => {
  const path = join(dataDir, "history.sqlite");
  const old = new DatabaseSync(path);
  old.exec(`PRAGMA journal_mode = WAL; PRAGMA application_id = ${0x75706b68}; PRAGMA user_version = 1;
    CREATE TABLE event (seq INTEGER PRIMARY KEY, wall_ms REAL NOT NULL, boot_ms REAL NOT NULL, kind TEXT NOT NULL, host TEXT, incident TEXT, because TEXT NOT NULL, cause INTEGER) STRICT;
    CREATE INDEX event_wall ON event (wall_ms);
    CREATE INDEX event_host ON event (host, seq) WHERE host IS NOT NULL;
    CREATE INDEX event_incident ON event (incident, seq) WHERE incident IS NOT NULL;
    CREATE TABLE incident (incident TEXT PRIMARY KEY, host TEXT NOT NULL, began_ms REAL NOT NULL, ended_ms REAL, record TEXT NOT NULL) STRICT;
    CREATE INDEX incident_began ON incident (began_ms);
    CREATE TABLE rounds (id INTEGER PRIMARY KEY, host TEXT NOT NULL, from_ms REAL NOT NULL, to_ms REAL NOT NULL, bytes INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
    CREATE INDEX rounds_host ON rounds (host, to_ms, bytes);
    CREATE TABLE inputs (id INTEGER PRIMARY KEY AUTOINCREMENT, loose INTEGER NOT NULL, starts INTEGER NOT NULL, bytes INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
    CREATE INDEX inputs_starts ON inputs (id) WHERE starts = 1;
    CREATE TABLE memory (id INTEGER PRIMARY KEY CHECK (id = 1), watcher TEXT NOT NULL, ledger TEXT NOT NULL, revision INTEGER NOT NULL) STRICT;
    INSERT INTO event VALUES (7, 5, 5, 'down', 'logos', NULL, 'silent', NULL);
    INSERT INTO incident VALUES ('lusab-babad', 'logos', 5, NULL, '{"incident":"lusab-babad"}');
    INSERT INTO memory VALUES (1, 'rikis', 'one', 12);
    INSERT INTO rounds (host, from_ms, to_ms, bytes, body) VALUES ('logos', 1, 2, 3, zeroblob(300000));`);
  old.close();
  assert.deepEqual(recall(path, WALL_MS), { memory: { watcher: "rikis", ledger: "one", revision: 12 }, problem: "the history was brought to a new format: events and incidents are kept, probe results begin anew" });
  const kept = new Kept(dataDir);
  assert.deepEqual([kept.file.lastSeq(), kept.file.events({ limit: 10 }).length, kept.file.incident("lusab-babad")?.incident], [7, 1, "lusab-babad"]);
  assert.deepEqual(kept.lines("raw"), []);
  kept.rounds(0, 600_000, 5_000);
  assert.equal(kept.lines("raw").length, 240);
  kept.file.close();
  assert.ok(statSync(path).size < 200_000, "the room of the old results was not given back");
  const database = new DatabaseSync(path);
  assert.equal(database.prepare("PRAGMA auto_vacuum").get()?.["auto_vacuum"], 2);
  database.close();
}));
