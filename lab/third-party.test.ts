import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { lacking, programPath, thirdParty, versionOf } from "./third-party.ts";

test("a program is recorded once, with the version that it prints itself", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-third-party-"));
  const before = process.env["UPKEEP_TEST_THIRD_PARTY"];
  t.after(() => {
    if (before === undefined) delete process.env["UPKEEP_TEST_THIRD_PARTY"];
    else process.env["UPKEEP_TEST_THIRD_PARTY"] = before;
    rmSync(folder, { recursive: true });
  });
  const path = join(folder, "list.jsonl");
  process.env["UPKEEP_TEST_THIRD_PARTY"] = path;
  thirdParty("node (itself)", [process.execPath, "--version"]);
  thirdParty("node (itself)", [process.execPath, "--version"]);
  assert.equal(readFileSync(path, "utf8"), `{"name":"node (itself)","version":"${process.version}"}\n`);
});

test("without a runner that listens nothing is asked of the program", (t) => {
  const before = process.env["UPKEEP_TEST_THIRD_PARTY"];
  delete process.env["UPKEEP_TEST_THIRD_PARTY"];
  t.after(() => {
    if (before !== undefined) process.env["UPKEEP_TEST_THIRD_PARTY"] = before;
  });
  assert.doesNotThrow(() => thirdParty("nothing", ["/nonexistent/program"]));
});

test("a program that does not run, or prints no version, is an error and no entry", () => {
  assert.throws(() => versionOf(["/nonexistent/program"]), /ENOENT/);
  assert.throws(() => versionOf(["true"]), /printed no version/);
});

test("what is lacking is named, so that a skip says what to install", () => {
  assert.equal(lacking("sh", "env"), false);
  assert.match(String(lacking("sh", "no-such-program-here")), /^not installed: no-such-program-here /);
  assert.match(programPath("sh") ?? "", /\/sh$/);
});
