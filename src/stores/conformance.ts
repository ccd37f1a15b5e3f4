// What every store must do, wherever it keeps things: the port's contract (store.ts) as tests. A store's own test file calls
// `storeConformance` with a rig; `open` may be called again after `close`, and sees what was committed before.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoredRecord, Write } from "../core/io.ts";
import type { RecordKey, RecordOf } from "../core/records.ts";
import type { CommitResult, Store } from "./store.ts";

export type StoreRig = {
  open(): Promise<Store>;
  /** Frees everything; all stores are closed. */
  dispose(): Promise<void>;
};

type Ack = RecordOf["ack"];

const KEY: RecordKey = "ack/held:logos";
const OTHER: RecordKey = "ack/held:ethos";
const THIRD: RecordKey = "ack/held:pathos";

/** Registers the tests. */
export function storeConformance(name: string, make: () => Promise<StoreRig>, skip: string | false = false): void {
  const check = (what: string, body: (store: Store, rig: StoreRig) => Promise<void>): void => {
    test(`${name}: ${what}`, { skip }, async () => {
      const rig = await make();
      try {
        const store = await rig.open();
        try {
          await body(store, rig);
        } finally {
          await store.close();
        }
      } finally {
        await rig.dispose();
      }
    });
  };

  check("an empty store has no records and a name", async (store) => {
    assert.deepEqual(await store.load(), []);
    assert.match(store.identity, /\S{8,}/);
  });

  check("what is committed is there, with its revision", async (store) => {
    const first = committed(await store.commit([], [put(KEY, "a")]));
    const second = committed(await store.commit([], [put(OTHER, "b")]));
    assert.deepEqual(await found(store), { [KEY]: ["a", first], [OTHER]: ["b", second] });
  });

  check("revisions grow with every commit, over all keys, deletes too", async (store) => {
    const revisions = [
      committed(await store.commit([], [put(KEY, "a")])),
      committed(await store.commit([], [put(OTHER, "b")])),
      committed(await store.commit([], [remove(KEY)])),
      committed(await store.commit([], [put(KEY, "c")])),
    ];
    assert.deepEqual(revisions.toSorted((one, other) => one - other), revisions);
    assert.equal(new Set(revisions).size, revisions.length);
    assert.ok(revisions.every((revision) => Number.isSafeInteger(revision) && revision > 0));
  });

  check("all keys of a transaction have its revision", async (store) => {
    const revision = committed(await store.commit([], [put(KEY, "a"), put(OTHER, "b")]));
    assert.deepEqual(await found(store), { [KEY]: ["a", revision], [OTHER]: ["b", revision] });
  });

  check("a guard holds when the key is at that revision, and not after it was written again", async (store) => {
    const first = committed(await store.commit([], [put(KEY, "a")]));
    const second = committed(await store.commit([{ key: KEY, revision: first }], [put(KEY, "b")]));
    refused(await store.commit([{ key: KEY, revision: first }], [put(KEY, "c")]), KEY);
    assert.deepEqual(await found(store), { [KEY]: ["b", second] });
  });

  check("a guard is by key: another key's commit does not break it", async (store) => {
    const first = committed(await store.commit([], [put(KEY, "a")]));
    committed(await store.commit([], [put(OTHER, "b")]));
    committed(await store.commit([{ key: KEY, revision: first }], [put(KEY, "c")]));
  });

  check("a guard for an absent key holds once", async (store) => {
    const guard = { key: KEY, revision: null };
    committed(await store.commit([guard], [put(KEY, "a")]));
    refused(await store.commit([guard], [put(KEY, "b")]), KEY);
    committed(await store.commit([], [remove(KEY)]));
    committed(await store.commit([guard], [put(KEY, "c")]));
  });

  check("a guard of a deleted key does not hold, also when it comes back", async (store) => {
    const first = committed(await store.commit([], [put(KEY, "a")]));
    committed(await store.commit([], [remove(KEY)]));
    refused(await store.commit([{ key: KEY, revision: first }], [put(KEY, "b")]), KEY);
    committed(await store.commit([], [put(KEY, "a")]));
    refused(await store.commit([{ key: KEY, revision: first }], [put(KEY, "b")]), KEY);
  });

  check("one guard of several that fails keeps everything from being written", async (store) => {
    const first = committed(await store.commit([], [put(KEY, "a")]));
    const guards = [{ key: KEY, revision: first }, { key: OTHER, revision: null }, { key: THIRD, revision: first }];
    refused(await store.commit(guards, [put(KEY, "b"), put(OTHER, "b"), remove(THIRD)]), THIRD);
    assert.deepEqual(await found(store), { [KEY]: ["a", first] });
  });

  check("a guard may stand for a key that is not written", async (store) => {
    const first = committed(await store.commit([], [put(KEY, "a")]));
    const second = committed(await store.commit([{ key: KEY, revision: first }], [put(OTHER, "b")]));
    assert.deepEqual(await found(store), { [KEY]: ["a", first], [OTHER]: ["b", second] });
  });

  check("a delete removes, and may find nothing to remove", async (store) => {
    committed(await store.commit([], [put(KEY, "a")]));
    committed(await store.commit([], [remove(KEY), remove(OTHER)]));
    assert.deepEqual(await store.load(), []);
  });

  check("transactions happen in the order of the calls, without waiting between them", async (store) => {
    const first = committed(await store.commit([{ key: KEY, revision: null }], [put(KEY, "0")]));
    // The second of each pair is right only if the first was carried out before it.
    const results = await Promise.all(Array.from({ length: 20 }, (_, n) => store.commit([], [put(KEY, String(n + 1)), n % 2 === 0 ? put(OTHER, "x") : remove(OTHER)])));
    const revisions = results.map(committed);
    assert.deepEqual(revisions.toSorted((one, other) => one - other), revisions);
    assert.ok((revisions[0] ?? 0) > first);
    assert.deepEqual(await found(store), { [KEY]: ["20", revisions.at(-1)] });
  });

  check("of transactions that guard the same revision one is committed", async (store) => {
    const first = committed(await store.commit([], [put(KEY, "0")]));
    const results = await Promise.all(["1", "2", "3"].map((by) => store.commit([{ key: KEY, revision: first }], [put(KEY, by)])));
    assert.deepEqual(results.map((result) => result.kind), ["committed", "conflict", "conflict"]);
    assert.equal((await found(store))[KEY]?.[0], "1");
  });

  check("records survive a close, with identity and revisions; revisions go on growing", async (store, rig) => {
    const { identity } = store;
    const first = committed(await store.commit([], [put(KEY, "a"), put(THIRD, "c")]));
    const last = committed(await store.commit([], [remove(THIRD)]));
    await store.close();
    const again = await rig.open();
    try {
      assert.equal(again.identity, identity);
      assert.deepEqual(await found(again), { [KEY]: ["a", first] });
      refused(await again.commit([{ key: KEY, revision: last }], [put(KEY, "b")]), KEY);
      assert.ok(committed(await again.commit([{ key: KEY, revision: first }], [put(KEY, "b")])) > last);
    } finally {
      await again.close();
    }
  });

  check("values come back as they went in", async (store) => {
    const value: Ack = { v: 1, alarm: "quotes \" ' \\ and \u2028 and ünïcödé and \u{1f50c} and \u0000", by: "", at: { bootMs: 0.1 + 0.2, wallMs: 1_700_000_000_123.25, bootId: "x".repeat(100_000) } };
    committed(await store.commit([], [{ key: "ack/ünï code/with/slashes '; DROP TABLE record; --", value }]));
    const [record] = await store.load();
    assert.deepEqual(record?.value, value);
    assert.equal(record?.key, "ack/ünï code/with/slashes '; DROP TABLE record; --");
  });

  check("after a close a commit fails and says so, and closing again is fine", async (store) => {
    await store.close();
    const result = await store.commit([], [put(KEY, "a")]);
    assert.equal(result.kind, "failed");
    assert.match(result.kind === "failed" ? result.evidence : "", /closed/);
    await store.close();
  });
}

export function put(key: RecordKey, by: string): Write {
  const value: Ack = { v: 1, alarm: key.slice("ack/".length), by, at: { bootMs: 1, wallMs: 2, bootId: "boot" } };
  return { key, value };
}

export function remove(key: RecordKey): Write {
  return { key, value: null };
}

/** `by` and revision of every record that `put` has made. */
export async function found(store: Store): Promise<Record<string, readonly [string, number] | undefined>> {
  const records: readonly StoredRecord[] = await store.load();
  return Object.fromEntries(records.map(({ key, value, revision }) => [key, [(value as Ack).by, revision]]));
}

export function committed(result: CommitResult): number {
  if (result.kind !== "committed") assert.fail(`${result.kind}: ${result.evidence}`);
  return result.revision;
}

/** A conflict must name the key that did not hold: it ends up in the journal. */
function refused(result: CommitResult, key: RecordKey): void {
  if (result.kind !== "conflict") assert.fail(`${result.kind} instead of a conflict`);
  assert.ok(result.evidence.includes(key), result.evidence);
}
