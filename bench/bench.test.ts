// The figures are no tests; that they can be taken is one. The parts that take seconds are begun on a small scale, so that who
// wants the figures does not find out first that the watcher's flags or its first line have changed.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { groundRefusal } from "./load/ground.ts";

const refusal = groundRefusal();

async function quickly(file: string, part: string): Promise<string> {
  const words = ["--disable-warning=ExperimentalWarning", join(import.meta.dirname, file), "--quick", part];
  return (await promisify(execFile)(process.execPath, words, { timeout: 240_000, maxBuffer: 1 << 20 })).stdout;
}

test("the cost of a check can be measured: every look of every probe is good", { skip: refusal ?? false, timeout: 300_000 }, async () => {
  const said = await quickly("checks.ts", "alone");
  for (const kind of ["ping", "ssh", "http", "dns"]) assert.match(said, new RegExp(`^Upkeep, probe alone, ${kind}: \\d+\\.\\d µs`, "m"));
});

test("the interface can be measured: it answers while it looks", { skip: refusal ?? false, timeout: 300_000 }, async () => {
  const said = await quickly("api.ts", "requests");
  assert.match(said, /^\/metrics of 50 hosts: [1-9]\d* a second, p50 \d+\.\d\d ms/m);
});

test("a watcher on schedule can be measured: it looks at every host", { skip: refusal ?? false, timeout: 300_000 }, async () => {
  const said = await quickly("scheduled.ts", "upkeep");
  assert.match(said, /^Upkeep, 50 hosts by SSH banner every 1 s: \d+\.\d % of a core, \d+ MiB; lag .*; [1-9]\d* of \d+ calls; first calls within \d/m);
  assert.match(said, /^Upkeep, 10 hosts by ping, SSH and DNS every 1 s: .*; [1-9]\d* of \d+ calls; first calls within \d/m);
});

test("agents can be measured: they look at their power node, would go off when it dies, and their watcher holds them", { skip: refusal ?? false, timeout: 600_000 }, async () => {
  const said = await quickly("agents.ts", "rack");
  assert.match(said, /^4 agents, jitter 20 %: [1-9]\d* echo requests, .*; off \d+\.\d to \d+\.\d s after its death/m);
  assert.match(await quickly("agents.ts", "link"), /^20 agents: \d+\.\d\d % of a core, \d+ MiB; 20 came within \d/m);
});
