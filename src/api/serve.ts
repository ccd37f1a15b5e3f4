// One request, from its first line to its reply: was it meant for this server, who asks, may he, is it really he who asks and
// not a page that he looks at, what does it say, and what is written down of it. The order matters: nothing is read of a body
// before it is known that its sender may send it.

import type { IncomingMessage, ServerResponse } from "node:http";
import { AUTHENTICATE } from "./access/answers.ts";
import { IDLE_MS, NOBODYS } from "./access/access.ts";
import { sameText } from "./access/credentials.ts";
import { BODY_BYTES_MAX, BY_HEADER, BY_MAX, CSRF_HEADER } from "./contract.ts";
import { hostOf, isOurs } from "./host-header.ts";
import type { Caller, Reply, Served } from "./route.ts";
import { failure, nameOf } from "./route.ts";
import { answer, find } from "./routes.ts";
import { send } from "./send.ts";

/** By which door a request came. `names`: those that are ours beside localhost and this machine's addresses, in lower case. */
export type Door = { readonly kind: "socket" } | { readonly kind: "tcp"; readonly names: ReadonlySet<string>; readonly secure: boolean; /** Somebody vouches for the certificate. */ readonly vouched: boolean };

const WHAT_CHARS_MAX = 300;
/** A cookie's stream begins anew in half the time after which an unused session ends: who watches is not away. */
const STREAM_MAX_MS = IDLE_MS / 2;

/** Answers one request; rejects on what nobody foresaw. */
export async function serve(request: IncomingMessage, response: ServerResponse, door: Door, served: Served): Promise<void> {
  if (door.kind === "tcp" && door.vouched) response.setHeader("strict-transport-security", "max-age=31536000");
  if (door.kind === "tcp" && !isOurs(request.headers.host, request.socket.localAddress, door.names)) {
    return send(request, response, failure(403, "this server has another name: use localhost, this machine's address, or a name of `api.names`"));
  }
  const url = URL.parse(request.url ?? "", "http://upkeep");
  if (url === null) return send(request, response, failure(400, "the path is not well encoded"));
  const { caller, rejected } = whoAsks(request, door, served);
  const body: { value: unknown } = { value: undefined };
  const reply = await replyTo(request, url, caller, rejected, body, door, served);
  writeDown(request, url, caller, rejected, body.value, reply, served);
  await send(request, response, reply);
  if (reply.kind === "stream") endInTime(response, caller, served);
}

function whoAsks(request: IncomingMessage, door: Door, { access }: Served): { readonly caller: Caller; readonly rejected: string | null } {
  const { authorization, cookie, [BY_HEADER]: by } = request.headers;
  if (door.kind === "socket") {
    const said = typeof by === "string" && by !== "" ? printable(by, BY_MAX) : null;
    return { caller: { role: "admin", user: null, by: "socket", from: null, credential: said === null ? null : { id: "", name: said, untilMs: null, csrf: null } }, rejected: null };
  }
  const from = request.socket.remoteAddress ?? "";
  return access.identify({ authorization, cookie, from, loopback: isLoopback(from), secure: door.secure });
}

async function replyTo(request: IncomingMessage, url: URL, caller: Caller, rejected: string | null, body: { value: unknown }, door: Door, served: Served): Promise<Reply> {
  const method = request.method ?? "";
  // A token that is none is never nobody: its owner must hear of it.
  if (rejected !== null && request.headers.authorization !== undefined) return failure(401, rejected, AUTHENTICATE);
  const found = find(method, url.pathname, caller);
  if ("refused" in found) return caller.role === "anyone" && found.refused.kind === "json" && found.refused.status === 401 ? failure(401, rejected ?? (served.access.needsSetUp ? "there is no user yet: the watcher's log has the link to the set-up, and `upkeep user set-up` prints another" : "log in first"), AUTHENTICATE) : found.refused;
  if (method !== "GET" && method !== "HEAD" && door.kind === "tcp") {
    const wrong = notHimself(request, caller);
    if (wrong !== null) return failure(403, wrong);
  }
  if (found.route.method === "POST" || found.route.method === "PATCH") {
    const read = await readBody(request);
    if (!read.ok) return failure(read.status, read.error);
    body.value = read.body;
  }
  return answer(found, url.searchParams, body.value, caller, served);
}

/**
 * Why a change may be a page's idea and not the caller's. What a browser sends by itself is a cookie; the session's word and the
 * right origin it sends for our own page only. A token is sent by whoever holds it.
 */
