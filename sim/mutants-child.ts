// Runs seeds in the tree that it lies in until an invariant of safety.md is broken, and says which: one line of JSON, nothing else.
// `mutants-child.ts FIRST UNTIL one|fleet|leases|roster`: the seed FIRST, and then 1, 2, 3 … UNTIL. A violation that is only the program's own
// crash, or a run that does not repeat itself, proves nothing about an invariant and is passed over.

import type { MutantWorld, Verdict } from "./mutants.ts";
import { runIn } from "./mutants.ts";

const first = Number(process.argv[2]);
const until = Number(process.argv[3]);
const world = process.argv[4] as MutantWorld;

async function look(): Promise<Verdict> {
  let crashed = 0;
  for (let at = 0; at <= until; at += 1) {
    const seed = at === 0 ? first : at;
    if (at === first) continue;
    // With a transcript a seed that fails is not run twice, and the first one is expected to fail.
    const { violation } = await runIn(world, seed, at === 0);
    if (violation === undefined) continue;
    if (violation.invariant === "Assertion" || violation.invariant === "Determinism") crashed += 1;
    else return { kind: "caught", seed, invariant: violation.invariant, what: violation.what };
  }
  return { kind: "escaped", crashed };
}

// Whoever asked is gone: nobody waits for the answer.
process.stdin.on("end", () => process.exit(1)).resume();
process.stdin.unref();

process.stdout.write(`${JSON.stringify(await look())}\n`);
