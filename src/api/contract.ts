// What the watcher says over its control socket and over TCP, shared by the server, the command line and later the page.
// Types, constants and two small pure modules of the core: a client that imports this loads next to nothing.
//
// HTTP/1.1 with JSON. Over TCP a session's cookie or `Authorization: Bearer TOKEN` says who asks, and until there are users it is
// read-only; of the control socket the permission of its file (0660) is who may. Errors are `{ error: "a sentence" }` with a
// status of 400 or above.

import type { AvailabilityParts } from "../core/availability.ts";
import type { Forecast } from "../core/forecast.ts";
import type { Command } from "../core/io.ts";
import type { Why } from "../core/explain.ts";
import type { IncidentReport } from "../core/report.ts";

export { UpkeepError } from "../core/errors.ts";
export { ALARM_MANUAL, availabilityInWords, inWords, plannedPaceInWords } from "../core/words.ts";
export type { LeaseReport } from "../core/leases.ts";
export type { AlarmReport, BrakeReport, DeviceReport, HostReport, IncidentReport, OperationReport, OutletReport, ProbeReport, StatusReport, StormReport, VoteReport, WatcherReport } from "../core/report.ts";
export type { AvailabilityParts, Command, Forecast, Why };

export const PATHS = {
  /** `?host=NAME` restricts `hosts`. → StatusReport */
  status: "/v1/status",
  /** `/v1/hosts/NAME` → HostReport */
  hosts: "/v1/hosts",
  /** `/v1/why/HOST`, `/v1/why/INCIDENT`, or `/v1/why/SEQ`, the number of a line of the journal → WhyReport */
  why: "/v1/why",
  /** `?since=TIME&after=SEQ&host=NAME&incident=NAME&kind=A,B&limit=N&follow=1` → EventLine, one a line; follow goes on for ever. */
  events: "/v1/events",
  /** `?limit=N` → IncidentReport[], the newest last; `/v1/incidents/NAME` → IncidentReport */
  incidents: "/v1/incidents",
  /**
   * `/v1/history/HOST?probe=ID&since=TIME&until=TIME&step=raw|minute|hour` → ResultLine or RollupLine, one a line, oldest first;
   * `/v1/history?…` of all hosts, one after the other.
   */
  history: "/v1/history",
  /**
   * `?from=TIME&to=TIME&step=all|month|day&by=host|group&host=NAME&perDay=N` → AvailabilityReport. Without `from` and `to`: this
   * month (UTC) until now. `perDay`: outages to reckon with in the forecast.
   */
  availability: "/v1/availability",
  /** → StatusPageFiles: the public status page as files, for a web server of one's own. It is served at `/status` as well. */
  statusPage: "/v1/status-page",
  /** GET → NoticeReport[]; POST NoticeRequest → NoticeReport; PATCH NoticeUpdateRequest, DELETE `/v1/notices/ID`. */
  notices: "/v1/notices",
  /** → server-sent events (live.ts): a snapshot, then what changes. */
  stream: "/v1/stream",
  /** GET → Session or 401; POST LoginRequest → Session, DELETE ends it. */
  session: "/v1/session",
  /** GET → SetUp; POST SetUpRequest → Session: the first user, an admin, by the one-time code that the watcher printed. */
  setUp: "/v1/set-up",
  /** POST {} → SetUpLink: a new one, and the one before is void. On the control socket only. */
  setUpLink: "/v1/set-up/link",
  /** GET → UserReport[]; POST UserRequest → UserReport; `/v1/users/NAME`: PATCH UserChange → UserChanged, DELETE → UserReport. */
  users: "/v1/users",
  /** GET → TokenReport[]; POST TokenRequest → TokenReport with `secret`, shown once; DELETE `/v1/tokens/ID` → TokenReport. */
  tokens: "/v1/tokens",
  /** `?limit=N` → AuditLine, one a line, the newest last: who asked for what, and what became of it. */
  audit: "/v1/audit",
  /** → OpenAPI 3.1 of all this. */
  openapi: "/v1/openapi.json",
  /** → Prometheus' text format. */
  metrics: "/metrics",
  /** → Health; 503 when it is not well. */
  health: "/v1/health",
  /** POST CommandRequest → Answer. */
  commands: "/v1/commands",
  /** POST {} → ReloadAnswer. */
  reload: "/v1/reload",
  /** GET → AlertsReport: who was told what, and what waits. */
  alerts: "/v1/alerts",
  /** POST AlertTestRequest → AlertTest[]: each of those channels is tried once. */
  alertTest: "/v1/alerts/test",
  /**
   * GET → AgentReport[], `?host=NAME` only of this one; `/v1/agents/HOST`: GET → AgentDetails; POST AgentCodeRequest → AgentCode, a code that is good once;
   * DELETE → AgentAnswer: revoked.
   */
  agents: "/v1/agents",
  /** → LeaseReport[]. */
  leases: "/v1/leases",
  /** POST {} to `/v1/record/DEVICE` → RecordAnswer. */
  record: "/v1/record",
} as const;

