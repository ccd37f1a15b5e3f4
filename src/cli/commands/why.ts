// `upkeep why HOST|INCIDENT|LINE`: read by somebody who was called at night. First what is, then from what it was concluded, then
// what happens next or what is asked, then how it came about, line by line with the time since the first bad sign.

import type { AlarmReport, EventLine, IncidentReport, StatusReport, WhyReport } from "../../api/contract.ts";
import { ALARM_MANUAL, inWords, PATHS } from "../../api/contract.ts";
import { connect } from "../client.ts";
import { EXIT } from "../exit.ts";
import type { Options } from "../options.ts";
import { clock, dateAndClock, moment, paint, print, printable, printJson, zone } from "../terminal.ts";
import { votes } from "../votes.ts";
import { kernelLine } from "./kernel.ts";

/** Bad rounds in a row are told once, and counted. */
const FOLDED = new Set(["suspect"]);

/** Runs `upkeep why`. */
export async function runWhy(name: string, options: Options): Promise<number> {
  const client = await connect(options);
  const report = await client.get<WhyReport>(`${PATHS.why}/${encodeURIComponent(name)}`);
  if (options.json === true) printJson(report);
  else {
    const alarms = report.kind === "host" ? (await client.get<StatusReport>(`${PATHS.status}?host=${encodeURIComponent(name)}`)).alarms.filter((alarm) => alarm.host === name) : [];
    for (const line of sentences(report, alarms)) print(line);
  }
  return EXIT.yes;
}

function sentences(report: WhyReport, alarms: readonly AlarmReport[]): readonly string[] {
  switch (report.kind) {
    case "host":
      return aboutHost(report, alarms);
    case "incident":
      return aboutIncident(report);
    case "event":
      return aboutEvent(report);
  }
}

/** One line of the journal, by the number under which the log, messages and answers name it. */
function aboutEvent(report: Extract<WhyReport, { kind: "event" }>): readonly string[] {
  const { seq, at, kind, host, because, incident } = report.event;
  return [
    paint("bold", `Line ${seq}, ${moment(at, report.at)} ${zone(at)}: ${kind}${host === null ? "" : `, ${printable(host)}`}.`), `  ${printable(because)}`,
    ...(incident === null ? [] : [`  It belongs to the incident ${incident}: upkeep why ${incident}`]),
    "", paint("bold", report.events.length === 1 ? "Nothing led to it: it stands by itself." : "What led to it"), ...(report.events.length === 1 ? [] : timeline(report, null)),
  ];
}

