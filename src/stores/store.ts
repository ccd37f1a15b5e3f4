// The port to where watchers agree and what survives (records.ts). A store is linearizable and durable: when `commit`
// resolves `committed`, the writes are on stable storage and everybody who looks sees them. It never retries by itself,
// because only the core knows whether a transaction is still wanted.
//
// One watcher: `embedded` (SQLite, journal/ledger). Several: etcd or ZooKeeper, with the same five methods.

import type { StoredRecord, Write } from "../core/io.ts";
import type { AnyRecord, RecordKey } from "../core/records.ts";

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

// ---- shared ----------------------------------------------------------------------------------------------------------------

/**
 * A record that is there and cannot be read. It is no part of `load`, `changes` and `snapshot`; its key can still be guarded
 * by its revision. newer: written by a later version of Upkeep. damaged: not written by us.
 */
export type UnreadableRecord = { readonly key: string; readonly revision: number; readonly kind: "newer" | "damaged"; readonly because: string };

/** What somebody wrote; `value` null: it was deleted, by hand or with its session. */
export type Change = { readonly key: RecordKey; readonly value: AnyRecord | null; readonly revision: number };

export type Sight = {
  /** In the order of their revisions, each once, from the revision of `load` on; own writes too. See `coalesces`. */
  changes(changes: readonly Change[]): void;
  /** Changes were missed (the connection was away too long): all records as they are now. */
  snapshot(records: readonly StoredRecord[]): void;
  /** Told once when nothing is heard any more; `changes` or `snapshot` ends it. */
  blind(because: string): void;
  /**
   * This is not the store that was opened any more: wiped, restored from a backup, another cluster's. Told once, after
   * `blind`; every commit fails from now on. Opening it again gives another identity: time went back (safety.md §3.9).
   */
  gone?(because: string): void;
};

export type Session =
  /** Held at least until then by the boot-time clock: when the last answered keep-alive was *sent*, plus the time to live. */
  | { readonly kind: "held"; readonly untilMs: number }
  /** Over, by the store's word or by the clock. Records bound to it are gone, or will be; `join` again under a new one. */
  | { readonly kind: "lost"; readonly because: string };

/**
 * A store that several watchers share. Records of the kinds in `leased` live as long as the session that wrote them, and can
 * only be written within one; all others are durable. Nothing here trusts the store's own word that a session lives.
 */
export type SharedStore = Store & {
  readonly capabilities: {
    readonly shared: true;
    /**
     * Of several writes of one key in quick succession a watch may tell the last only, and of a delete a later revision than
     * its commit had: one at which the key was absent. Who waits for a write of his own waits for that revision or a later one.
     */
    readonly coalesces?: true;
  };
  /**
   * The highest revision that an answer has shown; it never falls, whatever is deleted. A store that stands below what a
   * watcher remembers was restored from a backup. Absent: not known.
   */
  readonly revision?: number;
  /** Calls back for everything written since `load`. Returns what ends it. */
  watch(sight: Sight): () => void;
  /** Opens the session of this watcher, which keeps itself alive. Rejects with STORE_UNREACHABLE or STORE_REFUSED. */
  join(onSession: (session: Session) => void): Promise<void>;
  /**
   * Ends the session at once: its records go, or, when the store cannot be reached, go with its time to live. `lost` is not
   * told. A `close` without it leaves them to their time to live.
   */
  leave(): Promise<void>;
};

export type SharedStoreOptions = {
  /** Starts every key; another site's prefix is another store. */
  readonly prefix: string;
  readonly ttlMs: number;
  /** No call takes longer than this; then it has failed, and what it would have done is not known. */
  readonly callMs: number;
  readonly leased: ReadonlySet<string>;
  /** Boot-time clock, milliseconds. */
  readonly nowMs: () => number;
  /** All records that cannot be read, whenever that set changes; before the `changes` or `snapshot`, or the end of the `load`, that shows it. */
  readonly onUnreadable?: (records: readonly UnreadableRecord[]) => void;
};
