// The store of several watchers on ZooKeeper. One transaction of ours is one of ZooKeeper's (`multi`); its number (zxid) is
// the revision. How guards become versions is in zookeeper-commit.ts, what stands where in zookeeper-layout.ts, and why it
// is all as it is in ADR 10.
//
// Each transaction also checks the store's stamp: a node named by a uuid that the first watcher made. So a store that is
// wiped while we run cannot answer "nothing is there" to a question of ours. A read that has to be linearizable begins with
// such a transaction, even an otherwise empty one: it needs a majority, which `sync` alone does not. Everything but leased
// records goes over connections with sessions of no meaning; the joined session has a connection of its own.

import { UpkeepError } from "../core/errors.ts";
import type { StoredRecord, Write } from "../core/io.ts";
import type { RecordKey } from "../core/records.ts";
import { Fault, upkeepError } from "./fault.ts";
import { Lease } from "./lease.ts";
import { isKnown, kindOf, readRecord, UnreadableRecords, utf8 } from "./record-text.ts";
import type { CommitResult, Guard, Session, SharedStore, SharedStoreOptions, Sight } from "./store.ts";
import { openLayout } from "./zookeeper-bootstrap.ts";
import type { ClientOptions } from "./zookeeper-client.ts";
import { ZookeeperClient } from "./zookeeper-client.ts";
import { brokenGuard, look, opsOf, tooLarge } from "./zookeeper-commit.ts";
import type { Connection } from "./zookeeper-connection.ts";
import type { Layout } from "./zookeeper-layout.ts";
import { rootOf } from "./zookeeper-layout.ts";
import type { Found } from "./zookeeper-survey.ts";
import { Survey } from "./zookeeper-survey.ts";
import type { WatchSource } from "./zookeeper-watch.ts";
import { ZookeeperWatch } from "./zookeeper-watch.ts";
import type { MultiOp } from "./zookeeper-wire.ts";
import { codeName, DECIDED, ERR } from "./zookeeper-wire.ts";

export type ZookeeperOptions = SharedStoreOptions & ClientOptions;

type Joined = { readonly lease: Lease; readonly client: ZookeeperClient };

const PREFIX_LENGTH = 200;
/** Keep-alives to one time to live. The deadline counts from the one before the last (ADR 10); two may go unanswered. */
const PER_TTL = 4;
/** What was seen has changed before the transaction came: look again. */
const RACES: ReadonlySet<number> = new Set([ERR.NO_NODE, ERR.BAD_VERSION, ERR.NODE_EXISTS]);

/** Connects, and makes the store's identity where there is none. Rejects with STORE_UNREACHABLE or STORE_REFUSED, and then holds nothing. */
export async function openZookeeper(options: ZookeeperOptions): Promise<SharedStore> {
  const root = rootOf(options.prefix);
  if (root === null || root.length > PREFIX_LENGTH) throw new UpkeepError("STORE_REFUSED", "the prefix must be 1 to 200 printable characters, and no name in it may be empty, `.` or `..`");
  let client: ZookeeperClient;
  try {
    client = new ZookeeperClient({ ...options, sessionMs: Math.ceil(options.ttlMs), keep: false });
  } catch (error) {
    throw new UpkeepError("STORE_REFUSED", `zookeeper: ${error instanceof Error ? error.message : String(error)}`);
  }
  try {
    const { layout, uuid, zxid } = await openLayout(client, root, performance.now() + options.callMs);
    return new ZookeeperStore(client, options, layout, uuid, zxid);
  } catch (error) {
    client.close();
    throw upkeepError("zookeeper", error);
  }
}

class ZookeeperStore implements SharedStore {
  readonly capabilities = { shared: true, coalesces: true } as const;
  readonly identity: string;
  readonly #client: ZookeeperClient;
  readonly #options: ZookeeperOptions;
  readonly #layout: Layout;
  readonly #stamp: string;
  readonly #unreadable: UnreadableRecords;
  readonly #watches = new Set<ZookeeperWatch>();
  /** The highest revision that a transaction of ours has had. */
  #seen: number;
  /** `watch` begins with it. */
  #loaded: ReadonlyMap<string, number> = new Map();
  #queue: Promise<unknown> = Promise.resolve();
  #session: Joined | null = null;
  #joining = 0;
  #gone: string | null = null;
  #closed = false;

  constructor(client: ZookeeperClient, options: ZookeeperOptions, layout: Layout, uuid: string, zxid: number) {
    this.identity = `zookeeper:${uuid}`;
    this.#client = client;
    this.#options = options;
    this.#layout = layout;
    this.#stamp = layout.stamp(uuid);
    this.#seen = zxid;
    this.#unreadable = new UnreadableRecords(options.onUnreadable ?? (() => undefined));
  }

  get revision(): number {
    return this.#seen;
  }

