// The port to one thing that is looked at on a host. A sensor has two halves in one file: what reads, and what judges, which is
// pure and tested with what real machines said. It has no limit of its own and keeps no clock; one that could not look says
// so, with what it read, and never guesses.

import { readFile, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import type { Ran } from "../../child/child.ts";
import type { AgentPartOptions } from "../../config/agent/index.ts";
import type { SensorName } from "../../config/agent/health.ts";

export type HealthOptions = AgentPartOptions["health"];

/** `grave`: where the configuration lets this sensor ask for power, it does. */
export type Seen = { /** What of it: a mount point, a disk; null: the whole. */ readonly of: string | null; readonly verdict: "good" | "warn" | "grave" | "unknown"; readonly because: string };

/** What a sensor sees the host through. Reading is for /proc, /sys and /run alone: whatever lies on a disk may hang, and is read by a child. */
export type Eye = {
  /** Before every path that is read: `/`, but for tests. */
  readonly root: string;
  /** The boot-time clock. */
  nowMs(): number;
  /** A program with a limit; one that hangs cannot hang us. */
  run(argv: readonly string[]): Promise<Ran>;
};

export type Sensor = {
  readonly name: SensorName;
  /** Null: as often as the rest. */
  everyMs?(options: HealthOptions): number;
  look(eye: Eye, options: HealthOptions): Promise<readonly Seen[]>;
};

/** A path as it is read; for children. */
export function pathIn({ root }: Eye, path: string): string {
  return join(root, path);
}

/** The text of a file of the kernel's, or null where there is none. */
export async function textOf({ root }: Eye, path: string): Promise<string | null> {
  try {
    return (await readFile(join(root, path), "utf8")).slice(0, 1_048_576);
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}

/** The names in a folder of the kernel's, sorted; none where there is no folder. */
export async function namesIn({ root }: Eye, path: string): Promise<readonly string[]> {
  try {
    return (await readdir(join(root, path))).sort(byNumber);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

/** Where a link leads, or null. */
export async function leadsTo({ root }: Eye, path: string): Promise<string | null> {
  try {
    return await readlink(join(root, path));
  } catch {
    return null;
  }
}

/** A whole number as the kernel writes one, or null for anything else. */
export function count(text: string | null | undefined): number | null {
  const trimmed = text?.trim() ?? "";
  return /^[0-9]{1,15}$/.test(trimmed) ? Number(trimmed) : null;
}

/** What was read instead of what was expected, short. */
export function quoted(text: string | null | undefined): string {
  return text === null || text === undefined ? "nothing" : JSON.stringify(text.length > 40 ? `${text.slice(0, 39)}…` : text);
}

/** `mc2` before `mc10`. */
export function byNumber(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

function isAbsent(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENODEV" || code === "ENOTDIR";
}
