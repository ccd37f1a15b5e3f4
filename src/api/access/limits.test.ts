// Tries run out and come back, of many keys the memory stays bounded, and one household is one key.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Limit, household } from "./limits.ts";

test("a burst, then one each time that long; what was taken for nothing comes back", () => {
  const limit = new Limit({ burst: 3, everyMs: 1_000 });
  assert.deepEqual([0, 0, 0].map(() => limit.take("a", 0)), [0, 0, 0]);
  assert.equal(limit.take("a", 0), 1_000);
  assert.equal(limit.take("b", 0), 0, "others have their own");
  assert.equal(limit.take("a", 400), 600);
  assert.equal(limit.take("a", 1_000), 0);
  assert.equal(limit.take("a", 1_000), 1_000);
  limit.giveBack("a", 1_000);
  assert.equal(limit.take("a", 1_000), 0);
  assert.equal(limit.take("a", 900), 1_000, "a clock that is set back gives nothing and takes nothing");
});

test("never more in any time than the burst and what that time allows", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 900 }), { minLength: 1, maxLength: 200 }), (waits) => {
    const limit = new Limit({ burst: 5, everyMs: 1_000 });
    let nowMs = 0;
    let taken = 0;
    for (const waitMs of waits) {
      nowMs += waitMs;
      if (limit.take("a", nowMs) === 0) taken += 1;
    }
    assert.ok(taken <= 5 + nowMs / 1_000);
  }));
});

test("of a million keys a few thousand are remembered, and the one in use is not among those that are forgotten", () => {
  const limit = new Limit({ burst: 2, everyMs: 1e9 });
  limit.take("mine", 0);
  limit.take("mine", 0);
  for (let n = 0; n < 100_000; n += 1) {
    limit.take(`key ${n}`, 0);
    if (n % 1_000 === 0) limit.giveBack("mine", 0);
    if (n % 1_000 === 0) assert.equal(limit.take("mine", 0), 0);
  }
  assert.ok(limit.size <= 4_096);
  assert.ok(limit.take("mine", 0) > 0);
});

test("an IPv6 network of 64 bits is one household, an IPv4 address is one, however it is written", () => {
  assert.equal(household("2001:db8:1:2::5"), household("2001:db8:1:2:ffff:ffff:ffff:ffff"));
  assert.notEqual(household("2001:db8:1:2::5"), household("2001:db8:1:3::5"));
  assert.equal(household("fe80::1%eth0"), household("fe80::2"));
  assert.equal(household("::ffff:10.0.0.1"), "10.0.0.1");
  assert.notEqual(household("10.0.0.1"), household("10.0.0.2"));
  assert.equal(household("::1"), "0:0:0:0");
  assert.equal(household(""), "");
});
