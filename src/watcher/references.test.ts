import assert from "node:assert/strict";
import { test } from "node:test";
import type { References } from "../core/round.ts";
import { noIcmp } from "../probes/conformance.ts";
import type { Finding, Probe } from "../probes/probe.ts";
import { type ReferenceCheck, createReferences } from "./references.ts";
import { VirtualClock } from "../process/virtual-clock.ts";

const GOOD: Finding = { outcome: "good", sign: "answer", evidence: "well" };
const REFUSED: Finding = { outcome: "bad", sign: "refused", evidence: "connection refused" };
const UNKNOWN: Finding = { outcome: "unknown", sign: "not-run", evidence: "EMFILE" };

function reference(probe: Probe<unknown>["run"]): { address: string; probe: Probe<unknown>; options: unknown } {
  return { address: "10.0.0.254", probe: { name: "ref", service: false, run: probe }, options: {} };
}

function referencesOf(findings: (Finding | null)[], clock: VirtualClock, delayMs = 10): { check: ReferenceCheck; begun: number[]; aborted: () => number } {
  const begun: number[] = [];
  let aborted = 0;
  const list = findings.map((finding) =>
    reference((_target, _options, _tools, signal) => {
      begun.push(clock.ms);
      return new Promise((resolve, reject) => {
        const takeBack = finding === null ? () => undefined : clock.at(clock.ms + delayMs, () => resolve(finding));
        signal.addEventListener("abort", () => {
          aborted += 1;
          takeBack();
          reject(signal.reason);
        });
      });
    }),
  );
  const check = createReferences(list, { clock, names: { address: (address) => ({ address, family: 4 }) }, tools: { icmp: noIcmp } });
  return { check, begun, aborted: () => aborted };
}

async function found(clock: VirtualClock, checking: Promise<References>, withinMs: number): Promise<References | "pending"> {
  let answer: References | "pending" = "pending";
  void checking.then((references) => (answer = references));
  await clock.advance(withinMs);
  return answer;
}

test("no references: none, always", async () => {
  const check = createReferences([], { clock: new VirtualClock(), names: { address: () => ({ error: "x" }) }, tools: { icmp: noIcmp } });
  assert.deepEqual([await check.check(0), check.last()], ["none", "none"]);
});

test("one reference that speaks, or whose kernel refuses, is enough; silence and our own failures are not", async () => {
  const cases: [(Finding | null)[], References][] = [
    [[null, GOOD], "reached"],
    [[UNKNOWN, REFUSED], "reached"],
    [[{ outcome: "bad", sign: "answer", evidence: "503" }], "reached"],
    [[null, UNKNOWN], "lost"],
    [[{ outcome: "bad", sign: "unreachable", evidence: "" }, { outcome: "bad", sign: "silent", evidence: "" }], "lost"],
  ];
  for (const [findings, expected] of cases) {
    const clock = new VirtualClock();
    const { check, aborted } = referencesOf(findings, clock);
    assert.equal(check.last(), null);
    assert.equal(await found(clock, check.check(clock.ms), 1_000), expected);
    assert.equal(check.last(), expected);
    assert.equal(clock.pending, 0);
    assert.equal(aborted(), findings.length);
  }
});

test("a refusal at an address of this very machine is its own kernel's: it reaches nothing", async () => {
  for (const [address, expected] of [["127.0.7.1", "lost"], ["::1", "lost"], ["192.0.2.1", "reached"]] as const) {
    const clock = new VirtualClock();
    const family = address.includes(":") ? 6 : 4;
    const check = createReferences([reference(() => Promise.resolve(REFUSED))], { clock, names: { address: () => ({ address, family }) }, tools: { icmp: noIcmp } });
    assert.equal(await found(clock, check.check(clock.ms), 0), expected, address);
  }
});

test("silence is lost after its time-out and not before; a name without an address does not help", async () => {
  const clock = new VirtualClock();
  const { check } = referencesOf([null], clock);
  const checking = check.check(clock.ms);
  assert.equal(await found(clock, checking, 999), "pending");
  assert.equal(await found(clock, checking, 1), "lost");
  const unnamed = createReferences([reference(() => Promise.resolve(GOOD))], { clock, names: { address: () => ({ error: "x" }) }, tools: { icmp: noIcmp } });
  assert.equal(await found(clock, unnamed.check(clock.ms), 0), "lost");
});

test("rounds share a check that is fresh and not older than they are, and never one begun before them", async () => {
  const clock = new VirtualClock();
  const { check, begun } = referencesOf([GOOD], clock);
  const firstMs = clock.ms;
  assert.equal(await found(clock, check.check(firstMs - 1_000), 100), "reached");
  assert.equal(await found(clock, check.check(firstMs - 500), 100), "reached"); // begun after that round's start, 100 ms ago
  assert.equal(begun.length, 1);
  const late = check.check(firstMs + 150); // a round that began after it: waits until 250 ms are over, with all others
  const later = check.check(firstMs + 180);
  assert.equal(await found(clock, late, 49), "pending");
  assert.equal(await found(clock, later, 11), "reached");
  assert.deepEqual(begun.map((ms) => Math.round(ms - firstMs)), [0, 250]);
  await clock.advance(1_000);
  assert.equal(await found(clock, check.check(firstMs), 10), "reached"); // begun after its start, but a second ago: asked anew
  assert.equal(begun.length, 3);
});

test("closed, it asks nobody", async () => {
  const clock = new VirtualClock();
  const { check, begun } = referencesOf([null], clock);
  const checking = check.check(clock.ms);
  check.close();
  assert.equal(await found(clock, checking, 1_000), "lost");
  assert.equal(await check.check(clock.ms), "lost");
  assert.equal(begun.length, 1);
});
