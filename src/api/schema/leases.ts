// Leases of services (ADR 33).

import { z } from "zod";
import { count, milliseconds, named, text, time } from "./schema.ts";

export const leaseReport = named("Lease", "Which host may run a service.", z.strictObject({
  service: text(), host: text().nullable().describe("Who has it; null: nobody, or nobody knows who."), epoch: count().describe("Another one each time that it is granted."),
  phase: z.enum(["granted", "taking-back", "free"]), next: text().nullable().describe("Who gets it once it is free."), since: time().describe("Of the phase."), by: text(), reason: text(),
  ttlMs: milliseconds().nullable(), stopWithinMs: milliseconds().nullable(), resetWithinMs: milliseconds().nullable().describe("Null: the holder has no watchdog, or has not taken it yet."),
  boundMs: milliseconds().nullable().describe("So long after its last renewal the service is stopped or the host was reset; null: nothing is promised."),
  renewedMs: milliseconds().nullable().describe("Since its last renewal, where this watcher renews it."), is: z.enum(["running", "stopped", "unknown"]).describe("What the holder's agent says of the service."),
  fencedAt: time().nullable().describe("Since when the holder counts as fenced by itself."), freeInMs: milliseconds().nullable().describe("Being taken back: free in so long by time alone; null: not by time."),
}));
