// What outages in the fleet's simulator have found, each told exactly: a host that was shut down with care comes back also where every
// watcher's word is needed; what nobody can judge is told of; and an intent that lost its number to another one leaves no host behind.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { AnyRecord, Operation, RecordKey } from "../records.ts";
import { hostPolicy } from "./hand.ts";
import type { Watcher } from "./several.ts";
import { Site } from "./several.ts";

const CAREFUL = { haltBoundMs: 60_000, returnAfterMs: 10_000, returnCharge: 0, staggerMs: 0, sensed: true };

/** Two watchers, and power that is what `power` says. */
function twoWithPower(): { readonly site: Site; readonly power: { state: "good" | "lost" } } {
  const site = new Site(2, [hostPolicy({ name: "logos", probes: [{ id: "ssh", counts: true }], bootMs: 60_000 })], { careful: CAREFUL });
  const power: { state: "good" | "lost" } = { state: "good" };
  for (const watcher of site.watchers) watcher.start();
  site.every(5_000, () => {
    for (const watcher of site.watchers) watcher.due({ kind: "power-sense", state: power.state, because: "the test says so", charge: null });
    return true;
  });
  site.pass(60_000);
  return { site, power };
}

function shutDown(site: Site, power: { state: "good" | "lost" }): void {
  power.state = "lost";
  const { exit, text } = site.holder.ask({ kind: "careful", host: "logos", event: "e1", phase: "shutdown", haltWithinMs: 30_000, reason: "mains lost" });
  assert.equal(exit, 0, text);
  site.wedge("logos");
  site.pass(120_000);
  assert.deepEqual(site.edges, [], "a planned shutdown is not fenced");
}

test("of two watchers both have to say that it is down, and the one that starts it does", () => {
  const { site, power } = twoWithPower();
  shutDown(site, power);
  power.state = "good";
  site.until(() => site.serves("logos"), 180_000);
  site.pass(60_000);
  assert.deepEqual([site.offs(), site.ons()], [["sucker/2"], ["sucker/2"]]);
  assert.deepEqual(site.operations(), []);
});

test("a host that too few watchers can judge, since one has another configuration, is not started in silence: somebody is called", () => {
  const { site, power } = twoWithPower();
  shutDown(site, power);
  const reload = (watcher: Watcher, hash: string): void => {
    watcher.policy = { ...watcher.policy, hosts: new Map([...watcher.policy.hosts].map(([name, host]) => [name, { ...host, hash }])) };
    watcher.input({ kind: "policy" });
  };
  // Not where it is in charge, or the record would say that it was never healthy: it has another one, and both are needed.
  const other = site.watchers.find((watcher) => watcher !== site.holder) as Watcher;
  reload(other, "another");
  power.state = "good";
  site.until(() => site.store.has("alarm/return:logos"), 300_000);
  assert.deepEqual(site.edges, []);
  assert.deepEqual(site.operations(), []);
  // Somebody has pressed its button.
  site.heal("logos");
  site.until(() => !site.store.has("alarm/return:logos"), 60_000);
});

test("an intent whose number somebody else took for another host is withdrawn, and its host is cut after all", () => {
  const site = Site.running(2, ["logos", "muse"].map((name, at) => hostPolicy({ name, probes: [{ id: "ssh", counts: true }], bootMs: 60_000, levels: [[{ device: `pdu${at}`, outlet: "2" }]] })));
  site.wedge("logos");
  const intended = (): Operation | undefined => site.watchers.flatMap(({ state }) => [...state.operations.values()])[0];
  site.until(() => intended() !== undefined, 60_000);
  const ours = intended() as Operation;
  assert.equal(site.operations().length, 0, "it is not on record yet");
  const theirs: Operation = { ...ours, host: "muse", incident: "elsewhere", levels: [[{ device: "pdu1", outlet: "2", maxActMs: 30_000 }]] as unknown as Operation["levels"] };
  const write = (key: RecordKey, value: AnyRecord) => ({ key, value });
  site.commit({ kind: "store", txn: 0, guards: [], writes: [write(`op/${ours.id}`, theirs)], because: "", cause: 0 } as unknown as Parameters<Site["commit"]>[0], null);
  site.until(() => site.offs().includes("pdu0/2") && site.serves("logos"), 300_000);
  site.pass(120_000);
  assert.deepEqual(site.operations(), []);
  assert.ok(site.serves("muse"));
  assert.ok(!site.offs().includes("pdu1/2"));
});
