// One host: what it is and why, what happens next or what holds it back, what each probe saw, what can be asked for; then its
// past. What is seen and what comes next are the watcher's own sentences (`upkeep why`).

import type { ComponentType } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { HostReport, IncidentReport, ResultLine, RollupLine, WhyReport } from "../../api/contract.ts";
import { PATHS } from "../../api/contract.ts";
import { actionsOn } from "../actions.ts";
import { ask, askLines } from "../api.ts";
import { useAsked, useTurn } from "../asked.ts";
import { nowMs } from "../live/connection.ts";
import type { LiveHost } from "../live/store.ts";
import { hosts, lines, site, stripsEndMs } from "../live/store.ts";
import { movedTo } from "../live/strips.ts";
import { Act } from "../parts/act.tsx";
import { Agent } from "../parts/agent.tsx";
import { KernelSaid, LastWords } from "../parts/kernel.tsx";
import { Outlet, Pips, Strip, Verdict } from "../parts/signs.tsx";
import { Ago, At, Empty, Problem, Waiting } from "../parts/text.tsx";
import { Timeline } from "../parts/timeline.tsx";
import type { Columns, Range } from "../plot-data.ts";
import { columnsOf, latencyInWords, RANGES, summaryOf } from "../plot-data.ts";
import { ask as askFor, incidentPath } from "../router.ts";
import { conditionInWords, conditionOf } from "../sentences.ts";
import { may } from "../session.ts";
import { closed, inWords, plural, sentence } from "../words.ts";
import type { PageProps } from "./index.ts";
import { IncidentTable } from "./incidents.tsx";

export function Host({ params, query }: PageProps) {
  const name = params["host"] ?? "";
  const host = hosts.value.get(name);
  if (host === undefined) return <><h1>There is no host {name}.</h1><p class="lead">It may have been taken out of the configuration. <a href="/">To the fleet</a></p></>;
  return <Known key={name} host={host} query={query} />;
}

/** Hosts in no group form one, of this name. */
const UNGROUPED = "ungrouped";

/** The watcher is asked for its sentences again when the host has changed, and now and then because they count seconds. */
const WHY_EVERY_MS = 5_000;

function Known({ host, query }: { readonly host: LiveHost; readonly query: URLSearchParams }) {
  const report = host.report.value;
  const turn = useTurn(WHY_EVERY_MS);
  const newest = lines.value.findLast((line) => line.host === host.name)?.seq ?? 0;
  const why = useAsked<WhyReport>((signal) => ask<WhyReport>(`${PATHS.why}/${encodeURIComponent(host.name)}`, { signal }), [host.name, turn, newest]);
  const incidents = useAsked<readonly IncidentReport[]>((signal) => ask<readonly IncidentReport[]>(PATHS.incidents, { signal }), [host.name, report.incident]);
  const own = incidents.body?.filter((incident) => incident.host === host.name) ?? [];
  const condition = conditionOf(report);
  const about = why.body?.kind === "host" ? why.body : null;
  return (
    <>
      <p class="above">{report.group === UNGROUPED ? "" : `${report.group} · `}{report.address}</p>
      <h1 class="host-title">{host.name} <Verdict of={condition}>{conditionInWords(report, nowMs.value)}</Verdict></h1>
      <p class="lead">{report.guarded ? "Guarded." : `Not guarded: ${closed(report.why ?? "")}`}{report.incident === null ? null : <> Incident <a href={incidentPath(report.incident)}>{report.incident}</a> is open.<KernelSaid of={about?.kernel} /></>}</p>
      <Actions host={report} />
      <div class="two">
        <section aria-labelledby="next">
          <h2 id="next">What happens next</h2>
          {why.error === null ? null : <Problem error={sentence(why.error)} onRetry={why.again} />}
          <Says of={about?.next ?? null} />
        </section>
        <section aria-labelledby="seen">
          <h2 id="seen">What is seen</h2>
          <Says of={about?.seen ?? null} />
        </section>
      </div>
      <h2>Probes</h2>
      <Probes host={host} />
      <Agent host={host.name} probed={report.probes.some(({ probe }) => probe === "agent")} turn={turn} />
      {about === null || about.kernel === null || about.kernel === undefined ? null : <LastWords of={about.kernel} name={host.name} seconds />}
      <h2>Power</h2>
      <Power host={report} />
      {report.observers.length < 2 ? null : <Observers host={report} />}
      <History host={host.name} word={query.get("range")} incidents={own} />
      <h2>Incidents</h2>
      {own.length === 0 ? <Empty>{incidents.error === null ? "None is recorded." : incidents.error}</Empty> : <IncidentTable incidents={own.slice(-10).toReversed()} withHost={false} />}
      {own.length > 10 ? <p><a href={`/incidents?host=${encodeURIComponent(host.name)}`}>All {own.length}</a></p> : null}
      <h2>What happened lately</h2>
      {about === null ? <Waiting what="Reading" /> : <Timeline events={about.events} began={null} newestFirst />}
    </>
  );
}

