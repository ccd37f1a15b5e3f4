// Brakes guard the step to off and nothing else (safety.md §3). Each is put on in each phase of an operation: before the byte it
// stops the off, whatever the moment; after it power comes back all the same.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { BrakeName } from "../brakes.ts";
import { bootMs, brakesOn, FENCE_OVERRIDES, POWER_OVERRIDES } from "../brakes.ts";
import type { HostPolicy, Policy } from "../policy.ts";
import type { BrakeKind, HostRecord } from "../records.ts";
import type { HostState } from "../state.ts";
import { stamp } from "../time.ts";
import { Hand, hostPolicy, policyOf } from "./hand.ts";

const brakesOf = (hand: Hand, name = "logos") =>
  brakesOn(hand.host(name), hand.policy.hosts.get(name) as HostPolicy, hand.state, hand.policy, hand.now(), { operation: null, resumed: false });
const named = (hand: Hand, name = "logos") => brakesOf(hand, name).map((brake) => brake.name);

function change(hand: Hand, host: Partial<HostState>, name = "logos"): void {
  hand.state = { ...hand.state, hosts: hand.state.hosts.with(name, { ...hand.host(name), ...host }) };
}

function changeRecord(hand: Hand, record: Partial<HostRecord>, name = "logos"): void {
  change(hand, { record: { ...hand.record(name), ...record } }, name);
}

function changePolicy(hand: Hand, host: Partial<HostPolicy>, fleet: Partial<Policy> = {}): void {
  const known = hand.policy.hosts.get("logos") as HostPolicy;
  hand.policy = { ...hand.policy, ...fleet, hosts: new Map(hand.policy.hosts).set("logos", { ...known, ...host }) };
}

const put = (hand: Hand, brake: BrakeKind, scope = "logos", forMs: number | null = 600_000) => hand.command({ kind: "brake", brake, scope, forMs, reason: "why" });

type Putting = readonly [BrakeName, string, (hand: Hand) => void, RegExp];

/** Everything that may hold an off back, and how it comes to hold. */
const PUTTING: readonly Putting[] = [
  ["no-power", "no outlet", (hand) => changePolicy(hand, { levels: [] }), /no power outlet/],
  ["self", "this watcher's own host", (hand) => changePolicy(hand, { self: true }), /this watcher runs on it/],
  ["stopping", "SIGTERM", (hand) => (hand.state = { ...hand.state, stopping: true }), /stopping/],
  ["ledger", "the ledger fails", (hand) => {
    hand.storeFails = true;
    put(hand, "inhibit", "ethos");
  }, /disk full/],
  ["disarmed", "armed: false", (hand) => changePolicy(hand, {}, { armed: false }), /^disarmed in the configuration/],
  ["disarmed", "armed: false on the host", (hand) => changePolicy(hand, { armed: false }), /^this host is disarmed in the configuration/],
  ["disarmed", "disarmed", (hand) => put(hand, "disarmed"), /^disarmed by anna for another 10 min: why/],
  ["disarmed", "everybody disarmed", (hand) => put(hand, "disarmed", "*"), /^disarmed by anna/],
  ["maintenance", "maintenance", (hand) => put(hand, "maintenance"), /^maintenance by anna/],
  ["maintenance", "maintenance of all", (hand) => put(hand, "maintenance", "*"), /^maintenance by anna/],
  ["inhibit", "inhibit", (hand) => put(hand, "inhibit"), /^inhibit by anna/],
  ["kdump", "a crash dump", (hand) => put(hand, "kdump"), /^kdump by anna/],
  ["rebooting", "an announced reboot", (hand) => put(hand, "going-down"), /^announced reboot by anna/],
  ["wanted-off", "wanted off", (hand) => changeRecord(hand, { wanted: { state: "off", by: "anna", why: "moved", at: stamp(hand.now()) } }), /^wanted off by anna: moved/],
  ["off-by-others", "off by others", (hand) => {
    hand.outlets.set("sucker/2", "off");
    changeRecord(hand, { offByOthers: ["sucker/2"] });
  }, /^sucker\/2 was switched off by others/],
  ["never-healthy", "never healthy", (hand) => changeRecord(hand, { learned: { ...hand.record().learned, seenHealthyAt: null } }), /^never seen healthy/],
  ["held", "held after a failed cycle", (hand) => changeRecord(hand, { hold: { kind: "failed", because: "it did not come back", since: stamp(hand.now()), sticky: false } }), /^held: it did not come back/],
  ["distrusted", "a contradicted mapping", (hand) => changeRecord(hand, { hold: { kind: "contradicted", because: "it answered", since: stamp(hand.now()), sticky: true } }), /^held: it answered/],
  ["budget", "a spent budget", (hand) => changeRecord(hand, { cycles: [stamp(hand.now()), stamp(hand.now()), stamp(hand.now())] }), /^3 power cycles within 6 h/],
  ["unconfirmed", "offs never confirmed", (hand) => changeRecord(hand, { unconfirmed: [stamp(hand.now()), stamp(hand.now()), stamp(hand.now())] }), /^3 offs within 6 h/],
  ["storm", "a storm", (hand) => (hand.state = { ...hand.state, storms: new Map([["fleet", { v: 1, set: "fleet", because: "many", since: stamp(hand.now()), proceedBy: null, calmSinceMs: null, summedMs: -Infinity }]]) }), /^storm: many/],
  ["label", "the label of another host", (hand) => {
    hand.labels.set("sucker/2", "ethos");
    hand.input({ kind: "tick", key: "device/sucker" });
  }, /^sucker\/2 is labelled ethos on the device/],
];

