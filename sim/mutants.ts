// Mutants: the simulator is worth what it catches. Each patch in sim/mutants/ breaks one rule of safety.md; here it is applied to a
// copy of the tree, and the seeds are run there, in a process of its own, until an invariant is broken: first the seed that
// its head remembers, then 1, 2, 3 … A seed counts only when the tree as it is passes it.
//
// `npm run mutants [-- NAME … --jobs N --remember]`. `--remember` writes the seed and the invariant into the patches.

import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runOne } from "./campaign.ts";
import { runLeases } from "./leases/world.ts";
import { runRoster } from "./roster/world.ts";

export type Mutant = {
  readonly name: string;
  /** What is broken, and which rule of safety.md that offends. */
  readonly sentence: string;
  /** Where it is looked for: with one watcher, with several, with leases (sim/leases), or with the roster of agents (sim/roster). */
  readonly world: MutantWorld;
  /** A seed that has caught it, and the invariant by which it did. */
  readonly seed: number;
  readonly invariant: string;
};

export type MutantWorld = "one" | "fleet" | "leases" | "roster";

/** What the child process says. */
export type Verdict = { readonly kind: "caught"; readonly seed: number; readonly invariant: string; readonly what: string } | { readonly kind: "escaped"; readonly crashed: number };

export type Outcome = { readonly mutant: Mutant; readonly ms: number } & ({ readonly ok: true; readonly seed: number; readonly invariant: string; readonly what: string } | { readonly ok: false; readonly because: string });

export const SEEDS = 4_000;
const ROOT = join(import.meta.dirname, "..");
const FOLDER = join(import.meta.dirname, "mutants");
const HEAD = /^(\S.*)\n(?:(fleet|leases|roster) )?seed: (\d+) \(([^)]+)\)\n\n---/;
/** A thousand seeds on a machine that others use, too. */
const LIMIT_MS = 600_000;

/** All mutants, or those that are named. */
export function mutants(names: readonly string[] = []): Mutant[] {
  const all = readdirSync(FOLDER).filter((file) => file.endsWith(".patch")).map((file) => file.slice(0, -".patch".length)).sort();
  const unknown = names.filter((name) => !all.includes(name));
  if (unknown.length > 0) throw new Error(`there is no mutant ${unknown.join(", ")}; mutants: ${all.join(", ")}`);
  return (names.length === 0 ? all : names).map((name) => {
    const text = readFileSync(patchOf(name), "utf8");
    const [, sentence, world, seed, invariant] = HEAD.exec(text) ?? [];
    if (sentence === undefined || seed === undefined || invariant === undefined) throw new Error(`${patchOf(name)}: the head is a sentence, then "seed: NUMBER (Invariant)", "fleet seed: …", "leases seed: …" or "roster seed: …", then an empty line`);
    if (!sentence.includes("safety.md §")) throw new Error(`${patchOf(name)}: the sentence names no rule of safety.md`);
    const elsewhere = [...text.matchAll(/^\+\+\+ (\S+)/gm)].find(([, path]) => path?.startsWith("b/src/") !== true);
    if (elsewhere !== undefined) throw new Error(`${patchOf(name)} changes ${elsewhere[1]}: only src/ may be broken`);
    return { name, sentence, world: (world as MutantWorld | undefined) ?? "one", seed: Number(seed), invariant };
  });
}

/** One seed in its world, with the judgements that its number is due. */
export async function runIn(world: MutantWorld, seed: number, transcript = false): Promise<{ readonly violation?: { readonly invariant: string; readonly what: string } }> {
  if (world === "leases") return runLeases(seed);
  if (world === "roster") return runRoster(seed);
  return runOne(seed, world === "fleet" ? {} : undefined, transcript);
}

function patchOf(name: string): string {
  return join(FOLDER, `${name}.patch`);
}

