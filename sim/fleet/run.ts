// One seed with several watchers, from its number to its verdict; a seed that fails is run once more with a transcript.

import type { RunResult } from "../run.ts";
import type { Keep } from "../world.ts";
import type { FleetChecker } from "./checker.ts";
import { FLEET_CHECKERS } from "./checkers/index.ts";
import { judgeFleetReplay } from "./replay.ts";
import type { FleetDraw, FleetSpec } from "./spec.ts";
import { drawFleet } from "./spec.ts";
import { FleetWorld } from "./world.ts";

export type FleetRunOptions = FleetDraw & {
  /** Keep the transcript of a good run, too. */
  readonly transcript?: boolean;
  /** Also replay what each life recorded. */
  readonly replay?: boolean;
  readonly change?: (spec: FleetSpec) => FleetSpec;
};

export function runFleetSeed(seed: number, options: FleetRunOptions = {}): Promise<RunResult> {
  return new Promise((resolve) => setImmediate(() => resolve(runNow(seed, options))));
}

function runNow(seed: number, options: FleetRunOptions): RunResult {
  const drawn = drawFleet(seed, options);
  const spec = options.change === undefined ? drawn : options.change(drawn);
  const first = withoutStacks(() => judged(spec, { transcript: options.transcript === true, inputs: options.replay === true }));
  const { world, simulatedMs } = first;
  if (world.violation === null) return { seed, ok: true, transcript: world.transcript ?? [], counts: world.counts.all, simulatedMs };
  const again = options.transcript === true && world.violation.invariant !== "Assertion" ? first : judged(spec, { transcript: true, inputs: options.replay === true });
  const violation = again.world.violation ?? { invariant: "Determinism", what: `the second run of seed ${seed} did not fail: ${world.violation.invariant}: ${world.violation.what}`, atMs: world.violation.atMs };
  return { seed, ok: false, violation, transcript: again.world.transcript ?? [], counts: world.counts.all, simulatedMs };
}

/** Answers of the store that are lost are errors, thousands of them; where a stack matters the seed is run again. */
function withoutStacks<Value>(run: () => Value): Value {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return run();
  } finally {
    Error.stackTraceLimit = before;
  }
}

function judged(spec: FleetSpec, keep: Keep): { world: FleetWorld; simulatedMs: number } {
  const run = runFleet(spec, keep);
  if (run.world.violation === null && keep.inputs === true) judgeFleetReplay(run.world);
  return run;
}

export function runFleet(spec: FleetSpec, keep: Keep = {}, checkers: readonly ((world: FleetWorld) => FleetChecker)[] = FLEET_CHECKERS): { world: FleetWorld; simulatedMs: number } {
  const world = new FleetWorld(spec, (made) => checkers.map((make) => make(made)), keep);
  const crashed = (error: unknown): void => world.crashed(error);
  process.on("unhandledRejection", crashed);
  try {
    return { world, simulatedMs: world.run() };
  } finally {
    process.off("unhandledRejection", crashed);
  }
}
