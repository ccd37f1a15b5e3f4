// Storm sums (safety.md §3.2): unhealthy is the last counted round, not the verdict; who is held, in maintenance or wanted off
// leaves both sides; a storm ends after calm with fresh rounds, or goes on one by one.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { HostPolicy, Policy } from "../policy.ts";
import type { HostRecord } from "../records.ts";
import type { Outcome } from "../round.ts";
import type { State } from "../state.ts";
import { inSet, isBehind, membersOf, setsOf, stormIn, suspectSibling } from "../storm.ts";
import { stamp } from "../time.ts";
import { Hand, hostPolicy, policyOf } from "./hand.ts";

const BRAKES = { startupMs: 0, maxUnhealthy: 0.4, coolDownMs: 120_000, concurrent: 9, perHour: null };
const names = (count: number) => Array.from({ length: count }, (_, n) => `n${n + 1}`);
const fleet = (count: number, change: Partial<Policy["brakes"]> = {}, host: (name: string) => Partial<HostPolicy> = () => ({})): Policy =>
  policyOf(names(count).map((name, n) => hostPolicy({ name, levels: [[{ device: "sucker", outlet: String(n + 1) }]], ...host(name) })), { brakes: { ...BRAKES, ...change } });

/** All healthy at first; then these rounds, long enough apart to be no onset. */
function withRounds(policy: Policy, outcomes: readonly Outcome[]): Hand {
  const hand = Hand.running(policy);
  hand.state = outcomes.reduce<State>((state, outcome, n) => {
    const name = `n${n + 1}`;
    const host = state.hosts.get(name);
    assert.ok(host !== undefined && host.last !== null);
    return { ...state, hosts: state.hosts.with(name, { ...host, last: { ...host.last, outcome } }) };
  }, hand.state);
  return hand;
}

const why = (hand: Hand, set = "fleet") => stormIn(set, hand.state, hand.policy, hand.now());

test("how many may be unhealthy", () => {
  const cases: [number, number, number, boolean][] = [
    // hosts, share, unhealthy, storm
    [1, 0.4, 1, false], [2, 0.4, 1, false], [2, 0.4, 2, true], [3, 0.4, 1, false], [3, 0.4, 2, true], [4, 0.4, 2, true], [5, 0.4, 2, false], [5, 0.4, 3, true],
    [10, 0.4, 4, false], [10, 0.4, 5, true], [10, 0.3, 3, false], [10, 0.3, 4, true], [10, 0, 1, false], [10, 0, 2, true], [10, 1, 10, false], [10, 0.29, 2, false], [10, 0.29, 3, true],
  ];
  for (const [count, maxUnhealthy, bad, expected] of cases) {
    const hand = withRounds(fleet(count, { maxUnhealthy }), names(bad).map(() => "bad"));
    assert.equal(why(hand) !== null, expected, `${bad} of ${count} at ${maxUnhealthy}`);
  }
});

test("bad and unknown are unhealthy, long before the verdict; slow and good are not", () => {
  assert.match(why(withRounds(fleet(5), ["bad", "bad", "unknown"])) ?? "", /^3 of 5 hosts in the fleet are unhealthy, more than 2$/);
  assert.equal(why(withRounds(fleet(5), ["bad", "bad", "slow"])), null);
  assert.equal(why(withRounds(fleet(5), ["unknown", "unknown", "good"])), null);
});

