import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parsePerfdata, parsePluginOutput, parseRange } from "./perfdata.ts";
import type { Perfdata } from "./perfdata.ts";

const plain = { unit: "", warn: null, crit: null, min: null, max: null };
const upTo = (end: number) => ({ start: 0, end, inside: false });

test("what real plugins print", () => {
  const cases: readonly (readonly [string, string, readonly Perfdata[]])[] = [
    ["SSH OK - OpenSSH_9.2p1 Debian-2 (protocol 2.0) | time=0.008522s;;;0.000000;10.000000\n", "SSH OK - OpenSSH_9.2p1 Debian-2 (protocol 2.0)",
      [{ ...plain, label: "time", value: 0.008522, unit: "s", min: 0, max: 10 }]],
    ["PING OK - Packet loss = 0%, RTA = 0.06 ms|rta=0.059000ms;100.000000;500.000000;0.000000 pl=0%;20;60;0\n", "PING OK - Packet loss = 0%, RTA = 0.06 ms",
      [{ ...plain, label: "rta", value: 0.059, unit: "ms", warn: upTo(100), crit: upTo(500), min: 0 }, { ...plain, label: "pl", value: 0, unit: "%", warn: upTo(20), crit: upTo(60), min: 0 }]],
    ["DISK OK - free space: / 3326 MB (56%); | /=2643MB;5948;5958;0;5968\n/ 15272 MB (77%);\n/boot 68 MB (69%); | /boot=68MB;88;93;0;98\n/home=69357MB;253404;253409;0;253414 \n/var/log=818MB;970;975;0;980",
      "DISK OK - free space: / 3326 MB (56%);", ["/", "/boot", "/home", "/var/log"].map((label, index) => {
        const [value, warn, crit, max] = [[2643, 5948, 5958, 5968], [68, 88, 93, 98], [69357, 253404, 253409, 253414], [818, 970, 975, 980]][index] as [number, number, number, number];
        return { label, value, unit: "MB", warn: upTo(warn), crit: upTo(crit), min: 0, max };
      })],
    ["CRITICAL\n", "CRITICAL", []],
    ["", "", []],
    ["no text|", "no text", []],
    ["\r\n", "", []],
  ];
  for (const [output, text, perfdata] of cases) assert.deepEqual(parsePluginOutput(output), { text, perfdata });
});

test("labels: quoted with spaces and doubled quotes, plain up to the equals sign", () => {
  const labels = (text: string): readonly string[] => parsePerfdata(text).map(({ label }) => label);
  assert.deepEqual(labels("'C: free'=1 'it''s'=2 ''''=3 a.b/c=4 'with=equals'=5"), ["C: free", "it's", "'", "a.b/c", "with=equals"]);
  assert.deepEqual(labels("''=1 =2 'open=3"), []);
  assert.deepEqual(labels("it's=1 ok=2"), ["ok"]);
  assert.deepEqual(labels(`${"a".repeat(65)}=1 '${"b".repeat(65)}'=1 ok=2`), ["ok"]);
});

test("values: a number with a unit, or U for what could not be told", () => {
  const values = (text: string): readonly (readonly [number | null, string])[] => parsePerfdata(text).map(({ value, unit }) => [value, unit]);
  assert.deepEqual(values("a=1 b=-1.5 c=.5 d=7. e=12c f=3us g=99.9% h=U"), [[1, ""], [-1.5, ""], [0.5, ""], [7, ""], [12, "c"], [3, "us"], [99.9, "%"], [null, ""]]);
  assert.deepEqual(values("a= b=x c=1,5 d=--1 e=1.2.3 f=0x10 g=1e5 h=NaN i=Infinity ok=1"), [[1, ""]]);
});

test("ranges of the guidelines, and what is none", () => {
  assert.deepEqual(parseRange("10"), { start: 0, end: 10, inside: false });
  assert.deepEqual(parseRange("10:"), { start: 10, end: Infinity, inside: false });
  assert.deepEqual(parseRange("~:10"), { start: -Infinity, end: 10, inside: false });
  assert.deepEqual(parseRange("10:20"), { start: 10, end: 20, inside: false });
  assert.deepEqual(parseRange("@10:20"), { start: 10, end: 20, inside: true });
  assert.deepEqual(parseRange("-5.5:-1"), { start: -5.5, end: -1, inside: false });
  assert.deepEqual(parseRange(":7"), { start: 0, end: 7, inside: false });
  assert.equal(parseRange(""), null);
  for (const text of ["20:10", "@", "~", "a", "1:2:3", "10:~", " 1", "1 "]) assert.equal(parseRange(text), undefined, text);
});

test("one piece that is wrong costs only itself", () => {
  assert.deepEqual(parsePerfdata("a=1 nonsense b=x;1 c=2;bad d=3;1;2;3;4;5 e=5;;;;;").map(({ label }) => label), ["a", "e"]);
});

test("what is written as the guidelines say is read back", () => {
  const number = fc.integer({ min: -1_000_000, max: 1_000_000 }).map((whole) => whole / 100);
  const label = fc.string({ minLength: 1, maxLength: 20 }).filter((text) => !/[\n\r\t|]/.test(text));
  const piece = fc.record({ label, value: fc.oneof(number, fc.constant(null)), unit: fc.constantFrom("", "s", "ms", "%", "B", "KB", "c"), min: fc.oneof(number, fc.constant(null)), max: fc.oneof(number, fc.constant(null)) });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => {
      const text = pieces.map((each) => `'${each.label.replaceAll("'", "''")}'=${each.value ?? "U"}${each.unit};;;${each.min ?? ""};${each.max ?? ""}`).join(" ");
      assert.deepEqual(parsePerfdata(text), pieces.map((each) => ({ ...plain, ...each })));
    }),
  );
});

test("whatever is printed, nothing throws, and it is over soon", () => {
  const nasty = fc.array(fc.constantFrom("'", "''", "=", ";", "|", " ", "\n", "a", "1", ".", "-", "~", ":", "@", "U"), { maxLength: 200 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary", maxLength: 200 }), nasty), (output) => {
      for (const { label, value } of parsePluginOutput(output).perfdata) assert.ok(label.length <= 65 && (value === null || Number.isFinite(value)));
    }),
    { numRuns: 2_000 },
  );
  const began = performance.now();
  for (const evil of ["'".repeat(16_384), "=".repeat(16_384), "a=1;".repeat(4_096), `${"1".repeat(16_384)}`, `a=${"1".repeat(16_000)}`, "x ".repeat(8_192), `'${"''".repeat(8_000)}`]) parsePluginOutput(`t|${evil}`);
  assert.ok(performance.now() - began < 2_000);
});
