// What a plot is drawn of: a gap stays a gap, a bad round has no latency, and the words beside it say the same.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ResultLine, RollupLine } from "../../api/contract.ts";
import { columnsOf, summaryOf } from "../plot-data.ts";
import { AT_MS } from "./reports.ts";

const result = (second: number, change: Partial<ResultLine> = {}): ResultLine => ({ at: new Date(AT_MS + second * 1_000).toISOString(), host: "db1", probe: "ssh", outcome: "good", latencyMs: 2, ...change });
const hour = (at: number, change: Partial<RollupLine> = {}): RollupLine => ({ at: new Date(AT_MS + at * 3_600_000).toISOString(), host: "db1", probe: "ssh", stepMs: 3_600_000, count: 100, good: 90, slow: 0, bad: 10, unknown: 0, minMs: 1, meanMs: 2, p50Ms: 2, p95Ms: 4, maxMs: 9, ...change });

test("results: holes where nothing was asked and where nothing was answered", () => {
  const columns = columnsOf([0, 5, 10, 40, 45].map((second) => result(second, second === 5 ? { outcome: "bad", latencyMs: 1_000 } : second === 45 ? { references: "lost" } : {}))).get("ssh");
  assert.deepEqual(columns?.at.map((at) => at - AT_MS / 1_000), [0, 5, 10, 15, 40, 45]);
  assert.deepEqual([columns?.usualMs, columns?.bad, columns?.unknown], [[2, null, 2, null, 2, null], [0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1]]);
});

test("roll-ups: shares, and the same holes", () => {
  const columns = columnsOf([hour(0), hour(1, { good: 0, bad: 100, p50Ms: null, p95Ms: null }), hour(2), hour(9)]).get("ssh");
  assert.deepEqual([columns?.usualMs, columns?.highMs, columns?.bad], [[2, null, 2, null, 2], [4, null, 4, null, 4], [0.1, 1, 0.1, 0, 0.1]]);
});

test("in words", () => {
  assert.equal(summaryOf([result(0), result(5, { outcome: "bad" }), result(10, { outcome: "slow", latencyMs: 800 }), result(15)], "ssh"), "2 of 4 good, 1 slow, 1 bad; usually 2.0 ms, 95 of 100 within 800 ms");
  assert.equal(summaryOf([hour(0), hour(1)], "ssh"), "180 of 200 good, 20 bad; usually 2.0 ms, 95 of 100 within 4.0 ms");
  assert.equal(summaryOf([], "ssh"), "no round in this time");
  assert.deepEqual([...columnsOf([])], []);
});
