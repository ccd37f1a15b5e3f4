import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { runCheck } from "./check.ts";
import type { CheckOptions } from "./check.ts";

const QUIET = "watcher: { references: [192.0.2.254] }\nalerts: { command: [page-me] }\n";
const GOOD = `hosts: { web1: { address: 192.0.2.11, power: relay/1 } }\npower: { relay: { driver: command, on: [x], off: [x], status: [x] } }\n${QUIET}`;

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "upkeep-check-"));
});
after(() => rm(directory, { recursive: true, force: true }));

async function check(text: string, options: Omit<CheckOptions, "config"> = {}): Promise<{ code: number; lines: readonly string[]; path: string }> {
  const path = join(directory, "upkeep.yaml");
  await writeFile(path, text);
  const lines: string[] = [];
  const code = await runCheck({ ...options, config: path }, { print: (line) => lines.push(line) });
  return { code, lines, path };
}

test("errors: one a line with file, line, column, code and hint, exit 3", async () => {
  const { code, lines, path } = await check("hosts:\n  web1: { adress: 192.0.2.11 }\n");
  assert.equal(code, 3);
  assert.ok(lines.includes(`${path}:2:11: error KEY_UNKNOWN unknown key "adress" (did you mean "address"?)`), lines.join("\n"));
  for (const line of lines) assert.match(line, /^[^:]+:[1-9][0-9]*:[1-9][0-9]*: (error|warning) [A-Z_]+ \S/);
});

test("warnings only: exit 0, and 1 with --strict", async () => {
  const text = GOOD.replace("relay/1", "relay/1, probes: [ping]");
  const { code, lines, path } = await check(text);
  assert.deepEqual([code, lines.length], [0, 1]);
  assert.ok(lines[0]?.startsWith(`${path}:1:`) && lines[0].includes(": warning PING_ONLY "));
  assert.equal((await check(text, { strict: true })).code, 1);
});

test("no problems: says so, exit 0 in any case", async () => {
  const { code, lines, path } = await check(GOOD, { strict: true });
  assert.deepEqual([code, lines], [0, [`${path}: no problems; 1 host, 1 power device`]]);
});

test("a file that is not there: exit 3", async () => {
  const lines: string[] = [];
  const path = join(directory, "nowhere.yaml");
  assert.equal(await runCheck({ config: path }, { print: (line) => lines.push(line) }), 3);
  assert.deepEqual(lines, [`${path}:1:1: error FILE_UNREADABLE ${path}: there is no such file`]);
});

test("--json: one object with all problems", async () => {
  const { code, lines, path } = await check("hosts: {}\nfoo: 1\n", { json: true });
  assert.equal(code, 3);
  const told = JSON.parse(lines.join("\n")) as { file: string; ok: boolean; errors: number; warnings: number; problems: readonly Record<string, unknown>[] };
  assert.deepEqual([told.file, told.ok, told.errors, told.warnings], [path, false, 1, 3]);
  assert.deepEqual(told.problems.find(({ code: found }) => found === "KEY_UNKNOWN"), { file: path, line: 2, column: 1, severity: "error", code: "KEY_UNKNOWN", message: 'unknown key "foo"', hint: null });
});

test("--effective: what holds for a host; for no host exit 2; for a bad file its problems", async () => {
  const { code, lines } = await check(GOOD, { effective: "web1" });
  assert.equal(code, 0);
  assert.match(lines[0] ?? "", /^# web1, host hash [0-9a-f]{16}$/);
  assert.ok(lines.some((line) => /^every: 5s +# built in$/.test(line)));
  const json = await check(GOOD, { effective: "web1", json: true });
  assert.equal((JSON.parse(json.lines.join("")) as { host: string }).host, "web1");
  const none = await check(GOOD, { effective: "web2" });
  assert.deepEqual([none.code, none.lines], [2, ['upkeep: no host is named "web2" (did you mean "web1"?)']]);
  assert.equal((await check("hosts: 5\n", { effective: "web1" })).code, 3);
});

test("--schema: the JSON Schema, without a configuration", async () => {
  const lines: string[] = [];
  assert.equal(await runCheck({ schema: true, config: "/nowhere" }, { print: (line) => lines.push(line) }), 0);
  assert.equal((JSON.parse(lines.join("\n")) as { title: string }).title, "Upkeep's configuration");
});

test("a file with nothing but an agent is an agent's; beside hosts both are looked at, each mistake once", async () => {
  const alone = await check("agent: { name: logos, watchers: [192.0.2.2] }\n");
  assert.deepEqual([alone.code, alone.lines], [0, [`${alone.path}: no problems; an agent, of logos: nothing is configured`]]);
  const wrong = await check("agent: { watchers: [\"192.0.2.2:0\"] }\n");
  assert.deepEqual([wrong.code, wrong.lines.length], [3, 1]);
  assert.match(wrong.lines[0] ?? "", /:1:21: error ADDRESS_INVALID /);
  const both = await check(`${GOOD}agent: { wachters: [] }\n`);
  assert.equal(both.code, 3);
  assert.equal(both.lines.filter((line) => line.includes("KEY_UNKNOWN")).length, 1);
  assert.equal((await check(`${GOOD}agent: { watchers: [] }\n`)).code, 0);
});
