import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeDiscover, judgePacket } from "./dhcp.ts";
import type { DhcpQuestion } from "./dhcp.ts";
import { internetChecksum } from "./icmp.ts";

const QUESTION: DhcpQuestion = { transaction: 0xdeadbeef, mac: Uint8Array.of(2, 0x77, 0, 0, 1, 5) };

type Said = { readonly op?: number; readonly transaction?: number; readonly mac?: Uint8Array; readonly address?: readonly number[]; readonly cookie?: number; readonly options?: readonly number[]; readonly port?: number; readonly protocol?: number; readonly fragment?: number };

const OFFER = [53, 1, 2, 0, 51, 4, 0, 0, 0x0e, 0x10, 54, 4, 10, 77, 0, 2, 255];

/** A packet as a server sends it, put together here by hand. */
function packet({ op = 2, transaction = QUESTION.transaction, mac = QUESTION.mac, address = [10, 77, 0, 50], cookie = 0x63825363, options = OFFER, port = 68, protocol = 17, fragment = 0 }: Said = {}): Buffer {
  const message = Buffer.alloc(240 + options.length);
  message.set([op, 1, mac.length], 0);
  message.writeUInt32BE(transaction, 4);
  message.set(address, 16);
  message.set(mac, 28);
  message.writeUInt32BE(cookie, 236);
  message.set(options, 240);
  const bytes = Buffer.alloc(28 + message.length);
  bytes.set([0x45, 0], 0);
  bytes.writeUInt16BE(bytes.length, 2);
  bytes.writeUInt16BE(fragment, 6);
  bytes.set([64, protocol], 8);
  bytes.writeUInt16BE(67, 20);
  bytes.writeUInt16BE(port, 22);
  bytes.writeUInt16BE(8 + message.length, 24);
  message.copy(bytes, 28);
  return bytes;
}

const why = (bytes: Buffer): string => {
  const verdict = judgePacket(QUESTION, bytes);
  return verdict.kind === "offer" ? "offer" : verdict.why;
};

test("a discover: from nobody to everybody, our id, our hardware address, a broadcast asked for, nothing requested", () => {
  const bytes = encodeDiscover(QUESTION);
  assert.equal(bytes.length, 328);
  assert.equal(bytes.subarray(0, 10).toString("hex"), "4510" + "0148" + "0000" + "4000" + "1011");
  assert.equal(bytes.subarray(12, 20).toString("hex"), "00000000" + "ffffffff");
  assert.equal(bytes.subarray(20, 26).toString("hex"), "0044" + "0043" + "0134");
  assert.equal(bytes.subarray(28, 28 + 16).toString("hex"), "01010600" + "deadbeef" + "00008000" + "00000000");
  assert.equal(bytes.subarray(28 + 28, 28 + 34).toString("hex"), "027700000105");
  assert.equal(bytes.subarray(28 + 236, 28 + 243).toString("hex"), "63825363" + "350101");
  assert.ok(!bytes.subarray(28 + 240).includes(Buffer.from([50, 4])), "it asks for an address");
});

test("both checksums of a discover come out as RFC 1071 wants them", () => {
  fc.assert(
    fc.property(fc.nat(0xffff_ffff), fc.uint8Array({ minLength: 6, maxLength: 6 }), (transaction, mac) => {
      const bytes = encodeDiscover({ transaction, mac });
      assert.equal(internetChecksum(bytes.subarray(0, 20)), 0);
      const pseudo = Buffer.concat([bytes.subarray(12, 20), Buffer.of(0, 17), bytes.subarray(24, 26)]);
      assert.equal(internetChecksum(Buffer.concat([pseudo, bytes.subarray(20)])), 0);
      assert.notEqual(bytes.readUInt16BE(26), 0);
    }),
  );
});

test("an offer is read: who, what, for how long", () => {
  assert.deepEqual(judgePacket(QUESTION, packet()), { kind: "offer", offer: { server: "10.77.0.2", address: "10.77.0.50", leaseSeconds: 3_600 } });
  const bare = judgePacket(QUESTION, packet({ options: [0, 0, 53, 1, 2, 54, 4, 10, 0, 0, 1, 255] }));
  assert.deepEqual(bare, { kind: "offer", offer: { server: "10.0.0.1", address: "10.77.0.50", leaseSeconds: null } });
  // Padded to a minimum of Ethernet's, as short packets are.
  assert.equal(why(Buffer.concat([packet(), Buffer.alloc(60)])), "offer");
});

test("what is not an offer to this question is not taken for one", () => {
  const cases: readonly (readonly [string, Said])[] = [
    ["not from a server", { op: 1 }],
    ["another transaction", { transaction: 1 }],
    ["for another client", { mac: Uint8Array.of(2, 0x77, 0, 0, 1, 6) }],
    ["for another client", { mac: Uint8Array.of(2, 0x77, 0, 0, 1) }],
    ["not DHCP", { cookie: 0x63825364 }],
    ["ACK, not an offer", { options: [53, 1, 5, 54, 4, 1, 2, 3, 4, 255] }],
    ["NAK, not an offer", { options: [53, 1, 6, 255] }],
    ["message type 99, not an offer", { options: [53, 1, 99, 255] }],
    ["without a message type", { options: [54, 4, 1, 2, 3, 4, 255] }],
    ["without a message type", { options: [53, 2, 2, 2, 255] }],
    ["an offer without a server identifier", { options: [53, 1, 2, 255] }],
    ["an offer without a server identifier", { options: [53, 1, 2, 54, 5, 1, 2, 3, 4, 5, 255] }],
    ["an offer of no address", { address: [0, 0, 0, 0] }],
    ["options that do not end", { options: [53, 1, 2, 54, 4, 1, 2, 3, 4] }],
    ["options that do not end", { options: [53, 1, 2, 54, 200, 1, 2, 3, 4, 255] }],
    ["options that do not end", { options: [53] }],
    ["for another port", { port: 67 }],
    ["not a whole datagram", { protocol: 6 }],
    ["not a whole datagram", { fragment: 0x2000 }],
    ["not a whole datagram", { fragment: 1 }],
  ];
  for (const [expected, said] of cases) assert.equal(why(packet(said)), expected, JSON.stringify(said));
  for (let length = 0; length < packet().length; length += 1) assert.notEqual(why(packet().subarray(0, length)), "offer");
});

test("whatever bytes come, nothing throws, and only our id and hardware address make an offer", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc.tuple(fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 60 }), fc.nat(299), fc.nat(255)).map(([options, at, value]) => {
      const whole = packet({ options: [53, 1, 2, 54, 4, 1, 2, 3, 4, ...options] });
      if (at < whole.length) whole.writeUInt8(value, at);
      return whole;
    }),
  );
  fc.assert(
    fc.property(bytes, (input) => {
      const given = Buffer.from(input);
      const verdict = judgePacket(QUESTION, given);
      if (verdict.kind === "offer") assert.ok(given.includes(Buffer.from(QUESTION.mac)) && given.includes(Buffer.from("deadbeef", "hex")));
    }),
    { numRuns: 3_000 },
  );
});
