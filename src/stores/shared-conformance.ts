// What every store must do that several watchers share: the second half of the port's contract (store.ts) as tests, beside
// the first (conformance.ts). Waiting is for conditions, with a limit that a busy machine keeps; no test counts on a pause.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Write } from "../core/io.ts";
import type { RecordKey, RecordOf } from "../core/records.ts";
import { committed, found, put, remove } from "./conformance.ts";
import type { Change, CommitResult, Guard, Session, SharedStore, Sight, UnreadableRecord } from "./store.ts";

export type SharedRig = {
  readonly ttlMs: number;
  readonly callMs: number;
  /** Another client of the same store. Records of the kind `storm` are leased. */
  open(options?: { readonly nowMs?: () => number; readonly onUnreadable?: (records: readonly UnreadableRecord[]) => void }): Promise<SharedStore>;
  /** A client with another prefix. */
  openElsewhere(): Promise<SharedStore>;
  /** Writes a text under a record's key, behind Upkeep's back; null deletes it. */
  plant(key: string, text: string | null): Promise<void>;
  /** Nobody gets an answer from the store any more, and it does not refuse either; and back. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Removes everything of this store while clients use it. */
  wipe(): Promise<void>;
  /** Frees everything; all stores are closed. */
  dispose(): Promise<void>;
};

type Storm = RecordOf["storm"];

const KEY: RecordKey = "ack/held:logos";
const OTHER: RecordKey = "ack/held:ethos";
const ALIVE: RecordKey = "storm/fleet";
const LIMIT_MS = 90_000;
const ROUNDS = 40;

