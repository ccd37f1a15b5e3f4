// Whom to call, resolved: every channel with its settings and its secrets still closed, every route with the hosts that it is
// about. Templates are checked here, because here their line is known: one with a mistake would be found out at night.

import { FIELDS } from "../alerts/hooks/hook.ts";
import type { HookBody, HookFacts } from "../alerts/hooks/hook.ts";
import type { HookName } from "../alerts/hooks/index.ts";
import { HOOKS } from "../alerts/hooks/index.ts";
import type { Json } from "../alerts/template.ts";
import { templateProblem } from "../alerts/template.ts";
import { LIMITS } from "../core/policy.ts";
import type { AlertsConfig, ChannelSpec, MailConfig } from "./config.ts";
import type { SecretInput } from "./fields.ts";
import type { Gathered } from "./gather.ts";
import type { ProblemList } from "./problems.ts";
import type { ResolvedFleet } from "./resolve.ts";
import { Secret } from "./secret.ts";
import type { SecretReader } from "./secrets.ts";
import type { AlertsInput, ChannelInput, HookInput, MailInput, WebhookInput } from "./sections/alerts.ts";
import { alerts as alertsSchema } from "./sections/alerts.ts";
import type { Machine } from "./self.ts";
import { didYouMean } from "./suggest.ts";

