import assert from "node:assert/strict";
import { test } from "node:test";
import type { DevicePolicy, Policy } from "../core/policy.ts";
import type { Operation } from "../core/records.ts";
import { Hand, hostPolicy, policyOf } from "../core/test/hand.ts";
import { reloadProblems } from "./reload.ts";

const hosts = () => [hostPolicy({ name: "logos", levels: [[{ device: "bmc", outlet: "1" }], [{ device: "p1", outlet: "5" }, { device: "p2", outlet: "5" }]] }), hostPolicy({ name: "ethos", levels: [[{ device: "p1", outlet: "6" }]] })];

function cutting(): Hand {
  const hand = Hand.running(policyOf(hosts()));
  hand.bad("logos", 5);
  hand.advance(2_000);
  assert.equal(hand.operation()?.phase, "off-confirmed");
  return hand;
}

const withoutHost = (policy: Policy, name: string): Policy => ({ ...policy, hosts: new Map([...policy.hosts].filter(([each]) => each !== name)) });
const withDevice = (policy: Policy, name: string, change: Partial<DevicePolicy> | null): Policy => {
  const devices = new Map(policy.devices);
  const known = devices.get(name) as DevicePolicy;
  if (change === null) devices.delete(name);
  else devices.set(name, { ...known, ...change });
  return { ...policy, devices };
};

test("with nothing open, anything may change", () => {
  const hand = Hand.running(policyOf(hosts()));
  for (const after of [withoutHost(hand.policy, "logos"), withDevice(hand.policy, "bmc", null), withDevice(hand.policy, "p1", { address: "10.0.0.99" }), policyOf([])]) {
    assert.deepEqual(reloadProblems(hand.state, hand.policy, after), []);
  }
});

test("what an open operation acts on may not be taken away, and each reason is a sentence", () => {
  const hand = cutting();
  const problems = (after: Policy) => reloadProblems(hand.state, hand.policy, after);
  const cases: [string, Policy, readonly string[]][] = [
    ["nothing changes", hand.policy, []],
    ["its host", withoutHost(hand.policy, "logos"), ["logos cannot be removed while operation 1 (cycle, off-confirmed) is open: wait for its end, or confirm-off after looking"]],
    ["another host", withoutHost(hand.policy, "ethos"), []],
    ["its device", withDevice(hand.policy, "bmc", null), ["the power device bmc cannot be removed while operation 1 (cycle, off-confirmed) of logos is open: it acts on bmc/1"]],
    ["a device of the next level", withDevice(hand.policy, "p2", null), ["the power device p2 cannot be removed while operation 1 (cycle, off-confirmed) of logos is open: it acts on p2/5"]],
    ["its device moves", withDevice(hand.policy, "bmc", { address: "10.0.0.99" }), ["the power device bmc cannot be moved from bmc to 10.0.0.99 while operation 1 (cycle, off-confirmed) of logos is open: it acts on bmc/1"]],
    ["its device is another kind", withDevice(hand.policy, "bmc", { driver: "command" }), ["the power device bmc cannot be changed from apc to command while operation 1 (cycle, off-confirmed) of logos is open: it acts on bmc/1"]],
    ["its device's times change", withDevice(hand.policy, "bmc", { maxActMs: 5_000, checkEveryMs: 1_000, exclusiveSession: false }), []],
    ["the host's outlets and hash change", { ...hand.policy, hosts: new Map(hand.policy.hosts).set("logos", hostPolicy({ name: "logos", hash: "h2", levels: [[{ device: "p1", outlet: "9" }]] })) }, []],
    ["disarmed", { ...hand.policy, armed: false }, []],
  ];
  for (const [name, after, expected] of cases) assert.deepEqual(problems(after), expected, name);
  assert.equal(problems(withDevice(withoutHost(hand.policy, "logos"), "bmc", null)).length, 2, "all of them at once");
});

test("what was broken before forbids no reload: it may be the one that sets it right", () => {
  const hand = cutting();
  const broken = withDevice(hand.policy, "bmc", { address: "10.0.0.99" });
  assert.deepEqual(reloadProblems(hand.state, broken, broken), []);
  assert.deepEqual(reloadProblems(hand.state, broken, hand.policy), []);
  assert.deepEqual(reloadProblems(hand.state, withDevice(hand.policy, "bmc", null), hand.policy), []);
  assert.deepEqual(reloadProblems(hand.state, withoutHost(hand.policy, "logos"), withoutHost(hand.policy, "logos")), []);
});

test("a policy that is not refused carries the operation to its end on what it recorded", () => {
  const hand = cutting();
  const after = { ...hand.policy, hosts: new Map(hand.policy.hosts).set("logos", hostPolicy({ name: "logos", hash: "h2", levels: [[{ device: "p1", outlet: "9" }]] })) };
  assert.deepEqual(reloadProblems(hand.state, hand.policy, after), []);
  hand.reload(after);
  hand.advance(20_000);
  assert.deepEqual(hand.bytes(), ["off bmc/1", "on bmc/1"]);
});

test("every open operation is looked at, by whomever it was asked", () => {
  const hand = cutting();
  const second: Operation = { ...(hand.operation() as Operation), id: 99, host: "ethos", kind: "on", phase: "on-sent", levels: [[{ device: "p1", outlet: "6", driver: "apc", address: "p1", maxActMs: 30_000, exclusiveSession: true }]] };
  const state = { ...hand.state, operations: new Map(hand.state.operations).set(99, second) };
  const problems = reloadProblems(state, hand.policy, policyOf([]));
  assert.deepEqual(problems.map((problem) => problem.split(" cannot")[0]), ["logos", "the power device bmc", "the power device p1", "the power device p2", "ethos", "the power device p1"]);
});
