// What the page says of an agent, a lease and a rolling reboot, pinned.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentReport, LeaseReport, RebootsReport } from "../../api/contract.ts";
import { agentInWords, agentSign, leaseInWords, worstFirst } from "../views/agent.ts";
import { rebootsInWords, rowsOf } from "../views/reboots.ts";
import { powerHeadline } from "../views/power.ts";
import { wallSentence } from "../views/wall.ts";
import { AT, AT_MS, hostReport, siteReport } from "./reports.ts";

const agent = (change: Partial<AgentReport> = {}): AgentReport => ({ host: "logos", state: "connected", since: "2026-11-29T11:50:00.000Z", heard: AT, version: "0.4.0", from: "10.0.0.11", enrolled: AT, revoked: null, code: null, findings: { good: 3, warn: 0, bad: 0, unknown: 0 }, ...change });
const lease = (change: Partial<LeaseReport> = {}): LeaseReport => ({ service: "db", host: "logos", epoch: 1, phase: "granted", next: null, since: AT, by: "riki", reason: "", ttlMs: 30_000, stopWithinMs: 30_000, resetWithinMs: 15_000, boundMs: 93_000, renewedMs: 4_000, is: "running", fencedAt: null, freeInMs: null, ...change });
const run = (change: Partial<RebootsReport> = {}): RebootsReport => ({ run: 1, state: "running", because: "", by: "riki", reason: "", began: AT, ended: null, window: null, plan: ["a", "b", "c"], done: [{ host: "a", outcome: "rebooted", because: "", at: AT, tookMs: 64_000 }], now: { host: "b", phase: "gone", since: "2026-11-29T11:59:00.000Z", mayTakeMs: 300_000 }, waiting: null, stopBy: null, ...change });

test("an agent: there, away, revoked, invited", () => {
  assert.equal(agentInWords(agent(), AT_MS), "Connected for 10 min from 10.0.0.11, version 0.4.0. All of its 3 findings are good.");
  assert.match(agentInWords(agent({ state: "away" }), AT_MS), /^Not connected to this watcher for 10 min\. Its silence counts for nothing\. What follows was heard at /);
  assert.match(agentInWords(agent({ state: "revoked", revoked: { by: "riki", at: AT } }), AT_MS), /^Revoked by riki at .*: nothing of it is listened to\. A new code lets it in again/);
  assert.equal(agentInWords(agent({ state: "invited", since: null, enrolled: null, code: { by: "riki", until: "2026-11-29T13:00:00.000Z" } }), AT_MS), "Not enrolled yet. A code of riki is good for 1 h: upkeep agent enroll CODE on the host uses it.");
  assert.deepEqual(agentSign(agent({ findings: { good: 0, warn: 1, bad: 2, unknown: 0 } })), { sign: "down", word: "2 bad" });
  assert.deepEqual(agentSign(agent({ state: "away", findings: { good: 0, warn: 0, bad: 2, unknown: 0 } })), { sign: "unknown", word: "away" });
});

test("of equally bad findings that one comes first for which power may be cut", () => {
  const found = [{ subject: "keep:a", verdict: "bad", mayCut: false }, { subject: "x", verdict: "good", mayCut: false }, { subject: "storage:/", verdict: "bad", mayCut: true }, { subject: "b", verdict: "unknown", mayCut: false }, { subject: "w", verdict: "warn", mayCut: false }] as const;
  assert.deepEqual(worstFirst(found.map((each) => ({ ...each, because: "" }))).map(({ subject }) => subject), ["storage:/", "keep:a", "w", "b", "x"]);
});

test("a lease promises only what a watchdog keeps, and says when it is not renewed", () => {
  assert.deepEqual(leaseInWords(lease(), "logos"), { sign: "up", word: "running", text: "If this host is lost, it may run elsewhere after 93 s. Renewed 4 s ago." });
  assert.match(leaseInWords(lease({ resetWithinMs: null, boundMs: null }), "logos").text, /^There is no watchdog behind it: .* only its agent's word or a person's/);
  assert.equal(leaseInWords(lease({ renewedMs: 40_000 }), "logos").word, "not renewed");
  assert.equal(leaseInWords(lease({ fencedAt: AT }), "logos").word, "fenced by itself");
  assert.equal(leaseInWords(lease({ phase: "taking-back", next: "ethos", freeInMs: 20_000 }), "logos").text, "It goes to ethos: in 20 s at the latest.");
  assert.equal(leaseInWords(lease({ phase: "taking-back", next: "ethos", freeInMs: 20_000 }), "ethos").text, "logos has it still; it comes here in 20 s at the latest.");
});

test("a rolling reboot: who was, who is, who comes; when it has ended the rest was not touched", () => {
  assert.deepEqual(rowsOf(run(), AT_MS).map(({ host, word, text }) => `${host} ${word} ${text.replace(/\d\d:\d\d/, "12:00")}`), ["a rebooted At 12:00, served again after 64 s.", "b gone For 60 s; it may be away for 5 min.", "c to come "]);
  assert.equal(rebootsInWords(run({ state: "held", because: "b did not come back" }), AT_MS), "It has stopped: b did not come back. The rest is not touched until somebody says so.");
  assert.equal(rowsOf(run({ state: "ended", now: null }), AT_MS).at(-1)?.word, "not touched");
});

test("the wall is calm while a rolling reboot goes as it should, and not when it has stopped or power is lost", () => {
  const hosts = [hostReport("a"), hostReport("b")];
  assert.deepEqual(wallSentence(siteReport("2 of 2", { reboots: run() }), hosts, AT_MS), { text: "All 2 hosts are well.", more: "Rolling reboot: 1 of 3 done, b now (gone).", calm: true });
  assert.deepEqual(wallSentence(siteReport("2 of 2", { reboots: run({ state: "held", because: "b did not come back" }) }), hosts, AT_MS), { text: "Rolling reboot 1 has stopped: b did not come back.", more: null, calm: false });
  const power = { state: "lost", because: "UPS rack is on battery", charge: null, goodSince: null } as const;
  assert.deepEqual(wallSentence(siteReport("2 of 2", { power }), hosts, AT_MS), { text: "Power is lost: UPS rack is on battery.", more: null, calm: false });
  assert.match(powerHeadline([], "lost"), /^Power is lost\. /);
});
