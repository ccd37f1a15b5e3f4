// What arrives late, or is written late: an off after everybody had given it up, a record after the disk was full. Each of these
// was a seed of the simulator first.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostRecord } from "../records.ts";
import type { HostPolicy } from "../policy.ts";
import { Hand, hostPolicy, policyOf } from "./hand.ts";

const two = (change: Partial<HostPolicy> = {}) => policyOf([hostPolicy({ name: "logos", levels: [[{ device: "p1", outlet: "1" }, { device: "p2", outlet: "1" }]], ...change })]);

test("an off that is only found by its on counts as an edge from then: no next level before boot has passed", () => {
  const hand = Hand.running(policyOf([hostPolicy({ name: "logos", bootMs: 120_000, levels: [[{ device: "bmc", outlet: "1" }], [{ device: "p1", outlet: "1" }]] })]));
  hand.deaf.add("bmc/1");
  hand.bad("logos", 5);
  hand.unreachable.add("bmc");
  hand.keep("logos", "bad", 40_000);
  // The off was in the cable all that time; the device comes back dark, and takes its time over the on.
  hand.outlets.set("bmc/1", "off");
  hand.deaf.clear();
  hand.unreachable.clear();
  hand.auto.delete("act");
  hand.keep("logos", "bad", 85_000);
  const on = hand.last("act");
  assert.equal(on.action, "on");
  // Its answer, and nothing more for a while.
  hand.auto.delete("read");
  hand.ready(on);
  hand.acted(on.act, { kind: "accepted", evidence: "" });
  hand.keep("logos", "bad", 15_000);
  hand.unreachable.add("bmc");
  hand.readings(hand.last("read"));
  hand.unreachable.clear();
  hand.auto.add("act").add("read");
  hand.keep("logos", "bad", 90_000);
  assert.deepEqual(hand.bytes(), ["off bmc/1", "on bmc/1"], "more than boot since the off, and less since its edge");
  hand.keep("logos", "bad", 60_000);
  assert.ok(hand.bytes().includes("off p1/1"));
});

test("an off that is found at the gate of the second one is confirmed by reading, not asked for for ever", () => {
  const hand = Hand.running(policyOf([hostPolicy({ name: "logos" })]));
  hand.deaf.add("sucker/2");
  hand.command({ kind: "fence", host: "logos", reason: "", again: true, confirm: "logos" });
  hand.advance(2_000);
  assert.deepEqual(hand.bytes(), ["off sucker/2"]);
  hand.deaf.clear();
  // Read on, then nobody looked for two minutes, in which the off arrived.
  hand.outlets.set("sucker/2", "off");
  hand.nowMs += 120_000;
  hand.wallMs += 120_000;
  hand.keep("logos", "bad", 30_000);
  assert.deepEqual(hand.bytes(), ["off sucker/2", "on sucker/2"]);
  assert.equal(hand.outlets.get("sucker/2"), "on");
});

test("an operation that has ended leaves the store together with what it left at its host", () => {
  const hand = Hand.running(policyOf([hostPolicy({ name: "logos" }), hostPolicy({ name: "ethos", levels: [[{ device: "sucker", outlet: "3" }]] })], { brakes: { ...policyOf([]).brakes, concurrent: 2 } }));
  hand.command({ kind: "fence", host: "logos", reason: "", again: true, confirm: "logos" });
  hand.auto.delete("store");
  // The word of a person ends it; the transaction that says so waits behind one that is under way.
  hand.command({ kind: "brake", brake: "disarmed", scope: "ethos", forMs: 60_000, reason: "work" });
  hand.command({ kind: "confirm-off", host: "logos", confirm: "logos", reason: "I have looked" });
  hand.command({ kind: "fence", host: "ethos", reason: "", again: true, confirm: "ethos" });
  const ends = hand.of("store").filter(({ writes }) => writes.some(({ key, value }) => key.startsWith("op/") && value === null));
  assert.ok(ends.length > 0);
  for (const { writes } of ends) assert.equal((writes.find(({ key }) => key === "host/logos")?.value as HostRecord | undefined)?.wanted.state, "off");
});

test("who stops does not leave before what the full disk held up is written", () => {
  const hand = Hand.running(policyOf([hostPolicy({ name: "logos" })]));
  hand.bad("logos", 5);
  hand.storeFails = true;
  hand.advance(10_000);
  assert.equal(hand.operation()?.phase, "booting");
  assert.equal(hand.recorded()?.phase, "off-sent");
  hand.storeFails = false;
  hand.input({ kind: "stop" });
  for (let waited = 0; waited < 100 && hand.of("exit").length === 0; waited += 1) hand.advance(100);
  assert.equal(hand.of("exit").length, 1);
  assert.equal(hand.recorded()?.phase, "booting");
});

