// Runs every test file in a process of its own, two at a time (and a third that only waits), and counts what node:test does not: a skipped suite, a file
// without a test, a process that ended half-way. Ends with what was skipped and why, the third-party programs that took
// part with their versions, and one line with the sums. `bin/node24 scripts/test.ts [part of a path …]` runs some.

import { spawn } from "node:child_process";
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

const ROOT = join(import.meta.dirname, "..");
const AT_ONCE = 2;
const FILE_LIMIT_MS = 1_200_000;
/** Fleets of watchers wait for leases to end, a stranger for graces, most of the time: they go on beside the others. */
const PATIENT = /^e2e\/(fleet|chaos|quarter-hour)/;
/** Emulated machines take a whole core each: one at a time. */
const MACHINE = /hung-storage|e2e\/last-words|own-machine|small-machine|self-fence-vm|acpi/;
/** Long ones first, so that the last to end is a short one. */
const LONG = [MACHINE, /^sim\//, /third-party/, /^e2e\//, /^lab\//];
/** Processes know by this variable which file they were started for, and so do we when they outlive it. */
const MARK = "UPKEEP_TEST_OF";

type Line = { type: "test:pass" | "test:fail" | "test:summary"; name: string; suite: boolean; skip?: boolean | string; todo?: boolean | string; error?: string };
type Outcome = { file: string; passed: number; failures: string[]; skips: string[]; left: string[]; ms: number };

const asked = process.argv.slice(2);
const noSkip = process.env["UPKEEP_NO_SKIP"] === "1";
const scratch = mkdtempSync(join(tmpdir(), "upkeep-tests-"));
const thirdPartyFile = join(scratch, "third-party.jsonl");

const files = globSync("{src,sim,scenarios,lab,scripts,bench,e2e}/**/*.test.ts", { cwd: ROOT })
  .filter((file) => asked.length === 0 || asked.some((part) => file.includes(part)))
  .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));

function rank(file: string): number {
  const at = LONG.findIndex((part) => part.test(file));
  return at < 0 ? LONG.length : at;
}

function runFile(file: string): Promise<Outcome> {
  const began = performance.now();
  const mark = `${process.pid}/${(runs += 1)}`;
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", `--test-reporter=${join(ROOT, "scripts/test-reporter.ts")}`, file], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, UPKEEP_TEST_THIRD_PARTY: thirdPartyFile, [MARK]: mark },
    });
    let out = "";
    let noise = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (out += chunk));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (noise = (noise + chunk).slice(-8_000)));
    const limit = setTimeout(() => child.kill("SIGKILL"), FILE_LIMIT_MS);
    child.on("close", (code, signal) => {
      clearTimeout(limit);
      resolve({ ...judge(file, out, noise, code, signal, performance.now() - began), left: endWhatIsLeft(mark) });
    });
  });
}

/** Ends what a file started and left running, which would take the machine from the next: their command lines. */
function endWhatIsLeft(mark: string): string[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      if (!readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(`${MARK}=${mark}`)) return [];
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      process.kill(Number(pid), "SIGKILL");
      return words === "" ? [] : [words.slice(0, 200)];
    } catch {
      return [];
    }
  });
}

