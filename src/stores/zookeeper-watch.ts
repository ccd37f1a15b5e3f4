// What others write, in the order of its revisions; of several writes of one key in quick succession perhaps the last only
// (`capabilities.coalesces`, ADR 10). A connection that breaks is replaced at another server: there every record is read
// again and compared with what was told last, so nothing is missed and nothing is told twice. After a time of blindness
// everything is told anew as a whole.
//
// A connection that is half dead says nothing, just as a quiet fleet does. So three times in a time to live the server is
// asked to catch up with its leader (`sync`): silence for two of these opens another connection, silence for a whole time
// to live is `blind`. What a server answers for itself alone (a ping) is no sign of life here.

import type { StoredRecord } from "../core/io.ts";
import type { RecordKey } from "../core/records.ts";
import { Fault } from "./fault.ts";
import type { Read, UnreadableRecords } from "./record-text.ts";
import type { Change, Sight } from "./store.ts";
import type { Connection } from "./zookeeper-connection.ts";
import type { Layout } from "./zookeeper-layout.ts";
import type { Found, Round, Survey } from "./zookeeper-survey.ts";

/** Revisions by path, as they were told. */
export type Known = ReadonlyMap<string, number>;

/** The store, as its watch sees it. */
export type WatchSource = {
  readonly layout: Layout;
  readonly unreadable: UnreadableRecords;
  readonly ttlMs: number;
  readonly callMs: number;
  readonly nowMs: () => number;
  isKnown(key: string): key is RecordKey;
  read(key: string, data: Uint8Array): Read;
  readAll(found: ReadonlyMap<string, Found>): readonly StoredRecord[];
  /** A survey over a connection to a server that knows everything that was ever seen of this store. */
  survey(): Promise<Survey>;
};

const SIGNS_PER_TTL = 3;
const PAUSE_MS = { least: 50, most: 1_000 } as const;

export class ZookeeperWatch {
  readonly #source: WatchSource;
  readonly #sight: Sight;
  readonly #tick: NodeJS.Timeout;
  readonly #known: Map<string, number>;
  /** Read, and not told yet. */
  readonly #pending = new Map<string, Found>();
  #heardMs: number;
  #openedMs = 0;
  #signMs = 0;
  #blind = false;
  /** Everything is to be read anew. */
  #anew = false;
  #ended = false;
  #trouble = "nothing was heard";
  #survey: Survey | null = null;
  /** Ends a pause. */
  #wake: () => void = () => undefined;

  /** Tells what differs from `known`, now and from now on. */
  constructor(source: WatchSource, sight: Sight, known: Known) {
    this.#source = source;
    this.#sight = sight;
    this.#known = new Map(known);
    this.#heardMs = source.nowMs();
    this.#tick = setInterval(() => this.#look(), Math.max(1, source.ttlMs / (2 * SIGNS_PER_TTL)));
    void this.#run();
  }

