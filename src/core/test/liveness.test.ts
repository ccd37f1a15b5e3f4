// What one round is worth, and the counter: nothing but a bad round that truly counts may raise it.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AWAKE_SLACK_MS, count, judge, retryAfterMs, verdict } from "../liveness.ts";
import type { HostPolicy } from "../policy.ts";
import type { Outcome, ProbeResult, Round, Sign } from "../round.ts";
import { Hand, hostPolicy, policyOf } from "./hand.ts";

const SIGNS: Record<Outcome, Sign> = { good: "answer", slow: "answer", bad: "silent", unknown: "not-run" };
const result = (probe: string, outcome: Outcome, sign: Sign = SIGNS[outcome]): ProbeResult => ({ probe, outcome, sign, evidence: `${probe} ${outcome}`, latencyMs: 1 });
const round = (results: readonly ProbeResult[], change: Partial<Round> = {}): Round => ({ host: "logos", hash: "h1", startedAtMs: 1_000, endedAtMs: 2_000, references: "reached", results, ...change });
const counting = (...ids: string[]) => ids.map((id) => ({ id, counts: true }));

test("what a round is called", () => {
  type Case = { name: string; probes: HostPolicy["probes"]; passed: string[]; results: ProbeResult[]; goodNeeded?: number; round?: Partial<Round>; freshAfterMs?: number; outcome: Outcome; because?: RegExp };
  const two = counting("ssh", "dns");
  const three = counting("a", "b", "c");
  const cases: Case[] = [
    { name: "all good", probes: two, passed: ["ssh", "dns"], results: [result("ssh", "good"), result("dns", "good")], outcome: "good", because: /^ssh: ssh good; dns: dns good$/ },
    { name: "one of two bad", probes: two, passed: ["ssh", "dns"], results: [result("ssh", "good"), result("dns", "bad")], outcome: "bad", because: /^dns: dns bad$/ },
    { name: "one late", probes: two, passed: ["ssh", "dns"], results: [result("ssh", "slow"), result("dns", "good")], outcome: "slow" },
    { name: "one unknown is no bad", probes: two, passed: ["ssh", "dns"], results: [result("ssh", "unknown"), result("dns", "good")], outcome: "unknown" },
    { name: "bad and unknown: the bad one alone decides", probes: two, passed: ["ssh", "dns"], results: [result("ssh", "unknown"), result("dns", "bad")], outcome: "bad" },
    { name: "a probe without a result proves nothing", probes: two, passed: ["ssh", "dns"], results: [result("ssh", "good")], outcome: "unknown" },
    { name: "one that never passed does not count", probes: two, passed: ["ssh"], results: [result("ssh", "good"), result("dns", "bad")], outcome: "good" },
    { name: "nothing that counts has ever passed", probes: two, passed: [], results: [result("ssh", "bad"), result("dns", "bad")], outcome: "unknown", because: /no probe that counts has ever passed/ },
    { name: "ping beside a service is evidence only", probes: [{ id: "ping", counts: false }, ...counting("ssh")], passed: ["ping", "ssh"], results: [result("ping", "good"), result("ssh", "bad")], outcome: "bad" },
    { name: "and a dead ping harms no host that serves", probes: [{ id: "ping", counts: false }, ...counting("ssh")], passed: ["ping", "ssh"], results: [result("ping", "bad"), result("ssh", "good")], outcome: "good" },
    { name: "ping that is required counts", probes: counting("ping", "ssh"), passed: ["ping", "ssh"], results: [result("ping", "bad"), result("ssh", "good")], outcome: "bad" },
    { name: "2 of 3: two good are enough", probes: three, passed: ["a", "b", "c"], goodNeeded: 2, results: [result("a", "good"), result("b", "bad"), result("c", "good")], outcome: "good" },
    { name: "2 of 3: two bad are too many", probes: three, passed: ["a", "b", "c"], goodNeeded: 2, results: [result("a", "bad"), result("b", "bad"), result("c", "good")], outcome: "bad" },
    { name: "2 of 3: good, late, bad", probes: three, passed: ["a", "b", "c"], goodNeeded: 2, results: [result("a", "good"), result("b", "slow"), result("c", "bad")], outcome: "slow" },
    { name: "2 of 3: good, unknown, bad", probes: three, passed: ["a", "b", "c"], goodNeeded: 2, results: [result("a", "good"), result("b", "unknown"), result("c", "bad")], outcome: "unknown" },
    { name: "2 of 3 with one that has ever passed: that one decides", probes: three, passed: ["a"], goodNeeded: 2, results: [result("a", "good"), result("b", "bad"), result("c", "bad")], outcome: "good" },
    { name: "references lost", probes: two, passed: ["ssh", "dns"], results: [result("ssh", "bad"), result("dns", "bad")], round: { references: "lost" }, outcome: "unknown", because: /references/ },
    { name: "no references are configured", probes: two, passed: ["ssh", "dns"], results: [result("ssh", "bad"), result("dns", "good")], round: { references: "none" }, outcome: "bad" },
    { name: "begun before this watcher could see", probes: two, passed: ["ssh", "dns"], results: [result("ssh", "bad"), result("dns", "bad")], freshAfterMs: 1_001, outcome: "unknown", because: /before this watcher could see/ },
    { name: "begun in the very moment", probes: two, passed: ["ssh", "dns"], results: [result("ssh", "bad"), result("dns", "bad")], freshAfterMs: 1_000, outcome: "bad" },
    { name: "this watcher was held up", probes: two, passed: ["ssh", "dns"], results: [result("ssh", "bad"), result("dns", "bad")], round: { endedAtMs: 2_001 + AWAKE_SLACK_MS }, outcome: "unknown", because: /held up for 1501 ms/ },
    { name: "a little late is not held up", probes: two, passed: ["ssh", "dns"], results: [result("ssh", "bad"), result("dns", "bad")], round: { endedAtMs: 2_000 + AWAKE_SLACK_MS }, outcome: "bad" },
  ];
  const seen: HostPolicy["probes"] = [...counting("ssh"), { id: "agent", counts: true, abstains: true }];
  const both = ["ssh", "agent"];
  const four: HostPolicy["probes"] = [...counting("a", "b"), ...seen.slice(1)];
  cases.push(
    { name: "an agent that says nothing takes nothing from a host that serves", probes: seen, passed: both, results: [result("ssh", "good"), result("agent", "unknown")], outcome: "good", because: /^ssh: ssh good$/ },
    { name: "nor gives it anything to one that is dead", probes: seen, passed: both, results: [result("ssh", "bad"), result("agent", "unknown")], outcome: "bad", because: /^ssh: ssh bad$/ },
    { name: "nor where one of two would have been enough", probes: seen, passed: both, goodNeeded: 1, results: [result("ssh", "bad"), result("agent", "unknown")], outcome: "bad" },
    { name: "one without a result abstains, too", probes: seen, passed: both, results: [result("ssh", "good")], outcome: "good" },
    { name: "its word counts like any other", probes: seen, passed: both, results: [result("ssh", "good"), result("agent", "bad", "answer")], outcome: "bad", because: /^agent: agent bad$/ },
    { name: "but not before it has passed", probes: seen, passed: ["ssh"], results: [result("ssh", "good"), result("agent", "bad", "answer")], outcome: "good" },
    { name: "alone and silent it says nothing", probes: seen.slice(1), passed: ["agent"], results: [result("agent", "unknown")], outcome: "unknown", because: /^agent abstains/ },
    { name: "2 of 3: as many may fail as before", probes: four, passed: ["a", "b", "agent"], goodNeeded: 2, results: [result("a", "good"), result("b", "bad"), result("agent", "unknown")], outcome: "good" },
    { name: "and all of them may not", probes: four, passed: ["a", "b", "agent"], goodNeeded: 2, results: [result("a", "bad"), result("b", "bad"), result("agent", "unknown")], outcome: "bad" },
    { name: "whoever else knows nothing is no abstention", probes: four, passed: ["a", "b", "agent"], results: [result("a", "unknown"), result("b", "good"), result("agent", "unknown")], outcome: "unknown" },
  );
  for (const each of cases) {
    const policy = hostPolicy({ name: "logos", probes: each.probes, goodNeeded: each.goodNeeded ?? null });
    const judged = judge(round(each.results, each.round), policy, each.passed, each.freshAfterMs ?? 0);
    assert.equal(judged.outcome, each.outcome, each.name);
    if (each.because !== undefined) assert.match(judged.because, each.because, each.name);
  }
});

