import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { bootClock, bootId, bootNow, bootNowFine, clockSynced, monotonicStandIn, uptimeMs, watchStalls } from "./boot-clock.ts";
import { VirtualClock } from "./virtual-clock.ts";

function procUptimeMs(): number {
  return Number.parseFloat(readFileSync("/proc/uptime", "latin1")) * 1_000;
}

test("the boot-time clock agrees with /proc/uptime", () => {
  const before = procUptimeMs();
  const now = bootNow();
  const after = procUptimeMs();
  assert.ok(now >= before - 20 && now <= after + 20, `${before} <= ${now} <= ${after}`);
  assert.ok(Math.abs(uptimeMs() - now) < 1_000);
});

test("whole milliseconds, never backwards, and the fine reading lies within the same millisecond or later", () => {
  let last = 0;
  for (let turn = 0; turn < 10_000; turn += 1) {
    const whole = bootNow();
    const fine = bootNowFine();
    assert.ok(Number.isInteger(whole) && whole >= last && fine >= whole);
    last = whole;
  }
});

test("a reading costs microseconds at most", () => {
  for (let turn = 0; turn < 20_000; turn += 1) bootNow();
  let bestUs = Infinity; // the best of several: the machine is shared
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const startedAt = performance.now();
    for (let turn = 0; turn < 5_000; turn += 1) bootNow();
    bestUs = Math.min(bestUs, (performance.now() - startedAt) / 5);
  }
  assert.ok(bestUs < 2, `${bestUs} µs`);
});

test("the stand-in without koffi has the same origin and pace", async () => {
  const standIn = monotonicStandIn();
  assert.ok(Math.abs(standIn() - bootNowFine()) < 50);
  await pause(20);
  assert.ok(Math.abs(standIn() - bootNowFine()) < 50);
});

test("the boot's identity is the kernel's", () => {
  assert.match(bootId(), /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  assert.equal(bootId(), readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim());
});

test("whether the wall clock is synchronised is a plain answer and never throws", () => {
  assert.equal(typeof clockSynced(), "boolean");
});

test("the real clock is never early, and what was taken back does not fire", async () => {
  const due = bootClock.nowMs() + 15;
  let cancelledFired = false;
  const takeBack = bootClock.at(due, () => (cancelledFired = true));
  takeBack();
  const firedAt = await new Promise<number>((resolve) => bootClock.at(due, () => resolve(bootClock.nowMs())));
  assert.ok(firedAt >= due - 0.5, `${firedAt - due} ms`);
  await new Promise<void>((resolve) => bootClock.at(due - 10_000, resolve)); // in the past: at once
  assert.equal(cancelledFired, false);
});

test("stalls are counted from the moment asked for, the one that is not over included", async () => {
  const clock = new VirtualClock();
  const stalls = watchStalls(clock);
  await clock.advance(1_000);
  assert.equal(stalls.lostMs(0), 0);
  const beforeMs = clock.ms;
  clock.stall(450);
  assert.ok(stalls.lostMs(beforeMs) >= 400, `${stalls.lostMs(beforeMs)}`);
  await clock.advance(1);
  const lost = stalls.lostMs(beforeMs);
  assert.ok(lost >= 400 && lost <= 450, `${lost}`);
  assert.equal(stalls.lostMs(clock.ms), 0);
  stalls.close();
});
