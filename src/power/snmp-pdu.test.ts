import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { startSnmpPdu } from "../../lab/snmp-pdu.ts";
import type { SnmpPdu, SnmpPduOptions as Device } from "../../lab/snmp-pdu.ts";
import { lacking, programPath, thirdParty } from "../../lab/third-party.ts";
import { UpkeepError } from "../core/errors.ts";
import { powerConformance } from "./conformance.ts";
import type { PowerRig } from "./conformance.ts";
import type { SnmpAccess } from "./snmp-client.ts";
import { SNMP_MODEL_NAMES, SNMP_MODELS } from "./snmp-models.ts";
import { snmpPdu } from "./snmp-pdu.ts";
import type { SnmpPduOptions } from "./snmp-pdu.ts";

const SKIP = lacking("snmpd");
const COMMUNITY = "hunter2sesame";
const USER = { name: "operator-7", auth: "hunter2 auth", privacy: "hunter2 privacy" };
const V2C: SnmpAccess = { version: "2c", community: COMMUNITY };
const V3: SnmpAccess = { version: "3", user: USER.name, authProtocol: "sha256", authPassword: USER.auth, privacyProtocol: "aes", privacyPassword: USER.privacy };

async function start(options: Device): Promise<SnmpPdu> {
  thirdParty("snmpd (net-snmp)", [programPath("snmpd") ?? "", "-v"]);
  return await startSnmpPdu({ community: COMMUNITY, user: USER, ...options });
}

async function started(t: TestContext, options: Device): Promise<SnmpPdu> {
  const pdu = await start(options);
  t.after(() => pdu.close());
  return pdu;
}

function optionsFor(pdu: SnmpPdu, more: Partial<SnmpPduOptions> = {}): SnmpPduOptions {
  return { host: pdu.address, port: pdu.port, model: "apc-rpdu2", access: V2C, stepMs: 20_000, maxActMs: 30_000, ...more };
}

const KINDS: readonly { readonly name: string; readonly device: Device; readonly options: Partial<SnmpPduOptions>; readonly outlet?: string }[] = [
  { name: "v2c, found by sysObjectID", device: { table: "apc-rpdu2" }, options: { model: "auto" } },
  { name: "v1, one column for state and command", device: { table: "apc-masterswitch" }, options: { model: "apc-masterswitch", access: { ...V2C, version: "1" } } },
  { name: "v3 authPriv, by name", device: { table: "apc-rpdu", names: { 3: "db 1" } }, options: { model: "apc-rpdu", access: V3 }, outlet: "db 1" },
];

for (const { name, device, options, outlet = "3" } of KINDS) {
  const make = async (stepMs: number): Promise<PowerRig> => {
    const pdu = await start(device);
    return {
      device: snmpPdu.create(optionsFor(pdu, { ...options, stepMs })),
      outlet,
      other: "2",
      unknown: "99",
      secrets: [COMMUNITY, "hunter2", USER.name],
      commands: () => pdu.log.all("command").filter((command) => command.outcome !== "lost").map((command) => `${command.action} ${command.outlets.join() === "3" ? outlet : command.outlets.join()}`),
      truth: async (wanted) => {
        await pdu.idle();
        return pdu.truth(wanted === outlet ? 3 : Number(wanted));
      },
      loseAnswer: () => (pdu.snmp.loseAnswers = 1),
      loseCommand: () => (pdu.snmp.loseCommands = 1),
      hang: () => (pdu.path.silent = true),
      close: () => pdu.close(),
    };
  };
  powerConformance(`snmp-pdu ${name}`, () => make(20_000), () => make(900), SKIP);
}

