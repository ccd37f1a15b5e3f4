// How an order of the core reaches a host: by its agent, which knows orders by their names and carries each out once; else by what
// is configured under `reboots`, in order, until one is not refused. Those know nothing of names: what may have been given before is
// not given by them again, except draining and its opposite, which may be repeated.

import type { RebootsConfig, RemedyTask } from "../config/config.ts";
import type { RemedyTarget } from "../remedies/remedy.ts";
import type { Remedied } from "./ports.ts";

export type OrderKind = "reboot" | "drain" | "undrain";

export type OrderTask = { readonly host: string; readonly order: OrderKind; readonly id: string; readonly limitMs: number; readonly again: boolean };

/** The agents that are connected: null where none speaks from that host. */
export type AgentOrders = (task: OrderTask) => Promise<Remedied> | null;

type RunRemedy = (task: RemedyTask, target: RemedyTarget, limitMs: number) => Promise<Remedied>;

const NOTHING: Remedied = { outcome: "failed", evidence: "no agent speaks from there, and nothing else is configured under reboots.by" };

export async function carryOut(task: OrderTask, { by, drain, undrain }: RebootsConfig, target: RemedyTarget | { readonly error: string }, agents: AgentOrders, run: RunRemedy): Promise<Remedied> {
  if (task.order !== "reboot") {
    const argv = task.order === "drain" ? drain : undrain;
    if (argv === null) return { outcome: "failed", evidence: `nothing is configured under reboots.${task.order}` };
    // A name that cannot be resolved is no reason to leave the work on it.
    return run({ kind: "command", options: { run: argv } }, "error" in target ? { host: task.host, address: "" } : target, task.limitMs);
  }
  const answer = agents(task);
  if (answer !== null) return answer;
  if (task.again) return { outcome: "unknown", evidence: "it may have been told before, and is not told again" };
  if ("error" in target) return { outcome: "failed", evidence: target.error };
  let last = NOTHING;
  for (const { limitMs, ...remedy } of by) {
    const ended = await run(remedy, target, limitMs);
    last = { ...ended, evidence: `${remedy.kind}: ${ended.evidence}` };
    if (ended.outcome !== "failed") return last;
  }
  return last;
}
