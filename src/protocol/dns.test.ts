import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, type Packet, encode } from "dns-packet";
import fc from "fast-check";
import { DNS_MESSAGE_BYTES_MAX, type DnsQuery, type DnsType, buildQuery, hasAnswer, judgeReply } from "./dns.ts";

function queryFor(name: string, type: DnsType = "A", id = 4711): DnsQuery {
  const query = buildQuery(id, name, type);
  assert.ok(query !== null);
  return query;
}

function replyTo(query: DnsQuery, answers: Answer[] = [], more: Partial<Packet> = {}): Buffer {
  return encode({ type: "response", id: query.id, flags: 0x0180, questions: [{ name: query.name, type: query.type }], answers, ...more });
}

const kind = (query: DnsQuery, message: Buffer): string => {
  const verdict = judgeReply(query, message);
  return verdict.kind === "reply" ? verdict.reply.rcode : verdict.why;
};

test("a query for www.example.org, byte by byte", () => {
  const expected = "0001" + "0100" + "0001" + "000000000000" + "03777777076578616d706c65036f726700" + "0001" + "0001";
  assert.equal(queryFor("www.example.org.", "A", 1).bytes.toString("hex"), expected);
  assert.equal(queryFor(".", "NS", 1).bytes.toString("hex"), "0001" + "0100" + "0001" + "000000000000" + "00" + "0002" + "0001");
});

test("names that cannot be asked for are refused (RFC 1035 §2.3.4)", () => {
  const long = "a".repeat(63);
  assert.notEqual(buildQuery(1, `${long}.${long}.${long}.${"a".repeat(61)}`, "A"), null); // 253 characters
  for (const name of ["a..b", ".a", `${"a".repeat(64)}.org`, `${long}.${long}.${long}.${long}`, "a b", "", "ü.org", "a\n"]) {
    const query = buildQuery(1, name, "A");
    if (name === "") assert.equal(query?.name, "."); // the root
    else assert.equal(query, null, name);
  }
});

test("only the same id, question and kind of message is an answer", () => {
  const query = queryFor("www.example.org");
  const right = replyTo(query);
  assert.equal(kind(query, right), "NOERROR");
  assert.equal(kind(query, replyTo({ ...query, id: 4712 })), "another id");
  assert.equal(kind(query, replyTo({ ...query, name: "www.example.com" })), "another question");
  assert.equal(kind(query, replyTo({ ...query, type: "AAAA" })), "another question");
  assert.equal(kind(query, replyTo(query, [], { questions: [] })), "another question");
  assert.equal(kind(query, query.bytes), "a query, not a response");
  assert.equal(kind(query, right.subarray(0, 11)), "too short");
  assert.equal(kind(query, Buffer.concat([right, Buffer.alloc(DNS_MESSAGE_BYTES_MAX)])), `over ${DNS_MESSAGE_BYTES_MAX} bytes`);
  const status = Buffer.from(right);
  status.writeUInt8(status.readUInt8(2) | 0x10, 2);
  assert.equal(kind(query, status), "another opcode");
  const shout = Buffer.from(replyTo({ ...query, name: "WWW.Example.ORG" })); // some servers do not keep the case
  assert.equal(kind(query, shout), "NOERROR");
});

test("a dot inside a label is not the dot between two", () => {
  const query = queryFor("a.b");
  const forged = Buffer.from(replyTo(query));
  Buffer.from([3, 0x61, 0x2e, 0x62, 0]).copy(forged, 12); // one label of three bytes, decoded as "a.b", too
  assert.equal(kind(query, forged), "another question");
});

