// What others write, in the order of its revisions. A stream that breaks is opened again from the revision that was seen
// last, at another endpoint; what etcd has compacted in the meantime, and whatever was missed while we were blind, is read
// anew as a whole.
//
// A connection that is half dead says nothing, just as a quiet fleet does. So the stream is asked for a sign of life three
// times in a time to live: silence for two of these opens another one, silence for a whole time to live is `blind`. A node
// that is cut off from its leader ends the stream by itself (`hasleader`, set by the client), and before each stream one
// linearizable read asks whether this is still the same store.

import type { Change, Sight } from "./store.ts";
import type { StoredRecord } from "../core/io.ts";
import type { RecordKey } from "../core/records.ts";
import type { EtcdClient, Stream } from "./etcd-client.ts";
import type { Event } from "./etcd-wire.ts";
import { b64, endOf, watchAnswer } from "./etcd-wire.ts";
import { Fault } from "./fault.ts";
import type { Read, UnreadableRecords } from "./record-text.ts";
import { utf8 } from "./record-text.ts";

export type Loaded = { readonly records: readonly StoredRecord[]; readonly revision: number };

/** The store, as its watch sees it. */
export type WatchSource = {
  readonly client: EtcdClient;
  /** Starts every key, records or not; ends with a slash. */
  readonly root: string;
  readonly identityKey: string;
  readonly unreadable: UnreadableRecords;
  readonly ttlMs: number;
  readonly callMs: number;
  readonly nowMs: () => number;
  /** The key of a record without the prefix, or null for what is no record's key. */
  recordKey(key: string): string | null;
  isKnown(key: string): key is RecordKey;
  read(key: string, value: Uint8Array): Read;
  load(): Promise<Loaded>;
  /** Rejects when this is not the same store any more, or does not answer. */
  verify(): Promise<void>;
  /** Somebody wrote or deleted the store's identity. */
  identityIs(value: string | null): void;
};

const SIGNS_PER_TTL = 3;
const PAUSE_MS = { least: 50, most: 1_000 } as const;

export class EtcdWatch {
  readonly #source: WatchSource;
  readonly #sight: Sight;
  readonly #tick: NodeJS.Timeout;
  #last: number;
  #heardMs: number;
  #openedMs = 0;
  #signMs = 0;
  #blind = false;
  /** Everything is to be read anew. */
  #anew = false;
  #ended = false;
  #trouble = "nothing was heard";
  #stream: Stream | null = null;
  /** Ends what the loop waits for at present. */
  #wake: () => void = () => undefined;
  /** Events of a revision of which more is to come. */
  #part: Event[] = [];

  /** Watches what is written after `from`. */
  constructor(source: WatchSource, sight: Sight, from: number) {
    this.#source = source;
    this.#sight = sight;
    this.#last = from;
    this.#heardMs = source.nowMs();
    this.#tick = setInterval(() => this.#look(), Math.max(1, source.ttlMs / (2 * SIGNS_PER_TTL)));
    void this.#run();
  }

