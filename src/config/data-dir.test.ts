import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { findConfigPath, quickDataDir, resolveDataDir, scanForData, socketPathIn } from "./data-dir.ts";
import { loadConfig } from "./load.ts";
import { MACHINE } from "./testing.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "upkeep-data-dir-"));
});
after(() => rm(directory, { recursive: true, force: true }));

test("the configuration is the one named, then the variable's, then ./upkeep.yaml", () => {
  assert.equal(findConfigPath("a.yaml", { UPKEEP_CONFIG: "b.yaml" }), "a.yaml");
  assert.equal(findConfigPath(undefined, { UPKEEP_CONFIG: "b.yaml" }), "b.yaml");
  assert.equal(findConfigPath("", { UPKEEP_CONFIG: "b.yaml" }), "b.yaml");
});

test("without either it is searched for in the folder, then under /etc", () => {
  const script = `import { findConfigPath } from ${JSON.stringify(fileURLToPath(new URL("data-dir.ts", import.meta.url)))}; process.stdout.write(String(findConfigPath(undefined, {})));`;
  const run = (cwd: string): string => spawnSync(process.execPath, ["--input-type=module", "-e", script], { cwd, encoding: "utf8" }).stdout;
  assert.notEqual(run(directory), "upkeep.yaml");
  return writeFile(join(directory, "upkeep.yaml"), "hosts: {}\n").then(() => {
    assert.equal(run(directory), "upkeep.yaml");
  });
});

test("state does not belong under /etc", () => {
  assert.equal(resolveDataDir("/etc/upkeep/upkeep.yaml", undefined, {}), "/var/lib/upkeep");
  assert.equal(resolveDataDir("/etc/upkeep/upkeep.yaml", "state", {}), "/etc/upkeep/state");
  assert.equal(resolveDataDir("/etcetera/upkeep.yaml", undefined, {}), "/etcetera/upkeep-data");
  assert.equal(resolveDataDir("/etc/upkeep/upkeep.yaml", "/srv", { STATE_DIRECTORY: "/var/lib/x" }), "/var/lib/x");
  assert.equal(resolveDataDir("/etc/upkeep/upkeep.yaml", undefined, { STATE_DIRECTORY: "" }), "/var/lib/upkeep");
  assert.equal(socketPathIn("/srv"), "/srv/upkeep.sock");
});

const CERTAIN = [
  ["hosts: {}\ndata: /srv/upkeep\n", "/srv/upkeep"],
  ["data: state # here\nhosts:\n  a:\n    data: no\n", "state"],
  ["# data: /no\nhosts:\n  data: { address: h }\n", undefined],
  ["hosts: {}\n", undefined],
  ["\uFEFFdata: a/b\r\nhosts: {}\r\n", "a/b"],
] as const;

for (const [text, data] of CERTAIN) {
  test(`told by its line alone: ${JSON.stringify(text.slice(0, 30))}`, () => {
    assert.deepEqual(scanForData(text), { certain: true, data });
  });
}

const UNCERTAIN = [
  "data: \"/srv/a b\"\n", "data: 'x'\n", "data: &a /srv\n", "data: !!str /srv\n", "data: a\n  b\n", "data: a\n\n  b\n", "data:\n  /srv\n", "data: |\n  /srv\n", "data: 5\n", "data: true\n", "data: 1e3\n", "data: null\n", "data: 0x1f\n", "data: .inf\n",
  "{ data: /srv, hosts: {} }\n", "\"data\": /srv\n", "---\ndata: /srv\n", "? data\n: /srv\n", "data: a\ndata: b\n", "hosts: {\n}\ndata: x\n", "data : /srv\n", "%YAML 1.2\n---\ndata: x\n", "data: a: b\n", "data: ~\n", "data: a\rhosts: {}\r", "data: /srv#x y\n",
];

for (const text of UNCERTAIN) {
  test(`left to the parser: ${JSON.stringify(text)}`, () => {
    assert.deepEqual(scanForData(text), { certain: false });
  });
}

test("whatever the file, the quick way finds the folder that the loader finds", async () => {
  const path = join(directory, "any.yaml");
  const dataLine = fc.oneof(
    fc.constantFrom(...UNCERTAIN, ...CERTAIN.map(([text]) => text)),
    fc.stringMatching(/^data:[ \t]{0,2}["']?[a-zA-Z0-9./_~:#, -]{0,12}["']?( #.*)?$/),
    fc.stringMatching(/^data: [a-z0-9/.]{1,8}\n {0,2}[a-z]{0,4}$/),
  );
  const file = fc.tuple(fc.constantFrom("", "# x\n", "site: s\n", "hosts:\n  a: { address: h1 }\n", "site: |\n  data: no\n"), dataLine, fc.constantFrom("", "\narmed: true\n", "\nhosts: { b: { address: h2 } }\n")).map((parts) => parts.join(""));
  await fc.assert(fc.asyncProperty(file, async (text) => {
    await writeFile(path, text);
    const loaded = await loadConfig(path, { env: {}, machine: MACHINE });
    fc.pre(loaded.ok);
    if (loaded.ok) assert.equal(await quickDataDir(path, {}), loaded.config.shell.dataDir);
  }), { numRuns: 300 });
});

test("a file that is no YAML has no data setting; a file that is not there is an error", async () => {
  const path = join(directory, "broken.yaml");
  await writeFile(path, "\"data\": [\n");
  assert.equal(await quickDataDir(path, {}), join(directory, "upkeep-data"));
  await assert.rejects(quickDataDir(join(directory, "nowhere.yaml"), {}), { code: "ENOENT" });
  assert.equal(await quickDataDir(join(directory, "nowhere.yaml"), { STATE_DIRECTORY: "/srv/x" }), "/srv/x", "with $STATE_DIRECTORY nothing is read");
});

test("the quick way loads neither the YAML parser nor the schemas", () => {
  const script = `
import { registerHooks } from "node:module";
const loaded = [];
registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });
const { quickDataDir } = await import(${JSON.stringify(new URL("data-dir.ts", import.meta.url).href)});
await quickDataDir(process.argv[1], {});
process.stdout.write(loaded.filter((url) => !url.startsWith("node:")).map((url) => url.replace(/.*\\//, "")).join());`;
  const path = fileURLToPath(new URL("../../examples/smallest.yaml", import.meta.url));
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script, path], { encoding: "utf8" });
  assert.equal(stdout, "data-dir.ts", stderr);
});
