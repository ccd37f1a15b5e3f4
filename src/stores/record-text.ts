// How a record stands in a store that other versions of Upkeep share: as JSON, with the version of its shape in `v`. What
// cannot be read is never guessed at and never fatal. A watcher that meets a newer version than it knows has to abstain
// (ADR 8), so "newer" is told apart from "damaged".

import type { AnyRecord, RecordKey, RecordKind } from "../core/records.ts";
import type { UnreadableRecord } from "./store.ts";

/** The highest `v` of any record that this version writes and reads. */
const RECORD_VERSION = 1;
const KINDS = {
  host: true, brake: true, storm: true, op: true, lock: true, incident: true, meta: true, ack: true, alarm: true,
  watcher: true, alive: true, charge: true, vote: true, ballot: true, guard: true, ask: true, reboots: true, agent: true, door: true, lease: true,
} as const satisfies Record<RecordKind, true>;
const EVIDENCE_LENGTH = 120;

export type Read = { readonly ok: true; readonly key: RecordKey; readonly value: AnyRecord } | { readonly ok: false; readonly kind: UnreadableRecord["kind"]; readonly because: string };

/** The text of bytes that are UTF-8, or null. */
export function utf8(data: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    return null;
  }
}

/** The kind of a record's key: `op` of `op/17`. */
export function kindOf(key: string): string {
  const slash = key.indexOf("/");
  return slash < 0 ? key : key.slice(0, slash);
}

/** Whether this version knows records of that kind. */
export function isKnown(key: string, leased: ReadonlySet<string>): key is RecordKey {
  const kind = kindOf(key);
  return Object.hasOwn(KINDS, kind) || leased.has(kind);
}

export function writeRecord(value: AnyRecord): string {
  return JSON.stringify(value);
}

/** Reads what stands under `key`; `leased` names the kinds that only live with a session. */
export function readRecord(key: string, text: string | null, leased: ReadonlySet<string>): Read {
  if (text === null) return damaged("it is not UTF-8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return damaged(`it is not JSON: ${JSON.stringify(text.slice(0, EVIDENCE_LENGTH))}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value) || !("v" in value)) return damaged("it is not a record");
  const version = value.v;
  if (typeof version !== "number" || !Number.isSafeInteger(version) || version < 1) return damaged("its version is not a number");
  if (version > RECORD_VERSION) return { ok: false, kind: "newer", because: `it is of version ${version}, and this Upkeep knows ${RECORD_VERSION}` };
  if (!isKnown(key, leased)) return { ok: false, kind: "newer", because: `this Upkeep knows no records of the kind ${JSON.stringify(kindOf(key).slice(0, EVIDENCE_LENGTH))}` };
  return { ok: true, key, value: value as AnyRecord };
}

function damaged(because: string): Read {
  return { ok: false, kind: "damaged", because };
}

/** The records that cannot be read at present; tells when that set changes. */
export class UnreadableRecords {
  readonly #records = new Map<string, UnreadableRecord>();
  readonly #tell: (records: readonly UnreadableRecord[]) => void;
  #changed = false;

  constructor(tell: (records: readonly UnreadableRecord[]) => void) {
    this.#tell = tell;
  }

  /** Everything is about to be read anew. */
  clear(): void {
    if (this.#records.size > 0) this.#changed = true;
    this.#records.clear();
  }

  add(record: UnreadableRecord): void {
    if (this.#records.get(record.key)?.revision === record.revision) return;
    this.#records.set(record.key, record);
    this.#changed = true;
  }

  /** The key is readable or deleted now. */
  remove(key: string): void {
    if (this.#records.delete(key)) this.#changed = true;
  }

  /** Tells once if anything has changed since the last time. */
  flush(): void {
    if (!this.#changed) return;
    this.#changed = false;
    this.#tell([...this.#records.values()]);
  }
}