function Says({ of }: { readonly of: readonly string[] | null }) {
  if (of === null) return <Waiting what="Asking why" />;
  return <ul class="says">{of.map((line) => <li key={line}>{line}</li>)}</ul>;
}

function Actions({ host }: { readonly host: HostReport }) {
  if (!may("operator")) return <p class="soft">You may look; for commands one needs the role operator.</p>;
  const { urgent, usual, power, last } = actionsOn(host, site.value?.brakes ?? []);
  return (
    <div class="asks" role="group" aria-label={`What can be asked for ${host.host}`}>
      {urgent.map((action, index) => <Act key={action.verb} action={action} first={index === 0} />)}
      {[...usual, ...power, ...last].map((action) => <Act key={action.verb} action={action} />)}
    </div>
  );
}

function Probes({ host }: { readonly host: LiveHost }) {
  const report = host.report.value;
  const { byProbe, endMs, latencyMs } = host.strips.value;
  return (
    <>
      <p class="counter">The counter stands at {report.counter} of {report.threshold} <Pips counter={report.counter} threshold={report.threshold} /></p>
      <div class="card probes">
        {report.probes.map((probe) => (
          <div key={probe.probe} class="probe">
            <span><b>{probe.probe}</b>{probe.counts ? null : <span class="tag" title="It is told beside the others and does not count.">evidence only</span>}{probe.passed || !probe.counts ? null : <span class="tag warn" title="It has never passed here, and does not count until it has.">never passed</span>}</span>
            <Strip probe={probe.probe} counts={probe.counts} strip={movedTo(byProbe[probe.probe] ?? "", endMs, stripsEndMs.value)} />
            <span class="latency">{(latencyMs[probe.probe] ?? probe.latencyMs) === null ? "" : latencyInWords(latencyMs[probe.probe] ?? probe.latencyMs ?? 0)}</span>
            <span class={`evidence-text ${probe.outcome === "bad" ? "bad" : ""}`}>{probe.outcome === null ? "no round yet" : `${probe.outcome}: ${probe.evidence ?? "nothing was said"}`}</span>
          </div>
        ))}
      </div>
    </>
  );
}

