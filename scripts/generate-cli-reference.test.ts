// The page of the command line is what the definitions say, and has every command that the contract names.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { CLI_REFERENCE, cliReference } from "./generate-cli-reference.ts";

test("docs/reference/cli.md is up to date", async () => {
  assert.equal(await readFile(join(import.meta.dirname, "..", CLI_REFERENCE), "utf8"), cliReference(), "run bin/node24 scripts/generate-cli-reference.ts");
});

test("every command is on it, with an example", () => {
  const page = cliReference();
  for (const name of ["status", "why", "events", "incidents", "power", "power record", "fence", "confirm-off", "maintenance start", "maintenance end", "maintenance list", "disarm", "arm", "release", "storm proceed", "going-down", "ack", "check", "watch", "reload", "lab", "sim", "completion"]) {
    const section = page.split(`\n## upkeep ${name}\n`)[1]?.split("\n## ")[0] ?? "";
    assert.match(section, new RegExp(`\`\`\`sh\\n(.*\\n)*.*upkeep ${name.split(" ")[0] ?? ""}`), name);
  }
  assert.doesNotMatch(page, /__complete/);
});