test("asked to stop with an off under way that nobody has seen arrive, it waits for that one's time and undoes it", () => {
  for (const arrives of [true, false]) {
    const hand = Hand.running(two());
    hand.bad("logos", 4);
    hand.advance(5_000);
    hand.auto.delete("act");
    hand.round("logos", "bad", { ping: "good" });
    hand.deaf.add("p1/1");
    hand.ready(hand.last("act"));
    hand.acted(hand.last("act").act, { kind: "accepted", evidence: "" });
    hand.auto.add("act");
    hand.input({ kind: "stop" });
    hand.ready(hand.last("act"));
    hand.advance(2_000);
    assert.deepEqual([hand.operation()?.phase, hand.of("exit").length], ["booting", 0], "it reads on, and nobody has switched it on");
    hand.deaf.clear();
    if (arrives) hand.outlets.set("p1/1", "off");
    hand.advance(90_000);
    assert.deepEqual([hand.outlets.get("p1/1") ?? "on", hand.bytes(), hand.of("exit").length], ["on", arrives ? ["off p1/1", "on p1/1"] : ["off p1/1"], 1]);
  }
});

test("a cycle of a host that was wanted off gives back what was dark, also when it is withdrawn", () => {
  const hand = Hand.running(two());
  hand.auto.delete("act");
  hand.command({ kind: "power", host: "logos", action: "off", reason: "by hand", again: false, confirm: "logos" });
  hand.ready(hand.last("act"));
  hand.acted(hand.last("act").act, { kind: "accepted", evidence: "" });
  assert.equal(hand.outlets.get("p1/1"), "off");
  hand.auto.add("act");
  hand.restart();
  hand.keep("logos", "good", 60_000);
  assert.equal(hand.operation(), undefined, "it serves: the rest of the off is not done");
  hand.auto.delete("act");
  hand.command({ kind: "power", host: "logos", action: "cycle", reason: "by hand", again: true, confirm: "logos" });
  hand.auto.add("act");
  hand.restart();
  hand.keep("logos", "good", 120_000);
  assert.deepEqual([hand.outlets.get("p1/1"), hand.outlets.get("p2/1") ?? "on"], ["on", "on"]);
});

test("a cycle of what may be dark that cannot be recorded cuts nothing, and gives power back all the same", () => {
  const hand = Hand.running(two());
  hand.command({ kind: "power", host: "logos", action: "off", reason: "by hand", again: false, confirm: "logos" });
  hand.keep("logos", "bad", 30_000);
  assert.equal(hand.operation(), undefined);
  for (const device of ["p1", "p2"]) hand.unreachable.add(device);
  hand.restart();
  const before = hand.edges.length;
  hand.auto.delete("store");
  hand.command({ kind: "power", host: "logos", action: "cycle", reason: "by hand", again: true, confirm: "logos" });
  hand.store("fail");
  assert.equal(hand.reply()?.exit, 5);
  hand.auto.add("store");
  hand.unreachable.clear();
  hand.keep("logos", "bad", 120_000);
  assert.deepEqual(hand.edges.slice(before).map(({ key, to }) => `${to} ${key}`), ["on p1/1", "on p2/1"]);
  assert.deepEqual([hand.record().wanted.state, hand.record().offByOthers, hand.operation()], ["on", [], undefined]);
});

test("with one feed's device out of reach nothing of the level is cut; lost after the first cut, power is back when its time is over", () => {
  const gone = Hand.running(two({ bootMs: 60_000 }));
  gone.unreachable.add("p2");
  gone.input({ kind: "tick", key: "device/p2" });
  gone.bad("logos", 5);
  gone.keep("logos", "bad", 120_000);
  assert.deepEqual(gone.bytes(), []);
  const lost = Hand.running(two());
  lost.bad("logos", 4);
  lost.advance(5_000);
  lost.auto.delete("act");
  lost.round("logos", "bad", { ping: "good" });
  lost.ready(lost.last("act"));
  lost.acted(lost.last("act").act, { kind: "accepted", evidence: "" });
  lost.auto.add("act");
  lost.unreachable.add("p2");
  lost.acted(lost.last("act").act, { kind: "failed", code: "POWER_UNREACHABLE", evidence: "connection refused" });
  const began = lost.nowMs;
  while (lost.bytes().length < 2 && lost.nowMs < began + 100_000) lost.keep("logos", "bad", 1_000);
  assert.deepEqual(lost.bytes(), ["off p1/1", "on p1/1"]);
  assert.ok(lost.nowMs - began <= 40_000, `${lost.nowMs - began} ms`);
});

test("an operation that ends frees its own lock of a device, and not the one of another that is about to act there", () => {
  const hand = Hand.running(policyOf([hostPolicy({ name: "logos" }), hostPolicy({ name: "ethos", levels: [[{ device: "sucker", outlet: "3" }]] })], { brakes: { ...policyOf([]).brakes, concurrent: 2 } }));
  hand.command({ kind: "fence", host: "logos", reason: "", again: true, confirm: "logos" });
  hand.auto.delete("store");
  hand.command({ kind: "fence", host: "ethos", reason: "", again: true, confirm: "ethos" });
  while (!hand.of("store").some(({ writes }) => writes.some(({ key, value }) => key === "lock/sucker" && (value as { operation: number } | null)?.operation === hand.operation("ethos")?.id))) hand.store();
  hand.command({ kind: "confirm-off", host: "logos", confirm: "logos", reason: "I have looked" });
  assert.equal(hand.state.locks.get("sucker")?.operation, hand.operation("ethos")?.id);
});
