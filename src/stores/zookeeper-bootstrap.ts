// Opening: the folders above the prefix, and the store's identity and shelves where there are none. Whoever comes second
// finds what the first has made, since it is made by one transaction.

import { randomUUID } from "node:crypto";
import { Fault } from "./fault.ts";
import { utf8 } from "./record-text.ts";
import type { ZookeeperClient } from "./zookeeper-client.ts";
import type { Connection } from "./zookeeper-connection.ts";
import { above, Layout } from "./zookeeper-layout.ts";
import type { MultiOp } from "./zookeeper-wire.ts";
import { codeName, ERR } from "./zookeeper-wire.ts";

export type Opened = { readonly layout: Layout; readonly uuid: string; readonly zxid: number };

/** Rejects with a Fault: unreachable, not ours, not allowed. */
export function openLayout(client: ZookeeperClient, root: string, endMs: number): Promise<Opened> {
  const layout = new Layout(root);
  return client.run({ repeatable: true, endMs }, async (connection, leftMs) => {
    await connection.sync(root, leftMs());
    for (const path of [...above(`${root}/x`)]) {
      if ((await connection.exists(path, leftMs())).value !== null) continue;
      const { value: failed } = await connection.multi([folder(path)], leftMs());
      if (failed !== null && failed.code !== ERR.NODE_EXISTS) throw refused(connection, `${path} cannot be made: ${codeName(failed.code)}`, failed.code);
    }
    const fresh = randomUUID();
    const found = await identityOf(connection, layout, leftMs);
    if (found === null) {
      const made = await connection.multi([create(layout.identity, fresh), folder(layout.stamp(fresh)), folder(layout.records), ...layout.shelves.map(folder)], leftMs());
      // At the identity itself: somebody else was first.
      if (made.value !== null && !(made.value.at === 0 && made.value.code === ERR.NODE_EXISTS)) throw refused(connection, `the store cannot be made below ${root}: ${codeName(made.value.code)}`, made.value.code);
    }
    const uuid = found ?? (await identityOf(connection, layout, leftMs));
    if (uuid === null || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) throw refused(connection, `${layout.identity} is not ours: somebody else uses this prefix`);
    const { zxid, value: failed } = await connection.multi([{ op: "check", path: layout.stamp(uuid), version: -1 }], leftMs());
    if (failed !== null) throw refused(connection, `${layout.stamp(uuid)}: ${codeName(failed.code)}: the store is damaged`, failed.code);
    return { layout, uuid, zxid };
  });
}

async function identityOf(connection: Connection, layout: Layout, leftMs: () => number): Promise<string | null> {
  const { value } = await connection.data(layout.identity, leftMs());
  return value === null ? null : (utf8(value.data) ?? "");
}

function folder(path: string): MultiOp {
  return create(path, "");
}

function create(path: string, text: string): MultiOp {
  return { op: "create", path, data: Buffer.from(text, "utf8"), ephemeral: false };
}

function refused(connection: Connection, because: string, code?: number): Fault {
  return new Fault("refused", `${connection.server.name}: ${because}`, { sent: true, ...(code === undefined ? {} : { code }) });
}
