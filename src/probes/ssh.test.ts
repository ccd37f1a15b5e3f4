import assert from "node:assert/strict";
import { standstill } from "../../lab/standstill.ts";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { assertEvidence, closedPort, conformance, noIcmp, tcpPeer, tcpSettings, until } from "./conformance.ts";
import { judgeIdentification, ssh } from "./ssh.ts";
import type { Finding } from "./probe.ts";

const BANNER = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n";
const LOOPBACK = { host: "patient", address: "127.0.0.1", family: 4 } as const;

conformance(
  ssh,
  tcpSettings(
    (port) => ({ port }),
    () => Buffer.from(BANNER),
  ),
);

function judged(text: string | Buffer): string {
  const found = judgeIdentification(Buffer.from(text as string));
  return found === null ? "waits" : found.outcome;
}

test("RFC 4253 §4.2: which identification strings are right", () => {
  assert.equal(judged(BANNER), "good");
  assert.equal(judged("SSH-1.99-Cisco-1.25\r\n"), "good");
  assert.equal(judged("SSH-2.0-dropbear_2022.83\n"), "good"); // a missing CR is tolerated, as §4.2 advises
  assert.equal(judged("Welcome\r\nto the jungle\r\nSSH-2.0-x\r\n"), "good");
  assert.equal(judged("SSH-1.5-old\r\n"), "bad");
  assert.equal(judged("SSH-2.0-\r\n"), "bad");
  assert.equal(judged("SSH-2.0-\x1b[2J\r\n"), "bad");
  assert.equal(judged(`SSH-2.0-${"x".repeat(300)}`), "bad");
  assert.equal(judged("\r\n".repeat(101)), "bad");
  for (let cut = 0; cut < BANNER.length; cut += 1) assert.equal(judged(BANNER.slice(0, cut)), "waits"); // no line feed, no banner
});

test("the banner is the evidence", () => {
  assert.equal(judgeIdentification(Buffer.from(BANNER))?.evidence, "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3");
});

test("random bytes never throw, are good only with a right line in them, and stay printable", () => {
  const chunk = fc.oneof(fc.uint8Array({ maxLength: 80 }), fc.constantFrom("SSH-2.0-a\r\n", "SSH-", "\n", "hello\n").map((text) => Buffer.from(text)));
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 12 }), (chunks) => {
      const bytes = Buffer.concat(chunks);
      const found = judgeIdentification(bytes);
      if (found !== null) assertEvidence(found);
      if (found?.outcome === "good") assert.match(bytes.toString("latin1"), /(^|\n)SSH-(2\.0|1\.99)-[\x20-\x7e]+\r?\n/);
    }),
    { numRuns: 1_000 },
  );
});

test("a server that turns us away in words is alive, and not judged", async () => {
  for (const [words, ends] of [["Exceeded MaxStartups\r\n", true], ["Not allowed at this time\r\n", true], ["Not allowed at this time", true]] as const) {
    const peer = await tcpPeer((socket) => void (ends ? socket.end(words) : socket.write(words)));
    const found = await ssh.run(LOOPBACK, { port: peer.port }, { icmp: noIcmp }, AbortSignal.timeout(10_000));
    assert.deepEqual([found.outcome, found.sign], ["unknown", "answer"], found.evidence);
    await peer.close();
  }
});

const SSHD = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"].find((path) => existsSync(path));
const noSshd = SSHD === undefined ? "sshd (Debian: openssh-server) is not installed" : false;

/** A real sshd in the foreground on a port of loopback, with nothing of the machine's own configuration. */
async function withSshd(extra: readonly string[], look: (port: number, daemon: ChildProcess, log: () => string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), `upkeep-sshd-${process.pid}-`));
  const key = join(folder, "key");
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
  // Debian's sshd wants its (empty) separation directory even in the foreground; other tests may be using it, so it stays.
  if (userInfo().uid === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  const port = await closedPort();
  const configuration = [`Port ${port}`, "ListenAddress 127.0.0.1", `HostKey ${key}`, "PidFile none", "UsePAM no", ...extra].join("\n");
  writeFileSync(join(folder, "config"), `${configuration}\n`);
  const daemon = spawn(SSHD ?? "", ["-D", "-e", "-f", join(folder, "config")], { stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(daemon, "exit");
  let log = "";
  daemon.stderr.setEncoding("utf8").on("data", (text: string) => (log += text));
  try {
    const endsAtMs = performance.now() + 10_000;
    while (!log.includes("listening on")) {
      assert.ok(daemon.exitCode === null && performance.now() < endsAtMs, `sshd did not start: ${log}`);
      await Promise.race([once(daemon.stderr, "data"), ended]);
    }
    await look(port, daemon, () => log);
  } finally {
    daemon.kill("SIGCONT");
    daemon.kill("SIGTERM");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
}

function lookAt(port: number, limitMs: number): Promise<Finding> {
  return ssh.run(LOOPBACK, { port }, { icmp: noIcmp }, AbortSignal.timeout(limitMs));
}

test("a real sshd is good; stopped, its kernel still accepts and nothing is said; running again it is good", { skip: noSshd }, async () => {
  await withSshd([], async (port, daemon, log) => {
    const found = await lookAt(port, 10_000);
    assert.equal(found.outcome, "good", found.evidence);
    assert.match(found.evidence, /^SSH-2\.0-OpenSSH_/);
    await until(() => /Connection (closed|reset) by/.test(log()), log());
    assert.doesNotMatch(log(), /kex_exchange_identification/); // the error that it logs about mute visitors
    await standstill(daemon);
    const controller = new AbortController();
    const told: string[] = [];
    const running = ssh.run(LOOPBACK, { port }, { icmp: noIcmp }, controller.signal, (text) => {
      told.push(text);
      if (text === "connected") setTimeout(() => controller.abort(new Error("enough")), 200);
    });
    await assert.rejects(running, /enough/);
    assert.deepEqual(told, ["not connected", "connected"]);
    daemon.kill("SIGCONT");
    assert.equal((await lookAt(port, 10_000)).outcome, "good");
  });
});

test("a real sshd at MaxStartups is not judged down", { skip: noSshd }, async () => {
  await withSshd(["MaxStartups 1:100:1", "LoginGraceTime 60"], async (port) => {
    const holding = net.connect({ host: "127.0.0.1", port });
    await once(holding, "data"); // its banner: one log-in is under way
    const found = await lookAt(port, 10_000);
    holding.destroy();
    assert.deepEqual(found, { outcome: "unknown", sign: "answer", evidence: 'sshd turned us away: "Exceeded MaxStartups"' });
  });
});