test("who leaves both sides of the sum", () => {
  const at = { bootMs: 1, wallMs: 1, bootId: "boot-1" };
  const out: Record<string, (record: HostRecord) => HostRecord> = {
    held: (record) => ({ ...record, hold: { kind: "failed", because: "x", since: at, sticky: false } }),
    "wanted off": (record) => ({ ...record, wanted: { state: "off", by: "anna", why: "x", at } }),
    "never healthy": (record) => ({ ...record, learned: { ...record.learned, seenHealthyAt: null } }),
  };
  for (const [name, change] of Object.entries(out)) {
    const hand = withRounds(fleet(6), ["bad", "bad", "bad"]);
    assert.notEqual(why(hand), null, `${name}: three of six`);
    const host = hand.host("n1");
    hand.state = { ...hand.state, hosts: hand.state.hosts.with("n1", { ...host, record: change(host.record) }) };
    assert.equal(why(hand), null, `${name}: two of five`);
  }
  for (const kind of ["maintenance", "disarmed", "inhibit"] as const) {
    for (const scope of ["n1", "*"]) {
      const hand = withRounds(fleet(6), ["bad", "bad", "bad"]);
      hand.command({ kind: "brake", brake: kind, scope, forMs: null, reason: "" });
      assert.equal(why(hand), null, `${kind} ${scope}`);
    }
  }
  assert.equal(why(withRounds(fleet(6, {}, (name) => ({ armed: name !== "n1" })), ["bad", "bad", "bad"])), null, "disarmed in the configuration");
  assert.equal(why(withRounds({ ...fleet(6), armed: false }, ["bad", "bad", "bad"])), null, "the whole fleet disarmed in the configuration");
  // An announced reboot or a crash dump is a trouble like any other.
  const hand = withRounds(fleet(6), ["bad", "bad", "bad"]);
  hand.command({ kind: "brake", brake: "going-down", scope: "n1", forMs: null, reason: "" });
  assert.notEqual(why(hand), null);
});

test("every set has its own sum", () => {
  const policy = policyOf([
    hostPolicy({ name: "a", group: "compute", behind: "switch-a", levels: [[{ device: "p1", outlet: "1" }], [{ device: "p2", outlet: "1" }]] }),
    hostPolicy({ name: "b", group: "compute", behind: null, levels: [[{ device: "p1", outlet: "2" }]] }),
    hostPolicy({ name: "c", group: "web", behind: "switch-a", levels: [[{ device: "p2", outlet: "2" }]] }),
    hostPolicy({ name: "switch-a", group: "net", levels: [] }),
  ]);
  assert.deepEqual(setsOf(policy.hosts.get("a") as HostPolicy), ["fleet", "group:compute", "device:p1", "device:p2", "behind:switch-a"]);
  assert.deepEqual(setsOf(policy.hosts.get("switch-a") as HostPolicy), ["fleet", "group:net"]);
  const members = (set: string) => membersOf(set, policy).map((host) => host.name);
  assert.deepEqual(members("fleet"), ["a", "b", "c", "switch-a"]);
  assert.deepEqual(members("group:compute"), ["a", "b"]);
  assert.deepEqual(members("device:p2"), ["a", "c"]);
  assert.deepEqual(members("behind:switch-a"), ["a", "c"]);
  assert.deepEqual(members("group:nobody"), []);
  assert.deepEqual(["fleet", "group:compute", "device:p1", "behind:switch-a"].map(inSet), ["in the fleet", "in group compute", "at device p1", "behind switch-a"]);
});

test("behind, and behind what is behind, without going round in circles", () => {
  const policy = policyOf([
    hostPolicy({ name: "a", behind: "b" }), hostPolicy({ name: "b", behind: "c" }), hostPolicy({ name: "c", behind: "a-label" }),
    hostPolicy({ name: "x", behind: "y" }), hostPolicy({ name: "y", behind: "x" }),
  ]);
  const behind = (name: string, other: string) => isBehind(policy.hosts.get(name) as HostPolicy, other, policy);
  assert.deepEqual([behind("a", "b"), behind("a", "c"), behind("a", "a-label"), behind("b", "a"), behind("c", "b")], [true, true, true, false, false]);
  assert.deepEqual([behind("x", "y"), behind("x", "x"), behind("x", "a")], [true, true, false]);
});

test("three onsets within two intervals are a storm, two are not, and one that is over counts for nothing", () => {
  const hand = Hand.running(fleet(40));
  hand.round("n1", "bad");
  hand.round("n2", "bad");
  assert.equal(why(hand), null);
  hand.advance(4_000);
  hand.round("n3", "bad");
  assert.match(why(hand) ?? "", /^3 hosts in the fleet fell ill within two intervals$/);
  const slow = Hand.running(fleet(40));
  for (const name of names(3)) {
    slow.round(name, "bad");
    slow.advance(11_000);
    slow.round(name, "good");
  }
  assert.equal(slow.told("storm").length, 0);
});

