// Several watchers, and what lies between them and the store, the hosts and the PDU is cut: both ways, one way, in part. Whoever
// is cut off from something leaves it to another; what is seen from one place only is a disagreement, and no reason to cut.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fleetRefusal } from "../lab/fleet.ts";
import type { Fleet, FleetWatcher } from "../lab/fleet.ts";
import { backInService, edge, guardedEverywhere, hostAt, inCharge, notCut, others, PATIENCE_MS, senderOf, statusAt, TEMPTED_MS } from "./several.ts";
import { onTime, Stage } from "./stage.ts";
import { until } from "./watching.ts";

describe("cut off", { skip: fleetRefusal() }, () => {
  const stage = new Stage();
  after(() => stage.end());

  test("from the PDU: another takes over and cuts", (t) => stage.play(async (fleet, host, mark) => {
    const actor = await inCharge(fleet, host);
    const mend = await fleet.faults.part(actor.node.name, "sucker");
    await fleet.host(host).wedge("frozen");
    const off = await edge(fleet, host, "off", mark);
    assert.notEqual(senderOf(fleet, off), actor.name);
    await backInService(fleet, host, mark);
    assert.notEqual((await hostAt(actor, host))?.inCharge, actor.name, "handed over");
    // What it says lasts a while: nobody may look whether it is still so but the one in charge.
    assert.deepEqual((await statusAt(actor))?.watchers.find((each) => each.self)?.cannot, ["sucker"]);
    await mend();
    t.diagnostic(`cut by ${senderOf(fleet, off)}, without power for ${onTime(fleet, host, mark)} ms`);
  }));

  test("from the PDU between off and on: another switches it on", (t) => stage.play(async (fleet, host, mark) => {
    const actor = await inCharge(fleet, host);
    await fleet.host(host).wedge("frozen");
    await edge(fleet, host, "off", mark);
    await fleet.faults.part(actor.node.name, "sucker");
    const on = await edge(fleet, host, "on", mark);
    t.diagnostic(`on by ${senderOf(fleet, on)} (cut off: ${actor.name})`);
    await backInService(fleet, host, mark);
  }));

  test("from the host only: it is not cut, and the disagreement is shown", () => stage.play(async (fleet, host, mark) => {
    const actor = await inCharge(fleet, host);
    const mend = await fleet.faults.part(actor.node.name, host);
    await until("it says down, and the others up", async () => {
      const seen = await hostAt(actor, host);
      const says = new Map(seen?.observers.map((each) => [each.watcher, each.says]));
      return says.get(actor.name) === "down" && others(fleet, actor).every((each) => says.get(each.name) === "up");
    }, PATIENCE_MS, 100);
    await sleep(TEMPTED_MS);
    notCut(fleet, mark);
    for (const watcher of fleet.watchers) {
      const status = await statusAt(watcher);
      assert.ok(status?.alarms.some((alarm) => alarm.kind === "disagreement"), `${watcher.name}: ${JSON.stringify(status?.alarms.map((alarm) => alarm.alarm))}`);
    }
    await mend();
    await guardedEverywhere(fleet);
    await until("the alarm is over", async () => (await statusAt(actor))?.alarms.every((alarm) => alarm.kind !== "disagreement"), PATIENCE_MS, 250);
    notCut(fleet, mark);
  }));

  test("one that is not in charge, from the host: nothing is cut, and a host that two see down is", () => stage.play(async (fleet, host, mark) => {
    const actor = await inCharge(fleet, host);
    const [other] = others(fleet, actor) as readonly [FleetWatcher];
    await fleet.faults.part(other.node.name, host);
    await sleep(TEMPTED_MS);
    notCut(fleet, mark);
    await fleet.host(host).wedge("sshd-stopped");
    await edge(fleet, host, "off", mark);
    await edge(fleet, host, "on", mark);
    await fleet.faults.mendAll();
    await backInService(fleet, host, mark);
  }));

  for (const way of ["both ways", "towards the store", "from the store"] as const) {
    test(`the one in charge from the store, ${way}: another takes over`, (t) => stage.play(async (fleet, host, mark) => {
      const actor = await inCharge(fleet, host);
      const { faults, store } = fleet;
      await Promise.all(store.members.map((member) => (way === "both ways" ? faults.part(actor.node.name, member.name)
        : way === "towards the store" ? faults.cut(actor.node.name, member.name) : faults.cut(member.name, actor.node.name))));
      await fleet.host(host).wedge("frozen");
      const off = await edge(fleet, host, "off", mark);
      assert.notEqual(senderOf(fleet, off), actor.name);
      await edge(fleet, host, "on", mark);
      const status = await statusAt(actor);
      assert.equal(status?.store?.ok, false, "it says that it does not reach the store");
      assert.match(status?.guarded ?? "", /^0 of/);
      await faults.mendAll();
      await backInService(fleet, host, mark);
      t.diagnostic(`without power for ${onTime(fleet, host, mark)} ms`);
    }));
  }

  test("the one in charge from the store after its off: on again all the same, once", (t) => stage.play(async (fleet, host, mark) => {
    const actor = await inCharge(fleet, host);
    await fleet.host(host).wedge("frozen");
    const off = await edge(fleet, host, "off", mark);
    await fleet.cutFromStore(actor.node.name);
    const on = await edge(fleet, host, "on", mark);
    t.diagnostic(`on by ${senderOf(fleet, on)} after ${Math.round(on.monoMs - off.monoMs)} ms`);
    await fleet.host(host).serving();
    await fleet.faults.mendAll();
    await backInService(fleet, host, mark);
  }));

  test("half of the packets between the one in charge and the PDU, and a third of those to the store, are lost", (t) => stage.play(async (fleet, host, mark) => {
    const actor = await inCharge(fleet, host);
    const { faults, store } = fleet;
    await Promise.all([faults.lose(actor.node.name, "sucker", 0.3), faults.lose("sucker", actor.node.name, 0.3), ...store.members.map((member) => faults.lose(actor.node.name, member.name, 0.3))]);
    await fleet.host(host).wedge("frozen");
    await edge(fleet, host, "off", mark, 2 * PATIENCE_MS);
    await edge(fleet, host, "on", mark);
    await faults.mendAll();
    await backInService(fleet, host, mark);
    t.diagnostic(`without power for ${onTime(fleet, host, mark)} ms`);
  }));

  test("the leader of the store from its members: the fleet goes on", () => stage.play(async (fleet, host, mark) => {
    const leader = await fleet.store.leader();
    const mend = await fleet.store.isolate(leader.name);
    await fleet.host(host).wedge("frozen");
    await edge(fleet, host, "off", mark);
    await edge(fleet, host, "on", mark);
    await mend();
    await backInService(fleet, host, mark);
  }));

  test("a member of the store killed and one stopped, one after the other, while a host is cut", () => stage.play(async (fleet, host, mark) => {
    const [first, second] = fleet.store.members as readonly [Fleet["store"]["members"][number], Fleet["store"]["members"][number]];
    await first.kill();
    await fleet.host(host).wedge("frozen");
    await edge(fleet, host, "off", mark);
    await first.start();
    await fleet.store.leader();
    await second.freeze();
    await edge(fleet, host, "on", mark);
    second.thaw();
    await backInService(fleet, host, mark);
  }));
});
