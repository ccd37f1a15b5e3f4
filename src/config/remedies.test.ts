import assert from "node:assert/strict";
import { test } from "node:test";
import { loadGood, loadText } from "./testing.ts";

const hosts = (remedies: string): string => `hosts:\n  logos: { address: 10.0.0.11, boot: 3m, remedies: ${remedies} }\n`;

test("remedies: a name alone has all defaults, wait is boot, and a second one of a kind has a number", async () => {
  const { policy, shell } = await loadGood(hosts("[ssh, { ssh: { user: upkeep, port: 2222, command: [sudo, reboot], identity: /k, knownHosts: /h, limit: 5s, wait: 30s } }, { command: { run: [touch, \"{host}\"] } }]"));
  assert.deepEqual(policy.hosts.get("logos")?.remedies, [
    { name: "ssh", limitMs: 20_000, waitMs: 180_000 }, { name: "ssh#2", limitMs: 5_000, waitMs: 30_000 }, { name: "command", limitMs: 20_000, waitMs: 180_000 },
  ]);
  assert.deepEqual(shell.hosts.get("logos")?.remedies, [
    { name: "ssh", kind: "ssh", options: { user: "root", port: 22, command: ["systemctl", "reboot"], identity: null, knownHosts: null } },
    { name: "ssh#2", kind: "ssh", options: { user: "upkeep", port: 2222, command: ["sudo", "reboot"], identity: "/k", knownHosts: "/h" } },
    { name: "command", kind: "command", options: { run: ["touch", "{host}"] } },
  ]);
});

test("none are said: none are there, and the host's hash does not depend on them", async () => {
  const [without, withOne] = [await loadGood(hosts("[]")), await loadGood(hosts("[ssh]"))];
  assert.equal(without.policy.hosts.get("logos")?.remedies, undefined);
  assert.equal(without.policy.hosts.get("logos")?.hash, withOne.policy.hosts.get("logos")?.hash);
});

test("what is no remedy is told", async () => {
  for (const wrong of ["[reboot]", "ssh", "[{ ssh: { command: reboot } }]", "[{ ssh: { identity: key } }]", "[{ command: {} }]", "[{ ssh: {}, command: { run: [a] } }]", "[ssh, ssh, ssh, ssh, ssh]"]) {
    assert.equal((await loadText(hosts(wrong))).ok, false, wrong);
  }
});
