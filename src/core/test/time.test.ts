// Ages and deadlines on two clocks: nothing that must happen waits for a synchronised clock, and nothing that holds back ends
// because a clock jumped.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Now, Stamp } from "../time.ts";
import { ageMs, corrected, countsWithin, deadlineIn, leftMs, stamp } from "../time.ts";
import { inWords } from "../words.ts";

const YEAR_MS = 31_557_600_000;
const WALL_MS = Date.UTC(2026, 0, 1);
const now = (change: Partial<Now> = {}): Now => ({ bootMs: 1_000_000, wallMs: WALL_MS, bootId: "a", synced: true, ...change });
const made = (change: Partial<Stamp> = {}): Stamp => ({ bootMs: 900_000, wallMs: WALL_MS - 100_000, bootId: "a", ...change });

const anyNow = fc.record({ bootMs: fc.integer({ min: 0, max: 1e10 }), wallMs: fc.integer({ min: 0, max: 4e12 }), bootId: fc.constantFrom("a", "b"), synced: fc.boolean() });
const anyStamp: fc.Arbitrary<Stamp> = fc.record({ bootMs: fc.integer({ min: 0, max: 1e10 }), wallMs: fc.integer({ min: 0, max: 4e12 }), bootId: fc.constantFrom("a", "b"), unsynced: fc.boolean() })
  .map(({ unsynced, ...rest }) => (unsynced ? { ...rest, unsynced } : rest));
const anyLength = fc.integer({ min: 0, max: 1e9 });

test("ages", () => {
  const cases: [string, Stamp, Now, number][] = [
    ["this boot, by the boot-time clock", made(), now(), 100_000],
    ["this boot, whatever the wall clock says", made(), now({ wallMs: WALL_MS + 10 * YEAR_MS }), 100_000],
    ["this boot, not synchronised", made(), now({ synced: false }), 100_000],
    ["from the future of this boot", made({ bootMs: 2_000_000 }), now(), 0],
    ["another boot, by the wall clock", made({ bootId: "z", wallMs: WALL_MS - 5_000_000 }), now(), 5_000_000],
    ["another boot: at least as old as this one", made({ bootId: "z" }), now(), 1_000_000],
    ["another boot, not synchronised: as old as this one, and nothing else is known", made({ bootId: "z", wallMs: WALL_MS - YEAR_MS }), now({ synced: false }), 1_000_000],
    ["another boot, the wall clock went back", made({ bootId: "z", wallMs: WALL_MS + YEAR_MS }), now(), 1_000_000],
  ];
  for (const [name, then, at, expected] of cases) assert.equal(ageMs(then, at), expected, name);
});

test("an age is never negative, and within a boot the wall clock has no say", () => {
  fc.assert(fc.property(anyStamp, anyNow, fc.integer({ min: 0, max: 4e12 }), (then, at, wallMs) => {
    assert.ok(ageMs(then, at) >= 0);
    if (then.bootId === at.bootId) assert.equal(ageMs(then, at), ageMs(then, { ...at, wallMs, synced: !at.synced }));
    else assert.ok(ageMs(then, at) >= at.bootMs, "older than this boot of the machine");
  }));
});

test("a budget's entry counts as long as its age cannot be told", () => {
  const cases: [string, Stamp, number, Now, boolean][] = [
    ["young", made(), 200_000, now(), true],
    ["old", made(), 100_000, now(), false],
    ["another boot, not synchronised, however long ago", made({ bootId: "z", wallMs: 0 }), 1_000, now({ synced: false }), true],
    ["another boot, synchronised: old", made({ bootId: "z", wallMs: WALL_MS - YEAR_MS }), 1_000, now(), false],
    ["another boot, synchronised: young", made({ bootId: "z", wallMs: WALL_MS - 500 }), 2_000_000, now(), true],
    ["a window of nothing switches the budget off", made({ bootId: "z" }), 0, now({ synced: false }), false],
  ];
  for (const [name, then, withinMs, at, expected] of cases) assert.equal(countsWithin(then, withinMs, at), expected, name);
  fc.assert(fc.property(anyStamp, anyNow, anyLength, (then, at, withinMs) => {
    // Losing the clock never frees a budget.
    if (countsWithin(then, withinMs, at)) assert.ok(countsWithin(then, withinMs, { ...at, synced: false }));
  }));
});

