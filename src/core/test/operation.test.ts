// The operation under disorder: answers that come late, twice, in another order, or not at all. What must hold: no byte before
// its record is durable, off is what all feeds read twice a second apart, and what we cut is switched on.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Effect } from "../io.ts";
import type { HostPolicy } from "../policy.ts";
import type { Operation } from "../records.ts";
import type { EffectOf } from "./hand.ts";
import { Hand, hostPolicy, policyOf } from "./hand.ts";

const outlet = (key: string) => ({ device: key.split("/")[0] as string, outlet: key.split("/")[1] as string });
const levels = (text: string) => text.split(",").map((level) => level.split("+").map((key) => outlet(key.trim())));
const fed = (text: string, change: Partial<HostPolicy> = {}) => policyOf([hostPolicy({ name: "logos", levels: levels(text), ...change })]);

/** A host that is down with its act waiting at the device. */
function waiting(policy = fed("sucker/2")): { hand: Hand; act: EffectOf<"act"> } {
  const hand = Hand.running(policy);
  hand.auto.delete("act");
  hand.bad("logos", 5);
  return { hand, act: hand.last("act") };
}

// ---- no byte before its record ----------------------------------------------------------------------------------------

test("the intent is durable before anything is asked of the device", () => {
  const hand = Hand.running();
  hand.auto.delete("store");
  hand.bad("logos", 5);
  assert.equal(hand.of("act").length, 0);
  hand.store();
  while (hand.of("act").length === 0) hand.store();
  assert.equal(hand.recorded()?.phase, "intended");
});

test("the byte goes only when the swap is durable, and under the token that it recorded", () => {
  const { hand, act } = waiting();
  hand.auto.delete("store");
  hand.ready(act);
  const swap = hand.last("store");
  const next = swap.writes.find((write) => write.key.startsWith("op/"))?.value as Operation;
  assert.deepEqual([next.phase, next.sent, next.cut], ["off-sent", ["sucker/2"], ["sucker/2"]]);
  assert.deepEqual(swap.guards.length >= 1 && swap.guards[0]?.key, `op/${next.id}`);
  assert.deepEqual(hand.bytes(), []);
  hand.advance(200);
  assert.deepEqual(hand.bytes(), []);
  hand.store("commit", swap.txn);
  assert.deepEqual(hand.bytes(), ["off sucker/2"]);
  assert.equal(hand.last("fire").withinMs, 500);
  assert.equal(hand.last("fire").sinceMs, hand.nowMs);
  assert.equal(hand.recorded()?.token, next.token);
});

test("a swap that fails or conflicts lets nothing go", () => {
  for (const how of ["fail", "conflict"] as const) {
    const { hand, act } = waiting();
    hand.auto.delete("store");
    hand.ready(act);
    const swap = hand.last("store");
    hand.store(how, swap.txn);
    assert.deepEqual(hand.bytes(), [], how);
    assert.equal(hand.last("cancel").act, act.act, how);
    hand.acted(act.act, { kind: "refused", by: "gate", evidence: "cancelled" });
    assert.equal(hand.record().lastEdge, null, "no edge is noted");
  }
});

test("tokens only ever grow, and none is used twice", () => {
  const hand = Hand.running(fed("p1/1+p2/1"));
  hand.bad("logos", 5);
  hand.advance(20_000);
  const tokens = hand.of("store").flatMap((store) => store.writes.filter((write) => write.key.startsWith("lock/") && write.value !== null).map((write) => (write.value as { token: number }).token));
  assert.equal(tokens.length, 4);
  assert.deepEqual(tokens, [...new Set(tokens)].sort((a, b) => a - b));
  hand.restart();
  assert.ok(hand.state.meta.nextToken > (tokens.at(-1) as number), "and a restart goes on from there");
});

test("the session dies while its swap is being recorded: nothing was written, and it is tried anew", () => {
  const { hand, act } = waiting();
  hand.auto.delete("store");
  hand.ready(act);
  const swap = hand.last("store");
  hand.acted(act.act, { kind: "failed", code: "POWER_UNREACHABLE", evidence: "connection reset" });
  hand.store("commit", swap.txn);
  assert.deepEqual(hand.bytes(), []);
  hand.auto.add("store");
  while (hand.state.pending.size > 0) hand.store();
  hand.auto.add("act");
  hand.keep("logos", "bad", 10_000);
  assert.deepEqual(hand.bytes(), ["off sucker/2", "on sucker/2"], "the second attempt is not held back by an edge that never was");
});

