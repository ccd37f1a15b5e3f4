// Windows over the changes of daylight saving, over midnight, and for ever; what is left of them is true time.

import assert from "node:assert/strict";
import { test } from "node:test";
import { opensInMs, openingAt, parseWindow } from "../window.ts";
import type { Offsets } from "../window.ts";

const HOUR = 3_600_000;
/** Europe/Berlin: to summer at 2026-03-29 01:00 UTC, back at 2026-10-25 01:00 UTC. */
const BERLIN: Offsets = [{ fromMs: Date.UTC(2026, 0, 1), offsetMs: HOUR }, { fromMs: Date.UTC(2026, 2, 29, 1), offsetMs: 2 * HOUR }, { fromMs: Date.UTC(2026, 9, 25, 1), offsetMs: HOUR }];
const hours = (text: string) => parseWindow(text) ?? assert.fail(text);

test("days before or after the hours, several spans, and nothing else", () => {
  assert.deepEqual(parseWindow("sat 02:00-05:00"), parseWindow("02:00-05:00 sat"));
  assert.equal(hours("01:00-05:00; 22:00-23:00 fri").length, 2);
  for (const wrong of ["", "2-5", "02:00-05:00 sun sat", "caturday 02:00-05:00", "25:00-26:00", "02:00-05:00;"]) assert.equal(parseWindow(wrong), null, wrong);
});

test("open, closed, and how long until it opens", () => {
  const window = hours("02:00-05:00 sat");
  // 2026-11-28 is a Saturday.
  assert.deepEqual(openingAt(window, [], Date.UTC(2026, 10, 28, 3))?.leftMs, 2 * HOUR);
  assert.equal(openingAt(window, [], Date.UTC(2026, 10, 28, 5)), null);
  assert.equal(openingAt(window, [], Date.UTC(2026, 10, 28, 1, 59)), null);
  assert.equal(opensInMs(window, [], Date.UTC(2026, 10, 28, 1, 30)), HOUR / 2);
  assert.equal(opensInMs(window, [], Date.UTC(2026, 10, 28, 6)), 164 * HOUR);
});

test("an opening has one name from its beginning to its end, over midnight too, and spans that meet are one", () => {
  const window = hours("22:00-24:00 fri; 00:00-04:00 sat");
  const friday = openingAt(window, [], Date.UTC(2026, 10, 27, 23));
  const saturday = openingAt(window, [], Date.UTC(2026, 10, 28, 3));
  assert.equal(friday?.leftMs, 5 * HOUR);
  assert.equal(friday.opening, saturday?.opening);
  assert.equal(openingAt(hours("22:00-04:00 fri"), [], Date.UTC(2026, 10, 28, 3))?.opening, friday.opening);
  assert.notEqual(openingAt(window, [], Date.UTC(2026, 11, 4, 23))?.opening, friday.opening);
});

test("at a change of daylight saving an hour more or less is left", () => {
  const window = hours("01:00-05:00");
  // 01:30 in Berlin: the clock goes from 02:00 to 03:00, or from 03:00 back to 02:00.
  assert.equal(openingAt(window, BERLIN, Date.UTC(2026, 2, 29, 0, 30))?.leftMs, 2.5 * HOUR);
  assert.equal(openingAt(window, BERLIN, Date.UTC(2026, 9, 24, 23, 30))?.leftMs, 4.5 * HOUR);
  assert.equal(openingAt(window, BERLIN, Date.UTC(2026, 6, 1, 23, 30))?.leftMs, 3.5 * HOUR);
  // One opening all through the night that has an hour twice.
  assert.equal(openingAt(window, BERLIN, Date.UTC(2026, 9, 25, 0, 30))?.opening, openingAt(window, BERLIN, Date.UTC(2026, 9, 25, 1, 30))?.opening);
  // A window that ends in the hour that is skipped ends where it is skipped.
  assert.equal(openingAt(hours("01:00-02:30"), BERLIN, Date.UTC(2026, 2, 29, 0, 30))?.leftMs, HOUR / 2);
});

test("what is always open ends in a week or later, and never stops to answer", () => {
  const always = hours("00:00-24:00");
  assert.ok((openingAt(always, [], Date.UTC(2026, 10, 28, 3))?.leftMs ?? 0) > 24 * HOUR);
});
