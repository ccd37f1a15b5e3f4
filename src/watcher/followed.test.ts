import assert from "node:assert/strict";
import { test } from "node:test";
import { openWorld, until } from "../api/world-for-tests.ts";
import { Followed } from "./followed.ts";

test("who follows one watcher follows the next, and is told that what was asked of the first is not known to be done", async (t) => {
  const [first, second] = [openWorld(), openWorld()];
  t.after(() => Promise.all([first.close(), second.close()]));
  const followed = new Followed(first.watcher);
  const told: string[] = [];
  const stop = followed.listen(({ kind }) => told.push(kind));
  await until("the first tells something", () => told.length > 0);
  assert.equal((await followed.command("root", { kind: "brake", brake: "maintenance", scope: "logos", forMs: 60_000, reason: "" })).exit, 0);
  // Asked of a watcher that will never answer.
  await first.watcher.kill();
  const unanswered = followed.command("root", { kind: "release", host: "logos" });
  followed.follow(second.watcher);
  const answer = await unanswered;
  assert.deepEqual([answer.exit, /not known to be recorded/.test(answer.text)], [5, true]);
  assert.equal(followed.state, second.watcher.state);
  assert.equal(followed.policy, second.watcher.policy);
  const before = told.length;
  assert.equal((await followed.command("root", { kind: "brake", brake: "maintenance", scope: "ethos", forMs: 60_000, reason: "" })).exit, 0);
  assert.ok(told.length > before && told.includes("brake"));
  stop();
  const silent = told.length;
  await followed.command("root", { kind: "unbrake", brake: "maintenance", scope: "ethos" });
  assert.equal(told.length, silent);
});
