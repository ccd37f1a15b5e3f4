// The drawing, line by line: what a person sees is what is asserted. Nothing in it depends on colours, on UTF-8, or on a wide
// terminal; what was not looked at is empty.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { IncidentReport, ResultLine, RollupLine } from "../api/contract.ts";
import { speaksUtf8 } from "./commands/history.ts";
import { HistoryBins } from "./history-bins.ts";
import type { Canvas } from "./history-chart.ts";
import { columnsIn, drawHistory, inMs, percent } from "./history-chart.ts";

process.env["TZ"] = "UTC";
const SINCE_MS = Date.UTC(2026, 10, 28, 6, 0, 0);
const MINUTE_MS = 60_000;

function canvas(change: Partial<Canvas> = {}): Canvas {
  return { width: 40, utf8: true, paint: (_, text) => text, ...change };
}

/** An hour of roll-ups by minute: a calm start, a hole, an outage with an end in sight, one minute that is partly bad. */
function minutes(): RollupLine[] {
  const line = (minute: number, change: Partial<RollupLine>): RollupLine => ({
    at: new Date(SINCE_MS + minute * MINUTE_MS).toISOString(), host: "logos", probe: "ssh", stepMs: MINUTE_MS, count: 12, good: 12, slow: 0, bad: 0, unknown: 0,
    minMs: 7, meanMs: 8, p50Ms: 8, p95Ms: 9, maxMs: 12, ...change,
  });
  const dead = { good: 0, bad: 12, minMs: null, meanMs: null, p50Ms: null, p95Ms: null, maxMs: null };
  return Array.from({ length: 60 }, (_, minute) => line(minute, minute >= 30 && minute < 38 ? dead : minute === 50 ? { good: 8, bad: 4, maxMs: 40 } : minute === 54 ? { good: 11, slow: 1, maxMs: 1_200 } : minute >= 56 ? { good: 0, unknown: 12, p50Ms: null, p95Ms: null } : minute >= 40 ? { p50Ms: 15, p95Ms: 18 } : {}))
    .filter((_, minute) => minute < 14 || minute >= 20);
}

function incident(change: Partial<IncidentReport> = {}): IncidentReport {
  return { incident: "lusab-babad", host: "logos", began: new Date(SINCE_MS + 30 * MINUTE_MS).toISOString(), ended: new Date(SINCE_MS + 38 * MINUTE_MS).toISOString(), phases: { detectMs: null, decideMs: null, cutMs: null, offMs: null, bootMs: null, totalMs: null }, outcome: "recovered", firstSign: "ssh: no banner", down: null, offSent: null, offConfirmed: null, onConfirmed: null, ...change };
}

function drawing(lines: readonly (ResultLine | RollupLine)[], change: Partial<Canvas> = {}, incidents: readonly IncidentReport[] = [incident()], untilMs = SINCE_MS + 60 * MINUTE_MS): string[] {
  const on = canvas(change);
  const bins = new HistoryBins(SINCE_MS, untilMs, columnsIn(on.width) * 2);
  for (const line of lines) bins.add(line);
  return [...drawHistory({ host: "logos", sinceMs: SINCE_MS, untilMs, probes: bins.probes(), incidents }, on)];
}

const HEAD = ["logos · 2026-11-28 06:00 – 07:00 UTC", "  a column is 2 min", "", "ssh · usually 10.4 ms · 95 % in 12 ms", "  longest 1200 ms · good 77 %", "  slow 0.16 % · bad 15.44 %", "  unknown 7.41 %"];
const UTF8_EXPECTED = [
  ...HEAD,
  "   20 ms ┤                    ⣒⣒⣒⣒⣒⢐⣒⢐",
  "         │                    ⣿⣿⣿⣿⣿⢸⣿⢸",
  "   10 ms ┤⣿⣿⣿⣿⣿⣿⣿   ⣿⣿⣿⣿⣿    ⣿⣿⣿⣿⣿⣿⣿⣿⣿",
  "    0 ms ┤⣿⣿⣿⣿⣿⣿⣿   ⣿⣿⣿⣿⣿    ⣿⣿⣿⣿⣿⣿⣿⣿⣿",
  "          ━━━━━━━   ━━━━━✖✖✖✖━━━━━━▲━~○○",
  "         └┬──────────────┬──────────────",
  "          06:00        06:30",
  "incidents                ◆════",
  "◆ lusab-babad · 2026-11-28 06:30",
  "  8 min, recovered",
  "",
  "━ good   ~ slow   ▲ some bad   ✖ bad",
  "  ○ unknown",
];
const ASCII_EXPECTED = [
  ...HEAD.map((line) => line.replaceAll(/[·–]/g, "-")),
  "   20 ms +                    ..... .",
  "         |                    #######.",
  "   12 ms +#######   #####    #########",
  "         |#######   #####    #########",
  "    0 ms +#######   #####    #########",
  "          -------   -----XXXX------!-~??",
  "         ++--------------+--------------",
  "          06:00        06:30",
  "incidents                ^====",
  "^ lusab-babad - 2026-11-28 06:30",
  "  8 min, recovered",
  "",
  "- good   ~ slow   ! some bad   X bad",
  "  ? unknown",
];

