// What the views say first, pinned: power, watchers, maintenance, availability, the wall.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { AlarmReport, AvailabilityLine, BrakeReport, DeviceReport, HostReport, VoteReport, WatcherReport } from "../../api/contract.ts";
import type { Saying } from "../sentences.ts";
import { availabilityHeadline, barsOf, causesInWords, expectationInWords, leftOut, monthBy, monthInWords, monthOf, oddsInWords, share } from "../views/availability.ts";
import { maintenanceHeadline } from "../views/maintenance.ts";
import { devicesOf, powerHeadline, powerSayings } from "../views/power.ts";
import { tilesOf, wallSentence } from "../views/wall.ts";
import { agreementOn, disputed, watchersHeadline, watchersSayings } from "../views/watchers.ts";
import { AT, hostReport, siteReport } from "./reports.ts";

const NOW_MS = Date.UTC(2026, 10, 29, 12);

const host = (name: string, outlet: number): HostReport => hostReport(name, { inCharge: "rikis-hopuuj", power: [{ outlet: `sucker/${outlet}`, state: "on", at: AT, label: null, level: 1, proved: true }] });
const [logos, ethos, pathos] = [host("logos", 2), host("ethos", 3), host("pathos", 4)];
const sucker: DeviceReport = { device: "sucker", driver: "apc", address: "10.0.0.9", readable: true, why: null, at: AT };
const text = (saying: Saying | undefined) => (saying ?? []).map((piece) => (typeof piece === "string" ? piece : "host" in piece ? piece.host : "incident" in piece ? piece.incident : piece.text)).join("");

test("power: who hangs on what, in the order of the outlets", () => {
  const two = { ...logos, power: [{ outlet: "sucker/10", state: "on" as const, at: null, label: "logos", level: 1, proved: true }, { outlet: "sucker/9", state: "off" as const, at: null, label: null, level: 2, proved: true }] };
  const shared = { ...ethos, power: [{ outlet: "sucker/9", state: "off" as const, at: null, label: null, level: 1, proved: false }] };
  const [device] = devicesOf([sucker], [two, shared]);
  assert.deepEqual(device?.outlets.map(({ outlet, hosts, proved }) => [outlet, hosts, proved]), [["9", [{ host: "logos", level: 2, levels: 2 }, { host: "ethos", level: 1, levels: 1 }], false], ["10", [{ host: "logos", level: 1, levels: 2 }], true]]);
  assert.deepEqual([device?.hosts, device?.inCharge], [["logos", "ethos"], ["rikis-hopuuj"]]);
  assert.match(text(powerSayings(device === undefined ? [] : [device], [two, shared])[0]), /^That sucker\/9 feeds its host is what the configuration says/);
});

test("power: what is amiss comes first", () => {
  const devices = devicesOf([{ ...sucker, readable: false, why: "connection refused" }], [logos, ethos, pathos]);
  assert.equal(powerHeadline(devices), "sucker cannot be read.");
  assert.equal(text(powerSayings(devices, [])[0]), "sucker cannot be read: connection refused. logos, ethos and pathos hang on it and cannot be cut.");
  assert.equal(powerHeadline([]), "No power device is configured.");
  assert.equal(text(powerSayings([], [{ ...logos, offByOthers: ["sucker/2"] }])[0]), "logos was switched off at sucker/2, and not by us: it is left off until somebody switches it on.");
  assert.equal(text(powerSayings([], [{ ...logos, power: [] }])[0]), "logos has no power outlet configured: it is watched and never cut.");
});

test("watchers: who is gone, who disagrees", () => {
  const watcher = (name: string, change: Partial<WatcherReport> = {}): WatcherReport => ({ watcher: name, self: false, started: null, stopping: false, alive: true, ready: true, version: null, inCharge: 0, observes: 3, cannot: [], blind: false, ...change });
  const three = [watcher("a"), watcher("b", { blind: true }), watcher("c", { alive: false })];
  const votes = (...says: readonly VoteReport["says"][]): HostReport => ({ ...logos, need: 2, observers: says.map((each, index) => ({ watcher: "abc"[index] ?? "", says: each, because: "x" })) });
  assert.equal(watchersHeadline(three), "2 watchers of 3 are there.");
  assert.equal(watchersHeadline([watcher("a")]), "One watcher: a.");
  assert.deepEqual([agreementOn(votes("up", "up", null)), agreementOn(votes("up", "down", "down")), agreementOn(votes("up", "abstain", null))], ["agreed", "split", "short"]);
  const said = watchersSayings(three, [votes("up", "down", "down")], { ok: false, why: "no leader" }).map(text);
  assert.match(said[0] ?? "", /store that they share does not answer, so nothing is cut: no leader/);
  assert.match(said[1] ?? "", /^c is not there and still counts among those of whom a majority is wanted/);
  assert.match(said[2] ?? "", /^b sees nothing at present/);
  assert.equal(said[3], "logos is down as b and c see it, and up as a sees it: nothing is cut while they disagree.");
  assert.deepEqual(disputed([votes("up", "up", "up"), votes("up", null, null), votes("up", "down", null)]).map(agreementOn), ["split", "short"]);
});

