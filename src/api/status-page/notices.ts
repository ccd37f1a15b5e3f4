// What people tell the public: notices with their updates, in one small file beside the rest of the state. They are few, they
// change by hand, and each change is on the disk as a whole before it is answered. A file that cannot be read is set aside and
// told, never deleted; the watcher does not need it.

import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { setAside, syncFolder } from "../../journal/data-folder.ts";
import type { NoticeReport, NoticeRequest, NoticeUpdateRequest } from "../contract.ts";
import { NOTICE_SEVERITIES, NOTICE_UPDATES_MAX, NOTICES_MAX } from "../contract.ts";

export const NOTICES_NAME = "notices.json";
const FILE_BYTES_MAX = 16 << 20;

type Kept = { readonly v: 1; readonly next: number; readonly notices: readonly NoticeReport[] };

export class Notices {
  readonly #path: string;
  readonly #report: (problem: string) => void;
  #kept: Kept | null = null;

  constructor(dataDir: string, report: (problem: string) => void) {
    this.#path = join(dataDir, NOTICES_NAME);
    this.#report = report;
  }

  /** The newest last. */
  list(): readonly NoticeReport[] {
    return this.#read().notices;
  }

  /** When there are too many, the oldest of those that have ended goes; null: all of them are open. */
  add({ title, text, severity, components }: NoticeRequest, by: string, at: string): NoticeReport | null {
    const kept = this.#read();
    const notice: NoticeReport = { id: kept.next, title, severity, components, by, began: at, ended: null, updates: [{ at, by, text }] };
    const gone = kept.notices.length < NOTICES_MAX ? null : kept.notices.find(({ ended }) => ended !== null);
    if (gone === undefined) return null;
    this.#write({ v: 1, next: kept.next + 1, notices: [...kept.notices.filter((each) => each !== gone), notice] });
    return notice;
  }

  /** Null: there is none; `full`: it has as many updates as one may have. */
  update(id: number, { text, severity, end }: NoticeUpdateRequest, by: string, at: string): NoticeReport | null | "full" {
    const kept = this.#read();
    const notice = kept.notices.find((each) => each.id === id);
    if (notice === undefined) return null;
    if (text !== undefined && notice.updates.length >= NOTICE_UPDATES_MAX) return "full";
    const next: NoticeReport = { ...notice, severity: severity ?? notice.severity, ended: end === true ? (notice.ended ?? at) : notice.ended, updates: text === undefined ? notice.updates : [...notice.updates, { at, by, text }] };
    this.#write({ ...kept, notices: kept.notices.map((each) => (each === notice ? next : each)) });
    return next;
  }

  /** False: there is none. */
  remove(id: number): boolean {
    const kept = this.#read();
    if (!kept.notices.some((each) => each.id === id)) return false;
    this.#write({ ...kept, notices: kept.notices.filter((each) => each.id !== id) });
    return true;
  }

  #read(): Kept {
    if (this.#kept !== null) return this.#kept;
    const fresh: Kept = { v: 1, next: 1, notices: [] };
    let text: string;
    try {
      text = readFileSync(this.#path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      return (this.#kept = fresh);
    }
    const found = parsed(text);
    if (found === null) this.#report(`the notices of the status page cannot be read; the file was set aside as ${setAside(this.#path, Date.now())}`);
    return (this.#kept = found ?? fresh);
  }

  /** Whole or not at all: a new file, on the disk, and only then under the name. */
  #write(next: Kept): void {
    const fresh = `${this.#path}.new`;
    rmSync(fresh, { force: true });
    const file = openSync(fresh, "wx", 0o600);
    try {
      writeSync(file, `${JSON.stringify(next)}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(fresh, this.#path);
    syncFolder(dirname(this.#path));
    this.#kept = next;
  }
}

function parsed(text: string): Kept | null {
  if (text.length > FILE_BYTES_MAX) return null;
  try {
    const kept = JSON.parse(text) as Kept;
    return kept.v === 1 && Number.isSafeInteger(kept.next) && Array.isArray(kept.notices) && kept.notices.every(isNotice) ? kept : null;
  } catch {
    return null;
  }
}

function isNotice(value: unknown): boolean {
  const { id, title, severity, components, by, began, ended, updates } = value as NoticeReport;
  return Number.isSafeInteger(id) && typeof title === "string" && NOTICE_SEVERITIES.includes(severity) && Array.isArray(components) && components.every((each) => typeof each === "string") && typeof by === "string" && isTime(began) && (ended === null || isTime(ended))
    && Array.isArray(updates) && updates.every((each) => isTime(each.at) && typeof each.by === "string" && typeof each.text === "string");
}

function isTime(value: unknown): boolean {
  return typeof value === "string" && !Number.isNaN(Date.parse(value));
}
