// What every row of the table of routes takes and gives (routes.ts), by method and path. A row without a description fails a
// test, and so does a description without a row. The order is that of the document.

import { z } from "zod";
import { ACCESS_OPERATIONS } from "./access-operations.ts";
import { AVAILABILITY_STEPS, EVENTS_DEFAULT, EVENTS_MAX, INCIDENTS_MAX, PATHS, STEPS } from "../contract.ts";
import { saidBy } from "../command-schema.ts";
import { leaseReport } from "./leases.ts";
import { agentAnswer, agentCode, agentCodeRequest, agentDetails, agentReport } from "./agents.ts";
import { availabilityReport } from "./availability.ts";
import { alertTest, alertTestRequest, alertsReport, answer, recordAnswer, reloadAnswer } from "./commands.ts";
import type { OperationDescription } from "./description.ts";
import { EVENTS_TYPE, JSON_TYPE, json, lines } from "./description.ts";
import { liveEvents } from "./live.ts";
import { noticeRemoved, noticeReport, noticeRequest, noticeUpdateRequest, statusPageFiles } from "./notices.ts";
import { eventLine, incidentReport, resultLine, rollupLine, whyReport } from "./past.ts";
import { listOf, text, time } from "./schema.ts";
import { health, hostReport, statusReport } from "./status.ts";

const host = { description: "Only of this host.", schema: text() };
const since = { description: "Not before this time, like 2026-01-31T12:00:00Z.", schema: time() };
const limit = (most: number, otherwise: number) => ({ description: `At most so many, the newest; ${otherwise} when it is not given.`, schema: z.int().min(0).max(most) });

const history = {
  probe: { description: "Only of this probe: `ping`, `ssh`, `http#2`.", schema: text() },
  since, until: { description: "Before this time.", schema: time() },
  step: { description: "Single results, or roll-ups by minute or hour; `raw` when it is not given.", schema: z.enum(STEPS) },
};

