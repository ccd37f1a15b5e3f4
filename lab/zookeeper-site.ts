// One ZooKeeper server on loopback for a whole test file, sites on it, and a hand that writes behind Upkeep's back.

import assert from "node:assert/strict";
import type { SharedStore } from "../src/stores/store.ts";
import { ZookeeperClient } from "../src/stores/zookeeper-client.ts";
import type { Connection } from "../src/stores/zookeeper-connection.ts";
import { Layout } from "../src/stores/zookeeper-layout.ts";
import type { MultiOp } from "../src/stores/zookeeper-wire.ts";
import type { ZookeeperOptions } from "../src/stores/zookeeper.ts";
import { openZookeeper } from "../src/stores/zookeeper.ts";
import { thirdParty } from "./third-party.ts";
import type { ZookeeperCluster, ZookeeperMember } from "./zookeeper.ts";
import { startZookeeper, ZOOKEEPER_VERSION } from "./zookeeper.ts";

export const TTL_MS = 5_000;
export const CALL_MS = 5_000;

let server: Promise<ZookeeperCluster> | null = null;
let sites = 0;

/** The server; started when it is asked for first. */
export function zookeeper(): Promise<ZookeeperCluster> {
  if (server === null) thirdParty("ZooKeeper", ZOOKEEPER_VERSION);
  return (server ??= startZookeeper({ members: 1 }));
}

export async function stopZookeeper(): Promise<void> {
  await (await server)?.stop();
}

export async function only(): Promise<{ readonly cluster: ZookeeperCluster; readonly member: ZookeeperMember }> {
  const cluster = await zookeeper();
  const [member] = cluster.members;
  assert.ok(member !== undefined);
  return { cluster, member };
}

/** A prefix that nobody has used. */
export function site(): string {
  sites += 1;
  return `/upkeep/site-${sites}`;
}

export async function options(prefix: string, more: Partial<ZookeeperOptions> = {}): Promise<ZookeeperOptions> {
  return { servers: more.servers ?? (await zookeeper()).endpoints, prefix, ttlMs: TTL_MS, callMs: CALL_MS, leased: new Set(["storm"]), nowMs: () => performance.now(), ...more };
}

export async function withStore(more: Partial<ZookeeperOptions>, body: (store: SharedStore, prefix: string) => Promise<void>): Promise<void> {
  const prefix = site();
  const store = await openZookeeper(await options(prefix, more));
  try {
    await body(store, prefix);
  } finally {
    await store.close();
  }
}

/** A connection that is nobody's. */
export async function byHand<T>(body: (connection: Connection) => Promise<T>): Promise<T> {
  const client = new ZookeeperClient({ servers: (await zookeeper()).endpoints, sessionMs: TTL_MS, keep: false, nowMs: () => performance.now() });
  try {
    return await client.run({ repeatable: true, endMs: performance.now() + CALL_MS }, body);
  } finally {
    client.close();
  }
}

/** Writes a text under a record's key; null deletes it. */
export async function plant(prefix: string, key: string, text: string | null): Promise<void> {
  const path = new Layout(prefix).pathOf(key);
  await byHand(async (connection) => {
    const there = (await connection.exists(path, CALL_MS)).value !== null;
    const data = Buffer.from(text ?? "", "utf8");
    const op: MultiOp = text === null ? { op: "delete", path, version: -1 } : there ? { op: "set", path, data, version: -1 } : { op: "create", path, data, ephemeral: false };
    assert.equal((await connection.multi([op], CALL_MS)).value, null);
  });
}

/** All at once, as nobody does it by hand. */
export async function wipe(prefix: string): Promise<void> {
  await byHand(async (connection) => {
    const below = async (path: string): Promise<string[]> => {
      const names = (await connection.children(path, CALL_MS)).value ?? [];
      return [...(await Promise.all(names.map((name) => below(`${path}/${name}`)))).flat(), path];
    };
    const ops = (await below(prefix)).map((path): MultiOp => ({ op: "delete", path, version: -1 }));
    assert.equal((await connection.multi(ops, CALL_MS)).value, null);
  });
}
