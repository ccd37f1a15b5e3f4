// Mail against a real server (Exim), and against peers that no real server can be made to play.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createServer as createTlsServer, TLSSocket } from "node:tls";
import { whichProgram } from "../../lab/child.ts";
import type { SmtpServer } from "../../lab/smtp.ts";
import { smtpRefusal, startSmtp } from "../../lab/smtp.ts";
import type { Delivery } from "./channel.ts";
import type { MailOptions } from "./mail.ts";
import { mailChannel } from "./mail.ts";
import type { Message } from "./message.ts";
import { compose } from "./message.ts";

const SENDER = { site: "höme lab", watcher: "rikis" } as const;
const AT = Date.UTC(2026, 10, 21, 10, 11, 12);
const MESSAGE: Message = compose(
  { alarm: "held:logos", kind: "held", severity: "critical", host: "logos", incident: "lusab-babad", happened: "Logos hängt.\r\nBcc: everybody@example.org", done: "Nothing.", asked: "upkeep release logos" },
  "raised", "", SENDER, AT, "id-1",
);
const OPTIONS: MailOptions = { to: ["root@mail.lab.test"], from: "upkeep@mail.lab.test", host: "127.0.0.1", port: 0, username: null, password: null, tls: "offered" };
const NEVER = new AbortController().signal;
const skip = smtpRefusal() ?? false;

let exim: SmtpServer | undefined;
after(() => exim?.stop());

async function server(): Promise<SmtpServer> {
  exim ??= await startSmtp();
  return exim;
}

function deliver(options: Partial<MailOptions>, only: readonly string[] | null = null, message = MESSAGE): Promise<Delivery> {
  return mailChannel("mail", { ...OPTIONS, ...options }, SENDER, { stepMs: 5_000, totalMs: 10_000 }).deliver(message, only, NEVER);
}

test("a mail arrives at a real server as it was written", { skip }, async () => {
  const { port, waitForMails, mails } = await server();
  const before = (await mails()).length;
  assert.deepEqual(await deliver({ port }), { kind: "delivered", note: null, left: [] });
  const mail = (await waitForMails(before + 1)).at(-1) ?? "";
  const [head = "", ...rest] = mail.split("\n\n");
  const headers = head.replace(/\n[ \t]+/g, " ");
  assert.match(headers, /^From: =\?UTF-8\?.*<upkeep@mail\.lab\.test>$/im);
  assert.match(headers, /^To: root@mail\.lab\.test$/m);
  assert.match(headers, /^Subject: =\?UTF-8\?/m);
  assert.match(headers, /^Auto-Submitted: auto-generated$/m);
  assert.match(headers, /^X-Upkeep-Incident: lusab-babad$/m);
  assert.match(headers, /^Date: Sat, 21 Nov 2026 10:11:12 \+0000$/m);
  assert.match(headers, /^Message-ID: <id-1\.upkeep@mail\.lab\.test>$/im);
  assert.doesNotMatch(headers, /^Bcc/im, "a line break in an alarm is no header");
  const body = rest.join("\n\n");
  const text = /quoted-printable/i.test(headers) ? body.replace(/=\n/g, "").replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))) : body;
  assert.match(Buffer.from(text, "latin1").toString(), /What is asked of you:\n {2}upkeep release logos/);
});

test("all messages of an alarm and incident are one conversation", { skip }, async () => {
  const { port, waitForMails, mails } = await server();
  const before = (await mails()).length;
  await deliver({ port });
  await deliver({ port }, null, { ...MESSAGE, id: "id-2", state: "over" });
  const [one, two] = (await waitForMails(before + 2)).slice(-2).map((mail) => /^References: (<.*>)$/m.exec(mail.replace(/\n[ \t]+/g, " "))?.[1]);
  assert.ok(one !== undefined && one === two, `${one} ${two}`);
});

