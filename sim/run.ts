// One seed, from its number to its verdict. A seed that fails is run once more with a transcript, since nothing but the
// number decides what happens.

import type { Checker } from "./checker.ts";
import { CHECKERS } from "./checkers/index.ts";
import { judgeClocks } from "./clocks.ts";
import { judgeReplay } from "./replay.ts";
import { draw } from "./spec.ts";
import type { Spec } from "./spec.ts";
import type { Keep, Violation } from "./world.ts";
import { World } from "./world.ts";

export type RunOptions = {
  /** Keep the transcript of a good run, too. */
  readonly transcript?: boolean;
  /** Also replay the recorded inputs and judge the replay; costly. */
  readonly replay?: boolean;
  /** Also run it with and without its clock faults and compare; costly, too. */
  readonly clocks?: boolean;
  readonly change?: (spec: Spec) => Spec;
};

export type RunResult = {
  readonly seed: number;
  readonly ok: boolean;
  readonly violation?: Violation;
  readonly transcript: readonly string[];
  readonly counts: ReadonlyMap<string, number>;
  readonly simulatedMs: number;
};

export function runSeed(seed: number, options: RunOptions = {}): Promise<RunResult> {
  return new Promise((resolve) => setImmediate(() => resolve(runNow(seed, options))));
}

function runNow(seed: number, options: RunOptions): RunResult {
  const drawn = draw(seed);
  const spec = options.change === undefined ? drawn : options.change(drawn);
  const inputs = options.replay === true;
  const first = runWorld(spec, { transcript: options.transcript === true, inputs });
  const { world } = first;
  if (world.violation === null && options.replay === true) judgeReplay(world);
  if (world.violation === null && options.clocks === true) judgeClocks(spec, world);
  if (world.violation === null) return { seed, ok: true, transcript: world.transcript ?? [], counts: world.counts.all, simulatedMs: first.simulatedMs };
  const again = options.transcript === true ? first : runWorld(spec, { transcript: true, inputs });
  if (again !== first && again.world.violation === null && options.replay === true) judgeReplay(again.world);
  if (again !== first && again.world.violation === null && options.clocks === true) judgeClocks(spec, again.world);
  const violation = again.world.violation ?? { invariant: "Determinism", what: `the second run of seed ${seed} did not fail: ${world.violation.invariant}: ${world.violation.what}`, atMs: world.violation.atMs };
  return { seed, ok: false, violation, transcript: again.world.transcript ?? [], counts: world.counts.all, simulatedMs: first.simulatedMs };
}

export function runWorld(spec: Spec, keep: Keep = {}, checkers: readonly ((world: World) => Checker)[] = CHECKERS): { world: World; simulatedMs: number } {
  const world = new World(spec, (made) => checkers.map((make) => make(made)), keep);
  const crashed = (error: unknown): void => world.crashed(error);
  process.on("unhandledRejection", crashed);
  try {
    const simulatedMs = world.run();
    return { world, simulatedMs };
  } finally {
    process.off("unhandledRejection", crashed);
  }
}
