// What has not been delivered yet and who has been called, in `<data>/alerts.json`, so that a restart swallows neither a call for
// help nor the word that it is over. There is no secret in it. It is replaced whole, by a rename; where it cannot be written
// the watcher goes on without.

import { readFileSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Message } from "./message.ts";
import type { Called } from "./called.ts";
import type { Waiting } from "./queue.ts";

export type Undelivered = Readonly<Record<string, readonly Waiting[]>>;

export type Kept = { readonly undelivered: Undelivered; readonly called: readonly Called[] };

/** More than all queues at their bounds come to. */
const FILE_MAX_BYTES = 64 << 20;
const NOTHING: Kept = { undelivered: {}, called: [] };

export class UndeliveredFile {
  readonly #path: string;
  #writing: Promise<void> = Promise.resolve();
  #wanted: (() => Kept) | null = null;

  constructor(dataDir: string) {
    this.#path = join(dataDir, "alerts.json");
  }

  /** What is in the file; nothing where there is none or it cannot be read, with the reason. */
  read(): Kept & { readonly problem: string | null } {
    let text: string;
    try {
      text = readFileSync(this.#path, "utf8");
    } catch (error) {
      const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
      return { ...NOTHING, problem: missing ? null : `undelivered alerts cannot be read: ${words(error)}` };
    }
    const parsed = text.length > FILE_MAX_BYTES ? null : parse(text);
    return parsed === null ? { ...NOTHING, problem: `${this.#path} makes no sense and is written anew: undelivered alerts are lost` } : { ...parsed, problem: null };
  }

  /** Writes soon what `current` gives then; rejects with what the disk says. Changes that come meanwhile are one write. */
  write(current: () => Kept): Promise<void> {
    if (this.#wanted !== null) {
      this.#wanted = current;
      return this.#writing;
    }
    this.#wanted = current;
    this.#writing = this.#writing.catch(() => undefined).then(() => {
      const now = this.#wanted?.() ?? NOTHING;
      this.#wanted = null;
      return this.#put(now);
    });
    return this.#writing;
  }

  async #put({ undelivered, called }: Kept): Promise<void> {
    if (called.length === 0 && Object.values(undelivered).every((waiting) => waiting.length === 0)) return rm(this.#path, { force: true });
    const fresh = `${this.#path}.new`;
    const file = await open(fresh, "w", 0o600);
    try {
      await file.writeFile(JSON.stringify({ v: 1, undelivered, called }));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(fresh, this.#path);
  }
}

function parse(text: string): Kept | null {
  try {
    const read: unknown = JSON.parse(text);
    if (!isObject(read) || read["v"] !== 1 || !isObject(read["undelivered"])) return null;
    const entries = Object.entries(read["undelivered"]).map(([channel, waiting]) => [channel, Array.isArray(waiting) ? waiting.map(upgraded).filter(isWaiting) : []] as const);
    // A file of before has no calls in it.
    const called = Array.isArray(read["called"]) ? read["called"].filter(isCalled) : [];
    return { undelivered: Object.fromEntries(entries), called };
  } catch {
    return null;
  }
}

/** A message of before had no parts. */
function upgraded(waiting: unknown): unknown {
  if (!isObject(waiting) || !isObject(waiting["message"])) return waiting;
  return { ...waiting, message: { happened: waiting["message"]["subject"], done: "", asked: "", count: 1, event: null, ...waiting["message"] } };
}

function isCalled(value: unknown): value is Called {
  if (!isObject(value)) return false;
  const { alarm, to, sinceMs, acknowledged } = value;
  return isObject(alarm) && ["alarm", "kind", "happened", "done", "asked"].every((name) => typeof alarm[name] === "string") && ["critical", "warning", "info"].includes(String(alarm["severity"]))
    && ["host", "incident"].every((name) => alarm[name] === null || typeof alarm[name] === "string")
    && Array.isArray(to) && to.every((each) => isObject(each) && typeof each["channel"] === "string" && typeof each["atMs"] === "number") && typeof sinceMs === "number" && typeof acknowledged === "boolean";
}

function isWaiting(value: unknown): value is Waiting {
  if (!isObject(value)) return false;
  const { message, attempts, only } = value;
  return isMessage(message) && typeof attempts === "number" && attempts >= 0 && (only === null || (Array.isArray(only) && only.every((each) => typeof each === "string")));
}

function isMessage(value: unknown): value is Message {
  if (!isObject(value)) return false;
  const texts = ["id", "alarm", "kind", "subject", "body", "happened", "done", "asked"].every((name) => typeof value[name] === "string");
  const maybe = ["host", "incident"].every((name) => value[name] === null || typeof value[name] === "string");
  const oneOf = (name: string, all: readonly string[]) => all.includes(String(value[name]));
  return texts && maybe && typeof value["atMs"] === "number" && typeof value["count"] === "number" && (value["event"] === null || typeof value["event"] === "number") && oneOf("severity", ["critical", "warning", "info"]) && oneOf("state", ["raised", "again", "over"]);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function words(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 300);
}
