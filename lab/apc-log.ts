// What the virtual PDU saw, exactly and in order: the world's truth against which tests judge a watcher. Everything is kept
// in memory and, if asked for, appended to a file of JSON lines with a write of its own per record, so that nothing is lost
// when this process is killed. Passwords never get in here: the session says `(password)` for the line that holds one.
//
// Every record has two times: `wallMs` (Unix) for people, and `monoMs` (CLOCK_MONOTONIC), which every process on this
// machine can read (process.hrtime), so that "ledger synced, then byte at the device" can be told from two logs.

import { closeSync, openSync, writeSync } from "node:fs";
import type { Action, OutletState } from "./apc-outlets.ts";

/** What became of a switching command. lost: cut off before the device had it. rejected: refused in words. ignored: acknowledged and never done. */
export type CommandOutcome = "accepted" | "lost" | "rejected" | "ignored";

export type LogEvent =
  /** `admitted` false: turned away, because another session (or its ghost) holds the device, or by a fault. */
  | { readonly kind: "open"; readonly connection: number; readonly peer: string; readonly admitted: boolean; readonly why: string }
  | { readonly kind: "close"; readonly connection: number; readonly why: string; readonly bytes: number; readonly lines: number }
  /** The session slot is free again; later than `close` when a ghost held it. */
  | { readonly kind: "released"; readonly connection: number }
  /** Bytes that wait in the cable (fault `hold`) before the device gets them. */
  | { readonly kind: "held"; readonly connection: number; readonly bytes: number; readonly forMs: number }
  /** `n` in this connection, `total` in the device's life, both after these bytes. */
  | { readonly kind: "bytes"; readonly connection: number; readonly bytes: number; readonly n: number; readonly total: number }
  | { readonly kind: "line"; readonly connection: number; readonly n: number; readonly total: number; readonly text: string }
  | { readonly kind: "login"; readonly connection: number; readonly ok: boolean; readonly shell: boolean }
  | { readonly kind: "cut"; readonly connection: number; readonly how: string; readonly because: string }
  | { readonly kind: "command"; readonly command: number; readonly connection: number; readonly action: Action; readonly outlets: readonly number[]; readonly master: boolean; readonly outcome: CommandOutcome }
  /** A relay moved. `cause` is the number of the command, or `hand`. */
  | { readonly kind: "edge"; readonly outlet: number; readonly state: OutletState; readonly cause: number | "hand" }
  /** A command took effect on an outlet that was already so. */
  | { readonly kind: "no-edge"; readonly outlet: number; readonly state: OutletState; readonly cause: number | "hand" }
  /** A hook of the test threw: the device goes on, the test should look. */
  | { readonly kind: "problem"; readonly text: string };

export type LogRecord = LogEvent & { readonly seq: number; readonly wallMs: number; readonly monoMs: number };

/** A record of one kind, as `find`, `all` and `until` give them. */
export type RecordOf<K extends LogEvent["kind"]> = Extract<LogRecord, { kind: K }>;

/** Kept in memory; days of demonstration stay far below it, and no test reaches it. */
const RECORDS_MAX = 500_000;

export class ApcLog {
  readonly records: LogRecord[] = [];
  #seq = 0;
  readonly #waiting = new Set<(record: LogRecord) => void>();
  #file: number | null;

  constructor(path: string | null) {
    this.#file = path === null ? null : openSync(path, "a", 0o600);
  }

  add(event: LogEvent): LogRecord {
    this.#seq += 1;
    if (this.records.length >= RECORDS_MAX) this.records.splice(0, RECORDS_MAX / 10);
    const record: LogRecord = { seq: this.#seq, wallMs: Date.now(), monoMs: Number(process.hrtime.bigint()) / 1e6, ...event };
    this.records.push(record);
    if (this.#file !== null) writeSync(this.#file, `${JSON.stringify(record)}\n`);
    for (const see of [...this.#waiting]) see(record);
    return record;
  }

  /** All records of one kind so far. */
  all<K extends LogEvent["kind"]>(kind: K): RecordOf<K>[] {
    return this.records.filter((record): record is RecordOf<K> => record.kind === kind);
  }

  /** Calls `see` with every record from now on; returns what ends that. */
  watch(see: (record: LogRecord) => void): () => void {
    this.#waiting.add(see);
    return () => void this.#waiting.delete(see);
  }

  /** The first record of a kind (past ones included) that `match` accepts; rejects after `timeoutMs`, saying what was seen instead. */
  until<K extends LogEvent["kind"]>(kind: K, match: (record: RecordOf<K>) => boolean = () => true, timeoutMs = 10_000): Promise<RecordOf<K>> {
    const fits = (record: LogRecord): record is RecordOf<K> => record.kind === kind && match(record as RecordOf<K>);
    const seen = this.records.find(fits);
    if (seen !== undefined) return Promise.resolve(seen);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        stop();
        reject(new Error(`no such record of kind ${kind} in ${timeoutMs} ms; last: ${JSON.stringify(this.records.slice(-5))}`));
      }, timeoutMs);
      const stop = this.watch((record) => {
        if (!fits(record)) return;
        clearTimeout(timer);
        stop();
        resolve(record);
      });
    });
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }
}
