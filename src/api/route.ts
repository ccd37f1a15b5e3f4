// What a row of the table of routes is (routes.ts): a method, a path, who may ask at least, and a function from what was asked
// to a reply, both plain values. Nothing in here knows a socket; who is asking has been found out before (server.ts), and
// whether he may is decided from the row alone, in one place, so that no answer has to think of it.

import type { HostFinding } from "../core/finding.ts";
import type { Policy } from "../core/policy.ts";
import type { Now } from "../core/time.ts";
import type { State } from "../core/state.ts";
import type { AlertTest, AlertsReport, Answer, Command, Failure, RecordAnswer, ReloadAnswer, Role } from "./contract.ts";
import { ROLES } from "./contract.ts";
import type { Access } from "./access/access.ts";
import type { Feed } from "./feed.ts";
import type { History } from "./history.ts";
import type { Counts } from "./metrics/counts.ts";
import type { ProcessFigures } from "./metrics/metric.ts";
import type { Notices } from "./status-page/notices.ts";
import type { StatusPageConfig } from "./status-page/serve.ts";
import type { Live } from "./stream.ts";
import type { RoundStrips } from "./strips.ts";

/**
 * How much may be asked for, from the least: nothing that needs a name; `/metrics` alone, for a scraper's token; then the roles
 * of people. Each may what the ones before it may.
 */
export const STANDINGS = ["anyone", "metrics", ...ROLES] as const;
export type Standing = "anyone" | "metrics" | Role;

/** Whether somebody of this standing may ask for what needs the other. */
export function reaches(standing: Standing, least: Standing): boolean {
  return STANDINGS.indexOf(standing) >= STANDINGS.indexOf(least);
}

/** Who is asking. */
export type Caller = {
  readonly role: Standing;
  /** Null: nobody has to log in here (the control socket, loopback before there are users), or nobody has. */
  readonly user: string | null;
  readonly by: "socket" | "session" | "token" | "open";
  /** The address that the connection came from; null: the control socket. */
  readonly from: string | null;
  /** What shows who it is; null where nothing has to. */
  readonly credential: Credential | null;
};

export type Credential = {
  readonly id: string;
  /** Of a token. */
  readonly name: string | null;
  /** Wall clock; null: no end. */
  readonly untilMs: number | null;
  /** What has to come with every change by a cookie. */
  readonly csrf: string | null;
};

/** As it stands in the journal and in the audit trail. */
export function nameOf(caller: Caller): string {
  const { user, credential } = caller;
  if (caller.by === "socket") return credential?.name ?? "somebody on the control socket";
  if (user === null) return "nobody";
  return credential?.name === null || credential === null ? user : `${user} (token ${credential.name})`;
}

export type Sources = {
  /** The running watcher, as far as it is asked here. */
  readonly watcher: { readonly state: State; readonly policy: Policy; command(by: string, command: Command): Promise<Answer & { readonly id: number }> };
  readonly history: History;
  readonly strips: RoundStrips;
  /** What has happened since the start, for /metrics. */
  readonly counts: Counts;
  /** What only the process around the watcher knows. */
  processFigures(): Promise<ProcessFigures>;
  now(): Now;
  /** Tells the history how hosts stand now. */
  look(): void;
  /** Reads the configuration again; the old one goes on when it is not accepted. */
  reload(): Promise<ReloadAnswer>;
  /** Records a dialogue with a power device; `null`: there is none of that name. */
  record(device: string): Promise<RecordAnswer | null>;
  /** Whom the watcher calls, and how that goes (src/alerts). */
  readonly alerts: { report(): AlertsReport; test(channel: string | null, signal: AbortSignal): Promise<readonly AlertTest[] | null> };
  /** What the public is told, as configured now; null: nothing. */
  statusPage(): StatusPageConfig | null;
  readonly notices: Notices;
  /** The agents that this watcher takes in; null: it takes none. */
  agents(): AgentsSource | null;
  readonly version: string;
};

/** What of src/watcher/agents is asked here. */
export type AgentsSource = {
  heard(host: string): { readonly connected: boolean; readonly heardMs: number; readonly sinceMs: number; readonly hello: { readonly version: string; readonly from: string }; readonly findings: readonly HostFinding[] } | null;
  code(by: string, host: string, forMs: number): Promise<{ readonly exit: number; readonly text: string; readonly code: string | null }>;
};

/** What answers are made from: the sources, and what the doors share. */
export type Served = Sources & { readonly feed: Feed; readonly live: Live; readonly access: Access; readonly doors: Doors };

