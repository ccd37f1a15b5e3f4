// The store of several watchers on etcd, over the JSON gateway of its v3 API. One transaction of ours is one of etcd's:
// guards are comparisons of revisions, reads are linearizable (etcd's default, never `serializable`).
//
// Each transaction, reads included, also compares the store's own identity: a uuid that the first watcher wrote under the
// prefix. So a store that is wiped while we run cannot answer "nothing is there" to a question of ours; it answers that it
// is another one. Commits are sent one after the other, because two requests in flight may be carried out in any order.

import { randomUUID } from "node:crypto";
import { UpkeepError } from "../core/errors.ts";
import type { StoredRecord, Write } from "../core/io.ts";
import type { RecordKey } from "../core/records.ts";
import type { ClientOptions } from "./etcd-client.ts";
import { EtcdClient } from "./etcd-client.ts";
import type { Loaded, WatchSource } from "./etcd-watch.ts";
import { EtcdWatch } from "./etcd-watch.ts";
import type { KeyValue, Txn, TxnAnswer } from "./etcd-wire.ts";
import { atRevision, DECIDED, deleteOp, endOf, GRPC, grantAnswer, hasValue, keepAliveAnswer, OP_BYTES, pageOp, putOp, readOp, REQUEST_BYTES_MAX, revokeAnswer, TXN_OPS_MAX, txnAnswer } from "./etcd-wire.ts";
import { Fault, upkeepError } from "./fault.ts";
import { Lease } from "./lease.ts";
import { isKnown, kindOf, readRecord, UnreadableRecords, utf8, writeRecord } from "./record-text.ts";
import type { CommitResult, Guard, Session, SharedStore, SharedStoreOptions, Sight } from "./store.ts";

export type EtcdOptions = SharedStoreOptions & ClientOptions;

const PREFIX_LENGTH = 200;
/** Records in one answer; fewer when they are large. */
const PAGE = 500;
const LOADS = 3;

/** Connects, and makes the store's identity where there is none. Rejects with STORE_UNREACHABLE or STORE_REFUSED, and then holds nothing. */
export async function openEtcd(options: EtcdOptions): Promise<SharedStore> {
  const root = `${options.prefix.replace(/\/+$/, "")}/`;
  if (root === "/" || root.length > PREFIX_LENGTH || !root.isWellFormed() || /[\u0000-\u001f]/.test(root)) throw new UpkeepError("STORE_REFUSED", "the prefix must be 1 to 200 printable characters");
  let client: EtcdClient;
  try {
    client = new EtcdClient(options);
  } catch (error) {
    throw new UpkeepError("STORE_REFUSED", `etcd: ${error instanceof Error ? error.message : String(error)}`);
  }
  try {
    const key = `${root}identity`;
    // Doing it twice does no harm: the second finds what the first has written.
    const txn: Txn = { compare: [atRevision(key, null)], success: [putOp(key, randomUUID(), null), readOp(key)], failure: [readOp(key)] };
    const { header, responses } = await client.call({ path: "/v3/kv/txn", body: txn, schema: txnAnswer, repeatable: true, ms: options.callMs });
    const uuid = firstValue(responses.findLast((response) => response.response_range !== undefined));
    if (uuid === null || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) throw new Fault("refused", `${key} is not ours: somebody else uses this prefix`, { sent: true });
    return new EtcdStore(client, options, root, uuid, header.revision);
  } catch (error) {
    client.close();
    throw upkeepError("etcd", error);
  }
}

class EtcdStore implements SharedStore {
  readonly capabilities = { shared: true } as const;
  readonly identity: string;
  readonly #client: EtcdClient;
  readonly #options: EtcdOptions;
  readonly #root: string;
  readonly #uuid: string;
  readonly #unreadable: UnreadableRecords;
  readonly #watches = new Set<EtcdWatch>();
  /** The highest revision that an answer has shown. */
  #seen: number;
  /** `watch` begins after it. */
  #loaded: number;
  #queue: Promise<unknown> = Promise.resolve();
  #session: { readonly lease: Lease; readonly id: string } | null = null;
  #joining = 0;
  #gone: string | null = null;
  #closed = false;