test("an hour with a hole, an outage and a few bad minutes, in forty columns", () => {
  assert.deepEqual(drawing(minutes()), UTF8_EXPECTED);
});

test("the same without UTF-8", () => {
  const lines = drawing(minutes(), { utf8: false });
  assert.deepEqual(lines, ASCII_EXPECTED);
  assert.match(lines.join(""), /^[\x20-\x7e]*$/);
});

test("no line is wider than the terminal, whatever that is, and colours change nothing but colours", () => {
  for (const width of [40, 41, 57, 80, 133, 200]) {
    for (const utf8 of [true, false]) {
      const plain = drawing(minutes(), { width, utf8 }, [incident(), incident({ incident: "gutih-tugad", ended: null, outcome: "open" })]);
      for (const line of plain) assert.ok([...line].length <= width, `${[...line].length} of ${width}: ${line}`);
      const coloured = drawing(minutes(), { width, utf8, paint: (style, text) => `<${style}>${text}</${style}>` }, [incident(), incident({ incident: "gutih-tugad", ended: null, outcome: "open" })]);
      assert.deepEqual(coloured.map((line) => line.replaceAll(/<\/?[a-z]+>/g, "").trimEnd()), plain.map((line) => line.trimEnd()));
    }
  }
});

test("what was never answered has a strip and no hill; a single result is enough to draw", () => {
  const dead = drawing([{ at: new Date(SINCE_MS).toISOString(), host: "logos", probe: "ssh", outcome: "bad", latencyMs: 1_000 }], {}, []);
  assert.deepEqual(dead.slice(3, 6), ["ssh · good 0 % · bad 100 %", "          ✖", "         └┬──────────────┬──────────────"]);
  const one = drawing([{ at: new Date(SINCE_MS).toISOString(), host: "logos", probe: "ssh", outcome: "good", latencyMs: 8.12 }], {}, []);
  assert.ok(one.some((line) => line.includes("usually 8.12 ms")), one.join("\n"));
  const lost = drawing([{ at: new Date(SINCE_MS).toISOString(), host: "logos", probe: "ssh", outcome: "good", latencyMs: 8.12, references: "lost" }], {}, []);
  assert.ok(lost.some((line) => line.includes("unknown 100 %")), "a result without references says nothing about the host");
});

test("numbers as people read them", () => {
  assert.deepEqual([0, 0.254, 8.1234, 57.3, 999, 1_234, 12_345].map((ms) => inMs(ms)), ["0 ms", "0.254 ms", "8.12 ms", "57.3 ms", "999 ms", "1234 ms", "12.3 s"]);
  assert.deepEqual([0, 1, 0.99999, 0.00001, 0.5].map(percent), ["0 %", "100 %", "99.99 %", "0.01 %", "50 %"], "never 100 % of what was not always so");
});

test("the locale says what the terminal can show, in the order of POSIX", () => {
  const cases: readonly (readonly [Record<string, string>, boolean])[] = [[{}, false], [{ LANG: "en_US.UTF-8" }, true], [{ LANG: "C" }, false], [{ LC_ALL: "C", LANG: "en_US.UTF-8" }, false], [{ LC_ALL: "", LC_CTYPE: "de_DE.utf8", LANG: "C" }, true]];
  for (const [env, utf8] of cases) assert.equal(speaksUtf8(env), utf8, JSON.stringify(env));
});