test("the first pass is noted, also a late one, and never a bad one", () => {
  const policy = hostPolicy({ name: "logos", probes: counting("a", "b", "c") });
  const judged = judge(round([result("a", "good"), result("b", "slow"), result("c", "bad")]), policy, ["a"], 0);
  assert.deepEqual(judged.firstPasses, ["b"]);
});

test("refused and silent: what an orderly reboot looks like", () => {
  const policy = hostPolicy({ name: "logos" });
  const cases: [ProbeResult[], boolean, boolean][] = [
    [[result("ping", "good"), result("ssh", "bad", "refused")], true, false],
    [[result("ping", "bad"), result("ssh", "bad")], false, true],
    [[result("ping", "bad", "unreachable"), result("ssh", "bad", "silent")], false, true],
    [[result("ping", "good"), result("ssh", "bad")], false, false],
    [[result("ping", "bad"), result("ssh", "bad", "answer")], false, false],
    [[], false, false],
  ];
  for (const [results, refused, silent] of cases) {
    const judged = judge(round(results), policy, ["ping", "ssh"], 0);
    assert.deepEqual([judged.refused, judged.silent], [refused, silent], JSON.stringify(results));
  }
});

test("an agent that says nothing does not hide an orderly silence", () => {
  const policy = hostPolicy({ name: "logos", probes: [...counting("ssh"), { id: "agent", counts: true, abstains: true }] });
  assert.equal(judge(round([result("ssh", "bad"), result("agent", "unknown")]), policy, ["ssh", "agent"], 0).silent, true);
  assert.equal(judge(round([result("agent", "unknown")]), policy, ["ssh", "agent"], 0).silent, false, "nobody has spoken at all");
});