const two = () => policyOf([hostPolicy({ name: "logos" }), hostPolicy({ name: "ethos", levels: [[{ device: "sucker", outlet: "3" }]] })]);

test("a host that is well has no brake, and each brake says why in a sentence", () => {
  assert.deepEqual(named(Hand.running(two())), []);
  for (const [name, what, act, because] of PUTTING) {
    const hand = Hand.running(two());
    act(hand);
    const found = brakesOf(hand).find((brake) => brake.name === name);
    assert.ok(found !== undefined, `${what}: ${named(hand).join()}`);
    assert.match(found.because, because, what);
  }
});

test("put on before the decision: down, refused once, and never cut", () => {
  for (const [, what, act] of PUTTING) {
    const hand = Hand.running(two());
    act(hand);
    hand.bad("logos", 5);
    hand.keep("logos", "bad", 20_000);
    assert.deepEqual(hand.bytes(), [], what);
    if (what === "the ledger fails" || what === "SIGTERM" || what === "a storm" || what === "wanted off") continue;
    assert.ok(hand.told("refused").length >= 1 && hand.told("refused").length <= 3, `${what}: ${hand.told("refused").join(" | ")}`);
  }
});

test("put on between the intent and the byte, while the device logs in: no off, and the operation ends", () => {
  for (const [name, what, act] of PUTTING) {
    const hand = Hand.running(two());
    hand.auto.delete("act");
    hand.bad("logos", 5);
    const asked = hand.last("act");
    assert.equal(hand.operation()?.phase, "intended", what);
    act(hand);
    hand.auto.add("act");
    // Only the label is seen in the reading of the act itself.
    hand.ready(asked);
    hand.advance(5_000);
    assert.deepEqual(hand.bytes(), [], what);
    if (name !== "ledger") assert.equal(hand.operation(), undefined, what);
    assert.equal(hand.record().lastEdge, null, `${what}: no edge is noted that never was`);
  }
});

test("put on between the swap and the byte: the byte does not go, and what the swap noted is taken back", () => {
  for (const [name, what, act] of PUTTING) {
    // A label is read before the swap, and not again; a ledger that fails does not commit the swap.
    if (name === "label" || name === "ledger") continue;
    const hand = Hand.running(two());
    hand.auto.delete("act");
    hand.bad("logos", 5);
    const asked = hand.last("act");
    hand.auto.delete("store");
    hand.ready(asked);
    const swap = hand.last("store");
    assert.ok(swap.writes.some((write) => write.key === "lock/sucker"), what);
    act(hand);
    hand.auto.add("act");
    hand.store("commit", swap.txn);
    assert.deepEqual(hand.bytes(), [], what);
    hand.auto.add("store");
    while (hand.state.pending.size > 0) hand.store();
    hand.advance(10_000);
    assert.deepEqual(hand.bytes(), [], what);
    assert.equal(hand.record().lastEdge, null, what);
    assert.deepEqual(hand.record().cycles.length, name === "budget" ? 3 : 0, what);
  }
});