/** The largest body that is read. */
export const BODY_BYTES_MAX = 16_384;
/** Lines of `events` in one answer, at most and when none are asked for. */
export const EVENTS_MAX = 10_000;
export const EVENTS_DEFAULT = 1_000;
export const INCIDENTS_MAX = 1_000;
/** How many may follow the events at once. */
export const FOLLOWERS_MAX = 32;
/** Characters of a reason, and of who asks. */
export const REASON_MAX = 500;
export const BY_MAX = 100;
/** Ten years: the longest that a brake may be asked for. */
export const FOR_MAX_MS = 3_650 * 86_400_000;

/** A line of the journal. */
export type EventLine = {
  readonly seq: number;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly kind: string;
  readonly host: string | null;
  readonly because: string;
  readonly incident: string | null;
  /** Sequence number of the line that led to this one. */
  readonly cause: number | null;
};

export const STEPS = ["raw", "minute", "hour"] as const;
export type Step = (typeof STEPS)[number];

/** One result of one probe. Latencies are kept to the hundredth of a millisecond below 2, to half a percent above. */
export type ResultLine = {
  /** When the round began; ISO 8601, UTC. */
  readonly at: string;
  readonly host: string;
  readonly probe: string;
  readonly outcome: "good" | "slow" | "bad" | "unknown";
  readonly latencyMs: number;
  /** Present where this watcher did not reach its references then: the result says nothing about the host. */
  readonly references?: "lost";
  readonly perfdata?: readonly { readonly label: string; readonly value: number; readonly unit?: string }[];
};

/** Results of one probe in a minute or an hour. Latencies of those that were answered, good or slow; null where none was. */
export type RollupLine = {
  /** When that time begins; ISO 8601, UTC. */
  readonly at: string;
  readonly host: string;
  readonly probe: string;
  readonly stepMs: number;
  readonly count: number;
  readonly good: number;
  readonly slow: number;
  readonly bad: number;
  readonly unknown: number;
  readonly minMs: number | null;
  readonly meanMs: number | null;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly maxMs: number | null;
};

// ---- availability (ADR 23) ----------------------------------------------------------------------------------------------

export const AVAILABILITY_STEPS = ["all", "month", "day"] as const;
export type AvailabilityStep = (typeof AVAILABILITY_STEPS)[number];
/** Periods of one answer, and lines of hosts in it. */
export const PERIODS_MAX = 1_000;
export const AVAILABILITY_LINES_MAX = 50_000;

/** `availability`: of the time that was watched and not planned away, the share in which it was up; null: there is none. */
export type AvailabilityLine = AvailabilityParts & { readonly availability: number | null };

export type AvailabilityReport = {
  readonly site: string;
  /** Whose record this is: each watcher knows what was while it ran. */
  readonly watcher: string;
  readonly at: string;
  readonly from: string;
  readonly to: string;
  /** Since when it is on record how hosts stand; what lies before is unknown. Null: not yet. */
  readonly recordedSince: string | null;
  readonly periods: readonly {
    readonly from: string;
    readonly to: string;
    readonly total: AvailabilityLine;
    readonly groups: readonly (AvailabilityLine & { readonly group: string; readonly hosts: number })[];
    /** Empty with `by=group`. */
    readonly hosts: readonly (AvailabilityLine & { readonly host: string; readonly group: string })[];
  }[];
  /** What to expect of the configuration and of the last 90 days. Empty with `by=group`. `odds`: that all of a group are down at one moment, if one has nothing to do with another. */
  readonly forecast: { readonly hosts: readonly (Forecast & { readonly host: string; readonly group: string })[]; readonly groups: readonly { readonly group: string; readonly hosts: number; readonly odds: number | null }[] };
};

// ---- the status page (ADR 23) ---------------------------------------------------------------------------------------------

export type StatusPageFiles = { readonly files: Readonly<Record<string, string>> };

