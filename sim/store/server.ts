// The virtual store that several watchers share: what etcd promises and no more. Transactions happen one after the other, each
// with a revision of its own; leased records go when the store's own clock says so, never sooner than the time to live after
// a keep-alive was received; a change of leader gives every lease its whole time again. Without a quorum nobody is answered,
// and what was asked in that time may be carried out afterwards, when nobody waits for it any more.
//
// It knows nothing of the network (link.ts) nor of what a client believes (client.ts).

import type { Write } from "../../src/core/io.ts";
import type { AnyRecord, RecordKey } from "../../src/core/records.ts";
import type { Read } from "../../src/stores/record-text.ts";
import { kindOf, readRecord, writeRecord } from "../../src/stores/record-text.ts";
import type { CommitResult, Guard } from "../../src/stores/store.ts";
import type { Random } from "../random.ts";

/** The world's time, and what comes later in it. */
export type WorldTimers = { nowMs(): number; after(ms: number, then: () => void): () => void };

export type Version = { readonly text: string; readonly read: Read; readonly revision: number; readonly lease: number | null };

/** What was written under a key, or that it is gone. */
export type LoggedChange = { readonly key: string; readonly version: Version | null; readonly revision: number };

/** A transaction as it is carried out. */
export type Carried = { readonly client: string; readonly guards: readonly Guard[]; readonly writes: readonly Write[]; readonly revision: number };

export type Foreign = { readonly kind: "foreign"; readonly because: string };

export type ServerOptions = {
  readonly timers: WorldTimers;
  readonly random: Random;
  readonly leased: ReadonlySet<string>;
  /** How fast its clock runs; 1 is true. */
  readonly rate: number;
  /** Before the transaction's writes are there. */
  readonly onCommit?: (carried: Carried) => void;
  /** After anything has changed, sessions that ended included. */
  readonly onChange?: (changes: readonly LoggedChange[]) => void;
  readonly count?: (what: string) => void;
};

type Lease = { readonly id: number; readonly client: string; readonly ttlMs: number; readonly keys: Set<string>; endsMs: number; stop: () => void };
type Copy = { readonly records: ReadonlyMap<string, Version>; readonly revision: number };

const LOG_MAX = 4_000;
const COPIES_MAX = 4;
/** The store looks for leases that have ended now and then, and a request that waits for a quorum is given up at last. */
const LATE_MS = 800;
const PARKED_MS = 20_000;