const SMTP_PORT = 25;
const SMTPS_PORT = 465;
const URL_OF_HTTP = /^https?:\/\/[^\s/@?#]+/;

type Work = { readonly gathered: Gathered; readonly secrets: SecretReader; readonly problems: ProblemList; readonly machine: Machine };
type Path = readonly (string | number)[];

export async function resolveAlerts(work: Work, fleet: ResolvedFleet): Promise<AlertsConfig> {
  const { gathered } = work;
  // With mistakes in it the section is missing; they have been told.
  const input: AlertsInput = gathered.top.alerts ?? alertsSchema.parse({});
  const channels: ChannelSpec[] = [];
  const named: [string, ChannelInput, Path][] = [
    ...(input.mail === undefined ? [] : [["mail", { mail: input.mail }, ["alerts"]] satisfies [string, ChannelInput, Path]]),
    ...(input.command === undefined ? [] : [["command", { command: input.command }, ["alerts"]] satisfies [string, ChannelInput, Path]]),
    ...Object.entries(input.channels).map(([name, channel]): [string, ChannelInput, Path] => [name, channel, ["alerts", "channels", name]]),
  ];
  for (const [name, channel, path] of named) {
    if (channels.some((each) => each.name === name)) work.problems.add(gathered.at.place(path, "key"), "NAME_TAKEN", `a channel is called ${name} already: alerts.${name}`, "give one of them another name");
    const resolved = await resolveChannel(name, channel, path, work);
    if (resolved !== null) channels.push(resolved);
  }
  const names = named.map(([name]) => name);
  const rule = <T extends AlertsInput["routes"][number] | AlertsInput["escalate"][number]>(written: T, path: Path) => {
    const hosts = hostsOf(written, path, work, fleet);
    for (const to of written.to) {
      if (!names.includes(to)) work.problems.add(gathered.at.place([...path, "to"]), "CHANNEL_UNKNOWN", `there is no channel ${to}`, didYouMean(to, names) ?? `channels: ${names.join(", ") || "none"}`);
    }
    const { severity, kind, groups, hours, to } = written;
    return { to, ...(severity === undefined ? {} : { severity }), ...(kind === undefined ? {} : { kind }), ...(groups === undefined ? {} : { groups }), ...(hosts === null ? {} : { hosts }), ...(hours === undefined ? {} : { hours }) };
  };
  return {
    channels,
    routes: input.routes.map((route, at) => rule(route, ["alerts", "routes", at])),
    escalate: input.escalate.map((step, at) => ({ ...rule(step, ["alerts", "escalate", at]), afterMs: step.after })),
    groupMs: input.group, timeZone: input.timeZone ?? null,
    deadman: await resolveDeadman(input.deadman, work),
    repeatMs: gathered.top.alerts === undefined ? LIMITS.alarmEveryMs : input.repeat,
  };
}

/** Null: of all hosts. */
function hostsOf({ hosts, groups }: { readonly hosts?: readonly string[] | undefined; readonly groups?: readonly string[] | undefined }, path: Path, { gathered, problems }: Work, fleet: ResolvedFleet): readonly string[] | null {
  if (hosts === undefined && groups === undefined) return null;
  for (const host of hosts ?? []) {
    if (!gathered.hosts.has(host)) problems.add(gathered.at.place([...path, "hosts"]), "HOST_UNKNOWN", `no host is named ${host}`, didYouMean(host, gathered.hosts.keys()));
  }
  for (const group of groups ?? []) {
    if (!gathered.groups.has(group)) problems.add(gathered.at.place([...path, "groups"]), "GROUP_UNKNOWN", `no group is named ${group}`, didYouMean(group, gathered.groups.keys()) ?? "groups stand under groups:");
  }
  const members = fleet.hosts.filter((host) => host.groups.some((group) => groups?.includes(group) === true)).map((host) => host.policy.name);
  return [...new Set([...(hosts ?? []), ...members])];
}

async function resolveChannel(name: string, channel: ChannelInput, path: Path, work: Work): Promise<ChannelSpec | null> {
  const { mail, command, apprise, webhook, ...hooks } = channel;
  if (mail !== undefined) return { name, kind: "mail", options: await resolveMail(mail, [...path, "mail"], work) };
  if (command !== undefined) return { name, kind: "command", options: command };
  if (apprise !== undefined) return { name, kind: "apprise", options: { program: apprise.program, config: apprise.config, tags: apprise.tags ?? [] } };
  if (webhook !== undefined) return resolveWebhook(name, webhook, [...path, "webhook"], work);
  for (const [hook, input] of Object.entries(hooks) as [HookName, HookInput | undefined][]) {
    if (input !== undefined) return resolveHook(name, hook, input, [...path, hook], work);
  }
  return null;
}

async function resolveMail(mail: MailInput, path: Path, { gathered, secrets, machine }: Work): Promise<MailConfig> {
  const password = mail.password === undefined ? null : await secrets.read(mail.password, gathered.at.place([...path, "password"]), gathered.directory);
  const port = mail.server.port ?? SMTP_PORT;
  const local = /^(localhost|127\..*|::1)$/.test(mail.server.host);
  const tls = mail.tls ?? (port === SMTPS_PORT ? "tls" : password !== null && !local ? "starttls" : "offered");
  return { to: mail.to, from: mail.from ?? `upkeep@${machine.hostname}`, host: mail.server.host, port, username: mail.username ?? null, password, tls };
}

async function resolveHook(name: string, hook: HookName, input: HookInput, path: Path, work: Work): Promise<ChannelSpec | null> {
  const facts: HookFacts = HOOKS[hook];
  const settings: Record<string, string | Secret | null> = {};
  for (const [key, setting] of Object.entries(facts.settings)) {
    const written = input[key];
    const place = work.gathered.at.place([...path, key]);
    if (written === undefined || typeof written === "string") {
      settings[key] = written ?? null;
      if (written !== undefined) warnPlain(written, place, work);
      continue;
    }
    const found = await work.secrets.read(written, place, work.gathered.directory);
    if (found === null) return null;
    // Never quoted: it is a secret, or what was taken for one.
    if (!setting.pattern.test(found.reveal())) work.problems.add(place, "SECRET_INVALID", `${key} of ${hook}: expected ${setting.says}`);
    warnPlain(found.reveal(), place, work);
    settings[key] = found;
  }
  return { name, kind: "hook", hook, grouped: facts.grouped, settings };
}

async function resolveWebhook(name: string, input: WebhookInput, path: Path, work: Work): Promise<ChannelSpec | null> {
  const { gathered, secrets, problems } = work;
  const read = (written: SecretInput, at: Path, lint: boolean): Promise<Secret | null> => secrets.read(written, gathered.at.place([...path, ...at]), gathered.directory, lint);
  const url = await read(input.url, ["url"], true);
  if (url === null) return null;
  if (!URL_OF_HTTP.test(url.reveal())) problems.add(gathered.at.place([...path, "url"]), "SECRET_INVALID", "url: expected a URL of http or https, without a user or a password in it");
  warnPlain(url.reveal(), gathered.at.place([...path, "url"]), work);
  const headers: Record<string, string | Secret> = {};
  for (const [header, written] of Object.entries(input.headers)) {
    if ("literal" in written) {
      check(written.literal, ["headers", header]);
      headers[header] = written.literal;
    } else {
      const found = await read(written, ["headers", header], true);
      if (found === null) return null;
      headers[header] = found;
    }
  }
  const body: HookBody | null = input.json !== undefined ? { json: input.json } : input.form !== undefined ? { form: input.form } : input.text !== undefined ? { text: input.text, type: input.type } : null;
  if (body !== null) for (const [at, template] of templatesOf(body)) check(template, at);
  return { name, kind: "webhook", options: { url, method: input.method, headers, body, escape: input.escape, grouped: input.grouped } };

  function check(template: string, at: Path): void {
    const wrong = templateProblem(template, Object.keys(FIELDS));
    if (wrong !== null) problems.add(gathered.at.place([...path, ...at]), "TEMPLATE_INVALID", wrong.message, wrong.hint);
  }
}

/** Every template of a body, with its place. */
function templatesOf(body: HookBody): readonly (readonly [Path, string])[] {
  if ("text" in body) return [[["text"], body.text]];
  if ("form" in body) return Object.entries(body.form).map(([key, template]) => [["form", key], template] as const);
  const leaves = (tree: Json, path: Path): readonly (readonly [Path, string])[] => {
    if (typeof tree === "string") return [[path, tree]];
    if (typeof tree !== "object" || tree === null) return [];
    return Object.entries(tree).flatMap(([key, member]) => leaves(member as Json, [...path, Array.isArray(tree) ? Number(key) : key]));
  };
  return leaves(body.json, ["json"]);
}

/** In the clear to another machine. */
function warnPlain(url: string, place: Parameters<ProblemList["add"]>[0], { problems }: Work): void {
  const host = URL.parse(url)?.hostname ?? "";
  if (url.startsWith("http:") && !/^(localhost|127\..*|\[::1\])$/.test(host)) problems.add(place, "ALERTS_PLAIN", "alerts, and what allows them, go over the network in the clear", "write https://, if the server can");
}

async function resolveDeadman(input: AlertsInput["deadman"], { gathered, secrets, problems }: Work): Promise<AlertsConfig["deadman"]> {
  if (input === undefined) return null;
  if (typeof input.url === "string") return { url: new Secret(input.url), everyMs: input.every };
  const place = gathered.at.place(["alerts", "deadman", "url"]);
  const url = await secrets.read(input.url, place, gathered.directory);
  if (url !== null && !URL_OF_HTTP.test(url.reveal())) problems.add(place, "SECRET_INVALID", "url: expected a URL of http or https");
  return url === null ? null : { url, everyMs: input.every };
}