export const NOTICE_SEVERITIES = ["info", "maintenance", "disturbance", "outage"] as const;
export const NOTICE_TITLE_MAX = 120;
export const NOTICE_TEXT_MAX = 5_000;
export const NOTICES_MAX = 200;
export const NOTICE_UPDATES_MAX = 100;

/** What people tell the public. `text` is a subset of Markdown; `by` is never shown there. */
export type NoticeReport = {
  readonly id: number;
  readonly title: string;
  readonly severity: (typeof NOTICE_SEVERITIES)[number];
  /** Names of what stands on the status page. */
  readonly components: readonly string[];
  readonly by: string;
  readonly began: string;
  readonly ended: string | null;
  /** The first is what it began with. */
  readonly updates: readonly { readonly at: string; readonly by: string; readonly text: string }[];
};

/** `by`: on the control socket only; elsewhere it is known. */
export type NoticeRequest = Pick<NoticeReport, "title" | "severity" | "components"> & { readonly text: string; readonly by?: string | undefined };
export type NoticeUpdateRequest = { readonly text?: string | undefined; readonly severity?: NoticeReport["severity"] | undefined; readonly end?: boolean | undefined; readonly by?: string | undefined };

// ---- agents (ADR 30) -----------------------------------------------------------------------------------------------------

/** How long a code is good, at most. */
export const AGENT_CODE_MAX_MS = 7 * 86_400_000;

/** The agent of a host, as this watcher has it. */
export type AgentReport = {
  readonly host: string;
  /** connected: to this watcher, at present. away: enrolled, and not connected. invited: a code is out, and was never used. */
  readonly state: "connected" | "away" | "revoked" | "invited";
  /** Since when it is connected or away, as far as this watcher has seen. ISO 8601. */
  readonly since: string | null;
  /** When anything was heard of it last. */
  readonly heard: string | null;
  readonly version: string | null;
  /** The address that it comes from. */
  readonly from: string | null;
  readonly enrolled: string | null;
  readonly revoked: { readonly by: string; readonly at: string } | null;
  /** A code that is good still. */
  readonly code: { readonly by: string; readonly until: string } | null;
  /** How many of each it has found, when it was heard last. */
  readonly findings: { readonly good: number; readonly warn: number; readonly bad: number; readonly unknown: number };
};
export type FindingReport = { readonly subject: string; readonly verdict: "good" | "warn" | "bad" | "unknown"; readonly because: string; /** Power may be the cure. */ readonly mayCut: boolean };
/** `found`: the worst first. */
export type AgentDetails = AgentReport & { readonly found: readonly FindingReport[] };
export type AgentCodeRequest = { readonly forMs: number };
export type AgentAnswer = { readonly exit: number; readonly text: string };
/** `watchers`: where this and the other watchers are, as far as they say. */
export type AgentCode = AgentAnswer & { readonly code: string | null; readonly watchers: readonly string[] };

// ---- who may (ADR 19) ---------------------------------------------------------------------------------------------------

/** viewer: reads. operator: commands too. admin: users, tokens of others, reload, recordings too. Each may what the one before may. */
export const ROLES = ["viewer", "operator", "admin"] as const;
export type Role = (typeof ROLES)[number];

/** What a token may, at most what its owner may: `read`; `metrics`: /metrics and nothing else; `command`; `admin`. */
export const SCOPES = ["metrics", "read", "command", "admin"] as const;
export type Scope = (typeof SCOPES)[number];

/** The header that carries `csrf` on every request that changes something and is allowed by a cookie. */
export const CSRF_HEADER = "x-upkeep-csrf";
/** On the control socket: who asks, in the audit trail. */
export const BY_HEADER = "x-upkeep-by";

export type LoginRequest = { readonly user: string; readonly password: string; /** Six digits, where the user has TOTP. */ readonly code?: string };

/** Who is asking. `user` null: nobody has to log in here (the control socket; loopback before there are users). */
export type Session = { readonly user: string | null; readonly role: Role; readonly csrf: string | null; readonly totp: boolean; /** ISO 8601; null: no end. */ readonly expires: string | null };

/** `needed`: there is no user yet. */
export type SetUp = { readonly needed: boolean };
export type SetUpLink = { readonly code: string; /** Null: there is no TCP, or nobody knows by which name. */ readonly link: string | null; readonly expires: string; /** Of the certificate, where the watcher made it. */ readonly fingerprint: string | null };
export type SetUpRequest = { readonly code: string; readonly user: string; readonly password: string };

