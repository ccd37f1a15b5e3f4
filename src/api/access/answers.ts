// What the rows of sessions, the set-up, users, tokens and the audit trail answer (routes.ts): bodies are checked, what is kept is
// asked (access.ts, people.ts), and a cookie is set or taken away.

import type { z } from "zod";
import type { Session, SetUp, SetUpLink } from "../contract.ts";
import type { Asked, Reply, Served } from "../route.ts";
import { Refusal, json, whole } from "../route.ts";
import { AUDIT_MAX } from "./access-file.ts";
import { SESSION_MS } from "./access.ts";
import { addToken, addUser, changeUser, removeToken, removeUser, tokensFor, userReport } from "./people.ts";

const AUDIT_DEFAULT = 200;

type Schemas = typeof import("../schema/access.ts");
type Bodies = { readonly [Name in "loginRequest" | "setUpRequest" | "userRequest" | "userChange" | "tokenRequest"]: z.infer<Schemas[Name]> };

/** The schema brings zod, which most watchers never need (ADR 9). What is refused is told by field, never quoted: it may be a password. */
async function read<Name extends keyof Bodies>(name: Name, body: unknown): Promise<Bodies[Name]> {
  const schemas = await import("../schema/access.ts");
  const parsed = schemas[name].safeParse(body);
  if (parsed.success) return parsed.data as Bodies[Name];
  throw new Refusal(400, parsed.error.issues.slice(0, 3).map((issue) => `${issue.path.join(".") || "the request"}: ${issue.message}`).join("; "));
}

export function session({ caller }: Asked, { access }: Served): Reply {
  if (caller.role === "anyone") throw new Refusal(401, access.needsSetUp ? "there is no user yet: set the watcher up first" : "log in first", AUTHENTICATE);
  if (caller.role === "metrics") throw new Refusal(403, "this token may read /metrics and nothing else");
  const user = caller.user === null ? null : access.file().user(caller.user);
  const untilMs = caller.credential?.untilMs ?? null;
  const told: Session = { user: caller.user, role: caller.role, csrf: caller.credential?.csrf ?? null, totp: user !== null && user.totp !== null, expires: untilMs === null ? null : new Date(untilMs).toISOString() };
  return json(told);
}

/** RFC 9110 §11.6.1: a 401 says how. */
export const AUTHENTICATE = { "www-authenticate": 'Bearer realm="upkeep"' };

export async function logIn({ body, caller }: Asked, served: Served): Promise<Reply> {
  if (caller.by === "socket") throw new Refusal(400, "on the control socket nobody has to log in");
  const { session: begun, secret } = await served.access.logIn(await read("loginRequest", body), caller.from ?? "");
  return json(begun, 200, cookie(served, secret));
}

export function logOut({ caller }: Asked, served: Served): Reply {
  served.access.logOut(caller);
  return json({ user: null, role: "viewer", csrf: null, totp: false, expires: null } satisfies Session, 200, cookie(served, null));
}

export function setUp(_asked: Asked, { access }: Served): Reply {
  return json({ needed: access.needsSetUp } satisfies SetUp);
}

export async function firstUser({ body, caller }: Asked, served: Served): Promise<Reply> {
  if (!served.access.needsSetUp) throw new Refusal(409, "there is a user: log in");
  const { session: begun, secret } = await served.access.setUp(await read("setUpRequest", body), caller.from ?? "");
  return json(begun, 200, cookie(served, secret));
}

export function setUpLink({ caller }: Asked, served: Served): Reply {
  if (caller.by !== "socket") throw new Refusal(403, "a set-up link is made on the watcher's own machine: upkeep user set-up");
  if (!served.access.needsSetUp) throw new Refusal(409, "there are users; another one is made with: upkeep user add NAME --role admin");
  return json(newLink(served));
}

/** Its code stands behind a `#`: a browser sends that to nobody. */
export function newLink({ access, doors }: Pick<Served, "access" | "doors">): SetUpLink {
  const { code, expires } = access.newSetUpCode();
  return { code, link: doors.url === null ? null : `${doors.url}/set-up#${code}`, expires, fingerprint: doors.fingerprint };
}

export function users(_asked: Asked, { access }: Served): Reply {
  return json(access.needsSetUp ? [] : access.file().users().map(userReport));
}

export async function userAdd({ body }: Asked, { access }: Served): Promise<Reply> {
  const request = await read("userRequest", body);
  // The first one is an admin, or nobody could make a second one from elsewhere.
  if (access.needsSetUp && request.role !== "admin") throw new Refusal(409, "the first user is an admin");
  return json(await addUser(access, request), 201);
}

export async function userChange({ name, body, caller }: Asked, { access }: Served): Promise<Reply> {
  const change = await read("userChange", body);
  if (Object.keys(change).every((key) => key === "now")) throw new Refusal(400, "nothing is asked for: role, password, totp, or code");
  return json(await changeUser(access, name, change, caller));
}

export function userRemove({ name, caller }: Asked, { access }: Served): Reply {
  return json(removeUser(access, name, caller));
}

export function tokens({ caller }: Asked, { access }: Served): Reply {
  return json(tokensFor(access, caller));
}

export async function tokenAdd({ body, caller }: Asked, { access }: Served): Promise<Reply> {
  return json(addToken(access, await read("tokenRequest", body), caller), 201);
}

export function tokenRemove({ name, caller }: Asked, { access }: Served): Reply {
  return json(removeToken(access, name, caller));
}

export function audit({ query }: Asked<"limit">, { access }: Served): Reply {
  const limit = query.limit === undefined ? AUDIT_DEFAULT : whole("limit", query.limit, 1, AUDIT_MAX);
  return { kind: "text", status: 200, type: "application/x-ndjson; charset=utf-8", text: access.audited(limit).map((line) => `${JSON.stringify(line)}\n`).join("") };
}

/** HttpOnly: no script reads it. SameSite=Strict: no other site sends it. `secret` null: it is taken away. */
function cookie({ access, doors }: Served, secret: string | null): Readonly<Record<string, string>> {
  return { "set-cookie": `${access.cookieName(doors.secure)}=${secret ?? ""}; Path=/; HttpOnly; SameSite=Strict${doors.secure ? "; Secure" : ""}; Max-Age=${secret === null ? 0 : SESSION_MS / 1_000}` };
}

