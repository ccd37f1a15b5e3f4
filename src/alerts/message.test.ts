import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Alarm } from "../core/io.ts";
import { compose, oneLine } from "./message.ts";

const SENDER = { site: "homelab", watcher: "rikis" } as const;
const AT = Date.UTC(2026, 10, 21, 10, 11, 12);
const HELD: Alarm = {
  alarm: "held:logos", kind: "held", severity: "critical", host: "logos", incident: "lusab-babad",
  happened: "Logos was cut 3 times in 6 h and is down again.", done: "Nothing more: the budget is spent.", asked: "Look at the machine, then: upkeep release logos",
};

test("a call says what happened, what was done, what is asked, when, where and which incident", () => {
  const { subject, body } = compose(HELD, "raised", "", SENDER, AT, "1", { event: 17 });
  assert.equal(subject, "[upkeep homelab] critical: held logos: Logos was cut 3 times in 6 h and is down again.");
  assert.equal(body, `What happened:
  Logos was cut 3 times in 6 h and is down again.

What was done:
  Nothing more: the budget is spent.

What is asked of you:
  Look at the machine, then: upkeep release logos

When:     2026-11-21T10:11:12.000Z
Host:     logos
Incident: lusab-babad (upkeep why lusab-babad)
Alarm:    held:logos, critical
Event:    17 (upkeep why 17)
Told by:  watcher rikis of homelab
Manual:   docs/reference/alarms.md#held

This is repeated until it is over or acknowledged: upkeep ack held:logos
`);
});

test("a repetition says so, and the end says why it is over", () => {
  assert.match(compose(HELD, "again", "", SENDER, AT, "1").subject, /^\[upkeep homelab\] still critical: held logos: /);
  const over = compose(HELD, "over", "logos is back in service", SENDER, AT, "1");
  assert.equal(over.subject, "[upkeep homelab] over: held logos: logos is back in service");
  assert.match(over.body, /^It is over:\n {2}logos is back in service\n\nIt was:\n {2}Logos was cut/);
  assert.doesNotMatch(over.body, /asked of you|repeated until/);
});

test("an alarm of the whole site names the site and no incident", () => {
  const { subject, body } = compose({ ...HELD, host: null, incident: null, done: "" }, "raised", "", SENDER, AT, "1");
  assert.match(subject, /held homelab:/);
  assert.doesNotMatch(body, /Incident|Host:|What was done|null/);
});

test("whatever stands in an alarm, a subject is one printable line and a body has no controls", () => {
  const text = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("a\r\nBcc: all@example.org", "\u202egnp.exe", "x".repeat(5_000), ""));
  fc.assert(fc.property(text, text, fc.option(text), fc.constantFrom("raised", "again", "over"), fc.double(), (happened, asked, host, state, atMs) => {
    const { subject, body, alarm } = compose({ ...HELD, alarm: asked, happened, asked, host }, state, happened, { site: happened, watcher: asked }, atMs, "1");
    for (const line of [subject, alarm]) assert.doesNotMatch(line, /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202e]/);
    assert.ok(subject.length <= 140);
    assert.doesNotMatch(body, /[\u0000-\u0008\u000b-\u001f\u007f]/);
    assert.ok(body.length < 10_000);
  }));
});

test("a line that is too long is cut between characters", () => {
  assert.equal(oneLine("ab\n\t c"), "ab c");
  assert.equal(oneLine("\u{1f50c}".repeat(10), 4), "\u{1f50c}…");
});