export type UserReport = { readonly user: string; readonly role: Role; readonly totp: boolean; readonly created: string; readonly lastSeen: string | null };
export type UserRequest = { readonly user: string; readonly role: Role; readonly password: string };
/**
 * `now`: the present password, wanted of everybody who changes himself. `totp`: "enrol" answers with a secret, which holds from the
 * request on that brings its first `code`; "off" ends it.
 */
export type UserChange = { readonly role?: Role; readonly password?: string; readonly now?: string; readonly totp?: "enrol" | "off"; readonly code?: string };
export type UserChanged = UserReport & { /** Shown once: the secret, and as a phone's camera reads it. */ readonly enrolment?: { readonly secret: string; readonly uri: string }; /** Shown once: what opens the door when the phone is lost, each of them once. */ readonly recovery?: readonly string[] };
/** A user's name as it can be made. */
export const USER_NAME = /^[a-z0-9][a-z0-9._@-]{0,39}$/;
export const TOKEN_NAME = /^[A-Za-z0-9][A-Za-z0-9 ._-]{0,39}$/;

export type TokenReport = { readonly id: string; readonly name: string; readonly user: string; readonly scopes: readonly Scope[]; readonly created: string; readonly expires: string | null; readonly lastSeen: string | null; /** Only in the answer that makes it. */ readonly secret?: string };
export type TokenRequest = { readonly name: string; readonly scopes: readonly Scope[]; readonly forMs: number | null; /** Whose; the caller's own where it is left out. */ readonly user?: string };

export type AuditLine = { readonly at: string; readonly who: string; /** `socket`, `session`, `token` */ readonly by: string; readonly from: string | null; readonly what: string; readonly answer: string };

/** `by`: who asks; over TCP it is the caller, whatever it says. */
export type CommandRequest = { readonly by: string; readonly command: Command };

export type Answer = {
  /** 0 done · 1 there was nothing to do · 2 no such host · 4 refused by a brake · 5 outcome unknown. */
  readonly exit: 0 | 1 | 2 | 4 | 5;
  readonly text: string;
  readonly incident: string | null;
  readonly operation: number | null;
  /** The name that must be typed before this is done. */
  readonly confirm: string | null;
  /** Number of the line of the journal that says so; null: none is known. */
  readonly event: number | null;
};

/** `problems`: of the configuration, `FILE:LINE:COLUMN: …`, errors and warnings. Not accepted: the old one goes on. */
export type ReloadAnswer = { readonly accepted: boolean; readonly problems: readonly string[] };

/** How people are called (src/alerts). Times are ISO 8601, UTC. */
export type AlertsReport = {
  readonly alarms: readonly {
    readonly alarm: string;
    /** Channels in the order in which they were told. */
    readonly told: readonly { readonly channel: string; readonly at: string }[];
    /** Who is called next, if nobody acknowledges. */
    readonly next: { readonly to: readonly string[]; readonly at: string } | null;
  }[];
  readonly channels: readonly {
    readonly channel: string;
    /** `mail`, `command`, `slack`, … */
    readonly kind: string;
    /** Messages that are not delivered yet. */
    readonly waiting: number;
    readonly oldest: string | null;
    /** Why the last delivery failed; null: it did not. */
    readonly failing: string | null;
    readonly tried: string | null;
    readonly delivered: string | null;
    readonly next: string | null;
  }[];
};

/** `channel` null: all. */
export type AlertTestRequest = { readonly channel: string | null };
export type AlertTest = { readonly channel: string; readonly delivered: boolean; /** What was said against it. */ readonly evidence: string | null };

/** A recording of a dialogue with a power device (power/recording.ts). */
export type RecordAnswer = { readonly text: string };

/** `missing`: why older lines could not be read, if so. */
export type WhyReport =
  | (Why & { readonly kind: "host"; readonly at: string; readonly open: IncidentReport | null; readonly events: readonly EventLine[]; readonly missing: string | null })
  | { readonly kind: "incident"; readonly at: string; readonly incident: IncidentReport; readonly events: readonly EventLine[]; readonly missing: string | null }
  /** `events`: the lines that led to it, the oldest first, and itself. */
  | { readonly kind: "event"; readonly at: string; readonly event: EventLine; readonly events: readonly EventLine[]; readonly missing: string | null };

export type Health = {
  readonly ok: boolean;
  readonly site: string;
  readonly watcher: string;
  readonly version: string;
  readonly at: string;
  /** Why it is not well. */
  readonly why: string | null;
};

/** `needs`: asked again with this, it may be answered. */
export type Failure = { readonly error: string; readonly needs?: "code" };