test("a swap that has grown stale is checked again, and counts for nothing", () => {
  const { hand, act } = waiting();
  hand.ready(act);
  assert.deepEqual(hand.bytes(), ["off sucker/2"]);
  hand.acted(act.act, { kind: "stale", evidence: "800 ms had passed" });
  const operation = hand.operation();
  assert.deepEqual([operation?.phase, operation?.sent, operation?.cut, operation?.sends, operation?.offAt], ["intended", [], [], 0, null]);
  assert.equal(hand.record().lastEdge, null);
  assert.equal(hand.record().cutIn, null);
  assert.equal(hand.host().incident?.offSentAt, null);
  hand.advance(1_000);
  assert.equal(hand.recorded()?.phase, "intended", "also in the ledger");
  assert.notEqual(hand.last("act").act, act.act);
});

test("an act that nobody waits for any more is turned back", () => {
  const { hand, act } = waiting();
  hand.round("logos", "good", { startedAtMs: hand.nowMs + 1 });
  assert.equal(hand.last("cancel").act, act.act, "a good round");
  hand.acted(act.act, { kind: "refused", by: "gate", evidence: "cancelled" });
  assert.equal(hand.operation(), undefined);
  const cancelled = hand.of("cancel").length;
  hand.ready(act);
  assert.deepEqual([hand.of("cancel").length, hand.bytes()], [cancelled + 1, []], "its `ready` comes after its end");
  hand.acted(999, { kind: "accepted", evidence: "?" });
  hand.input({ kind: "touched", touch: 999, answered: "yes", evidence: "?" });
  hand.input({ kind: "stored", txn: 999, result: "committed", revision: 1, sentMs: 0 });
  assert.deepEqual(hand.bytes(), [], "answers to nothing change nothing");
});

// ---- one good round before the byte ---------------------------------------------------------------------------------------

test("one good round withdraws at every moment before the byte, and at none after it", () => {
  const moments: Record<string, (hand: Hand, act: EffectOf<"act">, good: () => void) => void> = {
    "while the device logs in": (hand, act, good) => {
      good();
      hand.ready(act);
    },
    "while the swap is recorded": (hand, act, good) => {
      hand.auto.delete("store");
      hand.ready(act);
      const { txn } = hand.last("store");
      good();
      hand.store("commit", txn);
    },
    "while the intent is recorded": (hand, _, good) => {
      hand.auto.add("store");
      good();
    },
  };
  for (const [moment, run] of Object.entries(moments)) {
    const { hand, act } = waiting();
    run(hand, act, () => {
      hand.nowMs += 10;
      hand.round("logos", "good");
    });
    assert.deepEqual(hand.bytes(), [], moment);
    hand.auto.add("act");
    hand.auto.add("store");
    hand.acted(act.act, { kind: "refused", by: "gate", evidence: "cancelled" });
    while (hand.state.pending.size > 0) hand.store();
    hand.advance(2_000);
    assert.equal(hand.operation(), undefined, moment);
    assert.ok(hand.told("withdrawn").some((line) => /a good round/.test(line)), moment);
    assert.equal(hand.record().lastOperation?.outcome, "withdrawn");
  }
  const { hand, act } = waiting();
  hand.ready(act);
  hand.nowMs += 10;
  hand.round("logos", "good");
  hand.auto.add("act");
  hand.acted(act.act, { kind: "accepted", evidence: "E000" });
  hand.advance(8_000);
  assert.deepEqual(hand.bytes(), ["off sucker/2", "on sucker/2"], "past off it is finished");
});

test("unknown and slow are not down: the byte waits for a bad round, and for a fresh one", () => {
  for (const outcome of ["unknown", "slow"] as const) {
    const { hand, act } = waiting();
    hand.advance(1_000);
    hand.round("logos", outcome);
    hand.ready(act);
    assert.deepEqual(hand.bytes(), [], outcome);
    hand.acted(act.act, { kind: "refused", by: "gate", evidence: "cancelled" });
    hand.advance(1_000);
    hand.auto.add("act");
    hand.ready(hand.last("act"));
    assert.deepEqual(hand.bytes(), [], `${outcome}, still`);
    hand.advance(4_000);
    hand.round("logos", "bad", { ping: "good" });
    hand.advance(2_000);
    assert.deepEqual(hand.bytes(), ["off sucker/2"], outcome);
  }
  const { hand, act } = waiting();
  hand.advance(11_001);
  hand.ready(act);
  assert.deepEqual(hand.bytes(), [], "eleven seconds old");
});

