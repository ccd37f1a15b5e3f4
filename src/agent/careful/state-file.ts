// The record of a careful shutdown on disk: written beside, synced, renamed, and the folder synced, so that a host that loses
// its power or an agent that is killed finds the old record or the new one. A disk that hangs, is full or read-only holds
// nothing up: after the limit the agent goes on in memory, because a host that burns while it waits for its disk is worse.

import { open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder } from "../../process/make-folder.ts";
import { record as parseRecord } from "../../careful/record.ts";
import type { CarefulRecord } from "../../core/careful-record.ts";

const WRITE_LIMIT_MS = 3_000;
const READ_LIMIT_MS = 10_000;
const FILE = "state.json";

export type Read = { readonly record: CarefulRecord } | { readonly none: true } | { readonly wrong: string };

/** Whatever stood there and is no record is kept beside, for a person. */
export async function readState(folder: string): Promise<Read> {
  const path = join(folder, FILE);
  try {
    const text = await limited(readFile(path, "utf8"), READ_LIMIT_MS);
    const record = parseRecord(text);
    if (record !== null) return { record };
    await rename(path, `${path}.unreadable`).catch(() => {});
    return { wrong: `${path} holds no record (kept as ${FILE}.unreadable)` };
  } catch (error) {
    return codeOf(error) === "ENOENT" ? { none: true } : { wrong: `${path} cannot be read: ${codeOf(error)}` };
  }
}

/** Resolves with null when it is durable, or with why it is not. One write at a time: a later one waits for the one that hangs. */
export class StateFile {
  readonly #folder: string;
  #writing: Promise<void> | null = null;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async write(record: CarefulRecord): Promise<string | null> {
    if (this.#writing !== null) return "the write before hangs";
    const writing = write(this.#folder, record).catch(async (error: unknown) => {
      // What stands there tells of an outage that is over: the next process would take the next short one for its end. A full disk can still forget.
      if (record.phase === "normal") await rm(join(this.#folder, FILE), { force: true }).catch(() => {});
      throw error;
    });
    this.#writing = writing;
    const done = (): void => {
      if (this.#writing === writing) this.#writing = null;
    };
    writing.then(done, done);
    try {
      await limited(writing, WRITE_LIMIT_MS);
      return null;
    } catch (error) {
      return codeOf(error);
    }
  }
}

async function write(folder: string, record: CarefulRecord): Promise<void> {
  await makeFolder(folder);
  const [path, beside] = [join(folder, FILE), join(folder, `${FILE}.new`)];
  const file = await open(beside, "w", 0o600);
  try {
    await file.writeFile(`${JSON.stringify(record)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(beside, path);
  const directory = await open(folder, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function limited<T>(work: Promise<T>, limitMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no end within ${limitMs} ms`)), limitMs);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function codeOf(error: unknown): string {
  return error instanceof Error ? String((error as NodeJS.ErrnoException).code ?? error.message) : String(error);
}
