import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import fc from "fast-check";
import { diesWithUs } from "../../lab/child.ts";
import { standstill } from "../../lab/standstill.ts";
import { lacking, programPath, thirdParty } from "../../lab/third-party.ts";
import { assertEvidence, closedPort, conformance, noIcmp } from "./conformance.ts";
import { udpPeer, udpSettings } from "./conformance-udp.ts";
import type { Finding } from "./probe.ts";
import { snmp } from "./snmp.ts";
import type { SnmpOptions, SnmpUser } from "./snmp.ts";

const LOOPBACK = { host: "patient", address: "127.0.0.1", family: 4 } as const;
const LIMIT_MS = 10_000;
const UPTIME = "1.3.6.1.2.1.1.3.0";

function options(port: number, more: Partial<SnmpOptions> = {}): SnmpOptions {
  return { port, version: "2c", community: "public", user: null, context: "", oid: UPTIME, ...more };
}

/** A BER element (X.690): what these tests say an agent says is written without the library that the probe uses. */
function element(tag: number, ...content: readonly (Buffer | number)[]): Buffer {
  const bytes = Buffer.concat(content.map((part) => (typeof part === "number" ? Buffer.of(part) : part)));
  return Buffer.concat([bytes.length < 128 ? Buffer.of(tag, bytes.length) : Buffer.of(tag, 0x82, bytes.length >> 8, bytes.length & 0xff), bytes]);
}

const OID = element(6, Buffer.from("2b06010201010300", "hex"));
const FORTY_TWO = element(2, 42);

/** The request's id as it came: every element of these questions has a length of one byte. */
function idOf(question: Buffer): Buffer {
  const at = 2 + 3 + 2 + (question[6] ?? 0) + 2;
  return question.subarray(at, at + 2 + (question[at + 1] ?? 0));
}

type Said = { readonly id?: Buffer; readonly oid?: Buffer; readonly value?: Buffer; readonly status?: number; readonly community?: string; readonly pdu?: number };

function answer(question: Buffer, { id = idOf(question), oid = OID, value = FORTY_TWO, status = 0, community = "public", pdu = 0xa2 }: Said = {}): Buffer {
  const index = status === 0 ? 0 : 1;
  return element(0x30, element(2, 1), element(4, Buffer.from(community)), element(pdu, id, element(2, status), element(2, index), element(0x30, element(0x30, oid, value))));
}

const otherId = (question: Buffer): Buffer => {
  const id = Buffer.from(idOf(question));
  id.writeUInt8(id.readUInt8(id.length - 1) ^ 1, id.length - 1);
  return id;
};

conformance(
  snmp,
  udpSettings((port) => options(port), {
    right: (question) => answer(question),
    another: (question) => answer(question, { id: otherId(question) }),
  }),
);

async function look(said: Said, more: Partial<SnmpOptions> = {}): Promise<Finding> {
  const peer = await udpPeer((question, say) => say(answer(question, said)));
  try {
    return await snmp.run(LOOPBACK, options(peer.port, more), { icmp: noIcmp }, AbortSignal.timeout(LIMIT_MS));
  } finally {
    await peer.close();
  }
}

const opaqueFloat = (value: number): Buffer => {
  const bytes = Buffer.from("9f780400000000", "hex");
  bytes.writeFloatBE(value, 3);
  return element(0x44, bytes);
};

