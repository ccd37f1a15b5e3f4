// The history as the watcher sees it: it takes rows without ever waiting, and answers questions by asking its worker, so that
// no disk and no long query holds up a decision. Rows go over in batches of at most a quarter of a second.
//
// It may be lost, and must not be missed: when the worker falls behind, inputs are dropped first, then everything, counted
// and reported once a change; when it dies, another is started and what it had not acknowledged is given to it again.

import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { UpkeepError } from "../core/errors.ts";
import type { Input, Told } from "../core/io.ts";
import type { Policy } from "../core/policy.ts";
import type { IncidentRecord } from "../core/records.ts";
import type { Now } from "../core/time.ts";
import type { Journal } from "../watcher/ports.ts";
import type { EventQuery, HistoryBatch, HistoryEvent, HistoryLimits, IncidentQuery, ToldAt } from "./history-file.ts";
import { HISTORY_LIMITS } from "./history-file.ts";
import type { FromWorker, Question, ToWorker } from "./history-messages.ts";
import { lineOfGap, lineOfInput, lineOfPolicy } from "./lines.ts";
import type { RoundRow } from "./round-chunk.ts";
import type { Memory } from "./went-back.ts";

export const HISTORY_NAME = "history.sqlite";

export type HistoryOptions = {
  readonly dataDir: string;
  /** For people, in a sentence: set aside, cannot be written, dropped so many. Once a change. */
  readonly onProblem: (text: string) => void;
  readonly limits?: Partial<HistoryLimits>;
};

export type History = Journal & {
  /** The policy of all inputs from here on, for replay: before the start, and before a reload. */
  policy(policy: Policy): void;
  /** What to remember of the ledger. Only what is durable there. */
  remember(memory: Memory): void;
  /** The last sequence number that was on record at the start; 0 where there was none or it could not be read. */
  lastSeq(): number;
  /** The newest `limit` (at most 10,000) lines that match, in order. All questions reject with HISTORY_IO when there is no answer. */
  events(query: EventQuery): Promise<readonly HistoryEvent[]>;
  eventsOf(incident: string): Promise<readonly HistoryEvent[]>;
  /** The newest that match, or simply the newest so many; the newest last. */
  incidents(query: IncidentQuery | number): Promise<readonly IncidentRecord[]>;
  incident(name: string): Promise<IncidentRecord | undefined>;
  /** Rounds of a host that began at or after this moment of the wall clock, in order, at most 10,000. */
  rounds(host: string, sinceMs: number): Promise<readonly RoundRow[]>;
  /** Resolves when everything given so far is on stable storage, or cannot be. */
  flush(): Promise<void>;
  close(): Promise<void>;
  /** What was lost since the start. */
  dropped(): { readonly rows: number; readonly lines: number };
};

const BATCH_MS = 250;
const BATCH_BYTES = 256 << 10;
/** Beyond this much that the worker has not taken yet, inputs are dropped; beyond the second, everything. */
const LINES_BEHIND_BYTES = 4 << 20;
const ALL_BEHIND_BYTES = 16 << 20;
const ROW_BYTES = 300;
const ANSWER_WITHIN_MS = 10_000;
const RESTART_MS = { first: 1_000, most: 60_000 } as const;
const EVENTS_OF_INCIDENT = 10_000;

type Asked = { readonly resolve: (value: unknown) => void; readonly reject: (error: UpkeepError) => void; readonly timer: NodeJS.Timeout };
type Sent = { readonly batch: HistoryBatch; readonly bytes: number };

/** Starts the history of a data folder whose lock this process holds. Never rejects: a watcher without a history still watches. */
export async function openHistory(options: HistoryOptions): Promise<History> {
  const history = new WorkerHistory(options);
  await history.begin();
  return history;
}

class WorkerHistory implements History {
  readonly #options: HistoryOptions;
  #worker: Worker | null = null;
  #told: ToldAt[] = [];
  #incidents: IncidentRecord[] = [];
  #lines: string[] = [];
  #memory: Memory | null = null;
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #sent: Sent[] = [];
  #behindBytes = 0;
  #gap = 0;
  #lost = { rows: 0, lines: 0 };
  #behind = false;
  readonly #asked = new Map<number, Asked>();
  #nextId = 1;
  #restartMs: number = RESTART_MS.first;
  #closed = false;
  #lastSeq = 0;

