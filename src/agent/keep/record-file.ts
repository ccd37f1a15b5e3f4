// What is remembered of a kept service over the agent's end: one small file each, written beside and renamed, before anything is done.
// Not synced: it must outlive this process, and a reboot of the machine ends what it speaks of. Nonsense is as good as nothing.

import { readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { makeFolder } from "../../process/make-folder.ts";
import type { KeepPhase, KeepRecord } from "../../core/keep.ts";
import { KEEP_FRESH } from "../../core/keep.ts";

const PHASES: ReadonlySet<string> = new Set<KeepPhase>(["watching", "waiting", "stopping", "starting", "given-up"]);
const STARTS_MAX = 1_000;

export async function readRecord(path: string, bootId: string): Promise<KeepRecord> {
  try {
    return parseRecord(await readFile(path, "utf8"), bootId);
  } catch {
    return KEEP_FRESH;
  }
}

export function parseRecord(text: string, bootId: string): KeepRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return KEEP_FRESH;
  }
  const { boot, record } = (value ?? {}) as { readonly boot?: unknown; readonly record?: Partial<Record<keyof KeepRecord, unknown>> | null };
  if (boot !== bootId || typeof record !== "object" || record === null) return KEEP_FRESH;
  const { phase, starts, row, bad, goodSinceMs, startedMs, dueMs, ours, ran, because } = record;
  const whole = (each: unknown): each is number => typeof each === "number" && Number.isSafeInteger(each) && each >= 0;
  const moment = (each: unknown): each is number | null => each === null || whole(each);
  const holds = typeof phase === "string" && PHASES.has(phase) && Array.isArray(starts) && starts.length <= STARTS_MAX && starts.every(whole) && whole(row) && whole(bad) && moment(goodSinceMs) && moment(startedMs) && moment(dueMs) && typeof ours === "boolean" && typeof ran === "boolean" && typeof because === "string";
  return holds ? { phase: phase as KeepPhase, starts, row, bad, goodSinceMs, startedMs, dueMs, ours, ran, because: because.slice(0, 1_000) } : KEEP_FRESH;
}

/** Rejects where it cannot be written. */
export async function writeRecord(path: string, bootId: string, record: KeepRecord): Promise<void> {
  await makeFolder(dirname(path));
  await writeFile(`${path}.new`, JSON.stringify({ boot: bootId, record }), { mode: 0o600 });
  await rename(`${path}.new`, path);
}
