// Programs that a driver asks, and the scope in which what it starts outlives this agent: systemd kills the whole control group of a
// service that it stops, so what is to stay goes into one of its own (systemd-run(1)).

import { existsSync } from "node:fs";
import { evidenceOf, runChild } from "../../child/child.ts";
import type { Ran } from "../../child/child.ts";
import { findProgram } from "../../child/find-program.ts";
import type { Done, KeptWorld } from "./kept.ts";

export const LOOK_LIMIT_MS = 10_000;

export async function ask({ guard }: KeptWorld, argv: readonly string[], signal: AbortSignal, limitMs = LOOK_LIMIT_MS): Promise<Ran> {
  const [name = "", ...rest] = argv;
  const program = findProgram(name);
  if (program === null) return { end: { why: `${name} is not installed` }, stdout: "", whole: true, said: "" };
  return runChild(guard, [program, ...rest], { limitMs, env: { LC_ALL: "C" } }, signal);
}

/** What an order to start or stop came to. */
export function done(ran: Ran): Done {
  return { ok: "code" in ran.end && ran.end.code === 0, evidence: evidenceOf(ran) };
}

/** What comes before a command that is to outlive us. */
export function apart(unit: string): readonly string[] {
  // sd_booted(3).
  if (!existsSync("/run/systemd/system")) return [];
  const program = findProgram("systemd-run");
  return program === null ? [] : [program, "--scope", "--quiet", "--collect", `--unit=${unit}`, "--"];
}
