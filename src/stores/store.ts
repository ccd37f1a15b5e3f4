// The port to where watchers agree and what survives (records.ts). A store is linearizable and durable: when `commit`
// resolves `committed`, the writes are on stable storage and everybody who looks sees them. It never retries by itself,
// because only the core knows whether a transaction is still wanted.
//
// One watcher: `embedded` (SQLite, journal/ledger). Several: etcd or ZooKeeper, with the same five methods.

import type { StoredRecord, Write } from "../core/io.ts";
import type { RecordKey } from "../core/records.ts";

export type Guard = { readonly key: RecordKey; /** Null: the key must be absent. */ readonly revision: number | null };

export type CommitResult =
  /** `revision` is the revision of every key that this transaction wrote. */
  | { readonly kind: "committed"; readonly revision: number }
  /** A guard did not hold; nothing was written. */
  | { readonly kind: "conflict"; readonly evidence: string }
  /** Nothing is known to be written: disk full, I/O error, store unreachable. */
  | { readonly kind: "failed"; readonly evidence: string };

export type Store = {
  /** Differences between stores are facts, not types: several watchers may share a `shared` one. */
  readonly capabilities: { readonly shared: boolean };
  /** Identity of the ledger or cluster: another one means that time went back. */
  readonly identity: string;
  /** All records, once, at the start. */
  load(): Promise<readonly StoredRecord[]>;
  /** Atomically: all guards hold and all writes happen, or nothing. Transactions are carried out in the order of the calls. */
  commit(guards: readonly Guard[], writes: readonly Write[]): Promise<CommitResult>;
  close(): Promise<void>;
};
