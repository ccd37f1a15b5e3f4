import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { childGuard, evidenceOf, runChild, weakGuard } from "./child.ts";
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

test("a setpriv or a timeout that does not know what is asked of it is done without, and that is said", async () => {
  assert.equal(weakGuard(), null);
  const path = process.env["PATH"];
  const folder = mkdtempSync(join(tmpdir(), "upkeep-guard-"));
  try {
    process.env["PATH"] = `${folder}:${path}`;
    // As busybox's: it refuses an option that it does not know.
    writeFileSync(join(folder, "setpriv"), "#!/bin/sh\necho 'setpriv: unrecognized option' >&2\nexit 1\n", { mode: 0o755 });
    assert.equal(weakGuard(), `${folder}/setpriv does not know --pdeathsig: what is started is ended by its guard in the shell alone (install util-linux and coreutils)`);
    assert.match(childGuard()(1_500).join(" "), /timeout -s KILL 1\.500$/);
    writeFileSync(join(folder, "timeout"), "#!/bin/sh\nexit 125\n", { mode: 0o755 });
    assert.match(weakGuard() ?? "", /^\S+\/setpriv does not know --pdeathsig, and \S+\/timeout does not know/);
    const without = childGuard();
    // It runs, and what it has started is ended with it all the same.
    const ran = await runChild(without, ["/bin/sh", "-c", "sleep 612.5 & echo $!; wait"], { limitMs: 700 }, AbortSignal.timeout(30_000));
    assert.deepEqual(ran.end, { why: "no end within 700 ms" });
    const ended = (): boolean => {
      try {
        return / Z /.test(readFileSync(`/proc/${ran.stdout.trim()}/stat`, "latin1"));
      } catch {
        return true;
      }
    };
    for (const endMs = performance.now() + 20_000; !ended(); await sleep(20)) assert.ok(performance.now() < endMs, "what it has started lives on");
  } finally {
    process.env["PATH"] = path;
    rmSync(folder, { recursive: true });
  }
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
