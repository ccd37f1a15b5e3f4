// Who is called, again and until when: routes, escalation, acknowledgement, the end that follows; over restarts, over reloads,
// and with channels that take nothing for a while or for ever. Channels here are programs that write down what they are told.

import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { startHookReceiver } from "../../lab/hook-receiver.ts";
import type { Alarm } from "../core/io.ts";
import type { AlertChannels, AlertsConfig } from "./alerts.ts";
import { createAlerts } from "./alerts.ts";
import type { OpenAlarms } from "./called.ts";
import type { ChannelOptions } from "./channels.ts";
import { parseHours } from "./hours.ts";
import { HELD, NEVER, unguarded } from "./message.fixture.ts";

const TUNING = { pauseMs: { first: 5, most: 20 }, closeGraceMs: 10_000 } as const;

type Rig = {
  readonly folder: string;
  /** What the core has open, by name. */
  readonly open: Map<string, { readonly alarm: Alarm; acknowledged: boolean }>;
  start(config?: Partial<AlertsConfig>): AlertChannels;
  /** `STATE KIND HOST` of all that a channel was told. */
  told(channel: string): readonly string[];
  /** As the core does it: the record first, then the effect. */
  raise(alerts: AlertChannels, alarm: Alarm, again?: boolean): void;
  over(alerts: AlertChannels, alarm: Alarm): void;
  readonly reports: string[];
};

async function onRig(body: (rig: Rig) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-calling-"));
  const script = join(folder, "page");
  writeFileSync(script, `#!/bin/sh\ncat >"$1.$2.text"\nif [ -e "$1.$2.closed" ]; then exit 1; fi\necho "$UPKEEP_STATE $UPKEEP_KIND $UPKEEP_HOST" >>"$1.$2"\n`);
  chmodSync(script, 0o700);
  const channel = (name: string): ChannelOptions => ({ name, kind: "command", options: { run: [script, join(folder, "told"), name], grouped: false } });
  const running: AlertChannels[] = [];
  const rig: Rig = {
    folder, open: new Map(), reports: [],
    start(config = {}) {
      const alerts = createAlerts({ site: "homelab", watcher: "rikis", dataDir: folder, channels: [channel("mail"), channel("pager"), channel("boss")], routes: [], escalate: [], groupMs: 0, timeZone: "UTC", ...config }, (text) => rig.reports.push(text), TUNING);
      alerts.follow(() => rig.open as OpenAlarms);
      running.push(alerts);
      return alerts;
    },
    told(name) {
      const path = join(folder, `told.${name}`);
      return existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
    },
    raise(alerts, alarm, again = false) {
      rig.open.set(alarm.alarm, { alarm, acknowledged: false });
      alerts.raise(alarm, again);
    },
    over(alerts, alarm) {
      rig.open.delete(alarm.alarm);
      alerts.over(alarm, "back");
    },
  };
  try {
    await body(rig);
  } finally {
    await Promise.all(running.map((alerts) => alerts.close()));
    rmSync(folder, { recursive: true });
  }
}

async function until(what: string, met: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 20_000;
  while (!met()) {
    assert.ok(performance.now() < deadlineMs, `not in 20 s: ${what}`);
    await pause(10);
  }
}

const CRITICAL = [{ severity: ["critical"] as const, to: ["pager"] }, { severity: ["warning"] as const, to: ["mail"] }];
/** So long is nobody patient in these tests. */
const SOON = [{ severity: ["critical"] as const, afterMs: 300, to: ["boss"] }];

test("each route's channels are told, and what no route takes goes to all", () => onRig(async (rig) => {
  const alerts = rig.start({ routes: CRITICAL });
  rig.raise(alerts, HELD);
  rig.raise(alerts, unguarded("ethos"));
  rig.raise(alerts, { ...unguarded("pathos"), severity: "info" });
  await until("delivered", () => alerts.pending() === 0);
  assert.deepEqual(["pager", "mail", "boss"].map(rig.told), [["raised held logos", "raised unguarded pathos"], ["raised unguarded ethos", "raised unguarded pathos"], ["raised unguarded pathos"]]);
}));