function notHimself(request: IncomingMessage, caller: Caller): string | null {
  if (caller.by === "token") return null;
  const { origin, host, "sec-fetch-site": site, [CSRF_HEADER]: word } = request.headers;
  if (origin !== undefined && (URL.parse(origin)?.host ?? "").toLowerCase() !== plainHost(origin, host)) return "this was sent by a page of another origin";
  if (site !== undefined && site !== "same-origin" && site !== "none") return "this was sent by a page of another site";
  if (caller.by === "session" && (typeof word !== "string" || !sameText(word, caller.credential?.csrf ?? ""))) return `the header ${CSRF_HEADER} is missing or of another session`;
  return null;
}

/** The Host header as a URL of that scheme writes it: without the port that needs not be named. */
function plainHost(origin: string, host: string | undefined): string {
  return hostOf(host) === null ? "" : (URL.parse(`${origin.startsWith("https:") ? "https" : "http"}://${host}`)?.host ?? "").toLowerCase();
}

type Body = { readonly ok: true; readonly body: unknown } | { readonly ok: false; readonly status: number; readonly error: string };

async function readBody(request: IncomingMessage): Promise<Body> {
  if (!/^application\/json\s*(;|$)/i.test(request.headers["content-type"] ?? "")) return { ok: false, status: 415, error: "the body must be application/json" };
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > BODY_BYTES_MAX) return { ok: false, status: 413, error: `the body is larger than ${BODY_BYTES_MAX} bytes` };
      chunks.push(chunk);
    }
    return { ok: true, body: JSON.parse(Buffer.concat(chunks).toString("utf8")) };
  } catch {
    return { ok: false, status: 400, error: "the body is not JSON" };
  }
}

/** A stream ends with what let its reader in. */
function endInTime(response: ServerResponse, caller: Caller, { access }: Served): void {
  if (caller.by === "socket") return;
  const { id, untilMs } = caller.credential ?? { id: NOBODYS, untilMs: null };
  const leftMs = Math.min(untilMs === null ? STREAM_MAX_MS : untilMs - access.now(), STREAM_MAX_MS);
  const timer = setTimeout(() => response.destroy(), Math.max(0, leftMs)).unref();
  const stop = access.onEnded((ended) => {
    if (ended === id) response.destroy();
  });
  response.on("close", () => {
    clearTimeout(timer);
    stop();
  });
}

// ---- the audit trail ------------------------------------------------------------------------------------------------------

/** Of a body these are written down: what is asked, of whom, and never a password, a code or a secret. */
const TOLD = ["kind", "action", "brake", "scope", "host", "watcher", "alarm", "user", "name", "role", "scopes", "totp", "forMs", "reason"] as const;

function writeDown(request: IncomingMessage, { pathname }: URL, caller: Caller, rejected: string | null, body: unknown, reply: Reply, { access }: Served): void {
  const status = "status" in reply ? reply.status : 200;
  const changes = request.method !== "GET" && request.method !== "HEAD";
  if (!changes && rejected === null && status !== 403) return;
  const told = fields(body);
  const what = printable(`${request.method} ${pathname}${told === "" ? "" : ` ${told}`}`, WHAT_CHARS_MAX);
  const said = caller.by === "socket" && caller.credential === null && typeof body === "object" && body !== null && "by" in body && typeof body.by === "string" ? body.by : null;
  access.audit({ who: printable(said ?? nameOf(caller), BY_MAX), by: caller.by, from: caller.from, what, answer: printable(outcome(status, reply), WHAT_CHARS_MAX) }, status >= 400);
}

function fields(body: unknown): string {
  if (typeof body !== "object" || body === null) return "";
  const flat = { ...body, ...("command" in body && typeof body.command === "object" ? body.command : {}) } as Readonly<Record<string, unknown>>;
  return TOLD.flatMap((key) => {
    const value = flat[key];
    return typeof value === "string" || typeof value === "number" || Array.isArray(value) ? [`${key}=${String(value).slice(0, 100)}`] : [];
  }).concat("password" in flat ? ["password"] : []).join(" ");
}

function outcome(status: number, reply: Reply): string {
  if (reply.kind !== "json" || typeof reply.body !== "object" || reply.body === null) return String(status);
  const { error, exit, text, accepted, event } = reply.body as { readonly error?: unknown; readonly event?: unknown; readonly exit?: unknown; readonly text?: unknown; readonly accepted?: unknown };
  if (error !== undefined) return `${status} ${String(error)}`;
  if (exit !== undefined) return `exit ${String(exit)}: ${String(text)}${typeof event === "number" ? ` (line ${event})` : ""}`;
  return accepted === undefined ? "done" : accepted === true ? "accepted" : "refused";
}

function printable(text: string, max: number): string {
  return text.slice(0, max).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]/gu, "?");
}

export function isLoopback(address: string): boolean {
  return address === "::1" || /^(::ffff:)?127\./.test(address);
}
