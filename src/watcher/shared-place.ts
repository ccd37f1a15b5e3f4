// A shared store as this process holds it: opened, its records loaded, followed, joined once the watcher has started, and joined
// again when the session is lost. It decides nothing about hosts; it decides whether a watcher may start here at all: not where the store refuses us,
// not beside another watcher of the same name, and not with a store that is not the one that is remembered, or only
// disarmed (safety.md §3.9).
//
// What the store says before the watcher has started is kept, and handed over in its order.

import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { UpkeepError } from "../core/errors.ts";
import type { Input, StoredRecord, Write } from "../core/io.ts";
import { LEASED } from "../core/records.ts";
import type { AliveRecord, MetaRecord } from "../core/records.ts";
import { makeFolder } from "../journal/data-folder.ts";
import { FOLDER_ID_NAME, folderIdentity } from "../journal/folder-id.ts";
import type { Lock } from "../journal/lock.ts";
import { takeLock } from "../journal/lock.ts";
import type { Memory, Recalled } from "../journal/went-back.ts";
import { wentBackBecause } from "../journal/went-back.ts";
import { recallCarefully } from "../stores/embedded.ts";
import type { CommitResult, Guard, Session, SharedStore, SharedStoreOptions, Store, UnreadableRecord } from "../stores/store.ts";
import { hasMoved, moveLedger } from "./moving.ts";
import type { Beginning, Place, PlaceOptions } from "./place.ts";

export type SharedPlaceOptions = Omit<PlaceOptions, "config"> & {
  readonly dataDir: string;
  readonly site: string;
  /** This watcher's name. */
  readonly watcher: string;
  readonly prefix: string;
  readonly ttlMs: number;
  readonly callMs: number;
  /** Opens the store; STORE_UNREACHABLE is tried again. */
  readonly open: (options: SharedStoreOptions) => Promise<SharedStore>;
};

const RETRY = { firstMs: 1_000, mostMs: 10_000 } as const;
/** How often it is said again that the store cannot be reached, and how often the service manager is told that we are alive. */
const SAY_EVERY_MS = 60_000;
/** Beyond one and a half times to live: a session that nobody keeps alive has ended by then, also where the store rounds up. */
const TAKEN_EXTRA_MS = 2_000;
const LOOK_EVERY_MS = 1_000;

