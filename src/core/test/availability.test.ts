// Availability: every moment once, unknown never up, planned apart. By example, and by property.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { AvailabilityParts, Period, Seen } from "../availability.ts";
import { availabilityOf, CAUSES, daysOf, measure, monthsOf, together } from "../availability.ts";
import { forecast, oddsTogether } from "../forecast.ts";
import type { IncidentOutcome, IncidentRecord } from "../records.ts";
import { NOT_KNOWN, PLANNED, standingChanges } from "../standing.ts";
import type { Standing } from "../standing.ts";
import { availabilityInWords, plannedPaceInWords } from "../words.ts";
import { Hand, hostPolicy, policyOf } from "./hand.ts";

const DAY_MS = 86_400_000;
const at = (wallMs: number) => ({ bootMs: wallMs, wallMs, bootId: "boot-1" });
const up = (fromMs: number, toMs: number): Seen => ({ fromMs, toMs, state: "up", planned: null });

function outage(beganMs: number, change: Partial<{ down: number; sent: number; off: number; on: number; ended: number; intended: number; outcome: IncidentOutcome; name: string }> = {}): IncidentRecord {
  const moment = (value: number | undefined) => (value === undefined ? null : at(value));
  return {
    v: 1, incident: change.name ?? "lusab-babad", host: "logos", firstSign: "ssh: no banner", began: at(beganMs), downAt: moment(change.down), intendedAt: moment(change.intended), offSentAt: moment(change.sent),
    offConfirmedAt: moment(change.off), onConfirmedAt: moment(change.on), endedAt: moment(change.ended), outcome: change.outcome ?? (change.ended === undefined ? "open" : "recovered"),
  };
}

function one(seen: readonly Seen[], incidents: readonly IncidentRecord[], toMs = 1_000, nowMs = toMs): AvailabilityParts {
  return measure(seen, incidents, [{ fromMs: 0, toMs }], nowMs)[0] as AvailabilityParts;
}

test("the seed's sum: 25 s to detect and 40 s to boot, once in a day, are 99.92 %", () => {
  const parts = one([up(0, DAY_MS)], [outage(1_000_000, { down: 1_025_000, sent: 1_025_000, off: 1_026_000, on: 1_031_000, ended: 1_065_000 })], DAY_MS);
  assert.equal(parts.unplannedMs, 65_000);
  assert.deepEqual(parts.causes, { detect: 25_000, decide: 0, cut: 1_000, off: 5_000, boot: 34_000, wait: 0 });
  assert.deepEqual([parts.outages, parts.longestMs], [1, 65_000]);
  assert.equal(availabilityInWords(availabilityOf(parts)), "99.92 %");
});

test("and its forecast, from a configuration that has seen nothing yet", () => {
  const policy = hostPolicy({ name: "logos" });
  const fleet = policyOf([policy]);
  const expected = forecast(policy, fleet, { phases: [], bootsMs: [], outages: 0, watchedMs: 0, perDay: null });
  assert.equal(expected.detect.ms, 25_000);
  assert.equal(expected.totalMs, 65_000);
  assert.equal(availabilityInWords(expected.availability), "99.92 %");
  // "About 0.00000004 %": all three at once.
  assert.equal(((oddsTogether([expected, expected, expected]) ?? 0) * 100).toFixed(8), "0.00000004");
});

test("eleven reboots a year of three minutes are 33 min, which is four nines", () => {
  const yearMs = Math.round(365.25 * DAY_MS);
  const seen: Seen[] = Array.from({ length: 12 }, (_, index) => index * Math.floor(yearMs / 12)).flatMap((atMs, index, all): Seen[] => [...(index === 0 ? [] : [{ fromMs: atMs, toMs: atMs + 180_000, state: "down" as const, planned: "going-down" as const }]), up(index === 0 ? 0 : atMs + 180_000, all[index + 1] ?? yearMs)]);
  const parts = one(seen, [], yearMs);
  assert.deepEqual([parts.plannedOutages, parts.plannedMs, parts.unplannedMs], [11, 33 * 60_000, 0]);
  assert.equal(plannedPaceInWords(parts), "at this pace 33 min a year, 99.993 % by itself");
  assert.equal(plannedPaceInWords(one([up(0, 1_000)], [])), null);
});

