// The lines of the journal as somebody reads them: runs of bad rounds told once, what a device answered under the command that
// it answered, each line with a word that says what kind of thing it is. Pure, and the same for the page and for Markdown.

import type { EventLine, IncidentReport, KernelLine, LastWords } from "../api/contract.ts";
import { inWords } from "../api/contract.ts";
import { OUTAGE, OUTCOMES, plural, whole } from "./words.ts";

/** bad: a sign of trouble. act: something was done at a device. good: it is better. hold: nothing is done, and why. note: the rest. */
export type Tone = "bad" | "act" | "good" | "hold" | "note";

export type Entry = {
  readonly seq: number;
  readonly at: string;
  /** Milliseconds since the beginning, below zero before it, as of a kernel that spoke first; null: there is none. */
  readonly sinceMs: number | null;
  readonly tone: Tone;
  readonly word: string;
  readonly text: string;
  /** What the device answered, or the rounds that were folded. */
  readonly details: readonly EventLine[];
  readonly detailsWord: string;
};

const KINDS: Readonly<Record<string, readonly [Tone, string]>> = {
  "suspect": ["bad", "Bad round"], "down": ["bad", "Down"], "better": ["good", "Better"], "healthy": ["good", "Healthy"], "blind": ["hold", "Blind"], "sees": ["note", "Sees again"],
  "refused": ["hold", "Not cut"], "delayed": ["hold", "Waits"], "remedy": ["act", "Remedy"], "remedy-answer": ["note", "Remedy's answer"],
  "storm": ["hold", "Storm"], "storm-over": ["note", "Storm over"], "storm-proceed": ["act", "Storm let through"],
  "intended": ["act", "Decided"], "off-sent": ["act", "Off"], "off-confirmed": ["act", "Off confirmed"], "off-unconfirmed": ["bad", "Off not confirmed"],
  "on-sent": ["act", "On"], "on-confirmed": ["act", "On confirmed"], "late-off": ["bad", "A late off"], "contradicted": ["bad", "Contradicted"],
  "withdrawn": ["good", "Withdrawn"], "next-level": ["act", "Next level"], "held": ["hold", "Held"], "recovered": ["good", "Back in service"], "done": ["good", "Done"], "released": ["note", "Released"],
  "device-answer": ["note", "Device"], "device-failed": ["bad", "Device failed"], "device-ok": ["note", "Device"], "resumed": ["act", "Resumed"],
  "outlet": ["note", "Outlet"], "off-by-others": ["bad", "Off by others"], "label": ["note", "Outlet's name"], "guarded": ["good", "Guarded"], "unguarded": ["hold", "Not guarded"],
  "brake": ["hold", "Brake"], "brake-ended": ["note", "Brake ended"], "command": ["act", "Asked for"], "command-refused": ["hold", "Refused"], "wanted": ["note", "Wanted"],
  "careful": ["note", "Careful shutdown"], "power-sense": ["note", "Power"], "metered": ["note", "Meter"], "return": ["act", "Return"],
  "watcher": ["note", "Watcher"], "vote": ["note", "Vote"], "charge": ["note", "Charge"], "disagreement": ["hold", "Disagreement"], "kernel": ["bad", "Its kernel"],
  "store-failed": ["bad", "Store failed"], "store-ok": ["note", "Store"], "history-failed": ["bad", "History failed"], "history-ok": ["note", "History"],
  "alarm": ["bad", "Somebody was called"], "alarm-over": ["note", "Alarm over"], "acknowledged": ["note", "Acknowledged"], "owed": ["act", "Owed"],
  "reboots": ["act", "Rolling reboot"], "agent": ["note", "Agent"], "lease": ["note", "Lease"],
  "probe-passed": ["good", "First pass"], "started": ["note", "Started"], "stopping": ["note", "Stopping"], "time-went-back": ["hold", "Time went back"], "policy": ["note", "Configuration"], "clock": ["note", "Clock"],
};

/** What a kind of line is called; a kind that a newer watcher may have is told by its own name. */
export function kindInWords(kind: string): readonly [Tone, string] {
  return (Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined) ?? ["note", kind];
}

/** Kinds that belong under the line before them. */
const UNDER: ReadonlySet<string> = new Set(["device-answer"]);

export function entriesOf(events: readonly EventLine[], began: string | null): readonly Entry[] {
  const originMs = began === null ? null : Date.parse(began);
  const entries: Entry[] = [];
  let firstSign = true;
  for (let at = 0; at < events.length; at += 1) {
    const event = events[at] as EventLine;
    const last = entries.at(-1);
    if (UNDER.has(event.kind) && last !== undefined && last.tone === "act") {
      entries[entries.length - 1] = { ...last, details: [...last.details, event], detailsWord: "what the device answered" };
      continue;
    }
    const [tone, word] = kindInWords(event.kind);
    const entry = { seq: event.seq, at: event.at, sinceMs: originMs === null ? null : Date.parse(event.at) - originMs, tone, word, text: textOf(event), details: [], detailsWord: "" };
    if (event.kind !== "suspect") {
      entries.push(entry);
      continue;
    }
    // Of a run of bad rounds the first says how it began and the last how far it went; those between are there to be opened.
    let end = at;
    while (events[end + 1]?.kind === "suspect") end += 1;
    entries.push({ ...entry, word: firstSign && originMs !== null ? "First bad sign" : word });
    firstSign = false;
    if (end > at) {
      const run = events.slice(at + 1, end + 1);
      const newest = run.at(-1) as EventLine;
      const more = run.length === 1 ? word : `${run.length} more bad rounds`;
      entries.push({ seq: newest.seq, at: newest.at, sinceMs: originMs === null ? null : Math.max(0, Date.parse(newest.at) - originMs), tone, word: more, text: newest.because, details: run.length === 1 ? [] : run, detailsWord: "each of them" });
    }
    at = end;
  }
  return entries;
}

