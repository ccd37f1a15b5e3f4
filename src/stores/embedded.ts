// The store of a single watcher: the ledger on its own disk, in this process. A commit is carried out within the call and is
// on stable storage before the promise resolves, so the order of the calls is the order of the transactions.
//
// It runs in the main thread on purpose. Nothing may be decided or done before a commit has ended, and commits are rare:
// a host that is well writes nothing. A disk that hangs holds up the watcher; its dead-man's ping then ceases, too.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { UpkeepError } from "../core/errors.ts";
import type { StoredRecord, Write } from "../core/io.ts";
import type { BrakeRecord } from "../core/records.ts";
import type { Now } from "../core/time.ts";
import { stamp } from "../core/time.ts";
import { earlierCopy, makeFolder, words } from "../journal/data-folder.ts";
import { recall } from "../journal/history-schema.ts";
import { HISTORY_NAME } from "../journal/history.ts";
import type { Ledger } from "../journal/ledger.ts";
import { createLedgerFile, openLedgerFile } from "../journal/ledger.ts";
import type { Lock } from "../journal/lock.ts";
import { takeLock } from "../journal/lock.ts";
import type { ReserveState } from "../journal/reserve.ts";
import { Reserve } from "../journal/reserve.ts";
import { faultOf } from "../journal/sqlite.ts";
import type { Memory, Recalled } from "../journal/went-back.ts";
import { wentBackBecause } from "../journal/went-back.ts";
import type { CommitResult, Guard, Store } from "./store.ts";

export type LedgerOptions = {
  readonly dataDir: string;
  readonly watcherName: string;
  readonly now: Now;
  /** The disk was full and the reserve was given up, or it is there again. Also called at the start when it cannot be made. */
  readonly onReserve?: (state: ReserveState) => void;
  readonly reserve?: { readonly bytes: number; readonly retryMs: number };
};

export type OpenedLedger = {
  readonly store: EmbeddedStore;
  /** What `store.load()` gives at this moment. */
  readonly records: readonly StoredRecord[];
  /** Why time went back (safety.md §3.9), or null. */
  readonly wentBack: string | null;
  /** What else was found, for the log. */
  readonly problems: readonly string[];
};

const RESERVE = { bytes: 1 << 20, retryMs: 30_000 } as const;

/**
 * Takes the data folder for this process and opens its ledger, or makes one. Rejects nothing that can be lived with: a
 * corrupt ledger is set aside. Throws LEDGER_LOCKED, LEDGER_FULL or LEDGER_IO, and then holds nothing.
 */
export function openLedger(options: LedgerOptions): OpenedLedger {
  const { dataDir, watcherName, now } = options;
  makeFolder(dataDir);
  const lock = takeLock(join(dataDir, "ledger.lock"));
  try {
    const problems: string[] = [];
    const recalled = recallCarefully(dataDir, now.wallMs, problems);
    const { ledger, wentBack } = openOrRenew(join(dataDir, "ledger.sqlite"), now, recalled);
    const reserve = new Reserve(join(dataDir, "ledger.reserve"), { ...RESERVE, ...options.reserve, onChange: options.onReserve ?? (() => undefined) });
    return { store: new EmbeddedStore({ ledger, lock, reserve, watcherName, wentBack: wentBack !== null }), records: ledger.records(), wentBack, problems };
  } catch (error) {
    lock.release();
    if (error instanceof UpkeepError) throw error;
    const fault = faultOf(error);
    const code = fault.kind === "locked" ? "LEDGER_LOCKED" : fault.kind === "full" ? "LEDGER_FULL" : "LEDGER_IO";
    throw new UpkeepError(code, `the ledger in ${dataDir} cannot be opened: ${fault.evidence}`, { cause: error });
  }
}

function openOrRenew(path: string, now: Now, recalled: Recalled): { readonly ledger: Ledger; readonly wentBack: string | null } {
  const found = openLedgerFile(path, now.wallMs);
  if (found.kind === "open") {
    const { identity, revision, owed } = found.ledger;
    return { ledger: found.ledger, wentBack: wentBackBecause({ kind: "open", identity, revision, owed }, recalled) };
  }
  const wentBack = wentBackBecause(found.kind === "corrupt" ? found : { kind: "missing", earlierCopy: earlierCopy(path) }, recalled);
  return { ledger: createLedgerFile(path, stamp(now), wentBack), wentBack };
}

