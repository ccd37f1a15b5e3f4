// `netconsole` and `agent.netconsole`: who hears, who sends, and what is wrong with it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { loadAgentConfig } from "./load-agent.ts";
import { loadGood, loadText } from "./testing.ts";

const HOSTS = "hosts:\n  logos: { address: 10.0.0.11 }\n";

test("where kernels are heard", async () => {
  assert.equal((await loadGood(HOSTS)).shell.netconsole, null);
  assert.deepEqual((await loadGood(`${HOSTS}netconsole: {}\n`)).shell.netconsole, { listen: { host: "::", port: 6_666 }, hold: true, also: new Map() });
  assert.deepEqual((await loadGood(`${HOSTS}netconsole: { listen: "10.0.0.2:6665", hold: false, also: { logos: [10.1.0.11, "fd00::11"] } }\n`)).shell.netconsole, { listen: { host: "10.0.0.2", port: 6_665 }, hold: false, also: new Map([["logos", ["10.1.0.11", "fd00::11"]]]) });
  for (const [text, code] of [["{ also: { lagos: [10.0.0.1] } }", "HOST_UNKNOWN"], ["{ also: { logos: [\"10.0.0.1:6\"] } }", "ADDRESS_INVALID"], ["{ port: 6666 }", "KEY_UNKNOWN"], ["{ listen: \"[::\" }", "ADDRESS_INVALID"]] as const) {
    const { problems } = await loadText(`${HOSTS}netconsole: ${text}\n`);
    assert.deepEqual(problems.filter(({ severity }) => severity === "error").map((problem) => problem.code), [code], text);
  }
});

async function agentOf(text: string) {
  return loadAgentConfig("/etc/upkeep/upkeep.yaml", { readFile: async () => Buffer.from(text), env: {}, machine: { hostname: "logos", addresses: [] } as never });
}

test("to whom a kernel sends", async () => {
  const parts = async (text: string) => {
    const loaded = await agentOf(text);
    assert.ok(loaded.ok, JSON.stringify(loaded.problems));
    return loaded.config.parts.netconsole;
  };
  assert.equal(await parts("agent: { watchers: [10.0.0.2] }\n"), undefined);
  assert.deepEqual(await parts("agent: { watchers: [10.0.0.2, \"w2:7443\"], netconsole: true }\n"), { targets: [{ host: "10.0.0.2", port: 6_666 }, { host: "w2", port: 6_666 }], extended: true, loglevel: 7 });
  assert.deepEqual(await parts("agent: { watchers: [10.0.0.2], netconsole: { to: [10.0.0.3, \"10.0.0.4:514\"], port: 6665, extended: false, loglevel: 0 } }\n"), { targets: [{ host: "10.0.0.3", port: 6_665 }, { host: "10.0.0.4", port: 514 }], extended: false, loglevel: 0 });
  for (const [text, code] of [["{ netconsole: true }", "KEY_MISSING"], ["{ watchers: [w1], netconsole: false }", "VALUE_INVALID"], ["{ watchers: [w1], netconsole: { loglevel: 9 } }", "VALUE_INVALID"]] as const) {
    const loaded = await agentOf(`agent: ${text}\n`);
    assert.ok(!loaded.ok && loaded.problems.some((problem) => problem.code === code), `${text}: ${JSON.stringify(loaded.problems)}`);
  }
});
