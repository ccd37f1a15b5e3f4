import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TELNET_START, telnetDecode, telnetEscape } from "./telnet.ts";
import type { TelnetState } from "./telnet.ts";

type Whole = { readonly data: number[]; readonly replies: number[]; readonly state: TelnetState };

function decode(chunks: readonly Uint8Array[]): Whole {
  let state = TELNET_START;
  const data: number[] = [];
  const replies: number[] = [];
  for (const chunk of chunks) {
    const decoded = telnetDecode(state, chunk);
    state = decoded.state;
    data.push(...decoded.data);
    replies.push(...decoded.replies);
  }
  return { data, replies, state };
}

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const marks = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...marks].map((from, index) => bytes.subarray(from, marks[index] ?? bytes.length));
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const text = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value, "latin1"));

test("plain text passes unchanged and owes nothing", () => {
  const whole = decode([text("User Name : ")]);
  assert.equal(Buffer.from(whole.data).toString(), "User Name : ");
  assert.deepEqual(whole.replies, []);
});

test("every option is refused: WILL by DONT, DO by WONT, and refusals are not answered", () => {
  // WILL ECHO, WILL SUPPRESS-GO-AHEAD, DO TERMINAL-TYPE, WONT LINEMODE, DONT NAWS, as consoles send them before the first prompt.
  const whole = decode([bytes(255, 251, 1, 255, 251, 3, 255, 253, 24, 255, 252, 34, 255, 254, 31), text("x")]);
  assert.deepEqual(whole.replies, [255, 254, 1, 255, 254, 3, 255, 252, 24]);
  assert.deepEqual(whole.data, [120]);
});

test("two sides of this codec come to rest whatever was asked first", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(251, 252, 253, 254), fc.nat(255)), { maxLength: 20 }), (asked) => {
      let here = TELNET_START;
      let there = TELNET_START;
      let toHere = Uint8Array.from(asked.flatMap(([verb, option]) => [255, verb, option]));
      for (let turn = 0; turn < 4; turn++) {
        const first = telnetDecode(here, toHere);
        const second = telnetDecode(there, first.replies);
        here = first.state;
        there = second.state;
        toHere = Uint8Array.from(second.replies);
      }
      assert.equal(toHere.length, 0);
    }),
    { numRuns: 200 },
  );
});

test("a peer that asks for the same option for ever is not answered for ever", () => {
  const whole = decode(Array.from({ length: 1000 }, () => bytes(255, 253, 1)));
  assert.equal(whole.replies.length, 16 * 3);
});

test("interrupt process and timing mark (what Ctrl-C becomes) leave the data alone; the mark is refused each time", () => {
  const whole = decode([text("a"), bytes(255, 244, 255, 253, 6), text("b"), bytes(255, 244, 255, 253, 6), text("c")]);
  assert.equal(Buffer.from(whole.data).toString(), "abc");
  assert.deepEqual(whole.replies, [255, 252, 6, 255, 252, 6]);
});

test("a doubled 0xFF is one byte of data, and carriage return NUL is a carriage return", () => {
  assert.deepEqual(decode([bytes(255, 255, 13, 0, 65, 13, 10)]).data, [255, 13, 65, 13, 10]);
  assert.deepEqual(decode([bytes(13), bytes(0, 0)]).data, [13, 0]);
});

test("a subnegotiation is swallowed, also with a doubled 0xFF in it", () => {
  const whole = decode([text("a"), bytes(255, 250, 24, 1, 255, 255, 9, 255, 240), text("b")]);
  assert.equal(Buffer.from(whole.data).toString(), "ab");
  assert.equal(whole.state.malformed, false);
});

test("a subnegotiation that never ends is given up and said to be malformed", () => {
  const whole = decode([bytes(255, 250, 24), new Uint8Array(5000).fill(65)]);
  assert.equal(whole.state.malformed, true);
  assert.ok(whole.data.length > 3000);
});

test("what is escaped is read back as it was", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (sent) => {
      // A NUL behind a carriage return is the protocol's own and cannot be sent as data.
      fc.pre(!sent.some((byte, index) => byte === 13 && sent[index + 1] === 0));
      const whole = decode([telnetEscape(sent)]);
      assert.deepEqual(whole.data, [...sent]);
      assert.deepEqual(whole.replies, []);
    }),
    { numRuns: 300 },
  );
});

test("random bytes in any chunks: same data, same answers, same state, nothing thrown, nothing kept", () => {
  const noise = fc.uint8Array({ maxLength: 300 });
  const dense = fc.array(fc.constantFrom(255, 250, 240, 251, 253, 252, 254, 13, 0, 10, 6, 65), { maxLength: 300 }).map((values) => Uint8Array.from(values));
  fc.assert(
    fc.property(fc.oneof(noise, dense), fc.array(fc.nat(299), { maxLength: 12 }), (received, places) => {
      const whole = decode([received]);
      const pieces = decode(cut(received, places));
      assert.deepEqual(pieces, whole);
      assert.ok(whole.data.length <= received.length);
      assert.ok(whole.replies.length <= received.length);
      assert.ok(whole.state.answered.size <= received.length / 3);
    }),
    { numRuns: 1000 },
  );
});