const forever = (): AbortSignal => new AbortController().signal;
const yes = (_: unknown, write: () => void): Promise<boolean> => {
  write();
  return Promise.resolve(true);
};
const failsWith = (code: string, message: RegExp) => (error: unknown): boolean => {
  assert.ok(error instanceof UpkeepError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  for (const secret of [COMMUNITY, USER.name, USER.auth, USER.privacy, "wrong1wrong"]) assert.ok(!`${error.message}${String(error.cause)}${error.stack}`.includes(secret), "a secret in an error");
  return true;
};

for (const model of SNMP_MODEL_NAMES) {
  test(`snmp-pdu ${model}: off and on reach the right outlet, and reading tells the truth`, { skip: SKIP }, async (t) => {
    const pdu = await started(t, { table: model, names: { 2: "db 1", 4: "mail" }, initial: { 5: "off" } });
    const session = await snmpPdu.create(optionsFor(pdu, { model })).open(forever());
    t.after(() => session.close());
    const states = async (): Promise<string> => (await session.read(["1", "db 1", "5"], forever())).map(({ outlet, state, label }) => `${outlet}=${state} (${label})`).join(", ");
    assert.equal(await states(), "1=on (Outlet 1), db 1=on (db 1), 5=off (Outlet 5)");
    assert.equal((await session.set("db 1", "off", yes, forever())).kind, "accepted");
    assert.equal((await session.set("5", "on", yes, forever())).kind, "accepted");
    assert.equal(await states(), "1=on (Outlet 1), db 1=off (db 1), 5=on (Outlet 5)");
    assert.deepEqual(pdu.log.all("edge").map((edge) => `${edge.outlet} ${edge.state}`), ["2 off", "5 on"]);
    assert.ok(pdu.log.all("command").every(({ action }) => action === "off" || action === "on"));
  });
}

test("a wrong community is silence, and the error says so", { skip: SKIP }, async (t) => {
  const pdu = await started(t, { table: "apc-rpdu2" });
  await assert.rejects(snmpPdu.create(optionsFor(pdu, { access: { version: "2c", community: "wrong1wrong" }, stepMs: 700 })).open(forever()), failsWith("POWER_UNREACHABLE", /no answer; .*the community is wrong/));
  assert.ok(pdu.requests().length >= 2, "a read is asked more than once");
});

test("a port where nobody listens is told by the kernel at once", { skip: SKIP }, async (t) => {
  const pdu = await started(t, { table: "apc-rpdu2" });
  const options = optionsFor(pdu);
  await pdu.close();
  await assert.rejects(snmpPdu.create(options).open(forever()), failsWith("POWER_UNREACHABLE", /nothing listens there/));
});

test("SNMPv3: a wrong password, user or protocol is a log-in that was refused", { skip: SKIP }, async (t) => {
  const pdu = await started(t, { table: "apc-rpdu2" });
  const wrong: readonly Partial<SnmpAccess & { version: "3" }>[] = [{ authPassword: "wrong1wrong" }, { user: "wrong1wrong" }, { authProtocol: "sha512" }];
  for (const change of wrong) await assert.rejects(snmpPdu.create(optionsFor(pdu, { access: { ...V3, ...change } as SnmpAccess, stepMs: 2_000 })).open(forever()), failsWith("POWER_LOGIN", /do not agree/));
  await assert.rejects(snmpPdu.create(optionsFor(pdu, { access: { ...V3, privacyPassword: "wrong1wrong" }, stepMs: 700 })).open(forever()), failsWith("POWER_UNREACHABLE", /the privacy password/));
});

test("SNMPv3 with the longer keys", { skip: SKIP }, async (t) => {
  const pdu = await started(t, { table: "apc-rpdu2", user: { ...USER, authProtocol: "SHA-512", privacyProtocol: "AES-256" } });
  const session = await snmpPdu.create(optionsFor(pdu, { access: { ...V3, authProtocol: "sha512", privacyProtocol: "aes256" } })).open(forever());
  t.after(() => session.close());
  assert.equal((await session.read(["2"], forever()))[0]?.state, "on");
});

test("a community that may only read is refused by the device, and nothing is switched", { skip: SKIP }, async (t) => {
  const pdu = await started(t, { table: "apc-rpdu", readOnly: "look-only" });
  for (const version of ["2c", "1"] as const) {
    const session = await snmpPdu.create(optionsFor(pdu, { model: "apc-rpdu", access: { version, community: "look-only" } })).open(forever());
    t.after(() => session.close());
    const outcome = await session.set("2", "off", yes, forever());
    assert.deepEqual([outcome.kind, outcome.kind === "refused" && outcome.by], ["refused", "device"], outcome.evidence);
  }
  assert.deepEqual(pdu.log.all("command"), []);
});

test("what the device refuses in words is refused; an error that leaves it open is unknown", { skip: SKIP }, async (t) => {
  const pdu = await started(t, { table: "apc-rpdu2" });
  const session = await snmpPdu.create(optionsFor(pdu)).open(forever());
  t.after(() => session.close());
  for (const refuse of ["wrong-value", "inconsistent-value", "not-writable"] as const) {
    pdu.snmp.refuse = refuse;
    const outcome = await session.set("2", "off", yes, forever());
    assert.equal(outcome.kind, "refused", outcome.evidence);
  }
  assert.deepEqual(pdu.log.all("edge"), []);
});

test("states of a wrong type, out of the table, stale or still pending are no off", { skip: SKIP }, async (t) => {
  const pdu = await started(t, { table: "apc-rpdu2" });
  const session = await snmpPdu.create(optionsFor(pdu)).open(forever());
  t.after(() => session.close());
  const state = async (): Promise<string | undefined> => (await session.read(["2"], forever()))[0]?.state;
  pdu.snmp.stateAsText = true;
  assert.equal(await state(), "unknown");
  pdu.snmp.stateAsText = false;
  for (const value of [0, 3, -1]) {
    pdu.snmp.stateAs = value;
    assert.equal(await state(), "unknown", String(value));
  }
  pdu.snmp.stateAs = null;
  pdu.faults.effectDelayMs = 300;
  assert.equal((await session.set("2", "off", yes, forever())).kind, "accepted");
  assert.equal(await state(), "unknown", "the command is pending");
  await pdu.idle();
  assert.equal(await state(), "off");
  pdu.faults.staleMs = 60_000;
  assert.equal(await state(), "on", "a device that lies is read as it lies: the core asks the host itself");
});

test("answers to another request, from a stranger, or made of nonsense are no answers", { skip: SKIP }, async (t) => {
  const pdu = await started(t, { table: "apc-rpdu2", initial: { 3: "off" } });
  const session = await snmpPdu.create(optionsFor(pdu)).open(forever());
  t.after(() => session.close());
  const states = async (outlet: string): Promise<string | undefined> => (await session.read([outlet], forever()))[0]?.state;
  pdu.path.repeatLast = true;
  for (const [outlet, state] of [["2", "on"], ["3", "off"], ["2", "on"], ["3", "off"]] as const) assert.equal(await states(outlet), state);
  pdu.path.repeatLast = false;
  for (const forged of [Buffer.from("nonsense"), Buffer.from("3003020101", "hex"), Buffer.alloc(1400, 0x30), Buffer.from("30820004020101", "hex")]) {
    pdu.path.forged = forged;
    assert.equal(await states("3"), "off");
  }
});

test("SNMPv3: an answer that is neither signed nor encrypted is no answer", { skip: SKIP }, async (t) => {
  const pdu = await started(t, { table: "apc-rpdu2" });
  const session = await snmpPdu.create(optionsFor(pdu, { access: V3, stepMs: 3_000 })).open(forever());
  t.after(() => session.close());
  assert.equal((await session.read(["2"], forever()))[0]?.state, "on");
  // A plain response as an SNMPv2c device gives it: right shape, wrong protection.
  pdu.path.forged = Buffer.from("302c02010104067075626c6963a21f02040000000102010002010030113000060c2b0601020101020002010102", "hex");
  assert.equal((await session.read(["2"], forever()))[0]?.state, "on");
});

test("lost and slow answers: a read is repeated within its step, a command never", { skip: SKIP }, async (t) => {
  const pdu = await started(t, { table: "apc-rpdu2" });
  const session = await snmpPdu.create(optionsFor(pdu, { stepMs: 1_500 })).open(forever());
  t.after(() => session.close());
  pdu.path.loseRequests = 1;
  assert.equal((await session.read(["2"], forever()))[0]?.state, "on", "the second question was answered");
  pdu.path.loseAnswers = 1;
  assert.equal((await session.read(["2"], forever()))[0]?.state, "on");
  pdu.snmp.loseAnswers = 1;
  const sets = (): number => pdu.requests().filter((bytes) => bytes.includes(0xa3) && bytes.indexOf(COMMUNITY) > 0 && bytes[bytes.indexOf(COMMUNITY) + COMMUNITY.length] === 0xa3).length;
  const outcome = await session.set("2", "off", yes, forever());
  assert.equal(outcome.kind, "unknown", outcome.evidence);
  assert.equal(sets(), 1, "one datagram");
  assert.equal(pdu.log.all("command").length, 1);
  await assert.rejects(session.read(["2"], forever()), failsWith("POWER_UNREACHABLE", /closed/));
});

test("a device that goes away in the middle ends the session with an error, and a command in an unknown", { skip: SKIP }, async (t) => {
  const pdu = await started(t, { table: "apc-rpdu2" });
  const open = (): Promise<Awaited<ReturnType<ReturnType<typeof snmpPdu.create>["open"]>>> => snmpPdu.create(optionsFor(pdu, { stepMs: 600 })).open(forever());
  const [one, other] = [await open(), await open()];
  t.after(() => Promise.all([one.close(), other.close()]));
  const gone = async (_: unknown, write: () => void): Promise<boolean> => {
    await pdu.close();
    write();
    return true;
  };
  assert.equal((await one.set("2", "off", gone, forever())).kind, "unknown");
  await assert.rejects(other.read(["2"], forever()), (error) => error instanceof UpkeepError && ["POWER_UNREACHABLE", "POWER_TIMEOUT"].includes(error.code));
});

test("three sessions at once are served, each with its own answers", { skip: SKIP }, async (t) => {
  const pdu = await started(t, { table: "apc-rpdu2", initial: { 3: "off" } });
  const sessions = await Promise.all([V2C, V2C, V3].map((access) => snmpPdu.create(optionsFor(pdu, { access })).open(forever())));
  t.after(() => Promise.all(sessions.map((session) => session.close())));
  const read = await Promise.all(sessions.flatMap((session, index) => (index === 0 ? [] : [session.read(["2", "3"], forever())])));
  for (const readings of read) assert.deepEqual(readings.map(({ state }) => state), ["on", "off"]);
  assert.equal((await sessions[0]?.set("2", "off", yes, forever()))?.kind, "accepted");
  for (const session of sessions) assert.deepEqual((await session.read(["2"], forever())).map(({ state }) => state), ["off"]);
});

test("names: two outlets of one name, a name that is gone, and one outlet written in two ways are no outlets", { skip: SKIP }, async (t) => {
  const pdu = await started(t, { table: "sentry-3", names: { 1: "twin", 2: "twin", 3: "db" } });
  const session = await snmpPdu.create(optionsFor(pdu, { model: "sentry-3" })).open(forever());
  t.after(() => session.close());
  await assert.rejects(session.read(["twin"], forever()), failsWith("POWER_OUTLET", /several outlets/));
  await assert.rejects(session.read(["nobody"], forever()), failsWith("POWER_OUTLET", /no outlet has this name/));
  await assert.rejects(session.read(["1.1.3"], forever()), failsWith("POWER_OUTLET", /write 3/));
  await assert.rejects(session.read(["1.2.3"], forever()), failsWith("POWER_OUTLET", /no such outlet/));
  assert.equal((await session.read(["db"], forever()))[0]?.state, "on");
  pdu.faults.labels[3] = "spare";
  await assert.rejects(session.set("db", "off", yes, forever()), failsWith("POWER_OUTLET", /something else/));
  assert.deepEqual(pdu.log.all("command"), []);
});

test("auto refuses a device that it does not certainly know", { skip: SKIP }, async (t) => {
  const pdu = await started(t, { table: "apc-rpdu2", sysObjectId: "1.3.6.1.4.1.318.1.3.4.99" });
  await assert.rejects(snmpPdu.create(optionsFor(pdu, { model: "auto" })).open(forever()), failsWith("POWER_NONSENSE", /sysObjectID 1\.3\.6\.1\.4\.1\.318\.1\.3\.4\.99.*name it/));
});

test("the table: no two models claim one device, commands are immediate, and columns are object ids", () => {
  const claimed = SNMP_MODEL_NAMES.flatMap((name) => SNMP_MODELS[name].sysObjectIds);
  assert.equal(new Set(claimed).size, claimed.length);
  for (const name of SNMP_MODEL_NAMES) {
    const { state, control, label, pending, unit } = SNMP_MODELS[name];
    for (const oid of [state.oid, control.on.oid, control.off.oid, label, ...(pending === null ? [] : [pending.oid])]) assert.match(oid, /^1\.3\.6\.1\.4\.1\.[0-9.]*[0-9]$/, name);
    assert.notDeepEqual(control.on, control.off);
    assert.notEqual(state.on, state.off);
    assert.match(unit, /^([0-9]+\.)*$/);
  }
});

test("the page has every model, what tells it, and what proved it", () => {
  const page = readFileSync(new URL("../../docs/reference/power/snmp-pdu.md", import.meta.url), "utf8");
  for (const name of SNMP_MODEL_NAMES) {
    const { sysObjectIds, testedOn } = SNMP_MODELS[name];
    const row = page.split("\n").find((line) => line.startsWith(`| \`${name}\` |`))?.split("|").map((cell) => cell.trim()) ?? [];
    assert.equal(row[4], sysObjectIds.length > 0 ? "yes" : "no", name);
    assert.equal(row[5] === "*none*", testedOn.length === 0, name);
    for (const client of testedOn.join().match(/fence_\w+/g) ?? []) assert.ok(row[5]?.includes(client), `${name}: ${client}`);
  }
});
