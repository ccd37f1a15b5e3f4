// The lease by a clock and timers that the test moves: when exactly it is held, and that lost is for good.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Lease } from "./lease.ts";
import type { Session } from "./store.ts";

const TTL_MS = 6_000;

type Said = "kept" | "over" | { readonly sinceMs: number };

type Asked = { readonly atMs: number; readonly withinMs: number; answer(said: Said): Promise<void>; fail(why: string): Promise<void> };

/** Runs with a lease that was asked for at 1,000 and granted `grantedMs` later. */
function withLease(grantedMs: number, body: (parts: { lease: Lease; told: string[]; asked: Asked[]; pass: (ms: number) => Promise<void>; suspend: (ms: number) => void }) => Promise<void>, perTtl?: number): () => Promise<void> {
  return async () => {
    mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
    let nowMs = 1_000 + grantedMs;
    const told: string[] = [];
    const asked: Asked[] = [];
    const settled = async (): Promise<void> => {
      for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
    };
    const lease = new Lease({
      ttlMs: TTL_MS, nowMs: () => nowMs, sentMs: 1_000, ...(perTtl === undefined ? {} : { perTtl }),
      keepAlive: (withinMs) => {
        const { promise, resolve, reject } = Promise.withResolvers<Said>();
        asked.push({
          atMs: nowMs, withinMs,
          answer: async (said) => { resolve(said); await settled(); },
          fail: async (why) => { reject(new Error(why)); await settled(); },
        });
        return promise;
      },
      onSession: (session: Session) => void told.push(session.kind === "held" ? `held until ${session.untilMs}` : `lost: ${session.because}`),
    });
    try {
      await body({
        lease, told, asked,
        pass: async (ms) => {
          for (let left = ms; left > 0; left -= 100) {
            nowMs += Math.min(100, left);
            mock.timers.tick(Math.min(100, left));
            await settled();
          }
        },
        suspend: (ms) => { nowMs += ms; },
      });
    } finally {
      lease.stop();
      mock.timers.reset();
    }
  };
}

test("it counts from when a request was sent, not from when it was answered", withLease(700, async ({ lease, told, asked, pass }) => {
  assert.deepEqual(told, ["held until 7000"]);
  await pass(1_300);
  assert.deepEqual(asked.map(({ atMs, withinMs }) => [atMs, withinMs]), [[3_000, 2_000]], "a third of the time to live after the grant was sent");
  await pass(1_500);
  await asked[0]?.answer("kept");
  assert.deepEqual(told.slice(1), ["held until 9000"]);
  assert.ok(lease.held);
  await pass(500);
  assert.equal(asked.length, 2);
  assert.equal(asked[1]?.atMs, 5_000);
}));

test("without an answer it is lost at its deadline, once, with what went wrong", withLease(0, async ({ lease, told, asked, pass }) => {
  await pass(2_000);
  await asked[0]?.fail("no route");
  await pass(500);
  assert.equal(asked.length, 2, "it tries again before another third has passed");
  await pass(3_499);
  assert.deepEqual(told, ["held until 7000"]);
  assert.ok(lease.held);
  await pass(600);
  assert.deepEqual(told.slice(1), ["lost: no keep-alive was answered within 6000 ms: no route"]);
  assert.equal(lease.held, false);
  await asked.at(-1)?.answer("kept");
  await pass(20_000);
  assert.equal(told.length, 2);
}));

test("where the store counts from an earlier moment, so does it; nothing is told that has not changed", withLease(0, async ({ told, asked, pass }) => {
  await pass(1_500);
  await asked[0]?.answer({ sinceMs: 1_000 });
  assert.deepEqual(told, ["held until 7000"]);
  await pass(1_500);
  assert.deepEqual(asked.map(({ atMs, withinMs }) => [atMs, withinMs]), [[2_500, 1_500], [4_000, 1_500]], "a keep-alive that shows nothing new was answered all the same");
  await asked[1]?.answer({ sinceMs: 2_500 });
  // Never back, either.
  await pass(1_500);
  await asked[2]?.answer({ sinceMs: 1_000 });
  assert.deepEqual(told.slice(1), ["held until 8500"]);
  await pass(3_000);
  assert.equal(told.length, 3);
  assert.match(told.at(-1) ?? "", /^lost/);
}, 4));

test("an answer that comes after the deadline does not bring it back", withLease(0, async ({ lease, told, asked, pass, suspend }) => {
  await pass(2_000);
  // The machine was asleep: no timer has run.
  suspend(60_000);
  await asked[0]?.answer("kept");
  assert.deepEqual(told.map((line) => line.split(" ")[0]), ["held", "lost:"]);
  assert.equal(lease.held, false);
}));

test("to ask whether it is held is enough to lose it", withLease(0, async ({ lease, told, suspend }) => {
  suspend(5_999);
  assert.equal(lease.held, true);
  suspend(1);
  assert.equal(lease.held, false);
  assert.equal(lease.held, false);
  assert.equal(told.length, 2);
}));

test("the store's word that it is over ends it at once", withLease(0, async ({ lease, told, asked, pass }) => {
  await pass(2_000);
  await asked[0]?.answer("over");
  assert.deepEqual(told.slice(1), ["lost: the store says that the session is over"]);
  lease.lose("again");
  await pass(10_000);
  assert.equal(told.length, 2);
  assert.equal(asked.length, 1);
}));

test("stopped, it says nothing, whatever is still answered", withLease(0, async ({ lease, told, asked, pass }) => {
  await pass(2_000);
  lease.stop();
  await asked[0]?.answer("kept");
  await pass(20_000);
  assert.deepEqual(told, ["held until 7000"]);
  assert.equal(asked.length, 1);
  assert.equal(lease.held, false);
}));