test("maintenance in a sentence", () => {
  const brake = (change: Partial<BrakeReport>): BrakeReport => ({ brake: "maintenance", scope: "logos", by: "ada", reason: "", since: "", until: null, leftMs: null, ...change });
  const cases: readonly (readonly [readonly BrakeReport[], boolean, string])[] = [
    [[], true, "Nothing is held back."], [[], false, "Nothing is cut by itself: not armed."], [[brake({})], true, "logos is held back."], [[brake({}), brake({ scope: "ethos" })], true, "2 hosts are held back."],
    [[brake({}), brake({ scope: "*", brake: "inhibit" })], true, "The whole fleet is in maintenance."], [[brake({ scope: "*", brake: "disarmed" })], true, "The whole fleet is disarmed."],
  ];
  for (const [brakes, armed, said] of cases) assert.equal(maintenanceHeadline(brakes, armed), said);
});

test("availability: months of UTC, one sentence, parts in words and in widths", () => {
  const line: AvailabilityLine = { wholeMs: 86_400_000, upMs: 86_235_000, unknownMs: 40_000, plannedMs: 60_000, unplannedMs: 65_000, planned: { "maintenance": 60_000, "going-down": 0, "wanted-off": 0, "asked-for": 0 }, causes: { detect: 25_000, decide: 0, cut: 1_000, off: 5_000, boot: 34_000, wait: 0 }, outages: 1, plannedOutages: 1, reboots: 0, longestMs: 65_000, availability: 86_235_000 / 86_300_000 };
  assert.equal(availabilityHeadline(line), "Available 99.92 %: 1 outage, 65 s lost.");
  assert.equal(leftOut(line), "Not counted: 60 s in 1 planned absence (at this pace 6 h 5 min a year, 99.93 % by itself), and less than 0.1 % of it that nobody watched.");
  assert.equal(causesInWords(line), "25 s to detect, 1 s to cut, 5 s off, 34 s to boot, 60 s maintenance");
  assert.equal(availabilityHeadline({ ...line, availability: null }), "Nothing is known of this time.");
  const bars = barsOf(line, 130_000);
  assert.deepEqual(bars.map(({ part }) => part), ["detect", "cut", "off", "boot"]);
  assert.equal(bars.reduce((sum, { width }) => sum + width, 0).toFixed(6), "0.500000");
  assert.deepEqual([monthOf("2026-13", NOW_MS).name, monthOf("2026-02", NOW_MS).to, monthBy(monthOf("2026-01", 0), -1), monthInWords(monthOf("2026-02", 0))], ["2026-11", "2026-03-01T00:00:00.000Z", "2025-12", "February 2026"]);
  const phase = (ms: number) => ({ ms, measured: false });
  assert.equal(expectationInWords({ host: "logos", group: "g", detect: phase(25_000), decide: phase(0), cut: phase(6_000), boot: phase(34_000), totalMs: 65_000, perDay: 1, rateMeasured: false, availability: 0.9992 }), "25 s to detect + 6 s off + 34 s to boot = 65 s an outage; 1 a day (assumed).");
  assert.deepEqual([oddsInWords(4.26e-10), oddsInWords(0.05), oddsInWords(0), share(1, 3), share(0, 3)], ["0.00000004 %", "5 %", "never, as far as is known", "33 %", "0.0 %"]);
});

test("the wall: what a host suffers, then what the fleet does, then alarms; else it is calm", () => {
  const site = siteReport("3 of 3");
  const down: HostReport = { ...ethos, verdict: "down", counter: 5, brakes: [{ brake: "disarmed", because: "disarmed by ada" }] };
  const disarmed: BrakeReport = { brake: "disarmed", scope: "*", by: "ada", reason: "first look", since: "", until: null, leftMs: null };
  const alarm: AlarmReport = { alarm: "held:logos", kind: "held", severity: "critical", host: "logos", incident: null, happened: "logos is held.", done: "", asked: "Look at it.", at: "", acknowledged: false };
  assert.deepEqual(wallSentence(site, [logos, ethos, pathos], NOW_MS), { text: "All 3 hosts are well.", more: null, calm: true });
  assert.match(wallSentence({ ...site, brakes: [disarmed] }, [logos, down, pathos], NOW_MS).text, /^ethos is down/);
  assert.equal(wallSentence({ ...site, brakes: [disarmed] }, [logos], NOW_MS).calm, false);
  assert.deepEqual(wallSentence({ ...site, alarms: [alarm] }, [logos], NOW_MS), { text: "logos is held.", more: "Look at it.", calm: false });
  assert.equal(wallSentence({ ...site, alarms: [{ ...alarm, acknowledged: true }] }, [logos], NOW_MS).calm, true);
  const unguarded = wallSentence(site, [{ ...logos, guarded: false, why: "maintenance by ada" }], NOW_MS);
  assert.deepEqual([unguarded.calm, unguarded.text, unguarded.more], [true, "logos is well.", "logos is up and not guarded: maintenance by ada."]);
  assert.deepEqual(tilesOf([{ ...logos, group: "b" }, { ...down, group: "c" }, { ...pathos, group: "a" }]).map(({ group, condition, well, who }) => [group, condition, well, who]), [["c", "down", 0, "ethos"], ["a", "up", 1, ""], ["b", "up", 1, ""]]);
});
