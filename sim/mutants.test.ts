// Every mutant is caught by the seed that its patch remembers, one test a patch; `npm run mutants` searches on where that one
// does not any more. What is asked of the seeds as they are, without a mutant, is in sim.test.ts.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Outcome } from "./mutants.ts";
import { mutants, tryAll } from "./mutants.ts";

const AT_ONCE = 1;

describe("mutants", () => {
  const wanted = mutants();
  const waiting = new Map<string, PromiseWithResolvers<Outcome>>(wanted.map(({ name }) => [name, Promise.withResolvers<Outcome>()]));
  let all: Promise<void>;

  before(() => {
    all = tryAll(wanted, AT_ONCE, 0, (outcome) => waiting.get(outcome.mutant.name)?.resolve(outcome));
    all.catch((error: unknown) => {
      for (const each of waiting.values()) each.reject(error);
    });
  });
  after(() => all);

  for (const mutant of wanted) {
    test(`${mutant.name}: ${mutant.sentence}`, async () => {
      const outcome = await (waiting.get(mutant.name) as PromiseWithResolvers<Outcome>).promise;
      assert.ok(outcome.ok, outcome.ok ? "" : `${outcome.because}; another seed is found by: npm run mutants -- --remember ${mutant.name}`);
    });
  }

  test("the mutants that safety.md names are there", () => {
    const named = [
      "drop-the-lease-check-at-fire", "act-before-intent", "deadline-from-the-receipt", "a-successor-uses-its-own-max-act", "replay-off-without-re-earning", "unknown-is-off", "confirm-one-feed-only",
      "storm-counts-verdicts", "a-brake-blocks-on", "quorum-of-the-live-only", "forget-the-unwinding-of-a-level", "budget-cleared-on-restart", "a-watcher-that-does-nothing",
    ];
    const missing = named.filter((name) => !wanted.some((mutant) => mutant.name === name));
    assert.deepEqual(missing, []);
  });
});