test("a host that is ill from its first round on has had no onset", () => {
  const hand = new Hand(fleet(40));
  hand.start();
  for (const name of names(5)) hand.round(name, "bad");
  assert.equal(why(hand), null);
});

test("cycles in the hour: more than the limit, over all hosts, released or not, configured or not", () => {
  const cycled = (hand: Hand, name: string, ages: readonly number[], key: "cycles" | "forgiven" = "cycles") => {
    const host = hand.host(name);
    const made = ages.map((ageMs) => ({ ...stamp(hand.now()), bootMs: hand.nowMs - ageMs }));
    hand.state = { ...hand.state, hosts: hand.state.hosts.with(name, { ...host, record: { ...host.record, [key]: made } }) };
  };
  const hand = Hand.running(fleet(5));
  cycled(hand, "n1", [1_000, 2_000]);
  cycled(hand, "n2", [3_000]);
  assert.equal(why(hand), null, "three in the hour are within the limit of three");
  cycled(hand, "n3", [3_599_000], "forgiven");
  assert.match(why(hand) ?? "", /^4 power cycles in the last hour, more than 3$/);
  assert.equal(why(hand, "group:ungrouped"), null, "a matter of the fleet");
  cycled(hand, "n3", [3_600_001], "forgiven");
  assert.equal(why(hand), null);
  const big = Hand.running(fleet(200));
  cycled(big, "n1", [1, 2, 3, 4]);
  assert.equal(why(big), null, "2 % of 200 are four");
  const set = Hand.running(fleet(5, { perHour: 1, maxUnhealthy: 1 }));
  cycled(set, "n1", [1, 2]);
  assert.notEqual(why(set), null, "also where the share is switched off");
});

test("no storm while no more than the limit are unhealthy, always one when more are", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 99 }), fc.array(fc.constantFrom<Outcome>("good", "slow", "bad", "unknown"), { maxLength: 12 }), (count, share, outcomes) => {
    const hand = withRounds(fleet(count, { maxUnhealthy: share / 100 }), outcomes.slice(0, count));
    const sick = outcomes.slice(0, count).filter((outcome) => outcome === "bad" || outcome === "unknown").length;
    assert.equal(why(hand) !== null, sick > Math.max(1, Math.floor((share * count) / 100)));
  }), { numRuns: 200 });
});

test("a suspect sibling is any unhealthy host of a common set that has no operation of its own", () => {
  const policy = fleet(3);
  const sibling = (hand: Hand) => suspectSibling(policy.hosts.get("n1") as HostPolicy, hand.state, policy);
  assert.equal(sibling(withRounds(policy, ["bad"])), null, "not itself");
  assert.equal(sibling(withRounds(policy, ["bad", "unknown"])), "n2");
  const busy = withRounds(policy, ["bad", "bad"]);
  busy.state = { ...busy.state, hosts: busy.state.hosts.with("n2", { ...busy.host("n2"), operation: 7 }) };
  assert.equal(sibling(busy), null);
});

// ---- begun, ended, let through ----------------------------------------------------------------------------------------

function everybody(hand: Hand, outcome: Outcome | ((name: string) => Outcome), ms: number): void {
  for (let passed = 0; passed < ms; passed += 5_000) {
    hand.advance(5_000);
    for (const name of hand.policy.hosts.keys()) hand.round(name, typeof outcome === "string" ? outcome : outcome(name), { ping: "good" });
  }
}

test("it ends after the cool-down below the limit, with fresh rounds of everybody", () => {
  const hand = Hand.running(fleet(3));
  everybody(hand, (name) => (name === "n3" ? "good" : "bad"), 10_000);
  assert.equal(hand.told("storm").length, 1);
  everybody(hand, "good", 5_000);
  everybody(hand, "good", 110_000);
  assert.equal(hand.state.storms.size, 1, "119 s are not two minutes");
  everybody(hand, "good", 10_000);
  assert.equal(hand.state.storms.size, 0);
  assert.equal(hand.records.has("storm/fleet"), false);

  const half = Hand.running(fleet(3));
  everybody(half, (name) => (name === "n3" ? "good" : "bad"), 10_000);
  half.keep("n1", "good", 300_000);
  assert.equal(half.state.storms.size, 1, "nobody has looked at the others: silence is not calm");

  const relapse = Hand.running(fleet(3));
  everybody(relapse, (name) => (name === "n3" ? "good" : "bad"), 10_000);
  everybody(relapse, "good", 100_000);
  everybody(relapse, (name) => (name === "n3" ? "good" : "bad"), 5_000);
  everybody(relapse, "good", 100_000);
  assert.equal(relapse.state.storms.size, 1, "the cool-down begins again");
});

