// The journal is read by people: an hour of a healthy fleet is nothing but "healthy for", a host that comes and goes does not
// flood, one refusal is told once, every line has its cause, and the same inputs give the same lines.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Effect, Input } from "../io.ts";
import type { HostPolicy } from "../policy.ts";
import type { Outcome } from "../round.ts";
import { emptyState } from "../state.ts";
import { step } from "../step.ts";
import type { Now } from "../time.ts";
import { Hand, hostPolicy, policyOf } from "./hand.ts";

const fleet = (count: number, change: Partial<HostPolicy> = {}) => policyOf(Array.from({ length: count }, (_, n) => hostPolicy({ name: `n${n + 1}`, levels: [[{ device: "sucker", outlet: String(n + 1) }]], ...change })));

function everybody(hand: Hand, outcome: Outcome | ((name: string, look: number) => Outcome), ms: number): void {
  for (let look = 0; look * 5_000 < ms; look += 1) {
    hand.advance(5_000);
    for (const name of hand.policy.hosts.keys()) hand.round(name, typeof outcome === "string" ? outcome : outcome(name, look), { ping: "good" });
  }
}

test("an hour of a healthy fleet is one line a host and five minutes", () => {
  const hand = Hand.running(fleet(5));
  const before = hand.of("tell").length;
  everybody(hand, "good", 3_600_000);
  const told = hand.of("tell").slice(before).map((each) => each.told);
  assert.deepEqual([...new Set(told.map((each) => each.kind))], ["healthy"]);
  assert.equal(told.length, 5 * 12);
  assert.match(told.at(-1)?.because ?? "", /^healthy for (59 min 5\d s|60 min|1 h)$/);
});

test("hosts that come and go are told of when they get worse, not at every look", () => {
  const patterns: Record<string, readonly Outcome[]> = {
    "every second look": ["bad", "good"], "every third": ["bad", "good", "good"], "two and two": ["bad", "bad", "good", "good"], "now and then unknown": ["unknown", "good"],
    "unknown for a while": ["unknown", "unknown", "unknown", "good", "good"], "bad and unknown": ["bad", "unknown", "good", "good"],
  };
  for (const [name, pattern] of Object.entries(patterns)) {
    const hand = Hand.running(fleet(1));
    everybody(hand, (_, look) => pattern[look % pattern.length] as Outcome, 3_600_000);
    const lines = hand.told("suspect", "better", "blind", "sees", "guarded", "unguarded", "refused", "down").length;
    assert.ok(lines <= 90, `${name}: ${lines} lines in an hour`);
    assert.ok(lines >= 1, name);
  }
});

test("when it gets serious, all is told again", () => {
  const hand = Hand.running(fleet(1));
  everybody(hand, (_, look) => (look % 2 === 0 ? "bad" : "good"), 600_000);
  hand.advance(5_000);
  hand.bad("n1", 5);
  const last = hand.told("suspect", "down").slice(-5);
  assert.match(last.join("\n"), /^2 of 5.*\n3 of 5.*\n4 of 5.*\n5 of 5.*\n\d+ bad rounds/);
});

test("a host that was well for a while is news from the first bad round on", () => {
  const hand = Hand.running(fleet(1));
  hand.round("n1", "bad", { ping: "good" });
  everybody(hand, "good", 70_000);
  hand.advance(5_000);
  hand.round("n1", "bad", { ping: "good" });
  assert.equal(hand.told("suspect").length, 2);
});

test("what counts is said exactly: so many bad rounds, and so many good ones between them", () => {
  const hand = Hand.running(fleet(1));
  for (const outcome of ["bad", "bad", "good", "bad", "bad", "good", "bad", "bad", "bad"] as const) {
    hand.advance(5_000);
    hand.round("n1", outcome, { ping: "good" });
  }
  assert.deepEqual(hand.told("down"), ["7 bad rounds and 2 good in 40 s: ssh: no banner"]);
});

