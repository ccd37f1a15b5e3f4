// From an alarm of the core to what arrives: by mail at a real server and by a program, over a restart, over a reload.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { smtpRefusal, startSmtp } from "../../lab/smtp.ts";
import type { Alarm } from "../core/io.ts";
import type { AlertsConfig } from "./alerts.ts";
import { createAlerts } from "./alerts.ts";
import type { ChannelOptions } from "./channels.ts";
import type { MailOptions } from "./mail.ts";

const HELD: Alarm = { alarm: "held:logos", kind: "held", severity: "critical", host: "logos", incident: "lusab-babad", happened: "Logos is held.", done: "Nothing more.", asked: "upkeep release logos" };
const TUNING = { pauseMs: { first: 5, most: 20 }, closeGraceMs: 10_000 } as const;
const NOBODY: AlertsConfig = { site: "homelab", watcher: "rikis", dataDir: null, channels: [], routes: [], escalate: [], groupMs: 0, timeZone: "UTC" };

const byMail = (options: MailOptions): ChannelOptions => ({ name: "mail", kind: "mail", options });
const byCommand = (run: readonly string[], name = "command", grouped = false): ChannelOptions => ({ name, kind: "command", options: { run, grouped } });

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-alerts-"));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Writes each subject to `log`; fails as long as `closed` is there. */
function pager(folder: string): readonly string[] {
  return ["sh", "-c", 'cat >/dev/null; if [ -e "$1/closed" ]; then echo modem busy >&2; exit 1; fi; echo "$UPKEEP_STATE $UPKEEP_SUBJECT" >> "$1/log"', "sh", folder];
}

function log(folder: string): string[] {
  return existsSync(join(folder, "log")) ? readFileSync(join(folder, "log"), "utf8").trim().split("\n") : [];
}

async function until(what: string, met: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (!met()) {
    assert.ok(performance.now() < deadlineMs, `not in 10 s: ${what}`);
    await pause(5);
  }
}

test("an alarm, its repetition and its end reach a person by both channels", { skip: smtpRefusal() ?? false }, () => inFolder(async (folder) => {
  const smtp = await startSmtp();
  try {
    const mail = { to: ["root@mail.lab.test"], from: "upkeep@mail.lab.test", host: "127.0.0.1", port: smtp.port, username: null, password: null, tls: "none" } as const;
    const reports: string[] = [];
    const alerts = createAlerts({ ...NOBODY, channels: [byMail(mail), byCommand(pager(folder))] }, (text) => reports.push(text), TUNING);
    alerts.raise(HELD, false);
    await until("both delivered", () => alerts.pending() === 0);
    alerts.raise(HELD, true);
    alerts.over(HELD, "logos is back in service");
    await alerts.close();
    assert.equal(alerts.pending(), 0);
    const mails = await smtp.waitForMails(3);
    const subjects = ["[upkeep homelab] critical: held logos: Logos is held.", "[upkeep homelab] still critical: held logos: Logos is held.", "[upkeep homelab] over: held logos: logos is back in service"];
    assert.deepEqual(mails.map((each) => /^Subject: (.*(?:\n .*)*)/m.exec(each)?.[1]?.replace(/\n /g, " ")), subjects);
    assert.deepEqual(log(folder), ["raised", "again", "over"].map((state, n) => `${state} ${subjects[n]}`));
    assert.deepEqual(reports, []);
  } finally {
    await smtp.stop();
  }
}));

test("raising waits for nobody, and a channel that fails does not hold up the other", () => inFolder(async (folder) => {
  const reports: string[] = [];
  // Nothing listens on port 1 of this machine.
  const mail = { to: ["root@localhost"], from: "upkeep@localhost", host: "127.0.0.1", port: 1, username: null, password: null, tls: "none" } as const;
  const alerts = createAlerts({ ...NOBODY, channels: [byMail(mail), byCommand(pager(folder))] }, (text) => reports.push(text), TUNING);
  const startMs = performance.now();
  alerts.raise(HELD, false);
  assert.ok(performance.now() - startMs < 1_000);
  await until("the program was called", () => log(folder).length === 1);
  await until("the failure was reported", () => reports.length > 0);
  assert.match(reports[0] ?? "", /^alerts by mail fail: .*ECONNREFUSED/);
  await until("only the mail waits", () => alerts.pending() === 1);
  await alerts.close();
}));