  end(): void {
    this.#ended = true;
    clearInterval(this.#tick);
    this.#survey?.end();
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
    const { ttlMs } = this.#source;
    for (let failures = 0; !this.#ended; failures += 1) {
      const heardMs = this.#heardMs;
      let survey: Survey | null = null;
      try {
        survey = await this.#source.survey();
        if (this.#anew) await this.#readAnew(survey);
        else survey.touch(this.#known.keys());
        this.#trouble = await this.#listen(survey);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        this.#trouble = error.message;
      } finally {
        survey?.end();
      }
      if (this.#heardMs > heardMs) failures = 0;
      await this.#pause(Math.min(PAUSE_MS.least * 2 ** Math.min(failures, 10), PAUSE_MS.most, ttlMs / (2 * SIGNS_PER_TTL)));
    }
  }

  async #readAnew(survey: Survey): Promise<void> {
    const all = await survey.collect(untilMs(this.#source.callMs));
    if (this.#ended) return;
    this.#pending.clear();
    this.#known.clear();
    for (const [path, { node }] of all) if (node !== null) this.#known.set(path, node.mzxid);
    const records = this.#source.readAll(all);
    this.#anew = false;
    this.#blind = false;
    this.#heardMs = this.#source.nowMs();
    this.#sight.snapshot(records);
  }

  /** Resolves with why it has ended. */
  async #listen(survey: Survey): Promise<string> {
    const { connection } = survey;
    this.#survey = survey;
    this.#openedMs = this.#source.nowMs();
    this.#signMs = this.#openedMs;
    // Of a connection before this one nothing is told: this one's server shows it again, or what became of it.
    this.#pending.clear();
    const forget = connection.whenOver(() => survey.wake());
    try {
      let from = 0;
      // Blindness ends with everything that there is, not with a change.
      while (!this.#ended && !this.#anew && connection.over === null) {
        await survey.dirty();
        if (this.#ended || this.#anew || connection.over !== null) break;
        const round = await survey.round(untilMs(this.#source.callMs));
        if (this.#ended || this.#anew) break;
        this.#heardMs = this.#source.nowMs();
        this.#deliver(round, from);
        from = round.from;
      }
      return connection.over === null ? "the watch is silent" : `${connection.server.name}: ${connection.over}`;
    } finally {
      forget();
      this.#survey = null;
    }
  }

  /**
   * What was changed by the first answer of the round before was known, by its event, before this round began: so up to
   * there everything has been read. Where nothing is left to read, everything has.
   */
  #deliver({ found, settled }: Round, before: number): void {
    for (const [path, each] of found) this.#pending.set(path, each);
    const upTo = settled ? Infinity : before;
    const due: { path: string; revision: number; node: Found["node"] }[] = [];
    for (const [path, { zxid, node }] of this.#pending) {
      const revision = node?.mzxid ?? zxid;
      if (revision > upTo) continue;
      this.#pending.delete(path);
      const told = this.#known.get(path) ?? null;
      if (told === (node?.mzxid ?? null)) continue;
      if (node === null) this.#known.delete(path);
      else this.#known.set(path, revision);
      due.push({ path, revision, node });
    }
    this.#tell(due.sort((one, other) => one.revision - other.revision || (one.path < other.path ? -1 : 1)));
  }

  #tell(due: readonly { readonly path: string; readonly revision: number; readonly node: Found["node"] }[]): void {
    const { unreadable, layout } = this.#source;
    const changes: Change[] = [];
    for (const { path, revision, node } of due) {
      const key = layout.keyOf(path);
      if (key === null) continue;
      const read = node === null ? null : this.#source.read(key, node.data);
      if (read === null || read.ok) unreadable.remove(key);
      else unreadable.add({ key, revision, kind: read.kind, because: read.because });
      if (read === null) {
        if (this.#source.isKnown(key)) changes.push({ key, value: null, revision });
      } else if (read.ok) changes.push({ key: read.key, value: read.value, revision });
    }
    unreadable.flush();
    if (changes.length > 0 && !this.#ended) this.#sight.changes(changes);
  }

  #look(): void {
    const { ttlMs, nowMs } = this.#source;
    const now = nowMs();
    const signMs = ttlMs / SIGNS_PER_TTL;
    const survey = this.#survey;
    if (!this.#blind && now - this.#heardMs > ttlMs) {
      this.#blind = true;
      this.#anew = true;
      const because = survey === null ? this.#trouble : "the watch is silent";
      survey?.wake();
      this.#wake();
      this.#sight.blind(`nothing was heard from the store for ${Math.round(now - this.#heardMs)} ms: ${because}`);
      return;
    }
    if (survey === null) return;
    if (now - Math.max(this.#heardMs, this.#openedMs) > 2 * signMs) survey.connection.end("the watch is silent");
    else if (now - this.#signMs >= signMs) {
      this.#signMs = now;
      void this.#sign(survey.connection);
    }
  }

  async #sign(connection: Connection): Promise<void> {
    const { layout, ttlMs, nowMs } = this.#source;
    try {
      await connection.sync(layout.root, ttlMs);
      this.#heardMs = nowMs();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#trouble = error.message;
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

function untilMs(ms: number): () => number {
  const endMs = performance.now() + ms;
  return () => endMs - performance.now();
}
