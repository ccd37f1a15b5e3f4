// What runs out: never the off of a host that is not well, and never because a clock jumped (safety.md §3.5, §3.8).

import assert from "node:assert/strict";
import { test } from "node:test";
import type { BrakeKind } from "../records.ts";
import type { Outcome } from "../round.ts";
import { Hand, hostPolicy, policyOf } from "./hand.ts";

const two = () => policyOf([hostPolicy({ name: "logos" }), hostPolicy({ name: "ethos", levels: [[{ device: "sucker", outlet: "3" }]] })]);
const put = (hand: Hand, brake: BrakeKind, scope: string, forMs: number | null) => hand.command({ kind: "brake", brake, scope, forMs, reason: "" });

test("who is held when a brake runs out", () => {
  const cases: [BrakeKind, readonly Outcome[], boolean][] = [
    ["maintenance", ["bad"], true], ["disarmed", ["bad"], true], ["inhibit", ["bad"], true],
    ["maintenance", ["unknown"], true], ["maintenance", ["good"], false], ["maintenance", ["slow"], false], ["maintenance", ["bad", "good"], false],
    ["maintenance", ["bad", "bad", "good"], true], ["maintenance", ["bad", "unknown"], true],
    ["going-down", ["bad"], false], ["kdump", ["bad"], false],
  ];
  for (const [kind, outcomes, held] of cases) {
    for (const scope of kind === "kdump" ? ["logos"] : ["logos", "*"]) {
      const hand = Hand.running(two());
      put(hand, kind, scope, 60_000);
      for (const outcome of outcomes) {
        hand.advance(2_000);
        hand.round("logos", outcome, { ping: "good" });
      }
      hand.round("ethos", "good");
      hand.advance(60_000);
      assert.equal(hand.state.brakes.size, 0, `${kind} ${scope}`);
      assert.equal(hand.record().hold?.kind ?? null, held ? "expired" : null, `${kind} ${scope} ${outcomes.join()}`);
      assert.equal(hand.record("ethos").hold, null);
      assert.equal(hand.state.alarms.has("held:logos"), held);
    }
  }
});

test("held that way, nothing is cut until it is seen healthy or released", () => {
  const held = () => {
    const hand = Hand.running(two());
    put(hand, "maintenance", "logos", 60_000);
    hand.bad("logos", 1);
    hand.keep("logos", "bad", 120_000);
    assert.deepEqual(hand.bytes(), []);
    return hand;
  };
  const well = held();
  well.advance(5_000);
  well.round("logos", "good");
  assert.equal(well.record().hold, null, "one good round");
  assert.ok(!well.state.alarms.has("held:logos"));
  const released = held();
  released.command({ kind: "release", host: "logos" });
  released.keep("logos", "bad", 20_000);
  assert.deepEqual(released.bytes(), [], "from zero");
  released.keep("logos", "bad", 5_000);
  assert.deepEqual(released.bytes(), ["off sucker/2"]);
});

test("an ended brake frees at once, a hold that stood before it stays", () => {
  const hand = Hand.running(two());
  put(hand, "inhibit", "logos", 60_000);
  hand.bad("logos", 1);
  hand.advance(61_000);
  assert.equal(hand.record().hold?.because, "inhibit ran out while it was not healthy");
  put(hand, "maintenance", "logos", 60_000);
  hand.command({ kind: "unbrake", brake: "maintenance", scope: "logos" });
  assert.equal(hand.record().hold?.kind, "expired");
  put(hand, "maintenance", "logos", 10_000);
  hand.advance(11_000);
  assert.equal(hand.record().hold?.because, "inhibit ran out while it was not healthy", "the first reason is kept");
});

test("right after a start nobody is held before he has been looked at", () => {
  const hand = Hand.running(two());
  put(hand, "maintenance", "*", 60_000);
  hand.restart(120_000);
  hand.advance(4_000);
  assert.equal(hand.state.brakes.size, 1, "it holds meanwhile");
  hand.round("logos", "good");
  hand.advance(1_000);
  assert.equal(hand.state.brakes.size, 1, "one of the two has not been looked at");
  hand.round("ethos", "bad", { ping: "good" });
  hand.advance(1_000);
  assert.deepEqual([hand.state.brakes.size, hand.record().hold, hand.record("ethos").hold?.kind], [0, null, "expired"]);
});