test("an outlet that reads off already is somebody else's, and one that cannot be read is not cut", () => {
  const { hand, act } = waiting();
  hand.auto.add("act");
  hand.outlets.set("sucker/2", "off");
  hand.ready(act);
  assert.deepEqual(hand.bytes(), []);
  assert.deepEqual(hand.record().offByOthers, ["sucker/2"]);
  assert.equal(hand.operation(), undefined);
  const blind = waiting();
  blind.hand.auto.add("act");
  blind.hand.outlets.set("sucker/2", "unknown");
  blind.hand.ready(blind.act);
  blind.hand.advance(10_000);
  assert.deepEqual(blind.hand.bytes(), []);
  assert.equal(blind.hand.operation(), undefined);
  assert.ok(blind.hand.told("withdrawn").some((line) => line.endsWith("sucker/2 cannot be read")));
});

test("two feeds, one of which others have switched off meanwhile: the one that we cut comes back", () => {
  const { hand, act } = waiting(fed("p1/1+p2/1"));
  hand.auto.add("act");
  hand.outlets.set("p2/1", "off");
  hand.ready(act);
  hand.advance(5_000);
  assert.deepEqual(hand.bytes(), ["off p1/1", "on p1/1"]);
  assert.equal(hand.outlets.get("p2/1"), "off", "and theirs is left off");
  hand.advance(40_000);
  assert.equal(hand.record().lastOperation?.outcome, "withdrawn");
});

// ---- reading back -----------------------------------------------------------------------------------------------------------

/** The off has gone out and is acknowledged; its first pass of readings is asked for. */
function sent(policy = fed("sucker/2")): Hand {
  const hand = Hand.running(policy);
  hand.auto.delete("read");
  hand.bad("logos", 5);
  return hand;
}

const open = (hand: Hand): readonly EffectOf<"read">[] => hand.of("read").filter((read) => [...hand.state.runs.values()].some((run) => run.wait.on === "reads" && run.wait.pending.includes(read.read)));

test("off is what all feeds read in two passes, a second apart, begun after the last acknowledgement", () => {
  const hand = sent(fed("p1/1+p2/1"));
  assert.deepEqual(hand.bytes(), ["off p1/1", "off p2/1"]);
  const first = open(hand);
  assert.deepEqual(first.map((read) => read.device), ["p1", "p2"]);
  hand.readings(first[0] as EffectOf<"read">);
  hand.advance(5_000);
  assert.equal(hand.operation()?.phase, "off-sent", "one feed is not all feeds");
  hand.readings(first[1] as EffectOf<"read">);
  assert.equal(hand.operation()?.phase, "off-sent", "once is not twice");
  hand.advance(999);
  assert.equal(open(hand).length, 0, "not yet a second");
  hand.advance(1);
  for (const read of open(hand)) hand.readings(read);
  assert.equal(hand.operation()?.phase, "off-confirmed");
});

test("an unknown, an on or a silence between the two passes begins them anew; none of them is an off", () => {
  for (const between of ["unknown", "on", "unreachable"] as const) {
    const hand = sent();
    const pass = (state: "off" | "on" | "unknown" | "unreachable") => {
      hand.unreachable.clear();
      if (state === "unreachable") hand.unreachable.add("sucker");
      else hand.outlets.set("sucker/2", state);
      for (const read of open(hand)) hand.readings(read);
      hand.advance(1_000);
    };
    pass("off");
    pass(between);
    pass("off");
    // On after it had read off: somebody is at the switch, and it is not cut again.
    assert.equal(hand.operation()?.phase, between === "on" ? "on-sent" : "off-sent", between);
    assert.equal(hand.told("off-confirmed").length, 0, between);
    if (between === "on") continue;
    pass("off");
    assert.equal(hand.operation()?.phase, "off-confirmed", between);
  }
});

test("a reading of an earlier pass, or told twice, is no reading of this one", () => {
  const hand = sent(fed("p1/1+p2/1"));
  const [one, two] = open(hand) as [EffectOf<"read">, EffectOf<"read">];
  hand.readings(one);
  hand.readings(one);
  hand.readings(one);
  assert.equal(hand.operation()?.phase, "off-sent");
  hand.readings(two);
  hand.advance(1_000);
  for (const stale of [one, two, one, two]) hand.readings(stale);
  assert.equal(hand.operation()?.phase, "off-sent", "the second pass has not been answered");
});

