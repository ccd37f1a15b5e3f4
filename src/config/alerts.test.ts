// `alerts`: what it resolves to, and that every mistake in it is told with its line and column, a template's too.

import assert from "node:assert/strict";
import { inspect } from "node:util";
import { test } from "node:test";
import { FIELDS } from "../alerts/hooks/hook.ts";
import { HOOKS } from "../alerts/hooks/index.ts";
import type { Config } from "./config.ts";
import { loadConfig } from "./load.ts";
import { openChannels } from "./open.ts";
import { formatProblem } from "./problems.ts";
import { ALARM_KINDS } from "./sections/alerts.ts";
import { FILE, loadGood, loadText, MACHINE, marked } from "./testing.ts";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const QUIET = "watcher: { name: w, references: [192.0.2.254] }\n";
const HOSTS = "hosts: { web1: { address: 10.0.0.1 }, db1: { address: 10.0.0.2 }, db2: { address: 10.0.0.3 } }\ngroups: { db: { hosts: [db1, db2] }, web: { hosts: [web1] } }\n";
const env = {
  SLACK: "https://hooks.slack.com/services/T0/B0/s3cretpath", PLAIN: "http://chat.example.org/hooks/s3cretpath", NOURL: "hooks.slack.com/s3cretpath", BOT: "123456:s3cretpath", WORD: "s3cretpath",
  KEY30: "s3cretpaths3cretpaths3cretpath", KEY32: "s3cretpaths3cretpaths3cretpath32",
};

const problemsOf = async (alerts: string): Promise<readonly string[]> => {
  const { text, places } = marked(`${QUIET}${HOSTS}alerts:\n${alerts}`);
  const { problems } = await loadText(text, { env });
  assert.equal(problems.length, places.length, problems.map(formatProblem).join("\n"));
  assert.deepEqual(problems.map(({ line, column }) => `${line}:${column}`), places, problems.map(formatProblem).join("\n"));
  for (const problem of problems) assert.doesNotMatch(formatProblem(problem), /s3cretpath/, "a secret was quoted");
  return problems.map(({ code, message, hint }) => `${code} ${message} ${hint ?? ""}`);
};

test("all kinds of channels, routes and steps arrive resolved", async () => {
  const { shell } = await loadGood(`${QUIET}${HOSTS}alerts:
  mail: { to: root@localhost }
  command: { run: [/bin/true, x], grouped: true }
  channels:
    chat: { slack: { url: { env: SLACK } } }
    pager: { pagerduty: { routingKey: { env: KEY32 } } }
    bot: { telegram: { token: { env: BOT }, chat: "-100200" } }
    any: { apprise: { config: /etc/apprise.conf, tags: night } }
    own: { webhook: { url: { env: SLACK }, headers: { x-token: { env: WORD }, x-alarm: "{alarm}" }, json: { text: "{title}", list: [1, true, null, { a: "{{x}}" }] }, escape: markdown } }
    late: { command: [page-me] }
  routes:
    - { severity: critical, groups: db, hours: "08:00-18:00 mon-fri", to: [chat, pager] }
    - { hosts: [web1, db1], kind: [held, cut], to: mail }
    - { to: [mail, bot, any, own, late, command] }
  escalate: [{ after: 10m, to: pager }]
  group: 5s
  timeZone: Europe/Berlin
  deadman: { url: { env: SLACK }, every: 2m }
`, { env });
  const { channels, routes, escalate, groupMs, timeZone, deadman } = shell.alerts;
  assert.deepEqual(channels.map(({ name, kind }) => `${name} ${kind}`), ["mail mail", "command command", "chat hook", "pager hook", "bot hook", "any apprise", "own webhook", "late command"]);
  assert.deepEqual(routes, [
    { severity: ["critical"], groups: ["db"], hosts: ["db1", "db2"], hours: [{ from: 480, to: 1_080, days: ["mon", "tue", "wed", "thu", "fri"] }], to: ["chat", "pager"] },
    { kind: ["held", "cut"], hosts: ["web1", "db1"], to: ["mail"] },
    { to: ["mail", "bot", "any", "own", "late", "command"] },
  ]);
  assert.deepEqual(escalate, [{ severity: ["critical"], to: ["pager"], afterMs: 600_000 }]);
  assert.deepEqual([groupMs, timeZone, deadman?.url.reveal(), deadman?.everyMs], [5_000, "Europe/Berlin", env.SLACK, 120_000]);
  assert.doesNotMatch(inspect(shell, { depth: 20 }) + JSON.stringify(shell.alerts), /s3cretpath/, "a configuration does not print its secrets");
  const own = openChannels(channels).find(({ name }) => name === "own");
  assert.ok(own?.kind === "webhook");
  assert.deepEqual(own.webhook.secrets, [env.SLACK, env.WORD]);
});

