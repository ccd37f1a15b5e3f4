// Packed results are what they were, to the precision that latency.ts promises, and take as little as docs/performance.md says;
// roll-ups are what a slower way of counting gives.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Outcome, References } from "../core/round.ts";
import { BitReader, BitWriter } from "./bits.ts";
import { OUTCOMES, REFERENCES } from "./frames.ts";
import { codeOf, latencyOf } from "./latency.ts";
import type { Names } from "./quarter.ts";
import { ABSENT, perfdataAt, Quarter, QUARTER_MS } from "./quarter.ts";
import type { Rollup, Rollups } from "./rollup.ts";
import { packRollups, rollupOf, unpackRollups } from "./rollup.ts";
import { packValues, unpackValues } from "./values.ts";

function dictionary(): Names {
  const names: string[] = [];
  return { idOf: (name) => (names.includes(name) ? names.indexOf(name) : names.push(name) - 1), nameOf: (id) => names[id] ?? "?" };
}

const outcome = fc.constantFrom<Outcome>("good", "slow", "bad", "unknown");
const value = fc.oneof(fc.integer(), fc.double({ noNaN: true }), fc.integer({ min: -9_999, max: 9_999 }).map((tenths) => tenths / 10), fc.constantFrom(200, -0, Infinity));
const result = fc.record({
  probe: fc.constantFrom("ping", "ssh", "http"), outcome, latencyMs: fc.oneof(fc.integer({ min: 0, max: 30 }).map((each) => each / 100), fc.double({ min: 0, max: 2e8, noNaN: true })),
  perfdata: fc.option(fc.uniqueArray(fc.record({ label: fc.constantFrom("status", "size", "load"), value, unit: fc.constant("B") }), { selector: ({ label }) => label, maxLength: 3 })),
});
const rounds = fc.array(fc.record({
  offsetMs: fc.integer({ min: 0, max: QUARTER_MS - 1 }), references: fc.constantFrom<References>("reached", "lost", "none"),
  results: fc.uniqueArray(result, { selector: ({ probe }) => probe, maxLength: 3 }),
}), { maxLength: 100 });

function filled(all: readonly (typeof rounds extends fc.Arbitrary<readonly (infer Round)[]> ? Round : never)[]): Quarter {
  const quarter = new Quarter();
  for (const { offsetMs, references, results } of all) assert.ok(quarter.add(offsetMs, references, results));
  return quarter;
}

function shown(quarter: Quarter): unknown {
  return Array.from({ length: quarter.count }, (_, at) => ({
    offsetMs: quarter.times[at], references: REFERENCES[quarter.references[at] as number],
    results: [...quarter.series.values()].filter(({ outcomes }) => outcomes[at] !== ABSENT).map((series) => ({ probe: series.probe, outcome: OUTCOMES[series.outcomes[at] as number], code: series.codes[at], perfdata: perfdataAt(series, at) })),
  }));
}

test("any results come back as they went in, and a damaged row is refused", () => {
  fc.assert(fc.property(rounds, fc.nat(), (all, where) => {
    const names = dictionary();
    const quarter = filled(all);
    const body = quarter.pack(names);
    assert.deepEqual(shown(Quarter.unpack(body, names)), shown(quarter));
    const damaged = Uint8Array.from(body);
    const at = where % damaged.length;
    damaged[at] = (damaged[at] as number) ^ 0x55;
    try {
      Quarter.unpack(damaged, names);
    } catch (error) {
      assert.ok(error instanceof RangeError, String(error));
    }
  }), { numRuns: 300 });
});

test("a latency comes back to the hundredth of a millisecond below 2, to half a percent above", () => {
  fc.assert(fc.property(fc.double({ min: 0, max: 1.6e8, noNaN: true }), (ms) => {
    const back = latencyOf(codeOf(ms));
    assert.ok(Math.abs(back - ms) <= Math.max(0.005_001, ms / 199), `${ms} came back as ${back}`);
    assert.equal(codeOf(back), codeOf(ms));
  }), { numRuns: 2_000 });
  for (let code = 1; code < 3_500; code += 1) assert.ok(latencyOf(code) > latencyOf(code - 1), `code ${code}`);
  for (const ms of [0.25, 1.99, 2.5, 20, 1_000, 1_500, 30_000]) assert.equal(latencyOf(codeOf(ms)), ms);
});

test("columns of any numbers come back", () => {
  fc.assert(fc.property(fc.array(fc.oneof(fc.integer({ min: 0, max: 0xffff_ffff }), fc.integer({ min: 0, max: 50 })), { maxLength: 200 }), (values) => {
    const bits = new BitWriter();
    bits.column(values);
    const back: number[] = [];
    new BitReader(bits.take()).column(back, values.length);
    assert.deepEqual(back, values);
  }));
  fc.assert(fc.property(fc.array(fc.oneof(value, fc.constant(Number.NaN)), { maxLength: 60 }), (values) => {
    const bits = new BitWriter();
    packValues(bits, Float64Array.from(values));
    const back = new Float64Array(values.length);
    unpackValues(new BitReader(bits.take()), back, values.length);
    assert.deepEqual([...back], values);
  }));
});

