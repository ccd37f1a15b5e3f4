// The store on ZooKeeper by both suites, against a real server on loopback, and what only this one must do: guards that
// hold for one life of a node, changes in order though ZooKeeper tells only that there was one, ZooKeeper's bounds, and a
// store that is restarted, wiped or restored.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { zookeeperLacking } from "../../lab/zookeeper.ts";
import { byHand, CALL_MS, only, options, plant, site, stopZookeeper, TTL_MS, wipe, withStore } from "../../lab/zookeeper-site.ts";
import type { RecordKey } from "../core/records.ts";
import { committed, found, put, remove, storeConformance } from "./conformance.ts";
import { alive, joined, reached, sharedStoreConformance, sighted, until } from "./shared-conformance.ts";
import { openZookeeper } from "./zookeeper.ts";
import { look, opsOf } from "./zookeeper-commit.ts";
import { Layout } from "./zookeeper-layout.ts";
import { ERR, Frames, OP } from "./zookeeper-wire.ts";

const skip = zookeeperLacking();

after(stopZookeeper);

storeConformance("ZooKeeper", async () => {
  const prefix = site();
  return { open: async () => openZookeeper(await options(prefix)), dispose: async () => undefined };
}, skip);

sharedStoreConformance("ZooKeeper", async () => {
  const prefix = site();
  const { member } = await only();
  return {
    ttlMs: TTL_MS, callMs: CALL_MS,
    open: async (more = {}) => openZookeeper(await options(prefix, more)),
    openElsewhere: async () => openZookeeper(await options(`${prefix}-b`)),
    plant: (key, text) => plant(prefix, key, text),
    freeze: () => member.freeze(),
    thaw: async () => member.thaw(),
    wipe: () => wipe(prefix),
    dispose: async () => undefined,
  };
}, skip);

for (const kind of ["durable", "leased"] as const) {
  test(`a ${kind} record that was deleted and made again between the look and the transaction, with the same version, is not the one that was guarded`, { skip }, () => withStore({}, async (store, prefix) => {
    await joined(store);
    const key: RecordKey = kind === "durable" ? "ack/a" : "storm/fleet";
    const write = kind === "durable" ? put(key, "first") : alive("first");
    const revision = committed(await store.commit([], [write]));
    const layout = new Layout(prefix);
    const stamp = layout.stamp(store.identity.replace("zookeeper:", ""));
    await byHand(async (connection) => {
      const guards = [{ key, revision }];
      const looked = await look(connection, layout, stamp, [key], () => CALL_MS);
      const seen = looked.nodes.get(key);
      assert.equal(seen?.mzxid, revision);
      committed(await store.commit([], [remove(key)]));
      committed(await store.commit([], [write]));
      const again = (await connection.exists(layout.pathOf(key), CALL_MS)).value;
      assert.equal(again?.version, seen?.version, "the version alone would not tell");
      const ops = opsOf(guards, [put("ack/b", "taken over")], { looked, layout, stamp, leased: new Set(["storm"]), session: 0n });
      assert.equal((await connection.multi(ops, CALL_MS)).value?.code, ERR.BAD_VERSION);
    });
    const refused = await store.commit([{ key, revision }], [put("ack/b", "taken over")]);
    assert.equal(refused.kind, "conflict");
  }));
}

test("a store that was wiped and made anew between the look and the transaction is not written to", { skip }, () => withStore({}, async (store, prefix) => {
  const layout = new Layout(prefix);
  const stamp = layout.stamp(store.identity.replace("zookeeper:", ""));
  await byHand(async (connection) => {
    const looked = await look(connection, layout, stamp, ["ack/a"], () => CALL_MS);
    const ops = opsOf([{ key: "ack/a", revision: null }], [put("ack/a", "as if it were new")], { looked, layout, stamp, leased: new Set(), session: 0n });
    await wipe(prefix);
    const anew = await openZookeeper(await options(prefix));
    assert.deepEqual((await connection.multi(ops, CALL_MS)).value, { at: 0, code: ERR.NO_NODE });
    assert.deepEqual(await anew.load(), []);
    await anew.close();
  });
}));

test("what was seen has changed before the transaction came: it looks again, and does what was asked", { skip }, () => withStore({}, async (store, prefix) => {
  const other = await openZookeeper(await options(prefix));
  try {
    // Each of these is right only when it is known whether the key is there, and the other one changes that all the time.
    const turns = Array.from({ length: 60 }, (_, n) => n);
    const results = await Promise.all([
      ...turns.map((n) => store.commit([], [n % 2 === 0 ? put("ack/a", `${n}`) : remove("ack/a"), put("ack/n", `${n}`)])),
      ...turns.map((n) => other.commit([], [n % 3 === 0 ? remove("ack/a") : put("ack/a", `other ${n}`)])),
    ]);
    const revisions = results.map(committed);
    assert.equal(new Set(revisions).size, revisions.length);
    assert.equal((await found(store))["ack/n"]?.[0], "59");
  } finally {
    await other.close();
  }
}));

