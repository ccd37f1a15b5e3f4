// What may be looked at: status, hosts, why, events, incidents, history, health. Each is a function from what was asked to a
// reply; who may ask stands in the table (routes.ts).

import { explain } from "../core/explain.ts";
import type { Policy } from "../core/policy.ts";
import type { IncidentRecord } from "../core/records.ts";
import { hostReport, incidentReport, iso, statusReport } from "../core/report.ts";
import type { State } from "../core/state.ts";
import type { EventLine, Health, IncidentReport, WhyReport } from "./contract.ts";
import { EVENTS_DEFAULT, EVENTS_MAX, FOLLOWERS_MAX, INCIDENTS_MAX, STEPS } from "./contract.ts";
import { lastWords, spanOf } from "./last-words.ts";
import type { EventFilter, Feed } from "./feed.ts";
import { pagesOf } from "./results.ts";
import type { Asked, Reply, Served } from "./route.ts";
import { Refusal, json, missing, timeIn, whole } from "./route.ts";

const WHY_EVENTS = 30;
const LINES = "application/x-ndjson; charset=utf-8";

export function status({ query }: Asked<"host">, { watcher, now }: Served): Reply {
  const name = query.host ?? null;
  if (name !== null && !watcher.policy.hosts.has(name)) noSuchHost(name, watcher.policy);
  return json(statusReport(watcher.state, watcher.policy, now(), name));
}

export function host({ name }: Asked, { watcher, now }: Served): Reply {
  const policy = watcher.policy.hosts.get(name);
  const state = watcher.state.hosts.get(name);
  if (policy === undefined || state === undefined) return noSuchHost(name, watcher.policy);
  return json(hostReport(state, policy, watcher.state, watcher.policy, now()));
}

export function health(_asked: Asked, { watcher, now, version }: Served): Reply {
  const { state, policy } = watcher;
  const why = !state.started ? "it has not started yet" : state.stopping ? "it is stopping" : state.fleet?.gone ?? state.fleet?.blind ?? (state.storeFailure === null ? null : `the ledger cannot be written: ${state.storeFailure}`);
  const body: Health = { ok: why === null, site: policy.site, watcher: policy.watcher, version, at: iso(now().wallMs), why };
  return json(body, why === null ? 200 : 503);
}

export const EVENTS_QUERY = ["since", "after", "host", "incident", "kind", "limit", "follow"] as const;

export async function events({ query }: Asked<(typeof EVENTS_QUERY)[number]>, { watcher, feed }: Served): Promise<Reply> {
  const sinceMs = timeIn("since", query.since);
  if (query.host !== undefined && !watcher.policy.hosts.has(query.host)) noSuchHost(query.host, watcher.policy);
  if (query.follow !== undefined && !/^[01]$/.test(query.follow)) throw new Refusal(400, "follow is 0 or 1");
  const filter: EventFilter = { ...(query.host === undefined ? {} : { host: query.host }), ...(query.incident === undefined ? {} : { incident: query.incident }), ...(query.kind === undefined ? {} : { kinds: kindsIn(query.kind) }) };
  const afterSeq = query.after === undefined ? undefined : whole("after", query.after, 0, Number.MAX_SAFE_INTEGER);
  const limit = query.limit === undefined ? EVENTS_DEFAULT : whole("limit", query.limit, 0, EVENTS_MAX);
  const past = { ...filter, ...(sinceMs === undefined ? {} : { sinceMs }), ...(afterSeq === undefined ? {} : { afterSeq }), limit };
  if (query.follow !== "1") return { kind: "text", status: 200, type: LINES, text: textOf(limit === 0 ? [] : await feed.events(past)) };
  if (feed.followers >= FOLLOWERS_MAX) throw new Refusal(503, `${FOLLOWERS_MAX} others follow already`);
  // Followed before the past is read, so that nothing falls between the two.
  const early: EventLine[] = [];
  let deliver = (line: EventLine): void => void early.push(line);
  const stop = feed.follow(filter, (line) => deliver(line));
  try {
    const lines = limit === 0 ? [] : await feed.events(past);
    const lastSeq = lines.at(-1)?.seq ?? afterSeq ?? -1;
    return {
      kind: "stream", type: LINES, first: textOf(lines) || "\n", heartbeat: "\n",
      start: (write) => {
        const onLine = (line: EventLine) => write(textOf([line]));
        for (const line of early) if (line.seq > lastSeq) onLine(line);
        deliver = onLine;
        return stop;
      },
    };
  } catch (error) {
    stop();
    throw error;
  }
}

function kindsIn(text: string): readonly string[] {
  if (!/^[a-z-]{1,40}(,[a-z-]{1,40}){0,19}$/.test(text)) throw new Refusal(400, "kind is a kind of lines, or up to 20 with commas between them");
  return text.split(",");
}