test("a brake that runs out while an operation is open holds what it would do next", () => {
  const hand = Hand.running(policyOf([hostPolicy({ name: "logos", bootMs: 120_000, levels: [[{ device: "bmc", outlet: "1" }], [{ device: "p", outlet: "1" }]] })]));
  hand.bad("logos", 5);
  hand.keep("logos", "bad", 20_000);
  put(hand, "maintenance", "logos", 30_000);
  hand.keep("logos", "bad", 200_000);
  assert.deepEqual(hand.bytes(), ["off bmc/1", "on bmc/1"]);
  const well = Hand.running(policyOf([hostPolicy({ name: "logos" })]));
  well.bad("logos", 5);
  well.keep("logos", "bad", 20_000);
  put(well, "maintenance", "logos", 10_000);
  well.keep("logos", "bad", 15_000);
  assert.equal(well.record().hold?.kind, "expired");
  well.keep("logos", "good", 60_000);
  assert.equal(well.record().hold, null, "and is free when it is well");
});

test("clocks: what ends when", () => {
  const YEAR_MS = 31_557_600_000;
  const jump = (hand: Hand, ms: number) => (hand.wallMs += ms);
  const reboot = (hand: Hand, downMs: number, synced: boolean) => {
    hand.bootId = "boot-2";
    hand.wallMs += downMs;
    hand.nowMs = 20_000;
    hand.uptimeMs = 20_000;
    hand.synced = synced;
    hand.restart(0);
    hand.keep("logos", "good", 5_000);
    hand.round("ethos", "good");
    hand.advance(1_000);
  };
  const cases: [string, (hand: Hand) => void, boolean][] = [
    ["in its time", (hand) => hand.advance(61_000), true],
    ["not before", (hand) => hand.advance(58_000), false],
    ["the wall clock jumps ten years ahead", (hand) => {
      jump(hand, 10 * YEAR_MS);
      hand.advance(50_000);
    }, false],
    ["the wall clock jumps ten years back", (hand) => {
      jump(hand, -10 * YEAR_MS);
      hand.advance(61_000);
    }, true],
    ["an unsynchronised clock, in the same boot", (hand) => {
      hand.synced = false;
      hand.advance(61_000);
    }, true],
    ["a reboot, by the wall clock", (hand) => reboot(hand, 120_000, true), true],
    ["a reboot, too early by the wall clock", (hand) => reboot(hand, 10_000, true), false],
    ["a reboot, and nobody knows the time", (hand) => reboot(hand, YEAR_MS, false), false],
    ["a jump that was corrected, then a reboot", (hand) => {
      jump(hand, 10 * YEAR_MS);
      hand.advance(2_000);
      reboot(hand, 10_000, true);
    }, false],
    ["put on while nobody knew the time, then a reboot", (hand) => {
      hand.synced = false;
      hand.command({ kind: "unbrake", brake: "maintenance", scope: "*" });
      put(hand, "maintenance", "*", 60_000);
      reboot(hand, YEAR_MS, true);
    }, false],
  ];
  for (const [name, happen, ended] of cases) {
    const hand = Hand.running(two());
    put(hand, "maintenance", "*", 60_000);
    happen(hand);
    assert.equal(hand.state.brakes.size === 0, ended, name);
  }
});

test("a jump of the wall clock is told once, and cuts nobody", () => {
  const hand = Hand.running(two());
  hand.bad("logos", 4);
  hand.wallMs += 10 * 31_557_600_000;
  hand.advance(3_000);
  assert.equal(hand.told("clock").length, 1);
  assert.deepEqual(hand.bytes(), []);
  hand.wallMs += 59_000;
  hand.advance(3_000);
  assert.equal(hand.told("clock").length, 1, "less than a minute is no news");
});