test("every web hook has its settings, with their defaults", async () => {
  const { shell } = await loadGood(`${QUIET}${HOSTS}alerts: { channels: {
    a: { slack: { url: { env: SLACK } } }, b: { discord: { url: { env: SLACK } } }, c: { teams: { url: { env: SLACK } } }, d: { mattermost: { url: { env: SLACK }, channel: town-square } },
    e: { telegram: { token: { env: BOT }, chat: "@ops" } }, f: { ntfy: { topic: { env: WORD } } }, g: { gotify: { server: "https://g.example.org", token: { env: WORD } } },
    h: { pushover: { token: { env: KEY30 }, user: { env: KEY30 } } }, i: { pagerduty: { routingKey: { env: KEY32 } } }, j: { opsgenie: { apiKey: { env: WORD } } }, k: { alertmanager: { server: "http://localhost:9093" } } } }\n`, { env });
  assert.deepEqual(shell.alerts.channels.map((each) => each.kind === "hook" && each.hook), Object.keys(HOOKS));
  for (const channel of openChannels(shell.alerts.channels)) {
    assert.ok(channel.kind === "hook");
    assert.deepEqual(Object.keys(channel.settings).toSorted(), Object.keys(HOOKS[channel.hook].settings).toSorted());
  }
});

test("mistakes are told at their place, and no secret is quoted", async () => {
  const told = await problemsOf(`  channels:
    chat: { slack: { §ulr: { env: SLACK }, §url: { env: SLACK } } }
`.replace("§url", "url"));
  assert.match(told[0] ?? "", /unknown key "ulr" did you mean "url"/);
  assert.match((await problemsOf("  channels: { §chat: {} }\n".replace("§chat: {}", "chat: §{}")))[0] ?? "", /what kind of channel/);
  assert.match((await problemsOf("  channels: { chat: §{ mail: { to: a }, command: [x] } }\n"))[0] ?? "", /one kind of channel/);
  assert.match((await problemsOf("  channels: { chat: { slack: { url: §{ env: NOURL } } } }\n"))[0] ?? "", /SECRET_INVALID url of slack: expected a URL/);
  assert.match((await problemsOf("  channels: { chat: { slack: { url: §{ env: NOWHERE } } } }\n"))[0] ?? "", /SECRET_MISSING/);
  assert.match((await problemsOf('  channels: { chat: { slack: { url: §"https://hooks.slack.com/services/T0/B0/s3cretpath" } } }\n'))[0] ?? "", /SECRET_LITERAL/);
  assert.match((await problemsOf("  channels: { bot: { telegram: { token: { env: BOT }, chat: §team } } }\n"))[0] ?? "", /a number in quotes, or @name/);
  assert.match((await problemsOf("  channels: { x: { gotify: { server: §gotify.example.org, token: { env: WORD } } } }\n"))[0] ?? "", /http/);
  assert.match((await problemsOf("  channels: { x: { apprise: { config: §apprise.conf } } }\n"))[0] ?? "", /path from the root/);
  assert.match((await problemsOf("  channels: { x: { mattermost: { url: §{ env: PLAIN } } } }\n"))[0] ?? "", /ALERTS_PLAIN/);
  assert.match((await problemsOf("  mail: { to: a }\n  channels: { §mail: { command: [x] } }\n"))[0] ?? "", /NAME_TAKEN/);
});

