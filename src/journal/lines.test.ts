// Every input can be read back from its line exactly as it was: replay depends on it.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Input } from "../core/io.ts";
import type { AnyRecord, RecordKey } from "../core/records.ts";
import type { Now } from "../core/time.ts";
import { hasStart, lineOfGap, lineOfInput, readLine } from "./lines.ts";

const STAMP = { bootMs: 1_000.25, wallMs: 2_000, bootId: "there" };
const VOTE: AnyRecord = { v: 1, host: "logos", watcher: "b", says: "down", hash: "h", because: "no banner \n\u2028", able: true, ballot: 7, ageMs: 12, passed: ["ssh"], written: { by: "b", life: "l", at: STAMP } };
const KEY: RecordKey = "vote/logos/b";
const INPUTS: readonly Input[] = [
  { kind: "session", session: { kind: "held", untilMs: 10_000 } },
  { kind: "session", session: { kind: "lost", because: "no keep-alive was answered within 10000 ms" } },
  { kind: "changes", changes: [{ key: KEY, value: VOTE, revision: 12 }, { key: "alive/b", value: null, revision: 13 }] },
  { kind: "snapshot", records: [{ key: KEY, value: VOTE, revision: 12 }] },
  { kind: "blind", because: "cut off" },
  { kind: "gone", because: "wiped" },
  { kind: "unreadable", records: [{ key: "vote/x/y", kind: "newer", because: "it is of version 2" }] },
  { kind: "start", records: [{ key: KEY, value: VOTE, revision: 12 }], uptimeMs: 5, wentBack: null, seq: 4, ledger: "etcd:1:u", fleet: { folder: "f", life: "l", version: "0.1.0" } },
];

test("what a shared store says is read back from its line as it was", () => {
  const now: Now = { bootMs: 25_198_766, wallMs: 1_795_335_204_046, bootId: "0a967788-c3d2", synced: true };
  for (const input of INPUTS) {
    const line = lineOfInput(input, now);
    assert.doesNotMatch(line, /\n/);
    assert.deepEqual(readLine(line), { kind: "input", starts: input.kind === "start", now, input });
    assert.equal(hasStart(`${lineOfGap(1)}\n${line}\n`), input.kind === "start" ? 1 : 0);
  }
});

test("a session's end survives whatever the clocks show", () => {
  fc.assert(fc.property(fc.double({ min: 0, max: 1e12, noNaN: true }), fc.oneof(fc.integer(), fc.double({ min: -1e12, max: 1e12, noNaN: true })), fc.boolean(), (bootMs, untilMs, whole) => {
    const now: Now = { bootMs: whole ? Math.floor(bootMs) : bootMs, wallMs: 5, bootId: "b", synced: false };
    const input: Input = { kind: "session", session: { kind: "held", untilMs } };
    assert.deepEqual(readLine(lineOfInput(input, now)), { kind: "input", starts: false, now, input: untilMs === 0 ? { kind: "session", session: { kind: "held", untilMs: 0 } } : input });
  }));
});

test("holding a session costs little beside the clock", () => {
  const now: Now = { bootMs: 25_198_766, wallMs: 1_795_335_204_046, bootId: "0a967788-c3d2-4f21-9df1-3e2d33aa0c11", synced: true };
  assert.ok(lineOfInput({ kind: "session", session: { kind: "held", untilMs: now.bootMs + 9_996 } }, now).length <= lineOfInput({ kind: "clock" }, now).length);
});
