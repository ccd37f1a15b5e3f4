import assert from "node:assert/strict";
import { once } from "node:events";
import nodeHttp from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { NASTY, assertEvidence, conformance, noIcmp, tcpPeer, tcpSettings } from "./conformance.ts";
import { CERTIFICATE, EXPIRED, KEY } from "./certificates.fixture.ts";
import { type HttpOptions, http } from "./http.ts";
import type { Finding, ProbeTools, Target } from "./probe.ts";

const LOOPBACK = { host: "patient", address: "127.0.0.1", family: 4 } as const;
const TOOLS: ProbeTools = { icmp: noIcmp };

// The name in the URL is the host's, so the connection goes to the setting's address, IPv4 or IPv6.
const url = (port: number, path = "/health"): string => `http://patient:${port}${path}`;
const complete = (read: Buffer): boolean => read.includes("\r\n\r\n");

conformance(
  http,
  tcpSettings(
    (port): HttpOptions => ({ url: port > 65_535 ? "http://patient:99999/" : url(port), status: 200 }),
    (read) => (complete(read) ? Buffer.from("HTTP/1.1 200 OK\r\nServer: somebody\r\nContent-Length: 0\r\n\r\n") : null),
  ),
);

conformance(
  { ...http, name: "http with a body" },
  tcpSettings(
    (port): HttpOptions => ({ url: port > 65_535 ? "http://patient:99999/" : url(port), status: 200, body: "all is well" }),
    (read) => (complete(read) ? Buffer.from(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n17\r\n${".".repeat(8)}all is well....\r\n0\r\n\r\n`) : null),
  ),
);

/** A finding without what was measured beside. */
async function look(options: HttpOptions, target: Target = LOOPBACK, tools: ProbeTools = TOOLS): Promise<Finding> {
  const { outcome, sign, evidence } = await http.run(target, options, tools, AbortSignal.timeout(10_000));
  return { outcome, sign, evidence };
}

test("the status is measured whatever it is, for the history; no answer measures nothing", async () => {
  const measured = async (raw: string): Promise<unknown> => {
    const peer = await tcpPeer((socket) => socket.once("data", () => socket.end(raw)));
    const { perfdata } = await http.run(LOOPBACK, { url: url(peer.port), status: 200 }, TOOLS, AbortSignal.timeout(10_000));
    await peer.close();
    return perfdata;
  };
  assert.deepEqual(await measured("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), [{ label: "status", value: 200 }]);
  assert.deepEqual(await measured("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"), [{ label: "status", value: 503 }]);
  assert.equal(await measured("what?"), undefined);
});

async function answeredWith(raw: Buffer | string, options: Omit<HttpOptions, "url">): Promise<Finding> {
  const peer = await tcpPeer((socket) => socket.once("data", () => socket.end(raw)));
  try {
    return await look({ url: url(peer.port), ...options });
  } finally {
    await peer.close();
  }
}

test("the status counts, redirects are not followed, the reason phrase is not believed", async () => {
  const gone = await answeredWith("HTTP/1.1 503 All is well\r\nContent-Length: 0\r\n\r\n", { status: 200 });
  assert.deepEqual(gone, { outcome: "bad", sign: "answer", evidence: "503 Service Unavailable (expected 200)" });
  const moved = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
  assert.equal((await answeredWith(moved, { status: 200 })).outcome, "bad");
  assert.deepEqual(await answeredWith(moved, { status: 302 }), { outcome: "good", sign: "answer", evidence: "302 Found" });
  const hints = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  assert.equal((await answeredWith(hints, { status: 200 })).outcome, "good");
  const upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
  assert.deepEqual(await answeredWith(upgrade, { status: 200 }), { outcome: "bad", sign: "answer", evidence: "101 Switching Protocols (expected 200)" });
});

test("a body that is expected must come, within 64 KiB", async () => {
  const page = (body: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  assert.equal((await answeredWith(page("status: green"), { status: 200, body: "green" })).outcome, "good");
  assert.equal((await answeredWith(page("status: green"), { status: 200, body: "/status: (green|yellow)$/" })).outcome, "good");
  const red = await answeredWith(page("status: red\n"), { status: 200, body: "green" });
  assert.deepEqual(red, { outcome: "bad", sign: "answer", evidence: '200 OK, and no "green" in the body: "status: red\\n"' });
  const late = await answeredWith(page(`${" ".repeat(70_000)}green`), { status: 200, body: "green" });
  assert.equal(late.outcome, "bad");
  assert.match(late.evidence, /within 65536 bytes/);
  const cut = await answeredWith("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf", { status: 200, body: "green" });
  assert.deepEqual([cut.outcome, cut.evidence], ["bad", "200 OK, connection closed within the body"]);
  const slow = await answeredWith(page(`${"a".repeat(60)}!`), { status: 200, body: "/^(a+)+$/" });
  assert.deepEqual([slow.outcome, slow.sign], ["unknown", "not-run"]);
  assert.equal((await answeredWith(page("x"), { status: 200, body: "/(/" })).outcome, "unknown");
});

test("what is not HTTP is bad, in words", async () => {
  for (const raw of ["SSH-2.0-OpenSSH\r\n", "HTTP/1.1 200\r\nBad header\r\n\r\n", `HTTP/1.1 200 OK\r\nX: ${"x".repeat(100_000)}\r\n\r\n`, NASTY, ""]) {
    const found = await answeredWith(raw, { status: 200 });
    assert.deepEqual([found.outcome, found.sign], ["bad", "answer"], found.evidence);
    assertEvidence(found);
  }
});

test("headers and the URL's user reach the server and never the evidence", async () => {
  const server = nodeHttp.createServer((request, response) => {
    response.end(`you sent ${request.headers.authorization} ${request.headers["x-token"]} to ${request.headers.host}`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const withUser = `http://probe:hunter%32@patient:${port}/`;
  const found = await look({ url: withUser, status: 200, headers: { "X-Token": "tok tok-4711" }, body: "Basic cHJvYmU6aHVudGVyMg== tok tok-4711 to patient:" });
  assert.equal(found.outcome, "good", found.evidence);
  const lacking = await look({ url: withUser, status: 200, headers: { authorization: "Bearer s3cr3t-s3cr3t", "x-token": "tok tok-4711", host: "other.example" }, body: "nothing" });
  assert.equal(lacking.outcome, "bad");
  assert.match(lacking.evidence, /"you sent \[redacted\]/);
  assert.doesNotMatch(lacking.evidence, /s3cr3t|4711|hunter/);
  const illegal = await look({ url: withUser, status: 200, headers: { "x-token": "line\nbreak-s3cr3t" } });
  assert.equal(illegal.outcome, "unknown");
  assert.doesNotMatch(illegal.evidence, /s3cr3t/);
  server.close();
  server.closeAllConnections();
});

test("the connection goes to the watched host when the URL means it, else where the URL says", async () => {
  const peer = await tcpPeer((socket) => socket.once("data", (read: Buffer) => socket.end(`HTTP/1.1 200 OK\r\n\r\n${/^host: .*$/im.exec(read.toString())?.[0]}`)));
  const at = (name: string): HttpOptions => ({ url: `http://${name}:${peer.port}/`, status: 200, body: `ost: ${name}:${peer.port}` });
  const named: Target = { host: "db1", address: "127.0.0.1", family: 4, configured: "DB1.example.org." };
  for (const name of ["db1", "db1.example.org", "127.0.0.1"]) assert.equal((await look(at(name), named)).outcome, "good", name);
  // Another numeric address is gone to as it stands, here from a host whose own address would refuse.
  assert.equal((await look(at("127.0.0.1"), { host: "far", address: "127.0.0.77", family: 4 })).outcome, "good");
  const other = await look(at("other.example.org"), named);
  assert.deepEqual([other.outcome, other.sign], ["unknown", "not-run"], "a stranger's name without a resolver");
  const asked: string[] = [];
  const resolve = (name: string) => (asked.push(name), { address: "127.0.0.1", family: 4 as const });
  assert.equal((await look(at("other.example.org"), named, { ...TOOLS, resolve })).outcome, "good");
  assert.deepEqual(asked, ["other.example.org"]);
  const failed = await look(at("other.example.org"), named, { ...TOOLS, resolve: () => ({ error: "other.example.org does not resolve" }) });
  assert.deepEqual([failed.outcome, failed.evidence], ["unknown", "other.example.org does not resolve"]);
  await peer.close();
});

test("random bytes as an answer", async () => {
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.uint8Array({ maxLength: 300 }), async (headed, bytes) => {
      const head = headed ? "HTTP/1.1 200 OK\r\n" : "";
      const found = await answeredWith(Buffer.concat([Buffer.from(head), Buffer.from(bytes)]), { status: 200, body: "needle in the hay" });
      assertEvidence(found);
      assert.equal(found.outcome, "bad", found.evidence);
    }),
    { numRuns: 60 },
  );
});

// Made for this test and protecting nothing: one key, a certificate for the next hundred years and one of the year 2020.
const YEAR_MS = 365 * 86_400_000;

async function overTls(cert: string, options: Omit<HttpOptions, "url">): Promise<Finding & { sni: string | false | null }> {
  let sni: string | false | null = false;
  const server = https.createServer({ key: KEY, cert }, (request, response) => {
    sni = (request.socket as import("node:tls").TLSSocket).servername;
    response.end("well");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const found = await look({ url: `https://patient.example:${(server.address() as AddressInfo).port}/`, ...options }, { ...LOOPBACK, configured: "patient.example" });
  server.close();
  server.closeAllConnections();
  await once(server, "close");
  return { ...found, sni };
}

test("TLS: the name is sent, and a certificate is reported but never judged", async () => {
  const fine = await overTls(CERTIFICATE, { status: 200, body: "well", expiresMs: YEAR_MS });
  assert.deepEqual(fine, { outcome: "good", sign: "answer", evidence: "200 OK", sni: "patient.example" });
  const soon = await overTls(CERTIFICATE, { status: 200, expiresMs: 200 * YEAR_MS });
  assert.equal(soon.outcome, "good");
  assert.match(soon.evidence, /^200 OK, certificate expires in \d+ d$/);
  const expired = await overTls(EXPIRED, { status: 200, expiresMs: YEAR_MS });
  assert.equal(expired.outcome, "good");
  assert.match(expired.evidence, /^200 OK, certificate expired \d+ d ago$/);
  assert.equal((await overTls(EXPIRED, { status: 404, expiresMs: YEAR_MS })).outcome, "bad");
});

test("TLS that is none is bad; silent after the handshake of TCP, it waits and is freed at once", async () => {
  const options = (port: number): HttpOptions => ({ url: `https://patient:${port}/`, status: 200 });
  for (const serve of [
    (socket: import("node:net").Socket) => void socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"),
    (socket: import("node:net").Socket) => void socket.end(),
    (socket: import("node:net").Socket) => void socket.end(NASTY),
  ]) {
    const peer = await tcpPeer(serve);
    const found = await look(options(peer.port));
    assert.deepEqual([found.outcome, found.sign], ["bad", "answer"], found.evidence);
    await peer.close();
  }
  const peer = await tcpPeer((socket) => void socket.resume());
  const controller = new AbortController();
  const told: string[] = [];
  const running = http.run(LOOPBACK, options(peer.port), TOOLS, controller.signal, (text) => told.push(text));
  await peer.noticed();
  controller.abort(new Error("enough"));
  await assert.rejects(running, /enough/);
  assert.equal(told[0], "not connected");
  await peer.close();
});
