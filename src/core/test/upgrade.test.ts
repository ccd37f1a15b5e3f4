// Rolling upgrades (ADR 8): what an earlier release has written is taken up by this one, in the middle of an operation; what a
// later one has added to a record is kept, not understood and not lost; what a later one has changed makes this one abstain.
//
// records-0.1.0.json is what release 0.1.0 had in the store between off and on, with a maintenance for the fleet. It is never
// written again: a change of a record's shape that breaks it needs a new version of that record.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readRecord, writeRecord } from "../../stores/record-text.ts";
import type { AnyRecord, HostRecord, RecordKey } from "../records.ts";
import { LEASED } from "../records.ts";
import { Site } from "./several.ts";

const RECORDS = JSON.parse(readFileSync(join(import.meta.dirname, "records-0.1.0.json"), "utf8")) as readonly (readonly [RecordKey, AnyRecord])[];

/** The store as a fleet of 0.1.0 has left it: every watcher of it is dead, and its leases have ended. */
function inherited(change: (key: RecordKey, value: AnyRecord) => AnyRecord = (_key, value) => value): Site {
  const site = new Site();
  for (const [key, value] of RECORDS) {
    const read = readRecord(key, writeRecord(change(key, value)), LEASED);
    assert.ok(read.ok, `${key} can be read`);
    if (!LEASED.has(key.slice(0, key.indexOf("/")) as never)) site.store.set(key, { value: read.value, revision: 1, session: null });
  }
  // The host is dark: the off of 0.1.0 has arrived.
  site.switch("sucker/2", "off", site.watchers[0] as (typeof site.watchers)[number], 1);
  return site;
}

test("an operation of the release before is carried on, and its brakes hold", () => {
  const site = inherited();
  for (const watcher of site.watchers) watcher.start();
  site.pass(180_000);
  assert.deepEqual(site.ons(), ["sucker/2"]);
  assert.deepEqual(site.operations(), []);
  site.wedge("logos");
  site.pass(180_000);
  assert.deepEqual(site.offs(), ["sucker/2"], "the maintenance holds");
});

test("what a later release adds to a record is kept when this one writes it", () => {
  const site = inherited((key, value) => Object.assign({}, value, { laterField: `of ${key}` }));
  for (const watcher of site.watchers) watcher.start();
  site.pass(180_000);
  assert.deepEqual(site.operations(), []);
  const host = site.store.get("host/logos")?.value as HostRecord & { readonly laterField?: string; readonly written?: { readonly by: string } };
  assert.match(host.written?.by ?? "", /^w\d$/);
  assert.notDeepEqual(host.written, RECORDS.find(([key]) => key === "host/logos")?.[1].written, "it was written anew");
  assert.equal(host.laterField, "of host/logos");
});

test("what a later release has changed is not read", () => {
  for (const [key, value] of RECORDS) {
    const read = readRecord(key, JSON.stringify({ ...value, v: 2 }), LEASED);
    assert.ok(!read.ok && read.kind === "newer", key);
  }
});
