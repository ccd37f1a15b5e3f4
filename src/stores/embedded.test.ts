// The embedded store by the suite for all stores, and what only it must do: hold its folder alone, tell when time went back,
// say what may be remembered of it.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { UpkeepError } from "../core/errors.ts";
import type { Write } from "../core/io.ts";
import { openHistoryFile } from "../journal/history-file.ts";
import type { Memory } from "../journal/went-back.ts";
import { committed, found, put, storeConformance } from "./conformance.ts";
import type { OpenedLedger } from "./embedded.ts";
import { openLedger } from "./embedded.ts";

const NOW = { bootMs: 5_000, wallMs: Date.UTC(2026, 10, 21, 10, 11, 12), bootId: "boot", synced: true } as const;
const RESERVE = { bytes: 65_536, retryMs: 60_000 } as const;
const DISARM: Write = { key: "brake/disarmed/*", value: { v: 1, kind: "disarmed", scope: "*", by: "upkeep", reason: "time went back", since: { bootMs: 1, wallMs: 1, bootId: "boot" }, until: null } };

storeConformance("embedded", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "upkeep-store-"));
  return { open: async () => open(dataDir).store, dispose: async () => rmSync(dataDir, { recursive: true }) };
});

function open(dataDir: string): OpenedLedger {
  return openLedger({ dataDir, watcherName: "rikis", now: NOW, reserve: RESERVE });
}

/** Runs `body` in a data folder of its own; whatever was opened with the second argument is closed. */
function inFolder(body: (dataDir: string, open: () => OpenedLedger) => Promise<void>): () => Promise<void> {
  return async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "upkeep-ledger-"));
    const opened: OpenedLedger[] = [];
    try {
      await body(dataDir, () => {
        const ledger = open(dataDir);
        opened.push(ledger);
        return ledger;
      });
    } finally {
      for (const { store } of opened) await store.close();
      rmSync(dataDir, { recursive: true });
    }
  };
}

/** As the history's worker does. */
function remember(dataDir: string, memory: Memory): void {
  const { file } = openHistoryFile(join(dataDir, "history.sqlite"), NOW.wallMs);
  file.remember(memory);
  file.close();
}

function refusal(body: () => unknown): UpkeepError {
  try {
    body();
  } catch (error) {
    assert.ok(error instanceof UpkeepError, String(error));
    return error;
  }
  return assert.fail("nothing was refused");
}

test("a first start is no going back; the folder and its files are for this user only", inFolder(async (dataDir, openOnce) => {
  rmSync(dataDir, { recursive: true });
  const { wentBack, problems, store, records } = openOnce();
  assert.equal(wentBack, null);
  assert.deepEqual(problems, []);
  assert.deepEqual(records, []);
  committed(await store.commit([], [put("ack/a", "x")]));
  assert.equal(statSync(dataDir).mode & 0o777, 0o700);
  const modes = readdirSync(dataDir).map((name) => [name, (statSync(join(dataDir, name)).mode & 0o777).toString(8)]);
  assert.deepEqual(modes.sort(), [["ledger.lock", "600"], ["ledger.reserve", "600"], ["ledger.sqlite", "600"], ["ledger.sqlite-wal", "600"]]);
}));

test("a folder that is there keeps its mode", inFolder(async (dataDir, openOnce) => {
  rmSync(dataDir, { recursive: true });
  mkdirSync(dataDir, { mode: 0o750 });
  openOnce();
  assert.equal(statSync(dataDir).mode & 0o777, 0o750);
}));

test("a second watcher on one ledger is refused and touches nothing", inFolder(async (dataDir, openOnce) => {
  const { store } = openOnce();
  committed(await store.commit([], [put("ack/a", "x")]));
  // Another process first: reading these files in this one would drop the lock (fcntl(2)).
  const script = `import { openLedger } from ${JSON.stringify(new URL("./embedded.ts", import.meta.url).href)}; try { openLedger({ dataDir: ${JSON.stringify(dataDir)}, watcherName: "b", now: ${JSON.stringify(NOW)} }); console.log("open"); } catch (error) { console.log(error.code); }`;
  const stamps = () => readdirSync(dataDir).map((name) => `${name} ${statSync(join(dataDir, name)).mtimeMs} ${statSync(join(dataDir, name)).size}`);
  const before = stamps();
  const said = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8", timeout: 20_000 });
  assert.equal(said.trim(), "LEDGER_LOCKED");
  assert.deepEqual(stamps(), before);
  assert.equal(refusal(() => open(dataDir)).code, "LEDGER_LOCKED");
  committed(await store.commit([], [put("ack/a", "y")]));
}));

