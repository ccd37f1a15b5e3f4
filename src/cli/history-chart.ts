// A host's history as lines of text: for each probe a hill as high as what was usual, with a dot above it below which lie 95 of
// 100, a scale in milliseconds, and below it a strip of verdicts in shapes that need no colour. The single longest answer would
// press all this flat: it stands in words. Where nobody looked the columns stay empty.
//
// Where the terminal speaks UTF-8 a hill is of braille, two dots by four in a character; elsewhere it is of ASCII. The scale
// runs from nothing, or by powers where it would show nothing otherwise.

import { inWords } from "../api/contract.ts";
import type { IncidentReport } from "../api/contract.ts";
import type { Bin, Drawn, ProbeBins } from "./history-bins.ts";
import { empty, merge } from "./history-bins.ts";

export type Style = "good" | "slow" | "bad" | "unknown" | "curve" | "dim" | "strong";

export type Canvas = {
  readonly width: number;
  readonly utf8: boolean;
  paint(style: Style, text: string): string;
};

const ROWS = 4;
const DOTS = 4;
/** `1.25 ms ┤` */
const AXIS = 9;
const WIDTH_MIN = 40;
const WIDTH_MAX = 200;
const INCIDENTS_MAX = 8;
/** Above this many times the usual, the scale goes by powers. */
const STEEP = { utf8: 15, ascii: 5 } as const;

type Shapes = { readonly tick: string; readonly line: string; readonly corner: string; readonly base: string; readonly under: string; readonly dot: string; readonly dash: string; readonly verdicts: Readonly<Record<Verdict, string>>; readonly incident: string; readonly during: string };
type Verdict = "good" | "slow" | "some" | "bad" | "unknown";

const UTF8: Shapes = { tick: "┤", line: "│", corner: "└", base: "─", under: "┬", dot: "·", dash: "–", verdicts: { good: "━", slow: "~", some: "▲", bad: "✖", unknown: "○" }, incident: "◆", during: "═" };
const ASCII: Shapes = { tick: "+", line: "|", corner: "+", base: "-", under: "+", dot: "-", dash: "-", verdicts: { good: "-", slow: "~", some: "!", bad: "X", unknown: "?" }, incident: "^", during: "=" };
const MEANING: Readonly<Record<Verdict, readonly [Style, string]>> = { good: ["good", "good"], slow: ["slow", "slow"], some: ["slow", "some bad"], bad: ["bad", "bad"], unknown: ["unknown", "unknown"] };

/** How many columns a chart of this width has for time; two bins each. */
export function columnsIn(width: number): number {
  return Math.min(WIDTH_MAX, Math.max(WIDTH_MIN, width)) - AXIS - 1;
}

export function drawHistory(drawn: Drawn, canvas: Canvas): readonly string[] {
  const shapes = canvas.utf8 ? UTF8 : ASCII;
  const columns = columnsIn(canvas.width);
  const spanMs = drawn.untilMs - drawn.sinceMs;
  const columnMs = spanMs / columns;
  const column = `a column is ${inWords(columnMs > 120_000 ? Math.round(columnMs / MINUTE_MS) * MINUTE_MS : columnMs)}`;
  const between = `${dayAndClock(drawn.sinceMs)} ${shapes.dash} ${monthAndDay(drawn.sinceMs) === monthAndDay(drawn.untilMs) ? "" : `${monthAndDay(drawn.untilMs)} `}${clock(drawn.untilMs)} ${zoneOf(drawn.untilMs)}`;
  const lines = wrapped([canvas.paint("strong", drawn.host), canvas.paint("dim", between), canvas.paint("dim", column)], [drawn.host, between, column], canvas, shapes);
  for (const probe of drawn.probes) lines.push("", ...probeLines(probe, columns, canvas, shapes));
  lines.push(...timeAxis(drawn, columns, canvas, shapes));
  lines.push(...incidentLines(drawn, columns, canvas, shapes));
  lines.push("", ...legend(drawn.probes, canvas, shapes));
  return lines;
}