  async load(): Promise<readonly StoredRecord[]> {
    try {
      const found = await this.#surveyed(this.#endMs(), async (survey, leftMs) => {
        try {
          return await survey.collect(leftMs);
        } finally {
          survey.end();
        }
      });
      this.#loaded = new Map([...found].map(([path, { node, zxid }]) => [path, node?.mzxid ?? zxid]));
      return this.#readAll(found);
    } catch (error) {
      throw upkeepError("zookeeper", error);
    }
  }

  commit(guards: readonly Guard[], writes: readonly Write[]): Promise<CommitResult> {
    const endMs = this.#endMs();
    const last = [...new Map(writes.map((write) => [write.key, write] as const)).values()];
    const bounded = tooLarge(this.#layout, guards, last);
    if (bounded !== null) return Promise.resolve({ kind: "failed", evidence: bounded });
    const turn = this.#queue.then(() => this.#commit(guards, last, endMs));
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  watch(sight: Sight): () => void {
    const watch = new ZookeeperWatch(this.#source(), sight, this.#loaded);
    this.#watches.add(watch);
    if (this.#gone !== null) watch.gone(this.#gone);
    return () => {
      watch.end();
      this.#watches.delete(watch);
    };
  }

  async join(onSession: (session: Session) => void): Promise<void> {
    const { ttlMs, nowMs } = this.#options;
    if (this.#session !== null && this.#session.lease.held) throw new UpkeepError("STORE_REFUSED", "this watcher has a session already");
    if (this.#gone !== null) throw new UpkeepError("STORE_REFUSED", this.#gone);
    this.#joining += 1;
    const joining = this.#joining;
    const client = new ZookeeperClient({ ...this.#options, sessionMs: Math.ceil(ttlMs), keep: true });
    const endMs = this.#endMs();
    try {
      const connection = await client.run({ repeatable: true, endMs }, async (made, leftMs) => {
        await this.#barrier(made, leftMs);
        return made;
      });
      const { askedMs: sentMs, sessionMs: granted } = connection;
      const refusal = this.#closed || joining !== this.#joining ? new Fault("closed", "left before the session was there", { sent: true })
        : granted < ttlMs ? new Fault("refused", `a session of ${ttlMs} ms was asked for, and ${granted} ms were given (maxSessionTimeout)`, { sent: true })
        : nowMs() >= sentMs + ttlMs ? new Fault("unreachable", "the session was granted after its time to live", { sent: true })
        : null;
      if (refusal !== null) {
        await closeSession(client, endMs);
        throw refusal;
      }
      const told = (session: Session): void => {
        if (session.kind === "lost") client.close();
        onSession(session);
      };
      this.#session = { client, lease: new Lease({ ttlMs, nowMs, sentMs, onSession: told, perTtl: PER_TTL, keepAlive: this.#keepAlive(client) }) };
    } catch (error) {
      client.close();
      throw upkeepError("zookeeper", error);
    }
  }

  async leave(): Promise<void> {
    this.#joining += 1;
    const session = this.#session;
    this.#session = null;
    if (session === null) return;
    session.lease.stop();
    await closeSession(session.client, this.#endMs());
    session.client.close();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#session?.lease.stop();
    this.#session?.client.close();
    for (const watch of this.#watches) watch.end();
    this.#client.close();
    await this.#queue;
  }

  async #commit(guards: readonly Guard[], writes: readonly Write[], endMs: number): Promise<CommitResult> {
    if (this.#closed) return { kind: "failed", evidence: "the store is closed" };
    const { leased } = this.#options;
    const bound = writes.find(({ key, value }) => value !== null && leased.has(kindOf(key)));
    const session = bound === undefined ? null : this.#session;
    const unheld = `${bound?.key ?? ""} needs a session, and there is none`;
    if (bound !== undefined && (session === null || !session.lease.held)) return { kind: "failed", evidence: `${unheld}; nothing was sent` };
    const client = session?.client ?? this.#client;
    const keys = [...new Set([...guards, ...writes].map(({ key }) => key))];
    try {
      for (;;) {
        this.#refuseGone();
        const looked = await client.run({ repeatable: true, endMs }, (connection, leftMs) => look(connection, this.#layout, this.#stamp, keys, leftMs));
        if (!looked.stamped) this.#isGone(this.#wiped());
        this.#refuseGone();
        const broken = brokenGuard(guards, looked);
        if (broken !== null) return { kind: "conflict", evidence: broken };
        const [missing] = [...looked.shelves].find(([, version]) => version === null) ?? [];
        if (missing !== undefined) return { kind: "failed", evidence: `the store is damaged: ${missing} is missing; nothing was written` };
        const ops = opsOf(guards, writes, { looked, layout: this.#layout, stamp: this.#stamp, leased, session: session?.client.session ?? 0n });
        const { zxid, value: failed } = await client.run({ repeatable: false, endMs }, (connection, leftMs) => {
          if (session !== null && !session.lease.held) throw new Fault("closed", unheld, { sent: false });
          return this.#txn(connection, ops, leftMs);
        });
        if (failed === null) return { kind: "committed", revision: zxid };
        if (!RACES.has(failed.code)) return { kind: "failed", evidence: `ZooKeeper refused the transaction: ${codeName(failed.code)}; nothing was written` };
      }
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      if (error.code === ERR.SESSION_EXPIRED && session !== null && this.#session === session) session.lease.lose("the store does not know the session");
      return { kind: "failed", evidence: `${error.message}; ${whatIsKnown(error)}` };
    }
  }

  /** Every transaction goes through here, and begins with a check of the stamp. */
  async #txn(connection: Connection, ops: readonly MultiOp[], leftMs: () => number): ReturnType<Connection["multi"]> {
    this.#refuseGone();
    const floor = this.#seen;
    const answer = await connection.multi(ops, leftMs());
    if (answer.value?.at === 0 && answer.value.code === ERR.NO_NODE) this.#isGone(this.#wiped());
    // The number is of a majority: a server that only lags behind has no part in it.
    else if (answer.value === null && answer.zxid < floor) this.#isGone(`the store went back from revision ${floor} to ${answer.zxid}`);
    this.#refuseGone();
    if (answer.value === null) this.#seen = Math.max(this.#seen, answer.zxid);
    return answer;
  }

  /** Afterwards this connection's server knows everything that was committed before: that of the store that was opened, or it throws. */
  async #barrier(connection: Connection, leftMs: () => number): Promise<void> {
    const { value: failed } = await this.#txn(connection, [{ op: "check", path: this.#stamp, version: -1 }], leftMs);
    if (failed !== null) throw new Fault("refused", `${connection.server.name}: ${codeName(failed.code)}`, { sent: true, code: failed.code });
  }

  #surveyed<T>(endMs: number, body: (survey: Survey, leftMs: () => number) => Promise<T>): Promise<T> {
    return this.#client.run({ repeatable: true, endMs }, async (connection, leftMs) => {
      await this.#barrier(connection, leftMs);
      const survey = await Survey.begin(connection, this.#layout, (path) => {
        if (path === this.#stamp) this.#isGone(this.#wiped());
      }, leftMs);
      return body(survey, leftMs);
    });
  }

  #readAll(found: ReadonlyMap<string, Found>): StoredRecord[] {
    const records: StoredRecord[] = [];
    this.#unreadable.clear();
    for (const [path, { node }] of found) {
      const key = this.#layout.keyOf(path);
      if (key === null || node === null) continue;
      const { mzxid: revision, data } = node;
      const read = readRecord(key, utf8(data), this.#options.leased);
      if (read.ok) records.push({ key: read.key, value: read.value, revision });
      else this.#unreadable.add({ key, revision, kind: read.kind, because: read.because });
    }
    this.#unreadable.flush();
    return records.sort((one, other) => one.revision - other.revision || (one.key < other.key ? -1 : 1));
  }

  /**
   * One transaction each, since only a majority's word counts. The server tells its leader of a session's signs of life
   * now and then only; that it still reaches its leader shows that the sign before this one has come there (ADR 10).
   */
  #keepAlive(client: ZookeeperClient): (withinMs: number) => Promise<"over" | { readonly sinceMs: number }> {
    const { nowMs } = this.#options;
    let last: { readonly connection: Connection; readonly sentMs: number } | null = null;
    return async (withinMs) => {
      try {
        return await client.run({ repeatable: true, endMs: performance.now() + Math.min(withinMs, this.#options.callMs) }, async (connection, leftMs) => {
          const sentMs = nowMs();
          await this.#barrier(connection, leftMs);
          // A server that takes a session over asks its leader at once.
          const sinceMs = last?.connection === connection ? last.sentMs : connection.askedMs;
          last = { connection, sentMs };
          return { sinceMs };
        });
      } catch (error) {
        if (error instanceof Fault && error.code === ERR.SESSION_EXPIRED) return "over";
        throw error;
      }
    };
  }

  #source(): WatchSource {
    const { ttlMs, callMs, nowMs, leased } = this.#options;
    return {
      layout: this.#layout, unreadable: this.#unreadable, ttlMs, callMs, nowMs,
      isKnown: (key): key is RecordKey => isKnown(key, leased),
      read: (key, data) => readRecord(key, utf8(data), leased),
      readAll: (found) => this.#readAll(found),
      survey: () => this.#surveyed(this.#endMs(), (survey) => Promise.resolve(survey)),
    };
  }

  #wiped(): string {
    return `the store was wiped, or is another one: ${this.#stamp} is not there any more`;
  }

  #isGone(because: string): void {
    if (this.#gone !== null) return;
    this.#gone = because;
    this.#session?.lease.lose(because);
    for (const watch of this.#watches) watch.gone(because);
  }

  #refuseGone(): void {
    if (this.#gone !== null) throw new Fault("foreign", this.#gone, { sent: false });
  }

  #endMs(): number {
    return performance.now() + this.#options.callMs;
  }
}

/** A session that cannot be closed ends with its time to live. */
async function closeSession(client: ZookeeperClient, endMs: number): Promise<void> {
  try {
    await client.run({ repeatable: true, endMs }, (connection, leftMs) => connection.closeSession(leftMs()));
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
  }
}

function whatIsKnown({ sent, code }: Fault): string {
  if (!sent) return "nothing was sent";
  return code !== null && DECIDED.has(code) ? "nothing was written" : "whether it was written is not known";
}