test("two parts of a quarter are one, in the order of their times", () => {
  fc.assert(fc.property(rounds, rounds, (one, other) => {
    const both = filled([...one, ...other].toSorted((left, right) => left.offsetMs - right.offsetMs));
    assert.deepEqual(sorted(shown(Quarter.merged(filled(one), filled(other)))), sorted(shown(both)));
  }), { numRuns: 50 });
});

/** Probes and labels stand in the order in which the quarter met them. */
function sorted(rounds: unknown): unknown {
  type Shown = { offsetMs: number; results: { probe: string; perfdata: { label: string }[] }[] }[];
  return (rounds as Shown).map((round) => ({
    ...round,
    results: round.results.toSorted((one, other) => one.probe.localeCompare(other.probe)).map((each) => ({ ...each, perfdata: each.perfdata.toSorted((one, other) => one.label.localeCompare(other.label)) })),
  }));
}

test("a roll-up is what counting gives", () => {
  fc.assert(fc.property(rounds, fc.integer({ min: 0, max: QUARTER_MS }), fc.integer({ min: 0, max: QUARTER_MS }), (all, one, other) => {
    const [fromMs, toMs] = [Math.min(one, other), Math.max(one, other)];
    const quarter = filled(all);
    const series = quarter.series.get("ssh");
    if (series === undefined) return;
    const found = rollupOf([{ series, quarter, startMs: 0 }], fromMs, toMs);
    const counted = all.filter(({ offsetMs }) => offsetMs >= fromMs && offsetMs < toMs).flatMap(({ references, results }) => results.filter(({ probe }) => probe === "ssh").map((each) => (references === "lost" ? { ...each, outcome: "unknown" as const } : each)));
    if (counted.length === 0) return assert.equal(found, undefined);
    const many = (what: Outcome): number => counted.filter((each) => each.outcome === what).length;
    const codes = counted.filter((each) => each.outcome === "good" || each.outcome === "slow").map(({ latencyMs }) => codeOf(latencyMs)).toSorted((left, right) => left - right);
    const at = (share: number): number => codes[Math.max(0, Math.ceil(share * codes.length) - 1)] ?? 0;
    const mean = codes.length === 0 ? 0 : codeOf(codes.reduce((sum, code) => sum + latencyOf(code), 0) / codes.length);
    assert.deepEqual(found, { good: many("good"), slow: many("slow"), bad: many("bad"), unknown: many("unknown"), least: codes[0] ?? 0, mean, p50: at(0.5), p95: at(0.95), most: codes.at(-1) ?? 0 });
  }), { numRuns: 200 });
});

test("any roll-ups come back", () => {
  const count = fc.integer({ min: 0, max: 3_600 });
  const code = fc.integer({ min: 0, max: 2_400 });
  const rollup = fc.record({ good: count, slow: count, bad: count, unknown: count, least: code, mean: code, p50: code, p95: code, most: code }, { noNullPrototype: true })
    .map((each): Rollup => (each.good + each.slow > 0 ? each : { ...each, least: 0, mean: 0, p50: 0, p95: 0, most: 0 }));
  fc.assert(fc.property(fc.uniqueArray(fc.tuple(fc.constantFrom("ping", "ssh", "dns"), fc.array(fc.option(rollup, { nil: undefined }), { minLength: 24, maxLength: 24 })), { selector: ([probe]) => probe }), (entries) => {
    const names = dictionary();
    const rollups: Rollups = new Map(entries);
    assert.deepEqual(unpackRollups(packRollups(rollups, names), names), rollups);
  }));
});

test("a result takes a byte or so, and its roll-ups less than a tenth of what they replace", () => {
  const quarter = new Quarter();
  let seed = 1;
  const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  const noise = (aroundMs: number): number => aroundMs * (0.8 + 0.2 * random() + 0.2 * random() ** 4 + (random() < 0.01 ? 3 : 0));
  for (let n = 0; n < 180; n += 1) {
    const outcome = n > 90 && n < 100 ? "bad" : "good";
    quarter.add(n * 5_000 + 1_700 + Math.floor(3 * random()), "reached", [
      { probe: "ping", outcome: "good", latencyMs: noise(0.3) }, { probe: "ssh", outcome, latencyMs: outcome === "bad" ? 1_000 : noise(8) },
      { probe: "http", outcome: "good", latencyMs: noise(2), perfdata: [{ label: "status", value: 200 }] },
    ]);
  }
  const bytes = quarter.pack(dictionary()).length;
  assert.ok(bytes < 540 * 1.3, `${bytes} bytes for 540 results`);
});
