// A client of the virtual store, behind the port of store.ts and judged by its conformance suites. It keeps what the etcd
// driver keeps to: one transaction under way at a time, nothing tried twice, an answer that does not come in time is a
// failure of which nothing is known, and a session that is judged by the own clock (the production Lease).

import { UpkeepError } from "../../src/core/errors.ts";
import type { StoredRecord, Write } from "../../src/core/io.ts";
import type { RecordKey } from "../../src/core/records.ts";
import type { After } from "../../src/stores/lease.ts";
import { Lease } from "../../src/stores/lease.ts";
import { isKnown, kindOf, UnreadableRecords } from "../../src/stores/record-text.ts";
import type { Change, CommitResult, Guard, Session, SharedStore, SharedStoreOptions, Sight } from "../../src/stores/store.ts";
import type { StoreLink } from "./link.ts";
import type { Foreign, LoggedChange, StoreServer, Version } from "./server.ts";

export type ClientOptions = Omit<SharedStoreOptions, "prefix"> & {
  readonly server: StoreServer;
  readonly link: Pick<StoreLink, "call" | "carry">;
  /** Whose client it is, for who looks at the store from outside. */
  readonly name: string;
  /** Timers of this client's own clock. */
  readonly after: After;
  /** Runs something of this client now, or when it runs again. */
  readonly hand: (then: () => void) => void;
  /** How often the watch is told, at most; null: as soon as may be. */
  readonly batchMs?: () => number;
};

const LOOKS_PER_TTL = 6;
const SIGNS_PER_TTL = 3;
const AGAIN_MS = 300;

export function openSimulated(options: ClientOptions): SharedStore {
  return new Client(options);
}