/** Registers the tests. */
export function sharedStoreConformance(name: string, make: () => Promise<SharedRig>, skip: string | false = false): void {
  const check = (what: string, body: (rig: SharedRig, opened: SharedRig["open"]) => Promise<void>): void => {
    test(`${name}: ${what}`, { skip }, async () => {
      const rig = await make();
      const stores: SharedStore[] = [];
      const keep = async (store: Promise<SharedStore>): Promise<SharedStore> => {
        stores.push(await store);
        return store;
      };
      try {
        await body({ ...rig, openElsewhere: () => keep(rig.openElsewhere()) }, (options) => keep(rig.open(options)));
      } finally {
        for (const store of stores) await store.close();
        await rig.dispose();
      }
    });
  };

  check("a watch tells everybody's writes, own ones too, each once and in the order of their revisions; the last of each key, where the store coalesces", async (_rig, open) => {
    const [one, other] = [await open(), await open()];
    await one.load();
    const seen = sighted(one);
    const writes = Array.from({ length: 30 }, (_, n) => [one.commit([], [put(KEY, `one ${n}`), put(OTHER, `one ${n}`)]), other.commit([], [put(KEY, `other ${n}`)])]).flat();
    const results = await Promise.all(writes);
    results.push(await other.commit([], [remove(KEY)]));
    const told = await reached(seen, Math.max(...results.map(committed)));
    const revisions = told.map((change) => change.revision);
    assert.deepEqual(revisions, revisions.toSorted((a, b) => a - b));
    assert.deepEqual(told.map(({ key, revision }) => `${revision} ${key}`).length, new Set(told.map(({ key, revision }) => `${revision} ${key}`)).size, "told twice");
    const tells = (wanted: RecordKey, at: number): boolean => told.some(({ key, revision }) => key === wanted && (revision === at || (one.capabilities.coalesces === true && revision > at)));
    for (const [n, result] of results.entries()) {
      assert.ok(tells(KEY, committed(result)), `write ${n} is missing`);
      if (n % 2 === 0 && n < writes.length) assert.ok(tells(OTHER, committed(result)), `the second half of write ${n} is missing`);
    }
    assert.equal(told.findLast(({ key }) => key === KEY)?.value, null);
    assert.deepEqual(seen.troubles, []);
  });

  check("a watch begins where the load ended: nothing twice, nothing missed", async (_rig, open) => {
    const [one, other] = [await open(), await open()];
    committed(await other.commit([], [put(KEY, "before")]));
    assert.deepEqual(Object.keys(await found(one)), [KEY]);
    const between = committed(await other.commit([], [put(OTHER, "between")]));
    const seen = sighted(one);
    const after = committed(await other.commit([], [put(KEY, "after")]));
    const told = await reached(seen, after);
    assert.deepEqual(told.map(({ key, revision }) => [key, revision]), [[OTHER, between], [KEY, after]]);
  });

  check("a watch that was ended tells nothing, another one goes on", async (_rig, open) => {
    const [one, other] = [await open(), await open()];
    const [ended, goesOn] = [sighted(one), sighted(one)];
    const first = committed(await other.commit([], [put(KEY, "a")]));
    await reached(ended, first);
    ended.end();
    const count = ended.changes.length;
    await reached(goesOn, committed(await other.commit([], [put(KEY, "b")])));
    assert.equal(ended.changes.length, count);
  });

  check("a session keeps itself alive; its records go when it leaves, and `lost` is not told", async (rig, open) => {
    const [one, other] = [await open(), await open()];
    const seen = sighted(other);
    const session = await joined(one);
    const revision = committed(await one.commit([{ key: ALIVE, revision: null }], [alive("one")]));
    const [first] = session.held;
    // Longer than two times to live: the store's own clock must have been told, too.
    await until(() => (session.held.at(-1) ?? 0) > (first ?? 0) + 2 * rig.ttlMs || session.lost.length > 0);
    assert.deepEqual(session.lost, []);
    assert.deepEqual(session.held, session.held.toSorted((a, b) => a - b));
    assert.equal(new Set(session.held).size, session.held.length, "held was told twice for one keep-alive");
    assert.deepEqual((await other.load()).map(({ key, revision: at }) => [key, at]), [[ALIVE, revision]]);
    const leaving = performance.now();
    await one.leave();
    await until(() => seen.changes.some(({ key, value }) => key === ALIVE && value === null));
    // Not the time to live, but the word of the one who left.
    assert.ok(performance.now() - leaving < LIMIT_MS);
    assert.deepEqual(await other.load(), []);
    assert.deepEqual(session.lost, []);
  });

  check("records of a session that died go with the time to live, and not before; durable ones stay", async (_rig, open) => {
    const [one, other] = [await open(), await open()];
    const seen = sighted(other);
    const session = await joined(one);
    const last = committed(await one.commit([], [alive("one"), put(KEY, "durable")]));
    await reached(seen, last);
    await one.close();
    const untilMs = session.held.at(-1) ?? 0;
    let goneMs = 0;
    await until(() => {
      if (goneMs === 0 && seen.changes.some(({ key, value }) => key === ALIVE && value === null)) goneMs = performance.now();
      return goneMs > 0;
    });
    assert.ok(goneMs >= untilMs, `gone ${untilMs - goneMs} ms before its own deadline`);
    assert.deepEqual((await other.load()).map(({ key }) => key), [KEY]);
  });

  check("a leased record can only be written within a session", async (_rig, open) => {
    const one = await open();
    const refused = await one.commit([], [put(KEY, "a"), alive("one")]);
    assert.equal(refused.kind, "failed");
    assert.match(refused.kind === "failed" ? refused.evidence : "", /session/);
    assert.deepEqual(await one.load(), []);
    await joined(one);
    committed(await one.commit([], [put(KEY, "a"), alive("one")]));
    await one.leave();
    assert.equal((await one.commit([], [alive("one")])).kind, "failed");
    await joined(one);
    committed(await one.commit([], [alive("again")]));
  });

  check("a guard on the absence of a leased record holds only when its session is over", async (_rig, open) => {
    const [one, other] = [await open(), await open()];
    await joined(one);
    committed(await one.commit([], [alive("one")]));
    const takeOver = (): ReturnType<SharedStore["commit"]> => other.commit([{ key: ALIVE, revision: null }], [put(KEY, "other")]);
    const refused = await takeOver();
    assert.equal(refused.kind, "conflict");
    assert.ok(refused.kind === "conflict" && refused.evidence.includes(ALIVE));
    await one.leave();
    committed(await takeOver());
  });

  check(`of two clients that race for one key exactly one wins, ${ROUNDS} times`, async (_rig, open) => {
    const racers = [await open(), await open(), await open()];
    let revision: number | null = null;
    const wins = racers.map(() => 0);
    for (let round = 0; round < ROUNDS; round += 1) {
      const guard: Guard = { key: KEY, revision };
      const results: readonly CommitResult[] = await Promise.all(racers.map((racer, n) => racer.commit([guard], [put(KEY, `racer ${n}`)])));
      const winners = results.flatMap((result, n) => (result.kind === "committed" ? [n] : []));
      assert.equal(winners.length, 1, `round ${round}: ${JSON.stringify(results)}`);
      assert.equal(results.filter((result) => result.kind === "conflict").length, racers.length - 1);
      const [winner = -1] = winners;
      wins[winner] = (wins[winner] ?? 0) + 1;
      const record = (await found(racers[(winner + 1) % racers.length] as SharedStore))[KEY];
      assert.equal(record?.[0], `racer ${winner}`);
      revision = record?.[1] ?? null;
    }
    assert.equal(wins.reduce((sum, each) => sum + each, 0), ROUNDS);
  });

  check("a store that says nothing: commit, load and join end in time, blind is told once, and everything comes back", async (rig, open) => {
    const [one, other] = [await open(), await open()];
    const seen = sighted(one);
    await reached(seen, committed(await other.commit([], [put(KEY, "a")])));
    await rig.freeze();
    try {
      const frozenMs = performance.now();
      const refused = await one.commit([], [put(OTHER, "nobody knows")]);
      assert.equal(refused.kind, "failed");
      await assert.rejects(one.load(), { code: "STORE_UNREACHABLE" });
      await assert.rejects(one.join(() => undefined), { code: "STORE_UNREACHABLE" });
      // Three calls of callMs each; the rest is what a busy machine may need to come to it.
      assert.ok(performance.now() - frozenMs < 3 * rig.callMs + 10_000, `three calls took ${performance.now() - frozenMs} ms`);
      await until(() => seen.troubles.length > 0);
    } finally {
      await rig.thaw();
    }
    await until(() => seen.snapshots.length > 0);
    assert.equal(seen.troubles.length, 1);
    assert.match(seen.troubles[0] ?? "", /^blind: /);
    const written = await retried(() => other.commit([], [put(KEY, "b")]));
    await until(() => seen.latest(KEY) === "b");
    assert.ok(seen.latestRevision() >= written);
    assert.equal(seen.troubles.length, 1);
  });

  check("a session is lost by the client's own clock, though the store has not ended it, exactly once", async (_rig, open) => {
    let aheadMs = 0;
    const one = await open({ nowMs: () => performance.now() + aheadMs });
    const other = await open();
    const session = await joined(one);
    committed(await one.commit([], [alive("one")]));
    aheadMs = 3_600_000;
    const refused = await one.commit([], [alive("too late")]);
    assert.equal(refused.kind, "failed");
    assert.equal(session.lost.length, 1);
    assert.deepEqual((await other.load()).map(({ value }) => (value as Storm).because), ["one"], "the store still holds it");
    const count = session.held.length;
    await until(async () => (await other.load()).length === 0);
    assert.equal(session.lost.length, 1);
    assert.equal(session.held.length, count, "held after lost");
    const again = await joined(one);
    committed(await one.commit([{ key: ALIVE, revision: null }], [alive("again")]));
    assert.deepEqual(again.lost, []);
  });

  check("the session of a frozen store is lost at its own deadline", async (rig, open) => {
    const one = await open();
    const session = await joined(one);
    committed(await one.commit([], [alive("one")]));
    await rig.freeze();
    try {
      let lostMs = 0;
      await until(() => {
        if (lostMs === 0 && session.lost.length > 0) lostMs = performance.now();
        return lostMs > 0;
      });
      const untilMs = session.held.at(-1) ?? 0;
      assert.ok(lostMs >= untilMs, "before its deadline");
      assert.ok(lostMs < untilMs + 5_000, `${lostMs - untilMs} ms after its deadline`);
    } finally {
      await rig.thaw();
    }
    assert.equal(session.lost.length, 1);
  });

  check("two clients of one store have one identity; another prefix is another store", async (rig, open) => {
    const [one, other] = [await open(), await open()];
    const elsewhere = await rig.openElsewhere();
    assert.equal(one.identity, other.identity);
    assert.notEqual(one.identity, elsewhere.identity);
    committed(await one.commit([], [put(KEY, "here")]));
    assert.deepEqual(await elsewhere.load(), []);
    const seen = sighted(elsewhere);
    committed(await one.commit([], [put(KEY, "here, too")]));
    await reached(seen, committed(await elsewhere.commit([{ key: KEY, revision: null }], [put(KEY, "there")])));
    assert.deepEqual(seen.changes.map(({ value }) => (value as RecordOf["ack"]).by), ["there"]);
  });

  check("records of a newer version, or damaged ones, are left out and told", async (rig, open) => {
    const told: (readonly UnreadableRecord[])[] = [];
    const last = (): string[] => (told.at(-1) ?? []).map(({ key, kind }) => `${kind} ${key}`).toSorted();
    const one = await open({ onUnreadable: (records) => void told.push(records) });
    committed(await one.commit([], [put(KEY, "a")]));
    await rig.plant("ack/newer", '{"v":2,"what":"ever"}');
    await rig.plant("omen/of-a-later-age", '{"v":1}');
    await rig.plant("op/17", "{not json");
    assert.deepEqual((await one.load()).map(({ key }) => key), [KEY]);
    assert.deepEqual(last(), ["damaged op/17", "newer ack/newer", "newer omen/of-a-later-age"]);
    assert.equal(told.length, 1);
    assert.match(told[0]?.find(({ key }) => key === "ack/newer")?.because ?? "", /version 2/);
    const seen = sighted(one);
    await rig.plant("op/17", null);
    await rig.plant("lock/sucker", "[]");
    await rig.plant("ack/newer", JSON.stringify(put("ack/newer", "mended").value));
    await until(() => seen.changes.some(({ key }) => key === "ack/newer"));
    assert.deepEqual(last(), ["damaged lock/sucker", "newer omen/of-a-later-age"]);
    assert.deepEqual(seen.changes.map(({ key, value }) => [key, value === null]), [["op/17", true], ["ack/newer", false]]);
    assert.deepEqual(seen.troubles, []);
    // Somebody who cannot read a record cannot write over it by accident.
    assert.equal((await one.commit([{ key: "lock/sucker", revision: null }], [remove("lock/sucker")])).kind, "conflict");
  });

  check("a store that is wiped is gone: told once, the session is over, nothing is committed, and it opens as another one", async (rig, open) => {
    const [one, unwatching, late] = [await open(), await open(), await open()];
    const seen = sighted(one);
    const session = await joined(one);
    await reached(seen, committed(await one.commit([], [put(KEY, "a"), alive("one")])));
    await rig.wipe();
    // Who does not watch learns it from the commit itself, before anything is written.
    const refusedAtOnce = await unwatching.commit([{ key: KEY, revision: null }], [put(KEY, "as if it were new")]);
    assert.match(refusedAtOnce.kind === "failed" ? refusedAtOnce.evidence : refusedAtOnce.kind, /wiped/);
    await assert.rejects(late.load(), { code: "STORE_REFUSED" });
    await until(() => seen.gone.length > 0);
    assert.equal(session.lost.length, 1);
    assert.match(seen.troubles.join(), /^blind: .*wiped/);
    const refused = await one.commit([{ key: KEY, revision: null }], [put(KEY, "b")]);
    assert.equal(refused.kind, "failed");
    await assert.rejects(one.load(), { code: "STORE_REFUSED" });
    await assert.rejects(one.join(() => undefined), { code: "STORE_REFUSED" });
    const again = await open();
    assert.notEqual(again.identity, one.identity);
    assert.deepEqual(await again.load(), []);
    assert.equal((await one.commit([], [put(KEY, "c")])).kind, "failed");
    assert.deepEqual(await again.load(), []);
    assert.equal(seen.gone.length, 1);
  });
}

