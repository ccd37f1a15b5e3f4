import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { snmpEnvelope } from "./snmp.ts";

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ""), "hex");

/** One BER element of less than 128 bytes. */
function part(tag: number, ...content: readonly Buffer[]): Buffer {
  const inside = Buffer.concat(content);
  return Buffer.concat([Buffer.from([tag, inside.length]), inside]);
}
const integer = (...bytes: readonly number[]): Buffer => part(0x02, Buffer.from(bytes));
const octets = (...content: readonly Buffer[]): Buffer => part(0x04, ...content);
const pdu = (tag: number): Buffer => part(tag, integer(0x11, 0x22, 0x33, 0x44), integer(0), integer(0), part(0x30, part(0x30, hex("06052b06010201"), hex("0500"))));
const plain = (version: number, tag: number): Buffer => part(0x30, integer(version), octets(Buffer.from("public")), pdu(tag));
const third = (flags: number, data: Buffer): Buffer => part(0x30, integer(3),
  part(0x30, integer(0x11, 0x22, 0x33, 0x44), integer(5, 0xdc), octets(Buffer.from([flags])), integer(3)),
  octets(part(0x30, octets(hex("8000000001")), integer(0), integer(0), octets(), octets(), octets())), data);

const V2C_GET = plain(1, 0xa0);
const V3_REPORT = third(0, part(0x30, octets(hex("8000000001")), octets(), pdu(0xa8)));
const V3_PRIVATE = third(3, octets(hex("0102030405060708")));

test("what kind of message it is, and how it is protected", () => {
  assert.deepEqual(snmpEnvelope(V2C_GET), { version: 2, pdu: "get" });
  assert.deepEqual(snmpEnvelope(plain(1, 0xa2)), { version: 2, pdu: "response" });
  assert.deepEqual(snmpEnvelope(plain(0, 0xa3)), { version: 1, pdu: "set" });
  assert.deepEqual(snmpEnvelope(third(0, part(0x30, octets(), octets(), pdu(0xa2)))), { version: 3, authenticated: false, encrypted: false, pdu: "response" });
  assert.deepEqual(snmpEnvelope(V3_REPORT), { version: 3, authenticated: false, encrypted: false, pdu: "report" });
  assert.deepEqual(snmpEnvelope(V3_PRIVATE), { version: 3, authenticated: true, encrypted: true, pdu: null });
});

test("what is cut off, too long, of indefinite length or no SNMP is none", () => {
  for (const whole of [V2C_GET, V3_REPORT, V3_PRIVATE]) for (let length = 0; length < whole.length; length++) assert.equal(snmpEnvelope(whole.subarray(0, length)), null, `${length} of ${whole.length} bytes`);
  for (const text of ["", "30", "3080020101", "30 85 0000000001 00", "04020101", "3003020102", "3005 02020001 0400", "300a 020101 0403616263 0500"]) assert.equal(snmpEnvelope(hex(text)), null, text);
});

test("no bytes make it fail, and nothing is taken from beyond a message", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => void snmpEnvelope(bytes)), { numRuns: 2_000 });
  fc.assert(fc.property(fc.constantFrom(V2C_GET, V3_REPORT, V3_PRIVATE), fc.nat(), fc.nat(255), (whole, at, value) => {
    const bytes = Buffer.from(whole);
    bytes[at % bytes.length] = value;
    snmpEnvelope(bytes);
  }), { numRuns: 2_000 });
});
