// Availability: one month in a sentence, then who lost how much and where it went; the months before; and what is to be
// expected. Sums are made by the watcher; nothing here adds anything up.

import { useEffect, useState } from "preact/hooks";
import type { AvailabilityLine, AvailabilityReport } from "../../api/contract.ts";
import { availabilityInWords, inWords, PATHS } from "../../api/contract.ts";
import { ask as askFor } from "../api.ts";
import { nowMs } from "../live/connection.ts";
import { useKeys } from "../keyboard.ts";
import { Empty, HostName, Problem, Waiting } from "../parts/text.tsx";
import { ask } from "../router.ts";
import type { Month } from "../views/availability.ts";
import { availabilityHeadline, barsOf, CAUSES, causesInWords, expectationInWords, leftOut, monthBy, monthInWords, monthOf, oddsInWords, share, shortMonth } from "../views/availability.ts";
import { plural, sentence } from "../words.ts";
import type { PageProps } from "./index.ts";

const MONTHS = 12;
const LINES_MAX = 200;

export function Availability({ query }: PageProps) {
  const month = monthOf(query.get("month"), nowMs.peek());
  const byGroup = query.get("by") === "group";
  const report = useReport(month, "all");
  const months = useReport({ name: month.name, from: monthOf(monthBy(month, 1 - MONTHS), 0).from, to: month.to }, "month");
  const now = monthOf(null, nowMs.peek()).name;
  const go = (by: number) => monthBy(month, by) <= now && ask("month", monthBy(month, by) === now ? null : monthBy(month, by));
  useKeys([{ key: "[", does: "month before", act: () => void go(-1) }, { key: "]", does: "next month", act: () => void go(1) }], [month.name]);
  const period = report.body?.periods[0];
  return (
    <>
      <h1>{period === undefined ? monthInWords(month) : availabilityHeadline(period.total)}</h1>
      <div class="month-nav">
        <button type="button" onClick={() => go(-1)} aria-label="Month before">←</button>
        <b>{monthInWords(month)}</b>
        <button type="button" disabled={month.name === now} onClick={() => go(1)} aria-label="Next month">→</button>
        <div class="chips" role="group" aria-label="Lines"><button type="button" class="chip" aria-pressed={!byGroup} onClick={() => ask("by", null)}>by host</button><button type="button" class="chip" aria-pressed={byGroup} onClick={() => ask("by", "group")}>by group</button></div>
        {report.body === null ? null : <a class="button" href={csvOf(report.body, month, byGroup)} download={`availability-${month.name}.csv`}>As CSV</a>}
      </div>
      {report.error !== null ? <Problem error={sentence(report.error)} onRetry={report.again} /> : null}
      {period === undefined || report.body === null ? (report.error === null ? <Waiting what="Adding up" /> : null) : (
        <>
          <p class="lead">{leftOut(period.total)} Months are those of UTC. {since(report.body)}</p>
          <Lines named={byGroup ? period.groups.map((line) => ({ name: line.group, host: false, line })) : period.hosts.map((line) => ({ name: line.host, host: true, line }))} />
          {months.body === null ? null : <Months report={months.body} chosen={month} />}
          <Expected report={report.body} />
        </>
      )}
    </>
  );
}

type Report = { readonly body: AvailabilityReport | null; readonly error: string | null; readonly again: () => void };

/** Asked again when another month is chosen; what was shown stays until the new answer is there. */
function useReport(month: Month, step: "all" | "month"): Report {
  const [state, setState] = useState<{ readonly body: AvailabilityReport | null; readonly error: string | null }>({ body: null, error: null });
  const [tries, setTries] = useState(0);
  useEffect(() => {
    const gone = new AbortController();
    const words = new URLSearchParams({ from: month.from, to: month.to, step, ...(step === "month" ? { by: "group" } : {}) });
    void askFor<AvailabilityReport>(`${PATHS.availability}?${words.toString()}`, { signal: gone.signal }).then((asked) => {
      if (!gone.signal.aborted) setState(asked.ok ? { body: asked.body, error: null } : { body: null, error: asked.error });
    });
    return () => gone.abort();
  }, [month.from, month.to, step, tries]);
  return { ...state, again: () => setTries(tries + 1) };
}

