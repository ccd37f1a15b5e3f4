// Programs that a driver asks, and how what it starts outlives this agent: as a unit of its own. systemd kills the whole control group
// of a service that it stops. A scope would do for that, but what is started in one keeps what the agent's own unit forbids and
// grants (no new namespaces, nearly immune when memory runs out); what systemd starts has nothing of ours.

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

/** Whether systemd runs this machine (sd_booted(3)) and can be asked for a unit. */
export function underSystemd(): boolean {
  return existsSync("/run/systemd/system") && findProgram("systemd-run") !== null;
}

/** A program as a unit of its own, started by systemd itself. The name must be free. Where `$` stands it would put in variables. */
export function asUnit(unit: string, properties: Readonly<Record<string, string>>, argv: readonly string[]): readonly string[] {
  return ["systemd-run", "--quiet", `--unit=${unit}`, ...Object.entries(properties).map(([key, value]) => `--property=${key}=${value}`), "--", ...argv.map((each) => each.replaceAll("$", "$$$$"))];
}
