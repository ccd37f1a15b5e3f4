// Web hooks against a receiver that plays the services by a second reading of their interfaces, and against all that a server
// can do wrong. Alertmanager is real: alertmanager.test.ts.

import assert from "node:assert/strict";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { createServer as createTcp } from "node:net";
import { after, before, describe, test } from "node:test";
import { CERTIFICATE, KEY } from "../probes/certificates.fixture.ts";
import type { HookReceiver } from "../../lab/hook-receiver.ts";
import { startHookReceiver } from "../../lab/hook-receiver.ts";
import type { Delivery } from "./channel.ts";
import type { HookName } from "./hooks/index.ts";
import { HOOKS } from "./hooks/index.ts";
import { HELD, message, NASTY, NEVER, SENDER } from "./message.fixture.ts";
import type { Message } from "./message.ts";
import type { CallableHook, HookSettings } from "./webhook.ts";
import { requestOf, webhookChannel } from "./webhook.ts";

let receiver: HookReceiver;
before(async () => { receiver = await startHookReceiver(); });
after(() => receiver.close());

const KEY30 = "s3cretpaths3cretpaths3cretpath";
const SETTINGS = (url: string): Readonly<Record<Exclude<HookName, "alertmanager">, HookSettings>> => ({
  slack: { url: `${url}/slack/services/T0/B0/s3cretpath` }, discord: { url: `${url}/discord/api/webhooks/1/s3cretpath` }, teams: { url: `${url}/teams/workflows/ab/triggers/manual/paths/invoke?api-version=1&sig=s3cretpath` },
  mattermost: { url: `${url}/mattermost/hooks/s3cretpath`, channel: undefined }, telegram: { token: "123:s3cretpath", chat: "-100200", server: `${url}/telegram` },
  ntfy: { topic: "s3cretpath", server: `${url}/ntfy`, token: undefined }, gotify: { server: `${url}/gotify`, token: "As3cretpath" }, pushover: { token: KEY30, user: KEY30, server: `${url}/pushover` },
  pagerduty: { routingKey: `${KEY30}12`, server: `${url}/pagerduty` }, opsgenie: { apiKey: "s3cretpath", server: `${url}/opsgenie` },
});
const PLAYED = Object.keys(SETTINGS("")) as (keyof ReturnType<typeof SETTINGS>)[];

function hookOf(name: keyof ReturnType<typeof SETTINGS>, url = receiver.url): CallableHook {
  const settings = SETTINGS(url)[name];
  return { ...HOOKS[name], settings, secrets: Object.entries(settings).flatMap(([key, value]) => (value === undefined || !("secret" in (HOOKS[name].settings as Record<string, object>)[key]!) ? [] : [value])) };
}

const deliver = (hook: CallableHook, what: Message, limitMs = 10_000): Promise<Delivery> => webhookChannel("chat", hook, SENDER, limitMs).deliver(what, null, NEVER);

describe("every service takes every message", () => {
  const messages: readonly (readonly [string, Message])[] = [
    ["a call", message()], ["a warning", message({ severity: "warning" })], ["an info", message({ severity: "info", kind: "disarmed" })], ["a reminder", message({}, "again")], ["the end", message({}, "over")],
    ["one of the whole site", message({ host: null, incident: null, alarm: "storm:fleet", kind: "storm" })],
    ["markup", message({ happened: NASTY, done: NASTY, asked: NASTY })],
    ["more than fits", message({ happened: `${"<@*_".repeat(2_000)}`, done: "x".repeat(9_000), asked: "\u{1f50c}".repeat(9_000), alarm: `held:${"h".repeat(290)}` })],
  ];
  for (const name of PLAYED) {
    test(name, async () => {
      for (const [what, each] of messages) {
        assert.deepEqual(await deliver(hookOf(name), each), { kind: "delivered", note: null, left: [] }, `${what}: ${receiver.received.at(-1)?.refused}`);
      }
    });
  }
});

test("what is refused by the second reading is refused: the receiver can tell", async () => {
  const hook = hookOf("discord");
  const wrong: CallableHook = { ...hook, request: { ...hook.request, body: { json: { content: "{title}" } } } };
  const refused = await deliver(wrong, message());
  assert.ok(refused.kind === "refused" && /answered 400: username/.test(refused.evidence), JSON.stringify(refused));
});

