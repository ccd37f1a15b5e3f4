// What one look amounts to: power is asked for by a time-out in the kernel or EIO on a local disk, and by nothing else.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Kind } from "./mounts.ts";
import { judgeLook, nextWordMs } from "./verdict.ts";
import type { Look } from "./verdict.ts";

const LIMITS = { deadlineMs: 30_000, frozenMs: 300_000 };
const judge = (look: Look, kind: Kind = "local", readOnly = false) => judgeLook({ kind, readOnly }, look, LIMITS, "pressure: io 98 %");
const failed = (words: string, step: "write" | "read" | "remove" = "write"): Look => ({ kind: "failed", step, words: `dd: writing '/m/.upkeep-probe-logos': ${words}` });
const overdue = (forMs: number, waiting: string | null = "io_schedule", step: "write" | "read" = "write"): Look => ({ kind: "overdue", forMs, step, waiting });

test("verdicts", () => {
  const cases: readonly [string, ReturnType<typeof judge>, string, boolean, RegExp][] = [
    ["quick", judge({ kind: "done", ms: 7 }), "good", false, /^a write comes to the disk and back within 10 ms$/],
    ["slow", judge({ kind: "done", ms: 15_001 }), "warn", false, /took 15 s to the disk and back; pressure: io 98 %/],
    ["hung", judge(overdue(30_000)), "bad", true, /^a write has not reached the disk for 30 s \(waits in io_schedule\); pressure: io 98 %$/],
    ["hung while reading back", judge(overdue(30_000, "io_schedule", "read")), "bad", true, /read back for 30 s/],
    ["not yet", judge(overdue(29_999)), "unknown", false, /30 s/],
    ["late, and nobody waits for a disk", judge(overdue(90_000, null)), "unknown", false, /too slow/],
    ["frozen", judge(overdue(30_000, "percpu_rwsem_wait")), "warn", false, /somebody has frozen it/],
    ["frozen for good", judge(overdue(300_000, "percpu_rwsem_wait")), "bad", true, /for 5 min/],
    ["EIO", judge(failed("Input/output error")), "bad", true, /Input\/output error/],
    ["EIO of musl", judge(failed("I/O error")), "bad", true, /I\/O error/],
    ["EIO while reading", judge(failed("Input/output error", "read")), "bad", true, /reading back/],
    ["EIO while only removing", judge(failed("Input/output error", "remove")), "unknown", false, /removing/],
    ["not EIO", judge(failed("Remote I/O error")), "unknown", false, /Remote/],
    ["full", judge(failed("No space left on device")), "warn", false, /No space/],
    ["quota", judge(failed("Disk quota exceeded")), "warn", false, /quota/],
    ["EROFS", judge(failed("Read-only file system")), "warn", false, /Read-only/],
    ["no right to write there", judge(failed("Permission denied")), "unknown", false, /Permission/],
    ["a symbolic link in its place", judge(failed("File exists")), "unknown", false, /File exists/],
    ["mounted read-only", judge(overdue(90_000), "local", true), "warn", false, /^it is mounted read-only$/],
    ["another text", judge({ kind: "differs" }), "bad", false, /something else/],
    ["no shell", judge({ kind: "cannot", because: "not installed: dd" }), "unknown", false, /^not installed: dd$/],
  ];
  for (const [name, judged, verdict, mayCut, because] of cases) {
    assert.deepEqual([judged.verdict, judged.mayCut], [verdict, mayCut], name);
    assert.match(judged.because, because, name);
  }
});

test("of what is not a local disk power is never asked for", () => {
  const waiting: fc.Arbitrary<string | null> = fc.constantFrom("io_schedule", "percpu_rwsem_wait", "", null);
  const look: fc.Arbitrary<Look> = fc.oneof(
    fc.record({ kind: fc.constant("overdue" as const), forMs: fc.nat(10_000_000), step: fc.constantFrom("write" as const, "read" as const), waiting }),
    fc.record({ kind: fc.constant("failed" as const), step: fc.constantFrom("write" as const, "read" as const, "remove" as const), words: fc.oneof(fc.string(), fc.constantFrom("x: Input/output error", "No space left on device", "Read-only file system")) }),
    fc.record({ kind: fc.constant("done" as const), ms: fc.nat() }),
  );
  const anyKind = fc.constantFrom<Kind>("local", "remote", "network", "user", "overlay", "memory", "unclear");
  fc.assert(fc.property(look, anyKind, fc.boolean(), (each, kind, readOnly) => {
    const { verdict, mayCut, because } = judge(each, kind, readOnly);
    assert.ok(because.length > 0);
    if (!mayCut) return;
    assert.deepEqual([kind, readOnly, verdict], ["local", false, "bad"]);
    if (each.kind === "overdue") assert.ok(each.forMs >= LIMITS.deadlineMs && each.waiting !== null);
    else assert.ok(each.kind === "failed" && /I(nput)?\/O(utput)? error|Input\/output error/.test(each.words));
  }), { numRuns: 3_000 });
});

test("a look that does not end is told at its deadline, when it counts as frozen no more, and ever more seldom", () => {
  const told: number[] = [];
  for (let forMs = 0; forMs < 3_600_000;) told.push((forMs = nextWordMs(forMs, LIMITS)));
  assert.deepEqual(told, [30_000, 60_000, 120_000, 240_000, 300_000, 480_000, 960_000, 1_920_000, 3_840_000]);
});
