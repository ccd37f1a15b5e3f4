import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { kill } from "node:process";
import { test } from "node:test";
import fc from "fast-check";
import { withDaemon } from "../../lab/daemon.ts";
import { whichProgram } from "../../lab/child.ts";
import { lacking, thirdParty } from "../../lab/third-party.ts";
import { assertEvidence, conformance, noIcmp, tcpSettings, until } from "./conformance.ts";
import { imap, judgeGreeting } from "./imap.ts";

const LOOPBACK = { host: "patient", address: "127.0.0.1", family: 4 } as const;

conformance(
  imap,
  tcpSettings(
    (port) => ({ port, tls: false }),
    () => Buffer.from("* OK [CAPABILITY IMAP4rev1] ready\r\n"),
  ),
);

function judged(text: string): string {
  return judgeGreeting(Buffer.from(text))?.outcome ?? "waits";
}

test("RFC 9051 §7.1: which greetings are good, and who is only turned away", () => {
  for (const words of ["* OK ready", "* ok", "* PREAUTH hello"]) assert.equal(judged(`${words}\r\n`), "good", words);
  assert.equal(judged("* BYE Maximum number of connections exceeded.\r\n"), "unknown");
  for (const words of ["* NO", "* OKAY", "OK", "a OK", "220 mail", "", "+OK pop3"]) assert.equal(judged(`${words}\r\n`), "bad", words);
  assert.equal(judged("* OK ready"), "waits");
});

test("random greetings never throw and stay printable", () => {
  fc.assert(
    fc.property(fc.boolean(), fc.uint8Array({ maxLength: 200 }), (headed, bytes) => {
      const whole = Buffer.concat([Buffer.from(headed ? "* OK " : ""), Buffer.from(bytes)]);
      const found = judgeGreeting(whole);
      if (found !== null) assertEvidence(found);
      if (found?.outcome === "good") assert.match(whole.toString("latin1"), /^\* (OK|PREAUTH)[ \r\n]/i);
    }),
    { numRuns: 1_000 },
  );
});

const missing = userInfo().uid === 0 ? lacking("dovecot") : "dovecot needs root to give its parts users of their own";

test("a real Dovecot greets; stopped, its kernel accepts and nothing is said", { skip: missing }, async () => {
  const dovecot = whichProgram("dovecot") ?? "";
  thirdParty("Dovecot", [dovecot, "--version"]);
  const plan = {
    name: "dovecot",
    files: (folder: string, port: number) => ({
      "dovecot.conf": `protocols = imap
base_dir = ${folder}/run
state_dir = ${folder}/state
log_path = /dev/stderr
listen = 127.0.0.1
ssl = no
service imap-login {
  inet_listener imap {
    port = ${port}
  }
  inet_listener imaps {
    port = 0
  }
}
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid=mail gid=mail home=${folder}
}
`,
    }),
    argv: (folder: string) => [dovecot, "-F", "-c", `${folder}/dovecot.conf`],
  };
  await withDaemon(plan, async ({ port, process, log }) => {
    const found = await imap.run(LOOPBACK, { port, tls: false }, { icmp: noIcmp }, AbortSignal.timeout(20_000));
    assert.equal(found.outcome, "good", `${found.evidence} ${log()}`);
    assert.match(found.evidence, /^\* OK \[CAPABILITY IMAP4rev1/);
    const everybody = family(process.pid ?? 0);
    assert.ok(everybody.length > 1, "a master and its children");
    for (const pid of everybody) signal(pid, "SIGSTOP");
    try {
      const told: string[] = [];
      const controller = new AbortController();
      const silent = imap.run(LOOPBACK, { port, tls: false }, { icmp: noIcmp }, controller.signal, (text) => told.push(text));
      await until(() => told.includes("connected"), "its kernel did not accept");
      controller.abort(new Error("enough"));
      await assert.rejects(silent, /enough/);
    } finally {
      for (const pid of everybody) signal(pid, "SIGCONT");
    }
  });
});

/** A process and all that come of it. */
function family(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter((text) => text !== "");
  return [pid, ...children.flatMap((child) => family(Number(child)))];
}

/** Dovecot's helpers come and go, and its master reaps them as soon as it goes on: who has ended needs no signal. */
function signal(pid: number, name: "SIGSTOP" | "SIGCONT"): void {
  try {
    kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
