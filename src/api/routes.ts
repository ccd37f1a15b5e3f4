// What each path answers, without a socket: a request comes in as plain values and a reply goes out as one. Whether the
// request may ask for anything that changes is decided here, in one place: only a transport that `mayCommand` has the
// POST routes at all.

import { explain } from "../core/explain.ts";
import type { Command } from "../core/io.ts";
import type { Policy } from "../core/policy.ts";
import type { IncidentRecord } from "../core/records.ts";
import { hostReport, incidentReport, iso, statusReport } from "../core/report.ts";
import type { State } from "../core/state.ts";
import type { Now } from "../core/time.ts";
import type { Answer, AvailabilityReport, EventLine, Failure, Health, IncidentReport, RecordAnswer, ReloadAnswer, WhyReport } from "./contract.ts";
import { EVENTS_DEFAULT, EVENTS_MAX, FOLLOWERS_MAX, INCIDENTS_MAX, PATHS, STEPS } from "./contract.ts";
import type { EventFilter, Feed } from "./feed.ts";
import type { History } from "./history.ts";
import { availability } from "./availability.ts";
import { pagesOf } from "./results.ts";

export type Sources = {
  /** The running watcher, as far as it is asked here. */
  readonly watcher: { readonly state: State; readonly policy: Policy; command(by: string, command: Command): Promise<Answer & { readonly id: number }> };
  readonly history: History;
  now(): Now;
  /** Reads the configuration again; the old one goes on when it is not accepted. */
  reload(): Promise<ReloadAnswer>;
  /** Records a dialogue with a power device; `null`: there is none of that name. */
  record(device: string): Promise<RecordAnswer | null>;
  /** Tells the history how hosts stand now. */
  look(): void;
  readonly version: string;
};

export type Request = { readonly method: string; readonly path: string; readonly query: URLSearchParams; readonly body: unknown };

export type Reply =
  | { readonly kind: "json"; readonly status: number; readonly body: unknown; readonly allow?: string }
  /** Lines that are there, and then, if `follow` is given, those that come. */
  /** Text that comes page by page, to be asked for as fast as it can be sent. */
  | { readonly kind: "pages"; readonly first: string; readonly rest: AsyncGenerator<string, void, undefined> }
  | { readonly kind: "lines"; readonly lines: readonly EventLine[]; readonly follow: ((onLine: (line: EventLine) => void) => () => void) | null };

/** How long a command may take to become durable before its outcome is called unknown. */
const COMMAND_LIMIT_MS = 30_000;
const WHY_EVENTS = 30;

class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Answers one request; rejects only on what nobody foresaw. */
export async function answer(request: Request, mayCommand: boolean, sources: Sources, feed: Feed): Promise<Reply> {
  try {
    return await route(request, mayCommand, sources, feed);
  } catch (error) {
    if (error instanceof Refusal) return failure(error.status, error.message);
    throw error;
  }
}

