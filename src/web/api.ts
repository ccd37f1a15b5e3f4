// Questions to the watcher and their answers, as values: a refusal is an answer too. Whatever changes something carries the
// session's word against posts from other sites (CSRF_HEADER); a 401 anywhere means that one has to log in.

import type { Answer, Command, EventLine, Failure, LoginRequest, Session, SetUp, SetUpRequest } from "../api/contract.ts";
import { CSRF_HEADER, PATHS } from "../api/contract.ts";
import { session, shutOut } from "./session.ts";

export type Asked<Body> = { readonly ok: true; readonly body: Body } | { readonly ok: false; readonly status: number; readonly error: string; /** Asked again with this it may be answered. */ readonly needs?: Failure["needs"] };

/** Longer than the watcher itself takes for anything (30 s for a command). */
const LIMIT_MS = 40_000;

type Request = { readonly method?: "GET" | "POST" | "PATCH" | "DELETE"; readonly body?: unknown; readonly signal?: AbortSignal };

export async function ask<Body>(path: string, request: Request = {}): Promise<Asked<Body>> {
  const answered = await askText(path, request);
  if (!answered.ok) return answered;
  if (answered.body === "") return { ok: true, body: undefined as Body };
  try {
    return { ok: true, body: JSON.parse(answered.body) as Body };
  } catch {
    return { ok: false, status: 0, error: "the watcher's answer cannot be read" };
  }
}

/** Lines of JSON. */
export async function askLines<Line>(path: string, request: Request = {}): Promise<Asked<readonly Line[]>> {
  const answered = await askText(path, request);
  if (!answered.ok) return answered;
  try {
    return { ok: true, body: answered.body.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Line) };
  } catch {
    return { ok: false, status: 0, error: "the watcher's answer broke off" };
  }
}

async function askText(path: string, { method = "GET", body, signal }: Request): Promise<Asked<string>> {
  const headers: Record<string, string> = { accept: "application/json, application/x-ndjson" };
  if (body !== undefined) headers["content-type"] = "application/json";
  const csrf = session.value?.csrf ?? null;
  if (method !== "GET" && csrf !== null) headers[CSRF_HEADER] = csrf;
  const limit = AbortSignal.timeout(LIMIT_MS);
  try {
    const response = await fetch(path, { method, headers, cache: "no-store", signal: signal === undefined ? limit : AbortSignal.any([signal, limit]), ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    const text = await response.text();
    if (response.ok) return { ok: true, body: text };
    if (response.status === 401 && path !== PATHS.session) shutOut();
    const { error, needs } = failureIn(text);
    return { ok: false, status: response.status, error: error ?? `the watcher answered ${response.status}`, ...(needs === undefined ? {} : { needs }) };
  } catch (error) {
    if (error instanceof DOMException && error.name === "TimeoutError") return { ok: false, status: 0, error: `no answer within ${LIMIT_MS / 1_000} s: it is not known what became of it` };
    return { ok: false, status: 0, error: "the watcher cannot be reached" };
  }
}

function failureIn(text: string): Partial<Failure> {
  try {
    const { error, needs } = JSON.parse(text) as Failure;
    return { ...(typeof error === "string" ? { error } : {}), ...(needs === undefined ? {} : { needs }) };
  } catch {
    return {};
  }
}

/** `by` is for the control socket: over TCP the watcher writes down who is logged in, whatever is said here. */
export function command(asked: Command): Promise<Asked<Answer>> {
  return ask<Answer>(PATHS.commands, { method: "POST", body: { by: session.value?.user ?? "page", command: asked } });
}

/** Lines of the journal, the newest last. */
export function events(query: Readonly<Record<string, string | number>>, signal?: AbortSignal): Promise<Asked<readonly EventLine[]>> {
  const words = new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)]));
  return askLines<EventLine>(`${PATHS.events}?${words.toString()}`, signal === undefined ? {} : { signal });
}

export const whoAmI = () => ask<Session>(PATHS.session);
export const setUpNeeded = () => ask<SetUp>(PATHS.setUp);
export const logIn = (body: LoginRequest) => ask<Session>(PATHS.session, { method: "POST", body });
export const logOut = () => ask<undefined>(PATHS.session, { method: "DELETE" });
export const setUp = (body: SetUpRequest) => ask<Session>(PATHS.setUp, { method: "POST", body });