/** How this watcher can be reached from outside. */
export type Doors = { /** `https://watcher.lan:8443`; null: there is no TCP. */ readonly url: string | null; /** SHA-256 of a certificate of its own. */ readonly fingerprint: string | null; readonly secure: boolean };

export type Method = "GET" | "POST" | "PATCH" | "DELETE";

export type Reply =
  | { readonly kind: "json"; readonly status: number; readonly body: unknown; readonly headers?: Headers }
  | { readonly kind: "text"; readonly status: number; readonly type: string; readonly text: string }
  /** Text that comes page by page, to be asked for as fast as it can be sent. */
  | { readonly kind: "pages"; readonly type: string; readonly first: string; readonly rest: AsyncGenerator<string, void, undefined> }
  /**
   * `first`, and then whatever is written, without an end. `start` gives the function that ends it, which is called once, however
   * the reader leaves. Whoever does not keep up is cut off (send.ts); `heartbeat` is sent now and then, where nothing
   * else shows that the other end is still there. Who would rather not be cut off looks at the `line` before he writes.
   */
  | { readonly kind: "stream"; readonly type: string; readonly first: string | Buffer; readonly heartbeat: string | null; start(write: (text: string | Buffer) => void, line: Line): () => void }
  | FileReply;

/** The connection that a stream goes out by. */
export type Line = {
  /** Bytes that were written and have not left yet. */
  backlog(): number;
  /** Ends it at once. */
  cut(): void;
};

/** A file of the page as it was built. `forever`: its name changes with its content. */
export type FileReply = { readonly kind: "file"; readonly type: string; readonly etag: string; readonly forever: boolean; /** How long others may keep it without asking again. */ readonly freshMs?: number; readonly bytes: Buffer; readonly gzip?: Buffer; readonly brotli?: Buffer };

type Headers = Readonly<Record<string, string>>;

/** What was asked, already strict: only parameters that the row names, each given once. */
export type Asked<Key extends string = string> = {
  /** What stands for `:name` or `*` in the path, decoded; empty in a path without it. */
  readonly name: string;
  readonly query: Readonly<Record<Key, string | undefined>>;
  /** JSON, of POST and PATCH only. */
  readonly body: unknown;
  readonly caller: Caller;
};

export type Route = {
  readonly method: Method;
  /** `/v1/hosts`, `/v1/hosts/:name`, or `*`; GET answers HEAD, too. */
  readonly path: string;
  /** The least standing that may ask; a token's scopes are its standing. */
  readonly least: Standing;
  /** Parameters that it takes. */
  readonly query: readonly string[];
  /** Answers even before the watcher has started. */
  readonly early: boolean;
  answer(asked: Asked, served: Served): Reply | Promise<Reply>;
};

/** A row; the parameters that it names are those that its answer sees. */
export function route<const Key extends string = never>(
  method: Method, path: string, least: Standing, answer: (asked: Asked<Key>, served: Served) => Reply | Promise<Reply>,
  options: { readonly query?: readonly Key[]; readonly early?: boolean } = {},
): Route {
  return { method, path, least, query: options.query ?? [], early: options.early ?? false, answer };
}

/** Ends an answer with a status and a sentence. */
export class Refusal extends Error {
  readonly status: number;
  readonly headers: Headers;
  readonly needs: Failure["needs"];
  constructor(status: number, message: string, headers: Headers = {}, needs?: Failure["needs"]) {
    super(message);
    this.status = status;
    this.headers = headers;
    this.needs = needs;
  }
}

export function json(body: unknown, status = 200, headers: Headers = {}): Extract<Reply, { kind: "json" }> {
  return { kind: "json", status, body, headers };
}

export function failure(status: number, error: string, headers: Headers = {}, needs?: Failure["needs"]): Extract<Reply, { kind: "json" }> {
  const body: Failure = { error, ...(needs === undefined ? {} : { needs }) };
  return json(body, status, headers);
}

export function missing(message: string): never {
  throw new Refusal(404, message);
}

/** Unix milliseconds. */
export function timeIn(key: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const atMs = Date.parse(text);
  if (Number.isNaN(atMs)) throw new Refusal(400, `${key} is not a time in ISO 8601, like 2026-01-31T12:00:00Z`);
  return atMs;
}

export function whole(key: string, text: string, min: number, max: number): number {
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : NaN;
  if (!(value >= min && value <= max)) throw new Refusal(400, `${key} is a whole number from ${min} to ${max}`);
  return value;
}

