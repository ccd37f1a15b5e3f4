// `upkeep history HOST` draws what a host's probes found; with `--csv` or `--json`, and as `upkeep history export` of all hosts,
// it writes it down for other programs, as fast as those read and in no more memory than a page.

import { once } from "node:events";
import type { IncidentReport, ResultLine, RollupLine, Step } from "../../api/contract.ts";
import { PATHS } from "../../api/contract.ts";
import { connect } from "../client.ts";
import type { Client } from "../client.ts";
import { csvLine } from "../csv.ts";
import { CliError, EXIT } from "../exit.ts";
import { HistoryBins } from "../history-bins.ts";
import type { Style } from "../history-chart.ts";
import { columnsIn, drawHistory } from "../history-chart.ts";
import type { Options } from "../options.ts";
import { paint, print, printable } from "../terminal.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const WIDTH_ELSEWHERE = 80;
const STYLES: Readonly<Record<Style, Parameters<typeof paint>[0]>> = { good: "green", slow: "yellow", bad: "red", unknown: "magenta", curve: "cyan", dim: "dim", strong: "bold" };

type Span = { readonly sinceMs: number; readonly untilMs: number; readonly step: Step };

/** Runs `upkeep history HOST`. */
export async function runHistory(host: string, options: Options): Promise<number> {
  const span = spanOf(options);
  const client = await connect(options);
  if (options.csv === true || options.json === true) return write(client, host, span, options);
  const width = process.stdout.isTTY === true ? process.stdout.columns : WIDTH_ELSEWHERE;
  const bins = new HistoryBins(span.sinceMs, span.untilMs, columnsIn(width) * 2);
  for await (const lines of client.lines(pathOf(host, span, options))) for (const line of lines) bins.add(JSON.parse(line) as ResultLine | RollupLine);
  const probes = bins.probes().map((each) => ({ ...each, probe: printable(each.probe) }));
  if (probes.length === 0) {
    print(`${host}: no results${options.probe === undefined ? "" : ` of ${printable(options.probe)}`} in this time. ${span.step === "raw" ? "Single results are kept for a week, where nothing else is configured: --step hour looks further back." : "What was watched longer ago than history.keep says is gone."}`);
    return EXIT.no;
  }
  const incidents = (await client.get<readonly IncidentReport[]>(PATHS.incidents)).filter((each) => each.host === host && Date.parse(each.began) < span.untilMs && (each.ended === null || Date.parse(each.ended) >= span.sinceMs));
  const canvas = { width, utf8: speaksUtf8(process.env), paint: (style: Style, text: string) => paint(STYLES[style], text) };
  for (const line of drawHistory({ host, ...span, probes, incidents }, canvas)) print(line);
  return EXIT.yes;
}

/** Runs `upkeep history export`. */
export async function runHistoryExport(options: Options): Promise<number> {
  return write(await connect(options), options.host ?? null, spanOf(options), options);
}

/** What was asked for, and the finest step that still is a screenful where none was. */
function spanOf(options: Options): Span {
  const nowMs = Date.now();
  const untilMs = options.until ?? nowMs;
  const sinceMs = options.since ?? untilMs - DAY_MS;
  if (sinceMs >= untilMs) throw new CliError(EXIT.usage, "--since has to be before --until");
  const spanMs = untilMs - sinceMs;
  const fitting: Step = spanMs <= 3 * HOUR_MS ? "raw" : spanMs <= 8 * DAY_MS ? "minute" : "hour";
  return { sinceMs, untilMs, step: options.step ?? fitting };
}

function pathOf(host: string | null, { sinceMs, untilMs, step }: Span, options: Options): string {
  const query = new URLSearchParams({ since: new Date(sinceMs).toISOString(), until: new Date(untilMs).toISOString(), step });
  if (options.probe !== undefined) query.set("probe", options.probe);
  return `${PATHS.history}${host === null ? "" : `/${encodeURIComponent(host)}`}?${query.toString()}`;
}

async function write(client: Client, host: string | null, span: Span, options: Options): Promise<number> {
  const asCsv = options.json !== true;
  if (asCsv) process.stdout.write(csvLine(span.step === "raw" ? RAW : ROLLUP));
  for await (const lines of client.lines(pathOf(host, span, options))) {
    const text = asCsv ? lines.map((line) => csvOf(JSON.parse(line) as ResultLine | RollupLine)).join("") : lines.map((line) => `${line}\n`).join("");
    // No faster than it is read, or a year would be in this process's memory.
    if (text !== "" && !process.stdout.write(text)) await once(process.stdout, "drain");
  }
  return EXIT.yes;
}

const RAW = ["at", "host", "probe", "outcome", "latencyMs", "references", "perfdata"] as const;
const ROLLUP = ["at", "host", "probe", "stepMs", "count", "good", "slow", "bad", "unknown", "minMs", "meanMs", "p50Ms", "p95Ms", "maxMs"] as const;

/** Numbers that a probe gave stand as monitoring plugins write them. */
function csvOf(line: ResultLine | RollupLine): string {
  const cells = "stepMs" in line ? ROLLUP.map((key) => line[key]) : [line.at, line.host, line.probe, line.outcome, line.latencyMs, line.references, line.perfdata?.map(({ label, value, unit }) => `'${label.replaceAll("'", "''")}'=${value}${unit ?? ""}`).join(" ")];
  return csvLine(cells.map((cell) => cell ?? ""));
}

/** POSIX: the first of these that is set and not empty says it. */
export function speaksUtf8(env: Readonly<Record<string, string | undefined>>): boolean {
  const locale = [env["LC_ALL"], env["LC_CTYPE"], env["LANG"]].find((each) => each !== undefined && each !== "") ?? "";
  return /utf-?8/i.test(locale);
}
