// Reads a configuration in a thread of its own that ends with it. What validates and locates (zod, yaml, the schemas) stays
// in memory for as long as the thread that loaded it, 8 MB that a watcher needs twice a year. A thread and not a process:
// secrets do not leave the process, and there is nothing to spawn that could fail on a machine in trouble.
//
// A thread receives copies without their classes (structured clone, HTML §2.7). Of classes a configuration has maps, which
// are cloned, and secrets, which cross as bytes: nothing else in a configuration is bytes.

import { Worker } from "node:worker_threads";
import { assert } from "../core/errors.ts";
import type { Loaded } from "./load.ts";
import type { LoadedAgent } from "./load-agent.ts";
import { Secret } from "./secret.ts";

/** As `loadConfig` of this process's environment and disk, less the origins of settings; rejects when the thread cannot run. */
export function loadConfigApart(path: string): Promise<Loaded> {
  return apart({ path, of: "watcher" });
}

/** As `loadAgentConfig`, likewise. */
export function loadAgentApart(path: string): Promise<LoadedAgent> {
  return apart({ path, of: "agent" });
}

/** What the thread is asked for. */
export type Asked = { readonly path: string; readonly of: "watcher" | "agent" };

function apart<T>(asked: Asked): Promise<T> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./load-apart-start.mjs", import.meta.url), { workerData: asked, name: "configuration" });
    worker.once("message", (packed: unknown) => resolve(unpack(packed) as T));
    worker.once("error", reject);
    // After the message, a promise is settled already.
    worker.once("exit", (code) => reject(new Error(`the thread that reads the configuration ended with ${code}`)));
  });
}

/** A copy that can be cloned. */
export function pack(value: unknown): unknown {
  // UTF-16 as JavaScript has it: any string comes back as it was.
  if (value instanceof Secret) return new Uint8Array(Buffer.from(value.reveal(), "utf16le"));
  return rebuilt(value, pack);
}

/** A configuration again, from what `pack` made. Texts that were one before, and came as thousands, are one again. */
export function unpack(value: unknown): unknown {
  const texts = new Map<string, string>();
  const each = (member: unknown): unknown => {
    if (typeof member === "string") {
      const known = texts.get(member);
      if (known === undefined) texts.set(member, member);
      return known ?? member;
    }
    if (member instanceof Uint8Array) return new Secret(Buffer.from(member).toString("utf16le"));
    return rebuilt(member, each);
  };
  return each(value);
}

function rebuilt(value: unknown, each: (member: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map(each);
  if (value instanceof Map) return new Map([...value].map(([key, member]) => [key, each(member)]));
  if (typeof value !== "object" || value === null) return value;
  assert(Object.getPrototypeOf(value) === Object.prototype, "a configuration holds an object of a class that a thread cannot be given");
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, each(member)]));
}
