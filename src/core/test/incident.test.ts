// An incident from its first bad sign to back in service: its moments, its name, its outcome.

import assert from "node:assert/strict";
import { test } from "node:test";
import { phasesOf } from "../incident.ts";
import type { IncidentRecord } from "../records.ts";
import { Hand, hostPolicy, policyOf } from "./hand.ts";

const at = (bootMs: number, bootId = "boot-1") => ({ bootMs, wallMs: 1_000_000 + bootMs, bootId });

test("the outage by phase is the time between its moments", () => {
  const record: IncidentRecord = { v: 1, incident: "lusab-babad", host: "logos", began: at(0), firstSign: "x", downAt: at(20_000), intendedAt: at(20_000), offSentAt: at(21_000), offConfirmedAt: at(23_000), onConfirmedAt: at(29_000), endedAt: at(64_000), outcome: "recovered" };
  assert.deepEqual(phasesOf(record), { detectMs: 20_000, decideMs: 1_000, cutMs: 2_000, offMs: 6_000, bootMs: 35_000, totalMs: 64_000 });
  assert.deepEqual(phasesOf({ ...record, offSentAt: null, offConfirmedAt: null, onConfirmedAt: null, endedAt: null }), { detectMs: 20_000, decideMs: null, cutMs: null, offMs: null, bootMs: null, totalMs: null });
  assert.equal(phasesOf({ ...record, endedAt: at(4_000, "boot-2") }).totalMs, 4_000, "over a reboot the wall clock is what there is");
});

test("the walk of one outage", () => {
  const hand = Hand.running();
  const deadMs = hand.nowMs;
  hand.bad("logos", 5);
  hand.advance(10_000);
  hand.keep("logos", "bad", 15_000);
  hand.keep("logos", "good", 60_000);
  const record = hand.last("incident").record;
  assert.equal(record.outcome, "recovered");
  assert.match(record.incident, /^[a-z]{5}-[a-z]{5}$/);
  assert.equal(record.firstSign, "ssh: no banner");
  const phases = phasesOf(record);
  assert.equal(record.began.bootMs, deadMs);
  assert.deepEqual([phases.detectMs, phases.decideMs, phases.cutMs, phases.offMs], [20_000, 0, 1_000, 5_000]);
  assert.equal(phases.totalMs, (record.endedAt?.bootMs ?? 0) - deadMs);
  assert.equal(hand.host().incident, null);
  assert.deepEqual([...hand.records.keys()].filter((key) => key.startsWith("incident/")), [], "a closed one lives on in the history only");
});

test("it ends when service was back, not when that was believed", () => {
  const hand = Hand.running();
  hand.bad("logos", 5);
  hand.keep("logos", "bad", 20_000);
  hand.advance(5_000);
  const backMs = hand.nowMs;
  hand.round("logos", "good");
  hand.keep("logos", "good", 40_000);
  assert.equal(hand.last("incident").record.endedAt?.bootMs, backMs);
});

test("outcomes", () => {
  const outcome = (happen: (hand: Hand) => void) => {
    const hand = Hand.running(policyOf([hostPolicy({ name: "logos", bootMs: 60_000 })]));
    happen(hand);
    return hand.of("incident").at(-1)?.record.outcome;
  };
  const brake = (hand: Hand) => hand.command({ kind: "brake", brake: "inhibit", scope: "logos", forMs: 3_600_000, reason: "" });
  assert.equal(outcome((hand) => hand.bad("logos", 4)), undefined, "a suspicion is no incident");
  assert.equal(outcome((hand) => {
    brake(hand);
    hand.bad("logos", 5);
  }), "open");
  assert.equal(outcome((hand) => {
    brake(hand);
    hand.bad("logos", 5);
    hand.keep("logos", "good", 20_000);
  }), "recovered by itself");
  assert.equal(outcome((hand) => {
    hand.answersWhenOff = true;
    hand.bad("logos", 5);
    hand.keep("logos", "good", 120_000);
  }), "held");
  assert.equal(outcome((hand) => {
    hand.bad("logos", 5);
    hand.command({ kind: "confirm-off", host: "logos", confirm: "logos", reason: "" });
  }), "confirmed off");
  assert.equal(outcome((hand) => hand.command({ kind: "fence", host: "logos", reason: "", again: false, confirm: "logos" })), "open");
});

test("each incident has a name of its own, and another ledger gives other names", () => {
  const names = new Set<string>();
  const hand = Hand.running(policyOf([hostPolicy({ name: "logos", debounceMs: 0, bootMs: 0, budget: { cycles: 99, withinMs: 0 } })], { brakes: { startupMs: 0, maxUnhealthy: 1, coolDownMs: 0, concurrent: 1, perHour: 99 } }));
  for (let made = 0; made < 10; made += 1) {
    hand.advance(5_000);
    hand.bad("logos", 5);
    names.add(hand.host().incident?.incident ?? "");
    hand.keep("logos", "good", 120_000);
  }
  assert.equal(names.size, 10);
  assert.ok(!names.has(""));
});