test("several recipients get it; who is refused is named, who is busy is left over", { skip }, async () => {
  const { port, waitForMails, mails } = await server();
  const before = (await mails()).length;
  const result = await deliver({ port, to: ["root@mail.lab.test", "refused@mail.lab.test", "busy@mail.lab.test"] });
  assert.equal(result.kind, "delivered");
  assert.ok(result.kind === "delivered");
  assert.deepEqual(result.left, ["busy@mail.lab.test"]);
  assert.match(result.note ?? "", /refused@mail\.lab\.test: 550.*busy@mail\.lab\.test: 451/);
  await waitForMails(before + 1);
});

test("nobody taken: for good where the server says so, else to be tried again", { skip }, async () => {
  const { port } = await server();
  const refused = await deliver({ port, to: ["refused@mail.lab.test"] });
  assert.equal(refused.kind, "refused", JSON.stringify(refused));
  const busy = await deliver({ port, to: ["busy@mail.lab.test", "refused@mail.lab.test"] });
  assert.equal(busy.kind, "failed", JSON.stringify(busy));
  const only = await deliver({ port, to: ["root@mail.lab.test", "busy@mail.lab.test"] }, ["busy@mail.lab.test"]);
  assert.equal(only.kind, "failed", "the others are not asked again");
});

test("required encryption that the server does not offer is a failure, and nothing is said in clear", { skip }, async () => {
  const { port, mails } = await server();
  const before = (await mails()).length;
  const result = await deliver({ port, tls: "starttls" });
  assert.ok(result.kind === "failed" && /STARTTLS/i.test(result.evidence), JSON.stringify(result));
  assert.equal((await mails()).length, before);
});

/** A peer that answers each line by a rule; null: it says nothing. */
async function peer(greeting: string | null, rule: (line: string) => string | null): Promise<{ readonly port: number; readonly heard: string[]; close(): Promise<void> }> {
  const heard: string[] = [];
  const sockets = new Set<Socket>();
  const listening: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    if (greeting !== null) socket.write(greeting);
    let rest = "";
    socket.on("data", (bytes: Buffer) => {
      rest += bytes.toString("latin1");
      for (let at = rest.indexOf("\r\n"); at >= 0; at = rest.indexOf("\r\n")) {
        const line = rest.slice(0, at);
        rest = rest.slice(at + 2);
        heard.push(line);
        const answer = rule(line);
        if (answer !== null) socket.write(answer);
      }
    });
  });
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  return {
    port: (listening.address() as AddressInfo).port, heard,
    close: () => new Promise((resolve) => {
      for (const socket of sockets) socket.destroy();
      listening.close(() => resolve());
    }),
  };
}

for (const [what, greeting, rule] of [
  ["says nothing", null, () => null],
  ["goes silent after the greeting", "220 hello\r\n", () => null],
  ["talks nonsense", "what?\u0000\u001b[2J\r\n", () => "nonsense\r\n"],
  ["never ends its greeting", "220-", () => null],
] as const) {
  test(`a peer that ${what} is a failure in bounded time`, { timeout: 20_000 }, async () => {
    const { port, close } = await peer(greeting, rule);
    try {
      const result = await mailChannel("mail", { ...OPTIONS, port }, SENDER, { stepMs: 300, totalMs: 1_500 }).deliver(MESSAGE, null, NEVER);
      assert.equal(result.kind, "failed", JSON.stringify(result));
    } finally {
      await close();
    }
  });
}

test("a peer that trickles is a failure when the whole time is over", { timeout: 20_000 }, async () => {
  const { port, close } = await peer("220 hello\r\n", (line) => (line.startsWith("EHLO") ? "250 hello\r\n" : "250-wait\r\n"));
  try {
    const channel = mailChannel("mail", { ...OPTIONS, port }, SENDER, { stepMs: 60_000, totalMs: 400 });
    assert.deepEqual(await channel.deliver(MESSAGE, null, NEVER), { kind: "failed", evidence: "not delivered within 400 ms" });
  } finally {
    await close();
  }
});