test("deadlines", () => {
  const until = deadlineIn(60_000, now());
  const cases: [string, Now, number][] = [
    ["at once", now(), 60_000],
    ["later", now({ bootMs: 1_020_000 }), 40_000],
    ["past", now({ bootMs: 1_060_000 }), 0],
    ["long past", now({ bootMs: 9_000_000 }), 0],
    ["the wall clock jumps ahead", now({ bootMs: 1_020_000, wallMs: WALL_MS + YEAR_MS }), 40_000],
    ["the wall clock jumps back", now({ bootMs: 1_020_000, wallMs: 0 }), 40_000],
    ["after a reboot, by the wall clock", now({ bootId: "b", bootMs: 5_000, wallMs: WALL_MS + 50_000 }), 10_000],
    ["after a reboot, not synchronised: all of it", now({ bootId: "b", bootMs: 5_000, wallMs: WALL_MS + YEAR_MS, synced: false }), 60_000],
    ["after a reboot, the wall clock before it: no more than its length", now({ bootId: "b", bootMs: 5_000, wallMs: WALL_MS - YEAR_MS }), 60_000],
  ];
  for (const [name, at, expected] of cases) assert.equal(leftMs(until, at), expected, name);
});

test("what is left of a deadline lies between nothing and its length, and shrinks as the boot-time clock goes on", () => {
  fc.assert(fc.property(anyNow, anyNow, anyLength, fc.nat(1e9), (put, at, lengthMs, laterMs) => {
    const until = deadlineIn(lengthMs, put);
    const left = leftMs(until, at);
    assert.ok(left >= 0 && left <= lengthMs);
    assert.ok(leftMs(until, { ...at, bootMs: at.bootMs + laterMs, wallMs: at.wallMs + laterMs }) <= left);
    if (until.at.bootId !== at.bootId && !at.synced) assert.equal(left, lengthMs);
  }));
});

test("once the clock is known to be right, stamps of this boot are set right, and only their wall half", () => {
  const cases: [string, Stamp, Now, Stamp][] = [
    ["right already", made(), now(), made()],
    ["slewed by a few seconds: not written again", made({ wallMs: made().wallMs + 9_000 }), now(), made({ wallMs: made().wallMs + 9_000 })],
    ["stamped before a jump", made({ wallMs: 0 }), now(), made()],
    ["stamped while nobody knew", { ...made(), unsynced: true }, now(), made()],
    ["still nobody knows", made({ wallMs: 0 }), now({ synced: false }), made({ wallMs: 0 })],
    ["another boot: its clock is not ours to correct", made({ bootId: "z", wallMs: 0 }), now(), made({ bootId: "z", wallMs: 0 })],
  ];
  for (const [name, then, at, expected] of cases) assert.deepEqual(corrected(then, at), expected, name);
  fc.assert(fc.property(anyStamp, anyNow, (then, at) => {
    const right = corrected(then, at);
    assert.equal(right.bootMs, then.bootMs);
    assert.deepEqual(corrected(right, at), right, "right is right");
    assert.equal(ageMs(right, at), ageMs(then, at), "its age does not change");
  }));
  assert.deepEqual(stamp(now()), { bootMs: 1_000_000, wallMs: WALL_MS, bootId: "a" });
  assert.deepEqual(stamp(now({ synced: false })), { bootMs: 1_000_000, wallMs: WALL_MS, bootId: "a", unsynced: true });
});

test("a stamp that was written by a clock that nobody trusted proves no age after a reboot", () => {
  const then: Stamp = { ...made({ bootId: "z", wallMs: WALL_MS - YEAR_MS }), unsynced: true };
  assert.equal(ageMs(then, now()), 1_000_000);
  assert.equal(countsWithin(then, 1_000, now()), true);
  assert.equal(leftMs({ at: then, lengthMs: 60_000 }, now()), 60_000);
});

test("durations as people say them", () => {
  const cases: [number, string][] = [
    [0, "0 ms"], [999, "999 ms"], [1_000, "1 s"], [1_499, "1 s"], [1_500, "2 s"], [119_499, "119 s"], [120_000, "2 min"], [150_000, "2 min 30 s"],
    [3_599_000, "59 min 59 s"], [3_600_000, "1 h"], [5_400_000, "1 h 30 min"], [86_400_000, "24 h"], [172_799_000, "47 h 59 min"], [172_800_000, "2 d"], [10 * 86_400_000, "10 d"],
  ];
  for (const [ms, words] of cases) assert.equal(inWords(ms), words, String(ms));
  fc.assert(fc.property(fc.nat(1e12), (ms) => assert.match(inWords(ms), /^\d+ (ms|s|min|h|d)( \d+ (s|min))?$/)));
});
