import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { assertEvidence, conformance, noIcmp, tcpPeer, tcpSettings } from "./conformance.ts";
import type { Finding } from "./probe.ts";
import { type TcpOptions, tcp } from "./tcp.ts";

const LOOPBACK = { host: "patient", address: "127.0.0.1", family: 4 } as const;

conformance(
  tcp,
  tcpSettings(
    (port): TcpOptions => ({ port, send: "PING\r\n", expect: "+PONG" }),
    (read) => (read.toString().includes("PING\r\n") ? Buffer.from("+PONG\r\n") : null),
  ),
);

async function lookAt(answer: Buffer | string, options: Omit<TcpOptions, "port">): Promise<Finding> {
  const peer = await tcpPeer((socket) => socket.resume().end(answer));
  try {
    return await tcp.run(LOOPBACK, { port: peer.port, ...options }, { icmp: noIcmp }, AbortSignal.timeout(10_000));
  } finally {
    await peer.close();
  }
}

test("without expect an accepted connection is good, though nobody says a word", async () => {
  const peer = await tcpPeer(() => undefined);
  const told: string[] = [];
  const found = await tcp.run(LOOPBACK, { port: peer.port }, { icmp: noIcmp }, new AbortController().signal, (text) => told.push(text));
  assert.deepEqual(found, { outcome: "good", sign: "answer", evidence: "connected" });
  assert.deepEqual(told, ["not connected", "connected"]);
  await peer.close();
});

test("expect is a substring or a regular expression with flags", async () => {
  assert.equal((await lookAt("220 mail.example.org ESMTP\r\n", { expect: "220 " })).outcome, "good");
  assert.equal((await lookAt("220 mail.example.org ESMTP\r\n", { expect: "/^220 .*esmtp/i" })).outcome, "good");
  assert.equal((await lookAt("grün\n", { expect: "/^gr.n$/m" })).outcome, "good");
  const wrong = await lookAt("421 too busy\r\n", { expect: "/^220/" });
  assert.deepEqual(wrong, { outcome: "bad", sign: "answer", evidence: 'connection closed, and no "/^220/" in "421 too busy\\r\\n"' });
});

test("an expression that is none, or that takes too long, never speaks against the host", async () => {
  const none = await lookAt("x", { expect: "/(/" });
  assert.deepEqual([none.outcome, none.sign], ["unknown", "not-run"]);
  const startedAt = performance.now();
  const slow = await lookAt(`${"a".repeat(60)}!`, { expect: "/^(a+)+$/" });
  assert.deepEqual([slow.outcome, slow.sign], ["unknown", "not-run"], slow.evidence);
  assert.ok(performance.now() - startedAt < 5_000);
});

test("what was sent is not in the evidence, echoed whole or word by word", async () => {
  const send = "AUTH correct-horse-battery\r\n";
  for (const answer of [send, "-ERR unknown command 'AUTH', with args beginning with: 'correct-horse-battery'\r\n", `${"-".repeat(190)}correct-horse-battery`]) {
    const found = await lookAt(answer, { send, expect: "+OK" });
    assert.equal(found.outcome, "bad");
    assert.doesNotMatch(found.evidence, /correct|horse|battery/);
  }
});

test("whatever bytes come, the evidence is short and printable and the outcome is right", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (bytes) => {
      const found = await lookAt(Buffer.from(bytes), { expect: "needle" });
      assertEvidence(found);
      assert.equal(found.outcome, Buffer.from(bytes).includes("needle") ? "good" : "bad");
    }),
    { numRuns: 60 },
  );
});
