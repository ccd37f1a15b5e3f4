// Rolling reboots, told to the core exactly: what the simulator meets by chance, and what only several watchers have.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command } from "../io.ts";
import { REBOOTS } from "../policy.ts";
import type { RebootRun } from "../records.ts";
import { Hand, hostPolicy, policyOf } from "./hand.ts";
import { Site } from "./several.ts";

const START: Command = { kind: "reboots-start", hosts: null, needed: false, window: null, self: false, reason: "new kernel" };
const settings = { ...REBOOTS, means: true, settleMs: 5_000, downWithinMs: 60_000 };
const two = (change: Partial<typeof settings> = {}) => policyOf([hostPolicy({ name: "logos" }), hostPolicy({ name: "ethos", levels: [[{ device: "sucker", outlet: "3" }]] })], { reboots: { ...settings, ...change } });
const runOf = (hand: Hand): RebootRun => hand.records.get("reboots/run")?.value as RebootRun;

/** Both have served for long enough. */
function running(policy = two()): Hand {
  const hand = Hand.running(policy);
  for (let round = 0; round < 4; round += 1) {
    hand.advance(5_000);
    for (const name of policy.hosts.keys()) hand.round(name, "good");
  }
  return hand;
}

test("the order comes after its record and its brake are durable, and a storm that comes between turns it back", () => {
  const hand = running();
  hand.auto.delete("store");
  hand.command(START);
  const stored = () => {
    const effect = hand.of("store").at(-1);
    assert.ok(effect !== undefined);
    hand.input({ kind: "stored", txn: effect.txn, result: "committed", revision: (hand.revision += 1), sentMs: hand.nowMs });
    return effect;
  };
  stored();
  assert.deepEqual(hand.of("order"), []);
  const recorded = stored();
  assert.deepEqual(recorded.writes.map(({ key }) => key), ["reboots/run", "brake/going-down/logos"]);
  assert.deepEqual(hand.of("order").map(({ host, order, again }) => [host, order, again]), [["logos", "reboot", false]]);
});

test("after a restart the order is given again to who knows its name, and not where somebody has ended the brake meanwhile", () => {
  for (const unbrake of [false, true]) {
    const hand = running();
    hand.command(START);
    const [order] = hand.of("order");
    assert.ok(order !== undefined);
    hand.restart();
    const before = hand.of("order").length;
    if (unbrake) assert.equal(hand.command({ kind: "unbrake", brake: "going-down", scope: "logos" })?.exit, 0);
    for (let round = 0; round < 5; round += 1) {
      hand.advance(5_000);
      for (const name of ["logos", "ethos"]) hand.round(name, "good");
    }
    assert.deepEqual(hand.of("order").slice(before).map(({ id, again }) => [id, again]), unbrake ? [] : [[order.id, true]]);
  }
});

test("a host that comes back in the same boot has not rebooted", () => {
  const hand = running();
  hand.input({ kind: "boot", host: "logos", boot: { bootId: "b1", pending: null } });
  hand.command(START);
  const order = hand.of("order")[0];
  assert.ok(order !== undefined);
  hand.input({ kind: "ordered", host: "logos", order: order.id, outcome: "done", evidence: "exit 0" });
  hand.advance(5_000);
  hand.round("logos", "bad");
  hand.input({ kind: "boot", host: "logos", boot: null });
  hand.advance(5_000);
  hand.input({ kind: "boot", host: "logos", boot: { bootId: "b1", pending: null } });
  hand.keep("logos", "good", 20_000);
  assert.equal(runOf(hand).state, "held");
  assert.match(runOf(hand).because, /did not reboot: it is still in boot b1/);
  assert.ok(hand.of("alarm").some(({ alarm }) => alarm.alarm === "reboots:run"));
});

test("another boot by the agent's word is enough, although nobody saw it down", () => {
  const hand = running();
  hand.input({ kind: "boot", host: "logos", boot: { bootId: "b1", pending: "a new kernel" } });
  hand.command({ ...START, hosts: ["logos"] });
  hand.advance(3_000);
  hand.input({ kind: "boot", host: "logos", boot: { bootId: "b2", pending: null } });
  hand.keep("logos", "good", 30_000);
  assert.deepEqual(runOf(hand).done.map(({ host, outcome }) => [host, outcome]), [["logos", "rebooted"]]);
  assert.equal(runOf(hand).state, "ended");
});

test("only who needs one, and nobody whom nothing can reboot", () => {
  const hand = running(two({ means: false }));
  assert.equal(hand.command(START)?.exit, 4);
  assert.match(hand.reply()?.text ?? "", /nothing can reboot logos, ethos/);
  assert.equal(hand.command({ ...START, needed: true })?.exit, 1);
  hand.input({ kind: "boot", host: "ethos", boot: { bootId: "b1", pending: "a new kernel" } });
  assert.equal(hand.command({ ...START, needed: true })?.exit, 0);
  assert.match(hand.reply()?.text ?? "", /of 1 host, one at a time: ethos; whether logos needs one is not known/);
  assert.deepEqual(hand.of("order").map(({ host }) => host), ["ethos"]);
});

test("what a host announces while it goes down changes nothing about the brake", () => {
  const hand = running();
  hand.command(START);
  const before = hand.records.get("brake/going-down/logos")?.value;
  assert.equal(hand.command({ kind: "brake", brake: "going-down", scope: "logos", forMs: 5_000, reason: "shutdown" })?.exit, 0);
  assert.deepEqual(hand.records.get("brake/going-down/logos")?.value, before);
});

test("nobody is taken away beside one that is held, and the reason is told once", () => {
  const hand = running();
  hand.command({ kind: "brake", brake: "maintenance", scope: "ethos", forMs: 3_600_000, reason: "disk" });
  hand.command({ ...START, hosts: ["logos"] });
  hand.keep("logos", "good", 20_000);
  assert.deepEqual(hand.of("order"), []);
  assert.deepEqual(hand.told("reboots").filter((line) => line.includes("has to wait")), ["logos has to wait: ethos is under maintenance"]);
  hand.command({ kind: "unbrake", brake: "maintenance", scope: "ethos" });
  hand.keep("logos", "good", 10_000);
  assert.deepEqual(hand.of("order").map(({ host }) => host), ["logos"]);
});

test("several watchers: the one in charge dies in the middle, another one goes on and tells nobody a second time as if it were new", () => {
  const site = Site.running(3, [hostPolicy({ name: "logos", probes: [{ id: "ssh", counts: true }], bootMs: 120_000 })], { reboots: { ...settings, downWithinMs: 120_000 } });
  const { holder } = site;
  const another = site.watchers.find((watcher) => watcher !== holder);
  assert.ok(another !== undefined);
  assert.equal(another.ask(START).exit, 0);
  site.until(() => holder.of("order").length > 0, 30_000);
  site.wedge("logos");
  site.until(() => (site.store.get("reboots/run")?.value as RebootRun).turn?.phase === "gone", 30_000);
  holder.kill();
  site.pass(20_000);
  site.heal("logos");
  site.until(() => (site.store.get("reboots/run")?.value as RebootRun).state === "ended", 200_000);
  assert.deepEqual((site.store.get("reboots/run")?.value as RebootRun).done.map(({ outcome }) => outcome), ["rebooted"]);
  assert.deepEqual(site.watchers.flatMap((watcher) => watcher.of("order")).map(({ again }) => again), [false]);
  assert.deepEqual(site.offs(), []);
});
