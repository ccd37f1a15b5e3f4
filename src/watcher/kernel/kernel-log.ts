// What hosts' kernels have said, as the watcher has it: the last lines of each in memory, all of them in the history, and what is
// recognised as an input of the core. The socket is in a thread of its own (receiver.ts), which is started again when it dies.

import { Worker } from "node:worker_threads";
import { UpkeepError } from "../../core/errors.ts";
import type { KernelWord } from "../../core/kernel-words.ts";
import type { KernelQuery, KernelRow } from "../../journal/kernel-table.ts";
import type { Dropped, FromReceiver, ReceiverData, Senders, ToReceiver } from "./messages.ts";
import { plainAddress } from "./plain-address.ts";

export type KernelLogOptions = {
  /** Where to hear; null: nowhere, and what was heard before can still be read. */
  readonly listen: Listen;
  /** Addresses of hosts now: resolved ones of those that are configured; what does not resolve is left out. */
  senders(): readonly { readonly host: string; readonly address: string }[];
  /** Something was recognised. */
  onWord(host: string, word: KernelWord): void;
  readonly history: { kernel(lines: readonly KernelRow[]): void; kernelLines(query: KernelQuery): Promise<readonly KernelRow[]> };
  /** For people, in a sentence. */
  readonly say: (level: "info" | "warning", text: string) => void;
};

type Listen = { readonly host: string; readonly port: number } | null;

export type KernelFigures = { readonly datagrams: number; readonly dropped: Dropped };

const LINES_KEPT = 500;
const BYTES_KEPT = 128 << 10;
/** Of all hosts together; the one that has been silent for longest gives way. */
const BYTES_IN_ALL = 16 << 20;
const LOOK_EVERY_MS = 2_000;
const STRANGERS_EVERY_MS = 3_600_000;
const RESTART_MS = { first: 1_000, most: 60_000 } as const;

type Kept = { lines: KernelRow[]; bytes: number };

export class KernelLog {
  readonly #options: KernelLogOptions;
  #worker: Worker | null = null;
  /** In order of their last line. */
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;
  readonly #followers = new Set<(line: KernelRow) => void>();
  #senders = "";
  #figures: KernelFigures = { datagrams: 0, dropped: { strangers: 0, shared: 0, lines: 0, words: 0 } };
  /** Those of threads before this one. */
  #before: KernelFigures = this.#figures;
  #strangersToldMs = -Infinity;
  #lastId = 0;
  #restartMs: number = RESTART_MS.first;
  readonly #watch: NodeJS.Timeout;
  #closed = false;
  #listen: Listen;
  #opened: { readonly promise: Promise<number>; resolve(port: number): void };

  constructor(options: KernelLogOptions) {
    this.#options = options;
    this.#listen = options.listen;
    this.#opened = Promise.withResolvers<number>();
    this.#start();
    this.#watch = setInterval(() => this.#tellSenders(), LOOK_EVERY_MS).unref();
  }

  /** The port, once it is open; for who has asked for any. */
  get port(): Promise<number> {
    return this.#opened.promise;
  }

