// The codec alone: what is cut anywhere comes together again, and no bytes at all do more harm than a Nonsense. That the
// bytes are ZooKeeper's is for the tests against a real one to say.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { above, Layout, rootOf } from "./zookeeper-layout.ts";
import { codeName, connectAnswer, connectRequest, DECIDED, ERR, frame, Frames, multiAnswer, multiBody, Nonsense, OP, Reader, request, watchEvent, XID } from "./zookeeper-wire.ts";

const READERS: Readonly<Record<string, (data: Buffer) => unknown>> = {
  connectAnswer,
  header: (data) => new Reader(data).header(),
  watchEvent: (data) => watchEvent(new Reader(data)),
  multiAnswer: (data) => multiAnswer(new Reader(data)),
  stat: (data) => new Reader(data).stat(),
  children: (data) => {
    const reader = new Reader(data);
    return reader.list(() => reader.text());
  },
  data: (data) => {
    const reader = new Reader(data);
    return [reader.bytes(), reader.stat(), reader.end()];
  },
};

function hex(...parts: readonly string[]): Buffer {
  return Buffer.from(parts.join("").replaceAll(" ", ""), "hex");
}

function readsOrRefuses(read: (data: Buffer) => unknown, data: Buffer): void {
  try {
    read(data);
  } catch (error) {
    assert.ok(error instanceof Nonsense, String(error));
  }
}

/** An answer to a transaction as a server of 3.8 gives it: a create, a set, a delete and a check. */
const ANSWER = hex("00000001 00 00000000 00000002 2f61", "00000005 00 00000000", "00".repeat(68), "00000002 00 00000000", "0000000d 00 00000000", "ffffffff 01 ffffffff");

test("frames that are cut anywhere come together again", () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 }), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (bodies, steps) => {
    const all = Buffer.concat(bodies.map((body) => frame(body)));
    const frames = new Frames(300);
    const got: Buffer[] = [];
    for (let at = 0, turn = 0; at < all.length; turn += 1) {
      const step = steps[turn % steps.length] ?? 1;
      got.push(...frames.add(all.subarray(at, at + step)));
      at += step;
    }
    assert.deepEqual(got.map((each) => each.toString("hex")), bodies.map((body) => Buffer.from(body).toString("hex")));
  }));
});

test("a frame that is too long, or has a length below zero, is refused before its bytes are kept", () => {
  assert.throws(() => new Frames(1_000).add(hex("000003e9")), Nonsense);
  assert.throws(() => new Frames(1_000).add(hex("ffffffff")), Nonsense);
  assert.throws(() => new Frames(1_000).add(Buffer.from("HTTP/1.1 400 Bad Request\r\n")), /a frame of 1213486160 bytes/);
  assert.deepEqual(new Frames(1_000).add(hex("000003e8")), []);
});

for (const [name, read] of Object.entries(READERS)) {
  test(`${name}: any bytes are read or are Nonsense`, () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (data) => readsOrRefuses(read, Buffer.from(data))), { numRuns: 2_000 });
    // Near misses: a right answer with a byte changed, or its end cut off.
    fc.assert(fc.property(fc.nat(ANSWER.length - 1), fc.nat(255), fc.nat(ANSWER.length), (at, byte, length) => {
      const bent = Buffer.from(ANSWER);
      bent[at] = byte;
      readsOrRefuses(read, bent.subarray(0, length));
    }), { numRuns: 2_000 });
  });
}

test("the answer to a transaction: carried out, or the first operation that could not be", () => {
  assert.equal(multiAnswer(new Reader(ANSWER)), null);
  const error = (code: string): string => `ffffffff00${code}${code}`;
  const failed = hex(error("00000000"), error("ffffff99"), error("fffffffe"), error("fffffffe"), "ffffffff 01 ffffffff");
  assert.deepEqual(multiAnswer(new Reader(failed)), { at: 1, code: ERR.BAD_VERSION });
  assert.throws(() => multiAnswer(new Reader(hex("00000009 00 00000000 ffffffff 01 ffffffff"))), /an answer to the operation 9/);
  assert.throws(() => multiAnswer(new Reader(Buffer.concat([ANSWER, Buffer.of(0)]))), /1 bytes too many/);
});

