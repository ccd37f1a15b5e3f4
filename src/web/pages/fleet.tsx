// The fleet: one sentence, what to do about the rest, and then every host in a row. What asks for somebody stands first; what
// is well stays where it was, so that nothing jumps while one reads.

import { computed } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { AlarmReport, HostReport, StormReport } from "../../api/contract.ts";
import { command } from "../api.ts";
import { useKeys } from "../keyboard.ts";
import { nowMs } from "../live/connection.ts";
import type { LiveHost } from "../live/store.ts";
import { hosts, revision, site, stripsEndMs } from "../live/store.ts";
import { movedTo } from "../live/strips.ts";
import type { Action } from "../parts/act.tsx";
import { Act } from "../parts/act.tsx";
import { Outlets, Pips, Strip, Verdict } from "../parts/signs.tsx";
import { Ago, Empty, HostName, Sentence } from "../parts/text.tsx";
import { Windowed } from "../parts/windowed.tsx";
import { ask, hostPath, incidentPath } from "../router.ts";
import { conditionInWords, conditionOf, headline, remarkOn, sayings, URGENCY } from "../sentences.ts";
import { may } from "../session.ts";
import type { Condition } from "../words.ts";
import { closed, CONDITIONS, plural, sentence } from "../words.ts";
import type { PageProps } from "./index.ts";

/** Below this many hosts all are seen at once, and none is moved to the front. */
const FEW = 12;
const ROW_PX = 60;
const ROW_PHONE_PX = 96;
const GROUP_PX = 44;
const PHONE = "(max-width: 720px)";

export function Fleet({ query }: PageProps) {
  const of = site.value;
  // Read whenever a report has changed.
  void revision.value;
  const reports = [...hosts.value.values()].map((host) => host.report.value);
  if (of === null) return null;
  const said = sayings(of, reports, nowMs.peek());
  return (
    <>
      <h1>{headline(of)}</h1>
      {said.length === 0 ? <p class="lead">{reports.length === 0 ? "No host is configured yet." : "Nothing asks for anybody."}</p> : <ul class="sayings">{said.map((saying, index) => <li key={index}><Sentence of={saying} /></li>)}</ul>}
      <Alarms alarms={of.alarms} storms={of.storms} />
      <Hosts reports={reports} query={query} />
    </>
  );
}

/** What one may ask for in a storm; it stands at the storm's alarm. */
const LET_THROUGH: Action = {
  verb: "Let it through", title: "Let the storm through", danger: true, reason: "none",
  plan: ["Hosts that are down are cut one at a time.", "At the first that does not recover it stops again.", "Do this if the hosts themselves are wedged, not if a switch or a feed has failed."],
  command: () => ({ kind: "storm-proceed" }),
};

/** More than these would push the hosts out of sight. */
const ALARMS_SHOWN = 4;

function Alarms({ alarms, storms }: { readonly alarms: readonly AlarmReport[]; readonly storms: readonly StormReport[] }) {
  const open = alarms.filter((alarm) => !alarm.acknowledged);
  const rest = [...open.slice(ALARMS_SHOWN), ...alarms.filter((alarm) => alarm.acknowledged)];
  if (alarms.length === 0) return null;
  return (
    <section class="alarms" aria-labelledby="alarms">
      <h2 id="alarms" class="visually-hidden">Alarms</h2>
      {open.slice(0, ALARMS_SHOWN).map((alarm) => <AlarmCard key={alarm.alarm} alarm={alarm} storms={storms} />)}
      {rest.length === 0 ? null : (
        <details>
          <summary>{plural(rest.length, open.length > ALARMS_SHOWN ? "more alarm" : "acknowledged alarm")} {rest.length === 1 ? "is" : "are"} not over</summary>
          {rest.map((alarm) => <AlarmCard key={alarm.alarm} alarm={alarm} storms={storms} />)}
        </details>
      )}
    </section>
  );
}

function AlarmCard({ alarm, storms }: { readonly alarm: AlarmReport; readonly storms: readonly StormReport[] }) {
  const [error, setError] = useState<string | null>(null);
  const acknowledge = async (): Promise<void> => {
    const asked = await command({ kind: "ack", alarm: alarm.alarm });
    setError(asked.ok ? (asked.body.exit === 0 ? null : asked.body.text) : asked.error);
  };
  return (
    <article class={`card alarm ${alarm.severity}`}>
      <div>
        <p>{alarm.host === null || alarm.happened.startsWith(alarm.host) ? null : <><HostName host={alarm.host} />: </>}<b>{closed(alarm.happened)}</b> <span class="soft"><Ago at={alarm.at} /> ago</span></p>
        <p class="soft">{alarm.done === "" ? "" : `${closed(alarm.done)} `}<span class="asked">{closed(alarm.asked)}</span>{alarm.incident === null ? null : <> <a href={incidentPath(alarm.incident)}>Incident {alarm.incident}</a></>}</p>
        {error === null ? null : <p class="problem" role="alert">{sentence(error)}</p>}
      </div>
      {may("operator") ? (
        <div class="alarm-asks">
          {alarm.kind === "storm" && storms.some((storm) => storm.proceedBy === null) ? <Act action={LET_THROUGH} /> : null}
          {alarm.acknowledged ? null : <button type="button" onClick={() => void acknowledge()} aria-label={`Acknowledge: ${alarm.happened}`}>Acknowledge</button>}
        </div>
      ) : null}
    </article>
  );
}

