// Bad news at once and once; good news when it has lasted.

import assert from "node:assert/strict";
import { test } from "node:test";
import { HistoryHealth } from "./history-health.ts";

test("several reasons are one piece of news, and good news waits until the last of them has been gone for a while", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const told: (string | null)[] = [];
  const health = new HistoryHealth(1_000, (failure) => told.push(failure));
  health.right("disk");
  t.mock.timers.tick(5_000);
  assert.deepEqual(told, [], "nothing was wrong");
  health.wrong("disk", "full");
  health.wrong("behind", "it falls behind");
  health.wrong("disk", "full, still");
  health.right("disk");
  t.mock.timers.tick(5_000);
  assert.deepEqual(told, ["full"]);
  health.right("behind");
  t.mock.timers.tick(900);
  // A little came through, and then nothing again.
  health.wrong("disk", "full");
  t.mock.timers.tick(5_000);
  assert.deepEqual(told, ["full"]);
  health.right("disk");
  health.right("disk");
  t.mock.timers.tick(1_000);
  assert.deepEqual(told, ["full", null]);
  health.wrong("thread", "it hangs");
  assert.deepEqual(told, ["full", null, "it hangs"]);
  health.right("thread");
  health.close();
  t.mock.timers.tick(5_000);
  assert.deepEqual(told, ["full", null, "it hangs"], "the process ends: nobody is told");
});
