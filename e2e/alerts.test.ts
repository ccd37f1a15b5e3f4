// A person is called: by mail through a real server, by a program, and by silence when the watcher itself is gone.

import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startHookReceiver } from "../lab/hook-receiver.ts";
import { startRig } from "../lab/rig.ts";
import type { Rig } from "../lab/rig.ts";
import { smtpRefusal, startSmtp } from "../lab/smtp.ts";
import { edgesOf, guarded, incidentsOf, QUICK, startWatching, until } from "./watching.ts";

async function onRig(alerts: string, body: (rig: Rig) => Promise<void>): Promise<void> {
  const rig = await startRig({ hosts: ["logos", "ethos"], kind: "processes", bootMs: 0, settings: `${QUICK}alerts: ${alerts}\n`, device: "check: 2s, timeout: 1s, deadline: 2s" });
  try {
    await body(rig);
  } finally {
    await rig.stop();
  }
}

/** A program that calls a person: it writes down what it is told, and fails while it is told to. */
function pager(rig: Rig): { readonly text: () => string; readonly broken: string } {
  const [script, log, broken] = [join(rig.folder, "page-me"), join(rig.folder, "pages"), join(rig.folder, "page-me.broken")];
  writeFileSync(script, `#!/bin/sh\n[ ! -e ${broken} ] || exit 1\n{ echo "STATE $UPKEEP_STATE KIND $UPKEEP_KIND HOST $UPKEEP_HOST INCIDENT $UPKEEP_INCIDENT"; cat; } >>${log}\n`);
  chmodSync(script, 0o700);
  writeFileSync(rig.config, readFileSync(rig.config, "utf8").replace("[PAGER]", `[${script}]`));
  return { text: () => (existsSync(log) ? readFileSync(log, "utf8") : ""), broken };
}

type Mail = { readonly id: string; readonly subject: string; readonly recipient: string; readonly text: string };

const quoted = (text: string): string => Buffer.from(text.replace(/=\n/g, "").replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))), "latin1").toString("utf8");

/** What a mail program shows: folded headers joined (RFC 5322 §2.2.3), encoded words (RFC 2047) and quoted-printable (RFC 2045 §6.7) decoded. */
function read(raw: string): Mail {
  const [head = "", ...body] = raw.replace(/\r\n/g, "\n").split("\n\n");
  const header = (name: string): string => new RegExp(`^${name}: (.*(?:\n[ \t].*)*)`, "mi").exec(head)?.[1]?.replace(/\n[ \t]+/g, " ") ?? "";
  const subject = header("Subject").replace(/\?= =\?/g, "?==?").replace(/=\?UTF-8\?Q\?([^?]*)\?=/g, (_, word: string) => word.replaceAll("_", " "));
  return { id: header("Message-ID"), subject: quoted(subject), recipient: header("Envelope-to"), text: quoted(body.join("\n\n")) };
}

async function outage(rig: Rig): Promise<string> {
  await rig.host("logos").wedge("frozen");
  const incident = await until("recovered", async () => (await incidentsOf(rig, "logos")).find((each) => each.outcome === "recovered"), 40_000, 200);
  assert.deepEqual(edgesOf(await rig.records()), ["2 off", "2 on"]);
  return incident.incident;
}

