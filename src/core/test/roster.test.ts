// Who looks at what and who is in charge: joining and leaving moves only what must move; units are what hangs together; stamps of
// other machines come out too young, never too old.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { WatcherRecord } from "../records.ts";
import { orderOf } from "../roster.ts";
import { elapsedSince, localised } from "../stamps.ts";
import { Register } from "../table.ts";
import type { Now } from "../time.ts";
import { ageMs, leftMs, stamp } from "../time.ts";
import { unitsOf } from "../units.ts";
import { hostPolicy, policyOf } from "./hand.ts";
import { Site } from "./several.ts";

const roster = (names: readonly string[]): ReadonlyMap<string, WatcherRecord> => new Map(names.map((watcher) => [watcher, { v: 1, watcher, joined: { bootMs: 0, wallMs: 0, bootId: "b" }, ready: true, self: [], version: "1" }]));
const names = (count: number): string[] => Array.from({ length: count }, (_, n) => `watcher-${n}`);
const UNITS = Array.from({ length: 2_000 }, (_, n) => `pdu-${n}`);

test("who leaves takes nothing with him that was not his, and what was his is spread over the others", () => {
  const before = roster(names(10));
  const after = roster(names(9));
  const moved = new Map<string, number>();
  for (const unit of UNITS) {
    const [was, is] = [orderOf(unit, before), orderOf(unit, after)];
    assert.deepEqual(is, was.filter((watcher) => watcher !== "watcher-9"), "the order of the others stays");
    if (was[0] === "watcher-9") moved.set(is[0] as string, (moved.get(is[0] as string) ?? 0) + 1);
  }
  const total = [...moved.values()].reduce((sum, each) => sum + each, 0);
  assert.ok(Math.abs(total - UNITS.length / 10) < UNITS.length / 40, `${total} units were his`);
  assert.equal(moved.size, 9);
});

test("everybody gets his share", () => {
  const shares = new Map<string, number>();
  const all = roster(names(20));
  for (const unit of UNITS) shares.set(orderOf(unit, all)[0] as string, (shares.get(orderOf(unit, all)[0] as string) ?? 0) + 1);
  for (const [watcher, share] of shares) assert.ok(share > 60 && share < 145, `${watcher} has ${share} of ${UNITS.length}, 100 are fair`);
});

test("hosts and devices that hang together are one unit, in whatever order they are named", () => {
  const on = (...devices: string[]) => [devices.map((device) => ({ device, outlet: "1" }))];
  const host = (name: string, ...devices: string[]) => hostPolicy({ name, levels: devices.length === 0 ? [] : on(...devices) });
  fc.assert(fc.property(fc.shuffledSubarray(["a", "b", "c", "d", "e"], { minLength: 5 }), (order) => {
    const hosts: Record<string, ReturnType<typeof host>> = { a: host("a", "p1"), b: host("b", "p1", "p2"), c: host("c", "p3", "p2"), d: host("d", "p4"), e: host("e") };
    const units = unitsOf(policyOf(order.map((name) => hosts[name] as ReturnType<typeof host>))).all;
    assert.deepEqual(units.map((unit) => [unit.name, [...unit.charges], unit.hosts.toSorted()]).toSorted(), [["host=e", ["host=e"], ["e"]], ["p1", ["p1", "p2", "p3"], ["a", "b", "c"]], ["p4", ["p4"], ["d"]]].toSorted());
  }));
});

test("a register is a map that keeps its earlier self", () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.string({ maxLength: 3 }), fc.option(fc.nat(), { nil: null }))), (steps) => {
    let register = Register.from<number>([]);
    const map = new Map<string, number>();
    for (const [key, value] of steps) {
      const before = [...register.entries()].length;
      const next = value === null ? register.without(key) : register.with(key, value);
      assert.equal([...register.entries()].length, before);
      register = next;
      if (value === null) map.delete(key);
      else map.set(key, value);
    }
    assert.deepEqual(new Map(register.entries()), map);
  }));
});

test("what another machine wrote is as old here as it was there, whatever either clock says", () => {
  const there: Now = { bootMs: 9_000_000, wallMs: Date.UTC(2020, 0, 1), bootId: "there", synced: false };
  const here: Now = { bootMs: 500, wallMs: Date.UTC(2026, 0, 1), bootId: "here", synced: true };
  const written = { by: "w2", life: "x", at: stamp(there) };
  const brake = { v: 1 as const, kind: "maintenance" as const, scope: "*", by: "anna", reason: "", since: { ...stamp(there), bootMs: there.bootMs - 60_000 }, until: { at: { ...stamp(there), bootMs: there.bootMs + 30_000 }, lengthMs: 90_000 }, written };
  const local = localised(brake, here, 0);
  assert.equal(ageMs(local.since, here), 60_000);
  assert.equal(leftMs(local.until, here), 30_000);
  assert.deepEqual(local.written, written);
  assert.equal(elapsedSince(written, here, true), 0, "his clock was not synchronised: nothing is known of the time since");
  assert.equal(elapsedSince({ ...written, at: stamp({ ...there, synced: true, wallMs: here.wallMs - 5_000 }) }, here, true), 5_000);
  assert.equal(elapsedSince({ ...written, at: stamp({ ...there, synced: true, wallMs: here.wallMs + 5_000 }) }, here, true), 0);
  assert.deepEqual(localised({ ...brake, since: stamp(here) }, here, 0).since, stamp(here), "of this very boot: as it is");
});