const anyOutcome = fc.constantFrom<Outcome>("good", "slow", "bad", "unknown");
/** Better from left to right for the question whether the host is to be cut. */
const HARM: Record<Outcome, number> = { bad: 1, unknown: 0, slow: 0, good: 0 };

test("judge is monotone: a bad result turned into unknown or good never makes the round worse", () => {
  const arbitrary = fc.record({
    outcomes: fc.array(anyOutcome, { minLength: 1, maxLength: 6 }), passed: fc.array(fc.nat(5)), needed: fc.option(fc.integer({ min: 1, max: 6 })), at: fc.nat(5), to: fc.constantFrom<Outcome>("unknown", "good"),
  });
  fc.assert(fc.property(arbitrary, ({ outcomes, passed, needed, at, to }) => {
    const probes = counting(...outcomes.map((_, n) => `p${n}`));
    const policy = hostPolicy({ name: "logos", probes, goodNeeded: needed });
    const ids = [...new Set(passed)].map((n) => `p${n}`);
    const before = judge(round(outcomes.map((outcome, n) => result(`p${n}`, outcome))), policy, ids, 0);
    const changed = outcomes.map((outcome, n) => (n === at && outcome === "bad" ? to : outcome));
    const after = judge(round(changed.map((outcome, n) => result(`p${n}`, outcome))), policy, ids, 0);
    // A probe that passes for the first time begins to count: it may turn good into nothing worse than what it says itself.
    assert.ok(HARM[after.outcome] <= HARM[before.outcome], `${before.outcome} became ${after.outcome}`);
  }), { numRuns: 2_000 });
});

test("silence is never a vote: a bad word turned into silence makes no round worse, and without it the round is that of the others", () => {
  const arbitrary = fc.record({ outcomes: fc.array(anyOutcome, { minLength: 1, maxLength: 5 }), word: anyOutcome, needed: fc.option(fc.integer({ min: 1, max: 6 })) });
  fc.assert(fc.property(arbitrary, ({ outcomes, word, needed }) => {
    const others = counting(...outcomes.map((_, n) => `p${n}`));
    const ids = [...others.map(({ id }) => id), "agent"];
    const results = outcomes.map((outcome, n) => result(`p${n}`, outcome));
    const judged = (said: Outcome) => judge(round([...results, result("agent", said)]), hostPolicy({ name: "logos", probes: [...others, { id: "agent", counts: true, abstains: true }], goodNeeded: needed }), ids, 0).outcome;
    if (word === "bad") assert.ok(HARM[judged("unknown")] <= HARM[judged("bad")]);
    const alone = judge(round(results), hostPolicy({ name: "logos", probes: others }), ids, 0).outcome;
    if (needed === null) assert.equal(judged("unknown"), alone);
    if (outcomes.every((outcome) => outcome === "bad")) assert.equal(judged("unknown"), "bad", "a dead host is dead without its agent's word");
  }), { numRuns: 2_000 });
});