/** Breaks a copy of the tree and runs seeds there until one fails. */
export async function tryMutant(mutant: Mutant, seeds = SEEDS): Promise<Outcome> {
  const began = performance.now();
  const copy = mkdtempSync(join(tmpdir(), `upkeep-mutant-${process.pid}-`));
  const ended = () => ({ mutant, ms: performance.now() - began });
  try {
    copyTree(copy);
    const patched = await run("patch", ["-p1", "--fuzz=0", "--batch", "--input", patchOf(mutant.name)], copy);
    if (patched.code !== 0) return { ...ended(), ok: false, because: `the patch no longer applies: ${(patched.error || patched.out).trim()}` };
    const child = await run(process.execPath, ["--disable-warning=ExperimentalWarning", "sim/mutants-child.ts", String(mutant.seed), String(seeds), mutant.world], copy);
    if (child.code !== 0) return { ...ended(), ok: false, because: `the run of the seeds ended with ${child.code}: ${child.error.slice(-500)}` };
    const verdict = JSON.parse(child.out) as Verdict;
    if (verdict.kind === "escaped") return { ...ended(), ok: false, because: `not caught ${seeds === 0 ? `by seed ${mutant.seed}` : `within ${seeds} seeds`}${verdict.crashed > 0 ? `; it crashed in ${verdict.crashed}, which proves nothing` : ""}` };
    const { violation } = await runIn(mutant.world, verdict.seed);
    if (violation !== undefined) return { ...ended(), ok: false, because: `seed ${verdict.seed} fails without it, too (${violation.invariant}: ${violation.what}): that comes first` };
    return { ...ended(), ok: true, seed: verdict.seed, invariant: verdict.invariant, what: verdict.what };
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function copyTree(copy: string): void {
  for (const part of ["src", "sim"]) cpSync(join(ROOT, part), join(copy, part), { recursive: true, filter: (path) => !path.endsWith(".test.ts") && !path.endsWith(".patch") });
  for (const file of ["package.json", "tsconfig.json", "tsconfig.base.json"]) cpSync(join(ROOT, file), join(copy, file));
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
}

function run(program: string, args: readonly string[], cwd: string): Promise<{ code: number | string; out: string; error: string }> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd, stdio: ["pipe", "pipe", "pipe"], timeout: LIMIT_MS, killSignal: "SIGKILL" });
    let out = "";
    let error = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (out += chunk));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (error = (error + chunk).slice(-8_000)));
    child.on("error", (failure: NodeJS.ErrnoException) => resolve({ code: failure.code ?? "error", out, error: failure.code === "ENOENT" ? `${program} is not installed` : failure.message }));
    child.on("close", (code, signal) => resolve({ code: code ?? signal ?? "nothing", out, error }));
  });
}

/** Tries mutants, some at once, in their order. */
export async function tryAll(wanted: readonly Mutant[], jobs: number, seeds: number, each: (outcome: Outcome) => void): Promise<void> {
  const waiting = [...wanted];
  const work = async (): Promise<void> => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) each(await tryMutant(mutant, seeds));
  };
  await Promise.all(Array.from({ length: jobs }, work));
}

function remember({ mutant, seed, invariant }: Extract<Outcome, { ok: true }>): void {
  const text = readFileSync(patchOf(mutant.name), "utf8");
  writeFileSync(patchOf(mutant.name), text.replace(/^((?:fleet |leases |roster )?)seed: .*$/m, `$1seed: ${seed} (${invariant})`));
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ options: { jobs: { type: "string" }, seeds: { type: "string" }, remember: { type: "boolean" } }, allowPositionals: true });
  const failed: string[] = [];
  const wanted = mutants(positionals);
  await tryAll(wanted, Number(values.jobs ?? Math.min(2, availableParallelism())), Number(values.seeds ?? SEEDS), (outcome) => {
    const { name } = outcome.mutant;
    const seconds = (outcome.ms / 1_000).toFixed(1);
    if (!outcome.ok) failed.push(name);
    else if (values.remember === true) remember(outcome);
    process.stdout.write(outcome.ok ? `${name} caught by seed ${outcome.seed} (${outcome.invariant}) in ${seconds} s\n` : `${name} NOT caught in ${seconds} s: ${outcome.because}\n`);
  });
  process.stdout.write(`${wanted.length - failed.length} of ${wanted.length} mutants caught\n`);
  if (failed.length > 0) process.exitCode = 1;
}

if (import.meta.main) await main();