/** An alarm's line begins with its key, which says nothing to a reader; a kernel's with what its word has just said. */
function textOf(event: EventLine): string {
  return event.kind === "alarm" ? event.because.replace(/^\S+:\S+: /, "") : event.kind === "kernel" ? event.because.replace(/^its kernel /, "") : event.because;
}

/** `+25.1 s`: in an outage of a minute tenths are what one looks for. */
export function offsetInWords(sinceMs: number): string {
  const [sign, ms] = sinceMs <= -50 ? ["−", -sinceMs] : ["+", Math.max(0, sinceMs)];
  return ms < 120_000 ? `${sign}${(ms / 1_000).toFixed(1)} s` : `${sign}${inWords(ms)}`;
}

/** `db1 was out of service for 64 s and came back after its power was cut and restored`, without the name. */
export function incidentInWords(incident: IncidentReport, nowMs: number): string {
  if (incident.outcome === "open") return `has been out of service for ${inWords(Math.max(1_000, nowMs - Date.parse(incident.began)))}`;
  const took = incident.phases.totalMs === null ? "" : ` for ${inWords(incident.phases.totalMs)}`;
  return `was out of service${took} and ${OUTCOMES[incident.outcome]}`;
}

/** As a kernel's log shows it. In Markdown four blanks before it keep it from being anything else. */
export function kernelLine({ uptimeMs, at, text }: KernelLine): string {
  return `${uptimeMs === null ? at : `[${(uptimeMs / 1_000).toFixed(3).padStart(10)}]`} ${text}`;
}

export type Part = { readonly word: string; readonly means: string; readonly ms: number };

/** The outage by phase, those that were reached; of an open one the last goes on until now. */
export function partsOf(incident: IncidentReport, nowMs: number): readonly Part[] {
  const parts: Part[] = OUTAGE.flatMap(({ key, word, means }) => {
    const ms = incident.phases[key];
    return ms === null ? [] : [{ word, means, ms }];
  });
  const restMs = (incident.phases.totalMs ?? nowMs - Date.parse(incident.began)) - parts.reduce((sum, part) => sum + part.ms, 0);
  const next = OUTAGE[parts.length];
  // What is left when nothing was cut is the time in which it came back by itself, or in which somebody has to come.
  if (restMs > 0) parts.push(next === undefined ? { word: "after", means: "after that", ms: restMs } : incident.outcome === "open" ? { word: next.word, means: next.means, ms: restMs } : { word: "until its end", means: "nothing more was done", ms: restMs });
  return parts;
}

/** Tenths of seconds below two minutes. */
export function partInWords(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : ms < 120_000 ? `${(ms / 1_000).toFixed(1)} s` : inWords(ms);
}

/** The whole incident, to be pasted into a ticket. `url`: where it can be looked at. */
export function asMarkdown(incident: IncidentReport, events: readonly EventLine[], site: string, url: string, nowMs: number, kernel: LastWords | null = null): string {
  const lines = [
    `# Incident ${incident.incident}: ${escaped(incident.host)}`, "",
    `${escaped(incident.host)} ${incidentInWords(incident, nowMs)}.`, "",
    `- Site: ${escaped(site)}`, `- Began: ${incident.began} (${whole(Date.parse(incident.began))})`, ...(incident.ended === null ? [] : [`- Ended: ${incident.ended}`]),
    `- First bad sign: ${escaped(incident.firstSign)}`, `- ${url}`, "",
  ];
  const parts = partsOf(incident, nowMs);
  if (parts.length > 0) lines.push("| phase | took | |", "|---|--:|---|", ...parts.map((part) => `| ${part.word} | ${partInWords(part.ms)} | ${part.means} |`), "");
  lines.push("## Timeline", "");
  for (const entry of entriesOf(events, incident.began)) {
    lines.push(`- \`${entry.at}\` ${entry.sinceMs === null ? "" : `${offsetInWords(entry.sinceMs)} `}**${entry.word}**: ${escaped(entry.text)}`);
    for (const detail of entry.details) lines.push(`  - ${escaped(detail.because)}`);
  }
  if (kernel !== null) {
    lines.push("", "## Its kernel's last words", "", ...(kernel.said === null ? [] : [`${escaped(kernel.said)}.`, ""]), ...kernel.lines.map((line) => `    ${kernelLine(line)}`));
    if (kernel.more > 0) lines.push("", `${plural(kernel.more, "more line")}: \`upkeep kernel ${incident.incident}\``);
  }
  return `${lines.join("\n")}\n`;
}

/** What a device or a host said must not become a link, a table or HTML in somebody's ticket. */
function escaped(text: string): string {
  return text.replace(/[\\`*_{}[\]<>|#&~]/g, "\\$&").replace(/\s+/g, " ");
}
