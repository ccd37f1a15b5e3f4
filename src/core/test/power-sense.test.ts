// One word of many sensors: nothing but evidence of lost power is `lost`.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { combine, judgeNodes, judgeProbe, judgeTemperature, judgeUps } from "../power-sense.ts";
import type { Seen, Sensed } from "../power-sense.ts";

const look = (name: string, kind: "alive" | "refused" | "silent" | "blind"): Seen => ({
  name, evidence: kind,
  outcome: kind === "alive" ? "good" : kind === "blind" ? "unknown" : "bad",
  sign: kind === "alive" ? "answer" : kind === "refused" ? "refused" : kind === "silent" ? "silent" : "not-run",
});
type Kind = Parameters<typeof look>[1];
const nodes = (first: readonly Kind[], between: Kind | null, second: readonly Kind[] | null, after: Kind | null, needed = first.length): Sensed =>
  judgeNodes({ first: first.map((kind, at) => look(`n${at}`, kind)), between: between === null ? null : [look("ref", between)], second: second?.map((kind, at) => look(`n${at}`, kind)) ?? null, after: after === null ? null : [look("ref", after)] }, needed);

test("power nodes are lost only between two answers of a reference", () => {
  assert.equal(nodes(["alive"], null, null, null).verdict, "good");
  assert.equal(nodes(["refused"], null, null, null).verdict, "good");
  assert.equal(nodes(["silent"], "alive", ["silent"], "alive").verdict, "lost");
  assert.equal(nodes(["silent"], "refused", ["silent"], "alive").verdict, "lost");
  assert.equal(nodes(["silent"], "silent", ["silent"], "alive").verdict, "unknown");
  assert.equal(nodes(["silent"], "alive", ["silent"], "silent").verdict, "unknown");
  assert.equal(nodes(["silent"], "blind", ["silent"], "blind").verdict, "unknown");
  assert.equal(nodes(["silent"], "alive", ["alive"], "alive").verdict, "good");
  assert.equal(nodes(["blind"], "alive", ["blind"], "alive").verdict, "unknown");
  assert.equal(nodes(["silent"], "alive", ["blind"], "alive").verdict, "unknown");
  assert.match(nodes(["silent", "silent"], "silent", ["silent", "silent"], "silent").because, /2 of 2 power nodes silent \(n0, n1\), and so is every reference \(ref\): the network, not the power/);
});

test("k of n power nodes", () => {
  assert.equal(nodes(["silent", "alive"], null, null, null).verdict, "good");
  assert.equal(nodes(["silent", "alive"], "alive", ["silent", "alive"], "alive", 1).verdict, "lost");
  assert.equal(nodes(["silent", "blind"], "alive", ["silent", "blind"], "alive").verdict, "unknown");
  assert.equal(nodes(["silent", "silent", "alive"], "alive", ["silent", "alive", "alive"], "alive", 2).verdict, "good");
});

test("more answers never make power lost", () => {
  const kind = fc.constantFrom<Kind>("alive", "refused", "silent", "blind");
  const better = (all: readonly Kind[], which: readonly boolean[]): readonly Kind[] => all.map((each, at) => (which[at] === true ? "alive" : each));
  fc.assert(fc.property(fc.array(kind, { minLength: 3, maxLength: 3 }), fc.array(kind, { minLength: 3, maxLength: 3 }), kind, kind, fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }), fc.integer({ min: 1, max: 3 }), (first, second, between, after, which, needed) => {
    if (nodes(better(first, which), between, better(second, which), after, needed).verdict === "lost") assert.equal(nodes(first, between, second, after, needed).verdict, "lost");
    for (const lost of [nodes(first, between, second, after, needed)]) if (lost.verdict === "lost") assert.ok(["alive", "refused"].includes(between) && ["alive", "refused"].includes(after));
  }), { numRuns: 2_000 });
});

test("what a UPS says", () => {
  const ups = (status: string, charge: number | null = 80, chargeBelow: number | null = null): Sensed => judgeUps({ name: "rack", status: new Set(status.split(" ")), charge }, { chargeBelow });
  const says = (sensed: Sensed): readonly unknown[] => [sensed.verdict, sensed.urgent];
  assert.deepEqual(says(ups("OL CHRG")), ["good", false]);
  assert.deepEqual(says(ups("OL RB LB")), ["good", false]);
  assert.deepEqual(says(ups("OB DISCHRG")), ["lost", false]);
  assert.deepEqual(says(ups("OB LB")), ["lost", true]);
  assert.deepEqual(says(ups("FSD OL")), ["lost", true]);
  assert.deepEqual(says(ups("OB", 29, 30)), ["lost", true]);
  assert.deepEqual(says(ups("OB", 30, 30)), ["lost", false]);
  assert.deepEqual(says(ups("OFF")), ["unknown", false]);
  assert.deepEqual(says(ups("nonsense")), ["unknown", false]);
  assert.equal(ups("OB", 4_711).charge, null);
  assert.equal(judgeUps({ name: "rack", wrong: "DATA-STALE" }, { chargeBelow: 50 }).verdict, "unknown");
});

test("a temperature with hysteresis; what no room has is nothing", () => {
  const bounds = { above: 35, below: 33, critical: 45 };
  const at = (celsius: number, wasHot = false): readonly unknown[] => {
    const { verdict, urgent } = judgeTemperature({ name: "rack", celsius }, bounds, wasHot);
    return [verdict, urgent];
  };
  assert.deepEqual([at(22), at(35), at(35.1), at(34, true), at(33, true), at(34), at(45)], [["good", false], ["good", false], ["lost", false], ["lost", false], ["good", false], ["good", false], ["lost", true]]);
  for (const celsius of [-128, 127, 255, 4_000, NaN, Infinity, -Infinity]) assert.equal(at(celsius)[0], "unknown", String(celsius));
});

test("a probe speaks by what it is answered, a plugin by how it ends", () => {
  assert.equal(judgeProbe({ name: "p", outcome: "bad", sign: "answer", evidence: "" }, false).verdict, "lost");
  for (const sign of ["silent", "refused", "unreachable"] as const) assert.equal(judgeProbe({ name: "p", outcome: "bad", sign, evidence: "" }, false).verdict, "unknown");
  assert.equal(judgeProbe({ name: "p", outcome: "bad", sign: "silent", evidence: "" }, true).verdict, "lost");
  assert.equal(judgeProbe({ name: "p", outcome: "unknown", sign: "not-run", evidence: "" }, true).verdict, "unknown");
});

test("any, all and some of several", () => {
  const sense = (verdict: Sensed["verdict"], charge: number | null = null): Sensed => ({ verdict, charge, urgent: verdict === "lost", because: verdict });
  const of = (needed: number, ...verdicts: readonly Sensed["verdict"][]): string => combine(verdicts.map((each) => sense(each)), needed).verdict;
  assert.deepEqual([of(1, "good", "lost"), of(1, "good", "unknown"), of(1, "good", "good")], ["lost", "unknown", "good"]);
  assert.deepEqual([of(2, "good", "lost"), of(2, "unknown", "lost"), of(2, "lost", "lost"), of(2, "good", "unknown")], ["good", "unknown", "lost", "good"]);
  assert.deepEqual([of(2, "lost", "unknown", "good"), of(2, "unknown", "unknown", "unknown")], ["unknown", "unknown"]);
  assert.equal(combine([sense("good", 90), sense("lost", 20), sense("good")], 2).charge, 20);
});
