import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test } from "node:test";
import nodeTls from "node:tls";
import { startDaemon } from "../../lab/daemon.ts";
import { whichProgram } from "../../lab/child.ts";
import { lacking, thirdParty } from "../../lab/third-party.ts";
import { CERTIFICATE, EXPIRED, KEY } from "./certificates.fixture.ts";
import { NASTY, assertEvidence, conformance, noIcmp, tcpPeer, tcpSettings } from "./conformance.ts";
import type { Setting } from "./conformance.ts";
import type { Finding, Target } from "./probe.ts";
import { tls } from "./tls.ts";
import type { TlsOptions } from "./tls.ts";

const LOOPBACK = { host: "patient", address: "127.0.0.1", family: 4 } as const;
const DAY_MS = 86_400_000;

/** A TLS server; resolves with its port. */
async function server(options: nodeTls.TlsOptions, address = "127.0.0.1"): Promise<{ port: number; close(): Promise<void> }> {
  const listening = nodeTls.createServer({ key: KEY, cert: CERTIFICATE, ...options }, (socket) => socket.on("error", () => undefined));
  const sockets = new Set<net.Socket>();
  listening.on("connection", (socket: net.Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  });
  listening.on("tlsClientError", () => undefined);
  listening.listen(0, address);
  await once(listening, "listening");
  return {
    port: (listening.address() as net.AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      listening.close();
      await once(listening, "close");
    },
  };
}

// The peers of tcp that are wrong are wrong here, too; the right ones need TLS.
const overTcp = tcpSettings((port): TlsOptions => ({ port, expiresMs: 7 * DAY_MS }), () => Buffer.from("hello\r\n"));
const setting = async (address: string): Promise<Setting<TlsOptions>> => {
  const { port, close } = await server({}, address);
  const target: Target = { host: "patient", address, family: net.isIPv6(address) ? 6 : 4 };
  return { target, options: { port, expiresMs: 7 * DAY_MS }, tools: { icmp: noIcmp }, peerDescriptors: 1, close };
};
conformance(tls, { ...overTcp, right: () => setting("127.0.0.1"), odd: { "a server on IPv6": () => setting("::1") } });

async function look(options: nodeTls.TlsOptions, own: Partial<TlsOptions> = {}, target: Target = LOOPBACK): Promise<Finding> {
  const { port, close } = await server(options);
  try {
    return await tls.run(target, { port, expiresMs: 7 * DAY_MS, ...own }, { icmp: noIcmp }, AbortSignal.timeout(20_000));
  } finally {
    await close();
  }
}

test("a certificate is told and never judged: self-signed, expired, soon, for another name", async () => {
  const fine = await look({});
  assert.equal(fine.outcome, "good");
  assert.match(fine.evidence, /^TLSv1\.3, certificate self-signed, certificate expires in \d+ d$/);
  assert.ok((fine.perfdata?.[0]?.value ?? 0) > 86_400 * 365 * 90, JSON.stringify(fine.perfdata));
  const expired = await look({ cert: EXPIRED });
  assert.equal(expired.outcome, "good");
  assert.match(expired.evidence, /^TLSv1\.3, certificate expired \d+ d ago/);
  assert.ok((expired.perfdata?.[0]?.value ?? 0) < 0);
  assert.match((await look({}, { expiresMs: 365 * 200 * DAY_MS })).evidence, /^TLSv1\.3, certificate expires in \d+ d, certificate self-signed$/);
  assert.match((await look({ maxVersion: "TLSv1.2" })).evidence, /^TLSv1\.2/);
});

test("the name that is asked for is the one of the options, else the address as configured", async () => {
  const asked: string[] = [];
  const SNICallback: nodeTls.TlsOptions["SNICallback"] = (name, done) => {
    asked.push(name);
    done(null);
  };
  await look({ SNICallback }, { name: "www.example.org" });
  await look({ SNICallback }, {}, { ...LOOPBACK, configured: "patient.example" });
  assert.deepEqual(asked, ["www.example.org", "patient.example"]);
});

test("a server that ends the handshake in TLS's own words lives and is not judged", async () => {
  const old = await look({ minVersion: "TLSv1.2", maxVersion: "TLSv1.2", ciphers: "PSK-AES128-CBC-SHA" });
  assert.deepEqual([old.outcome, old.sign], ["unknown", "answer"], old.evidence);
  assert.match(old.evidence, /^TLS turned us away: "handshake failure"$/);
  // A client certificate is asked for after the handshake in TLS 1.3, and within it in TLS 1.2.
  assert.equal((await look({ requestCert: true, rejectUnauthorized: true })).outcome, "good");
  const wanted = await look({ requestCert: true, rejectUnauthorized: true, maxVersion: "TLSv1.2" });
  assert.notEqual(wanted.outcome, "bad", wanted.evidence);
  // internal_error, handshake_failure and unrecognized_name, as any server may send them.
  for (const [alert, outcome] of [[80, "bad"], [40, "unknown"], [112, "unknown"]] as const) {
    const peer = await tcpPeer((socket) => void socket.once("data", () => socket.end(Buffer.from([0x15, 3, 3, 0, 2, 2, alert]))));
    const found = await tls.run(LOOPBACK, { port: peer.port, expiresMs: 0 }, { icmp: noIcmp }, AbortSignal.timeout(20_000));
    await peer.close();
    assert.deepEqual([found.outcome, found.sign], [outcome, "answer"], found.evidence);
  }
});

test("what is no TLS is bad, in words", async () => {
  for (const words of ["SSH-2.0-x\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", NASTY, ""]) {
    const peer = await tcpPeer((socket) => void socket.resume().end(words));
    const found = await tls.run(LOOPBACK, { port: peer.port, expiresMs: 0 }, { icmp: noIcmp }, AbortSignal.timeout(20_000));
    await peer.close();
    assertEvidence(found);
    assert.deepEqual([found.outcome, found.sign], ["bad", "answer"], found.evidence);
  }
});

test("a server of OpenSSL's own: good with every version that is spoken today", { skip: lacking("openssl") }, async () => {
  const openssl = whichProgram("openssl") ?? "";
  thirdParty("openssl s_server", [openssl, "version"]);
  for (const version of ["-tls1_2", "-tls1_3"]) {
    const daemon = await startDaemon({
      name: "s-server",
      files: () => ({ key: KEY, cert: CERTIFICATE }),
      argv: (folder, port) => [openssl, "s_server", "-quiet", version, "-accept", `127.0.0.1:${port}`, "-key", `${folder}/key`, "-cert", `${folder}/cert`],
    });
    const found = await tls.run(LOOPBACK, { port: daemon.port, expiresMs: DAY_MS }, { icmp: noIcmp }, AbortSignal.timeout(20_000));
    await daemon.stop();
    assert.equal(found.outcome, "good", found.evidence);
  }
});