test("a wrong password is tried again, and is in no evidence however the server repeats it", { timeout: 20_000 }, async () => {
  const password = "hunter2 sesame";
  const { port, heard, close } = await peer("220 hello\r\n", (line) => {
    if (line.startsWith("EHLO")) return "250-hello\r\n250 AUTH PLAIN\r\n";
    if (line.startsWith("AUTH")) return `535 5.7.8 ${password} and ${Buffer.from(password).toString("base64")} are wrong\r\n`;
    return "250 ok\r\n";
  });
  try {
    const result = await deliver({ port, tls: "none", username: "upkeep", password: { reveal: () => password } });
    assert.ok(heard.some((line) => line.startsWith("AUTH PLAIN ")), "it was tried");
    assert.ok(result.kind === "failed" && /535/.test(result.evidence), JSON.stringify(result));
    assert.doesNotMatch(JSON.stringify(result), /hunter2|sesame|aHVudGVyMiBzZXNhbWU/);
  } finally {
    await close();
  }
});

test("who is not who he should be gets no mail, except where encryption is only taken if offered", { skip: whichProgram("openssl") === null ? "not installed: openssl" : false, timeout: 20_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-tls-"));
  execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1", "-keyout", join(folder, "key"), "-out", join(folder, "cert")], { stdio: "ignore" });
  const identity = { key: readFileSync(join(folder, "key")), cert: readFileSync(join(folder, "cert")) };
  rmSync(folder, { recursive: true });
  const accepted: string[] = [];
  const listening = createServer((socket) => {
    socket.on("error", () => undefined);
    const talk = (stream: Socket, encrypted: boolean): void => {
      stream.on("error", () => undefined);
      let data = false;
      stream.on("data", (bytes: Buffer) => {
        for (const line of bytes.toString("latin1").split("\r\n").slice(0, -1)) {
          if (line === "STARTTLS") {
            stream.removeAllListeners("data");
            stream.write("220 go\r\n");
            return talk(new TLSSocket(stream, { isServer: true, ...identity }), true);
          }
          if (data && line !== ".") continue;
          if (line.startsWith("RCPT")) accepted.push(encrypted ? "encrypted" : "in clear");
          data = line === "DATA";
          stream.write(data ? "354 go on\r\n" : line.startsWith("EHLO") && !encrypted ? "250-peer\r\n250 STARTTLS\r\n" : "250 ok\r\n");
        }
      });
    };
    socket.write("220 peer\r\n");
    talk(socket, false);
  });
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  const { port } = listening.address() as AddressInfo;
  const secure = createTlsServer(identity, (socket) => {
    socket.on("error", () => undefined);
    accepted.push("tls");
    socket.end("220 peer\r\n");
  });
  secure.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => secure.listen(0, "127.0.0.1", resolve));
  try {
    const required = await deliver({ port, tls: "starttls" });
    assert.ok(required.kind === "failed" && /self-signed/.test(required.evidence), JSON.stringify(required));
    const direct = await deliver({ port: (secure.address() as AddressInfo).port, tls: "tls" });
    assert.ok(direct.kind === "failed" && /self-signed/.test(direct.evidence), JSON.stringify(direct));
    assert.deepEqual(accepted, []);
    assert.equal((await deliver({ port, tls: "offered" })).kind, "delivered");
    assert.equal((await deliver({ port, tls: "none" })).kind, "delivered");
    assert.deepEqual(accepted, ["encrypted", "in clear"]);
  } finally {
    await Promise.all([listening, secure].map((each) => new Promise((resolve) => each.close(resolve))));
  }
});

test("a server that cannot be reached is a failure", async () => {
  const { port, close } = await peer(null, () => null);
  await close();
  const result = await deliver({ port });
  assert.ok(result.kind === "failed" && /ECONNREFUSED/.test(result.evidence), JSON.stringify(result));
});