test("what others read of the device meanwhile is no pass of ours", () => {
  const hand = sent();
  hand.input({ kind: "tick", key: "device/sucker" });
  const check = hand.last("read");
  hand.readings(check);
  hand.advance(2_000);
  hand.readings(check);
  assert.equal(hand.operation()?.phase, "off-sent");
});

test("an off that was never acknowledged nor refused is judged by what is read", () => {
  for (const kind of ["unknown", "accepted"] as const) {
    const { hand, act } = waiting();
    hand.ready(act);
    hand.acted(act.act, { kind, evidence: "?" });
    hand.advance(2_000);
    assert.equal(hand.operation()?.phase, "off-confirmed", kind);
  }
});

test("an off that reads on after its bound is earned again by two fresh bad rounds, thrice at the most, then given up", () => {
  const hand = Hand.running();
  hand.deaf.add("sucker/2");
  hand.bad("logos", 5);
  hand.advance(40_000);
  assert.deepEqual(hand.bytes(), ["off sucker/2"], "no bad round, no second off");
  hand.round("logos", "bad", { ping: "good" });
  hand.advance(3_000);
  assert.deepEqual(hand.bytes(), ["off sucker/2"], "one is not two");
  hand.advance(2_000);
  hand.round("logos", "bad", { ping: "good" });
  hand.advance(1_000);
  assert.deepEqual(hand.bytes(), ["off sucker/2", "off sucker/2"]);
  hand.keep("logos", "bad", 200_000);
  assert.equal(hand.bytes().filter((byte) => byte.startsWith("off")).length, 3);
  assert.equal(hand.record().unconfirmed.length, 1);
  assert.equal(hand.record().cycles.length, 0, "what was not confirmed is no cycle");
});

// ---- on -------------------------------------------------------------------------------------------------------------------

test("after off-for, and not before", () => {
  const hand = Hand.running();
  hand.bad("logos", 5);
  hand.advance(1_000);
  assert.equal(hand.operation()?.phase, "off-confirmed");
  hand.advance(4_900);
  assert.deepEqual(hand.bytes(), ["off sucker/2"]);
  hand.advance(200);
  assert.deepEqual(hand.bytes(), ["off sucker/2", "on sucker/2"]);
});

test("the on goes out without a record when the ledger fails, and without waiting for its answer longer than the store takes", () => {
  const hand = Hand.running();
  hand.bad("logos", 5);
  hand.advance(2_000);
  hand.storeFails = true;
  hand.advance(6_000);
  assert.deepEqual(hand.bytes(), ["off sucker/2", "on sucker/2"]);
  assert.equal(hand.operation()?.phase, "booting");
  hand.storeFails = false;
  hand.advance(10_000);
  assert.equal(hand.recorded()?.phase, "booting", "the record follows");
});

test("one device that is gone keeps no other outlet dark, and is tried for ever", () => {
  for (const gone of ["p1", "p2"]) {
    const hand = Hand.running(fed("p1/1+p2/1"));
    hand.bad("logos", 5);
    hand.advance(2_000);
    hand.unreachable.add(gone);
    hand.advance(10_000);
    const other = gone === "p1" ? "p2/1" : "p1/1";
    assert.equal(hand.outlets.get(other), "on", `${other} while ${gone} is gone`);
    hand.advance(600_000);
    assert.ok(hand.state.alarms.has("owed-on:logos"));
    assert.match(hand.state.alarms.get("owed-on:logos")?.alarm.happened ?? "", new RegExp(`^${gone}/1 of logos`), "and only the missing one is named");
    hand.unreachable.clear();
    hand.advance(61_000);
    assert.equal(hand.outlets.get(`${gone}/1`), "on");
    assert.ok(!hand.state.alarms.has("owed-on:logos"));
  }
});

test("an on that is acknowledged and cannot be read, refused, or lost, is sent again", () => {
  const broken: Record<string, (hand: Hand) => void> = {
    "reads unknown": (hand) => hand.outlets.set("sucker/2", "unknown"),
    deaf: (hand) => hand.deaf.add("sucker/2"),
  };
  for (const [name, act] of Object.entries(broken)) {
    const hand = Hand.running();
    hand.bad("logos", 5);
    hand.advance(2_000);
    act(hand);
    if (name === "reads unknown") hand.deaf.add("sucker/2");
    hand.advance(120_000);
    const ons = hand.bytes().filter((byte) => byte.startsWith("on")).length;
    assert.ok(ons >= 3 && ons <= 12, `${name}: ${ons} in two minutes`);
    hand.deaf.clear();
    hand.advance(61_000);
    assert.equal(hand.outlets.get("sucker/2"), "on", name);
  }
});

