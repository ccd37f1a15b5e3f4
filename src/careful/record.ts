// A record as text, read back strictly: a file that somebody has edited or a disk has torn must not name a program to run as
// root. By hand and not by a schema: what validates the configuration is 8 MB that an agent does without.

import type { CarefulRecord, StagePlan, StageState } from "../core/careful-record.ts";
import type { Deadline, Stamp } from "../core/time.ts";

const TEXT_MAX = 65_536;

/** Null where it is none. */
export function record(text: string): CarefulRecord | null {
  if (text.length > 1 << 20) return null;
  try {
    const raw = mapping(JSON.parse(text));
    if (raw["format"] !== 1) return null;
    return {
      format: 1,
      phase: oneOf(raw["phase"], ["normal", "pre-fail", "shutdown", "returning"]),
      event: orNull(raw["event"], words), because: words(raw["because"]), since: stamped(raw["since"]),
      until: orNull(raw["until"], deadline), unknownSince: orNull(raw["unknownSince"], stamped),
      stages: list(raw["stages"], stage),
      off: orNull(raw["off"], (off) => ({ at: stamped(mapping(off)["at"]), attempts: number(mapping(off)["attempts"]) })),
      observed: orNull(raw["observed"], words),
    };
  } catch {
    return null;
  }
}

function stage(raw: unknown): StageState {
  const { plan, state, attempts, active } = mapping(raw);
  return { plan: planned(plan), state: oneOf(state, ["waiting", "stopping", "stopped", "failed", "starting", "started"]), attempts: number(attempts), active: orNull(active, (all) => list(all, words)) };
}

function planned(raw: unknown): StagePlan {
  const { name, limitMs, kind, units, run, undo } = mapping(raw);
  const common = { name: words(name), limitMs: number(limitMs) };
  if (oneOf(kind, ["units", "program"]) === "units") return { ...common, kind: "units", units: list(units, words) };
  return { ...common, kind: "program", run: list(run, words), undo: orNull(undo, (all) => list(all, words)) };
}

function deadline(raw: unknown): Deadline {
  const { at, lengthMs } = mapping(raw);
  return { at: stamped(at), lengthMs: number(lengthMs) };
}

function stamped(raw: unknown): Stamp {
  const { bootMs, wallMs, bootId, unsynced } = mapping(raw);
  return { bootMs: number(bootMs), wallMs: number(wallMs), bootId: words(bootId), ...(unsynced === true ? { unsynced: true as const } : {}) };
}

function mapping(raw: unknown): Readonly<Record<string, unknown>> {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) throw new TypeError("not a mapping");
  return raw as Readonly<Record<string, unknown>>;
}

function list<T>(raw: unknown, each: (member: unknown) => T): readonly T[] {
  if (!Array.isArray(raw) || raw.length > 64) throw new TypeError("not a list");
  return raw.map(each);
}

function words(raw: unknown): string {
  if (typeof raw !== "string" || raw.length > TEXT_MAX) throw new TypeError("not text");
  return raw;
}

function number(raw: unknown): number {
  if (typeof raw !== "number" || !Number.isFinite(raw)) throw new TypeError("not a number");
  return raw;
}

function oneOf<const T extends string>(raw: unknown, all: readonly T[]): T {
  const found = all.find((each) => each === raw);
  if (found === undefined) throw new TypeError("not one of them");
  return found;
}

function orNull<T>(raw: unknown, each: (member: unknown) => T): T | null {
  return raw === null ? null : each(raw);
}