test("put on when the host is off by our hand: power comes back on time", () => {
  for (const [, what, act] of PUTTING) {
    const hand = Hand.running(two());
    hand.bad("logos", 5);
    hand.advance(2_000);
    assert.equal(hand.operation()?.phase, "off-confirmed", what);
    act(hand);
    hand.advance(6_000);
    assert.deepEqual(hand.bytes(), ["off sucker/2", "on sucker/2"], what);
    assert.equal(hand.outlets.get("sucker/2"), "on", what);
  }
});

test("put on between the off's byte and its reading back: power comes back all the same", () => {
  for (const [, what, act] of PUTTING) {
    const hand = Hand.running(two());
    hand.auto.delete("read");
    hand.bad("logos", 5);
    assert.deepEqual(hand.bytes(), ["off sucker/2"], what);
    assert.equal(hand.operation()?.phase, "off-sent", what);
    act(hand);
    hand.auto.add("read");
    for (const read of hand.of("read").slice(-3)) hand.readings(read);
    hand.advance(15_000);
    assert.equal(hand.outlets.get("sucker/2"), "on", what);
  }
});

test("a host that is taken out of the configuration is still owed its power", () => {
  const hand = Hand.running(two());
  hand.bad("logos", 5);
  hand.advance(2_000);
  const without = new Map(hand.policy.hosts);
  without.delete("logos");
  hand.restart(1_000);
  hand.reload({ ...hand.policy, hosts: without });
  hand.advance(10_000);
  assert.deepEqual(hand.bytes(), ["off sucker/2", "on sucker/2"]);
  hand.advance(60_000);
  assert.equal(hand.state.operations.size, 0, "and its operation ends");
});

test("an ended brake frees the off, counting from zero", () => {
  for (const kind of ["disarmed", "maintenance", "inhibit"] as const) {
    for (const scope of ["logos", "*"]) {
      const hand = Hand.running(two());
      put(hand, kind, scope);
      hand.bad("logos", 9);
      assert.equal(hand.host().counter, 5);
      assert.equal(hand.command({ kind: "unbrake", brake: kind, scope })?.exit, 0);
      assert.equal(hand.host().counter, 0, `${kind} ${scope}`);
      hand.keep("logos", "bad", 20_000);
      assert.deepEqual(hand.bytes(), [], "four rounds");
      hand.keep("logos", "bad", 5_000);
      assert.deepEqual(hand.bytes(), ["off sucker/2"], "five");
    }
  }
});

// ---- brakes that are times ---------------------------------------------------------------------------------------------

test("start-up grace: startup, or a boot's time when this machine has just booted itself", () => {
  const cases: [string, number, Partial<HostPolicy>, number, number[], number][] = [
    // startup, host, uptime, learned boots, grace
    ["an old machine", 60_000, {}, 86_400_000, [], 60_000],
    ["a machine that has just booted", 60_000, {}, 20_000, [], 300_000],
    ["the moment when a boot is over", 60_000, {}, 300_000, [], 60_000],
    ["startup longer than boot", 400_000, {}, 20_000, [], 400_000],
    ["learned boots count as boot", 60_000, { bootMs: 60_000 }, 100_000, [90_000], 180_000],
    ["0s switches it off", 0, {}, 20_000, [], 0],
    ["boot 0s leaves startup", 60_000, { bootMs: 0 }, 20_000, [90_000], 60_000],
  ];
  for (const [name, startupMs, host, uptimeMs, bootsMs, graceMs] of cases) {
    const hand = Hand.running(policyOf([hostPolicy({ name: "logos", ...host })], { brakes: { startupMs, maxUnhealthy: 1, coolDownMs: 0, concurrent: 1, perHour: null } }));
    hand.uptimeMs = uptimeMs;
    hand.restart();
    changeRecord(hand, { bootsMs });
    const startedMs = hand.nowMs;
    const graced = (afterMs: number) => {
      hand.nowMs = startedMs + afterMs;
      return named(hand).includes("startup");
    };
    if (graceMs > 0) assert.ok(graced(graceMs - 1), `${name}: until ${graceMs}`);
    assert.ok(!graced(graceMs), `${name}: no longer than ${graceMs}`);
  }
});

test("start-up grace does not delay what has begun", () => {
  const hand = Hand.running();
  change(hand, {});
  hand.policy = { ...hand.policy, brakes: { ...hand.policy.brakes, startupMs: 600_000 } };
  hand.restart();
  const asked = (resumed: boolean) => brakesOn(hand.host(), hand.policy.hosts.get("logos") as HostPolicy, hand.state, hand.policy, hand.now(), { operation: null, resumed }).map((brake) => brake.name);
  assert.deepEqual([asked(false), asked(true)], [["startup"], []]);
});

