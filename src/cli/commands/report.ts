// `upkeep report availability`: how available hosts and groups were in a month or any other time, where it was lost, and what to
// expect of the configuration. What was planned stands apart, and so does what nobody watched.

import type { AvailabilityLine, AvailabilityReport } from "../../api/contract.ts";
import { availabilityInWords, inWords, PATHS, plannedPaceInWords } from "../../api/contract.ts";
import { connect } from "../client.ts";
import { csvLine } from "../csv.ts";
import { CliError, EXIT } from "../exit.ts";
import type { Options } from "../options.ts";
import type { Cell } from "../terminal.ts";
import { paint, print, printable, printJson, table } from "../terminal.ts";

type Named = AvailabilityLine & { readonly name: string; readonly group: string };
type Rows = { readonly from: string; readonly to: string; readonly total: AvailabilityLine; readonly lines: readonly Named[] };

const CAUSES = { detect: "to detect", decide: "to decide", cut: "to cut", off: "off", boot: "to boot", wait: "waiting" } as const;
const PLANNED = { maintenance: "maintenance", "going-down": "announced reboots", "wanted-off": "wanted off", "asked-for": "asked for" } as const;

/** Runs `upkeep report availability`. Exit 1 when nothing is known of that time. */
export async function runReportAvailability(options: Options): Promise<number> {
  const query = new URLSearchParams(spanOf(options));
  if (options.by === "group") query.set("by", "group");
  if (options.each !== undefined) query.set("step", options.each);
  if (options.host !== undefined) query.set("host", options.host);
  if (options.outagesPerDay !== undefined) query.set("perDay", String(options.outagesPerDay));
  const client = await connect(options);
  const report = await client.get<AvailabilityReport>(`${PATHS.availability}?${query.toString()}`);
  const rows = report.periods.map((period): Rows => ({ ...period, lines: options.by === "group" ? period.groups.map((each) => ({ ...each, name: each.group })) : period.hosts.map((each) => ({ ...each, name: each.host })) }));
  if (options.json === true) printJson(report);
  else if (options.csv === true) for (const line of csvOf(rows, options.by ?? "host")) process.stdout.write(line);
  else show(report, rows, options.by ?? "host");
  return report.periods.some(({ total }) => total.unknownMs < total.wholeMs) ? EXIT.yes : EXIT.no;
}

function spanOf(options: Options): Record<string, string> {
  if (options.month !== undefined && (options.since !== undefined || options.until !== undefined)) throw new CliError(EXIT.usage, "--month, or --since and --until, not both");
  if (options.month !== undefined) return { from: new Date(options.month.fromMs).toISOString(), to: new Date(options.month.toMs).toISOString() };
  const span: Record<string, string> = {};
  if (options.since !== undefined) span["from"] = new Date(options.since).toISOString();
  if (options.until !== undefined) span["to"] = new Date(options.until).toISOString();
  return span;
}

function show(report: AvailabilityReport, periods: readonly Rows[], by: "host" | "group"): void {
  for (const { from, to, total, lines } of periods) {
    print(`${spanInWords(from, to)}: ${sentence(total)}`);
    if (total.reboots > 0) print(rebootsInWords(total, report.rebootsBudget));
    if (lines.length > 0) for (const line of table([by === "host" ? "HOST" : "GROUP", "AVAILABLE", "OUTAGES", "LOST", "LONGEST", "PLANNED", "NOT WATCHED", "WHERE IT WENT"], lines.map(cellsOf))) print(line);
    print();
  }
  for (const { host, detect, decide, cut, boot, totalMs, perDay, rateMeasured, availability } of report.forecast.hosts) {
    const phase = ({ ms, measured }: { readonly ms: number; readonly measured: boolean }, words: string) => `${inWords(ms)} ${words}${measured ? "" : " (as configured)"}`;
    print(`Expected of ${printable(host)}: ${availability === null ? "nothing, because nothing switches its power" : availabilityInWords(availability)}. ${[phase(detect, "to detect"), ...(decide.ms > 0 ? [phase(decide, "to decide")] : []), phase(cut, "off"), phase(boot, "to boot")].join(" + ")} = ${inWords(totalMs)} an outage, ${often(perDay)}${rateMeasured ? "" : " (assumed)"}.`);
  }
  for (const { group, hosts, odds } of report.forecast.groups) if (hosts > 1 && odds !== null) print(`All ${hosts} of ${printable(group)} at once, if one has nothing to do with another: ${oddsInWords(odds)}.`);
  if (report.recordedSince === null) print("How hosts stand is not on record yet: ask again in a minute.");
  else if (Date.parse(report.recordedSince) > Date.parse(report.from)) print(`${printable(report.watcher)} has recorded how hosts stand since ${report.recordedSince}; what was before is not known.`);
}

