import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { withDaemon } from "../../lab/daemon.ts";
import type { DaemonPlan } from "../../lab/daemon.ts";
import { must, whichProgram } from "../../lab/child.ts";
import { standstill } from "../../lab/standstill.ts";
import { lacking, thirdParty } from "../../lab/third-party.ts";
import { EXPIRED, KEY } from "./certificates.fixture.ts";
import { assertEvidence, conformance, noIcmp, tcpPeer, tcpSettings, until } from "./conformance.ts";
import type { Finding } from "./probe.ts";
import { judgeReplies, redis } from "./redis.ts";
import type { RedisOptions } from "./redis.ts";

const LOOPBACK = { host: "patient", address: "127.0.0.1", family: 4 } as const;

conformance(
  redis,
  tcpSettings(
    (port) => ({ port, tls: false }),
    (read) => (read.includes("PING\r\n") ? Buffer.from("+PONG\r\n") : null),
  ),
);

conformance(
  { ...redis, name: "redis with a password" },
  tcpSettings(
    (port) => ({ port, tls: false, password: "hunter2 sesame" }),
    (read) => (read.includes("PING\r\n") ? Buffer.from("+OK\r\n+PONG\r\n") : null),
  ),
);

function judged(text: string, password?: string): string {
  const found = judgeReplies(Buffer.from(text), password === undefined ? {} : { password });
  return found === null ? "waits" : `${found.outcome}: ${found.evidence}`;
}

test("which answers are good, bad, or of a server that lives and cannot be judged", () => {
  assert.equal(judged("+PONG\r\n"), "good: PONG");
  assert.equal(judged("+OK\r\n+PONG\r\n", "x"), "good: PONG");
  assert.equal(judged("-NOAUTH Authentication required.\r\n"), "good: answers, and wants a password");
  assert.match(judged("-LOADING Redis is loading the dataset in memory\r\n"), /^unknown: .*LOADING/);
  assert.match(judged("-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n"), /^unknown/);
  assert.match(judged("-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.\r\n"), /^unknown/);
  assert.match(judged("-ERR max number of clients reached\r\n"), /^unknown/);
  assert.match(judged("-WRONGPASS invalid username-password pair or user is disabled.\r\n-NOAUTH Authentication required.\r\n", "x"), /^unknown/);
  assert.match(judged("-BUSY Redis is busy running a script.\r\n"), /^bad: BUSY/);
  assert.match(judged("+PANG\r\n"), /^bad: not a Redis answer/);
  assert.match(judged("HTTP/1.1 400 Bad Request\r\n\r\n"), /^bad/);
  for (let cut = 0; cut < 7; cut += 1) assert.equal(judged("+PONG\r\n".slice(0, cut)), "waits");
  assert.equal(judged("+OK\r\n", "x"), "waits");
});

test("a password is in no evidence, however the server repeats it", () => {
  assert.doesNotMatch(judged("-ERR unknown command 'AUTH' with args 'hunter2'\r\n", "hunter2"), /hunter2/);
});

test("a password cannot end the command that it stands in", async () => {
  let heard = "";
  const peer = await tcpPeer((socket) => socket.on("data", (bytes) => {
    heard += bytes.toString();
    if (heard.endsWith("PING\r\n")) socket.end("+OK\r\n+PONG\r\n");
  }));
  await redis.run(LOOPBACK, { port: peer.port, tls: false, username: "ü", password: "a\r\nFLUSHALL" }, { icmp: noIcmp }, AbortSignal.timeout(10_000));
  await peer.close();
  assert.equal(heard, "*3\r\n$4\r\nAUTH\r\n$2\r\nü\r\n$11\r\na\r\nFLUSHALL\r\n*1\r\n$4\r\nPING\r\n");
});

test("random answers never throw, are good only with a PONG, and stay printable", () => {
  const chunk = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constantFrom("+PONG\r\n", "+OK\r\n", "-", "\r\n", "-ERR x\r\n").map((text) => Buffer.from(text)));
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 8 }), fc.option(fc.string(), { nil: undefined }), (chunks, password) => {
      const bytes = Buffer.concat(chunks);
      const found = judgeReplies(bytes, { password });
      if (found !== null) assertEvidence(found);
      if (found?.outcome === "good") assert.ok(bytes.includes("+PONG\r\n") || bytes.includes("-NOAUTH "));
    }),
    { numRuns: 1_000 },
  );
});

