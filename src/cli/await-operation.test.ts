// What is made of an operation's record: done is only what was confirmed, and whatever cannot be told is unknown.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostReport, OperationReport } from "../api/contract.ts";
import { judge } from "./await-operation.ts";

const host: HostReport = {
  host: "logos", verdict: "down", counter: 0, threshold: 5, since: "2026-01-31T12:00:00.000Z", guarded: false, why: "an operation is under way", wanted: "on", brakes: [], power: [], incident: null, inCharge: "rikis-hopuuj", observers: [], need: 1, address: "10.0.0.11", group: "default",
  round: null, probes: [], wantedOff: null, careful: null, held: null, operation: null, lastOperation: null, offByOthers: [], budget: { cycles: 0, of: 3, withinMs: 1 }, bootMs: 1, bootLongestMs: null,
};
const operation: OperationReport = {
  operation: 7, kind: "cycle", phase: "booting", phaseSince: host.since, began: host.since, level: 1, levels: 1, by: "riki", because: "x", cut: [], offWasConfirmed: true, contradiction: null, withdrawing: null,
};
const during = (change: Partial<OperationReport>): HostReport => ({ ...host, operation: { ...operation, ...change } });
const after = (kind: OperationReport["kind"], outcome: "recovered" | "withdrawn" | "held" | "done", change: Partial<HostReport> = {}): HostReport => ({ ...host, lastOperation: { operation: 7, kind, outcome, at: host.since }, ...change });

test("it goes on until power is back", () => {
  for (const phase of ["intended", "off-sent", "off-confirmed", "on-sent"] as const) assert.equal(judge(during({ phase }), 7), null, phase);
});

test("what each end is worth", () => {
  const cases: readonly (readonly [string, HostReport, number, string])[] = [
    ["a confirmed cycle", during({}), 0, "on"],
    ["power is back, off was never confirmed", during({ offWasConfirmed: false }), 5, "on"],
    ["power is back, the host had answered without it", during({ contradiction: "logos still answers" }), 5, "on"],
    ["withdrawn on the way", during({ withdrawing: "a brake" }), 4, "on"],
    ["an on that is booting", during({ kind: "on", offWasConfirmed: false }), 0, "on"],
    ["recovered", after("cycle", "recovered"), 0, "on"],
    ["off", after("off", "done"), 0, "off"],
    ["on", after("on", "done"), 0, "on"],
    ["withdrawn", after("cycle", "withdrawn"), 4, "withdrawn"],
    ["held", after("off", "held", { held: { kind: "unconfirmed", because: "off could not be confirmed", since: host.since, sticky: false } }), 5, "held"],
    ["held, and let go since", after("off", "held"), 5, "held"],
    ["another operation has ended since", { ...after("cycle", "recovered"), lastOperation: { operation: 9, kind: "cycle", outcome: "recovered", at: host.since } }, 5, "unknown"],
    ["nothing is remembered", host, 5, "unknown"],
    ["another operation is under way", { ...during({}), operation: { ...operation, operation: 9 } }, 5, "unknown"],
  ];
  for (const [what, report, exit, outcome] of cases) {
    const end = judge(report, 7);
    assert.deepEqual([end?.exit, end?.outcome], [exit, outcome], what);
    assert.match(end?.text ?? "", /[a-z]/, what);
  }
});
