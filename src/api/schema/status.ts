// The status: StatusReport and what it is made of (src/core/report.ts).

import { z } from "zod";
import { count, flag, listOf, milliseconds, named, sentence, text, time } from "./schema.ts";

export const outcome = z.enum(["good", "slow", "bad", "unknown"]);
export const verdict = z.enum(["up", "suspect", "down", "unknown"]).describe("up: its last round was good. suspect: bad rounds, fewer than the threshold. down: the threshold is reached. unknown: nothing can be said, which never harms.");
export const brakeKind = z.enum(["disarmed", "maintenance", "inhibit", "going-down", "kdump"]);
const operationKind = z.enum(["cycle", "off", "on"]);
const phase = z.enum(["intended", "off-sent", "off-confirmed", "on-sent", "booting"]);

export const outletReport = named("Outlet", "An outlet that feeds a host.", z.strictObject({
  outlet: text().describe("`device/outlet`"),
  state: z.enum(["on", "off", "unknown"]),
  at: time().nullable().describe("When it was last read; null: never."),
  label: text().nullable().describe("The device's own name for it."),
  level: z.int().min(1).describe("From 1; outlets of one level are cut together."),
  proved: flag().describe("A past good cycle has shown that this outlet feeds this host."),
  watts: z.number().nullable().optional().describe("What it gave when that was last read; null: not known. Absent: it is not asked (`metered` of the power device)."),
}));

export const probeReport = named("Probe", "A probe of a host, and what it found last.", z.strictObject({
  probe: text(),
  outcome: outcome.nullable(),
  evidence: text().nullable(),
  latencyMs: milliseconds().nullable(),
  counts: flag().describe("False: evidence only, like ping beside a service probe."),
  passed: flag().describe("False: it has never passed here, and does not count until it has."),
}));

export const operationReport = named("Operation", "A power operation under way.", z.strictObject({
  operation: count(),
  kind: operationKind,
  phase,
  phaseSince: time(),
  began: time(),
  level: z.int().min(1),
  levels: z.int().min(0),
  by: text().describe("`auto`, or who asked."),
  because: text(),
  cut: listOf(text()).describe("What is owed: outlets that were let go off and are not confirmed on since."),
  offWasConfirmed: flag(),
  contradiction: text().nullable(),
  withdrawing: text().nullable(),
}));

export const voteReport = named("Vote", "One observer's word on a host.", z.strictObject({
  watcher: text(),
  says: z.enum(["up", "down", "abstain"]).nullable().describe("Null: it has not said anything."),
  because: text(),
}));

export const hostReport = named("Host", "One host as it is now.", z.strictObject({
  host: text(),
  verdict,
  counter: count(),
  threshold: z.int().min(1),
  since: time().describe("Start of the present verdict."),
  guarded: flag().describe("Whether its power would be cut if it went down now."),
  why: sentence("Why it is not guarded; null when it is.").nullable(),
  wanted: z.enum(["on", "off"]),
  brakes: listOf(z.strictObject({ brake: text(), because: text() })).describe("What would hold an automatic off back right now."),
  power: listOf(outletReport),
  incident: text().nullable().describe("The open incident."),
  inCharge: text().nullable().describe("The watcher that decides and acts for it; null: none at present."),
  observers: listOf(voteReport),
  need: z.int().min(1).describe("How many of the observers have to say down."),
  address: text(),
  group: text(),
  round: z.strictObject({ outcome, because: text(), at: time() }).nullable(),
  probes: listOf(probeReport),
  wantedOff: z.strictObject({ by: text(), why: text(), at: time() }).nullable(),
  careful: z.strictObject({ event: text().describe("The agent's name for the outage."), because: text(), since: time(), state: z.enum(["off", "starting"]), lastSign: time().nullable().describe("Its last sign of life; null: it has not been seen silent since."), began: time().nullable(), asked: text().nullable().describe("Who wants it started now."), says: sentence("What is, and when it returns.") }).nullable().describe("Shut down with care by its own announcement, or being started after that."),
  held: z.strictObject({ kind: z.enum(["budget", "unconfirmed", "contradicted", "failed", "expired", "disagreement"]), because: text(), since: time(), sticky: flag() }).nullable(),
  operation: operationReport.nullable(),
  lastOperation: z.strictObject({ operation: count(), kind: operationKind, outcome: z.enum(["recovered", "withdrawn", "held", "done"]), at: time() }).nullable(),
  offByOthers: listOf(text()).describe("Outlets that somebody else has switched off; never switched on by Upkeep."),
  budget: z.strictObject({ cycles: count(), of: count(), withinMs: milliseconds() }),
  bootMs: milliseconds().describe("The longest that a boot may take before anything further."),
  bootLongestMs: milliseconds().nullable(),
}));

