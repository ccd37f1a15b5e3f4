// Remedies against the real thing: OpenSSH's client and server on loopback, and real programs.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { userInfo } from "node:os";
import { after, describe, test } from "node:test";
import { childGuard } from "../child/child.ts";
import { startDaemon } from "../../lab/daemon.ts";
import type { Daemon } from "../../lab/daemon.ts";
import { standstill } from "../../lab/standstill.ts";
import { lacking, thirdParty } from "../../lab/third-party.ts";
import { command } from "./command.ts";
import { ssh } from "./ssh.ts";
import type { SshRemedyOptions } from "./ssh.ts";

const guard = childGuard();
const LIMIT_MS = 10_000;

describe("ssh", { skip: lacking("sshd", "ssh", "ssh-keygen") }, async () => {
  const key = (folder: string, name: string): readonly string[] => ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", join(folder, name)];
  const daemon: Daemon = await startDaemon({
    name: "sshd",
    files: (folder, port) => ({ sshd_config: `Port ${port}\nListenAddress 127.0.0.1\nHostKey ${folder}/host\nAuthorizedKeysFile ${folder}/mine.pub\nStrictModes no\nUsePAM no\nPidFile none\nPasswordAuthentication no\nPermitRootLogin yes\nMaxStartups 100\n` }),
    before: (folder) => [key(folder, "host"), key(folder, "mine"), key(folder, "other")],
    argv: (folder) => ["/usr/sbin/sshd", "-D", "-e", "-f", join(folder, "sshd_config")],
  });
  if (userInfo().uid === 0) mkdirSync("/run/sshd", { recursive: true });
  const { folder, port } = daemon;
  execFileSync("sh", ["-c", `printf '[127.0.0.1]:%s %s\\n' ${port} "$(cat host.pub)" > known; printf '[127.0.0.1]:%s %s\\n' ${port} "$(cat other.pub)" > stranger`], { cwd: folder });
  after(() => daemon.stop());
  thirdParty("OpenSSH sshd", ["ssh", "-V"]);
  const options: SshRemedyOptions = { user: userInfo().username, port, command: ["true"], identity: join(folder, "mine"), knownHosts: join(folder, "known") };
  const run = (change: Partial<SshRemedyOptions>, limitMs = LIMIT_MS) => ssh.run({ host: "logos", address: "127.0.0.1" }, { ...options, ...change }, limitMs, guard);

  test("the command runs there, and each argument arrives as it is", async () => {
    const file = join(folder, "it's $HOME; `here` & \"there\"");
    assert.equal((await run({ command: ["touch", file] })).outcome, "done");
    assert.ok(existsSync(file));
    await run({ command: ["sh", "-c", "printf '%s|' \"$@\" > \"$0\"", join(folder, "words"), "a b", "", "*", "ü\\n"] });
    assert.equal(readFileSync(join(folder, "words"), "utf8"), "a b||*|ü\\n|");
  });

  test("a command that fails is not done, with its words", async () => {
    const end = await run({ command: ["sh", "-c", "echo not for you >&2; exit 3"] });
    assert.equal(end.outcome, "failed");
    assert.match(end.evidence, /exit 3.*not for you/);
  });

  test("a host whose key is another one, or that does not know us, or that refuses: certainly not done", async () => {
    for (const [change, said] of [[{ knownHosts: join(folder, "stranger") }, /Host key verification failed/], [{ identity: join(folder, "other") }, /Permission denied/], [{ port: 1 }, /refused/]] as const) {
      const end = await run(change);
      assert.equal(end.outcome, "failed", end.evidence);
      assert.match(end.evidence, said);
    }
  });

  test("a connection that breaks while it runs, and one that has no end: perhaps done", async () => {
    assert.equal((await run({ command: ["sh", "-c", "kill -9 $PPID"] })).outcome, "unknown");
    const began = performance.now();
    const end = await run({ command: ["sleep", "60"] }, 3_000);
    assert.equal(end.outcome, "unknown", end.evidence);
    assert.ok(performance.now() - began < 30_000);
  });

  test("a wedged host, which accepts and says nothing: not done, within the limit", async () => {
    await standstill(daemon.process);
    try {
      const end = await run({}, 6_000);
      assert.equal(end.outcome, "failed", end.evidence);
      assert.match(end.evidence, /banner|timed out/);
    } finally {
      daemon.process.kill("SIGCONT");
    }
  });
});

test("a program: done, not done, perhaps done; its placeholders are replaced, and no shell reads it", async () => {
  const run = (words: readonly string[], limitMs = LIMIT_MS) => command.run({ host: "logos", address: "10.0.0.11" }, { run: words }, limitMs, guard);
  assert.deepEqual(await run(["test", "{host} {address}", "=", "logos 10.0.0.11"]), { outcome: "done", evidence: "exit 0" });
  assert.equal((await run(["sh", "-c", "exit 1"])).outcome, "failed");
  assert.equal((await run(["sleep", "30"], 500)).outcome, "unknown");
  assert.equal((await run(["/nonexistent/program"])).outcome, "failed");
});