test("the ledger's own lock holds where the lock file was removed", inFolder(async (dataDir, openOnce) => {
  const { store } = openOnce();
  rmSync(join(dataDir, "ledger.lock"));
  assert.equal(refusal(() => open(dataDir)).code, "LEDGER_LOCKED");
  committed(await store.commit([], [put("ack/a", "y")]));
  assert.ok(!readdirSync(dataDir).some((name) => name.includes("corrupt")));
}));

test("a watcher started in the moment in which the one before lets go is not refused", inFolder(async (dataDir, openOnce) => {
  const script = `import { openLedger } from ${JSON.stringify(new URL("./embedded.ts", import.meta.url).href)}; openLedger({ dataDir: ${JSON.stringify(dataDir)}, watcherName: "b", now: ${JSON.stringify(NOW)} }); console.log("open"); process.stdin.on("end", () => process.exit()).resume();`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    await once(child.stdout, "data");
    assert.equal(refusal(() => open(dataDir)).code, "LEDGER_LOCKED");
    child.kill("SIGKILL");
    openOnce();
  } finally {
    child.kill("SIGKILL");
  }
}));

test("garbage in the lock file locks nobody out", inFolder(async (dataDir, openOnce) => {
  writeFileSync(join(dataDir, "ledger.lock"), "who goes there? ".repeat(1_000));
  openOnce();
  assert.equal(refusal(() => open(dataDir)).code, "LEDGER_LOCKED");
}));

test("a data folder that cannot be one is refused with LEDGER_IO", inFolder(async (dataDir) => {
  writeFileSync(join(dataDir, "file"), "");
  assert.equal(refusal(() => open(join(dataDir, "file", "sub"))).code, "LEDGER_IO");
  mkdirSync(join(dataDir, "odd", "ledger.sqlite"), { recursive: true });
  assert.equal(refusal(() => open(join(dataDir, "odd"))).code, "LEDGER_IO");
}));

test("a ledger as the history remembers it, or newer, is no going back", inFolder(async (dataDir, openOnce) => {
  const { store } = openOnce();
  const heard: Memory[] = [];
  store.onDurable((memory) => heard.push(memory));
  const revision = committed(await store.commit([], [put("ack/a", "1")]));
  assert.deepEqual(heard.map((memory) => memory.revision), [0, revision]);
  committed(await store.commit([], [put("ack/a", "2")]));
  await store.close();
  const memory = heard[1];
  assert.ok(memory !== undefined);
  assert.deepEqual(memory, { watcher: "rikis", ledger: store.identity, revision });
  remember(dataDir, memory);
  assert.equal(openOnce().wentBack, null);
}));

test("a missing ledger that the history remembers: time went back, until the disarm is on record", inFolder(async (dataDir, openOnce) => {
  remember(dataDir, { watcher: "rikis", ledger: "one", revision: 57 });
  const first = openOnce();
  assert.match(first.wentBack ?? "", /missing.*revision 57.*rikis/);
  const heard: Memory[] = [];
  first.store.onDurable((memory) => heard.push(memory));
  committed(await first.store.commit([], [put("ack/a", "1")]));
  assert.equal(heard.length, 0, "nobody may remember a ledger that has not said yet why it is new");
  await first.store.close();
  // Killed before it was disarmed: the next start must know, even without the history.
  rmSync(join(dataDir, "history.sqlite"));
  const second = openOnce();
  assert.match(second.wentBack ?? "", /missing.*revision 57/);
  second.store.onDurable((memory) => heard.push(memory));
  const revision = committed(await second.store.commit([], [DISARM, put("ack/b", "1")]));
  assert.deepEqual(heard.map((memory) => memory.revision), [revision]);
  await second.store.close();
  const third = openOnce();
  assert.equal(third.wentBack, null);
  assert.equal(third.records.length, 3);
}));

