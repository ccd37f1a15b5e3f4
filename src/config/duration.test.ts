import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatDuration, parseDuration } from "./duration.ts";
import { formatPercent, parsePercent } from "./percent.ts";

const GOOD = [
  ["0s", 0], ["0ms", 0], ["500ms", 500], ["5s", 5_000], ["2m", 120_000], ["1h30m", 5_400_000], ["1d", 86_400_000],
  ["1d2h3m4s5ms", 93_784_005], ["1m500ms", 60_500], ["90s", 90_000], ["05s", 5_000], ["3650d", 315_360_000_000],
] as const;

for (const [text, ms] of GOOD) {
  test(`${text} is ${ms} ms`, () => {
    assert.deepEqual(parseDuration(text), { ok: true, value: ms });
  });
}

const BAD = [
  ["5", /write 5s/], ["", /write 500ms/], ["1 s", /write 1s/], [" 5s", /write 5s/], ["5s ", /write 5s/], ["1h 30m", /write 1h30m/], ["5S", /write 5s/],
  ["1.5h", /whole numbers/], [".5s", /whole numbers/], ["-5s", /write 500ms/], ["5x", /units are/], ["5w", /units are/], ["5min", /units are/], ["1h xyz", /write/], ["30m1h", /largest first/],
  ["5s5s", /each unit once/], ["3651d", /3650d/], ["99999999999999999999999999d", /3650d/], [`${"9".repeat(70)}s`, /write/], ["1e3s", /write/], ["٥s", /write/], ["5s\n", /write 5s/],
] as const;

for (const [text, hint] of BAD) {
  test(`${JSON.stringify(text.slice(0, 20))} is no duration, and the hint says what would be`, () => {
    const result = parseDuration(text);
    assert.equal(result.ok, false);
    if (!result.ok) assert.match(result.hint, hint);
  });
}

test("every duration is read back from how it is shown", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 315_360_000_000 }), (ms) => {
    assert.deepEqual(parseDuration(formatDuration(ms)), { ok: true, value: ms });
  }));
});

test("durations are shown as people write them", () => {
  assert.deepEqual([0, 500, 1_500, 65_000, 5_400_000, 86_400_000].map(formatDuration), ["0s", "500ms", "1s500ms", "1m5s", "1h30m", "1d"]);
});

test("no text makes the parser throw, and what it takes it can show again", () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9]{1,12}(ms|s|m|h|d| ){0,2}[0-9]{0,3}[a-z]{0,2}$/));
  fc.assert(fc.property(text, (value) => {
    const result = parseDuration(value);
    if (result.ok) assert.deepEqual(parseDuration(formatDuration(result.value)), result);
  }));
});

test("shares are percentages and nothing else", () => {
  assert.deepEqual(["0%", "40%", "100%", "2.5%"].map((text) => parsePercent(text)), [0, 0.4, 1, 0.025].map((value) => ({ ok: true, value })));
  for (const text of ["40", "0.4", "101%", "-1%", "% ", "40 %", "", "1000%", "4,5%"]) assert.equal(parsePercent(text).ok, false, text);
  assert.equal(formatPercent(0.025), "2.5%");
});
