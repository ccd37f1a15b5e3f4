import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { childGuard, evidenceOf, runChild } from "./child.ts";
import type { ChildOptions, Ran } from "./child.ts";

const guard = childGuard();
const shell = (script: string, options: Partial<ChildOptions> = {}, signal = AbortSignal.timeout(30_000)): Promise<Ran> => runChild(guard, ["/bin/sh", "-c", script], { limitMs: 20_000, ...options }, signal);

test("what is written to its input arrives whole, and ends", async () => {
  const input = "password=hunter2\n".repeat(5_000);
  const ran = await shell("cat | wc -c", { input });
  assert.deepEqual([ran.end, ran.stdout.trim()], [{ code: 0 }, String(input.length)]);
  assert.equal((await shell("cat; echo end")).stdout, "end\n", "no input is an empty one");
});

test("a program that does not read its input is judged by its end", async () => {
  assert.deepEqual((await shell("exit 3", { input: "x".repeat(1_000_000) })).end, { code: 3 });
});

test("the beginning of standard output and the end of both streams are kept, of megabytes too", async () => {
  const ran = await shell("echo first; head -c 5000000 /dev/zero | tr '\\0' x; echo; echo last >&2", { keepBytes: 10 });
  assert.deepEqual([ran.end, ran.stdout, ran.whole], [{ code: 0 }, "first\nxxxx", false]);
  assert.ok(ran.said.length <= 65_536);
  assert.match(evidenceOf(ran), /^exit 0: …x+ \| last$/);
  const short = await shell("printf '0123456789'", { keepBytes: 10 });
  assert.deepEqual([short.stdout, short.whole], ["0123456789", true]);
});

test("output that lies in the pipe at the end is not lost", async () => {
  for (let round = 0; round < 5; round++) assert.equal((await shell("head -c 60000 /dev/zero | tr '\\0' y")).stdout.length, 60_000);
});

test("its environment is PATH, LANG and what is given, and its arguments are all that a listing of processes shows", async () => {
  process.env["UPKEEP_TEST_CHILD"] = "leak";
  const names = (await shell("env", { env: { IPMI_PASSWORD: "x" } })).stdout.split("\n").map((line) => line.split("=")[0]);
  for (const name of names) assert.ok(["PATH", "LANG", "PWD", "IPMI_PASSWORD", "_", "SHLVL", ""].includes(name ?? ""), name);
  assert.ok(names.includes("IPMI_PASSWORD"));
  const seen = (await shell("cat /proc/$PPID/cmdline /proc/$$/cmdline | tr '\\0' ' '", { env: { IPMI_PASSWORD: "sesame" }, input: "hunter2" })).stdout;
  assert.doesNotMatch(seen, /sesame|hunter2/);
});

test("one that has left its group and holds the pipes does not hold us", async () => {
  const began = performance.now();
  const ran = await shell("setsid sh -c 'echo $$; exec sleep 5' & sleep 0.3; exit 0");
  assert.deepEqual(ran.end, { code: 0 });
  assert.ok(performance.now() - began < 4_500, "it waited for a stranger");
  process.kill(Number(ran.stdout.trim()), "SIGKILL");
});

test("an abort that has come already lets nothing live", async () => {
  const ran = await shell("sleep 61.5", {}, AbortSignal.abort());
  assert.deepEqual(ran.end, { why: "aborted" });
});

test("a program that is not there has ended", async () => {
  const ran = await runChild(() => [], ["/nonexistent/program"], { limitMs: 1_000 }, AbortSignal.timeout(10_000));
  assert.deepEqual(ran.end, { why: "did not start: ENOENT" });
});

test("evidence is one printable line without secrets, the longer of two first", () => {
  const said = "login admin\n\u001b[31mpassword admin-secret refused\r\n";
  assert.equal(evidenceOf({ end: { code: 1 }, said }, ["admin", "admin-secret", ""]), "exit 1: login [hidden] | [31mpassword [hidden] refused");
  assert.equal(evidenceOf({ end: { why: "no end within 5 ms" }, said: "" }), "no end within 5 ms");
});

test("the module knows nobody: it can be shared by families that must not know each other", () => {
  for (const file of ["child.ts", "find-program.ts"]) assert.doesNotMatch(readFileSync(new URL(file, import.meta.url), "utf8"), /from "\.\.\//);
});