test("a template with a mistake is a mistake of the configuration, at its line and column", async () => {
  const webhook = (body: string): string => `  channels:\n    own:\n      webhook:\n        url: { env: SLACK }\n${body}`;
  const told = await problemsOf(webhook("        json:\n          text: §\"{titel}\"\n          more: [\"{text}\", { deep: §\"a { b\" }]\n"));
  assert.match(told[0] ?? "", /TEMPLATE_INVALID there is no field \{titel\} fields: .*title/);
  assert.match(told[1] ?? "", /TEMPLATE_INVALID a lone \{/);
  assert.match((await problemsOf(webhook("        form: { a: \"{title}\", b: §\"{Title}\" }\n")))[0] ?? "", /no field \{Title\}/);
  assert.match((await problemsOf(webhook("        text: §\"{title\"\n")))[0] ?? "", /lone/);
  assert.match((await problemsOf(webhook("        headers: { x-a: §\"{nothing}\" }\n        text: x\n")))[0] ?? "", /no field \{nothing\}/);
  assert.match((await problemsOf(webhook("        text: §x\n        json: {}\n")))[0] ?? "", /one body/);
  assert.match((await problemsOf("  channels: { own: { webhook: §{ url: { env: SLACK } } } }\n"))[0] ?? "", /what is sent/);
  assert.match((await problemsOf(webhook("        json: { at: §2026-01-01 }\n").replace("§", "")) )[0] ?? "none", /none/);
});

test("routes: what is of the wrong shape, and then what does not exist", async () => {
  const shape = await problemsOf("  mail: { to: root }\n  routes:\n    - { hours: §\"8-18\", to: mail }\n    - { severity: §fatal, to: mail }\n    - { kind: §helt, to: mail }\n    - { §too: mail }\n  timeZone: §Europe/Berlim\n".replace("- { §too: mail }", "- { to: §5 }"));
  assert.match(shape.join("\n"), /no hours of the week[^]*critical[^]*held, storm[^]*no time zone/);
  const names = await problemsOf("  mail: { to: root }\n  routes:\n    - { to: §mai }\n    - { groups: §dbs, to: mail }\n    - { hosts: §[web9], to: mail }\n  escalate: [{ after: 1m, to: §boss }]\n");
  assert.match(names.join("\n"), /CHANNEL_UNKNOWN there is no channel mai did you mean "mail"[^]*GROUP_UNKNOWN no group is named dbs did you mean "db"[^]*HOST_UNKNOWN[^]*CHANNEL_UNKNOWN there is no channel boss/);
});

test("lints: hours and hosts that no route takes, channels that nothing names", async () => {
  const at = "  mail: { to: root }\n  command: [x]\n";
  const gap = await problemsOf(`${at}  §routes: [{ severity: [critical, warning], groups: db, to: mail }, { hours: "08:00-18:00 mon-fri", to: [mail, command] }]\n`.replace("§routes", "§§routes"));
  assert.match(gap.join("\n"), /ROUTES_GAP no route takes critical alarms about web1 at 00:00 on mon, for one[^]*ROUTES_GAP no route takes warning alarms about web1/);
  assert.match((await problemsOf("  mail: { to: root }\n  §command: [x]\n  routes: [{ to: mail }]\n"))[0] ?? "", /CHANNEL_UNUSED/);
  assert.deepEqual(await problemsOf(`${at}  routes: [{ severity: critical, to: command }, { to: mail }]\n`), []);
  assert.deepEqual(await problemsOf(`${at}  routes: [{ to: mail }]\n  escalate: [{ after: 5m, to: command }]\n`), []);
  assert.deepEqual(await problemsOf(`${at}  routes: [{ hours: "08:00-18:00", to: mail }, { hours: "18:00-08:00", to: command }]\n`), []);
});

test("every kind of alarm of the core can be routed by", () => {
  const source = readFileSync(join(import.meta.dirname, "../core/io.ts"), "utf8");
  const kinds = [.../export type AlarmKind = ([^;]+);/.exec(source)?.[1]?.matchAll(/"([a-z-]+)"/g) ?? []].map(([, kind]) => kind);
  assert.deepEqual([...ALARM_KINDS].toSorted(), kinds.toSorted());
});

test("no setting of a hook hides a field of the message", () => {
  for (const facts of Object.values(HOOKS)) for (const name of [...Object.keys(facts.settings), ...Object.keys(facts.values)]) assert.ok(!(name in FIELDS), `${facts.name}: ${name}`);
});

test("secrets of channels cross a reload by file, and a changed one is a change", async () => {
  const files = { "slack.url": `${env.SLACK}\n` };
  const text = `${QUIET}${HOSTS}alerts: { channels: { chat: { slack: { url: { file: slack.url } } } } }\n`;
  const config: Config = await loadGood(text, { files });
  const [chat] = openChannels(config.shell.alerts.channels);
  assert.ok(chat?.kind === "hook" && chat.settings["url"] === env.SLACK);
  const { diffConfig } = await import("./diff.ts");
  assert.deepEqual(diffConfig(config, await loadGood(text, { files })).rest, []);
  assert.deepEqual(diffConfig(config, await loadGood(text, { files: { "slack.url": `${env.SLACK}x\n` } })).rest, ["alerts"]);
  assert.equal((await loadConfig(FILE, { env: {}, machine: MACHINE, readFile: async () => text })).ok, false, "a configuration as its own secret is no URL");
});
