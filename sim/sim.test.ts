// A thousand worlds, each judged at every step by every invariant of safety.md §5 that concerns one watcher, and the proof
// that they were worlds in which something happened: every fault class in every phase, every brake, effect and transition.

import assert from "node:assert/strict";
import { test } from "node:test";
import { campaign } from "./campaign.ts";
import { missing } from "./counts.ts";
import { runSeed } from "./run.ts";

const SEEDS = 1_000;

test("1,000 seeds, none of which breaks an invariant, and which together see everything", async () => {
  const { failures, counts, seeds, simulatedMs } = await campaign({ from: 1, seeds: SEEDS, jobs: 2, failuresMax: 5 });
  assert.deepEqual(failures.map(({ seed, violation }) => `seed ${seed}: ${violation.invariant}: ${violation.what}; replay it with: upkeep sim --seed ${seed}`), []);
  assert.equal(seeds, SEEDS);
  assert.ok(simulatedMs > 100 * 3_600_000, `only ${simulatedMs} ms were simulated`);
  assert.deepEqual(missing(counts, seeds), []);
});

test("a seed gives the same world twice", async () => {
  const [first, second] = [await runSeed(7, { transcript: true }), await runSeed(7, { transcript: true })];
  assert.ok(first.transcript.length > 10);
  assert.deepEqual(first.transcript, second.transcript);
});