function probeLines({ probe, bins, total, p95Ms }: ProbeBins, columns: number, canvas: Canvas, shapes: Shapes): string[] {
  const { paint } = canvas;
  const count = total.good + total.slow + total.bad + total.unknown;
  const share = (outcome: "good" | "slow" | "bad" | "unknown"): string => `${outcome} ${percent(total[outcome] / count)}`;
  const parts = [
    ...(total.answered === 0 ? [] : [`usually ${inMs(total.usualMs)}`, `95 % in ${inMs(p95Ms)}`, `longest ${inMs(total.mostMs)}`]),
    share("good"), ...(["slow", "bad", "unknown"] as const).filter((each) => total[each] > 0).map(share),
  ];
  const lines = wrapped([paint("strong", probe), ...parts], [probe, ...parts], canvas, shapes);
  if (total.answered > 0) lines.push(...curve(bins, columns, canvas, shapes));
  const verdicts = Array.from({ length: columns }, (_, column) => verdictOf(bins[column * 2], bins[column * 2 + 1]));
  lines.push(`${" ".repeat(AXIS + 1)}${strip(verdicts, canvas, shapes)}`.trimEnd());
  return lines;
}

/** A colour for each run, not for each character. */
function strip(verdicts: readonly (Verdict | null)[], { paint }: Canvas, shapes: Shapes): string {
  let text = "";
  for (let at = 0; at < verdicts.length;) {
    const verdict = verdicts[at] ?? null;
    let end = at + 1;
    while (end < verdicts.length && verdicts[end] === verdict) end += 1;
    text += verdict === null ? " ".repeat(end - at) : paint(MEANING[verdict][0], shapes.verdicts[verdict].repeat(end - at));
    at = end;
  }
  return text;
}

function verdictOf(one: Bin | undefined, other: Bin | undefined): Verdict | null {
  const both = empty();
  for (const bin of [one, other]) if (bin !== undefined) merge(both, bin);
  const count = both.good + both.slow + both.bad + both.unknown;
  if (count === 0) return null;
  if (both.bad * 2 >= count) return "bad";
  if (both.bad > 0) return "some";
  if (both.unknown * 2 > count) return "unknown";
  return both.slow > 0 ? "slow" : "good";
}

// ---- the curve ----------------------------------------------------------------------------------------------------------

type Scale = { /** From 0 at the bottom to 1 at the top. */ at(ms: number): number; readonly labels: readonly (string | null)[] };

function scaleOf(bins: readonly (Bin | undefined)[], rows: number, steep: number): Scale {
  const answered = bins.filter((bin) => bin !== undefined && bin.answered > 0) as readonly Bin[];
  const most = Math.max(...answered.map((bin) => bin.highMs), 0.01);
  const usual = answered.map((bin) => bin.usualMs).sort((one, other) => one - other)[answered.length >> 1] ?? most;
  if (most <= usual * steep) {
    const top = ceiling(most);
    return { at: (ms) => ms / top, labels: Array.from({ length: rows }, (_, row) => (row === rows - 1 ? "0 ms" : row % 2 === 0 ? inMs((top * (rows - row)) / rows) : null)) };
  }
  const least = Math.max(0.01, Math.min(...answered.map((bin) => bin.usualMs)));
  const bottom = floor(least);
  const top = ceiling(most);
  const decades = Math.log10(top / bottom);
  return { at: (ms) => Math.log10(Math.max(ms, bottom) / bottom) / decades, labels: Array.from({ length: rows }, (_, row) => inMs(row === rows - 1 ? bottom : bottom * 10 ** ((decades * (rows - row)) / rows), 2)) };
}

function curve(bins: readonly (Bin | undefined)[], columns: number, canvas: Canvas, shapes: Shapes): string[] {
  const rows = canvas.utf8 ? ROWS : ROWS + 1;
  const scale = scaleOf(bins, rows, canvas.utf8 ? STEEP.utf8 : STEEP.ascii);
  const cells = canvas.utf8 ? braille(bins, columns, rows, scale) : ascii(bins, columns, rows, scale);
  return cells.map((row, index) => {
    const label = scale.labels[index] ?? null;
    return `${canvas.paint("dim", `${(label ?? "").padStart(AXIS - 1)} ${label === null ? shapes.line : shapes.tick}`)}${canvas.paint("curve", row)}`.trimEnd();
  });
}

/** Bits of a braille character by column and row, from the top (Unicode 2800). */
const BRAILLE = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]] as const;