test("a late off after the on was confirmed is undone and reported", () => {
  const hand = Hand.running();
  hand.bad("logos", 5);
  hand.advance(10_000);
  assert.equal(hand.operation()?.phase, "booting");
  hand.outlets.set("sucker/2", "off");
  hand.advance(8_000);
  assert.equal(hand.outlets.get("sucker/2"), "on");
  assert.equal(hand.told("late-off").length, 1);
});

// ---- whose outlet was it ------------------------------------------------------------------------------------------------------

test("a host that still answers when all reads off contradicts; one that falls silent within off-for does not", () => {
  const hand = Hand.running();
  hand.answersWhenOff = true;
  hand.bad("logos", 5);
  hand.advance(10_000);
  assert.deepEqual(hand.bytes(), ["off sucker/2", "on sucker/2"]);
  hand.advance(60_000);
  assert.deepEqual([hand.record().hold?.kind, hand.record().hold?.sticky, hand.record().learned.proved], ["contradicted", true, []]);
  assert.match(hand.state.alarms.get("held:logos")?.alarm.asked ?? "", /Find out which outlet really feeds logos/);
  const slow = Hand.running();
  slow.answersWhenOff = true;
  slow.bad("logos", 5);
  slow.advance(3_000);
  slow.answersWhenOff = false;
  slow.advance(10_000);
  assert.equal(slow.operation()?.contradiction, null);
});

test("a sign of life that nobody answers in time holds up nothing", () => {
  const hand = Hand.running();
  hand.auto.delete("touch");
  hand.bad("logos", 5);
  hand.advance(12_000);
  assert.deepEqual(hand.bytes(), ["off sucker/2", "on sucker/2"]);
  hand.input({ kind: "touched", touch: hand.last("touch").touch, answered: "yes", evidence: "echo reply" });
  assert.match(hand.operation()?.contradiction ?? "", /^logos answered although sucker\/2 read off$/, "it was asked while it was off, however late the word of it comes");
  assert.equal(hand.bytes().length, 2);
});

test("another host that falls silent at our edge contradicts, unless it hangs behind, shares the outlet, or was silent before", () => {
  const pair = (other: Partial<HostPolicy>) => policyOf([hostPolicy({ name: "logos" }), hostPolicy({ name: "ethos", levels: levels("sucker/3"), ...other })]);
  const silence = (hand: Hand, rounds: number) => {
    for (let made = 0; made < rounds; made += 1) {
      hand.advance(5_000);
      hand.round("ethos", "bad");
    }
  };
  const cases: [string, Partial<HostPolicy>, number, boolean][] = [
    ["it falls silent", {}, 2, true],
    ["one lost round is no silence", {}, 1, false],
    ["it hangs behind the host that was cut", { behind: "logos" }, 3, false],
    ["it shares the outlet", { levels: levels("sucker/2") }, 3, false],
  ];
  for (const [name, other, rounds, expected] of cases) {
    const hand = Hand.running(pair(other));
    hand.bad("logos", 5);
    hand.round("ethos", "good");
    silence(hand, rounds);
    assert.equal(hand.operation()?.contradiction !== null, expected, name);
  }
  const before = Hand.running(pair({}));
  silence(before, 1);
  before.bad("logos", 5);
  silence(before, 3);
  assert.equal(before.operation()?.contradiction, null, "silent before our edge");
  const later = Hand.running(pair({}));
  later.bad("logos", 5);
  later.advance(12_000);
  later.round("ethos", "good");
  silence(later, 3);
  assert.equal(later.operation()?.contradiction, null, "more than two intervals after it");
});

test("a host that fell silent at our edge on another's outlet boots by our doing: it is not cut while it may", () => {
  for (const answersWhenOff of [false, true]) {
    const hand = Hand.running(policyOf([hostPolicy({ name: "logos" }), hostPolicy({ name: "ethos", levels: levels("sucker/3") })]));
    hand.answersWhenOff = answersWhenOff;
    hand.bad("logos", 5);
    hand.round("ethos", "good");
    const began = hand.nowMs;
    while (hand.nowMs < began + 200_000) {
      hand.advance(5_000);
      hand.round("ethos", "bad");
      hand.round("logos", "bad");
    }
    assert.deepEqual(hand.bytes(), ["off sucker/2", "on sucker/2"], `contradicted ${answersWhenOff ? "by an answer" : "by the silence"}`);
    assert.ok(hand.record("ethos").lastEdge !== null);
  }
});