function since({ recordedSince, from, watcher }: AvailabilityReport): string {
  if (recordedSince === null) return "How hosts stand is not on record yet.";
  return Date.parse(recordedSince) > Date.parse(from) ? `${watcher} has recorded how hosts stand since ${recordedSince.slice(0, 10)}.` : `As ${watcher} saw it.`;
}

type NamedLine = { readonly name: string; readonly host: boolean; readonly line: AvailabilityLine };

/** The worst first: who looks here wants to know where it went. */
function Lines({ named }: { readonly named: readonly NamedLine[] }) {
  const sorted = [...named].sort((one, other) => other.line.unplannedMs - one.line.unplannedMs || one.name.localeCompare(other.name, "en", { numeric: true }));
  const longestMs = Math.max(0, ...sorted.map(({ line }) => line.unplannedMs));
  if (sorted.length === 0) return <Empty>No host is configured.</Empty>;
  return (
    <>
      <div class="card table-frame" tabIndex={0} role="group" aria-label="Availability">
        <table class="availability stacks">
          <thead><tr><th scope="col">{named[0]?.host === true ? "Host" : "Group"}</th><th scope="col" class="number">Available</th><th scope="col" class="number">Outages</th><th scope="col" class="number">Lost</th><th scope="col">Where it went</th><th scope="col" class="number">Planned</th><th scope="col" class="number">Not watched</th></tr></thead>
          <tbody>{sorted.slice(0, LINES_MAX).map(({ name, host, line }) => (
            <tr key={name}>
              <th scope="row">{host ? <HostName host={name} /> : name}</th>
              <td data-label="available" class="number"><b>{availabilityInWords(line.availability)}</b></td>
              <td data-label="outages" class="number"><span>{line.outages}</span></td>
              <td data-label="lost" class="number"><span>{line.unplannedMs === 0 ? "–" : inWords(line.unplannedMs)}</span></td>
              <td data-label="where it went" class="went"><Bars line={line} ofMs={longestMs} /><span class="soft">{causesInWords(line) || (line.unknownMs === line.wholeMs ? "nothing is known" : "nothing was lost")}</span></td>
              <td data-label="planned" class="number"><span>{line.plannedMs === 0 ? "–" : inWords(line.plannedMs)}</span></td>
              <td data-label="not watched" class="number"><span>{line.unknownMs === 0 ? "–" : share(line.unknownMs, line.wholeMs)}</span></td>
            </tr>
          ))}</tbody>
        </table>
      </div>
      {sorted.length > LINES_MAX ? <p class="soft">The {LINES_MAX} that lost most; the CSV has all {plural(sorted.length, "line")}.</p> : null}
      <p class="legend">{CAUSES.map(({ key, word, means }) => <span key={key} title={means}><svg class="cause" viewBox="0 0 10 10" aria-hidden="true"><rect class={key} width="10" height="10" rx="2" /></svg>{word}</span>)}</p>
    </>
  );
}

function Bars({ line, ofMs }: { readonly line: AvailabilityLine; readonly ofMs: number }) {
  const bars = barsOf(line, ofMs);
  if (bars.length === 0) return null;
  return <svg class="cause wide" viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label={bars.map(({ words }) => words).join(", ")}>{bars.map(({ part, from, width }) => <rect key={part} class={part} x={from * 1_000} y="0" width={Math.max(4, width * 1_000)} height="10" />)}</svg>;
}