test("a round of which nothing is bad is never bad", () => {
  fc.assert(fc.property(fc.array(fc.constantFrom<Outcome>("good", "slow", "unknown"), { minLength: 1, maxLength: 6 }), fc.option(fc.integer({ min: 1, max: 6 })), (outcomes, needed) => {
    const policy = hostPolicy({ name: "logos", probes: counting(...outcomes.map((_, n) => `p${n}`)), goodNeeded: needed });
    assert.notEqual(judge(round(outcomes.map((outcome, n) => result(`p${n}`, outcome))), policy, outcomes.map((_, n) => `p${n}`), 0).outcome, "bad");
  }));
});

test("the counter", () => {
  const leaky = hostPolicy({ name: "logos" });
  const ladder = hostPolicy({ name: "logos", retryMs: [5_000, 10_000] });
  const cases: [string, number, Outcome, HostPolicy, boolean, number, -1 | 0 | 1][] = [
    ["bad adds one", 0, "bad", leaky, false, 1, 1],
    ["bad at the threshold adds nothing", 5, "bad", leaky, false, 5, 0],
    ["good takes one", 3, "good", leaky, false, 2, -1],
    ["good at the floor", 0, "good", leaky, false, 0, 0],
    ["slow does neither", 3, "slow", leaky, false, 3, 0],
    ["unknown does neither", 3, "unknown", leaky, false, 3, 0],
    ["a ladder is cleared by one good answer", 4, "good", ladder, false, 0, -1],
    ["frozen: bad is recorded and not counted", 3, "bad", leaky, true, 3, 0],
    ["frozen: good neither", 3, "good", leaky, true, 3, 0],
  ];
  for (const [name, before, outcome, policy, frozen, counter, counted] of cases) assert.deepEqual(count(before, outcome, policy, frozen), { counter, counted }, name);
});

test("the counter stays between nothing and the threshold, unknown and slow never move it, and only bad raises it", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 20 }), fc.boolean(), fc.array(fc.tuple(anyOutcome, fc.boolean()), { maxLength: 100 }), (threshold, ladder, rounds) => {
    const policy = hostPolicy({ name: "logos", threshold, retryMs: ladder ? [5_000] : [] });
    let counter = 0;
    for (const [outcome, frozen] of rounds) {
      const after = count(counter, outcome, policy, frozen);
      assert.ok(after.counter >= 0 && after.counter <= threshold);
      if (outcome === "unknown" || outcome === "slow" || frozen) assert.equal(after.counter, counter);
      if (after.counter > counter) assert.equal(outcome, "bad");
      if (after.counted === 1) assert.equal(after.counter, counter + 1);
      counter = after.counter;
    }
  }));
});

test("a round made better never leaves the counter higher", () => {
  const better = (outcome: Outcome, to: Outcome) => (outcome === "bad" ? to : outcome);
  fc.assert(fc.property(fc.array(anyOutcome, { maxLength: 60 }), fc.nat(59), fc.constantFrom<Outcome>("unknown", "good", "slow"), (outcomes, at, to) => {
    const policy = hostPolicy({ name: "logos" });
    let [one, other] = [0, 0];
    for (const [n, outcome] of outcomes.entries()) {
      one = count(one, outcome, policy, false).counter;
      other = count(other, n === at ? better(outcome, to) : outcome, policy, false).counter;
      assert.ok(other <= one);
    }
  }));
});

test("the retry ladder says when to look next", () => {
  const ladder = hostPolicy({ name: "logos", retryMs: [5_000, 10_000, 30_000] });
  assert.deepEqual([0, 1, 2, 3, 4, 5].map((counter) => retryAfterMs(counter, ladder)), [null, 5_000, 10_000, 30_000, null, null]);
  assert.equal(retryAfterMs(1, hostPolicy({ name: "logos" })), null);
  const hand = Hand.running(policyOf([hostPolicy({ name: "logos", retryMs: [2_000, 7_000], threshold: 3 })]));
  hand.round("logos", "bad", { ping: "good" });
  assert.equal(hand.last("pace").atMs, hand.nowMs + 2_000);
  hand.advance(2_000);
  hand.round("logos", "bad", { ping: "good" });
  assert.equal(hand.last("pace").atMs, hand.nowMs + 7_000);
  hand.advance(7_000);
  hand.round("logos", "good");
  assert.equal(hand.host().counter, 0, "one good answer clears the suspicion");
});

// ---- in the core ------------------------------------------------------------------------------------------------------

