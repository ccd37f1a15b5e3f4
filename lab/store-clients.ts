// Clients of a shared store as watchers have them: each a process of its own in its watcher's network namespace, told what
// to do over its IPC channel, and telling what it is told with the time of the clock that all processes share.

import { fileURLToPath } from "node:url";
import type { StoredRecord, Write } from "../src/core/io.ts";
import type { RecordKey } from "../src/core/records.ts";
import { put } from "../src/stores/conformance.ts";
import { retried } from "../src/stores/shared-conformance.ts";
import type { Order, Told } from "../src/stores/store-child.fixture.ts";
import type { Change, CommitResult, Guard } from "../src/stores/store.ts";
import type { Network } from "./netns.ts";

export type Happening = Extract<Told, { event: string }>;
type Wanted = Order extends infer Each ? (Each extends Order ? Omit<Each, "id"> : never) : never;

/** A client of a store in a watcher's namespace, watching. */
export type Client = {
  readonly told: Happening[];
  ask(order: Wanted): Promise<unknown>;
  commit(guards: readonly Guard[], writes: readonly Write[]): Promise<CommitResult>;
  load(): Promise<readonly StoredRecord[]>;
  of(event: Happening["event"]): Happening[];
  /** Every change that it was told. */
  changes(): readonly (Change & { readonly atMs: number })[];
  end(): Promise<void>;
};

export type Opening = { readonly store: "etcd" | "zookeeper"; readonly at: readonly string[]; readonly prefix: string; readonly ttlMs: number; readonly callMs: number };

const CHILD = fileURLToPath(new URL("../src/stores/store-child.fixture.ts", import.meta.url));

/** Opens, loads and watches. `all` gets the client first, so that it is ended whatever happens. */
export async function openClient(network: Network, watcher: string, opening: Opening, all: Client[]): Promise<Client> {
  const node = await network.node(watcher);
  const child = node.spawn([process.execPath, "--disable-warning=ExperimentalWarning", CHILD], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const told: Happening[] = [];
  const waiting = new Map<number, { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }>();
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  let next = 1;
  child.on("message", (message: Told) => {
    if ("event" in message) return void told.push(message);
    const asked = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.error === undefined) asked?.resolve(message.value);
    else asked?.reject(Object.assign(new Error(message.error.message), { code: message.error.code }));
  });
  void ended.then(() => {
    for (const { reject } of waiting.values()) reject(new Error("the client has ended"));
  });
  const ask = (order: Wanted): Promise<unknown> =>
    new Promise((resolve, reject) => {
      waiting.set(next, { resolve, reject });
      child.send({ ...order, id: next } as Order);
      next += 1;
    });
  const of = (event: Happening["event"]): Happening[] => told.filter((each) => each.event === event);
  const made: Client = {
    told, ask, of,
    commit: (guards, writes) => ask({ do: "commit", guards, writes }) as Promise<CommitResult>,
    load: () => ask({ do: "load" }) as Promise<readonly StoredRecord[]>,
    changes: () => of("changes").flatMap(({ atMs, value }) => (value as readonly Change[]).map((change) => ({ ...change, atMs }))),
    async end() {
      child.kill("SIGKILL");
      await ended;
    },
  };
  all.push(made);
  const { store, at, prefix, ttlMs, callMs } = opening;
  await ask({ do: "open", store, at, options: { prefix, ttlMs, callMs, leased: ["storm"] } });
  await made.load();
  await ask({ do: "watch" });
  return made;
}

/** Writes 1, 2, 3 … until a condition holds; each is repeated until it is known to be written. Revisions of those known to be. */
export async function writeOn(key: RecordKey, by: Client, enough: () => boolean): Promise<number[]> {
  const revisions: number[] = [];
  while (!enough()) revisions.push(await retried(() => by.commit([], [put(key, String(revisions.length + 1))])));
  return revisions;
}