test("a forecast believes what was measured", () => {
  const policy = hostPolicy({ name: "logos", retryMs: [1_000, 2_000] });
  const fleet = policyOf([policy]);
  const phases = [{ detectMs: 20_000, decideMs: 0, cutMs: 2_000, offMs: 6_000, bootMs: 90_000, totalMs: 118_000 }];
  const seen = forecast(policy, fleet, { phases, bootsMs: [80_000, 100_000, 90_000], outages: 2, watchedMs: 20 * DAY_MS, perDay: null });
  assert.deepEqual([seen.detect, seen.cut, seen.boot], [{ ms: 20_000, measured: true }, { ms: 8_000, measured: true }, { ms: 90_000, measured: true }]);
  assert.deepEqual([seen.perDay.toFixed(6), seen.rateMeasured], ["0.100000", true]);
  assert.equal(forecast(policy, fleet, { phases: [], bootsMs: [], outages: 0, watchedMs: 50 * DAY_MS, perDay: null }).perDay.toFixed(6), "0.020000", "what has not happened in fifty days may happen in the next");
  const fresh = forecast(policy, fleet, { phases: [], bootsMs: [], outages: 0, watchedMs: DAY_MS, perDay: 0.5 });
  assert.deepEqual([fresh.detect.ms, fresh.perDay, fresh.rateMeasured], [5_000 + 1_000 + 2_000 + 5_000 + 5_000, 0.5, false]);
  assert.equal(forecast(hostPolicy({ name: "x", levels: [] }), fleet, { phases: [], bootsMs: [], outages: 0, watchedMs: 0, perDay: null }).availability, null);
});

test("time that nobody watched is neither up nor down", () => {
  const parts = one([up(0, 300), up(600, 1_000)], []);
  assert.deepEqual([parts.upMs, parts.unknownMs, parts.unplannedMs], [700, 300, 0]);
  assert.equal(availabilityOf(parts), 1);
  assert.equal(availabilityOf(one([], [])), null, "of nothing nothing is said");
  assert.equal(one([{ fromMs: 0, toMs: 1_000, ...NOT_KNOWN }], []).unknownMs, 1_000, "a watcher that sees nothing is no witness");
});

test("an outage over a gap was an outage on both sides; one that ended unseen says nothing of the gap", () => {
  const seen = [up(0, 300), up(600, 1_000)];
  assert.equal(one(seen, [outage(200, { down: 220, ended: 700 })]).unplannedMs, 500);
  const unseen = one(seen, [outage(200, { down: 220, outcome: "ended unseen" })]);
  assert.deepEqual([unseen.unplannedMs, unseen.unknownMs, unseen.upMs], [100, 300, 600]);
  assert.equal(one(seen, [outage(900, { down: 920 })], 1_000, 1_000).unplannedMs, 100, "what is open goes on until now");
});

test("what is planned is apart, and an outage does not become planned by what is done about it", () => {
  const work = (fromMs: number, toMs: number, state: Standing["state"]): Seen => ({ fromMs, toMs, state, planned: "maintenance" });
  const during = one([up(0, 100), work(100, 200, "up"), work(200, 600, "down"), work(600, 700, "up"), up(700, 1_000)], [outage(200, { down: 250, ended: 600 })]);
  assert.deepEqual([during.plannedMs, during.planned.maintenance, during.unplannedMs, during.plannedOutages, during.outages], [400, 400, 0, 1, 0]);
  const before = one([up(0, 250), work(250, 600, "down"), up(600, 1_000)], [outage(200, { down: 250, ended: 600 })]);
  assert.deepEqual([before.plannedMs, before.unplannedMs], [0, 400], "maintenance begun after the first bad sign");
  const longer = one([up(0, 100), work(100, 300, "down"), { fromMs: 300, toMs: 600, state: "down", planned: null }, up(600, 1_000)], [outage(150, { down: 250, ended: 600 })]);
  assert.deepEqual([longer.plannedMs, longer.unplannedMs], [200, 300], "longer than the maintenance");
  const asked = one([up(0, 1_000)], [outage(200, { intended: 200, sent: 210, off: 220, on: 260, ended: 400 })]);
  assert.deepEqual([asked.planned["asked-for"], asked.unplannedMs], [200, 0]);
  assert.equal(one([up(0, 1_000)], [outage(200, { intended: 200, ended: 230, outcome: "withdrawn" })]).upMs, 1_000, "nothing came of it");
  const off = one([up(0, 100), { fromMs: 100, toMs: 900, state: "down", planned: "wanted-off" }, up(900, 1_000)], []);
  assert.deepEqual([off.planned["wanted-off"], availabilityOf(off)], [800, 1]);
  const held = one([up(0, 100), { fromMs: 100, toMs: 400, state: "down", planned: null }, up(400, 1_000)], []);
  assert.deepEqual([held.causes.wait, held.outages], [300, 1], "down, and no incident open any more: it is held");
});

