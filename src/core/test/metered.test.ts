// A metered off shortens one wait and nothing else: what is believed of a meter, what is not, and that no fence ever looks at it.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { HostPolicy } from "../policy.ts";
import { CAREFUL } from "../policy.ts";
import { statusReport } from "../report.ts";
import { Hand, hostPolicy, policyOf } from "./hand.ts";

const FEEDS = [[{ device: "sucker", outlet: "2" }]];

function metered(levels: HostPolicy["levels"] = FEEDS, devices: readonly string[] = ["sucker"]): Hand {
  const policy = policyOf([hostPolicy({ name: "logos", levels, bootMs: 60_000 })], { careful: { ...CAREFUL, returnAfterMs: 10_000, staggerMs: 0, sensed: true } });
  const known = [...policy.devices].map(([name, device]) => [name, devices.includes(name) ? { ...device, metered: { belowWatts: 5, forMs: 30_000 } } : device] as const);
  const hand = new Hand({ ...policy, devices: new Map(known) });
  for (const { device, outlet } of levels.flat()) hand.watts.set(`${device}/${outlet}`, 80);
  hand.start();
  sense(hand);
  live(hand, "good", 20_000);
  return hand;
}

function sense(hand: Hand): void {
  hand.input({ kind: "power-sense", state: "good", because: "on line", charge: null });
}

/** Time passes with looks every five seconds; `before` says what changes at each. */
function live(hand: Hand, outcome: "good" | "bad", ms: number, each: (atMs: number) => void = () => {}): void {
  for (let passed = 0; passed < ms; passed += 5_000) {
    each(passed);
    hand.advance(5_000);
    sense(hand);
    hand.round("logos", outcome);
  }
}

/** Announced, and silent five seconds later. */
function goesDown(hand: Hand): void {
  hand.command({ kind: "careful", host: "logos", event: "e1", phase: "shutdown", haltWithinMs: 30_000, reason: "power lost" });
  live(hand, "good", 5_000);
}

/** How long after its last sign of life the first byte goes; null: not within six minutes. */
function cutAfterMs(hand: Hand, each: (atMs: number) => void = () => {}): number | null {
  const signMs = hand.nowMs;
  const before = hand.bytes().length;
  for (let passed = 0; passed < 360_000 && hand.bytes().length === before; passed += 5_000) live(hand, "bad", 5_000, () => each(passed));
  return hand.bytes().length === before ? null : hand.nowMs - signMs;
}

const HALT_BOUND_MS = CAREFUL.haltBoundMs;

test("what gives next to nothing for long enough has halted, and the start says so", () => {
  const hand = metered();
  goesDown(hand);
  hand.watts.set("sucker/2", 1.4);
  const afterMs = cutAfterMs(hand);
  assert.ok(afterMs !== null && afterMs >= 30_000 && afterMs <= 60_000, String(afterMs));
  assert.match(hand.told("return").join("\n"), /it has halted: sucker\/2 gives 1 W, and less than 5 W for 3\d s/);
  assert.match(hand.told("metered").join("\n"), /^halted, 3\d s after its last sign of life/);
});

test("people see what an outlet gives, and only where it is asked", () => {
  const given = (hand: Hand): unknown => statusReport(hand.state, hand.policy, hand.now()).hosts[0]?.power[0]?.watts;
  const hand = metered();
  assert.equal(given(hand), 80);
  hand.watts.set("sucker/2", -3);
  live(hand, "good", 310_000);
  assert.equal(given(hand), null);
  assert.equal(given(metered(FEEDS, [])), undefined);
});

test("without it haltBound is waited", () => {
  const hand = metered(FEEDS, []);
  goesDown(hand);
  const afterMs = cutAfterMs(hand);
  assert.ok(afterMs !== null && afterMs >= HALT_BOUND_MS, String(afterMs));
  assert.equal(hand.of("meter").length, 0);
});

const NOT_BELIEVED: readonly (readonly [string, (hand: Hand, atMs: number) => void])[] = [
  ["nothing is told", (hand) => hand.watts.set("sucker/2", null)],
  ["a negative draw", (hand) => hand.watts.set("sucker/2", -1)],
  ["no number", (hand) => hand.watts.set("sucker/2", Number.NaN)],
  ["more than an outlet gives", (hand) => hand.watts.set("sucker/2", 4_294_967_295)],
  ["exactly the threshold", (hand) => hand.watts.set("sucker/2", 5)],
  ["it stays where it was", () => {}],
  ["it comes back every 25 s", (hand, atMs) => hand.watts.set("sucker/2", atMs % 25_000 === 20_000 ? 60 : 0)],
  ["one reading in six is missing", (hand, atMs) => hand.watts.set("sucker/2", atMs % 25_000 === 20_000 ? null : 0)],
  ["the device does not answer every 25 s", (hand, atMs) => {
    hand.watts.set("sucker/2", 0);
    if (atMs % 25_000 === 20_000) hand.unreachable.add("sucker");
    else hand.unreachable.delete("sucker");
  }],
  ["it answers late", (hand) => {
    hand.watts.set("sucker/2", 0);
    hand.meterLateMs = 12_000;
  }],
  ["it was low before the host fell silent, and not since", (hand, atMs) => hand.watts.set("sucker/2", atMs === 0 ? 0 : null)],
];