const missing = lacking("redis-server", "redis-cli");
const server = whichProgram("redis-server") ?? "";

function plan(...extra: readonly string[]): DaemonPlan {
  return { name: "redis", argv: (folder, port) => [server, "--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no", ...extra] };
}

function look(options: Partial<RedisOptions> & { readonly port: number }): Promise<Finding> {
  return redis.run(LOOPBACK, { tls: false, ...options }, { icmp: noIcmp }, AbortSignal.timeout(10_000));
}

test("a real Redis over TLS, its certificate expired years ago: power mends no certificate", { skip: missing }, async () => {
  const overTls: DaemonPlan = {
    name: "redis-tls",
    files: () => ({ key: KEY, cert: EXPIRED }),
    argv: (folder, port) => [server, "--port", "0", "--tls-port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--tls-cert-file", `${folder}/cert`, "--tls-key-file", `${folder}/key`, "--tls-ca-cert-file", `${folder}/cert`, "--tls-auth-clients", "no"],
  };
  await withDaemon(overTls, async ({ port }) => {
    assert.deepEqual(await look({ port, tls: true }), { outcome: "good", sign: "answer", evidence: "PONG" });
    const clear = await look({ port });
    assert.equal(clear.outcome, "bad", clear.evidence);
  });
  // Whoever makes a server ask for certificates shall not have its power cut for it.
  await withDaemon({ ...overTls, argv: (folder, port) => [...overTls.argv(folder, port), "--tls-auth-clients", "yes"] }, async ({ port }) => {
    const strict = await look({ port, tls: true });
    assert.deepEqual([strict.outcome, strict.sign], ["unknown", "answer"], strict.evidence);
  });
});

test("a real Redis: good, stopped it is silent, its password wrong and right, a script that does not end, no master", { skip: missing }, async () => {
  thirdParty("Redis", [server, "--version"]);
  await withDaemon(plan("--requirepass", "sesame", "--busy-reply-threshold", "50"), async ({ port, process }) => {
    assert.deepEqual(await look({ port }), { outcome: "good", sign: "answer", evidence: "answers, and wants a password" });
    assert.deepEqual(await look({ port, password: "sesame" }), { outcome: "good", sign: "answer", evidence: "PONG" });
    const wrong = await look({ port, password: "open it" });
    assert.deepEqual([wrong.outcome, wrong.sign], ["unknown", "answer"], wrong.evidence);
    assert.doesNotMatch(wrong.evidence, /open it/);

    const cli = [whichProgram("redis-cli") ?? "", "-p", String(port), "-a", "sesame", "--no-auth-warning"];
    const script = must([...cli, "eval", "while true do end", "0"]).catch(() => "killed");
    let busy: Finding;
    do busy = await look({ port, password: "sesame" });
    while (busy.outcome === "good");
    assert.deepEqual([busy.outcome, busy.sign], ["bad", "answer"], busy.evidence);
    assert.match(busy.evidence, /^BUSY/);
    await must([...cli, "script", "kill"]);
    await script;

    await must([...cli, "replicaof", "127.0.0.1", "1"]);
    await must([...cli, "config", "set", "replica-serve-stale-data", "no"]);
    const alone = await look({ port, password: "sesame" });
    assert.deepEqual([alone.outcome, /MASTERDOWN/.test(alone.evidence)], ["unknown", true], alone.evidence);

    await standstill(process);
    const controller = new AbortController();
    const told: string[] = [];
    const silent = redis.run(LOOPBACK, { port, tls: false }, { icmp: noIcmp }, controller.signal, (text) => told.push(text));
    await until(() => told.includes("connected"), "its kernel did not accept");
    controller.abort(new Error("enough"));
    await assert.rejects(silent, /enough/);
    process.kill("SIGCONT");
  });
});
