// Whom to call, how, and when. `mail` and `command` are channels of those names; more of them stand under `channels`, each a
// mapping of one kind, as probes are. The settings of a web hook come from its row of facts (src/alerts/hooks), so that a new
// one needs nothing here.

import { z } from "zod";
import { HOOKS } from "../../alerts/hooks/index.ts";
import type { HookName } from "../../alerts/hooks/index.ts";
import type { HookFacts, SettingFacts } from "../../alerts/hooks/hook.ts";
import type { Hours } from "../../alerts/hours.ts";
import { HOURS_HINT, isTimeZone, parseHours } from "../../alerts/hours.ts";
import type { Json } from "../../alerts/template.ts";
import { ESCAPE_NAMES } from "../../alerts/template.ts";
import type { Parsed } from "../duration.ts";
import { expectations } from "../expect.ts";
import type { SecretInput } from "../fields.ts";
import { about, address, argv, choice, duration, flag, name, noShell, parsed, secret, text } from "../fields.ts";
import { NAME_PATTERN } from "../ranges.ts";

const DAY_MS = 86_400_000;
const SEVERITIES = ["critical", "warning", "info"] as const;
/** Of the core (AlarmKind); src/config/alerts.test.ts compares. */
export const ALARM_KINDS = ["held", "storm", "unguarded", "owed-on", "disagreement", "time-went-back", "ledger", "history", "disarmed", "cut", "foreign", "reboots", "return"] as const;

const url = text("An `http:` or `https:` URL.", { max: 2_048 }).superRefine((value, ctx) => {
  const tried = URL.parse(value);
  if (tried === null || !/^https?:$/.test(tried.protocol)) ctx.addIssue({ code: "custom", message: "not a URL of http or https", params: { hint: "write https://example.org/ping" } });
});
const DEADMAN_EVERY = "1m";
/** The URL as it is (who reads the configuration may know it), or from elsewhere. */
const deadmanUrl = z.union([
  url,
  z.strictObject({ file: z.string().min(1).max(4_096).meta(about("The file that holds it, relative to this one.")) }),
  z.strictObject({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/).max(256).meta(about("The environment variable that holds it.")) }),
]);
expectations.add(deadmanUrl, { says: "a URL, or { file: … } or { env: … } with one" });

const deadman = z.union([
  url.transform((value): { url: string | SecretInput; every: number } => ({ url: value, every: 60_000 })),
  z.strictObject({ url: deadmanUrl.meta(about("The URL, or `{ file: … }` or `{ env: … }` with it.", {}, "URL, or secret")), every: duration("How often it is called.", { minMs: 1_000, maxMs: DAY_MS, default: DEADMAN_EVERY }).default(60_000) }),
]);
expectations.add(deadman, { says: "a URL, or { url: …, every: 1m }" });

const mailbox = text("A mail address.", { max: 320 }).superRefine((value, ctx) => {
  if (!/^[^\s@<>,;:"]+(@[^\s@<>,;"]+)?$/.test(value)) ctx.addIssue({ code: "custom", message: `${JSON.stringify(value.slice(0, 60))} is not a mail address`, params: { hint: "write root@localhost; several as a list" } });
});
const mailboxes = z.union([mailbox.transform((to): readonly string[] => [to]), z.array(mailbox).min(1).max(50).transform((to): readonly string[] => to)]);
expectations.add(mailboxes, { says: "a mail address, or a list of them" });

const mail = z.strictObject({
  to: mailboxes.meta(about("Whom to call.", {}, "mail address, or list")),
  from: mailbox.meta(about("The sender; `upkeep@` and the machine's name where it is left out.")).optional(),
  server: address("The mail server.", { default: "localhost:25" }).default({ host: "localhost", port: 25 }),
  username: text("The user name at the server.", { max: 256 }).optional(),
  password: secret("The password at the server: `{ file: … }` or `{ env: … }`.").optional(),
  tls: z.enum(["starttls", "tls", "none"]).meta(about("`starttls`: required. `tls`: from the first byte. `none`: never. Left out: STARTTLS where the server offers it, `tls` on port 465; required with a password, except at this machine itself.")).optional(),
}).superRefine((value, ctx) => {
  for (const [one, other] of [["username", "password"], ["password", "username"]] as const) {
    if (value[one] !== undefined && value[other] === undefined) ctx.addIssue({ code: "custom", path: [one], message: `${one} without ${other}`, params: { hint: "both or neither" } });
  }
});

const program = argv("A program that calls a person, and its arguments; no shell is involved.");
const command = z.union([
  program.transform((run) => ({ run, grouped: false })),
  z.strictObject({ run: program, grouped: flag("Whether several alarms may come in one run, as a digest. A program that opens and closes something for each alarm must not have them so.", { default: false }).default(false) }),
]);
expectations.add(command, { says: "a program as a list, or { run: [program, …], grouped: true }", explain: noShell });

