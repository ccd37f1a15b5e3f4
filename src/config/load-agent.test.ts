// The agent's own reading of the file: its section alone counts, and whoever has none is told what to write.

import assert from "node:assert/strict";
import { test } from "node:test";
import { loadAgentConfig } from "./load-agent.ts";

const machine = { hostname: "logos", addresses: [] };
const read = (text: string, env: Record<string, string> = {}) => loadAgentConfig("/etc/upkeep/upkeep.yaml", { env, machine, readFile: () => Promise.resolve(Buffer.from(text)) });

test("a file with nothing but an agent is whole, and what stands beside it is not looked at", async () => {
  for (const rest of ["", "\nhosts: 7\npower: [nonsense]"]) {
    const loaded = await read(`agent: { watchers: [10.0.0.2, "[fd77::1]:9000"] }${rest}`);
    assert.ok(loaded.ok, JSON.stringify(loaded.problems));
    assert.equal(loaded.config.host, "logos");
    assert.deepEqual(loaded.config.watchers.map(({ host, port }) => [host, port]), [["10.0.0.2", null], ["fd77::1", 9000]]);
    assert.equal(loaded.config.dataDir, "/var/lib/upkeep-agent");
  }
});

test("the service manager's folder goes before the file's", async () => {
  const loaded = await read("agent: { name: ethos, data: state }", { STATE_DIRECTORY: "/var/lib/private/agent" });
  assert.ok(loaded.ok);
  assert.equal(loaded.config.dataDir, "/var/lib/private/agent");
  assert.equal(loaded.config.host, "ethos");
  const beside = await read("agent: { data: state }");
  assert.ok(beside.ok && beside.config.dataDir === "/etc/upkeep/state");
});

test("mistakes are told with their place", async () => {
  const wrong = async (text: string) => (await read(text)).problems.map(({ line, column, code }) => `${line}:${column} ${code}`);
  assert.deepEqual(await wrong("hosts: {}"), ["1:1 KEY_MISSING"]);
  assert.deepEqual(await wrong("agent:\n  watcher: [10.0.0.2]"), ["2:3 KEY_UNKNOWN"]);
  assert.deepEqual(await wrong("agent:\n  watchers: [\"10.0.0.2:99999\"]"), ["2:14 ADDRESS_INVALID"]);
  assert.deepEqual(await wrong("agent: [1"), ["1:10 YAML_SYNTAX"]);
});
