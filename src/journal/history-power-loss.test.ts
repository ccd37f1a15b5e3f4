// What the history keeps when the power of its own machine goes: how an incident ended is in the synced part of the file (here:
// in the database itself, without the write-ahead log that a disk may not have been told to keep).

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { IncidentRecord } from "../core/records.ts";
import { openHistoryFile } from "./history-file.ts";
import { HISTORY_NAME, openHistory } from "./history.ts";

const WALL_MS = Date.UTC(2026, 10, 21, 10, 0, 0);
const BOOT = "2c1e7b0e-boot";
const LIMIT_MS = 20_000;

function incident(name: string, change: Partial<IncidentRecord>): IncidentRecord {
  const began = { bootMs: 1, wallMs: WALL_MS, bootId: BOOT };
  return { v: 1, incident: name, host: "logos", began, firstSign: "ssh: no banner", downAt: null, intendedAt: null, offSentAt: null, offConfirmedAt: null, onConfirmedAt: null, endedAt: null, outcome: "open", ...change };
}

test("an incident that has ended is on the disk", async () => {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-history-power-"));
  try {
    const history = await openHistory({ dataDir: folder, onProblem: (text) => assert.fail(text) });
    const file = join(folder, HISTORY_NAME);
    /** The incidents in a copy of the database without its log. */
    let copies = 0;
    const kept = (): readonly string[] => {
      copies += 1;
      const copy = join(folder, `copy-${copies}`);
      mkdirSync(copy);
      copyFileSync(file, join(copy, basename(file)));
      const { file: opened } = openHistoryFile(join(copy, basename(file)), WALL_MS);
      try {
        return opened.incidents({ limit: 10 }).map((each) => each.incident);
      } finally {
        opened.close();
      }
    };
    try {
      history.incident(incident("gutih-tugad", { endedAt: { bootMs: 2, wallMs: WALL_MS + 1_000, bootId: BOOT }, outcome: "recovered" }));
      // No flush, which would sync by itself.
      const deadlineMs = performance.now() + LIMIT_MS;
      while (!kept().includes("gutih-tugad")) {
        assert.ok(performance.now() < deadlineMs, "its end is not there without the log");
        await sleep(200);
      }
    } finally {
      await history.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
