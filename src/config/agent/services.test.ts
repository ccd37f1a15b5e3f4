// The agent's parts health, keep and orphans as they are written: the example is whole, and mistakes are told with their place.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { loadAgentConfig } from "../load-agent.ts";

const machine = { hostname: "logos", addresses: [] };
const read = (text: string) => loadAgentConfig("/etc/upkeep/upkeep.yaml", { env: {}, machine, readFile: () => Promise.resolve(Buffer.from(text)) });

test("the example is whole, and a container of systemd-nspawn is its unit", async () => {
  const path = fileURLToPath(new URL("../../../examples/agent/services.yaml", import.meta.url));
  const loaded = await loadAgentConfig(path, { env: {}, machine, readFile });
  assert.ok(loaded.ok, JSON.stringify(loaded.problems));
  const { health, keep, orphans } = loaded.config.parts;
  assert.deepEqual([health?.disk, health?.mayCut], [0.85, ["fs-read-only"]]);
  assert.deepEqual([orphans?.reap, orphans?.grace], [true, 3_600_000]);
  assert.deepEqual(keep?.services.map(({ kept, after, health: probe }) => [kept.kind, "name" in kept ? kept.name : kept.argv[0], after, probe?.task.kind ?? null]), [
    ["unit", "nginx.service", [], "http"], ["unit", "systemd-nspawn@db1.service", ["web"], null], ["command", "/usr/local/bin/feed", [], null],
  ]);
});

test("mistakes are told with their place", async () => {
  const wrong = async (text: string) => (await read(text)).problems.map(({ line, column, code }) => `${line}:${column} ${code}`);
  assert.deepEqual(await wrong("agent:\n  keep:\n    web: { every: 5s }"), ["3:10 KEY_MISSING"]);
  assert.deepEqual(await wrong("agent:\n  keep:\n    web: { unit: a.service, lxc: b }"), ["3:10 KEY_MISSING"]);
  assert.deepEqual(await wrong("agent:\n  keep:\n    web: { unit: --now }"), ["3:18 VALUE_INVALID"]);
  assert.deepEqual(await wrong("agent:\n  keep:\n    web: { unit: a.service, after: [db] }"), ["3:36 VALUE_INVALID"]);
  assert.deepEqual(await wrong("agent:\n  keep:\n    a: { unit: a.service, after: [b] }\n    b: { unit: b.service, after: [a] }"), ["3:34 VALUE_INVALID"]);
  assert.deepEqual(await wrong("agent:\n  keep:\n    web: { unit: a.service, user: web }"), ["3:35 VALUE_INVALID"]);
  assert.deepEqual(await wrong("agent:\n  keep:\n    web: { unit: a.service, health: { tcp: {} } }"), ["3:37 PROBE_INCOMPLETE"]);
  assert.deepEqual(await wrong("agent:\n  keep:\n    web: { command: /usr/bin/x -y }"), ["3:21 VALUE_INVALID"]);
  assert.deepEqual(await wrong("agent:\n  health: { mayCut: [smart] }"), ["2:22 VALUE_INVALID"]);
  assert.deepEqual(await wrong("agent:\n  orphans: { reap: yes please }"), ["2:20 VALUE_INVALID"]);
});
