// From one watcher to several: what the embedded ledger holds goes into the shared store, once, before anybody starts on it.
// `meta/ledger` is written last and guarded by its absence, as is every record: a store in which a watcher has begun already
// is never written over, and a move that was interrupted goes on where it stopped. Then the ledger is renamed, not deleted.
//
// With an operation open there is no move: it acts on a session and a lock of this watcher, and what it owes must not wait
// for an agreement.

import { existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { UpkeepError } from "../core/errors.ts";
import type { StoredRecord, Write } from "../core/io.ts";
import type { AnyRecord, MetaRecord, RecordKind, Written } from "../core/records.ts";
import type { Now } from "../core/time.ts";
import { stamp } from "../core/time.ts";
import { syncFolder } from "../journal/data-folder.ts";
import type { Found } from "../journal/ledger.ts";
import { openLedgerFile } from "../journal/ledger.ts";
import { faultOf } from "../journal/sqlite.ts";
import type { Recalled } from "../journal/went-back.ts";
import { wentBackBecause } from "../journal/went-back.ts";
import type { Guard, Store } from "../stores/store.ts";

export type Moving = {
  readonly dataDir: string;
  readonly store: Store;
  /** What the store holds. */
  readonly records: readonly StoredRecord[];
  readonly recalled: Recalled;
  readonly watcher: string;
  readonly life: string;
  readonly now: Now;
};

/** `moved`: records were written, or the last step of an earlier move was done. `wentBack`: what the ledger itself says of time. */
export type Moved = { readonly moved: boolean; readonly count: number; readonly wentBack: string | null };

const LEDGER = "ledger.sqlite";
const MOVED = "ledger.moved";
const TAKEN: ReadonlySet<string> = new Set<RecordKind>(["host", "brake", "storm", "ack", "alarm", "incident", "agent", "lease"]);
/** Far below what any store takes in one transaction. */
const BATCH_RECORDS = 50;
const BATCH_BYTES = 256 << 10;

/** Whether a ledger was moved from this folder into a shared store before. */
export function hasMoved(dataDir: string): boolean {
  return readdirSync(dataDir).some((name) => name.startsWith(MOVED));
}

/** Moves the ledger of this data folder into the store, if there is one. The caller holds the folder's lock. Rejects with STORE_REFUSED or STORE_UNREACHABLE and has then lost nothing. */
export async function moveLedger(moving: Moving): Promise<Moved> {
  const { dataDir, now, recalled } = moving;
  const path = join(dataDir, LEDGER);
  if (!existsSync(path) || statSync(path).size === 0) return { moved: false, count: 0, wentBack: null };
  const found = open(path, now.wallMs);
  if (found.kind === "missing") return { moved: false, count: 0, wentBack: null };
  if (found.kind === "corrupt") return { moved: false, count: 0, wentBack: wentBackBecause(found, recalled) };
  const { ledger } = found;
  let count: number;
  let wentBack: string | null;
  try {
    const { identity, revision, owed } = ledger;
    // A memory of the shared store says that the move was done, and this was only left to be renamed.
    const own = recalled.memory?.ledger.includes(":") === true ? { memory: null, unreadable: null } : recalled;
    wentBack = wentBackBecause({ kind: "open", identity, revision, owed }, own);
    count = await write(moving, ledger.records());
  } finally {
    ledger.close();
  }
  putAway(path);
  return { moved: true, count, wentBack };
}

function open(path: string, wallMs: number): Found {
  try {
    return openLedgerFile(path, wallMs);
  } catch (error) {
    throw new UpkeepError("LEDGER_IO", `the ledger that should go into the store cannot be opened: ${faultOf(error).evidence}`, { cause: error });
  }
}

async function write(moving: Moving, held: readonly StoredRecord[]): Promise<number> {
  const { records, watcher, life, now } = moving;
  const meta = held.find(({ key }) => key === "meta/ledger")?.value as MetaRecord | undefined;
  const there = records.find(({ key }) => key === "meta/ledger")?.value as MetaRecord | undefined;
  const open = held.filter(({ key }) => key.startsWith("op/"));
  if (open.length > 0) {
    throw refused(`${open.length === 1 ? "an operation is" : `${open.length} operations are`} open in the ledger of this data folder (${open.map(({ key }) => key).join(", ")}): start once more with store: embedded until it has ended, then change over`);
  }
  // An earlier move got as far as its last record.
  if (meta === undefined || there?.ledger === meta.ledger) return 0;
  const taken = held.filter(({ key }) => TAKEN.has(key.slice(0, key.indexOf("/"))));
  if (there !== undefined) {
    if (taken.length === 0) return 0;
    throw refused(`this data folder has the ledger of a watcher that worked alone (${taken.length} records), and the store is in use already: nothing was taken over. Give the store an empty prefix and start this watcher first; or give up its holds, brakes and budgets by moving ${LEDGER} away`);
  }
  const written: Written = { by: watcher, life, at: stamp(now) };
  const before = new Map(records.map((record) => [record.key, record]));
  const guardOf = ({ key }: StoredRecord): Guard => {
    const found = before.get(key);
    if (found === undefined) return { key, revision: null };
    // Left by a move that was interrupted: nobody has begun on this store, or there would be a `meta/ledger`.
    if (found.value.written?.by === watcher) return { key, revision: found.revision };
    throw refused(`${key} stands in the store already, and is not of ${watcher}: give the store an empty prefix`);
  };
  const absent: Guard = { key: "meta/ledger", revision: null };
  for (const batch of batchesOf(taken)) {
    await commit(moving.store, [absent, ...batch.map(guardOf)], batch.map(({ key, value }) => ({ key, value: adopted(key, value, watcher, written) })));
  }
  await commit(moving.store, [absent], [{ key: "meta/ledger", value: { ...meta, written } as AnyRecord }]);
  return taken.length;
}

/** What says who looks after it belongs to this watcher until another one takes it over. */
function adopted(key: string, value: AnyRecord, watcher: string, written: Written): AnyRecord {
  const mine = key.startsWith("storm/") || key.startsWith("alarm/") ? { watcher } : {};
  return { ...value, ...mine, written };
}

function batchesOf(records: readonly StoredRecord[]): readonly (readonly StoredRecord[])[] {
  const batches: StoredRecord[][] = [];
  let bytes = Infinity;
  for (const record of records) {
    const size = JSON.stringify(record).length;
    let batch = batches.at(-1);
    if (batch === undefined || batch.length >= BATCH_RECORDS || bytes + size > BATCH_BYTES) {
      batch = [];
      batches.push(batch);
      bytes = 0;
    }
    batch.push(record);
    bytes += size;
  }
  return batches;
}

async function commit(store: Store, guards: readonly Guard[], writes: readonly Write[]): Promise<void> {
  const result = await store.commit(guards, writes);
  if (result.kind === "conflict") throw refused(`another watcher has begun on this store while the ledger was moved into it (${result.evidence}): stop it, give the store an empty prefix, and start this one first`);
  if (result.kind === "failed") throw new UpkeepError("STORE_UNREACHABLE", `the ledger cannot be moved into the store: ${result.evidence}`);
}

function putAway(path: string): void {
  const folder = dirname(path);
  let name = `${MOVED}.sqlite`;
  for (let n = 2; existsSync(join(folder, name)); n += 1) name = `${MOVED}-${n}.sqlite`;
  renameSync(path, join(folder, name));
  // Closed as it should be, SQLite leaves none behind.
  for (const suffix of ["-wal", "-journal"]) if (existsSync(path + suffix)) renameSync(path + suffix, join(folder, name + suffix));
  rmSync(join(folder, "ledger.reserve"), { force: true });
  syncFolder(folder);
}

function refused(message: string): UpkeepError {
  return new UpkeepError("STORE_REFUSED", message);
}