describe("alerts", { concurrency: true }, () => {
  test("an outage: mail and program say what happened, what was done and what is asked, and then that it is over", { skip: smtpRefusal() ?? false }, async () => {
    const smtp = await startSmtp();
    try {
      await onRig(`{ mail: { to: [ops@lab.test, night@lab.test], from: upkeep@lab.test, server: "${smtp.address}:${smtp.port}", tls: none }, command: [PAGER], group: 0s }`, async (rig) => {
        const { text } = pager(rig);
        await startWatching(rig);
        await guarded(rig);
        const incident = await outage(rig);
        // Two recipients, two words each.
        const mails = (await smtp.waitForMails(4, 15_000)).map(read);
        assert.equal(new Set(mails.map((mail) => mail.id)).size, 2, "one message for both of them");
        assert.deepEqual(mails.map((mail) => mail.recipient).toSorted(), ["night@lab.test", "night@lab.test", "ops@lab.test", "ops@lab.test"]);
        const [raised, over] = mails.filter((mail) => mail.recipient === "ops@lab.test") as [Mail, Mail];
        assert.match(raised.subject, /^\[upkeep lab\] warning: cut logos: Power was cut at sucker\/2, confirmed/);
        for (const words of ["What happened:", "no banner", "What was done:", "Power is being restored", "What is asked of you:", `upkeep why ${incident}`]) assert.ok(raised.text.includes(words), `${words}: ${raised.text}`);
        assert.match(over.subject, /^\[upkeep lab\] over: cut logos: logos is back in service/);
        for (const words of ["It is over:", "back in service", incident]) assert.ok(over.text.includes(words), `${words}: ${over.text}`);
        await until("the program was told twice", () => text().split("STATE ").length === 3, 10_000);
        assert.match(text(), new RegExp(`^STATE raised KIND cut HOST logos INCIDENT ${incident}\\n[^]*What is asked of you:[^]*STATE over KIND cut HOST logos`));
      });
    } finally {
      await smtp.stop();
    }
  });

  test("what could not be delivered outlives kill -9 and is delivered by the next watcher", () => onRig("{ command: [PAGER] }", async (rig) => {
    const { text, broken } = pager(rig);
    writeFileSync(broken, "");
    const watching = await startWatching(rig);
    await guarded(rig);
    const incident = await outage(rig);
    await sleep(500);
    await watching.kill();
    assert.equal(text(), "");
    unlinkSync(broken);
    await startWatching(rig);
    await until("both words have come", () => /STATE raised KIND cut[^]*STATE over KIND cut/.test(text()), 20_000);
    assert.ok(text().includes(incident));
  }));

  test("web hooks: routes, escalation, an acknowledgement, a restart, and the end to everybody who was called; no secret anywhere", async () => {
    const receiver = await startHookReceiver();
    const secret = "T0s3cretpath";
    const env = { CHAT_URL: `${receiver.url}/slack/services/T0/B0/${secret}`, PAGER_KEY: `${secret}s3cretpaths3cretpath` };
    const settings = `{ repeat: 1h, group: 500ms, channels: { chat: { slack: { url: { env: CHAT_URL } } }, pager: { pagerduty: { routingKey: { env: PAGER_KEY }, server: "${receiver.url}/pagerduty" } } }, routes: [{ kind: foreign, to: chat }, { severity: critical, to: pager }], escalate: [{ after: 2s, severity: warning, to: pager }] }`;
    const said = (service: string) => receiver.received.filter((each) => each.service === service).map(({ body }) => JSON.stringify(body));
    try {
      await onRig(settings, async (rig) => {
        const first = await startWatching(rig, [], env);
        await guarded(rig);
        const tested = await rig.upkeep("alerts", "test");
        assert.deepEqual([tested.code, tested.stdout], [0, "chat: taken\npager: taken\n"], tested.stderr);
        assert.equal((await rig.upkeep("alerts", "test", "pagre")).code, 2);
        await rig.switchByHand(2, "off");
        await until("the chat has it", () => said("slack").some((body) => /foreign logos/.test(body)), 30_000);
        await until("nobody acknowledged: the pager, too", () => said("pagerduty").some((body) => /"trigger".*foreign:logos/.test(body)), 30_000);
        const listed = await rig.upkeep("alerts", "list");
        assert.match(listed.stdout, /^warning foreign:logos: sucker\/2 of logos is off, and not by us\.\n.*upkeep power logos on\n {2}told chat .*, pager .*; upkeep ack foreign:logos; docs\/reference\/alarms\.md#foreign\n\nCHANNEL +KIND .*\nchat +slack .* nothing/);
        assert.equal(listed.code, 0);
        assert.equal((await rig.upkeep("ack", "foreign:logos")).code, 0);
        assert.match((await rig.upkeep("alerts", "list")).stdout, /acknowledged/);
        first.child.kill("SIGTERM");
        await first.ended;
        const second = await startWatching(rig, [], env);
        await rig.switchByHand(2, "on");
        await until("the end at both", () => said("slack").some((body) => /over: foreign logos/.test(body)) && said("pagerduty").some((body) => /"resolve".*foreign:logos/.test(body)), 30_000);
        assert.equal(said("pagerduty").filter((body) => /"trigger".*foreign:logos/.test(body)).length, 1, "called once");
        // A channel that fails shows in the list, and with its exit code.
        receiver.mood = { status: 500, body: `no ${env.CHAT_URL}` };
        await rig.switchByHand(2, "off");
        const failing = await until("the failure shows", async () => {
          const shown = await rig.upkeep("alerts", "list");
          return /chat +slack .*fails since .*answered 500/.test(shown.stdout) && shown;
        }, 30_000);
        assert.equal(failing.code, 1);
        receiver.mood = "well";
        await until("tried again and delivered", async () => (await rig.upkeep("alerts", "list")).code === 0, 40_000, 500);
        second.child.kill("SIGTERM");
        await second.ended;
        for (const text of [first.stdout, first.stderr, second.stdout, second.stderr, listed.stdout, failing.stdout, failing.stderr]) assert.ok(!text.includes(secret), "a secret was printed");
        assert.match(second.stderr, /alerts by chat fail: 127\.0\.0\.1:\d+ answered 500/);
      });
      assert.ok(receiver.received.filter(({ service }) => service === "slack" || service === "pagerduty").every(({ refused }) => refused === null), JSON.stringify(receiver.received.map(({ refused }) => refused)));
    } finally {
      await receiver.close();
    }
  });

  test("the dead-man's ping comes while the watcher decides, and ceases when it is stopped or dead", async () => {
    let pings = 0;
    const server = createServer((_, response) => {
      pings += 1;
      response.end("ok");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const bound = server.address();
    assert.ok(bound !== null && typeof bound === "object");
    try {
      await onRig(`{ deadman: { url: "http://127.0.0.1:${bound.port}/ping/secret-of-the-deadman", every: 1s } }`, async (rig) => {
        const watching = await startWatching(rig);
        await until("three pings", () => pings >= 3, 15_000);
        watching.child.kill("SIGSTOP");
        // One may be under way.
        await sleep(300);
        const before = pings;
        await sleep(3_500);
        assert.equal(pings, before, "it goes on although nothing decides");
        watching.child.kill("SIGCONT");
        await until("it begins again", () => pings > before, 10_000);
        await watching.kill();
        await sleep(300);
        const last = pings;
        await sleep(2_000);
        assert.equal(pings, last);
        assert.ok(!watching.stderr.includes("secret-of-the-deadman"));
      });
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});