export const OPERATIONS: Readonly<Record<string, OperationDescription>> = {
  [`GET ${PATHS.status}`]: { tag: "now", summary: "Everything as it is now", query: { host: { ...host, description: "Restricts `hosts` to this one, and leaves the rest as it is." } }, answers: { 200: json(statusReport, "The status.") } },
  [`GET ${PATHS.hosts}/:name`]: { tag: "now", summary: "One host as it is now", name: "The host's name.", answers: { 200: json(hostReport, "The host.") } },
  [`GET ${PATHS.why}/:name`]: {
    tag: "now", summary: "Why a host is judged so, and what happens next; what happened in an incident, or what led to a line of the journal",
    description: "What was seen, what it counts for, what would happen next and why it has not happened, in sentences that can be read on the telephone.", name: "A host's or an incident's name, or the number of a line.", answers: { 200: json(whyReport, "The reasoning.") },
  },
  [`GET ${PATHS.stream}`]: {
    tag: "live", summary: "What changes, as it changes",
    description: "Server-sent events. A stream begins with a snapshot, whatever the reader had before; then come deltas (hosts that changed, whole), cells of the strips, lines of the journal, and ticks. Without any event for 15 s what is held is stale. Made once for all readers, at most once a second. A reader that does not keep up gets another snapshot instead of what it missed; one that reads nothing is cut off.",
    answers: { 200: { description: "`event:` is one of snapshot, delta, cells, lines, tick; `data:` is its JSON on one line.", type: EVENTS_TYPE, schema: z.union(Object.values(liveEvents)) } },
  },
  [`GET ${PATHS.events}`]: {
    tag: "past", summary: "Lines of the journal",
    query: {
      since, after: { description: "Only lines with a greater number.", schema: z.int().min(0) }, host, incident: { description: "Only of this incident.", schema: text() }, kind: { description: "Only lines of these kinds, with commas between them: `brake,brake-ended`.", schema: text() },
      limit: limit(EVENTS_MAX, EVENTS_DEFAULT), follow: { description: "1: goes on with the lines that come, without an end; empty lines now and then mean nothing.", schema: z.enum(["0", "1"]) },
    },
    answers: { 200: lines(eventLine, "A line of the journal a line, oldest first.") },
  },
  [`GET ${PATHS.incidents}`]: { tag: "past", summary: "Incidents", query: { limit: { ...limit(INCIDENTS_MAX, INCIDENTS_MAX), schema: z.int().min(1).max(INCIDENTS_MAX) } }, answers: { 200: json(listOf(incidentReport), "The newest last.") } },
  [`GET ${PATHS.incidents}/:name`]: { tag: "past", summary: "One incident", name: "The incident's name.", answers: { 200: json(incidentReport, "The incident.") } },
  [`GET ${PATHS.history}`]: { tag: "past", summary: "Results of all hosts", description: "Of one host after the other.", query: history, answers: { 200: lines(z.union([resultLine, rollupLine]), "A result or a roll-up a line, oldest first.") } },
  [`GET ${PATHS.history}/:name`]: { tag: "past", summary: "Results of one host", name: "The host's name.", query: history, answers: { 200: lines(z.union([resultLine, rollupLine]), "A result or a roll-up a line, oldest first.") } },
  [`GET ${PATHS.availability}`]: {
    tag: "past", summary: "Availability, measured and expected",
    description: "Every millisecond of a period is up, planned, unplanned or not watched; availability is up / (up + unplanned). Periods are cut at months and days of UTC. As this watcher saw it: what was while it did not run is not watched.",
    query: {
      from: { description: "From then on; the beginning of this month when it is not given.", schema: time() }, to: { description: "Up to then; now when it is not given.", schema: time() },
      step: { description: "The whole time, or month by month, or day by day; `all` when it is not given.", schema: z.enum(AVAILABILITY_STEPS) }, by: { description: "`group`: no lines of hosts and no forecast.", schema: z.enum(["host", "group"]) },
      host, perDay: { description: "Outages a day to reckon with in the forecast, instead of those that were.", schema: z.number().min(0) },
    },
    answers: { 200: json(availabilityReport, "Period by period.") },
  },
  [`GET ${PATHS.statusPage}`]: { tag: "past", summary: "The public status page as files", description: "For a web server of one's own. It is served at `/status` as well, to anyone.", answers: { 200: json(statusPageFiles, "Names and contents.") } },
  [`GET ${PATHS.notices}`]: { tag: "commands", summary: "Notices of the status page", answers: { 200: json(listOf(noticeReport), "The newest last.") } },
  [`POST ${PATHS.notices}`]: { tag: "commands", summary: "Tell the public something", body: noticeRequest, answers: { 201: json(noticeReport, "The notice.") } },
  [`PATCH ${PATHS.notices}/:name`]: { tag: "commands", summary: "An update of a notice, or its end", name: "The notice's number.", body: noticeUpdateRequest, answers: { 200: json(noticeReport, "The notice.") } },
  [`DELETE ${PATHS.notices}/:name`]: { tag: "commands", summary: "Take a notice away", name: "The notice's number.", answers: { 200: json(noticeRemoved, "It is gone.") } },
  [`POST ${PATHS.commands}`]: {
    tag: "commands", summary: "A command: power, brakes, release, acknowledge", body: saidBy,
    example: { by: "anna", command: { kind: "brake", brake: "maintenance", scope: "logos", forMs: 7_200_000, reason: "a new disk" } },
    description: "Answered when it is on record. On TCP `by` is the caller's name, whatever the body says. What cuts the power of a serving host answers with `confirm` first: ask again with that name typed.",
    answers: { 200: json(answer, "What became of it; `exit` says whether it was done.") },
  },
  [`GET ${PATHS.alerts}`]: { tag: "now", summary: "Who was told what, and what waits", description: "Of this watcher; what is asked of people stands in the status.", answers: { 200: json(alertsReport, "Calls and channels.") } },
  [`POST ${PATHS.alertTest}`]: { tag: "commands", summary: "Try a channel", description: "Once, at once, and past its queue. What a test opens (an incident at a pager) it closes again.", body: alertTestRequest, example: { channel: "mail" }, answers: { 200: json(listOf(alertTest), "How it went, by channel.") } },
  [`POST ${PATHS.reload}`]: { tag: "commands", summary: "Read the configuration again", body: z.strictObject({}), answers: { 200: json(reloadAnswer, "Whether it was taken over.") } },
  [`GET ${PATHS.leases}`]: { tag: "now", summary: "Leases of services", description: "Which host may run which service, and what would free each lease.", answers: { 200: json(listOf(leaseReport), "By service.") } },
  [`GET ${PATHS.agents}`]: { tag: "now", summary: "The agents of hosts", description: "Who is enrolled, who is connected to this watcher, and what they have found, counted.", query: { host }, answers: { 200: json(listOf(agentReport), "By host.") } },
  [`GET ${PATHS.agents}/:name`]: { tag: "now", summary: "The agent of one host, with what it has found", name: "The host's name.", answers: { 200: json(agentDetails, "The agent.") } },
  [`POST ${PATHS.agents}/:name`]: { tag: "commands", summary: "Make a code that enrols the agent of a host", description: "Good once, for this host, at this watcher. It is shown in this answer and nowhere else. A code that was made before is void.", name: "The host's name.", body: agentCodeRequest, example: { forMs: 3_600_000 }, answers: { 200: json(agentCode, "The code; `exit` says whether it was made.") } },
  [`DELETE ${PATHS.agents}/:name`]: { tag: "commands", summary: "Revoke the agent of a host", description: "It is cut at once, and let in again by another code only.", name: "The host's name.", answers: { 200: json(agentAnswer, "Whether it was revoked.") } },
  [`POST ${PATHS.record}/:name`]: { tag: "commands", summary: "Record a dialogue with a power device", description: "Every outlet is read once; nothing is switched.", name: "The power device's name.", body: z.strictObject({}), answers: { 200: json(recordAnswer, "The recording.") } },
  ...ACCESS_OPERATIONS,
  [`GET ${PATHS.health}`]: { tag: "about", summary: "Whether the watcher can do its work", description: "For load balancers and dead-man's switches; nobody has to log in.", answers: { 200: json(health, "It can."), 503: json(health, "It cannot; `why` says why.") } },
  [`GET ${PATHS.metrics}`]: { tag: "about", summary: "Prometheus metrics", description: "Every metric is described in docs/reference/metrics.md. A token with the scope `metrics` may read this and nothing else.", answers: { 200: { description: "Prometheus' text format.", type: "text/plain", schema: null } } },
  [`GET ${PATHS.openapi}`]: { tag: "about", summary: "This document", answers: { 200: { description: "OpenAPI 3.1.", type: JSON_TYPE, schema: null } } },
};

