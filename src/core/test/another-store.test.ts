// The store is another one, and the watchers find that out one after the other (safety.md §3.9, ADR 8.14).

import assert from "node:assert/strict";
import { test } from "node:test";
import { Site } from "./several.ts";

/** w1 finds another store than it knew while w2 and w3 do not run; a person arms it again, and it cuts logos. */
function cutInAnotherStore(): Site {
  const site = Site.running(3, undefined, { lone: "act" });
  for (const watcher of site.watchers) watcher.kill();
  site.pass(20_000);
  const first = site.watchers[0] as Site["holder"];
  first.start("it is another store", "the one before");
  site.pass(60_000);
  assert.equal(first.ask({ kind: "unbrake", brake: "disarmed", scope: "*" }).exit, 0);
  site.wedge("logos");
  site.until(() => site.operations().some(({ phase }) => phase === "off-confirmed"), 120_000);
  first.kill();
  site.pass(20_000);
  return site;
}

test("who finds another store late pays what has been owed in it since, also while nobody else runs", () => {
  const site = cutInAnotherStore();
  const late = site.watchers[1] as Site["holder"];
  late.start("it is another store", "the one before");
  site.until(() => site.operations().length === 0 && site.serves("logos"), 300_000);
  assert.deepEqual([site.offs(), site.ons(), late.told("withdrawn")], [["sucker/2"], ["sucker/2"], []]);
});

test("an operation of the store before is left alone also by who finds it late", () => {
  const site = cutInAnotherStore();
  const [key, entry] = [...site.store].find(([each]) => each.startsWith("op/")) as [string, { value: object; revision: number; session: null }];
  // As it stood in the copy, under a number from before.
  site.store.delete(key as "op/1");
  site.store.set("op/1", { ...entry, value: { ...entry.value, id: 1 } } as never);
  const late = site.watchers[1] as Site["holder"];
  late.start("it is another store", "the one before");
  site.pass(120_000);
  assert.deepEqual([site.operations(), site.ons()], [[], []]);
  assert.match(late.told("withdrawn").join(), /operation 1 stood at off-confirmed in that ledger and is not carried on/);
});

test("in an older copy of the store that it knows nothing is younger than what it remembers", () => {
  const site = cutInAnotherStore();
  const late = site.watchers[1] as Site["holder"];
  late.start("the store is at an older revision", "test");
  site.pass(120_000);
  assert.deepEqual([site.operations(), site.ons()], [[], []]);
  assert.match(late.told("withdrawn").join(), /is not carried on/);
});
