// A campaign of hours outlives what it looks for: a seed that kills its thread, or does not end, is one that fails, every other
// seed is counted once, and who is interrupted knows where to go on. The threads are stand-ins that die when they are told to.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Summary } from "./campaign.ts";
import { campaign } from "./campaign.ts";

/** A thread that tells of two seeds at a time, and does something else at some of them. */
function thread(instead: Readonly<Record<number, string>>): URL {
  return new URL(`data:text/javascript,${encodeURIComponent(`
    import { parentPort, workerData } from "node:worker_threads";
    const { from, step, until, at } = workerData;
    const instead = ${JSON.stringify(instead)};
    let counts = [];
    for (let seed = from; seed < until; seed += step) {
      at[0] = seed;
      if (instead[seed] === "throw") throw new Error("out of luck");
      if (instead[seed] === "exit") process.exit(3);
      if (instead[seed] === "hang") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      counts.push(["seed " + seed, 1]);
      const failures = instead[seed] === "fail" ? [{ seed, violation: { invariant: "Intent", what: "a byte", atMs: 1 } }] : [];
      if (counts.length < 2 && failures.length === 0 && seed + step < until) continue;
      parentPort.postMessage({ seeds: counts.length, failures, simulatedMs: 1, counts, next: seed + step });
      counts = [];
    }`)}`);
}

function said({ failures }: Summary): string[] {
  return failures.map(({ seed, violation }) => `${seed} ${violation.invariant}: ${violation.what}`);
}

test("a seed that kills its thread costs the campaign that seed and no other", async () => {
  const summary = await campaign({ from: 1, seeds: 20, jobs: 2, thread: thread({ 5: "throw", 8: "exit", 9: "fail", 20: "throw" }) });
  assert.deepEqual(said(summary), ["5 Assertion: its thread died: out of luck", "8 Assertion: its thread ended with 3", "9 Intent: a byte", "20 Assertion: its thread died: out of luck"]);
  assert.equal(summary.seeds, 20);
  assert.equal(summary.next, 21);
  const once = Array.from({ length: 20 }, (_, at) => at + 1).filter((seed) => ![5, 8, 20].includes(seed)).map((seed): [string, number] => [`seed ${seed}`, 1]);
  assert.deepEqual([...summary.counts.all].sort(), once.sort());
});

test("a seed that does not end is given up after a while, and the rest is run", async () => {
  const summary = await campaign({ from: 3, seeds: 2, thread: thread({ 3: "hang" }), seedMs: 4_000 });
  assert.deepEqual(said(summary), ["3 Assertion: it has not ended within 4000 ms"]);
  assert.deepEqual([...summary.counts.all], [["seed 4", 1]]);
});

test("who is interrupted keeps what was seen and goes on at the first seed that nobody has run", async () => {
  const stop = new AbortController();
  const summary = await campaign({ from: 11, seeds: 10, thread: thread({ 16: "hang" }), signal: stop.signal, onProgress: ({ seeds }) => seeds === 4 && stop.abort() });
  assert.deepEqual({ seeds: summary.seeds, next: summary.next, failures: summary.failures }, { seeds: 4, next: 15, failures: [] });
});

test("enough is enough: it ends with so many failing seeds", async () => {
  const summary = await campaign({ from: 1, seeds: 1_000, failuresMax: 2, thread: thread({ 2: "fail", 4: "fail", 5: "hang" }) });
  assert.deepEqual(said(summary), ["2 Intent: a byte", "4 Intent: a byte"]);
});