  end(): void {
    this.#ended = true;
    clearInterval(this.#tick);
    this.#stream?.close();
    this.#wake();
  }

  /** The store is not the one that was opened. */
  gone(because: string): void {
    if (this.#ended) return;
    this.end();
    if (!this.#blind) this.#sight.blind(because);
    this.#sight.gone?.(because);
  }

  async #run(): Promise<void> {
    for (let failures = 0; !this.#ended; failures += 1) {
      try {
        if (this.#anew) await this.#readAnew();
        else await this.#source.verify();
        if (this.#ended) return;
        // It became blind in the meantime.
        if (this.#anew) continue;
        const heardMs = this.#heardMs;
        this.#trouble = await this.#listen();
        if (this.#heardMs > heardMs) failures = 0;
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        this.#trouble = error.message;
      }
      await this.#pause(Math.min(PAUSE_MS.least * 2 ** Math.min(failures, 10), PAUSE_MS.most, this.#source.ttlMs / (2 * SIGNS_PER_TTL)));
    }
  }

  async #readAnew(): Promise<void> {
    const { records, revision } = await this.#source.load();
    if (this.#ended) return;
    this.#anew = false;
    this.#blind = false;
    this.#last = revision;
    this.#heardMs = this.#source.nowMs();
    this.#sight.snapshot(records);
  }

  /** Resolves with why the stream has ended. */
  async #listen(): Promise<string> {
    const { client, root, callMs, nowMs } = this.#source;
    const over = Promise.withResolvers<string>();
    this.#part = [];
    const first = { create_request: { key: b64(root), range_end: b64(endOf(root)), start_revision: String(this.#last + 1), fragment: true } };
    // What comes after the first trouble is not read any more: it would raise the revision that the next stream begins at.
    let live = true;
    const end = (because: string): void => {
      live = false;
      over.resolve(because);
    };
    const stream = await client.stream("/v3/watch", first, callMs, (line) => { if (live) this.#take(line, end); }, end);
    // It may have become blind while the stream was opened: then everything is read first.
    if (this.#ended || this.#anew) {
      stream.close();
      return "too late";
    }
    this.#stream = stream;
    this.#openedMs = nowMs();
    this.#signMs = this.#openedMs;
    this.#wake = () => end("the watch is silent");
    const because = await over.promise;
    this.#stream = null;
    stream.close();
    return because;
  }

  #take(line: string, over: (because: string) => void): void {
    if (this.#ended) return;
    const parsed = watchAnswer.safeParse(jsonOf(line));
    if (!parsed.success) return over(`this is not etcd's: ${line.slice(0, 100)}`);
    if ("error" in parsed.data) {
      this.#source.client.forgetToken();
      return over(parsed.data.error.message.slice(0, 200));
    }
    const { header, canceled, cancel_reason: reason, compact_revision: compacted, fragment, events } = parsed.data.result;
    if (header.cluster_id !== this.#source.client.cluster) return over(`another cluster answers: ${header.cluster_id}`);
    if (compacted > 0) {
      this.#anew = true;
      return over(`revisions before ${compacted} are compacted`);
    }
    if (canceled) {
      this.#source.client.forgetToken();
      return over(`the watch was ended: ${reason.slice(0, 200)}`);
    }
    this.#heardMs = this.#source.nowMs();
    this.#part.push(...events);
    if (fragment) return;
    const whole = this.#part;
    this.#part = [];
    this.#deliver(whole);
  }

  #deliver(events: readonly Event[]): void {
    const { unreadable, identityKey } = this.#source;
    const changes: Change[] = [];
    const from = this.#last;
    for (const { type, kv } of events) {
      if (kv.mod_revision <= from) continue;
      this.#last = Math.max(this.#last, kv.mod_revision);
      const path = utf8(kv.key);
      if (path === identityKey) this.#source.identityIs(type === "DELETE" ? null : utf8(kv.value));
      const key = path === null ? null : this.#source.recordKey(path);
      if (key === null) continue;
      if (type === "DELETE") {
        unreadable.remove(key);
        if (this.#source.isKnown(key)) changes.push({ key, value: null, revision: kv.mod_revision });
        continue;
      }
      const read = this.#source.read(key, kv.value);
      if (read.ok) {
        unreadable.remove(key);
        changes.push({ key: read.key, value: read.value, revision: kv.mod_revision });
      } else unreadable.add({ key, revision: kv.mod_revision, kind: read.kind, because: read.because });
    }
    unreadable.flush();
    if (changes.length > 0 && !this.#ended) this.#sight.changes(changes);
  }

  #look(): void {
    const { ttlMs, nowMs } = this.#source;
    const now = nowMs();
    const signMs = ttlMs / SIGNS_PER_TTL;
    if (!this.#blind && now - this.#heardMs > ttlMs) {
      this.#blind = true;
      this.#anew = true;
      const because = this.#stream === null ? this.#trouble : "the watch is silent";
      this.#wake();
      this.#sight.blind(`nothing was heard from the store for ${Math.round(now - this.#heardMs)} ms: ${because}`);
      return;
    }
    if (this.#stream === null) return;
    if (now - Math.max(this.#heardMs, this.#openedMs) > 2 * signMs) {
      this.#source.client.moveOn();
      this.#wake();
    } else if (now - this.#signMs >= signMs) {
      this.#signMs = now;
      this.#stream.send({ progress_request: {} });
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#ended) this.#wake();
    });
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