function judge(file: string, out: string, noise: string, code: number | null, signal: string | null, ms: number): Outcome {
  const outcome: Outcome = { file, passed: 0, failures: [], skips: [], left: [], ms };
  let summed = false;
  for (const text of out.split("\n")) {
    if (!text.startsWith('{"type":"test:')) {
      if (text !== "") noise += `${text}\n`;
      continue;
    }
    const line = JSON.parse(text) as Line;
    if (line.type === "test:summary") summed = true;
    else if (line.skip !== undefined && line.skip !== false) outcome.skips.push(`${file}: ${line.name}: ${line.skip === true ? "no reason given" : line.skip}`);
    else if (line.todo !== undefined && line.todo !== false) outcome.failures.push(`${file}: ${line.name}: marked as to do`);
    else if (line.type === "test:fail") {
      if (!line.suite) outcome.failures.push(`${file}: ${line.name}\n${line.error ?? ""}`);
    } else if (!line.suite) outcome.passed += 1;
  }
  if (!summed) outcome.failures.push(`${file}: ended half-way (${signal ?? `exit ${code}`})\n${noise.slice(-3_000)}`);
  else if (outcome.passed + outcome.failures.length + outcome.skips.length === 0) outcome.failures.push(`${file}: has no test`);
  else if (code !== 0 && outcome.failures.length === 0) outcome.failures.push(`${file}: exit ${code} although its tests passed\n${noise.slice(-3_000)}`);
  return outcome;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

let runs = 0;
let machines = 0;
const outcomes: Outcome[] = [];
const patient = files.filter((file) => PATIENT.test(file));
const busy = files.filter((file) => !PATIENT.test(file));
async function work(waiting: string[], instead: string[]): Promise<void> {
  for (let file = next(waiting) ?? next(instead); file !== undefined; file = next(waiting) ?? next(instead)) {
    const machine = MACHINE.test(file);
    if (machine) machines += 1;
    const outcome = await runFile(file);
    if (machine) machines -= 1;
    outcomes.push(outcome);
    const mark = outcome.failures.length > 0 ? "FAILED" : "ok";
    print(`${mark.padEnd(6)} ${(outcome.ms / 1_000).toFixed(1).padStart(6)} s  ${relative(ROOT, join(ROOT, file))}  (${outcome.passed} passed${outcome.failures.length > 0 ? `, ${outcome.failures.length} failed` : ""}${outcome.skips.length > 0 ? `, ${outcome.skips.length} skipped` : ""})`);
    for (const words of outcome.left) print(`       left running, and ended: ${words}`);
    for (const failure of outcome.failures) print(`       ${failure.slice(0, 1_500).replaceAll("\n", "\n         ")}`);
  }
}

function next(waiting: string[]): string | undefined {
  const at = waiting.findIndex((file) => machines === 0 || !MACHINE.test(file));
  return at < 0 ? undefined : waiting.splice(at, 1)[0];
}
await Promise.all([...Array.from({ length: AT_ONCE }, () => work(busy, [])), work(patient, busy)]);

// What real sockets and processes do within a second, they may not do on a machine that runs several files' worth of them:
// such a file is run once more, alone, and it is said that it was. What is pure has no such excuse.
const again: string[] = [];
for (const [index, before] of outcomes.entries()) {
  if (before.failures.length === 0 || /^(src\/core|src\/config|sim|scenarios|scripts)\//.test(before.file)) continue;
  const outcome = await runFile(before.file);
  outcomes[index] = outcome;
  print(`${(outcome.failures.length > 0 ? "FAILED" : "again").padEnd(6)} ${(outcome.ms / 1_000).toFixed(1).padStart(6)} s  ${before.file}  (alone)`);
  if (outcome.failures.length === 0) again.push(...before.failures);
}

const failures = outcomes.flatMap((outcome) => outcome.failures);
const skips = outcomes.flatMap((outcome) => outcome.skips);
const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);

function thirdParties(): Map<string, string> {
  const programs = new Map<string, string>();
  let text = "";
  try {
    text = readFileSync(thirdPartyFile, "utf8");
  } catch {
    return programs;
  }
  for (const line of text.split("\n").filter((each) => each !== "")) {
    const { name, version } = JSON.parse(line) as { name: string; version: string };
    programs.set(name, version);
  }
  return programs;
}

const programs = thirdParties();
if (programs.size > 0) {
  print("\nThird-party programs that took part:");
  for (const [name, version] of [...programs].sort()) print(`  ${name}: ${version}`);
}
if (asked.length === 0 && (noSkip || skips.length === 0)) {
  const listed = readFileSync(join(ROOT, "lab/third-party.txt"), "utf8").split("\n").map((line) => line.replace(/#.*/, "").trim()).filter((line) => line !== "");
  for (const name of listed) if (!programs.has(name)) failures.push(`third-party program ${name} is listed in lab/third-party.txt and took no part`);
  for (const name of programs.keys()) if (!listed.includes(name)) failures.push(`third-party program ${name} took part and is not listed in lab/third-party.txt`);
}
if (noSkip) for (const skip of skips) failures.push(`skipped where nothing may be: ${skip}`);
if (skips.length > 0) print(`\nSkipped:\n${skips.map((skip) => `  ${skip}`).join("\n")}`);
if (again.length > 0) print(`\nFailed on a busy machine, and passed alone:\n${again.map((failure) => `  ${failure.replaceAll("\n", "\n    ")}`).join("\n")}`);
if (failures.length > 0) print(`\nFailed:\n${failures.map((failure) => `  ${failure.replaceAll("\n", "\n    ")}`).join("\n")}`);
rmSync(scratch, { recursive: true, force: true });
print(`\nupkeep tests: ${passed} passed, ${failures.length} failed, ${skips.length} skipped`);
print(`tests: ${passed} passed, ${failures.length} failed, ${skips.length} skipped`);
process.exit(failures.length > 0 ? 1 : 0);
