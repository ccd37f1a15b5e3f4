// Calling a person: once, again every hour until somebody says that he knows, and exactly one word that it is over.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Alarm } from "../io.ts";
import type { HostPolicy } from "../policy.ts";
import { Hand, hostPolicy, policyOf } from "./hand.ts";

const HOUR_MS = 3_600_000;
const two = (change: Partial<HostPolicy> = {}) => policyOf([hostPolicy({ name: "logos", ...change }), hostPolicy({ name: "ethos", levels: [[{ device: "sucker", outlet: "3" }]] })]);

/** An outlet that others switched off: the plainest alarm that lasts. */
function foreign(): Hand {
  const hand = Hand.running(two());
  hand.outlets.set("sucker/2", "off");
  hand.input({ kind: "tick", key: "device/sucker" });
  return hand;
}

const raised = (hand: Hand, key: string) => hand.of("alarm").filter((each) => each.alarm.alarm === key);
const ended = (hand: Hand, key: string) => hand.of("alarm-over").filter((each) => each.alarm.alarm === key);

test("raised once, whatever goes on", () => {
  const hand = foreign();
  hand.keep("logos", "bad", 600_000);
  assert.equal(raised(hand, "foreign:logos").length, 1);
  assert.equal(hand.told("alarm").filter((line) => line.startsWith("foreign:logos")).length, 1);
});

test("repeated every hour until it is acknowledged", () => {
  const hand = foreign();
  const atMs = hand.nowMs;
  hand.advance(HOUR_MS - 1_000);
  assert.equal(raised(hand, "foreign:logos").length, 1);
  hand.advance(2_000);
  assert.deepEqual(raised(hand, "foreign:logos").map((each) => each.again), [false, true]);
  hand.advance(2 * HOUR_MS);
  assert.equal(raised(hand, "foreign:logos").length, 4);
  assert.equal(hand.command({ kind: "ack", alarm: "foreign:logos" })?.exit, 0);
  hand.advance(5 * HOUR_MS);
  assert.equal(raised(hand, "foreign:logos").length, 4);
  assert.ok(hand.nowMs > atMs);
});

test("over exactly once, acknowledged or not, and the next one is news again", () => {
  for (const acknowledged of [false, true]) {
    const hand = foreign();
    if (acknowledged) hand.command({ kind: "ack", alarm: "foreign:logos" });
    for (let read = 0; read < 3; read += 1) {
      hand.outlets.set("sucker/2", "on");
      hand.input({ kind: "tick", key: "device/sucker" });
    }
    assert.equal(ended(hand, "foreign:logos").length, 1);
    hand.advance(3 * HOUR_MS);
    assert.equal(raised(hand, "foreign:logos").length, 1, "no reminder of what is over");
    assert.equal(hand.records.has("ack/foreign:logos"), false);
    hand.outlets.set("sucker/2", "off");
    hand.input({ kind: "tick", key: "device/sucker" });
    hand.advance(HOUR_MS + 1_000);
    assert.equal(raised(hand, "foreign:logos").length, 3, "raised and repeated: the old acknowledgement is not for this one");
  }
});

test("a restart repeats what nobody has acknowledged, is quiet about the rest, and both come to their end", () => {
  const hand = Hand.running(two());
  hand.outlets.set("sucker/2", "off");
  hand.outlets.set("sucker/3", "off");
  hand.input({ kind: "tick", key: "device/sucker" });
  hand.command({ kind: "ack", alarm: "foreign:logos" });
  hand.restart();
  assert.deepEqual([raised(hand, "foreign:logos").length, raised(hand, "foreign:ethos").length], [1, 2]);
  assert.equal(hand.state.alarms.get("foreign:logos")?.acknowledged, true);
  hand.advance(HOUR_MS + 2_000);
  assert.deepEqual([raised(hand, "foreign:logos").length, raised(hand, "foreign:ethos").length], [1, 3]);
  hand.restart();
  hand.restart();
  hand.outlets.clear();
  hand.input({ kind: "tick", key: "device/sucker" });
  assert.deepEqual([ended(hand, "foreign:logos").length, ended(hand, "foreign:ethos").length], [1, 1]);
  assert.deepEqual([...hand.records.keys()].filter((key) => key.startsWith("alarm/") || key.startsWith("ack/")), []);
});