// ---- levels -------------------------------------------------------------------------------------------------------------------

test("the next level waits for boot without a good round, restores the one before, and has its own time", () => {
  const hand = Hand.running(fed("bmc/1, p1/1+p2/1", { bootMs: 700_000 }));
  hand.bad("logos", 5);
  hand.keep("logos", "bad", 705_000);
  assert.deepEqual(hand.bytes(), ["off bmc/1", "on bmc/1"], "700 s have not passed since power came back");
  hand.keep("logos", "bad", 20_000);
  assert.deepEqual(hand.bytes().slice(2), ["off p1/1", "off p2/1", "on p1/1", "on p2/1"], "twelve minutes after it began it is not too old");
  assert.equal(hand.record().cycles.length, 2);
});

test("good rounds now and then never let boot pass, and in the end a person is called", () => {
  const hand = Hand.running(fed("bmc/1, p1/1", { bootMs: 60_000 }));
  hand.bad("logos", 5);
  for (let made = 0; made < 60; made += 1) {
    hand.advance(5_000);
    hand.round("logos", made % 4 === 0 ? "good" : "bad", { ping: "good" });
  }
  assert.deepEqual(hand.bytes(), ["off bmc/1", "on bmc/1"]);
  assert.equal(hand.record().hold?.kind, "failed");
  assert.match(hand.record().hold?.because ?? "", /does not stay in service/);
});

test("a level that nothing was sent to is left at once; one whose off may have arrived is not", () => {
  const gone = Hand.running(fed("bmc/1, p1/1"));
  gone.unreachable.add("bmc");
  gone.bad("logos", 5);
  gone.keep("logos", "bad", 10_000);
  assert.deepEqual(gone.bytes(), ["off p1/1"]);
  const lost = Hand.running(fed("bmc/1, p1/1", { bootMs: 300_000 }));
  lost.auto.delete("act");
  lost.bad("logos", 5);
  lost.ready(lost.last("act"));
  lost.acted(lost.last("act").act, { kind: "unknown", evidence: "connection reset" });
  lost.auto.add("act");
  lost.unreachable.add("bmc");
  lost.keep("logos", "bad", 290_000);
  assert.deepEqual(lost.bytes(), ["off bmc/1"], "boot has not passed since the off");
  lost.keep("logos", "bad", 100_000);
  assert.ok(lost.bytes().includes("off p1/1"), "then the next level");
  assert.deepEqual([lost.told("next-level").length, lost.told("withdrawn", "refused").length], [1, 0], "when its time had come, and not before");
  lost.unreachable.clear();
  lost.keep("logos", "bad", 90_000);
  assert.deepEqual([lost.outlets.get("bmc/1"), lost.outlets.get("p1/1")], ["on", "on"], "and all that was touched comes back");
});

// ---- stop, restart ------------------------------------------------------------------------------------------------------------

test("SIGTERM: before the byte nothing begins, after it power comes back first, and the watcher always ends", () => {
  const phases: [string, (hand: Hand) => void, readonly string[]][] = [
    ["idle", () => {}, []],
    ["logging in", (hand) => {
      hand.auto.delete("act");
      hand.bad("logos", 5);
      hand.auto.add("act");
    }, []],
    ["off sent", (hand) => {
      hand.auto.delete("read");
      hand.bad("logos", 5);
      hand.auto.add("read");
      for (const read of open(hand)) hand.readings(read);
    }, ["off sucker/2", "on sucker/2"]],
    ["off confirmed", (hand) => {
      hand.bad("logos", 5);
      hand.advance(2_000);
    }, ["off sucker/2", "on sucker/2"]],
    ["on sent", (hand) => {
      hand.bad("logos", 5);
      hand.advance(2_000);
      hand.auto.delete("read");
      hand.advance(4_500);
      hand.auto.add("read");
      for (const read of open(hand)) hand.readings(read);
    }, ["off sucker/2", "on sucker/2"]],
    ["booting", (hand) => {
      hand.bad("logos", 5);
      hand.advance(10_000);
    }, ["off sucker/2", "on sucker/2"]],
  ];
  for (const [name, act, bytes] of phases) {
    const hand = Hand.running();
    act(hand);
    hand.input({ kind: "stop" });
    hand.advance(20_000);
    assert.deepEqual(hand.bytes(), bytes, name);
    assert.equal(hand.of("exit").length, 1, name);
    assert.notEqual(hand.outlets.get("sucker/2"), "off", name);
    hand.keep("logos", "bad", 60_000);
    assert.deepEqual(hand.bytes(), bytes, `${name}: nothing new is begun`);
  }
});

