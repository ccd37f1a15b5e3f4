// What is said: of the fleet, of a host, of an incident. These sentences are what somebody reads at night, so each is pinned.

import assert from "node:assert/strict";
import { test } from "node:test";
import { conditionInWords, conditionOf, headline, remarkOn, sayings, tabTitle } from "../sentences.ts";
import type { Saying } from "../sentences.ts";
import { asMarkdown, entriesOf, incidentInWords, kindInWords, offsetInWords, partsOf } from "../timeline.ts";
import { listed, plural } from "../words.ts";
import { AT, AT_MS, hostReport, incidentReport, line, operation, siteReport } from "./reports.ts";

const text = (saying: Saying) => saying.map((piece) => (typeof piece === "string" ? piece : "host" in piece ? piece.host : "incident" in piece ? piece.incident : piece.text)).join("");
const said = (site: ReturnType<typeof siteReport>, hosts: readonly ReturnType<typeof hostReport>[]) => sayings(site, hosts, AT_MS).map(text);
const held = { kind: "failed" as const, because: "it did not come back", since: "2026-11-29T11:57:00.000Z", sticky: false };

test("a fleet that is well is left alone", () => {
  assert.equal(headline(siteReport("2 of 2")), "Guarded 2 of 2.");
  assert.deepEqual(said(siteReport("2 of 2"), [hostReport("a"), hostReport("b")]), []);
});

test("what is wrong comes in the order of its urgency, and says what holds it", () => {
  assert.deepEqual(said(siteReport("0 of 6"), [
    hostReport("new", { guarded: false, why: "never seen healthy" }),
    hostReport("slow", { verdict: "suspect", counter: 3, round: { outcome: "bad", because: "ssh: no banner", at: AT } }),
    hostReport("dead", { verdict: "down", guarded: false, brakes: [{ brake: "maintenance", because: "maintenance by riki" }] }),
    hostReport("back", { operation: operation(), incident: "lusab-babad" }),
    hostReport("stuck", { held }),
    hostReport("dark", { offByOthers: ["sucker/4"], guarded: false }),
  ]), [
    "stuck is held for a person: it did not come back.",
    "dead is down and is not cut: maintenance by riki.",
    "back is booting, incident lusab-babad.",
    "slow is suspect, 3 of 5: ssh: no banner.",
    "dark was switched off at sucker/4, and not by us: it is left off.",
    "new is up and not guarded: never seen healthy.",
  ]);
});

test("many of a kind are one sentence, and a long list is cut", () => {
  const many = Array.from({ length: 20 }, (_, index) => hostReport(`web${index}`, { guarded: false, why: "its power cannot be read" }));
  assert.deepEqual(said(siteReport("0 of 20"), many), ["web0, web1 and 18 more hosts are up and not guarded: its power cannot be read."]);
  const each = Array.from({ length: 9 }, (_, index) => hostReport(`web${index}`, { guarded: false, why: `reason ${index}` }));
  assert.deepEqual([said(siteReport("0 of 9"), each).length, said(siteReport("0 of 9"), each).at(-1)], [6, "And 4 more things."]);
});

test("what holds the whole fleet is said first", () => {
  const brake = { brake: "disarmed" as const, scope: "*", by: "riki", reason: "first week", since: AT, until: "2026-11-29T14:00:00.000Z", leftMs: null };
  assert.deepEqual(said(siteReport("0 of 1", { brakes: [brake], storms: [{ set: "fleet", because: "3 of 4 are unhealthy", since: AT, proceedBy: null }] }), [hostReport("a")]), [
    "The whole fleet is disarmed for 2 h more, by riki (first week).", "A storm holds everything back: 3 of 4 are unhealthy.",
  ]);
  const stormy = { guarded: false, why: "storm: 3 of 4", brakes: [{ brake: "storm", because: "storm: 3 of 4" }] };
  assert.deepEqual(said(siteReport("0 of 2", { storms: [{ set: "fleet", because: "3 of 4 are unhealthy", since: AT, proceedBy: null }] }), [hostReport("a", stormy), hostReport("b", { ...stormy, why: "never seen healthy", brakes: [...stormy.brakes, { brake: "never-healthy", because: "" }] })]), ["A storm holds everything back: 3 of 4 are unhealthy.", "b is up and not guarded: never seen healthy."]);
  assert.deepEqual(said(siteReport("0 of 1", { armed: false }), [hostReport("a", { guarded: false, why: "disarmed", brakes: [{ brake: "disarmed", because: "" }] })]), ["Nothing is cut by itself: armed is false in the configuration."]);
});

test("a host in one line", () => {
  const cases = [
    [hostReport("a"), "up", "up · 24 h", null],
    [hostReport("a", { verdict: "suspect", counter: 2, round: { outcome: "bad", because: "ssh: no banner", at: AT } }), "suspect", "suspect · 2 of 5", "ssh: no banner"],
    [hostReport("a", { operation: operation() }), "working", "booting", "31 s of at most 5 min"],
    [hostReport("a", { operation: operation({ phase: "off-sent", by: "riki", phaseSince: AT }) }), "working", "being switched off", "power cycle by riki, 1 s"],
    [hostReport("a", { held }), "held", "held · 3 min", "it did not come back"],
    [hostReport("a", { wanted: "off", wantedOff: { by: "riki", why: "new disk", at: AT } }), "off", "off, as wanted", "by riki: new disk"],
    [hostReport("a", { offByOthers: ["sucker/2"] }), "off", "off by others", "sucker/2 was switched off, and not by us"],
    [hostReport("a", { guarded: false, why: "no power outlet is configured" }), "up", "up · 24 h", "no power outlet is configured"],
    [hostReport("a", { verdict: "unknown", round: null }), "unknown", "unknown · 24 h", "no round yet"],
  ] as const;
  for (const [host, condition, words, remark] of cases) assert.deepEqual([conditionOf(host), conditionInWords(host, AT_MS), remarkOn(host, AT_MS)], [condition, words, remark]);
});

