// The ledger from the core's side: what hangs together is committed together, a failure loses nothing and overwrites nothing
// newer, and nothing is cut while it cannot be written.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostRecord, Operation } from "../records.ts";
import { Hand, hostPolicy, policyOf } from "./hand.ts";

const two = () => policyOf([hostPolicy({ name: "logos" }), hostPolicy({ name: "ethos", levels: [[{ device: "sucker", outlet: "3" }]] })]);

test("one transaction of what was learned is under way at a time, and takes along what has come since", () => {
  const hand = Hand.running(two());
  hand.auto.delete("store");
  for (const brake of ["maintenance", "inhibit", "disarmed"] as const) hand.command({ kind: "brake", brake, scope: "logos", forMs: null, reason: "" });
  assert.equal([...hand.state.pending.values()].length, 1);
  hand.store();
  assert.deepEqual(hand.last("store").writes.map((write) => write.key).sort(), ["brake/disarmed/logos", "brake/inhibit/logos"]);
});

test("the host's record, the incident and the tokens go with the step of the operation that changed them", () => {
  const hand = Hand.running(two());
  hand.bad("logos", 5);
  const intents = hand.of("store").filter((store) => store.writes.some((write) => write.key.startsWith("op/") && write.value !== null));
  const keys = (at: number) => intents[at]?.writes.map((write) => write.key.split("/")[0]).sort();
  assert.deepEqual(keys(0), ["incident", "meta", "op"], "the intent");
  assert.deepEqual(keys(1), ["host", "lock", "meta", "op"], "the swap, with the edge");
});

test("an intent is guarded: it must be new, and each step must follow the one before", () => {
  const hand = Hand.running(two());
  hand.bad("logos", 5);
  hand.advance(20_000);
  const operation = hand.of("store").filter((store) => store.guards.length > 0);
  assert.equal(operation[0]?.guards.find((guard) => guard.key.startsWith("op/"))?.revision, null);
  for (const store of operation.slice(1)) assert.notEqual(store.guards.find((guard) => guard.key.startsWith("op/"))?.revision ?? null, null);
});

test("a failure loses nothing: it is tried again until it holds", () => {
  const hand = Hand.running(two());
  hand.storeFails = true;
  hand.command({ kind: "brake", brake: "maintenance", scope: "logos", forMs: null, reason: "" });
  hand.advance(30_000);
  assert.equal(hand.records.has("brake/maintenance/logos"), false);
  const tries = hand.of("store").length;
  assert.ok(tries < 60, `${tries} tries in half a minute`);
  hand.storeFails = false;
  hand.advance(3_000);
  assert.equal(hand.records.has("brake/maintenance/logos"), true);
});

test("what failed never overwrites what was written since", () => {
  const hand = Hand.running(two());
  hand.auto.delete("store");
  // The host's record is on its way when it changes again, and the intent takes the newer one along.
  hand.outlets.set("sucker/2", "off");
  hand.input({ kind: "tick", key: "device/sucker" });
  const older = hand.last("store");
  assert.deepEqual(older.writes.find((write) => write.key === "host/logos")?.value, hand.record());
  hand.outlets.set("sucker/2", "on");
  hand.input({ kind: "tick", key: "device/sucker" });
  hand.command({ kind: "fence", host: "logos", reason: "", again: true, confirm: "logos" });
  const intent = hand.last("store");
  assert.deepEqual((intent.writes.find((write) => write.key === "host/logos")?.value as HostRecord).offByOthers, []);
  hand.auto.delete("act");
  hand.store("fail", older.txn);
  hand.store("commit", intent.txn);
  hand.auto.add("store");
  while (hand.state.pending.size > 0) hand.store();
  hand.advance(5_000);
  assert.deepEqual((hand.records.get("host/logos")?.value as HostRecord).offByOthers, []);
  assert.deepEqual(hand.records.get("host/logos")?.value, hand.record());
});

test("nothing is cut while the ledger cannot be written, and all goes on when it can", () => {
  const hand = Hand.running(two());
  hand.storeFails = true;
  hand.bad("logos", 5);
  hand.keep("logos", "bad", 60_000);
  assert.deepEqual(hand.bytes(), []);
  assert.equal(hand.records.has("op/1"), false);
  hand.storeFails = false;
  hand.keep("logos", "bad", 60_000);
  assert.deepEqual(hand.bytes(), ["off sucker/2", "on sucker/2"]);
});

test("a host never has two operations on record", () => {
  const hand = Hand.running(two());
  hand.auto.delete("act");
  hand.bad("logos", 5);
  const act = hand.last("act");
  hand.auto.delete("store");
  hand.nowMs += 10;
  hand.round("logos", "good");
  hand.acted(act.act, { kind: "refused", by: "gate", evidence: "" });
  assert.equal(hand.operation(), undefined, "withdrawn, and its end is on its way");
  hand.advance(5_000);
  hand.bad("logos", 2);
  const intent = hand.of("store").findLast((store) => store.writes.some((write) => write.key.startsWith("op/") && write.value !== null));
  assert.ok(intent !== undefined && (intent.writes[0] as { value: Operation }).value.id > 1);
  hand.store("commit", intent.txn);
  assert.deepEqual([...hand.records.keys()].filter((key) => key.startsWith("op/")).length, 1, "although the end of the first was never committed");
});

test("an operation that ended while its transaction was under way loses none of what that took along", () => {
  const hand = Hand.running(two());
  hand.bad("logos", 5);
  hand.auto.delete("store");
  hand.advance(1_100);
  const phase = hand.last("store").txn;
  hand.command({ kind: "confirm-off", host: "logos", confirm: "logos", reason: "" });
  hand.store("fail", phase);
  hand.auto.add("store");
  while (hand.state.pending.size > 0) hand.store();
  hand.advance(5_000);
  const stored = hand.records.get("host/logos")?.value as HostRecord;
  assert.deepEqual([stored.wanted.state, stored.cycles.length], [hand.record().wanted.state, hand.record().cycles.length]);
  assert.equal(hand.records.has("op/1"), false);
});

test("stopping waits for what is to be recorded, and not for a ledger that fails", () => {
  const hand = Hand.running(two());
  hand.auto.delete("store");
  hand.command({ kind: "brake", brake: "maintenance", scope: "logos", forMs: null, reason: "" });
  hand.input({ kind: "stop" });
  assert.equal(hand.of("exit").length, 0);
  hand.store();
  assert.equal(hand.of("exit").length, 1);
  const full = Hand.running(two());
  full.storeFails = true;
  full.command({ kind: "brake", brake: "maintenance", scope: "logos", forMs: null, reason: "" });
  full.input({ kind: "stop" });
  full.advance(3_000);
  assert.equal(full.of("exit").length, 1);
});
