import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { NONCE_BYTES, NTP_PACKET_BYTES, UNSYNCHRONISED_STRATUM, encodeQuestion, judgeReply } from "./ntp.ts";
import type { NtpReply } from "./ntp.ts";

const NONCE = Buffer.from("0123456789abcdef", "hex");
const AT = Date.UTC(2026, 10, 29, 12);

/** Seconds and fraction since 1900, in this era. */
function timestamp(unixMs: number): Buffer {
  const bytes = Buffer.alloc(8);
  const seconds = Math.floor(unixMs / 1_000);
  bytes.writeUInt32BE((seconds + 2_208_988_800) % 0x1_0000_0000, 0);
  bytes.writeUInt32BE(Math.floor(((unixMs - seconds * 1_000) / 1_000) * 0x1_0000_0000), 4);
  return bytes;
}

type Answer = { readonly leap?: number; readonly version?: number; readonly mode?: number; readonly stratum?: number; readonly id?: string; readonly origin?: Buffer; readonly receivedMs?: number; readonly sentMs?: number };

function answer({ leap = 0, version = 4, mode = 4, stratum = 2, id = "\x0a\0\0\x01", origin = NONCE, receivedMs = AT, sentMs = receivedMs }: Answer = {}): Buffer {
  const packet = Buffer.alloc(NTP_PACKET_BYTES);
  packet.writeUInt8((leap << 6) | (version << 3) | mode, 0);
  packet.writeUInt8(stratum, 1);
  packet.write(id, 12, "latin1");
  origin.copy(packet, 24);
  timestamp(receivedMs).copy(packet, 32);
  timestamp(sentMs).copy(packet, 40);
  return packet;
}

function reply(given: Answer, sentMs = AT, receivedMs = AT): NtpReply {
  const verdict = judgeReply(NONCE, answer(given), sentMs, receivedMs);
  assert.ok(verdict.kind === "reply", JSON.stringify(verdict));
  return verdict.reply;
}

const why = (packet: Buffer): string => {
  const verdict = judgeReply(NONCE, packet, AT, AT);
  return verdict.kind === "reply" ? "reply" : verdict.why;
};

test("the question, byte by byte: version 4, client, our nonce and nothing of our clock", () => {
  assert.equal(encodeQuestion(NONCE).toString("hex"), `23${"00".repeat(39)}0123456789abcdef`);
});

test("only the answer of a server to this very question is one", () => {
  assert.equal(why(answer()), "reply");
  assert.equal(why(answer({ version: 3 })), "reply");
  assert.equal(why(answer({ origin: Buffer.alloc(NONCE_BYTES) })), "the answer to another question");
  assert.equal(why(encodeQuestion(NONCE)), "not from a server");
  assert.equal(why(answer({ mode: 5 })), "not from a server");
  assert.equal(why(answer({ version: 2 })), "version 2");
  assert.equal(why(answer().subarray(0, 47)), "too short");
  assert.equal(why(Buffer.concat([answer(), Buffer.alloc(20)])), "reply");
  assert.equal(why(Buffer.concat([answer(), Buffer.alloc(1_000)])), "over 1024 bytes");
});

test("stratum 0 and 16 and a leap indicator of 3 are not synchronised", () => {
  assert.deepEqual([2, 15].map((stratum) => reply({ stratum }).stratum), [2, 15]);
  for (const given of [{ stratum: 0 }, { stratum: 16 }, { stratum: 200 }, { leap: 3 }]) {
    const { stratum, synchronised } = reply(given);
    assert.deepEqual([stratum, synchronised], [UNSYNCHRONISED_STRATUM, false], JSON.stringify(given));
  }
});

test("a kiss is four letters of stratum 0, and of nothing else", () => {
  assert.equal(reply({ stratum: 0, id: "RATE" }).kiss, "RATE");
  assert.equal(reply({ stratum: 1, id: "GPSs" }).kiss, null);
  assert.equal(reply({ stratum: 1, id: "RATE" }).kiss, null);
  for (const id of ["\0\0\0\0", "ra\x1b\0", "\xff\xfe\xfd\xfc"]) assert.equal(reply({ stratum: 0, id }).kiss, null);
});

test("offset and delay of RFC 5905 §8, within a microsecond, in either direction and over the end of the era in 2036", () => {
  for (const start of [AT, Date.UTC(2036, 1, 7, 6, 28, 15, 990)]) {
    fc.assert(
      fc.property(fc.integer({ min: -3_600_000, max: 3_600_000 }), fc.nat(2_000), fc.nat(2_000), fc.nat(50), (offset, there, back, inside) => {
        const receivedMs = start + there + offset;
        const found = reply({ receivedMs, sentMs: receivedMs + inside }, start, start + there + inside + back);
        assert.ok(Math.abs(found.delayMs - (there + back)) < 1e-3, `delay ${found.delayMs}`);
        assert.ok(Math.abs(found.offsetMs - (offset + (there - back) / 2)) < 1e-3, `offset ${found.offsetMs}`);
      }),
    );
  }
});

test("whatever bytes come, nothing throws, and only our nonce makes an answer", () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), fc.uint8Array({ minLength: 48, maxLength: 48 }).map((bytes) => Buffer.concat([Buffer.from(bytes).subarray(0, 24), NONCE, Buffer.from(bytes).subarray(32)]))), (bytes) => {
      const packet = Buffer.from(bytes);
      const verdict = judgeReply(NONCE, packet, AT, AT);
      if (verdict.kind === "not-ours") return;
      assert.ok(packet.subarray(24, 32).equals(NONCE));
      assert.ok(verdict.reply.stratum >= 1 && verdict.reply.stratum <= UNSYNCHRONISED_STRATUM);
      assert.ok(Number.isFinite(verdict.reply.offsetMs) && Number.isFinite(verdict.reply.delayMs));
    }),
    { numRuns: 2_000 },
  );
});
