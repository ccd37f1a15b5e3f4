// `upkeep agent careful plan | status | test`: what would be done, where a shutdown stands, from the agent's own record; and one look at the signal, which
// switches nothing and may be made beside a running agent.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { powerOffArgv, startArgv, stopArgv } from "../../careful/commands.ts";
import { openSensors } from "../../careful/sensors.ts";
import type { CarefulOptions } from "../../config/agent/careful.ts";
import { findConfigPath } from "../../config/data-dir.ts";
import { formatDuration } from "../../config/duration.ts";
import { loadAgentConfig } from "../../config/load-agent.ts";
import type { AgentConfig } from "../../config/load-agent.ts";
import { formatProblem } from "../../config/problems.ts";
import { EXIT } from "../exit.ts";
import type { Options } from "../options.ts";
import { complain, print, printable, printJson } from "../terminal.ts";

/** What would be done, in its order. */
function plannedLines({ policy, powerOff, observe }: CarefulOptions): readonly string[] {
  const { lookEveryMs, waitMs, afterMs, unknownAfterMs, stages } = policy;
  const words = (argv: readonly string[]): string => argv.join(" ");
  return [
    `careful: a look every ${formatDuration(lookEveryMs)}; lost for ${formatDuration(waitMs)}${afterMs === 0 ? "" : `, and ${formatDuration(afterMs)} later`}: this host shuts down; unknown: ${unknownAfterMs === null ? "it stays" : `it shuts down after ${formatDuration(unknownAfterMs)}`}`,
    ...stages.flatMap((plan, at) => {
      const undo = startArgv(plan, plan.kind === "units" ? plan.units : []);
      return [`  ${at + 1}. ${words(stopArgv(plan))}   (at most ${formatDuration(plan.limitMs)}${undo === null ? "; nothing undoes it" : `; undone by ${words(undo)}`})`];
    }),
    `  ${stages.length + 1}. ${words(powerOffArgv(powerOff, false))}`,
    ...(observe === "never" ? [] : [`  ${observe === "always" ? "observe: always: none of this is run" : "none of this is run where a running upsmon has a SHUTDOWNCMD"}`]),
  ];
}

async function configured(options: Options): Promise<{ readonly config: AgentConfig; readonly careful: CarefulOptions } | number> {
  const path = findConfigPath(options.config);
  if (path === null) {
    complain("no configuration: name one with -c FILE");
    return EXIT.configuration;
  }
  const loaded = await loadAgentConfig(path);
  if (!loaded.ok) {
    for (const problem of loaded.problems) complain(formatProblem(problem));
    return EXIT.configuration;
  }
  const { careful } = loaded.config.parts;
  if (careful !== undefined) return { config: loaded.config, careful };
  complain(`${path} has no section agent.careful`);
  return EXIT.configuration;
}

export async function runCarefulPlan(options: Options): Promise<number> {
  const found = await configured(options);
  if (typeof found === "number") return found;
  const lines = plannedLines(found.careful);
  if (options.json === true) printJson(lines);
  else for (const line of lines) print(printable(line));
  return EXIT.yes;
}

/** Exit 1 while the host is on its way down or back. */
export async function runCarefulStatus(options: Options): Promise<number> {
  const found = await configured(options);
  if (typeof found === "number") return found;
  const path = join(found.config.dataDir, "careful", "state.json");
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
      complain(`${path}: ${String((error as NodeJS.ErrnoException).code)}`);
      return EXIT.unavailable;
    }
    if (options.json === true) printJson({ phase: "normal", event: null, stages: [] });
    // An agent whose disk takes nothing goes on in memory, and says so in its log and as a finding.
    else print(`normal: no shutdown is on record in ${path}`);
    return EXIT.yes;
  }
  try {
    const record = JSON.parse(text) as { readonly phase: string; readonly event: string | null; readonly because: string; readonly since: { readonly wallMs: number }; readonly stages: readonly { readonly plan: { readonly name: string }; readonly state: string }[] };
    const { phase, event, because, since, stages } = record;
    const at = new Date(since.wallMs).toISOString();
    if (options.json === true) printJson({ phase, event, because, since: at, stages: stages.map(({ plan, state }) => ({ stage: plan.name, state })) });
    else {
      print(printable(`${phase} since ${at}${event === null ? "" : `, event ${event}`}${because === "" ? "" : `: ${because}`}`));
      for (const { plan, state } of stages) print(printable(`  ${state.padEnd(9)} ${plan.name}`));
    }
    return phase === "normal" ? EXIT.yes : EXIT.no;
  } catch {
    complain(`${path} holds no record`);
    return EXIT.unavailable;
  }
}

/** Exit 0 good, 1 lost, 5 unknown. */
export async function runCarefulTest(options: Options): Promise<number> {
  const found = await configured(options);
  if (typeof found === "number") return found;
  const sensors = await openSensors(found.careful.signal);
  try {
    for (const refusal of sensors.refusals()) complain(`cannot look at ${refusal}`);
    // The first look asks for names; they are there for the second.
    const first = await sensors.look();
    const sensed = first.verdict === "unknown" ? await sensors.look() : first;
    if (options.json === true) printJson(sensed);
    else print(printable(`${sensed.verdict}${sensed.urgent ? ", urgent" : ""}: ${sensed.because}`));
    return sensed.verdict === "good" ? EXIT.yes : sensed.verdict === "lost" ? EXIT.no : EXIT.unknown;
  } finally {
    sensors.close();
  }
}