test("it survives a restart, with its alarm and with whether it was let through", () => {
  const hand = Hand.running(fleet(3));
  everybody(hand, (name) => (name === "n3" ? "good" : "bad"), 10_000);
  hand.restart();
  assert.deepEqual([...hand.state.storms.keys()], ["fleet"]);
  assert.ok(hand.state.alarms.has("storm:fleet"));
  hand.command({ kind: "storm-proceed" });
  hand.restart();
  assert.equal(hand.state.storms.get("fleet")?.proceedBy, "anna");
  assert.equal(hand.command({ kind: "storm-proceed" })?.exit, 1, "let through already");
});

test("a storm of a set that is not configured any more ends", () => {
  const hand = Hand.running(fleet(3, {}, (name) => ({ group: name === "n3" ? "other" : "web", levels: [] })));
  const record = { v: 1 as const, set: "group:web", because: "x", since: stamp(hand.now()), proceedBy: null };
  hand.records.set("storm/group:web", { value: record, revision: 1 });
  hand.restart();
  assert.ok(hand.state.storms.has("group:web"));
  hand.reload(fleet(3, {}, () => ({ group: "other", levels: [] })));
  assert.equal(hand.state.storms.size, 0);
  assert.equal(hand.records.has("storm/group:web"), false);
});

test("let through: one at a time, the next only when the one before is back in service", () => {
  const hand = Hand.running(fleet(4));
  const dead = new Set(["n1", "n2", "n3"]);
  everybody(hand, (name) => (dead.has(name) ? "bad" : "good"), 30_000);
  assert.deepEqual(hand.bytes(), []);
  hand.command({ kind: "storm-proceed" });
  everybody(hand, (name) => (dead.has(name) ? "bad" : "good"), 60_000);
  assert.deepEqual(hand.bytes(), ["off sucker/1", "on sucker/1"], "the others wait although there are slots");
  dead.delete("n1");
  everybody(hand, (name) => (dead.has(name) ? "bad" : "good"), 60_000);
  assert.deepEqual(hand.bytes().slice(2), ["off sucker/2", "on sucker/2"]);
});

test("let through: it stops at the first that does not recover", () => {
  const cases: [string, (hand: Hand) => void][] = [
    ["held", () => {}],
    ["its power cannot be reached", (hand) => hand.unreachable.add("sucker")],
  ];
  for (const [name, change] of cases) {
    const hand = Hand.running(fleet(3, {}, () => ({ bootMs: 60_000 })));
    everybody(hand, (each) => (each === "n3" ? "good" : "bad"), 30_000);
    change(hand);
    hand.command({ kind: "storm-proceed" });
    everybody(hand, (each) => (each === "n3" ? "good" : "bad"), 90_000);
    assert.equal(hand.state.storms.get("fleet")?.proceedBy ?? null, null, name);
    assert.ok(hand.told("storm").some((line) => /did not recover: the storm in the fleet holds again/.test(line)), name);
    assert.ok(!hand.bytes().includes("off sucker/2"), name);
  }
});

test("a storm holds back no on", () => {
  const hand = Hand.running(fleet(3, { maxUnhealthy: 1 }));
  hand.bad("n1", 5);
  hand.advance(2_000);
  assert.equal(hand.operation("n1")?.phase, "off-confirmed");
  hand.state = { ...hand.state, storms: new Map([["fleet", { v: 1, set: "fleet", because: "x", since: stamp(hand.now()), proceedBy: null, calmSinceMs: null, summedMs: -Infinity }]]) };
  hand.advance(5_000);
  assert.deepEqual(hand.bytes(), ["off sucker/1", "on sucker/1"]);
});
