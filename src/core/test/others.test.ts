// Other people's hands on the outlets, and what lies between this watcher and a host.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { HostPolicy } from "../policy.ts";
import { Hand, hostPolicy, policyOf } from "./hand.ts";

const one = (change: Partial<HostPolicy> = {}) => policyOf([hostPolicy({ name: "logos", ...change })]);
const look = (hand: Hand, device = "sucker") => hand.input({ kind: "tick", key: `device/${device}` });

test("found off at the start: left off, no debounce, a person is told", () => {
  const hand = new Hand(one());
  hand.outlets.set("sucker/2", "off");
  hand.start();
  assert.deepEqual(hand.record().offByOthers, ["sucker/2"]);
  assert.equal(hand.record().lastEdge, null, "nobody has seen an edge");
  assert.ok(hand.state.alarms.has("foreign:logos"));
  hand.keep("logos", "bad", 120_000);
  assert.deepEqual(hand.bytes(), []);
  hand.restart();
  assert.deepEqual(hand.record().offByOthers, ["sucker/2"], "also after a restart");
  assert.equal(hand.told("off-by-others").length, 1, "told once");
  hand.outlets.set("sucker/2", "on");
  hand.restart();
  assert.deepEqual([hand.record().offByOthers, hand.state.alarms.has("foreign:logos")], [[], false], "found on again, it is forgotten");
});

test("switched off under our eyes: left off, the debounce begins; switched on again, it begins anew", () => {
  const hand = Hand.running(one());
  hand.outlets.set("sucker/2", "off");
  look(hand);
  assert.equal(hand.record().lastEdge?.bootMs, hand.nowMs);
  hand.advance(30_000);
  hand.outlets.set("sucker/2", "on");
  look(hand);
  assert.equal(hand.record().lastEdge?.bootMs, hand.nowMs);
  hand.keep("logos", "bad", 45_000);
  assert.equal(hand.host().counter, 2, "rounds in the debounce are recorded and not counted");
});

test("what we switch off is ours in every phase, and what is wanted off is nobody's doing", () => {
  for (const atMs of [500, 2_000, 6_500]) {
    const hand = Hand.running(one());
    hand.bad("logos", 5);
    hand.advance(atMs);
    look(hand);
    assert.deepEqual(hand.record().offByOthers, [], `${atMs}`);
  }
  const off = Hand.running(one());
  off.command({ kind: "power", host: "logos", action: "off", reason: "", again: false, confirm: "logos" });
  off.advance(20_000);
  look(off);
  assert.deepEqual(off.record().offByOthers, []);
  off.restart();
  assert.deepEqual(off.record().offByOthers, []);
});

test("while a host is suspect its outlet is read every round; when it is well, every five minutes", () => {
  const hand = Hand.running(one());
  const reads = (ms: number, outcome: "good" | "bad") => {
    const before = hand.of("read").length;
    hand.keep("logos", outcome, ms);
    return hand.of("read").length - before;
  };
  assert.ok(reads(600_000, "good") <= 3);
  hand.command({ kind: "brake", brake: "inhibit", scope: "logos", forMs: 3_600_000, reason: "" });
  const often = reads(60_000, "bad");
  assert.ok(often >= 11 && often <= 14, `${often} in twelve rounds`);
});

test("an unknown reading is no edge of anybody's", () => {
  const hand = Hand.running(one());
  for (const state of ["unknown", "on", "unknown", "unknown", "on"] as const) {
    hand.outlets.set("sucker/2", state);
    look(hand);
  }
  assert.deepEqual([hand.record().offByOthers, hand.record().lastEdge, hand.state.alarms.size], [[], null, 0]);
});

test("one feed of two off by others: no feed is cut, none is switched on", () => {
  const hand = Hand.running(one({ levels: [[{ device: "p1", outlet: "1" }, { device: "p2", outlet: "1" }]] }));
  hand.outlets.set("p1/1", "off");
  look(hand, "p1");
  hand.bad("logos", 5);
  hand.keep("logos", "bad", 600_000);
  assert.deepEqual(hand.bytes(), []);
  assert.match(hand.told("refused")[0] ?? "", /^not cut: p1\/1 was switched off by others/);
});

