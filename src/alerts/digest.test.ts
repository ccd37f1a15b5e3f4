import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { digest } from "./digest.ts";
import { HELD, message, SENDER, unguarded } from "./message.fixture.ts";
import { compose } from "./message.ts";

test("one message stays what it is", () => {
  const one = message();
  assert.equal(digest([one], SENDER), one);
});

test("a dead power device under a dozen hosts is one sentence", () => {
  const hosts = Array.from({ length: 12 }, (_, n) => `web${String(n + 1).padStart(2, "0")}`);
  const { subject, body, severity, state, count } = digest([...hosts.map((host) => message(unguarded(host))), message(HELD)], SENDER);
  assert.equal(subject, "[upkeep homelab] critical: held logos; 12 hosts unguarded (web01, web02, web03, web04, web05, web06, web07, web08, web09, web10, web11, web…");
  assert.deepEqual([severity, state, count], ["critical", "raised", 13]);
  assert.equal(body, `13 messages in one, the newest of 2026-11-21T10:11:12.000Z, told by watcher rikis of homelab.

critical: held logos
  logos: Logos was cut 3 times in 6 h and is down again.
  Done: logos: Nothing more: the budget is spent.
  Asked of you: Look at the machine, then: upkeep release logos
  Incidents: lusab-babad (upkeep why INCIDENT)

warning: 12 hosts unguarded (${hosts.join(", ")})
  web01 is not guarded: sucker cannot be read.
  Asked of you: web01: Look at sucker.

This is repeated until it is over or acknowledged. All that is open: upkeep alerts list
`);
});

test("ends stand last, and are not called repeated", () => {
  const ends = digest(["a", "b"].map((host) => compose(unguarded(host), "over", `${host} is guarded`, SENDER, 0, host)), SENDER);
  assert.match(ends.subject, /^\[upkeep homelab\] over: over: 2 hosts unguarded \(a, b\)$/);
  assert.equal(ends.state, "over");
  assert.doesNotMatch(ends.body, /repeated/);
  const mixed = digest([compose(HELD, "over", "back", SENDER, 0, "x"), message(unguarded("a"))], SENDER);
  assert.deepEqual([mixed.state, mixed.severity], ["raised", "warning"]);
  assert.ok(mixed.body.indexOf("warning: unguarded a") < mixed.body.indexOf("over: held logos"));
});

test("whatever is put together, every host is named, the subject is one line and the length is bounded", () => {
  const text = fc.oneof(fc.string({ unit: "binary", maxLength: 200 }), fc.constant("x".repeat(5_000)));
  fc.assert(fc.property(fc.array(fc.tuple(fc.stringMatching(/^[a-z]{1,8}$/), text, fc.constantFrom("raised" as const, "over" as const)), { minLength: 2, maxLength: 60 }), (parts) => {
    const { subject, body } = digest(parts.map(([host, happened, state], n) => compose(unguarded(host, { happened }), state, happened, SENDER, 0, String(n))), SENDER);
    for (const [host] of parts) assert.ok(body.includes(host));
    assert.doesNotMatch(subject, /[\u0000-\u001f\u2028\u202e]/);
    assert.ok(subject.length <= 140 && body.length < 200_000);
  }), { numRuns: 60 });
});