test("markup cannot break out, and nobody can be called by a host's banner", () => {
  const nasty = message({ happened: NASTY });
  const bodies = Object.fromEntries(PLAYED.map((name) => [name, requestOf(hookOf(name, "http://h"), nasty, SENDER).body ?? ""]));
  assert.doesNotMatch(bodies["slack"] ?? "", /<!channel>|<@U1>/);
  assert.doesNotMatch(bodies["mattermost"] ?? "", /@(everyone|here)/);
  assert.match(bodies["mattermost"] ?? "", /\\\\\*b\\\\\*/, "an asterisk is one");
  assert.match(bodies["discord"] ?? "", /"allowed_mentions":\{"parse":\[\]\}/);
  for (const [name, body] of Object.entries(bodies)) {
    if (name === "pushover") continue;
    const text = JSON.stringify(JSON.parse(body));
    assert.equal(text, body, `${name}: JSON that reads as it was written`);
    assert.doesNotMatch(text, /\\u0000|\u202e/, name);
  }
});

test("one alarm has one key from its beginning to its end, however long its name", () => {
  const long = { alarm: `held:${"h".repeat(290)}` };
  const keyOf = (what: Message): unknown => (JSON.parse(requestOf(hookOf("pagerduty", "http://h"), what, SENDER).body ?? "") as { dedup_key: string }).dedup_key;
  for (const alarm of [{}, long]) {
    assert.equal(keyOf(message(alarm)), keyOf(message(alarm, "over")));
    assert.ok(String(keyOf(message(alarm))).length <= 255);
  }
  assert.notEqual(keyOf(message(long)), keyOf(message({ alarm: `held:${"h".repeat(289)}i` })));
  const closing = requestOf(hookOf("opsgenie", "http://h"), message({ alarm: "held:a/b?c" }, "over"), SENDER);
  assert.equal(closing.url, "http://h/opsgenie/v2/alerts/homelab%2Fheld%3Aa%2Fb%3Fc/close?identifierType=alias");
});

test("a setting that was left out leaves its header and its key out", () => {
  const made = requestOf(hookOf("ntfy", "http://h"), message(), SENDER);
  assert.equal(made.headers["authorization"], undefined);
  assert.deepEqual(requestOf({ ...hookOf("ntfy", "http://h"), settings: { ...SETTINGS("http://h").ntfy, token: "tk_x" } }, message(), SENDER).headers["authorization"], "Bearer tk_x");
  assert.ok(!("channel" in (JSON.parse(requestOf(hookOf("mattermost", "http://h"), message(), SENDER).body ?? "{}") as object)));
});

