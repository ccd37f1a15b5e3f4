// The watchers that a host was enrolled at, a file each: by which keys it knows them and where they say they are. A watcher that
// it is connected to tells of the others that share its records; so one enrolment reaches all, and a key that one of them renews
// is known before it is used.

import { mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { mkdir, readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { writeWhole } from "./identity.ts";
import type { Roster } from "./messages.ts";

export type KnownWatcher = { readonly watcher: string; readonly store: string; readonly address: string | null; readonly pins: readonly string[] };

const schema = z.object({ watcher: z.string(), store: z.string(), address: z.string().nullable(), pins: z.array(z.string().regex(/^[0-9a-f]{64}$/)) });
const FILE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\.json$/;

/** What is known, for a process that may wait for its disk. What cannot be read is left out: the next enrolment writes it again. */
export function readKnown(folder: string): readonly KnownWatcher[] {
  try {
    return readdirSync(join(folder, "watchers")).filter((name) => FILE.test(name)).flatMap((name) => parse(() => readFileSync(join(folder, "watchers", name), "utf8")));
  } catch {
    return [];
  }
}

/** The same for a process whose loop must go on turning while the disk does not answer. */
export async function lookUpKnown(folder: string): Promise<readonly KnownWatcher[]> {
  try {
    const names = (await readdir(join(folder, "watchers"))).filter((name) => FILE.test(name));
    const texts = await Promise.all(names.map((name) => readFile(join(folder, "watchers", name), "utf8").catch(() => "")));
    return texts.flatMap((text) => parse(() => text));
  } catch {
    return [];
  }
}

/** Takes a watcher's word for itself and for the others that share its records. Gives what is known then. */
export async function learn(folder: string, known: readonly KnownWatcher[], { store, watchers }: Roster): Promise<readonly KnownWatcher[]> {
  const told = watchers.map((each) => ({ ...each, store }));
  const gone = known.filter((each) => each.store === store && !told.some(({ watcher }) => watcher === each.watcher));
  const rest = known.filter((each) => !gone.includes(each) && !told.some(({ watcher }) => watcher === each.watcher));
  const next = [...rest, ...told].sort((one, other) => (one.watcher < other.watcher ? -1 : 1));
  if (JSON.stringify(next) === JSON.stringify(known)) return known;
  await mkdir(join(folder, "watchers"), { recursive: true, mode: 0o700 });
  for (const each of told) if (JSON.stringify(known.find(({ watcher }) => watcher === each.watcher)) !== JSON.stringify(each)) writeWhole(join(folder, "watchers", `${each.watcher}.json`), JSON.stringify(each));
  for (const { watcher } of gone) await rm(join(folder, "watchers", `${watcher}.json`), { force: true });
  return next;
}

export function forgetKnown(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  rmSync(join(folder, "watchers"), { recursive: true, force: true });
}

function parse(text: () => string): readonly KnownWatcher[] {
  try {
    const parsed = schema.safeParse(JSON.parse(text()));
    return parsed.success ? [{ watcher: parsed.data.watcher, store: parsed.data.store, address: parsed.data.address, pins: parsed.data.pins }] : [];
  } catch {
    return [];
  }
}