test("debounce and boot run from the last edge, ours or somebody else's", () => {
  const cases: [string, Partial<HostPolicy>, number[], number, BrakeName[]][] = [
    ["both", {}, [], 39_999, ["debounce", "boot"]],
    ["debounce is over", {}, [], 40_000, ["boot"]],
    ["boot is nearly over", {}, [], 299_999, ["boot"]],
    ["boot is over", {}, [], 300_000, []],
    ["twice the longest learned boot", {}, [200_000, 10_000], 399_999, ["boot"]],
    ["and no longer", {}, [200_000, 10_000], 400_000, []],
    ["a short learned boot does not shorten it", {}, [1_000], 299_999, ["boot"]],
    ["boot 0s switches it off, whatever was learned", { bootMs: 0 }, [200_000], 40_000, []],
    ["debounce 0s", { debounceMs: 0, bootMs: 0 }, [], 0, []],
  ];
  for (const [name, host, bootsMs, ageMs, expected] of cases) {
    const hand = Hand.running(policyOf([hostPolicy({ name: "logos", ...host })]));
    changeRecord(hand, { bootsMs, lastEdge: { ...stamp(hand.now()), bootMs: hand.nowMs - ageMs } });
    assert.deepEqual(named(hand), expected, name);
  }
  assert.equal(bootMs(hostPolicy({ name: "x", bootMs: 60_000 }), { ...Hand.running().host(), record: { ...Hand.running().record(), bootsMs: [50_000] } }), 100_000);
});

test("an edge of an earlier boot of this machine does not hold for ever where nobody sets the clock", () => {
  const hand = Hand.running();
  changeRecord(hand, { lastEdge: { bootMs: 5, wallMs: hand.wallMs, bootId: "boot-0" } });
  hand.synced = false;
  hand.nowMs = 299_000;
  assert.deepEqual(named(hand), ["boot"]);
  hand.nowMs = 300_000;
  assert.deepEqual(named(hand), []);
});

test("the budget's window, and what switches it off", () => {
  const at = (hand: Hand, ...ages: number[]) => ages.map((ageMs) => ({ ...stamp(hand.now()), bootMs: hand.nowMs - ageMs }));
  const cases: [string, { cycles: number; withinMs: number }, number[], boolean][] = [
    ["left", { cycles: 3, withinMs: 900_000 }, [1, 2], false],
    ["spent", { cycles: 3, withinMs: 900_000 }, [1, 2, 3], true],
    ["one has left the window", { cycles: 3, withinMs: 900_000 }, [1, 2, 900_000], false],
    ["one is still in it", { cycles: 3, withinMs: 900_000 }, [1, 2, 899_999], true],
    ["no cycles allowed at all", { cycles: 0, withinMs: 900_000 }, [], true],
    ["a window of 0s switches it off", { cycles: 1, withinMs: 0 }, [0, 0, 0], false],
  ];
  for (const [name, budget, ages, spent] of cases) {
    for (const key of ["cycles", "unconfirmed"] as const) {
      const hand = Hand.running(policyOf([hostPolicy({ name: "logos", budget })]));
      changeRecord(hand, { [key]: at(hand, ...ages) });
      assert.equal(named(hand).includes(key === "cycles" ? "budget" : "unconfirmed"), spent, `${name}, ${key}`);
    }
  }
});

test("a budget that is spent becomes a sticky hold, with its alarm, until somebody releases it", () => {
  const hand = Hand.running();
  changeRecord(hand, { cycles: [1, 2, 3].map((n) => ({ ...stamp(hand.now()), bootMs: hand.nowMs - n })) });
  hand.bad("logos", 5);
  assert.deepEqual([hand.record().hold?.kind, hand.record().hold?.sticky], ["budget", true]);
  assert.ok(hand.state.alarms.has("held:logos"));
  hand.keep("logos", "good", 60_000);
  hand.advance(7 * 3_600_000);
  assert.equal(hand.record().hold?.kind, "budget", "neither health nor time");
  assert.equal(hand.command({ kind: "release", host: "logos" })?.exit, 0);
  assert.equal(hand.record().hold, null);
  assert.deepEqual(named(hand), []);
  assert.equal(hand.command({ kind: "release", host: "logos" })?.exit, 1);
});

