// The history as the watcher sees it: it takes rows without ever waiting, and answers questions by asking its worker, so that
// no disk and no long query holds up a decision. Rows go over in batches of at most a quarter of a second.
//
// It may be lost, and must not be missed: when the worker falls behind, inputs are dropped first, then everything, counted
// and reported once a change; when it dies, another is started and what it had not acknowledged is given to it again; when it
// is silent for long it is ended. A thread that stands still in the kernel cannot be ended before its disk answers: until
// then there is none, because two would write one file.

import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { UpkeepError } from "../core/errors.ts";
import type { Input, Told } from "../core/io.ts";
import type { Policy } from "../core/policy.ts";
import type { IncidentRecord } from "../core/records.ts";
import type { Now } from "../core/time.ts";
import { FrameWriter } from "./frames.ts";
import type { AvailabilityAnswer, AvailabilityQuery } from "../core/availability.ts";
import type { EventQuery, HistoryEvent, HistoryLimits, IncidentQuery, ToldAt } from "./history-file.ts";
import { HISTORY_LIMITS } from "./history-file.ts";
import { HistoryHealth } from "./history-health.ts";
import type { Dropped, History, HistoryOptions } from "./history-port.ts";
import type { FromWorker, HistoryBatch, Question, ToWorker } from "./history-messages.ts";
import type { KernelQuery, KernelRow } from "./kernel-table.ts";
import type { ResultsPage, ResultsQuery } from "./results-page.ts";
import { joined } from "./standing-table.ts";
import type { StandingLook } from "./standing-table.ts";
import type { Memory } from "./went-back.ts";

export const HISTORY_NAME = "history.sqlite";

export type { Dropped, History, HistoryOptions } from "./history-port.ts";

const BATCH_MS = 250;
const BATCH_BYTES = 256 << 10;
/** Beyond this much that the worker has not taken yet, inputs are dropped; beyond the second, everything. */
const LINES_BEHIND_BYTES = 4 << 20;
const ALL_BEHIND_BYTES = 16 << 20;
const ROW_BYTES = 300;
const ANSWER_WITHIN_MS = 10_000;
const PATIENCE = { silentMs: 60_000, wellMs: 30_000 } as const;
const RESTART_MS = { first: 1_000, most: 60_000 } as const;
const END_WITHIN_MS = 5_000;
const EVENTS_OF_INCIDENT = 10_000;

