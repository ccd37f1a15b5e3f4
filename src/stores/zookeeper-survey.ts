// All records over one connection, and what becomes of them. ZooKeeper tells *that* a node has changed, not to what; who
// reads it then may find a later value, and the values in between are never seen. So this reads in rounds, and says of
// each which transactions the server had carried out at its first answer and at its last: whoever puts the rounds
// together knows up to which transaction he has seen everything (zookeeper-watch.ts).
//
// It rests on one promise of ZooKeeper's: an event comes before any answer that shows what it is about.

import { pipelined } from "./zookeeper-commit.ts";
import type { Connection } from "./zookeeper-connection.ts";
import type { Layout } from "./zookeeper-layout.ts";

/** What a record's path held when the server had carried out the transaction `zxid`. */
export type Found = { readonly zxid: number; readonly node: { readonly data: Buffer; readonly mzxid: number } | null };

export type Round = {
  readonly found: ReadonlyMap<string, Found>;
  /** The last transaction that the server had carried out at the first answer. */
  readonly from: number;
  /** Everything is known as it was at one moment: the end of this round. */
  readonly settled: boolean;
};

const DELETED = 2;

export class Survey {
  readonly connection: Connection;
  readonly #dirty = new Set<string>();
  #wake: () => void = () => undefined;
  #stop: () => void = () => undefined;

  /** Reads the names of all records; all of them are to be read. `onDeleted` is told of nodes that are no records. */
  static async begin(connection: Connection, layout: Layout, onDeleted: (path: string) => void, leftMs: () => number): Promise<Survey> {
    const survey = new Survey(connection);
    const onEvent = ({ type, path }: { readonly type: number; readonly path: string }): void => {
      if (layout.keyOf(path) !== null) survey.touch([path]);
      else if (type === DELETED) onDeleted(path);
    };
    // The watch is there before the first name is read.
    const watching = connection.watch(layout.root, onEvent, leftMs());
    const [stop, shelves] = await Promise.all([watching, pipelined(layout.shelves, (path) => connection.children(path, leftMs()))]).catch((error: unknown) => {
      watching.then((end) => end(), () => undefined);
      throw error;
    });
    survey.#stop = stop;
    for (const [n, { value: names }] of shelves.entries()) survey.touch((names ?? []).map((name) => `${layout.shelves[n]}/${name}`).filter((path) => layout.keyOf(path) !== null));
    return survey;
  }

  /** Use `begin`. */
  private constructor(connection: Connection) {
    this.connection = connection;
  }

  /** These are to be read. */
  touch(paths: Iterable<string>): void {
    for (const path of paths) this.#dirty.add(path);
    this.#wake();
  }

  end(): void {
    this.#stop();
    this.#wake();
  }

  /** Resolves when there is something to read, or at `wake`. */
  dirty(): Promise<void> {
    if (this.#dirty.size > 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Ends what waits for `dirty`. */
  wake(): void {
    this.#wake();
  }

  /** Reads what is to be read. */
  async round(leftMs: () => number): Promise<Round> {
    const paths = [...this.#dirty];
    this.#dirty.clear();
    const answers = await pipelined(paths, (path) => this.connection.data(path, leftMs()));
    const found = new Map(paths.map((path, n) => {
      const answer = answers[n];
      const value = answer?.value ?? null;
      return [path, { zxid: answer?.zxid ?? 0, node: value === null ? null : { data: value.data, mzxid: value.stat.mzxid } }] as const;
    }));
    return { found, from: answers[0]?.zxid ?? 0, settled: this.#dirty.size === 0 };
  }

  /** Reads until everything is known as it was at one moment. */
  async collect(leftMs: () => number): Promise<Map<string, Found>> {
    const all = new Map<string, Found>();
    for (;;) {
      const { found, settled } = await this.round(leftMs);
      for (const [path, each] of found) {
        if (each.node === null) all.delete(path);
        else all.set(path, each);
      }
      if (settled) return all;
    }
  }
}
