// Availability (src/api/contract.ts, ADR 23).

import { z } from "zod";
import { count, flag, listOf, milliseconds, named, text, time } from "./schema.ts";

const line = {
  wholeMs: milliseconds().describe("Of the period, up to now: upMs + unknownMs + plannedMs + unplannedMs. Of a group the sum over its hosts."),
  upMs: milliseconds(),
  unknownMs: milliseconds().describe("Nobody watched, or nothing could be said of it."),
  plannedMs: milliseconds(),
  unplannedMs: milliseconds(),
  planned: z.strictObject({ "maintenance": milliseconds(), "going-down": milliseconds(), "wanted-off": milliseconds(), "asked-for": milliseconds() }),
  causes: z.strictObject({ detect: milliseconds(), decide: milliseconds(), cut: milliseconds(), off: milliseconds(), boot: milliseconds(), wait: milliseconds() }).describe("Where unplanned time went: until the verdict, until the off was let go, until it was confirmed, until power was on again, until it served again; and waiting, where nothing was cut."),
  outages: count().describe("Unplanned ones that began in the period."),
  plannedOutages: count(),
  reboots: count().describe("Of the planned ones the announced reboots."),
  longestMs: milliseconds().describe("The longest unplanned one, as far as it lies in the period."),
  availability: z.number().min(0).max(1).nullable().describe("upMs / (upMs + unplannedMs); null where nothing is known."),
};

const phase = () => z.strictObject({ ms: milliseconds(), measured: flag().describe("From past outages of this host; else from the configuration.") });

export const availabilityReport = named("Availability", "How available hosts and groups were, period by period, and what to expect.", z.strictObject({
  site: text(),
  watcher: text(),
  at: time(),
  from: time(),
  to: time(),
  rebootsBudget: z.number().min(0).max(1).describe("`reboots.budget`: what of its availability planned reboots may leave a host."),
  recordedSince: time().nullable().describe("Since when it is on record how hosts stand; what lies before is not known."),
  periods: listOf(z.strictObject({
    from: time(),
    to: time(),
    total: z.strictObject(line),
    groups: listOf(z.strictObject({ group: text(), hosts: count(), ...line })),
    hosts: listOf(z.strictObject({ host: text(), group: text(), ...line })),
  })),
  forecast: z.strictObject({
    hosts: listOf(z.strictObject({ host: text(), group: text(), detect: phase(), decide: phase(), cut: phase(), boot: phase(), totalMs: milliseconds(), perDay: z.number().min(0), rateMeasured: flag(), availability: z.number().min(0).max(1).nullable() })),
    groups: listOf(z.strictObject({ group: text(), hosts: count(), odds: z.number().min(0).max(1).nullable().describe("That all of them are down at one moment, if one has nothing to do with another.") })),
  }),
}));