test("the slot is taken from intended to on confirmed, and an on takes none", () => {
  const hand = Hand.running(policyOf([hostPolicy({ name: "logos" }), hostPolicy({ name: "ethos", levels: [[{ device: "sucker", outlet: "3" }]] })]));
  hand.auto.delete("act");
  hand.bad("logos", 5);
  assert.deepEqual(named(hand, "ethos"), ["slot"]);
  hand.auto.add("act");
  hand.ready(hand.last("act"));
  hand.advance(3_000);
  assert.equal(hand.operation()?.phase, "off-confirmed");
  assert.deepEqual(named(hand, "ethos"), ["slot"]);
  hand.advance(5_000);
  assert.equal(hand.operation()?.phase, "booting");
  assert.deepEqual(named(hand, "ethos"), []);
  const on = Hand.running(two());
  on.auto.delete("act");
  on.command({ kind: "power", host: "logos", action: "on", reason: "", again: false, confirm: null });
  assert.deepEqual(named(on, "ethos"), []);
});

test("an announced reboot holds for its time, and no longer than a boot once the host is gone", () => {
  const hand = Hand.running(policyOf([hostPolicy({ name: "logos", bootMs: 60_000 })]));
  put(hand, "going-down", "logos", 600_000);
  hand.advance(120_000);
  hand.round("logos", "good");
  assert.deepEqual(named(hand), ["rebooting"], "still there: it holds for its time");
  hand.advance(5_000);
  hand.round("logos", "bad");
  hand.keep("logos", "bad", 60_000);
  assert.deepEqual(named(hand), ["rebooting"]);
  hand.advance(1_000);
  assert.deepEqual(named(hand), []);
});

test("refused and then silent is an orderly reboot, bounded by boot; silence alone is not", () => {
  const hand = Hand.running(policyOf([hostPolicy({ name: "logos", bootMs: 60_000 })]));
  hand.round("logos", "bad", { sign: "refused", ping: "good" });
  assert.deepEqual(named(hand), [], "a refusal alone is a dead service");
  hand.advance(5_000);
  hand.round("logos", "bad");
  assert.deepEqual(named(hand), ["rebooting"]);
  for (let silent = 0; silent < 10; silent += 1) {
    hand.advance(5_000);
    hand.round("logos", "bad");
  }
  assert.deepEqual([hand.bytes(), named(hand)], [[], ["rebooting"]], "55 s");
  hand.advance(5_000);
  assert.deepEqual(named(hand), []);
  const silent = Hand.running();
  silent.round("logos", "bad");
  assert.deepEqual(named(silent), []);
});

test("what a person overrides", () => {
  const never: BrakeName[] = ["no-power", "self", "stopping", "ledger", "distrusted", "label"];
  for (const name of never) assert.ok(!FENCE_OVERRIDES.includes(name) && !POWER_OVERRIDES.includes(name), name);
  for (const name of ["maintenance", "inhibit", "wanted-off", "off-by-others", "kdump"] as const) assert.ok(!FENCE_OVERRIDES.includes(name) && POWER_OVERRIDES.includes(name), name);
  for (const name of ["startup", "never-healthy", "debounce", "storm", "budget", "disarmed"] as const) assert.ok(FENCE_OVERRIDES.includes(name), `${name} (safety.md §3.10)`);
});

test("behind: the switch is the patient until it is good again; a label of no host brakes nothing", () => {
  const policy = policyOf([
    hostPolicy({ name: "logos", behind: "switch-a" }), hostPolicy({ name: "ethos", behind: "rack-7", levels: [[{ device: "sucker", outlet: "3" }]] }),
    hostPolicy({ name: "switch-a", levels: [[{ device: "sucker", outlet: "4" }]] }),
  ]);
  const hand = Hand.running(policy);
  assert.deepEqual([named(hand), named(hand, "ethos")], [[], []]);
  for (const [outcome, braked] of [["bad", true], ["unknown", true], ["slow", false], ["good", false]] as const) {
    hand.advance(5_000);
    hand.round("switch-a", outcome);
    assert.equal(named(hand).includes("behind"), braked, outcome);
    assert.deepEqual(named(hand, "ethos"), []);
  }
  const unseen = new Hand(policy);
  unseen.start();
  assert.ok(named(unseen).includes("behind"), "nobody has looked at the switch yet");
});
