// That the bundle is what it is for: small threads stay small, drivers stay on the disk until they are named, and a module
// finds what lies beside it.

import assert from "node:assert/strict";
import { join } from "node:path";
import { before, test } from "node:test";
import { bundle, placed, placesIn } from "./bundle.ts";
import type { Bundle } from "./bundle.ts";

const ROOT = join(import.meta.dirname, "../..");
let built: Bundle;

before(async () => {
  built = await bundle(ROOT);
});

test("the watcher and its history begin without a library, and without the command line", () => {
  for (const entry of ["src/watcher/start.mjs", "src/journal/history-worker-start.mjs"]) {
    const loaded = [...built.atStart(entry)];
    assert.ok(loaded.length > 5, `${entry} loads ${loaded.length} modules`);
    assert.deepEqual(loaded.filter((path) => /node_modules|^src\/cli\/|^src\/(power|probes)\/(apc|fence-agent|ipmi|redfish|snmp|postgres|ldap|http)\.ts|^sim\/|^lab\//.test(path)), [], entry);
  }
});

test("the command line begins with commander alone; the configuration's thread is the one that has zod and yaml", () => {
  const packages = (entry: string): readonly string[] => [...new Set([...built.atStart(entry)].flatMap((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []))].sort();
  assert.deepEqual(packages("src/cli/start.mjs"), ["commander"]);
  assert.deepEqual(packages("src/config/load-apart-start.mjs").filter((name) => ["zod", "yaml"].includes(name)), ["yaml", "zod"]);
});

test("a module's place is where it was, seen from a piece", () => {
  assert.equal(placed("src/journal/history.ts", 'new Worker(new URL("./history-worker-start.mjs", import.meta.url), {})'), 'new Worker(new URL("./history-worker-start.mjs", new URL("../src/journal/history.ts", import.meta.url).href), {})');
  assert.equal(placed("src/cli/main.ts", 'join(import.meta.dirname, "../../package.json")'), 'join(decodeURIComponent(new URL("../src/cli", import.meta.url).pathname), "../../package.json")');
  assert.equal(placed("sim/campaign.ts", 'new URL("./worker.ts", import.meta.url)'), 'new URL("./worker.mjs", new URL("../sim/campaign.ts", import.meta.url).href)');
  assert.equal(placed("src/a.ts", 'createRequire(import.meta.url)("koffi")'), 'require("koffi")');
});

test("what a module asks for by its place is known, and is in the package", () => {
  assert.deepEqual(placesIn("src/a/b.ts", 'new URL("./c.mjs", import.meta.url); join(import.meta.dirname, "../../d.json")'), ["src/a/c.mjs", "d.json"]);
  assert.ok(built.beside.includes("lab/machine.sh"), built.beside.join(" "));
  for (const entry of ["src/cli/start.mjs", "src/watcher/start.mjs", "src/journal/history-worker-start.mjs", "src/config/load-apart-start.mjs", "sim/worker.ts", "lab/pdu-child.ts"]) assert.ok(built.entries.includes(entry), built.entries.join(" "));
});