type Asked = { readonly resolve: (value: unknown) => void; readonly reject: (error: UpkeepError) => void; readonly timer: NodeJS.Timeout };
/** Frames are handed over, not copied: only how many inputs they held is known afterwards. */
type Sent = { readonly batch: Omit<HistoryBatch, "frames">; readonly bytes: number; readonly sentMs: number };

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
  readonly #frames = new FrameWriter();
  #framedBytes = 0;
  #memory: Memory | null = null;
  #looks: readonly StandingLook[] = [];
  #kernel: KernelRow[] = [];
  looksFrom = 0;
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #sent: Sent[] = [];
  #behindBytes = 0;
  #gap = 0;
  #lost: Dropped = { rows: 0, lines: 0, rounds: 0 };
  #behind = false;
  #limits: HistoryLimits;
  readonly #patience: NonNullable<HistoryOptions["patience"]>;
  readonly #watch: NodeJS.Timeout;
  readonly #lookEveryMs: number;
  #lookedMs = performance.now();
  #ending = false;
  readonly #health: HistoryHealth;
  readonly #asked = new Map<number, Asked>();
  #nextId = 1;
  #restartMs: number = RESTART_MS.first;
  #closed = false;
  #lastSeq = 0;

  constructor(options: HistoryOptions) {
    this.#options = options;
    this.#limits = { ...HISTORY_LIMITS, ...options.limits };
    this.#patience = options.patience ?? PATIENCE;
    this.#health = new HistoryHealth(this.#patience.wellMs, (failure) => options.onHealth?.(failure));
    this.#lookEveryMs = Math.min(5_000, this.#patience.silentMs / 4);
    this.#watch = setInterval(() => this.#look(), this.#lookEveryMs);
    this.#watch.unref();
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
    if (!this.#takesInput()) return;
    this.#frames.input(input, now);
    this.#framed();
  }

  policy(policy: Policy): void {
    if (!this.#takesInput()) return;
    this.#frames.policy(policy);
    this.#framed();
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

  look(look: StandingLook): void {
    if (!this.#takes(ALL_BEHIND_BYTES)) {
      this.looksFrom += 1;
      return;
    }
    this.#looks = joined(this.#looks, [look]);
    this.#grow(1 + look.changes.length * ROW_BYTES);
  }

  kernel(lines: readonly KernelRow[]): void {
    for (const line of lines) {
      if (!this.#takes(LINES_BEHIND_BYTES)) this.#drop("rows");
      else {
        this.#kernel.push(line);
        this.#grow(ROW_BYTES + line.text.length);
      }
    }
  }

  kernelLines(query: KernelQuery): Promise<readonly KernelRow[]> {
    return this.#ask({ about: "kernel", query }) as Promise<readonly KernelRow[]>;
  }

  availability(query: AvailabilityQuery): Promise<AvailabilityAnswer> {
    return this.#ask({ about: "availability", query }) as Promise<AvailabilityAnswer>;
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

  chain(seq: number, limit: number): Promise<readonly HistoryEvent[]> {
    return this.#ask({ about: "chain", seq, limit }) as Promise<readonly HistoryEvent[]>;
  }

  incidents(query: IncidentQuery | number): Promise<readonly IncidentRecord[]> {
    return this.#ask({ about: "incidents", query: typeof query === "number" ? { limit: query } : query }) as Promise<readonly IncidentRecord[]>;
  }

  results(query: ResultsQuery): Promise<ResultsPage> {
    return this.#ask({ about: "results", query }) as Promise<ResultsPage>;
  }

  hosts(): Promise<readonly string[]> {
    return this.#ask({ about: "hosts" }) as Promise<readonly string[]>;
  }

  limit(limits: Partial<HistoryLimits>): void {
    this.#limits = { ...HISTORY_LIMITS, ...limits };
    this.#say({ kind: "limits", limits: this.#limits });
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
    this.#health.close();
    clearInterval(this.#watch);
    // A thread that stands still in the kernel ends when its disk answers; the process need not wait for it.
    const ended = this.#worker?.terminate();
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, END_WITHIN_MS).unref())]);
  }

  dropped(): Dropped {
    return this.#lost;
  }

  // ---- taking -----------------------------------------------------------------------------------------------------------

  #takesInput(): boolean {
    if (this.#takes(LINES_BEHIND_BYTES)) {
      if (this.#gap > 0) {
        this.#frames.reset();
        this.#frames.lost(this.#gap);
        this.#gap = 0;
      }
      return true;
    }
    this.#gap += 1;
    this.#drop("lines");
    return false;
  }

  /** What the frames have grown by is on its way, too. */
  #framed(): void {
    const grownBytes = this.#frames.bytes - this.#framedBytes;
    this.#framedBytes = this.#frames.bytes;
    this.#grow(grownBytes);
  }

  #takes(limitBytes: number): boolean {
    return !this.#closed && this.#behindBytes + this.#bytes < limitBytes;
  }

  #drop(what: "rows" | "lines"): void {
    this.#lost = { ...this.#lost, [what]: this.#lost[what] + 1 };
    if (this.#behind || this.#closed) return;
    this.#behind = true;
    this.#options.onProblem("the history falls behind: what happens is not all recorded in it");
    this.#health.wrong("behind", "it falls behind");
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
    const { frames, inputs } = this.#frames.take();
    this.#framedBytes = 0;
    const sent: Sent = { batch: { told: this.#told, incidents: this.#incidents, inputs, memory: this.#memory, looks: this.#looks, kernel: this.#kernel }, bytes: this.#bytes, sentMs: performance.now() };
    this.#told = [];
    this.#incidents = [];
    this.#looks = [];
    this.#kernel = [];
    this.#memory = null;
    this.#behindBytes += this.#bytes;
    this.#bytes = 0;
    this.#sent.push(sent);
    this.#send(sent, frames);
  }

  // ---- the worker -------------------------------------------------------------------------------------------------------

  #start(): void {
    const worker = new Worker(new URL("./history-worker-start.mjs", import.meta.url), {
      workerData: { path: join(this.#options.dataDir, HISTORY_NAME), limits: this.#limits },
      resourceLimits: { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 4, stackSizeMb: 2 },
      name: "history",
    });
    worker.on("message", (message: FromWorker) => this.#hear(message));
    worker.on("error", (error: unknown) => this.#options.onProblem(`the history's thread failed: ${error instanceof Error ? error.message : String(error)}`));
    worker.once("exit", () => this.#ended(worker));
    worker.unref();
    this.#worker = worker;
    this.#ending = false;
    this.looksFrom += 1;
    // What the one before did not acknowledge may be on record or not: rows are put again, frames cannot be.
    const sentMs = performance.now();
    this.#gap += this.#sent.reduce((sum, { batch }) => sum + batch.inputs, 0);
    this.#frames.reset();
    this.#sent = this.#sent.map(({ batch, bytes }) => ({ batch: { ...batch, inputs: 0 }, bytes, sentMs }));
    for (const sent of this.#sent) this.#send(sent, new Uint8Array(0));
  }

  /** A thread that has been silent for too long is ended; another follows it (`#ended`). */
  #look(): void {
    // Who did not run himself (stopped, suspended) has not waited for anybody.
    const sinceMs = performance.now() - this.#lookedMs;
    this.#lookedMs += sinceMs;
    if (sinceMs > this.#lookEveryMs * 2) this.#sent = this.#sent.map((sent) => ({ ...sent, sentMs: this.#lookedMs }));
    const [oldest] = this.#sent;
    if (this.#ending || this.#worker === null || this.#closed || oldest === undefined || performance.now() - oldest.sentMs < this.#patience.silentMs) return;
    this.#ending = true;
    const because = `its thread has been silent for ${Math.round((performance.now() - oldest.sentMs) / 1_000)} s`;
    this.#options.onProblem(`the history hangs: ${because}; it is ended and started again`);
    this.#health.wrong("thread", because);
    void this.#worker.terminate();
  }

  #ended(worker: Worker): void {
    if (this.#worker === worker) this.#worker = null;
    for (const [id] of this.#asked) this.#settle(id, (asked) => asked.reject(new UpkeepError("HISTORY_IO", "the history's thread has ended")));
    if (this.#closed) return;
    this.#health.wrong("thread", "its thread has ended");
    setTimeout(() => { if (!this.#closed) this.#start(); }, this.#restartMs).unref();
    this.#restartMs = Math.min(this.#restartMs * 2, RESTART_MS.most);
  }

  #say(message: ToWorker, transfer: readonly ArrayBuffer[] = []): void {
    this.#worker?.postMessage(message, transfer);
  }

  #send({ batch, bytes }: Sent, frames: Uint8Array<ArrayBuffer>): void {
    this.#say({ kind: "batch", batch: { ...batch, frames }, bytes }, [frames.buffer]);
  }

  #hear(message: FromWorker): void {
    switch (message.kind) {
      case "taken":
        this.#behindBytes -= message.bytes;
        this.#sent.shift();
        this.#restartMs = RESTART_MS.first;
        this.#health.right("thread");
        if (this.#behind && this.#behindBytes === 0) {
          this.#behind = false;
          this.#options.onProblem(`the history keeps up again; lost so far: ${this.#lost.rows} events, ${this.#lost.lines} inputs`);
          this.#health.right("behind");
        }
        return;
      case "answer":
        return this.#settle(message.id, (asked) => {
          if (message.ok) asked.resolve(message.value);
          else asked.reject(new UpkeepError("HISTORY_IO", `the history cannot be read: ${String(message.value)}`));
        });
      case "renewed":
        this.looksFrom += 1;
        return;
      case "note":
        return this.#options.onProblem(message.text);
      case "health":
        this.#options.onProblem(message.failure === null ? "the history can be written again" : `the history cannot be written: ${message.failure}`);
        return message.failure === null ? this.#health.right("disk") : this.#health.wrong("disk", message.failure);
      case "dropped":
        this.#lost = { rows: this.#lost.rows + message.rows, lines: this.#lost.lines + message.lines, rounds: this.#lost.rounds + message.rounds };
        if (message.lines > 0) this.#frames.reset();
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
