// The table of everything that may be asked, a row a path and method, and the one place where a request meets it: is there such
// a path, may this caller, is what it asks well formed. It is decided without a socket; both doors use the same table
// (ADR 19.1). To add an answer: a row here and a function in a file of its own. The path `*` is
// what no other row has, outside `/v1/`: the page, whose own paths only it knows.

import { audit, firstUser, logIn, logOut, session, setUp, setUpLink, tokenAdd, tokenRemove, tokens, userAdd, userChange, userRemove, users } from "./access/answers.ts";
import { agent, agentCode, agentRevoke, agents } from "./agents.ts";
import { command, record, reload } from "./asking.ts";
import { alertTest, alerts } from "./calling.ts";
import { AVAILABILITY_QUERY, availability } from "./availability.ts";
import { PATHS } from "./contract.ts";
import { EVENTS_QUERY, RESULTS_QUERY, events, health, host, incident, incidents, results, status, why } from "./looking.ts";
import { pageFile } from "./page-files.ts";
import { noticesAdd, noticesList, noticesRemove, noticesUpdate, statusPage, statusPageFiles, statusPageStyle } from "./status-page/serve.ts";
import { leases } from "./leases.ts";
import type { Caller, Method, Reply, Route, Served } from "./route.ts";
import { Refusal, failure, reaches, route } from "./route.ts";
import { metrics, openapi, stream } from "./watching.ts";

/** Whatever has no row of its own, outside `/v1/`. */
const ELSEWHERE = "*";

export const ROUTES: readonly Route[] = [
  route("GET", PATHS.health, "anyone", health, { early: true }),
  route("GET", PATHS.status, "viewer", status, { query: ["host"] }),
  route("GET", `${PATHS.hosts}/:name`, "viewer", host),
  route("GET", `${PATHS.why}/:name`, "viewer", why),
  route("GET", PATHS.events, "viewer", events, { query: EVENTS_QUERY }),
  route("GET", PATHS.incidents, "viewer", incidents, { query: ["limit"] }),
  route("GET", `${PATHS.incidents}/:name`, "viewer", incident),
  route("GET", PATHS.history, "viewer", results, { query: RESULTS_QUERY }),
  route("GET", `${PATHS.history}/:name`, "viewer", results, { query: RESULTS_QUERY }),
  route("GET", PATHS.availability, "viewer", availability, { query: AVAILABILITY_QUERY }),
  route("GET", PATHS.stream, "viewer", stream),
  route("GET", PATHS.metrics, "metrics", metrics),
  route("GET", PATHS.openapi, "viewer", openapi, { early: true }),
  route("GET", "/status", "anyone", statusPage),
  route("GET", "/status.css", "anyone", statusPageStyle),
  route("GET", PATHS.statusPage, "viewer", statusPageFiles),
  route("GET", PATHS.notices, "viewer", noticesList),
  route("POST", PATHS.notices, "operator", noticesAdd),
  route("PATCH", `${PATHS.notices}/:name`, "operator", noticesUpdate),
  route("DELETE", `${PATHS.notices}/:name`, "operator", noticesRemove),
  route("GET", PATHS.session, "anyone", session, { early: true }),
  route("POST", PATHS.session, "anyone", logIn, { early: true }),
  route("DELETE", PATHS.session, "anyone", logOut, { early: true }),
  route("GET", PATHS.setUp, "anyone", setUp, { early: true }),
  route("POST", PATHS.setUp, "anyone", firstUser, { early: true }),
  route("POST", PATHS.setUpLink, "admin", setUpLink, { early: true }),
  route("GET", PATHS.users, "admin", users, { early: true }),
  route("POST", PATHS.users, "admin", userAdd, { early: true }),
  // Everybody may change himself, and only an admin others (access/people.ts).
  route("PATCH", `${PATHS.users}/:name`, "viewer", userChange, { early: true }),
  route("DELETE", `${PATHS.users}/:name`, "admin", userRemove, { early: true }),
  route("GET", PATHS.tokens, "viewer", tokens, { early: true }),
  route("POST", PATHS.tokens, "viewer", tokenAdd, { early: true }),
  route("DELETE", `${PATHS.tokens}/:name`, "viewer", tokenRemove, { early: true }),
  route("GET", PATHS.audit, "admin", audit, { query: ["limit"], early: true }),
  route("POST", PATHS.commands, "operator", command),
  route("POST", PATHS.reload, "admin", reload),
  route("GET", PATHS.alerts, "viewer", alerts),
  route("POST", PATHS.alertTest, "operator", alertTest),
  route("GET", PATHS.leases, "viewer", leases),
  route("GET", PATHS.agents, "viewer", agents, { query: ["host"] }),
  route("GET", `${PATHS.agents}/:name`, "viewer", agent),
  route("POST", `${PATHS.agents}/:name`, "admin", agentCode),
  route("DELETE", `${PATHS.agents}/:name`, "admin", agentRevoke),
  route("POST", `${PATHS.record}/:name`, "admin", record),
  route("GET", ELSEWHERE, "anyone", (asked) => pageFile(asked), { early: true }),
];

