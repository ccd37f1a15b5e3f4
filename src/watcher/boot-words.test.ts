// A host needs a reboot by its agent's finding; of an agent that is gone nothing is known; an order goes to one that is connected.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostFinding } from "../core/finding.ts";
import type { Input } from "../core/io.ts";
import type { HeardOfAgent } from "./boot-words.ts";
import { BootWords, ordersByAgents } from "./boot-words.ts";

const finding = (subject: string, verdict: HostFinding["verdict"]): HostFinding => ({ subject, verdict, because: `${subject} is ${verdict}`, mayCut: false });
const heard = (findings: readonly HostFinding[], connected = true): HeardOfAgent => ({ connected, hello: { boot: "b-1" }, findings });

test("what a boot is known by is told when it changes, and to another core again", () => {
  const words = new BootWords();
  const told: Input[] = [];
  const look = (word: HeardOfAgent | null) => {
    told.length = 0;
    words.look(["logos"], () => word, (input) => told.push(input));
    return told.map((input) => (input.kind === "boot" ? input.boot : input));
  };
  assert.deepEqual(look(null), []);
  assert.deepEqual(look(heard([finding("health:reboot-pending", "warn")])), [{ bootId: "b-1", pending: "health:reboot-pending is warn" }]);
  assert.deepEqual(look(heard([finding("health:reboot-pending", "warn"), finding("storage:/", "good")])), []);
  assert.deepEqual(look(heard([finding("health:reboot-pending", "unknown")])), [{ bootId: "b-1", pending: null }]);
  words.forget();
  assert.deepEqual(look(heard([])), [{ bootId: "b-1", pending: null }]);
  assert.deepEqual(look(heard([], false)), [null]);
});

test("an order goes to an agent that is connected, under its own name, and nowhere else", async () => {
  const given: unknown[] = [];
  const all: Readonly<Record<string, HeardOfAgent>> = { logos: heard([]), ethos: heard([], false) };
  const orders = ordersByAgents((host) => all[host] ?? null, (host, order) => (given.push([host, order]), Promise.resolve({ outcome: "refused", evidence: "not now" })));
  const task = { host: "logos", order: "reboot", id: "run-1", limitMs: 1_000, again: false } as const;
  assert.equal(orders({ ...task, host: "ethos" }), null);
  assert.equal(orders({ ...task, host: "pathos" }), null);
  assert.deepEqual(await orders(task), { outcome: "failed", evidence: "agent: not now" });
  assert.deepEqual(given, [["logos", { id: "run-1", order: "reboot", subject: null, reason: "rolling reboot", limitMs: 1_000 }]]);
});
