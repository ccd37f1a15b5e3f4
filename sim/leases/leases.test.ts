// Leases under everything that goes wrong (world.ts). Each seed is a quarter of an hour of faults and then peace; and together they
// must have been through what they are for.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runLeases } from "./world.ts";

const SEEDS = 40;
/** What some seed must have come to, so often at least. */
const LEAST: readonly (readonly [string, number])[] = [
  ["service: started", 150], ["agent: stop", 150], ["agent: lapsed", 40], ["watchdog: reset", 20], ["watchdog: the agent stood still", 8], ["watchdog: the agent was dead", 5],
  ["watchdog: it was let go", 3], ["watchdog: petted again", 1], ["lease: freed by word", 60], ["lease: freed by time", 2], ["lease: fenced by itself", 5],
  ["agent: asked before there was a link", 100],
];

test("one holder, bounded, nothing stopped or reset without need, and back in the end", () => {
  const counts = new Map<string, number>();
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const { violation, counts: seen, journal } = runLeases(seed);
    assert.equal(violation, undefined, `seed ${seed}: ${violation?.invariant}: ${violation?.what}\n${journal.slice(-30).join("\n")}`);
    for (const [what, count] of seen) counts.set(what, (counts.get(what) ?? 0) + count);
  }
  const missing = LEAST.filter(([what, least]) => (counts.get(what) ?? 0) < least).map(([what, least]) => `${what}: ${counts.get(what) ?? 0} of ${least}`);
  assert.deepEqual(missing, []);
});

test("a seed is the same run each time", () => {
  assert.deepEqual(runLeases(7).journal, runLeases(7).journal);
});