describe("what servers do wrong", () => {
  const hook = (): CallableHook => hookOf("slack");
  const moody = async (mood: HookReceiver["mood"], made = hook(), limitMs = 10_000): Promise<Delivery> => {
    receiver.mood = mood;
    try {
      return await deliver(made, message(), limitMs);
    } finally {
      receiver.mood = "well";
    }
  };
  const failed = (delivery: Delivery): string => {
    assert.ok(delivery.kind === "failed", JSON.stringify(delivery));
    assert.doesNotMatch(delivery.evidence, /s3cret/);
    return delivery.evidence;
  };

  test("it hangs: an end in bounded time", async () => {
    assert.match(failed(await moody("hang", hook(), 200)), /^127\.0\.0\.1:\d+: no answer within 0\.2 s$/);
  });

  test("it fails: tried again, and what it says is told without the secret", async () => {
    assert.match(failed(await moody({ status: 500, body: "no such hook /services/T0/B0/s3cretpath or s3cretpath" })), /answered 500: no such hook .*\[secret\] or \[secret\]$/);
    assert.match(failed(await moody({ status: 404, body: "no_service" })), /answered 404: no_service/, "a hook that was revoked may be made again");
    assert.match(failed(await moody({ status: 403 })), /answered 403$/);
  });

  test("it redirects: not followed", async () => {
    const before = receiver.received.length;
    assert.match(failed(await moody({ status: 302, headers: { location: `${receiver.url}/elsewhere` } })), /302: redirects are not followed/);
    assert.equal(receiver.received.length, before + 1);
  });

  test("it asks to be left alone: in seconds, as a date, in its JSON", async () => {
    const waitOf = async (mood: HookReceiver["mood"], made = hook()): Promise<number | undefined> => {
      const delivery = await moody(mood, made);
      return delivery.kind === "failed" ? delivery.retryAfterMs : assert.fail(JSON.stringify(delivery));
    };
    assert.equal(await waitOf({ status: 429, headers: { "retry-after": "30" } }), 30_000);
    const dated = await waitOf({ status: 503, headers: { "retry-after": new Date(Date.now() + 60_000).toUTCString() } });
    assert.ok(dated !== undefined && dated > 50_000 && dated <= 60_000);
    assert.equal(await waitOf({ status: 429, headers: { "retry-after": "soon" } }), undefined);
    assert.equal(await waitOf({ status: 429, body: '{"retry_after":1.5}' }, hookOf("discord")), 1_500);
    assert.equal(await waitOf({ status: 429, body: '{"ok":false,"parameters":{"retry_after":7}}' }, hookOf("telegram")), 7_000);
  });

  test("it says well done without having done it", async () => {
    assert.match(failed(await moody({ status: 200, body: '{"ok":false}' }, hookOf("telegram"))), /without ok: true/);
    assert.match(failed(await moody({ status: 200, body: "<html>log in</html>" }, hookOf("pagerduty"))), /without status: success/);
  });

  test("an endless answer is not read", { timeout: 20_000 }, async () => {
    assert.equal((await moody({ status: 200, body: "x".repeat(900_000) })).kind, "delivered");
  });

  test("nobody there, or somebody who does not speak HTTP", async () => {
    const silent = createTcp((socket) => {
      socket.on("error", () => undefined).resume().end("SSH-2.0-x\r\n");
    });
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as AddressInfo;
    const spoken = await deliver(hookOf("slack", `http://127.0.0.1:${port}`), message());
    await new Promise((resolve) => silent.close(resolve));
    assert.match(failed(spoken), /HPE_/);
    assert.match(failed(await deliver(hookOf("slack", `http://127.0.0.1:${port}`), message())), /ECONNREFUSED/);
  });

  test("a certificate that nobody vouches for", async () => {
    const server = createServer({ cert: CERTIFICATE, key: KEY }, (_, response) => response.end("ok"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      assert.match(failed(await deliver(hookOf("slack", `https://127.0.0.1:${(server.address() as AddressInfo).port}`), message())), /its certificate or its TLS is not good: .*(SIGN|CERT)/);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});

test("a template of one's own: JSON, form, text, and headers that are secret", async () => {
  const own: CallableHook = {
    name: "webhook", settings: { url: `${receiver.url}/own/s3cretpath?a=b`, headerA: "Bearer {title}" }, secrets: [], values: {}, escape: "none", titleMax: 300, textMax: 20_000, grouped: true, refuses: [],
    request: { method: "PUT", url: "{url}", headers: { authorization: "{headerA}", "x-alarm": "{alarm} {{}}\r\nx" }, body: { json: { a: "{title}", n: 1, host: "{host}", deep: [{ text: "<{happened}>" }] } } },
  };
  assert.equal((await deliver(own, message({ happened: 'a "quote"' }))).kind, "delivered");
  const got = receiver.received.at(-1);
  assert.deepEqual([got?.method, got?.path, got?.headers["authorization"], got?.headers["x-alarm"]], ["PUT", "/own/s3cretpath?a=b", "Bearer {title}", "held:logos {}??x"]);
  assert.deepEqual(got?.body, { a: '[upkeep homelab] critical: held logos: a "quote"', n: 1, host: "logos", deep: [{ text: '<a "quote">' }] });
  await deliver({ ...own, request: { ...own.request, body: { form: { m: "{title}&x=1" } } } }, message(HELD));
  assert.deepEqual(receiver.received.at(-1)?.body, { m: "[upkeep homelab] critical: held logos: Logos was cut 3 times in 6 h and is down again.&x=1" });
  await deliver({ ...own, escape: "html", request: { ...own.request, body: { text: "<b>{happened}</b>", type: "text/html" } } }, message({ happened: "a<b" }));
  assert.equal(receiver.received.at(-1)?.body, "<b>a&lt;b</b>");
});