export const deviceReport = named("Device", "A power device.", z.strictObject({
  device: text(),
  driver: text(),
  address: text(),
  readable: flag().nullable().describe("Null: it was not asked yet."),
  why: text().nullable(),
  at: time().nullable(),
}));

export const brakeReport = named("Brake", "A brake that a person, a host or a finding put on.", z.strictObject({
  brake: brakeKind,
  scope: text().describe("A host's name, or `*`."),
  by: text(),
  reason: text(),
  since: time(),
  until: time().nullable().describe("Null: until it is ended."),
  leftMs: milliseconds().nullable(),
}));

export const rebootsReport = named("Reboots", "A run of rolling reboots: the one that is open, or the last one.", z.strictObject({
  run: count(), state: z.enum(["running", "held", "ended"]).describe("held: a host did not come back, and the rest waits for `reboots-continue`."), because: text().describe("Why it is held, or how it ended."), by: text(), reason: text(), began: time(), ended: time().nullable(),
  window: text().nullable().describe("Null: at any time."), plan: listOf(text()),
  done: listOf(z.strictObject({ host: text(), outcome: z.enum(["rebooted", "failed", "left out"]), because: text(), at: time(), tookMs: milliseconds().nullable().describe("From the order until it was good again.") })),
  now: z.strictObject({ host: text(), phase: z.enum(["draining", "drained", "ordered", "gone", "settling", "undraining"]), since: time(), mayTakeMs: milliseconds().describe("How long it may be away.") }).nullable(),
  waiting: z.strictObject({ host: text(), because: text() }).nullable().describe("What the next one waits for, as far as this watcher knows."), stopBy: text().nullable().describe("Who asked for its end."),
}));

export const stormReport = named("Storm", "A set of hosts of which so many are unhealthy that nothing new is cut.", z.strictObject({ set: text(), because: text(), since: time(), proceedBy: text().nullable() }));

export const alarmReport = named("Alarm", "A call to a person that is not over.", z.strictObject({
  alarm: text().describe("Its key: one alarm a key."),
  kind: z.enum(["held", "storm", "unguarded", "owed-on", "disagreement", "time-went-back", "ledger", "history", "disarmed", "cut", "foreign", "reboots", "return"]),
  severity: z.enum(["critical", "warning", "info"]),
  host: text().nullable(),
  incident: text().nullable(),
  happened: text(),
  done: text(),
  asked: text(),
  at: time(),
  acknowledged: flag(),
}));

export const watcherReport = named("Watcher", "A watcher of the roster.", z.strictObject({
  watcher: text(),
  self: flag(),
  started: time().nullable(),
  stopping: flag(),
  alive: flag().describe("Its session in the store lives."),
  ready: flag().describe("It has made its first rounds and counts among the observers."),
  version: text().nullable(),
  inCharge: count(),
  observes: count(),
  cannot: listOf(text()).describe("Power devices that it says it does not reach."),
  blind: flag().describe("Its own rounds prove nothing at present."),
}));

export const statusReport = named("Status", "Everything as it is now.", z.strictObject({
  site: text(),
  at: time(),
  guarded: z.string().regex(/^\d+ of \d+$/).describe("`2 of 3`"),
  hosts: listOf(hostReport),
  watchers: listOf(watcherReport),
  devices: listOf(deviceReport),
  brakes: listOf(brakeReport),
  storms: listOf(stormReport),
  reboots: rebootsReport.nullable().describe("Null: there was none yet."),
  alarms: listOf(alarmReport).describe("The worst first."),
  ledger: z.strictObject({ ok: flag(), why: text().nullable() }),
  store: z.strictObject({ ok: flag(), why: text().nullable(), heldUntil: time().nullable(), unreadable: listOf(z.strictObject({ key: text(), why: text() })) }).nullable().describe("The store that several watchers share; null: this one is alone."),
  power: z.strictObject({ state: z.enum(["good", "lost", "unknown"]), because: text(), charge: z.number().min(0).max(1).nullable().describe("Of the UPS, 0…1."), goodSince: time().nullable() }).describe("Whether the site has power, as this watcher knows it."),
  armed: flag().describe("`armed` in the configuration: false, and nothing at all is cut by itself."),
}));

export const health = named("Health", "Whether the watcher can do its work. 503 with the same body when it cannot.", z.strictObject({
  ok: flag(),
  site: text(),
  watcher: text(),
  version: text(),
  at: time(),
  why: text().nullable(),
}));