test("lifting a disarm does not count as disarming", inFolder(async (dataDir, openOnce) => {
  remember(dataDir, { watcher: "rikis", ledger: "one", revision: 57 });
  const first = openOnce();
  committed(await first.store.commit([], [{ key: "brake/disarmed/*", value: null }]));
  await first.store.close();
  assert.notEqual(openOnce().wentBack, null);
}));

test("an older copy of the ledger: time went back, and its records are kept", inFolder(async (dataDir, openOnce) => {
  const { store } = openOnce();
  committed(await store.commit([], [put("ack/a", "old")]));
  await store.close();
  const copy = mkdtempSync(join(tmpdir(), "upkeep-copy-"));
  try {
    cpSync(join(dataDir, "ledger.sqlite"), join(copy, "ledger.sqlite"));
    const second = openOnce();
    const revision = committed(await second.store.commit([], [put("ack/a", "new")]));
    await second.store.close();
    remember(dataDir, { watcher: "rikis", ledger: store.identity, revision });
    cpSync(join(copy, "ledger.sqlite"), join(dataDir, "ledger.sqlite"));
  } finally {
    rmSync(copy, { recursive: true });
  }
  const third = openOnce();
  assert.match(third.wentBack ?? "", /revision 1, .*remembers revision 2.*older copy/);
  assert.equal((await found(third.store))["ack/a"]?.[0], "old");
  assert.equal(third.store.identity, store.identity);
  committed(await third.store.commit([], [DISARM]));
  const heard: Memory[] = [];
  third.store.onDurable((memory) => heard.push(memory));
  await third.store.close();
  remember(dataDir, heard[0] ?? assert.fail("nothing to remember"));
  assert.equal(openOnce().wentBack, null, "said once");
}));

test("another ledger than the one remembered: time went back", inFolder(async (dataDir, openOnce) => {
  await openOnce().store.close();
  remember(dataDir, { watcher: "rikis", ledger: "another", revision: 0 });
  assert.match(openOnce().wentBack ?? "", /another ledger/);
}));

for (const [what, spoil, evidence] of [
  ["garbage", (path: string) => writeFileSync(path, "not a database ".repeat(500)), /not a database/],
  ["a database of somebody else", (path: string) => { rmSync(path); execSql(path, "CREATE TABLE mine (a); INSERT INTO mine VALUES (1)"); }, /not a ledger/],
  ["a format of the future", (path: string) => execSql(path, "PRAGMA user_version = 2"), /format is 2/],
  ["a record of a future shape", (path: string) => execSql(path, "UPDATE record SET value = json_set(value, '$.v', 2)"), /checksum/],
  ["a record gone", (path: string) => execSql(path, "DELETE FROM record WHERE key = 'ack/a'"), /1 records and should have 2/],
  ["a record changed", (path: string) => execSql(path, "UPDATE record SET value = replace(value, 'one', 'two')"), /record "ack\/a" has a wrong checksum/],
  ["a head changed", (path: string) => execSql(path, "UPDATE head SET revision = revision - 1"), /head has a wrong checksum/],
  ["a missing table", (path: string) => execSql(path, "DROP TABLE record"), /tables are missing/],
] as const) {
  test(`a ledger that is corrupt (${what}) is set aside whole, and time went back`, inFolder(async (dataDir, openOnce) => {
    const { store } = openOnce();
    committed(await store.commit([], [put("ack/a", "one")]));
    committed(await store.commit([], [put("ack/b", "three")]));
    await store.close();
    const path = join(dataDir, "ledger.sqlite");
    spoil(path);
    const spoilt = readFileSync(path);
    const again = openOnce();
    assert.match(again.wentBack ?? "", /^the ledger is corrupt: /);
    assert.match(again.wentBack ?? "", evidence);
    assert.match(again.wentBack ?? "", /set aside as ledger\.sqlite\.corrupt-20261121T101112Z$/);
    assert.deepEqual(readFileSync(join(dataDir, "ledger.sqlite.corrupt-20261121T101112Z")), spoilt);
    assert.deepEqual(again.records, []);
    assert.notEqual(again.store.identity, store.identity);
    committed(await again.store.commit([], [put("ack/a", "x")]));
    await again.store.close();
    assert.match(openOnce().wentBack ?? "", /corrupt/, "killed before the disarm was on record");
  }));
}

