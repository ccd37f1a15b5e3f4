import assert from "node:assert/strict";
import { test } from "node:test";
import { diffConfig } from "./diff.ts";
import type { ConfigDiff } from "./diff.ts";
import { loadGood } from "./testing.ts";

const BASE = `site: s
hosts:
  a: { address: h1, power: s/1 }
  b: { address: h2, power: bmc, probes: [ssh, { http: { url: "http://{address}/", headers: { X-Token: { env: TOKEN } } } }] }
  c: { address: h3 }
power:
  s: { driver: apc, address: 10.0.0.9, password: { env: PW } }
  bmc: { driver: command, on: [x, "{host}"], off: [x], status: [x] }
`;
const env = { PW: "one", TOKEN: "one" };
const NOTHING: ConfigDiff = { hosts: { added: [], removed: [], changed: [], adjusted: [] }, devices: { added: [], removed: [], changed: [] }, rest: [] };

async function diff(after: string, environment: Record<string, string> = env): Promise<ConfigDiff> {
  return diffConfig(await loadGood(BASE, { env }), await loadGood(after, { env: environment }));
}

test("the same file changes nothing, however it is written", async () => {
  assert.deepEqual(await diff(BASE), NOTHING);
  assert.deepEqual(await diff(`# a comment\n${BASE.replace("a: { address: h1, power: s/1 }", "a: { power: [s/1], every: 5s, address: h1 }")}`), NOTHING);
});

test("hosts and devices that come and go", async () => {
  const after = BASE.replace("  c: { address: h3 }\n", "  d: { address: h4, power: bmc }\n");
  assert.deepEqual(await diff(after), { ...NOTHING, hosts: { ...NOTHING.hosts, added: ["d"], removed: ["c"] }, devices: { ...NOTHING.devices, added: ["bmc@d"] } });
});

test("another hash is a change, other settings alone an adjustment", async () => {
  assert.deepEqual((await diff(BASE.replace("h3 }", "h3, threshold: 2, every: 9s }"))).hosts, { ...NOTHING.hosts, changed: ["c"] });
  assert.deepEqual((await diff(BASE.replace("h3 }", "h3, every: 9s }"))).hosts, { ...NOTHING.hosts, adjusted: ["c"] });
  assert.deepEqual((await diff(`${BASE}defaults: { boot: 9m }\n`)).hosts, { ...NOTHING.hosts, adjusted: ["a", "b", "c"] });
});

test("another secret is seen, though none is shown", async () => {
  assert.deepEqual(await diff(BASE, { ...env, PW: "two" }), { ...NOTHING, devices: { ...NOTHING.devices, changed: ["s"] } });
  assert.deepEqual(await diff(BASE, { ...env, TOKEN: "two" }), { ...NOTHING, hosts: { ...NOTHING.hosts, adjusted: ["b"] } });
});

test("another place of a device changes it and the hosts on it", async () => {
  const { hosts, devices } = await diff(BASE.replace("10.0.0.9", "10.0.0.8"));
  assert.deepEqual([hosts.changed, devices.changed], [["a"], ["s"]]);
});

test("what is nobody's in particular", async () => {
  assert.deepEqual((await diff(`${BASE.replace("site: s", "site: t")}armed: false\nbrakes: { concurrent: 2 }\nlone: act\nwatcher: { name: w, references: [10.0.0.1] }\nalerts: { repeat: 2h }\napi: { listen: null }\ndata: d\n`)).rest.toSorted(),
    ["agreement", "alerts", "api", "armed", "brakes", "data", "references", "site", "watcher"]);
});
