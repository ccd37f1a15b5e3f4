// Sizes, as strict as durations.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BYTES_PATTERN, formatBytes, parseBytes } from "./bytes.ts";

test("what is a size, and what was probably meant", () => {
  for (const [text, bytes] of [["16MiB", 16_777_216], ["1GiB", 1_073_741_824], ["500MB", 500_000_000], ["0kB", 0], ["2TiB", 2_199_023_255_552]] as const) {
    assert.deepEqual(parseBytes(text), { ok: true, value: bytes });
    assert.match(text, new RegExp(BYTES_PATTERN));
  }
  for (const [text, hint] of [["1 GiB", "write 1GiB"], ["1gib", "write 1GiB"], ["512", "write 64MiB"], ["1.5GiB", "write 64MiB"], ["-1MB", "write 64MiB"], ["", "write 64MiB"], ["1GiB1MiB", "write 64MiB"]] as const) {
    const parsed = parseBytes(text);
    assert.ok(!parsed.ok && parsed.hint.startsWith(hint), `${text}: ${JSON.stringify(parsed)}`);
    assert.doesNotMatch(text, new RegExp(BYTES_PATTERN));
  }
});

test("what is written is read back", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 999 }), fc.constantFrom(1e3, 1e6, 1e9, 2 ** 10, 2 ** 20, 2 ** 30), (count, unit) => {
    assert.deepEqual(parseBytes(formatBytes(count * unit)), { ok: true, value: count * unit });
  }));
});
