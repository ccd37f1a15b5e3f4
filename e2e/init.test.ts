// `upkeep init` as a person meets it: on a terminal (a real one, by script(1)), keystroke by keystroke; and where there is none.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../lab/child.ts";
import { labRefusal, startLab } from "../lab/machine.ts";
import { startRig, UPKEEP } from "../lab/rig.ts";
import { lacking } from "../lab/third-party.ts";
import { until } from "./watching.ts";

const LIMIT_MS = 60_000;
const PASSWORD = "sesame-of-the-terminal";
const UP = "\u001b[A";
const DOWN = "\u001b[B";

/** What is shown, and what is typed then. */
const TALK: readonly (readonly [RegExp, string])[] = [
  [/Where shall I look/, "\r"],
  [/What switches the power/, "\r"],
  [/What is it called/, "\r"],
  [/address: Where the device is/, "10.0.0.9\r"],
  [/password of sucker/, `${PASSWORD}\r`],
  [/Another power device/, `${UP}\r`],
  [/first host/, "logos\r"],
  [/address of logos/, "10.0.0.11\r"],
  [/outlet of logos/, "2\r"],
  [/next host/, "ethos\r"],
  [/address of ethos/, "10.0.0.12\r"],
  // Taken already: asked again.
  [/outlet of ethos/, "2\r"],
  [/next host/, "ethos\r"],
  [/address of ethos/, "10.0.0.12\r"],
  [/outlet of ethos/, "3\r"],
  [/next host/, "\r"],
  [/what they serve/, "n"],
  [/What must answer/, "10.0.0.1\r"],
  [/Whom to call/, "you@example.org\r"],
  [/How many watchers/, "\r"],
];

/** Types on a terminal what is to be typed at each question; what was shown, when it has ended well. */
async function talk(child: ChildProcess, questions: readonly (readonly [RegExp, string])[]): Promise<string> {
  let shown = "";
  let code: number | null = null;
  let ended = false;
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => (shown += chunk));
  child.on("close", (exit) => {
    code = exit;
    ended = true;
  });
  try {
    let from = 0;
    for (const [question, keys] of questions) {
      await until(`it asks ${question}`, () => question.test(shown.slice(from)) || ended, LIMIT_MS);
      assert.ok(question.test(shown.slice(from)), `it ended with ${code} instead of asking ${question}: ${shown.slice(-2_000)}`);
      from = shown.length;
      child.stdin?.write(keys);
    }
    await until("it ends", () => ended, LIMIT_MS);
  } finally {
    child.kill("SIGKILL");
  }
  assert.equal(code, 0, shown.slice(-2_000));
  return shown;
}