test("a leased record that another session holds is taken over whole: it goes with the session that wrote it last", { skip }, () => withStore({}, async (store, prefix) => {
  const other = await openZookeeper(await options(prefix));
  try {
    await joined(store);
    await joined(other);
    const first = committed(await store.commit([], [alive("first")]));
    const second = committed(await other.commit([{ key: "storm/fleet", revision: first }], [alive("second")]));
    await store.leave();
    assert.deepEqual((await store.load()).map(({ revision }) => revision), [second]);
    const third = committed(await other.commit([{ key: "storm/fleet", revision: second }], [alive("third")]));
    assert.deepEqual((await store.load()).map(({ revision }) => revision), [third]);
    await other.leave();
    assert.deepEqual(await store.load(), []);
  } finally {
    await other.close();
  }
}));

test("in a storm of writes a watch tells what there is at last, in order, whatever it has left out", { skip }, () => withStore({ callMs: 30_000 }, async (store, prefix) => {
  const writers = await Promise.all([1, 2, 3].map(async () => openZookeeper(await options(prefix, { callMs: 30_000 }))));
  try {
    const seen = sighted(store);
    let last = 0;
    await Promise.all(writers.map(async (writer, who) => {
      for (let n = 0; n < 60; n += 1) {
        const keys = [(n * 7 + who) % 12, (n * 5 + 2 * who) % 12].map((at): RecordKey => `ack/${at}`);
        last = Math.max(last, committed(await writer.commit([], keys.map((key) => ((n + who) % 4 === 3 ? remove(key) : put(key, `${who} ${n}`))))));
      }
    }));
    last = Math.max(last, committed(await store.commit([], [put("ack/end", "end")])));
    const told = await reached(seen, last);
    const revisions = told.map(({ revision }) => revision);
    assert.deepEqual(revisions, revisions.toSorted((a, b) => a - b));
    const latest = new Map(told.map((change) => [change.key, change]));
    const shown = [...latest.values()].filter(({ value }) => value !== null).map(({ key, revision }) => [key, revision]).toSorted();
    assert.deepEqual(shown, (await store.load()).map(({ key, revision }) => [key, revision]).toSorted());
    assert.deepEqual([...seen.troubles, ...seen.snapshots], []);
  } finally {
    for (const writer of writers) await writer.close();
  }
}));

test("a write whose answer gets lost: it has failed, it was made once, and nobody repeats it, though another server would answer", { skip }, () => withStore({}, async (witness, prefix) => {
  const { member } = await only();
  const relay = await deafening(member.endpoint);
  try {
    const writer = await openZookeeper(await options(prefix, { servers: [relay.at, member.endpoint], callMs: 1_500 }));
    const seen = sighted(witness);
    const first = committed(await writer.commit([], [put("ack/a", "1")]));
    await reached(seen, first);
    relay.deaf();
    const failed = await writer.commit([{ key: "ack/a", revision: first }], [put("ack/a", "2")]);
    assert.equal(failed.kind, "failed");
    assert.match(failed.kind === "failed" ? failed.evidence : "", /whether it was written is not known/);
    await until(() => seen.latest("ack/a") === "2");
    // Whoever tries again with what he knew is told; a last write shows that no second one came before it.
    assert.equal((await writer.commit([{ key: "ack/a", revision: first }], [put("ack/a", "2")])).kind, "conflict");
    const [record] = await writer.load();
    const last = committed(await writer.commit([{ key: "ack/a", revision: record?.revision ?? null }], [put("ack/a", "3")]));
    await reached(seen, last);
    assert.deepEqual(seen.changes.map(({ value }) => (value as { by?: string } | null)?.by), ["1", "2", "3"]);
    await writer.close();
  } finally {
    relay.close();
  }
}));

test("what ZooKeeper would refuse for its size is told before anything is sent", { skip }, () => withStore({}, async (store) => {
  const tooLarge = await store.commit([], [put("ack/x", "z".repeat(1_000_001))]);
  assert.match(tooLarge.kind === "failed" ? tooLarge.evidence : "", /larger than .* nothing was sent/);
  const many = (count: number): RecordKey[] => Array.from({ length: count }, (_, n): RecordKey => `ack/${n}`);
  const tooMany = await store.commit(many(5_000).map((key) => ({ key, revision: null })), []);
  assert.match(tooMany.kind === "failed" ? tooMany.evidence : "", /larger than .* nothing was sent/);
  // The bounds themselves are taken.
  committed(await store.commit([], [put("ack/x", "z".repeat(998_000))]));
  const revision = committed(await store.commit(many(500).map((key) => ({ key, revision: null })), many(500).map((key) => put(key, "a"))));
  const conflict = await store.commit(many(500).map((key, n) => ({ key, revision: n === 499 ? 1 : revision })), []);
  assert.match(conflict.kind === "conflict" ? conflict.evidence : "", /^ack\/499 is at revision/);
  assert.equal((await store.load()).length, 501);
}));