test("the end goes to everybody who was called, and only to them, although the routes are others by then", () => onRig(async (rig) => {
  const first = rig.start({ routes: CRITICAL });
  rig.raise(first, HELD);
  await first.close();
  const second = rig.start({ routes: [{ to: ["mail"] }] });
  rig.over(second, HELD);
  await until("delivered", () => second.pending() === 0);
  assert.deepEqual(["pager", "mail", "boss"].map(rig.told), [["raised held logos", "over held logos"], [], []]);
  await second.close();
  assert.equal(existsSync(join(rig.folder, "alerts.json")), false, "nothing is left to keep");
}));

test("an end of which it does not know who was called goes to all who may have been", () => onRig(async (rig) => {
  const alerts = rig.start({ routes: CRITICAL, escalate: SOON });
  rig.over(alerts, HELD);
  await until("delivered", () => alerts.pending() === 0);
  assert.deepEqual(["pager", "mail", "boss"].map(rig.told), [["over held logos"], [], ["over held logos"]]);
}));

test("what ended while the watcher was away is told at its start", () => onRig(async (rig) => {
  const first = rig.start({ routes: CRITICAL });
  rig.raise(first, HELD);
  await first.close();
  rig.open.clear();
  const second = rig.start({ routes: CRITICAL });
  await until("delivered", () => second.pending() === 0 && rig.told("pager").length === 2);
  assert.deepEqual(rig.told("pager"), ["raised held logos", "over held logos"]);
}));

test("nobody acknowledges: the next is called, once, with the reason; the end goes to him, too", () => onRig(async (rig) => {
  const alerts = rig.start({ routes: CRITICAL, escalate: SOON });
  rig.raise(alerts, HELD);
  rig.raise(alerts, unguarded("ethos"));
  const [called] = alerts.report().called;
  assert.deepEqual([called?.told.map(({ channel }) => channel), called?.next?.to], [["pager"], ["boss"]]);
  await until("the boss is called", () => rig.told("boss").length > 0);
  assert.match(readFileSync(join(rig.folder, "told.boss.text"), "utf8"), /Nobody has acknowledged this for 1 min, so you are called, too\./);
  await pause(800);
  assert.deepEqual(rig.told("boss"), ["raised held logos"], "once, and no warnings");
  rig.raise(alerts, HELD, true);
  rig.over(alerts, HELD);
  await until("delivered", () => alerts.pending() === 0);
  assert.deepEqual(["pager", "boss"].map(rig.told), [["raised held logos", "again held logos", "over held logos"], ["raised held logos", "again held logos", "over held logos"]]);
}));

test("an acknowledgement stops it, until there is other news under the same name", () => onRig(async (rig) => {
  const alerts = rig.start({ routes: CRITICAL, escalate: SOON });
  rig.raise(alerts, HELD);
  rig.open.set(HELD.alarm, { alarm: HELD, acknowledged: true });
  alerts.acknowledged();
  await pause(900);
  assert.deepEqual(rig.told("boss"), []);
  assert.equal(alerts.report().called[0]?.next, null);
  rig.raise(alerts, { ...HELD, happened: "Something else." }, true);
  await until("the boss is called about the news", () => rig.told("boss").length === 1);
}));

test("the clock of escalation goes on over a restart; an acknowledgement meanwhile is seen", () => onRig(async (rig) => {
  const first = rig.start({ routes: CRITICAL, escalate: [{ ...SOON[0]!, afterMs: 1_200 }] });
  rig.raise(first, HELD);
  await first.close();
  await pause(1_300);
  const second = rig.start({ routes: CRITICAL, escalate: [{ ...SOON[0]!, afterMs: 1_200 }] });
  await until("at once", () => rig.told("boss").length === 1);
  await second.close();
  rig.open.set(HELD.alarm, { alarm: HELD, acknowledged: true });
  const third = rig.start({ routes: CRITICAL, escalate: [{ severity: ["critical"], afterMs: 1, to: ["mail"] }] });
  await pause(500);
  assert.deepEqual(rig.told("mail"), []);
  await third.close();
}));