test("what was not delivered is delivered after a restart, in order", () => inFolder(async (folder) => {
  writeFileSync(join(folder, "closed"), "");
  const config = { ...NOBODY, dataDir: folder, channels: [byCommand(pager(folder))] };
  const reports: string[] = [];
  const first = createAlerts(config, (text) => reports.push(text), TUNING);
  first.raise(HELD, false);
  first.over(HELD, "back");
  await until("the failure was reported", () => reports.length > 0);
  await first.close();
  assert.match(reports[0] ?? "", /alerts by command fail: sh: exit 1: modem busy/);
  assert.equal(statSync(join(folder, "alerts.json")).mode & 0o777, 0o600);
  rmSync(join(folder, "closed"));
  const second = createAlerts(config, assert.fail, TUNING);
  assert.equal(second.pending(), 2);
  await until("all delivered", () => second.pending() === 0);
  await second.close();
  assert.deepEqual(log(folder).map((line) => line.split(" ")[0]), ["raised", "over"]);
  assert.equal(existsSync(join(folder, "alerts.json")), false, "nothing is left to keep");
}));

test("what a kill -9 leaves behind is enough: the file is there before delivery succeeds", () => inFolder(async (folder) => {
  writeFileSync(join(folder, "closed"), "");
  const alerts = createAlerts({ ...NOBODY, dataDir: folder, channels: [byCommand(pager(folder))] }, () => undefined, TUNING);
  alerts.raise(HELD, false);
  await until("the file", () => existsSync(join(folder, "alerts.json")));
  assert.match(readFileSync(join(folder, "alerts.json"), "utf8"), /Logos is held/);
  await alerts.close();
}));

test("a file of undelivered alerts that makes no sense is reported and does not stop anything", () => inFolder(async (folder) => {
  for (const text of ["", "{", "[]", '{"v":2,"undelivered":{}}', '{"v":1,"undelivered":7}', "\u0000".repeat(100)]) {
    writeFileSync(join(folder, "alerts.json"), text);
    const reports: string[] = [];
    const alerts = createAlerts({ ...NOBODY, dataDir: folder, channels: [byCommand(["true"])] }, (line) => reports.push(line), TUNING);
    assert.match(reports[0] ?? "", /alerts\.json makes no sense/, JSON.stringify(text));
    assert.equal(alerts.pending(), 0);
    await alerts.close();
  }
  const half = { v: 1, undelivered: { command: [{ message: { id: 7 }, attempts: 0, only: null }, "x", null], nobody: [] } };
  writeFileSync(join(folder, "alerts.json"), JSON.stringify(half));
  const alerts = createAlerts({ ...NOBODY, dataDir: folder, channels: [byCommand(["true"])] }, assert.fail, TUNING);
  assert.equal(alerts.pending(), 0);
  await alerts.close();
}));

test("a file of the release before is taken up, and calls that make no sense are left out", () => inFolder(async (folder) => {
  const old = { id: "1", alarm: "held:logos", kind: "held", severity: "critical", host: "logos", incident: null, state: "raised", subject: "as it was", body: "text", atMs: 0 };
  writeFileSync(join(folder, "alerts.json"), JSON.stringify({ v: 1, undelivered: { command: [{ message: old, attempts: 3, only: null }] }, called: [7, null, {}, { alarm: {}, to: [], sinceMs: 0, acknowledged: false }, { alarm: HELD, to: [{ channel: 7 }], sinceMs: 0, acknowledged: false }] }));
  const alerts = createAlerts({ ...NOBODY, dataDir: folder, channels: [byCommand(pager(folder))] }, assert.fail, TUNING);
  alerts.follow(() => new Map());
  await until("delivered", () => alerts.pending() === 0);
  await alerts.close();
  assert.deepEqual(log(folder), ["raised as it was"]);
}));

