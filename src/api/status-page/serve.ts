// The public status page and the notices on it: whoever may write them, and who reads them without a log-in. The page is made
// at most twice a minute however many ask for it, because it is open to everybody.

import { createHash } from "node:crypto";
import type { IncidentRecord } from "../../core/records.ts";
import { iso } from "../../core/report.ts";
import type { Standing } from "../../core/standing.ts";
import { NOT_KNOWN, standingOf } from "../../core/standing.ts";
import { measured } from "../availability.ts";
import type { NoticeReport, StatusPageFiles } from "../contract.ts";
import { INCIDENTS_MAX, NOTICES_MAX } from "../contract.ts";
import { ended, openIncidents } from "../looking.ts";
import type { Asked, Caller, Reply, Served } from "../route.ts";
import { json, missing, Refusal } from "../route.ts";
import { statusPageHtml } from "./html.ts";
import type { ComponentSpec } from "./model.ts";
import { statusPageModel } from "./model.ts";
import { STATUS_CSS } from "./style.ts";

/** `hosts` of groups as they are now: a group of the configuration, or some hosts. */
export type StatusPageConfig = { readonly title: string; readonly historyDays: number; readonly components: readonly { readonly name: string; readonly group: string | null; readonly hosts: readonly string[] }[] };

export const FRESH_MS = 30_000;
const DAY_MS = 86_400_000;
const NOT_CONFIGURED = "no status page is configured: statusPage: { groups: [...] }";

type Made = { readonly atMs: number; readonly config: StatusPageConfig; readonly html: Promise<string> };
const made = new WeakMap<object, Made>();

export async function statusPage(_asked: Asked, served: Served): Promise<Reply> {
  return fileOf("text/html; charset=utf-8", await htmlOf(served));
}

export function statusPageStyle(_asked: Asked, served: Served): Reply {
  if (served.statusPage() === null) missing(NOT_CONFIGURED);
  return fileOf("text/css; charset=utf-8", STATUS_CSS);
}

/** All of it at once, for a web server of one's own. */
export async function statusPageFiles(_asked: Asked, served: Served): Promise<Reply> {
  return json({ files: { "index.html": await htmlOf(served), "status.css": STATUS_CSS } } satisfies StatusPageFiles);
}

function fileOf(type: string, text: string): Reply {
  return { kind: "file", type, etag: createHash("sha256").update(text).digest("base64url").slice(0, 22), forever: false, freshMs: FRESH_MS, bytes: Buffer.from(text) };
}

async function htmlOf(served: Served): Promise<string> {
  const config = served.statusPage();
  if (config === null) return missing(NOT_CONFIGURED);
  const atMs = served.now().bootMs;
  const before = made.get(served.history);
  if (before !== undefined && before.config === config && atMs - before.atMs < FRESH_MS) return before.html;
  const html = make(config, served);
  made.set(served.history, { atMs, config, html });
  // What failed is tried again by whoever asks next.
  html.catch(() => made.delete(served.history));
  return html;
}

async function make({ title, historyDays, components: configured }: StatusPageConfig, { watcher, history, notices, look, now }: Served): Promise<string> {
  const { state, policy } = watcher;
  const nowMs = now().wallMs;
  const today = Math.floor(nowMs / DAY_MS) * DAY_MS;
  const days = Array.from({ length: historyDays }, (_, index) => ({ fromMs: today - (historyDays - 1 - index) * DAY_MS, toMs: today - (historyDays - 2 - index) * DAY_MS }));
  const components = configured.map(({ name, group, hosts }): ComponentSpec => ({ name, hosts: group === null ? hosts.filter((host) => policy.hosts.has(host)) : [...policy.hosts.values()].filter((host) => host.group === group).map((host) => host.name) }));
  const standings = new Map<string, Standing>();
  for (const name of new Set(components.flatMap(({ hosts }) => hosts))) {
    const [host, of] = [state.hosts.get(name), policy.hosts.get(name)];
    standings.set(name, host === undefined || of === undefined ? NOT_KNOWN : standingOf(host, of, state, NOT_KNOWN));
  }
  look();
  const open = openIncidents(state);
  const asked = components.flatMap(({ name, hosts }) => hosts.map((host) => ({ host, group: name })));
  const whole = { fromMs: days[0]?.fromMs ?? today, toMs: today + DAY_MS };
  const answer = await measured(history, { hosts: asked, periods: [whole, ...days], groupsOnly: true, open: [...open.values()], nowMs });
  const written = (await history.incidents(INCIDENTS_MAX)).filter((record) => !open.has(record.incident)).map(ended);
  const incidents: readonly IncidentRecord[] = [...written, ...open.values()];
  return statusPageHtml(statusPageModel({ title, components, standings, days, answer, incidents, notices: notices.list(), nowMs }));
}

// ---- notices ----------------------------------------------------------------------------------------------------------------

export function noticesList(_asked: Asked, { notices }: Served): Reply {
  return json(notices.list());
}

export async function noticesAdd({ body, caller }: Asked, served: Served): Promise<Reply> {
  const { parseNotice } = await import("../schema/notices.ts");
  const parsed = parseNotice(body);
  if (!parsed.ok) throw new Refusal(400, parsed.error);
  const known = new Set(served.statusPage()?.components.map(({ name }) => name) ?? []);
  const unknown = parsed.value.components.filter((component) => !known.has(component));
  if (unknown.length > 0) throw new Refusal(400, `the status page has no component ${unknown.join(", ")}; components: ${[...known].join(", ") || "none"}`);
  return json(changed(served, () => served.notices.add(parsed.value, byOf(caller, parsed.value.by), iso(served.now().wallMs))) ?? full(`there are ${NOTICES_MAX} notices that have not ended`), 201);
}

export async function noticesUpdate({ name, body, caller }: Asked, served: Served): Promise<Reply> {
  const { parseNoticeUpdate } = await import("../schema/notices.ts");
  const parsed = parseNoticeUpdate(body);
  if (!parsed.ok) throw new Refusal(400, parsed.error);
  const notice = changed(served, () => served.notices.update(idIn(name), parsed.value, byOf(caller, parsed.value.by), iso(served.now().wallMs)));
  if (notice === "full") return full("this notice has as many updates as one may have: end it, and begin another");
  return json(notice ?? missing(`there is no notice ${name}`));
}

export function noticesRemove({ name }: Asked, served: Served): Reply {
  if (!changed(served, () => served.notices.remove(idIn(name)))) missing(`there is no notice ${name}`);
  return json({ removed: idIn(name) });
}

/** What the public reads changes at once. */
function changed<Value>(served: Served, change: () => Value): Value {
  made.delete(served.history);
  return change();
}

function full(message: string): never {
  throw new Refusal(409, message);
}

/** On the control socket it is who the request says; elsewhere it is known who asks. */
function byOf(caller: Caller, said: string | undefined): NoticeReport["by"] {
  return caller.by === "socket" ? (said ?? "somebody") : (caller.user ?? "somebody");
}

function idIn(name: string): number {
  return /^[0-9]{1,15}$/.test(name) ? Number(name) : missing(`there is no notice ${name.slice(0, 40)}`);
}