test("a cut asks nothing of anybody: it is not escalated", () => onRig(async (rig) => {
  const alerts = rig.start({ escalate: [{ afterMs: 1, to: ["boss"] }], routes: [{ to: ["mail"] }] });
  rig.raise(alerts, { ...HELD, kind: "cut", alarm: "cut:logos" });
  await pause(500);
  assert.deepEqual(rig.told("boss"), []);
}));

test("a step waits for its hours, and a reminder outside of all hours goes to those who were called", () => onRig(async (rig) => {
  const now = new Date();
  const minute = now.getUTCHours() * 60 + now.getUTCMinutes();
  const clock = (value: number): string => `${String(Math.floor((value % 1_440) / 60)).padStart(2, "0")}:${String(value % 60).padStart(2, "0")}`;
  const later = [parseHours(`${clock(minute + 720)}-${clock(minute + 780)}`) ?? assert.fail()];
  const open = [parseHours(`${clock(minute + 1_430)}-${clock(minute + 10)}`) ?? assert.fail()];
  const first = rig.start({ routes: [{ hours: open, to: ["pager"] }], escalate: [{ afterMs: 1, hours: later, to: ["boss"] }] });
  rig.raise(first, HELD);
  await pause(500);
  assert.deepEqual([rig.told("pager").length, rig.told("boss")], [1, []]);
  const next = first.report().called[0]?.next;
  assert.ok(next !== null && next !== undefined && next.atMs > Date.now(), "it is asked again later");
  await first.close();
  const second = rig.start({ routes: [{ hours: later, to: ["mail"] }] });
  rig.raise(second, HELD, true);
  await until("delivered", () => second.pending() === 0);
  assert.deepEqual([rig.told("pager"), rig.told("mail")], [["raised held logos", "again held logos"], []]);
}));

test("what waits for a channel that is configured no more goes where the routes say now", () => onRig(async (rig) => {
  writeFileSync(join(rig.folder, "told.pager.closed"), "");
  const first = rig.start({ routes: CRITICAL });
  rig.raise(first, HELD);
  await until("the failure was reported", () => rig.reports.some((text) => /alerts by pager fail/.test(text)));
  await first.close();
  const without = { channels: [{ name: "mail", kind: "command", options: { run: [join(rig.folder, "page"), join(rig.folder, "told"), "mail"], grouped: false } }] as const };
  const second = rig.start({ ...without, routes: [] });
  await until("the mail has it", () => rig.told("mail").length === 1);
  await second.close();
  assert.deepEqual(rig.told("mail"), ["raised held logos"]);
}));

test("what one channel will never take goes to the others", () => onRig(async (rig) => {
  const receiver = await startHookReceiver();
  try {
    receiver.mood = { status: 400, body: "invalid_payload" };
    const chat: ChannelOptions = { name: "chat", kind: "hook", hook: "slack", grouped: true, settings: { url: `${receiver.url}/slack/services/T0/B0/s3cretpath` }, secrets: [`${receiver.url}/slack/services/T0/B0/s3cretpath`] };
    const mail: ChannelOptions = { name: "mail", kind: "command", options: { run: [join(rig.folder, "page"), join(rig.folder, "told"), "mail"], grouped: false } };
    const alerts = rig.start({ channels: [mail, chat], routes: [{ to: ["chat"] }] });
    rig.raise(alerts, HELD);
    await until("the mail has it", () => rig.told("mail").length === 1);
    assert.match(rig.reports.join("; "), /was refused by chat and is dropped: 127\.0\.0\.1:\d+ answered 400: invalid_payload/);
    assert.doesNotMatch(rig.reports.join("; "), /s3cret/);
    receiver.mood = "well";
    rig.over(alerts, HELD);
    await until("the end at both", () => rig.told("mail").length === 2 && receiver.received.some(({ refused, body }) => refused === null && JSON.stringify(body).includes("over")));
    await alerts.close();
  } finally {
    await receiver.close();
  }
}));