test("a data folder that cannot be written is reported once, and alerts go out all the same", () => inFolder(async (folder) => {
  const reports: string[] = [];
  const alerts = createAlerts({ ...NOBODY, dataDir: join(folder, "gone"), channels: [byCommand(pager(folder))] }, (text) => reports.push(text), TUNING);
  alerts.raise(HELD, false);
  alerts.over(HELD, "back");
  await until("delivered", () => log(folder).length === 2);
  await alerts.close();
  assert.equal(reports.filter((text) => text.includes("cannot be kept over a restart")).length, 1, reports.join("; "));
}));

test("after a reload what waited goes to the new channel of that kind", () => inFolder(async (folder) => {
  const reports: string[] = [];
  const alerts = createAlerts({ ...NOBODY, dataDir: folder, channels: [byCommand(["false"])] }, (text) => reports.push(text), TUNING);
  alerts.raise(HELD, false);
  await until("the failure was reported", () => reports.length > 0);
  alerts.reload({ ...NOBODY, channels: [byCommand(pager(folder))] });
  await until("delivered", () => log(folder).length === 1);
  await alerts.close();
  assert.deepEqual(log(folder), ["raised [upkeep homelab] critical: held logos: Logos is held."]);
}));

test("without channels alarms go nowhere and nothing breaks", async () => {
  const alerts = createAlerts(NOBODY, assert.fail, TUNING);
  alerts.raise(HELD, false);
  alerts.over(HELD, "back");
  assert.equal(alerts.pending(), 0);
  await alerts.close();
});

test("a mail server that was away for a while: everything arrives, in order, in one mail", { skip: smtpRefusal() ?? false }, () => inFolder(async (folder) => {
  const smtp = await startSmtp();
  // What is away answers nothing, or takes connections and says nothing: both, one after the other.
  let away: "closed" | "silent" | null = "silent";
  const gate = createServer((socket) => {
    socket.on("error", () => undefined);
    if (away === "closed") return void socket.destroy();
    if (away === "silent") return void socket.resume();
    const onward = connect(smtp.port, smtp.address).on("error", () => socket.destroy());
    socket.pipe(onward).pipe(socket);
  });
  await new Promise<void>((resolve) => gate.listen(0, "127.0.0.1", resolve));
  const mail = { to: ["root@mail.lab.test"], from: "upkeep@mail.lab.test", host: "127.0.0.1", port: (gate.address() as AddressInfo).port, username: null, password: null, tls: "none" } as const;
  const config: AlertsConfig = { ...NOBODY, dataDir: folder, channels: [byMail(mail)], groupMs: 50 };
  const reports: string[] = [];
  try {
    const first = createAlerts(config, (text) => reports.push(text), TUNING);
    first.raise(HELD, false);
    away = "closed";
    for (let n = 0; n < 40; n += 1) first.raise({ ...HELD, alarm: `held:web${n}`, host: `web${n}`, happened: `web${n} is held: its budget is spent.` }, false);
    for (let n = 0; n < 40; n += 2) first.over({ ...HELD, alarm: `held:web${n}`, host: `web${n}` }, "back");
    await until("failures were reported", () => reports.length > 0);
    // The watcher does not wait for it to come back, either.
    await first.close();
    away = null;
    const second = createAlerts(config, (text) => reports.push(text), TUNING);
    await until("all delivered", () => second.pending() === 0);
    await second.close();
    const mails = (await smtp.waitForMails(1)).map((each) => each.replace(/=\n/g, ""));
    assert.equal(mails.length, 1);
    const [text = ""] = mails;
    assert.match(text, /61 messages in one/);
    for (let n = 0; n < 40; n += 1) assert.match(text, new RegExp(`\\bweb${n}\\b`));
    assert.match(text, /critical: 41 hosts held \(logos, web0, web1[^]*over: 20 hosts held \(web0, web2/);
    assert.equal(reports.filter((report) => /alerts by mail fail/.test(report)).length, 1, reports.join("; "));
  } finally {
    gate.close();
    await smtp.stop();
  }
}));