async function route(request: Request, mayCommand: boolean, sources: Sources, feed: Feed): Promise<Reply> {
  const { path, query } = request;
  const recording = path.startsWith(`${PATHS.record}/`);
  const post = path === PATHS.commands || path === PATHS.reload || recording;
  const reading = request.method === "GET" || request.method === "HEAD";
  if (!mayCommand && (post || !reading)) {
    return { ...failure(405, "this port is read-only: commands are taken by `upkeep` on the watcher's own machine"), allow: "GET, HEAD" };
  }
  if (post ? request.method !== "POST" : !reading) return { ...failure(405, `${path} takes ${post ? "POST" : "GET"}`), allow: post ? "POST" : "GET, HEAD" };
  if (!sources.watcher.state.started && path !== PATHS.health) throw new Refusal(503, "the watcher is starting: ask again in a moment");
  if (path === PATHS.commands) return json(await command(request.body, sources));
  if (path === PATHS.reload) return json(await sources.reload());
  if (recording) return json((await sources.record(named(path)[1])) ?? missing(`no power device is named ${named(path)[1]}`));
  if (path === PATHS.status) return status(parameters(query, ["host"]), sources);
  if (path === PATHS.health) return health(parameters(query, []), sources);
  if (path === PATHS.events) return events(parameters(query, ["since", "after", "host", "incident", "limit", "follow"]), sources, feed);
  if (path === PATHS.incidents) return json(await incidents(parameters(query, ["limit"]), sources));
  if (path === PATHS.availability) return json(await availabilityIn(parameters(query, ["from", "to", "step", "by", "host", "perDay"]), sources));
  if (path === PATHS.history) return results(null, parameters(query, RESULTS), sources);
  const [base, name] = named(path);
  if (base === PATHS.history) return results(name, parameters(query, RESULTS), sources);
  parameters(query, []);
  if (base === PATHS.hosts) return host(name, sources);
  if (base === PATHS.why) return json(await why(name, sources, feed));
  if (base === PATHS.incidents) return json(incidentReport(await incidentNamed(name, sources) ?? missing(`there is no incident ${name}`)));
  throw new Refusal(404, "there is nothing here; see /v1/status");
}