function braille(bins: readonly (Bin | undefined)[], columns: number, rows: number, scale: Scale): string[] {
  const height = rows * DOTS;
  const cells = Array.from({ length: rows }, () => new Uint8Array(columns));
  const set = (bin: number, level: number): void => {
    const y = height - 1 - level;
    const row = cells[Math.floor(y / DOTS)];
    const bit = BRAILLE[(bin % 2) as 0 | 1][(y % DOTS) as 0 | 1 | 2 | 3];
    if (row !== undefined) row[bin >> 1] = (row[bin >> 1] as number) | bit;
  };
  for (let bin = 0; bin < columns * 2; bin += 1) {
    const found = bins[bin];
    if (found === undefined || found.answered === 0) continue;
    const level = levelOf(scale.at(found.usualMs), height);
    for (let dot = 0; dot <= level; dot += 1) set(bin, dot);
    set(bin, levelOf(scale.at(found.highMs), height));
  }
  return cells.map((row) => [...row].map((bits) => (bits === 0 ? " " : String.fromCharCode(0x2800 + bits))).join("").trimEnd());
}

function ascii(bins: readonly (Bin | undefined)[], columns: number, rows: number, scale: Scale): string[] {
  const cells = Array.from({ length: rows }, () => Array.from({ length: columns }, () => " "));
  for (let column = 0; column < columns; column += 1) {
    const both = empty();
    for (const bin of [bins[column * 2], bins[column * 2 + 1]]) if (bin !== undefined) merge(both, bin);
    if (both.answered === 0) continue;
    const fill = (level: number, letter: string): void => {
      const row = cells[rows - 1 - level];
      if (row !== undefined) row[column] = letter;
    };
    const put = (ms: number, letter: string): void => fill(levelOf(scale.at(ms), rows), letter);
    put(both.highMs, ".");
    for (let level = levelOf(scale.at(both.usualMs), rows); level >= 0; level -= 1) fill(level, "#");
  }
  return cells.map((row) => row.join("").trimEnd());
}

function levelOf(share: number, height: number): number {
  return Math.max(0, Math.min(height - 1, Math.round(share * height - 0.5)));
}

