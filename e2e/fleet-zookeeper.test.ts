// The same on ZooKeeper: the fleet does not care which of the two it is. What the driver does when members fail is tried in
// lab/zookeeper-cluster.test.ts, what a fleet does on a store in the other tests; here the two meet.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { fleetRefusal, zookeeperStore } from "../lab/fleet.ts";
import type { FleetWatcher } from "../lab/fleet.ts";
import { zookeeperLacking } from "../lab/zookeeper.ts";
import { backInService, edge, guardedEverywhere, inCharge, others, phaseAt, senderOf, statusAt } from "./several.ts";
import { Stage } from "./stage.ts";

describe("several watchers on ZooKeeper", { skip: zookeeperLacking() || fleetRefusal() }, () => {
  const stage = new Stage({ store: (network) => zookeeperStore(network) });
  after(() => stage.end());

  test("three guard 3 of 3; a wedged host is cut once by the one in charge", () => stage.play(async (fleet, host, mark) => {
    await guardedEverywhere(fleet);
    const actor = await inCharge(fleet, host);
    await fleet.host(host).wedge("frozen");
    assert.equal(senderOf(fleet, await edge(fleet, host, "off", mark)), actor.name);
    await backInService(fleet, host, mark);
  }));

  test("the acting watcher is killed after its off: another switches on", (t) => stage.play(async (fleet, host, mark) => {
    const actor = await inCharge(fleet, host);
    const [seer] = others(fleet, actor) as readonly [FleetWatcher];
    await fleet.host(host).wedge("frozen");
    await phaseAt(seer, host, ["off-sent", "off-confirmed"]);
    await actor.kill();
    const on = await edge(fleet, host, "on", mark);
    t.diagnostic(`on by ${senderOf(fleet, on)}, off by ${actor.name}`);
    await backInService(fleet, host, mark);
  }));

  test("the one in charge is cut off from the store: another takes over", () => stage.play(async (fleet, host, mark) => {
    const actor = await inCharge(fleet, host);
    await fleet.cutFromStore(actor.node.name);
    await fleet.host(host).wedge("frozen");
    assert.notEqual(senderOf(fleet, await edge(fleet, host, "off", mark)), actor.name);
    await edge(fleet, host, "on", mark);
    assert.equal((await statusAt(actor))?.store?.ok, false);
    await fleet.faults.mendAll();
    await backInService(fleet, host, mark);
  }));

  test("the leader of the store is killed while a host is cut", () => stage.play(async (fleet, host, mark) => {
    await fleet.host(host).wedge("frozen");
    await edge(fleet, host, "off", mark);
    const leader = await fleet.store.leader();
    await leader.kill();
    await edge(fleet, host, "on", mark);
    await leader.start();
    await backInService(fleet, host, mark);
  }));
});
