// What survives a restart, what a changed configuration forgets, and what is left alone when time went back.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostPolicy, Policy } from "../policy.ts";
import { whyUnguarded } from "../guard.ts";
import { Turn } from "../state.ts";
import { step } from "../step.ts";
import { emptyState } from "../state.ts";
import { Hand, hostPolicy, policyOf } from "./hand.ts";

const two = (change: Partial<HostPolicy> = {}, fleet: Partial<Policy> = {}) =>
  policyOf([hostPolicy({ name: "logos", ...change }), hostPolicy({ name: "ethos", levels: [[{ device: "sucker", outlet: "3" }]] })], fleet);
const guarded = (hand: Hand, name = "logos") => whyUnguarded(hand.host(name), hand.policy.hosts.get(name) as HostPolicy, new Turn(hand.state, hand.policy, hand.now()));

test("nothing may come before the start", () => {
  assert.throws(() => step(emptyState(), { kind: "clock" }, { bootMs: 1, wallMs: 1, bootId: "b", synced: true }, two()), /clock before start/);
});

test("what survives a restart, and what has to be seen again", () => {
  const hand = Hand.running(two());
  hand.command({ kind: "brake", brake: "inhibit", scope: "ethos", forMs: 3_600_000, reason: "x" });
  hand.bad("logos", 5);
  hand.keep("logos", "good", 60_000);
  hand.bad("logos", 3);
  const before = hand.record();
  hand.restart();
  assert.deepEqual(hand.record(), before, "all of the record");
  assert.equal(hand.state.brakes.size, 1);
  assert.deepEqual([hand.host().counter, hand.host().last, hand.host().goodSinceMs], [0, null, null], "nothing of the rounds: an old observation must never cut power");
  assert.ok(hand.state.meta.nextIncident > 1 && hand.state.meta.nextToken > 1);
});

test("an open incident goes on under its name, and is closed when the host is well", () => {
  const hand = Hand.running(two());
  hand.command({ kind: "brake", brake: "inhibit", scope: "logos", forMs: 36_000_000, reason: "x" });
  hand.bad("logos", 5);
  const name = hand.host().incident?.incident;
  assert.ok(name !== undefined);
  hand.restart();
  assert.equal(hand.host().incident?.incident, name);
  hand.keep("logos", "good", 20_000);
  assert.equal(hand.host().incident, null);
  assert.deepEqual([hand.last("incident").record.incident, hand.last("incident").record.outcome], [name, "recovered by itself"]);
});

test("guarded, or not and why: from the first moment on", () => {
  const hand = new Hand(two({}, { brakes: { startupMs: 60_000, maxUnhealthy: 1, coolDownMs: 0, concurrent: 1, perHour: null } }));
  hand.auto.delete("read");
  hand.start();
  assert.match(guarded(hand) ?? "", /never seen healthy/);
  hand.round("logos", "good");
  assert.match(guarded(hand) ?? "", /start-up grace/);
  hand.keep("logos", "good", 60_000);
  assert.match(guarded(hand) ?? "", /sucker\/2 has not been read yet/);
  hand.readings(hand.of("read").find((read) => read.device === "sucker") as never);
  assert.equal(guarded(hand), null);
  hand.nowMs += 900_001;
  assert.match(guarded(hand) ?? "", /sucker\/2 was last read 15 min ago/);
});

test("another hash forgets what was learned, the counter and the proof, and keeps what is owed and what brakes", () => {
  const hand = Hand.running(two());
  hand.command({ kind: "fence", host: "logos", reason: "", again: false, confirm: "logos" });
  hand.keep("logos", "good", 60_000);
  hand.bad("logos", 2);
  assert.deepEqual(hand.record().learned.proved, ["sucker/2"]);
  const { cycles, bootsMs, wanted } = hand.record();
  hand.reload(two({ hash: "h2" }));
  assert.deepEqual(hand.record().learned, { hash: "h2", seenHealthyAt: null, passed: [], proved: [] });
  assert.deepEqual([hand.record().cycles, hand.record().bootsMs, hand.record().wanted], [cycles, bootsMs, wanted]);
  assert.equal(hand.host().counter, 0);
  assert.match(guarded(hand) ?? "", /never seen healthy/);
  hand.keep("logos", "bad", 60_000);
  assert.equal(hand.bytes().length, 2, "not cut before it was seen healthy again");
  assert.equal(hand.host("ethos").record.learned.hash, "h1", "the other goes on");
});

test("a host that did not change keeps all that is known of it through a reload", () => {
  const hand = Hand.running(two());
  hand.bad("logos", 3);
  const before = hand.host();
  hand.reload(two());
  assert.deepEqual(hand.host(), before);
  hand.keep("logos", "bad", 10_000);
  assert.deepEqual(hand.bytes(), ["off sucker/2"], "the counter went on");
});

test("an operation goes on through a reload, on the outlets that it recorded", () => {
  for (const atMs of [0, 2_000, 7_000]) {
    const hand = Hand.running(two());
    hand.bad("logos", 5);
    hand.advance(atMs);
    hand.reload(two({ hash: "h2", levels: [[{ device: "sucker", outlet: "9" }]] }));
    hand.advance(20_000);
    assert.deepEqual(hand.bytes(), ["off sucker/2", "on sucker/2"], String(atMs));
  }
});

