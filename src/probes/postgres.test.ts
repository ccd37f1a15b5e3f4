import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { withDaemon } from "../../lab/daemon.ts";
import type { Daemon, DaemonPlan } from "../../lab/daemon.ts";
import { must } from "../../lab/child.ts";
import { standstill } from "../../lab/standstill.ts";
import { thirdParty } from "../../lab/third-party.ts";
import { CERTIFICATE, KEY } from "./certificates.fixture.ts";
import { NASTY, assertEvidence, conformance, noIcmp, tcpPeer, tcpSettings, until } from "./conformance.ts";
import { judgeStartup, postgres } from "./postgres.ts";
import type { PostgresOptions } from "./postgres.ts";
import type { Finding } from "./probe.ts";

const LOOPBACK = { host: "patient", address: "127.0.0.1", family: 4 } as const;
const PLAIN = { user: "upkeep", database: "postgres", tls: false } as const;

function message(type: string, body: Buffer | string): Buffer {
  const bytes = Buffer.from(body as string);
  const head = Buffer.alloc(5);
  head.write(type, 0, "latin1");
  head.writeInt32BE(bytes.length + 4, 1);
  return Buffer.concat([head, bytes]);
}

const int = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const SASL = message("R", Buffer.concat([int(10), Buffer.from("SCRAM-SHA-256\0\0")]));
const OK = message("R", int(0));
const error = (state: string, text: string): Buffer => message("E", `SFATAL\0VFATAL\0C${state}\0M${text}\0\0`);
const READY = message("Z", "I");
/** The first message of a client is complete. */
const whole = (read: Buffer): boolean => read.length >= 8 && read.length >= read.readInt32BE(0);

conformance(
  postgres,
  tcpSettings(
    (port): PostgresOptions => ({ ...PLAIN, port }),
    (read) => (whole(read) ? SASL : null),
  ),
);

/** The whole answer to a query: one row of one boolean. */
const row = (value: string): Buffer => Buffer.concat([
  message("T", Buffer.concat([Buffer.from([0, 1]), Buffer.from("a\0"), int(0), Buffer.from([0, 0]), int(16), Buffer.from([0, 1]), int(-1), Buffer.from([0, 0])])),
  message("D", Buffer.concat([Buffer.from([0, 1]), int(value.length), Buffer.from(value)])),
  message("C", "SELECT 1\0"), READY,
]);
const BEGUN = Buffer.concat([message("C", "BEGIN\0"), message("C", "SET\0"), READY]);

const query = (read: Buffer): boolean => read[0] === 0x51 && read.length >= 5 && read.length >= 1 + read.readInt32BE(1);

conformance(
  { ...postgres, name: "postgres with a query" },
  tcpSettings(
    (port): PostgresOptions => ({ ...PLAIN, port, query: "SELECT true" }),
    (read) => (whole(read) ? Buffer.concat([OK, READY]) : null),
    (read) => (query(read) ? BEGUN : null),
    (read) => (query(read) ? row("t") : null),
  ),
);

/** A server that answers the startup, BEGIN and the query with these. */
async function answering(answers: readonly (Buffer | string)[], options: Partial<PostgresOptions> = {}): Promise<Finding> {
  const peer = await tcpPeer((socket) => {
    let next = 0;
    socket.on("data", () => {
      const answer = answers[next];
      next += 1;
      if (answer === undefined) socket.end();
      else socket.write(answer);
    });
  });
  try {
    return await postgres.run(LOOPBACK, { ...PLAIN, port: peer.port, query: "SELECT true", ...options }, { icmp: noIcmp }, AbortSignal.timeout(10_000));
  } finally {
    await peer.close();
  }
}

function judged(bytes: Buffer): string {
  const found = judgeStartup(bytes);
  return found === null ? "waits" : `${found.finding.outcome}: ${found.finding.evidence}`;
}