test("a host that served again is up from then on, though nobody looked how it stands for a few seconds", () => {
  const seen: Seen[] = [up(0, 230), { fromMs: 230, toMs: 405, state: "down", planned: null }, up(405, 1_000)];
  assert.deepEqual(one(seen, [outage(200, { down: 220, ended: 400 })]).unplannedMs, 200);
  assert.deepEqual(one(seen, [outage(200, { down: 220, ended: 300, outcome: "held" })]).unplannedMs, 205, "one that is held is down for as long as it stands so");
  const again = one(seen, [outage(200, { down: 220, ended: 300 }), outage(350, { down: 360, ended: 400, name: "again" })]);
  assert.deepEqual([again.unplannedMs, again.outages], [150, 2]);
});

test("an outage counts in the month in which it began, its time in both", () => {
  const edgeMs = Date.UTC(2026, 10, 1);
  const periods = monthsOf({ fromMs: Date.UTC(2026, 9, 1), toMs: Date.UTC(2026, 11, 1) });
  const [october, november] = measure([up(0, edgeMs + DAY_MS)], [outage(edgeMs - 30_000, { down: edgeMs - 5_000, ended: edgeMs + 35_000 })], periods, edgeMs + DAY_MS);
  assert.deepEqual([october?.outages, october?.unplannedMs], [1, 30_000]);
  assert.deepEqual([november?.outages, november?.unplannedMs, november?.wholeMs], [0, 35_000, DAY_MS]);
});

test("figures are cut off, never rounded up to what was not", () => {
  const cases: [number | null, string][] = [[1, "100 %"], [0.99999999999, "99.9999999 %"], [0.999, "99.90 %"], [0.99995, "99.995 %"], [0.5, "50.00 %"], [0, "0.00 %"], [null, "–"], [0.999999, "99.9999 %"]];
  for (const [value, words] of cases) assert.equal(availabilityInWords(value), words);
});

// ---- properties ----------------------------------------------------------------------------------------------------------

const anySeen: fc.Arbitrary<Seen[]> = fc.array(fc.record({ gap: fc.integer({ min: 0, max: 50 }), length: fc.integer({ min: 1, max: 200 }), state: fc.constantFrom("up" as const, "down" as const, "unknown" as const), planned: fc.constantFrom(null, ...PLANNED) }), { maxLength: 12 })
  .map((spans) => {
    let atMs = 0;
    return spans.map(({ gap, length, state, planned }) => {
      const fromMs = atMs + gap;
      atMs = fromMs + length;
      return { fromMs, toMs: atMs, state, planned };
    });
  });
const anyMoments = fc.record({ began: fc.integer({ min: -100, max: 1_100 }), steps: fc.array(fc.option(fc.integer({ min: -20, max: 150 }), { nil: undefined }), { minLength: 6, maxLength: 6 }), outcome: fc.constantFrom<IncidentOutcome>("recovered", "recovered by itself", "held", "withdrawn", "ended unseen", "open") });
const anyIncidents = fc.array(anyMoments.map(({ began, steps: [down, intended, sent, off, on, ended], outcome }) => {
  const moment = (step: number | undefined) => (step === undefined ? undefined : began + step);
  const moments = { down: moment(down), intended: moment(intended), sent: moment(sent), off: moment(off), on: moment(on), ended: moment(ended) };
  return outage(began, { ...Object.fromEntries(Object.entries(moments).filter(([, value]) => value !== undefined)), outcome });
}), { maxLength: 6 });
const sum = (record: Readonly<Record<string, number>>) => Object.values(record).reduce((total, each) => total + each, 0);

test("parts add up to the whole, and any division of it to the same parts", () => {
  fc.assert(fc.property(anySeen, anyIncidents, fc.array(fc.integer({ min: 1, max: 999 }), { maxLength: 5 }), fc.integer({ min: 0, max: 1_200 }), (seen, incidents, cuts, nowMs) => {
    const edges = [...new Set([0, ...cuts, 1_000])].sort((a, b) => a - b);
    const periods: Period[] = edges.slice(1).map((toMs, index) => ({ fromMs: edges[index] as number, toMs }));
    const [whole] = measure(seen, incidents, [{ fromMs: 0, toMs: 1_000 }], nowMs);
    const parts = measure(seen, incidents, periods, nowMs);
    assert.ok(whole !== undefined);
    for (const each of [whole, ...parts]) {
      assert.equal(each.upMs + each.unknownMs + each.plannedMs + each.unplannedMs, each.wholeMs);
      assert.equal(sum(each.planned), each.plannedMs);
      assert.equal(sum(each.causes), each.unplannedMs);
      assert.ok(each.longestMs <= each.unplannedMs);
    }
    const { longestMs, ...added } = together(parts);
    const { longestMs: longest, ...all } = whole;
    assert.deepEqual(added, all);
    assert.ok(longestMs <= longest);
    assert.equal(whole.wholeMs, Math.min(1_000, nowMs));
  }));
});

