// A web hook as a channel: a row of facts (hooks/) or a template of one's own, filled in with a message and called. What comes
// back is a failure that is tried again, unless the service says that it will never take this message; what it says goes into
// the evidence without anything that is secret. Loaded with the first message: a watcher that only sends mail does without.

import type { Channel, Delivery } from "./channel.ts";
import type { Call } from "./http.ts";
import { call } from "./http.ts";
import type { Field, HookBody, HookFacts, HookRequest, Level } from "./hooks/hook.ts";
import type { Message, Sender } from "./message.ts";
import { oneLine } from "./message.ts";
import { escaperOf, fill, fillTree, fitted, soleName } from "./template.ts";
import type { Values } from "./template.ts";

/** What the configuration gave a hook; secrets open. Left out: undefined. */
export type HookSettings = Readonly<Record<string, string | undefined>>;

export type CallableHook = Pick<HookFacts, "name" | "request" | "over" | "values" | "escape" | "titleMax" | "textMax" | "grouped" | "taken" | "refuses" | "waitField"> & {
  readonly settings: HookSettings;
  /** Texts that are printed nowhere. */
  readonly secrets: readonly string[];
};

const LIMIT_MS = 20_000;
const EVIDENCE_MAX = 300;
const KEY_MAX = 250;
const UNTIL_MS = 30 * 86_400_000;
const CUT = "\n… (cut: see upkeep alerts list)";

export function webhookChannel(name: string, hook: CallableHook, sender: Sender, limitMs = LIMIT_MS): Channel {
  return {
    name, kind: hook.name, grouped: hook.grouped,
    async deliver(message, _only, signal) {
      const made = requestOf(hook, message, sender);
      const host = URL.parse(made.url)?.host ?? "its URL";
      const answer = await call(made, limitMs, signal);
      if ("failure" in answer) return { kind: "failed", evidence: `${host}: ${answer.failure}` };
      return judge(hook, host, answer);
    },
  };
}

/** What is sent for this message. */
export function requestOf(hook: CallableHook, message: Message, sender: Sender): Call {
  const level: Level = message.state === "over" ? "over" : message.severity;
  const plain = fieldsOf(message, sender);
  const own = Object.fromEntries(Object.entries(hook.values).map(([name, by]): [string, string | number] => [name, typeof by[level] === "number" ? by[level] : fill(String(by[level]), plain)]));
  const values: Values = { ...plain, ...hook.settings, ...own };
  const escape = (text: string, name: string): string => (name in plain ? escaperOf(hook.escape)(text) : text);
  const texts: Values = { ...values, title: fitted(plain.title, hook.titleMax, "…"), text: fitted(plain.text, roomFor(plain.text, hook), CUT) };
  const request = message.state === "over" ? (hook.over ?? hook.request) : hook.request;
  return {
    method: request.method,
    url: fill(request.url, values, (text, name) => (name in plain ? encodeURIComponent(text) : text)),
    headers: { ...headersOf(request, values), ...(request.body === null ? {} : { "content-type": typeOf(request.body) }) },
    body: request.body === null ? null : bodyOf(request.body, texts, escape),
  };
}

/** Characters of the text that are at most `textMax` once they are escaped. */
function roomFor(text: string, { escape, textMax }: CallableHook): number {
  const of = escaperOf(escape);
  let room = Math.min(text.length, textMax);
  while (room > 0 && of(text.slice(0, room)).length > textMax) room = Math.floor(room * 0.9);
  return room;
}

function fieldsOf(message: Message, { site, watcher }: Sender): Readonly<Record<Field, string>> {
  const key = `${site}/${message.alarm}`;
  return {
    id: message.id, event: message.event === null ? "" : String(message.event), alarm: message.alarm, key: key.length <= KEY_MAX ? key : `${key.slice(0, KEY_MAX - 33)}#${digestOf(key)}`, kind: message.kind, severity: message.severity, state: message.state,
    host: message.host ?? "", source: message.host ?? site, incident: message.incident ?? "", site, watcher,
    title: message.subject, text: message.body.trimEnd(), happened: message.happened, done: message.done, asked: message.asked, count: String(message.count),
    at: new Date(message.atMs).toISOString(), until: new Date(message.atMs + UNTIL_MS).toISOString(),
  };
}

