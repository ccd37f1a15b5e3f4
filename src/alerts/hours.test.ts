import assert from "node:assert/strict";
import { test } from "node:test";
import type { Day } from "./hours.ts";
import { isTimeZone, parseHours, wallClock, within } from "./hours.ts";

const at = (day: Day, clock: string) => ({ day, minute: Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3)) });
const holds = (text: string, day: Day, clock: string): boolean => {
  const hours = parseHours(text);
  assert.ok(hours !== null, text);
  return within([hours], at(day, clock));
};

test("hours are read strictly", () => {
  assert.deepEqual(parseHours("08:00-18:00 mon-fri"), { from: 480, to: 1_080, days: ["mon", "tue", "wed", "thu", "fri"] });
  assert.deepEqual(parseHours("22:00-06:00 sat-mon,wed")?.days, ["mon", "wed", "sat", "sun"]);
  assert.deepEqual(parseHours("00:00-24:00")?.days.length, 7);
  for (const wrong of ["", "8-18", "08:00-18:00 mo-fr", "08:00-18:00 mon-fri-sun", "08:00-25:00", "24:00-08:00", "08:60-09:00", "08:00-08:00", "08:00 - 18:00", "08:00-18:00 mon fri", "08:00-18:00 mon,", "mon-fri 08:00-18:00"]) {
    assert.equal(parseHours(wrong), null, wrong);
  }
});

test("the end does not belong to a span, and one over midnight belongs to the day on which it begins", () => {
  assert.ok(holds("08:00-18:00 mon-fri", "mon", "08:00"));
  assert.ok(!holds("08:00-18:00 mon-fri", "mon", "18:00"));
  assert.ok(!holds("08:00-18:00 mon-fri", "sat", "12:00"));
  assert.ok(holds("22:00-06:00 fri", "fri", "23:00"));
  assert.ok(holds("22:00-06:00 fri", "sat", "05:59"));
  assert.ok(!holds("22:00-06:00 fri", "fri", "05:59"));
  assert.ok(!holds("22:00-06:00 fri", "sat", "06:00"));
  assert.ok(holds("22:00-06:00 sun", "mon", "01:00"), "over the end of the week");
  assert.ok(holds("00:00-24:00 sun", "sun", "23:59"));
});

test("two spans that complete each other hold at every minute of the week", () => {
  const spans = ["08:00-18:00 mon-fri", "18:00-08:00 mon-thu", "18:00-24:00 fri", "00:00-24:00 sat,sun", "00:00-08:00 mon"].map((text) => parseHours(text) ?? assert.fail(text));
  for (const day of ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const) for (let minute = 0; minute < 1_440; minute += 1) assert.ok(within(spans, { day, minute }), `${day} ${minute}`);
});

test("the clock of a zone is that on its walls, through both changes of daylight saving", () => {
  const berlin = wallClock("Europe/Berlin");
  const read = (iso: string) => berlin(Date.parse(iso));
  assert.deepEqual(read("2026-06-15T06:00:00Z"), at("mon", "08:00"));
  assert.deepEqual(read("2026-12-14T06:00:00Z"), at("mon", "07:00"));
  // 2026-03-29: 02:00 is followed by 03:00. What is at 02:30 never is.
  assert.deepEqual(["2026-03-29T00:59:00Z", "2026-03-29T01:00:00Z"].map(read), [at("sun", "01:59"), at("sun", "03:00")]);
  // 2026-10-25: 02:00 to 03:00 comes twice.
  assert.deepEqual(["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z"].map(read), [at("sun", "02:30"), at("sun", "02:30"), at("sun", "03:00")]);
  assert.deepEqual(wallClock("Pacific/Auckland")(Date.parse("2026-11-29T11:30:00Z")), at("mon", "00:30"));
  assert.deepEqual(wallClock("UTC")(0), at("thu", "00:00"));
  assert.deepEqual(wallClock("Asia/Kathmandu")(Date.parse("2026-01-01T00:00:00Z")), at("thu", "05:45"));
});

test("a night shift starts and ends by the wall, whatever the offset", () => {
  const [night, berlin] = [parseHours("22:00-06:00") ?? assert.fail(), wallClock("Europe/Berlin")];
  const hours = (fromIso: string, count: number): number => Array.from({ length: count }, (_, n) => berlin(Date.parse(fromIso) + n * 3_600_000)).filter((wall) => within([night], wall)).length;
  assert.equal(hours("2026-03-28T12:00:00Z", 24), 7, "the night of spring has an hour less");
  assert.equal(hours("2026-10-24T12:00:00Z", 24), 9, "that of autumn one more");
});

test("time zones that are none", () => {
  assert.ok(isTimeZone("Europe/Berlin") && isTimeZone("UTC"));
  for (const wrong of ["Europe/Berlim", "", "Mars/Base", "../etc"]) assert.ok(!isTimeZone(wrong), wrong);
});
