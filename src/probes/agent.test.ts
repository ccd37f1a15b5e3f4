// The probe `agent` reads what an agent has said. Whatever is not said now, by an agent that is there, is unknown: no vote.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostFinding } from "../core/finding.ts";
import { agent, judgeHeard } from "./agent.ts";
import { assertEvidence, noIcmp } from "./conformance.ts";
import type { HeardAgent, ProbeTools } from "./probe.ts";

const STORAGE = { subjects: ["storage"] };
const found = (subject: string, verdict: HostFinding["verdict"], mayCut = verdict === "bad"): HostFinding => ({ subject, verdict, because: `${verdict} it is`, mayCut });
const heard = (findings: readonly HostFinding[], ageMs = 1_000): HeardAgent => ({ ageMs, heartbeatMs: 10_000, findings });

test("what an agent's word amounts to", () => {
  const cases: readonly [string, HeardAgent, readonly string[], string, RegExp][] = [
    ["all is well", heard([found("storage:/", "good"), found("storage:/var", "good")]), ["storage"], "good", /^storage:\/: good it is \(and storage:\/var\)$/],
    ["one mount hangs", heard([found("storage:/", "good"), found("storage:/var", "bad")]), ["storage"], "bad", /^storage:\/var: bad it is$/],
    ["bad, and power is no cure", heard([found("storage:/", "bad", false)]), ["storage"], "good", /bad it is/],
    ["a warning is for a person", heard([found("storage:/", "good"), found("storage:/var", "warn")]), ["storage"], "good", /^storage:\/var: warn/],
    ["another part's trouble", heard([found("storage:/", "good"), found("keep:web", "bad")]), ["storage"], "good", /storage/],
    ["a name holds for what is below it", heard([found("keep:web", "bad")]), ["keep"], "bad", /keep:web/],
    ["and not for what only begins like it", heard([found("keeper", "bad"), found("storage2:/", "bad"), found("keep:a", "good")]), ["keep", "storage"], "good", /keep:a/],
    ["a subject by its whole name", heard([found("keep:web", "good"), found("keep:db", "bad")]), ["keep:web"], "good", /keep:web/],
    ["nothing was found out", heard([]), ["storage"], "unknown", /nothing out about storage/],
    ["it could not look", heard([found("storage:/", "unknown")]), ["storage"], "unknown", /unknown it is/],
    ["three heartbeats old is not old", heard([found("storage:/", "bad")], 30_000), ["storage"], "bad", /storage/],
    ["older is", heard([found("storage:/", "bad")], 30_001), ["storage"], "unknown", /30 s old/],
    ["an age that is no number is none", heard([found("storage:/", "bad")], NaN), ["storage"], "unknown", /old/],
  ];
  for (const [name, word, subjects, outcome, evidence] of cases) {
    const finding = judgeHeard(word, { subjects });
    assert.equal(finding.outcome, outcome, name);
    assert.match(finding.evidence, evidence, name);
    assertEvidence(finding);
  }
});

test("evidence of any length and any character is printable and short", () => {
  for (const verdict of ["good", "bad", "unknown"] as const) assertEvidence(judgeHeard(heard([{ subject: "storage:/\u202e", verdict, because: "\u0007x".repeat(300), mayCut: true }]), STORAGE));
});

test("an agent that is not heard is no vote, and a watcher without a door says so before", async () => {
  const target = { host: "logos", address: "127.0.0.1", family: 4 as const };
  const look = (tools: Partial<ProbeTools>, signal = new AbortController().signal) => agent.run(target, STORAGE, { icmp: noIcmp, ...tools }, signal);
  const asked: string[] = [];
  const agents = { heard: (host: string) => (asked.push(host), { silent: "its agent is not connected" }) };
  const { outcome, sign, evidence } = await look({ agents });
  assert.deepEqual([outcome, sign, evidence, asked], ["unknown", "not-run", "its agent is not connected", ["logos"]]);
  assert.equal((await look({})).outcome, "unknown");
  assert.match(agent.refusal?.(STORAGE, { icmp: noIcmp }) ?? "", /no door/);
  assert.equal(agent.refusal?.(STORAGE, { icmp: noIcmp, agents }), null);
  await assert.rejects(look({ agents }, AbortSignal.abort(new Error("enough"))), /enough/);
});