// ---- the hosts -------------------------------------------------------------------------------------------------------------

type Only = Condition | "trouble" | "unguarded";
const ONLY: readonly Only[] = ["trouble", "unguarded", "held", "down", "working", "suspect", "unknown", "off", "up"];
const ONLY_WORDS: Readonly<Record<Only, string>> = { ...CONDITIONS, trouble: "not well", unguarded: "not guarded" };

type Row = { readonly key: string; readonly heightPx: number } & ({ readonly kind: "host"; readonly host: LiveHost } | { readonly kind: "group"; readonly name: string; readonly note: string });

function isOnly(host: HostReport, only: Only): boolean {
  if (only === "unguarded") return !host.guarded;
  const condition = conditionOf(host);
  return only === "trouble" ? isTrouble(host) : condition === only;
}

function isTrouble(host: HostReport): boolean {
  const condition = conditionOf(host);
  return condition === "off" ? host.offByOthers.length > 0 : condition !== "up";
}

function Hosts({ reports, query }: { readonly reports: readonly HostReport[]; readonly query: URLSearchParams }) {
  const text = query.get("q") ?? "";
  const only = ONLY.find((each) => each === query.get("only")) ?? null;
  const phone = usePhone();
  const [selected, setSelected] = useState<string | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const rows = useSame(rowsOf(reports, text, only, phone));
  const names = rows.flatMap((row) => (row.kind === "host" ? [row.key] : []));
  const step = (by: number): void => {
    const at = selected === null ? -1 : names.indexOf(selected);
    setSelected(names[Math.min(names.length - 1, Math.max(0, at < 0 ? (by > 0 ? 0 : names.length - 1) : at + by))] ?? null);
  };
  useKeys([
    { key: "/", does: "filter the hosts", act: () => input.current?.focus() },
    { key: "j", does: "next host", act: () => step(1) },
    { key: "k", does: "host before", act: () => step(-1) },
  ], [rows, selected]);
  const counts = new Map(ONLY.map((each) => [each, reports.filter((host) => isOnly(host, each)).length]));
  const shown = names.length;
  return (
    <section aria-label="Hosts">
      <div class="filter">
        <label class="visually-hidden" for="filter">Filter hosts by name, group, address or outlet</label>
        <input id="filter" ref={input} type="search" value={text} placeholder="Filter: name, group, address, outlet" autocomplete="off" spellcheck={false}
          onInput={(event) => ask("q", event.currentTarget.value)}
          onKeyDown={(event) => { if (event.key === "Escape" || event.key === "Enter") event.currentTarget.blur(); }} />
        <div class="chips" role="group" aria-label="Show only">
          {ONLY.filter((each) => (counts.get(each) ?? 0) > 0 || each === only).map((each) => (
            <button key={each} type="button" class={`chip ${each}`} aria-pressed={only === each} onClick={() => ask("only", only === each ? null : each)}>{ONLY_WORDS[each]} <b>{counts.get(each)?.toLocaleString("en")}</b></button>
          ))}
        </div>
      </div>
      {shown === 0 && reports.length > 0 ? <Empty>No host fits this filter. <button type="button" class="plain" onClick={() => { ask("q", null); ask("only", null); }}>Show all</button></Empty> : null}
      {shown === 0 ? null : (
        <div class="card hosts" role="table" aria-label={`${plural(shown, "host")}`} aria-rowcount={rows.length + 1}>
          <div role="rowgroup" class="hosts-head">
            <div role="row" class="row-grid" aria-rowindex={1}>
              <span role="columnheader">Host</span><span role="columnheader">Verdict</span><span role="columnheader">Last 5 minutes</span><span role="columnheader">Counter</span><span role="columnheader">Power</span>
            </div>
          </div>
          <Windowed items={rows} focus={selected === null ? null : rows.findIndex((row) => row.key === selected)}>
            {(row, index) => row.kind === "group"
              ? <div key={row.key} role="row" class="group-row" aria-rowindex={index + 2} style={{ height: `${row.heightPx}px` }}><span role="cell"><b>{row.name}</b> <span class="soft">{row.note}</span></span></div>
              : <HostRow key={row.key} host={row.host} index={index} heightPx={row.heightPx} selected={row.key === selected} />}
          </Windowed>
        </div>
      )}
    </section>
  );
}

