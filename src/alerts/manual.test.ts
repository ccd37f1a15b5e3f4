// Every alarm that the core can raise is explained, under the anchor that messages name; nothing is explained that cannot come.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const ROOT = join(import.meta.dirname, "../..");
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const core = readdirSync(join(ROOT, "src/core")).filter((name) => name.endsWith(".ts")).map((name) => read(`src/core/${name}`)).join("\n");

test("one section for every kind of alarm in the source, and none too many", () => {
  const kinds = [.../export type AlarmKind = ([^;]+);/.exec(core)?.[1]?.matchAll(/"([a-z-]+)"/g) ?? []].map(([, kind]) => kind);
  assert.ok(kinds.length >= 11);
  const sections = [...read("docs/reference/alarms.md").matchAll(/^## (.+)$/gm)].map(([, title]) => title);
  assert.deepEqual(sections.toSorted(), kinds.toSorted());
  // And each of them is really raised somewhere.
  for (const kind of kinds) assert.match(core, new RegExp(`kind: "${kind}", severity:`), `${kind} is never raised`);
});

test("every section says what to do at night", () => {
  for (const section of read("docs/reference/alarms.md").split(/^## /m).slice(1)) assert.match(section, /\*\*(At night:|Can it wait\?)\*\*/, section.slice(0, 30));
});

test("the troubles of a watcher are told apart", () => {
  const troubles = [...core.matchAll(/raiseTrouble\(turn, "([a-z]+)"/g)].map(([, name]) => name);
  assert.ok(troubles.length >= 5);
  for (const name of troubles) assert.ok(read("docs/reference/alarms.md").includes(`ledger:${name}:`), `ledger:${name} is not explained`);
});

test("commands that the manual names exist", () => {
  const program = read("src/cli/program.ts");
  for (const [, name = ""] of read("docs/reference/alarms.md").matchAll(/upkeep ([a-z-]+)/g)) assert.match(program, new RegExp(`"${name}[ "]`), `upkeep ${name}`);
});
