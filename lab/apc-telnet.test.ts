import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TelnetLine, type Key } from "./apc-telnet.ts";

function keys(bytes: readonly number[], line = new TelnetLine(true)): Key[] {
  return bytes.map((byte) => line.push(byte)).filter((key) => key !== null);
}

const text = (value: string): number[] => [...Buffer.from(value, "latin1")];
const lines = (bytes: readonly number[]): string[] => keys(bytes).filter((key) => key.kind === "line").map((key) => key.text);
const replies = (bytes: readonly number[], line = new TelnetLine(true)): string[] =>
  keys(bytes, line).filter((key) => key.kind === "reply").map((key) => [...key.bytes].join(" "));

test("one Enter is one line however the client writes it, and a line feed alone is none", () => {
  for (const enter of ["\r", "\r\0", "\r\n", "\r\0\n", "\n\r"]) assert.deepEqual(lines(text(`1${enter}2${enter}`)), ["1", "2"], JSON.stringify(enter));
  assert.deepEqual(lines(text("YES\n")), []);
});

test("Esc, Ctrl-C and IAC IP are keys at once, and throw the line away", () => {
  for (const [bytes, kind] of [[[27], "escape"], [[3], "interrupt"], [[255, 244], "interrupt"], [[255, 243], "interrupt"]] as const) {
    const line = new TelnetLine(true);
    keys(text("YE"), line);
    assert.deepEqual(keys(bytes, line), [{ kind }]);
    assert.deepEqual(keys(text("S\r"), line).at(-1), { kind: "line", text: "S" });
  }
});

test("a timing mark is answered, unknown options are refused, and what was agreed is not answered again", () => {
  const line = new TelnetLine(true);
  assert.deepEqual([...line.greeting()], [255, 251, 1, 255, 251, 3]);
  assert.deepEqual(replies([255, 253, 6], line), ["255 251 6"], "DO TIMING-MARK");
  assert.deepEqual(replies([255, 253, 1, 255, 253, 3], line), [], "DO ECHO, DO SGA: they were offered");
  assert.deepEqual(replies([255, 253, 0, 255, 251, 0, 255, 251, 24, 255, 251, 31], line), ["255 252 0", "255 254 0", "255 254 24", "255 254 31"]);
  assert.deepEqual(replies([255, 251, 3, 255, 251, 3], line), ["255 253 3"], "WILL SGA is welcome, once");
  assert.equal(line.echoes, true);
  assert.deepEqual(replies([255, 254, 1, 255, 254, 1], line), ["255 252 1"], "DONT ECHO is obeyed and confirmed once");
  assert.equal(line.echoes, false);
});

test("sub-negotiations are skipped whole, and a doubled IAC is a character", () => {
  assert.deepEqual(lines([255, 250, 24, 0, ...text("YES\r"), 255, 255, 255, 240, ...text("ok\r")]), ["ok"]);
  assert.deepEqual(lines([...text("a"), 255, 255, ...text("b\r")]), ["a\u00ffb"]);
});

test("erase keys take back, as far as the line goes", () => {
  assert.deepEqual(lines(text("olOff 3\b2\x7f4\b\b\b\b\b\b\b\b\b\b\bx\r")), ["x"]);
  assert.deepEqual(keys(text("\b")), []);
});

test("any bytes: nothing throws, and a line stays bounded and printable", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
    const line = new TelnetLine(true);
    for (const key of keys([...bytes], line)) {
      if (key.kind === "line") assert.match(key.text, /^[\x20-\xff]{0,255}$/);
    }
    assert.ok(line.pending.length <= 255);
  }));
});
