// From guards and writes to one transaction of ZooKeeper. It knows no "write, whether it is there or not", and compares a
// node's version, which is not our revision: so it is looked first, and the transaction holds only if what was seen still
// is. Where it does not hold nothing was written, by ZooKeeper's word, and the caller looks again.
//
// A guard's revision is the number of the transaction that wrote the node last (mzxid). What was seen gives the version that
// belongs to it. A node that was deleted and made again in between may have that version once more, but not on a shelf
// whose version is the same: it was read before the node was.

import type { Write } from "../core/io.ts";
import { kindOf, writeRecord } from "./record-text.ts";
import type { Guard } from "./store.ts";
import type { Connection } from "./zookeeper-connection.ts";
import type { Layout } from "./zookeeper-layout.ts";
import type { MultiOp, Stat } from "./zookeeper-wire.ts";
import { OP_BYTES, REQUEST_BYTES_MAX } from "./zookeeper-wire.ts";

export type Looked = {
  /** Whether it is the store that was opened. */
  readonly stamped: boolean;
  /** Versions of the shelves, by path; null: it is not there. */
  readonly shelves: ReadonlyMap<string, number | null>;
  /** By key. */
  readonly nodes: ReadonlyMap<string, Stat | null>;
};

const NOTHING = Buffer.alloc(0);
/** Requests that are sent without waiting for the answer to the first. */
const WINDOW = 256;

/** Sends all, not too many at once; the answers in their order. */
export async function pipelined<T, R>(items: readonly T[], send: (item: T) => Promise<R>): Promise<R[]> {
  const answers: R[] = [];
  for (let at = 0; at < items.length; at += WINDOW) answers.push(...(await Promise.all(items.slice(at, at + WINDOW).map(send))));
  return answers;
}

/** What a transaction needs to know, the shelves before the nodes. */
export async function look(connection: Connection, layout: Layout, stamp: string, keys: readonly string[], leftMs: () => number): Promise<Looked> {
  const shelfPaths = [...new Set(keys.map((key) => layout.shelfOf(key)))];
  const [, stamped, shelves, nodes] = await Promise.all([
    connection.sync(layout.root, leftMs()),
    connection.exists(stamp, leftMs()),
    pipelined(shelfPaths, (path) => connection.exists(path, leftMs())),
    // Of more than a window the second part is sent later, and so after all shelves in any case.
    pipelined(keys, (key) => connection.exists(layout.pathOf(key), leftMs())),
  ]);
  return {
    stamped: stamped.value !== null,
    shelves: new Map(shelfPaths.map((path, n) => [path, shelves[n]?.value?.version ?? null])),
    nodes: new Map(keys.map((key, n) => [key, nodes[n]?.value ?? null])),
  };
}

/** The guard that does not hold, in words, or null. */
export function brokenGuard(guards: readonly Guard[], looked: Looked): string | null {
  for (const { key, revision } of guards) {
    const found = looked.nodes.get(key)?.mzxid ?? null;
    if (found !== revision) return `${key} is ${at(found)}, and should be ${at(revision)}`;
  }
  return null;
}

/** All guards hold in `looked`. `session` is the one that leased records are bound to. */
export function opsOf(guards: readonly Guard[], writes: readonly Write[], given: { readonly looked: Looked; readonly layout: Layout; readonly stamp: string; readonly leased: ReadonlySet<string>; readonly session: bigint }): MultiOp[] {
  const { looked, layout, stamp, leased, session } = given;
  const checkedShelves = new Set<string>();
  const writtenShelves = new Set<string>();
  const ops: MultiOp[] = [];
  const sameShelf = (key: string): void => {
    const path = layout.shelfOf(key);
    if (checkedShelves.has(path)) return;
    checkedShelves.add(path);
    ops.push({ op: "check", path, version: looked.shelves.get(path) ?? 0 });
  };
  const is = (key: string, stat: Stat): void => {
    sameShelf(key);
    ops.push({ op: "check", path: layout.pathOf(key), version: stat.version });
  };
  // Holds only where there is nothing, and leaves nothing.
  const absent = (key: string): void => {
    const path = layout.pathOf(key);
    ops.push({ op: "create", path, data: NOTHING, ephemeral: false }, { op: "delete", path, version: -1 });
  };
  const create = (key: string, data: Uint8Array, ephemeral: boolean): void => {
    ops.push({ op: "create", path: layout.pathOf(key), data, ephemeral });
    writtenShelves.add(layout.shelfOf(key));
  };

  ops.push({ op: "check", path: stamp, version: -1 });
  const guarded = new Set(guards.map(({ key }) => key));
  const written = new Set<string>(writes.map(({ key }) => key));
  for (const key of guarded) {
    const stat = looked.nodes.get(key) ?? null;
    if (stat !== null) is(key, stat);
    else if (!written.has(key)) absent(key);
  }
  for (const { key, value } of writes) {
    const path = layout.pathOf(key);
    const stat = looked.nodes.get(key) ?? null;
    const ephemeral = leased.has(kindOf(key));
    if (value === null) {
      if (stat === null) absent(key);
      else ops.push({ op: "delete", path, version: -1 });
      continue;
    }
    const data = Buffer.from(writeRecord(value), "utf8");
    if (stat === null) create(key, data, ephemeral);
    else if (stat.owner === (ephemeral ? session : 0n)) {
      // Not into a node that another session has made in the meantime.
      if (ephemeral && !guarded.has(key)) is(key, stat);
      ops.push({ op: "set", path, data, version: -1 });
    } else {
      ops.push({ op: "delete", path, version: -1 });
      create(key, data, ephemeral);
    }
  }
  for (const path of writtenShelves) ops.push({ op: "set", path, data: NOTHING, version: -1 });
  return ops;
}

/** Why ZooKeeper would refuse a transaction for its size, told before a byte is sent; null when it would not. */
export function tooLarge(layout: Layout, guards: readonly Guard[], writes: readonly Write[]): string | null {
  const nothing = "nothing was sent";
  const broken = [...guards, ...writes].find(({ key }) => !key.isWellFormed());
  if (broken !== undefined) return `${JSON.stringify(broken.key)} is no key: it is not well-formed text; ${nothing}`;
  // At most: the shelf is compared and written, the node is compared, deleted and made.
  const sizeOf = (key: string): number => 3 * (Buffer.byteLength(layout.pathOf(key)) + OP_BYTES);
  const bytes = guards.reduce((sum, { key }) => sum + sizeOf(key), 0) + writes.reduce((sum, { key, value }) => sum + 2 * sizeOf(key) + (value === null ? 0 : Buffer.byteLength(writeRecord(value))), 0);
  return bytes <= REQUEST_BYTES_MAX ? null : `a transaction of ${bytes} bytes is larger than the ${REQUEST_BYTES_MAX} that ZooKeeper takes; ${nothing}`;
}

function at(revision: number | null): string {
  return revision === null ? "absent" : `at revision ${revision}`;
}
