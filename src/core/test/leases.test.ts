// Leases as the watchers grant them, one case at a time; everything at once is sim/leases.

import assert from "node:assert/strict";
import { test } from "node:test";
import { boundMs, leaseReports } from "../leases.ts";
import type { LeaseRecord } from "../records.ts";
import type { LeaseTerms } from "../self-fence.ts";
import { hostPolicy } from "./hand.ts";
import type { Watcher } from "./several.ts";
import { Site } from "./several.ts";

const TERMS: LeaseTerms = { ttlMs: 30_000, stopWithinMs: 20_000, resetWithinMs: 30_000 };
const hosts = ["logos", "ethos"].map((name, at) => hostPolicy({ name, probes: [{ id: "ssh", counts: true }], levels: [[{ device: `pdu${at}`, outlet: "1" }]], bootMs: 60_000 }));

function site(): Site {
  return Site.running(2, hosts);
}

const record = (of: Site): LeaseRecord | undefined => of.store.get("lease/db")?.value as LeaseRecord | undefined;

/** What each watcher answers to one request. */
function ask(of: Site, host: string, epoch: number, { givenBack = 0, terms = TERMS } = {}): { granted: number[]; giveBack: number[] } {
  const before = of.watchers.map(({ effects }) => effects.length);
  for (const watcher of of.watchers) watcher.due({ kind: "lease-renew", contact: "a", host, request: { n: 1, terms, services: [{ service: "db", wants: true, epoch, is: "running", givenBack }] } });
  of.pass(500);
  const answers = of.watchers.flatMap(({ effects }, at) => effects.slice(before[at]).filter((effect) => effect.kind === "lease-answer"));
  return { granted: answers.flatMap(({ granted }) => granted.map((each) => each.epoch)), giveBack: answers.flatMap(({ giveBack }) => giveBack.map((each) => each.epoch)) };
}

function granted(): Site {
  const of = site();
  assert.equal(of.watchers[0]?.ask({ kind: "lease-grant", service: "db", host: "logos", reason: "" }).exit, 0);
  // The first request is what the record learns the terms from; nothing is granted before they stand in it.
  assert.deepEqual(ask(of, "logos", 0), { granted: [], giveBack: [] });
  assert.deepEqual(ask(of, "logos", 1), { granted: [1], giveBack: [] });
  return of;
}

const move = (watcher: Watcher | undefined, host = "ethos") => watcher?.ask({ kind: "lease-move", service: "db", host, reason: "" });

test("granted to one host, renewed by one watcher and by nobody for another host", () => {
  const of = granted();
  assert.deepEqual(record(of)?.terms, TERMS);
  assert.deepEqual(ask(of, "ethos", 0), { granted: [], giveBack: [] });
  for (const watcher of of.watchers) assert.equal(watcher.ask({ kind: "lease-grant", service: "db", host: "ethos", reason: "" }).exit, 4);
  assert.equal(of.watchers[1]?.ask({ kind: "lease-grant", service: "db", host: "logos", reason: "" }).exit, 1);
  const revision = of.store.get("lease/db")?.revision;
  for (let n = 0; n < 5; n += 1) assert.deepEqual(ask(of, "logos", 1).granted, [1]);
  assert.equal(of.store.get("lease/db")?.revision, revision, "a renewal writes nothing");
});

test("moved at the holder's word, at once", () => {
  const of = granted();
  assert.equal(move(of.watchers[1])?.exit, 0);
  assert.deepEqual(ask(of, "logos", 1), { granted: [], giveBack: [1] });
  assert.equal(record(of)?.host, "logos");
  ask(of, "logos", 1, { givenBack: 1 });
  assert.deepEqual([record(of)?.host, record(of)?.epoch, record(of)?.phase], ["ethos", 2, "granted"]);
  ask(of, "ethos", 0);
  assert.deepEqual(ask(of, "ethos", 0).granted, [2]);
  assert.deepEqual(ask(of, "logos", 1), { granted: [], giveBack: [1] });
});

