// Several messages as one: a power device that dies takes a dozen hosts with it, and whoever is called wants to read one
// sentence about the dozen and not twelve mails. What is alike is said once: alarms of one kind and state are one paragraph that
// names all their hosts, and each thing that happened stands there once. No alarm is left out of a digest; a channel that
// has less room cuts the end of the text, and says so.

import type { Message, Sender } from "./message.ts";
import { oneLine } from "./message.ts";

const SEVERITIES: readonly Message["severity"][] = ["info", "warning", "critical"];
const SUBJECT_MAX = 140;
/** Sentences that differ only in the host are one; beyond this many different ones the rest is counted. */
const SENTENCES_MAX = 40;

/** One message as it is, several as one. */
export function digest(messages: readonly Message[], { site, watcher }: Sender): Message {
  const [first] = messages;
  const last = messages.at(-1);
  if (first === undefined || last === undefined || messages.length === 1) return first as Message;
  const lasting = messages.filter((each) => each.state !== "over");
  const severity = worst(lasting.length === 0 ? messages : lasting);
  const state = lasting.length === 0 ? "over" : lasting.some((each) => each.state === "raised") ? "raised" : "again";
  const sets = alike(messages);
  const heads = sets.map(headOf);
  const subject = oneLine(`[upkeep ${site}] ${state === "over" ? "over" : severity}: ${heads.join("; ")}`, SUBJECT_MAX);
  const end = lasting.length === 0 ? [] : ["This is repeated until it is over or acknowledged. All that is open: upkeep alerts list"];
  const body = `${[`${messages.length} messages in one, the newest of ${new Date(last.atMs).toISOString()}, told by watcher ${watcher} of ${site}.`, ...sets.map(paragraph), ...end].join("\n\n")}\n`;
  return {
    id: first.id, alarm: `several:${first.id}`, kind: "several", severity, host: null, incident: null, state, subject, body,
    happened: heads.join("; "), done: "", asked: lasting.length === 0 ? "" : "See upkeep alerts list", count: messages.length, atMs: last.atMs, event: null,
  };
}

function worst(messages: readonly Message[]): Message["severity"] {
  return SEVERITIES[Math.max(...messages.map((each) => SEVERITIES.indexOf(each.severity)))] ?? "critical";
}

/** In the order in which each set first came; what is worse goes before what is over. */
function alike(messages: readonly Message[]): readonly (readonly Message[])[] {
  const sets = new Map<string, Message[]>();
  for (const each of messages) {
    const key = `${each.state === "over" ? "over" : each.severity} ${each.kind}`;
    sets.set(key, [...(sets.get(key) ?? []), each]);
  }
  const rank = (set: readonly Message[]): number => (set[0]?.state === "over" ? -1 : SEVERITIES.indexOf(worst(set)));
  return [...sets.values()].toSorted((a, b) => rank(b) - rank(a));
}

/** `critical: 3 hosts held (web1, web2, web3)`, less the severity. */
function headOf(set: readonly Message[]): string {
  const [first] = set;
  if (first === undefined) return "";
  const hosts = hostsOf(set);
  const over = first.state === "over" ? "over: " : "";
  if (hosts.length === 0) return `${over}${first.kind}`;
  return hosts.length === 1 ? `${over}${first.kind} ${hosts[0]}` : `${over}${hosts.length} hosts ${first.kind} (${hosts.join(", ")})`;
}

function hostsOf(set: readonly Message[]): readonly string[] {
  return [...new Set(set.flatMap((each) => (each.host === null ? [] : [each.host])))];
}

function paragraph(set: readonly Message[]): string {
  const [first] = set;
  if (first === undefined) return "";
  const title = first.state === "over" ? headOf(set) : `${first.severity}: ${headOf(set)}`;
  const lines = [
    ...sentences(set, (each) => each.happened),
    ...sentences(set, (each) => each.done).map((line) => `Done: ${line}`),
    ...sentences(set, (each) => each.asked).map((line) => `Asked of you: ${line}`),
    ...incidents(set),
    ...events(set),
  ];
  return [title, ...lines.map((line) => `  ${line}`)].join("\n");
}

/** What differs in nothing but the host's name is one sentence, in the words of the first. */
function sentences(set: readonly Message[], of: (each: Message) => string): readonly string[] {
  const seen = new Map<string, string>();
  for (const each of set) {
    const said = oneLine(of(each), 600);
    if (said === "") continue;
    const shape = each.host === null ? said : said.replaceAll(each.host, "\u0000");
    if (!seen.has(shape)) seen.set(shape, each.host === null || said.includes(each.host) ? said : `${each.host}: ${said}`);
  }
  const all = [...seen.values()];
  return all.length <= SENTENCES_MAX ? all : [...all.slice(0, SENTENCES_MAX), `and ${all.length - SENTENCES_MAX} more`];
}

function incidents(set: readonly Message[]): readonly string[] {
  const names = [...new Set(set.flatMap((each) => (each.incident === null ? [] : [each.incident])))];
  return names.length === 0 ? [] : [`Incidents: ${names.join(", ")} (upkeep why INCIDENT)`];
}

function events(set: readonly Message[]): readonly string[] {
  const numbers = set.flatMap((each) => (each.event === null ? [] : [each.event]));
  return numbers.length === 0 ? [] : [`Events: ${numbers.join(", ")} (upkeep why EVENT)`];
}
