// What becomes of a word that an agent says: of an announcement a command, of findings a boot and what the probe reads.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostFinding } from "../../core/finding.ts";
import type { Agents, Heard } from "./agents.ts";
import { bootOf, commandOf, heardBy, ordersBy } from "./join.ts";

const HELLO = { version: "0.4.0", boot: "b-1", uptimeMs: 1_000, life: "l", from: "192.0.2.11" };
const finding = (subject: string, verdict: HostFinding["verdict"]): HostFinding => ({ subject, verdict, because: `${subject} is ${verdict}`, mayCut: false });
const heard = (findings: readonly HostFinding[], connected = true): Heard => ({ connected, heardMs: 5_000, sinceMs: 0, hello: HELLO, findings });
const agents = (of: Readonly<Record<string, Heard>>, given: unknown[] = []) => ({
  heard: (host: string) => of[host] ?? null,
  order: (...order: unknown[]) => (given.push(order.slice(0, 2)), Promise.resolve({ outcome: "refused", evidence: "not now" })),
}) as unknown as Agents;

test("announcements are commands about the host whose connection it is", () => {
  assert.deepEqual(commandOf("logos", { kind: "careful", event: "e1", phase: "shutdown", because: "power lost", haltWithinMs: 60_000 }), { kind: "careful", host: "logos", event: "e1", phase: "shutdown", haltWithinMs: 60_000, reason: "power lost" });
  assert.deepEqual(commandOf("logos", { kind: "going-down", because: "firmware", withinMs: 60_000 }), { kind: "brake", brake: "going-down", scope: "logos", forMs: 60_000, reason: "firmware" });
});

test("a host needs a reboot by its agent's finding, and of an agent that is gone nothing is known", () => {
  assert.deepEqual(bootOf("logos", heard([finding("health:reboot-pending", "warn")])), { kind: "boot", host: "logos", boot: { bootId: "b-1", pending: "health:reboot-pending is warn" } });
  for (const findings of [[], [finding("health:reboot-pending", "good")], [finding("health:reboot-pending", "unknown")], [finding("health:disk:/", "bad")]]) assert.deepEqual(bootOf("logos", heard(findings)), { kind: "boot", host: "logos", boot: { bootId: "b-1", pending: null } });
  for (const word of [null, heard([finding("health:reboot-pending", "warn")], false)]) assert.deepEqual(bootOf("logos", word), { kind: "boot", host: "logos", boot: null });
});

test("the probe reads what was said last, how old it is, and nothing of who is not there", () => {
  const all = agents({ logos: heard([finding("storage:/", "good")]), ethos: heard([finding("storage:/", "bad")], false) });
  const reads = heardBy(() => all, () => 7_500);
  assert.deepEqual(reads.heard("logos"), { ageMs: 2_500, heartbeatMs: 10_000, findings: [finding("storage:/", "good")] });
  assert.deepEqual(reads.heard("ethos"), { silent: "its agent is not connected" });
  assert.ok("silent" in reads.heard("pathos") && "silent" in heardBy(() => null, () => 0).heard("logos"));
});

test("an order goes to an agent that is connected, under its own name, and nowhere else", async () => {
  const given: unknown[] = [];
  const all = agents({ logos: heard([]), ethos: heard([], false) }, given);
  const task = { host: "logos", order: "reboot", id: "run-1", limitMs: 1_000, again: false } as const;
  assert.equal(ordersBy(() => all)({ ...task, host: "ethos" }), null);
  assert.equal(ordersBy(() => null)(task), null);
  assert.deepEqual(await ordersBy(() => all)(task), { outcome: "failed", evidence: "not now" });
  assert.deepEqual(given, [["logos", { id: "run-1", order: "reboot", subject: null, reason: "a rolling reboot", limitMs: 1_000 }]]);
});