  get figures(): KernelFigures {
    const [one, other] = [this.#before, this.#figures];
    const sum = (key: keyof Dropped): number => one.dropped[key] + other.dropped[key];
    return { datagrams: one.datagrams + other.datagrams, dropped: { strangers: sum("strangers"), shared: sum("shared"), lines: sum("lines"), words: sum("words") } };
  }

  get followers(): number {
    return this.#followers.size;
  }

  /** Calls back for every line of a host from now on. */
  follow(host: string, onLine: (line: KernelRow) => void): () => void {
    const follower = (line: KernelRow): void => {
      if (line.host === host) onLine(line);
    };
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  /** Those that match, oldest first: of the history, and what only this process still has. */
  async lines(query: KernelQuery): Promise<readonly KernelRow[]> {
    const written = await this.#options.history.kernelLines(query).catch((error: unknown) => {
      if (!(error instanceof UpkeepError)) throw error;
      return [];
    });
    const known = new Set(written.map(({ id }) => id));
    const kept = (this.#kept.get(query.host)?.lines ?? []).filter(({ id, atMs }) => !known.has(id) && atMs >= (query.fromMs ?? -Infinity) && atMs < (query.toMs ?? Infinity));
    return [...written, ...kept].sort((a, b) => a.id - b.id).slice(-query.limit);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#watch);
    this.#followers.clear();
    await this.#worker?.terminate();
  }

  /** The configuration was read again: another place to hear, other hosts. */
  reload(listen: Listen): void {
    const same = JSON.stringify(listen) === JSON.stringify(this.#listen);
    this.#listen = listen;
    if (same) return this.#tellSenders();
    this.#restartMs = RESTART_MS.first;
    const worker = this.#worker;
    if (worker === null) return this.#start();
    this.#worker = null;
    this.#carryOver();
    // The port is free when the thread has ended.
    void worker.terminate().then(() => {
      if (!this.#closed && this.#worker === null) this.#start();
    });
  }

  #start(): void {
    if (this.#listen === null) return;
    const { host, port } = this.#listen;
    // Microseconds: a thread, or a watcher, that begins later begins above what the one before gave out.
    const workerData: ReceiverData = { host, port, firstId: Math.max(Date.now() * 1_000, this.#lastId + 1) };
    const worker = new Worker(new URL("./receiver-start.mjs", import.meta.url), { workerData, resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 8, stackSizeMb: 2 }, name: "netconsole" });
    worker.on("message", (message: FromReceiver) => this.#hear(worker, message));
    worker.on("error", (error: unknown) => this.#options.say("warning", `the thread that hears kernels failed: ${error instanceof Error ? error.message : String(error)}`));
    worker.once("exit", () => this.#ended(worker));
    worker.unref();
    this.#worker = worker;
    this.#senders = "";
    this.#tellSenders();
  }

  #ended(worker: Worker): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    this.#carryOver();
    if (this.#closed) return;
    setTimeout(() => {
      if (!this.#closed && this.#worker === null) this.#start();
    }, this.#restartMs).unref();
    this.#restartMs = Math.min(this.#restartMs * 2, RESTART_MS.most);
  }

  #carryOver(): void {
    this.#before = this.figures;
    this.#figures = { datagrams: 0, dropped: { strangers: 0, shared: 0, lines: 0, words: 0 } };
  }

  #say(message: ToReceiver): void {
    this.#worker?.postMessage(message);
  }

  #tellSenders(): void {
    const senders = new Map<string, string | null>();
    for (const { host, address } of this.#options.senders()) {
      const plain = plainAddress(address);
      // Whose line it is must not be guessed: a wrong guess would hold back the off of another host.
      senders.set(plain, senders.has(plain) && senders.get(plain) !== host ? null : host);
    }
    const all: Senders = [...senders];
    const told = JSON.stringify(all);
    if (told === this.#senders) return;
    this.#senders = told;
    this.#say({ kind: "senders", senders: all });
  }

  #hear(worker: Worker, message: FromReceiver): void {
    if (this.#closed || worker !== this.#worker) return;
    switch (message.kind) {
      case "open":
        this.#restartMs = RESTART_MS.first;
        this.#opened.resolve(message.port);
        return this.#options.say("info", `kernels are heard at ${message.address.includes(":") ? `[${message.address}]` : message.address}:${message.port} (UDP, netconsole)`);
      case "failed":
        this.#options.say("warning", `kernels are not heard: ${message.because}; it is tried again`);
        return void worker.terminate();
      case "heard":
        this.#figures = { datagrams: message.datagrams, dropped: message.dropped };
        this.#keep(message.lines);
        if (message.lines.length > 0) this.#options.history.kernel(message.lines);
        for (const { host, word } of message.words) this.#options.onWord(host, word);
        this.#strangers(message.strangers);
        return this.#say({ kind: "taken" });
    }
  }

  #keep(lines: readonly KernelRow[]): void {
    for (const line of lines) {
      const kept = this.#kept.get(line.host) ?? { lines: [], bytes: 0 };
      this.#kept.delete(line.host);
      this.#kept.set(line.host, kept);
      kept.lines.push(line);
      this.#count(kept, weight(line));
      while (kept.lines.length > LINES_KEPT || kept.bytes > BYTES_KEPT) this.#count(kept, -weight(kept.lines.shift() as KernelRow));
      this.#lastId = Math.max(this.#lastId, line.id);
      for (const follower of this.#followers) follower(line);
    }
    for (const [host, kept] of this.#kept) {
      if (this.#bytes <= BYTES_IN_ALL) break;
      this.#kept.delete(host);
      this.#bytes -= kept.bytes;
    }
  }

  #count(kept: Kept, bytes: number): void {
    kept.bytes += bytes;
    this.#bytes += bytes;
  }

  #strangers(addresses: readonly string[]): void {
    if (addresses.length === 0 || performance.now() - this.#strangersToldMs < STRANGERS_EVERY_MS) return;
    this.#strangersToldMs = performance.now();
    this.#options.say("warning", `datagrams for netconsole came from ${addresses.join(", ")}, which ${addresses.length === 1 ? "is" : "are"} no host's address: they are dropped`);
  }
}

function weight(line: KernelRow): number {
  return 2 * line.text.length + 150;
}
