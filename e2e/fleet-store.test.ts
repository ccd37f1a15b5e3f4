// Too few watchers, and too little of the store: nothing is cut by one of three or without a quorum, and it is said; what is owed
// is paid all the same, also by the watcher whose cut took the quorum with it. A store that was wiped disarms everybody.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fleetRefusal } from "../lab/fleet.ts";
import type { FleetWatcher } from "../lab/fleet.ts";
import { backInService, cutOnce, edge, guardedEverywhere, hostAt, inCharge, notCut, others, PATIENCE_MS, senderOf, SETTINGS, statusAt, TEMPTED_MS, TTL_MS } from "./several.ts";
import { expect, onTime, Stage } from "./stage.ts";
import { recordsOf, until } from "./watching.ts";

describe("too few watchers", { skip: fleetRefusal() }, () => {
  const stage = new Stage();
  after(() => stage.end());

  test("two of three still cut", () => stage.play(async (fleet, host, mark) => {
    const actor = await inCharge(fleet, host);
    await actor.kill();
    await guardedEverywhere(fleet, [host], PATIENCE_MS, others(fleet, actor));
    await fleet.host(host).wedge("frozen");
    await backInService(fleet, host, mark);
  }));

  test("one of three does not, says that nothing is guarded, and does when a person has forgotten the dead", () => stage.play(async (fleet, host, mark) => {
    const actor = await inCharge(fleet, host);
    const [alone, third] = others(fleet, actor) as readonly [FleetWatcher, FleetWatcher];
    await Promise.all([actor.kill(), third.kill()]);
    await fleet.host(host).wedge("frozen");
    await until("it is in charge, and sees it down", async () => {
      const seen = await hostAt(alone, host);
      return seen?.inCharge === alone.name && seen.verdict === "down";
    }, PATIENCE_MS, 100);
    await sleep(TEMPTED_MS);
    notCut(fleet, mark);
    const status = await statusAt(alone);
    assert.match(status?.guarded ?? "", /^0 of 3/);
    assert.match(status?.hosts.find((each) => each.host === host)?.why ?? "", /1 of 3 observers can judge it, 2 are needed/);
    assert.equal((await expect(alone, 1, "status")).code, 1);
    for (const dead of [actor, third]) await expect(alone, 0, "watcher", "forget", dead.name);
    await edge(fleet, host, "off", mark);
    await backInService(fleet, host, mark);
    // They come back, count again when they have looked themselves, and nothing is cut for it.
    await Promise.all([actor.start(), third.start()]);
    await until("three observers again", async () => (await hostAt(alone, host))?.need === 2, PATIENCE_MS, 250);
    await guardedEverywhere(fleet);
    cutOnce(fleet, host, mark);
  }));

  test("a living watcher cannot be forgotten", () => stage.play(async (fleet) => {
    const [one, two] = fleet.watchers as readonly [FleetWatcher, FleetWatcher];
    const ran = await one.upkeep("watcher", "forget", two.name);
    assert.notEqual(ran.code, 0, ran.stdout);
    await guardedEverywhere(fleet);
  }));

  test("lone: act: the last of three cuts alone", async () => {
    const lone = new Stage({ settings: SETTINGS.replace("lone: hold", "lone: act") });
    try {
      await lone.play(async (fleet, host, mark) => {
        const actor = await inCharge(fleet, host);
        const [alone, third] = others(fleet, actor) as readonly [FleetWatcher, FleetWatcher];
        await Promise.all([actor.kill(), third.kill()]);
        await fleet.host(host).wedge("frozen");
        assert.equal(senderOf(fleet, await edge(fleet, host, "off", mark)), alone.name);
        await edge(fleet, host, "on", mark);
      });
    } finally {
      await lone.end();
    }
  });
});

describe("without the store", { skip: fleetRefusal() }, () => {
  const stage = new Stage({ carries: { logos: "etcd1" } });
  after(() => stage.end());

  test("a host that carries a member of the store, and its quorum: cut, and switched on without the store", (t) => stage.play(async (fleet, _, mark) => {
    const host = "logos";
    // The other of three is lost already: with this host goes the quorum.
    await fleet.store.members.find((each) => each.name === "etcd2")?.kill();
    await guardedEverywhere(fleet, [host]);
    await fleet.host(host).wedge("sshd-stopped");
    const off = await edge(fleet, host, "off", mark);
    await fleet.store.members.find((each) => each.name === "etcd3")?.freeze();
    const on = await edge(fleet, host, "on", mark);
    assert.equal(senderOf(fleet, on), senderOf(fleet, off), "by the watcher that let it go off");
    t.diagnostic(`without power for ${onTime(fleet, host, mark)} ms`);
    await fleet.heal();
    await backInService(fleet, host, mark);
  }));

  test("no quorum: nothing is cut; it is when the store is back", () => stage.play(async (fleet, _, mark) => {
    const host = "ethos";
    for (const name of ["etcd2", "etcd3"]) await fleet.store.members.find((each) => each.name === name)?.kill();
    await fleet.host(host).wedge("frozen");
    await sleep(TEMPTED_MS);
    notCut(fleet, mark);
    for (const watcher of fleet.watchers) {
      const status = await statusAt(watcher);
      assert.equal(status?.store?.ok, false, watcher.name);
      assert.match(status?.guarded ?? "", /^0 of 3/, watcher.name);
    }
    await fleet.heal();
    await backInService(fleet, host, mark);
  }));

  test("all members gone for longer than the lease, and back: nothing is cut, everything is guarded again", () => stage.play(async (fleet, _, mark) => {
    for (const member of fleet.store.members) await member.kill();
    await sleep(3 * TTL_MS);
    await fleet.heal();
    await guardedEverywhere(fleet);
    notCut(fleet, mark);
  }));

  test("wiped while running: disarmed, a person is called, no command; armed again, it cuts", () => stage.play(async (fleet, _, mark) => {
    const host = "pathos";
    await Promise.all(fleet.store.members.map((member) => member.kill()));
    await Promise.all(fleet.store.members.map((member) => member.start({ wiped: true })));
    await fleet.store.leader();
    await until("time went back, everywhere", async () => {
      const all = await Promise.all(fleet.watchers.map((watcher) => statusAt(watcher)));
      return all.every((status) => status?.alarms.some((alarm) => alarm.kind === "time-went-back") && status.brakes.some((brake) => brake.brake === "disarmed"));
    }, PATIENCE_MS, 250);
    // With the store went what was ever seen healthy; it has to be seen again before anything could be cut.
    await until("seen healthy again", async () => (await Promise.all(fleet.watchers.map((watcher) => hostAt(watcher, host)))).every((each) => each?.verdict === "up"), PATIENCE_MS, 100);
    await fleet.host(host).wedge("frozen");
    await sleep(TEMPTED_MS);
    notCut(fleet, mark);
    await expect(fleet.watchers[0] as FleetWatcher, 0, "arm", "--all");
    await backInService(fleet, host, mark);
    assert.equal(recordsOf(fleet.records.slice(mark), "edge").length, 2);
  }));
});
