// Every input can be read back from its line exactly as it was: replay depends on it.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Input } from "../core/io.ts";
import type { AnyRecord, RecordKey } from "../core/records.ts";
import type { Now } from "../core/time.ts";
import type { Round } from "../core/round.ts";
import type { FrameVisitor } from "./frames.ts";
import { FrameReader, FrameWriter, roundOf } from "./frames.ts";
import { readLine } from "./lines.ts";

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

const NOW: Now = { bootMs: 25_198_766, wallMs: 1_795_335_204_046, bootId: "0a967788-c3d2", synced: true };
type Entry = readonly [Input, Now];

/** What comes out at the other end, with the number of segments. */
function through(batches: readonly Uint8Array[]): { readonly entries: Entry[]; readonly segments: number; readonly lost: number[] } {
  const entries: Entry[] = [];
  const lost: number[] = [];
  const visitor: FrameVisitor = {
    round: (framed) => entries.push([{ kind: "round", round: roundOf(framed) }, framed.now]),
    clock: (now) => entries.push([{ kind: "clock" }, now]),
    held: (now, untilMs) => entries.push([{ kind: "session", session: { kind: "held", untilMs } }, now]),
    text: (text) => {
      const line = readLine(text);
      if (line.kind === "input") entries.push([line.input, line.now]);
    },
    lost: (inputs) => lost.push(inputs),
  };
  const reader = new FrameReader(true);
  return { segments: batches.reduce((sum, bytes) => sum + reader.read(bytes, visitor).length, 0), entries, lost };
}

test("what a shared store says is read back as it was", () => {
  const writer = new FrameWriter();
  for (const input of INPUTS) writer.input(input, NOW);
  const { frames, inputs } = writer.take();
  assert.equal(inputs, INPUTS.length);
  assert.deepEqual(through([frames]), { entries: INPUTS.map((input) => [input, NOW]), segments: 1, lost: [] });
});

const time = fc.oneof(fc.integer({ min: 0, max: 1e13 }), fc.double({ min: 0, max: 1e13, noNaN: true }));
const text = fc.string({ unit: "grapheme", maxLength: 200 });
const now = fc.record({ bootMs: time, wallMs: time, bootId: fc.constantFrom("one", "two"), synced: fc.boolean() });
const result = fc.record({
  probe: fc.constantFrom("ping", "ssh", "http#2", "ключ"), outcome: fc.constantFrom("good", "slow", "bad", "unknown"), sign: fc.constantFrom("answer", "refused", "silent", "unreachable", "not-run"),
  evidence: fc.oneof(text, fc.constantFrom("SSH-2.0-OpenSSH_9.2", "echo reply in 0.25 ms", "echo reply in 0.31 ms", "\u{1f600}\u{1f601}", "\u{1f602}\u{1f601}", "half \ud83d")),
  latencyMs: fc.oneof(fc.integer({ min: 0, max: 6_000_000 }).map((hundredths) => hundredths / 100), fc.double({ min: 0, max: 1e9, noNaN: true })),
}, { noNullPrototype: true });
const perfdata = fc.array(fc.record({ label: fc.constantFrom("load1", "/var", "status"), value: fc.oneof(fc.integer(), fc.double({ noNaN: true })), unit: fc.constantFrom("s", "%", "GB") }, { requiredKeys: ["label", "value"], noNullPrototype: true }), { maxLength: 4 });
const round: fc.Arbitrary<Round> = fc.record({
  host: fc.constantFrom("logos", "ethos"), hash: fc.constantFrom("h1", "h2"), startedAtMs: time, endedAtMs: time, references: fc.constantFrom("reached", "lost", "none"),
  results: fc.array(fc.tuple(result, fc.option(perfdata)).map(([each, numbers]) => (numbers === null ? each : { ...each, perfdata: numbers })), { maxLength: 4 }),
}, { noNullPrototype: true });
const input: fc.Arbitrary<Input> = fc.oneof(
  { arbitrary: round.map((each): Input => ({ kind: "round", round: each })), weight: 6 },
  fc.constant<Input>({ kind: "clock" }),
  time.map((untilMs): Input => ({ kind: "session", session: { kind: "held", untilMs } })),
  fc.constantFrom<Input>({ kind: "tick", key: "alarms" }, { kind: "stop" }),
);

test("any inputs, in any batches, come out as they went in, wherever reading begins", () => {
  const step = fc.record({ input, now, ends: fc.boolean(), resets: fc.boolean() });
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const writer = new FrameWriter();
    const batches: Uint8Array[] = [];
    for (const each of steps) {
      if (each.resets) writer.reset();
      writer.input(each.input, each.now);
      if (each.ends) batches.push(writer.take().frames);
    }
    batches.push(writer.take().frames);
    // JSON has no −0 and neither has a clock; nothing else may differ.
    const expected = steps.map((each): Entry => [each.input, each.now]);
    assert.deepEqual(plain(through(batches).entries), plain(expected));
    const whole = Buffer.concat(batches);
    const reader = new FrameReader(false);
    for (const at of reader.read(whole, { round: () => {}, clock: () => {}, text: () => {} })) {
      const tail = through([whole.subarray(at)]).entries;
      assert.deepEqual(plain(tail), plain(expected.slice(expected.length - tail.length)));
    }
  }), { numRuns: 150 });
});

function plain(entries: readonly Entry[]): unknown {
  return JSON.parse(JSON.stringify(entries));
}

test("bytes that no writer has made are refused, and cost no more than they are", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, begun) => {
    try {
      through([begun ? Buffer.concat([Buffer.from([0, 1]), bytes]) : bytes]);
    } catch (error) {
      // A line of text may also be no JSON.
      assert.ok(error instanceof RangeError || error instanceof SyntaxError || error instanceof TypeError, String(error));
    }
  }), { numRuns: 500 });
});

test("a round of three probes is some twenty bytes after the first, a tick of the clock five", () => {
  const writer = new FrameWriter();
  const results = (n: number) => [
    { probe: "ping", outcome: "good", sign: "answer", evidence: `echo reply in 0.${20 + (n % 50)} ms`, latencyMs: 0.2 + (n % 50) / 100 },
    { probe: "ssh", outcome: "good", sign: "answer", evidence: "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3", latencyMs: 8.12 },
    { probe: "dns", outcome: "good", sign: "answer", evidence: "NOERROR", latencyMs: 1.5 },
  ] as const;
  for (let n = 0; n < 100; n += 1) writer.input({ kind: "round", round: { host: "logos", hash: "h", startedAtMs: n * 5_000, endedAtMs: n * 5_000 + 9, references: "reached", results: results(n) } }, { ...NOW, bootMs: n * 5_000 + 9 });
  const rounds = writer.take().frames.length;
  assert.ok(rounds < 100 * 30, `${rounds} bytes`);
  for (let n = 0; n < 100; n += 1) writer.input({ kind: "clock" }, { ...NOW, bootMs: 500_000 + n * 1_000, wallMs: NOW.wallMs + n * 1_000 });
  const ticks = writer.take().frames.length;
  assert.ok(ticks < 100 * 6, `${ticks} bytes`);
});
