// What has not been delivered yet, in `<data>/alerts.json`, so that a restart does not swallow a call for help. There is no
// secret in it. It is replaced whole, by a rename; where it cannot be written the watcher goes on without.

import { readFileSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Message } from "./message.ts";
import type { Waiting } from "./queue.ts";

export type Undelivered = Readonly<Record<string, readonly Waiting[]>>;

const FILE_MAX_BYTES = 4 << 20;

export class UndeliveredFile {
  readonly #path: string;
  #writing: Promise<void> = Promise.resolve();
  #wanted: (() => Undelivered) | null = null;

  constructor(dataDir: string) {
    this.#path = join(dataDir, "alerts.json");
  }

  /** What is in the file; nothing where there is none or it cannot be read, with the reason. */
  read(): { readonly undelivered: Undelivered; readonly problem: string | null } {
    let text: string;
    try {
      text = readFileSync(this.#path, "utf8");
    } catch (error) {
      const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
      return { undelivered: {}, problem: missing ? null : `undelivered alerts cannot be read: ${words(error)}` };
    }
    const parsed = text.length > FILE_MAX_BYTES ? null : parse(text);
    return parsed === null ? { undelivered: {}, problem: `${this.#path} makes no sense and is written anew: undelivered alerts are lost` } : { undelivered: parsed, problem: null };
  }

  /** Writes soon what `current` gives then; rejects with what the disk says. Changes that come meanwhile are one write. */
  write(current: () => Undelivered): Promise<void> {
    if (this.#wanted !== null) {
      this.#wanted = current;
      return this.#writing;
    }
    this.#wanted = current;
    this.#writing = this.#writing.catch(() => undefined).then(() => {
      const now = this.#wanted?.() ?? {};
      this.#wanted = null;
      return this.#put(now);
    });
    return this.#writing;
  }

  async #put(undelivered: Undelivered): Promise<void> {
    if (Object.values(undelivered).every((waiting) => waiting.length === 0)) return rm(this.#path, { force: true });
    const fresh = `${this.#path}.new`;
    const file = await open(fresh, "w", 0o600);
    try {
      await file.writeFile(JSON.stringify({ v: 1, undelivered }));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(fresh, this.#path);
  }
}

function parse(text: string): Undelivered | null {
  try {
    const read: unknown = JSON.parse(text);
    if (!isObject(read) || read["v"] !== 1 || !isObject(read["undelivered"])) return null;
    const entries = Object.entries(read["undelivered"]).map(([channel, waiting]) => [channel, Array.isArray(waiting) ? waiting.filter(isWaiting) : []] as const);
    return Object.fromEntries(entries);
  } catch {
    return null;
  }
}

function isWaiting(value: unknown): value is Waiting {
  if (!isObject(value)) return false;
  const { message, attempts, only } = value;
  return isMessage(message) && typeof attempts === "number" && attempts >= 0 && (only === null || (Array.isArray(only) && only.every((each) => typeof each === "string")));
}

function isMessage(value: unknown): value is Message {
  if (!isObject(value)) return false;
  const texts = ["id", "alarm", "kind", "subject", "body"].every((name) => typeof value[name] === "string");
  const maybe = ["host", "incident"].every((name) => value[name] === null || typeof value[name] === "string");
  const oneOf = (name: string, all: readonly string[]) => all.includes(String(value[name]));
  return texts && maybe && typeof value["atMs"] === "number" && oneOf("severity", ["critical", "warning", "info"]) && oneOf("state", ["raised", "again", "over"]);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function words(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 300);
}
