import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { test } from "node:test";
import { createTransport } from "nodemailer";
import { labRefusal, startLab } from "./machine.ts";
import { smtpRefusal, startSmtp } from "./smtp.ts";
import type { SmtpServer } from "./smtp.ts";

const skip = smtpRefusal() ?? false;

async function send(server: SmtpServer, subject: string, text: string, to = "root@localhost"): Promise<string> {
  const transport = createTransport({ host: server.address, port: server.port, secure: false });
  try {
    return (await transport.sendMail({ from: "upkeep@lab.test", to, subject, text })).response;
  } finally {
    transport.close();
  }
}

test("mails are accepted and can be read as they were sent, in order", { skip }, async (t) => {
  const server = await startSmtp();
  t.after(() => server.stop());
  assert.match(server.version, /^Exim version 4\.\d+/);
  assert.deepEqual(await server.mails(), []);
  assert.match(await send(server, "first", "one\n.\n..two\n"), /^250 OK/);
  const [first = ""] = await server.waitForMails(1);
  assert.match(first, /^Envelope-to: root@localhost$/m);
  assert.match(first, /^Return-path: <upkeep@lab\.test>$/m);
  assert.match(first, /^Subject: first$/m);
  assert.equal(first.slice(first.indexOf("\n\n") + 2), "one\n.\n..two\n");
  await send(server, "second", "");
  const mails = await server.waitForMails(2);
  assert.deepEqual(mails.map((mail) => /^Subject: (.*)$/m.exec(mail)?.[1]), ["first", "second"]);
  await assert.rejects(server.waitForMails(3, 50), /2 of 3 mails[^]*listening for SMTP/);
});

test("a mailbox that is refused, one that is busy, and a server that is away", { skip }, async (t) => {
  const server = await startSmtp();
  t.after(() => server.stop());
  await assert.rejects(send(server, "x", "y", "refused@lab.test"), { responseCode: 550 });
  await assert.rejects(send(server, "x", "y", "busy@lab.test"), { responseCode: 451 });
  assert.deepEqual(await server.mails(), []);
  await server.stop();
  await assert.rejects(send(server, "x", "y"), { code: "ESOCKET" });
});

test("two servers do not meet, and leave nothing behind", { skip }, async () => {
  const [one, other] = await Promise.all([startSmtp(), startSmtp({ address: "127.0.0.2" })]);
  assert.ok(existsSync(one.folder) && existsSync(other.folder));
  await send(one, "to one", "");
  await one.waitForMails(1);
  assert.deepEqual(await other.mails(), []);
  await Promise.all([one.stop(), other.stop()]);
  const closed = await new Promise((resolve) => connect(one.port, one.address).once("error", () => resolve(true)));
  assert.equal(closed, true);
  assert.deepEqual([one, other].filter((server) => existsSync(server.folder)), []);
});

test("it can serve inside a lab node", { skip: skip === false ? labRefusal() ?? false : skip }, async (t) => {
  const lab = await startLab();
  t.after(() => lab.stop());
  const node = await lab.node("mailhost");
  const server = await startSmtp({ address: node.address, spawn: node.spawn });
  t.after(() => server.stop());
  const program = `
    const { createTransport } = await import(${JSON.stringify(import.meta.resolve("nodemailer"))});
    const transport = createTransport({ host: ${JSON.stringify(server.address)}, port: ${server.port}, secure: false });
    console.log((await transport.sendMail({ from: "upkeep@lab.test", to: "root@localhost", subject: "from afar", text: "" })).response);`;
  const watcher = await lab.node("watcher");
  const sent = await watcher.exec([process.execPath, "--input-type=module", "-e", program]);
  assert.match(sent.stdout, /^250 OK/, sent.stderr);
  assert.match((await server.waitForMails(1))[0] ?? "", /^Subject: from afar$/m);
});