test("other news under the same name is told at once, and nobody has acknowledged it", () => {
  const hand = Hand.running(policyOf([hostPolicy({ name: "logos", levels: [[{ device: "p1", outlet: "1" }, { device: "p2", outlet: "1" }]] })]));
  hand.outlets.set("p1/1", "off");
  hand.input({ kind: "tick", key: "device/p1" });
  hand.command({ kind: "ack", alarm: "foreign:logos" });
  hand.outlets.set("p2/1", "off");
  hand.input({ kind: "tick", key: "device/p2" });
  assert.deepEqual(raised(hand, "foreign:logos").map((each) => each.alarm.happened), ["p1/1 of logos is off, and not by us.", "p2/1 of logos is off, and not by us."]);
  hand.advance(HOUR_MS + 1_000);
  assert.equal(raised(hand, "foreign:logos").length, 3);
});

test("a cut is told once and its end once; a held host is one call, not two", () => {
  const good = Hand.running(two());
  good.bad("logos", 5);
  good.keep("logos", "good", 60_000);
  assert.deepEqual([raised(good, "cut:logos").length, ended(good, "cut:logos").length], [1, 1]);
  const held = Hand.running(two({ bootMs: 60_000 }));
  held.bad("logos", 5);
  held.keep("logos", "bad", 120_000);
  assert.deepEqual([raised(held, "cut:logos").length, ended(held, "cut:logos").length], [1, 1]);
  assert.deepEqual([...held.state.alarms.keys()], ["held:logos"]);
  held.advance(2 * HOUR_MS);
  held.command({ kind: "release", host: "logos" });
  assert.deepEqual([...held.state.alarms.keys()].filter((key) => key !== "unguarded:logos"), []);
});

test("the ledger's trouble is one alarm, and over when it can be written", () => {
  const hand = Hand.running(two());
  hand.storeFails = true;
  hand.command({ kind: "brake", brake: "inhibit", scope: "logos", forMs: null, reason: "" });
  hand.advance(120_000);
  assert.equal(raised(hand, "ledger").length, 1);
  hand.storeFails = false;
  hand.advance(5_000);
  assert.equal(ended(hand, "ledger").length, 1);
});

test("a history that does not record is one alarm, over when it does, also after a restart", () => {
  const hand = Hand.running(two());
  hand.input({ kind: "history", failure: "database or disk is full" });
  hand.input({ kind: "history", failure: "database or disk is full, still" });
  assert.equal(raised(hand, "history").length, 1);
  assert.deepEqual(hand.told("history-failed"), ["the past is not recorded: database or disk is full"]);
  hand.input({ kind: "history", failure: null });
  assert.equal(ended(hand, "history").length, 1);
  assert.equal(hand.told("history-ok").length, 1);
  hand.input({ kind: "history", failure: "gone" });
  hand.restart();
  hand.input({ kind: "history", failure: null });
  assert.equal(ended(hand, "history").length, 2);
  assert.ok(!hand.state.alarms.has("history"));
});

test("whether the past is recorded changes no command: a host is cut and brought back in the same bytes at the same times", () => {
  const story = (trouble: boolean): readonly string[] => {
    const hand = Hand.running(two({ bootMs: 60_000 }));
    const told: string[] = [];
    for (let n = 0; n < 40; n += 1) {
      if (trouble) hand.input({ kind: "history", failure: n % 3 === 0 ? null : `full ${n}` });
      if (n < 8) hand.bad("logos", 1);
      else hand.keep("logos", n < 20 ? "bad" : "good", 10_000);
      told.push(`${n}: ${hand.bytes().join(", ")}, ${hand.host().unguarded ?? "guarded"}`);
    }
    return told;
  };
  const calm = story(false);
  assert.ok(calm.at(-1)?.includes("off "), "nothing was cut at all");
  assert.deepEqual(story(true), calm);
});