/** The next of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten. */
function ceiling(ms: number): number {
  const power = 10 ** Math.floor(Math.log10(ms));
  return ([1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((each) => each * power >= ms * 0.999) ?? 10) * power;
}

function floor(ms: number): number {
  const power = 10 ** Math.floor(Math.log10(ms));
  return ([5, 2, 1].find((each) => each * power <= ms * 1.001) ?? 1) * power;
}

// ---- time ---------------------------------------------------------------------------------------------------------------

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const TICKS_MS = [MINUTE_MS, 2 * MINUTE_MS, 5 * MINUTE_MS, 10 * MINUTE_MS, 15 * MINUTE_MS, 30 * MINUTE_MS, HOUR_MS, 2 * HOUR_MS, 3 * HOUR_MS, 6 * HOUR_MS, 12 * HOUR_MS, DAY_MS, 2 * DAY_MS, 5 * DAY_MS, 10 * DAY_MS, 30 * DAY_MS, 90 * DAY_MS, 365 * DAY_MS];
const LABEL_ROOM = 9;

function timeAxis({ sinceMs, untilMs }: Drawn, columns: number, canvas: Canvas, shapes: Shapes): string[] {
  const columnMs = (untilMs - sinceMs) / columns;
  const tickMs = TICKS_MS.find((each) => each / columnMs >= LABEL_ROOM) ?? 365 * DAY_MS;
  const zoneMs = -new Date(untilMs).getTimezoneOffset() * MINUTE_MS;
  const line = Array.from({ length: columns }, () => shapes.base);
  let labels = "";
  for (let atMs = Math.ceil((sinceMs + zoneMs) / tickMs) * tickMs - zoneMs; atMs < untilMs; atMs += tickMs) {
    const column = Math.floor((atMs - sinceMs) / columnMs);
    const label = tickMs >= DAY_MS ? monthAndDay(atMs) : clock(atMs);
    line[column] = shapes.under;
    const from = Math.max(0, Math.min(column - Math.floor(label.length / 2), columns - label.length));
    if (from > labels.length || labels === "") labels = labels.padEnd(from) + label;
  }
  return [canvas.paint("dim", `${" ".repeat(AXIS)}${shapes.corner}${line.join("")}`), canvas.paint("dim", `${" ".repeat(AXIS + 1)}${labels}`)];
}

function incidentLines({ incidents, sinceMs, untilMs }: Drawn, columns: number, canvas: Canvas, shapes: Shapes): string[] {
  if (incidents.length === 0) return [];
  const marks = Array.from({ length: columns }, () => " ");
  const columnOf = (ms: number): number => Math.max(0, Math.min(columns - 1, Math.floor(((ms - sinceMs) / (untilMs - sinceMs)) * columns)));
  for (const { began, ended } of incidents) {
    const [from, to] = [columnOf(Date.parse(began)), columnOf(ended === null ? untilMs : Date.parse(ended))];
    for (let column = from + 1; column <= to; column += 1) marks[column] = shapes.during;
    marks[from] = shapes.incident;
  }
  const shown = incidents.slice(-INCIDENTS_MAX);
  return [
    `${"incidents".padEnd(AXIS + 1)}${canvas.paint("bad", marks.join("").trimEnd())}`,
    ...shown.flatMap((each) => {
      const parts = [dayAndClock(Date.parse(each.began)), told(each)];
      return wrapped([`${canvas.paint("bad", shapes.incident)} ${each.incident}`, ...parts], [`${shapes.incident} ${each.incident}`, ...parts], canvas, shapes);
    }),
    ...(incidents.length > shown.length ? [`and ${incidents.length - shown.length} before: upkeep incidents`] : []),
  ];
}

function told({ ended, began, outcome }: IncidentReport): string {
  return ended === null ? "still open" : `${inWords(Math.max(0, Date.parse(ended) - Date.parse(began)))}, ${outcome}`;
}

function legend(probes: readonly ProbeBins[], canvas: Canvas, shapes: Shapes): string[] {
  const all = Object.keys(MEANING) as Verdict[];
  const seen = all.filter((verdict) => verdict === "some" ? probes.some(({ total }) => total.bad > 0) : probes.some(({ total }) => total[verdict] > 0));
  const plain = seen.map((verdict) => `${shapes.verdicts[verdict]} ${MEANING[verdict][1]}`);
  return wrapped(seen.map((verdict) => `${canvas.paint(MEANING[verdict][0], shapes.verdicts[verdict])} ${canvas.paint("dim", MEANING[verdict][1])}`), plain, canvas, { ...shapes, dot: " " });
}

// ---- words --------------------------------------------------------------------------------------------------------------

/** Parts on as many lines as they need; `plain` is what they are without colour, for their width. */
function wrapped(parts: readonly string[], plain: readonly string[], canvas: Canvas, shapes: Shapes): string[] {
  const lines: string[] = [];
  let line = "";
  let used = 0;
  parts.forEach((part, index) => {
    const width = [...(plain[index] ?? "")].length;
    if (used > 0 && used + 3 + width > canvas.width) {
      lines.push(line);
      [line, used] = [`  ${part}`, width + 2];
    } else {
      line += used === 0 ? part : ` ${canvas.paint("dim", shapes.dot)} ${part}`;
      used += (used === 0 ? 0 : 3) + width;
    }
  });
  return [...lines, line];
}

/** Three digits, and no more than there are. */
export function inMs(ms: number, digits = 3): string {
  if (ms >= 9_999.5) return `${Number((ms / 1_000).toPrecision(digits))} s`;
  return `${ms === 0 ? 0 : Number(ms.toPrecision(ms >= 1_000 ? Math.max(digits, 4) : digits))} ms`;
}

/** Never 100 % of what was not always so. */
export function percent(share: number): string {
  if (share === 0 || share === 1) return `${share * 100} %`;
  const shown = share > 0.5 ? Math.floor(share * 10_000) / 100 : Math.ceil(share * 10_000) / 100;
  return `${shown} %`;
}

const two = (value: number): string => String(value).padStart(2, "0");

function clock(ms: number): string {
  const at = new Date(ms);
  return `${two(at.getHours())}:${two(at.getMinutes())}`;
}

function monthAndDay(ms: number): string {
  const at = new Date(ms);
  return `${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

function dayAndClock(ms: number): string {
  const at = new Date(ms);
  return `${at.getFullYear()}-${monthAndDay(ms)} ${clock(ms)}`;
}

function zoneOf(ms: number): string {
  const minutes = -new Date(ms).getTimezoneOffset();
  return minutes === 0 ? "UTC" : `UTC${minutes < 0 ? "-" : "+"}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
}