test("values of every kind, within bounds and beyond", async () => {
  const cases: readonly (readonly [Buffer, Partial<SnmpOptions>, string, string])[] = [
    [FORTY_TWO, {}, "good", "42"],
    [FORTY_TWO, { min: 42, max: 42 }, "good", "42"],
    [FORTY_TWO, { min: 43 }, "bad", "42 (at least 43)"],
    [FORTY_TWO, { max: 41.5 }, "bad", "42 (at most 41.5)"],
    [element(2, 0xd6), { max: 0 }, "good", "-42"],
    [element(0x41, 0, 0xff, 0xff, 0xff, 0xff), { min: 4_294_967_295 }, "good", "4294967295"],
    [element(0x42, 7), { equals: "7" }, "good", "7"],
    [element(0x43, 1, 0), { equals: "256" }, "good", "256"],
    [element(0x46, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), { equals: "18446744073709551615", }, "good", "18446744073709551615"],
    [element(0x46, 1, 0), { max: 255 }, "bad", "256 (at most 255)"],
    [element(4, Buffer.from("0.15")), { max: 4 }, "good", "0.15"],
    [element(4, Buffer.from("on line")), { equals: "on line" }, "good", "on line"],
    [element(4, Buffer.from("on line")), { equals: "off" }, "bad", "on line (expected off)"],
    [element(4, Buffer.from("on line")), { min: 1 }, "unknown", "on line is not a number"],
    [element(4, Buffer.from("1e9")), { min: 1 }, "unknown", "1e9 is not a number"],
    [element(4, Buffer.from("\x1b[2J\xff")), {}, "good", "\\x1b[2Jÿ"],
    [element(4, Buffer.alloc(0)), { min: 1 }, "unknown", " is not a number"],
    [opaqueFloat(0.5), { max: 1 }, "good", "0.5"],
    [opaqueFloat(Infinity), { max: 1 }, "unknown", "Infinity is not a number"],
    [element(0x40, 10, 0, 0, 1), { equals: "10.0.0.1" }, "good", "10.0.0.1"],
    [element(6, 0x2b, 6, 1), { equals: "1.3.6.1" }, "good", "1.3.6.1"],
  ];
  for (const [value, bounds, outcome, evidence] of cases) {
    const found = await look({ value }, bounds);
    assert.deepEqual([found.outcome, found.evidence], [outcome, `${UPTIME} = ${evidence}`]);
    assert.equal(found.sign, "answer");
  }
  assert.deepEqual((await look({ value: FORTY_TWO }, { max: 1 })).perfdata, [{ label: UPTIME, value: 42 }]);
});

test("an agent without the object, or that does not show it, lives and cannot be judged", async () => {
  const cases: readonly (readonly [Said, string, RegExp])[] = [
    [{ value: element(0x80) }, "unknown", /^the agent has no 1\.3/],
    [{ value: element(0x81) }, "unknown", /^the agent has no 1\.3/],
    [{ value: element(0x82) }, "unknown", /^the agent has no 1\.3/],
    [{ value: element(5), status: 2 }, "unknown", /: the agent has no such object$/],
    [{ value: element(5), status: 6 }, "unknown", /: the agent does not let us see it$/],
    [{ value: element(5), status: 16 }, "unknown", /: the agent does not let us see it$/],
    [{ value: element(5), status: 1 }, "unknown", /: the answer does not fit into a datagram$/],
    [{ value: element(5), status: 5 }, "bad", /: the agent answers error 5$/],
    [{ value: element(5) }, "unknown", /^the agent has no/],
  ];
  for (const [said, outcome, evidence] of cases) {
    const found = await look(said, { max: 1 });
    assert.deepEqual([found.outcome, found.sign], [outcome, "answer"], found.evidence);
    assert.match(found.evidence, evidence);
  }
});

test("an answer about another object, in another community, or that is none, is bad", async () => {
  const otherOid = element(6, Buffer.from("2b06010201010400", "hex"));
  for (const said of [{ oid: otherOid }, { community: "private" }, { pdu: 0xa0 }, { pdu: 0xa8 }]) {
    const found = await look(said);
    assert.deepEqual([found.outcome, found.sign], ["bad", "answer"], found.evidence);
    assert.ok(!found.evidence.includes("private"));
  }
});

test("whatever datagrams come, nothing throws and the evidence stays printable", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), fc.nat(60), async (bytes, at) => {
      const peer = await udpPeer((question, say) => {
        const right = answer(question);
        const broken = Buffer.concat([right.subarray(0, Math.min(at, right.length)), Buffer.from(bytes)]);
        for (let turn = 0; turn < 20; turn += 1) say(broken);
      });
      try {
        assertEvidence(await snmp.run(LOOPBACK, options(peer.port), { icmp: noIcmp }, AbortSignal.timeout(LIMIT_MS)));
      } finally {
        await peer.close();
      }
    }),
    { numRuns: 100 },
  );
});

