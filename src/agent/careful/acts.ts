// What a careful shutdown does on this host: stops units or runs programs, starts them again, powers off. Each as a guarded
// child with a limit; nothing here decides.

import { Child, evidenceOf } from "../../child/child.ts";
import type { Guard } from "../../child/child.ts";
import { powerOffArgv, startArgv, stopArgv } from "../../careful/commands.ts";
import type { End, StagePlan } from "../../core/careful-record.ts";

const SURVEY_LIMIT_MS = 10_000;
const POWER_OFF_LIMIT_MS = 60_000;
const EVIDENCE_MAX = 200;

export type Acts = {
  /** Of a stage's units those that are active; all of them where that cannot be told. */
  survey(plan: StagePlan): Promise<readonly string[]>;
  stop(plan: StagePlan): Promise<End>;
  start(plan: StagePlan, active: readonly string[]): Promise<End>;
  powerOff(force: boolean): Promise<End>;
  /** Ends what runs: it is begun again by the next process. */
  close(): void;
};

export function makeActs(guard: Guard, powerOff: readonly string[] | null): Acts {
  let child: Child | null = null;
  const run = async (argv: readonly string[], limitMs: number): Promise<{ readonly end: End; readonly stdout: string }> => {
    child = new Child(guard, argv, { limitMs });
    const ran = await child.ended;
    return { end: { ok: "code" in ran.end && ran.end.code === 0, evidence: evidenceOf(ran).slice(0, EVIDENCE_MAX) }, stdout: ran.stdout };
  };
  return {
    async survey(plan) {
      if (plan.kind !== "units") return [];
      const { stdout } = await run(["systemctl", "is-active", "--", ...plan.units], SURVEY_LIMIT_MS);
      const states = stdout.trim().split("\n");
      // One line a unit, in their order (systemctl(1)); else nobody knows, and what was named is what is started.
      if (states.length !== plan.units.length) return plan.units;
      return plan.units.filter((_, at) => /^(active|activating|reloading|refreshing)$/.test(states[at]?.trim() ?? ""));
    },
    async stop(plan) {
      return (await run(stopArgv(plan), plan.limitMs)).end;
    },
    async start(plan, active) {
      const argv = startArgv(plan, active);
      return argv === null ? { ok: true, evidence: "nothing to start" } : (await run(argv, plan.limitMs)).end;
    },
    async powerOff(force) {
      return (await run(powerOffArgv(powerOff, force), POWER_OFF_LIMIT_MS)).end;
    },
    close: () => void child?.kill("the agent is stopping"),
  };
}
