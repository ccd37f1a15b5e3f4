// A thousand worlds, each judged at every step by every invariant of safety.md §5 that concerns one watcher, and the proof
// that they were worlds in which something happened: every fault class in every phase, every brake, effect and transition.

import assert from "node:assert/strict";
import { test } from "node:test";
import { campaign } from "./campaign.ts";
import { missing } from "./counts.ts";
import { lossyFleet } from "./loss.ts";
import { runSeed } from "./run.ts";

const SEEDS = 1_000;

test("1,000 seeds, none of which breaks an invariant, and which together see everything", async () => {
  const { failures, counts, seeds, simulatedMs } = await campaign({ from: 1, seeds: SEEDS, jobs: 1, failuresMax: 5 });
  assert.deepEqual(failures.map(({ seed, violation }) => `seed ${seed}: ${violation.invariant}: ${violation.what}; replay it with: upkeep sim --seed ${seed}`), []);
  assert.equal(seeds, SEEDS);
  assert.ok(simulatedMs > 100 * 3_600_000, `only ${simulatedMs} ms were simulated`);
  assert.deepEqual(missing(counts, seeds), []);
});

test("1,000 hosts that lose 2 % of their packets: none is cut without need, those that wedge are (bench-loss.ts runs the whole day)", async () => {
  const { rounds, badRounds, falseCuts, missed, trueCuts, violation } = await lossyFleet({ hosts: 1_000, minutes: 10, loss: 0.02, deaths: 3 });
  assert.equal(violation, null);
  assert.ok(rounds > 100_000 && badRounds > 1_500, `${badRounds} of ${rounds} rounds were bad`);
  assert.deepEqual({ falseCuts, missed, trueCuts }, { falseCuts: [], missed: [], trueCuts: 3 });
});

test("a seed gives the same world twice", async () => {
  const [first, second] = [await runSeed(7, { transcript: true }), await runSeed(7, { transcript: true })];
  assert.ok(first.transcript.length > 10);
  assert.deepEqual(first.transcript, second.transcript);
});
