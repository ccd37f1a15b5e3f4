// The roster of agents under everything that goes wrong (world.ts); together the seeds must have been through what they are for.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runRoster } from "./world.ts";

const SEEDS = 60;
/** What some seed must have come to, so often at least. */
const LEAST: readonly (readonly [string, number])[] = [["let in", 50_000], ["enrol: 0", 200], ["enrol: 4", 1_000], ["enrol: 5", 10], ["renew: 0", 50], ["revoke: 0", 300], ["code: 5", 50], ["enrol: overtaken", 1]];

test("a key is good when it came in by a code or from one that was good, once, and never after it was answered to be over", () => {
  const counts = new Map<string, number>();
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const { violation, counts: seen, journal } = runRoster(seed);
    assert.equal(violation, undefined, `seed ${seed}: ${violation?.invariant}: ${violation?.what}\n${journal.slice(-30).join("\n")}`);
    for (const [what, count] of seen) counts.set(what, (counts.get(what) ?? 0) + count);
  }
  const missing = LEAST.filter(([what, least]) => (counts.get(what) ?? 0) < least).map(([what, least]) => `${what}: ${counts.get(what) ?? 0} of ${least}`);
  assert.deepEqual(missing, []);
});

test("a seed is the same run each time", () => {
  assert.deepEqual(runRoster(7).journal, runRoster(7).journal);
});