test("an answer that is not signed, to a question that was, is nobody's", async (t) => {
  const engine = Buffer.from("800000000102030405", "hex");
  const peer = await udpPeer((question, say) => {
    const message = (pdu: Buffer): Buffer => {
      const id = question.subarray(7, 7 + 2 + (question[8] ?? 0));
      const security = element(0x30, element(4, engine), element(2, 1), element(2, 1), element(4), element(4), element(4));
      const scoped = element(0x30, element(4, engine), element(4), pdu);
      return element(0x30, element(2, 3), element(0x30, id, element(2, 0x7f, 0xff), element(4, 0), element(2, 3)), element(4, security), scoped);
    };
    const get = question.lastIndexOf(Buffer.from([0xa0]));
    const id = question.subarray(get + 2, get + 4 + (question[get + 3] ?? 0));
    const isDiscovery = !question.includes(engine);
    const counter = element(0x30, element(6, Buffer.from("2b060106030f01010400", "hex")), element(0x41, 1));
    const pdu = isDiscovery ? element(0xa8, id, element(2, 0), element(2, 0), element(0x30, counter)) : element(0xa2, id, element(2, 0), element(2, 0), element(0x30, element(0x30, OID, FORTY_TWO)));
    say(message(pdu));
  });
  t.after(peer.close);
  const ask = (user: SnmpUser, limitMs: number): Promise<Finding> => snmp.run(LOOPBACK, options(peer.port, { version: "3", user }), { icmp: noIcmp }, AbortSignal.timeout(limitMs));
  assert.equal((await ask({ name: "watcher", auth: null, privacy: null }, LIMIT_MS)).evidence, `${UPTIME} = 42`);
  await assert.rejects(ask({ name: "watcher", auth: { protocol: "sha", password: "sesame-open" }, privacy: null }, 400));
});

test("an agent that answers version 3 with reports for ever is left after a few", async (t) => {
  const report = Buffer.from("0a0b0c0d0e", "hex");
  let asked = 0;
  const peer = await udpPeer((question, say) => {
    asked += 1;
    // msgID as it came; boots and time of 0 ask for the next round of clocks.
    const id = question.subarray(7, 7 + 2 + (question[8] ?? 0));
    const security = element(0x30, element(4, report), element(2, 0), element(2, 0), element(4), element(4), element(4));
    const counter = element(0x30, element(6, Buffer.from("2b060106030f01010400", "hex")), element(0x41, asked & 0x7f));
    const scoped = element(0x30, element(4, report), element(4), element(0xa8, element(2, 0), element(2, 0), element(2, 0), element(0x30, counter)));
    say(element(0x30, element(2, 3), element(0x30, id, element(2, 0x7f, 0xff), element(4, 0), element(2, 3)), element(4, security), scoped));
  });
  t.after(peer.close);
  const found = await snmp.run(LOOPBACK, options(peer.port, { version: "3", user: { name: "watcher", auth: null, privacy: null } }), { icmp: noIcmp }, AbortSignal.timeout(LIMIT_MS));
  assert.notEqual(found.outcome, "good");
  assert.ok(asked <= 4, `${asked} questions`);
});

const skip = lacking("snmpd");