test("a transaction number that a double cannot hold is nonsense, not a rounded revision", () => {
  const header = (zxid: string): Buffer => hex("00000007", zxid, "00000000");
  assert.deepEqual(new Reader(header("001fffffffffffff")).header(), { xid: 7, zxid: Number.MAX_SAFE_INTEGER, code: 0 });
  assert.throws(() => new Reader(header("0020000000000000")).header(), Nonsense);
});

test("requests are what zookeeper.jute says", () => {
  assert.equal(request(XID.ping, OP.ping).toString("hex"), "00000008fffffffe0000000b");
  assert.equal(connectRequest(6_000, 0n, Buffer.alloc(16)).toString("hex"), `0000002d00000000${"00".repeat(8)}00001770${"00".repeat(8)}00000010${"00".repeat(16)}00`);
  const body = multiBody([{ op: "check", path: "/a", version: -1 }, { op: "create", path: "/b", data: Buffer.from("x"), ephemeral: true }], true);
  assert.equal(body.toString("hex"), [
    "0000000d00ffffffff", "000000022f61", "ffffffff",
    "0000000100ffffffff", "000000022f62", "0000000178", "00000001", "0000001f", "0000000461757468", "00000000", "00000001",
    "ffffffff01ffffffff",
  ].join(""));
});

test("codes: what ZooKeeper has decided, and what it leaves open", () => {
  assert.ok([ERR.NO_NODE, ERR.BAD_VERSION, ERR.NODE_EXISTS, ERR.NO_AUTH, ERR.SESSION_EXPIRED].every((code) => DECIDED.has(code)));
  // ConnectionLoss, OperationTimeout, a throttled operation, an unknown one, success.
  assert.ok([-4, -7, -127, -999, 0].every((code) => !DECIDED.has(code)));
  assert.equal(codeName(-102), "NO_AUTH (-102)");
  assert.equal(codeName(-999), "error (-999)");
});

test("any key has one path of its own, and the path gives it back", () => {
  const layout = new Layout("/upkeep");
  fc.assert(fc.property(fc.string({ unit: "grapheme", minLength: 1 }), (key) => {
    const path = layout.pathOf(key);
    assert.match(path, /^\/upkeep\/record\/[0-3][0-9a-f]\/[\x21-\x7e]+$/);
    assert.equal(path.split("/").length, 5);
    assert.ok(!/\/\.{1,2}$/.test(path));
    assert.equal(layout.keyOf(path), key);
    // The same name on another shelf, and the same key written otherwise, are no records.
    const elsewhere = layout.shelves.find((shelf) => !path.startsWith(shelf)) ?? "";
    assert.equal(layout.keyOf(`${elsewhere}${path.slice(path.lastIndexOf("/"))}`), null);
    if (path.includes("%2F")) assert.equal(layout.keyOf(path.replace("%2F", "%2f")), null);
  }));
  for (const path of ["/upkeep/record", "/upkeep/record/00", "/upkeep/identity", "/upkeep/record/00/%ff", "/elsewhere/record/00/a"]) assert.equal(layout.keyOf(path), null, path);
});

test("a prefix becomes a path, or is none", () => {
  assert.deepEqual(["upkeep", "/upkeep/", "/a/b c/ü"].map(rootOf), ["/upkeep", "/upkeep", "/a/b c/ü"]);
  assert.deepEqual(["", "/", "a//b", "a/../b", ".", "zookeeper/x", "a\u0007", "\u{e000}"].map(rootOf), Array.from({ length: 8 }, () => null));
  assert.deepEqual(above("/a/b/c"), ["/a", "/a/b"]);
});
