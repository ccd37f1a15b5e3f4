// Two thousand worlds of two to five watchers that share a store, judged by what is true and what is committed (safety.md §5), and the
// proof that they were worlds in which something happened. And the price of it in a world in which nothing does.

import assert from "node:assert/strict";
import { test } from "node:test";
import { campaign } from "../campaign.ts";
import type { FleetChecker } from "./checker.ts";
import { missingInFleet } from "./counts.ts";
import { runFleet, runFleetSeed } from "./run.ts";
import { drawFleet } from "./spec.ts";

const SEEDS = 2_000;
const MINUTE_MS = 60_000;

test("2,000 seeds with several watchers, none of which breaks an invariant, and which together see everything", async () => {
  const { failures, counts, seeds } = await campaign({ from: 1, seeds: SEEDS, jobs: 2, failuresMax: 5, fleet: {} });
  assert.deepEqual(failures.map(({ seed, violation }) => `seed ${seed}: ${violation.invariant}: ${violation.what}; replay it with: upkeep sim --fleet --seed ${seed}`), []);
  assert.equal(seeds, SEEDS);
  assert.deepEqual(missingInFleet(counts, seeds), []);
});

test("a world in which nothing happens writes nothing: 0 transactions an hour, whatever the number of watchers and hosts", async () => {
  for (const watchers of [2, 3, 5]) {
    const { transactions, hosts } = await new Promise<{ transactions: number; hosts: number }>((resolve) => setImmediate(() => {
      let late = 0;
      const drawn = drawFleet(6, { watchers });
      const steady = { ...drawn, faults: new Map(), aim: 0, loss: 0, outages: null, activeMs: 60 * MINUTE_MS, watchers: drawn.watchers.map((watcher) => ({ ...watcher, first: true, on: null })) };
      const count = (world: { timeline: { nowMs: number } }): FleetChecker => ({ invariant: "Steady state", commit: () => void (late += world.timeline.nowMs > 6 * MINUTE_MS ? 1 : 0) });
      const { world } = runFleet(steady, {}, [count]);
      resolve({ transactions: late, hosts: world.hosts.size });
    }));
    assert.equal(transactions, 0, `${watchers} watchers and ${hosts} hosts`);
  }
});

test("a seed gives the same world twice, and every life of every watcher replays from what it was told", async () => {
  const [first, second] = [await runFleetSeed(8, { transcript: true, replay: true }), await runFleetSeed(8, { transcript: true, replay: true })];
  assert.equal(first.violation, undefined);
  assert.ok(first.transcript.length > 50);
  assert.deepEqual(first.transcript, second.transcript);
});