class Client implements SharedStore {
  readonly capabilities = { shared: true } as const;
  readonly identity: string;
  readonly #options: ClientOptions;
  readonly #unreadable: UnreadableRecords;
  readonly #watches = new Set<Watch>();
  #loaded = 0;
  #queue: Promise<unknown> = Promise.resolve();
  #session: { readonly lease: Lease; readonly id: number } | null = null;
  #joining = 0;
  #gone: string | null = null;
  #closed = false;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.identity = options.server.identity;
    this.#unreadable = new UnreadableRecords(options.onUnreadable ?? (() => undefined));
  }

  async load(): Promise<readonly StoredRecord[]> {
    const { records, revision } = await this.loadAll();
    this.#loaded = revision;
    return records;
  }

  async loadAll(): Promise<{ readonly records: readonly StoredRecord[]; readonly revision: number }> {
    const answer = await this.#call(() => this.#options.server.load(this.identity));
    return { records: this.#readAll(answer.records), revision: answer.revision };
  }

  commit(guards: readonly Guard[], writes: readonly Write[]): Promise<CommitResult> {
    const last = [...new Map(writes.map((write) => [write.key, write] as const)).values()];
    const endMs = this.#options.nowMs() + this.#options.callMs;
    const turn = this.#queue.then(() => this.#commit(guards, last, endMs));
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  watch(sight: Sight): () => void {
    const watch = new Watch(this, this.#options, this.#unreadable, sight, this.#loaded);
    this.#watches.add(watch);
    if (this.#gone !== null) watch.gone(this.#gone);
    return () => {
      watch.end();
      this.#watches.delete(watch);
    };
  }

  async join(onSession: (session: Session) => void): Promise<void> {
    const { ttlMs, nowMs, after, server, name } = this.#options;
    if (this.#session !== null && this.#session.lease.held) throw new UpkeepError("STORE_REFUSED", "this watcher has a session already");
    if (this.#gone !== null) throw new UpkeepError("STORE_REFUSED", this.#gone);
    const joining = (this.#joining += 1);
    const sentMs = nowMs();
    const { session: id } = await this.#call(() => server.grant(this.identity, name, ttlMs));
    if (this.#closed || joining !== this.#joining) {
      void this.#call(() => server.revoke(this.identity, id)).catch(() => undefined);
      throw new UpkeepError("STORE_UNREACHABLE", "left before the session was there");
    }
    if (nowMs() >= sentMs + ttlMs) throw new UpkeepError("STORE_UNREACHABLE", "the session was granted after its time to live");
    this.#session = { id, lease: new Lease({ ttlMs, nowMs, after, sentMs, onSession, keepAlive: async (withinMs) => (await this.#call(() => server.keepAlive(this.identity, id), withinMs, "keep-alive")).kind }) };
  }

  async leave(): Promise<void> {
    this.#joining += 1;
    const session = this.#session;
    this.#session = null;
    if (session === null) return;
    session.lease.stop();
    await this.#call(() => this.#options.server.revoke(this.identity, session.id)).catch(() => undefined);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#session?.lease.stop();
    for (const watch of this.#watches) watch.end();
    await this.#queue;
  }

  isGone(because: string): void {
    if (this.#gone !== null) return;
    this.#gone = because;
    this.#session?.lease.lose(because);
    for (const watch of this.#watches) watch.gone(because);
  }

  async #commit(guards: readonly Guard[], writes: readonly Write[], endMs: number): Promise<CommitResult> {
    const { server, name, leased, nowMs } = this.#options;
    if (this.#closed) return { kind: "failed", evidence: "the store is closed" };
    const needs = writes.find(({ key, value }) => value !== null && leased.has(kindOf(key)));
    const session = this.#session;
    if (needs !== undefined && (session === null || !session.lease.held)) return { kind: "failed", evidence: `${needs.key} needs a session, and there is none; nothing was sent` };
    const leftMs = endMs - nowMs();
    if (leftMs <= 0) return { kind: "failed", evidence: "its time was over before it could be sent; nothing was sent" };
    try {
      const answer = await this.#call(() => server.commit(this.identity, name, needs === undefined ? null : (session?.id ?? null), guards, writes), leftMs);
      if (answer.kind !== "no-session") return answer;
      if (this.#session === session) session?.lease.lose("the store does not know the session");
      return { kind: "failed", evidence: "the store does not know the session; nothing was written" };
    } catch (error) {
      if (!(error instanceof UpkeepError)) throw error;
      return { kind: "failed", evidence: error.message };
    }
  }

  /** One question to the store. Rejects with STORE_UNREACHABLE when nothing is known, with STORE_REFUSED when it is another store. */
  #call<Answer extends { readonly kind: string }>(work: () => Answer | Foreign, withinMs = this.#options.callMs, what: "call" | "keep-alive" = "call"): Promise<Exclude<Answer, Foreign>> {
    const { link, server, hand, after, callMs } = this.#options;
    if (this.#gone !== null) return Promise.reject(new UpkeepError("STORE_REFUSED", this.#gone));
    const boundMs = Math.min(withinMs, callMs);
    return new Promise((resolve, reject) => {
      const cancel = after(boundMs, () => reject(new UpkeepError("STORE_UNREACHABLE", `the store has not answered within ${Math.round(boundMs)} ms; whether it was written is not known`)));
      link.call(server, work, (answer) => hand(() => {
        cancel();
        if (answer.kind !== "foreign") return resolve(answer as Exclude<Answer, Foreign>);
        const { because } = answer as Foreign;
        this.isGone(because);
        reject(new UpkeepError("STORE_REFUSED", because));
      }), what);
    });
  }

  sign(heard: () => void): void {
    const { server } = this.#options;
    this.#call(() => (server.identity === this.identity ? { kind: "alive" as const } : { kind: "foreign" as const, because: "the store was wiped or restored: it is another one now" })).then(heard, () => undefined);
  }

  #readAll(found: readonly (readonly [string, Version])[]): StoredRecord[] {
    const records: StoredRecord[] = [];
    this.#unreadable.clear();
    for (const [key, { read, revision }] of found) {
      if (read.ok) records.push({ key: read.key, value: read.value, revision });
      else this.#unreadable.add({ key, revision, kind: read.kind, because: read.because });
    }
    this.#unreadable.flush();
    return records.sort((one, other) => one.revision - other.revision || (one.key < other.key ? -1 : 1));
  }
}

/** The changes that arrive here, in their order; blind after a time to live of silence, and then everything is read anew. */
class Watch {
  readonly #client: Client;
  readonly #options: ClientOptions;
  readonly #unreadable: UnreadableRecords;
  readonly #sight: Sight;
  readonly #stopFeed: () => void;
  #stopLook: () => void = () => undefined;
  /** The last revision that has been taken here, and the last one that is on its way. */
  #last: number;
  #due = false;
  #heardMs: number;
  #signMs: number;
  #blind = false;
  #ended = false;

  constructor(client: Client, options: ClientOptions, unreadable: UnreadableRecords, sight: Sight, from: number) {
    this.#client = client;
    this.#options = options;
    this.#unreadable = unreadable;
    this.#sight = sight;
    this.#last = from;
    this.#heardMs = options.nowMs();
    this.#signMs = this.#heardMs;
    this.#stopFeed = options.server.feed(() => this.#wake());
    this.#wake();
    this.#lookAgain();
  }

  end(): void {
    this.#ended = true;
    this.#stopFeed();
    this.#stopLook();
  }

  gone(because: string): void {
    if (this.#ended) return;
    this.end();
    if (!this.#blind) this.#sight.blind(because);
    this.#sight.gone?.(because);
  }

  /** Something has changed: it is told of after a while, with whatever comes until then. */
  #wake(): void {
    const { link, server, hand } = this.#options;
    if (this.#due || this.#ended) return;
    this.#due = true;
    const go = (): void => link.carry(() => {
      if (this.#ended) return;
      // What is told is what the store knows when it is told; it may be more by then.
      const changes = server.since(this.#last);
      const foreign = server.identity === this.#client.identity ? null : "the store was wiped or restored: it is another one now";
      const { revision } = server;
      hand(() => this.#take(changes, revision, foreign));
    });
    const batchMs = this.#options.batchMs?.() ?? 0;
    if (batchMs > 0) this.#options.after(batchMs, go);
    else go();
  }

  #take(changes: readonly LoggedChange[] | null, upTo: number, foreign: string | null): void {
    this.#due = false;
    if (this.#ended) return;
    if (foreign !== null) return this.#client.isGone(foreign);
    if (this.#blind) return;
    if (changes === null) return this.#becomeBlind("changes were missed: they are not known any more");
    this.#heardMs = this.#options.nowMs();
    const told: Change[] = [];
    const from = this.#last;
    for (const { key, version, revision } of changes) {
      // It was on its way when everything was read anew.
      if (revision <= from) continue;
      if (version === null) {
        this.#unreadable.remove(key);
        if (isKnown(key, this.#options.leased)) told.push({ key, value: null, revision });
      } else if (version.read.ok) {
        this.#unreadable.remove(key);
        told.push({ key: version.read.key as RecordKey, value: version.read.value, revision });
      } else this.#unreadable.add({ key, revision, kind: version.read.kind, because: version.read.because });
    }
    this.#last = Math.max(from, upTo);
    this.#unreadable.flush();
    if (told.length > 0) this.#sight.changes(told);
    if (this.#options.server.revision > this.#last) this.#wake();
  }

  #lookAgain(): void {
    this.#stopLook = this.#options.after(this.#options.ttlMs / LOOKS_PER_TTL, () => {
      if (this.#ended) return;
      this.#look();
      if (!this.#ended) this.#lookAgain();
    });
  }

  #look(): void {
    const { nowMs, ttlMs } = this.#options;
    const now = nowMs();
    if (!this.#blind && now - this.#heardMs > ttlMs) return this.#becomeBlind(`nothing was heard from the store for ${Math.round(now - this.#heardMs)} ms`);
    if (this.#blind || now - this.#signMs < ttlMs / SIGNS_PER_TTL) return;
    this.#signMs = now;
    this.#client.sign(() => {
      if (!this.#blind) this.#heardMs = this.#options.nowMs();
    });
  }

  #becomeBlind(because: string): void {
    this.#blind = true;
    this.#sight.blind(because);
    this.#readAnew();
  }

  #readAnew(): void {
    if (this.#ended) return;
    this.#client.loadAll().then(
      ({ records, revision }) => {
        if (this.#ended) return;
        this.#blind = false;
        this.#last = revision;
        this.#heardMs = this.#options.nowMs();
        this.#sight.snapshot(records);
        this.#wake();
      },
      () => this.#options.after(AGAIN_MS, () => this.#readAnew()),
    );
  }
}
