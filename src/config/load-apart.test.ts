import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import { loadConfigApart, pack, unpack } from "./load-apart.ts";
import { loadConfig } from "./load.ts";
import { Secret } from "./secret.ts";

const EVERYTHING = `
site: rack
store: { etcd: { endpoints: ["https://e1", e2, e3], user: u, password: { env: UPKEEP_TEST_APART } } }
watcher: { name: w, references: [10.0.0.1, { dns: { address: 10.0.0.2 } }] }
alerts: { mail: { to: root@localhost, username: u, password: { env: UPKEEP_TEST_APART } }, deadman: { url: "https://ping.example/x", every: 1m }, command: [call] }
groups: { web: { hosts: [w1], every: 3s } }
hosts:
  w1: { address: 10.0.0.11, power: sucker/2, probes: [ping, ssh, { http: { url: "https://w1/", headers: { authorization: { env: UPKEEP_TEST_APART } } } }] }
  w2: { address: 10.0.0.12, power: [bmc, sucker/3 + sucker/4], probes: [ping, { dns: { name: w2.example } }] }
power:
  sucker: { driver: apc, address: 10.0.0.9, username: apc, password: { env: UPKEEP_TEST_APART } }
  spare: { driver: ipmi, address: 10.0.0.8, username: u, password: { env: UPKEEP_TEST_APART } }
  fish: { driver: redfish, url: "https://10.0.0.8", username: u, password: { env: UPKEEP_TEST_APART } }
  agent: { driver: fence-agent, agent: fence_nowhere, options: { ip: 10.0.0.7, passwd: { env: UPKEEP_TEST_APART } } }
  bmc: { driver: command, on: [ipmi, "{host}", "on"], off: [ipmi, "{host}", "off"], status: [ipmi, "{host}"] }
`;

/** With every secret opened, because no comparison sees into one. */
function revealed(value: unknown): unknown {
  if (value instanceof Secret) return { revealed: value.reveal() };
  if (Array.isArray(value)) return value.map(revealed);
  if (value instanceof Map) return new Map([...value].map(([key, member]) => [key, revealed(member)]));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, revealed(member)]));
}

test("a configuration read apart is the one that is read here, secrets and all", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "upkeep-apart-"));
  process.env["UPKEEP_TEST_APART"] = "hunter2 – \ud800";
  t.after(async () => {
    delete process.env["UPKEEP_TEST_APART"];
    await rm(folder, { recursive: true, force: true });
  });
  const file = join(folder, "upkeep.yaml");
  await writeFile(file, EVERYTHING);
  const [apart, here] = await Promise.all([loadConfigApart(file), loadConfig(file)]);
  assert.deepEqual(here.problems.filter(({ severity }) => severity === "error"), []);
  assert.ok(here.ok);
  assert.deepEqual(revealed(apart), revealed({ ...here, config: { ...here.config, origins: new Map() } }));
  assert.equal(inspect(revealed(apart), { depth: null }).match(/hunter2/g)?.length, 7);
  assert.doesNotMatch(inspect(apart, { depth: null }), /hunter2/);
});

test("a configuration with mistakes, and one that is not there, give the same problems apart", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "upkeep-apart-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const wrong = join(folder, "wrong.yaml");
  await writeFile(wrong, (await readFile(new URL("../../examples/smallest.yaml", import.meta.url), "utf8")).replace("ssh", "shh"));
  for (const file of [wrong, join(folder, "absent.yaml")]) {
    const apart = await loadConfigApart(file);
    assert.equal(apart.ok, false);
    assert.deepEqual(apart, await loadConfig(file));
  }
});

test("what is packed survives the clone, and any secret with it", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary" })), (secrets) => {
      const value = { nested: new Map([["a", [secrets.map((text) => new Secret(text)), null, 1, undefined, "text"]]]) };
      assert.deepEqual(revealed(unpack(structuredClone(pack(value)))), revealed(value));
    }),
    { numRuns: 50 },
  );
});

test("an object that would arrive as something else is refused before it is sent", () => {
  assert.throws(() => pack({ at: /regular/ }), /assertion failed/);
  assert.throws(() => pack({ at: new Date(0) }), /assertion failed/);
});