test("an intent that was not carried out is not carried out under another hash", () => {
  const hand = Hand.running(two());
  hand.auto.delete("act");
  hand.bad("logos", 5);
  const asked = hand.last("act");
  hand.reload(two({ hash: "h2" }));
  hand.auto.add("act");
  hand.ready(asked);
  hand.keep("logos", "bad", 30_000);
  assert.deepEqual(hand.bytes(), []);
});

test("a host that is taken out leaves no alarm and no incident, and is known again when it returns", () => {
  const hand = Hand.running(two({ bootMs: 60_000 }));
  hand.bad("logos", 5);
  hand.keep("logos", "bad", 120_000);
  assert.ok(hand.state.alarms.has("held:logos") && hand.host().incident !== null);
  const { hold } = hand.record();
  hand.reload(policyOf([hostPolicy({ name: "ethos", levels: [[{ device: "sucker", outlet: "3" }]] })]));
  assert.deepEqual([...hand.state.alarms.keys()], []);
  assert.equal(hand.last("incident").record.outcome, "no longer watched");
  assert.deepEqual([...hand.records.keys()].filter((key) => key.startsWith("incident/") || key.startsWith("alarm/")), []);
  hand.restart();
  hand.reload(two({ bootMs: 60_000 }));
  assert.deepEqual(hand.record().hold, hold);
});

test("what was left of hosts that a start no longer finds configured is closed as well", () => {
  const hand = Hand.running(two({ bootMs: 60_000 }));
  hand.bad("logos", 5);
  hand.keep("logos", "bad", 120_000);
  hand.policy = policyOf([hostPolicy({ name: "ethos", levels: [[{ device: "sucker", outlet: "3" }]] })]);
  hand.restart();
  assert.deepEqual([...hand.state.alarms.keys()], []);
  assert.deepEqual([...hand.records.keys()].filter((key) => key.startsWith("incident/") || key.startsWith("alarm/")), []);
});

test("outlets that are not the host's any more are not held against it", () => {
  const hand = Hand.running(two());
  hand.outlets.set("sucker/2", "off");
  hand.input({ kind: "tick", key: "device/sucker" });
  assert.deepEqual(hand.record().offByOthers, ["sucker/2"]);
  hand.reload(two({ hash: "h2", levels: [[{ device: "sucker", outlet: "4" }]] }));
  hand.keep("logos", "good", 310_000);
  assert.deepEqual([hand.record().offByOthers, guarded(hand), [...hand.state.alarms.keys()]], [[], null, []]);
});

test("armed by a reload, it counts from zero; armed all the time, it does not", () => {
  const hand = Hand.running(two({}, { armed: false }));
  hand.bad("logos", 9);
  hand.reload(two({}, { armed: false }));
  assert.equal(hand.host().counter, 5);
  hand.reload(two());
  assert.equal(hand.host().counter, 0);
  hand.advance(5_000);
  hand.bad("logos", 3);
  hand.reload(two());
  assert.equal(hand.host().counter, 3);
});

// ---- time went back -----------------------------------------------------------------------------------------------------

test("time went back: disarmed, asking, and nothing is cut nor switched on", () => {
  for (const atMs of [0, 500, 2_000, 6_500, 20_000]) {
    const hand = Hand.running(two());
    if (atMs === 0) hand.auto.delete("act");
    hand.bad("logos", 5);
    hand.auto.add("act");
    hand.advance(atMs);
    const outlet = hand.outlets.get("sucker/2") ?? "on";
    const bytes = hand.bytes().length;
    hand.nowMs += 1_000;
    hand.start("the ledger is at revision 3, the history remembers 9");
    hand.keep("logos", "bad", 120_000);
    assert.equal(hand.bytes().length, bytes, `${atMs} ms after the off`);
    assert.equal(hand.state.operations.size, 0);
    assert.equal(hand.state.locks.size, 0);
    assert.deepEqual([...hand.state.alarms.keys()].filter((key) => key !== "held:logos").sort(), outlet === "off" ? ["foreign:logos", "time-went-back"] : ["time-went-back"]);
    assert.deepEqual(hand.record().offByOthers, outlet === "off" ? ["sucker/2"] : []);
    assert.match(guarded(hand) ?? "", outlet === "off" ? /./ : /^disarmed by upkeep until ended: time went back/);
  }
});

test("time went back: what a person had asked of the old ledger is not done either", () => {
  const hand = Hand.running(two());
  hand.auto.delete("act");
  hand.command({ kind: "fence", host: "logos", reason: "", again: false, confirm: "logos" });
  hand.auto.add("act");
  hand.nowMs += 1_000;
  hand.start("restored from a copy");
  hand.keep("logos", "bad", 60_000);
  assert.deepEqual(hand.bytes(), []);
});

test("time went back survives a restart until somebody arms", () => {
  const hand = Hand.running(two());
  hand.nowMs += 1_000;
  hand.start("missing");
  hand.restart();
  hand.bad("logos", 6);
  assert.deepEqual(hand.bytes(), []);
  assert.equal(hand.command({ kind: "unbrake", brake: "disarmed", scope: "*" })?.exit, 0);
  hand.keep("logos", "bad", 25_000);
  assert.deepEqual(hand.bytes(), ["off sucker/2"]);
});
