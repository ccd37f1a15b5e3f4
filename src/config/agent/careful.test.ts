// What may be written about careful shutdown, and which mistakes are told with their place.

import assert from "node:assert/strict";
import { test } from "node:test";
import { loadAgentConfig } from "../load-agent.ts";
import type { LoadedAgent } from "../load-agent.ts";

const load = (careful: string): Promise<LoadedAgent> => loadAgentConfig("/etc/upkeep/upkeep.yaml", { env: {}, machine: { hostname: "logos", addresses: [] }, readFile: () => Promise.resolve(Buffer.from(`agent:\n  careful:\n${careful.split("\n").map((line) => `    ${line}`).join("\n")}\n`)) });
const NODES = "signal: { powerNodes: { nodes: [10.0.0.250], references: [10.0.0.1] } }";
const wrong = async (careful: string): Promise<readonly string[]> => (await load(careful)).problems.map(({ line, column, code, message }) => `${line}:${column} ${code} ${message}`);

test("the defaults are those of the seed: a minute, five minutes, jitter on, and nothing on a mere unknown", async () => {
  const loaded = await load(NODES);
  assert.ok(loaded.ok, JSON.stringify(loaded.problems));
  assert.deepEqual(loaded.config.parts.careful?.policy, { lookEveryMs: 60_000, waitMs: 300_000, jitter: 0.2, unknownAfterMs: null, afterMs: 0, steadyMs: 60_000, stages: [], stuckMs: 180_000, haltMs: 300_000 });
  assert.deepEqual([loaded.config.parts.careful.observe, loaded.config.parts.careful.powerOff, loaded.config.parts.careful.signal.lostNeeded], ["auto", null, 1]);
});

test("stages, and what happens while nobody can tell", async () => {
  const loaded = await load(`${NODES}\nonUnknown: { shutdownAfter: 30m }\nstages: [{ stop: [web.service, "app@1.service"], limit: 2m }, { run: [/bin/park], undo: [/bin/unpark] }]`);
  assert.ok(loaded.ok, JSON.stringify(loaded.problems));
  const { unknownAfterMs, stages } = loaded.config.parts.careful?.policy ?? {};
  assert.equal(unknownAfterMs, 1_800_000);
  assert.deepEqual(stages, [
    { kind: "units", name: "stop web.service app@1.service", limitMs: 120_000, units: ["web.service", "app@1.service"] },
    { kind: "program", name: "run /bin/park", limitMs: 90_000, run: ["/bin/park"], undo: ["/bin/unpark"] },
  ]);
});

test("mistakes", async () => {
  assert.deepEqual(await wrong("signal: {}"), ["3:13 VALUE_INVALID a signal without a source"]);
  assert.deepEqual(await wrong("signal: { powerNodes: { nodes: [10.0.0.250] } }"), ["3:15 KEY_MISSING references is missing: a list of addresses or probes"]);
  assert.deepEqual(await wrong("signal: { powerNodes: { nodes: [10.0.0.1], references: [10.0.0.1] } }"), ["3:37 VALUE_INVALID a power node is its own reference"]);
  assert.deepEqual(await wrong("signal: { powerNodes: { nodes: [10.0.0.250], references: [10.0.0.1], lost: 2 } }"), ["3:80 VALUE_INVALID 2 of 1 power nodes cannot be silent"]);
  assert.deepEqual(await wrong("signal: { ups: [{ address: 10.0.0.5 }], lost: 3 }"), ["3:51 VALUE_INVALID 3 of 1 source cannot be lost"]);
  for (const [temperature, says] of [["{ above: 35 }", "a temperature from nowhere"], ["{ above: 35, file: /a, command: [/b] }", "a temperature from two sources"], ["{ above: 35, file: a }", "not an absolute path"], ["{ above: 35, below: 36, file: /a }", "below 36 is not under above 35"], ["{ above: 35, critical: 30, file: /a }", "critical 30 is not over above 35"], ["{ above: 350, file: /a }", "above must be at most 120, found 350"]] as const) {
    const told = await wrong(`signal: { temperature: [${temperature}] }`);
    assert.equal(told.length, 1, told.join("\n"));
    assert.ok(told[0]?.includes(says), told[0]);
  }
  for (const stage of ["{ stop: [-f] }", "{ stop: [\"a b\"] }", "{ stop: [] }", "{ run: /bin/park }", "{ undo: [/bin/unpark] }"]) assert.equal((await load(`${NODES}\nstages: [${stage}]`)).ok, false, stage);
  assert.equal((await load(`${NODES}\nonUnknown: shutdown`)).ok, false);
});
