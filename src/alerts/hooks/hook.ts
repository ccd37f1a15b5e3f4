// A web hook as a row of facts: where it is called, what is said in which place, how severity and the end of an alarm are
// written there, and what counts as taken. The code that calls (../webhook.ts) knows no service. A new one: a row in a file of
// its own, a line in index.ts; its settings, its page and its tests follow from the row.

import type { Escape, Json } from "../template.ts";

/** How bad it is; `over` is the end of an alarm, however bad it was. */
export type Level = "critical" | "warning" | "info" | "over";

export type SettingFacts = {
  readonly about: string;
  /** Read from a file or a variable, and never printed. */
  readonly secret?: true;
  /** Left out: the setting is required. */
  readonly default?: string | null;
  /** What it has to look like; `says` is told when it does not. */
  readonly pattern: RegExp;
  readonly says: string;
};

export type HookBody =
  | { readonly json: Json }
  | { readonly form: Readonly<Record<string, string>> }
  | { readonly text: string; readonly type: string };

export type HookRequest = {
  readonly method: "POST" | "PUT" | "GET" | "PATCH" | "DELETE";
  /** Settings are put in as they are, fields of the message percent-encoded. */
  readonly url: string;
  /** A header whose value is a setting that was left out is left out. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: HookBody | null;
};

export type HookFacts = {
  readonly name: string;
  /** What people call it. */
  readonly title: string;
  /** One sentence: what arrives there. */
  readonly about: string;
  /** How to get what the settings ask for. */
  readonly steps: readonly string[];
  /** Where its interface is described. */
  readonly api: string;
  readonly settings: Readonly<Record<string, SettingFacts>>;
  readonly request: HookRequest;
  /** The end of an alarm, where it is another request; left out: the same one. */
  readonly over?: HookRequest;
  /** Fields of this service's own, by level; may hold fields of the message. */
  readonly values: Readonly<Record<string, Readonly<Record<Level, string | number>>>>;
  readonly escape: Escape;
  /** How long `{title}` and `{text}` may be there, in characters. */
  readonly titleMax: number;
  readonly textMax: number;
  /** False where each alarm is something that is opened and closed under a name. */
  readonly grouped: boolean;
  /** What a good answer has in its JSON, beside a status of 2xx. */
  readonly taken?: { readonly field: string; readonly is: string | number | boolean };
  /** Statuses that say that this very message will never be taken. All other failures are tried again: a person may mend them. */
  readonly refuses: readonly number[];
  /** Where its answer says how many seconds to wait, beside the header Retry-After. */
  readonly waitField?: string;
  /** What proved it: a program that took it in a test. `none`: only our own reading of its interface did. */
  readonly acceptedBy: string;
};

/** What may stand in templates. */
export const FIELDS = {
  id: "the message's own id, the same in the log, in the mail's header and in a retry",
  event: "the number of the line of the journal that led to it, for `upkeep why`, or empty",
  alarm: "the alarm's name, the same from `raised` to `over`: `held:logos`",
  key: "site and alarm in one, for services that keep alarms apart by a key",
  kind: "`held`, `storm`, …",
  severity: "`critical`, `warning` or `info`",
  state: "`raised`, `again` or `over`",
  host: "the host, or empty",
  source: "the host, or the site where there is none",
  incident: "the incident's name, or empty",
  site: "the site",
  watcher: "which watcher tells it",
  title: "the subject, on one line",
  text: "the whole text, on several lines",
  happened: "what happened; at the end why it is over",
  done: "what was done",
  asked: "what is asked of the reader",
  count: "of how many alarms it speaks",
  at: "when, ISO 8601",
  until: "30 days later, for services in which what is not repeated ends by itself",
} as const;

export type Field = keyof typeof FIELDS;