/** Takes the data folder and opens the store, however long that takes. Null: `signal` came first. Rejects with LEDGER_LOCKED, LEDGER_IO or STORE_REFUSED, and then holds nothing. */
export async function openSharedPlace(options: SharedPlaceOptions): Promise<SharedPlace | null> {
  const { dataDir, clock, say, signal } = options;
  makeFolder(dataDir);
  const place = new SharedPlace(options, takeLock(join(dataDir, "ledger.lock")));
  // Only until it is open: a watcher that has started is stopped in its own time, with the store.
  const giveUp = () => void place.close();
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    const problems: string[] = [];
    const recalled = recallCarefully(dataDir, clock.now().wallMs, problems);
    for (const problem of problems) say("warning", problem);
    return (await place.begin(recalled)) ? place : null;
  } catch (error) {
    await place.close();
    throw error;
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

type Opened = { readonly store: SharedStore; readonly beginning: Beginning };

export class SharedPlace implements Place {
  readonly #options: SharedPlaceOptions;
  readonly #lock: Lock;
  readonly #folder: string;
  readonly #ending = new AbortController();
  readonly #listeners: ((memory: Memory) => void)[] = [];
  #opened: Opened | null = null;
  /** The one that is listened to: opened, or being opened. */
  #current: SharedStore | null = null;
  /** Where what the store says goes; until the watcher has started it is kept in `#early`. */
  #post: ((input: Input) => void) | null = null;
  #early: Input[] = [];
  #stopWatching: () => void = () => undefined;
  #gone = false;
  /** Time went back, and nothing on record says so yet: until then nobody may remember this store. */
  #owes = false;
  /** A commit of the watcher that started on this store went through. */
  #begun = false;
  #disarmed = false;
  /** Of records that are never deleted; stands in for a store that does not tell its revision. */
  #highest = 0;

  constructor(options: SharedPlaceOptions, lock: Lock) {
    this.#options = options;
    this.#lock = lock;
    try {
      this.#folder = folderIdentity(join(options.dataDir, FOLDER_ID_NAME));
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  get store(): Store {
    const { store } = this.#now();
    return { capabilities: store.capabilities, identity: store.identity, load: () => store.load(), commit: (guards, writes) => this.#commit(store, guards, writes), close: () => store.close() };
  }

  get beginning(): Beginning {
    return this.#now().beginning;
  }

  /** The first opening. False: ended before. */
  begin(recalled: Recalled): Promise<boolean> {
    return this.#openUntil((error) => error.code === "STORE_UNREACHABLE", (store, records, life) => this.#wentBack(store, records, life, recalled));
  }

  async reopen(because: string): Promise<boolean> {
    const old = this.#now().store;
    this.#stopWatching();
    [this.#post, this.#current, this.#opened] = [null, null, null];
    await old.close();
    // Whatever the new one refuses may be set right while we wait: what runs goes on watching.
    return this.#openUntil(() => true, async (_store, records) => ({ records, wentBack: because, knew: old.identity }));
  }

  feed(post: (input: Input) => void): void {
    this.#post = (input) => {
      try {
        post(input);
      } catch (error) {
        // An assertion of the core must end the process, and not be taken for a fault of the store by who called us.
        setImmediate(() => {
          throw error;
        });
      }
    };
    const early = this.#early;
    this.#early = [];
    for (const input of early) this.#post(input);
    // Only now: the first step, with the records of 100,000 hosts, takes longer than a lease has.
    void this.#join(this.#now().store);
  }

  onDurable(listener: (memory: Memory) => void): void {
    this.#listeners.push(listener);
    if (!this.#owes) listener(this.#memory());
  }

  async leave(): Promise<void> {
    this.#ending.abort();
    this.#stopWatching();
    await this.#opened?.store.leave();
  }

  async close(): Promise<void> {
    this.#ending.abort();
    this.#stopWatching();
    try {
      await this.#opened?.store.close();
    } finally {
      this.#lock.release();
    }
  }

  #now(): Opened {
    if (this.#opened === null) throw new Error("assertion failed: the store is not open");
    return this.#opened;
  }

  // ---- opening ----------------------------------------------------------------------------------------------------------

  async #openUntil(again: (error: UpkeepError) => boolean, judge: Judge): Promise<boolean> {
    const { say, clock, onWait } = this.#options;
    const { signal } = this.#ending;
    let said = { because: "", atMs: -Infinity };
    for (let waitMs: number = RETRY.firstMs; !signal.aborted; waitMs = Math.min(waitMs * 2, RETRY.mostMs)) {
      try {
        this.#opened = await this.#open(judge);
        if (signal.aborted) break;
        if (said.because !== "") say("info", "the store of the watchers is reached");
        return true;
      } catch (error) {
        if (signal.aborted) break;
        if (!(error instanceof UpkeepError) || !again(error)) throw error;
        const nowMs = clock.now().bootMs;
        if (error.message !== said.because || nowMs - said.atMs >= SAY_EVERY_MS) {
          say("warning", `waiting for the store of the watchers: ${error.message}`);
          said = { because: error.message, atMs: nowMs };
        }
      }
      onWait();
      await sleep(waitMs, undefined, { signal }).catch(() => undefined);
    }
    await this.#opened?.store.close();
    return false;
  }

  async #open(judge: Judge): Promise<Opened> {
    const { prefix, ttlMs, callMs, clock, version, open } = this.#options;
    this.#early = [];
    [this.#gone, this.#begun, this.#disarmed, this.#highest] = [false, false, false, 0];
    const life = randomUUID();
    const onUnreadable = (records: readonly UnreadableRecord[]) => this.#say(this.#current, { kind: "unreadable", records: records.map(({ key, kind, because }) => ({ key, kind, because })) });
    const store = await open({ prefix, ttlMs, callMs, leased: LEASED, nowMs: () => clock.now().bootMs, onUnreadable });
    this.#current = store;
    try {
      const { records, wentBack, knew } = await judge(store, await this.#alone(store), life);
      this.#owes = wentBack !== null;
      this.#note(records);
      this.#stopWatching = this.#watch(store);
      return { store, beginning: { records, wentBack, ledger: store.identity, fleet: { folder: this.#folder, life, version, knew } } };
    } catch (error) {
      this.#current = null;
      this.#stopWatching();
      await store.close();
      throw error;
    }
  }

  /** All records, once no other data folder has a watcher of this name in there. */
  async #alone(store: SharedStore): Promise<readonly StoredRecord[]> {
    const { watcher, site, ttlMs, clock, say, onWait } = this.#options;
    const { signal } = this.#ending;
    const untilMs = clock.now().bootMs + 1.5 * ttlMs + TAKEN_EXTRA_MS;
    for (let first = true; ; first = false) {
      const records = await store.load();
      const theirs = (records.find(({ key }) => key === "meta/ledger")?.value as MetaRecord | undefined)?.site;
      if (theirs !== undefined && theirs !== site) throw new UpkeepError("STORE_REFUSED", `under this prefix are the records of the site ${theirs}, and this is ${site}: give each site its own store.prefix`);
      const other = records.find(({ key }) => key === `alive/${watcher}`)?.value as AliveRecord | undefined;
      if (other === undefined || other.folder === this.#folder) return records;
      if (signal.aborted) throw new UpkeepError("STORE_UNREACHABLE", "ended before the store was open");
      if (clock.now().bootMs >= untilMs) {
        throw new UpkeepError("STORE_REFUSED", `another watcher named ${watcher} runs (since ${new Date(other.since.wallMs).toISOString()}): give each its own watcher.name`);
      }
      if (first) say("warning", `a watcher named ${watcher} is in the store, with another data folder: waiting whether it is dead`);
      onWait();
      await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #wentBack(store: SharedStore, records: readonly StoredRecord[], life: string, recalled: Recalled): ReturnType<Judge> {
    const { dataDir, watcher, clock, say } = this.#options;
    const { moved, count, wentBack } = await moveLedger({ dataDir, store, records, recalled, watcher, life, now: clock.now() });
    if (moved) say("info", `the ledger of this data folder is in the store now: ${count} records; its file is kept as ledger.moved.sqlite`);
    const found = moved ? await store.load() : records;
    this.#note(found);
    const seen = wentBackBecause({ kind: "shared", identity: store.identity, revision: this.#revision(store), moved: hasMoved(dataDir) }, recalled);
    return { records: found, wentBack: wentBack ?? seen, knew: recalled.memory?.ledger ?? null };
  }

  // ---- what the store says ----------------------------------------------------------------------------------------------

  #watch(store: SharedStore): () => void {
    return store.watch({
      changes: (changes) => {
        this.#note(changes);
        this.#say(store, { kind: "changes", changes });
      },
      snapshot: (records) => {
        this.#note(records);
        this.#say(store, { kind: "snapshot", records });
      },
      blind: (because) => this.#say(store, { kind: "blind", because }),
      gone: (because) => {
        this.#gone = true;
        this.#say(store, { kind: "gone", because });
      },
    });
  }

  #onSession(store: SharedStore, session: Session): void {
    this.#say(store, { kind: "session", session });
    if (session.kind === "lost") void this.#join(store);
  }

  async #join(store: SharedStore): Promise<void> {
    const { say } = this.#options;
    const { signal } = this.#ending;
    let said = "";
    for (let waitMs = 0; !this.#gone; waitMs = Math.min(Math.max(RETRY.firstMs, waitMs * 2), RETRY.mostMs)) {
      await sleep(waitMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted || this.#gone || this.#current !== store) return;
      try {
        return await store.join((session) => this.#onSession(store, session));
      } catch (error) {
        const because = error instanceof Error ? error.message : String(error);
        if (because !== said && !signal.aborted) say("warning", `no session in the store of the watchers: ${because}`);
        said = because;
      }
    }
  }

  #say(store: SharedStore | null, input: Input): void {
    // Of a store that was given up nothing is heard any more.
    if (store !== this.#current) return;
    if (this.#post !== null) this.#post(input);
    else this.#early.push(input);
  }

  // ---- what is remembered -------------------------------------------------------------------------------------------------

  async #commit(store: SharedStore, guards: readonly Guard[], writes: readonly Write[]): Promise<CommitResult> {
    const result = await store.commit(guards, writes);
    if (result.kind === "committed") {
      this.#begun = true;
      this.#note(writes.map(({ key, value }) => ({ key, value, revision: result.revision })));
    }
    return result;
  }

  #note(records: readonly { readonly key: string; readonly value: unknown; readonly revision: number }[]): void {
    for (const { key, value, revision } of records) {
      if (key === "brake/disarmed/*") this.#disarmed = value !== null;
      if (/^(meta|host)\//.test(key)) this.#highest = Math.max(this.#highest, revision);
    }
    if (this.#opened === null) return;
    // Who starts disarmed has said so in the first transaction, or has found it said.
    if (this.#begun && this.#disarmed) this.#owes = false;
    if (this.#owes) return;
    const memory = this.#memory();
    for (const listener of this.#listeners) listener(memory);
  }

  #memory(): Memory {
    const { store } = this.#now();
    return { watcher: this.#options.watcher, ledger: store.identity, revision: this.#revision(store) ?? 0 };
  }

  #revision(store: SharedStore): number | null {
    return store.revision ?? (this.#highest > 0 ? this.#highest : null);
  }
}

/** `knew`: the identity of the store that is remembered. */
type Judge = (store: SharedStore, records: readonly StoredRecord[], life: string) => Promise<{ readonly records: readonly StoredRecord[]; readonly wentBack: string | null; readonly knew: string | null }>;
