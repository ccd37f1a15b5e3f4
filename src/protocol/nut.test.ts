import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatNutLine, nutStatus, parseNutLine, readNutList } from "./nut.ts";

test("words, in quotes and without, with backslashes before what would end them", () => {
  assert.deepEqual(parseNutLine('VAR ups battery.charge "100"'), ["VAR", "ups", "battery.charge", "100"]);
  assert.deepEqual(parseNutLine('VAR ups ups.id "a \\"b\\" \\\\"'), ["VAR", "ups", "ups.id", 'a "b" \\']);
  assert.deepEqual(parseNutLine('VAR ups ups.id ""'), ["VAR", "ups", "ups.id", ""]);
  for (const wrong of ['VAR "ups', 'VAR ups"x"', 'VAR "a"b', "", "   ", "a\u0007b", "x".repeat(3_000), Array(20).fill("a").join(" ")]) assert.equal(parseNutLine(wrong), null, wrong.slice(0, 40));
});

test("a line comes back as the words that it was made of", () => {
  const word = fc.string({ minLength: 1, maxLength: 40 }).filter((text) => !/[\0-\x1f\x7f]/.test(text));
  fc.assert(fc.property(fc.array(word, { minLength: 1, maxLength: 8 }), (words) => {
    assert.deepEqual(parseNutLine(formatNutLine(...words).replace(/\n$/, "")), words);
  }));
});

const LIST = 'BEGIN LIST VAR ups\nVAR ups battery.charge "100"\nVAR ups ups.status "OL CHRG"\nEND LIST VAR ups\n';

test("a list is whole with its end, in whatever parts it comes", () => {
  for (let cut = 0; cut < LIST.length; cut += 1) assert.equal(readNutList(LIST.slice(0, cut), ["VAR", "ups"]).kind, "partial", String(cut));
  assert.deepEqual(readNutList(LIST, ["VAR", "ups"]), { kind: "list", rows: [["battery.charge", "100"], ["ups.status", "OL CHRG"]] });
  assert.deepEqual(readNutList(LIST.replaceAll("\n", "\r\n"), ["VAR", "ups"]).kind, "list");
  assert.deepEqual(readNutList("BEGIN LIST UPS\nUPS lab \"Lab UPS\"\nEND LIST UPS\n", ["UPS"]), { kind: "list", rows: [["lab", "Lab UPS"]] });
});

test("errors are told by their code; anything else is not of the protocol", () => {
  assert.deepEqual(readNutList("ERR UNKNOWN-UPS\n", ["VAR", "ups"]), { kind: "error", code: "UNKNOWN-UPS", detail: "" });
  for (const wrong of ["OK\n", "BEGIN LIST VAR other\n", "ERR\n", "VAR ups a \"b\"\n", "BEGIN LIST VAR ups\nVAR other a \"b\"\n", "BEGIN LIST VAR ups\nBEGIN LIST VAR ups\n", "BEGIN LIST VAR ups\nEND LIST VAR other\n", "x".repeat(3_000)]) {
    assert.equal(readNutList(wrong, ["VAR", "ups"]).kind, "malformed", wrong.slice(0, 60));
  }
});

test("a status is a set of tokens", () => {
  assert.deepEqual([...nutStatus("FSD OB  LB")], ["FSD", "OB", "LB"]);
  assert.deepEqual([...nutStatus("")], []);
});

test("random bytes never throw, and a list is one only with its beginning and its end", () => {
  const chunk = fc.oneof(fc.string({ maxLength: 60 }), fc.constantFrom(...LIST.split("\n").map((line) => `${line}\n`), "ERR DATA-STALE\n", "\n", '"'));
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 12 }), (chunks) => {
      const text = chunks.join("");
      const found = readNutList(text, ["VAR", "ups"]);
      if (found.kind === "list") assert.ok(text.startsWith("BEGIN LIST VAR ups") && text.includes("END LIST VAR ups\n"));
      parseNutLine(text);
    }),
    { numRuns: 2_000 },
  );
});