test("pg_isready's own rule: accepting, and what is only turned away", () => {
  assert.equal(judged(SASL), "good: accepting connections");
  assert.equal(judged(OK), "good: accepting connections");
  assert.equal(judged(error("28000", "no pg_hba.conf entry")), "good: accepting connections (no pg_hba.conf entry)");
  assert.match(judged(error("57P03", "the database system is starting up")), /^unknown: PostgreSQL turned us away: "the database system is starting up"/);
  assert.match(judged(error("53300", "sorry, too many clients already")), /^unknown/);
  assert.match(judged(Buffer.concat([message("N", "SNOTICE\0C00000\0Mx\0\0"), SASL])), /^good/);
  assert.match(judged(error("", "no code")), /^bad: not PostgreSQL/);
  // A postmaster that cannot fork says so as protocol 2 had it, without a length.
  assert.match(judged(Buffer.from("Ecould not fork new process for connection: Cannot allocate memory\n\0")), /^bad: not PostgreSQL: "Ecould not fork/);
  for (const wrong of ["SSH-2.0-OpenSSH\r\n", "HTTP/1.1 400 Bad Request\r\n", "\0\0\0\0\0\0"]) assert.match(judged(Buffer.from(wrong)), /^bad/, wrong);
  for (let cut = 0; cut < SASL.length; cut += 1) assert.equal(judged(SASL.subarray(0, cut)), "waits");
});

test("random answers to the startup never throw, and stay printable", () => {
  const chunk = fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(SASL, OK, READY, error("57P03", "x"), error("XX000", "\u202ex")));
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 6 }), (chunks) => {
      const found = judgeStartup(Buffer.concat(chunks));
      if (found !== null) assertEvidence(found.finding);
    }),
    { numRuns: 1_000 },
  );
});

test("a query wants a row whose first value is neither false nor null", async () => {
  const begun = [Buffer.concat([OK, READY]), BEGUN];
  assert.deepEqual(await answering([...begun, row("t")]), { outcome: "good", sign: "answer", evidence: "the query returned true" });
  assert.deepEqual(await answering([...begun, row("f")]), { outcome: "bad", sign: "answer", evidence: "the query returned false" });
  assert.equal((await answering([...begun, Buffer.concat([message("C", "SELECT 0\0"), READY])])).outcome, "bad");
});

test("errors of the server itself are bad, those of the configuration prove nothing", async () => {
  const begun = [Buffer.concat([OK, READY]), BEGUN];
  const said = async (state: string): Promise<string> => (await answering([...begun, Buffer.concat([error(state, `error ${state}`), READY])])).outcome;
  for (const state of ["53100", "53200", "58030", "XX000", "XX001", "57014"]) assert.equal(await said(state), "bad", state);
  for (const state of ["42P01", "42501", "25006", "0A000", "57P01", "57P02", "57P03", "53300"]) assert.equal(await said(state), "unknown", state);
  for (const state of ["28P01", "28000", "3D000", "57P03"]) assert.equal((await answering([error(state, "no")])).outcome, "unknown", state);
});

test("a password is not sent in clear where there is no TLS, and is wanted where there is none", async () => {
  const heard: string[] = [];
  const peer = await tcpPeer((socket) => socket.on("data", (bytes) => {
    heard.push(bytes.toString("latin1"));
    socket.write(message("R", int(3)));
  }));
  const look = (options: Partial<PostgresOptions>): Promise<Finding> => postgres.run(LOOPBACK, { ...PLAIN, port: peer.port, query: "SELECT 1", ...options }, { icmp: noIcmp }, AbortSignal.timeout(10_000));
  const clear = await look({ password: "sesame" });
  const none = await look({});
  await peer.close();
  assert.deepEqual([clear.outcome, /in clear/.test(clear.evidence)], ["unknown", true], clear.evidence);
  assert.deepEqual([none.outcome, /none is configured/.test(none.evidence)], ["unknown", true], none.evidence);
  assert.doesNotMatch(heard.join(""), /sesame/);
});

test("what is not PostgreSQL is bad in a session too, whatever the library makes of it", async () => {
  const begun = [Buffer.concat([OK, READY]), BEGUN];
  for (const wrong of [NASTY, "SSH-2.0-OpenSSH\r\n", message("D", int(-1)), message("T", Buffer.from([0xff, 0xff])), message("R", int(99))]) {
    for (const before of [[], begun]) {
      const peer = await tcpPeer((socket) => {
        let next = 0;
        socket.on("data", () => {
          const answer = before[next];
          next += 1;
          if (answer === undefined) socket.end(wrong);
          else socket.write(answer);
        });
      });
      const found = await postgres.run(LOOPBACK, { ...PLAIN, port: peer.port, query: "SELECT 1" }, { icmp: noIcmp }, AbortSignal.timeout(10_000));
      await peer.close();
      assertEvidence(found);
      assert.deepEqual([found.outcome, found.sign], ["bad", "answer"], found.evidence);
    }
  }
});