export type Seen = {
  readonly changes: Change[];
  readonly snapshots: number[];
  /** `blind: because` each time. */
  readonly troubles: string[];
  readonly gone: string[];
  /** `by` of the acknowledgement under that key as it was told last. */
  latest(key: RecordKey): string | null;
  latestRevision(): number;
  end(): void;
};

/** Watches and keeps what it is told. */
export function sighted(store: SharedStore): Seen {
  const records = new Map<RecordKey, Change>();
  let revision = 0;
  const learn = (change: Change): void => {
    records.set(change.key, change);
    revision = Math.max(revision, change.revision);
  };
  const seen: Omit<Seen, "end"> = {
    changes: [], snapshots: [], troubles: [], gone: [],
    latest: (key) => (records.get(key)?.value as RecordOf["ack"] | null | undefined)?.by ?? null,
    latestRevision: () => revision,
  };
  const sight: Sight = {
    changes: (changes) => {
      seen.changes.push(...changes);
      for (const change of changes) learn(change);
    },
    snapshot: (all) => {
      seen.snapshots.push(all.length);
      records.clear();
      for (const record of all) learn(record);
    },
    blind: (because) => void seen.troubles.push(`blind: ${because}`),
    gone: (because) => void seen.gone.push(because),
  };
  return { ...seen, end: store.watch(sight) };
}

