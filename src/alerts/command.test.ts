import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Delivery } from "./channel.ts";
import { commandChannel } from "./command.ts";
import type { Message } from "./message.ts";

const MESSAGE: Message = {
  id: "1", alarm: "held:logos", kind: "held", severity: "critical", host: "logos", incident: "lusab-babad", state: "raised",
  subject: "logos is held $(touch /tmp/no) `id`", body: "What happened:\n  It is held.\n", happened: "It is held.", done: "", asked: "", count: 1, atMs: 0, event: 17,
};
const SENDER = { site: "homelab", watcher: "rikis" } as const;
const NEVER = new AbortController().signal;

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-command-"));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function deliver(argv: readonly string[], totalMs = 20_000, signal = NEVER, message = MESSAGE): Promise<Delivery> {
  return commandChannel("command", { run: argv, grouped: false }, SENDER, { totalMs }).deliver(message, null, signal);
}

test("the text comes on standard input, the facts in the environment, and nothing else of ours", () => inFolder(async (folder) => {
  process.env["UPKEEP_TEST_SECRET"] = "hunter2";
  try {
    assert.deepEqual(await deliver(["sh", "-c", 'cat > "$1/text"; env > "$1/env"', "sh", folder]), { kind: "delivered", note: null, left: [] });
  } finally {
    delete process.env["UPKEEP_TEST_SECRET"];
  }
  assert.equal(readFileSync(join(folder, "text"), "utf8"), `${MESSAGE.subject}\n\n${MESSAGE.body}`);
  const env = Object.fromEntries(readFileSync(join(folder, "env"), "utf8").trim().split("\n").map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
  const ours = Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith("UPKEEP_")));
  assert.deepEqual(ours, {
    UPKEEP_ID: "1", UPKEEP_EVENT: "17", UPKEEP_COUNT: "1", UPKEEP_ALARM: "held:logos", UPKEEP_KIND: "held", UPKEEP_SEVERITY: "critical", UPKEEP_STATE: "raised", UPKEEP_HOST: "logos",
    UPKEEP_INCIDENT: "lusab-babad", UPKEEP_SUBJECT: MESSAGE.subject, UPKEEP_SITE: "homelab", UPKEEP_WATCHER: "rikis",
  });
  const allowed = new Set(["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "PWD", "OLDPWD", "SHLVL", "_"]);
  assert.deepEqual(Object.keys(env).filter((name) => !name.startsWith("UPKEEP_") && !allowed.has(name)), []);
}));

test("no shell sees the arguments", () => inFolder(async (folder) => {
  const mark = join(folder, "mark");
  assert.equal((await deliver(["true", `; touch ${mark}`, `$(touch ${mark})`])).kind, "delivered");
  assert.equal(existsSync(mark), false);
}));

test("an exit code is a failure with what was said, bounded and printable", async () => {
  const result = await deliver(["sh", "-c", "printf 'modem\\033[31m busy\\n' >&2; exit 3"]);
  assert.deepEqual(result, { kind: "failed", evidence: "sh: exit 3: modem[31m busy" });
  const loud = await deliver(["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x >&2; exit 1"]);
  assert.equal(loud.kind, "failed");
  assert.ok(loud.kind === "failed" && loud.evidence.length < 400);
});

test("a program that does not exist, or does not read, is no crash", async () => {
  const missing = await deliver(["/nonexistent/page-me"]);
  assert.ok(missing.kind === "failed" && /page-me: (did not start|exit 12[67])/.test(missing.evidence), JSON.stringify(missing));
  const nothing = await deliver([""]);
  assert.equal(nothing.kind, "failed");
  const long = { ...MESSAGE, body: "x".repeat(1_000_000) };
  assert.equal((await deliver(["true"], 20_000, NEVER, long)).kind, "delivered");
});

test("a program that hangs is killed with all that it started", () => inFolder(async (folder) => {
  const result = await deliver(["sh", "-c", 'sleep 300 & echo $! > "$1/pid"; wait', "sh", folder], 500);
  assert.deepEqual(result, { kind: "failed", evidence: "sh: no end within 500 ms" });
  const pid = Number(readFileSync(join(folder, "pid"), "utf8"));
  assert.ok(pid > 1);
  const deadlineMs = performance.now() + 5_000;
  while (alive(pid) && performance.now() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(alive(pid), false, "its child lives on");
}));

test("what it leaves running in the background does not hold up the alert", { timeout: 15_000 }, async () => {
  const result = await deliver(["sh", "-c", "sleep 2 & exit 0"], 10_000);
  assert.equal(result.kind, "delivered");
});

test("it can be given up at once", { timeout: 15_000 }, async () => {
  const abort = new AbortController();
  const result = deliver(["sleep", "300"], 300_000, abort.signal);
  abort.abort();
  assert.deepEqual(await result, { kind: "failed", evidence: "sleep: aborted" });
});

function alive(pid: number): boolean {
  try {
    // A zombie that nobody has waited for yet is dead enough.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
