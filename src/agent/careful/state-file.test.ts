// What stays on a disk that takes no more of a careful shutdown's record.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { freshRecord } from "../../core/careful-record.ts";
import { readState, StateFile } from "./state-file.ts";

const NOW = { bootMs: 1_000, wallMs: 1_000, bootId: "b", synced: true };

test("an outage that is over is forgotten where its end cannot be written; one that lasts stays on record", async () => {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-careful-"));
  try {
    const file = new StateFile(folder);
    const normal = freshRecord(NOW);
    const preFail = { ...normal, phase: "pre-fail" as const, event: "gafol-gokud" };
    assert.equal(await file.write(preFail), null);
    // The name that every write begins with is taken: nothing can be written.
    mkdirSync(join(folder, "state.json.new"));
    assert.equal(await file.write({ ...preFail, because: "still so" }), "EISDIR");
    assert.deepEqual(await readState(folder), { record: preFail });
    assert.equal(await file.write(normal), "EISDIR");
    assert.deepEqual(await readState(folder), { none: true });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
