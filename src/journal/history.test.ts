// The history through its worker, as the watcher uses it; and what happens to it when its disk or its thread fails.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { resultLine, rollupLine } from "../api/schema/past.ts";
import { differences } from "../api/schema/schema.ts";
import type { Worker } from "node:worker_threads";
import type { Input, Told } from "../core/io.ts";
import type { IncidentRecord } from "../core/records.ts";
import type { Round } from "../core/round.ts";
import type { Now } from "../core/time.ts";
import { openHistoryFile } from "./history-file.ts";
import type { ResultsPage, ResultsQuery } from "./results-page.ts";
import type { History, HistoryOptions } from "./history.ts";
import { openHistory } from "./history.ts";

const BOOT = "2c1e7b0e-boot";
const WALL_MS = Date.UTC(2026, 10, 21, 10, 0, 0);
const FIXTURE = fileURLToPath(new URL("./history.fixture.ts", import.meta.url));

function at(ms: number): Now {
  return { bootMs: 1_000_000 + ms, wallMs: WALL_MS + ms, bootId: BOOT, synced: true };
}

function told(seq: number, change: Partial<Told> = {}): Told {
  return { seq, kind: "suspect", host: "logos", incident: null, because: `line ${seq}`, cause: seq === 1 ? null : seq - 1, ...change };
}

function incident(name: string, change: Partial<IncidentRecord> = {}): IncidentRecord {
  const began = { bootMs: 1, wallMs: WALL_MS, bootId: BOOT };
  return { v: 1, incident: name, host: "logos", began, firstSign: "ssh: no banner", downAt: null, intendedAt: null, offSentAt: null, offConfirmedAt: null, onConfirmedAt: null, endedAt: null, outcome: "open", ...change };
}

function round(host: string, ms: number, change: Partial<Round> = {}): Input {
  const { bootMs } = at(ms);
  return {
    kind: "round",
    round: {
      host, hash: "h", startedAtMs: bootMs - 30, endedAtMs: bootMs - 5, references: "reached",
      results: [
        { probe: "ping", outcome: "good", sign: "answer", evidence: "1 of 2", latencyMs: 0.25 },
        { probe: "ssh", outcome: "bad", sign: "silent", evidence: "no banner within 1000 ms", latencyMs: 1_000 },
      ],
      ...change,
    },
  };
}