function digestOf(text: string): string {
  return process.getBuiltinModule("node:crypto").createHash("sha256").update(text).digest("hex").slice(0, 32);
}

function headersOf(request: HookRequest, values: Values): Record<string, string> {
  const kept = Object.entries(request.headers).filter(([, template]) => !leftOut(template, values));
  // Beyond Latin-1 a header is refused by Node, and a line break in it would begin another one.
  return Object.fromEntries(kept.map(([name, template]) => [name, fill(template, values).replace(/[^\x20-\x7e]/g, "?")]));
}

/** Whether a setting in it was left out: `Bearer {token}` without a token. */
function leftOut(template: string, values: Values): boolean {
  return [...template.matchAll(/\{([A-Za-z]+)\}/g)].some(([, name = ""]) => name in values && values[name] === undefined);
}

function typeOf(body: HookBody): string {
  return "json" in body ? "application/json; charset=utf-8" : "form" in body ? "application/x-www-form-urlencoded" : body.type;
}

function bodyOf(body: HookBody, values: Values, escape: (text: string, name: string) => string): string {
  if ("json" in body) return JSON.stringify(fillTree(body.json, values, escape));
  if ("text" in body) return fill(body.text, values, escape);
  const fields = Object.entries(body.form).filter(([, template]) => soleName(template) === null || values[soleName(template) ?? ""] !== undefined);
  return new URLSearchParams(fields.map(([name, template]): [string, string] => [name, fill(template, values, escape)])).toString();
}

function judge(hook: CallableHook, host: string, { status, body, retryAfterMs }: { status: number; body: string; retryAfterMs: number | null }): Delivery {
  const said = scrub(body, hook.secrets);
  const evidence = `${host} answered ${status}${said === "" ? "" : `: ${said}`}`;
  const json = parse(body);
  if (status >= 200 && status < 300) {
    if (hook.taken === undefined || field(json, hook.taken.field) === hook.taken.is) return { kind: "delivered", note: null, left: [] };
    return { kind: "failed", evidence: `${evidence}, without ${hook.taken.field}: ${hook.taken.is}` };
  }
  if (status >= 300 && status < 400) return { kind: "failed", evidence: `${host} answered ${status}: redirects are not followed` };
  if (hook.refuses.includes(status)) return { kind: "refused", evidence };
  const seconds = hook.waitField === undefined ? undefined : field(json, hook.waitField);
  const waitMs = typeof seconds === "number" && seconds >= 0 ? Math.ceil(seconds * 1_000) : retryAfterMs;
  return { kind: "failed", evidence, ...(waitMs === null || (status !== 429 && status !== 503) ? {} : { retryAfterMs: waitMs }) };
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return null;
  }
}

function field(from: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((at, name) => (typeof at === "object" && at !== null && name in at ? (at as Record<string, unknown>)[name] : undefined), from);
}

/** A server may repeat what it was told; a secret URL is hidden in its parts, too. */
function scrub(text: string, secrets: readonly string[]): string {
  const parts = secrets.flatMap((secret) => {
    const url = URL.parse(secret);
    return url === null ? [secret, encodeURIComponent(secret)] : [secret, `${url.pathname}${url.search}`, ...url.pathname.split("/").filter((part) => part.length >= 8)];
  });
  const hidden = parts.filter((part) => part.length > 1).toSorted((a, b) => b.length - a.length).reduce((rest, part) => rest.replaceAll(part, "[secret]"), text);
  return oneLine(hidden, EVIDENCE_MAX);
}