test("a session that is longer than the server allows is refused, and holds nothing", { skip }, () => withStore({ ttlMs: 60_000 }, async (store) => {
  await assert.rejects(store.join(() => undefined), (error: Error & { code?: string }) => error.code === "STORE_REFUSED" && /60000 ms was asked for, and 10000 ms were given/.test(error.message));
  assert.equal((await store.commit([], [alive("one")])).kind, "failed");
}));

test("a session that the store has ended is lost by its word, though our clock stands still", { skip }, async () => {
  const { member } = await only();
  let standsMs: number | null = null;
  await withStore({ nowMs: () => standsMs ?? performance.now() }, async (store) => {
    const session = await joined(store);
    committed(await store.commit([], [alive("one")]));
    standsMs = performance.now();
    // A server that goes on may hear the pings that lay in its socket before it looks at whose time is over.
    for (let tries = 0; session.lost.length === 0 && tries < 20; tries += 1) {
      await member.freeze();
      try {
        await pause(2 * TTL_MS);
      } finally {
        member.thaw();
      }
      await pause(1_000);
    }
    assert.match(session.lost.join(), /the store says that the session is over|does not know the session/);
    assert.equal((await store.commit([], [alive("two")])).kind, "failed");
    await until(async () => (await store.load().catch(() => [null])).length === 0);
  });
});

test("a restarted server is another connection, not another store", { skip }, async () => {
  const { cluster, member } = await only();
  await withStore({}, async (store) => {
    const seen = sighted(store);
    await reached(seen, committed(await store.commit([], [put("ack/a", "1")])));
    await member.kill();
    await member.start();
    await cluster.leader();
    await until(async () => (await store.commit([], [put("ack/a", "2")])).kind === "committed");
    await until(() => seen.latest("ack/a") === "2");
    assert.deepEqual(seen.gone, []);
  });
});

test("a server that was restored from a backup is not the store any more", { skip }, async () => {
  const { cluster, member } = await only();
  const folder = mkdtempSync(join(tmpdir(), "upkeep-zookeeper-backup-"));
  try {
    await withStore({}, async (store) => {
      const seen = sighted(store);
      committed(await store.commit([], [put("ack/a", "1")]));
      await member.kill();
      member.save(join(folder, "data"));
      await member.start();
      await cluster.leader();
      // More than the sessions that are begun there afterwards.
      for (let n = 0; n < 100; n += 1) await until(async () => (await store.commit([], [put("ack/a", `later ${n}`)])).kind === "committed");
      await until(() => seen.latest("ack/a") === "later 99");
      await member.kill();
      await member.start({ restoredFrom: join(folder, "data") });
      await cluster.leader();
      await until(() => seen.gone.length > 0);
      assert.match(seen.gone.join(), /went back from revision \d+ to \d+/);
      assert.equal((await store.commit([], [put("ack/a", "3")])).kind, "failed");
      assert.equal(seen.latest("ack/a"), "later 99");
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a server whose data were lost is not the store any more", { skip }, async () => {
  const { cluster, member } = await only();
  await withStore({}, async (store) => {
    const seen = sighted(store);
    const session = await joined(store);
    await reached(seen, committed(await store.commit([], [put("ack/a", "1")])));
    await member.kill();
    await member.start({ wiped: true });
    await cluster.leader();
    await until(() => seen.gone.length > 0);
    assert.equal((await store.commit([], [put("ack/a", "2")])).kind, "failed");
    assert.equal(session.lost.length, 1);
  });
});

/** A relay that, once it is deaf, takes a transaction to the server, and nothing back from then on. */
async function deafening(to: string): Promise<{ readonly at: string; deaf(): void; close(): void }> {
  const [host = "", port = ""] = to.split(":");
  const sockets = new Set<Socket>();
  let armed = false;
  const server = createServer((near) => {
    const far = connect({ host, port: Number(port) });
    let deaf = false;
    const frames = new Frames(2_000_000);
    let handshakes = 0;
    near.on("data", (part) => {
      for (const body of frames.add(part)) if (handshakes++ > 0 && armed && body.readInt32BE(4) === OP.multi) deaf = true;
      far.write(part);
    });
    far.on("data", (part) => { if (!deaf) near.write(part); });
    for (const [one, other] of [[near, far], [far, near]] as const) {
      sockets.add(one);
      one.on("error", () => undefined);
      one.on("close", () => other.destroy());
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    at: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    deaf: () => { armed = true; },
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