test("the label of another host forbids the cut while it is there; a label of nobody does not", () => {
  for (const [label, cut] of [["ethos", false], ["logos", true], ["Outlet 2", true], ["", true]] as const) {
    const hand = Hand.running(policyOf([hostPolicy({ name: "logos" }), hostPolicy({ name: "ethos", levels: [[{ device: "sucker", outlet: "3" }]] })]));
    hand.labels.set("sucker/2", label);
    look(hand);
    hand.bad("logos", 5);
    hand.advance(2_000);
    assert.equal(hand.bytes().length > 0, cut, label);
  }
});

test("a device that fails and comes back is told of once each", () => {
  const hand = Hand.running(one());
  hand.unreachable.add("sucker");
  hand.keep("logos", "bad", 15_000);
  hand.unreachable.clear();
  hand.keep("logos", "bad", 5_000);
  assert.equal(hand.told("device-failed").length, 1);
  assert.equal(hand.told("device-ok").length, 1);
});

test("nothing that others do at the outlets ever makes us cut or switch on, while all rounds are good", () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.constantFrom("p1/1", "p2/1"), fc.constantFrom<"on" | "off" | "unknown">("on", "off", "unknown"), fc.boolean()), { maxLength: 40 }), (hands) => {
    const hand = Hand.running(one({ levels: [[{ device: "p1", outlet: "1" }], [{ device: "p2", outlet: "1" }]] }));
    for (const [key, state, restart] of hands) {
      hand.outlets.set(key, state);
      if (restart) hand.restart();
      else look(hand, key.split("/")[0]);
      hand.keep("logos", "good", 10_000);
      for (const off of hand.record().offByOthers) assert.notEqual(hand.outlets.get(off), "on");
      assert.equal(hand.record().offByOthers.length > 0, hand.state.alarms.has("foreign:logos"));
    }
    assert.deepEqual(hand.bytes(), []);
  }), { numRuns: 100 });
});

// ---- behind ---------------------------------------------------------------------------------------------------------------

const behind = () => policyOf([
  hostPolicy({ name: "logos", behind: "switch-b" }),
  hostPolicy({ name: "switch-b", behind: "switch-a", levels: [[{ device: "sucker", outlet: "3" }]] }),
  hostPolicy({ name: "switch-a", levels: [[{ device: "sucker", outlet: "4" }]] }),
]);

test("after the return of what lies between, only rounds that began since count", () => {
  const hand = Hand.running(behind());
  for (let made = 0; made < 5; made += 1) {
    hand.advance(5_000);
    hand.round("switch-b", "bad");
    hand.round("logos", "bad", { ping: "good" });
  }
  assert.equal(hand.host("logos").counter, 5);
  const startedAtMs = hand.nowMs + 4_000;
  hand.advance(5_000);
  hand.round("switch-b", "good");
  assert.equal(hand.host("logos").counter, 0);
  hand.round("logos", "bad", { ping: "good", startedAtMs });
  assert.equal(hand.host("logos").last?.outcome, "unknown", "begun before");
  hand.advance(5_000);
  hand.round("logos", "bad", { ping: "good" });
  assert.equal(hand.host("logos").counter, 1);
});

test("an intent that waits for its device while the switch goes away and comes back is decided anew", () => {
  const hand = Hand.running(behind());
  hand.auto.delete("act");
  hand.bad("logos", 5);
  const asked = hand.last("act");
  hand.advance(1_000);
  hand.round("switch-b", "bad");
  hand.advance(1_000);
  hand.round("switch-b", "good");
  hand.auto.add("act");
  hand.ready(asked);
  assert.deepEqual(hand.bytes(), []);
  assert.match(hand.told("withdrawn").join(), /does not count/);
});

test("the switch is cut for its own sake, what hangs behind it never is while it is ill", () => {
  const hand = Hand.running(behind());
  for (let made = 0; made < 12; made += 1) {
    hand.advance(5_000);
    for (const name of ["switch-a", "switch-b", "logos"]) hand.round(name, "bad");
  }
  assert.deepEqual(hand.bytes(), ["off sucker/4", "on sucker/4"]);
});