test("a storm is one message at a channel that groups, and one each where alarms are opened and closed", () => onRig(async (rig) => {
  const receiver = await startHookReceiver();
  try {
    const hook = (name: "slack" | "pagerduty", grouped: boolean, settings: Record<string, string>): ChannelOptions => ({ name, kind: "hook", hook: name, grouped, settings, secrets: [] });
    const alerts = rig.start({ channels: [hook("slack", true, { url: `${receiver.url}/slack/services/T0/B0/abc` }), hook("pagerduty", false, { routingKey: "k".repeat(32), server: `${receiver.url}/pagerduty` })], groupMs: 1_000 });
    const alarms = Array.from({ length: 12 }, (_, n) => unguarded(`web${n}`));
    for (const alarm of alarms) rig.raise(alerts, alarm);
    for (const alarm of alarms) rig.over(alerts, alarm);
    await until("delivered", () => alerts.pending() === 0);
    const at = (service: string) => receiver.received.filter((each) => each.service === service);
    assert.equal(at("slack").length, 1);
    assert.match(JSON.stringify(at("slack")[0]?.body), /12 hosts unguarded \(web0, web1/);
    const actions = at("pagerduty").map(({ body }) => body as { event_action: string; dedup_key: string });
    assert.equal(actions.length, 24);
    for (const alarm of alarms) assert.deepEqual(actions.filter(({ dedup_key: key }) => key === `homelab/${alarm.alarm}`).map((each) => each.event_action), ["trigger", "resolve"]);
    assert.ok(receiver.received.every(({ refused }) => refused === null));
    await alerts.close();
  } finally {
    await receiver.close();
  }
}));

test("a storm over a thousand hosts is one message, and calling for it does not hold up the watcher", () => onRig(async (rig) => {
  const receiver = await startHookReceiver();
  try {
    const chat: ChannelOptions = { name: "chat", kind: "hook", hook: "slack", grouped: true, settings: { url: `${receiver.url}/slack/services/T0/B0/abc` }, secrets: [] };
    const alerts = rig.start({ channels: [chat], groupMs: 2_000, escalate: [{ severity: ["warning"], afterMs: 600_000, to: ["chat"] }] });
    const startMs = performance.now();
    for (let n = 0; n < 1_000; n += 1) rig.raise(alerts, unguarded(`h${n}`));
    // 60 ms on a quiet machine with two cores.
    assert.ok(performance.now() - startMs < 3_000, `${performance.now() - startMs} ms`);
    await until("delivered", () => alerts.pending() === 0);
    assert.deepEqual(receiver.received.map(({ refused }) => refused), [null]);
    assert.match(JSON.stringify(receiver.received[0]?.body), /1000 hosts unguarded/);
    await alerts.close();
  } finally {
    await receiver.close();
  }
}));

test("a test tries a channel at once, closes what it opened, and says what went wrong", () => onRig(async (rig) => {
  const receiver = await startHookReceiver();
  try {
    const pager: ChannelOptions = { name: "pd", kind: "hook", hook: "pagerduty", grouped: false, settings: { routingKey: "k".repeat(32), server: `${receiver.url}/pagerduty` }, secrets: [] };
    const broken: ChannelOptions = { name: "broken", kind: "command", options: { run: ["sh", "-c", "echo no modem >&2; exit 1"], grouped: true } };
    const alerts = rig.start({ channels: [pager, broken], groupMs: 60_000 });
    assert.equal(await alerts.test("nobody", NEVER), null);
    assert.deepEqual(await alerts.test("pd", NEVER), [{ channel: "pd", delivered: true, evidence: null }]);
    assert.deepEqual(receiver.received.map(({ body, refused }) => [(body as { event_action: string }).event_action, refused]), [["trigger", null], ["resolve", null]]);
    assert.deepEqual((await alerts.test(null, NEVER))?.map(({ channel, delivered, evidence }) => [channel, delivered, evidence]), [["pd", true, null], ["broken", false, "sh: exit 1: no modem"]]);
    assert.equal(alerts.pending(), 0);
    assert.deepEqual(alerts.report().called, [], "nobody has been called");
  } finally {
    await receiver.close();
  }
}));

test("an alarm that another watcher ended is forgotten without a second word", () => onRig(async (rig) => {
  const alerts = rig.start({ routes: CRITICAL });
  rig.raise(alerts, HELD);
  rig.open.delete(HELD.alarm);
  alerts.acknowledged();
  await until("delivered", () => alerts.pending() === 0);
  assert.deepEqual([rig.told("pager"), alerts.report().called], [["raised held logos"], []]);
}));