test("a newcomer takes its place without a gap: the one before it goes on until it has made its rounds", () => {
  const hosts = ["a", "b", "c", "d"].map((name, n) => hostPolicy({ name, probes: [{ id: "ssh", counts: true }], levels: [[{ device: `pdu-${n}`, outlet: "1" }]] }));
  const site = new Site(3, hosts, { observers: 2 });
  const [one, two, three] = site.watchers;
  one?.start();
  two?.start();
  site.pass(60_000);
  const seen = () => hosts.map((host) => site.watchers.filter((watcher) => watcher.running && watcher.observed?.has(host.name) === true).map((watcher) => watcher.name));
  assert.deepEqual(seen(), hosts.map(() => ["w1", "w2"]));
  three?.start();
  site.pass(10_000);
  for (const names of seen()) assert.ok(names.includes("w1") && names.includes("w2"), "the old ones go on");
  site.pass(60_000);
  assert.ok(seen().every((names) => names.length === 2), JSON.stringify(seen()));
  assert.ok(seen().some((names) => names.includes("w3")));
  const commits = site.commits;
  site.pass(300_000);
  assert.equal(site.commits, commits);
});

test("who meets a record of a newer version abstains, says so, and is in charge of nothing", () => {
  const site = Site.running();
  const { holder } = site;
  holder.due({ kind: "unreadable", records: [{ key: "op/17", kind: "newer", because: "it is of version 2, and this Upkeep knows 1" }] });
  site.pass(10_000);
  assert.notEqual(site.holder, holder);
  assert.match(JSON.stringify(holder.of("alarm").map(({ alarm }) => alarm)), /version 2.*abstains/);
  site.wedge("logos");
  site.pass(180_000);
  assert.deepEqual(site.offs(), ["sucker/2"], "the other two agree without it");
  holder.due({ kind: "unreadable", records: [] });
  site.pass(60_000);
  assert.ok(holder.told("vote").at(-1)?.startsWith("says up"));
});

test("two that were given one name: neither decides for both", () => {
  const site = Site.running();
  const { holder } = site;
  const entry = site.store.get(`alive/${holder.name}`);
  assert.ok(entry !== undefined);
  holder.due({ kind: "changes", changes: [{ key: `alive/${holder.name}`, revision: entry.revision + 1_000, value: { ...entry.value, folder: "another", written: { by: holder.name, life: "another", at: { bootMs: 1, wallMs: 1, bootId: "x" } } } as typeof entry.value }] });
  site.pass(1_000);
  assert.match(JSON.stringify(holder.of("alarm").map(({ alarm }) => alarm.happened)), /is called w\d, too/);
  assert.deepEqual(site.edges, []);
});

test("watchers that all hang on one power device are told so, once, by each; two feeds or another device, and they do not", () => {
  const fed = (...levels: (readonly string[])[]) => levels.map((feeds) => feeds.map((device) => ({ device, outlet: "1" })));
  const cases: [expected: boolean, Record<string, ReturnType<typeof fed>>][] = [
    [true, { a: fed(["bmc@a"], ["p1"]), b: fed(["p1"]), c: fed(["p1", "p1"]) }],
    [false, { a: fed(["p1"]), b: fed(["p1"]), c: fed(["p2"]) }],
    [false, { a: fed(["p1"]), b: fed(["p1"]), c: fed(["p1", "p2"]) }],
    [false, { a: fed(["p1"]), b: fed(["p1"]), c: [] }],
  ];
  for (const [expected, levels] of cases) {
    const hosts = Object.entries(levels).map(([name, each]) => hostPolicy({ name, probes: [{ id: "ssh", counts: true }], levels: each }));
    const site = new Site(3, hosts);
    const names = Object.keys(levels);
    for (const [at, watcher] of site.watchers.entries()) {
      watcher.policy = { ...watcher.policy, hosts: new Map(hosts.map((host) => [host.name, { ...host, self: host.name === names[at] }])) };
      watcher.start();
    }
    site.pass(120_000);
    for (const watcher of site.watchers) {
      const told = watcher.told("watcher").filter((each) => each.includes("hang on"));
      assert.deepEqual(told, expected ? ["all watchers hang on p1 (w1 on a, w2 on b, w3 on c): if it fails, nobody sees it and nobody restores power"] : told.filter(() => false), `${watcher.name} of ${JSON.stringify(levels)}`);
    }
  }
});