function Power({ host }: { readonly host: HostReport }) {
  if (host.power.length === 0) return <Empty>No outlet is configured for it: it is watched, and nothing can be cut.</Empty>;
  const levels = Math.max(...host.power.map((outlet) => outlet.level));
  return (
    <div class="card padded">
      <dl class="facts">
        {host.power.map((outlet) => (
          <><dt>{levels > 1 ? `level ${outlet.level}` : "outlet"}</dt><dd><Outlet outlet={outlet} /> {outlet.label === null ? "" : `(named ${outlet.label} at the device) `}<span class="soft">{outlet.at === null ? "not read yet" : <>read <Ago at={outlet.at} /> ago</>}, {outlet.proved ? "proved by a past good cycle" : "not proved yet"}</span></dd></>
        ))}
        <dt>wanted</dt><dd>{host.wanted}{host.wantedOff === null ? "" : `, by ${host.wantedOff.by}${host.wantedOff.why === "" ? "" : `: ${host.wantedOff.why}`}`}</dd>
        <dt>budget</dt><dd>{plural(host.budget.cycles, "power cycle")} of {host.budget.of} within {inWords(host.budget.withinMs)}</dd>
        <dt>boot</dt><dd>at most {inWords(host.bootMs)}{host.bootLongestMs === null ? ", none measured yet" : `; the longest of the last took ${inWords(host.bootLongestMs)}`}</dd>
        {host.lastOperation === null ? null : <><dt>last operation</dt><dd>{host.lastOperation.kind}, {host.lastOperation.outcome}, <At at={host.lastOperation.at} /></dd></>}
        <dt>brakes</dt><dd>{host.brakes.length === 0 ? "none" : host.brakes.map((brake) => `${brake.brake}: ${brake.because}`).join("; ")}</dd>
      </dl>
    </div>
  );
}

function Observers({ host }: { readonly host: HostReport }) {
  return (
    <>
      <h2>What the watchers say</h2>
      <p class="soft">{plural(host.need, "of them has", "of them have")} to say down before anything is cut. {host.inCharge === null ? "Nobody is in charge at present." : `${host.inCharge} is in charge.`}</p>
      <div class="card table-frame">
        <table>
          <thead><tr><th scope="col">Watcher</th><th scope="col">Says</th><th scope="col">Because</th></tr></thead>
          <tbody>{host.observers.map((vote) => <tr key={vote.watcher}><td>{vote.watcher}</td><td>{vote.says ?? "nothing"}</td><td>{vote.because}</td></tr>)}</tbody>
        </table>
      </div>
    </>
  );
}

// ---- the past --------------------------------------------------------------------------------------------------------------

type PlotProps = { readonly probe: string; readonly columns: Columns; readonly summary: string; readonly sinceMs: number; readonly untilMs: number; readonly incidents: readonly IncidentReport[] };
/** Results of the last quarter are asked for again so often; of a year it would show nothing new. */
const AGAIN_MS = 15_000;

function History({ host, word, incidents }: { readonly host: string; readonly word: string | null; readonly incidents: readonly IncidentReport[] }) {
  const range = RANGES.find((each) => each.word === word) ?? (RANGES[1] as Range);
  const turn = useTurn(range.step === "raw" ? AGAIN_MS : AGAIN_MS * 8);
  const [Plot, setPlot] = useState<ComponentType<PlotProps> | null>(null);
  useEffect(() => {
    void import("../parts/plot.tsx").then((module) => setPlot(() => module.Plot));
  }, []);
  const [untilMs, setUntil] = useState(nowMs.peek());
  const asked = useAsked<readonly (ResultLine | RollupLine)[]>((signal) => {
    setUntil(nowMs.peek());
    return askLines(`${PATHS.history}/${encodeURIComponent(host)}?step=${range.step}&since=${new Date(nowMs.peek() - range.ms).toISOString()}`, { signal });
  }, [host, range, turn]);
  const columns = useMemo(() => columnsOf(asked.body ?? []), [asked.body]);
  return (
    <>
      <div class="heading"><h2>Latency</h2>
        <div class="chips" role="group" aria-label="How far back">{RANGES.map((each) => <button key={each.word} type="button" class="chip" aria-pressed={each === range} onClick={() => askFor("range", each.word)}>{each.word}</button>)}</div>
      </div>
      {asked.error === null ? null : <Problem error={sentence(asked.error)} onRetry={asked.again} />}
      {Plot === null || asked.body === null ? (asked.error === null ? <Waiting what="Reading the results" /> : null) : columns.size === 0 ? <Empty>No result is recorded for this time.</Empty> : (
        <div class="card plots">
          {[...columns].map(([probe, of]) => <Plot key={probe} probe={probe} columns={of} summary={summaryOf(asked.body ?? [], probe)} sinceMs={untilMs - range.ms} untilMs={untilMs} incidents={incidents} />)}
        </div>
      )}
    </>
  );
}