  constructor(client: EtcdClient, options: EtcdOptions, root: string, uuid: string, revision: number) {
    this.identity = `etcd:${client.cluster}:${uuid}`;
    this.#client = client;
    this.#options = options;
    this.#root = root;
    this.#uuid = uuid;
    this.#seen = revision;
    this.#loaded = revision;
    this.#unreadable = new UnreadableRecords(options.onUnreadable ?? (() => undefined));
  }

  get revision(): number {
    return this.#seen;
  }

  async load(): Promise<readonly StoredRecord[]> {
    try {
      const { records, revision } = await this.#load();
      this.#loaded = revision;
      return records;
    } catch (error) {
      throw upkeepError("etcd", error);
    }
  }

  commit(guards: readonly Guard[], writes: readonly Write[]): Promise<CommitResult> {
    const endMs = performance.now() + this.#options.callMs;
    const last = new Map(writes.map((write) => [write.key, write] as const));
    const bounded = tooLarge(this.#root, guards, [...last.values()]);
    if (bounded !== null) return Promise.resolve({ kind: "failed", evidence: bounded });
    const turn = this.#queue.then(() => this.#commit(guards, [...last.values()], endMs));
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  watch(sight: Sight): () => void {
    const watch = new EtcdWatch(this.#source(), sight, this.#loaded);
    this.#watches.add(watch);
    if (this.#gone !== null) watch.gone(this.#gone);
    return () => {
      watch.end();
      this.#watches.delete(watch);
    };
  }

  async join(onSession: (session: Session) => void): Promise<void> {
    const { ttlMs, nowMs, callMs } = this.#options;
    if (this.#session !== null && this.#session.lease.held) throw new UpkeepError("STORE_REFUSED", "this watcher has a session already");
    if (this.#gone !== null) throw new UpkeepError("STORE_REFUSED", this.#gone);
    this.#joining += 1;
    const joining = this.#joining;
    // etcd counts in whole seconds, and from a later moment than we do.
    const seconds = Math.ceil(ttlMs / 1_000);
    const sentMs = nowMs();
    try {
      const { ID: id, TTL: granted } = await this.#client.call({ path: "/v3/lease/grant", body: { TTL: String(seconds) }, schema: grantAnswer, repeatable: true, ms: callMs });
      if (this.#closed || joining !== this.#joining) {
        await this.#revoke(id);
        throw new Fault("closed", "left before the session was there", { sent: true });
      }
      if (granted < seconds) throw new Fault("refused", `a session of ${seconds} s was asked for, and ${granted} s were given`, { sent: true });
      if (nowMs() >= sentMs + ttlMs) throw new Fault("unreachable", "the session was granted after its time to live", { sent: true });
      this.#session = { id, lease: new Lease({ ttlMs, nowMs, sentMs, onSession, keepAlive: (withinMs) => this.#keepAlive(id, withinMs) }) };
    } catch (error) {
      throw upkeepError("etcd", error);
    }
  }

  async leave(): Promise<void> {
    this.#joining += 1;
    const session = this.#session;
    this.#session = null;
    if (session === null) return;
    session.lease.stop();
    await this.#revoke(session.id);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#session?.lease.stop();
    for (const watch of this.#watches) watch.end();
    this.#client.close();
    await this.#queue;
  }

  async #commit(guards: readonly Guard[], writes: readonly Write[], endMs: number): Promise<CommitResult> {
    if (this.#closed) return { kind: "failed", evidence: "the store is closed" };
    const leased = writes.find(({ key, value }) => value !== null && this.#options.leased.has(kindOf(key)));
    const session = this.#session;
    if (leased !== undefined && (session === null || !session.lease.held)) return { kind: "failed", evidence: `${leased.key} needs a session, and there is none; nothing was sent` };
    const ops = writes.map(({ key, value }) =>
      value === null ? deleteOp(this.#path(key)) : putOp(this.#path(key), writeRecord(value), this.#options.leased.has(kindOf(key)) ? (session?.id ?? null) : null));
    const compare = guards.map(({ key, revision }) => atRevision(this.#path(key), revision));
    const reads = guards.map(({ key }) => readOp(this.#path(key), { keysOnly: true }));
    try {
      const { header, succeeded, responses } = await this.#txn({ compare, success: ops, failure: reads }, { repeatable: false, ms: endMs - performance.now() });
      if (succeeded) return { kind: "committed", revision: header.revision };
      const found = guards.map((_, at) => responses[at]?.response_range?.kvs[0]?.mod_revision ?? null);
      const broken = guards.findIndex(({ revision }, at) => found[at] !== revision);
      const guard = guards[broken];
      if (guard === undefined) return { kind: "failed", evidence: "etcd refused the transaction although all guards hold" };
      return { kind: "conflict", evidence: `${guard.key} is ${at(found[broken] ?? null)}, and should be ${at(guard.revision)}` };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      if (error.code === GRPC.NOT_FOUND && leased !== undefined && this.#session === session) session?.lease.lose("the store does not know the session");
      return { kind: "failed", evidence: `${error.message}; ${whatIsKnown(error)}` };
    }
  }

  /** Every transaction goes through here: it holds only in the store that was opened. */
  async #txn(txn: Txn, options: { readonly repeatable: boolean; readonly ms: number }): Promise<TxnAnswer> {
    if (this.#gone !== null) throw new Fault("foreign", this.#gone, { sent: false });
    const key = `${this.#root}identity`;
    const floor = this.#seen;
    const body: Txn = { compare: [hasValue(key, this.#uuid), ...txn.compare], success: txn.success, failure: [readOp(key), ...txn.failure] };
    let answer: TxnAnswer;
    try {
      answer = await this.#client.call({ path: "/v3/kv/txn", body, schema: txnAnswer, ...options });
    } catch (error) {
      if (error instanceof Fault && error.kind === "foreign") this.#isGone(error.message);
      throw error;
    }
    const { succeeded, header, responses } = answer;
    if (!succeeded) {
      const [identity, ...rest] = responses;
      this.#identityIs(firstValue(identity));
      if (this.#gone !== null) throw new Fault("foreign", this.#gone, { sent: false });
      answer = { ...answer, responses: rest };
    }
    if (header.revision < floor) {
      this.#isGone(`the store went back from revision ${floor} to ${header.revision}`);
      throw new Fault("foreign", `the store went back from revision ${floor} to ${header.revision}`, { sent: true });
    }
    this.#seen = Math.max(this.#seen, header.revision);
    return answer;
  }

  async #load(): Promise<Loaded> {
    const endMs = performance.now() + this.#options.callMs;
    for (let left = LOADS; ; left -= 1) {
      try {
        return await this.#loadOnce(endMs);
      } catch (error) {
        // What the first page showed was compacted before the last one was read.
        if (!(error instanceof Fault) || error.code !== GRPC.OUT_OF_RANGE || left === 0) throw error;
      }
    }
  }

  async #loadOnce(endMs: number): Promise<Loaded> {
    const found: KeyValue[] = [];
    const prefix = `${this.#root}record/`;
    const end = endOf(prefix);
    let from: Uint8Array = Buffer.from(prefix, "utf8");
    let revision = 0;
    for (let limit = PAGE; ; ) {
      try {
        const { header, responses } = await this.#txn({ compare: [], success: [pageOp(from, end, limit, revision)], failure: [] }, { repeatable: true, ms: endMs - performance.now() });
        const page = responses[0]?.response_range;
        if (revision === 0) revision = header.revision;
        found.push(...(page?.kvs ?? []));
        const last = page?.kvs.at(-1);
        if (page?.more !== true || last === undefined) break;
        from = Buffer.concat([last.key, Buffer.of(0)]);
      } catch (error) {
        if (!(error instanceof Fault) || error.kind !== "large" || limit === 1) throw error;
        limit = Math.ceil(limit / 8);
      }
    }
    return { records: this.#readAll(found), revision };
  }

  #readAll(found: readonly KeyValue[]): StoredRecord[] {
    const records: StoredRecord[] = [];
    this.#unreadable.clear();
    for (const { key: path, value, mod_revision: revision } of found) {
      const text = utf8(path);
      const key = text === null ? null : this.#recordKey(text);
      if (key === null) continue;
      const read = readRecord(key, utf8(value), this.#options.leased);
      if (read.ok) records.push({ key: read.key, value: read.value, revision });
      else this.#unreadable.add({ key, revision, kind: read.kind, because: read.because });
    }
    this.#unreadable.flush();
    return records.sort((one, other) => one.revision - other.revision || (one.key < other.key ? -1 : 1));
  }

  async #keepAlive(id: string, withinMs: number): Promise<"kept" | "over"> {
    const { TTL: left } = await this.#client.call({ path: "/v3/lease/keepalive", body: { ID: id }, schema: keepAliveAnswer, repeatable: true, ms: Math.min(withinMs, this.#options.callMs) });
    return left > 0 ? "kept" : "over";
  }

  /** What cannot be revoked ends with its time to live. */
  async #revoke(id: string): Promise<void> {
    try {
      await this.#client.call({ path: "/v3/lease/revoke", body: { ID: id }, schema: revokeAnswer, repeatable: true, ms: this.#options.callMs });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
    }
  }

  #source(): WatchSource {
    const { ttlMs, callMs, nowMs, leased } = this.#options;
    return {
      client: this.#client, root: this.#root, identityKey: `${this.#root}identity`, unreadable: this.#unreadable, ttlMs, callMs, nowMs,
      recordKey: (path) => this.#recordKey(path),
      isKnown: (key): key is RecordKey => isKnown(key, leased),
      read: (key, value) => readRecord(key, utf8(value), leased),
      load: () => this.#load(),
      verify: async () => void (await this.#txn({ compare: [], success: [], failure: [] }, { repeatable: true, ms: callMs })),
      identityIs: (value) => this.#identityIs(value),
    };
  }

  #identityIs(value: string | null): void {
    if (value !== this.#uuid) this.#isGone(value === null ? `the store was wiped: ${this.#root}identity is not there any more` : `the store is another one: ${this.#root}identity has changed`);
  }

  #isGone(because: string): void {
    if (this.#gone !== null) return;
    this.#gone = because;
    this.#session?.lease.lose(because);
    for (const watch of this.#watches) watch.gone(because);
  }

  #path(key: string): string {
    return `${this.#root}record/${key}`;
  }

  #recordKey(path: string): string | null {
    const prefix = `${this.#root}record/`;
    return path.startsWith(prefix) ? path.slice(prefix.length) : null;
  }
}

/** Why etcd would refuse a transaction for its size, told before a byte is sent; null when it would not. */
function tooLarge(root: string, guards: readonly Guard[], writes: readonly Write[]): string | null {
  const nothing = "nothing was sent";
  // One comparison and one read are the identity's.
  if (guards.length + 1 > TXN_OPS_MAX) return `${guards.length} guards are more than the ${TXN_OPS_MAX - 1} that one transaction of etcd may have; ${nothing}`;
  if (writes.length > TXN_OPS_MAX) return `${writes.length} writes are more than the ${TXN_OPS_MAX} that one transaction of etcd may have; ${nothing}`;
  const broken = [...guards, ...writes].find(({ key }) => !key.isWellFormed());
  if (broken !== undefined) return `${JSON.stringify(broken.key)} is no key: it is not well-formed text; ${nothing}`;
  const sizeOf = (key: string): number => Buffer.byteLength(root) + Buffer.byteLength(key) + OP_BYTES;
  // A guard is compared, and read when it does not hold.
  const bytes = guards.reduce((sum, { key }) => sum + 2 * sizeOf(key), 2 * sizeOf("")) + writes.reduce((sum, { key, value }) => sum + sizeOf(key) + (value === null ? 0 : Buffer.byteLength(writeRecord(value))), 0);
  return bytes <= REQUEST_BYTES_MAX ? null : `a transaction of ${bytes} bytes is larger than the ${REQUEST_BYTES_MAX} that etcd takes; ${nothing}`;
}

function whatIsKnown({ sent, code }: Fault): string {
  if (!sent) return "nothing was sent";
  return code !== null && DECIDED.has(code) ? "nothing was written" : "whether it was written is not known";
}

function firstValue(response: TxnAnswer["responses"][number] | undefined): string | null {
  const value = response?.response_range?.kvs[0]?.value;
  return value === undefined ? null : utf8(value);
}

function at(revision: number | null): string {
  return revision === null ? "absent" : `at revision ${revision}`;
}