test("a record whose shape this program does not know makes the ledger unreadable, not wrongly read", inFolder(async (_, openOnce) => {
  const { store } = openOnce();
  const { key, value } = put("ack/a", "one");
  committed(await store.commit([], [{ key, value: { ...value, v: 2 } as unknown as Write["value"] }]));
  await store.close();
  assert.match(openOnce().wentBack ?? "", /record "ack\/a" has shape version 2, this program knows 1; it was set aside/);
}));

test("a ledger emptied under its log is set aside with the log", inFolder(async (dataDir, openOnce) => {
  const { store } = openOnce();
  await store.close();
  const path = join(dataDir, "ledger.sqlite");
  writeFileSync(path, "");
  writeFileSync(`${path}-wal`, "frames");
  const again = openOnce();
  assert.match(again.wentBack ?? "", /ledger\.sqlite-wal is there and its database is not/);
  assert.equal(readFileSync(join(dataDir, "ledger.sqlite.corrupt-20261121T101112Z-wal"), "utf8"), "frames");
}));

test("a second corrupt ledger in the same second does not replace the first", inFolder(async (dataDir, openOnce) => {
  for (const text of ["first ", "second "]) {
    writeFileSync(join(dataDir, "ledger.sqlite"), text.repeat(500));
    await openOnce().store.close();
  }
  const kept = readdirSync(dataDir).filter((name) => name.includes("corrupt")).sort();
  assert.deepEqual(kept, ["ledger.sqlite.corrupt-20261121T101112Z", "ledger.sqlite.corrupt-20261121T101112Z-2"]);
  assert.match(readFileSync(join(dataDir, kept[1] ?? ""), "utf8"), /^second/);
}));

test("killed between setting aside and making anew is not a first start", inFolder(async (dataDir, openOnce) => {
  writeFileSync(join(dataDir, "ledger.sqlite.corrupt-20200101T000000Z"), "what was");
  assert.match(openOnce().wentBack ?? "", /missing, and an earlier one lies beside it/);
}));

test("killed while the first ledger was being made is a first start", inFolder(async (dataDir, openOnce) => {
  writeFileSync(join(dataDir, "ledger.sqlite"), "");
  assert.equal(openOnce().wentBack, null);
}));

test("a database with a header and nothing else was never finished", inFolder(async (dataDir, openOnce) => {
  execSql(join(dataDir, "ledger.sqlite"), "PRAGMA journal_mode = WAL");
  assert.ok(statSync(join(dataDir, "ledger.sqlite")).size > 0);
  assert.equal(openOnce().wentBack, null);
}));

test("a corrupt history is set aside and does not stop the watcher", inFolder(async (dataDir, openOnce) => {
  await openOnce().store.close();
  writeFileSync(join(dataDir, "history.sqlite"), "garbage ".repeat(1_000));
  const { wentBack, problems, store } = openOnce();
  assert.equal(wentBack, null);
  assert.equal(problems.length, 1);
  assert.match(problems[0] ?? "", /history is corrupt.*set aside as history\.sqlite\.corrupt-20261121T101112Z/);
  assert.ok(existsSync(join(dataDir, "history.sqlite.corrupt-20261121T101112Z")));
  await store.close();
}));

test("a corrupt history and no ledger: somebody might remember", inFolder(async (dataDir, openOnce) => {
  writeFileSync(join(dataDir, "history.sqlite"), "garbage ".repeat(1_000));
  assert.match(openOnce().wentBack ?? "", /missing, and the history that could remember it cannot be read/);
}));

test("a whole reserve is left as it is", inFolder(async (dataDir, openOnce) => {
  await openOnce().store.close();
  const path = join(dataDir, "ledger.reserve");
  const before = readFileSync(path);
  assert.equal(before.length, RESERVE.bytes);
  await openOnce().store.close();
  assert.deepEqual(readFileSync(path), before);
}));

function execSql(path: string, sql: string): void {
  const script = `import { DatabaseSync } from "node:sqlite"; const d = new DatabaseSync(${JSON.stringify(path)}); d.exec(${JSON.stringify(sql)}); d.close();`;
  execFileSync(process.execPath, ["--input-type=module", "-e", script], { timeout: 20_000 });
}