test("random bytes in a session never throw, are never good, and never last", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(OK, READY, SASL, BEGUN)), { maxLength: 5 }), async (chunks) => {
      const peer = await tcpPeer((socket) => socket.once("data", () => socket.end(Buffer.concat(chunks))));
      const found = await postgres.run(LOOPBACK, { ...PLAIN, port: peer.port, query: "SELECT 1", password: "x" }, { icmp: noIcmp }, AbortSignal.timeout(10_000));
      await peer.close();
      assertEvidence(found);
      assert.notEqual(found.outcome, "good", found.evidence);
    }),
    { numRuns: 100 },
  );
});

test("a server that sends megabytes is not listened to for ever, in a session neither", async () => {
  const peer = await tcpPeer((socket) => {
    const pour = (): void => {
      while (!socket.destroyed && socket.write(message("S", Buffer.alloc(60_000, 0x41))));
    };
    socket.once("data", pour);
    socket.on("drain", pour);
  });
  const found = await postgres.run(LOOPBACK, { ...PLAIN, port: peer.port, query: "SELECT 1" }, { icmp: noIcmp }, AbortSignal.timeout(10_000));
  await peer.close();
  assert.deepEqual([found.outcome, /over 262144 bytes/.test(found.evidence)], ["bad", true], found.evidence);
});

const BIN = existsSync("/usr/lib/postgresql") ? readdirSync("/usr/lib/postgresql").map((version) => `/usr/lib/postgresql/${version}/bin`).find((path) => existsSync(`${path}/initdb`)) : undefined;
const missing = BIN === undefined ? "not installed: postgresql (bin/setup --lab installs it)" : false;

/** A session that is held until it is given up, and that the server ends then. */
const LONG = "SET LOCAL statement_timeout = 0; SET LOCAL client_connection_check_interval = 100; SELECT pg_sleep(600)";

const plan: DaemonPlan = {
  name: "postgres",
  as: "postgres",
  files: () => ({ "server.key": KEY, "server.crt": CERTIFICATE }),
  before: (folder) => [
    ["sh", "-c", 'printf "sesame\n" > "$1/pw" && chmod 600 "$1/server.key"', "sh", folder],
    [`${BIN}/initdb`, "-D", `${folder}/data`, "-U", "admin", "-A", "scram-sha-256", `--pwfile=${folder}/pw`, "--no-sync", "--no-instructions", "-E", "UTF8", "--locale=C"],
  ],
  argv: (folder, port) => [
    `${BIN}/postgres`, "-D", `${folder}/data`, "-p", String(port), "-h", "127.0.0.1", "-k", folder, "-c", "fsync=off", "-c", "shared_buffers=1MB", "-c", "max_connections=10",
    "-c", "superuser_reserved_connections=0", "-c", "ssl=on", "-c", `ssl_cert_file=${folder}/server.crt`, "-c", `ssl_key_file=${folder}/server.key`,
  ],
  ready: (log) => log.includes("ready to accept connections"),
};

