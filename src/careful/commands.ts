// The commands of a careful shutdown, for who runs them (src/agent/careful) and who shows them (`upkeep agent careful plan`).

import { existsSync } from "node:fs";
import type { StagePlan } from "../core/careful-record.ts";

/** What a stage runs; null: it has nothing to undo. */
export function stopArgv(plan: StagePlan): readonly string[] {
  return plan.kind === "units" ? ["systemctl", "stop", "--", ...plan.units] : plan.run;
}

/** In reverse order; units that were not active stay as they were. */
export function startArgv(plan: StagePlan, active: readonly string[]): readonly string[] | null {
  if (plan.kind === "program") return plan.undo;
  return active.length === 0 ? null : ["systemctl", "start", "--", ...active.toReversed()];
}

/** By the host's own way down, so that everything else on it is stopped as at any other shutdown. */
export function powerOffArgv(own: readonly string[] | null, force: boolean): readonly string[] {
  if (own !== null) return own;
  // sd_booted(3).
  const systemd = existsSync("/run/systemd/system");
  return systemd ? ["systemctl", "poweroff", ...(force ? ["--force"] : [])] : ["/sbin/poweroff", ...(force ? ["-f"] : [])];
}