test("an incident told twice counts once, and none makes a host available while nobody watched", () => {
  fc.assert(fc.property(anySeen, anyIncidents, (seen, incidents) => {
    const parts = one(seen, incidents);
    assert.deepEqual(one(seen, [...incidents, ...incidents]), parts);
    const watched = seen.map((each): Seen => (each.state === "unknown" ? each : { ...each, state: "up", planned: null }));
    assert.ok(parts.upMs <= one(watched, []).upMs);
  }));
});

test("whoever watches less knows less: no gap adds to what is up", () => {
  fc.assert(fc.property(anySeen, anyIncidents, fc.nat(11), (seen, incidents, gone) => {
    const less = seen.filter((_, index) => index !== gone);
    assert.ok(one(less, incidents).upMs <= one(seen, incidents).upMs);
    assert.equal(one([], incidents).upMs, 0);
  }));
});

test("how a time is cut into looks does not matter", () => {
  fc.assert(fc.property(anySeen, anyIncidents, fc.integer({ min: 1, max: 60 }), (seen, incidents, everyMs) => {
    const looks = seen.flatMap((span): Seen[] => Array.from({ length: Math.ceil((span.toMs - span.fromMs) / everyMs) }, (_, index) => ({ ...span, fromMs: span.fromMs + index * everyMs, toMs: Math.min(span.toMs, span.fromMs + (index + 1) * everyMs) })));
    assert.deepEqual(one(looks, incidents), one(seen, incidents));
  }));
});

test("months and days are those of UTC and leave nothing out", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 4e12 }), fc.integer({ min: 1, max: 900 * DAY_MS }), (fromMs, lengthMs) => {
    for (const [divide, form] of [[monthsOf, 7], [daysOf, 10]] as const) {
      const periods = divide({ fromMs, toMs: fromMs + lengthMs });
      assert.equal(periods[0]?.fromMs, fromMs);
      assert.equal(periods.at(-1)?.toMs, fromMs + lengthMs);
      periods.forEach((period, index) => {
        assert.equal(period.toMs, periods[index + 1]?.fromMs ?? fromMs + lengthMs);
        assert.equal(new Date(period.fromMs).toISOString().slice(0, form), new Date(period.toMs - 1).toISOString().slice(0, form), "within one");
        if (index > 0) assert.notEqual(new Date(period.fromMs).toISOString().slice(0, form), new Date(period.fromMs - 1).toISOString().slice(0, form));
      });
    }
  }), { numRuns: 50 });
});

// ---- how a host stands -----------------------------------------------------------------------------------------------------

test("how hosts stand, look by look", () => {
  const hand = new Hand(policyOf([hostPolicy({ name: "logos" }), hostPolicy({ name: "ethos", levels: [[{ device: "sucker", outlet: "3" }]] })]));
  let standings: ReadonlyMap<string, Standing> = new Map();
  let lastMs = hand.wallMs;
  const look = (): string[] => {
    const nowMs = hand.wallMs;
    const found = standingChanges(hand.state, hand.policy, standings, lastMs, nowMs);
    ({ standings } = found);
    lastMs = nowMs;
    return found.changes.map(({ host, state, planned }) => `${host} ${state}${planned === null ? "" : ` ${planned}`}`);
  };
  hand.start();
  assert.deepEqual(look(), [], "nothing is known of a host that was never looked at");
  hand.bad("ethos", 2);
  hand.round("logos", "good");
  assert.deepEqual(look(), ["logos up"], "what was never seen healthy is not up");
  hand.advance(5_000);
  hand.round("ethos", "good");
  hand.advance(5_000);
  assert.deepEqual(look(), ["ethos up"]);
  hand.bad("logos", 3);
  assert.deepEqual(look(), [], "a suspicion is no change");
  const before = hand.wallMs;
  hand.command({ kind: "brake", brake: "maintenance", scope: "logos", forMs: 3_600_000, reason: "disk" });
  const { changes } = standingChanges(hand.state, hand.policy, standings, lastMs, hand.wallMs + 4_000);
  assert.ok(changes.every((change) => change.atMs <= before + 1_000), "it was planned from when somebody said so");
  assert.deepEqual(look(), ["logos up maintenance"]);
  hand.bad("logos", 4);
  assert.deepEqual(look(), ["logos down maintenance"]);
  hand.policy = policyOf([hostPolicy({ name: "ethos" })]);
  assert.deepEqual(look(), ["logos unknown"], "no longer watched");
});

test("every cause and every plan has its part", () => {
  assert.deepEqual(Object.keys(one([], []).causes), [...CAUSES]);
  assert.deepEqual(Object.keys(one([], []).planned), [...PLANNED]);
});
