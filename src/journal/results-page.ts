// Probe results and roll-ups as people and programs get them: one JSON object a line, made in the history's thread, so that an
// export of millions costs the watcher nothing but passing bytes on. A page holds what fits into it and says where the next
// one begins: whoever reads slowly holds up nobody, and nothing as large as an answer is ever in memory.

import { iso } from "../core/report.ts";
import { OUTCOMES, REFERENCES } from "./frames.ts";
import { latencyOf } from "./latency.ts";
import { ABSENT, perfdataAt, QUARTER_MS } from "./quarter.ts";
import type { Quarter } from "./quarter.ts";
import type { ResultTables } from "./result-tables.ts";
import { ROW_MS } from "./result-tables.ts";
import type { Rollup, Rollups } from "./rollup.ts";

export type Step = "raw" | "minute" | "hour";

export type ResultsQuery = {
  readonly host: string;
  /** Null: all probes. */
  readonly probe: string | null;
  /** Of the beginning of a round, or of a roll-up's time; Unix milliseconds. */
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly step: Step;
};

/** `nextMs`: the `sinceMs` of the next page, or null where this was the last. */
export type ResultsPage = { readonly text: string; readonly nextMs: number | null };

const PAGE_CHARS = 128 << 10;
/** Rows looked up for one page, so that a page of a time without results comes to an end. */
const LOOKS_MAX = 2_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

export function pageOf(results: ResultTables, query: ResultsQuery): ResultsPage {
  const table = query.step === "raw" ? "result" : query.step;
  const rowMs = ROW_MS[table];
  const span = results.span(table);
  const untilMs = Math.min(query.untilMs, span.toMs);
  let text = "";
  let bucket = Math.floor(Math.max(query.sinceMs, span.fromMs) / rowMs);
  for (let looks = 0; bucket * rowMs < untilMs; bucket += 1, looks += 1) {
    if (text.length >= PAGE_CHARS || looks >= LOOKS_MAX) return { text, nextMs: bucket * rowMs };
    if (query.step === "raw") {
      const quarter = results.quarter(query.host, bucket);
      if (quarter !== null) text += rawLines(quarter, bucket * QUARTER_MS, query);
    } else if (query.step === "minute") text += rollupLines(results.minutes(query.host, bucket), bucket * rowMs, MINUTE_MS, query);
    else text += rollupLines(results.hours(query.host, bucket), bucket * rowMs, HOUR_MS, query);
  }
  return { text, nextMs: null };
}

function rawLines(quarter: Quarter, startMs: number, query: ResultsQuery): string {
  let text = "";
  const host = JSON.stringify(query.host);
  const series = [...quarter.series.values()].filter(({ probe }) => query.probe === null || query.probe === probe).map((each) => ({ ...each, name: JSON.stringify(each.probe) }));
  for (let at = 0; at < quarter.count; at += 1) {
    const atMs = startMs + (quarter.times[at] as number);
    if (atMs < query.sinceMs || atMs >= query.untilMs) continue;
    const head = `{"at":"${iso(atMs)}","host":${host},"probe":`;
    const references = REFERENCES[quarter.references[at] as number] === "lost" ? ',"references":"lost"' : "";
    for (const each of series) {
      const outcome = each.outcomes[at] as number;
      if (outcome === ABSENT) continue;
      text += `${head}${each.name},"outcome":"${OUTCOMES[outcome]}","latencyMs":${latencyOf(each.codes[at] as number)}${references}`;
      if (each.values.size > 0) {
        const perfdata = perfdataAt(each, at);
        if (perfdata.length > 0) text += `,"perfdata":${JSON.stringify(perfdata)}`;
      }
      text += "}\n";
    }
  }
  return text;
}

function rollupLines(rollups: Rollups, startMs: number, slotMs: number, query: ResultsQuery): string {
  let text = "";
  const slots = Math.max(0, ...[...rollups.values()].map((each) => each.length));
  const host = JSON.stringify(query.host);
  for (let slot = 0; slot < slots; slot += 1) {
    const atMs = startMs + slot * slotMs;
    // The time that `sinceMs` lies in belongs to the answer.
    if (atMs + slotMs <= query.sinceMs || atMs >= query.untilMs) continue;
    for (const [probe, each] of rollups) {
      const rollup = each[slot];
      if (rollup === undefined || (query.probe !== null && query.probe !== probe)) continue;
      text += `{"at":"${iso(atMs)}","host":${host},"probe":${JSON.stringify(probe)},"stepMs":${slotMs},${numbersOf(rollup)}}\n`;
    }
  }
  return text;
}

function numbersOf({ good, slow, bad, unknown, least, mean, p50, p95, most }: Rollup): string {
  const latency = (code: number): number | null => (good + slow === 0 ? null : latencyOf(code));
  return `"count":${good + slow + bad + unknown},"good":${good},"slow":${slow},"bad":${bad},"unknown":${unknown},"minMs":${latency(least)},"meanMs":${latency(mean)},"p50Ms":${latency(p50)},"p95Ms":${latency(p95)},"maxMs":${latency(most)}`;
}
