// What becomes of a word that an agent says: of an announcement a command, of findings what the probe reads.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostFinding } from "../../core/finding.ts";
import type { Agents, Heard } from "./agents.ts";
import { commandOf, heardBy } from "./join.ts";

const HELLO = { version: "0.4.0", boot: "b-1", uptimeMs: 1_000, life: "l", from: "192.0.2.11" };
const finding = (subject: string, verdict: HostFinding["verdict"]): HostFinding => ({ subject, verdict, because: `${subject} is ${verdict}`, mayCut: false });
const heard = (findings: readonly HostFinding[], connected = true): Heard => ({ connected, heardMs: 5_000, sinceMs: 0, hello: HELLO, findings });
const agents = (of: Readonly<Record<string, Heard>>) => ({ heard: (host: string) => of[host] ?? null }) as unknown as Agents;

test("announcements are commands about the host whose connection it is", () => {
  assert.deepEqual(commandOf("logos", { kind: "careful", event: "e1", phase: "shutdown", because: "power lost", haltWithinMs: 60_000 }), { kind: "careful", host: "logos", event: "e1", phase: "shutdown", haltWithinMs: 60_000, reason: "power lost" });
  assert.deepEqual(commandOf("logos", { kind: "going-down", because: "firmware", withinMs: 60_000 }), { kind: "brake", brake: "going-down", scope: "logos", forMs: 60_000, reason: "firmware" });
});

test("the probe reads what was said last, how old it is, and nothing of who is not there", () => {
  const all = agents({ logos: heard([finding("storage:/", "good")]), ethos: heard([finding("storage:/", "bad")], false) });
  const reads = heardBy(() => all, () => 7_500);
  assert.deepEqual(reads.heard("logos"), { ageMs: 2_500, heartbeatMs: 10_000, findings: [finding("storage:/", "good")] });
  assert.deepEqual(reads.heard("ethos"), { silent: "its agent is not connected" });
  assert.ok("silent" in reads.heard("pathos") && "silent" in heardBy(() => null, () => 0).heard("logos"));
});