function textOf(lines: readonly EventLine[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}

export const RESULTS_QUERY = ["probe", "since", "until", "step"] as const;

/** Of one host, or of all. */
export async function results({ name, query }: Asked<(typeof RESULTS_QUERY)[number]>, { watcher, history }: Served): Promise<Reply> {
  const host = name === "" ? null : name;
  const step = STEPS.find((each) => each === (query.step ?? "raw"));
  if (step === undefined) throw new Refusal(400, `step is one of ${STEPS.join(", ")}`);
  const known = await history.hosts();
  // A host of which there is nothing yet is no mistake; one that nobody has is.
  if (host !== null && !known.includes(host) && !watcher.policy.hosts.has(host)) noSuchHost(host, watcher.policy);
  const rest = pagesOf(history, host === null ? known : [host], { probe: query.probe ?? null, sinceMs: timeIn("since", query.since) ?? 0, untilMs: timeIn("until", query.until) ?? Number.MAX_SAFE_INTEGER, step });
  // What fails at once is refused with its reason; what fails later breaks the answer off.
  const first = await rest.next();
  return { kind: "pages", type: LINES, first: first.done === true ? "" : first.value, rest };
}

export async function incidents({ query }: Asked<"limit">, { watcher, history }: Served): Promise<Reply> {
  const limit = query.limit === undefined ? INCIDENTS_MAX : whole("limit", query.limit, 1, INCIDENTS_MAX);
  const open = openIncidents(watcher.state);
  const written = (await history.incidents(limit)).filter((record) => !open.has(record.incident)).map(ended);
  return json([...written, ...open.values()].slice(-limit).map(incidentReport) satisfies readonly IncidentReport[]);
}

export async function incident({ name }: Asked, served: Served): Promise<Reply> {
  return json(incidentReport((await incidentNamed(name, served)) ?? missing(`there is no incident ${name}`)));
}

export async function why({ name }: Asked, served: Served): Promise<Reply> {
  return json(await whyReport(name, served));
}

async function whyReport(name: string, served: Served): Promise<WhyReport> {
  const { watcher, history, now, feed } = served;
  const { state, policy } = watcher;
  const at = iso(now().wallMs);
  const told = explain(state, policy, now(), name);
  if (told !== undefined) {
    const open = state.hosts.get(name)?.incident ?? null;
    const lines = open === null ? await lately({ host: name, limit: WHY_EVENTS }, feed) : await timeline(open, served);
    return { kind: "host", at, ...told, open: open === null ? null : incidentReport(open), ...lines, kernel: open === null ? null : await lastWords(open, served) };
  }
  const record = await incidentNamed(name, { watcher, history });
  if (record === undefined && /^[1-9]\d{0,14}$/.test(name)) {
    const events = await feed.chain(Number(name), WHY_EVENTS);
    const event = events.at(-1) ?? missing(`there is no line ${name} in this watcher's journal, or not any more`);
    return { kind: "event", at, event, events, missing: null };
  }
  if (record === undefined) throw new Refusal(404, `there is no host and no incident ${name}; hosts: ${hostNames(policy)}`);
  return { kind: "incident", at, incident: incidentReport(record), ...(await timeline(record, served)), kernel: await lastWords(record, served) };
}

type Lines = { readonly events: readonly EventLine[]; readonly missing: string | null };

/** Lines with what can be had: somebody who was called at night is told why a host is judged so even if the history is broken. */
async function lately(query: Parameters<Feed["events"]>[0], feed: Feed): Promise<Lines> {
  try {
    return { events: await feed.events(query), missing: null };
  } catch (error) {
    return { events: feed.recent(query), missing: error instanceof Error ? error.message : String(error) };
  }
}

/** The lines of an incident, and the bad signs before it had a name. */
async function timeline(record: IncidentRecord, served: Served): Promise<Lines> {
  const { feed } = served;
  const { events: lines, missing } = await lately({ incident: record.incident, limit: EVENTS_MAX }, feed);
  const firstSeq = lines[0]?.seq ?? Infinity;
  // A sign is told when its round has ended, and the incident began when that round began; the two clocks round differently.
  const before = await lately({ host: record.host, sinceMs: record.began.wallMs - 10, limit: EVENTS_DEFAULT }, feed);
  // What its kernel said before anybody saw a bad sign leads to it all the same.
  const said = await lately({ host: record.host, kinds: ["kernel"], sinceMs: (await spanOf(record, served)).fromMs, limit: WHY_EVENTS }, feed);
  const early = new Map([...said.events, ...before.events].filter((line) => line.seq < firstSeq && line.incident === null).map((line) => [line.seq, line]));
  return { events: [...[...early.values()].sort((a, b) => a.seq - b.seq), ...lines], missing };
}

export async function incidentNamed(name: string, { watcher, history }: Pick<Served, "watcher" | "history">): Promise<IncidentRecord | undefined> {
  const written = openIncidents(watcher.state).get(name);
  if (written !== undefined) return written;
  const record = await history.incident(name);
  return record === undefined ? undefined : ended(record);
}

/** What the history has as open and the core has not ended while this watcher was away. */
export function ended(record: IncidentRecord): IncidentRecord {
  return record.outcome === "open" ? { ...record, outcome: "ended unseen" } : record;
}

/** What is open is known best by the core. */
export function openIncidents(state: State): ReadonlyMap<string, IncidentRecord> {
  const open = new Map<string, IncidentRecord>();
  for (const each of state.hosts.values()) if (each.incident !== null) open.set(each.incident.incident, each.incident);
  return open;
}

export function noSuchHost(name: string, policy: Policy): never {
  throw new Refusal(404, `there is no host ${name}; hosts: ${hostNames(policy)}`);
}

function hostNames(policy: Policy): string {
  const names = [...policy.hosts.keys()];
  return names.slice(0, 10).join(", ") + (names.length > 10 ? ` and ${names.length - 10} more` : "");
}