/** What the path of a request leads to: a row, or the reply that says why there is none. */
export type Found = { readonly route: Route; readonly name: string } | { readonly refused: Reply };

type Rows = ReadonlyMap<Method, Route>;
const exact = new Map<string, Map<Method, Route>>();
/** By what stands before `/:name`. */
const named = new Map<string, Map<Method, Route>>();
for (const row of ROUTES) {
  const [, base = row.path, name] = /^(.*?)(\/:name)?$/.exec(row.path) ?? [];
  const paths = name === undefined ? exact : named;
  const rows = paths.get(base) ?? new Map<Method, Route>();
  if (rows.has(row.method)) throw new Error(`assertion failed: ${row.method} ${row.path} stands in the table twice`);
  paths.set(base, rows.set(row.method, row));
}

/** Looks a request up, before its body is read: whoever may not ask is not listened to. */
export function find(method: string, path: string, caller: Caller): Found {
  const asked = method === "HEAD" ? "GET" : method;
  const { rows, encoded } = rowsOf(path);
  const row = rows?.get(asked as Method);
  if (row !== undefined && reaches(caller.role, row.least)) {
    try {
      return { route: row, name: decodeURIComponent(encoded) };
    } catch {
      return { refused: failure(400, "the path is not well encoded") };
    }
  }
  if (caller.by === "open" && caller.role !== "anyone" && (asked !== "GET" || (rows !== undefined && row === undefined))) {
    return { refused: failure(405, "this port is read-only until there is a user: commands are taken by `upkeep` on the watcher's own machine, and `upkeep user set-up` makes the first user", { allow: "GET, HEAD" }) };
  }
  if (rows === undefined) return { refused: failure(404, "there is nothing here; see /v1/status") };
  if (row === undefined) {
    const methods = [...rows.keys()].flatMap((each) => (each === "GET" ? ["GET", "HEAD"] : [each]));
    return { refused: failure(405, `${path} takes ${[...rows.keys()].join(", ")}`, { allow: methods.join(", ") }) };
  }
  if (caller.role === "anyone") return { refused: failure(401, "log in first") };
  return { refused: failure(403, `this takes the role ${row.least}, and yours is ${caller.role}`) };
}

function rowsOf(path: string): { readonly rows: Rows | undefined; readonly encoded: string } {
  const rows = exact.get(path);
  if (rows !== undefined) return { rows, encoded: "" };
  const slash = path.lastIndexOf("/");
  const encoded = path.slice(slash + 1);
  const found = encoded.length < 1 || encoded.length > 800 ? undefined : named.get(path.slice(0, slash));
  if (found !== undefined || path.startsWith("/v1/")) return { rows: found, encoded };
  return { rows: exact.get(ELSEWHERE), encoded: path.slice(0, 800) };
}

/** Answers one request that led to a row; rejects only on what nobody foresaw. */
export async function answer({ route: row, name }: Extract<Found, { route: Route }>, query: URLSearchParams, body: unknown, caller: Caller, served: Served): Promise<Reply> {
  try {
    if (!served.watcher.state.started && !row.early) throw new Refusal(503, "the watcher is starting: ask again in a moment");
    return await row.answer({ name, query: row.path === ELSEWHERE ? {} : parameters(query, row.query), body, caller }, served);
  } catch (error) {
    if (error instanceof Refusal) return failure(error.status, error.message, error.headers, error.needs);
    throw error;
  }
}

function parameters(query: URLSearchParams, allowed: readonly string[]): Readonly<Record<string, string | undefined>> {
  const asked: Record<string, string> = {};
  for (const [key, value] of query) {
    if (!allowed.includes(key)) throw new Refusal(400, `there is no parameter ${key.slice(0, 40)} here${allowed.length === 0 ? "" : `; parameters: ${allowed.join(", ")}`}`);
    if (asked[key] !== undefined) throw new Refusal(400, `${key} is given twice`);
    asked[key] = value;
  }
  return asked;
}
