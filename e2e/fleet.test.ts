// Several watchers, one power cycle: three real watchers, a real store of three members, machines with real sshd, one PDU with
// one session. Watchers are killed and stopped in the middle of the operation; people ask the one that is not in charge. The
// PDU's own log says whether it was once.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fleetRefusal } from "../lab/fleet.ts";
import type { FleetWatcher } from "../lab/fleet.ts";
import { lacking } from "../lab/third-party.ts";
import { backInService, cutOnce, edge, edgesAt, EVERY_MS, guardedEverywhere, hostAt, inCharge, incidentsAnywhere, LOGIN_MS, MAX_ACT_MS, notCut, others, OWED_MS, PATIENCE_MS, phaseAt, senderOf, statusAt, TEMPTED_MS, THRESHOLD, TIMEOUT_MS, TTL_MS } from "./several.ts";
import { expect, onTime, Stage } from "./stage.ts";
import { until } from "./watching.ts";

/** So slow a PDU leaves the time to see an operation in each of its phases, and to strike there. */
const SLOWLY_MS = 150;
const FAKETIME = ["/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1"].find(existsSync);

describe("several watchers", { skip: fleetRefusal() }, () => {
  const stage = new Stage();
  after(() => stage.end());

  test("three guard 3 of 3, and each says so, who the others are and who is in charge", () => stage.play(async (fleet) => {
    await guardedEverywhere(fleet);
    await until("all three count", async () => (await Promise.all(fleet.watchers.map(statusAt))).every((status) => status?.watchers.length === 3 && status.watchers.every((each) => each.ready)), PATIENCE_MS, 100);
    const statuses = await Promise.all(fleet.watchers.map(async (watcher) => {
      const status = await statusAt(watcher);
      assert.ok(status !== null, `${watcher.name} answers`);
      return status;
    }));
    const names = fleet.watchers.map((watcher) => watcher.name).toSorted();
    for (const [n, status] of statuses.entries()) {
      const own = fleet.watchers[n]?.name;
      assert.equal(status.guarded, "3 of 3");
      assert.deepEqual(status.watchers.map((each) => each.watcher).toSorted(), names);
      assert.ok(status.watchers.every((each) => each.alive && each.ready && !each.blind && each.cannot.length === 0), JSON.stringify(status.watchers));
      assert.deepEqual(status.watchers.filter((each) => each.self).map((each) => each.watcher), [own]);
      assert.equal(status.store?.ok, true);
      assert.deepEqual(status.watchers.map((each) => each.observes), [3, 3, 3]);
      for (const host of status.hosts) {
        assert.equal(host.need, 2, host.host);
        assert.deepEqual(host.observers.map((each) => each.watcher).toSorted(), names, host.host);
        assert.ok(names.includes(host.inCharge ?? ""), `${host.host}: in charge ${host.inCharge}`);
      }
      assert.deepEqual(status.hosts.map((host) => host.inCharge), statuses[0]?.hosts.map((host) => host.inCharge), "all name the same");
      assert.deepEqual(status.alarms, []);
    }
    // One device: one watcher is in charge of all that hangs on it.
    assert.equal(new Set(statuses[0]?.hosts.map((host) => host.inCharge)).size, 1);
    const { stdout } = await expect(fleet.watchers[0] as FleetWatcher, 0, "status");
    assert.match(stdout, /^guarded 3 of 3/);
    for (const name of names) assert.ok(stdout.includes(name), stdout);
    const listed = await expect(fleet.watchers[1] as FleetWatcher, 0, "watcher", "list");
    for (const name of names) assert.ok(listed.stdout.includes(name), listed.stdout);
  }));

  test("a wedged host: one off, one on, by the one in charge; the incident is closed at every watcher", (t) => stage.play(async (fleet, host, mark) => {
    const actor = await inCharge(fleet, host);
    const diedMs = Date.now();
    await fleet.host(host).wedge("frozen");
    const off = await edge(fleet, host, "off", mark);
    t.diagnostic(`off ${off.wallMs - diedMs} ms after its death`);
    assert.ok(off.wallMs - diedMs <= (THRESHOLD + 2) * EVERY_MS + TIMEOUT_MS + LOGIN_MS + 6_000, `${off.wallMs - diedMs} ms`);
    await backInService(fleet, host, mark);
    assert.equal(senderOf(fleet, off), actor.name);
    t.diagnostic(`without power for ${onTime(fleet, host, mark)} ms`);
    const incidents = [...(await incidentsAnywhere(fleet, host)).values()];
    assert.deepEqual(incidents.map((each) => each.outcome), ["recovered"]);
    const everywhere = await Promise.all(fleet.watchers.map(async (watcher) => (await hostAt(watcher, host))?.inCharge));
    assert.equal(new Set(everywhere).size, 1);
  }));

  describe("the acting watcher is killed (kill -9), and another finishes", () => {
    const killed = (phases: readonly string[]) => (t: { diagnostic(text: string): void }) => stage.play(async (fleet, host, mark) => {
      const actor = await inCharge(fleet, host);
      const [seer] = others(fleet, actor) as readonly [FleetWatcher];
      await fleet.pdu.faults({ answerDelayMs: SLOWLY_MS });
      await fleet.host(host).wedge("frozen");
      const phase = await phaseAt(seer, host, phases);
      await actor.kill();
      await fleet.pdu.faults({ answerDelayMs: 0 });
      const killedMs = Number(process.hrtime.bigint()) / 1e6;
      const off = await edge(fleet, host, "off", mark);
      const on = await edge(fleet, host, "on", mark);
      const moved = off.monoMs > killedMs ? off : on;
      t.diagnostic(`${phase}: ${moved.state} ${Math.round(moved.monoMs - killedMs)} ms after the kill`);
      await backInService(fleet, host, mark);
      onTime(fleet, host, mark);
      if (off.monoMs > killedMs) assert.notEqual(senderOf(fleet, off), actor.name, "off by another");
      if (on.monoMs > killedMs) assert.notEqual(senderOf(fleet, on), actor.name, "on by another");
      assert.ok(moved.monoMs - killedMs <= OWED_MS + (moved === off ? 4 * EVERY_MS : 0), `${moved.state} ${moved.monoMs - killedMs} ms after the kill`);
    });

    test("when the intent is written", killed(["intended"]));
    test("when the off is sent", killed(["off-sent"]));
    test("when the off is confirmed", killed(["off-confirmed", "on-sent"]));
    test("right after the off edge", (t) => stage.play(async (fleet, host, mark) => {
      const actor = await inCharge(fleet, host);
      let killedMs = 0;
      const ends = fleet.onRecord((record) => {
        if (record.kind !== "edge" || record.state !== "off" || killedMs > 0) return;
        killedMs = record.monoMs;
        void actor.kill();
      });
      await fleet.host(host).wedge("frozen");
      const off = await edge(fleet, host, "off", mark);
      ends();
      const on = await edge(fleet, host, "on", mark);
      t.diagnostic(`on ${Math.round(on.monoMs - off.monoMs)} ms after off and kill`);
      assert.notEqual(senderOf(fleet, on), actor.name);
      await backInService(fleet, host, mark);
      onTime(fleet, host, mark);
    }));
    test("while its off is still in the cable", (t) => stage.play(async (fleet, host, mark) => {
      const actor = await inCharge(fleet, host);
      // In the menus the last word of an act is YES; it is the first YES that is late.
      await fleet.pdu.faults({ hold: { ms: 2_500, match: "YES", times: 1 } });
      let killed: Promise<void> | null = null;
      const ends = fleet.onRecord((record) => {
        if (record.kind === "held") killed ??= actor.kill();
      });
      await fleet.host(host).wedge("frozen");
      await edge(fleet, host, "off", mark);
      ends();
      await fleet.pdu.faults({ hold: null });
      assert.ok(killed !== null, "the act was held in the cable");
      await backInService(fleet, host, mark);
      t.diagnostic(`without power for ${onTime(fleet, host, mark)} ms`);
    }));
  });

  describe("the acting watcher is stopped (SIGSTOP) for longer than its lease, and goes on", () => {
    const stopped = (phases: readonly string[], forMs: number) => (t: { diagnostic(text: string): void }) => stage.play(async (fleet, host, mark) => {
      const actor = await inCharge(fleet, host);
      const [seer] = others(fleet, actor) as readonly [FleetWatcher];
      await fleet.pdu.faults({ answerDelayMs: SLOWLY_MS });
      await fleet.host(host).wedge("frozen");
      const phase = await phaseAt(seer, host, phases);
      actor.pause();
      await fleet.pdu.faults({ answerDelayMs: 0 });
      const took = edgesAt(fleet, host, mark).length;
      await sleep(forMs);
      t.diagnostic(`${phase}: ${took} edges before the stop, ${edgesAt(fleet, host, mark).length} before it goes on`);
      actor.resume();
      await backInService(fleet, host, mark);
      // What it had in its hand would have come by now.
      await sleep(MAX_ACT_MS);
      cutOnce(fleet, host, mark);
    });

    test("when the intent is written", stopped(["intended"], TTL_MS + MAX_ACT_MS + 6_000));
    test("when the off is sent", stopped(["off-sent"], TTL_MS + 2_000));
    test("when the off is sent, for a long time", stopped(["off-sent"], TTL_MS + 4 * MAX_ACT_MS));
    test("when the on is sent", stopped(["on-sent", "off-confirmed"], TTL_MS + MAX_ACT_MS));
  });

  describe("asked of a watcher that is not in charge", () => {
    test("maintenance holds every watcher; its end frees the cut", () => stage.play(async (fleet, host, mark) => {
      const actor = await inCharge(fleet, host);
      const [other] = others(fleet, actor) as readonly [FleetWatcher];
      await expect(other, 0, "maintenance", "start", host, "--for", "1h", "--reason", "new disk");
      // Acknowledged: from now on nobody cuts (safety.md §5.12).
      await fleet.host(host).wedge("frozen");
      await until("all know", async () => {
        const seen = await Promise.all(fleet.watchers.map((watcher) => hostAt(watcher, host)));
        return seen.every((each) => each?.brakes.some((brake) => brake.brake === "maintenance"));
      }, PATIENCE_MS, 100);
      await sleep(TEMPTED_MS);
      notCut(fleet, mark);
      await expect(actor, 0, "maintenance", "end", host);
      await backInService(fleet, host, mark);
    }));

    test("a fence is carried out by the one in charge", () => stage.play(async (fleet, host, mark) => {
      const actor = await inCharge(fleet, host);
      const [other] = others(fleet, actor) as readonly [FleetWatcher];
      await expect(other, 0, "fence", host, "--reason", "a trial", "--confirm", host, "--again");
      const off = await edge(fleet, host, "off", mark);
      assert.equal(senderOf(fleet, off), actor.name);
      await backInService(fleet, host, mark);
    }));

    test("disarmed here, armed there", () => stage.play(async (fleet, host, mark) => {
      const [one, two, three] = fleet.watchers as readonly [FleetWatcher, FleetWatcher, FleetWatcher];
      await expect(one, 0, "disarm", "--for", "1h", "--reason", "wait");
      await fleet.host(host).wedge("frozen");
      await until("all say so", async () => (await Promise.all([two, three].map((each) => hostAt(each, host)))).every((each) => each?.brakes.some((brake) => brake.brake === "disarmed")), PATIENCE_MS, 100);
      await sleep(TEMPTED_MS);
      notCut(fleet, mark);
      await expect(three, 0, "arm", "--all");
      await backInService(fleet, host, mark);
    }));
  });

  test("a second watcher with the name of one that runs: exit 69, and nothing is disturbed", () => stage.play(async (fleet, host, mark) => {
    const [first] = fleet.watchers as readonly [FleetWatcher];
    const twin = await fleet.newcomer("twin", first.name);
    const life = twin.spawn();
    const end = await Promise.race([life.ended, sleep(60_000).then(() => null)]);
    assert.equal(end?.code, 69, `${JSON.stringify(end)}\n${twin.tail()}`);
    assert.match(twin.tail(), new RegExp(`${first.name}`));
    await guardedEverywhere(fleet);
    await fleet.host(host).wedge("frozen");
    await backInService(fleet, host, mark);
  }));

  test("SIGTERM of the one in charge between off and on: it ends with the host's power on, and another closes the incident", () => stage.play(async (fleet, host, mark) => {
    const actor = await inCharge(fleet, host);
    await fleet.host(host).wedge("frozen");
    await edge(fleet, host, "off", mark);
    const end = await actor.terminate();
    assert.deepEqual(end, { code: 0, signal: null });
    assert.deepEqual(edgesAt(fleet, host, mark).map((each) => each.state), ["off", "on"], "on before it ended");
    await backInService(fleet, host, mark);
  }));

  test("a clock that is an hour ahead at one watcher changes nothing", { skip: FAKETIME === undefined ? lacking("faketime") || "no libfaketime where Debian has it" : false }, () => stage.play(async (fleet, host, mark) => {
    const actor = await inCharge(fleet, host);
    await actor.terminate();
    await actor.start({ LD_PRELOAD: FAKETIME, FAKETIME: "+1h", FAKETIME_DONT_FAKE_MONOTONIC: "1" });
    await guardedEverywhere(fleet);
    const apart = await Promise.all(fleet.watchers.map(async (watcher) => Date.parse((await statusAt(watcher))?.at ?? "")));
    assert.ok(Math.max(...apart) - Math.min(...apart) > 3_500_000, `clocks: ${apart.join(", ")}`);
    await fleet.host(host).wedge("frozen");
    await backInService(fleet, host, mark);
    await actor.terminate();
  }));
});