test("a restart in every phase: power is on in the end, with one off at the most", () => {
  for (let atMs = 0; atMs <= 45_000; atMs += 250) {
    const hand = Hand.running();
    hand.bad("logos", 5);
    hand.advance(atMs);
    hand.restart(2_000);
    hand.keep("logos", "bad", 60_000);
    assert.notEqual(hand.outlets.get("sucker/2"), "off", `killed ${atMs} ms after the off`);
    assert.equal(hand.bytes().filter((byte) => byte.startsWith("off")).length, 1, `killed ${atMs} ms after the off`);
  }
});

test("a restart before the byte: the record's bound and two fresh bad rounds, or nothing", () => {
  const dead = (): Hand => {
    const { hand } = waiting();
    hand.auto.add("act");
    hand.restart();
    return hand;
  };
  const still = dead();
  still.keep("logos", "bad", 25_000);
  assert.deepEqual(still.bytes(), [], "the bound of the act is thirty seconds");
  still.keep("logos", "bad", 15_000);
  assert.deepEqual(still.bytes(), ["off sucker/2", "on sucker/2"]);
  const slow = dead();
  slow.advance(40_000);
  slow.round("logos", "bad", { ping: "good" });
  slow.advance(4_000);
  assert.deepEqual(slow.bytes(), [], "one fresh bad round is not two");
  slow.advance(1_000);
  slow.round("logos", "bad", { ping: "good" });
  slow.advance(2_000);
  assert.deepEqual(slow.bytes(), ["off sucker/2"]);
  const back = dead();
  back.keep("logos", "good", 60_000);
  assert.deepEqual(back.bytes(), []);
  assert.equal(back.operation(), undefined);
  const blind = dead();
  blind.keep("logos", "unknown", 700_000);
  assert.deepEqual(blind.bytes(), [], "unknown earns nothing");
  assert.match(blind.told("withdrawn").at(-1) ?? "", /not carried out within 10 min/);
});

test("what a person asked for is not carried out behind anybody's back after a restart", () => {
  const hand = Hand.running();
  hand.auto.delete("act");
  hand.command({ kind: "fence", host: "logos", reason: "x", again: false, confirm: "logos" });
  hand.auto.add("act");
  hand.restart();
  hand.keep("logos", "good", 60_000);
  assert.deepEqual(hand.bytes(), []);
  assert.match(hand.told("withdrawn").join(), /ask again/);
});

test("after a reboot of the machine with a clock that nobody set, what is owed is on within its time", () => {
  for (const phaseMs of [500, 2_000, 5_900]) {
    const hand = Hand.running();
    hand.bad("logos", 5);
    hand.advance(phaseMs);
    hand.bootId = "boot-2";
    hand.synced = false;
    hand.nowMs = 15_000;
    hand.uptimeMs = 15_000;
    hand.restart(0);
    hand.keep("logos", "bad", 45_000);
    assert.notEqual(hand.outlets.get("sucker/2"), "off", `lost power ${phaseMs} ms after the off`);
  }
});

test("the name means another device since the restart: no off goes there", () => {
  const { hand } = waiting();
  hand.auto.add("act");
  hand.policy = { ...hand.policy, devices: new Map([["sucker", { ...(hand.policy.devices.get("sucker") as NonNullable<ReturnType<typeof hand.policy.devices.get>>), address: "10.0.0.99" }]]) };
  hand.restart();
  hand.keep("logos", "bad", 40_000);
  assert.deepEqual(hand.bytes(), []);
  assert.match(hand.told("withdrawn").join(), /sucker is not the device any more/);
});

// ---- any order --------------------------------------------------------------------------------------------------------------

type Move = "good" | "bad" | "unknown" | "wait" | "commit" | "fail" | "ready" | "accept" | "lose" | "drop" | "stale" | "read" | "deaf" | "hears" | "gone" | "back" | "restart" | "touch" | "maintain" | "end";
const MOVES: Move[] = ["good", "bad", "bad", "bad", "unknown", "wait", "wait", "commit", "commit", "fail", "ready", "ready", "accept", "lose", "drop", "stale", "read", "read", "deaf", "hears", "gone", "back", "restart", "touch", "maintain", "end"];