/** Waits until a watch has told that revision; everything that it has told. */
export async function reached(seen: Seen, revision: number): Promise<readonly Change[]> {
  await until(() => seen.latestRevision() >= revision);
  return seen.changes;
}

/** Joins and keeps what it is told. */
export async function joined(store: SharedStore): Promise<{ readonly held: number[]; readonly lost: string[] }> {
  const told = { held: [] as number[], lost: [] as string[] };
  await store.join((session: Session) => void (session.kind === "held" ? told.held.push(session.untilMs) : told.lost.push(session.because)));
  return told;
}

/** A leased record. */
export function alive(by: string): Write {
  const value: Storm = { v: 1, set: "fleet", because: by, since: { bootMs: 1, wallMs: 2, bootId: "boot" }, proceedBy: null };
  return { key: ALIVE, value };
}

/** Until a store that was away takes a commit again; its revision. */
export async function retried(commit: () => ReturnType<SharedStore["commit"]>): Promise<number> {
  let last: Awaited<ReturnType<SharedStore["commit"]>> = { kind: "failed", evidence: "never tried" };
  await until(async () => {
    last = await commit();
    return last.kind === "committed";
  }, () => JSON.stringify(last));
  return committed(last);
}

/** Polls a condition; fails the test when it does not come true. */
export async function until(condition: () => boolean | Promise<boolean>, evidence: () => string = () => condition.toString()): Promise<void> {
  const endMs = performance.now() + LIMIT_MS;
  while (!(await condition())) {
    if (performance.now() > endMs) assert.fail(`not within ${LIMIT_MS} ms: ${evidence()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
