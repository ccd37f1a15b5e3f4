import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatLevel, parseLevel } from "./outlets.ts";
import { expandRange, isName } from "./ranges.ts";

const RANGES = [
  ["web1", ["web1"]],
  ["web[01-03]", ["web01", "web02", "web03"]],
  ["web[8-11]", ["web8", "web9", "web10", "web11"]],
  ["web[08-11].lan", ["web08.lan", "web09.lan", "web10.lan", "web11.lan"]],
  ["web[1,3,7-9]", ["web1", "web3", "web7", "web8", "web9"]],
  ["r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]],
  ["[1-2]a", ["1a", "2a"]],
] as const;

for (const [text, names] of RANGES) {
  test(`${text} is ${names.join(", ")}`, () => {
    assert.deepEqual(expandRange(text), { ok: true, value: names });
  });
}

for (const text of ["", "web[3-1]", "web[a-b]", "web[]", "web[1-", "web]1[", "web[1--2]", "web[1-20000]", "a[1-999]b[1-999]", "-web", "web/1", "a b", "a+b", "a@b", "x".repeat(64), "web[[1]]", "web[1,]", "web[0-9999999999]"]) {
  test(`${JSON.stringify(text.slice(0, 24))} is no range`, () => {
    assert.equal(expandRange(text).ok, false);
  });
}

test("every name of a range is a name, and no text makes it throw", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-c]{0,3}(\[[0-9]{1,3}(-[0-9]{1,3})?\]){0,2}[a-c.]{0,3}$/)), (text) => {
    const result = expandRange(text);
    if (result.ok) assert.ok(result.value.length > 0 && result.value.every(isName));
  }));
});

const LEVELS = [
  ["sucker/2", [{ device: "sucker", outlet: "2" }]],
  ["bmc", [{ device: "bmc", outlet: null }]],
  ["sucker/5 + sucker2/5", [{ device: "sucker", outlet: "5" }, { device: "sucker2", outlet: "5" }]],
  ["a/1+b", [{ device: "a", outlet: "1" }, { device: "b", outlet: null }]],
  ["sucker/Web one", [{ device: "sucker", outlet: "Web one" }]],
  ["sucker/0", [{ device: "sucker", outlet: "0" }]],
] as const;

for (const [text, level] of LEVELS) {
  test(`${text} is an outlet or feeds`, () => {
    assert.deepEqual(parseLevel(text), { ok: true, value: level });
  });
}

for (const text of ["", "/1", "a/", "a//1", "a/1/2", "a/1 +", "+", "a b/1", "a/01", "a/\u0007", `a/${"x".repeat(65)}`, Array.from({ length: 9 }, (_, index) => `a/${index + 1}`).join("+")]) {
  test(`${JSON.stringify(text.slice(0, 24))} is no outlet`, () => {
    assert.equal(parseLevel(text).ok, false);
  });
}

test("a level is read back from how it is shown, and no text makes it throw", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[ab]{1,2}\/[0-9]{1,2}( ?\+ ?[ab]{1,2}(\/[0-9]{1,2})?){0,3}$/)), (text) => {
    const result = parseLevel(text);
    if (result.ok) assert.deepEqual(parseLevel(formatLevel(result.value)), result);
  }));
});
