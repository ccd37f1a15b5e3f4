// One probe's latency over time: the line is what was usual, the band what the slowest took, red from above where rounds were
// bad, grey hatching where nobody knows, a gap where nothing was asked, and a shade where there was an incident.
//
// The only file that knows uPlot; it is fetched when a host is looked at.

import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import type { IncidentReport } from "../../api/contract.ts";
import type { Columns } from "../plot-data.ts";
import { latencyInWords } from "../plot-data.ts";
import { theme } from "../preferences.ts";
import { clock, moment } from "../words.ts";

type Props = { readonly probe: string; readonly columns: Columns; readonly summary: string; readonly sinceMs: number; readonly untilMs: number; readonly incidents: readonly IncidentReport[] };

const HEIGHT_PX = 130;
const DAY_MS = 86_400_000;
/** The cursors of all plots of a host stand at the same moment. */
const SYNC = "host";

export function Plot({ probe, columns, summary, sinceMs, untilMs, incidents }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shown = useRef({ columns, sinceMs, untilMs, incidents });
  shown.current = { columns, sinceMs, untilMs, incidents };
  const [at, setAt] = useState<string | null>(null);
  const scheme = useScheme();
  useEffect(() => {
    const element = frame.current;
    if (element === null) return;
    const made = new uPlot(optionsOf(element, () => shown.current, setAt), dataOf(shown.current.columns), element);
    plot.current = made;
    const resized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT_PX }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [scheme]);
  useEffect(() => {
    plot.current?.batch(() => {
      plot.current?.setData(dataOf(columns), false);
      plot.current?.setScale("x", { min: sinceMs / 1_000, max: untilMs / 1_000 });
    });
  }, [columns, sinceMs, untilMs, scheme]);
  return (
    <figure class="plot">
      <figcaption><b>{probe}</b> <span class="soft">{at ?? summary}</span></figcaption>
      <div ref={frame} role="img" aria-label={`Latency of ${probe}: ${summary}`} />
    </figure>
  );
}

/** Light or dark as it is now: a canvas does not follow by itself. */
function useScheme(): string {
  const [system, setSystem] = useState(matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const query = matchMedia("(prefers-color-scheme: dark)");
    const change = () => setSystem(query.matches);
    query.addEventListener("change", change);
    return () => query.removeEventListener("change", change);
  }, []);
  return theme.value === "system" ? String(system) : theme.value;
}

function dataOf({ at, usualMs, highMs }: Columns): uPlot.AlignedData {
  return [[...at], [...usualMs], [...highMs]];
}

type Shown = Pick<Props, "columns" | "sinceMs" | "untilMs" | "incidents">;

function optionsOf(element: HTMLElement, shown: () => Shown, say: (text: string | null) => void): uPlot.Options {
  const colour = (token: string): string => {
    element.style.color = `var(--${token})`;
    const text = getComputedStyle(element).color;
    element.style.color = "";
    return text;
  };
  const [line, band, soft, grid, down, unknown, held] = ["accent", "accent", "soft", "line", "down", "unknown", "held"].map(colour) as [string, string, string, string, string, string, string];
  const axis = { stroke: soft, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
  return {
    width: element.clientWidth, height: HEIGHT_PX, legend: { show: false }, padding: [8, 8, 0, 0],
    cursor: { sync: { key: SYNC }, y: false, drag: { x: false, y: false }, points: { size: 7 } },
    scales: { x: { time: true, min: shown().sinceMs / 1_000, max: shown().untilMs / 1_000 }, y: { range: (_, _low, high) => [0, Math.max(high ?? 0, 1) * 1.15] } },
    axes: [
      { ...axis, size: 26, space: 70, values: (_, splits) => splits.map((second) => timeOn(second * 1_000, shown())) },
      { ...axis, size: 62, space: 30, values: (_, splits) => splits.map((ms) => (ms === 0 ? "0" : latencyInWords(ms))) },
    ],
    series: [
      {},
      { stroke: line, width: 1.5, points: { show: (own) => own.data[0].length < 4 } },
      { stroke: band, width: 1, alpha: 0.45, points: { show: false } },
    ],
    bands: [{ series: [2, 1], fill: band.replace(/^rgb\((.*)\)$/, "rgba($1, 0.14)") }],
    hooks: {
      drawClear: [(own) => drawBehind(own, shown(), down, unknown, held)],
      setCursor: [(own) => say(own.cursor.idx === null || own.cursor.idx === undefined || (own.cursor.left ?? -1) < 0 ? null : readAt(own.cursor.idx, shown().columns))],
    },
  };
}

/** Incidents as shades over the whole height, bad rounds as red from above, unknown ones as grey at the foot. */
function drawBehind(own: uPlot, { columns, incidents, sinceMs, untilMs }: Shown, down: string, unknown: string, held: string): void {
  const { ctx, bbox } = own;
  const x = (second: number) => own.valToPos(second, "x", true);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.fillStyle = held;
  ctx.globalAlpha = 0.13;
  for (const incident of incidents) {
    const from = Math.max(sinceMs, Date.parse(incident.began));
    const to = Math.min(untilMs, incident.ended === null ? untilMs : Date.parse(incident.ended));
    if (to > from) ctx.fillRect(x(from / 1_000), bbox.top, Math.max(2, x(to / 1_000) - x(from / 1_000)), bbox.height);
  }
  const { at, bad, unknown: nobody } = columns;
  for (let index = 0; index < at.length; index += 1) {
    const badShare = bad[index] ?? 0;
    const unknownShare = nobody[index] ?? 0;
    if (badShare === 0 && unknownShare === 0) continue;
    const left = x(at[index] as number);
    const width = Math.max(2, Math.min(x(at[index + 1] ?? (at[index] as number)) - left, bbox.width / 20));
    if (badShare > 0) {
      ctx.globalAlpha = 0.8;
      ctx.fillStyle = down;
      ctx.fillRect(left, bbox.top, width, bbox.height * Math.max(0.12, badShare * 0.5));
    }
    if (unknownShare > 0) {
      ctx.globalAlpha = 0.35;
      ctx.fillStyle = unknown;
      ctx.fillRect(left, bbox.top + bbox.height * 0.9, width, bbox.height * 0.1);
    }
  }
  ctx.restore();
}

function timeOn(atMs: number, { sinceMs, untilMs }: Shown): string {
  const text = moment(atMs, untilMs);
  return untilMs - sinceMs > 2 * DAY_MS ? text.replace(/ \d\d:\d\d$/, "") : text.replace(/^.* /, "");
}

function readAt(index: number, { at, usualMs, highMs, bad, unknown }: Columns): string {
  const atMs = (at[index] ?? 0) * 1_000;
  const usual = usualMs[index] ?? null;
  const high = highMs[index] ?? null;
  const parts = [usual === null ? null : latencyInWords(usual), high === null ? null : `95 of 100 within ${latencyInWords(high)}`, (bad[index] ?? 0) > 0 ? (bad[index] === 1 ? "bad" : `${Math.round((bad[index] ?? 0) * 100)} % bad`) : null, (unknown[index] ?? 0) > 0 ? "unknown" : null];
  const told = parts.filter((part) => part !== null);
  return `${moment(atMs, Date.now()).replace(/\d\d:\d\d$/, "")}${clock(atMs)} · ${told.length === 0 ? "nothing was asked" : told.join(" · ")}`;
}