for (const [what, each] of NOT_BELIEVED) {
  test(`haltBound is waited: ${what}`, () => {
    const hand = metered();
    goesDown(hand);
    const afterMs = cutAfterMs(hand, (atMs) => each(hand, atMs));
    assert.ok(afterMs === null || afterMs >= HALT_BOUND_MS, String(afterMs));
  });
}

test("a meter that never told of a true draw is not believed", () => {
  const hand = metered();
  hand.reload(hand.policy);
  hand.watts.set("sucker/2", 7);
  hand.input({ kind: "command", id: 900, by: "anna", command: { kind: "careful", host: "logos", event: "e1", phase: "shutdown", haltWithinMs: 30_000, reason: "power lost" } });
  hand.watts.set("sucker/2", 0);
  const afterMs = cutAfterMs(hand);
  assert.ok(afterMs !== null && afterMs >= HALT_BOUND_MS, String(afterMs));
});

test("a machine that serves on less than twice the threshold is not told from one that has halted", () => {
  const hand = metered();
  hand.watts.set("sucker/2", 8);
  live(hand, "good", 330_000);
  assert.match(hand.told("metered").join("\n"), /^sucker\/2 gave 8 W while logos served/);
  hand.watts.set("sucker/2", 40);
  goesDown(hand);
  hand.watts.set("sucker/2", 3);
  const afterMs = cutAfterMs(hand);
  assert.ok(afterMs !== null && afterMs >= HALT_BOUND_MS, String(afterMs));
});

test("all feeds have to tell it, and a level that is metered in part is none", () => {
  const two = [[{ device: "sucker", outlet: "2" }, { device: "other", outlet: "2" }]];
  for (const [devices, other] of [[["sucker", "other"], 70], [["sucker"], 0]] as const) {
    const hand = metered(two, devices);
    goesDown(hand);
    hand.watts.set("sucker/2", 0);
    hand.watts.set("other/2", other);
    const afterMs = cutAfterMs(hand);
    assert.ok(afterMs !== null && afterMs >= HALT_BOUND_MS, `${devices.join()}: ${afterMs}`);
  }
  const hand = metered(two, ["sucker", "other"]);
  goesDown(hand);
  hand.watts.set("sucker/2", 0);
  hand.watts.set("other/2", 4);
  const afterMs = cutAfterMs(hand);
  assert.ok(afterMs !== null && afterMs < 60_000, String(afterMs));
});

test("a level of its own that still tells of a draw is a veto", () => {
  const hand = metered([[{ device: "bmc", outlet: "1" }], [{ device: "sucker", outlet: "2" }]], ["bmc", "sucker"]);
  goesDown(hand);
  hand.watts.set("bmc/1", 0);
  hand.watts.set("sucker/2", 65);
  const afterMs = cutAfterMs(hand);
  assert.ok(afterMs !== null && afterMs >= HALT_BOUND_MS, String(afterMs));
});

test("a sign of life begins it anew", () => {
  const hand = metered();
  goesDown(hand);
  hand.watts.set("sucker/2", 0);
  live(hand, "bad", 25_000);
  hand.advance(1_000);
  hand.round("logos", "bad", { ping: "good" });
  const afterMs = cutAfterMs(hand);
  assert.ok(afterMs !== null && afterMs >= 30_000, String(afterMs));
});

test("a watcher that was started again believes no meter that it has not seen", () => {
  const hand = metered();
  goesDown(hand);
  hand.watts.set("sucker/2", 0);
  live(hand, "bad", 10_000);
  hand.restart();
  const afterMs = cutAfterMs(hand);
  assert.ok(afterMs !== null && afterMs >= HALT_BOUND_MS, String(afterMs));
});

test("a draw that comes back while the start waits at the device turns it back", () => {
  const hand = metered();
  goesDown(hand);
  hand.watts.set("sucker/2", 0);
  hand.auto.delete("act");
  live(hand, "bad", 45_000);
  assert.equal(hand.operation()?.phase, "intended", "it waits");
  hand.watts.set("sucker/2", 90);
  live(hand, "bad", 10_000);
  hand.auto.add("act");
  hand.ready(hand.last("act"));
  assert.deepEqual(hand.bytes(), []);
  assert.match(hand.told("withdrawn", "return").join("\n"), /it gave a sign of life \d+ s ago/);
});

test("without an announcement no draw changes anything that is decided", () => {
  const looks = fc.array(fc.record({ outcome: fc.constantFrom("good" as const, "bad" as const), watts: fc.constantFrom(0, 3, 80, null, -1) }), { minLength: 20, maxLength: 60 });
  fc.assert(fc.property(looks, (all) => {
    const decided = ["with", "without"].map((which) => {
      const hand = metered(FEEDS, which === "with" ? ["sucker"] : []);
      for (const { outcome, watts } of all) {
        hand.watts.set("sucker/2", watts);
        live(hand, outcome, 5_000);
      }
      return [...hand.bytes(), ...hand.told("intended", "off-confirmed", "refused", "down", "withdrawn", "held", "recovered").map((line) => line.replace(/operation \d+|token \d+/g, "it"))];
    });
    assert.deepEqual(decided[0], decided[1]);
  }), { numRuns: 25 });
});