function rowsOf(reports: readonly HostReport[], text: string, only: Only | null, phone: boolean): readonly Row[] {
  const words = text.toLowerCase().split(/\s+/).filter((word) => word !== "");
  const fits = (host: HostReport) => words.every((word) => [host.host, host.group, host.address, ...host.power.map((outlet) => outlet.outlet)].some((field) => field.toLowerCase().includes(word)));
  const shown = reports.filter((host) => (only === null || isOnly(host, only)) && fits(host));
  const heightPx = phone ? ROW_PHONE_PX : ROW_PX;
  const row = (report: HostReport): Row[] => {
    const host = hosts.value.get(report.host);
    return host === undefined ? [] : [{ kind: "host", key: report.host, heightPx, host }];
  };
  const rows: Row[] = [];
  const first = shown.length > FEW ? shown.filter(isTrouble).sort((one, other) => URGENCY[conditionOf(one)] - URGENCY[conditionOf(other)]) : [];
  // When nearly all are in trouble there is no front to move them to.
  const front = first.length <= shown.length / 2 ? new Set(first) : new Set<HostReport>();
  if (front.size > 0) rows.push({ kind: "group", key: "\u0000front", heightPx: GROUP_PX, name: "Not well", note: plural(front.size, "host") }, ...first.flatMap(row));
  const groups = new Map<string, HostReport[]>();
  for (const host of shown) if (!front.has(host)) groups.set(host.group, [...(groups.get(host.group) ?? []), host]);
  for (const [name, members] of groups) {
    if (groups.size > 1 || front.size > 0) rows.push({ kind: "group", key: `\u0000${name}`, heightPx: GROUP_PX, name, note: `${plural(members.length, "host")}, guarded ${members.filter((host) => host.guarded).length}` });
    rows.push(...members.flatMap(row));
  }
  return rows;
}

/** The rows of before where they are the same, so that a round of one host does not draw all of them again. */
function useSame(rows: readonly Row[]): readonly Row[] {
  const before = useRef(rows);
  const same = before.current.length === rows.length && rows.every((row, index) => {
    const was = before.current[index];
    return was !== undefined && was.key === row.key && was.heightPx === row.heightPx && (row.kind === "host" ? was.kind === "host" && was.host === row.host : was.kind === "group" && was.note === row.note);
  });
  if (!same) before.current = rows;
  return before.current;
}

function usePhone(): boolean {
  const query = useMemo(() => matchMedia(PHONE), []);
  const [phone, setPhone] = useState(query.matches);
  useEffect(() => {
    const change = () => setPhone(query.matches);
    query.addEventListener("change", change);
    return () => query.removeEventListener("change", change);
  }, [query]);
  return phone;
}

/** Ages of what is well are told to ten seconds. */
const slowNowMs = computed(() => Math.floor(nowMs.value / 10_000) * 10_000);

function HostRow({ host, index, heightPx, selected }: { readonly host: LiveHost; readonly index: number; readonly heightPx: number; readonly selected: boolean }) {
  const element = useRef<HTMLDivElement>(null);
  const report = host.report.value;
  const condition = conditionOf(report);
  const atMs = condition === "up" ? slowNowMs.value : nowMs.value;
  const remark = remarkOn(report, atMs);
  useEffect(() => {
    if (selected) element.current?.querySelector("a")?.focus({ preventScroll: true });
  }, [selected]);
  return (
    <div ref={element} role="row" class={`row-grid host-row ${condition}${selected ? " selected" : ""}`} aria-rowindex={index + 2} style={{ height: `${heightPx}px` }}>
      <span role="cell" class="host-cell"><HostName host={report.host} /><span class="remark" title={remark ?? report.address}>{remark ?? report.address}</span></span>
      <span role="cell"><Verdict of={condition}>{conditionInWords(report, atMs)}</Verdict>{report.guarded || condition === "off" || condition === "working" ? null : <a class="tag warn" href={hostPath(report.host)} title={report.why ?? ""}>not guarded</a>}</span>
      <span role="cell" class="strips"><Strips host={host} /></span>
      <span role="cell" class="counter-cell"><Pips counter={report.counter} threshold={report.threshold} /></span>
      <span role="cell" class="power-cell"><Outlets host={report} /></span>
    </div>
  );
}

const STRIPS_MAX = 4;

function Strips({ host }: { readonly host: LiveHost }) {
  const { byProbe, endMs } = host.strips.value;
  const probes = host.report.value.probes.slice(0, STRIPS_MAX);
  return (
    <>
      {probes.map(({ probe, counts }) => <Strip key={probe} probe={probe} counts={counts} strip={movedTo(byProbe[probe] ?? "", endMs, stripsEndMs.value)} />)}
    </>
  );
}