/** What the history remembers. One that cannot be read must not stop the watcher: it is told in `problems`. */
export function recallCarefully(dataDir: string, wallMs: number, problems: string[]): Recalled {
  const path = join(dataDir, HISTORY_NAME);
  if (!existsSync(path)) return { memory: null, unreadable: null };
  try {
    const { memory, problem } = recall(path, wallMs);
    if (problem !== null) problems.push(problem);
    return { memory, unreadable: problem };
  } catch (error) {
    const problem = `the history cannot be read: ${words(error)}`;
    problems.push(problem);
    return { memory: null, unreadable: problem };
  }
}

export class EmbeddedStore implements Store {
  readonly capabilities = { shared: false } as const;
  readonly #ledger: Ledger;
  readonly #lock: Lock;
  readonly #reserve: Reserve;
  readonly #watcherName: string;
  readonly #listeners: ((memory: Memory) => void)[] = [];
  /** Time went back and the brake that this calls for is not on record yet: until then nobody may remember this ledger. */
  #owes: boolean;
  #closed = false;

  constructor(parts: { readonly ledger: Ledger; readonly lock: Lock; readonly reserve: Reserve; readonly watcherName: string; readonly wentBack: boolean }) {
    this.#ledger = parts.ledger;
    this.#lock = parts.lock;
    this.#reserve = parts.reserve;
    this.#watcherName = parts.watcherName;
    this.#owes = parts.wentBack;
  }

  get identity(): string {
    return this.#ledger.identity;
  }

  async load(): Promise<readonly StoredRecord[]> {
    return this.#ledger.records();
  }

  async commit(guards: readonly Guard[], writes: readonly Write[]): Promise<CommitResult> {
    if (this.#closed) return { kind: "failed", evidence: "the ledger is closed" };
    for (const { key, revision } of guards) {
      const found = this.#ledger.revisionOf(key);
      if (found !== revision) return { kind: "conflict", evidence: `${key} is ${at(found)}, and should be ${at(revision)}` };
    }
    if (writes.length === 0) return { kind: "committed", revision: this.#ledger.revision };
    const disarms = writes.some(isDisarm);
    const owed = disarms ? null : this.#ledger.owed;
    const result = this.#write(writes, owed);
    if (result.kind !== "committed") return result;
    if (disarms) this.#owes = false;
    this.#tellDurable();
    return result;
  }

  /** Calls back with what a history should remember: now, and after every commit; while a brake is owed, not before it is on record. */
  onDurable(listener: (memory: Memory) => void): void {
    this.#listeners.push(listener);
    if (!this.#owes) listener(this.#memory());
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#reserve.close();
    try {
      this.#ledger.close();
    } finally {
      this.#lock.release();
    }
  }

  #write(writes: readonly Write[], owed: string | null): CommitResult {
    try {
      return { kind: "committed", revision: this.#ledger.write(writes, owed) };
    } catch (error) {
      const fault = faultOf(error);
      // A quota that is used up is an I/O error to SQLite, so the reserve is tried for these, too.
      if (fault.kind === "corrupt" || !this.#reserve.giveUp(fault.evidence)) return { kind: "failed", evidence: evidenceOf(fault) };
    }
    try {
      return { kind: "committed", revision: this.#ledger.write(writes, owed) };
    } catch (error) {
      return { kind: "failed", evidence: evidenceOf(faultOf(error)) };
    }
  }

  #tellDurable(): void {
    if (this.#owes) return;
    const memory = this.#memory();
    for (const listener of this.#listeners) listener(memory);
  }

  #memory(): Memory {
    return { watcher: this.#watcherName, ledger: this.#ledger.identity, revision: this.#ledger.revision };
  }
}

function isDisarm({ key, value }: Write): boolean {
  return key === "brake/disarmed/*" && value !== null && (value as BrakeRecord).kind === "disarmed";
}

function at(revision: number | null): string {
  return revision === null ? "absent" : `at revision ${revision}`;
}

function evidenceOf(fault: ReturnType<typeof faultOf>): string {
  switch (fault.kind) {
    case "full":
      return `the disk is full: ${fault.evidence}`;
    case "corrupt":
      return `the ledger is damaged: ${fault.evidence}`;
    case "locked":
    case "io":
      return `the ledger cannot be written: ${fault.evidence}`;
  }
}