function aboutHost(report: Extract<WhyReport, { kind: "host" }>, alarms: readonly AlarmReport[]): readonly string[] {
  const { host, open } = report;
  const sinceMs = Math.max(0, Date.parse(report.at) - Date.parse(host.since));
  const lines = [paint("bold", `${printable(host.host)} is ${host.verdict}, for ${inWords(sinceMs)} (since ${moment(host.since, report.at)} ${zone(report.at)}).`)];
  for (const sentence of report.seen) lines.push(`  ${printable(sentence)}`);
  for (const probe of host.probes) if (probe.evidence !== null) lines.push(`    ${probe.outcome === "bad" ? paint("red", "✖") : probe.outcome === "good" ? paint("green", "●") : "○"} ${printable(probe.probe)}: ${printable(probe.evidence)}${probe.counts ? "" : " (evidence only)"}`);
  if (host.observers.length !== 1) lines.push("", paint("bold", "What the watchers say"), ...votes(host).map((line) => `  ${line}`));
  lines.push("", paint("bold", "What happens next"));
  for (const sentence of report.next) lines.push(`  ${printable(sentence)}`);
  for (const { alarm, kind, asked, acknowledged } of alarms) lines.push(`  Asked of you: ${printable(asked)}   ${paint("dim", `(${printable(alarm)}${acknowledged ? ", acknowledged" : ""}; what it means: ${ALARM_MANUAL}#${kind})`)}`);
  if (open !== null) lines.push("", ...head(open, report.at));
  else lines.push("", paint("bold", "What happened lately"));
  lines.push(...timeline(report, open?.began ?? null));
  if (open !== null) lines.push(...lastWords(report, open.incident));
  return lines;
}

function aboutIncident(report: Extract<WhyReport, { kind: "incident" }>): readonly string[] {
  return [...head(report.incident, report.at), ...timeline(report, report.incident.began), ...lastWords(report, report.incident.incident), "", ...phases(report.incident)];
}

function head(incident: IncidentReport, now: string): readonly string[] {
  const name = paint("bold", incident.incident);
  const began = `${dateAndClock(incident.began)} ${zone(incident.began)}`;
  const firstSign = `  First bad sign: ${printable(incident.firstSign)}`;
  if (incident.outcome === "open") return [`${name}: ${printable(incident.host)} is out of service since ${began}, ${inWords(Math.max(0, Date.parse(now) - Date.parse(incident.began)))} so far.`, firstSign];
  const took = incident.phases.totalMs === null ? "" : ` for ${inWords(incident.phases.totalMs)}`;
  return [`${name}: ${printable(incident.host)} was out of service${took} from ${began}, and ${ending(incident)}.`, firstSign];
}

function ending(incident: IncidentReport): string {
  switch (incident.outcome) {
    case "recovered":
      return "came back after its power was cut and restored";
    case "recovered by itself":
      return "came back by itself: nothing was cut";
    case "recovered by a remedy":
      return "came back after a remedy: its power was not cut";
    case "held":
      return "is held for a person";
    case "confirmed off":
      return "is off, confirmed";
    case "withdrawn":
      return "came to nothing";
    case "no longer watched":
      return "is no longer watched for this";
    case "open":
      return "is not back yet";
    case "ended unseen":
      return "the end was not seen by this watcher: upkeep why on another one knows more";
  }
}

function timeline({ events, missing, at: now }: { readonly events: readonly EventLine[]; readonly missing: string | null; readonly at: string }, began: string | null): readonly string[] {
  const lines = missing === null ? [] : [`  ${paint("yellow", `Older lines cannot be read: ${printable(missing)}`)}`];
  if (events.length === 0) return [...lines, "  Nothing is recorded."];
  const originMs = began === null ? null : Date.parse(began);
  events.forEach((event, at) => {
    const nextEvent = events[at + 1];
    // Of a run of bad rounds the first says how it began, and the last how far it went.
    if (FOLDED.has(event.kind) && at > 0 && events[at - 1]?.kind === event.kind && nextEvent?.kind === event.kind) return;
    const since = originMs === null ? "" : ` ${offset(Date.parse(event.at) - originMs).padEnd(13)}`;
    const time = originMs === null ? moment(event.at, now) : clock(event.at);
    lines.push(`  ${paint("dim", time + since)} ${event.kind.padEnd(15)} ${printable(event.because)}`);
  });
  return lines;
}

/** What its kernel said, the panic named; nothing where nothing was heard. */
function lastWords({ kernel, at: now }: Extract<WhyReport, { kind: "host" | "incident" }>, incident: string): readonly string[] {
  // A watcher from before 0.4.0 does not know of it.
  if (kernel === null || kernel === undefined) return [];
  const named = kernel.said === null || kernel.at === null ? "" : `, at ${clock(kernel.at)} ${zone(kernel.at)}: ${printable(kernel.said)}`;
  return [
    "", `${paint("bold", "Its kernel's last words")}${named}`,
    ...kernel.lines.map((line) => `  ${kernelLine(line, now)}`),
    ...(kernel.more > 0 ? [`  ${paint("dim", `and ${kernel.more} more line${kernel.more === 1 ? "" : "s"}: upkeep kernel ${incident}`)}`] : []),
  ];
}

/** `+25.1 s`: in an outage of a minute tenths are what one looks for. */
function offset(sinceMs: number): string {
  // What its kernel said came before the first bad sign was seen.
  if (sinceMs <= -50) return sinceMs > -120_000 ? `${(sinceMs / 1_000).toFixed(1)} s` : `-${inWords(-sinceMs)}`;
  return sinceMs < 120_000 ? `+${(Math.max(0, sinceMs) / 1_000).toFixed(1)} s` : `+${inWords(sinceMs)}`;
}

const PHASES = [["detectMs", "noticed within"], ["decideMs", "decided and let go after"], ["cutMs", "off confirmed after"], ["offMs", "without power for"], ["bootMs", "booted in"], ["totalMs", "in all"]] as const;

function phases(incident: IncidentReport): readonly string[] {
  const said = PHASES.flatMap(([key, words]) => {
    const value = incident.phases[key];
    return value === null ? [] : [key === "totalMs" ? `${inWords(value)} ${words}` : `${words} ${inWords(value)}`];
  });
  return said.length === 0 ? [] : [`The outage by phase: ${said.join(", ")}.`];
}