test("moved without a word: not before the whole bound has passed since the taking back", () => {
  const of = granted();
  const bound = boundMs(TERMS) ?? 0;
  assert.equal(bound, 82_800);
  move(of.watchers[0]);
  of.pass(bound - 2_000);
  assert.equal(record(of)?.host, "logos");
  of.pass(4_000);
  assert.deepEqual([record(of)?.host, record(of)?.epoch], ["ethos", 2]);
});

test("a watcher that takes over in the middle waits from its own sight of it", () => {
  const of = granted();
  move(of.watchers[0]);
  const { holder } = of;
  of.pass(40_000);
  holder.kill();
  of.pass(30_000);
  const seenMs = of.nowMs;
  assert.equal(record(of)?.host, "logos");
  of.until(() => record(of)?.host === "ethos", 120_000);
  assert.ok(of.nowMs - seenMs < 60_000, "it has heard of it when it was written");
});

test("fenced by itself is told when the bound has passed, and taken back by a renewal", () => {
  const of = granted();
  of.pass(31_000 + 2_000);
  assert.ok(of.watchers.some((watcher) => watcher.told("lease").some((text) => text.includes("has not renewed its lease of db"))));
  assert.equal(record(of)?.fenced, null);
  of.pass(60_000);
  assert.notEqual(record(of)?.fenced, null);
  assert.equal(record(of)?.host, "logos");
  assert.deepEqual(of.offs(), [], "it switches nothing");
  ask(of, "logos", 1);
  assert.equal(record(of)?.fenced, null);
  assert.deepEqual(ask(of, "logos", 1).granted, [1]);
  of.pass(5_000);
  assert.equal(record(of)?.fenced, null);
});

test("without a watchdog time frees nothing; a person does, once the agent's own time has passed", () => {
  const of = site();
  of.watchers[0]?.ask({ kind: "lease-grant", service: "db", host: "logos", reason: "" });
  const terms = { ...TERMS, resetWithinMs: null };
  ask(of, "logos", 0, { terms });
  assert.deepEqual(ask(of, "logos", 1, { terms }).granted, [1]);
  const release = (confirm: string | null) => of.watchers[0]?.ask({ kind: "lease-release", service: "db", reason: "", confirm });
  assert.equal(release(null)?.exit, 0);
  assert.equal(release("db")?.exit, 4, "its agent may hold it yet");
  of.pass(600_000);
  assert.equal(record(of)?.phase, "taking-back");
  assert.equal(release("ethos")?.confirm, "db");
  assert.equal(release("db")?.exit, 0);
  assert.deepEqual([record(of)?.phase, record(of)?.host, record(of)?.epoch], ["free", null, 1]);
  assert.equal(leaseReports(of.watchers[0]?.state as Watcher["state"], (of.watchers[0] as Watcher).now())[0]?.phase, "free");
  assert.equal(of.watchers[1]?.ask({ kind: "lease-grant", service: "db", host: "ethos", reason: "" }).exit, 0);
  of.pass(1_000);
  assert.equal(record(of)?.epoch, 2);
});

test("in an epoch the terms only grow", () => {
  const of = granted();
  ask(of, "logos", 1, { terms: { ...TERMS, ttlMs: 10_000 } });
  assert.equal(record(of)?.terms?.ttlMs, 30_000);
  assert.deepEqual(ask(of, "logos", 1, { terms: { ...TERMS, ttlMs: 60_000 } }).granted, []);
  assert.equal(record(of)?.terms?.ttlMs, 60_000);
  assert.deepEqual(ask(of, "logos", 1, { terms: { ...TERMS, ttlMs: 60_000 } }).granted, [1]);
});

test("time went back: nobody has it, and only a word frees it", () => {
  const of = granted();
  for (const watcher of of.watchers) watcher.kill();
  of.pass(60_000);
  for (const watcher of of.watchers) watcher.start("the ledger is older than it was");
  of.pass(200_000);
  assert.equal(record(of)?.phase, "taking-back");
  assert.ok((record(of)?.epoch ?? 0) > 10_000);
  assert.deepEqual(ask(of, "logos", 1).granted, []);
  assert.equal(of.watchers[0]?.ask({ kind: "lease-grant", service: "db", host: "ethos", reason: "" }).exit, 4);
});
