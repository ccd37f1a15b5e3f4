import assert from "node:assert/strict";
import { test } from "node:test";
import type { Channel, Delivery } from "./channel.ts";
import type { Message, MessageState } from "./message.ts";
import type { Waiting } from "./queue.ts";
import { DeliveryQueue } from "./queue.ts";

type Attempt = { readonly message: Message; readonly only: readonly string[] | null; readonly signal: AbortSignal; readonly end: (delivery: Delivery) => void };

const DELIVERED: Delivery = { kind: "delivered", note: null, left: [] };
const PAUSE = { first: 1, most: 4 } as const;

function message(text: string, state: MessageState = "raised", alarm = "held:logos", severity: Message["severity"] = "critical"): Message {
  return { id: text, alarm, kind: "held", severity, host: "logos", incident: null, state, subject: text, body: text, happened: text, done: "", asked: "", count: 1, atMs: 0, event: null };
}

/** A channel whose attempts the test ends, and a queue before it. */
function rig(waiting: readonly Waiting[] = [], group?: { readonly firstMs: number; readonly windowMs: number }): { queue: DeliveryQueue; attempt: () => Promise<Attempt>; reports: string[]; lost: string[]; open: () => number; changes: () => number } {
  const attempts: Attempt[] = [];
  const wanted: ((attempt: Attempt) => void)[] = [];
  const reports: string[] = [];
  let changes = 0;
  const lost: string[] = [];
  const channel: Channel = {
    name: "test", kind: "test", grouped: group !== undefined,
    deliver: (each, only, signal) =>
      new Promise((end) => {
        const attempt = { message: each, only, signal, end };
        const waiter = wanted.shift();
        if (waiter === undefined) attempts.push(attempt);
        else waiter(attempt);
      }),
  };
  const queue = new DeliveryQueue(channel, waiting, { report: (text) => reports.push(text), onChange: () => { changes += 1; }, onLost: (each) => lost.push(each.subject), pauseMs: PAUSE, ...(group === undefined ? {} : { group }), sender: { site: "s", watcher: "w" } });
  return {
    queue, reports, lost,
    attempt: () => new Promise((resolve) => {
      // Pauses of the queue do not keep a process alive; the test waits for them.
      const alive = setInterval(() => undefined, 1_000);
      const take = (attempt: Attempt): void => { clearInterval(alive); resolve(attempt); };
      const ready = attempts.shift();
      if (ready === undefined) wanted.push(take);
      else take(ready);
    }),
    open: () => attempts.length,
    changes: () => changes,
  };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("messages go out in order, one at a time", async () => {
  const { queue, attempt, open, reports } = rig();
  queue.add(message("one"));
  queue.add(message("two", "over"));
  const first = await attempt();
  await settled();
  assert.equal(first.message.subject, "one");
  assert.equal(open(), 0, "the second waits for the first");
  first.end(DELIVERED);
  const second = await attempt();
  assert.equal(second.message.subject, "two");
  second.end(DELIVERED);
  await settled();
  assert.deepEqual(queue.waiting, []);
  assert.deepEqual(reports, []);
});

test("a failure is tried again until it is delivered, and reported once each way", async () => {
  const { queue, attempt, reports } = rig();
  queue.add(message("one"));
  for (let n = 0; n < 5; n += 1) {
    const { message: tried, end } = await attempt();
    assert.equal(tried.subject, "one");
    end({ kind: "failed", evidence: "connection refused" });
  }
  (await attempt()).end(DELIVERED);
  await settled();
  assert.deepEqual(reports, ["alerts by test fail: connection refused; tried again", "alerts by test are delivered again"]);
  assert.deepEqual(queue.waiting, []);
});

test("what is refused for good is dropped, and the next goes out", async () => {
  const { queue, attempt, reports } = rig();
  queue.add(message("one"));
  queue.add(message("two", "over"));
  (await attempt()).end({ kind: "refused", evidence: "550 no such user" });
  const second = await attempt();
  assert.equal(second.message.subject, "two");
  assert.deepEqual(reports, ['alert "one" was refused by test and is dropped: 550 no such user']);
});

test("it is not tried for ever", async () => {
  const { queue, attempt, reports } = rig([{ message: message("old"), attempts: 289, only: null }]);
  (await attempt()).end({ kind: "failed", evidence: "no" });
  await settled();
  assert.deepEqual(queue.waiting, []);
  assert.match(reports.at(-1) ?? "", /"old" could not be delivered by test in 290 attempts/);
});

test("only those who have not got it are tried again, after what follows", async () => {
  const { queue, attempt, reports } = rig();
  queue.add(message("one"));
  queue.add(message("two", "over"));
  (await attempt()).end({ kind: "delivered", note: "a@x: 451 later", left: ["a@x"] });
  const second = await attempt();
  assert.equal(second.message.subject, "two");
  assert.equal(second.only, null);
  second.end(DELIVERED);
  const third = await attempt();
  assert.equal(third.message.subject, "one");
  assert.deepEqual(third.only, ["a@x"]);
  third.end({ kind: "delivered", note: "a@x: 451 later", left: ["a@x"] });
  (await attempt()).end(DELIVERED);
  await settled();
  assert.deepEqual(queue.waiting, []);
  assert.equal(reports.length, 1, reports.join("; "));
});

test("a repetition replaces the word that nobody has heard yet, and is not called a repetition", async () => {
  const { queue, attempt } = rig();
  queue.add(message("under way", "raised", "storm:fleet"));
  const first = await attempt();
  queue.add(message("down"));
  queue.add(message("still down", "again"));
  queue.add(message("another", "raised", "held:ethos"));
  assert.deepEqual(queue.waiting.map((each) => each.message.subject), ["under way", "still down", "another"]);
  assert.equal(queue.waiting[1]?.message.state, "raised");
  first.end(DELIVERED);
});

test("the word under way is not replaced, nor what an end lies behind", async () => {
  const { queue, attempt } = rig();
  queue.add(message("down"));
  await attempt();
  queue.add(message("still down", "again"));
  queue.add(message("back", "over"));
  queue.add(message("down anew"));
  queue.add(message("still down anew", "again"));
  assert.deepEqual(queue.waiting.map((each) => each.message.subject), ["down", "still down", "back", "still down anew"]);
});

test("the queue is bounded: the oldest of the least severe goes", async () => {
  const { queue, attempt, reports } = rig();
  queue.add(message("under way", "raised", "x", "info"));
  await attempt();
  queue.add(message("least", "raised", "y", "info"));
  for (let n = 0; n < 1_998; n += 1) queue.add(message(`critical ${n}`, "raised", `held:${n}`));
  assert.equal(queue.waiting.length, 2_000);
  queue.add(message("one more", "raised", "z", "warning"));
  assert.equal(queue.waiting.length, 2_000);
  assert.ok(!queue.waiting.some((each) => each.message.subject === "least"));
  assert.ok(queue.waiting.some((each) => each.message.subject === "under way"));
  assert.match(reports[0] ?? "", /too many alerts wait for test: "least"/);
});

test("closing gives what waits a moment, ends the attempt under way and keeps the rest", async () => {
  const { queue, attempt } = rig();
  queue.add(message("one"));
  queue.add(message("two", "over"));
  const first = await attempt();
  const closed = queue.close(50);
  first.end(DELIVERED);
  const second = await attempt();
  await closed;
  assert.ok(second.signal.aborted);
  second.end({ kind: "failed", evidence: "given up" });
  await settled();
  assert.deepEqual(queue.waiting.map((each) => each.message.subject), ["two"]);
});

test("closing does not wait for a channel that fails", { timeout: 5_000 }, async () => {
  const { queue, attempt } = rig();
  queue.add(message("one"));
  (await attempt()).end({ kind: "failed", evidence: "no" });
  await settled();
  await queue.close(60_000);
  assert.equal(queue.waiting.length, 1);
});

test("closing ends as soon as all is delivered", { timeout: 5_000 }, async () => {
  const { queue, attempt } = rig();
  queue.add(message("one"));
  const closed = queue.close(60_000);
  (await attempt()).end(DELIVERED);
  await closed;
});

test("what comes together goes together, and what comes within the window after it, too", { timeout: 20_000 }, async () => {
  const { queue, attempt } = rig([], { firstMs: 30, windowMs: 150 });
  const startMs = performance.now();
  for (const name of ["one", "two", "three"]) queue.add(message(name, "raised", name));
  const first = await attempt();
  assert.deepEqual([first.message.count, first.message.kind], [3, "several"]);
  assert.ok(performance.now() - startMs >= 25);
  queue.add(message("four", "raised", "four"));
  first.end(DELIVERED);
  await settled();
  const deliveredMs = performance.now();
  queue.add(message("five", "raised", "five"));
  const second = await attempt();
  assert.equal(second.message.count, 2);
  assert.ok(performance.now() - deliveredMs >= 140, "not within the window");
  second.end(DELIVERED);
  await settled();
  assert.deepEqual(queue.waiting, []);
});

test("a lone call waits for the first moment only", { timeout: 20_000 }, async () => {
  const { queue, attempt } = rig([], { firstMs: 20, windowMs: 60_000 });
  queue.add(message("one"));
  assert.equal((await attempt()).message.subject, "one");
});

test("what has piled up while the other side was away is one message when it is back, and in order", { timeout: 20_000 }, async () => {
  const { queue, attempt, reports } = rig([], { firstMs: 1, windowMs: 1 });
  queue.add(message("one", "raised", "a"));
  (await attempt()).end({ kind: "failed", evidence: "no" });
  await settled();
  for (let n = 0; n < 50; n += 1) queue.add(message(`${n}`, n % 2 === 0 ? "raised" : "over", `alarm ${n >> 1}`));
  const whole = await attempt();
  assert.equal(whole.message.count, 51);
  whole.end(DELIVERED);
  await settled();
  assert.deepEqual(queue.waiting, []);
  assert.equal(reports.length, 2, reports.join("; "));
});

test("a digest that is refused is taken apart, and only what is refused by itself is given back", { timeout: 20_000 }, async () => {
  const { queue, attempt, reports, lost } = rig([], { firstMs: 1, windowMs: 1 });
  for (const name of ["one", "two", "three"]) queue.add(message(name, "raised", name));
  (await attempt()).end({ kind: "refused", evidence: "too much" });
  for (const name of ["one", "two", "three"]) {
    const each = await attempt();
    assert.equal(each.message.subject, name);
    each.end(name === "two" ? { kind: "refused", evidence: "bad word" } : DELIVERED);
  }
  await settled();
  assert.deepEqual([queue.waiting, lost], [[], ["two"]]);
  assert.deepEqual(reports, ['alert "two" was refused by test and is dropped: bad word']);
});

test("who asks for time is given it, and no more than an hour", { timeout: 20_000 }, async () => {
  const { queue, attempt } = rig();
  queue.add(message("one"));
  const startMs = performance.now();
  (await attempt()).end({ kind: "failed", evidence: "429", retryAfterMs: 200 });
  const again = await attempt();
  assert.ok(performance.now() - startMs >= 195);
  again.end({ kind: "failed", evidence: "429", retryAfterMs: 1e12 });
  await settled();
  const { nextMs } = queue.report;
  assert.ok(nextMs !== null && nextMs - Date.now() <= 3_600_000 && nextMs - Date.now() > 3_500_000);
  await queue.close(0);
});

test("closing does not wait for the window", { timeout: 5_000 }, async () => {
  const { queue, attempt } = rig([], { firstMs: 60_000, windowMs: 60_000 });
  queue.add(message("one"));
  const closed = queue.close(60_000);
  (await attempt()).end(DELIVERED);
  await closed;
  assert.deepEqual(queue.waiting, []);
});

test("closing at once begins nothing: what waits belongs to who comes after", { timeout: 5_000 }, async () => {
  const { queue, open } = rig([], { firstMs: 60_000, windowMs: 60_000 });
  queue.add(message("one"));
  await queue.close(0);
  assert.equal(open(), 0);
  assert.equal(queue.waiting.length, 1);
});