function Months({ report, chosen }: { readonly report: AvailabilityReport; readonly chosen: Month }) {
  const groups = [...new Set(report.periods.flatMap((period) => period.groups.map(({ group }) => group)))].sort();
  const known = report.periods.filter(({ total }) => total.availability !== null);
  if (known.length === 0) return null;
  const cell = (line: AvailabilityLine | undefined) => <td class="number" title={line === undefined ? "" : `${availabilityHeadline(line)} ${leftOut(line)}`}>{line === undefined || line.availability === null ? <span class="soft">–</span> : availabilityInWords(line.availability)}</td>;
  return (
    <section aria-labelledby="months">
      <h2 id="months">Month by month</h2>
      <div class="card table-frame" tabIndex={0} role="group" aria-label="Month by month">
        <table>
          <thead><tr><th scope="col">Month</th><th scope="col" class="number">All</th>{groups.length > 1 ? groups.map((group) => <th key={group} scope="col" class="number">{group}</th>) : null}<th scope="col" class="number">Outages</th><th scope="col" class="number">Lost</th><th scope="col" class="number">Not watched</th></tr></thead>
          <tbody>{[...known].reverse().map((period) => (
            <tr key={period.from} aria-current={period.from === chosen.from ? "true" : undefined}>
              <th scope="row"><a href={`/availability?month=${period.from.slice(0, 7)}`}>{shortMonth(period.from)}</a></th>
              {cell(period.total)}
              {groups.length > 1 ? groups.map((group) => cell(period.groups.find((each) => each.group === group))) : null}
              <td class="number">{period.total.outages}</td>
              <td class="number">{period.total.unplannedMs === 0 ? "–" : inWords(period.total.unplannedMs)}</td>
              <td class="number">{period.total.unknownMs === 0 ? "–" : share(period.total.unknownMs, period.total.wholeMs)}</td>
            </tr>
          ))}</tbody>
        </table>
      </div>
    </section>
  );
}

function Expected({ report }: { readonly report: AvailabilityReport }) {
  const { hosts, groups } = report.forecast;
  const several = groups.filter((group) => group.hosts > 1 && group.odds !== null);
  if (hosts.length === 0) return null;
  return (
    <section aria-labelledby="expected">
      <h2 id="expected">What to expect</h2>
      <p class="soft">From the configuration, and from the last 90 days as far as there was something to measure. A brake, a disagreement or a device that cannot be read makes an outage as long as it takes somebody to come.</p>
      <div class="card table-frame" tabIndex={0} role="group" aria-label="What to expect">
        <table class="stacks">
          <thead><tr><th scope="col">Host</th><th scope="col" class="number">Expected</th><th scope="col">Because</th></tr></thead>
          <tbody>{hosts.slice(0, LINES_MAX).map((expected) => <tr key={expected.host}><th scope="row"><HostName host={expected.host} /></th><td data-label="expected" class="number"><span>{availabilityInWords(expected.availability)}</span></td><td class="soft">{expectationInWords(expected)}</td></tr>)}</tbody>
        </table>
      </div>
      {several.map(({ group, hosts: count, odds }) => <p key={group} class="aside">All {count} of {group} at once, if one has nothing to do with another: {oddsInWords(odds ?? 0)}. A switch, a feed or a room that they share is another matter.</p>)}
    </section>
  );
}

/** The table as it is shown, for a spreadsheet: made here, because a link cannot carry the session's answer in another form. */
function csvOf(report: AvailabilityReport, month: Month, byGroup: boolean): string {
  const period = report.periods[0];
  const rows = (byGroup ? period?.groups.map((line) => [line.group, line] as const) : period?.hosts.map((line) => [line.host, line] as const)) ?? [];
  const cells = [["month", byGroup ? "group" : "host", "availability", "wholeMs", "upMs", "unknownMs", "plannedMs", "unplannedMs", "outages", "longestMs", ...CAUSES.map(({ key }) => `${key}Ms`)],
    ...rows.map(([name, line]) => [month.name, name, String(line.availability ?? ""), ...[line.wholeMs, line.upMs, line.unknownMs, line.plannedMs, line.unplannedMs, line.outages, line.longestMs, ...CAUSES.map(({ key }) => line.causes[key])].map(String)])];
  return `data:text/csv;charset=utf-8,${encodeURIComponent(cells.map((row) => row.map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(",")).join("\r\n"))}`;
}
