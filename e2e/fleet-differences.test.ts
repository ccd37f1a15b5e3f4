// Watchers that are not of one mind, and records that are not for them: configurations that differ (safety.md §2.3, host hash),
// another site on the same prefix, a record written by a later version. Each is said where it is met, and cuts nothing.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fleetRefusal } from "../lab/fleet.ts";
import type { FleetWatcher } from "../lab/fleet.ts";
import { backInService, edge, guardedEverywhere, hostAt, inCharge, notCut, others, PATIENCE_MS, senderOf, statusAt, TEMPTED_MS } from "./several.ts";
import { expect, Stage } from "./stage.ts";
import { until } from "./watching.ts";

/** Runs with another configuration, and with its own again after it. */
async function configured(watcher: FleetWatcher, change: (text: string) => string, body: () => Promise<void>): Promise<void> {
  const own = readFileSync(watcher.config, "utf8");
  const other = change(own);
  assert.notEqual(other, own);
  writeFileSync(watcher.config, other);
  try {
    await expect(watcher, 0, "reload");
    await body();
  } finally {
    writeFileSync(watcher.config, own);
    await expect(watcher, 0, "reload");
  }
}

describe("watchers that differ", { skip: fleetRefusal() }, () => {
  const stage = new Stage();
  after(() => stage.end());

  test("one has another configuration of a host: it abstains, the others cut once", () => stage.play(async (fleet, host, mark) => {
    const actor = await inCharge(fleet, host);
    const [odd, other] = others(fleet, actor) as readonly [FleetWatcher, FleetWatcher];
    await configured(odd, (text) => text.replace("threshold: 3", "threshold: 4"), async () => {
      await guardedEverywhere(fleet, [host], PATIENCE_MS, [actor, other]);
      await fleet.host(host).wedge("frozen");
      const off = await edge(fleet, host, "off", mark);
      assert.notEqual(senderOf(fleet, off), odd.name);
      await edge(fleet, host, "on", mark);
      await fleet.host(host).serving();
    });
    await backInService(fleet, host, mark);
  }));

  test("two have: nobody can outvote anybody, the host is not guarded and not cut; it is when they agree", () => stage.play(async (fleet, host, mark) => {
    const [one, two, three] = fleet.watchers as readonly [FleetWatcher, FleetWatcher, FleetWatcher];
    await configured(two, (text) => text.replace("threshold: 3", "threshold: 4"), () => configured(three, (text) => text.replace("threshold: 3", "threshold: 5"), async () => {
      await until("not guarded, and why", async () => /configurations differ|hash|cannot|can judge/.test((await hostAt(one, host))?.why ?? ""), PATIENCE_MS, 100);
      await fleet.host(host).wedge("frozen");
      await sleep(TEMPTED_MS);
      notCut(fleet, mark);
    }));
    await fleet.host(host).heal();
    await guardedEverywhere(fleet);
    notCut(fleet, mark);
  }));

  test("a record of a later version: every watcher of this one abstains and says so, until it is gone", () => stage.play(async (fleet, host, mark) => {
    assert.ok(fleet.store.plant !== undefined);
    await fleet.store.plant("omen/of-a-later-age", '{"v":2,"what":"ever"}');
    await until("all say so", async () => (await Promise.all(fleet.watchers.map(statusAt))).every((status) => status?.alarms.some((alarm) => /later-age/.test(alarm.happened)) === true), PATIENCE_MS, 100);
    await fleet.host(host).wedge("frozen");
    await sleep(TEMPTED_MS);
    notCut(fleet, mark);
    await fleet.store.plant("omen/of-a-later-age", null);
    await backInService(fleet, host, mark);
  }));

  test("a watcher of another site with this prefix: refused, and nothing is disturbed", () => stage.play(async (fleet, host, mark) => {
    const stranger = await fleet.newcomer("stranger");
    writeFileSync(stranger.config, readFileSync(stranger.config, "utf8").replace("site: fleet", "site: elsewhere"));
    const life = stranger.spawn();
    const end = await Promise.race([life.ended, sleep(60_000).then(() => null)]);
    assert.ok(end !== null && end.code !== null && end.code !== 0 && end.code !== 70, `${JSON.stringify(end)}\n${stranger.tail()}`);
    assert.match(stranger.tail(), /site/);
    await guardedEverywhere(fleet);
    assert.equal((await statusAt(fleet.watchers[0] as FleetWatcher))?.watchers.length, 3);
    await fleet.host(host).wedge("frozen");
    await backInService(fleet, host, mark);
  }));
});