async function command(body: unknown, { watcher }: Sources): Promise<Answer> {
  // Loaded with the first command: the schema brings zod, 4 MB that most watchers never need.
  const { parseCommand } = await import("./command-schema.ts");
  const parsed = parseCommand(body);
  if (!parsed.ok) throw new Refusal(400, parsed.error);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Answer>((resolve) => {
    timer = setTimeout(() => resolve({ exit: 5, text: "asked for, but not known to be recorded within 30 s: see `upkeep status`", incident: null, operation: null, confirm: null }), COMMAND_LIMIT_MS);
  });
  try {
    const { exit, text, incident, operation, confirm } = await Promise.race([watcher.command(parsed.by, parsed.command), late]);
    return { exit, text, incident, operation, confirm };
  } catch (error) {
    // The core does not fail on a command: this is an assertion, and the process must end as it would from a timer.
    setImmediate(() => {
      throw error;
    });
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function status(query: Asked, { watcher, now }: Sources): Reply {
  const name = query.host ?? null;
  if (name !== null && !watcher.policy.hosts.has(name)) noSuchHost(name, watcher.policy);
  return json(statusReport(watcher.state, watcher.policy, now(), name));
}

function host(name: string, { watcher, now }: Sources): Reply {
  const policy = watcher.policy.hosts.get(name);
  const state = watcher.state.hosts.get(name);
  if (policy === undefined || state === undefined) return noSuchHost(name, watcher.policy);
  return json(hostReport(state, policy, watcher.state, watcher.policy, now()));
}

function health(_query: Asked, { watcher, now, version }: Sources): Reply {
  const { state, policy } = watcher;
  const why = !state.started ? "it has not started yet" : state.stopping ? "it is stopping" : state.fleet?.gone ?? state.fleet?.blind ?? (state.storeFailure === null ? null : `the ledger cannot be written: ${state.storeFailure}`);
  const body: Health = { ok: why === null, site: policy.site, watcher: policy.watcher, version, at: iso(now().wallMs), why };
  return json(body, why === null ? 200 : 503);
}

async function events(query: Asked, { watcher }: Sources, feed: Feed): Promise<Reply> {
  const sinceMs = timeIn("since", query.since);
  if (query.host !== undefined && !watcher.policy.hosts.has(query.host)) noSuchHost(query.host, watcher.policy);
  if (query.follow !== undefined && !/^[01]$/.test(query.follow)) throw new Refusal(400, "follow is 0 or 1");
  const filter: EventFilter = { ...(query.host === undefined ? {} : { host: query.host }), ...(query.incident === undefined ? {} : { incident: query.incident }) };
  const afterSeq = query.after === undefined ? undefined : whole("after", query.after, 0, Number.MAX_SAFE_INTEGER);
  const limit = query.limit === undefined ? EVENTS_DEFAULT : whole("limit", query.limit, 0, EVENTS_MAX);
  const past = { ...filter, ...(sinceMs === undefined ? {} : { sinceMs }), ...(afterSeq === undefined ? {} : { afterSeq }), limit };
  if (query.follow !== "1") return { kind: "lines", lines: limit === 0 ? [] : await feed.events(past), follow: null };
  if (feed.followers >= FOLLOWERS_MAX) throw new Refusal(503, `${FOLLOWERS_MAX} others follow already`);
  // Followed before the past is read, so that nothing falls between the two.
  const early: EventLine[] = [];
  let deliver = (line: EventLine): void => void early.push(line);
  const stop = feed.follow(filter, (line) => deliver(line));
  try {
    const lines = limit === 0 ? [] : await feed.events(past);
    const lastSeq = lines.at(-1)?.seq ?? afterSeq ?? -1;
    return {
      kind: "lines",
      lines,
      follow: (onLine) => {
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

const RESULTS = ["probe", "since", "until", "step"] as const;

/** `host` null: of all. */
async function results(host: string | null, query: Asked, { watcher, history }: Sources): Promise<Reply> {
  const step = STEPS.find((each) => each === (query.step ?? "raw"));
  if (step === undefined) throw new Refusal(400, `step is one of ${STEPS.join(", ")}`);
  const known = await history.hosts();
  // A host of which there is nothing yet is no mistake; one that nobody has is.
  if (host !== null && !known.includes(host) && !watcher.policy.hosts.has(host)) noSuchHost(host, watcher.policy);
  const rest = pagesOf(history, host === null ? known : [host], { probe: query.probe ?? null, sinceMs: timeIn("since", query.since) ?? 0, untilMs: timeIn("until", query.until) ?? Number.MAX_SAFE_INTEGER, step });
  // What fails at once is refused with its reason; what fails later breaks the answer off.
  const first = await rest.next();
  return { kind: "pages", first: first.done === true ? "" : first.value, rest };
}

async function availabilityIn(query: Asked, sources: Sources): Promise<AvailabilityReport> {
  if (query.host !== undefined && !sources.watcher.policy.hosts.has(query.host)) noSuchHost(query.host, sources.watcher.policy);
  const { step, by, host, perDay } = query;
  const answer = await availability({ step, by, host, perDay, fromMs: timeIn("from", query.from), toMs: timeIn("to", query.to) }, sources, [...openIncidents(sources.watcher.state).values()]);
  if ("refusal" in answer) throw new Refusal(400, answer.refusal);
  return answer;
}

async function incidents(query: Asked, { watcher, history }: Sources): Promise<readonly IncidentReport[]> {
  const limit = query.limit === undefined ? INCIDENTS_MAX : whole("limit", query.limit, 1, INCIDENTS_MAX);
  const open = openIncidents(watcher.state);
  const written = (await history.incidents(limit)).filter((record) => !open.has(record.incident)).map(ended);
  return [...written, ...open.values()].slice(-limit).map(incidentReport);
}

async function why(name: string, { watcher, history, now }: Sources, feed: Feed): Promise<WhyReport> {
  const { state, policy } = watcher;
  const at = iso(now().wallMs);
  const told = explain(state, policy, now(), name);
  if (told !== undefined) {
    const open = state.hosts.get(name)?.incident ?? null;
    const lines = open === null ? await lately({ host: name, limit: WHY_EVENTS }, feed) : await timeline(open, feed);
    return { kind: "host", at, ...told, open: open === null ? null : incidentReport(open), ...lines };
  }
  const record = await incidentNamed(name, { watcher, history });
  if (record === undefined) throw new Refusal(404, `there is no host and no incident ${name}; hosts: ${hostNames(policy)}`);
  return { kind: "incident", at, incident: incidentReport(record), ...(await timeline(record, feed)) };
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
async function timeline(record: IncidentRecord, feed: Feed): Promise<Lines> {
  const { events: lines, missing } = await lately({ incident: record.incident, limit: EVENTS_MAX }, feed);
  const firstSeq = lines[0]?.seq ?? Infinity;
  // A sign is told when its round has ended, and the incident began when that round began; the two clocks round differently.
  const before = await lately({ host: record.host, sinceMs: record.began.wallMs - 10, limit: EVENTS_DEFAULT }, feed);
  return { events: [...before.events.filter((line) => line.seq < firstSeq && line.incident === null), ...lines], missing };
}

async function incidentNamed(name: string, { watcher, history }: Pick<Sources, "watcher" | "history">): Promise<IncidentRecord | undefined> {
  const written = openIncidents(watcher.state).get(name);
  if (written !== undefined) return written;
  const record = await history.incident(name);
  return record === undefined ? undefined : ended(record);
}

/** What the history has as open and the core has not ended while this watcher was away. */
function ended(record: IncidentRecord): IncidentRecord {
  return record.outcome === "open" ? { ...record, outcome: "ended unseen" } : record;
}

/** What is open is known best by the core. */
function openIncidents(state: State): ReadonlyMap<string, IncidentRecord> {
  const open = new Map<string, IncidentRecord>();
  for (const each of state.hosts.values()) if (each.incident !== null) open.set(each.incident.incident, each.incident);
  return open;
}

// ---- what is asked, strictly ------------------------------------------------------------------------------------------

type Asked = Readonly<Record<"host" | "since" | "until" | "after" | "incident" | "limit" | "follow" | "probe" | "step" | "from" | "to" | "by" | "perDay", string | undefined>>;

function parameters(query: URLSearchParams, allowed: readonly (keyof Asked)[]): Asked {
  for (const key of new Set(query.keys())) {
    if (!(allowed as readonly string[]).includes(key)) throw new Refusal(400, `there is no parameter ${key.slice(0, 40)} here${allowed.length === 0 ? "" : `; parameters: ${allowed.join(", ")}`}`);
    if (query.getAll(key).length > 1) throw new Refusal(400, `${key} is given twice`);
  }
  const of = (key: keyof Asked) => query.get(key) ?? undefined;
  return { host: of("host"), since: of("since"), until: of("until"), after: of("after"), incident: of("incident"), limit: of("limit"), follow: of("follow"), probe: of("probe"), step: of("step"), from: of("from"), to: of("to"), by: of("by"), perDay: of("perDay") };
}

/** Unix milliseconds. */
function timeIn(key: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const atMs = Date.parse(text);
  if (Number.isNaN(atMs)) throw new Refusal(400, `${key} is not a time in ISO 8601, like 2026-01-31T12:00:00Z`);
  return atMs;
}

function whole(key: string, text: string, min: number, max: number): number {
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : NaN;
  if (!(value >= min && value <= max)) throw new Refusal(400, `${key} is a whole number from ${min} to ${max}`);
  return value;
}

/** `/v1/hosts/NAME` → `/v1/hosts`, `NAME`. */
function named(path: string): readonly [string, string] {
  const [, base, encoded] = /^(\/v1\/[a-z]+)\/([^/]{1,800})$/.exec(path) ?? [];
  if (base === undefined || encoded === undefined) return ["", ""];
  try {
    return [base, decodeURIComponent(encoded)];
  } catch {
    throw new Refusal(400, "the path is not well encoded");
  }
}

function noSuchHost(name: string, policy: Policy): never {
  throw new Refusal(404, `there is no host ${name}; hosts: ${hostNames(policy)}`);
}

function hostNames(policy: Policy): string {
  const names = [...policy.hosts.keys()];
  return names.slice(0, 10).join(", ") + (names.length > 10 ? ` and ${names.length - 10} more` : "");
}

function missing(message: string): never {
  throw new Refusal(404, message);
}

function json(body: unknown, status = 200): Reply {
  return { kind: "json", status, body };
}

function failure(status: number, error: string): Extract<Reply, { kind: "json" }> {
  const body: Failure = { error };
  return { kind: "json", status, body };
}