async function inFolder(body: (dataDir: string, open: (options?: Partial<HistoryOptions>) => Promise<History>, problems: string[]) => Promise<void>): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), "upkeep-history-"));
  const opened: History[] = [];
  const problems: string[] = [];
  try {
    await body(dataDir, async (options) => {
      const history = await openHistory({ dataDir, onProblem: (text) => problems.push(text), ...options });
      opened.push(history);
      return history;
    }, problems);
  } finally {
    for (const each of opened) await each.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

test("what is told is there at once for who asks, and after a restart", () => inFolder(async (dataDir, open, problems) => {
  const history = await open();
  assert.equal(history.lastSeq(), 0);
  for (let seq = 1; seq <= 20; seq += 1) history.told(told(seq, seq % 2 === 0 ? { host: "ethos", kind: "down" } : { incident: seq > 10 ? "lusab-babad" : null }), at(seq * 1_000));
  const all = await history.events({ limit: 100 });
  assert.deepEqual(all.map((event) => event.seq), Array.from({ length: 20 }, (_, n) => n + 1));
  assert.deepEqual(all[1], { ...told(2, { host: "ethos", kind: "down" }), atMs: WALL_MS + 2_000 });
  await history.close();
  const again = await open();
  assert.equal(again.lastSeq(), 20);
  assert.deepEqual(await again.events({ limit: 100 }), all);
  assert.equal(statSync(join(dataDir, "history.sqlite")).mode & 0o777, 0o600);
  assert.deepEqual(problems, []);
}));

test("events by host, incident, time and number: the newest that match, in order", () => inFolder(async (_, open) => {
  const history = await open();
  for (let seq = 1; seq <= 20; seq += 1) history.told(told(seq, seq % 2 === 0 ? { host: "ethos" } : { incident: seq > 10 ? "lusab-babad" : null }), at(seq * 1_000));
  const seqs = async (query: Parameters<History["events"]>[0]) => (await history.events(query)).map((event) => event.seq);
  assert.deepEqual(await seqs({ limit: 3 }), [18, 19, 20]);
  assert.deepEqual(await seqs({ host: "ethos", limit: 3 }), [16, 18, 20]);
  assert.deepEqual(await seqs({ sinceMs: WALL_MS + 18_000, limit: 100 }), [18, 19, 20]);
  assert.deepEqual(await seqs({ afterSeq: 17, limit: 100 }), [18, 19, 20]);
  assert.deepEqual(await seqs({ afterSeq: 10, host: "ethos", sinceMs: WALL_MS + 15_000, limit: 2 }), [18, 20]);
  assert.deepEqual(await seqs({ host: "' OR 1=1 --", limit: 100 }), []);
  assert.deepEqual((await history.eventsOf("lusab-babad")).map((event) => event.seq), [11, 13, 15, 17, 19]);
  assert.equal((await seqs({ limit: 0 })).length, 1);
  assert.equal((await seqs({ limit: 1e9 })).length, 20);
}));

test("an incident is kept whole and brought up to date", () => inFolder(async (_, open) => {
  const history = await open();
  const ended = { bootMs: 9, wallMs: WALL_MS + 65_000, bootId: BOOT };
  history.incident(incident("lusab-babad"));
  history.incident(incident("gutih-tugad", { host: "ethos", began: { ...ended, wallMs: WALL_MS + 10_000 } }));
  const closed = incident("lusab-babad", { endedAt: ended, outcome: "recovered" });
  history.incident(closed);
  assert.deepEqual(await history.incident("lusab-babad"), closed);
  assert.equal(await history.incident("nobody-knows"), undefined);
  const names = async (query: Parameters<History["incidents"]>[0]) => (await history.incidents(query)).map((record) => record.incident);
  assert.deepEqual(await names(10), ["lusab-babad", "gutih-tugad"]);
  assert.deepEqual(await names(1), ["gutih-tugad"]);
  assert.deepEqual(await names({ host: "logos", limit: 10 }), ["lusab-babad"]);
  // What was still open then, or is now.
  assert.deepEqual(await names({ sinceMs: WALL_MS + 65_001, limit: 10 }), ["gutih-tugad"]);
}));

/** All results or roll-ups, page by page, as they were given. */
async function results(history: History, query: Partial<ResultsQuery>): Promise<Record<string, unknown>[]> {
  const lines: Record<string, unknown>[] = [];
  const all: ResultsQuery = { host: "logos", probe: null, sinceMs: 0, untilMs: 8e15, step: "raw", ...query };
  for (let sinceMs: number | null = all.sinceMs; sinceMs !== null;) {
    const page: ResultsPage = await history.results({ ...all, sinceMs });
    for (const text of page.text.split("\n").filter((each) => each !== "")) {
      const line = JSON.parse(text) as Record<string, unknown>;
      // The history's text goes out as it is: it must be what the interface says that it gives.
      assert.equal(differences(all.step === "raw" ? resultLine : rollupLine, line), null);
      lines.push(line);
    }
    sinceMs = page.nextMs;
  }
  return lines;
}

const iso = (ms: number): string => new Date(WALL_MS + ms).toISOString();

test("results come back by host and probe, with wall time, before and after they are written, and so do their roll-ups", () => inFolder(async (_, open) => {
  const history = await open();
  for (let n = 0; n < 270; n += 1) {
    history.input(round("logos", n * 5_000), at(n * 5_000));
    history.input(round("ethos", n * 5_000, { references: "lost" }), at(n * 5_000));
  }
  const check = async (from: History): Promise<void> => {
    const pings = await results(from, { probe: "ping" });
    assert.deepEqual(pings.map((each) => each["at"]), Array.from({ length: 270 }, (_, n) => iso(n * 5_000 - 30)));
    assert.deepEqual((await results(from, { untilMs: WALL_MS }))[1], { at: iso(-30), host: "logos", probe: "ssh", outcome: "bad", latencyMs: 1_000 });
    assert.deepEqual((await results(from, { host: "ethos", untilMs: WALL_MS }))[0], { at: iso(-30), host: "ethos", probe: "ping", outcome: "good", latencyMs: 0.25, references: "lost" });
    assert.equal((await results(from, { probe: "ping", sinceMs: WALL_MS + 1_300_000 })).length, 9);
    assert.deepEqual(await results(from, { host: "pathos" }), []);
    const minutes = await results(from, { step: "minute", probe: "ping" });
    assert.equal(minutes.length, 24);
    assert.deepEqual(minutes[1], { at: iso(0), host: "logos", probe: "ping", stepMs: 60_000, count: 12, good: 12, slow: 0, bad: 0, unknown: 0, minMs: 0.25, meanMs: 0.25, p50Ms: 0.25, p95Ms: 0.25, maxMs: 0.25 });
    assert.deepEqual((await results(from, { step: "minute", host: "ethos", probe: "ping" }))[1], { ...minutes[1], host: "ethos", good: 0, unknown: 12, minMs: null, meanMs: null, p50Ms: null, p95Ms: null, maxMs: null });
    const hours = await results(from, { step: "hour", probe: "ssh" });
    assert.deepEqual(hours.map((each) => [each["at"], each["count"], each["bad"], each["p50Ms"]]), [[iso(-3_600_000), 1, 1, null], [iso(0), 269, 269, null]]);
    assert.deepEqual(await from.hosts(), ["ethos", "logos"]);
  };
  await check(history);
  await history.close();
  const again = await open();
  await check(again);
  // The hour goes on after a restart.
  for (let n = 270; n < 280; n += 1) again.input(round("logos", n * 5_000), at(n * 5_000));
  assert.deepEqual((await results(again, { step: "hour", probe: "ssh" })).map((each) => each["count"]), [1, 279]);
  assert.equal((await results(again, {})).length, 560);
}));

test("a time-out that was answered after all is slow, and what a probe measured itself is kept", () => inFolder(async (_, open) => {
  const history = await open();
  const { bootMs } = at(0);
  history.input(round("logos", 0, { results: [{ probe: "http", outcome: "bad", sign: "silent", evidence: "no answer", latencyMs: 1_000 }] }), at(0));
  history.input({ kind: "late", host: "logos", hash: "h", startedAtMs: bootMs - 30, results: [{ probe: "http", outcome: "slow", sign: "answer", evidence: "200", latencyMs: 1_250 }] }, at(1_300));
  history.input(round("logos", 5_000, { results: [{ probe: "http", outcome: "good", sign: "answer", evidence: "HTTP/1.1 200 OK", latencyMs: 3.25, perfdata: [{ label: "status", value: 200 }, { label: "size", value: 1_234, unit: "B" }] }] }), at(5_000));
  const lines = await results(history, {});
  assert.deepEqual(lines.map((each) => [each["outcome"], each["latencyMs"]]), [["slow", 1_250], ["good", 3.26]]);
  assert.deepEqual(lines[1]?.["perfdata"], [{ label: "status", value: 200 }, { label: "size", value: 1_234, unit: "B" }]);
}));

test("what was said of the ledger is remembered; the last word holds", () => inFolder(async (dataDir, open) => {
  const history = await open();
  history.remember({ watcher: "rikis", ledger: "one", revision: 7 });
  history.remember({ watcher: "rikis", ledger: "one", revision: 8 });
  await history.flush();
  history.remember({ watcher: "rikis", ledger: "one", revision: 9 });
  await history.close();
  const { file } = openHistoryFile(join(dataDir, "history.sqlite"), WALL_MS);
  assert.deepEqual(file.memory(), { watcher: "rikis", ledger: "one", revision: 9 });
  file.close();
}));

test("killed with kill -9, all but the last batch is there and the file is whole", () => inFolder(async (dataDir, open, problems) => {
  for (let life = 0; life < 2; life += 1) {
    const child = spawn(process.execPath, [FIXTURE, "tell", dataDir], { stdio: ["ignore", "pipe", "inherit"] });
    let flushed = 0;
    let last = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      const [, what, number] = /^(told|flushed) (\d+)$/.exec(line) ?? assert.fail(line);
      if (what === "flushed") flushed = Number(number);
      last = Number(number);
      if (flushed >= (life + 1) * 60) child.kill("SIGKILL");
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    const history = await open();
    assert.ok(history.lastSeq() >= flushed && history.lastSeq() <= last + 10, `${history.lastSeq()} of ${flushed}…${last}`);
    await history.close();
  }
  assert.deepEqual(problems, []);
}));

test("a folder that cannot be written: the watcher goes on, what is precious waits, and it is said once each way", () => inFolder(async (dataDir, open, problems) => {
  const gone = join(dataDir, "later");
  const history = await open({ dataDir: gone });
  assert.equal(problems.length, 1, problems.join("; "));
  assert.match(problems[0] ?? "", /^the history cannot be read: ENOENT.*numbered from 1$/);
  history.told(told(1), at(0));
  history.incident(incident("lusab-babad"));
  history.input(round("logos", 0), at(0));
  await assert.rejects(history.events({ limit: 10 }), { code: "HISTORY_IO" });
  await history.flush();
  assert.equal(history.dropped().lines, 1);
  assert.equal(history.dropped().rounds, 0, "its results wait in memory");
  assert.equal(history.dropped().rows, 0);
  mkdirSync(gone);
  history.told(told(2), at(1));
  assert.deepEqual((await history.events({ limit: 10 })).map((event) => event.seq), [1, 2]);
  assert.equal((await history.incidents(10)).length, 1);
  assert.equal((await results(history, {})).length, 2);
  assert.equal(problems.length, 3, problems.join("; "));
  assert.match(problems[1] ?? "", /^the history cannot be written: ENOENT/);
  assert.equal(problems[2], "the history can be written again");
}));

test("a history found corrupt at the start, or while it is used, is set aside and made anew, and still remembers the ledger", () => inFolder(async (dataDir, open, problems) => {
  const path = join(dataDir, "history.sqlite");
  const first = await open();
  for (let seq = 1; seq <= 3_000; seq += 1) first.told(told(seq), at(seq));
  await first.close();
  // The header and the schema are whole; what is below is not, so it shows only when it is used.
  const bytes = readFileSync(path);
  bytes.fill(0xa5, 8 * 4_096);
  writeFileSync(path, bytes);
  const second = await open();
  second.remember({ watcher: "rikis", ledger: "one", revision: 7 });
  second.told(told(9_999), at(1));
  await second.flush();
  await second.events({ sinceMs: 0, limit: 10_000 });
  assert.deepEqual((await second.events({ limit: 10 })).map((event) => event.seq).at(-1), 9_999);
  await second.close();
  assert.equal(problems.filter((text) => /the history is corrupt \(.*\); it was set aside as history\.sqlite\.corrupt-/.test(text)).length, 1, problems.join("; "));
  const aside = readdirSync(dataDir).find((name) => /corrupt-[^-]+$/.test(name)) ?? assert.fail("nothing was set aside");
  assert.ok(readFileSync(join(dataDir, aside)).length >= bytes.length);
  const { file } = openHistoryFile(path, WALL_MS);
  assert.deepEqual(file.memory(), { watcher: "rikis", ledger: "one", revision: 7 });
  file.close();
}));

test("a full disk: events wait and come through when there is room, inputs are dropped and counted", { skip: process.getuid?.() === 0 ? false : "needs root, for a mount of its own" }, () => inFolder(async (folder) => {
  const script = 'mount -t tmpfs -o size=2m,mode=700 tmpfs "$1" && exec "$2" "$3" asked "$1"';
  const child = spawn("unshare", ["-m", "sh", "-c", script, "sh", folder, process.execPath, FIXTURE], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const line = async (): Promise<string> => {
      const { value, done } = await lines.next();
      assert.ok(done !== true, "the child ended");
      return value;
    };
    const ask = async (command: string): Promise<string> => {
      child.stdin.write(command);
      return line();
    };
    assert.equal(await line(), "ready");
    assert.equal(await ask("t"), "events 1, lost 0 rows 0 lines, ");
    const root = `/proc/${child.pid}/root${folder}`;
    assert.throws(() => { for (;;) writeFileSync(join(root, "filler"), Buffer.alloc(4_096, 1), { flag: "a" }); }, { code: "ENOSPC" });
    let said = "";
    for (let n = 0; n < 400 && !said.includes("cannot be written"); n += 1) said = await ask("t");
    assert.match(said, /the history cannot be written: .*full/);
    // What is written without its inputs may still find the pages that the attempt with them had allocated.
    let lost = 0;
    for (let n = 0; n < 100 && lost < 5; n += 1) lost = Number(/lost 0 rows (\d+) lines/.exec(await ask("t"))?.[1]);
    assert.ok(lost >= 5, `${lost} inputs lost`);
    rmSync(join(root, "filler"));
    said = await ask("t");
    const [, events, all] = /^events (\d+) of (\d+), .*the history can be written again$/.exec(await ask("c")) ?? assert.fail(said);
    assert.equal(events, all, "an event was lost");
    child.stdin.end("q");
    await new Promise((resolve) => child.once("close", resolve));
  } finally {
    child.kill("SIGKILL");
  }
}));

test("a thread that dies is replaced, and what it had not acknowledged is not lost", () => inFolder(async (_, open, problems) => {
  const threads: Worker[] = [];
  const seen = (worker: Worker): void => void threads.push(worker);
  process.on("worker", seen);
  try {
    const history = await open();
    history.told(told(1), at(0));
    await history.flush();
    history.told(told(2), at(0));
    const asked = history.events({ limit: 10 }).catch((error: unknown) => error);
    await threads[0]?.terminate();
    history.told(told(3), at(0));
    await asked;
    await assert.rejects(history.events({ limit: 10 }), { code: "HISTORY_IO" });
    const deadlineMs = performance.now() + 10_000;
    let events: readonly Told[] = [];
    while (events.length === 0 && performance.now() < deadlineMs) {
      await pause(20);
      events = await history.events({ limit: 10 }).catch(() => []);
    }
    assert.deepEqual(events.map((event) => event.seq), [1, 2, 3]);
    assert.equal(threads.length, 2);
    assert.deepEqual(problems, []);
  } finally {
    process.off("worker", seen);
  }
}));

test("a history of the future or of somebody else is set aside, not changed", () => inFolder(async (dataDir, open, problems) => {
  const path = join(dataDir, "history.sqlite");
  writeFileSync(path, "this is a letter to my aunt ".repeat(300));
  const letter = readFileSync(path);
  const history = await open();
  history.told(told(1), at(0));
  assert.equal((await history.events({ limit: 1 })).length, 1);
  assert.equal(problems.length, 1);
  const aside = readdirSync(dataDir).find((name) => name.includes("corrupt")) ?? assert.fail("gone");
  assert.deepEqual(readFileSync(join(dataDir, aside)), letter);
  assert.ok(existsSync(path));
}));