test("rounds of another host, of another hash, or told twice or late change nothing", () => {
  const hand = Hand.running();
  hand.round("logos", "bad", { ping: "good" });
  const { counter } = hand.host();
  const again = hand.state;
  const made = { host: "logos", hash: "h1", references: "reached" as const, results: [result("ssh", "bad")] };
  hand.input({ kind: "round", round: { ...made, startedAtMs: hand.nowMs, endedAtMs: hand.nowMs } });
  hand.input({ kind: "round", round: { ...made, startedAtMs: hand.nowMs - 4_000, endedAtMs: hand.nowMs } });
  hand.input({ kind: "round", round: { ...made, hash: "h0", startedAtMs: hand.nowMs + 1, endedAtMs: hand.nowMs + 1 } });
  hand.input({ kind: "round", round: { ...made, host: "nobody", startedAtMs: hand.nowMs + 1, endedAtMs: hand.nowMs + 1 } });
  assert.equal(hand.host().counter, counter);
  assert.equal(hand.host().last, again.hosts.get("logos")?.last);
});

test("unknown never changes counter, verdict, incident or operation, however long it lasts", () => {
  const hand = Hand.running();
  hand.bad("logos", 4);
  const before = { counter: hand.host().counter, incident: hand.host().incident };
  for (let made = 0; made < 50; made += 1) {
    hand.advance(5_000);
    hand.round("logos", "bad", { references: "lost" });
  }
  assert.deepEqual({ counter: hand.host().counter, incident: hand.host().incident }, before);
  assert.deepEqual(hand.bytes(), []);
});

test("a late answer takes back exactly what its round had added", () => {
  const hand = Hand.running();
  hand.bad("logos", 3);
  const startedAtMs = hand.nowMs;
  hand.advance(2_000);
  hand.late("logos", startedAtMs);
  assert.equal(hand.host().counter, 2);
  assert.equal(hand.host().last?.outcome, "slow");
  hand.late("logos", startedAtMs);
  assert.equal(hand.host().counter, 2, "told twice, taken back once");
  hand.late("logos", startedAtMs - 5_000);
  assert.equal(hand.host().counter, 2, "an older round is over");
});

test("a late answer to a round that was unknown proves nothing", () => {
  const hand = new Hand();
  hand.start();
  hand.advance(5_000);
  hand.round("logos", "bad", { ping: "good" });
  assert.equal(hand.host().last?.outcome, "unknown");
  hand.late("logos", hand.nowMs);
  assert.deepEqual(hand.record().learned.passed, ["ping"]);
  assert.equal(hand.record().learned.seenHealthyAt, null, "late is not healthy");
  assert.equal(hand.host().counter, 0);
});

test("a host that answers late round after round is never cut, and is told of once", () => {
  const hand = Hand.running();
  for (let made = 0; made < 60; made += 1) {
    const startedAtMs = hand.nowMs;
    hand.round("logos", "bad", { ping: "good" });
    hand.advance(2_000);
    hand.late("logos", startedAtMs);
    hand.advance(3_000);
  }
  assert.equal(hand.host().counter, 0);
  assert.deepEqual(hand.bytes(), []);
  assert.equal(hand.told("suspect").length, 1);
  assert.equal(hand.told("better").length, 1);
});

test("what people are told a host is", () => {
  const hand = Hand.running();
  const policy = hand.policy.hosts.get("logos") as HostPolicy;
  assert.equal(verdict(hand.host(), policy), "up");
  hand.bad("logos", 1);
  assert.equal(verdict(hand.host(), policy), "suspect");
  hand.advance(5_000);
  hand.round("logos", "bad", { references: "lost" });
  assert.equal(verdict(hand.host(), policy), "suspect", "unknown makes nobody healthy");
  hand.auto.delete("act");
  hand.advance(5_000);
  hand.bad("logos", 4);
  assert.equal(verdict(hand.host(), policy), "down");
  const fresh = new Hand();
  fresh.start();
  assert.equal(verdict(fresh.host(), policy), "unknown");
});

test("a round from before a sleep of this machine does not count, and neither do the ones before it", () => {
  const hand = Hand.running();
  hand.bad("logos", 4);
  const startedAtMs = hand.nowMs;
  hand.nowMs += 60_000;
  hand.wallMs += 60_000;
  hand.input({ kind: "round", round: { host: "logos", hash: "h1", startedAtMs, endedAtMs: startedAtMs + 1_000, references: "reached", results: [result("ping", "good"), result("ssh", "bad")] } });
  assert.equal(hand.host().counter, 0);
  hand.round("logos", "bad", { ping: "good" });
  assert.equal(hand.host().counter, 1);
  assert.match(hand.told("clock").join(), /did not run for 60 s/);
});
