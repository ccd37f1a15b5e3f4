// The virtual store by both suites of the port, in real time: what the simulator's watchers stand on promises the same as
// etcd does. What befalls it in the simulator (lost answers, changes of leader, cuts in one direction) is tried below.

import assert from "node:assert/strict";
import { test } from "node:test";
import { UpkeepError } from "../src/core/errors.ts";
import { committed, found, put, storeConformance } from "../src/stores/conformance.ts";
import { alive, joined, sharedStoreConformance, sighted, until } from "../src/stores/shared-conformance.ts";
import type { SharedStore, SharedStoreOptions } from "../src/stores/store.ts";
import { Random } from "./random.ts";
import { openSimulated } from "./store/client.ts";
import { StoreLink } from "./store/link.ts";
import type { WorldTimers } from "./store/server.ts";
import { StoreServer } from "./store/server.ts";

const TTL_MS = 1_500;
const CALL_MS = 700;
const LEASED = new Set(["storm"]);

const timers: WorldTimers = {
  nowMs: () => performance.now(),
  after: (ms, then) => {
    const timer = setTimeout(then, ms);
    return () => clearTimeout(timer);
  },
};

function server(seed: number): StoreServer {
  return new StoreServer({ timers, random: new Random(seed, "store"), leased: LEASED, rate: 1 });
}

/** A client that says at once when it is asked before the store can be reached, as a driver that connects does. */
function client(store: StoreServer, link: StoreLink, more: Partial<SharedStoreOptions> = {}): SharedStore {
  return openSimulated({ server: store, link, name: "w1", after: timers.after, hand: (then) => then(), nowMs: timers.nowMs, ttlMs: TTL_MS, callMs: CALL_MS, leased: LEASED, ...more });
}

const line = (seed = 1): StoreLink => new StoreLink(timers, new Random(seed, "link"), 3);

storeConformance("simulated", () => {
  const store = server(1);
  return Promise.resolve({ open: () => Promise.resolve(client(store, line())), dispose: () => Promise.resolve() });
});

sharedStoreConformance("simulated", () => {
  const [store, elsewhere] = [server(1), server(2)];
  let thaw = (): void => undefined;
  return Promise.resolve({
    ttlMs: TTL_MS, callMs: CALL_MS,
    open: (options = {}) => Promise.resolve(client(store, line(), options)),
    openElsewhere: () => Promise.resolve(client(elsewhere, line())),
    plant: (key, text) => Promise.resolve(store.plant(key, text)),
    freeze: () => Promise.resolve(void (thaw = store.fail())),
    thaw: () => Promise.resolve(thaw()),
    wipe: () => Promise.resolve(store.wipe()),
    dispose: () => Promise.resolve(),
  });
});

test("an answer that is lost: the client has failed, and it was written", async () => {
  const store = server(1);
  const [one, other] = [line(1), line(2)];
  const [mine, theirs] = [client(store, one), client(store, other)];
  try {
    const heal = one.cut("answers");
    const refused = await mine.commit([], [put("ack/held:logos", "a")]);
    assert.match(refused.kind === "failed" ? refused.evidence : refused.kind, /not known/);
    assert.equal((await found(theirs))["ack/held:logos"]?.[0], "a");
    heal();
    assert.equal((await mine.commit([{ key: "ack/held:logos", revision: null }], [put("ack/held:logos", "b")])).kind, "conflict");
  } finally {
    await Promise.all([mine.close(), theirs.close()]);
  }
});

test("a request that was sent into a cut is failed for who sent it, and arrives after the cut or never", async () => {
  let late = 0;
  for (let seed = 1; seed <= 12; seed += 1) {
    const store = server(seed);
    const wire = line(seed);
    const mine = client(store, wire, { callMs: 30 });
    try {
      const heal = wire.cut("requests");
      assert.equal((await mine.commit([], [put("ack/held:logos", "late")])).kind, "failed");
      assert.equal(store.records.size, 0);
      heal();
      committed(await mine.commit([], [put("ack/held:ethos", "after it")]));
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (store.revision === 2) late += 1;
    } finally {
      await mine.close();
    }
  }
  assert.ok(late > 0 && late < 12, `${late} of 12 arrived`);
});

test("a change of leader gives a lease its whole time once more, and its client does not count on that", async () => {
  const store = server(1);
  const wire = line();
  const mine = client(store, wire);
  try {
    const session = await joined(mine);
    committed(await mine.commit([], [alive("one")]));
    const heal = wire.cut("both");
    await new Promise((resolve) => setTimeout(resolve, TTL_MS * 0.8));
    store.changeLeader();
    await until(() => session.lost.length > 0);
    assert.ok(store.records.has("storm/fleet"), "the store holds it longer than its client believes");
    await until(() => !store.records.has("storm/fleet"));
    heal();
  } finally {
    await mine.close();
  }
});

test("a watch that is cut off for less than a time to live misses nothing and is not blind", async () => {
  const store = server(1);
  const [wire, other] = [line(1), line(2)];
  const [mine, theirs] = [client(store, wire), client(store, other)];
  try {
    await mine.load();
    const seen = sighted(mine);
    const heal = wire.cut("answers");
    const revision = committed(await theirs.commit([], [put("ack/held:logos", "a")]));
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual(seen.changes, []);
    heal();
    await until(() => seen.latestRevision() === revision);
    assert.deepEqual(seen.troubles, []);
  } finally {
    await Promise.all([mine.close(), theirs.close()]);
  }
});

test("a copy that is put back is another store, without what was leased", async () => {
  const store = server(1);
  const mine = client(store, line());
  try {
    await joined(mine);
    committed(await mine.commit([], [put("ack/held:logos", "old"), alive("one")]));
    store.copy();
    committed(await mine.commit([], [put("ack/held:logos", "new")]));
    assert.ok(store.restore());
    await assert.rejects(mine.load(), (error: unknown) => error instanceof UpkeepError && error.code === "STORE_REFUSED");
    const again = client(store, line());
    assert.notEqual(again.identity, mine.identity);
    assert.deepEqual(Object.entries(await found(again)).map(([key, value]) => [key, value?.[0]]), [["ack/held:logos", "old"]]);
    await again.close();
  } finally {
    await mine.close();
  }
});