test("a refusal is told once, and again only when its reason is another", () => {
  const hand = Hand.running(fleet(1));
  hand.command({ kind: "brake", brake: "maintenance", scope: "n1", forMs: 7_200_000, reason: "" });
  hand.bad("n1", 5);
  everybody(hand, "bad", 1_800_000);
  assert.equal(hand.told("refused").length, 1);
  hand.command({ kind: "brake", brake: "inhibit", scope: "n1", forMs: 7_200_000, reason: "" });
  everybody(hand, "bad", 600_000);
  assert.equal(hand.told("refused").length, 2);
  assert.match(hand.told("refused")[1] ?? "", /^not cut: maintenance by anna .*; inhibit by anna/);
});

test("a power device that is gone is no line a minute", () => {
  const hand = Hand.running(fleet(1));
  hand.unreachable.add("sucker");
  hand.bad("n1", 5);
  const before = hand.of("tell").length;
  everybody(hand, "bad", 3_600_000);
  assert.ok(hand.of("tell").length - before <= 12, `${hand.of("tell").length - before} lines`);
});

// ---- causes ----------------------------------------------------------------------------------------------------------------

/** Inputs of a life with some of everything. */
function eventful(): { inputs: { input: Input; now: Now; policy: Hand["policy"] }[]; effects: readonly Effect[] } {
  const hand = new Hand(fleet(3, { bootMs: 60_000 }));
  const inputs: { input: Input; now: Now; policy: Hand["policy"] }[] = [];
  const take = hand.input.bind(hand);
  hand.input = (input) => {
    inputs.push({ input, now: hand.now(), policy: hand.policy });
    return take(input);
  };
  hand.start();
  for (const name of hand.policy.hosts.keys()) hand.round(name, "good");
  hand.bad("n1", 5);
  everybody(hand, (name) => (name === "n1" ? "bad" : "good"), 20_000);
  everybody(hand, "good", 60_000);
  hand.command({ kind: "fence", host: "n2", reason: "x", again: false, confirm: "n2" });
  everybody(hand, "bad", 120_000);
  hand.command({ kind: "brake", brake: "disarmed", scope: "*", forMs: 600_000, reason: "x" });
  hand.outlets.set("sucker/3", "off");
  everybody(hand, "bad", 60_000);
  hand.command({ kind: "release", host: "n2" });
  hand.input({ kind: "stop" });
  hand.advance(10_000);
  return { inputs, effects: hand.effects };
}

test("every line names a cause that was told before it, and every effect one that was told", () => {
  const { effects } = eventful();
  const told = new Set<number>();
  let seq = 0;
  for (const effect of effects) {
    if (effect.kind === "tell") {
      assert.equal(effect.told.seq, seq + 1, "no line is missing");
      seq = effect.told.seq;
      assert.ok(effect.told.cause === null || told.has(effect.told.cause), `line ${seq} names ${effect.told.cause}`);
      assert.ok(effect.told.because.length > 5 && !/undefined|null|NaN|\[object/.test(effect.told.because), effect.told.because);
      told.add(seq);
    } else if ("cause" in effect) {
      assert.ok(told.has(effect.cause), `${effect.kind} names ${effect.cause}`);
      assert.ok(effect.because.length > 5, effect.kind);
    }
  }
  assert.ok(seq > 40);
});

test("the same inputs give the same effects, byte for byte", () => {
  const { inputs, effects } = eventful();
  let state = emptyState();
  const again: Effect[] = [];
  // The hand nests what answers by itself; one step after the other, in the order in which the core took them, is the same.
  for (const { input, now, policy } of inputs) {
    const taken = step(state, input, now, policy);
    state = taken.state;
    again.push(...taken.effects);
  }
  assert.equal(JSON.stringify(again), JSON.stringify(effects));
});

test("a step changes nothing of the state that it was given", () => {
  fc.assert(fc.property(fc.array(fc.constantFrom<Outcome>("good", "bad", "unknown", "slow"), { minLength: 1, maxLength: 12 }), (outcomes) => {
    const hand = Hand.running(fleet(2));
    for (const outcome of outcomes) {
      hand.advance(5_000);
      const before = hand.state;
      const picture = snapshot(before);
      hand.round("n1", outcome, { ping: "good" });
      assert.equal(snapshot(before), picture);
    }
  }), { numRuns: 40 });
});

function snapshot(state: Hand["state"]): string {
  return JSON.stringify({ ...state, hosts: [...state.hosts.values()] }, (_, value: unknown) => (value instanceof Map || value instanceof Set ? [...value] : value));
}
