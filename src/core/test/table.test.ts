// The table behaves as a Map that is copied at every change, without being one.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Table } from "../table.ts";

const keys = (count: number) => Array.from({ length: count }, (_, n) => `host-${n}`);

test("it reads as the Map that it was made from, in the same order", () => {
  for (const count of [0, 1, 31, 32, 33, 64, 100]) {
    const table = Table.from(keys(count).map((key, n) => [key, n] as const));
    assert.equal(table.size, count);
    assert.deepEqual([...table.keys()], keys(count));
    assert.deepEqual([...table.values()], keys(count).map((_, n) => n));
    assert.equal(table.get("nobody"), undefined);
    for (const [n, key] of keys(count).entries()) assert.equal(table.get(key), n);
  }
});

test("a change is seen in the new table and never in an old one", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 100 }), fc.array(fc.tuple(fc.nat(99), fc.integer()), { maxLength: 60 }), (count, changes) => {
    let table = Table.from<number>(keys(count).map((key) => [key, 0] as const));
    const model = new Map(keys(count).map((key) => [key, 0]));
    const versions: { table: Table<number>; model: [string, number][] }[] = [];
    for (const [at, value] of changes) {
      versions.push({ table, model: [...model] });
      const key = `host-${at % count}`;
      table = table.with(key, value);
      model.set(key, value);
    }
    assert.deepEqual([...table.values()], [...model.values()]);
    for (const version of versions) for (const [key, value] of version.model) assert.equal(version.table.get(key), value);
  }));
});

test("what does not fit is a programmer's error", () => {
  assert.throws(() => Table.from([["a", 1], ["a", 2]]), /key a twice/);
  assert.throws(() => Table.from([["a", 1]]).with("b", 2), /no key b/);
});
