import assert from "node:assert/strict";
import { test } from "node:test";
import { petEveryMs, reloadingMessage, watchdogPetter } from "./notify.ts";

test("the watchdog is petted only when the loop has turned since the last time", () => {
  const said: string[] = [];
  const now = { turnedMs: 100, stopping: false };
  const pet = watchdogPetter((message) => said.push(message), () => now);
  pet();
  assert.deepEqual(said, [], "a loop that stands still while timers go on");
  now.turnedMs = 1_100;
  pet();
  assert.deepEqual(said, ["WATCHDOG=1"]);
  pet();
  assert.equal(said.length, 1);
});

test("while an operation is carried to its end, the loop that turns asks for more time, and one that stands still does not", () => {
  const said: string[] = [];
  const now = { turnedMs: 0, stopping: true };
  const pet = watchdogPetter((message) => said.push(message), () => now);
  pet();
  assert.deepEqual(said, []);
  now.turnedMs = 1;
  pet();
  assert.deepEqual(said, ["WATCHDOG=1", "EXTEND_TIMEOUT_USEC=30000000"]);
});

test("often enough for what the service manager waits", () => {
  for (const [environment, everyMs] of [
    [{}, 5_000],
    [{ WATCHDOG_USEC: "30000000" }, 5_000],
    [{ WATCHDOG_USEC: "2000000", WATCHDOG_PID: "7" }, 500],
    [{ WATCHDOG_USEC: "2000000", WATCHDOG_PID: "8" }, 5_000],
    [{ WATCHDOG_USEC: "1" }, 1],
    [{ WATCHDOG_USEC: "soon" }, 5_000],
  ] as const) assert.equal(petEveryMs(environment, 7), everyMs, JSON.stringify(environment));
});

test("a reload is told with the clock that systemd compares it with", () => {
  const [, usec = ""] = /^RELOADING=1\nMONOTONIC_USEC=([0-9]+)$/.exec(reloadingMessage()) ?? [];
  assert.ok(Math.abs(Number(usec) / 1_000 - Number(process.hrtime.bigint()) / 1e6) < 60_000);
});