test("what happened, what was done, what is asked: each a sentence", () => {
  const hands = [foreign(), (() => {
    const hand = Hand.running(two({ bootMs: 60_000 }));
    hand.bad("logos", 5);
    hand.keep("logos", "bad", 120_000);
    return hand;
  })()];
  const alarms: Alarm[] = hands.flatMap((hand) => hand.of("alarm").map((each) => each.alarm));
  assert.ok(alarms.length >= 3);
  for (const alarm of alarms) {
    for (const text of [alarm.happened, alarm.done, alarm.asked]) assert.match(text, /^[A-Z`a-z0-9].{10,}$/, alarm.alarm);
    for (const text of [alarm.happened, alarm.done]) assert.match(text, /\.$/, text);
  }
});

// ---- not guarded -------------------------------------------------------------------------------------------------------

test("a host that is not guarded for five minutes without anybody's doing is one call, however its reason changes", () => {
  const hand = Hand.running(two());
  hand.unreachable.add("sucker");
  hand.keep("logos", "good", 15 * 60_000);
  assert.equal(raised(hand, "unguarded:logos").length, 0, "readable in the last fifteen minutes");
  hand.keep("logos", "good", 6 * 60_000);
  assert.equal(raised(hand, "unguarded:logos").length, 1);
  assert.match(raised(hand, "unguarded:logos")[0]?.alarm.happened ?? "", /not been guarded for 5 min or longer: sucker\/2 cannot be read: connection refused/);
  for (let change = 0; change < 20; change += 1) {
    hand.unreachable[change % 2 === 0 ? "delete" : "add"]("sucker");
    hand.outlets.set("sucker/2", "unknown");
    hand.keep("logos", "good", 20_000);
  }
  assert.equal(raised(hand, "unguarded:logos").length, 1, "no mail a minute");
  hand.unreachable.clear();
  hand.outlets.set("sucker/2", "on");
  hand.keep("logos", "good", 310_000);
  assert.equal(ended(hand, "unguarded:logos").length, 1);
  assert.equal(hand.host().unguarded, null);
});

test("an operation that comes to nothing neither ends that call nor makes it again", () => {
  const hand = Hand.running(two());
  hand.outlets.set("sucker/2", "unknown");
  hand.bad("logos", 5);
  hand.keep("logos", "bad", 900_000);
  assert.equal(raised(hand, "unguarded:logos").length, 1);
  assert.equal(ended(hand, "unguarded:logos").length, 0);
  assert.deepEqual(hand.bytes(), []);
  assert.ok(hand.told("intended").length <= 2, "and it is not tried every minute");
});

test("what somebody chose, or what passes by itself, calls nobody", () => {
  for (const brake of ["disarmed", "maintenance", "inhibit"] as const) {
    const hand = Hand.running(two());
    hand.command({ kind: "brake", brake, scope: "logos", forMs: 2 * HOUR_MS, reason: "" });
    hand.keep("logos", "good", 1_800_000);
    assert.deepEqual([...hand.state.alarms.keys()].filter((key) => key.startsWith("unguarded")), [], brake);
  }
  const off = Hand.running(policyOf([hostPolicy({ name: "logos", levels: [] })]));
  off.keep("logos", "good", 900_000);
  assert.equal(off.state.alarms.size, 0);
});

test("a watcher that cannot judge a host does not guard it", () => {
  const hand = Hand.running(two());
  hand.advance(5_000);
  hand.round("logos", "unknown");
  assert.equal(hand.host().unguarded, null, "one unknown round is no news");
  for (let made = 0; made < 3; made += 1) {
    hand.advance(5_000);
    hand.round("logos", "bad", { references: "lost" });
  }
  assert.match(hand.host().unguarded ?? "", /^this watcher cannot judge it: this watcher does not reach its references$/);
  hand.advance(5_000);
  hand.round("logos", "good");
  assert.equal(hand.host().unguarded, null);
});

// ---- disarmed ----------------------------------------------------------------------------------------------------------

test("a fleet that somebody disarmed nags every hour, until it is armed", () => {
  const hand = Hand.running(two());
  hand.command({ kind: "brake", brake: "disarmed", scope: "*", forMs: null, reason: "moving" });
  hand.advance(HOUR_MS + 2_000);
  assert.deepEqual(raised(hand, "disarmed:*").map((each) => each.alarm.happened), ["The whole fleet was disarmed by anna (moving)."]);
  hand.advance(2 * HOUR_MS);
  assert.equal(raised(hand, "disarmed:*").length, 3);
  hand.command({ kind: "unbrake", brake: "disarmed", scope: "*" });
  assert.equal(ended(hand, "disarmed:*").length, 1);
});

test("time that went back is one call, not two, and ends when somebody arms", () => {
  const hand = Hand.running(two());
  hand.nowMs += 1_000;
  hand.start("the ledger is older than the history");
  hand.advance(3 * HOUR_MS);
  assert.deepEqual([...hand.state.alarms.keys()], ["time-went-back"]);
  hand.command({ kind: "unbrake", brake: "disarmed", scope: "*" });
  assert.deepEqual([...hand.state.alarms.keys()], []);
});
