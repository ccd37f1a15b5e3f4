// Types, lint and borders are tests, so that there is one summary. Each border is also offended on purpose, in a copy, to
// show that the check can fail: a check that sees nothing says "no violations" too.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const ROOT = join(import.meta.dirname, "..");
const TSC = join(ROOT, "node_modules/typescript/bin/tsc");
const OXLINT = join(ROOT, "node_modules/oxlint/bin/oxlint");
const CRUISER = join(ROOT, "node_modules/dependency-cruiser/bin/dependency-cruiser.mjs");

type Ran = { code: number; out: string };

function run(argv: readonly string[], cwd: string): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, [...argv], { cwd, maxBuffer: 64 << 20 }, (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code ?? 1), out: stdout + stderr }));
  });
}

type Cruise = { summary: { totalCruised: number; violations: { rule: { name: string }; from: string; to: string }[] } };

async function cruise(cwd: string): Promise<Cruise["summary"]> {
  const { out } = await run([CRUISER, "--config", "tools/depcruise.cjs", "--output-type", "json", "src", "lab", "sim"], cwd);
  return (JSON.parse(out.slice(out.indexOf("{"))) as Cruise).summary;
}

test("types", async () => {
  const { code, out } = await run([TSC, "--build"], ROOT);
  assert.equal(code, 0, out);
});

test("lint", async () => {
  const { code, out } = await run([OXLINT, "--deny-warnings", "src", "lab", "sim", "scripts", "scenarios", "bench", "e2e"], ROOT);
  assert.equal(code, 0, out);
});

test("borders", async () => {
  const { totalCruised, violations } = await cruise(ROOT);
  assert.ok(totalCruised > 100, `cruised only ${totalCruised} modules`);
  assert.deepEqual(violations.map((violation) => `${violation.rule.name}: ${violation.from} -> ${violation.to}`), []);
});

const copy = mkdtempSync(join(tmpdir(), "upkeep-borders-"));
after(() => rmSync(copy, { recursive: true, force: true }));

test("each border is seen when it is crossed", async () => {
  for (const part of ["src", "lab", "sim", "tools", "scripts", "scenarios", "bench", "tsconfig.json", "tsconfig.base.json", "package.json", ".oxlintrc.json"]) cpSync(join(ROOT, part), join(copy, part), { recursive: true, filter: (path) => !path.includes("node_modules") });
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  const offences: Record<string, string> = {
    "src/core/offence-import.ts": 'import { Agent } from "node:http";\nexport const agent = Agent;\n',
    "src/power/offence.ts": 'import { step } from "../watcher/watcher.ts";\nexport { step };\n',
    "src/protocol/offence.ts": 'export { LIMITS } from "../core/policy.ts";\n',
    "src/child/offence.ts": 'export { LIMITS } from "../core/policy.ts";\n',
    "lab/offence.ts": 'export * from "../src/power/power.ts";\n',
    "src/discovery/offence.ts": 'export { apc } from "../power/apc.ts";\n',
    "src/import/offence.ts": 'export { LIMITS } from "../core/policy.ts";\n',
    "src/web/pages/offence.tsx": 'import { step } from "../../core/step.ts";\nexport const Offence = () => <p>{String(step)}</p>;\n',
    "src/web/offence.ts": 'export { readFileSync } from "node:fs";\n',
    "src/api/offence.ts": 'export { PAGES } from "../web/pages/index.ts";\n',
    "src/process/offence.ts": 'export { apc } from "../power/apc.ts";\n',
    "src/link/offence.ts": 'export { createLog } from "../process/log.ts";\n',
    "src/agent/offence.ts": 'export { step } from "../watcher/watcher.ts";\n',
    "src/watcher/offence.ts": 'export { Agent } from "../agent/agent.ts";\n',
    "src/config/offence.ts": 'export * from "../cli/main.ts";\n',
  };
  for (const [file, text] of Object.entries(offences)) writeFileSync(join(copy, file), text);
  const seen = new Set((await cruise(copy)).violations.map((violation) => violation.from));
  for (const file of Object.keys(offences)) assert.ok(seen.has(file), `${file} crossed a border and was not seen`);
});

test("the core cannot reach for a clock, a timer or chance", async () => {
  const types: Record<string, string> = { timer: "export const t = setTimeout(() => {}, 1);\n", log: 'console.log("x");\nexport {};\n', process: "export const p = process.pid;\n", fetch: 'export const f = fetch("http://x");\n' };
  for (const [name, text] of Object.entries(types)) {
    const file = join(copy, `src/core/offence-${name}.ts`);
    writeFileSync(file, text);
    const { code } = await run([TSC, "--noEmit", "--ignoreConfig", "--target", "es2024", "--lib", "es2024", "--types", "", "--module", "nodenext", file], copy);
    assert.notEqual(code, 0, `${name} compiled in the core`);
    rmSync(file);
  }
  const lint: Record<string, string> = { date: "export const d = Date.now();\n", random: "export const r = Math.random();\n", promise: "export const p = Promise.resolve();\n", intl: "export const i = new Intl.NumberFormat();\n" };
  for (const [name, text] of Object.entries(lint)) {
    const file = join(copy, `src/core/offence-${name}.ts`);
    writeFileSync(file, text);
    const { code } = await run([OXLINT, file], copy);
    assert.notEqual(code, 0, `${name} was not seen in the core`);
    rmSync(file);
  }
});
