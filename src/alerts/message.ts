// What a person is told: one subject, one text. It says what happened, what was done, what is asked, when and where, and the
// incident by the name under which `upkeep why` explains it. Every call that was made is followed by word that it is over.
//
// Text comes from outside in parts (banners, labels), so what goes into a subject or an environment is made of printable
// characters on one line: a line break would end a mail's header (RFC 5322, §2.2).

import type { Alarm } from "../core/io.ts";
import { ALARM_MANUAL } from "../core/words.ts";

/** raised: for the first time. again: nobody has acknowledged it yet, or it has changed. over: it has ended. */
export type MessageState = "raised" | "again" | "over";

export type Message = {
  readonly id: string;
  readonly alarm: string;
  readonly kind: string;
  readonly severity: Alarm["severity"];
  readonly host: string | null;
  readonly incident: string | null;
  readonly state: MessageState;
  readonly subject: string;
  readonly body: string;
  /** The parts, for channels that put them where they want them and for digests. `happened` of an end is why it is over. */
  readonly happened: string;
  readonly done: string;
  readonly asked: string;
  /** Of how many alarms it speaks; above 1 it is a digest (digest.ts). */
  readonly count: number;
  /** Wall clock, Unix milliseconds. */
  readonly atMs: number;
  /** Number of the line of the journal that led to it, the same as in the log, the stream and `upkeep why`; null: none. */
  readonly event: number | null;
};

/** An alarm of the core, or a test. */
export type Telling = Omit<Alarm, "kind"> & { readonly kind: string };

export type Sender = { readonly site: string; readonly watcher: string };

const SUBJECT_MAX = 140;
const PART_MAX = 2_000;

export type Extra = { /** One sentence more, such as that nobody has acknowledged it. */ readonly note?: string; readonly event?: number | null };

/** `because` is why it is over; not used while it lasts. */
export function compose(alarm: Telling, state: MessageState, because: string, sender: Sender, atMs: number, id: string, { note = "", event = null }: Extra = {}): Message {
  const { kind, severity, host, incident } = alarm;
  const part = (text: string): string => printable(text).slice(0, PART_MAX);
  return {
    id, alarm: oneLine(alarm.alarm), kind, severity, host, incident, state,
    subject: subjectOf(alarm, state, because, sender), body: bodyOf(alarm, state, because, sender, atMs, note, event),
    happened: part(state === "over" ? because : alarm.happened), done: state === "over" ? "" : part(alarm.done), asked: state === "over" ? "" : part(alarm.asked),
    count: 1, atMs, event,
  };
}

/** What `upkeep alerts test` sends: nothing has happened, and it says so first. */
export function testMessage(state: "raised" | "over", sender: Sender, atMs: number, id: string): Message {
  const alarm: Telling = {
    alarm: `test:${sender.watcher}`, kind: "test", severity: "info", host: null, incident: null,
    happened: "Somebody asked for a test of this channel. Nothing is wrong.", done: "Nothing.", asked: "Nothing: that you read this is all that was to be shown.",
  };
  return compose(alarm, state, "The test is over.", sender, atMs, id);
}

function subjectOf(alarm: Telling, state: MessageState, because: string, { site }: Sender): string {
  const who = alarm.host ?? site;
  switch (state) {
    case "raised":
      return oneLine(`[upkeep ${site}] ${alarm.severity}: ${alarm.kind} ${who}: ${alarm.happened}`, SUBJECT_MAX);
    case "again":
      return oneLine(`[upkeep ${site}] still ${alarm.severity}: ${alarm.kind} ${who}: ${alarm.happened}`, SUBJECT_MAX);
    case "over":
      return oneLine(`[upkeep ${site}] over: ${alarm.kind} ${who}: ${because}`, SUBJECT_MAX);
  }
}

function bodyOf(alarm: Telling, state: MessageState, because: string, { site, watcher }: Sender, atMs: number, note: string, event: number | null): string {
  const what: readonly (readonly [string, string])[] = state === "over"
    ? [["It is over", because], ["It was", alarm.happened]]
    : [["What happened", alarm.happened], ["What was done", alarm.done], ["What is asked of you", alarm.asked]];
  const facts: readonly (readonly [string, string | null])[] = [
    ["When", new Date(Math.abs(atMs) <= 8.64e15 ? atMs : 0).toISOString()],
    ["Host", alarm.host],
    ["Incident", alarm.incident === null ? null : `${alarm.incident}   (upkeep why ${alarm.incident})`],
    ["Alarm", `${alarm.alarm}, ${alarm.severity}`],
    ["Event", event === null ? null : `${event}   (upkeep why ${event})`],
    ["Told by", `watcher ${watcher} of ${site}`],
    ["Manual", state === "over" || alarm.kind === "test" ? null : `${ALARM_MANUAL}#${alarm.kind}`],
  ];
  const paragraphs = what.filter(([, text]) => text.trim() !== "").map(([title, text]) => `${title}:\n  ${printable(text).slice(0, PART_MAX)}`);
  const table = facts.flatMap(([title, text]) => (text === null ? [] : [`${`${title}:`.padEnd(10)}${oneLine(text)}`]));
  const end = state === "over" || alarm.kind === "test" ? [] : [`This is repeated until it is over or acknowledged: upkeep ack ${oneLine(alarm.alarm)}`];
  return `${[...(note === "" ? [] : [printable(note)]), ...paragraphs, table.join("\n"), ...end].join("\n\n")}\n`;
}

/** Printable text on one line, at most `max` characters. */
export function oneLine(text: string, max = 300): string {
  const line = printable(text).replace(/\s+/g, " ").trim();
  return line.length <= max ? line : `${line.slice(0, max - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}

function printable(text: string): string {
  // Controls, and the characters that change the direction of what follows.
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, " ");
}
