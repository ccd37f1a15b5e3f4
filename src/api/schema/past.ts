// What was: lines of the journal, incidents, results of probes, and why (src/api/contract.ts).

import { z } from "zod";
import { count, listOf, milliseconds, named, text, time } from "./schema.ts";
import { hostReport, outcome } from "./status.ts";

export const eventLine = named("EventLine", "A line of the journal: what was seen, decided, refused or done, in a sentence.", z.strictObject({
  seq: z.int().min(1).describe("Its number on this watcher, by which it is found in the log, in messages and by `upkeep why`."),
  at: time(),
  kind: text(),
  host: text().nullable(),
  because: text(),
  incident: text().nullable(),
  cause: z.int().min(0).nullable().describe("Number of the line that led to this one."),
}));

const span = () => milliseconds().nullable();
export const incidentReport = named("Incident", "An incident, from the first bad sign to back in service.", z.strictObject({
  incident: text(),
  host: text(),
  began: time(),
  ended: time().nullable(),
  phases: z.strictObject({ detectMs: span(), decideMs: span(), cutMs: span(), offMs: span(), bootMs: span(), totalMs: span() }).describe("The outage by phase; null where a phase was not reached."),
  outcome: z.enum(["open", "ended unseen", "recovered", "recovered by itself", "recovered by a remedy", "held", "confirmed off", "withdrawn", "no longer watched"]),
  firstSign: text(),
  down: time().nullable(),
  offSent: time().nullable(),
  offConfirmed: time().nullable(),
  onConfirmed: time().nullable(),
}));

const lines = { events: listOf(eventLine), missing: text().nullable().describe("Why older lines could not be read, if so.") };

export const kernelLine = named("KernelLine", "A line of a host's kernel, as it came by netconsole: nothing but the address on the datagram says who sent it.", z.strictObject({
  id: z.int().min(1).describe("Grows with time."),
  at: time().describe("When it came."),
  host: text(),
  text: text(),
  level: z.int().min(0).max(7).nullable().describe("0 (emergency) to 7 (debug); null where the datagram did not say."),
  uptimeMs: milliseconds().nullable().describe("Since that kernel began; null where it did not say."),
  sign: text().nullable().describe("What it was recognised as: `panic`, `oops`, `hung-task`, …"),
  torn: z.boolean().exactOptional().describe("A piece of it was lost on its way."),
}));

const lastWords = named("LastWords", "What a kernel said from five minutes before an incident to its end, in short.", z.strictObject({
  said: text().nullable().describe("What weighs most, in words that go on after the host's name; null: nothing was recognised."),
  sign: text().nullable(),
  at: time().nullable(),
  lines: listOf(kernelLine),
  more: count().describe("Lines that are left out here, and stand in `/v1/kernel/INCIDENT`."),
})).nullable();

export const whyReport = named("Why", "The evidence and the reasoning, in sentences: of a host as it is now, of an incident, or of a line of the journal and those that led to it.", z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("host"), at: time(), host: hostReport,
    seen: listOf(text()).describe("What is, and from what it was concluded."),
    next: listOf(text()).describe("What happens next, or what holds it back."),
    open: incidentReport.nullable(), ...lines, kernel: lastWords.describe("Around the open incident; null: nothing was heard, or there is none."),
  }),
  z.strictObject({ kind: z.literal("incident"), at: time(), incident: incidentReport, ...lines, kernel: lastWords }),
  z.strictObject({ kind: z.literal("event"), at: time(), event: eventLine, ...lines }),
]));

export const resultLine = named("Result", "One result of one probe.", z.strictObject({
  at: time().describe("When the round began."),
  host: text(),
  probe: text(),
  outcome,
  latencyMs: milliseconds(),
  references: z.literal("lost").exactOptional().describe("This watcher did not reach its references then: the result says nothing about the host."),
  perfdata: listOf(z.strictObject({ label: text(), value: z.number(), unit: text().exactOptional() })).exactOptional(),
}));

export const rollupLine = named("Rollup", "Results of one probe in a minute or an hour. Latencies of those that were answered.", z.strictObject({
  at: time(),
  host: text(),
  probe: text(),
  stepMs: count(),
  count: count(),
  good: count(),
  slow: count(),
  bad: count(),
  unknown: count(),
  minMs: milliseconds().nullable(),
  meanMs: milliseconds().nullable(),
  p50Ms: milliseconds().nullable(),
  p95Ms: milliseconds().nullable(),
  maxMs: milliseconds().nullable(),
}));

