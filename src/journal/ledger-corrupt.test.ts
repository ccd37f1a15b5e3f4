// A ledger whose bytes were changed behind our back: flipped, cut off, blanked, exchanged. Whatever was done to it, opening
// it does not throw, deletes nothing, and never gives a record that was not committed. With the history's memory beside
// it, nothing that was lost goes unnoticed.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openLedger } from "../stores/embedded.ts";
import { seeded } from "./crash-images.fixture.ts";
import { openHistoryFile } from "./history-file.ts";

type Files = { readonly db: Buffer; readonly log: Buffer };

const NOW = { bootMs: 5_000, wallMs: Date.UTC(2026, 10, 21), bootId: "boot", synced: true } as const;
const COMMITS = 60;
const TRIES = 120;
const SEED = Math.floor(Math.random() * 2 ** 31);
const random = seeded(SEED);

const folder = mkdtempSync(join(tmpdir(), "upkeep-corrupt-"));
let whole: Files;
let history: Buffer;

before(async () => {
  const dataDir = join(folder, "made");
  const fixture = fileURLToPath(new URL("./ledger.fixture.ts", import.meta.url));
  // Killed, so that the log is still there: half of the records are in the database, the others in the log.
  const child = spawn(process.execPath, [fixture, "asked", dataDir], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.write(".".repeat(COMMITS));
  for await (const line of createInterface({ input: child.stdout })) if (line === `committed ${COMMITS}`) child.kill("SIGKILL");
  // Its locks go when it has been waited for, not when its output ends.
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  whole = { db: readFileSync(join(dataDir, "ledger.sqlite")), log: readFileSync(join(dataDir, "ledger.sqlite-wal")) };
  assert.ok(whole.db.length > 100_000 && whole.log.length > 10_000, `${whole.db.length} ${whole.log.length}`);
  const { store } = openLedger({ dataDir, watcherName: "rikis", now: NOW });
  const { file } = openHistoryFile(join(dataDir, "history.sqlite"), NOW.wallMs);
  store.onDurable((memory) => file.remember(memory));
  file.close();
  await store.close();
  history = readFileSync(join(dataDir, "history.sqlite"));
});

after(() => rmSync(folder, { recursive: true, force: true }));

function somewhere(bytes: Buffer): number {
  return Math.floor(random() * bytes.length);
}

function copy({ db, log }: Files): Files {
  return { db: Buffer.from(db), log: Buffer.from(log) };
}

const SPOILERS: Record<string, (files: Files) => Files> = {
  "a byte of the database": ({ db, log }) => ({ db: flip(db, somewhere(db)), log }),
  "a byte of the log": ({ db, log }) => ({ db, log: flip(log, somewhere(log)) }),
  "a byte of the first page": ({ db, log }) => ({ db: flip(db, Math.floor(random() * 400)), log }),
  "many bytes": ({ db, log }) => ({ db: Array.from({ length: 20 }, () => somewhere(db)).reduce(flip, db), log: flip(log, somewhere(log)) }),
  "the end of the database": ({ db, log }) => ({ db: db.subarray(0, somewhere(db)), log }),
  "the end of the log": ({ db, log }) => ({ db, log: log.subarray(0, somewhere(log)) }),
  "a page blanked": ({ db, log }) => ({ db: db.fill(0, Math.floor(somewhere(db) / 4_096) * 4_096).subarray(0, db.length), log }),
  "two pages exchanged": ({ db, log }) => ({ db: exchange(db), log }),
  "the log gone": ({ db }) => ({ db, log: Buffer.alloc(0) }),
  "the database gone": ({ log }) => ({ db: Buffer.alloc(0), log }),
  "an older log": ({ db, log }) => ({ db, log: log.subarray(0, 32 + Math.floor(random() * (log.length / 4_120)) * 4_120) }),
};

function flip(bytes: Buffer, at: number): Buffer {
  bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(random() * 8));
  return bytes;
}

function exchange(db: Buffer): Buffer {
  const page = () => 1 + Math.floor(random() * (db.length / 4_096 - 1));
  const [one, other] = [page() * 4_096, page() * 4_096];
  const kept = Buffer.from(db.subarray(one, one + 4_096));
  db.copy(db, one, other, other + 4_096);
  kept.copy(db, other);
  return db;
}

/** Opens what was spoilt in a folder of its own and says what became of it. */
function openSpoilt(spoilt: Files, remembered: boolean): { readonly wentBack: string | null; readonly last: number; readonly intact: boolean; readonly kept: boolean } {
  const dataDir = join(folder, "spoilt");
  rmSync(dataDir, { recursive: true, force: true });
  mkdirSync(dataDir);
  writeFileSync(join(dataDir, "ledger.sqlite"), spoilt.db);
  if (spoilt.log.length > 0) writeFileSync(join(dataDir, "ledger.sqlite-wal"), spoilt.log);
  if (remembered) writeFileSync(join(dataDir, "history.sqlite"), history);
  const { store, records, wentBack } = openLedger({ dataDir, watcherName: "rikis", now: NOW, reserve: { bytes: 4_096, retryMs: 60_000 } });
  void store.close();
  const acks = new Map(records.map(({ key, value }) => [key, value as { readonly alarm: string; readonly by: string }]));
  const last = Number(acks.get("ack/last")?.alarm ?? 0);
  // Exactly what the n-th commit left, and nothing else.
  const intact = acks.size === (last === 0 ? 0 : last + 1) && Array.from({ length: last }, (_, n) => acks.get(`ack/${n + 1}`)).every((ack, n) => ack?.alarm === String(n + 1) && ack.by === "x".repeat(3_000));
  const aside = readdirSync(dataDir).find((name) => /corrupt-\w+$/.test(name));
  const kept = aside === undefined || (readFileSync(join(dataDir, aside)).equals(spoilt.db) && (spoilt.log.length === 0 || (existsSync(join(dataDir, `${aside}-wal`)) && readFileSync(join(dataDir, `${aside}-wal`)).equals(spoilt.log))));
  return { wentBack, last, intact, kept };
}

test("the ledger that is spoilt below is whole before", () => {
  assert.deepEqual(openSpoilt(copy(whole), true), { wentBack: null, last: COMMITS, intact: true, kept: true });
});

test("whatever is done to its bytes: no throw, no record that was not committed, nothing deleted, nothing lost unnoticed", () => {
  const names = Object.keys(SPOILERS);
  const outcomes = { whole: 0, aside: 0, older: 0 };
  for (let n = 0; n < TRIES; n += 1) {
    const name = names[n % names.length] ?? "";
    const spoilt = SPOILERS[name]?.(copy(whole)) ?? assert.fail();
    const where = `${name}, try ${n}, seed ${SEED}`;
    const remembered = n % 2 === 0;
    const { wentBack, last, intact, kept } = openSpoilt(spoilt, remembered);
    assert.ok(intact, `records that no commit left: ${where}, last ${last}`);
    assert.ok(kept, `what was set aside is not what was there: ${where}`);
    if (remembered && last !== COMMITS) assert.notEqual(wentBack, null, `lost unnoticed: ${where}, last ${last}`);
    if (wentBack === null) outcomes.whole += 1;
    else if (wentBack.includes("set aside")) outcomes.aside += 1;
    else outcomes.older += 1;
  }
  // Each of the three ends was seen, or this has tested nothing.
  assert.ok(outcomes.whole > 0 && outcomes.aside > 15 && outcomes.older > 2, JSON.stringify(outcomes));
});