test("rcodes by name", () => {
  const query = queryFor("www.example.org");
  const names = Array.from({ length: 16 }, (_, code) => {
    const message = replyTo(query);
    message.writeUInt8((message.readUInt8(3) & 0xf0) | code, 3);
    return kind(query, message);
  });
  assert.deepEqual(names.slice(0, 6), ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"]);
  assert.equal(names[15], "RCODE15");
});

test("answers are told by value: addresses, names, preference, text", () => {
  const a = queryFor("h.example.org");
  const cases: [DnsType, Answer, string, string][] = [
    ["A", { type: "A", name: a.name, data: "10.0.0.1" }, "10.0.0.1", "10.0.0.11"],
    ["AAAA", { type: "AAAA", name: a.name, data: "2001:db8::1" }, "2001:DB8:0:0:0:0:0:1", "2001:db8::2"],
    ["CNAME", { type: "CNAME", name: a.name, data: "Other.example.org" }, "other.example.org.", "example.org"],
    ["MX", { type: "MX", name: a.name, data: { preference: 10, exchange: "mx.example.org" } }, "10 mx.example.org.", "mx.example.org"],
    ["SRV", { type: "SRV", name: a.name, data: { priority: 1, weight: 2, port: 389, target: "l.example.org" } }, "1 2 389 l.example.org", "389 l.example.org"],
    ["TXT", { type: "TXT", name: a.name, data: ["v=spf1 ", "-all"] }, "v=spf1 -all", "v=spf1"],
    ["SOA", { type: "SOA", name: a.name, data: { mname: "ns.example.org", rname: "root.example.org", serial: 7 } }, "ns.example.org root.example.org 7", "7"],
  ];
  for (const [type, answer, right, wrong] of cases) {
    const query = queryFor("h.example.org", type);
    const verdict = judgeReply(query, replyTo(query, [answer]));
    assert.ok(verdict.kind === "reply", type);
    assert.ok(hasAnswer(verdict.reply, right), `${type}: ${verdict.reply.answers.join()}`);
    assert.ok(!hasAnswer(verdict.reply, wrong), type);
  }
  const withAlias = replyTo(a, [
    { type: "CNAME", name: a.name, data: "real.example.org" },
    { type: "A", name: "real.example.org", data: "10.0.0.2" },
  ]);
  const verdict = judgeReply(a, withAlias);
  assert.ok(verdict.kind === "reply" && verdict.reply.answers.join() === "10.0.0.2");
});

test("cut in the middle: malformed, unless the server said that it was truncated", () => {
  const query = queryFor("www.example.org");
  const whole = replyTo(query, [{ type: "A", name: query.name, data: "10.0.0.1" }]);
  const half = Buffer.from(whole.subarray(0, whole.length - 2));
  assert.equal(kind(query, half), "malformed");
  half.writeUInt8(half.readUInt8(2) | 0x02, 2);
  assert.deepEqual(judgeReply(query, half), { kind: "reply", reply: { rcode: "NOERROR", truncated: true, answers: [] } });
});

test("random bytes, and right replies with random damage, never throw and are judged in bounded time", () => {
  const query = queryFor("www.example.org");
  const right = replyTo(query, [{ type: "TXT", name: query.name, data: ["hello"] }], { additionals: [{ type: "OPT", name: ".", udpPayloadSize: 1232, extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false, options: [] }] });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      judgeReply(query, Buffer.from(bytes));
      judgeReply(query, Buffer.concat([right.subarray(0, query.bytes.length), Buffer.from(bytes)]));
    }),
    { numRuns: 2_000 },
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(right.length - 1), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 6 }), (damage) => {
      const message = Buffer.from(right);
      for (const [at, byte] of damage) message.writeUInt8(byte, at);
      judgeReply(query, message);
    }),
    { numRuns: 2_000 },
  );
});

test("names that unfold: the worst message that is let through costs a fraction of a second", () => {
  const query = queryFor(".", "NS");
  // A ladder of pointers, each to the one before, and as many records as allowed that start at its top.
  const message = Buffer.alloc(DNS_MESSAGE_BYTES_MAX);
  query.bytes.copy(message);
  message.writeUInt16BE(0x8180, 2);
  const records = 256;
  message.writeUInt16BE(records, 6);
  let at = query.bytes.length;
  const recordsEnd = DNS_MESSAGE_BYTES_MAX - records * 12;
  // The ladder lies in the data of a first record of an unknown type.
  message.writeUInt8(0, at);
  message.writeUInt16BE(0xff00, at + 1);
  message.writeUInt16BE(1, at + 3);
  message.writeUInt16BE(recordsEnd - at - 11, at + 9);
  at += 11;
  message.writeUInt8(0, at);
  at += 1;
  let previous = at - 1;
  for (; at + 2 <= recordsEnd; at += 2) {
    message.writeUInt16BE(0xc000 | previous, at);
    previous = at;
  }
  for (at = recordsEnd; at + 12 <= message.length; at += 12) {
    message.writeUInt16BE(0xc000 | previous, at);
    message.writeUInt16BE(0xff00, at + 2);
    message.writeUInt16BE(1, at + 4);
  }
  const startedAt = performance.now();
  judgeReply(query, message);
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs < 1_000, `${tookMs} ms`);
});
