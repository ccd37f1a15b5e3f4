// The store on ZooKeeper by both suites, against a real server on loopback, and what only this one must do: fail clearly
// when the server, the certificate or the password is wrong, keep within ZooKeeper's bounds, and know a store that is wiped
// or restored.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { ZookeeperCluster } from "../../lab/zookeeper.ts";
import { startZookeeper, ZOOKEEPER_VERSION, zookeeperLacking } from "../../lab/zookeeper.ts";
import { thirdParty } from "../../lab/third-party.ts";
import { UpkeepError } from "../core/errors.ts";
import type { RecordKey } from "../core/records.ts";
import { committed, found, put, remove, storeConformance } from "./conformance.ts";
import { alive, joined, reached, sharedStoreConformance, sighted, until } from "./shared-conformance.ts";
import type { SharedStore } from "./store.ts";
import type { ZookeeperOptions } from "./zookeeper.ts";
import { openZookeeper } from "./zookeeper.ts";
import { ZookeeperClient } from "./zookeeper-client.ts";
import type { Connection } from "./zookeeper-connection.ts";
import { Layout } from "./zookeeper-layout.ts";
import type { MultiOp } from "./zookeeper-wire.ts";

const skip = zookeeperLacking();
const TTL_MS = 5_000;
const CALL_MS = 5_000;

let server: Promise<ZookeeperCluster> | null = null;
let sites = 0;
after(async () => (await server)?.stop());

/** One server for the whole file. */
function zookeeper(): Promise<ZookeeperCluster> {
  if (server === null) thirdParty("ZooKeeper", ZOOKEEPER_VERSION);
  return (server ??= startZookeeper({ members: 1 }));
}

async function only(): Promise<{ cluster: ZookeeperCluster; member: ZookeeperCluster["members"][number] }> {
  const cluster = await zookeeper();
  const [member] = cluster.members;
  assert.ok(member !== undefined);
  return { cluster, member };
}

function site(): string {
  sites += 1;
  return `/upkeep/site-${sites}`;
}

async function options(prefix: string, more: Partial<ZookeeperOptions> = {}): Promise<ZookeeperOptions> {
  return { servers: (await zookeeper()).endpoints, prefix, ttlMs: TTL_MS, callMs: CALL_MS, leased: new Set(["storm"]), nowMs: () => performance.now(), ...more };
}

/** Behind Upkeep's back. */
async function byHand<T>(body: (connection: Connection) => Promise<T>): Promise<T> {
  const client = new ZookeeperClient({ servers: (await zookeeper()).endpoints, sessionMs: TTL_MS, keep: false, nowMs: () => performance.now() });
  try {
    return await client.run({ repeatable: true, endMs: performance.now() + CALL_MS }, body);
  } finally {
    client.close();
  }
}

async function plant(prefix: string, key: string, text: string | null): Promise<void> {
  const path = new Layout(prefix).pathOf(key);
  await byHand(async (connection) => {
    const there = (await connection.exists(path, CALL_MS)).value !== null;
    const data = Buffer.from(text ?? "", "utf8");
    const op: MultiOp = text === null ? { op: "delete", path, version: -1 } : there ? { op: "set", path, data, version: -1 } : { op: "create", path, data, ephemeral: false };
    assert.equal((await connection.multi([op], CALL_MS)).value, null);
  });
}

/** All at once: as nobody does by hand. */
async function wipe(prefix: string): Promise<void> {
  await byHand(async (connection) => {
    const below = async (path: string): Promise<string[]> => {
      const names = (await connection.children(path, CALL_MS)).value ?? [];
      return [...(await Promise.all(names.map((name) => below(`${path}/${name}`)))).flat(), path];
    };
    const ops = (await below(prefix)).map((path): MultiOp => ({ op: "delete", path, version: -1 }));
    assert.equal((await connection.multi(ops, CALL_MS)).value, null);
  });
}

async function withStore(more: Partial<ZookeeperOptions>, body: (store: SharedStore, prefix: string) => Promise<void>): Promise<void> {
  const prefix = site();
  const store = await openZookeeper(await options(prefix, more));
  try {
    await body(store, prefix);
  } finally {
    await store.close();
  }
}

async function refusal(opening: Promise<SharedStore>): Promise<UpkeepError> {
  let store: SharedStore;
  try {
    store = await opening;
  } catch (error) {
    assert.ok(error instanceof UpkeepError, String(error));
    return error;
  }
  await store.close();
  assert.fail("it opened");
}

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