function sentence(line: AvailabilityLine): string {
  if (line.availability === null) return "nothing is known of it.";
  const lost = line.outages === 0 && line.unplannedMs === 0 ? "no outage" : `${counted(line.outages, "outage")}, ${inWords(line.unplannedMs)} lost`;
  const pace = plannedPaceInWords(line);
  const planned = pace === null ? "nothing planned" : `${inWords(line.plannedMs)} planned in ${line.plannedOutages} (${pace})`;
  return `available ${availabilityInWords(line.availability)}; ${lost}, ${planned}, ${line.unknownMs === 0 ? "watched all the time" : `${shareInWords(line.unknownMs / line.wholeMs)} of it not watched`}.`;
}

/** `Reboots: 11 in 365 d, 33 min (budget 52 min 36 s at 99.99 %).` Of several hosts their time is added up. */
function rebootsInWords({ reboots, wholeMs, unknownMs, planned }: AvailabilityLine, budget: number): string {
  const spentMs = planned["going-down"];
  const budgetMs = (1 - budget) * (wholeMs - unknownMs);
  const within = `budget ${inWords(budgetMs)} at ${availabilityInWords(budget)}`;
  return `Reboots: ${reboots} in ${inWords(wholeMs)}, ${inWords(spentMs)} (${spentMs > budgetMs ? paint("yellow", `over the ${within}`) : within}).`;
}

function cellsOf(line: Named): readonly Cell[] {
  const none = "–";
  const length = (ms: number): Cell => ({ text: ms === 0 ? none : inWords(ms) });
  const parts = [...Object.entries(CAUSES).map(([cause, words]) => [line.causes[cause as keyof typeof CAUSES], words] as const), ...Object.entries(PLANNED).map(([plan, words]) => [line.planned[plan as keyof typeof PLANNED], words] as const)];
  return [
    { text: printable(line.name), style: "bold" }, { text: availabilityInWords(line.availability) }, { text: String(line.outages) }, length(line.unplannedMs), length(line.longestMs),
    { text: line.plannedMs === 0 ? none : `${inWords(line.plannedMs)} in ${line.plannedOutages}` }, length(line.unknownMs), { text: parts.filter(([ms]) => ms > 0).map(([ms, words]) => `${inWords(ms)} ${words}`).join(", ") || none },
  ];
}

const COLUMNS = ["wholeMs", "upMs", "unknownMs", "plannedMs", "unplannedMs", "outages", "plannedOutages", "longestMs"] as const;

function* csvOf(periods: readonly Rows[], by: "host" | "group"): Generator<string> {
  yield csvLine(["from", "to", by, "availability", ...COLUMNS, ...Object.keys(CAUSES).map((cause) => `${cause}Ms`), ...Object.keys(PLANNED).map((plan) => `${camel(plan)}Ms`)]);
  for (const { from, to, lines } of periods) {
    for (const line of lines) yield csvLine([from, to, line.name, line.availability ?? "", ...COLUMNS.map((column) => line[column]), ...Object.keys(CAUSES).map((cause) => line.causes[cause as keyof typeof CAUSES]), ...Object.keys(PLANNED).map((plan) => line.planned[plan as keyof typeof PLANNED])]);
  }
}

function camel(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Days and months of UTC, as the sums are made: `2026-10`, `2026-10-31`, or from – to. */
function spanInWords(from: string, to: string): string {
  const month = from.slice(0, 7);
  const next = new Date(Date.UTC(Number(from.slice(0, 4)), Number(from.slice(5, 7)), 1)).toISOString();
  if (from === `${month}-01T00:00:00.000Z` && to === next) return month;
  if (from.endsWith("T00:00:00.000Z") && Date.parse(to) - Date.parse(from) === 86_400_000) return from.slice(0, 10);
  return `${minute(from)} – ${minute(to)} UTC`;
}

function minute(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)}`;
}

function often(perDay: number): string {
  if (perDay === 0) return "and there was none";
  return perDay >= 1 ? `${Math.round(perDay * 10) / 10} a day` : `one in ${Math.round(10 / perDay) / 10} days`;
}

function oddsInWords(odds: number): string {
  return odds === 0 ? "never, by what is known" : `${(odds * 100).toPrecision(1).includes("e") ? (odds * 100).toFixed(10).replace(/(\.\d*?[1-9])\d*$/, "$1") : (odds * 100).toPrecision(1)} %`;
}

function shareInWords(share: number): string {
  return share > 0.999 && share < 1 ? "more than 99.9 %" : share < 0.001 ? "less than 0.1 %" : `${(share * 100).toFixed(1)} %`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