test("any order of answers: no byte without its record, one cut an outlet and operation, and in the end all is on and nothing is open", () => {
  const arbitrary = fc.record({ feeds: fc.constantFrom("sucker/2", "p1/1+p2/1", "bmc/1,p1/1"), moves: fc.array(fc.constantFrom(...MOVES), { minLength: 20, maxLength: 120 }) });
  fc.assert(fc.property(arbitrary, ({ feeds, moves }) => {
    const hand = Hand.running(fed(feeds, { bootMs: 60_000 }));
    hand.bad("logos", 4);
    hand.auto.clear();
    let acts = new Set<number>();
    const openActs = () => hand.of("act").filter((act) => !acts.has(act.act) && [...hand.state.runs.values()].some((run) => (run.wait.on === "act" || run.wait.on === "stored") && run.wait.act === act.act));
    const devices = new Set(levels(feeds).flat().map((each) => each.device));
    for (const move of moves) {
      const from = hand.effects.length;
      const act = openActs().at(-1);
      switch (move) {
        case "good": case "bad": case "unknown":
          hand.advance(1_000);
          hand.round("logos", move, { ping: "good" });
          break;
        case "wait": hand.advance(3_000); break;
        case "commit": if (hand.state.pending.size > 0) hand.store("commit"); break;
        case "fail": if (hand.state.pending.size > 0) hand.store("fail"); break;
        case "ready": if (act !== undefined) hand.ready(act); break;
        case "accept": case "lose": case "drop":
          if (act === undefined) break;
          acts.add(act.act);
          // Once the byte is out nobody can say any more that nothing was written.
          hand.acted(act.act, move === "accept" ? { kind: "accepted", evidence: "" } : move === "lose" || hand.of("fire").some((fire) => fire.act === act.act) ? { kind: "unknown", evidence: "" } : { kind: "failed", code: "X", evidence: "" });
          break;
        case "stale": hand.stale = true; break;
        case "read": for (const read of open(hand)) hand.readings(read); break;
        case "deaf": for (const each of levels(feeds).flat()) hand.deaf.add(`${each.device}/${each.outlet}`); break;
        case "hears": hand.deaf.clear(); break;
        case "gone": for (const device of devices) hand.unreachable.add(device); break;
        case "back": hand.unreachable.clear(); break;
        case "restart":
          hand.effects.length = 0;
          acts = new Set();
          hand.restart();
          break;
        case "touch": for (const each of hand.of("touch").slice(-1)) hand.input({ kind: "touched", touch: each.touch, answered: "no", evidence: "" }); break;
        case "maintain": hand.command({ kind: "brake", brake: "maintenance", scope: "logos", forMs: 600_000, reason: "" }); break;
        case "end": hand.command({ kind: "unbrake", brake: "maintenance", scope: "logos" }); break;
      }
      for (const effect of hand.effects.slice(from)) assertRecorded(hand, effect);
    }
    const cuts = hand.edges.filter((edge) => edge.to === "off").map((edge) => `${edge.operation} ${edge.key}`);
    assert.deepEqual(cuts, [...new Set(cuts)], "one operation cuts an outlet once");
    // Everything heals.
    for (const each of ["store", "read", "act", "touch"] as const) hand.auto.add(each);
    hand.deaf.clear();
    hand.unreachable.clear();
    hand.storeFails = false;
    hand.restart();
    hand.command({ kind: "unbrake", brake: "maintenance", scope: "logos" });
    hand.keep("logos", "good", 300_000);
    assert.equal(hand.state.operations.size, 0, "nothing is open");
    assert.equal(hand.state.locks.size, 0);
    for (const [key, state] of hand.outlets) assert.ok(state === "on" || hand.record().offByOthers.includes(key), `${key} is ${state}`);
    assert.equal(hand.record().hold !== null, hand.state.alarms.has("held:logos"), "a hold has its alarm, and nothing else has");
    assert.ok(![...hand.state.alarms.keys()].some((alarm) => alarm.startsWith("cut:") || alarm.startsWith("owed-on:")));
  }), { numRuns: 300 });
});

function assertRecorded(hand: Hand, effect: Effect): void {
  if (effect.kind !== "fire") return;
  const act = hand.of("act").findLast((each) => each.act === effect.act);
  assert.ok(act !== undefined);
  const key = `${act.outlet.device}/${act.outlet.outlet}`;
  const recorded = hand.records.get(`op/${act.operation}`)?.value as Operation | undefined;
  if (act.action === "off") assert.ok(recorded?.phase === "off-sent" && recorded.sent.includes(key), `off to ${key} with the record ${JSON.stringify(recorded)}`);
  else assert.ok(recorded !== undefined, `on to ${key} with no record at all`);
}
