import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RPC_MESSAGE_BYTES_MAX, encodeCall, getAddress, getPort, judgeReply, messageIn, portIn, portOfAddress, recordOf } from "./rpc.ts";

const XID = 0xdead_beef;
const words = (...all: readonly number[]): Buffer => Buffer.concat(all.map((word) => Buffer.from(word.toString(16).padStart(8, "0"), "hex")));
const kind = (message: Buffer): string => {
  const verdict = judgeReply(XID, message);
  return verdict.kind === "reply" ? verdict.reply.kind : verdict.why;
};
const accepted = (...rest: readonly number[]): Buffer => words(XID, 1, 0, 0, 0, ...rest);

test("a NULL call to NFS 3, byte by byte (RFC 5531 §9)", () => {
  const expected = "deadbeef" + "00000000" + "00000002" + "000186a3" + "00000003" + "00000000" + "0000000000000000" + "0000000000000000";
  assert.equal(encodeCall({ xid: XID, program: 100_003, version: 3, procedure: 0 }).toString("hex"), expected);
});

test("the questions to the port mapper, byte by byte (RFC 1833 §2.1, §3)", () => {
  const head = (version: number): string => "00000001" + "00000000" + "00000002" + "000186a0" + `0000000${version}` + "00000003" + "00".repeat(16);
  assert.equal(encodeCall(getPort(1, 100_003, 3, "tcp")).toString("hex"), head(2) + "000186a3" + "00000003" + "00000006" + "00000000");
  assert.equal(encodeCall(getPort(1, 100_003, 3, "udp")).toString("hex"), head(2) + "000186a3" + "00000003" + "00000011" + "00000000");
  assert.equal(encodeCall(getAddress(1, 100_003, 4, "tcp")).toString("hex"), head(3) + "000186a3" + "00000004" + "00000004" + "74637036" + "00000000" + "00000000");
});

test("every answer of RFC 5531 is told from the others", () => {
  assert.equal(kind(accepted(0)), "success");
  assert.equal(kind(accepted(1)), "no-program");
  assert.deepEqual(judgeReply(XID, accepted(2, 3, 4)), { kind: "reply", reply: { kind: "mismatch", low: 3, high: 4 } });
  assert.equal(kind(accepted(3)), "no-procedure");
  assert.equal(kind(accepted(4)), "failed");
  assert.equal(kind(accepted(5)), "failed");
  assert.equal(kind(accepted(6)), "acceptance 6 is not in RFC 5531");
  assert.deepEqual(judgeReply(XID, words(XID, 1, 1, 1, 5)), { kind: "reply", reply: { kind: "denied", why: "credentials too weak" } });
  assert.deepEqual(judgeReply(XID, words(XID, 1, 1, 1, 13)), { kind: "reply", reply: { kind: "denied", why: "authentication error 13" } });
  assert.deepEqual(judgeReply(XID, words(XID, 1, 1, 0, 2, 2)), { kind: "reply", reply: { kind: "denied", why: "speaks RPC 2 to 2" } });
  assert.equal(kind(words(XID, 1, 1, 2)), "denial 2 is not in RFC 5531");
  assert.equal(kind(words(XID, 1, 2)), "neither accepted nor denied");
});

test("what is not an answer to this call is not taken for one", () => {
  assert.equal(kind(words(XID + 1, 1, 0, 0, 0, 0)), "another transaction id");
  assert.equal(kind(encodeCall({ xid: XID, program: 1, version: 1, procedure: 0 })), "a call, not a reply");
  assert.equal(kind(Buffer.concat([accepted(0), Buffer.alloc(RPC_MESSAGE_BYTES_MAX)])), `over ${RPC_MESSAGE_BYTES_MAX} bytes`);
  for (const whole of [accepted(0), accepted(2, 3, 4), words(XID, 1, 1, 1, 5)]) {
    for (let length = 0; length < whole.length; length += 1) assert.equal(kind(whole.subarray(0, length)), "too short", `${length}`);
  }
});

test("a verifier is skipped with its padding, up to 400 bytes", () => {
  const verified = (length: number): Buffer => Buffer.concat([words(XID, 1, 0, 6, length), Buffer.alloc(Math.min(length, 500) + ((4 - (length & 3)) & 3)), words(1)]);
  for (const length of [1, 2, 3, 4, 399, 400]) assert.equal(kind(verified(length)), "no-program", `${length}`);
  for (const length of [401, 0xffff_fffd]) assert.equal(kind(verified(length)), "a verifier of over 400 bytes");
});

test("a message comes in any number of fragments, whole or not at all (RFC 5531 §11)", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { minLength: 1, maxLength: 30 }), fc.uint8Array({ maxLength: 20 }), (parts, after) => {
      const stream = Buffer.concat(parts.flatMap((part, index) => [words((index === parts.length - 1 ? 0x8000_0000 : 0) + part.length), Buffer.from(part)]));
      assert.deepEqual(messageIn(Buffer.concat([stream, after])), Buffer.concat(parts));
      for (const length of [0, 3, stream.length - 1]) assert.equal(messageIn(stream.subarray(0, length)), null);
    }),
  );
  assert.deepEqual(messageIn(recordOf(Buffer.from("abc"))), Buffer.from("abc"));
});

test("a stream that will never be a message is given up: too long, or empty fragments without end", () => {
  assert.equal(messageIn(words(0x8000_0000 + RPC_MESSAGE_BYTES_MAX + 1)), "malformed");
  assert.equal(messageIn(words(0x7fff_ffff)), "malformed");
  assert.equal(messageIn(Buffer.alloc(4_000)), "malformed");
});

test("ports: of IPv4 a number, of IPv6 the end of a universal address (RFC 5665 §5.2.3.4)", () => {
  assert.deepEqual([words(2_049), words(0), words(65_536), Buffer.alloc(3), Buffer.alloc(0)].map(portIn), [2_049, 0, null, null, null]);
  const address = (text: string): Buffer => Buffer.concat([words(text.length), Buffer.from(text), Buffer.alloc((4 - (text.length & 3)) & 3)]);
  const cases: readonly (readonly [string, number | null])[] = [["::.8.1", 2_049], ["fe80::1%eth0.0.111", 111], ["127.0.0.1.0.111", 111], ["::.256.1", null], ["::.8", null], [".8.1", null], ["", 0], ["x".repeat(129), null]];
  for (const [text, port] of cases) assert.equal(portOfAddress(address(text)), port, text);
  assert.equal(portOfAddress(address("::.8.1").subarray(0, 9)), null);
});

test("whatever bytes come, nothing throws, and only our id makes an answer", () => {
  const bytes = fc.oneof(fc.uint8Array({ maxLength: 120 }), fc.array(fc.oneof(fc.integer({ min: 0, max: 8 }), fc.nat(0xffff_ffff)), { maxLength: 12 }).map((all) => words(XID, 1, ...all)));
  fc.assert(
    fc.property(bytes, (input) => {
      const message = Buffer.from(input);
      const verdict = judgeReply(XID, message);
      if (verdict.kind === "reply") assert.equal(message.readUInt32BE(0), XID);
      messageIn(message);
      portIn(message);
      portOfAddress(message);
    }),
    { numRuns: 2_000 },
  );
});