test("questions on a terminal; what they lead to passes the check", { skip: lacking("script") }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-e2e-init-"));
  try {
    const out = join(folder, "upkeep.yaml");
    const shown = await talk(spawn("script", ["-q", "-e", "-c", `stty cols 120 rows 50 && ${UPKEEP} init --out ${out}`, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"], env: { ...process.env, TERM: "xterm", NO_COLOR: "1" } }), TALK);
    assert.match(shown, /sucker\/2/);
    assert.ok(!shown.includes(PASSWORD), "a password is not shown");
    assert.equal(readFileSync(join(folder, "sucker.password"), "utf8"), `${PASSWORD}\n`);
    assert.equal(statSync(join(folder, "sucker.password")).mode & 0o777, 0o600);
    const checked = await run([UPKEEP, "check", "--strict", "-c", out], { timeoutMs: LIMIT_MS });
    assert.equal(checked.code, 0, `${checked.stdout}\n${readFileSync(out, "utf8")}`);
    assert.match(checked.stdout, /no problems; 2 hosts, 1 power device/);
    const effective = await run([UPKEEP, "check", "--effective", "ethos", "-c", out], { timeoutMs: LIMIT_MS });
    assert.match(effective.stdout, /sucker\/3/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("looking round at a terminal: a strip and hosts that nobody named", { skip: lacking("script") || (labRefusal() ?? false) }, async () => {
  const rig = await startRig({ hosts: ["logos", "ethos"], kind: "machines" });
  try {
    const node = await rig.lab?.node("watcher");
    assert.ok(node !== undefined);
    mkdirSync(join(rig.folder, ".ssh"));
    writeFileSync(join(rig.folder, ".ssh/known_hosts"), ["logos", "ethos"].map((name) => `${name},${rig.host(name).address} ssh-ed25519 AAAA\n`).join(""));
    const out = join(rig.folder, "found/upkeep.yaml");
    const child = node.spawn(["script", "-q", "-e", "-c", `stty cols 120 rows 50 && ${UPKEEP} init --out ${out}`, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"], env: { ...process.env, HOME: rig.folder, TERM: "xterm", NO_COLOR: "1" } });
    // The first two sources: the network that the machine is in, and where it has been by ssh. `a` takes all.
    const shown = await talk(child, [
      [/Where shall I look/, ` ${DOWN} \r`], [/What switches the power[^]*apc at 10\.77\./, "\r"], [/What is it called/, "\r"], [/password of sucker/, `${rig.password}\r`], [/Another power device/, `${UP}\r`],
      [/Which of these[^]*logos[^]*ethos/, "a\r"], [/outlet of logos/, "2\r"], [/outlet of ethos/, "3\r"], [/next host/, "\r"], [/What must answer/, "\r"], [/Whom to call/, "\r"], [/How many watchers/, "\r"],
    ]);
    assert.match(shown, /10\.77\.0\.0\/24: \d of 254 addresses answer/);
    const text = readFileSync(out, "utf8");
    for (const [name, outlet] of [["logos", 2], ["ethos", 3]] as const) assert.match(text, new RegExp(`  ${name}:\\n    address: ${rig.host(name).address}\\n    power: sucker/${outlet}\\n    probes: \\[ ping, ssh, dns \\]`));
    assert.equal((await run([UPKEEP, "check", "-c", out], { timeoutMs: LIMIT_MS })).code, 0);
  } finally {
    await rig.stop();
  }
});

test("Ctrl-C ends a scan with what was found so far, and writes it", { skip: labRefusal() ?? false }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-e2e-init-"));
  const lab = await startLab();
  try {
    const node = await lab.node("watcher");
    const out = join(folder, "upkeep.yaml");
    writeFileSync(join(folder, "hosts"), "10.77.0.99 logos\n");
    // Four thousand addresses on the wire where nobody is: a minute, if it were left alone.
    const child = node.spawn([UPKEEP, "init", "--from", `hosts=${join(folder, "hosts")}`, "--scan", "10.77.64.0/20", "--yes", "--out", out], { stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (said += chunk));
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    await until("it scans", () => said.includes("Ctrl-C"), LIMIT_MS);
    child.kill("SIGINT");
    assert.equal(await ended, 0, said);
    assert.match(said, /addresses answer, as far as they were asked|10\.77\.64\.0\/20: not looked at any more/);
    assert.match(readFileSync(out, "utf8"), /^  logos:/m);
  } finally {
    await lab.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

test("without a terminal and without flags: exit 2, and which flags", async () => {
  const { code, stderr } = await run([UPKEEP, "init"], { timeoutMs: LIMIT_MS });
  assert.equal(code, 2);
  for (const flag of ["--power", "--secret", "--host", "--reference", "--mail"]) assert.ok(stderr.includes(flag), stderr);
});

test("by flags, the password on standard input", async () => {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-e2e-init-"));
  try {
    const out = join(folder, "upkeep.yaml");
    const made = await run([UPKEEP, "init", "--power", "sucker=apc:10.0.0.9", "--secret", "sucker.password=-", "--host", "logos=10.0.0.11,2", "--reference", "10.0.0.1", "--mail", "you@example.org", "--out", out], { input: `${PASSWORD}\n`, timeoutMs: LIMIT_MS });
    assert.equal(made.code, 0, made.stderr);
    const checked = await run([UPKEEP, "check", "--strict", "-c", out], { timeoutMs: LIMIT_MS });
    assert.equal(checked.code, 0, checked.stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
