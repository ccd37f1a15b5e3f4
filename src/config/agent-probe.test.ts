// The probe `agent` and the parts `storage` and `hungTasks`, as they are written.

import assert from "node:assert/strict";
import { test } from "node:test";
import { loadAgentConfig } from "./load-agent.ts";
import { loadGood, loadText } from "./testing.ts";

const hosts = (probes: string, more = ""): string => `hosts:\n  logos: { address: 10.0.0.11, probes: ${probes}${more} }\n`;
const part = (text: string) => loadAgentConfig("/etc/upkeep/upkeep.yaml", { env: {}, machine: { hostname: "logos", addresses: [] }, readFile: () => Promise.resolve(Buffer.from(`agent: { ${text} }`)) });

test("the probe counts, abstains, and looks at storage by itself", async () => {
  const { policy, shell } = await loadGood(hosts("[ping, ssh, agent]"));
  assert.deepEqual(policy.hosts.get("logos")?.probes, [{ id: "ping", counts: false }, { id: "ssh", counts: true }, { id: "agent", counts: true, abstains: true }]);
  assert.deepEqual(shell.hosts.get("logos")?.probes[2]?.options, { subjects: ["storage"] });
  const named = await loadGood(hosts("[ssh, { agent: { storage: false, subjects: [\"keep:web.service\", health] } }]"));
  assert.deepEqual(named.shell.hosts.get("logos")?.probes[1]?.options, { subjects: ["keep:web.service", "health"] });
  assert.notEqual(policy.hosts.get("logos")?.hash, named.policy.hosts.get("logos")?.hash);
});

test("nothing to look at, subjects that are none, and an agent as a reference are mistakes", async () => {
  for (const wrong of ["[ssh, { agent: { storage: false } }]", "[ssh, { agent: { subjects: [\"a b\"] } }]", "[ssh, { agent: { disk: true } }]"]) assert.equal((await loadText(hosts(wrong))).ok, false, wrong);
  assert.equal((await loadText(`${hosts("[ssh]")}watcher: { references: [{ agent: { address: 10.0.0.1 } }] }\n`)).ok, false);
});

test("the parts: what is left out, what is written, and what is wrong", async () => {
  const plain = await part("storage: {}, hungTasks: {}");
  assert.ok(plain.ok, JSON.stringify(plain.problems));
  assert.deepEqual(plain.config.parts, { storage: { mounts: null, except: [], everyMs: 10_000, deadlineMs: 30_000, frozenMs: 300_000 }, hungTasks: { afterSeconds: 120, restartAfterSeconds: 10 } });
  const written = await part("storage: { mounts: [/, /var, /], every: 5s, deadline: 10m, frozen: 1m }, hungTasks: { after: 90s, restartAfter: 1500ms }");
  assert.ok(written.ok);
  assert.deepEqual(written.config.parts, { storage: { mounts: ["/", "/var"], except: [], everyMs: 5_000, deadlineMs: 600_000, frozenMs: 600_000 }, hungTasks: { afterSeconds: 90, restartAfterSeconds: 2 } });
  for (const wrong of ["storage: { mounts: [var] }", "storage: { mounts: all }", "storage: { mounts: [] }", "storage: { every: 1ms }", "storage: { path: / }", "hungTasks: { after: 1s }", "hungTasks: true"]) assert.equal((await part(wrong)).ok, false, wrong);
});