/** One word, or a list of words. */
function oneOrMore<T extends z.ZodType<string>>(one: T, says: string) {
  const list = z.union([one.transform((value): readonly z.output<T>[] => [value]), z.array(one).min(1).max(100).transform((value): readonly z.output<T>[] => value)]);
  expectations.add(list, { says });
  return list;
}

const channelNames = oneOrMore(name("A channel."), "the name of a channel, or a list of them");

const apprise = z.strictObject({
  config: text("Apprise's own configuration file, from the root, which holds the addresses: nobody but the watcher should read it.", { max: 4_096 }).superRefine((value, ctx) => {
    if (!value.startsWith("/")) ctx.addIssue({ code: "custom", message: "not a path from the root", params: { hint: "write /etc/upkeep/apprise.conf" } });
  }),
  tags: oneOrMore(z.string().regex(/^[A-Za-z0-9_-]{1,64}$/), "a tag, or a list of them").meta(about("Only the addresses with one of these tags.", {}, "tag, or list")).optional(),
  program: text("The program.", { default: "apprise", max: 4_096 }).default("apprise"),
});

function settingOf(facts: SettingFacts): z.ZodType {
  const field: z.ZodType = facts.secret === true ? secret(facts.about) : text(facts.about, { max: 2_048, ...(typeof facts.default === "string" ? { default: facts.default } : {}) }).superRefine((value, ctx) => {
    if (!facts.pattern.test(value)) ctx.addIssue({ code: "custom", message: `expected ${facts.says}`, params: {} });
  });
  if (facts.default === undefined) return field;
  return facts.default === null ? field.optional() : field.default(facts.default);
}

export type HookInput = Readonly<Record<string, string | SecretInput | undefined>>;

const hooks = Object.fromEntries(Object.entries(HOOKS).map(([hook, facts]: [string, HookFacts]) => [
  hook, z.strictObject(Object.fromEntries(Object.entries(facts.settings).map(([key, setting]) => [key, settingOf(setting)]))).meta(about(facts.about)).optional(),
])) as unknown as Record<HookName, z.ZodOptional<z.ZodType<HookInput>>>;

const leaf = z.union([z.string().max(16_384), z.number(), z.boolean(), z.null()]);
const tree: z.ZodType<Json> = z.lazy(() => z.union([leaf, z.array(tree).max(200), z.record(z.string().max(256), tree)]));
expectations.add(tree, { says: "text, a number, true, false, null, a list or a mapping" });
const anyJson = z.unknown().transform((value, ctx): Json => {
  const found = tree.safeParse(value);
  if (found.success) return found.data;
  ctx.addIssue({ code: "custom", message: "what is to become JSON is made of texts, numbers, true, false, null, lists and mappings", params: {} });
  return z.NEVER;
});

const templates = z.record(z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/), z.string().max(4_096));
expectations.add(templates, { says: "a mapping of names to texts" });
const headers = z.record(z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/), secret("A header's value."));
expectations.add(headers, { says: "a mapping of header names to texts, { file: … } or { env: … }" });

const body = {
  json: anyJson.meta(about("What becomes JSON: mappings and lists in whose texts `{title}`, `{text}` and the other fields may stand. Quotes and line breaks in them are taken care of.", {}, "mapping, or list")).optional(),
  form: templates.meta(about("As a form (`application/x-www-form-urlencoded`).", {}, "mapping of texts")).optional(),
  text: z.string().max(16_384).meta(about("As text, as it is.")).optional(),
} as const;

const webhook = z.strictObject({
  url: secret("The URL: `{ file: … }` or `{ env: … }`, since it is as good as a password at most services."),
  method: choice(["POST", "PUT", "PATCH", "GET"], "The method.", { default: "POST" }).default("POST"),
  headers: headers.meta(about("Headers; a value may be `{ file: … }` or `{ env: … }`.", {}, "mapping")).default({}),
  ...body,
  type: text("The content type of `text`.", { default: "text/plain; charset=utf-8", max: 200 }).default("text/plain; charset=utf-8"),
  escape: choice(ESCAPE_NAMES, "How the receiver reads text: `html`, `markdown`, `slack` (its mrkdwn), `cards` (Markdown that wants empty lines); `none` is plain text.", { default: "none" }).default("none"),
  grouped: flag("Whether several alarms may come in one call, as a digest.", { default: true }).default(true),
}).superRefine((value, ctx) => {
  const bodies = (["json", "form", "text"] as const).filter((kind) => value[kind] !== undefined);
  if (bodies.length > 1) ctx.addIssue({ code: "custom", path: [bodies[1] as string], message: `${bodies.join(" and ")}: one body, not two`, params: {} });
  if (bodies.length === 0 && value.method !== "GET") ctx.addIssue({ code: "custom", message: "what is sent?", params: { hint: "json: { text: \"{title}\" }, form: { … }, or text: \"{title}\"" } });
});

export type WebhookInput = z.output<typeof webhook>;

