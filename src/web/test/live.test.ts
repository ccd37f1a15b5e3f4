// The live state: what comes in pieces is put together, a strip moves with the clock, and a snapshot forgets what was before.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { LiveEvent } from "../../api/live.ts";
import { STRIP_CELL_MS, STRIP_CELLS } from "../../api/live.ts";
import { EVENT_CHARACTERS_MAX, EventReader } from "../live/server-sent.ts";
import { hosts, lines, revision, site, stripsEndMs, take, toldAtMs } from "../live/store.ts";
import { cellEnd, movedTo, NO_STRIPS, stripInWords, withCells } from "../live/strips.ts";
import { AT, AT_MS, hostReport, line, siteReport } from "./reports.ts";

const written = (event: string, data: unknown) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

test("events are the same however the network cuts them", () => {
  const text = `retry: 2000\n\n: comment\n\n${written("tick", { at: AT })}${written("nonsense", 1)}${written("lines", [line(1, "down", "five\n\nbad rounds, données €")])}event: tick\n\n`;
  const whole = new EventReader().read(text);
  assert.deepEqual(whole.map((event) => event.event), ["tick", "lines"]);
  fc.assert(fc.property(fc.array(fc.nat(text.length), { maxLength: 40 }), (cuts) => {
    const reader = new EventReader();
    const at = [0, ...cuts.sort((one, other) => one - other), text.length];
    assert.deepEqual(at.slice(1).flatMap((end, index) => reader.read(text.slice(at[index], end))), whole);
  }));
});

test("an event without an end is refused before it fills the memory", () => {
  const reader = new EventReader();
  const piece = "x".repeat(1 << 20);
  assert.throws(() => {
    for (let sent = 0; sent <= EVENT_CHARACTERS_MAX; sent += piece.length) reader.read(piece);
  }, /longer than/);
});

test("a strip moves with the clock, and what nobody asked is blank", () => {
  const strip = ".".repeat(STRIP_CELLS);
  assert.equal(movedTo(strip, 0, 0), strip);
  assert.equal(movedTo(strip, 0, 2 * STRIP_CELL_MS), `${".".repeat(STRIP_CELLS - 2)}  `);
  assert.equal(movedTo(strip, 0, 1e9), " ".repeat(STRIP_CELLS));
  assert.equal(movedTo(strip, STRIP_CELL_MS, 0), strip, "never backwards");
  assert.equal(cellEnd(10_000, 10_000), 10_000);
  assert.equal(cellEnd(10_000, 10_001), 15_000);
  const kept = withCells({ ...NO_STRIPS, endMs: 5_000, byProbe: { ssh: strip } }, 10_000, { ssh: { cell: "b", latencyMs: 3 }, ping: { cell: ".", latencyMs: null } });
  assert.deepEqual([kept.byProbe["ssh"]?.slice(-2), kept.byProbe["ping"], kept.latencyMs], [".b", " ".repeat(STRIP_CELLS - 1) + ".", { ssh: 3, ping: null }]);
  assert.equal(withCells(kept, 10_000, { ssh: { cell: "s", latencyMs: 4 } }).byProbe["ssh"]?.slice(-2), ".s", "the same cell again");
  for (const each of Object.values(kept.byProbe)) assert.equal(each.length, STRIP_CELLS);
  assert.deepEqual([stripInWords("..bsu "), stripInWords(" ")], ["1 bad, 1 slow, 1 unknown, 2 good", "no round"]);
});

test("a snapshot, then what changes; and a snapshot again forgets the rest", () => {
  const status = (names: readonly string[]) => ({ ...siteReport("2 of 2"), at: AT, hosts: names.map((name) => hostReport(name)) });
  const snapshot = (names: readonly string[]): LiveEvent => ({ event: "snapshot", data: { version: "1", status: status(names), strips: { db1: { ssh: ".".repeat(STRIP_CELLS) } }, stripsEnd: AT, lines: [line(1, "started", "")] } });
  take(snapshot(["db1", "db2"]));
  const db1 = hosts.value.get("db1");
  assert.deepEqual([[...hosts.value.keys()], site.value?.guarded, lines.value.length, toldAtMs.value], [["db1", "db2"], "2 of 2", 1, AT_MS]);
  const before = revision.value;
  take({ event: "delta", data: { at: "2026-11-29T12:00:02.000Z", hosts: [hostReport("db1", { verdict: "down" }), hostReport("gone")], rest: { guarded: "1 of 2" } } });
  assert.deepEqual([db1?.report.value.verdict, site.value?.guarded, site.value?.site, revision.value, hosts.value.size], ["down", "1 of 2", "lab", before + 1, 2]);
  assert.equal(stripsEndMs.value, AT_MS + STRIP_CELL_MS, "the time went on although no round was made");
  take({ event: "cells", data: { end: "2026-11-29T12:00:05.000Z", cells: { db1: { ssh: { cell: "b", latencyMs: 9 } }, nobody: {} } } });
  assert.deepEqual([db1?.strips.value.byProbe["ssh"]?.slice(-2), db1?.strips.value.latencyMs["ssh"]], [".b", 9]);
  for (let seq = 2; seq < 300; seq += 1) take({ event: "lines", data: [line(seq, "suspect", "x")] });
  assert.deepEqual([lines.value.length, lines.value.at(-1)?.seq], [200, 299], "bounded");
  take({ event: "tick", data: { at: "2026-11-29T12:00:31.000Z" } });
  assert.equal(stripsEndMs.value, AT_MS + 35_000);
  take(snapshot(["db1"]));
  assert.deepEqual([[...hosts.value.keys()], hosts.value.get("db1") === db1, db1?.report.value.verdict, lines.value.length], [["db1"], true, "up", 1]);
});
