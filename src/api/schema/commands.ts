// What changes something: commands, reload, recordings; and every refusal.

import { z } from "zod";
import { command } from "../command-schema.ts";
import { count, flag, listOf, named, sentence, text, time } from "./schema.ts";

named("Command", "What may be asked for; `kind` says what.", command);

export const answer = named("Answer", "What became of a command.", z.strictObject({
  exit: z.union([z.literal(0), z.literal(1), z.literal(2), z.literal(4), z.literal(5)]).describe("0 done · 1 there was nothing to do · 2 no such host · 4 refused by a brake · 5 outcome unknown"),
  text: sentence("What was done, or why not."),
  incident: text().nullable(),
  operation: count().nullable(),
  confirm: text().nullable().describe("The name that must be typed before this is done: ask again with `confirm`."),
  event: count().nullable().describe("Number of the line of the journal that says so, for `upkeep why`; null: none is known."),
}));

export const reloadAnswer = named("ReloadAnswer", "Whether the configuration was taken over. If not, the old one goes on.", z.strictObject({ accepted: flag(), problems: listOf(text()).describe("`FILE:LINE:COLUMN: …`, errors and warnings.") }));
export const recordAnswer = named("RecordAnswer", "A recording of a dialogue with a power device, without its secrets.", z.strictObject({ text: text() }));
export const alertsReport = named("Alerts", "How people are called: who was told what, and what is not delivered yet.", z.strictObject({
  alarms: listOf(z.strictObject({
    alarm: text(), told: listOf(z.strictObject({ channel: text(), at: time() })).describe("In the order in which they were told."),
    next: z.strictObject({ to: listOf(text()), at: time() }).nullable().describe("Who is called next, if nobody acknowledges."),
  })),
  channels: listOf(z.strictObject({
    channel: text(), kind: text().describe("`mail`, `command`, `slack`, …"), waiting: count().describe("Messages that are not delivered yet."), oldest: time().nullable(),
    failing: text().nullable().describe("Why the last delivery failed; null: it did not."), tried: time().nullable(), delivered: time().nullable(), next: time().nullable().describe("When it is tried next."),
  })),
}));
export const alertTestRequest = named("AlertTestRequest", "The channel to try; null: all.", z.strictObject({ channel: text().nullable() }));
export const alertTest = named("AlertTest", "How the test of a channel went.", z.strictObject({ channel: text(), delivered: flag(), evidence: text().nullable().describe("What was said against it.") }));
export const failure = named("Failure", "Why there is no answer, in a sentence.", z.strictObject({ error: text(), needs: z.literal("code").exactOptional().describe("Asked again with this, it may be answered: the six digits of the phone.") }));