const kinds = {
  mail: mail.meta(about("Mail over SMTP.")).optional(),
  command: command.meta(about("Any program.", {}, "program, or mapping")).optional(),
  apprise: apprise.meta(about("Apprise, a program that knows many services; Debian has it as `apprise`.")).optional(),
  webhook: webhook.meta(about("Any URL, by a template of one's own.")).optional(),
  ...hooks,
} as const;

const channel = z.strictObject(kinds).superRefine((value, ctx) => {
  const found = Object.values(value).filter((kind) => kind !== undefined).length;
  if (found !== 1 && ctx.issues.length === 0) ctx.addIssue({ code: "custom", message: found === 0 ? "what kind of channel?" : "one kind of channel, not several", params: { hint: `one of ${Object.keys(kinds).join(", ")}` } });
}).meta({ minProperties: 1, maxProperties: 1 });

const hours = oneOrMore(text("Hours.", { max: 100 }), HOURS_HINT).transform((all, ctx): readonly Hours[] => all.flatMap((each) => {
  const found = parseHours(each);
  if (found === null) ctx.addIssue({ code: "custom", message: `${JSON.stringify(each)} are no hours of the week`, params: { hint: HOURS_HINT } });
  return found === null ? [] : [found];
}));
expectations.add(hours, { says: HOURS_HINT });

const fits = {
  kind: oneOrMore(z.enum(ALARM_KINDS), `a kind of alarm (${ALARM_KINDS.join(", ")}), or a list of them`).meta(about("Only these alarms (docs/reference/alarms.md has them all).", {}, "kind, or list")).optional(),
  groups: oneOrMore(name("A group."), "the name of a group, or a list of them").meta(about("Only alarms about hosts of these groups, and storms in them.", {}, "name, or list")).optional(),
  hosts: oneOrMore(name("A host."), "the name of a host, or a list of them").meta(about("Only alarms about these hosts.", {}, "name, or list")).optional(),
  hours: hours.meta(about("Only in these hours: `08:00-18:00 mon-fri`; over midnight the day is the one on which it begins; several as a list.", {}, "hours, or list")).optional(),
} as const;
const severities = oneOrMore(z.enum(SEVERITIES), "critical, warning or info, or a list of them");

const route = z.strictObject({
  severity: severities.meta(about("Only alarms of this severity.", {}, "severity, or list")).optional(),
  ...fits,
  to: channelNames.meta(about("The channels that are told.", {}, "channel, or list")),
});

const step = z.strictObject({
  after: duration("How long nobody has acknowledged it.", { minMs: 1_000, maxMs: 7 * DAY_MS }),
  severity: severities.meta(about("Only alarms of this severity.", { default: "critical" }, "severity, or list")).default(["critical"]),
  ...fits,
  to: channelNames.meta(about("The channels that are called then, beside those before.", {}, "channel, or list")),
});

const timeZone = parsed((value): Parsed<string> => isTimeZone(value) ? { ok: true, value } : { ok: false, message: `there is no time zone ${JSON.stringify(value.slice(0, 60))}`, hint: "write Europe/Berlin, or UTC" }, "VALUE_INVALID", "a time zone such as Europe/Berlin");

export const alerts = z.strictObject({
  mail: mail.meta(about("Mail over SMTP: the channel `mail`.")).optional(),
  command: command.meta(about("A program that calls a person, and its arguments; no shell is involved: the channel `command`. `{ run: […], grouped: true }`: several alarms in one run.", {}, "program, or mapping")).optional(),
  channels: z.record(z.string().regex(new RegExp(NAME_PATTERN)), channel).meta(about("More channels, by name: each a mapping of one kind, `chat: { slack: { url: { file: slack.url } } }`.")).default({}),
  routes: z.array(route).max(200).meta(about("Who is told of what. Every route that fits takes a message; one that no route takes goes to all channels.", { default: [] }, "list of routes")).default([]),
  escalate: z.array(step).max(50).meta(about("Who is called when nobody acknowledges.", { default: [] }, "list of steps")).default([]),
  group: duration("Messages to one channel so close together are one. A lone one waits 2 s at most. `0s`: each by itself.", { maxMs: 600_000, default: "10s" }).default(10_000),
  timeZone: timeZone.meta(about("The time zone of `hours`; the machine's where it is left out.", {}, "time zone")).optional(),
  deadman: deadman.meta(about("A URL that is called as long as this watcher lives; whoever serves it calls a person when the calls cease. `{ url: …, every: 1m }` for another pace.", {}, "URL, or mapping")).optional(),
  repeat: duration("How often an alarm that nobody has acknowledged is repeated.", { minMs: 10_000, maxMs: 7 * DAY_MS, default: "1h" }).default(3_600_000),
});

export type AlertsInput = z.output<typeof alerts>;
export type ChannelInput = z.output<typeof channel>;
export type MailInput = z.output<typeof mail>;
