import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { NONCE_BYTES, decodeEchoReply, encodeEchoRequest, internetChecksum, withoutIpv4Header } from "./icmp.ts";

const family = fc.constantFrom(4 as const, 6 as const);
const word = fc.integer({ min: 0, max: 0xffff });
const nonce = fc.uint8Array({ minLength: NONCE_BYTES, maxLength: NONCE_BYTES });

/** What a peer sends back: type changed, checksum repaired (RFC 792). */
function reply(to: 4 | 6, request: Buffer): Buffer {
  const message = Buffer.from(request);
  message.writeUInt8(to === 4 ? 0 : 129, 0);
  if (to === 4) {
    message.writeUInt16BE(0, 2);
    message.writeUInt16BE(internetChecksum(message), 2);
  }
  return message;
}

test("the checksum of RFC 1071's own example", () => {
  assert.equal(internetChecksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7)), ~0xddf2 & 0xffff);
  assert.equal(internetChecksum(Uint8Array.of(0xff)), 0x00ff); // an odd byte is padded with zero
});

test("an IPv4 request byte by byte, its checksum added up by hand", () => {
  const bytes = encodeEchoRequest(4, 0x1234, 1, Buffer.from("abcdefgh"));
  assert.equal(bytes.toString("hex"), "0800" + "5435" + "1234" + "0001" + "6162636465666768");
});

test("a reply gives back sequence and nonce; the request itself is no reply", () => {
  fc.assert(
    fc.property(family, word, word, nonce, (to, id, sequence, secret) => {
      const request = encodeEchoRequest(to, id, sequence, secret);
      assert.equal(decodeEchoReply(to, request), null);
      const back = decodeEchoReply(to, reply(to, request));
      assert.deepEqual(back && { ...back, nonce: [...back.nonce] }, { id, sequence, nonce: [...secret] });
    }),
  );
});

test("one flipped bit in an IPv4 reply is noticed", () => {
  fc.assert(
    fc.property(word, word, nonce, fc.integer({ min: 0, max: 127 }), (id, sequence, secret, bit) => {
      const message = reply(4, encodeEchoRequest(4, id, sequence, secret));
      message.writeUInt8(message.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      assert.equal(decodeEchoReply(4, message), null);
    }),
  );
});

test("random bytes never throw, and are no reply unless they are sixteen well-formed bytes", () => {
  fc.assert(
    fc.property(family, fc.uint8Array({ maxLength: 2_000 }), (to, bytes) => {
      const message = Buffer.from(bytes);
      const found = decodeEchoReply(to, message);
      if (found !== null) assert.ok(message.length === 16 && message[0] === (to === 4 ? 0 : 129));
      const inner = withoutIpv4Header(message);
      if (inner !== null) assert.ok(message[9] === 1 && message[0]! >> 4 === 4 && inner.length <= message.length - 20);
    }),
    { numRuns: 1_000 },
  );
});

test("the IPv4 header is taken off with its options, and only off ICMP", () => {
  const message = reply(4, encodeEchoRequest(4, 7, 9, Buffer.alloc(8, 3)));
  for (const words of [5, 6, 15]) {
    const header = Buffer.alloc(words * 4);
    header[0] = 0x40 | words;
    header[9] = 1;
    const packet = Buffer.concat([header, message]);
    assert.deepEqual(withoutIpv4Header(packet), message);
    packet[9] = 17; // UDP
    assert.equal(withoutIpv4Header(packet), null);
  }
  assert.equal(withoutIpv4Header(Buffer.alloc(20, 0x44)), null); // header shorter than five words
  assert.equal(withoutIpv4Header(Buffer.alloc(0)), null);
});