test("a real snmpd: versions 1, 2c and 3, wrong names and passwords, stopped, gone", { skip }, async (t) => {
  thirdParty("snmpd (net-snmp)", [programPath("snmpd") ?? "", "-v"]);
  const agent = await snmpd(t);
  const user = (more: Partial<SnmpUser> = {}): SnmpUser => ({ name: "watcher", auth: { protocol: "sha", password: "sesame-open" }, privacy: { protocol: "aes", password: "sesame-close" }, ...more });
  const signed = user({ name: "signer", privacy: null });
  const NAME = "1.3.6.1.2.1.1.5.0";
  const cases: readonly (readonly [string, Partial<SnmpOptions>, string, RegExp])[] = [
    ["version 1", { version: "1", min: 0 }, "good", /^1\.3\.6\.1\.2\.1\.1\.3\.0 = \d+$/],
    ["version 2c", { oid: NAME, equals: "lab-agent" }, "good", /= lab-agent$/],
    ["another name", { oid: NAME, equals: "other" }, "bad", /= lab-agent \(expected other\)$/],
    ["a load average", { oid: "1.3.6.1.4.1.2021.10.1.3.1", min: 0, max: 10_000 }, "good", /= \d+\.\d\d$/],
    ["the same as a float", { oid: "1.3.6.1.4.1.2021.10.1.6.1", min: 0, max: 10_000 }, "good", /= [\d.]+$/],
    ["a 64-bit counter", { oid: "1.3.6.1.2.1.31.1.1.1.6.1", min: 0 }, "good", /= \d+$/],
    ["no such object", { oid: "1.3.6.1.4.1.99999.1.0", min: 0 }, "unknown", /^the agent has no/],
    ["no such object, version 1", { oid: "1.3.6.1.4.1.99999.1.0", version: "1" }, "unknown", /the agent has no such object$/],
    ["version 3, signed and encrypted", { version: "3", user: user(), oid: NAME }, "good", /= lab-agent$/],
    ["version 3, signed", { version: "3", user: signed, oid: NAME }, "good", /= lab-agent$/],
    ["version 3, an unknown user", { version: "3", user: user({ name: "stranger" }) }, "unknown", /^the agent turns us away, or is another: Unknown User Name$/],
    ["version 3, a wrong password", { version: "3", user: user({ auth: { protocol: "sha", password: "wrong-password" } }) }, "unknown", /^the agent turns us away, or is another: [A-Za-z ]+$/],
    ["version 3, less than the user must", { version: "3", user: { ...user(), privacy: null } }, "unknown", /./],
  ];
  for (const [what, more, outcome, evidence] of cases) {
    const found = await lookAt(agent.port, more).catch((error) => assert.fail(`${what}: ${error}`));
    assert.equal(found.outcome, outcome, `${what}: ${found.evidence}`);
    assert.match(found.evidence, evidence, what);
    assert.ok(!/sesame|wrong-password/.test(JSON.stringify(found)));
  }
  // A community that it does not know is silence, and so is what it cannot decrypt.
  for (const more of [{ community: "guess" }, { version: "3", user: user({ privacy: { protocol: "aes", password: "wrong-password" } }) }] as const) {
    await assert.rejects(snmp.run(LOOPBACK, options(agent.port, more), { icmp: noIcmp }, AbortSignal.timeout(300)));
  }
  await standstill(agent.child);
  await assert.rejects(snmp.run(LOOPBACK, options(agent.port), { icmp: noIcmp }, AbortSignal.timeout(300)));
  agent.child.kill("SIGCONT");
  assert.equal((await lookAt(agent.port, {})).outcome, "good");
  await agent.stop();
  assert.deepEqual(await lookAt(agent.port, {}), { outcome: "bad", sign: "refused", evidence: "connection refused" });
});

function lookAt(port: number, more: Partial<SnmpOptions>): Promise<Finding> {
  return snmp.run(LOOPBACK, options(port, more), { icmp: noIcmp }, AbortSignal.timeout(LIMIT_MS));
}

async function snmpd(t: TestContext): Promise<{ port: number; child: ReturnType<typeof spawn>; stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), `upkeep-snmpd-${process.pid}-`));
  const port = await closedPort();
  writeFileSync(join(folder, "snmpd.conf"), [
    `agentaddress udp:127.0.0.1:${port}`, "sysName lab-agent", "rocommunity public 127.0.0.1", "load 12",
    'createUser watcher SHA "sesame-open" AES "sesame-close"', 'createUser signer SHA "sesame-open"', "rouser watcher priv", "rouser signer auth", "",
  ].join("\n"));
  const argv = [...diesWithUs(), programPath("snmpd") ?? "", "-f", "-C", "-c", join(folder, "snmpd.conf"), "-Lf", join(folder, "log"), "-I", "-smux", "-x", join(folder, "agentx"), "-p", join(folder, "pid")];
  const child = spawn(argv[0] ?? "", argv.slice(1), { stdio: "ignore", env: { ...process.env, SNMP_PERSISTENT_DIR: join(folder, "persistent") } });
  const ended = once(child, "exit");
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  t.after(stop);
  for (const endsAtMs = performance.now() + LIMIT_MS; ; await pause(50)) {
    const found = await lookAt(port, {});
    if (found.outcome === "good") return { port, child, stop };
    assert.ok(child.exitCode === null && performance.now() < endsAtMs, `snmpd did not start: ${found.evidence}`);
  }
}
