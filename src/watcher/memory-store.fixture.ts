// For tests: a shared store in memory, with everything that a real one can do to a watcher done by hand: it is away, it
// refuses, a session ends, it is wiped, it goes back. Several clients see the same records; nothing in it takes time.

import { UpkeepError } from "../core/errors.ts";
import type { StoredRecord } from "../core/io.ts";
import type { AnyRecord, RecordKey } from "../core/records.ts";
import type { CommitResult, Guard, Session, SharedStore, SharedStoreOptions, Sight } from "../stores/store.ts";

type Entry = { readonly value: AnyRecord; readonly revision: number; readonly session: MemoryStore | null };

export class MemoryCluster {
  identity = "memory:1";
  revision = 0;
  readonly records = new Map<RecordKey, Entry>();
  readonly clients = new Set<MemoryStore>();
  /** Every call rejects with it. */
  trouble: UpkeepError | null = null;
  /** Only `join` rejects with it. */
  noSession: UpkeepError | null = null;
  opened = 0;

  async open(options: SharedStoreOptions): Promise<SharedStore> {
    this.opened += 1;
    if (this.trouble !== null) throw this.trouble;
    return new MemoryStore(this, options);
  }

  /** Writes as somebody else does; null deletes. */
  put(key: RecordKey, value: AnyRecord | null): void {
    this.write([{ key, value }], null);
  }

  write(writes: readonly { readonly key: RecordKey; readonly value: AnyRecord | null }[], session: MemoryStore | null): number {
    this.revision += 1;
    const { revision } = this;
    for (const { key, value } of writes) {
      if (value === null) this.records.delete(key);
      else this.records.set(key, { value, revision, session });
    }
    for (const client of this.clients) client.tell((sight) => sight.changes(writes.map((write) => ({ ...write, revision }))));
    return revision;
  }

  /** Everything is gone, and it is another store from now on. */
  wipe(identity: string): void {
    this.records.clear();
    this.identity = identity;
    this.revision = 0;
    for (const client of this.clients) client.goes("the store was wiped");
  }

  held(): StoredRecord[] {
    return [...this.records].map(([key, { value, revision }]) => ({ key, value, revision }));
  }

  /** The client that opened it last. */
  get last(): MemoryStore {
    const last = [...this.clients].at(-1);
    if (last === undefined) throw new Error("nobody has opened it");
    return last;
  }
}

export class MemoryStore implements SharedStore {
  readonly capabilities = { shared: true } as const;
  readonly identity: string;
  readonly options: SharedStoreOptions;
  readonly #cluster: MemoryCluster;
  readonly #sights = new Set<Sight>();
  #onSession: ((session: Session) => void) | null = null;
  #gone = false;
  closed = false;

  constructor(cluster: MemoryCluster, options: SharedStoreOptions) {
    this.#cluster = cluster;
    this.identity = cluster.identity;
    this.options = options;
    cluster.clients.add(this);
  }

  get revision(): number {
    return this.#cluster.revision;
  }

  get joined(): boolean {
    return this.#onSession !== null;
  }

  async load(): Promise<readonly StoredRecord[]> {
    if (this.#cluster.trouble !== null) throw this.#cluster.trouble;
    return this.#cluster.held();
  }

  async commit(guards: readonly Guard[], writes: readonly { readonly key: RecordKey; readonly value: AnyRecord | null }[]): Promise<CommitResult> {
    if (this.closed || this.#gone || this.#cluster.trouble !== null) return { kind: "failed", evidence: "not reached" };
    for (const { key, revision } of guards) {
      const found = this.#cluster.records.get(key)?.revision ?? null;
      if (found !== revision) return { kind: "conflict", evidence: `${key} is at ${found}, and should be at ${revision}` };
    }
    return { kind: "committed", revision: this.#cluster.write(writes, this.#onSession === null ? null : this) };
  }

  watch(sight: Sight): () => void {
    this.#sights.add(sight);
    return () => this.#sights.delete(sight);
  }

  async join(onSession: (session: Session) => void): Promise<void> {
    const trouble = this.#cluster.noSession ?? this.#cluster.trouble;
    if (trouble !== null) throw trouble;
    if (this.#gone) throw new UpkeepError("STORE_REFUSED", "gone");
    this.#onSession = onSession;
    onSession({ kind: "held", untilMs: this.options.nowMs() + this.options.ttlMs });
  }

  async leave(): Promise<void> {
    this.#end();
  }

  async close(): Promise<void> {
    this.closed = true;
    this.#onSession = null;
    this.#cluster.clients.delete(this);
  }

  /** The session is over, by the store's word. */
  lose(because: string): void {
    const told = this.#onSession;
    this.#end();
    told?.({ kind: "lost", because });
  }

  goes(because: string): void {
    this.#gone = true;
    this.tell((sight) => sight.blind(because));
    this.tell((sight) => sight.gone?.(because));
  }

  tell(what: (sight: Sight) => void): void {
    if (this.closed) return;
    for (const sight of this.#sights) what(sight);
  }

  #end(): void {
    this.#onSession = null;
    for (const [key, { session }] of this.#cluster.records) if (session === this && this.options.leased.has(key.slice(0, key.indexOf("/")))) this.#cluster.put(key, null);
  }
}
