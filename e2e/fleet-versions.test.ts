// A rolling upgrade: watchers of the release before, as it was, beside watchers of this one on one store. Each release carries
// on what the other has begun, and each watcher tells the same story, until the last one of the old release is replaced.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fleetRefusal } from "../lab/fleet.ts";
import type { FleetWatcher } from "../lab/fleet.ts";
import { ranked } from "../src/core/units.ts";
import { UPKEEP } from "../lab/rig.ts";
import { lacking } from "../lab/third-party.ts";
import { backInService, edge, guardedEverywhere, inCharge, incidentsAnywhere, others, PATIENCE_MS, phaseAt } from "./several.ts";
import { expect, Stage } from "./stage.ts";
import { until } from "./watching.ts";

const ROOT = join(import.meta.dirname, "..");
const BEFORE = "upkeep-0.1.0";
const SLOWLY_MS = 150;

describe("the release before this one", { skip: fleetRefusal() || lacking("xz") }, () => {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-before-"));
  execFileSync("tar", ["-xJf", join(ROOT, `e2e/releases/${BEFORE}.tar.xz`), "-C", folder]);
  const before = join(folder, BEFORE);
  symlinkSync(join(ROOT, "node_modules"), join(before, "node_modules"));
  symlinkSync(join(ROOT, "bin/node24"), join(before, "bin/node24"));
  const old = join(before, "bin/upkeep");
  const stage = new Stage({ programs: { rikis: old, hopuuj: old } });
  after(async () => {
    await stage.end();
    rmSync(folder, { recursive: true, force: true });
  });

  test("two of the old and one of the new release guard, agree and cut once, and all know the end", () => stage.play(async (fleet, host, mark) => {
    await fleet.host(host).wedge("frozen");
    await edge(fleet, host, "off", mark);
    await backInService(fleet, host, mark);
    assert.equal((await incidentsAnywhere(fleet, host)).size, 1, "one incident, whoever is asked");
    for (const watcher of fleet.watchers.filter((each) => each.program !== old)) {
      const told = JSON.parse((await expect(watcher, 0, "incidents", "--json")).stdout) as { outcome: string }[];
      assert.deepEqual(told.filter((each) => each.outcome === "open"), [], watcher.name);
    }
  }));

  for (const first of ["old", "new"] as const) {
    test(`a watcher of the ${first} release dies in the middle of its operation, and one of the other finishes`, () => stage.play(async (fleet, host, mark) => {
      // Whoever is first in order comes into charge when all is calm: he is of that release, the others are of the other one.
      const names = fleet.watchers.map(({ name }) => name);
      const acting = fleet.watcher(ranked("sucker", names)[0] as string);
      for (const watcher of fleet.watchers) {
        const wanted = (watcher === acting) === (first === "old") ? old : UPKEEP;
        if (watcher.program === wanted) continue;
        watcher.program = wanted;
        await watcher.terminate();
        await watcher.start();
      }
      await until(`${acting.name} is in charge`, async () => (await inCharge(fleet, host)) === acting, 2 * PATIENCE_MS, 500);
      await guardedEverywhere(fleet);
      const [seer] = others(fleet, acting) as readonly [FleetWatcher];
      await fleet.pdu.faults({ answerDelayMs: SLOWLY_MS });
      await fleet.host(host).wedge("frozen");
      await phaseAt(seer, host, ["off-sent", "off-confirmed"]);
      await acting.kill();
      await fleet.pdu.faults({ answerDelayMs: 0 });
      await edge(fleet, host, "on", mark);
      await acting.start();
      await backInService(fleet, host, mark);
    }));
  }

  test("one after the other is replaced while a host is wedged: still once", () => stage.play(async (fleet, host, mark) => {
    for (const watcher of fleet.watchers) watcher.program = old;
    for (const watcher of fleet.watchers) {
      await watcher.terminate();
      await watcher.start();
    }
    await guardedEverywhere(fleet);
    await fleet.host(host).wedge("frozen");
    for (const watcher of fleet.watchers) {
      await watcher.terminate();
      watcher.program = UPKEEP;
      await watcher.start();
    }
    await edge(fleet, host, "off", mark);
    await backInService(fleet, host, mark);
  }));
});
