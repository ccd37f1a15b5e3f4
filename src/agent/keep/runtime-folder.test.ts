// Where what runs is written down: in memory, one folder for each agent's, ours alone; or where the part lives.

import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { runtimeFolder } from "./runtime-folder.ts";

const top = realpathSync(mkdtempSync(join(tmpdir(), "upkeep-runtime-")));
after(() => rmSync(top, { recursive: true }));

test("a folder for each, found again, which others may not enter", () => {
  const run = join(top, "run");
  const one = runtimeFolder("/var/lib/upkeep-agent/keep", run);
  assert.match(one, /\/run\/keep-[0-9a-f]{8}$/);
  assert.equal(statSync(one).mode & 0o777, 0o700);
  assert.equal(runtimeFolder("/var/lib/upkeep-agent/keep", run), one);
  assert.notEqual(runtimeFolder("/var/lib/another/keep", run), one);
});

test("one that cannot be had, or that others have opened, is not used", () => {
  const run = join(top, "other");
  const own = runtimeFolder("/a/keep", run);
  chmodSync(own, 0o777);
  assert.equal(runtimeFolder("/a/keep", run), "/a/keep");
  writeFileSync(join(top, "file"), "");
  assert.equal(runtimeFolder("/a/keep", join(top, "file")), "/a/keep");
});
