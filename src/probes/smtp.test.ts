import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import tls from "node:tls";
import fc from "fast-check";
import { smtpRefusal, startSmtp } from "../../lab/smtp.ts";
import { CERTIFICATE, KEY } from "./certificates.fixture.ts";
import { assertEvidence, conformance, noIcmp, tcpPeer, tcpSettings } from "./conformance.ts";
import { judgeGreeting, smtp } from "./smtp.ts";

const LOOPBACK = { host: "patient", address: "127.0.0.1", family: 4 } as const;

conformance(
  smtp,
  tcpSettings(
    (port) => ({ port, tls: false }),
    () => Buffer.from("220-mail.example.org ESMTP\r\n220 no spam, please\r\n"),
  ),
);

function judged(text: string | Buffer): string {
  return judgeGreeting(Buffer.from(text as string))?.outcome ?? "waits";
}

test("RFC 5321 §4.2: which greetings are good, and who is only turned away", () => {
  assert.equal(judged("220 mail ESMTP\r\n"), "good");
  assert.equal(judged("220\n"), "good"); // some say nothing more, some end lines by a line feed alone
  assert.equal(judged("220-a\r\n220-b\r\n220 c\r\n"), "good");
  assert.equal(judged("220-a\r\n"), "waits");
  for (const words of ["421 too busy", "450 later", "554 no mail from you", "554-a\r\n554 b", "550 blocked", "521 no mail here"]) assert.equal(judged(`${words}\r\n`), "unknown", words);
  for (const words of ["354 go on", "250 ok", "2200 x", "220x", "hello", "", "220-a\r\n250 b", "220-\r\n".repeat(40)]) assert.equal(judged(`${words}\r\n`), "bad", words);
  assert.equal(judgeGreeting(Buffer.from("220-first\r\n220 last\r\n"))?.evidence, "220-first");
});

test("random greetings never throw and stay printable", () => {
  const chunk = fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.constantFrom("220 a\r\n", "220-", "\r\n", "421 x\n").map((text) => Buffer.from(text)));
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 10 }), (chunks) => {
      const bytes = Buffer.concat(chunks);
      const found = judgeGreeting(bytes);
      if (found !== null) assertEvidence(found);
      if (found?.outcome === "good") assert.match(bytes.toString("latin1"), /^220[ \r\n-]/);
    }),
    { numRuns: 1_000 },
  );
});

test("a real Exim greets, and is left in good order", { skip: smtpRefusal() ?? false }, async () => {
  const exim = await startSmtp();
  try {
    const found = await smtp.run(LOOPBACK, { port: exim.port, tls: false }, { icmp: noIcmp }, AbortSignal.timeout(20_000));
    assert.equal(found.outcome, "good", found.evidence);
    assert.match(found.evidence, /^220 .* ESMTP/);
  } finally {
    await exim.stop();
  }
});

test("over TLS from the first byte; a server that speaks in clear there is bad", async () => {
  const server = tls.createServer({ key: KEY, cert: CERTIFICATE }, (socket) => {
    socket.on("error", () => undefined);
    socket.end("220 mail ESMTP\r\n");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const found = await smtp.run(LOOPBACK, { port: (server.address() as AddressInfo).port, tls: true }, { icmp: noIcmp }, AbortSignal.timeout(20_000));
  server.close();
  assert.deepEqual(found, { outcome: "good", sign: "answer", evidence: "220 mail ESMTP" });
  const peer = await tcpPeer((socket) => void socket.resume().end("220 mail ESMTP\r\n"));
  const clear = await smtp.run(LOOPBACK, { port: peer.port, tls: true }, { icmp: noIcmp }, AbortSignal.timeout(20_000));
  await peer.close();
  assert.deepEqual([clear.outcome, clear.sign], ["bad", "answer"], clear.evidence);
});