test("a real PostgreSQL: accepting, a query, a wrong password, a query that hangs, stopped, out of connections, shutting down", { skip: missing }, async () => {
  thirdParty("PostgreSQL", [`${BIN}/postgres`, "--version"]);
  await withDaemon(plan, async (server: Daemon) => {
    const { port } = server;
    const look = (options: Partial<PostgresOptions>, limitMs = 20_000): Promise<Finding> => postgres.run(LOOPBACK, { ...PLAIN, port, ...options }, { icmp: noIcmp }, AbortSignal.timeout(limitMs));
    const session = { user: "admin", password: "sesame" } as const;

    assert.deepEqual(await look({}), { outcome: "good", sign: "answer", evidence: "accepting connections" });
    assert.deepEqual(await look({ ...session, query: "SELECT NOT pg_is_in_recovery()" }), { outcome: "good", sign: "answer", evidence: "the query returned true" });
    assert.equal((await look({ ...session, query: "SELECT pg_is_in_recovery()" })).outcome, "bad");
    assert.equal((await look({ ...session, query: "SELECT 1 WHERE false" })).outcome, "bad");
    assert.deepEqual(await look({ ...session, tls: true, query: "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()" }), { outcome: "good", sign: "answer", evidence: "the query returned true" });
    assert.equal((await look({ ...session, query: "SELECT 'a'; SELECT now()" })).outcome, "good");

    const wrong = await look({ ...session, password: "open it", query: "SELECT 1" });
    assert.deepEqual([wrong.outcome, wrong.sign], ["unknown", "answer"], wrong.evidence);
    assert.doesNotMatch(wrong.evidence, /open it/);
    assert.equal((await look({ ...session, query: "SELECT * FROM nothing" })).outcome, "unknown");
    assert.equal((await look({ ...session, query: "CREATE TABLE t (a int)" })).outcome, "unknown", "a probe changes nothing");
    assert.equal((await look({ ...session, database: "nowhere", query: "SELECT 1" })).outcome, "unknown");

    // Given up by us; the server ends it by itself, so that looks do not pile up.
    const told: string[] = [];
    const controller = new AbortController();
    const hanging = postgres.run(LOOPBACK, { ...PLAIN, ...session, port, query: "SELECT pg_sleep(600)" }, { icmp: noIcmp }, controller.signal, (text) => told.push(text));
    const backends = async (): Promise<string> => (await look({ ...session, query: "SELECT count(*)::int FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'" })).evidence;
    for (let tries = 0; tries < 400 && (await backends()) !== "the query returned 1"; tries += 1) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(await backends(), "the query returned 1");
    controller.abort(new Error("enough"));
    await assert.rejects(hanging, /enough/);
    const limit = await look({ ...session, query: "SELECT setting FROM pg_settings WHERE name = 'statement_timeout'" });
    assert.equal(limit.evidence, "the query returned 10000");

    assert.doesNotMatch(server.log(), /protocol|SASL response/, "what it logs about rude visitors");

    await standstill(server.process);
    const silent = new AbortController();
    const progress: string[] = [];
    const waiting = postgres.run(LOOPBACK, { ...PLAIN, port }, { icmp: noIcmp }, silent.signal, (text) => progress.push(text));
    await until(() => progress.includes("connected"), "its kernel did not accept");
    silent.abort(new Error("enough"));
    await assert.rejects(waiting, /enough/);
    server.process.kill("SIGCONT");

    // Ten sessions are all that it takes.
    const crowd = new AbortController();
    const sessions = Array.from({ length: 10 }, () => postgres.run(LOOPBACK, { ...PLAIN, ...session, port, query: LONG }, { icmp: noIcmp }, crowd.signal).catch(() => null));
    let full = await look({});
    for (let tries = 0; tries < 400 && full.outcome === "good"; tries += 1) full = await look({});
    assert.deepEqual([full.outcome, /too many clients/.test(full.evidence)], ["unknown", true], full.evidence);
    crowd.abort(new Error("enough"));
    await Promise.all(sessions);
    for (let tries = 0; tries < 1_000 && (await look({})).outcome !== "good"; tries += 1) await new Promise((resolve) => setTimeout(resolve, 50));

    // A smart shutdown waits for sessions and rejects new ones in the meantime.
    const holding = new AbortController();
    const held = postgres.run(LOOPBACK, { ...PLAIN, ...session, port, query: LONG }, { icmp: noIcmp }, holding.signal).catch(() => null);
    for (let tries = 0; tries < 400 && !/returned [1-9]/.test((await look({ ...session, query: "SELECT count(*)::int FROM pg_stat_activity WHERE query LIKE 'SET LOCAL statement%'" })).evidence); tries += 1) await new Promise((resolve) => setTimeout(resolve, 20));
    server.process.kill("SIGTERM");
    let rejecting = await look({});
    for (let tries = 0; tries < 200 && rejecting.outcome === "good"; tries += 1) rejecting = await look({});
    assert.deepEqual([rejecting.outcome, rejecting.sign], ["unknown", "answer"], rejecting.evidence);
    assert.match(rejecting.evidence, /shutting down/);
    const isReady = await must(["sh", "-c", `"${BIN}/pg_isready" -h 127.0.0.1 -p ${port} >/dev/null; echo $?`]);
    assert.equal(isReady.trim(), "1", "pg_isready says the same: rejecting");
    server.process.kill("SIGQUIT");
    holding.abort(new Error("enough"));
    await held;
  });
});
