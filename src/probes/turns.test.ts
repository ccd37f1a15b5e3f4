import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Turns } from "./turns.ts";

test("no more than so many at once, the others in the order of coming, and told how long they were kept", async () => {
  const turns = new Turns(2);
  const { signal } = new AbortController();
  const order: number[] = [];
  const held: number[] = [];
  let running = 0;
  await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      const release = await turns.take(signal, (_text, ms) => (held[index] = ms ?? -1));
      order.push(index);
      running += 1;
      assert.ok(running <= 2);
      await pause(1);
      running -= 1;
      release();
      release(); // twice is once
    }),
  );
  assert.deepEqual(order, Array.from({ length: 20 }, (_, index) => index));
  assert.deepEqual([held[0], held[1]], [undefined, undefined]);
  assert.ok(held.slice(2).every((ms) => ms > 0 && Number.isFinite(ms)), held.join(" "));
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("who is given up while waiting loses its place, and nothing is lost with it", async () => {
  const turns = new Turns(1);
  const release = await turns.take(new AbortController().signal);
  const given = new AbortController();
  let told: number | undefined;
  const waiting = turns.take(given.signal, (_text, ms) => (told = ms));
  const next = turns.take(new AbortController().signal);
  assert.equal(told, Infinity);
  given.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
  await assert.rejects(turns.take(AbortSignal.abort(new Error("before"))), /before/);
  release();
  (await next)();
  (await turns.take(new AbortController().signal))();
});