  constructor(options: HistoryOptions) {
    this.#options = options;
    this.#start();
  }

  async begin(): Promise<void> {
    try {
      this.#lastSeq = (await this.#ask({ about: "last-seq" })) as number;
    } catch (error) {
      this.#options.onProblem(`${error instanceof Error ? error.message : String(error)}: events are numbered from 1`);
    }
  }

  told(told: Told, now: Now): void {
    if (!this.#takes(ALL_BEHIND_BYTES)) return this.#drop("rows");
    this.#told.push({ ...told, wallMs: now.wallMs, bootMs: now.bootMs });
    this.#grow(ROW_BYTES + told.because.length);
  }

  input(input: Input, now: Now): void {
    this.#line(() => lineOfInput(input, now));
  }

  policy(policy: Policy): void {
    this.#line(() => lineOfPolicy(policy));
  }

  incident(record: IncidentRecord): void;
  incident(name: string): Promise<IncidentRecord | undefined>;
  incident(what: IncidentRecord | string): Promise<IncidentRecord | undefined> | void {
    if (typeof what === "string") return this.#ask({ about: "incident", incident: what }) as Promise<IncidentRecord | undefined>;
    if (!this.#takes(ALL_BEHIND_BYTES)) return this.#drop("rows");
    this.#incidents.push(what);
    this.#grow(ROW_BYTES * 3);
  }

  remember(memory: Memory): void {
    this.#memory = memory;
    this.#grow(ROW_BYTES);
  }

  lastSeq(): number {
    return this.#lastSeq;
  }

  events(query: EventQuery): Promise<readonly HistoryEvent[]> {
    return this.#ask({ about: "events", query }) as Promise<readonly HistoryEvent[]>;
  }

  eventsOf(incident: string): Promise<readonly HistoryEvent[]> {
    return this.events({ incident, limit: EVENTS_OF_INCIDENT });
  }

  incidents(query: IncidentQuery | number): Promise<readonly IncidentRecord[]> {
    return this.#ask({ about: "incidents", query: typeof query === "number" ? { limit: query } : query }) as Promise<readonly IncidentRecord[]>;
  }

  rounds(host: string, sinceMs: number): Promise<readonly RoundRow[]> {
    return this.#ask({ about: "rounds", host, sinceMs }) as Promise<readonly RoundRow[]>;
  }

  async flush(): Promise<void> {
    await this.#request((id) => ({ kind: "flush", id })).catch(() => undefined);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    const done = this.#request((id) => ({ kind: "close", id }));
    this.#closed = true;
    await done.catch(() => undefined);
    clearTimeout(this.#timer);
    await this.#worker?.terminate();
  }

  dropped(): { readonly rows: number; readonly lines: number } {
    return this.#lost;
  }

  // ---- taking -----------------------------------------------------------------------------------------------------------

  #line(make: () => string): void {
    if (!this.#takes(LINES_BEHIND_BYTES)) {
      this.#gap += 1;
      return this.#drop("lines");
    }
    if (this.#gap > 0) this.#lines.push(lineOfGap(this.#gap));
    this.#gap = 0;
    const line = make();
    this.#lines.push(line);
    this.#grow(line.length);
  }

  #takes(limitBytes: number): boolean {
    return !this.#closed && this.#behindBytes + this.#bytes < limitBytes;
  }

  #drop(what: "rows" | "lines"): void {
    this.#lost = { ...this.#lost, [what]: this.#lost[what] + 1 };
    if (this.#behind) return;
    this.#behind = true;
    this.#options.onProblem("the history falls behind: what happens is not all recorded in it");
  }

  #grow(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes >= BATCH_BYTES) return this.#post();
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#post(), BATCH_MS);
    this.#timer.unref();
  }

  #post(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#bytes === 0) return;
    const batch: HistoryBatch = { told: this.#told, incidents: this.#incidents, lines: this.#lines.map((line) => `${line}\n`).join(""), memory: this.#memory };
    const sent: Sent = { batch, bytes: this.#bytes };
    this.#told = [];
    this.#incidents = [];
    this.#lines = [];
    this.#memory = null;
    this.#behindBytes += this.#bytes;
    this.#bytes = 0;
    this.#sent.push(sent);
    this.#say({ kind: "batch", ...sent });
  }

  // ---- the worker -------------------------------------------------------------------------------------------------------

  #start(): void {
    const limits: HistoryLimits = { ...HISTORY_LIMITS, ...this.#options.limits };
    const worker = new Worker(new URL("./history-worker-start.mjs", import.meta.url), {
      workerData: { path: join(this.#options.dataDir, HISTORY_NAME), limits },
      resourceLimits: { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 4, stackSizeMb: 2 },
      name: "history",
    });
    worker.on("message", (message: FromWorker) => this.#hear(message));
    worker.on("error", (error: unknown) => this.#options.onProblem(`the history's thread failed: ${error instanceof Error ? error.message : String(error)}`));
    worker.once("exit", () => this.#ended(worker));
    worker.unref();
    this.#worker = worker;
    // What the one before did not acknowledge may be on record or not: rows are put again, lines cannot be.
    const again = this.#sent.map(({ batch, bytes }): Sent => ({ batch: { ...batch, lines: batch.lines === "" ? "" : `${lineOfGap(batch.lines.split("\n").length - 1)}\n` }, bytes }));
    this.#sent = again;
    for (const sent of again) this.#say({ kind: "batch", ...sent });
  }

  #ended(worker: Worker): void {
    if (this.#worker === worker) this.#worker = null;
    for (const [id] of this.#asked) this.#settle(id, (asked) => asked.reject(new UpkeepError("HISTORY_IO", "the history's thread has ended")));
    if (this.#closed) return;
    setTimeout(() => { if (!this.#closed) this.#start(); }, this.#restartMs).unref();
    this.#restartMs = Math.min(this.#restartMs * 2, RESTART_MS.most);
  }

  #say(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }

  #hear(message: FromWorker): void {
    switch (message.kind) {
      case "taken":
        this.#behindBytes -= message.bytes;
        this.#sent.shift();
        this.#restartMs = RESTART_MS.first;
        if (this.#behind && this.#behindBytes === 0) {
          this.#behind = false;
          this.#options.onProblem(`the history keeps up again; lost so far: ${this.#lost.rows} events, ${this.#lost.lines} inputs`);
        }
        return;
      case "answer":
        return this.#settle(message.id, (asked) => {
          if (message.ok) asked.resolve(message.value);
          else asked.reject(new UpkeepError("HISTORY_IO", `the history cannot be read: ${String(message.value)}`));
        });
      case "note":
        return this.#options.onProblem(message.text);
      case "dropped":
        this.#lost = { rows: this.#lost.rows + message.rows, lines: this.#lost.lines + message.lines };
        return;
    }
  }

  #ask(question: Question): Promise<unknown> {
    return this.#request((id) => ({ kind: "ask", id, question }));
  }

  #request(make: (id: number) => ToWorker): Promise<unknown> {
    const worker = this.#worker;
    if (worker === null || this.#closed) return Promise.reject(new UpkeepError("HISTORY_IO", this.#closed ? "the history is closed" : "the history's thread has ended and is started again soon"));
    this.#post();
    const id = this.#nextId;
    this.#nextId += 1;
    const answer = new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(() => this.#settle(id, (asked) => asked.reject(new UpkeepError("HISTORY_IO", `the history did not answer in ${ANSWER_WITHIN_MS} ms`))), ANSWER_WITHIN_MS);
      this.#asked.set(id, { resolve, reject, timer });
    });
    // Somebody waits: until then the worker keeps this process alive.
    worker.ref();
    worker.postMessage(make(id));
    return answer;
  }

  #settle(id: number, how: (asked: Asked) => void): void {
    const asked = this.#asked.get(id);
    if (asked === undefined) return;
    this.#asked.delete(id);
    clearTimeout(asked.timer);
    if (this.#asked.size === 0) this.#worker?.unref();
    how(asked);
  }
}