test("the tab says what is wrong before anything else", () => {
  assert.equal(tabTitle(siteReport("1 of 1"), [hostReport("a")], "Fleet"), "Fleet · lab");
  assert.equal(tabTitle(siteReport("1 of 4"), ["a", "b", "c"].map((name) => hostReport(name, { verdict: "down" })), "Fleet"), "▲ a and 2 more · Fleet · lab");
  assert.equal(tabTitle(null, [], "Log in"), "Log in · Upkeep");
});

const LINES = [
  line(0, "suspect", "1 of 5: ssh: no banner"), line(1, "suspect", "2 of 5: ssh: no banner"), line(2, "suspect", "3 of 5: ssh: no banner"), line(3, "down", "3 bad rounds"),
  line(4, "intended", "operation 1"), line(5, "off-sent", "off goes to sucker/3"), line(6, "device-answer", "sucker/3 off: acknowledged"), line(7, "alarm", "cut:db1: Power was cut."), line(8, "something-new", "of a newer watcher"), line(9, "recovered", "back"),
];

test("a timeline folds bad rounds, and puts an answer under its command", () => {
  assert.deepEqual(entriesOf(LINES, AT).map((entry) => [entry.word, entry.text, entry.sinceMs, entry.details.length]), [
    ["First bad sign", "1 of 5: ssh: no banner", 0, 0], ["2 more bad rounds", "3 of 5: ssh: no banner", 2_000, 2], ["Down", "3 bad rounds", 3_000, 0], ["Decided", "operation 1", 4_000, 0],
    ["Off", "off goes to sucker/3", 5_000, 1], ["Somebody was called", "Power was cut.", 7_000, 0], ["something-new", "of a newer watcher", 8_000, 0], ["Back in service", "back", 9_000, 0],
  ]);
  assert.equal(entriesOf([line(1, "device-answer", "alone")], null)[0]?.sinceMs, null);
  assert.deepEqual(kindInWords("constructor"), ["note", "constructor"]);
});

test("the outage by phase adds up to the whole, of an open one until now", () => {
  const parts = partsOf(incidentReport(), 0);
  assert.deepEqual(parts.map((part) => part.word), ["detect", "decide", "cut", "off", "boot"]);
  assert.equal(parts.reduce((sum, part) => sum + part.ms, 0), 64_300);
  const open = incidentReport({ outcome: "open", ended: null, phases: { detectMs: 25_000, decideMs: 1_000, cutMs: null, offMs: null, bootMs: null, totalMs: null } });
  assert.deepEqual(partsOf(open, AT_MS + 30_000).map((part) => [part.word, part.ms]), [["detect", 25_000], ["decide", 1_000], ["cut", 4_000]]);
  const alone = incidentReport({ outcome: "recovered by itself", phases: { detectMs: 5_000, decideMs: null, cutMs: null, offMs: null, bootMs: null, totalMs: 9_000 } });
  assert.deepEqual(partsOf(alone, 0).map((part) => [part.word, part.ms]), [["detect", 5_000], ["until its end", 4_000]]);
  assert.equal(incidentInWords(incidentReport(), 0), "was out of service for 64 s and came back after its power was cut and restored");
  assert.equal(incidentInWords(open, AT_MS + 30_000), "has been out of service for 30 s");
});

test("Markdown says the same, and what a device said cannot become markup in a ticket", () => {
  const evil = line(6, "device-answer", "</pre><img src=x onerror=alert(1)> [link](javascript:x) | `code` **bold**");
  const markdown = asMarkdown(incidentReport({ host: "<b>db1</b>" }), [...LINES.slice(0, 6), evil], "lab", "https://watcher/incidents/lusab-babad", 0);
  assert.match(markdown, /^# Incident lusab-babad: \\<b\\>db1/);
  assert.match(markdown, /\| detect \| 25\.1 s \|/);
  assert.match(markdown, /- `2026-11-29T12:00:03\.000Z` \+3\.0 s \*\*Down\*\*: 3 bad rounds/);
  assert.doesNotMatch(markdown, /(?<!\\)<|(?<!\\)\]\(|(?<!\\)`code/);
});

test("lists and plurals", () => {
  assert.deepEqual([listed([]), listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"]), listed(["a", "b", "c", "d", "e"]), plural(1, "host"), plural(1_200, "host"), plural(0, "host")],
    ["", "a", "a and b", "a, b and c", "a, b and 3 more", "1 host", "1,200 hosts", "0 hosts"]);
});

test("a kernel that spoke before the first bad sign did so before it, and is not said twice to be a kernel", () => {
  const [entry] = entriesOf([line(1, "kernel", "its kernel panicked: Fatal exception (netconsole)", AT_MS - 900)], AT);
  assert.deepEqual([entry?.word, entry?.text, offsetInWords(entry?.sinceMs ?? 0)], ["Its kernel", "panicked: Fatal exception (netconsole)", "−0.9 s"]);
  assert.deepEqual([offsetInWords(-40), offsetInWords(1_000), offsetInWords(-180_000)], ["+0.0 s", "+1.0 s", "−3 min"]);
});