export class StoreServer {
  readonly #options: ServerOptions;
  #records = new Map<string, Version>();
  #revision = 0;
  #identity: string;
  #leases = new Map<number, Lease>();
  #nextLease = 1;
  #log: LoggedChange[] = [];
  readonly #feeds = new Set<() => void>();
  #unavailable = 0;
  #parked: { readonly atMs: number; readonly run: () => void }[] = [];
  #copies: Copy[] = [];

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#identity = this.#name();
  }

  get identity(): string {
    return this.#identity;
  }

  get revision(): number {
    return this.#revision;
  }

  get records(): ReadonlyMap<string, Version> {
    return this.#records;
  }

  get available(): boolean {
    return this.#unavailable === 0;
  }

  value<Kind extends AnyRecord>(key: RecordKey): Kind | undefined {
    const read = this.#records.get(key)?.read;
    return read?.ok === true ? (read.value as Kind) : undefined;
  }

  /** Every readable record of a kind. */
  all<Kind extends AnyRecord>(kind: string): Kind[] {
    const found: Kind[] = [];
    for (const [key, { read }] of this.#records) if (read.ok && kindOf(key) === kind) found.push(read.value as Kind);
    return found;
  }

  /** When the session of a client ends if nothing more is heard of it, in the world's time; null when it has none. */
  sessionEndsMs(client: string): number | null {
    const ends = [...this.#leases.values()].filter((lease) => lease.client === client).map((lease) => lease.endsMs);
    return ends.length === 0 ? null : Math.max(...ends);
  }

  // ---- requests -------------------------------------------------------------------------------------------------------

  /** A request has arrived: carried out now, or, without a quorum, later or never. */
  arrive(run: () => void): void {
    if (this.available) return run();
    if (this.#options.random.chance(0.3)) this.#parked.push({ atMs: this.#options.timers.nowMs(), run });
  }

  commit(identity: string, client: string, session: number | null, guards: readonly Guard[], writes: readonly Write[]): CommitResult | Foreign | { readonly kind: "no-session" } {
    const foreign = this.#foreign(identity);
    if (foreign !== null) return foreign;
    for (const { key, revision } of guards) {
      const found = this.#records.get(key)?.revision ?? null;
      if (found !== revision) return { kind: "conflict", evidence: `${key} is ${at(found)}, and should be ${at(revision)}` };
    }
    const lease = session === null ? null : this.#leases.get(session);
    const leased = writes.some(({ key, value }) => value !== null && this.#options.leased.has(kindOf(key)));
    if (leased && (lease === null || lease === undefined)) return { kind: "no-session" };
    const revision = this.#revision + 1;
    this.#options.onCommit?.({ client, guards, writes, revision });
    this.#revision = revision;
    const changes = writes.flatMap(({ key, value }) => this.#put(key, value === null ? null : writeRecord(value), value !== null && this.#options.leased.has(kindOf(key)) ? (lease ?? null) : null));
    this.#tell(changes);
    return { kind: "committed", revision };
  }

  load(identity: string): Foreign | { readonly kind: "loaded"; readonly records: readonly (readonly [string, Version])[]; readonly revision: number } {
    return this.#foreign(identity) ?? { kind: "loaded", records: [...this.#records], revision: this.#revision };
  }

  grant(identity: string, client: string, ttlMs: number): Foreign | { readonly kind: "granted"; readonly session: number } {
    const foreign = this.#foreign(identity);
    if (foreign !== null) return foreign;
    const lease: Lease = { id: this.#nextLease, client, ttlMs, keys: new Set(), endsMs: 0, stop: () => undefined };
    this.#nextLease += 1;
    this.#leases.set(lease.id, lease);
    this.#renew(lease);
    return { kind: "granted", session: lease.id };
  }

  keepAlive(identity: string, session: number): Foreign | { readonly kind: "kept" | "over" } {
    const foreign = this.#foreign(identity);
    if (foreign !== null) return foreign;
    const lease = this.#leases.get(session);
    if (lease === undefined) return { kind: "over" };
    this.#renew(lease);
    return { kind: "kept" };
  }

  revoke(identity: string, session: number): Foreign | { readonly kind: "revoked" } {
    const foreign = this.#foreign(identity);
    if (foreign !== null) return foreign;
    const lease = this.#leases.get(session);
    if (lease !== undefined) this.#end(lease);
    return { kind: "revoked" };
  }

  /** Calls back whenever something has changed. */
  feed(wake: () => void): () => void {
    this.#feeds.add(wake);
    return () => this.#feeds.delete(wake);
  }

  /** What was written after that revision; null when it is not known any more. */
  since(revision: number): readonly LoggedChange[] | null {
    const [first] = this.#log;
    if (revision < this.#revision && (first === undefined || first.revision > revision + 1)) return null;
    let from = this.#log.length;
    while (from > 0 && (this.#log[from - 1] as LoggedChange).revision > revision) from -= 1;
    return this.#log.slice(from);
  }

  // ---- what befalls it --------------------------------------------------------------------------------------------------

  /** No quorum for a while. Returns what ends it, with another leader. */
  fail(): () => void {
    this.#unavailable += 1;
    for (const lease of this.#leases.values()) lease.stop();
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      this.#unavailable -= 1;
      if (this.#unavailable > 0) return;
      this.changeLeader();
      const parked = this.#parked.filter(({ atMs }) => this.#options.timers.nowMs() - atMs < PARKED_MS);
      this.#parked = [];
      for (const { run } of parked) {
        this.#options.count?.("store: a request is carried out after a quorum was back");
        run();
      }
    };
  }

  /** A new leader does not know how old the leases are: each lives its whole time once more. */
  changeLeader(): void {
    for (const lease of this.#leases.values()) this.#renew(lease);
  }

  /** Keeps a copy that somebody may put back later. */
  copy(): void {
    this.#copies.push({ records: new Map(this.#records), revision: this.#revision });
    if (this.#copies.length > COPIES_MAX) this.#copies.shift();
  }

  wipe(): void {
    this.#anew(new Map(), 0);
  }

  /** Puts the oldest copy back; leased records in it belong to nobody and are gone. False when there is none. */
  restore(): boolean {
    const copy = this.#copies.shift();
    if (copy === undefined) return false;
    this.#anew(new Map([...copy.records].filter(([, { lease }]) => lease === null)), copy.revision);
    return true;
  }

  /** Writes a text under a key behind everybody's back; null deletes it. */
  plant(key: string, text: string | null): void {
    this.#revision += 1;
    this.#tell(this.#put(key, text, null));
  }

  // ---- inside ---------------------------------------------------------------------------------------------------------

  #anew(records: Map<string, Version>, revision: number): void {
    for (const lease of this.#leases.values()) lease.stop();
    this.#leases.clear();
    this.#records = records;
    this.#revision = revision;
    this.#log = [];
    this.#parked = [];
    this.#copies = [];
    this.#identity = this.#name();
    this.#tell([]);
  }

  #name(): string {
    const { random } = this.#options;
    return `sim:${random.bits().toString(16).padStart(8, "0")}-${random.bits().toString(16).padStart(8, "0")}`;
  }

  #foreign(identity: string): Foreign | null {
    return identity === this.#identity ? null : { kind: "foreign", because: "the store was wiped or restored: it is another one now" };
  }

  #put(key: string, text: string | null, lease: Lease | null): LoggedChange[] {
    const before = this.#records.get(key);
    if (before !== undefined && before.lease !== null) this.#leases.get(before.lease)?.keys.delete(key);
    if (text === null) {
      if (before === undefined) return [];
      this.#records.delete(key);
      return [{ key, version: null, revision: this.#revision }];
    }
    const version: Version = { text, read: readRecord(key, text, this.#options.leased), revision: this.#revision, lease: lease?.id ?? null };
    this.#records.set(key, version);
    lease?.keys.add(key);
    return [{ key, version, revision: this.#revision }];
  }

  #tell(changes: readonly LoggedChange[]): void {
    this.#log.push(...changes);
    if (this.#log.length > 2 * LOG_MAX) this.#log = this.#log.slice(-LOG_MAX);
    this.#options.onChange?.(changes);
    for (const wake of this.#feeds) wake();
  }

  /** Counted by its own clock, from now; never too soon, and a little late. */
  #renew(lease: Lease): void {
    const { timers, random, rate } = this.#options;
    lease.stop();
    const leftMs = (lease.ttlMs + random.whole(0, LATE_MS)) / rate;
    lease.endsMs = timers.nowMs() + leftMs;
    if (!this.available) return;
    lease.stop = timers.after(leftMs, () => this.#end(lease));
  }

  #end(lease: Lease): void {
    lease.stop();
    if (!this.#leases.delete(lease.id)) return;
    if (lease.keys.size === 0) return;
    this.#revision += 1;
    this.#tell([...lease.keys].flatMap((key) => this.#put(key, null, null)));
  }
}

function at(revision: number | null): string {
  return revision === null ? "absent" : `at revision ${revision}`;
}
