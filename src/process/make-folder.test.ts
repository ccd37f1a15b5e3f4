// A folder that cannot be made says why, whatever Node makes of it.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { makeFolder } from "./make-folder.ts";

test("made with those above it, private; made again without a word; a file in the way, or a file system that takes nothing, is told as such", async () => {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-make-folder-"));
  try {
    await makeFolder(join(folder, "a/b"));
    assert.equal(statSync(join(folder, "a/b")).mode & 0o777, 0o700);
    await makeFolder(join(folder, "a/b"));
    writeFileSync(join(folder, "file"), "");
    await assert.rejects(makeFolder(join(folder, "file/b")), { code: "ENOTDIR" });
    // /proc takes no folder from anybody, and says that there is no such file: nothing is tried for ever.
    if (existsSync("/proc/self")) await assert.rejects(makeFolder("/proc/upkeep/a"), { code: "ENOENT" });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
